"""Filters of single sections: Gaussians, box sums of whole numbers, gradients, tensors."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["binned", "box_sum", "gauss", "gradient_codes", "hessian", "interpolated", "repeated", "spread", "tensor"]


@jit
def _along_x(source: Array, taps: Array, out: Array) -> None:
    """Symmetric filter along x; beyond the border the last value goes on."""
    ny, nx = source.shape
    r = len(taps) - 1
    line = np.empty(nx + 2 * r, np.float32)
    for y in range(ny):
        for x in range(r):
            line[x] = source[y, 0]
            line[nx + r + x] = source[y, nx - 1]
        for x in range(nx):
            line[r + x] = source[y, x]
        for x in range(nx):
            out[y, x] = taps[0] * line[x + r]
        for k in range(1, r + 1):
            w = taps[k]
            for x in range(nx):
                out[y, x] += w * (line[x + r - k] + line[x + r + k])


@jit
def _along_y(source: Array, taps: Array, out: Array) -> None:
    ny, nx = source.shape
    r = len(taps) - 1
    for y in range(ny):
        for x in range(nx):
            out[y, x] = taps[0] * source[y, x]
        for k in range(1, r + 1):
            w = taps[k]
            a, b = max(0, y - k), min(ny - 1, y + k)
            for x in range(nx):
                out[y, x] += w * (source[a, x] + source[b, x])


@jit
def gauss(source: Array, taps: Array, out: Array) -> None:
    """Smooth a section by half a symmetric kernel, its middle first."""
    between = np.empty(source.shape, np.float32)
    _along_x(source, taps, between)
    _along_y(between, taps, out)


@jit
def hessian(s: Array, slope: Array, large: Array, small: Array) -> None:
    """Gradient magnitude and the two eigenvalues of the Hessian, by central differences."""
    ny, nx = s.shape
    for y in range(ny):
        u, d = max(0, y - 1), min(ny - 1, y + 1)
        for x in range(nx):
            le, ri = max(0, x - 1), min(nx - 1, x + 1)
            gx = np.float32(0.5) * (s[y, ri] - s[y, le])
            gy = np.float32(0.5) * (s[d, x] - s[u, x])
            xx = s[y, ri] + s[y, le] - np.float32(2) * s[y, x]
            yy = s[d, x] + s[u, x] - np.float32(2) * s[y, x]
            xy = np.float32(0.25) * (s[d, ri] + s[u, le] - s[d, le] - s[u, ri])
            half = np.float32(0.5) * (xx + yy)
            root = np.sqrt(np.float32(0.25) * (xx - yy) * (xx - yy) + xy * xy)
            slope[y, x] = np.sqrt(gx * gx + gy * gy)
            large[y, x] = half + root
            small[y, x] = half - root


@jit
def tensor(s: Array, xx: Array, xy: Array, yy: Array) -> None:
    """Products of the gradient's parts."""
    ny, nx = s.shape
    for y in range(ny):
        u, d = max(0, y - 1), min(ny - 1, y + 1)
        for x in range(nx):
            gx = np.float32(0.5) * (s[y, min(nx - 1, x + 1)] - s[y, max(0, x - 1)])
            gy = np.float32(0.5) * (s[d, x] - s[u, x])
            xx[y, x] = gx * gx
            xy[y, x] = gx * gy
            yy[y, x] = gy * gy


@jit
def spread(xx: Array, xy: Array, yy: Array, large: Array, small: Array) -> None:
    """Square roots of the eigenvalues of smoothed tensors."""
    for y in range(xx.shape[0]):
        for x in range(xx.shape[1]):
            half = np.float32(0.5) * (xx[y, x] + yy[y, x])
            root = np.sqrt(np.float32(0.25) * (xx[y, x] - yy[y, x]) ** 2 + xy[y, x] * xy[y, x])
            large[y, x] = np.sqrt(half + root)
            small[y, x] = np.sqrt(max(half - root, np.float32(0)))


