"""Paths of synaptograms: every slice of a box, or a picture of what lies around a point.

The older form is ``/synaptogram/<token>/<channel,...>/<x>,<y>,<z>/`` and options in any order:
``reference/<channel,...>/``, ``EM/<channel,...>/``, ``enhance/<factor>/``, ``normalize/`` or ``normalize2/``,
``resolution/<level>/``, ``width/<voxels>/``, ``tile/<pixels>/``, ``frame/<pixels>/`` and ``time/<t>/``.
"""

from __future__ import annotations

import math
import re
from typing import Any, cast, get_args

from ndlab.errors import BadRequest
from ndlab.serve.grammar.requests import Normalize, Synaptogram, SynaptogramAt
from ndlab.serve.grammar.words import (
    Words,
    channel_word,
    channels_of,
    cut_words,
    integer,
    name_word,
    number_word,
    option_words,
    shown,
)

__all__ = ["parse", "words_of"]

_POINT = re.compile(r"[+-]?\d+,[+-]?\d+,[+-]?\d+", re.ASCII)
# Each option's word in a path, the field it is, and the least it may be.
_NUMBERS = {"resolution": ("level", 0), "width": ("width", 1), "tile": ("tile", 1), "frame": ("frame", 0),
            "time": ("t", 0)}  # fmt: skip
_CHANNELS = {"reference": "reference", "EM": "plain"}
_WORDS = (*_CHANNELS, "enhance", "normalize", "normalize2", *_NUMBERS)


def parse(words: Words) -> Synaptogram | SynaptogramAt:
    """Read what follows ``synaptogram``."""
    token, names = words.name("a token"), channels_of(words.take("channels"))
    if _POINT.fullmatch(words.peek()):
        x, y, z = (integer(word, "a coordinate") for word in words.take("a point").split(","))
        return SynaptogramAt(token, names, x, y, z, **_options(words))
    if (plane := words.plane()) != "xy":
        raise BadRequest(f"a synaptogram of plane {plane}", "its slices are xy")
    return Synaptogram(token, names, words.cut(), words.options())


def _options(words: Words) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while word := words.peek():
        words.take("an option")
        if word in _NUMBERS:
            name, least = _NUMBERS[word]
            found[name] = _at_least(least, words.integer(word), word)
        elif word in _CHANNELS:
            found[_CHANNELS[word]] = channels_of(words.take("channels"))
        elif word == "enhance":
            found["enhance"] = _factor(words.take("a factor"))
        elif word in get_args(Normalize):
            found["normalize"] = cast(Normalize, word)
        else:
            raise BadRequest(f"option {shown(word)}", f"options are {', '.join(one + '/' for one in _WORDS)}")
    return found


def _at_least(least: int, number: int, what: str) -> int:
    if number < least:
        raise BadRequest(f"{what} {number}", f"it is at least {least}")
    return number


def _factor(word: str) -> float:
    try:
        factor = float(word)
    except ValueError:
        factor = math.nan
    if not 0 <= factor < math.inf:
        raise BadRequest(f"enhance {shown(word)}", "brightness is multiplied by a number that is 0 or more")
    return factor


def words_of(asked: Synaptogram | SynaptogramAt) -> list[str]:
    """Write one."""
    head = ["synaptogram", name_word(asked.token), *channel_word(asked.channels)]
    if isinstance(asked, Synaptogram):
        return [*head, "xy", *cut_words(asked.cut), *option_words(asked.options)]
    return [*head, f"{asked.x},{asked.y},{asked.z}", *_option_words(asked)]


def _option_words(asked: SynaptogramAt) -> list[str]:
    """Write what is not as it is without being asked for."""
    words: list[str] = []
    for word, field in _CHANNELS.items():
        if names := getattr(asked, field):
            words += [word, *channel_word(names)]
    if asked.enhance != 1:
        words += ["enhance", number_word(asked.enhance)]
    if asked.normalize is not None:
        words.append(asked.normalize)
    usual = SynaptogramAt("", (), 0, 0, 0)
    for word, (field, _) in _NUMBERS.items():
        if (value := getattr(asked, field)) != getattr(usual, field):
            words += [word, str(value)]
    return words
