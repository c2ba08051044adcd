"""What a page asks of the tile service: flat text parameters, checked and made into values.

Nothing here reads a voxel. A parameter that is missing, misspelt or absurd is a `BadRequest` that says what is
allowed; whether levels, time points and channels exist is for the service to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ndlab.errors import BadRequest

__all__ = ["AXES", "Encoding", "Play", "Tiles", "Window", "parse_play", "parse_tiles"]

Window = tuple[float, float]

# Columns, then rows; for each the axes of (z, y, x) along the depth, the rows and the columns of a tile.
AXES: dict[str, tuple[int, int, int]] = {"xy": (0, 1, 2), "xz": (1, 0, 2), "yz": (2, 0, 1), "zy": (2, 1, 0)}

MOST_KEYS = 64
TILE_SIDES = (16, 2048)
MOST_PIXELS = 1 << 24
MOST_LAYERS = 8
_LARGEST = 1 << 53
_DOOR = {"token", "_xsrf"}  # what the server in front reads and may leave in the query


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pixels are packed: as they are, or as JPEG of `quality` through `window`."""

    quality: int | None = None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Tiles:
    """Some tiles of one plane orientation: `keys` are (depth, tile row, tile column), most wanted first."""

    vol: str
    level: int
    axis: str
    t: int
    c: int
    side: int
    encoding: Encoding
    keys: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Play:
    """The planes `first`, `first + step` ... up to and with `last`, of each of `vols`, cut to `box`.

    `box` is (first row, row after the last, first column, column after the last) in voxels of the level.
    """

    vols: tuple[str, ...]
    level: int
    axis: str
    t: int
    c: int
    first: int
    last: int
    step: int
    box: tuple[int, int, int, int]
    encoding: Encoding

    @property
    def planes(self) -> range:
        """The planes in the order they are played."""
        return range(self.first, self.last + (1 if self.step > 0 else -1), self.step)

    def inside(self, depth: int) -> range:
        """Which of `planes`, by number, lie within ``[0, depth)``.

        Examples
        --------
        >>> played = parse_play({"vol": "em", "from": "-4", "to": "99", "step": "3", "box": "0,8,0,8"})
        >>> numbers = played.inside(10)
        >>> numbers, [played.planes[n] for n in numbers]
        (range(2, 5), [2, 5, 8])
        """
        first, step = (self.first, self.step) if self.step > 0 else (depth - 1 - self.first, -self.step)
        return range(max(0, -(first // step)), min(len(self.planes), (depth - 1 - first) // step + 1))


def parse_tiles(query: Mapping[str, str]) -> Tiles:
    """Check the parameters of a request for tiles.

    Raises
    ------
    BadRequest
        If one is missing, unknown or outside what is allowed.

    Examples
    --------
    >>> parse_tiles({"vol": "em", "lod": "1", "k": "7,0,2;8,0,2"}).keys
    ((7, 0, 2), (8, 0, 2))
    """
    _known(query, {"vol", "lod", "axis", "t", "c", "s", "q", "win", "v", "k"})
    side = _number(query, "s", 512, *TILE_SIDES)
    return Tiles(_vol(query), *_place(query), side, _encoding(query), _keys(query))


def parse_play(query: Mapping[str, str]) -> Play:
    """Check the parameters of a request for played planes; raises as `parse_tiles` does.

    Examples
    --------
    >>> list(parse_play({"vol": "em", "from": "9", "to": "5", "step": "-2", "box": "0,64,0,64"}).planes)
    [9, 7, 5]
    """
    _known(query, {"vol", "lod", "axis", "t", "c", "from", "to", "step", "box", "q", "win", "v"})
    vols = tuple(_vol(query).split(","))
    if not all(vols) or len(vols) > MOST_LAYERS:
        raise BadRequest(f"vol={query['vol']!r}", f"1 to {MOST_LAYERS} ids, parted by commas", "pass vol=em,labels")
    first, last = (_number(query, name, None, -_LARGEST, _LARGEST) for name in ("from", "to"))
    step = _number(query, "step", 1 if last >= first else -1, -_LARGEST, _LARGEST)
    if step == 0 or (last - first) * step < 0:
        raise BadRequest(f"from={first} to={last} step={step}", "the step leads from the first plane to the last",
                         f"pass step={-step or 1}")  # fmt: skip
    return Play(vols, *_place(query), first, last, step, _box(query), _encoding(query))


def _known(query: Mapping[str, str], names: set[str]) -> None:
    unknown = sorted(set(query) - names - _DOOR)
    if unknown:
        raise BadRequest(f"the parameter {unknown[0]!r}"[:80], f"there are {', '.join(sorted(names))}")


def _vol(query: Mapping[str, str]) -> str:
    if not query.get("vol"):
        raise BadRequest("a request without vol", "it names the volume", "add vol=ID, as info and add() give it")
    return query["vol"]


def _place(query: Mapping[str, str]) -> tuple[int, str, int, int]:
    """Level, axis, time point and channel."""
    axis = query.get("axis", "xy")
    if axis not in AXES:
        raise BadRequest(f"axis={axis!r}"[:80], f"columns, then rows: {', '.join(AXES)}", "pass axis=xy")
    level, t, c = (_number(query, name, 0, 0, _LARGEST) for name in ("lod", "t", "c"))
    return level, axis, t, c


def _number(query: Mapping[str, str], name: str, default: int | None, least: int, most: int) -> int:
    text = query.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"-?[0-9]{1,18}", text) or not least <= int(text) <= most:
        have = "nothing" if text is None else repr(text[:40])
        raise BadRequest(f"{name} is {have}", f"a whole number from {least} to {most}", f"pass {name}={max(least, 0)}")
    return int(text)


def _encoding(query: Mapping[str, str]) -> Encoding:
    q, win = query.get("q", "raw"), query.get("win")
    found = re.fullmatch(r"raw|jpeg([0-9]{1,3})", q)
    if not found or (found[1] and not 1 <= int(found[1]) <= 95):
        raise BadRequest(f"q={q!r}"[:80], "raw, or jpeg and a quality from 1 to 95", "pass q=raw or q=jpeg75")
    return Encoding(int(found[1]) if found[1] else None, None if win is None else _window(win))


def _window(text: str) -> Window:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not -float("inf") < low < high < float("inf"):
        raise BadRequest(f"win={text!r}"[:80], "two numbers, low and high, low below high", "pass win=0,255")
    return low, high


def _keys(query: Mapping[str, str]) -> tuple[tuple[int, int, int], ...]:
    text = query.get("k", "")
    parts = text.split(";") if len(text) <= MOST_KEYS * 60 else []
    if not 1 <= len(parts) <= MOST_KEYS or not all(
        re.fullmatch(r"-?[0-9]{1,18},-?[0-9]{1,18},-?[0-9]{1,18}", p) for p in parts
    ):
        raise BadRequest(f"k={text[:40]!r}", f"1 to {MOST_KEYS} keys d,r,c parted by semicolons", "pass k=0,0,0")
    keys = (tuple(map(int, part.split(","))) for part in parts)
    return tuple((d, r, c) for d, r, c in keys)


def _box(query: Mapping[str, str]) -> tuple[int, int, int, int]:
    text = query.get("box", "")
    if not re.fullmatch(r"[0-9]{1,15}(,[0-9]{1,15}){3}", text):
        raise BadRequest(f"box={text[:60]!r}", "row0,row1,column0,column1 in voxels, half-open", "pass box=0,512,0,512")
    r0, r1, c0, c1 = map(int, text.split(","))
    if not (r0 < r1 and c0 < c1) or max(r1 - r0, c1 - c0) > 0xFFFF or (r1 - r0) * (c1 - c0) > MOST_PIXELS:
        raise BadRequest(f"box={text}", f"at least one pixel and at most {MOST_PIXELS} of them", "pass box=0,512,0,512")
    return r0, r1, c0, c1
