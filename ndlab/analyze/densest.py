"""The densest part of a graph, exactly: the maximum of the average degree over all of its parts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ndlab.analyze.sparse import simple_matrix
from ndlab.graph import Graph

__all__ = ["densest_part", "max_average_degree"]

Array = np.ndarray[Any, Any]


def max_average_degree(graph: Graph) -> Fraction:
    """Return the largest average degree that any part of the simple undirected graph has, exactly; 0 without an edge.

    Examples
    --------
    >>> kite = Graph.from_edges([0, 0, 0, 1, 1, 2, 3], [1, 2, 3, 2, 3, 3, 4])  # Four that are all joined, and a tail.
    >>> max_average_degree(kite), kite.undirected().degrees().mean()
    (Fraction(3, 1), np.float64(2.8))
    """
    matrix = simple_matrix(graph)
    inside = _densest(matrix)
    return 2 * _density(matrix, inside)


def densest_part(graph: Graph) -> Array:
    """Return which nodes make the part of most edges a node, bool, shape (n,): of equal ones that which holds them all.

    References
    ----------
    Goldberg AV (1984). Finding a maximum density subgraph. Berkeley, CSD-84-171. Dinkelbach W (1967). On nonlinear
    fractional programming. Manag Sci 13:492-498. Here the next density asked for is that of the part found last, not
    the middle of an interval, so few cuts are needed.

    Examples
    --------
    >>> densest_part(Graph.from_edges([0, 0, 0, 1, 1, 2, 3], [1, 2, 3, 2, 3, 3, 4])).tolist()
    [True, True, True, True, False]
    """
    return _densest(simple_matrix(graph))


def _densest(matrix: Any) -> Array:
    """Ask for a part denser than the densest that is known, until there is none.

    Why the answer is exact. A part S of density E(S) / |S| above p / q has q E(S) - p |S| > 0. Twice that is the sum
    over S of q d(v) - 2 p, less q for each edge that leaves S, so the S that makes it largest is the source's side of a
    minimum cut between whole numbers. They stay below 4 n m, in 64 bits for any graph that fits memory. If the largest
    is above 0, S is denser, and its density, a fraction of two whole numbers, is asked for next; these rise, and there
    are finitely many. If it is 0, nothing is denser than p / q, and S, the largest that reaches 0, is the union of all
    parts of that density.
    """
    from ndlab.analyze.kernels.cores import peel

    n = matrix.shape[0]
    if not matrix.nnz:
        return np.ones(n, bool)
    at, to = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    core, _ = peel(at, to)
    best = _densest_core(core, at, to)
    while True:
        # A node of fewer neighbours in the densest part than that has edges a node would only thin it.
        keep = np.flatnonzero(core >= -(-best.numerator // best.denominator))
        inside = np.zeros(n, bool)
        inside[keep[_cut(matrix[keep][:, keep], best)]] = True
        found = _density(matrix, inside)
        if found == best:
            return inside
        best = found


def _densest_core(core: Array, at: Array, to: Array) -> Fraction:
    """Return the density of the densest of the cores, at least half of what is looked for."""
    source = np.repeat(np.arange(len(core)), np.diff(at))
    lower = np.minimum(core[source], core[to])[source < to]
    nodes = np.cumsum(np.bincount(core)[::-1])[::-1]
    edges = np.cumsum(np.bincount(lower, minlength=len(nodes))[::-1])[::-1]
    return max(Fraction(int(e), int(v)) for e, v in zip(edges, nodes, strict=True))


def _cut(matrix: Any, density: Fraction) -> Array:
    from ndlab.analyze.kernels.flow import kept_from_sink

    matrix.sort_indices()
    at, to = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    # Arcs by their end, then their begin: those back, in the order of those there.
    back = np.argsort(to, kind="stable")
    p, q = density.numerator, density.denominator
    found: Array = kept_from_sink(at, to, back, q, q * np.diff(at) - 2 * p)
    return found


def _density(matrix: Any, inside: Array) -> Fraction:
    part = matrix[inside][:, inside]
    return Fraction(part.nnz // 2, max(1, int(inside.sum())))
