"""Numbers of each node: the 13 of the founding graph explorer, and those of its graph services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndlab.analyze.cliques import core_numbers
from ndlab.analyze.estimates import check_paths, sampled_betweenness, sampled_closeness
from ndlab.analyze.sparse import by_source, rows_of, simple_matrix
from ndlab.errors import BadRequest, TooLarge
from ndlab.graph import Graph

__all__ = ["VERTEX", "clustering", "scan_statistic", "triangles", "vertex_statistics"]

Array = np.ndarray[Any, Any]


def vertex_statistics(
    graph: Graph, names: Sequence[str] | None = None, *, sources: int | None = None, exact: bool = False,
    seed: int = 0, progress: Callable[[int, int], None] | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Return numbers of each node by name, each an array of shape (n,); `graph.with_nodes` takes them as they are.

    Along the edges' direction, parallel edges counted: ``degree``, ``betweenness``, ``closeness`` (Wasserman and
    Faust's, of the paths that end at a node), ``pagerank`` (damping 0.85), ``authority`` and ``hub`` (of length 1),
    ``eigenvector`` (largest entry 1), ``alpha`` (Katz's: x = a A'x + 1, a half the inverse of the largest
    eigenvalue), ``bonacich`` (c = b A c + A 1 with b a tenth of that inverse, of square sum n).

    On the simple undirected graph: ``articulation`` (bool), ``constraint`` (Burt's), ``neighbor_degree`` (mean of the
    neighbours'); ``diversity`` is the entropy of the numbers of edges to each neighbour, over the log of how many
    neighbours there are, and nan below two.

    Parameters
    ----------
    graph : Graph
    names : sequence of str, optional
        Only these, of `VERTEX`; by default the 13, which leave out coreness, triangles, clustering and scan statistic.
    sources : int, optional
        Estimate ``betweenness`` and ``closeness`` from the paths of so many nodes, drawn by `seed`, with their standard
        errors as ``betweenness_error`` and ``closeness_error`` beside them. Those of a betweenness hold for nodes that
        many sources' paths go through, and are too small for nodes that few sources need.
    exact : bool
        Find them from all nodes however long it takes.
    progress : callable, optional
        Called with how many are done, and of how many.

    Raises
    ------
    BadRequest
        If a name is none of `VERTEX`.
    TooLarge
        Before anything is done, if paths are asked for and nodes times edges are beyond 10^10, which takes minutes to
        days: ask for `sources`, for `exact`, or for other names.

    References
    ----------
    Bonacich P (1987). Power and centrality: a family of measures. Am J Sociology 92:1170-1182.
    Burt RS (1992). Structural Holes. Eagle N, Macy M, Claxton R (2010). Network diversity and economic development.
    Science 328:1029-1031. Brandes U (2001). A faster algorithm for betweenness centrality. J Math Sociology 25:163-177.

    Examples
    --------
    >>> star = Graph.from_edges([0, 0, 0], [1, 2, 3], directed=False)
    >>> found = vertex_statistics(star, ["degree", "betweenness", "articulation"])
    >>> found["betweenness"].tolist(), found["articulation"].tolist()
    ([3.0, 0.0, 0.0, 0.0], [True, False, False, False])
    """
    names = list(VERTEX)[:13] if names is None else list(names)
    strange = [name for name in names if name not in VERTEX]
    if strange:
        raise BadRequest(f"the node statistic {', '.join(strange)}", f"there are {', '.join(VERTEX)}")
    check_paths(graph, [name for name in names if name in _SAMPLED], sources, exact)
    found: dict[str, Array] = {}
    errors: dict[str, Array] = {}
    for done, name in enumerate(names):
        if sources is not None and name in _SAMPLED:
            found[name], errors[f"{name}_error"] = _SAMPLED[name](graph, sources, seed)
        else:
            found[name] = VERTEX[name](graph)
        if progress is not None:
            progress(done + 1, len(names))
    return found | errors


_SAMPLED = {"betweenness": sampled_betweenness, "closeness": sampled_closeness}


