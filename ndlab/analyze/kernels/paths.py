"""Shortest paths without weights from every node of a graph in compressed rows: `at` (n + 1), `to` (m)."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["arrivals", "betweenness", "distances", "girth"]


@jit
def distances(at: Array, to: Array, begin: int, end: int, sums: Array, reached: Array, far: Array) -> None:
    """Fill for each source in [begin, end) the sum of distances, how many nodes are reached, and the farthest one's."""
    n = len(at) - 1
    distance = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    for source in range(begin, end):
        distance[source], queue[0] = 0, source
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            for e in range(at[u], at[u + 1]):
                v = to[e]
                if distance[v] < 0:
                    distance[v] = distance[u] + 1
                    queue[tail] = v
                    tail += 1
        total = 0
        for k in range(tail):
            total += distance[queue[k]]
        sums[source], reached[source], far[source] = total, tail - 1, distance[queue[tail - 1]]
        for k in range(tail):
            distance[queue[k]] = -1


@jit
def arrivals(at: Array, to: Array, sources: Array, reached: Array, sums: Array, squares: Array) -> None:
    """Add for each node how many of the sources reach it, and the sums of their distances and of those squared."""
    n = len(at) - 1
    distance = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    for source in sources:
        distance[source], queue[0] = 0, source
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            if head > 1:
                reached[u] += 1
                sums[u] += distance[u]
                squares[u] += distance[u] ** 2
            for e in range(at[u], at[u + 1]):
                v = to[e]
                if distance[v] < 0:
                    distance[v] = distance[u] + 1
                    queue[tail] = v
                    tail += 1
        for k in range(tail):
            distance[queue[k]] = -1


@jit
def girth(at: Array, to: Array) -> int:
    """Return the length of the shortest cycle of a simple undirected graph, 0 if it has none."""
    n = len(at) - 1
    best = n + 1
    distance, parent = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    for source in range(n):
        distance[source], parent[source], queue[0] = 0, -1, source
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            if 2 * distance[u] + 1 >= best:
                break
            for e in range(at[u], at[u + 1]):
                v = to[e]
                if distance[v] < 0:
                    distance[v], parent[v] = distance[u] + 1, u
                    queue[tail] = v
                    tail += 1
                elif parent[u] != v:
                    best = min(best, distance[u] + distance[v] + 1)
        for k in range(tail):
            distance[queue[k]] = -1
        if best == 3:
            break
    return 0 if best > n else best


@jit
def betweenness(
    at: Array, to: Array, edge: Array, alive: Array, begin: int, end: int, nodes: Array, edges: Array
) -> None:
    """Add to `nodes` and `edges` how many shortest paths from the sources in [begin, end) go through or along each.

    `edge` (m) numbers the edges; those that are not `alive` are no way. Parallel edges are paths of their own.
    """
    n = len(at) - 1
    distance = np.full(n, -1, np.int64)
    paths, depends = np.zeros(n), np.zeros(n)
    queue = np.empty(n, np.int64)
    for source in range(begin, end):
        distance[source], paths[source], queue[0] = 0, 1.0, source
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            for e in range(at[u], at[u + 1]):
                if not alive[edge[e]]:
                    continue
                v = to[e]
                if distance[v] < 0:
                    distance[v] = distance[u] + 1
                    queue[tail] = v
                    tail += 1
                if distance[v] == distance[u] + 1:
                    paths[v] += paths[u]
        for k in range(tail - 1, -1, -1):
            u = queue[k]
            for e in range(at[u], at[u + 1]):
                v = to[e]
                if alive[edge[e]] and distance[v] == distance[u] + 1:
                    share = paths[u] / paths[v] * (1 + depends[v])
                    depends[u] += share
                    edges[edge[e]] += share
            if u != source:
                nodes[u] += depends[u]
        for k in range(tail):
            distance[queue[k]], paths[queue[k]], depends[queue[k]] = -1, 0.0, 0.0
