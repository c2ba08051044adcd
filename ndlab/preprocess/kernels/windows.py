"""Sums over boxes around every voxel, in time that does not depend on their size."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["box_sum"]


@jit
def _slide(values: Array, r: int, rows: Array, sums: Array) -> None:
    """Replace each row of `values` by the sum of the rows within `r` of it; `rows` and `sums` are room to work in."""
    n, nx = values.shape
    rows[:] = values
    sums[:] = 0.0
    for i in range(min(r, n)):
        for x in range(nx):
            sums[x] += rows[i, x]
    for i in range(n):
        if i + r < n:
            for x in range(nx):
                sums[x] += rows[i + r, x]
        for x in range(nx):
            values[i, x] = sums[x]
        if i - r >= 0:
            for x in range(nx):
                sums[x] -= rows[i - r, x]


@jit
def box_sum(values: Array, radius: Array, out: Array) -> None:
    """Write into `out` the sum over the box of 2 r + 1 voxels around each voxel, zeros beyond the border.

    `values` and `out` are float32 (z, y, x) and may be one array; sums run in float64, so that they do not drift.
    """
    nz, ny, nx = values.shape
    r = radius[2]
    row = np.empty(nx, np.float32)
    for z in range(nz):
        for y in range(ny):
            total = 0.0
            for x in range(nx):
                row[x] = values[z, y, x]
            for x in range(min(r, nx)):
                total += row[x]
            for x in range(nx):
                if x + r < nx:
                    total += row[x + r]
                out[z, y, x] = total
                if x - r >= 0:
                    total -= row[x - r]
    sums = np.empty(nx, np.float64)
    if radius[1] > 0:
        rows = np.empty((ny, nx), np.float32)
        for z in range(nz):
            _slide(out[z], radius[1], rows, sums)
    if radius[0] > 0:
        rows = np.empty((nz, nx), np.float32)
        for y in range(ny):
            _slide(out[:, y], radius[0], rows, sums)
