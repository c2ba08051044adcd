"""The elastic mesh of a whole stack: what each section's grid has to do so that matched points come together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit
from ndlab.preprocess.kernels.relaxing import add_bending
from ndlab.preprocess.kernels.sampling import _clip, _weights

__all__ = ["mesh"]


@jit
def _at(u: Array, k: Any, y: Any, x: Any, wy: Array, wx: Array, found: Array) -> None:
    i, j = np.int64(np.floor(y)), np.int64(np.floor(x))
    _weights(y - i, wy)
    _weights(x - j, wx)
    found[0] = found[1] = 0.0
    for a in range(4):
        row = _clip(i - 1 + a, u.shape[1])
        for b in range(4):
            w = wy[a] * wx[b]
            col = _clip(j - 1 + b, u.shape[2])
            found[0] += w * u[k, row, col, 0]
            found[1] += w * u[k, row, col, 1]


@jit
def _spread(u: Array, k: Any, y: Any, x: Any, wy: Array, wx: Array, gy: Any, gx: Any) -> None:
    i, j = np.int64(np.floor(y)), np.int64(np.floor(x))
    _weights(y - i, wy)
    _weights(x - j, wx)
    for a in range(4):
        row = _clip(i - 1 + a, u.shape[1])
        for b in range(4):
            w = wy[a] * wx[b]
            col = _clip(j - 1 + b, u.shape[2])
            u[k, row, col, 0] += w * gy
            u[k, row, col, 1] += w * gx


@jit
def _apply(
    u: Array, one: Array, other: Array, from_: Array, to: Array, weights: Array, stiffness: Any, pull: Any, out: Array
) -> None:
    wy, wx, f, g = np.empty(4), np.empty(4), np.empty(2), np.empty(2)
    out[:] = 0.0
    for m in range(one.size):
        _at(u, one[m], from_[m, 0], from_[m, 1], wy, wx, f)
        _at(u, other[m], to[m, 0], to[m, 1], wy, wx, g)
        ry, rx = weights[m] * (f[0] - g[0]), weights[m] * (f[1] - g[1])
        _spread(out, one[m], from_[m, 0], from_[m, 1], wy, wx, ry, rx)
        _spread(out, other[m], to[m, 0], to[m, 1], wy, wx, -ry, -rx)
    for k in range(u.shape[0]):
        add_bending(u[k], stiffness, out[k])
    out += pull * u


@jit
def mesh(
    one: Array,
    other: Array,
    from_: Array,
    to: Array,
    gap: Array,
    weights: Array,
    stiffness: Any,
    pull: Any,
    rounds: Any,
    u: Array,
) -> Any:
    """Minimise, over the displacements `u` of all sections, what matched points are apart, bending and a pull to 0.

    Conjugate gradients; `u` (sections, ny, nx, 2) holds the start and then the result.

    Parameters
    ----------
    one, other : array of int64, (n,)
        Section of a point and of its target.
    from_, to : array of float64, (n, 2)
        Where they stand, in grid spacings from node (0, 0).
    gap : array of float64, (n, 2)
        What ``u(one) - u(other)`` should be.
    weights : array of float64, (n,)
    """
    wy, wx = np.empty(4), np.empty(4)
    r, q = np.zeros_like(u), np.empty_like(u)
    diagonal = np.full(u.shape[:3], 20.0 * stiffness + pull)
    for m in range(one.size):
        _spread(r, one[m], from_[m, 0], from_[m, 1], wy, wx, weights[m] * gap[m, 0], weights[m] * gap[m, 1])
        _spread(r, other[m], to[m, 0], to[m, 1], wy, wx, -weights[m] * gap[m, 0], -weights[m] * gap[m, 1])
        for k, place in ((one[m], from_[m]), (other[m], to[m])):
            i = _clip(np.int64(np.floor(place[0] + 0.5)), u.shape[1])
            j = _clip(np.int64(np.floor(place[1] + 0.5)), u.shape[2])
            diagonal[k, i, j] += 0.5 * weights[m]
    _apply(u, one, other, from_, to, weights, stiffness, pull, q)
    r -= q
    p, z = np.zeros_like(u), np.empty_like(u)
    before, first, done = 1.0, 0.0, 0
    for step in range(rounds):
        now = 0.0
        for k in range(u.shape[0]):
            for i in range(u.shape[1]):
                for j in range(u.shape[2]):
                    for c in range(2):
                        z[k, i, j, c] = r[k, i, j, c] / diagonal[k, i, j]
                        now += z[k, i, j, c] * r[k, i, j, c]
        if step == 0:
            first = now
        if now <= 1e-10 * first or now == 0.0:
            break
        p *= now / before if step else 0.0
        p += z
        _apply(p, one, other, from_, to, weights, stiffness, pull, q)
        along = 0.0
        for k in range(u.shape[0]):
            for i in range(u.shape[1]):
                for j in range(u.shape[2]):
                    for c in range(2):
                        along += p[k, i, j, c] * q[k, i, j, c]
        alpha = now / along
        u += alpha * p
        r -= alpha * q
        before = now
        done += 1
    return done
