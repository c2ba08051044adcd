"""The largest clique of a graph, by branch and bound.

Nodes are taken in the order of degeneracy, so each is searched among its later neighbours only, of which there are at
most as many as its core number; among those, sets are rows of bits and the bound is a greedy colouring.

References
----------
Tomita E, Seki T (2003). An efficient branch-and-bound algorithm for finding a maximum clique. DMTCS 2731:278-289.
San Segundo P, Rodríguez-Losada D, Jiménez A (2011). An exact bit-parallel algorithm for the maximum clique problem.
Comput Oper Res 38:571-581.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.sparse import simple_matrix
from ndlab.graph import Graph

__all__ = ["core_numbers", "largest_clique"]

Array = np.ndarray[Any, Any]
_PART = 256


def core_numbers(graph: Graph) -> Array:
    """Return for each node the largest k of a part in which every node has k neighbours; int64, shape (n,).

    References
    ----------
    Batagelj V, Zaversnik M (2003). An O(m) algorithm for cores decomposition of networks. arXiv cs/0310049.

    Examples
    --------
    >>> core_numbers(Graph.from_edges([0, 1, 2, 2], [1, 2, 0, 3])).tolist()
    [2, 2, 2, 1]
    """
    from ndlab.analyze.kernels.cores import peel

    matrix = simple_matrix(graph)
    return peel(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64))[0]  # type: ignore[no-any-return]


def largest_clique(graph: Graph) -> Array:
    """Return the rows of a largest set of nodes that are all joined, direction and loops aside.

    Examples
    --------
    >>> largest_clique(Graph.from_edges([0, 1, 2, 2], [1, 2, 0, 3])).tolist()
    [0, 1, 2]
    """
    from ndlab.analyze.kernels.clique import greedy, search
    from ndlab.analyze.kernels.cores import peel

    if not graph.n_nodes:
        return np.zeros(0, np.int64)
    matrix = simple_matrix(graph)
    at, to = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    core, order = peel(at, to)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    best, slot = np.zeros(core.max() + 1, np.int64), np.full(len(order), -1, np.int64)
    size = greedy(at, to, order, best)
    # Part by part, so that a long search can be interrupted.
    for end in range(len(order), 0, -_PART):
        size = search(at, to, core, order, place, slot, max(0, end - _PART), end, best, size)
    return np.sort(best[:size])
