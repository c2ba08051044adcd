"""Places for nodes from the spectrum of a graph, how many dimensions matter, and block models from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph import Graph

__all__ = ["BlockModel", "adjacency_embedding", "block_model", "elbow", "laplacian_embedding"]

Array = np.ndarray[Any, Any]


def adjacency_embedding(graph: Graph, dim: int | None = None, *, weight: str | None = None) -> tuple[Array, Array]:
    """Return places of the nodes by the largest singular values of the adjacency matrix, and those values.

    Parameters
    ----------
    graph : Graph
        Of a directed one the places as sources and as targets stand side by side.
    dim : int, optional
        By default where the singular values have their first elbow, of at most 50.
    weight : str, optional
        Edge property.

    Returns
    -------
    places : ndarray, shape (n, dim) or, directed, (n, 2 dim)
    values : ndarray
        All singular values that were computed, descending.

    References
    ----------
    Sussman DL, Tang M, Fishkind DE, Priebe CE (2012). A consistent adjacency spectral embedding for stochastic
    blockmodel graphs. J Am Stat Assoc 107:1119-1128.
    """
    matrix = graph.adjacency(weight)
    return _embedded(matrix, graph.directed, dim)


def laplacian_embedding(graph: Graph, dim: int | None = None, *, weight: str | None = None) -> tuple[Array, Array]:
    """Return places by the matrix D^-1/2 A D^-1/2, as `adjacency_embedding`; nodes without an edge are at 0."""
    from scipy.sparse import diags_array

    matrix = graph.adjacency(weight)
    out, into = (np.asarray(matrix.sum(axis=axis)).ravel() for axis in (1, 0))
    left, right = (np.divide(1, np.sqrt(d), out=np.zeros(len(d)), where=d > 0) for d in (out, into))
    return _embedded((diags_array(left) @ matrix @ diags_array(right)).tocsr(), graph.directed, dim)


def _embedded(matrix: Any, directed: bool, dim: int | None) -> tuple[Array, Array]:
    from scipy.sparse.linalg import svds

    n = matrix.shape[0]
    most = min(n - 1, 50 if dim is None else dim)
    if dim is not None and dim < 1:
        raise BadRequest(f"an embedding in {dim} dimensions", "one at least is needed")
    if most < 1:
        raise BadRequest(f"an embedding of {n} nodes", "two at least are needed")
    if n <= 200:
        left, values, right = np.linalg.svd(matrix.toarray())
        left, values, right = left[:, :most], values[:most], right[:most]
    elif not matrix.count_nonzero():
        left, values, right = np.eye(n, most), np.zeros(most), np.eye(most, n)
    else:
        # From ones, an eigenvector of any regular graph, ARPACK would go on with chance of its own.
        start = np.random.default_rng(0).random(n)
        left, values, right = svds(matrix.astype(float), k=most, v0=start, solver="arpack")
        order = np.argsort(-values)
        left, values, right = left[:, order], values[order], right[order]
    dim = elbow(values) if dim is None else min(dim, most)
    scale = np.sqrt(values[:dim])
    # A vector and its negative are as good; the one whose largest entry is positive is taken.
    sign = np.sign(left[np.abs(left[:, :dim]).argmax(axis=0), np.arange(dim)])
    sign[sign == 0] = 1
    places = left[:, :dim] * sign * scale
    return (np.hstack([places, (right[:dim].T * sign) * scale]) if directed else places), values


def elbow(values: Any) -> int:
    """Return how many of the descending values stand out, by profile likelihood.

    References
    ----------
    Zhu M, Ghodsi A (2006). Automatic dimensionality selection from the scree plot via the use of profile likelihood.
    Comput Stat Data Anal 51:918-930.

    Examples
    --------
    >>> elbow([9, 8.5, 1, 0.9, 0.8, 0.7])
    2
    """
    values = np.sort(np.asarray(values, float))[::-1]
    n = len(values)
    if n < 3:
        return max(1, n)
    best, where = -np.inf, 1
    for q in range(1, n):
        first, second = values[:q], values[q:]
        spread = (((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum()) / max(1, n - 2)
        if spread == 0:
            return q
        likelihood = -n / 2 * np.log(spread)
        if likelihood > best:
            best, where = likelihood, q
    return where


@dataclass(frozen=True, eq=False)
class BlockModel:
    """A stochastic block model.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Block of each node, 0 the largest.
    p : ndarray, shape (k, k)
        Chance of an edge from a node of one block to another one of another.
    bic : ndarray
        Of each number of blocks that was tried, from 1 on; the largest was taken.
    """

    labels: Array
    p: Array
    bic: Array


def block_model(
    graph: Graph, blocks: int | None = None, *, dim: int | None = None, most: int = 10, seed: int = 0
) -> BlockModel:
    """Estimate blocks of nodes that connect alike, from their adjacency embedding.

    Parameters
    ----------
    graph : Graph
    blocks : int, optional
        How many; by default the number of Gaussians, up to `most`, with the best BIC.
    dim : int, optional
        Of the embedding; by default at the elbow.
    most, seed : int

    Examples
    --------
    >>> from ndlab.analyze.generators import generate
    >>> graph = generate("block_model", sizes=[60, 40], p=[[0.5, 0.05], [0.05, 0.4]])
    >>> block_model(graph).p.round(1).tolist()
    [[0.5, 0.0], [0.0, 0.4]]
    """
    from ndlab.analyze.mixtures import gaussian_clusters
    from ndlab.analyze.modularity import numbered

    places, _ = adjacency_embedding(graph, dim)
    labels, bic = gaussian_clusters(places, blocks, most, seed)
    labels = numbered(labels)
    k = int(labels.max()) + 1
    matrix = graph.adjacency()
    matrix.data[:] = 1.0
    matrix.setdiag(0)
    member = np.eye(k)[labels]
    edges = member.T @ (matrix @ member)
    sizes = member.sum(axis=0)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    return BlockModel(labels, np.divide(edges, pairs, out=np.zeros((k, k)), where=pairs > 0), bic)
