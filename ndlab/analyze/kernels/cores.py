"""Cores of a simple undirected graph in compressed rows."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["peel"]


@jit
def peel(at: Array, to: Array) -> tuple[Array, Array]:
    """Return the core number of each node, and the order in which the node of fewest neighbours is taken away."""
    n = len(at) - 1
    degree = at[1:] - at[:-1]
    most = degree.max() if n else 0
    starts = np.zeros(most + 2, np.int64)
    for d in degree:
        starts[d + 1] += 1
    starts = np.cumsum(starts)[:-1]
    fill = starts.copy()
    order, place = np.empty(n, np.int64), np.empty(n, np.int64)
    for u in range(n):
        place[u] = fill[degree[u]]
        order[place[u]] = u
        fill[degree[u]] += 1
    core = degree.copy()
    for i in range(n):
        u = order[i]
        for e in range(at[u], at[u + 1]):
            v = to[e]
            if core[v] > core[u]:
                # v moves to the front of its bin, whose begin moves on: it then has one neighbour less.
                first = starts[core[v]]
                w = order[first]
                if v != w:
                    order[place[v]], order[first] = w, v
                    place[w], place[v] = place[v], first
                starts[core[v]] += 1
                core[v] -= 1
    return core, order
