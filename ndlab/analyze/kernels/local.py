"""Numbers of each node from its neighbours, on a graph in compressed rows with ascending columns."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["articulation", "constraint", "triangles"]


@jit
def triangles(at: Array, to: Array, out: Array) -> None:
    """Fill `out` (n) with the triangles at each node of a simple undirected graph."""
    n = len(at) - 1
    mark = np.zeros(n, np.bool_)
    for u in range(n):
        for e in range(at[u], at[u + 1]):
            mark[to[e]] = True
        for e in range(at[u], at[u + 1]):
            v = to[e]
            if v <= u:
                continue
            for f in range(at[v], at[v + 1]):
                w = to[f]
                if w > v and mark[w]:
                    out[u] += 1
                    out[v] += 1
                    out[w] += 1
        for e in range(at[u], at[u + 1]):
            mark[to[e]] = False


@jit
def articulation(at: Array, to: Array, out: Array) -> None:
    """Mark in `out` (n) the nodes without which their component would fall apart (Hopcroft and Tarjan 1973)."""
    n = len(at) - 1
    depth, low = np.full(n, -1, np.int64), np.zeros(n, np.int64)
    parent, edge = np.full(n, -1, np.int64), at[:-1].copy()
    stack = np.empty(n, np.int64)
    for root in range(n):
        if depth[root] >= 0:
            continue
        children, size = 0, 1
        stack[0], depth[root], low[root] = root, 0, 0
        while size:
            u = stack[size - 1]
            if edge[u] < at[u + 1]:
                v = to[edge[u]]
                edge[u] += 1
                if depth[v] < 0:
                    parent[v], depth[v], low[v] = u, depth[u] + 1, depth[u] + 1
                    stack[size] = v
                    size += 1
                elif v != parent[u]:
                    low[u] = min(low[u], depth[v])
            else:
                size -= 1
                p = parent[u]
                if p < 0:
                    continue
                low[p] = min(low[p], low[u])
                if p == root:
                    children += 1
                elif low[u] >= depth[p]:
                    out[p] = True
        out[root] = children > 1


@jit
def constraint(at: Array, to: Array, share: Array, out: Array) -> None:
    """Fill `out` (n) with Burt's constraint; `share` of an edge is the part of its node's weight that goes there."""
    n = len(at) - 1
    direct, indirect = np.zeros(n), np.zeros(n)
    for u in range(n):
        for e in range(at[u], at[u + 1]):
            direct[to[e]] = share[e]
        for e in range(at[u], at[u + 1]):
            v = to[e]
            for f in range(at[v], at[v + 1]):
                if to[f] != u:
                    indirect[to[f]] += share[e] * share[f]
        total = 0.0
        for e in range(at[u], at[u + 1]):
            total += (direct[to[e]] + indirect[to[e]]) ** 2
        for e in range(at[u], at[u + 1]):
            v = to[e]
            direct[v] = 0.0
            for f in range(at[v], at[v + 1]):
                indirect[to[f]] = 0.0
        out[u] = total if at[u + 1] > at[u] else np.nan
