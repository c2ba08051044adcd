"""Displacements on a grid: sampled, composed, and how a change of the result goes back to what it was made of.

Fields are float32 (z, y, x, 3), in voxels of their own grid along (z, y, x); beyond the border the nearest counts.
"""

from __future__ import annotations

import math

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["compose", "compose_back", "pull", "sample"]


@jit
def _between(position: float, n: int) -> tuple[int, int, float, float]:
    """Return the voxels below and above, the share of the upper one, and 0 where the border was reached, else 1."""
    if position <= 0.0:
        return 0, 0, 0.0, 0.0
    if position >= n - 1:
        return n - 1, n - 1, 0.0, 0.0
    low = math.floor(position)
    return low, low + 1, position - low, 1.0


@jit
def _at(field: Array, k: int, z: Array, y: Array, x: Array, fz: float, fy: float, fx: float) -> float:
    """Component `k` between the eight voxels of index pairs `z`, `y`, `x`."""
    low = (1 - fy) * ((1 - fx) * field[z[0], y[0], x[0], k] + fx * field[z[0], y[0], x[1], k])
    low += fy * ((1 - fx) * field[z[0], y[1], x[0], k] + fx * field[z[0], y[1], x[1], k])
    high = (1 - fy) * ((1 - fx) * field[z[1], y[0], x[0], k] + fx * field[z[1], y[0], x[1], k])
    high += fy * ((1 - fx) * field[z[1], y[1], x[0], k] + fx * field[z[1], y[1], x[1], k])
    value: float = (1 - fz) * low + fz * high
    return value


@jit
def compose(outer: Array, inner: Array, out: Array) -> None:
    """Write ``inner + outer(id + inner)``: first go along `inner`, then along `outer`."""
    nz, ny, nx, _ = inner.shape
    mz, my, mx, _ = outer.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                z0, z1, fz, _ = _between(z + inner[z, y, x, 0], mz)
                y0, y1, fy, _ = _between(y + inner[z, y, x, 1], my)
                x0, x1, fx, _ = _between(x + inner[z, y, x, 2], mx)
                for k in range(3):
                    at = _at(outer, k, (z0, z1), (y0, y1), (x0, x1), fz, fy, fx)
                    out[z, y, x, k] = inner[z, y, x, k] + at


@jit
def compose_back(field: Array, gradient: Array, out: Array) -> None:
    """Write the gradient by `field` of what depends on ``field + field(id + field)`` by `gradient`."""
    nz, ny, nx, _ = field.shape
    out[:] = gradient
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                z0, z1, fz, iz = _between(z + field[z, y, x, 0], nz)
                y0, y1, fy, iy = _between(y + field[z, y, x, 1], ny)
                x0, x1, fx, ix = _between(x + field[z, y, x, 2], nx)
                ez, ey, ex = 1 - fz, 1 - fy, 1 - fx
                sz, sy, sx = 0.0, 0.0, 0.0
                for k in range(3):
                    g = gradient[z, y, x, k]
                    a, b = field[z0, y0, x0, k], field[z0, y0, x1, k]
                    c, d = field[z0, y1, x0, k], field[z0, y1, x1, k]
                    e, f = field[z1, y0, x0, k], field[z1, y0, x1, k]
                    h, i = field[z1, y1, x0, k], field[z1, y1, x1, k]
                    sz += g * (ey * (ex * (e - a) + fx * (f - b)) + fy * (ex * (h - c) + fx * (i - d)))
                    sy += g * (ez * (ex * (c - a) + fx * (d - b)) + fz * (ex * (h - e) + fx * (i - f)))
                    sx += g * (ez * (ey * (b - a) + fy * (d - c)) + fz * (ey * (f - e) + fy * (i - h)))
                    out[z0, y0, x0, k] += g * ez * ey * ex
                    out[z0, y0, x1, k] += g * ez * ey * fx
                    out[z0, y1, x0, k] += g * ez * fy * ex
                    out[z0, y1, x1, k] += g * ez * fy * fx
                    out[z1, y0, x0, k] += g * fz * ey * ex
                    out[z1, y0, x1, k] += g * fz * ey * fx
                    out[z1, y1, x0, k] += g * fz * fy * ex
                    out[z1, y1, x1, k] += g * fz * fy * fx
                out[z, y, x, 0] += sz * iz
                out[z, y, x, 1] += sy * iy
                out[z, y, x, 2] += sx * ix


@jit
def pull(image: Array, field: Array, matrix: Array, shift: Array, values: Array, slopes: Array, inside: Array) -> None:
    """Sample `image` at ``matrix (x + field) + shift`` for every voxel x of the field's grid, trilinearly.

    Parameters
    ----------
    image : (z, y, x) float32
    field : (z, y, x, 3) float32
        In voxels of its own grid.
    matrix, shift : (3, 3), (3,) float64
        From voxels of the field's grid to voxels of the image.
    values, inside : (z, y, x) float32, out
        What was found, and 1 where the position lies in the image, else 0.
    slopes : (z, y, x, 3) float32, out
        Derivatives of the values by the position in the image (z, y, x).
    """
    nz, ny, nx, _ = field.shape
    mz, my, mx = image.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                pz, py, px = z + field[z, y, x, 0], y + field[z, y, x, 1], x + field[z, y, x, 2]
                qz = matrix[0, 0] * pz + matrix[0, 1] * py + matrix[0, 2] * px + shift[0]
                qy = matrix[1, 0] * pz + matrix[1, 1] * py + matrix[1, 2] * px + shift[1]
                qx = matrix[2, 0] * pz + matrix[2, 1] * py + matrix[2, 2] * px + shift[2]
                z0, z1, fz, iz = _between(qz, mz)
                y0, y1, fy, iy = _between(qy, my)
                x0, x1, fx, ix = _between(qx, mx)
                ez, ey, ex = 1 - fz, 1 - fy, 1 - fx
                a, b, c, d = image[z0, y0, x0], image[z0, y0, x1], image[z0, y1, x0], image[z0, y1, x1]
                e, f, h, i = image[z1, y0, x0], image[z1, y0, x1], image[z1, y1, x0], image[z1, y1, x1]
                low = ey * (ex * a + fx * b) + fy * (ex * c + fx * d)
                high = ey * (ex * e + fx * f) + fy * (ex * h + fx * i)
                values[z, y, x] = ez * low + fz * high
                slopes[z, y, x, 0] = iz * (high - low)
                slopes[z, y, x, 1] = iy * (ez * (ex * (c - a) + fx * (d - b)) + fz * (ex * (h - e) + fx * (i - f)))
                slopes[z, y, x, 2] = ix * (ez * (ey * (b - a) + fy * (d - c)) + fz * (ey * (f - e) + fy * (i - h)))
                near = -0.5 <= qz <= mz - 0.5 and -0.5 <= qy <= my - 0.5 and -0.5 <= qx <= mx - 0.5
                inside[z, y, x] = 1.0 if near else 0.0


@jit
def sample(field: Array, points: Array, out: Array) -> None:
    """Write a field (z, y, x, k) at points (n, 3), in voxels of its grid, trilinearly."""
    nz, ny, nx, depth = field.shape
    for i in range(len(points)):
        z0, z1, fz, _ = _between(points[i, 0], nz)
        y0, y1, fy, _ = _between(points[i, 1], ny)
        x0, x1, fx, _ = _between(points[i, 2], nx)
        for k in range(depth):
            out[i, k] = _at(field, k, (z0, z1), (y0, y1), (x0, x1), fz, fy, fx)