def _betweenness(graph: Graph) -> Array:
    from ndlab.analyze.kernels.paths import betweenness

    at, to = rows_of(graph)
    edge, alive = np.arange(len(to)), np.ones(len(to), bool)

    def part(begin: int, end: int) -> Array:
        out = np.zeros(graph.n_nodes)
        betweenness(at, to, edge, alive, begin, end, out, np.zeros(len(to)))
        return out

    # Parts keep a value for each node: few of them, however many nodes there are.
    size = max(256, graph.n_nodes // 64)
    total: Array = sum(by_source(graph.n_nodes, part, size=size), np.zeros(graph.n_nodes))
    return total if graph.directed else total / 2


def _closeness(graph: Graph) -> Array:
    from ndlab.analyze.kernels.paths import distances

    at, to = rows_of(graph.reversed())
    sums, reached, far = (np.zeros(graph.n_nodes, np.int64) for _ in range(3))
    by_source(graph.n_nodes, lambda begin, end: distances(at, to, begin, end, sums, reached, far))
    with np.errstate(invalid="ignore", divide="ignore"):
        near = np.where(sums > 0, reached / sums, 0.0)
    return near * reached / max(1, graph.n_nodes - 1)


# Beyond this a matrix of all pairs is too much to fall back on.
_MOST_DENSE = 5_000


def _leading(matrix: Any) -> tuple[float, Array]:
    """Return the largest eigenvalue of a matrix without negative entries, and its vector, largest entry 1.

    Without a cycle nothing comes back to a node: both are 0.
    """
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import ArpackNoConvergence, eigs

    n = matrix.shape[0]
    if not matrix.diagonal().any() and connected_components(matrix, connection="strong")[0] == n:
        return 0.0, np.zeros(n)
    if n < 4:
        values, vectors = np.linalg.eig(matrix.toarray())
    else:
        try:
            values, vectors = eigs(matrix, k=1, which="LR", v0=np.random.default_rng(0).random(n))
        except ArpackNoConvergence:
            if n > _MOST_DENSE:
                raise TooLarge(
                    f"the leading eigenvector of {n:,} nodes", "it does not converge", "take its largest component"
                ) from None
            values, vectors = np.linalg.eig(matrix.toarray())
    top = int(np.argmax(values.real))
    vector = np.abs(vectors[:, top].real)
    return float(values[top].real), vector / max(vector.max(), np.finfo(float).tiny)


def _eigenvector(graph: Graph) -> Array:
    return _leading(graph.adjacency().T)[1]


def _series(matrix: Any, factor: float, first: Array) -> Array:
    """Return the x of x = factor matrix x + first, term by term: factoring the matrix of a large graph would fill it.

    `factor` times the largest eigenvalue is at most a half, so terms shrink; without a cycle they end.
    """
    total, term = first.copy(), first
    for _ in range(len(first) + 100):
        term = factor * (matrix @ term)
        total += term
        if not np.abs(term).max(initial=0.0) > 1e-16 * np.abs(total).max(initial=0.0):
            break
    return total


def _alpha(graph: Graph) -> Array:
    matrix = graph.adjacency().T.tocsr()
    top = _leading(matrix)[0]
    return _series(matrix, 0.5 / top if top > 1e-9 else 0.5, np.ones(graph.n_nodes))


def _bonacich(graph: Graph) -> Array:
    matrix = graph.adjacency()
    top = _leading(matrix)[0]
    beta = 0.1 / top if top > 1e-9 else 0.1
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    power = _series(matrix, beta, degree)
    length = float(np.sqrt((power**2).sum()))
    return power * np.sqrt(graph.n_nodes) / length if length else power


def _pagerank(graph: Graph, damping: float = 0.85) -> Array:
    matrix = graph.adjacency()
    out = np.asarray(matrix.sum(axis=1)).ravel()
    n = graph.n_nodes
    if not n:
        return np.zeros(0)
    rank = np.full(n, 1 / n)
    share = np.divide(1.0, out, out=np.zeros(n), where=out > 0)
    for _ in range(1000):
        lost = rank[out == 0].sum()
        new = damping * (matrix.T @ (rank * share) + lost / n) + (1 - damping) / n
        if np.abs(new - rank).sum() < 1e-13:
            return np.asarray(new)
        rank = new
    return rank


def _hits(graph: Graph, transpose: bool) -> Array:
    from scipy.sparse.linalg import LinearOperator, eigsh

    matrix = graph.adjacency()
    if transpose:
        matrix = matrix.T.tocsr()
    n = graph.n_nodes
    if n < 4 or not matrix.nnz:
        vector = np.linalg.eigh((matrix @ matrix.T).toarray())[1][:, -1] if n else np.zeros(0)
    else:
        # Never the product itself: nodes that all lead to one would fill it.
        back = matrix.T.tocsr()
        product = LinearOperator((n, n), lambda x: matrix @ (back @ x), dtype=float)
        # A fixed start, so that a tie of eigenvalues is broken in the same way each time.
        vector = eigsh(product, k=1, which="LA", v0=np.random.default_rng(0).random(n))[1][:, 0]
    vector = np.abs(vector)
    return vector / max(float(np.sqrt((vector**2).sum())), np.finfo(float).tiny)


def _articulation(graph: Graph) -> Array:
    from ndlab.analyze.kernels.local import articulation

    matrix = simple_matrix(graph)
    out = np.zeros(graph.n_nodes, bool)
    articulation(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), out)
    return out


