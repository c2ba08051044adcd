"""A path as words, read from left to right; each kind of word is read and written here and nowhere else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from ndlab.errors import BadRequest
from ndlab.serve.grammar.requests import COLORS, PLANES, RESERVED, Cut, Options, Plane, Range

__all__ = [
    "Words",
    "channel_word",
    "channels_of",
    "colors_of",
    "cut_words",
    "ids_of",
    "integer",
    "name_word",
    "number_word",
    "option_words",
    "plane_words",
    "shown",
]

_INT = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{6}", re.ASCII)
_FLAGS = ("neariso", "direct", "aligned")


class Words:
    """The words of a path and how many were read."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = list(words)
        self._at = 0

    def peek(self, ahead: int = 0) -> str:
        """Next word, or the one so many further on; empty at the end."""
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else ""

    def take(self, what: str) -> str:
        """Read a word, or say that `what` is missing."""
        word = self.peek()
        if not word:
            read = "/".join(self._words[: self._at])
            raise BadRequest(
                f"path {shown(read)} ends early", f"{what} should follow", "see the grammar of the service"
            )
        self._at += 1
        return word

    def skip(self, *words: str) -> bool:
        """Read the next word if it is one of `words`."""
        found = self.peek() in words
        self._at += found
        return found

    def end(self) -> None:
        """Check that nothing is left."""
        if self.peek():
            rest = "/".join(self._words[self._at :])
            raise BadRequest(f"{shown(rest)} at the end of the path", "nothing more can follow there")

    def name(self, what: str) -> str:
        """Read a name."""
        return unquote(self.take(what))

    def integer(self, what: str) -> int:
        """Read a whole number."""
        return integer(self.take(what), what)

    def range(self, what: str) -> Range:
        """Read two whole numbers, ``a,b``."""
        word = self.take(f"a range of {what}")
        parts = word.split(",")
        if len(parts) != 2:
            raise BadRequest(f"{shown(word)} as a range of {what}", "a range is two numbers, half-open: 0,512")
        return integer(parts[0], what), integer(parts[1], what)

    def plane(self) -> Plane:
        """Read the name of a plane."""
        word = self.take("a plane")
        for known in PLANES:
            if word == known:
                return known  # type: ignore[return-value]  # one of the three
        raise BadRequest(f"plane {shown(word)}", f"the planes are {', '.join(PLANES)}")

    def level(self) -> int:
        """Read a level."""
        word = self.take("a level")
        number = integer(word, "level")
        if number < 0:
            raise BadRequest(f"level {number}", "levels count from 0, the finest")
        return number

    def cut(self) -> Cut:
        """Read the arguments of a box."""
        level = self.level()
        x, y, z = self.range("x"), self.range("y"), self.range("z")
        return Cut(level, x, y, z, self.range("t") if "," in self.peek() else None)

    def plane_cut(self, plane: Plane) -> Cut:
        """Read the arguments of a plane, which has one number along its third axis."""
        level = self.level()
        x, y, z = (self.range(axis) if axis in plane else self._one(axis) for axis in "xyz")
        time = self._one("t") if _INT.fullmatch(self.peek()) else None
        return Cut(level, x, y, z, time)

    def _one(self, what: str) -> Range:
        number = self.integer(what)
        return number, number + 1

    def options(self) -> Options:
        """Read options to the end of the path."""
        window: tuple[float, float] | None = None
        kept: tuple[int, ...] = ()
        flags: set[str] = set()
        while word := self.peek():
            if word in _FLAGS:
                flags.add(self.take("an option"))
            elif self.skip("window"):
                window = window_of(self.take("a window"))
            elif self.skip("filter"):
                kept = ids_of(self.take("ids"))
            else:
                known = "options are neariso/, window/lo,hi/, filter/id,id/, direct/ and aligned/"
                raise BadRequest(f"option {shown(word)}", known)
        return Options(window, kept, *(flag in flags for flag in _FLAGS))


def shown(text: str) -> str:
    """Quote what was asked, shortened, for a message."""
    return repr(unquote(text)[:80])


def integer(word: str, what: str) -> int:
    """Return a whole number."""
    if not _INT.fullmatch(word):
        raise BadRequest(f"{shown(word)} as {what}", f"{what} is a whole number")
    return int(word)


def ids_of(word: str) -> tuple[int, ...]:
    """Return ids from ``1,2,3``."""
    ids = tuple(integer(part, "an id") for part in word.split(","))
    if not all(0 <= one < 1 << 64 for one in ids):
        raise BadRequest(f"ids {shown(word)}", "an id lies between 0 and 2^64 - 1")
    return ids


def window_of(word: str) -> tuple[float, float]:
    """Return a display window from ``lo,hi``."""
    try:
        low, high = map(float, word.split(","))
    except ValueError:
        raise BadRequest(f"window {shown(word)}", "a window is two numbers, lo,hi") from None
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise BadRequest(f"window {shown(word)}", "its second number is not smaller than its first")
    return low, high


def channels_of(word: str) -> tuple[str, ...]:
    """Return channel names from ``a,b``; ``0`` keeps a place empty."""
    names = tuple(unquote(part) for part in word.split(","))
    if not all(names) or not any(name != "0" for name in names):
        raise BadRequest(f"channels {shown(word)}", "names are parted by one comma, and not all of them are 0")
    return names


def colors_of(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return channel names and their colours from ``a:C,b``; empty where none is stated."""
    names, colors = [], []
    for part in word.split(","):
        name, _, color = part.partition(":")
        if color and color not in COLORS and not _HEX.fullmatch(color):
            raise BadRequest(f"colour {shown(color)} of channel {shown(name)}",
                             f"colours are {', '.join(COLORS)} or RRGGBB in hexadecimal")  # fmt: skip
        names.append(name)
        colors.append(color)
    return channels_of(",".join(names)), tuple(colors)


# --- and back -------------------------------------------------------------------------------------------------------


def name_word(name: str) -> str:
    """Write a name."""
    if not name:
        raise BadRequest("an empty name in a path", "tokens and channels have names")
    return quote(name, safe="")


def channel_word(names: tuple[str, ...], colors: tuple[str, ...] = ()) -> list[str]:
    """Write channels as one word, or no word for the default channel."""
    if taken := sorted(RESERVED.intersection(names)):
        raise BadRequest(f"a channel named {taken[0]!r} in a path", "that word is a service's", "rename the channel")
    if not names:
        return []
    paired = zip(names, colors or [""] * len(names), strict=True)
    return [",".join(name_word(name) + (f":{color}" if color else "") for name, color in paired)]


def cut_words(cut: Cut) -> list[str]:
    """Write the arguments of a box."""
    ranges = (cut.x, cut.y, cut.z) if cut.t is None else (cut.x, cut.y, cut.z, cut.t)
    return [str(cut.level), *(f"{low},{high}" for low, high in ranges)]


def plane_words(plane: Plane, cut: Cut) -> list[str]:
    """Write the arguments of a plane."""
    words = [str(cut.level)]
    for axis in "xyz":
        low, high = getattr(cut, axis)
        words.append(f"{low},{high}" if axis in plane else str(low))
    return words if cut.t is None else [*words, str(cut.t[0])]


def option_words(options: Options) -> list[str]:
    """Write options."""
    words = [flag for flag in _FLAGS if getattr(options, flag)]
    if options.window is not None:
        words += ["window", ",".join(map(number_word, options.window))]
    if options.filter:
        words += ["filter", ",".join(map(str, options.filter))]
    return words


def number_word(value: float) -> str:
    """Write a number."""
    return str(int(value)) if value == int(value) and abs(value) < 1 << 53 else repr(float(value))
