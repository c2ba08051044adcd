"""Sweeps, residuals and transfers of the screened Poisson equation on a piece of a grid.

The equation at a voxel p is ``sum_q w (c_p - c_q) + screen * c_p = f_p`` over its face neighbours q; a face without a
neighbour adds nothing. Voxels are of one size but for the last ones along each axis of coarser grids, which may be cut.
A piece of a larger grid is wrong near where it ends, one voxel deeper with each half sweep, and exactly right further
in.
"""

from __future__ import annotations

from typing import Any

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["add_coarse", "mean_residual", "seam_field", "sweep"]


@jit
def sweep(c: Array, f: Array, arms: Array, screen: Any, first: int) -> None:
    """One red-black sweep in place; `first` is the parity of the coordinates of the piece's first voxel.

    ``arms[2 * axis, i]`` is the weight of the face before the i-th voxel along an axis, ``arms[2 * axis + 1, i]`` that
    of the one after it; 0 where there is none.
    """
    nz, ny, nx = c.shape
    for colour in range(2):
        for z in range(nz):
            za, zb = max(z - 1, 0), min(z + 1, nz - 1)
            for y in range(ny):
                ya, yb = max(y - 1, 0), min(y + 1, ny - 1)
                fixed = screen + arms[0, z] + arms[1, z] + arms[2, y] + arms[3, y]
                for x in range((colour + first + z + y) % 2, nx, 2):
                    total = f[z, y, x] + arms[0, z] * c[za, y, x] + arms[1, z] * c[zb, y, x]
                    total += arms[2, y] * c[z, ya, x] + arms[3, y] * c[z, yb, x]
                    total += arms[4, x] * c[z, y, max(x - 1, 0)] + arms[5, x] * c[z, y, min(x + 1, nx - 1)]
                    c[z, y, x] = total / (fixed + arms[4, x] + arms[5, x])


@jit
def mean_residual(c: Array, f: Array, arms: Array, sizes: Array, screen: Any, factor: Array, out: Array) -> None:
    """Mean of the residual over each coarse voxel, `factor` (1 or 2 by axis) voxels of `sizes` (3, voxels)."""
    nz, ny, nx = c.shape
    out[...] = 0.0
    for z in range(nz):
        za, zb = max(z - 1, 0), min(z + 1, nz - 1)
        for y in range(ny):
            ya, yb = max(y - 1, 0), min(y + 1, ny - 1)
            for x in range(nx):
                here = c[z, y, x]
                r = f[z, y, x] - screen * here
                r -= arms[0, z] * (here - c[za, y, x]) + arms[1, z] * (here - c[zb, y, x])
                r -= arms[2, y] * (here - c[z, ya, x]) + arms[3, y] * (here - c[z, yb, x])
                r -= arms[4, x] * (here - c[z, y, max(x - 1, 0)]) + arms[5, x] * (here - c[z, y, min(x + 1, nx - 1)])
                out[z // factor[0], y // factor[1], x // factor[2]] += r * sizes[0, z] * sizes[1, y] * sizes[2, x]
    for z in range(out.shape[0]):
        dz = _extent(sizes[0], z, factor[0], nz)
        for y in range(out.shape[1]):
            dy = dz * _extent(sizes[1], y, factor[1], ny)
            for x in range(out.shape[2]):
                out[z, y, x] /= dy * _extent(sizes[2], x, factor[2], nx)


@jit
def _extent(sizes: Array, coarse: int, factor: int, n: int) -> float:
    total = 0.0
    for i in range(coarse * factor, min(n, (coarse + 1) * factor)):
        total += sizes[i]
    return total


@jit
def add_coarse(c: Array, coarse: Array, start: Array, begin: Array, factor: Array) -> None:
    """Add a coarser grid's piece, which begins at `begin`, to a piece that starts at `start`, linearly in between."""
    nz, ny, nx = c.shape
    mz, my, mx = coarse.shape
    for z in range(nz):
        z0, z1, vz = _between(start[0] + z, begin[0], factor[0], mz)
        for y in range(ny):
            y0, y1, vy = _between(start[1] + y, begin[1], factor[1], my)
            for x in range(nx):
                x0, x1, vx = _between(start[2] + x, begin[2], factor[2], mx)
                low = (1 - vy) * ((1 - vx) * coarse[z0, y0, x0] + vx * coarse[z0, y0, x1])
                low += vy * ((1 - vx) * coarse[z0, y1, x0] + vx * coarse[z0, y1, x1])
                if vz > 0:
                    high = (1 - vy) * ((1 - vx) * coarse[z1, y0, x0] + vx * coarse[z1, y0, x1])
                    high += vy * ((1 - vx) * coarse[z1, y1, x0] + vx * coarse[z1, y1, x1])
                    low = (1 - vz) * low + vz * high
                c[z, y, x] += low


@jit
def _between(at: int, begin: int, factor: int, count: int) -> tuple[int, int, float]:
    """Return the nearest coarse voxel of a fine one, the next nearest, and the weight of the latter."""
    near = at // factor
    other, weight = near, 0.0
    if factor == 2:
        other, weight = (near + 1 if at % 2 else near - 1), 0.25
    return min(max(near - begin, 0), count - 1), min(max(other - begin, 0), count - 1), weight


@jit
def seam_field(values: Array, labels: Array, w: Array, expect: bool, f: Array) -> None:
    """Add the divergence of what gradients change by across labels: to nothing, or to what both sides lead to expect.

    Towards label 0, where there is no tile, they stay.
    """
    nz, ny, nx = values.shape
    mz = labels.shape[0]
    for axis in range(3):
        if w[axis] <= 0:
            continue
        dz, dy, dx = int(axis == 0), int(axis == 1), int(axis == 2)
        for z in range(nz - dz):
            for y in range(ny - dy):
                for x in range(nx - dx):
                    one = labels[min(z, mz - 1), y, x]
                    other = labels[min(z + dz, mz - 1), y + dy, x + dx]
                    if one == other or one == 0 or other == 0:
                        continue
                    step = float(values[z + dz, y + dy, x + dx]) - float(values[z, y, x])
                    at, end = (z, nz) if axis == 0 else ((y, ny) if axis == 1 else (x, nx))
                    if expect and at >= 2 and at + 3 < end:
                        a = float(values[z - 2 * dz, y - 2 * dy, x - 2 * dx])
                        b = float(values[z - dz, y - dy, x - dx])
                        e = float(values[z + 2 * dz, y + 2 * dy, x + 2 * dx])
                        g = float(values[z + 3 * dz, y + 3 * dy, x + 3 * dx])
                        here, there = float(values[z, y, x]), float(values[z + dz, y + dy, x + dx])
                        step -= 0.6 * (here - b) - 0.26 * (b - a) + 0.6 * (e - there) - 0.26 * (g - e)
                    f[z, y, x] += w[axis] * step
                    f[z + dz, y + dy, x + dx] -= w[axis] * step
