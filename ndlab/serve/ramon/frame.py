"""How the paths of a channel count, and where that is: in nm, and in the voxels that are painted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Box, Float3, Int3, NmBox
from ndlab.serve.grammar import Cut
from ndlab.serve.source import Channel
from ndlab.serve.space import Level, ladder, level_of, voxels_of
from ndlab.volume import Volume

__all__ = ["Frame", "Grid"]


@dataclass(frozen=True)
class Grid:
    """The voxels of a level over those that are painted: voxel `i` of the level begins at ``shift + i * factor``."""

    level: Level
    shift: Int3
    factor: Int3

    @property
    def same(self) -> bool:
        """Whether a voxel of the level is a voxel that is painted."""
        return self.factor == (1, 1, 1)

    def painted(self, box: Box) -> Box:
        """Return the painted voxels of a box of the level."""
        start, stop = (
            [s + a * f for s, a, f in zip(self.shift, corner, self.factor, strict=True)]
            for corner in (box.start, box.stop)
        )
        return Box(start, stop)

    def numbered(self, box: Box) -> Box:
        """Return a box of painted voxels as the smallest box of the level around it, counted as paths count."""
        start = [(a - s) // f + o for a, s, f, o in zip(box.start, self.shift, self.factor, self.level.offset,
                                                        strict=True)]  # fmt: skip
        stop = [-(-(b - s) // f) + o for b, s, f, o in zip(box.stop, self.shift, self.factor, self.level.offset,
                                                           strict=True)]  # fmt: skip
        return Box(start, stop)


@dataclass(frozen=True)
class Frame:
    """The coordinates of one channel.

    Paths count (x, y, z) from the offset of the data set, at a level; everything here is (z, y, x).

    Examples
    --------
    >>> vol = Volume.from_array(np.zeros((4, 8, 8), "u4"), (40, 4, 4), kind="labels", offset=(400, 0, 0))
    >>> frame = Frame(Channel("toy", "ids", "annotation", vol))
    >>> frame.nm((10, 0, 1)), frame.voxel((420, 2, 6))
    ((420.0, 2.0, 6.0), (1, 0, 10))
    """

    channel: Channel

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels that paths count in."""
        return ladder(self._space)

    @property
    def _space(self) -> Volume:
        return self.channel.space or self.channel.volume

    @cached_property
    def corner(self) -> Float3:
        """Where the space that paths count in begins [nm]."""
        return _corner(self._space)

    @cached_property
    def own(self) -> tuple[Level, Float3]:
        """The level that is painted, and where its voxels begin [nm]."""
        return ladder(self.channel.volume)[0], _corner(self.channel.volume)

    def level(self, number: int) -> Level:
        """Return a level, or raise `OutOfBounds` naming those that exist."""
        return level_of(self.levels, number, self.channel.token)

    def box(self, cut: Cut) -> tuple[Level, Box]:
        """Return the level of a cut, and its box in voxels of it; objects have one time point."""
        if cut.t not in (None, (0, 0), (0, 1)):
            raise OutOfBounds(f"time {cut.t} of objects", "they have one time point, 0", "leave the time out")
        level = self.level(cut.level)
        box = voxels_of(level, (cut.z[0], cut.y[0], cut.x[0]), (cut.z[1], cut.y[1], cut.x[1]), self.channel.token)
        return level, Box(box.start, box.stop)

    def space(self, level: Level, box: Box) -> NmBox:
        """Return where a box of voxels of a level is [nm]."""
        start, stop = (
            [c + v * s for c, v, s in zip(self.corner, at, level.voxel_size, strict=True)]
            for at in (box.start, box.stop)
        )
        return NmBox(start, stop)

    # --- points ---------------------------------------------------------------------------------------------------

    def nm(self, voxel: Sequence[float]) -> Float3:
        """Return the centre of a voxel of level 0, counted as paths count [nm]."""
        z, y, x = (c + (v - o + 0.5) * s for v, c, s, o in zip(voxel, *self._finest, strict=True))
        return z, y, x

    def voxel(self, nm: Sequence[float]) -> Int3:
        """Return the voxel of level 0 in which a point lies, as paths count: (x, y, z)."""
        z, y, x = (math.floor((p - c) / s) + o for p, c, s, o in zip(nm, *self._finest, strict=True))
        return x, y, z

    @cached_property
    def _finest(self) -> tuple[Float3, Float3, Int3]:
        """Where level 0 begins [nm], the size of its voxels [nm], and the number of the first."""
        return self.corner, self.levels[0].voxel_size, self.levels[0].offset

    # --- paint ----------------------------------------------------------------------------------------------------

    def grid(self, level: Level) -> Grid | None:
        """Return how a level lies over the voxels that are painted; None where their borders do not meet."""
        (own, first), begin = self.own, self.corner
        shift = [(a - b) / s for a, b, s in zip(begin, first, own.voxel_size, strict=True)]
        factor = [a / b for a, b in zip(level.voxel_size, own.voxel_size, strict=True)]
        if not all(_near_whole(v) for v in (*shift, *factor)) or min(factor) < 0.5:
            return None
        return Grid(level, _int3(shift), _int3(factor))

    def numbered(self, painted: Box, level: Level) -> Box:
        """Return the smallest box of a level around a box of painted voxels, counted as paths count."""
        (own, first), begin = self.own, self.corner
        start, stop = (
            [(f + a * v - b) / s for a, f, v, b, s in zip(corner, first, own.voxel_size, begin, level.voxel_size,
                                                          strict=True)]
            for corner in (painted.start, painted.stop)
        )  # fmt: skip
        # The rounding keeps 0.1 + 0.2 from moving a border by a voxel.
        return Box([int(np.floor(round(a, 6))) + o for a, o in zip(start, level.offset, strict=True)],
                   [int(np.ceil(round(b, 6))) + o for b, o in zip(stop, level.offset, strict=True)])  # fmt: skip

    def writable_grid(self, number: int) -> Grid:
        """Return how a level lies over the voxels that are painted, to write at it.

        Raises
        ------
        BadRequest
            If its voxels are finer than those that are painted.
        """
        level = self.level(number)
        found = self.grid(level)
        if found is None:
            sizes = ", ".join(f"{v:g}" for v in self.own[0].voxel_size)
            raise BadRequest(f"voxels of level {number} for {self.channel.token}/{self.channel.name}",
                             f"its voxels have {sizes} nm (z, y, x), which those of the level do not make up",
                             "post at a coarser level")  # fmt: skip
        return found


def _corner(volume: Volume) -> Float3:
    """Return where a volume begins [nm]; 0 where it does not say."""
    try:
        z, y, x = volume.levels[0].calibration.offset
    except BadRequest:
        return 0.0, 0.0, 0.0
    return z, y, x


def _near_whole(value: Any) -> bool:
    return bool(abs(value - round(value)) < 1e-3)


def _int3(values: Sequence[float]) -> Int3:
    z, y, x = (round(v) for v in values)
    return z, y, x
