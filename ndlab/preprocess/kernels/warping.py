"""Voxels of one volume on the grid of another, through an affine map and a coarse field of displacements.

For an output voxel i the position in the field is ``P i + p`` and the position in the source ``Q i + q + u``, with u
the field there, in source voxels. Positions are computed from i alone, never carried along a row, so a block gives the
same bits as the whole. Where P has no off-diagonal part (the usual way) the field is first interpolated to one row.
"""

from __future__ import annotations

import math

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["gather"]


@jit
def _between(position: float, n: int) -> tuple[int, int, float]:
    if position <= 0.0:
        return 0, 0, 0.0
    if position >= n - 1:
        return n - 1, n - 1, 0.0
    low = int(position)
    return low, low + 1, position - low


@jit
def _row(field: Array, z: float, y: float, row: Array) -> None:
    """Interpolate the field along z and y: one row of it, (x, 3)."""
    z0, z1, fz = _between(z, field.shape[0])
    y0, y1, fy = _between(y, field.shape[1])
    a, b, c, d = (1 - fz) * (1 - fy), (1 - fz) * fy, fz * (1 - fy), fz * fy
    for x in range(field.shape[2]):
        for k in range(3):
            row[x, k] = (
                a * field[z0, y0, x, k] + b * field[z0, y1, x, k] + c * field[z1, y0, x, k] + d * field[z1, y1, x, k]
            )


@jit
def _spread(row: Array, step: float, first: float, start: int, shifts: Array) -> None:
    """Interpolate a row of the field along x, for output voxels from `start` on."""
    n = row.shape[0]
    for i in range(shifts.shape[0]):
        x0, x1, fx = _between(step * (start + i) + first, n)
        for k in range(3):
            shifts[i, k] = (1 - fx) * row[x0, k] + fx * row[x1, k]


@jit
def _anywhere(field: Array, matrix: Array, shift: Array, z: int, y: int, start: int, shifts: Array) -> None:
    """Interpolate the field for one output row, wherever the row lies in it."""
    for i in range(shifts.shape[0]):
        x = start + i
        z0, z1, fz = _between(matrix[0, 0] * z + matrix[0, 1] * y + matrix[0, 2] * x + shift[0], field.shape[0])
        y0, y1, fy = _between(matrix[1, 0] * z + matrix[1, 1] * y + matrix[1, 2] * x + shift[1], field.shape[1])
        x0, x1, fx = _between(matrix[2, 0] * z + matrix[2, 1] * y + matrix[2, 2] * x + shift[2], field.shape[2])
        a, b, c, d = (1 - fz) * (1 - fy), (1 - fz) * fy, fz * (1 - fy), fz * fy
        for k in range(3):
            low = (
                a * field[z0, y0, x0, k]
                + b * field[z0, y1, x0, k]
                + c * field[z1, y0, x0, k]
                + d * field[z1, y1, x0, k]
            )
            high = (
                a * field[z0, y0, x1, k]
                + b * field[z0, y1, x1, k]
                + c * field[z1, y0, x1, k]
                + d * field[z1, y1, x1, k]
            )
            shifts[i, k] = (1 - fx) * low + fx * high


@jit
def gather(
    source: Array, corner: Array, extent: Array, field: Array, field_map: Array, source_map: Array, start: Array,
    order: int, whole: bool, out: Array,
) -> None:  # fmt: skip
    """Fill `out`, the output voxels from `start` on; what lies outside the source is 0.

    Parameters
    ----------
    source : (z, y, x)
        Part of the source, with its first voxel at `corner`; it holds all voxels that are asked for.
    corner, extent, start : (3,) int64
        First voxel of the part, shape of the whole source, first output voxel.
    field : (z, y, x, 3) float32
        Displacements in source voxels.
    field_map, source_map : (3, 4) float64
        P and p, Q and q.
    order : {0, 1}
        The nearest voxel, or between eight.
    whole : bool
        Whether values are rounded to whole numbers.
    out : (z, y, x) array
    """
    nz, ny, nx = out.shape
    straight = True
    for j in range(3):
        for k in range(3):
            if j != k and field_map[j, k] != 0.0:
                straight = False
    row = np.empty((field.shape[2], 3), np.float64)
    shifts = np.empty((nx, 3), np.float64)
    far_z, far_y, far_x = extent[0] - 0.5, extent[1] - 0.5, extent[2] - 0.5
    for iz in range(nz):
        z = iz + start[0]
        for iy in range(ny):
            y = iy + start[1]
            if straight:
                _row(field, field_map[0, 0] * z + field_map[0, 3], field_map[1, 1] * y + field_map[1, 3], row)
                _spread(row, field_map[2, 2], field_map[2, 3], start[2], shifts)
            else:
                _anywhere(field, field_map[:, :3], field_map[:, 3], z, y, start[2], shifts)
            bz = source_map[0, 0] * z + source_map[0, 1] * y + source_map[0, 3]
            by = source_map[1, 0] * z + source_map[1, 1] * y + source_map[1, 3]
            bx = source_map[2, 0] * z + source_map[2, 1] * y + source_map[2, 3]
            for ix in range(nx):
                x = ix + start[2]
                qz = bz + source_map[0, 2] * x + shifts[ix, 0]
                qy = by + source_map[1, 2] * x + shifts[ix, 1]
                qx = bx + source_map[2, 2] * x + shifts[ix, 2]
                if not (-0.5 <= qz < far_z and -0.5 <= qy < far_y and -0.5 <= qx < far_x):
                    out[iz, iy, ix] = 0
                elif order == 0:
                    z0, y0, x0 = int(qz + 0.5) - corner[0], int(qy + 0.5) - corner[1], int(qx + 0.5) - corner[2]
                    out[iz, iy, ix] = source[z0, y0, x0]
                else:
                    z0, z1, fz = _between(qz, extent[0])
                    y0, y1, fy = _between(qy, extent[1])
                    x0, x1, fx = _between(qx, extent[2])
                    z0, z1, y0, y1 = z0 - corner[0], z1 - corner[0], y0 - corner[1], y1 - corner[1]
                    x0, x1 = x0 - corner[2], x1 - corner[2]
                    a = source[z0, y0, x0] + fx * (float(source[z0, y0, x1]) - float(source[z0, y0, x0]))
                    b = source[z0, y1, x0] + fx * (float(source[z0, y1, x1]) - float(source[z0, y1, x0]))
                    c = source[z1, y0, x0] + fx * (float(source[z1, y0, x1]) - float(source[z1, y0, x0]))
                    d = source[z1, y1, x0] + fx * (float(source[z1, y1, x1]) - float(source[z1, y1, x0]))
                    low, high = a + fy * (b - a), c + fy * (d - c)
                    value = low + fz * (high - low)
                    out[iz, iy, ix] = math.floor(value + 0.5) if whole else value
