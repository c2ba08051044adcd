"""Sums over boxes around every voxel, in time that does not depend on their size."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["box_sum"]


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
    r = radius[1]
    if r > 0:
        plane = np.empty((ny, nx), np.float32)
        for z in range(nz):
            plane[:] = out[z]
            sums[:] = 0.0
            for y in range(min(r, ny)):
                for x in range(nx):
                    sums[x] += plane[y, x]
            for y in range(ny):
                if y + r < ny:
                    for x in range(nx):
                        sums[x] += plane[y + r, x]
                for x in range(nx):
                    out[z, y, x] = sums[x]
                if y - r >= 0:
                    for x in range(nx):
                        sums[x] -= plane[y - r, x]
    r = radius[0]
    if r > 0:
        plane = np.empty((nz, nx), np.float32)
        for y in range(ny):
            plane[:] = out[:, y]
            sums[:] = 0.0
            for z in range(min(r, nz)):
                for x in range(nx):
                    sums[x] += plane[z, x]
            for z in range(nz):
                if z + r < nz:
                    for x in range(nx):
                        sums[x] += plane[z + r, x]
                for x in range(nx):
                    out[z, y, x] = sums[x]
                if z - r >= 0:
                    for x in range(nx):
                        sums[x] -= plane[z - r, x]
