"""Communities by the eleven methods of the founding graph explorer, and how far apart their answers are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.analyze.embedding import adjacency_embedding, laplacian_embedding
from ndlab.analyze.modularity import fast_greedy, modularity, numbered
from ndlab.analyze.sparse import simple_matrix
from ndlab.analyze.walktrap import walktrap
from ndlab.errors import BadRequest, TooLarge
from ndlab.graph import Graph

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METHODS", "communities", "compare", "variation_of_information"]

Array = np.ndarray[Any, Any]


def communities(graph: Graph, method: str = "multilevel", *, seed: int = 0, **options: Any) -> Array:
    """Return the community of each node, int64, shape (n,), 0 the largest; direction, loops and parallel edges aside.

    ===================  =====================================================================================
    method               what it does
    ===================  =====================================================================================
    fast_greedy          merges by modularity (Clauset, Newman, Moore 2004)
    edge_betweenness     takes away the edge on most shortest paths (Girvan, Newman 2002); up to 5,000 edges
    infomap              shortens the description of a random walk, two levels (Rosvall, Bergstrom 2008)
    leading_eigenvector  splits by the modularity matrix (Newman 2006)
    label_propagation    takes what most neighbours have (Raghavan 2007)
    multilevel           moves and merges by modularity (Blondel 2008)
    walktrap             merges where short walks end alike (Pons, Latapy 2005), ``steps=4``; up to 5,000 nodes
    rdpg                 Gaussians in the adjacency embedding, ``blocks=``, ``dim=``
    laplacian            Gaussians in the Laplacian embedding, ``blocks=``, ``dim=``
    tsne                 Gaussians in the t-SNE of the adjacency embedding, ``blocks=``
    spinglass            cools a Potts model (Reichardt, Bornholdt 2006), ``states=25``
    ===================  =====================================================================================

    Parameters
    ----------
    graph : Graph
    method : str
        One of `METHODS`.
    seed : int
        Where chance plays a part; the same gives the same communities.
    **options
        Of the method.

    Raises
    ------
    BadRequest
        If there is no such method.
    TooLarge
        If the graph is too large for it.

    Examples
    --------
    >>> graph = Graph.from_edges([0, 1, 2, 3, 4, 5, 0], [1, 2, 0, 4, 5, 3, 3], directed=False)
    >>> communities(graph).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    if method not in METHODS:
        raise BadRequest(f"communities by {method!r}", f"methods are {', '.join(METHODS)}")
    if not graph.n_nodes:
        return np.zeros(0, np.int64)
    try:
        return numbered(METHODS[method](graph, np.random.default_rng(seed), **options))
    except TypeError as error:
        if "keyword argument" not in str(error):
            raise
        raise BadRequest(f"{method} with {', '.join(options)}", str(error)) from None


def _rows(graph: Graph) -> tuple[Any, Array, Array]:
    matrix = simple_matrix(graph)
    return matrix, matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)


def _levels(matrix: Any, pass_: Callable[[Any, Array, Array, Array], bool]) -> Array:
    """Move nodes, make each community one node, and go on with those, until nothing moves."""
    from scipy.sparse import csr_array

    n = matrix.shape[0]
    labels = np.arange(n)
    while True:
        local = np.arange(matrix.shape[0])
        if not pass_(matrix, matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), local):
            return labels
        unique, local = np.unique(local, return_inverse=True)
        labels = local[labels]
        member = csr_array((np.ones(len(local)), (np.arange(len(local)), local)), shape=(len(local), len(unique)))
        matrix = (member.T @ matrix @ member).tocsr()


def _multilevel(graph: Graph, rng: np.random.Generator) -> Array:
    from ndlab.analyze.kernels.moving import move_by_modularity

    def pass_(matrix: Any, at: Array, to: Array, labels: Array) -> bool:
        own = matrix.diagonal()
        weight = np.where(to == np.repeat(np.arange(len(labels)), np.diff(at)), 0.0, matrix.data)
        return bool(move_by_modularity(rng, at, to, weight, own, labels))

    return _levels(simple_matrix(graph), pass_)


