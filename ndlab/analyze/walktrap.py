"""Communities by short random walks."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from ndlab.analyze.sparse import simple_matrix
from ndlab.errors import TooLarge
from ndlab.graph import Graph

__all__ = ["walktrap"]

Array = np.ndarray[Any, Any]


def walktrap(graph: Graph, steps: int = 4) -> Array:
    """Return communities, int64, shape (n,): neighbours are merged whose walks of some steps end alike, by Ward's rule.

    Of all stages that of the highest modularity is taken.

    Raises
    ------
    TooLarge
        If the graph has more than 5,000 nodes.

    References
    ----------
    Pons P, Latapy M (2005). Computing communities in large networks using random walks. ISCIS 3733:284-293.

    Examples
    --------
    >>> graph = Graph.from_edges([0, 1, 2, 3, 4, 5, 0], [1, 2, 0, 4, 5, 3, 3], directed=False)
    >>> np.unique(walktrap(graph), return_counts=True)[1].tolist()
    [3, 3]
    """
    n = graph.n_nodes
    if n > 5_000:
        raise TooLarge(f"walktrap of {n:,} nodes", "it needs where walks from each node end, up to 5,000",
                       "use method='multilevel'", nodes=n, limit=5_000)  # fmt: skip
    matrix = simple_matrix(graph)
    at, to = matrix.indptr, matrix.indices
    apart = _walks_apart(matrix, steps)
    size, row = np.ones(n), list(range(n))
    near: dict[int, set[int]] = {u: set(to[at[u] : at[u + 1]].tolist()) for u in range(n)}

    def costs(one: int, others: list[int]) -> list[float]:
        rows = np.array([row[other] for other in others], np.int64)
        weight = size[row[one]] * size[rows] / (size[row[one]] + size[rows])
        found: list[float] = (weight * apart[row[one], rows]).tolist()
        return found

    heap: list[tuple[float, int, int]] = []
    for u in range(n):
        later = sorted(v for v in near[u] if u < v)
        heap += zip(costs(u, later), [u] * len(later), later, strict=True)
    heapq.heapify(heap)
    merges: list[tuple[int, int]] = []
    while heap:
        a, b = heapq.heappop(heap)[1:]
        if a not in near or b not in near:
            continue
        new = n + len(merges)
        joined = sorted((near.pop(a) | near.pop(b)) - {a, b})
        _join(apart, size, row[a], row[b])
        row.append(row[a])
        for c in joined:
            near[c] -= {a, b}
            near[c].add(new)
        for cost, c in zip(costs(new, joined), joined, strict=True):
            heapq.heappush(heap, (cost, c, new))
        near[new] = set(joined)
        merges.append((a, b))
    return _best_cut(graph, n, merges)


def _walks_apart(matrix: Any, steps: int) -> Array:
    """Return the squared distance of where walks from each two nodes end, in the metric of Pons and Latapy.

    A walk may stay where it is, as if each node had a loop, as in Pons's own program: else it would tell which side of
    a graph of two kinds it is on, and axons would never be near dendrites.
    """
    from scipy.sparse import eye_array

    n = matrix.shape[0]
    walk = (matrix + eye_array(n)).tocsr()
    degree = walk.sum(axis=1)
    walk = walk.multiply(1 / degree[:, None]).tocsr()
    ends = np.eye(n)
    for _ in range(steps):
        ends = walk @ ends
    ends /= np.sqrt(degree)
    length = (ends**2).sum(axis=1)
    found: Array = -2 * (ends @ ends.T)
    found += length[:, None]
    found += length
    return np.maximum(found, 0, out=found)


def _join(apart: Array, size: Array, a: int, b: int) -> None:
    """Put the mean of two communities in the place of the first (Lance and Williams's update of squared distances)."""
    share = size[a] / (size[a] + size[b])
    apart[a] = np.maximum(share * apart[a] + (1 - share) * apart[b] - share * (1 - share) * apart[a, b], 0)
    apart[:, a] = apart[a]
    size[a] += size[b]


def _best_cut(graph: Graph, n: int, merges: list[tuple[int, int]]) -> Array:
    """Return the communities of the stage with the highest modularity; merge i makes community n + i."""
    plain = graph.undirected().simple({})
    if not plain.n_edges:
        return np.arange(n)
    labels = np.arange(n)
    members = {u: [u] for u in range(n)}
    inside = 0.0
    joined = {(min(u, v), max(u, v)) for u, v in zip(plain.source.tolist(), plain.target.tolist(), strict=True)}
    between: dict[int, dict[int, int]] = {u: {} for u in range(n)}
    for u, v in joined:
        between[u][v] = between[v][u] = 1
    degree = dict(enumerate(plain.degrees().astype(float).tolist()))
    m = float(len(joined))
    spread = sum(d * d for d in degree.values()) / (4 * m * m)
    best, top = labels.copy(), -spread
    for i, (a, b) in enumerate(merges):
        new = n + i
        inside += between[a].get(b, 0) / m
        spread += 2 * degree[a] * degree[b] / (4 * m * m)
        degree[new] = degree.pop(a) + degree.pop(b)
        members[new] = members.pop(a) + members.pop(b)
        labels[members[new]] = new
        table: dict[int, int] = {}
        for old in (a, b):
            for c, count in between.pop(old).items():
                if c not in (a, b):
                    table[c] = table.get(c, 0) + count
                    between[c].pop(old, None)
        for c, count in table.items():
            between[c][new] = count
        between[new] = table
        if inside - spread > top + 1e-12:
            best, top = labels.copy(), inside - spread
    return best
