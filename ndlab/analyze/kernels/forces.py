"""Nodes pushed apart and pulled together by their edges."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["charges", "fruchterman_reingold"]


@jit
def fruchterman_reingold(places: Array, source: Array, target: Array, steps: int, heat: float, near: bool) -> None:
    """Move `places` (n, dim) by Fruchterman and Reingold's forces, the ideal edge being 1 long.

    All nodes push each other, or with `near` only those in the neighbouring cells of a grid 2 wide, which is as good
    for large graphs and takes time in proportion to their nodes.
    """
    n, dim = places.shape
    shift = np.empty((n, dim))
    for step in range(steps):
        shift[:] = 0.0
        if near:
            _push_near(places, shift)
        else:
            for i in range(n):
                for j in range(i):
                    _push_both(places, shift, i, j)
        for e in range(len(source)):
            a, b = source[e], target[e]
            d2 = 0.0
            for k in range(dim):
                d2 += (places[a, k] - places[b, k]) ** 2
            pull = np.sqrt(d2)
            for k in range(dim):
                force = (places[a, k] - places[b, k]) * pull
                shift[a, k] -= force
                shift[b, k] += force
        most = heat * (1 - step / steps) + 1e-3
        for i in range(n):
            length = 0.0
            for k in range(dim):
                length += shift[i, k] ** 2
            length = np.sqrt(length)
            if length > 0:
                scale = min(length, most) / length
                for k in range(dim):
                    places[i, k] += shift[i, k] * scale


@jit
def _push_both(places: Array, shift: Array, i: int, j: int) -> None:
    """Push both of a pair, the one as the other."""
    dim = places.shape[1]
    d2 = 0.0
    for k in range(dim):
        d2 += (places[i, k] - places[j, k]) ** 2
    d2 = max(d2, 1e-4)
    for k in range(dim):
        force = (places[i, k] - places[j, k]) / d2
        shift[i, k] += force
        shift[j, k] -= force


@jit
def _push(places: Array, shift: Array, i: int, j: int, reach2: float) -> None:
    """Push `i` away from `j` if they are nearer than the root of `reach2`: a cell's walls must not show."""
    dim = places.shape[1]
    d2 = 0.0
    for k in range(dim):
        d2 += (places[i, k] - places[j, k]) ** 2
    if d2 >= reach2:
        return
    d2 = max(d2, 1e-4)
    for k in range(dim):
        shift[i, k] += (places[i, k] - places[j, k]) / d2


@jit
def _push_near(places: Array, shift: Array) -> None:
    n, dim = places.shape
    low = np.empty(3)
    shape = np.ones(3, np.int64)
    most = 1 << (21 // dim)  # Two million cells in all, in 2-D as in 3-D.
    for k in range(dim):
        low[k] = places[:, k].min()
        shape[k] = min(int((places[:, k].max() - low[k]) / 2.0) + 1, most)
    width = 2.0
    for k in range(dim):
        width = max(width, (places[:, k].max() - low[k]) / shape[k] * (1 + 1e-9))
    cell = np.zeros((n, 3), np.int64)
    for i in range(n):
        for k in range(dim):
            cell[i, k] = min(int((places[i, k] - low[k]) / width), shape[k] - 1)
    first = np.full(shape[0] * shape[1] * shape[2], -1, np.int64)
    after = np.full(n, -1, np.int64)
    for i in range(n):
        one = (cell[i, 0] * shape[1] + cell[i, 1]) * shape[2] + cell[i, 2]
        after[i], first[one] = first[one], i
    for i in range(n):
        for a in range(max(0, cell[i, 0] - 1), min(shape[0], cell[i, 0] + 2)):
            for b in range(max(0, cell[i, 1] - 1), min(shape[1], cell[i, 1] + 2)):
                for c in range(max(0, cell[i, 2] - 1), min(shape[2], cell[i, 2] + 2)):
                    j = first[(a * shape[1] + b) * shape[2] + c]
                    while j >= 0:
                        if j != i:
                            _push(places, shift, i, j, width * width)
                        j = after[j]


@jit
def charges(places: Array, source: Array, target: Array, steps: int, charge: float, spring: float) -> None:
    """Move `places` as equal charges on springs of length 1 (graphopt), each step at most 0.5."""
    n, dim = places.shape
    shift = np.empty((n, dim))
    for _ in range(steps):
        shift[:] = 0.0
        for i in range(n):
            for j in range(i):
                d2 = 1e-4
                for k in range(dim):
                    d2 += (places[i, k] - places[j, k]) ** 2
                push = charge / (d2 * np.sqrt(d2))
                for k in range(dim):
                    force = (places[i, k] - places[j, k]) * push
                    shift[i, k] += force
                    shift[j, k] -= force
        for e in range(len(source)):
            a, b = source[e], target[e]
            d = 1e-4
            for k in range(dim):
                d += (places[a, k] - places[b, k]) ** 2
            d = np.sqrt(d)
            for k in range(dim):
                force = spring * (d - 1) * (places[a, k] - places[b, k]) / d
                shift[a, k] -= force
                shift[b, k] += force
        for i in range(n):
            for k in range(dim):
                places[i, k] += max(-0.5, min(0.5, shift[i, k]))
