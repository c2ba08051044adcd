"""Sampling of pictures where an affine map plus a cubic B-spline displacement says, and inversion of such maps.

Positions are computed from absolute indices, so a pixel has the same value in whichever block it is computed.
A map is ``q(p) = matrix @ (p, 1) + sum of coefficients * splines``; nodes stand at ``first + k * spacing``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["invert", "locate", "map_points", "warp"]


@jit
def _weights(t: Any, w: Array) -> None:
    """Cubic B-spline at a fraction `t` behind the second of four nodes."""
    s = 1.0 - t
    w[0] = s * s * s / 6.0
    w[1] = (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0
    w[2] = (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0
    w[3] = t * t * t / 6.0


@jit
def _slopes(t: Any, w: Array) -> None:
    s = 1.0 - t
    w[0] = -0.5 * s * s
    w[1] = -2.0 * t + 1.5 * t * t
    w[2] = 2.0 * s - 1.5 * s * s
    w[3] = 0.5 * t * t


@jit
def _clip(i: Any, n: Any) -> Any:
    return min(max(i, 0), n - 1)


@jit
def _row(y: Any, matrix: Array, nodes: Array, first: Any, spacing: Any, line: Array, w: Array) -> None:
    """Coefficients of the one-dimensional splines along x at height `y`."""
    at = (y - first) / spacing
    k = np.int64(np.floor(at))
    _weights(at - k, w)
    ny, nx = nodes.shape[0], nodes.shape[1]
    for j in range(nx):
        for c in range(2):
            total = 0.0
            for i in range(4):
                total += w[i] * nodes[_clip(k - 1 + i, ny), j, c]
            line[j, c] = total


@jit
def _target(y: Any, x: Any, matrix: Array, line: Array, first: Any, spacing: Any, w: Array, q: Array) -> None:
    at = (x - first) / spacing
    k = np.int64(np.floor(at))
    _weights(at - k, w)
    nx = line.shape[0]
    q[0] = matrix[0, 0] * y + matrix[0, 1] * x + matrix[0, 2]
    q[1] = matrix[1, 0] * y + matrix[1, 1] * x + matrix[1, 2]
    for i in range(4):
        j = _clip(k - 1 + i, nx)
        q[0] += w[i] * line[j, 0]
        q[1] += w[i] * line[j, 1]


@jit
def locate(
    start: Array, step: Array, matrix: Array, nodes: Array, first: Array, spacing: Any, origin: Array, found: Array
) -> None:
    """Where the pixels of a block are looked up.

    Parameters
    ----------
    start : array of int64, (2,)
        Index (y, x) of the block's first pixel.
    step, origin : array of float64, (2,)
        Pixel `i` stands at ``origin + step * i``.
    found : array of float64, (height, width, 2)
    """
    line, w, v = np.empty((nodes.shape[1], 2)), np.empty(4), np.empty(4)
    for i in range(found.shape[0]):
        y = origin[0] + step[0] * (start[0] + i)
        _row(y, matrix, nodes, first[0], spacing, line, v)
        for j in range(found.shape[1]):
            x = origin[1] + step[1] * (start[1] + j)
            _target(y, x, matrix, line, first[1], spacing, w, found[i, j])


@jit
def _keys(t: Any, w: Array) -> None:
    """Keys' cubic convolution (a = -1/2): four pixels, no pre-filter, so that blocks need no more than those."""
    w[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    w[1] = (1.5 * t - 2.5) * t * t + 1.0
    w[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    w[3] = (0.5 * t - 0.5) * t * t


@jit
def warp(image: Array, corner: Array, shape: Array, found: Array, order: Any, out: Array, inside: Array) -> None:
    """Look pixels up at fractional indices.

    Parameters
    ----------
    image : array, (height, width)
        A part of a picture of `shape` whose first pixel has the index `corner`.
    found : array of float64, (rows, columns, 2)
        Indices (y, x) in the whole picture; those outside it by more than half a pixel give 0.
    order : int
        0 the nearest pixel, 1 linear, 3 cubic convolution.
    out : array of float32 (or, for order 0, of the picture's type)
    inside : array of bool
    """
    wy, wx = np.empty(4), np.empty(4)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y, x = found[i, j, 0], found[i, j, 1]
            inside[i, j] = -0.5 <= y < shape[0] - 0.5 and -0.5 <= x < shape[1] - 0.5
            out[i, j] = 0
            if not inside[i, j]:
                continue
            if order == 0:
                a, b = np.int64(np.floor(y + 0.5)), np.int64(np.floor(x + 0.5))
                out[i, j] = image[_clip(a, shape[0]) - corner[0], _clip(b, shape[1]) - corner[1]]
                continue
            a, b = np.int64(np.floor(y)), np.int64(np.floor(x))
            if order == 1:
                wy[0] = wx[0] = wy[3] = wx[3] = 0.0
                wy[2], wx[2] = y - a, x - b
                wy[1], wx[1] = 1.0 - wy[2], 1.0 - wx[2]
            else:
                _keys(y - a, wy)
                _keys(x - b, wx)
            total = 0.0
            for m in range(4):
                if wy[m] == 0.0:
                    continue
                row = _clip(a - 1 + m, shape[0]) - corner[0]
                part = 0.0
                for n in range(4):
                    if wx[n] != 0.0:
                        part += wx[n] * np.float64(image[row, _clip(b - 1 + n, shape[1]) - corner[1]])
                total += wy[m] * part
            out[i, j] = total


@jit
def map_points(
    points: Array, matrix: Array, nodes: Array, first: Array, spacing: Any, found: Array, slope: Array
) -> None:
    """Map points (n, 2) and give the Jacobian (n, 2, 2) of the map there."""
    ny, nx = nodes.shape[0], nodes.shape[1]
    wy, wx, dy, dx = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    for i in range(points.shape[0]):
        y, x = points[i, 0], points[i, 1]
        at, bt = (y - first[0]) / spacing, (x - first[1]) / spacing
        k, m = np.int64(np.floor(at)), np.int64(np.floor(bt))
        _weights(at - k, wy)
        _weights(bt - m, wx)
        _slopes(at - k, dy)
        _slopes(bt - m, dx)
        for c in range(2):
            found[i, c] = matrix[c, 0] * y + matrix[c, 1] * x + matrix[c, 2]
            slope[i, c, 0], slope[i, c, 1] = matrix[c, 0], matrix[c, 1]
        for a in range(4):
            row = _clip(k - 1 + a, ny)
            for b in range(4):
                col = _clip(m - 1 + b, nx)
                for c in range(2):
                    value = nodes[row, col, c]
                    found[i, c] += wy[a] * wx[b] * value
                    slope[i, c, 0] += dy[a] * wx[b] * value / spacing
                    slope[i, c, 1] += wy[a] * dx[b] * value / spacing


@jit
def invert(
    targets: Array, points: Array, matrix: Array, nodes: Array, first: Array, spacing: Any, tolerance: Any
) -> Any:
    """Move `points` (a guess, n × 2) to where the map takes them to `targets`, by Newton's method; count failures."""
    one, found, slope = np.empty((1, 2)), np.empty((1, 2)), np.empty((1, 2, 2))
    failed = 0
    for i in range(points.shape[0]):
        one[0] = points[i]
        done = False
        for _ in range(50):
            map_points(one, matrix, nodes, first, spacing, found, slope)
            ry, rx = targets[i, 0] - found[0, 0], targets[i, 1] - found[0, 1]
            if abs(ry) + abs(rx) <= tolerance:
                done = True
                break
            det = slope[0, 0, 0] * slope[0, 1, 1] - slope[0, 0, 1] * slope[0, 1, 0]
            if det <= 0.0:
                break
            one[0, 0] += (slope[0, 1, 1] * ry - slope[0, 0, 1] * rx) / det
            one[0, 1] += (slope[0, 0, 0] * rx - slope[0, 1, 0] * ry) / det
        points[i] = one[0]
        if not done:
            failed += 1
    return failed
