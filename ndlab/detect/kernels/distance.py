"""Distance to the nearest voxel of the other sort, up to a limit, the same to the last bit in any window.

Each value is the least of sums that are always added in the same order, over every voxel within the limit: what
lies further away, and so what the window leaves out, cannot change it.
"""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["distance"]


@jit
def distance(inside: Array, voxel: Array, limit: float) -> Array:
    """Distance [nm] of each voxel of `inside` to the nearest one outside, at most `limit`; 0 outside.

    Parameters
    ----------
    inside : array of bool, (z, y, x)
    voxel : array of float64, (3,)
        Voxel size [nm]; an axis of infinite size is not looked along.
    limit : float
        [nm]
    """
    most = limit * limit
    nz, ny, nx = inside.shape
    out = np.empty((nz, ny, nx), np.float32)
    row = np.empty(max(nz, ny, nx), np.float64)
    for z in range(nz):
        for y in range(ny):
            _along_row(inside[z, y], voxel[2], most, out[z, y])
    if ny > 1 and voxel[1] < np.inf:
        for z in range(nz):
            for x in range(nx):
                _spread(out[z, :, x], voxel[1], row)
    if nz > 1 and voxel[0] < np.inf:
        for y in range(ny):
            for x in range(nx):
                _spread(out[:, y, x], voxel[0], row)
    flat = out.reshape(-1)
    for i in range(flat.size):
        flat[i] = np.sqrt(flat[i])
    return out


@jit
def _along_row(inside: Array, voxel: float, most: float, out: Array) -> None:
    """Squared distance along one row, by a sweep from either end."""
    n = inside.size
    steps = most + 1.0  # more than any limit in voxels that matters
    for x in range(n):
        steps = 0.0 if not inside[x] else steps + 1.0
        gap = steps * voxel
        out[x] = min(gap * gap, most)
    steps = most + 1.0
    for x in range(n - 1, -1, -1):
        steps = 0.0 if not inside[x] else steps + 1.0
        gap = steps * voxel
        out[x] = min(np.float64(out[x]), gap * gap)


@jit
def _spread(values: Array, voxel: float, row: Array) -> None:
    """Least of each value and of those around it, each with its own squared distance added."""
    n = values.size
    for i in range(n):
        row[i] = values[i]
    for i in range(n):
        best = row[i]
        step = 1
        while True:
            gap = step * voxel
            far = gap * gap
            if far >= best or (i < step and i + step >= n):
                break
            if i >= step and row[i - step] + far < best:
                best = row[i - step] + far
            if i + step < n and row[i + step] + far < best:
                best = row[i + step] + far
            step += 1
        values[i] = best
