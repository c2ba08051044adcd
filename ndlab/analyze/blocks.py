"""How many objects lie in each block of a label volume, by the founding paper's rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.analyze.density import BlockCounts
from ndlab.geometry import Box, NmBox
from ndlab.measure.blocks import How, Voxels, gather, part, same_space, whole_numbers
from ndlab.measure.keyed import Array, Keyed, merge_keyed
from ndlab.volume import Volume

__all__ = ["count_in_blocks"]

_KEY = np.dtype([("a", "u8"), ("b", "u8")])


def count_in_blocks(
    labels: Voxels,
    block: int | Sequence[int],
    *,
    mask: Voxels | None = None,
    box: Box | NmBox | None = None,
    read_block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> BlockCounts:
    """Count the objects in each block of a grid, and the volume in which they were looked for.

    An object belongs to the block that holds more than half of its voxels, or to none; an object of which any voxel is
    masked is not counted, and masked voxels are no volume. So the density of a block is not biased by its mask.

    Parameters
    ----------
    labels : Volume or DataArray
        Ids, (z, y, x); 0 is background.
    block : int or (z, y, x)
        Side of a block in voxels. Blocks begin at the corner of the box; those at its end may be smaller.
    mask : Volume or DataArray, optional
        Not 0 where nothing was looked for, such as blood vessels.
    box : Box or NmBox, optional
        Only this part.
    read_block, workers, client, progress
        How it is read, as `block` … of `ndlab.measure.regions`; the result does not depend on it.

    Returns
    -------
    BlockCounts

    References
    ----------
    The rule of the analysis of Bock et al. (2011) in the founding paper: more than 50 % inside, nothing masked.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> found = count_in_blocks(toy().volume("labels"), toy().labels.shape)
    >>> int(found.counts[0]) == len(np.unique(toy().labels)) - 1  # One block holds all.
    True
    """
    view = whole_numbers(part(labels, box))
    hidden = None if mask is None else part(mask, box)
    if hidden is not None:
        same_space(view, hidden, "a mask")
    side = np.array((block,) * 3 if isinstance(block, int) else tuple(block), np.int64)
    grid = tuple(int(n) for n in -(-np.array(view.shape) // side))
    origin = np.array(view.box.start, np.int64)
    params = {"labels": view, "mask": hidden, "side": side, "grid": grid, "origin": origin}
    how = How(workers, client, progress).near(view, hidden)
    found = gather("count in blocks", _count, view, params, read_block, merge_keyed, _Pieces.none(), how)
    return _counted(found, side, grid, view)


@dataclass(frozen=True)
class _Pieces(Keyed):
    """Voxels of each object in each block; as object 0 all that are not masked."""

    sizes: Array
    masked: Array

    @classmethod
    def none(cls) -> _Pieces:
        return cls(np.empty(0, _KEY), np.empty(0, np.int64), np.empty(0, np.int64))


def _count(
    block: Box, labels: Volume, mask: Volume | None, side: Array, grid: tuple[int, ...], origin: Array
) -> _Pieces:
    values = labels.boxed(block).read()
    gone = np.zeros(values.shape, bool) if mask is None else mask.boxed(block).read() != 0
    local = [(np.arange(a, b) - o) // s for a, b, o, s in zip(block.start, block.stop, origin, side, strict=True)]
    number = (local[0][:, None, None] * grid[1] + local[1][:, None]) * grid[2] + local[2]
    free = np.bincount(number.ravel(), ~gone.ravel(), int(np.prod(grid))).astype(np.int64)
    inside = values != 0
    ids = values[inside].astype(np.uint64)
    keys = np.empty(len(ids), _KEY)
    keys["a"], keys["b"] = ids, number[inside]
    unique, inverse, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    masked = np.bincount(inverse, gone[inside], len(unique)).astype(np.int64)
    space = np.empty(int((free > 0).sum()), _KEY)
    space["a"], space["b"] = 0, np.flatnonzero(free)
    return _Pieces(
        np.concatenate([space, unique]),
        np.concatenate([free[free > 0], sizes.astype(np.int64)]),
        np.concatenate([np.zeros(len(space), np.int64), masked]),
    )


def _counted(found: _Pieces, side: Array, grid: tuple[int, ...], view: Volume) -> BlockCounts:
    """Give each object to its block."""
    objects = found.keys["a"] != 0
    n = int(np.prod(grid))
    free = np.zeros(n)
    free[found.keys["b"][~objects].astype(np.int64)] = found.sizes[~objects]
    ids, row = np.unique(found.keys["a"][objects], return_inverse=True)
    sizes, masked = found.sizes[objects], found.masked[objects]
    whole = np.bincount(row, sizes, len(ids))
    hurt = np.bincount(row, masked, len(ids)) > 0
    most = 2 * sizes > whole[row]
    counts = np.bincount(found.keys["b"][objects][most & ~hurt[row]].astype(np.int64), minlength=n)
    voxel = np.array(view.voxel_size) / 1000
    index = np.stack(np.unravel_index(np.arange(n), grid), axis=1)
    middle = (index * side + np.minimum((index + 1) * side, np.array(view.shape))) / 2
    centre = np.array(view.calibration.offset) / 1000 + (np.array(view.box.start) + middle) * voxel
    return BlockCounts(counts, free * np.prod(voxel), index, centre, float(np.prod(side * voxel)))
