"""Boxes, calibration, blocks and Morton order: where voxels are, in voxels and in nanometres.

Two conventions hold everywhere. A box is half-open, (z, y, x), 0-based in the array of a stated level. A voxel
is a cell: voxel *i* along an axis fills ``[offset + i * voxel_size, offset + (i + 1) * voxel_size)`` in nm, so
`offset` is the outer corner of voxel 0 and is the same at every level of a clean pyramid. File formats that
count from voxel centres are converted at the door (`metadata`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ndlab.errors import BadRequest, OutOfBounds

__all__ = [
    "Box",
    "Calibration",
    "Grid",
    "NmBox",
    "chunk_shape",
    "level_shape",
    "morton_decode",
    "morton_encode",
    "pyramid_factors",
]

Int3 = tuple[int, int, int]
Float3 = tuple[float, float, float]


def _ints(values: Sequence[int], what: str) -> Int3:
    try:
        a, b, c = values
        if int(a) == a and int(b) == b and int(c) == c:
            return int(a), int(b), int(c)
    except (TypeError, ValueError, OverflowError):  # no sequence, another length, words, infinities
        pass
    raise BadRequest(f"{what} was {values!r}", "it takes three whole numbers in (z, y, x) order")


def _floats(values: Any) -> tuple[float, ...]:
    """Return numbers; none of them where `values` are not a sequence of numbers, which no length fits."""
    try:
        return tuple(map(float, values))
    except (TypeError, ValueError):
        return ()


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box of voxels (z, y, x) in the array of one level.

    Parameters
    ----------
    start, stop : sequence of 3 int
        First voxel and one past the last, (z, y, x), 0-based in that level's array.
    level : int
        Pyramid step; 0 is the finest.

    Raises
    ------
    BadRequest
        If `stop` lies before `start` on an axis, or a number is not whole.

    Examples
    --------
    >>> box = Box((0, 10, 20), (5, 20, 40))
    >>> box.shape, box.size
    ((5, 10, 20), 1000)
    >>> box & Box((2, 0, 0), (9, 15, 30))
    Box(start=(2, 10, 20), stop=(5, 15, 30), level=0)
    """

    start: Int3
    stop: Int3
    level: int = 0

    def __init__(self, start: Sequence[int], stop: Sequence[int], level: int = 0) -> None:
        object.__setattr__(self, "start", _ints(start, "Box start"))
        object.__setattr__(self, "stop", _ints(stop, "Box stop"))
        object.__setattr__(self, "level", int(level))
        if any(b < a for a, b in zip(self.start, self.stop, strict=True)):
            raise BadRequest(
                f"Box {self.start} to {self.stop} ends before it starts",
                "boxes are half-open and in (z, y, x) order",
                "swap start and stop on that axis, or check that the order is not (x, y, z)",
                start=self.start,
                stop=self.stop,
            )

    @staticmethod
    def nm(start: Sequence[float], stop: Sequence[float], level: int | None = None) -> NmBox:
        """Make a box in nanometres (z, y, x), offset included; a volume turns it into voxels when it is read.

        Without `level` it is read at the level of that volume.

        Examples
        --------
        >>> Box.nm((0, 0, 0), (400, 400, 400)).voxels(Calibration((40, 4, 4)))
        Box(start=(0, 0, 0), stop=(10, 100, 100), level=0)
        """
        return NmBox(start, stop, level)

    @property
    def shape(self) -> Int3:
        """Extent in voxels (z, y, x)."""
        (a, b, c), (d, e, f) = self.start, self.stop
        return d - a, e - b, f - c

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Slices that cut this box out of a whole (z, y, x) array."""
        (a, b, c), (d, e, f) = self.start, self.stop
        return slice(a, d), slice(b, e), slice(c, f)

    def __and__(self, other: Box) -> Box:
        """Return the common part; empty (size 0) where there is none."""
        self._same_level(other)
        start = tuple(map(max, self.start, other.start))
        stop = tuple(max(s, e) for s, e in zip(start, map(min, self.stop, other.stop), strict=True))
        return Box(start, stop, self.level)

    def __or__(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        self._same_level(other)
        return Box(tuple(map(min, self.start, other.start)), tuple(map(max, self.stop, other.stop)), self.level)

    def __contains__(self, other: object) -> bool:
        if not isinstance(other, Box):
            return False
        return (
            self.level == other.level
            and all(a <= b for a, b in zip(self.start, other.start, strict=True))
            and all(a >= b for a, b in zip(self.stop, other.stop, strict=True))
        )

    def shift(self, by: Sequence[int]) -> Box:
        """Move the box by `by` voxels (z, y, x)."""
        step = _ints(by, "shift")
        return Box(
            tuple(a + b for a, b in zip(self.start, step, strict=True)),
            tuple(a + b for a, b in zip(self.stop, step, strict=True)),
            self.level,
        )

    def grow(self, overlap: int | Sequence[int], within: Sequence[int] | None = None) -> Box:
        """Add a margin of `overlap` voxels on each side, clipped to an array of shape `within`."""
        margin = (overlap,) * 3 if isinstance(overlap, int) else _ints(overlap, "overlap")
        start = tuple(a - m for a, m in zip(self.start, margin, strict=True))
        stop = tuple(b + m for b, m in zip(self.stop, margin, strict=True))
        grown = Box(start, stop, self.level)
        return grown if within is None else grown & Box((0, 0, 0), within, self.level)

    def check(self, shape: Sequence[int], what: str = "volume") -> Box:
        """Return the box if it lies inside an array of `shape`, else raise `OutOfBounds` naming the legal extent."""
        if any(a < 0 for a in self.start) or any(b > n for b, n in zip(self.stop, shape, strict=True)):
            raise OutOfBounds(
                f"box {self.start} to {self.stop} leaves the {what}",
                f"level {self.level} spans (0, 0, 0) to {tuple(shape)} in (z, y, x)",
                "clip it with box & Box((0, 0, 0), volume.shape[-3:], level)",
                start=self.start,
                stop=self.stop,
                shape=tuple(shape),
                level=self.level,
            )
        return self

    def _same_level(self, other: Box) -> None:
        if self.level != other.level:
            raise BadRequest(
                f"boxes of level {self.level} and level {other.level} were combined",
                "voxels of different levels differ in size",
                "convert one with Calibration.box_between, or work in nm",
            )


@dataclass(frozen=True, slots=True)
class NmBox:
    """A half-open box in nanometres (z, y, x), offset included; made by `Box.nm`."""

    start: Float3
    stop: Float3
    level: int | None = None

    def __init__(self, start: Sequence[float], stop: Sequence[float], level: int | None = None) -> None:
        a, b = _floats(start), _floats(stop)
        if len(a) != 3 or len(b) != 3 or not all(map(math.isfinite, a + b)):
            raise BadRequest(f"nm box {start!r} to {stop!r}", "it takes three finite numbers each, (z, y, x)")
        if any(hi < lo for lo, hi in zip(a, b, strict=True)):
            raise BadRequest(f"nm box {a} to {b} ends before it starts", "boxes are half-open, (z, y, x), in nm")
        object.__setattr__(self, "start", a)
        object.__setattr__(self, "stop", b)
        object.__setattr__(self, "level", level)

    def voxels(self, calibration: Calibration) -> Box:
        """Find the voxels whose centres lie inside.

        Neighbouring nm boxes therefore share no voxel and leave none out, whatever the voxel size.
        """
        return Box(
            tuple(_first_centre(v, s, o) for v, s, o in self._axes(self.start, calibration)),
            tuple(_first_centre(v, s, o) for v, s, o in self._axes(self.stop, calibration)),
            self.level or 0,
        )

    @staticmethod
    def _axes(values: Float3, c: Calibration) -> Iterator[tuple[float, float, float]]:
        return zip(values, c.voxel_size, c.offset, strict=True)


def _first_centre(value: float, size: float, offset: float) -> int:
    """Index of the first voxel whose centre is at or past `value` [nm].

    The small tolerance keeps 0.1 + 0.2 style rounding from moving a boundary by a whole voxel.
    """
    return math.ceil(round((value - offset) / size - 0.5, 6))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Voxel size and outer corner of voxel (0, 0, 0), both in nm, (z, y, x).

    Examples
    --------
    >>> c = Calibration((40, 4, 4), offset=(80, 0, 0))
    >>> c.centre((0, 0, 0))
    (100.0, 2.0, 2.0)
    >>> c.index((100.0, 2.0, 2.0))
    (0, 0, 0)
    """

    voxel_size: Float3
    offset: Float3 = (0.0, 0.0, 0.0)

    def __init__(self, voxel_size: Sequence[float], offset: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        size, corner = _floats(voxel_size), _floats(offset)
        if len(size) != 3 or not all(math.isfinite(v) and v > 0 for v in size):
            raise BadRequest(
                f"voxel_size was {voxel_size!r}",
                "a voxel size is three positive numbers of nanometres in (z, y, x) order",
                "pass e.g. voxel_size=(40, 4, 4)",
            )
        if len(corner) != 3 or not all(map(math.isfinite, corner)):
            raise BadRequest(f"offset was {offset!r}", "an offset is three numbers of nanometres in (z, y, x) order")
        object.__setattr__(self, "voxel_size", size)
        object.__setattr__(self, "offset", corner)

    def centre(self, index: Sequence[float]) -> Float3:
        """Position [nm] of the centre of voxel `index`."""
        a, b, c = (o + (i + 0.5) * s for i, s, o in zip(index, self.voxel_size, self.offset, strict=True))
        return a, b, c

    def index(self, position: Sequence[float]) -> Int3:
        """Find the voxel that a position [nm] falls in (it may lie outside the array)."""
        a, b, c = (
            math.floor(round((p - o) / s, 6)) for p, s, o in zip(position, self.voxel_size, self.offset, strict=True)
        )
        return a, b, c

    def nm(self, box: Box) -> NmBox:
        """Give the space that the voxels of `box` fill, in nm."""
        start = (o + i * s for i, s, o in zip(box.start, self.voxel_size, self.offset, strict=True))
        stop = (o + i * s for i, s, o in zip(box.stop, self.voxel_size, self.offset, strict=True))
        return NmBox(tuple(start), tuple(stop), box.level)

    def covering(self, space: NmBox) -> Box:
        """Every voxel that `space` touches, the border ones included."""
        start = (
            math.floor(round((v - o) / s, 6)) for v, s, o in zip(space.start, self.voxel_size, self.offset, strict=True)
        )
        stop = (
            math.ceil(round((v - o) / s, 6)) for v, s, o in zip(space.stop, self.voxel_size, self.offset, strict=True)
        )
        return Box(tuple(start), tuple(stop), space.level or 0)

    def coarser(self, factors: Sequence[int]) -> Calibration:
        """Calibrate the level down-sampled by whole `factors`; the corner stays where it is."""
        return Calibration(tuple(s * f for s, f in zip(self.voxel_size, factors, strict=True)), self.offset)


@dataclass(frozen=True, slots=True)
class Grid:
    """An array of `shape` cut into blocks, the last of each axis clipped.

    Blocks are counted in C order (x fastest). `len(grid)` is exact for any size and nothing is listed in
    memory, so a grid over 10^12 voxels costs as much as a small one.

    Examples
    --------
    >>> grid = Grid((4, 5, 6), (4, 4, 4))
    >>> len(grid), grid.counts
    (4, (1, 2, 2))
    >>> grid[3]
    Box(start=(0, 4, 4), stop=(4, 5, 6), level=0)
    """

    shape: Int3
    block: Int3
    level: int = 0

    def __init__(self, shape: Sequence[int], block: Sequence[int], level: int = 0) -> None:
        object.__setattr__(self, "shape", _ints(shape, "Grid shape"))
        object.__setattr__(self, "block", _ints(block, "Grid block"))
        object.__setattr__(self, "level", int(level))
        if min(self.block) < 1:
            raise BadRequest(f"block shape was {tuple(block)}", "each side must be at least 1 voxel")

    @property
    def counts(self) -> Int3:
        """Blocks along (z, y, x)."""
        a, b, c = (-(-n // k) for n, k in zip(self.shape, self.block, strict=True))
        return a, b, c

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __getitem__(self, number: int) -> Box:
        if not 0 <= number < len(self):
            raise OutOfBounds(f"block {number} was asked for", f"the grid has {len(self)} blocks, counted from 0")
        _, ny, nx = self.counts
        rest, x = divmod(number, nx)
        z, y = divmod(rest, ny)
        return self.at((z, y, x))

    def __iter__(self) -> Iterator[Box]:
        return map(self.at, itertools.product(*map(range, self.counts)))

    def at(self, index: Sequence[int]) -> Box:
        """Return the block at grid position (z, y, x)."""
        start = tuple(i * k for i, k in zip(index, self.block, strict=True))
        stop = tuple(min(a + k, n) for a, k, n in zip(start, self.block, self.shape, strict=True))
        return Box(start, stop, self.level)

    def touching(self, box: Box) -> Iterator[Box]:
        """Iterate over the blocks that share at least one voxel with `box`."""
        inside = box & Box((0, 0, 0), self.shape, box.level)
        if inside.size == 0:
            return iter(())
        spans = (range(a // k, -(-b // k)) for a, b, k in zip(inside.start, inside.stop, self.block, strict=True))
        return map(self.at, itertools.product(*spans))


def level_shape(shape: Sequence[int], factors: Sequence[int]) -> tuple[int, ...]:
    """Shape after down-sampling by whole factors: ``((n - 1) // f) + 1``, so that no voxel is dropped.

    For factors of 2**l this is the rule ``((n - 1) >> l) + 1`` of the Open Connectome Project.

    Examples
    --------
    >>> level_shape((1239, 119808, 135424), (1, 16, 16))
    (1239, 7488, 8464)
    """
    return tuple((n - 1) // f + 1 if n else 0 for n, f in zip(shape, factors, strict=True))


def pyramid_factors(shape: Sequence[int], voxel_size: Sequence[float], *, smallest: int = 64) -> list[Int3]:
    """Down-sampling factors of each level against level 0, the first being (1, 1, 1).

    Each step halves the axes whose voxels are still the finest (within a factor sqrt(2)), so anisotropic data
    become near-isotropic and are then halved on all axes, until no axis exceeds `smallest` voxels.

    Examples
    --------
    >>> pyramid_factors((1000, 8000, 8000), (40, 4, 4))[:5]
    [(1, 1, 1), (1, 2, 2), (1, 4, 4), (1, 8, 8), (2, 16, 16)]
    """
    factors: list[Int3] = [(1, 1, 1)]
    while max(level_shape(shape, factors[-1])) > smallest:
        last = factors[-1]
        size = [v * f for v, f in zip(voxel_size, last, strict=True)]
        extent = level_shape(shape, last)
        finest = min(s for s, n in zip(size, extent, strict=True) if n > 1)
        step = [2 if n > 1 and s < finest * math.sqrt(2) * 1.0001 else 1 for s, n in zip(size, extent, strict=True)]
        factors.append((last[0] * step[0], last[1] * step[1], last[2] * step[2]))
    return factors


def chunk_shape(voxel_size: Sequence[float], itemsize: int, *, nbytes: int = 256 * 1024) -> Int3:
    """Choose a chunk of about `nbytes` whose sides are powers of two and physically as equal as they can be.

    Examples
    --------
    >>> chunk_shape((8, 8, 8), 1), chunk_shape((40, 4, 4), 1), chunk_shape((8, 8, 8), 8)
    ((64, 64, 64), (16, 128, 128), (32, 32, 32))
    """
    voxels = max(1, nbytes // itemsize)
    side = (math.prod(voxel_size) * voxels) ** (1 / 3)
    best: tuple[float, Int3] | None = None
    exponents = range(2, 10)
    for z, y, x in itertools.product(exponents, repeat=3):
        if 2 ** (z + y + x) != 2 ** round(math.log2(voxels)):
            continue
        spread = sum(abs(math.log2(2**e * v / side)) for e, v in zip((z, y, x), voxel_size, strict=True))
        # Of equally isotropic shapes take the one that is thinnest in z: planes are what people look at.
        key = spread + 1e-6 * z + 1e-7 * y
        if best is None or key < best[0]:
            best = (key, (2**z, 2**y, 2**x))
    if best is None:
        raise BadRequest(f"chunks of {nbytes} bytes for {itemsize}-byte voxels", "a chunk holds 2^6 to 2^27 voxels")
    return best[1]


def morton_encode(index: Sequence[int]) -> int:
    """Morton (z-order) number of a (z, y, x) index, x in the lowest bit; 21 bits an axis.

    Examples
    --------
    >>> [morton_encode(i) for i in ((0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1))]
    [1, 2, 4, 7]
    """
    z, y, x = _ints(index, "Morton index")
    if min(z, y, x) < 0 or max(z, y, x) >= 1 << 21:
        raise OutOfBounds(f"Morton index {tuple(index)}", "each axis holds 0 to 2097151 (21 bits)")
    return _spread(x) | _spread(y) << 1 | _spread(z) << 2


def morton_decode(number: int) -> Int3:
    """Return the (z, y, x) index of a Morton number; the inverse of `morton_encode`."""
    return _gather(number >> 2), _gather(number >> 1), _gather(number)


_SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


def _spread(v: int) -> int:
    for shift, mask in _SPREAD:
        v = (v | v << shift) & mask
    return v


def _gather(v: int) -> int:
    v &= _SPREAD[-1][1]
    for (shift, _), (_, mask) in zip(reversed(_SPREAD), [*reversed(_SPREAD[:-1]), (0, 0x1FFFFF)], strict=True):
        v = (v | v >> shift) & mask
    return v
