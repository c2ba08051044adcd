"""The largest clique of a graph, by branch and bound.

Nodes are taken in the order of degeneracy, so each is searched among its later neighbours only, of which there are at
most as many as its core number; among those, sets are bit masks and the bound is a greedy colouring.

References
----------
Tomita E, Seki T (2003). An efficient branch-and-bound algorithm for finding a maximum clique. DMTCS 2731:278-289.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.sparse import simple_matrix
from ndlab.graph import Graph

__all__ = ["core_numbers", "largest_clique"]

Array = np.ndarray[Any, Any]


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
    from ndlab.analyze.kernels.cores import peel

    matrix = simple_matrix(graph)
    at, to = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    if not graph.n_nodes:
        return np.zeros(0, np.int64)
    core, order = peel(at, to)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    best: list[int] = [int(order[-1])]
    # Dense parts are peeled last and hold the large cliques, which then cut the search elsewhere.
    for u in order[::-1].tolist():
        near = to[at[u] : at[u + 1]]
        later = near[place[near] > place[u]]
        later = later[core[later] >= len(best)]
        if len(later) >= len(best):
            found = _search(later, at, to, len(best))
            if found is not None:
                best = [u, *found]
    return np.sort(np.array(best, np.int64))


def _search(nodes: Array, at: Array, to: Array, size: int) -> list[int] | None:
    """Return a clique of at least `size` nodes among `nodes`, the largest there is, or None."""
    joined = [np.isin(nodes, to[at[u] : at[u + 1]]) for u in nodes.tolist()]
    # The best bounds come from colouring nodes of many neighbours first.
    order = np.argsort([-int(row.sum()) for row in joined], kind="stable")
    masks = [int.from_bytes(np.packbits(joined[i][order], bitorder="little").tobytes(), "little") for i in order]
    best: list[int] = []
    bound = size - 1

    def expand(chosen: list[int], left: int) -> None:
        nonlocal best, bound
        ranked = _coloured(left, masks)
        if ranked[-1][1] == len(ranked):  # As many colours as nodes: all are joined, however many, so no descent.
            if len(chosen) + len(ranked) > bound:
                best = chosen + [u for u, _ in ranked]
                bound = len(best)
            return
        for u, colour in reversed(ranked):
            if len(chosen) + colour <= bound:
                return
            more = left & masks[u]
            chosen.append(u)
            if more:
                expand(chosen, more)
            elif len(chosen) > bound:
                best, bound = chosen.copy(), len(chosen)
            chosen.pop()
            left &= ~(1 << u)

    expand([], (1 << len(nodes)) - 1)
    return [int(nodes[order[i]]) for i in best] if best else None


def _coloured(left: int, masks: list[int]) -> list[tuple[int, int]]:
    """Return the nodes of a set with a colour each, neighbours never of one colour, by colour."""
    ranked, colour = [], 0
    while left:
        colour += 1
        free = left
        while free:
            u = (free & -free).bit_length() - 1
            ranked.append((u, colour))
            left &= ~(1 << u)
            free &= ~(masks[u] | 1 << u)
    return ranked
