"""Sizes, boxes and surfaces of the labels of one block, and the faces that two of them share.

The block is given as `local`, indices of labels, with one further voxel at its upper ends where the volume goes on.
A face belongs to the voxel below it, so each face is counted by exactly one block.
"""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.interning import find, rehash
from ndlab.measure.kernels.jit import Array, jit

__all__ = ["contacts", "regions"]


@jit
def regions(local: Array, core: Array, sizes: Array, sums: Array, low: Array, high: Array, faces: Array) -> None:
    """Add what the voxels of the block (the first `core` of `local`) say about each label.

    Parameters
    ----------
    local : array of uint32, (z, y, x)
    core : array of 3 int
    sizes : array, (n,)
        Voxels.
    sums : array, (n, 3)
        Sums of the voxels' indices in the block.
    low, high : array, (n, 3)
        Smallest and largest index.
    faces : array, (n, 3)
        Faces to other labels across z, y and x, of voxels in the block and of those just above it.
    """
    nz, ny, nx = core
    more_z, more_y, more_x = local.shape[0] > nz, local.shape[1] > ny, local.shape[2] > nx
    for z in range(nz):
        for y in range(ny):
            row = local[z, y]
            x = 0
            while x < nx:
                k = row[x]
                begin = x
                x += 1
                while x < nx and row[x] == k:
                    x += 1
                n = x - begin
                sizes[k] += n
                sums[k, 0] += n * z
                sums[k, 1] += n * y
                sums[k, 2] += (begin + x - 1) * n // 2
                low[k, 0] = min(low[k, 0], z)
                low[k, 1] = min(low[k, 1], y)
                low[k, 2] = min(low[k, 2], begin)
                high[k, 0] = max(high[k, 0], z)
                high[k, 1] = max(high[k, 1], y)
                high[k, 2] = max(high[k, 2], x - 1)
                if (x < nx or more_x) and row[x] != k:
                    faces[k, 2] += 1
                    faces[row[x], 2] += 1
            if z + 1 < nz or more_z:
                _differ(row, local[z + 1, y], nx, faces, 0)
            if y + 1 < ny or more_y:
                _differ(row, local[z, y + 1], nx, faces, 1)


@jit
def _differ(row: Array, other: Array, n: int, faces: Array, axis: int) -> None:
    for x in range(n):
        if row[x] != other[x]:
            faces[row[x], axis] += 1
            faces[other[x], axis] += 1


@jit
def contacts(local: Array, core: Array, background: int) -> tuple[Array, Array, Array]:
    """Count the faces between each two labels.

    Parameters
    ----------
    local : array of uint32, (z, y, x)
    core : array of 3 int
    background : int
        Index of the label that touches nothing; -1 for none.

    Returns
    -------
    pairs : array of uint64, (n,)
        Smaller and larger index, 32 bits each.
    faces : array of int64, (n, 3)
        Faces across z, y and x.
    sums : array of int64, (n, 3, 3)
        For the faces across each axis, the sums of twice their centres (z, y, x), counted from the block's corner.
    """
    keys, faces, sums = np.empty(64, np.uint64), np.zeros((64, 3), np.int64), np.zeros((64, 3, 3), np.int64)
    slots = rehash(keys, 0)
    count = 0
    last_key, last = np.zeros(3, np.uint64), np.full(3, -1, np.int64)
    places = np.empty(core[2] + 1, np.int64)
    for z in range(core[0]):
        for y in range(core[1]):
            for axis in range(3):
                dz, dy, dx = int(axis == 0), int(axis == 1), int(axis == 2)
                if z + dz >= local.shape[0] or y + dy >= local.shape[1]:
                    continue
                row, other = local[z, y], local[z + dz, y + dy, dx:]
                for i in range(_differences(row, other, min(core[2], other.size), places)):
                    x = places[i]
                    a, b = row[x], other[x]
                    if np.int64(a) == background or np.int64(b) == background:
                        continue
                    key = (np.uint64(min(a, b)) << np.uint64(32)) | np.uint64(max(a, b))
                    if last[axis] < 0 or last_key[axis] != key:
                        at = find(key, keys, slots)
                        if slots[at] < 0:
                            if count == keys.size:
                                keys, faces, sums = _grown(keys, faces, sums)
                                slots = rehash(keys, count)
                                at = find(key, keys, slots)
                            slots[at] = count
                            keys[count] = key
                            count += 1
                        last_key[axis], last[axis] = key, slots[at]
                    k = last[axis]
                    faces[k, axis] += 1
                    sums[k, axis, 0] += 2 * z + 1 + dz
                    sums[k, axis, 1] += 2 * y + 1 + dy
                    sums[k, axis, 2] += 2 * x + 1 + dx
    return keys[:count].copy(), faces[:count].copy(), sums[:count].copy()


@jit
def _differences(row: Array, other: Array, n: int, places: Array) -> int:
    """Write where two rows differ to `places`, without a branch, and return how often they do."""
    k = 0
    for x in range(n):
        places[k] = x
        k += row[x] != other[x]
    return k


@jit
def _grown(keys: Array, faces: Array, sums: Array) -> tuple[Array, Array, Array]:
    n = keys.size
    more_keys = np.empty(2 * n, np.uint64)
    more_faces, more_sums = np.zeros((2 * n, 3), np.int64), np.zeros((2 * n, 3, 3), np.int64)
    more_keys[:n], more_faces[:n], more_sums[:n] = keys, faces, sums
    return more_keys, more_faces, more_sums
