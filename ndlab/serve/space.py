"""The coordinates that paths count in: a token's levels, their sizes and their offsets.

A dataset's voxels are numbered from its offset, so that a volume cut out of a larger one keeps the larger one's
numbers. Level 0 starts at the volume's corner [nm] divided by its voxel size; a level coarser by a factor f starts at
that number divided by f, rounded down, as the shift of the Open Connectome Project did. After the levels that a store
has come those that it would have if its pyramid went on; they are made as they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Box, Calibration, Float3, Int3, level_shape, pyramid_factors
from ndlab.volume import Volume

__all__ = ["Level", "check_time", "ladder", "level_of", "near_isotropic", "voxels_of"]

AXES = "zyx"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a token's space; everything in (z, y, x).

    Parameters
    ----------
    number : int
        As paths count.
    shape, offset : (int, int, int)
        Voxels, and the number of the first.
    voxel_size : (float, float, float)
        In nm; of a volume that states none, in voxels of level 0.
    stored : int
        The volume's level that it is read from.
    steps : tuple of (int, int, int)
        Factors by which that is made coarser, one after the other.
    """

    number: int
    shape: Int3
    offset: Int3
    voxel_size: Float3
    stored: int
    steps: tuple[Int3, ...] = ()

    @property
    def extent(self) -> str:
        """Legal coordinates in words."""
        spans = zip(AXES[::-1], self.offset[::-1], self.shape[::-1], strict=True)
        return f"level {self.number} spans {', '.join(f'{axis} {low},{low + n}' for axis, low, n in spans)}, half-open"


def ladder(volume: Volume) -> tuple[Level, ...]:
    """Return the levels of a volume's space, the stored ones first.

    Examples
    --------
    >>> import numpy as np
    >>> vol = Volume.from_array(np.zeros((20, 300, 200), "u1"), (40, 4, 4), offset=(400, 0, 0))
    >>> [(one.shape, one.offset) for one in ladder(vol)]
    [((20, 300, 200), (10, 0, 0)), ((20, 150, 100), (10, 0, 0)), ((20, 75, 50), (10, 0, 0)), ((20, 38, 25), (10, 0, 0))]
    """
    sizes = [_calibration(one) for one in volume.levels]
    base = _calibration(volume.levels[0])
    first = tuple(round(corner / size) for corner, size in zip(base.offset, base.voxel_size, strict=True))
    found = []
    for number, (one, size) in enumerate(zip(volume.levels, sizes, strict=True)):
        factors = [max(1, round(v / w)) for v, w in zip(size.voxel_size, base.voxel_size, strict=True)]
        offset = _int3([corner // f for corner, f in zip(first, factors, strict=True)])
        found.append(Level(number, _int3(one.shape[-3:]), offset, size.voxel_size, number))
    return (*found, *_beyond(found[-1]))


def _beyond(last: Level) -> list[Level]:
    """Go on where the stored levels end."""
    if not all(last.shape):
        return []
    found = [last]
    for before, factors in pairwise(pyramid_factors(last.shape, last.voxel_size)):
        step = _int3([b // a for a, b in zip(before, factors, strict=True)])
        found.append(_coarser(found[-1], step, found[-1].number + 1))
    return found[1:]


def _coarser(level: Level, step: Int3, number: int) -> Level:
    return Level(
        number,
        _int3(level_shape(level.shape, step)),
        _int3([corner // f for corner, f in zip(level.offset, step, strict=True)]),
        _float3([v * f for v, f in zip(level.voxel_size, step, strict=True)]),
        level.stored,
        (*level.steps, step),
    )


def near_isotropic(level: Level) -> Level:
    """Return the near-isotropic stack of a level: z divided by the whole number nearest to x/z, if that is above 1.

    The last slices are left out where the division leaves a rest.

    Examples
    --------
    >>> import numpy as np
    >>> vol = Volume.from_array(np.zeros((25, 8, 8), "u1"), (30, 48, 48))
    >>> near_isotropic(ladder(vol)[0]).shape
    (12, 8, 8)
    """
    factor = int(level.voxel_size[2] / level.voxel_size[0] + 0.5)
    if factor < 2:
        return level
    stack = _coarser(level, (factor, 1, 1), level.number)
    return replace(stack, shape=(max(1, level.shape[0] // factor), *level.shape[1:]))


def level_of(levels: Sequence[Level], number: int, what: str) -> Level:
    """Return level `number`, or raise `OutOfBounds` naming those that exist."""
    if not 0 <= number < len(levels):
        raise OutOfBounds(
            f"level {number} of {what} was asked for",
            f"levels are 0 to {len(levels) - 1}; {levels[0].extent}",
            "ask for a level that exists",
        )
    return levels[number]


def voxels_of(level: Level, start: Sequence[int], stop: Sequence[int], what: str) -> Box:
    """Turn dataset coordinates (z, y, x) into voxels of a level, or raise `OutOfBounds` naming the legal extent."""
    for axis, low, high, first, n in zip(AXES, start, stop, level.offset, level.shape, strict=True):
        if low >= high:
            raise OutOfBounds(f"{axis} {low},{high} of {what} holds no voxel", level.extent,
                              "ranges are half-open: the second number is larger")  # fmt: skip
        if low < first or high > first + n:
            raise OutOfBounds(f"{axis} {low},{high} leaves {what}", level.extent, "ask for a part of it")
    return Box(
        [a - o for a, o in zip(start, level.offset, strict=True)],
        [b - o for b, o in zip(stop, level.offset, strict=True)],
        level.stored,
    )


def check_time(volume: Volume, asked: tuple[int, int] | None, what: str) -> tuple[int, int]:
    """Return the range of time points that was asked for; the first point without one."""
    low, high = asked or (0, 1)
    n = volume.shape[volume.axes.index("t")] if "t" in volume.axes else 1
    if not 0 <= low < high <= n:
        raise OutOfBounds(f"time {low},{high} of {what} was asked for", f"times are 0,{n}, half-open",
                          "leave the time out for the first")  # fmt: skip
    return low, high


def _calibration(volume: Volume) -> Calibration:
    """Return the calibration of a level; one of voxels of level 0 where the store states none."""
    try:
        return volume.calibration
    except BadRequest:
        whole = volume.levels[0].shape[-3:]
        return Calibration([max(1, round(n / m)) if m else 1 for n, m in zip(whole, volume.shape[-3:], strict=True)])


def _int3(values: Sequence[int]) -> Int3:
    a, b, c = values
    return int(a), int(b), int(c)


def _float3(values: Sequence[float]) -> Float3:
    a, b, c = values
    return a, b, c