def _infomap(graph: Graph, rng: np.random.Generator) -> Array:
    from ndlab.analyze.kernels.moving import move_by_flow

    matrix = simple_matrix(graph)
    total = matrix.sum()
    if not total:
        return np.arange(graph.n_nodes)

    def pass_(flow: Any, at: Array, to: Array, labels: Array) -> bool:
        loops = to == np.repeat(np.arange(len(labels)), np.diff(at))
        size = np.asarray(flow.sum(axis=1)).ravel()
        out = size - flow.diagonal()
        return bool(move_by_flow(rng, at, to, np.where(loops, 0.0, flow.data), size, out, labels))

    return _levels(matrix / total, pass_)


def _propagation(graph: Graph, rng: np.random.Generator) -> Array:
    from ndlab.analyze.kernels.moving import propagate

    _, at, to = _rows(graph)
    labels = np.arange(graph.n_nodes)
    propagate(rng, at, to, labels)
    return labels


def _spinglass(graph: Graph, rng: np.random.Generator, states: int = 25) -> Array:
    from ndlab.analyze.kernels.moving import spins

    _, at, to = _rows(graph)
    labels = rng.integers(0, states, graph.n_nodes)
    if len(to):
        spins(rng, at, to, labels, states, 2.0, 0.01, 0.97)
    return labels


def _eigenvector(graph: Graph, rng: np.random.Generator) -> Array:
    """Split each part by the sign of the leading eigenvector of its modularity matrix, while modularity rises."""
    matrix, at, _ = _rows(graph)
    degree, total = np.diff(at).astype(float), float(matrix.nnz)
    labels = np.zeros(graph.n_nodes, np.int64)
    parts, next_label = [np.arange(graph.n_nodes)], 1
    while parts:
        part = parts.pop()
        side = _split(matrix, degree, total, part, rng)
        if side is not None:
            labels[part[side]] = next_label
            next_label += 1
            parts += [part[side], part[~side]]
    return labels


def _split(matrix: Any, degree: Array, total: float, part: Array, rng: np.random.Generator) -> Array | None:
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    n = len(part)
    if n < 2 or not total:
        return None
    inside, k = matrix[part][:, part], degree[part]
    excess = np.asarray(inside.sum(axis=1)).ravel() - k * k.sum() / total

    def times(x: Array) -> Array:
        x = x.ravel()
        found: Array = inside @ x - k * (k @ x) / total - excess * x
        return found

    if n <= 50:
        dense = inside.toarray() - np.outer(k, k) / total - np.diag(excess)
        values, vectors = np.linalg.eigh(dense)
        value, vector = values[-1], vectors[:, -1]
    else:
        try:
            values, vectors = eigsh(LinearOperator((n, n), times, dtype=float), k=1, which="LA", v0=rng.random(n))
        except ArpackNoConvergence:
            return None
        value, vector = values[0], vectors[:, 0]
    side: Array = vector > 0
    sign = np.where(side, 1.0, -1.0)
    if value < 1e-9 or sign @ times(sign) < 1e-9 or side.all() or not side.any():
        return None
    return side


def _edge_betweenness(graph: Graph, _: np.random.Generator) -> Array:
    from ndlab.analyze.kernels.paths import betweenness

    plain = graph.undirected().simple({})
    m = plain.n_edges
    if m > 5_000:
        raise TooLarge(f"edge betweenness of {m:,} edges", "it finds all paths anew for each edge, up to 5,000",
                       "use method='multilevel'", edges=m, limit=5_000)  # fmt: skip
    source = np.concatenate([plain.source, plain.target])
    order = np.argsort(source, kind="stable")
    at = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=plain.n_nodes))])
    to = np.concatenate([plain.target, plain.source])[order]
    edge = np.concatenate([np.arange(m), np.arange(m)])[order]
    alive = np.ones(m, bool)
    best, top, parts = plain.components(), -1.0, 0
    while True:
        labels = plain.edge_subgraph(alive).components()
        if labels.max() + 1 > parts:
            parts = int(labels.max()) + 1
            value = modularity(plain, labels) if m else 0.0
            if value > top + 1e-12:
                best, top = labels, value
        if not alive.any():
            return best
        paths = np.zeros(m)
        betweenness(at, to, edge, alive, 0, plain.n_nodes, np.zeros(plain.n_nodes), paths)
        alive[int(np.argmax(np.where(alive, paths, -1.0)))] = False


