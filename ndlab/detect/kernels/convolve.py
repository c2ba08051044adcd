"""Convolutions of a network on one core: rows stay in the nearest cache, four channels are made at a time."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit, jit_fused

__all__ = ["convolve", "doubled", "halved", "mixed"]


@jit_fused
def _row(upper: Array, middle: Array, lower: Array, w: Array, a: Array, b: Array, c: Array, d: Array) -> None:
    """Add what one channel gives to a row of four; rows are padded by a pixel on either side; w is (9, 4)."""
    n = len(a)
    for k in range(3):
        source = upper if k == 0 else (middle if k == 1 else lower)
        k3 = 3 * k
        a0, a1, a2 = w[k3, 0], w[k3 + 1, 0], w[k3 + 2, 0]
        b0, b1, b2 = w[k3, 1], w[k3 + 1, 1], w[k3 + 2, 1]
        c0, c1, c2 = w[k3, 2], w[k3 + 1, 2], w[k3 + 2, 2]
        d0, d1, d2 = w[k3, 3], w[k3 + 1, 3], w[k3 + 2, 3]
        for x in range(n):
            p, q, r = source[x], source[x + 1], source[x + 2]
            a[x] = a[x] + a0 * p + a1 * q + a2 * r
            b[x] = b[x] + b0 * p + b1 * q + b2 * r
            c[x] = c[x] + c0 * p + c1 * q + c2 * r
            d[x] = d[x] + d0 * p + d1 * q + d2 * r


@jit
def convolve(source: Array, weight: Array, bias: Array, out: Array) -> None:
    """Convolve by 3 x 3 and keep what is positive.

    Parameters
    ----------
    source : ndarray of float32, (channels, y + 2, x + 2)
        With a border of one pixel.
    weight : ndarray of float32, (groups of four outputs, channels, 9, 4)
    bias : ndarray of float32, (groups, 4)
    out : ndarray of float32, (4 * groups, y + 2, x + 2)
        Its border is left alone.
    """
    groups, channels = weight.shape[0], weight.shape[1]
    ny, nx = source.shape[1] - 2, source.shape[2] - 2
    a, b, c, d = np.empty(nx, np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32)
    zero = np.float32(0)
    for y in range(ny):
        for g in range(groups):
            a[:] = bias[g, 0]
            b[:] = bias[g, 1]
            c[:] = bias[g, 2]
            d[:] = bias[g, 3]
            for k in range(channels):
                _row(source[k, y], source[k, y + 1], source[k, y + 2], weight[g, k], a, b, c, d)
            for x in range(nx):
                out[4 * g, y + 1, x + 1] = max(a[x], zero)
                out[4 * g + 1, y + 1, x + 1] = max(b[x], zero)
                out[4 * g + 2, y + 1, x + 1] = max(c[x], zero)
                out[4 * g + 3, y + 1, x + 1] = max(d[x], zero)


@jit
def halved(source: Array, out: Array) -> None:
    """Largest of each square of four pixels; both have borders of one pixel."""
    for k in range(out.shape[0]):
        for y in range(out.shape[1] - 2):
            for x in range(out.shape[2] - 2):
                upper = max(source[k, 2 * y + 1, 2 * x + 1], source[k, 2 * y + 1, 2 * x + 2])
                lower = max(source[k, 2 * y + 2, 2 * x + 1], source[k, 2 * y + 2, 2 * x + 2])
                out[k, y + 1, x + 1] = max(upper, lower)


@jit
def doubled(source: Array, out: Array) -> None:
    """Make four of each pixel; both have borders of one pixel."""
    for k in range(source.shape[0]):
        for y in range(out.shape[1] - 2):
            for x in range(out.shape[2] - 2):
                out[k, y + 1, x + 1] = source[k, y // 2 + 1, x // 2 + 1]


@jit
def mixed(source: Array, weight: Array, bias: Array, out: Array) -> None:
    """Class scores of each pixel from its channels; `source` has a border of one pixel."""
    classes, channels = weight.shape
    for y in range(out.shape[1]):
        for k in range(classes):
            for x in range(out.shape[2]):
                out[k, y, x] = bias[k]
            for j in range(channels):
                w = weight[k, j]
                for x in range(out.shape[2]):
                    out[k, y, x] += w * source[j, y + 1, x + 1]