def _constraint(graph: Graph) -> Array:
    from ndlab.analyze.kernels.local import constraint

    matrix = simple_matrix(graph)
    degree = np.diff(matrix.indptr)
    share = np.repeat(1.0 / np.maximum(degree, 1), degree)
    out = np.zeros(graph.n_nodes)
    constraint(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), share, out)
    return out


def _diversity(graph: Graph) -> Array:
    """Entropy of how many edges lead to each neighbour, over its largest possible value."""
    matrix = graph.undirected().adjacency()
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    total = np.asarray(matrix.sum(axis=1)).ravel()
    neighbours = np.diff(matrix.indptr)
    share = matrix.data / np.repeat(total, neighbours)
    rows = np.repeat(np.arange(graph.n_nodes), neighbours)
    entropy = -np.bincount(rows, share * np.log(share), graph.n_nodes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(neighbours > 1, entropy / np.log(np.maximum(neighbours, 2)), np.nan)


def _neighbor_degree(graph: Graph) -> Array:
    matrix = simple_matrix(graph)
    degree = np.diff(matrix.indptr).astype(float)
    found: Array = np.divide(matrix @ degree, degree, out=np.full(graph.n_nodes, np.nan), where=degree > 0)
    return found


def triangles(graph: Graph) -> Array:
    """Return how many triangles each node is in, in the simple undirected graph; int64, shape (n,).

    Examples
    --------
    >>> triangles(Graph.from_edges([0, 1, 2, 2], [1, 2, 0, 3])).tolist()
    [1, 1, 1, 0]
    """
    from ndlab.analyze.kernels.local import triangles as count

    matrix = simple_matrix(graph)
    out = np.zeros(graph.n_nodes, np.int64)
    count(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), out)
    return out


def clustering(graph: Graph) -> Array:
    """Return the share of each node's pairs of neighbours that are joined, 0 below two neighbours."""
    degree = np.diff(simple_matrix(graph).indptr)
    pairs = degree * (degree - 1) / 2
    found: Array = np.divide(triangles(graph), pairs, out=np.zeros(graph.n_nodes), where=pairs > 0)
    return found


def scan_statistic(graph: Graph) -> Array:
    """Return how many edges lie between each node and its neighbours, those among the neighbours counted, too.

    References
    ----------
    Priebe CE, Conroy JM, Marchette DJ, Park Y (2005). Scan statistics on Enron graphs. Comput Math Organ Theory 11:229.
    """
    found: Array = np.diff(simple_matrix(graph).indptr) + triangles(graph)
    return found


VERTEX: dict[str, Callable[[Graph], Array]] = {
    "degree": lambda graph: graph.degrees(),
    "alpha": _alpha,
    "betweenness": _betweenness,
    "closeness": _closeness,
    "eigenvector": _eigenvector,
    "bonacich": _bonacich,
    "authority": lambda graph: _hits(graph, transpose=True),
    "hub": lambda graph: _hits(graph, transpose=False),
    "articulation": _articulation,
    "constraint": _constraint,
    "diversity": _diversity,
    "neighbor_degree": _neighbor_degree,
    "pagerank": _pagerank,
    "coreness": core_numbers,
    "triangles": triangles,
    "clustering": clustering,
    "scan": scan_statistic,
}
