"""Numbers of a whole graph: the 21 of the founding graph explorer, and those of its graph services."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndlab.analyze import cliques, densest, modularity, powerlaw, spectrum
from ndlab.analyze.estimates import check_paths, sampled_paths
from ndlab.analyze.sparse import by_source, rows_of, simple_matrix
from ndlab.errors import BadRequest
from ndlab.graph import Graph

__all__ = ["WHOLE", "invariants"]

Array = np.ndarray[Any, Any]


def invariants(
    graph: Graph, names: Sequence[str] | None = None, *, sources: int | None = None, exact: bool = False,
    seed: int = 0, progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Return numbers of a whole graph by name.

    On the graph as it is, parallel edges and loops counted: ``order``, ``size``, ``components`` (weak) and
    ``largest_component``, ``max_degree``, ``mean_degree``, ``min_degree``, ``degree_variance`` (over n - 1),
    ``density`` (edges over pairs of nodes), ``degree_centralization``, ``reciprocity`` (edges that lead back, loops
    aside), ``degree_assortativity`` (of out- with in-degrees where directed) and, along the edges' direction,
    ``diameter`` and ``mean_path`` over the pairs that a path joins.

    On the simple undirected graph: ``girth`` (0 without a cycle), ``clique_number``, ``transitivity``,
    ``max_coreness``, ``greedy_communities``, ``greedy_domination`` (nodes that, picked greedily, touch all others).

    ``power_law_exponent`` is that of the degrees' upper tail.

    The founding graph services had ``max_average_degree``, the largest mean degree of any part of the simple undirected
    graph. They took the largest eigenvalue for it, which is never below it and is here as ``spectral_radius``; the
    number here is exact. Neither is among the 21.

    Parameters
    ----------
    graph : Graph
    names : sequence of str, optional
        Only these; all 21 by default.
    sources : int, optional
        Take ``diameter`` and ``mean_path`` from the paths of so many nodes, drawn by `seed`: the mean is an estimate,
        with its standard error as ``mean_path_error`` beside it, and the diameter the farthest seen, at least that.
    exact : bool
        Find them from all nodes however long it takes.
    progress : callable, optional
        Called with how many are done, and of how many.

    Raises
    ------
    BadRequest
        If a name is none of `WHOLE`.
    TooLarge
        Before anything is done, if paths are asked for and nodes times edges are beyond 10^10, which takes minutes to
        days: ask for `sources`, for `exact`, or for other names.

    Examples
    --------
    >>> ring = Graph.from_edges(range(5), [1, 2, 3, 4, 0], directed=False)
    >>> found = invariants(ring)
    >>> [found[name] for name in ("order", "diameter", "girth", "clique_number", "transitivity")]
    [5, 2, 5, 2, 0.0]
    """
    names = list(WHOLE)[:21] if names is None else list(names)
    strange = [name for name in names if name not in WHOLE]
    if strange:
        raise BadRequest(f"the invariant {', '.join(strange)}", f"there are {', '.join(WHOLE)}")
    check_paths(graph, [name for name in names if WHOLE[name] is _paths], sources, exact)
    found: dict[str, float] = {}
    for done, name in enumerate(names):
        if name not in found:
            some = sources is not None and WHOLE[name] is _paths
            found |= sampled_paths(graph, sources or 0, seed) if some else WHOLE[name](graph)
        if progress is not None:
            progress(done + 1, len(names))
    errors = [f"{name}_error" for name in names if f"{name}_error" in found]
    return {name: found[name] for name in [*names, *errors]}


def _counts(graph: Graph) -> dict[str, float]:
    sizes = np.bincount(graph.components())
    return {
        "order": graph.n_nodes, "size": graph.n_edges, "components": len(sizes) if graph.n_nodes else 0,
        "largest_component": int(sizes.max(initial=0)),
    }  # fmt: skip


def _degrees(graph: Graph) -> dict[str, float]:
    degree = graph.degrees()
    n = graph.n_nodes
    if not n:
        return dict.fromkeys(_DEGREES, float("nan"))
    pairs = n * (n - 1) / (1 if graph.directed else 2)
    star = 2 * (n - 1) ** 2 if graph.directed else (n - 1) * (n - 2)
    return {
        "max_degree": int(degree.max()), "mean_degree": float(degree.mean()), "min_degree": int(degree.min()),
        "degree_variance": float(degree.var(ddof=1)) if n > 1 else 0.0,
        "density": graph.n_edges / pairs if pairs else float("nan"),
        "degree_centralization": float((degree.max() - degree).sum() / star) if star else float("nan"),
        "power_law_exponent": powerlaw.power_law(degree).alpha,
    }  # fmt: skip


