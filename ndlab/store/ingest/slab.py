"""A stretch of sections, decoded once and cut into columns of one shard each.

Where a picture must be decoded whole to get any of it, reading shard by shard would decode each picture once for
every column. So each is decoded once, into a slab as deep as a shard, in memory or in a scratch file, laid out
column by column so that a shard's voxels are one contiguous run.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.geometry import Box
from ndlab.store.arrays import Array
from ndlab.store.files.raw import RawArray

__all__ = ["Slab", "fill", "needs_slab"]

_WASTE = 1.5


def needs_slab(source: Array, region: Sequence[int]) -> bool:
    """Whether reading the source in regions (z, y, x), one channel at a time, would decode much of it repeatedly."""
    if isinstance(source, RawArray) and source.encoding == "raw":
        return False  # Nothing is decoded: any box of a mapped file is read alone.
    decoded = 1.0
    shape = source.shape[-3:]
    for chunk, side, n in zip(source.chunks[-3:], region, shape, strict=True):
        side = min(side, n)
        decoded *= max(-(-side // chunk) * chunk, chunk) / side
    return decoded * math.prod(source.chunks[:-3]) > _WASTE


@dataclass(frozen=True)
class Slab:
    """Voxels [start, stop) along (t)(c)zyx, whole in y and x; an `Array` as far as reading columns goes.

    Parameters
    ----------
    start, stop : tuple of int
        What part of the source it holds.
    column : tuple of 2 int
        Width of a column along (y, x).
    type : str
        Voxel type.
    path : str, optional
        The scratch file; without it, the voxels are in `memory`.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]
    column: tuple[int, int]
    type: str
    path: str | None = None
    memory: np.ndarray[Any, Any] | None = field(default=None, compare=False, repr=False)

    shards = None
    codec = "scratch"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        return np.dtype(self.type)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along (t)(c)zyx."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def chunks(self) -> tuple[int, ...]:
        """A column."""
        return (*self.shape[:-2], *self.column)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def planes(self) -> int:
        """How many (y, x) planes there are."""
        return math.prod(self.shape[:-2])

    def _columns(self) -> Iterator[tuple[slice, slice, int, int]]:
        """Of each column the part of a plane, its first byte, and the bytes of one of its planes."""
        ny, nx = self.shape[-2:]
        for y in range(0, ny, self.column[0]):
            for x in range(0, nx, self.column[1]):
                height, width = min(self.column[0], ny - y), min(self.column[1], nx - x)
                first = self.planes() * (y * nx + height * x) * self.dtype.itemsize
                yield slice(y, y + height), slice(x, x + width), first, height * width * self.dtype.itemsize

    def put(self, plane: int, values: np.ndarray[Any, Any]) -> None:
        """Store consecutive whole planes, the first being number `plane` of this slab."""
        for ys, xs, first, nbytes in self._columns():
            part = np.ascontiguousarray(values[:, ys, xs])
            at = first + plane * nbytes
            if self.memory is not None:
                self.memory[at : at + part.nbytes] = part.reshape(-1).view(np.uint8)
            else:
                _write_at(str(self.path), part, at)

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of one column, whole in z, of one or more leading indices; coordinates are the source's."""
        shape = [b - a for a, b in zip(start, stop, strict=True)]
        low = [a - s for a, s in zip(start, self.start, strict=True)]
        plane = int(np.ravel_multi_index(low[:-3], self.shape[:-3])) * self.shape[-3] if len(low) > 3 else 0
        y, x = low[-2:]
        ny, nx = self.shape[-2:]
        height, width = min(self.column[0], ny - y), min(self.column[1], nx - x)
        first = self.planes() * (y * nx + height * x) * self.dtype.itemsize
        at = first + plane * height * width * self.dtype.itemsize
        if self.memory is not None:
            run = self.memory[at : at + math.prod(shape) * self.dtype.itemsize]
            values = run.view(self.dtype).reshape(shape)
        else:
            values = _read_at(str(self.path), shape, self.dtype, at)
        if out is None:
            return values
        out[...] = values
        return out

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Refused: planes are stored with `put`."""
        raise NotImplementedError("planes are stored with put()")


def fill(block: Box, source: Array, slab: Slab, lead: Sequence[tuple[int, int]]) -> None:
    """Decode planes ``block`` z of the source (whole in y and x, `lead` along t and c) into the slab."""
    z0, z1 = block.start[0], block.stop[0]
    values = source.read([*(a for a, _ in lead), z0, 0, 0], [*(b for _, b in lead), z1, *source.shape[-2:]])
    stack = values.reshape(-1, z1 - z0, *source.shape[-2:]).astype(slab.dtype, copy=False)
    for number, planes in enumerate(stack):
        slab.put(number * slab.shape[-3] + z0 - slab.start[-3], planes)


def _write_at(path: str, part: np.ndarray[Any, Any], at: int) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        view = memoryview(part.reshape(-1).view(np.uint8).data)
        while view:
            done = os.pwrite(handle, view, at)
            view, at = view[done:], at + done
    finally:
        os.close(handle)


def _read_at(path: str, shape: Sequence[int], dtype: np.dtype[Any], at: int) -> np.ndarray[Any, Any]:
    with Path(path).open("rb", buffering=0) as file:
        file.seek(at)
        flat = np.fromfile(file, dtype, math.prod(shape))
    return flat.reshape(shape)
