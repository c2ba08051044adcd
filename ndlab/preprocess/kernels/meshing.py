"""The elastic mesh of a whole stack: what each section's grid has to do so that matched points come together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit
from ndlab.preprocess.kernels.relaxing import add_bending
from ndlab.preprocess.kernels.sampling import _clip, _weights

__all__ = ["mesh"]

SIGNS = np.array([1.0, -1.0])


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


# Ends are looped over, not written out: each call is inlined, and every copy costs the compiler seconds.


@jit
def _apply(
    u: Array, ends: Array, places: Array, weights: Array, signs: Array, stiffness: Any, pull: Any, out: Array
) -> None:
    """Multiply `u` by the matrix of the normal equations."""
    wy, wx, f, gap = np.empty(4), np.empty(4), np.empty(2), np.empty(2)
    out[:] = 0.0
    for m in range(weights.size):
        gap[:] = 0.0
        for e in range(2):
            _at(u, ends[e, m], places[e, m, 0], places[e, m, 1], wy, wx, f)
            gap[0] += signs[e] * f[0]
            gap[1] += signs[e] * f[1]
        for e in range(2):
            w = signs[e] * weights[m]
            _spread(out, ends[e, m], places[e, m, 0], places[e, m, 1], wy, wx, w * gap[0], w * gap[1])
    for k in range(u.shape[0]):
        add_bending(u[k], stiffness, out[k])
    out += pull * u


@jit
def _ask(gap: Array, ends: Array, places: Array, weights: Array, signs: Array, right: Array, diagonal: Array) -> None:
    """Add what the matches ask for to the right side, and about what they put on the matrix's diagonal."""
    wy, wx = np.empty(4), np.empty(4)
    for m in range(weights.size):
        for e in range(2):
            k, y, x, w = ends[e, m], places[e, m, 0], places[e, m, 1], signs[e] * weights[m]
            _spread(right, k, y, x, wy, wx, w * gap[m, 0], w * gap[m, 1])
            i, j = np.int64(np.floor(y + 0.5)), np.int64(np.floor(x + 0.5))
            diagonal[k, _clip(i, diagonal.shape[1]), _clip(j, diagonal.shape[2])] += 0.5 * weights[m]


def mesh(
    one: Array,
    other: Array,
    from_: Array,
    to: Array,
    gap: Array,
    weights: Array,
    stiffness: float,
    pull: float,
    rounds: int,
    u: Array,
) -> int:
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
    ends, places = np.stack([one, other]), np.stack([from_, to])
    r, q = np.zeros_like(u), np.empty_like(u)
    diagonal = np.full(u.shape[:3], 20.0 * stiffness + pull)
    _ask(gap, ends, places, weights, SIGNS, r, diagonal)
    _apply(u, ends, places, weights, SIGNS, stiffness, pull, q)
    r -= q
    p = np.zeros_like(u)
    before, first = 1.0, 0.0
    for done in range(rounds):
        z = r / diagonal[..., None]
        now = float(np.vdot(z, r))
        first = first if done else now
        if now <= 1e-10 * first or now == 0.0:
            return done
        p *= now / before if done else 0.0
        p += z
        _apply(p, ends, places, weights, SIGNS, stiffness, pull, q)
        alpha = now / float(np.vdot(p, q))
        u += alpha * p
        r -= alpha * q
        before = now
    return rounds
