"""Modularity, and communities merged by it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.graph import Graph

__all__ = ["fast_greedy", "modularity", "numbered"]

Array = np.ndarray[Any, Any]


def modularity(graph: Graph, labels: Array, weight: str | None = None) -> float:
    """Return how much more of the edges lie inside communities than their degrees would give; direction aside.

    Parameters
    ----------
    graph : Graph
    labels : ndarray of int, shape (n,)
        Number of the community of each node.
    weight : str, optional
        Edge property.

    References
    ----------
    Newman MEJ, Girvan M (2004). Finding and evaluating community structure in networks. Phys Rev E 69:026113.

    Examples
    --------
    >>> graph = Graph.from_edges([0, 1, 2, 3, 4, 5, 0], [1, 2, 0, 4, 5, 3, 3], directed=False)
    >>> round(modularity(graph, graph.rows([0] * 3 + [1] * 3)[[0, 1, 2, 3, 4, 5]]), 3)
    0.357
    """
    weights = graph.weights(weight)
    labels = np.unique(labels, return_inverse=True)[1]
    total = weights.sum()
    inside = weights[labels[graph.source] == labels[graph.target]].sum() / total
    share = np.bincount(labels, graph.degrees("total", None if weight is None else weight)) / (2 * total)
    return float(inside - (share**2).sum())


def fast_greedy(graph: Graph, weight: str | None = None) -> Array:
    """Return communities found by merging, each time those two whose union raises modularity most.

    Of all stages the one with the highest modularity is taken. Edges count once whatever their number and direction,
    unless `weight` is given; then the weights of parallel edges add up. Of unions that tie, and in
    a connectome many do, that of the node with the highest number goes first: the order of the nodes decides.

    Returns
    -------
    ndarray of int64, shape (n,)
        Number of the community of each node, 0 for the largest.

    References
    ----------
    Clauset A, Newman MEJ, Moore C (2004). Finding community structure in very large networks. Phys Rev E 70:066111.

    Examples
    --------
    >>> graph = Graph.from_edges([0, 1, 2, 3, 4, 5, 0], [1, 2, 0, 4, 5, 3, 3], directed=False)
    >>> fast_greedy(graph).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    from ndlab.analyze.kernels.greedy import agglomerate

    n = graph.n_nodes
    merged = graph.undirected().simple("sum")
    matrix = merged.adjacency(weight).astype(np.float64)
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    if not matrix.nnz:
        return np.arange(n)
    merges, gains = np.zeros((n - 1, 2), np.int64), np.zeros(n - 1)
    done = agglomerate(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data, merges, gains)
    reached = np.concatenate([[0.0], np.cumsum(gains[:done])])
    return numbered(_merged(n, merges[: int(np.argmax(reached))]))


def _merged(n: int, merges: Array) -> Array:
    """Return which community each node is in after some merges."""
    into = np.arange(n)
    for a, b in merges[::-1].tolist():
        into[b] = into[a]  # Going back in time, what a was merged into is known already.
    return into


def numbered(labels: Array) -> Array:
    """Give communities numbers by size, the largest 0; of equal ones the one of the first node comes first."""
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    numbers: Array = rank[inverse]
    return numbers