@jit
def binned(source: Array, factor: int, out: Array) -> None:
    """Means of squares of `factor` voxels; those at the end may be smaller."""
    ny, nx = source.shape
    for y in range(out.shape[0]):
        y0, y1 = y * factor, min(ny, y * factor + factor)
        for x in range(out.shape[1]):
            x0, x1 = x * factor, min(nx, x * factor + factor)
            total = np.float32(0)
            for i in range(y0, y1):
                for j in range(x0, x1):
                    total += np.float32(source[i, j])
            out[y, x] = total / np.float32((y1 - y0) * (x1 - x0))


@jit
def box_sum(source: Array, before: int, after: int, out: Array) -> None:
    """Sum of whole numbers from `before` voxels before each to `after` after it, in y and x, inside the section."""
    ny, nx = source.shape
    column = np.zeros(nx, np.int64)
    for y in range(min(after, ny)):
        for x in range(nx):
            column[x] += source[y, x]
    for y in range(ny):
        if y + after < ny:
            for x in range(nx):
                column[x] += source[y + after, x]
        if y - before - 1 >= 0:
            for x in range(nx):
                column[x] -= source[y - before - 1, x]
        total = np.int64(0)
        for x in range(min(after, nx)):
            total += column[x]
        for x in range(nx):
            if x + after < nx:
                total += column[x + after]
            if x - before - 1 >= 0:
                total -= column[x - before - 1]
            out[y, x] = total


@jit
def gradient_codes(s: Array, maps: Array) -> None:
    """Whole numbers of a section: grey, local binary pattern, 16 times the gradient's size, its three products."""
    ny, nx = s.shape
    for y in range(ny):
        u, d = max(0, y - 1), min(ny - 1, y + 1)
        for x in range(nx):
            le, ri = max(0, x - 1), min(nx - 1, x + 1)
            middle = np.int32(s[y, x])
            code = (
                (s[u, le] >= middle) * 1 + (s[u, x] >= middle) * 2 + (s[u, ri] >= middle) * 4
                + (s[y, ri] >= middle) * 8 + (s[d, ri] >= middle) * 16 + (s[d, x] >= middle) * 32
                + (s[d, le] >= middle) * 64 + (s[y, le] >= middle) * 128
            )  # fmt: skip
            gx = np.int32(s[y, ri]) - np.int32(s[y, le])
            gy = np.int32(s[d, x]) - np.int32(s[u, x])
            maps[0, y, x] = middle
            maps[1, y, x] = code
            maps[2, y, x] = np.int32(np.round(8 * np.sqrt(np.float64(gx * gx + gy * gy))))
            maps[3, y, x] = gx * gx
            maps[4, y, x] = gx * gy
            maps[5, y, x] = gy * gy


@jit
def repeated(source: Array, factor: int, out: Array) -> None:
    """Give every pixel of a square of `factor` the value that its square has; arrays (n, z, y, x)."""
    for n in range(out.shape[0]):
        for z in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    out[n, z, y, x] = source[n, z, y // factor, x // factor]


@jit
def interpolated(source: Array, factor: int, start: Array, origin: Array, out: Array) -> None:
    """Give voxels the value between the middles of the pixels around them."""
    ny, nx = source.shape
    for y in range(out.shape[0]):
        at = (np.float32(start[0] + y) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
        below = np.int64(np.floor(at))
        v = at - np.float32(below)
        y0 = min(max(below - origin[0], 0), ny - 1)
        y1 = min(max(below + 1 - origin[0], 0), ny - 1)
        for x in range(out.shape[1]):
            along = (np.float32(start[1] + x) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
            left = np.int64(np.floor(along))
            u = along - np.float32(left)
            x0 = min(max(left - origin[1], 0), nx - 1)
            x1 = min(max(left + 1 - origin[1], 0), nx - 1)
            upper = source[y0, x0] * (np.float32(1) - u) + source[y0, x1] * u
            lower = source[y1, x0] * (np.float32(1) - u) + source[y1, x1] * u
            out[y, x] = upper * (np.float32(1) - v) + lower * v
