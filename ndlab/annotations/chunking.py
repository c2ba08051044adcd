"""Where voxels lie on disk: chunks and units of writing of a label array, numbered, and positions inside a chunk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.geometry import Box, Int3

__all__ = ["Chunking"]

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Chunking:
    """The chunks (z, y, x) of an array of `shape`, and the units of whole chunks that are written at once.

    A chunk has one number, counted in C order over the grid; so has a unit. A voxel has a position inside its chunk,
    in C order over the whole chunk, also at the array's far edges.

    Examples
    --------
    >>> found = Chunking((10, 20, 20), (4, 8, 8), (8, 16, 16))
    >>> found.counts, found.box(4), found.unit_of(np.array([4, 9]))
    ((3, 3, 3), Box(start=(0, 8, 8), stop=(4, 16, 16), level=0), array([0, 0]))
    """

    shape: Int3
    chunk: Int3
    unit: Int3

    @cached_property
    def counts(self) -> Int3:
        """Chunks along each axis."""
        return _ceil(self.shape, self.chunk)

    @cached_property
    def unit_counts(self) -> Int3:
        """Units along each axis."""
        return _ceil(self.shape, self.unit)

    @property
    def voxels(self) -> int:
        """Voxels of a whole chunk."""
        return math.prod(self.chunk)

    def index(self, numbers: Any) -> tuple[Ints, Ints, Ints]:
        """Return the grid indices (z, y, x) of chunk numbers."""
        z, y, x = np.unravel_index(np.asarray(numbers, "i8"), self.counts)
        return z.astype("i8"), y.astype("i8"), x.astype("i8")

    def corner(self, number: int) -> Int3:
        """First voxel (z, y, x) of a chunk."""
        _, b, c = self.counts
        z, rest = divmod(number, b * c)
        y, x = divmod(rest, c)
        return z * self.chunk[0], y * self.chunk[1], x * self.chunk[2]

    def box(self, number: int) -> Box:
        """Voxels of a chunk that lie in the array."""
        corner = self.corner(number)
        return Box(corner, [min(a + c, n) for a, c, n in zip(corner, self.chunk, self.shape, strict=True)])

    def unit_of(self, numbers: Any) -> Ints:
        """Return the numbers of the units that hold the chunks."""
        per = [u // c for u, c in zip(self.unit, self.chunk, strict=True)]
        z, y, x = (a // p for a, p in zip(self.index(numbers), per, strict=True))
        found: Ints = (z * self.unit_counts[1] + y) * self.unit_counts[2] + x
        return found

    def unit_index(self, number: int) -> Int3:
        """Grid index (z, y, x) of a unit."""
        _, b, c = self.unit_counts
        return number // (b * c), number // c % b, number % c

    def inside(self, numbers: Any) -> list[int]:
        """Places of chunks in their units, in C order over a unit's chunks."""
        per = [u // c for u, c in zip(self.unit, self.chunk, strict=True)]
        z, y, x = (a % p for a, p in zip(self.index(numbers), per, strict=True))
        found: list[int] = ((z * per[1] + y) * per[2] + x).tolist()
        return found

    def touching(self, start: Sequence[int], stop: Sequence[int]) -> list[int]:
        """Numbers of the chunks that share a voxel with the half-open box, in order."""
        spans = [
            range(a // c, -(-min(b, n) // c)) for a, b, c, n in zip(start, stop, self.chunk, self.shape, strict=True)
        ]
        _, ny, nx = self.counts
        return [(z * ny + y) * nx + x for z in spans[0] for y in spans[1] for x in spans[2]]

    def split(self, coordinates: np.ndarray[Any, Any]) -> tuple[Ints, np.ndarray[Any, Any]]:
        """Return chunk numbers and positions inside the chunks of voxels (3, n), axes z, y, x."""
        chunks = np.zeros(coordinates.shape[1], "i8")
        inside = np.zeros(coordinates.shape[1], "u4")
        for axis in range(3):
            number = coordinates[axis] // self.chunk[axis]
            chunks *= self.counts[axis]
            chunks += number
            inside *= np.uint32(self.chunk[axis])
            inside += (coordinates[axis] - number * self.chunk[axis]).astype("u4")
        return chunks, inside

    def coordinates(self, number: int, inside: np.ndarray[Any, Any]) -> Ints:
        """Return voxels (n, 3) of positions inside a chunk."""
        found: Ints = np.stack(np.unravel_index(inside, self.chunk), 1) + np.array(self.corner(number))
        return found


def _ceil(shape: Sequence[int], step: Sequence[int]) -> Int3:
    z, y, x = (-(-n // s) for n, s in zip(shape, step, strict=True))
    return z, y, x