def _gaussians(places: Array, blocks: int | None, rng: np.random.Generator) -> Array:
    from ndlab.analyze.mixtures import gaussian_clusters

    return gaussian_clusters(places, blocks, 12, int(rng.integers(2**31)))[0]


def _rdpg(graph: Graph, rng: np.random.Generator, blocks: int | None = None, dim: int | None = None) -> Array:
    return _gaussians(adjacency_embedding(graph.undirected().simple({}), dim)[0], blocks, rng)


def _laplacian(graph: Graph, rng: np.random.Generator, blocks: int | None = None, dim: int | None = None) -> Array:
    return _gaussians(laplacian_embedding(graph.undirected().simple({}), dim)[0], blocks, rng)


def _tsne(graph: Graph, rng: np.random.Generator, blocks: int | None = None) -> Array:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    places, _ = adjacency_embedding(graph.undirected().simple({}), min(20, graph.n_nodes - 1))
    if len(places) < 5 or not np.ptp(places, axis=0).any():
        return _gaussians(places, blocks, rng)  # Nothing to lay out: scikit-learn divides by the spread, and crashes.
    perplexity = min(30.0, max(2.0, (len(places) - 1) / 4))
    with threadpool_limits(1):  # Sums in the same order each time.
        flat = TSNE(2, perplexity=perplexity, random_state=int(rng.integers(2**31)), init="pca").fit_transform(places)
    return _gaussians(np.asarray(flat, float), blocks, rng)


METHODS: dict[str, Callable[..., Array]] = {
    "fast_greedy": lambda graph, _: fast_greedy(graph), "edge_betweenness": _edge_betweenness, "infomap": _infomap,
    "leading_eigenvector": _eigenvector, "label_propagation": _propagation, "multilevel": _multilevel,
    "walktrap": lambda graph, _, steps=4: walktrap(graph, steps), "rdpg": _rdpg, "laplacian": _laplacian, "tsne": _tsne,
    "spinglass": _spinglass,
}  # fmt: skip


def variation_of_information(first: Any, second: Any) -> float:
    """Return how far two partitions of the same things are apart, in bits; 0 if they are the same.

    References
    ----------
    Meilă M (2007). Comparing clusterings, an information based distance. J Multivar Anal 98:873-895.

    Examples
    --------
    >>> variation_of_information([0, 0, 1, 1], [1, 1, 0, 0]), variation_of_information([0, 0, 1, 1], [0, 1, 0, 1])
    (0.0, 2.0)
    """
    a, b = (np.unique(np.asarray(one), return_inverse=True)[1] for one in (first, second))
    if len(a) != len(b):
        raise BadRequest(f"partitions of {len(a):,} and {len(b):,} things", "they are of the same things")
    if not len(a):
        return 0.0
    joint = np.bincount(a * (b.max() + 1) + b)
    p = joint[joint > 0] / len(a)
    ends = [np.bincount(one) / len(a) for one in (a, b)]
    marginal = sum(float(-(q * np.log2(q)).sum()) for q in ends)
    return max(0.0, float(-2 * (p * np.log2(p)).sum() - marginal))


def compare(graph: Graph, methods: Mapping[str, Array] | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Return the variation of information between the communities of all pairs of methods, a square table.

    Parameters
    ----------
    graph : Graph
    methods : mapping, optional
        Communities by name; by default those of all methods that can do this graph.
    seed : int
    """
    import pandas as pd

    found = dict(methods or {})
    if methods is None:
        for name in METHODS:
            try:
                found[name] = communities(graph, name, seed=seed)
            except TooLarge:
                continue
    table = [[variation_of_information(a, b) for b in found.values()] for a in found.values()]
    return pd.DataFrame(table, index=list(found), columns=list(found))
