"""Displacements on a grid that agree with what was measured and bend little: one by one, and for a whole stack.

The energy is ``sum (d - e)' A (d - e) + stiffness * bending(u + d)``; its minimum is found by conjugate gradients with
the 2 x 2 blocks as preconditioner, which needs no matrix and is the same on any machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["add_bending", "relax"]


@jit
def add_bending(u: Array, weight: Any, out: Array) -> None:
    """Add the gradient of ``weight / 2 * sum of squared second differences`` of `u` (ny, nx, 2), free at borders."""
    ny, nx = u.shape[0], u.shape[1]
    for c in range(2):
        for i in range(ny):
            for j in range(nx):
                if 0 < i < ny - 1:
                    v = weight * (u[i - 1, j, c] - 2.0 * u[i, j, c] + u[i + 1, j, c])
                    out[i - 1, j, c] += v
                    out[i, j, c] -= 2.0 * v
                    out[i + 1, j, c] += v
                if 0 < j < nx - 1:
                    v = weight * (u[i, j - 1, c] - 2.0 * u[i, j, c] + u[i, j + 1, c])
                    out[i, j - 1, c] += v
                    out[i, j, c] -= 2.0 * v
                    out[i, j + 1, c] += v
                if i < ny - 1 and j < nx - 1:
                    v = 2.0 * weight * (u[i, j, c] - u[i + 1, j, c] - u[i, j + 1, c] + u[i + 1, j + 1, c])
                    out[i, j, c] += v
                    out[i + 1, j, c] -= v
                    out[i, j + 1, c] -= v
                    out[i + 1, j + 1, c] += v


@jit
def _apply(a: Array, d: Array, stiffness: Any, pull: Any, out: Array) -> None:
    for i in range(d.shape[0]):
        for j in range(d.shape[1]):
            out[i, j, 0] = (a[i, j, 0] + pull) * d[i, j, 0] + a[i, j, 1] * d[i, j, 1]
            out[i, j, 1] = a[i, j, 1] * d[i, j, 0] + (a[i, j, 2] + pull) * d[i, j, 1]
    add_bending(d, stiffness, out)


@jit
def relax(a: Array, b: Array, u: Array, stiffness: Any, pull: Any, rounds: Any) -> Array:
    """Return the change `d` of `u` that minimises the energy.

    Parameters
    ----------
    a : array of float64, (ny, nx, 3)
        Blocks (yy, yx, xx) of how firmly each node is held.
    b : array of float64, (ny, nx, 2)
        The block times where the node wants to go.
    u : array of float64, (ny, nx, 2)
    stiffness, pull : float
        Of the bending of u + d, and of a spring on d alone.
    rounds : int
        At most.
    """
    r = b.copy()
    add_bending(u, -stiffness, r)
    d, p, q, z = np.zeros_like(r), np.empty_like(r), np.empty_like(r), np.empty_like(r)
    ny, nx = r.shape[0], r.shape[1]
    before, first = 0.0, 0.0
    for step in range(rounds):
        now = 0.0
        for i in range(ny):
            for j in range(nx):
                # Bending has 20 on the diagonal inside the grid.
                yy, yx, xx = a[i, j, 0] + pull + 20.0 * stiffness, a[i, j, 1], a[i, j, 2] + pull + 20.0 * stiffness
                det = yy * xx - yx * yx
                z[i, j, 0] = (xx * r[i, j, 0] - yx * r[i, j, 1]) / det
                z[i, j, 1] = (yy * r[i, j, 1] - yx * r[i, j, 0]) / det
                now += z[i, j, 0] * r[i, j, 0] + z[i, j, 1] * r[i, j, 1]
        if step == 0:
            first = now
            p[:] = z
        else:
            p *= now / before
            p += z
        if now <= 1e-9 * first or now == 0.0:
            break
        _apply(a, p, stiffness, pull, q)
        along = 0.0
        for i in range(ny):
            for j in range(nx):
                along += p[i, j, 0] * q[i, j, 0] + p[i, j, 1] * q[i, j, 1]
        alpha = now / along
        for i in range(ny):
            for j in range(nx):
                for c in range(2):
                    d[i, j, c] += alpha * p[i, j, c]
                    r[i, j, c] -= alpha * q[i, j, c]
        before = now
    return d
