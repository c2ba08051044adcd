"""The leading eigenpairs of a graph's matrix, the same on every call, and checked that none was passed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ndlab.errors import BadRequest, TooLarge
from ndlab.graph import Graph

__all__ = ["Eigenpairs", "eigenpairs", "spectral_radius"]

Array = np.ndarray[Any, Any]
Matrix = Literal["undirected", "directed", "singular"]

# Up to here all pairs at once are found sooner than some of them.
_MOST_DENSE = 400
# Where the iteration does not converge; a matrix of so many nodes takes some seconds.
_MOST_GENERAL = 1_500
_LEVEL = 1e-9
_TIES = 8


class Eigenpairs(NamedTuple):
    """Eigenvalues of a matrix, the largest in size first, and their vectors.

    Parameters
    ----------
    values : ndarray, shape (k,)
        float64; complex128 for a directed graph; singular values, never below 0, for ``singular``.
    vectors : ndarray, shape (n, k)
        Of length 1, a column each. The first of the entries that are largest in size is above 0.
    right : ndarray, shape (n, k), or None
        For ``singular`` the vectors of the targets: A right = values vectors.
    """

    values: Array
    vectors: Array
    right: Array | None = None


def eigenpairs(graph: Graph, k: int = 100, *, matrix: Matrix = "undirected", weight: str | None = None) -> Eigenpairs:
    """Return the `k` eigenpairs of the adjacency matrix whose values are largest in size.

    Parameters
    ----------
    graph : Graph
    k : int
        How many, of n at most; 100 as in the founding graph services.
    matrix : str
        ``undirected``: the symmetric matrix of the number of edges between two nodes, direction aside, whose pairs are
        real. ``directed``: that of the edges from row to column, whose pairs may be complex. ``singular``: its singular
        values and vectors, which an embedding of a directed graph is made of.
    weight : str, optional
        Edge property that is added up in place of the number of edges.

    Returns
    -------
    Eigenpairs
        To the last digits of float64; of a value that repeats, the vectors are some basis of its space.

    Raises
    ------
    BadRequest
        If `matrix` is none of these, `k` is below 1, or a directed graph has no cycle: its values are all 0.
    TooLarge
        If the solver does not converge.

    Examples
    --------
    >>> star = Graph.from_edges([0, 0, 0, 0], [1, 2, 3, 4], directed=False)
    >>> eigenpairs(star, 2).values.round(6).tolist()
    [2.0, -2.0]
    """
    if matrix not in get_args(Matrix) or k < 1:
        raise BadRequest(f"{k} eigenpairs of the matrix {matrix!r}", f"matrices are {', '.join(get_args(Matrix))}; of "
                         "pairs there is 1 at least", "eigenpairs(graph, 100, matrix='undirected')")  # fmt: skip
    found = (graph.undirected() if matrix == "undirected" else graph).adjacency(weight).astype(np.float64).tocsr()
    n = graph.n_nodes
    k = min(k, n)
    if matrix == "singular":
        return _singular(found, k)
    if matrix == "directed" and n and _is_acyclic(found):
        raise BadRequest(f"eigenpairs of {n:,} nodes with direction", "without a cycle all values are 0",
                         "eigenpairs(graph, matrix='singular')")  # fmt: skip
    if _is_small(found, k):
        values, vectors = (np.linalg.eigh if matrix == "undirected" else np.linalg.eig)(found.toarray())
    elif matrix == "undirected":
        values, vectors = _symmetric(lambda x: found @ x, n, k)
    else:
        values, vectors = _general(found, k)
    values, vectors = _ordered(values, vectors, k)
    rest, scale = np.linalg.norm(found @ vectors - vectors * values, axis=0), max(1.0, np.abs(values).max(initial=0.0))
    if rest.max(initial=0.0) > 1e-6 * scale:
        raise _unsolved(n, k, f"the worst misses its equation by {rest.max():.2g}")
    return Eigenpairs(values, vectors)


def spectral_radius(graph: Graph) -> float:
    """Return the largest eigenvalue of the simple undirected graph.

    No part has a larger average degree: that is this matrix's quotient (x A x) / (x x) at the part's x of 0 and 1.

    Examples
    --------
    >>> ring = Graph.from_edges(range(5), [1, 2, 3, 4, 0], directed=False)
    >>> round(spectral_radius(ring), 9)
    2.0
    """
    if not graph.n_edges:
        return 0.0
    # Entries are never below 0, so the largest in size is the largest (Perron, Frobenius).
    return abs(float(eigenpairs(graph.undirected().simple({}), 1).values[0]))


def _is_small(matrix: Any, k: int) -> bool:
    return matrix.shape[0] <= _MOST_DENSE or k >= matrix.shape[0] - 1 or not matrix.nnz


def _is_acyclic(matrix: Any) -> bool:
    from scipy.sparse.csgraph import connected_components

    return not matrix.diagonal().any() and connected_components(matrix, connection="strong")[0] == matrix.shape[0]


def _unsolved(n: int, k: int, why: str) -> TooLarge:
    return TooLarge(f"{k:,} eigenpairs of {n:,} nodes", why, "ask for fewer, or for matrix='undirected'")


def _symmetric(times: Callable[[Array], Array], n: int, k: int) -> tuple[Array, Array]:
    """Find pairs, then look beside them: from one start a solver may see a value that repeats only once."""
    values, vectors = _leading(times, n, k, 0)
    for turn in range(1, n):
        basis = np.linalg.qr(vectors)[0]

        def beside(x: Array, basis: Array = basis) -> Array:
            y = times(x - basis @ (basis.T @ x))
            return np.asarray(y - basis @ (basis.T @ y))

        more, vector = _leading(beside, n, 1, turn, 1e-6)  # Errors of a value are those of its vector, squared.
        last = float(np.sort(np.abs(values))[-k])
        # Of what is as large as the last, its negative for instance, all are wanted before some are left out.
        ties = abs(more[0]) >= last * (1 - _LEVEL) and last > _LEVEL and len(values) < k + _TIES
        if not ties and abs(more[0]) <= last * (1 + _LEVEL) + _LEVEL:
            break
        more, vector = _leading(beside, n, 1, turn)
        values, vectors = np.append(values, more), np.hstack([vectors, vector])
    return values, vectors


def _leading(times: Callable[[Array], Array], n: int, k: int, seed: int, tol: float = 0) -> tuple[Array, Array]:
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    start = np.random.default_rng(seed).standard_normal(n)
    ask = LinearOperator((n, n), times, dtype=np.float64)
    # Values that crowd, as those of random graphs do, take a tenth of the turns in a basis wider than the usual one.
    wide = min(n, max(2 * k + 1, 64))
    try:
        return eigsh(ask, k=k, which="LM", v0=start, ncv=wide, tol=tol)  # type: ignore[no-any-return]
    except ArpackError as error:
        raise _unsolved(n, k, str(error)) from None


def _general(matrix: Any, k: int) -> tuple[Array, Array]:
    from scipy.sparse.linalg import ArpackError, eigs

    n = matrix.shape[0]
    try:
        return eigs(matrix, k=k, which="LM", v0=np.random.default_rng(0).standard_normal(n))  # type: ignore[no-any-return]
    except ArpackError as error:
        if n > _MOST_GENERAL:
            raise _unsolved(n, k, str(error)) from None
        return np.linalg.eig(matrix.toarray())


def _singular(matrix: Any, k: int) -> Eigenpairs:
    """Find the pairs of A A' or A' A, which is positive, and from them the vectors on the other side."""
    n = matrix.shape[0]
    if _is_small(matrix, k):
        left, values, right = np.linalg.svd(matrix.toarray())
        left, right = left[:, :k], right[:k].T
    else:
        back = matrix.T.tocsr()
        squares, left = _symmetric(lambda x: matrix @ (back @ x), n, k)
        squares, left = _ordered(squares, left, k)
        # Small values lose digits as squares; one more turn in the space that was found gives them back.
        basis = np.linalg.qr(left)[0]
        turned, values, other = np.linalg.svd((back @ basis).T, full_matrices=False)
        left, right = basis @ turned, other.T
    values, sign = values[:k], _signs(left)
    return Eigenpairs(values, left * sign, right * sign)


def _ordered(values: Array, vectors: Array, k: int) -> tuple[Array, Array]:
    """Sort by size, of equal ones the larger first, and give each vector its sign."""
    size = np.abs(values)
    # What differs in the last digits only is the same size.
    size = np.round(size / max(float(size.max(initial=0.0)), 1e-300), 10)
    order = np.lexsort((-values.imag, -values.real, -size))[:k]
    vectors = vectors[:, order]
    return values[order], vectors * _signs(vectors)


def _signs(vectors: Array) -> Array:
    """Return what makes the first of the entries that are largest in size of each column real and above 0."""
    if not vectors.size:
        return np.ones(vectors.shape[1])
    size = np.abs(vectors)
    first = np.argmax(size >= size.max(axis=0) * (1 - 1e-6), axis=0)
    top = vectors[first, np.arange(vectors.shape[1])]
    turned: Array = np.conj(top) / np.abs(top)
    return turned