_DEGREES = (
    "max_degree", "mean_degree", "min_degree", "degree_variance", "density", "degree_centralization",
    "power_law_exponent",
)  # fmt: skip


def _paths(graph: Graph) -> dict[str, float]:
    from ndlab.analyze.kernels.paths import distances

    at, to = rows_of(graph)
    sums, reached, far = (np.zeros(graph.n_nodes, np.int64) for _ in range(3))
    by_source(graph.n_nodes, lambda begin, end: distances(at, to, begin, end, sums, reached, far))
    pairs = int(reached.sum())
    return {"diameter": int(far.max(initial=0)), "mean_path": float(sums.sum() / pairs) if pairs else float("nan")}


def _girth(graph: Graph) -> dict[str, float]:
    from ndlab.analyze.kernels.paths import girth

    matrix = simple_matrix(graph)
    return {"girth": int(girth(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)))}


def _clique(graph: Graph) -> dict[str, float]:
    return {"clique_number": len(cliques.largest_clique(graph))}


def _cores(graph: Graph) -> dict[str, float]:
    return {"max_coreness": int(cliques.core_numbers(graph).max(initial=0))}


def _reciprocity(graph: Graph) -> dict[str, float]:
    if not graph.directed:
        return {"reciprocity": 1.0}
    matrix = graph.adjacency()
    matrix.setdiag(0)
    total = matrix.sum()
    return {"reciprocity": float(matrix.minimum(matrix.T).sum() / total) if total else float("nan")}


def _transitivity(graph: Graph) -> dict[str, float]:
    from ndlab.analyze.kernels.local import triangles

    matrix = simple_matrix(graph)
    degree = np.diff(matrix.indptr)
    triples = float((degree * (degree - 1)).sum())
    # Never the matrix squared: nodes that all lead to one would fill it.
    at_node = np.zeros(graph.n_nodes, np.int64)
    triangles(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), at_node)
    closed = 2.0 * int(at_node.sum())
    return {"transitivity": closed / triples if triples else float("nan")}


def _assortativity(graph: Graph) -> dict[str, float]:
    if graph.directed:
        source, target = graph.degrees("out")[graph.source], graph.degrees("in")[graph.target]
    else:
        degree = graph.degrees()
        ends = degree[graph.source], degree[graph.target]
        source, target = np.concatenate(ends), np.concatenate(ends[::-1])
    if len(source) < 2 or source.std() == 0 or target.std() == 0:
        return {"degree_assortativity": float("nan")}
    return {"degree_assortativity": float(np.corrcoef(source, target)[0, 1])}


def _communities(graph: Graph) -> dict[str, float]:
    return {"greedy_communities": int(modularity.fast_greedy(graph).max(initial=-1)) + 1}


def _domination(graph: Graph) -> dict[str, float]:
    """Pick the node that covers most of what is not covered, until all is: gains only fall, so a heap is enough."""
    matrix = simple_matrix(graph)
    at, to = matrix.indptr, matrix.indices
    covered = np.zeros(graph.n_nodes, bool)
    heap = [(-(at[u + 1] - at[u] + 1), u) for u in range(graph.n_nodes)]
    heapq.heapify(heap)
    picked = 0
    while heap and not covered.all():
        _, u = heapq.heappop(heap)
        near = np.append(to[at[u] : at[u + 1]], u)
        gain = int((~covered[near]).sum())
        if heap and -heap[0][0] > gain:
            if gain:
                heapq.heappush(heap, (-gain, u))
            continue
        covered[near] = True
        picked += 1
    return {"greedy_domination": picked}


WHOLE: dict[str, Callable[[Graph], dict[str, float]]] = {
    "order": _counts, "size": _counts, "components": _counts, "largest_component": _counts,
    "max_degree": _degrees, "mean_degree": _degrees, "min_degree": _degrees, "degree_variance": _degrees,
    "diameter": _paths, "girth": _girth, "density": _degrees, "clique_number": _clique, "mean_path": _paths,
    "degree_centralization": _degrees, "reciprocity": _reciprocity, "transitivity": _transitivity,
    "degree_assortativity": _assortativity, "max_coreness": _cores, "greedy_communities": _communities,
    "greedy_domination": _domination, "power_law_exponent": _degrees,
    # Of the graph services, beyond the 21 of the explorer:
    "max_average_degree": lambda graph: {"max_average_degree": float(densest.max_average_degree(graph))},
    "spectral_radius": lambda graph: {"spectral_radius": spectrum.spectral_radius(graph)},
}  # fmt: skip
