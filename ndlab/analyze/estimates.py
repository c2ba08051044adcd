"""Statistics of all shortest paths from those of some nodes, drawn at random, with their standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ndlab.analyze.sparse import by_source, rows_of
from ndlab.errors import BadRequest, TooLarge
from ndlab.graph import Graph

__all__ = ["check_paths", "sampled_betweenness", "sampled_closeness", "sampled_paths"]

Array = np.ndarray[Any, Any]
# Edges that are gone along before somebody has to ask for it: a few minutes.
_MOST = 10**10
_PARTS = 16  # However many threads there are, so that sums do not depend on them.


def check_paths(graph: Graph, names: Sequence[str], sources: int | None, exact: bool) -> None:
    """Refuse statistics of all shortest paths that take long, unless they are asked for.

    Raises
    ------
    TooLarge
        If `names` are any, no sources are given, `exact` is not, and nodes times edges are beyond 10^10.
    BadRequest
        If there are fewer than two sources, or `exact` was asked for, too.
    """
    if sources is not None and (sources < 2 or exact):
        raise BadRequest(
            f"paths from {sources} sources" + (", and exact ones" if exact else ""),
            "an estimate and its standard error take two sources at least", "pass sources=1000, or exact=True",
        )  # fmt: skip
    steps = graph.n_nodes * graph.n_edges * (1 if graph.directed else 2)
    if names and sources is None and not exact and steps > _MOST:
        raise TooLarge(
            f"the exact {', '.join(names)} of {graph.n_nodes:,} nodes and {graph.n_edges:,} edges",
            f"each edge is gone along from each node, {steps:.1e} steps, and up to {_MOST:.0e} are done unasked",
            "pass sources=1000 for an estimate with its standard error, exact=True to wait, or other names",
            steps=steps,
        )  # fmt: skip


def sampled_paths(graph: Graph, sources: int, seed: int) -> dict[str, float]:
    """Return the ``mean_path``, its standard error, and as ``diameter`` the farthest that a source saw: at least that.

    The mean is that of the paths from the sources; its error is a ratio's, of sources drawn without putting them back.
    """
    from ndlab.analyze.kernels.paths import distances

    at, to = rows_of(graph)
    drawn = _drawn(graph.n_nodes, sources, seed)
    sums, reached, far = (np.zeros(graph.n_nodes, np.int64) for _ in range(3))

    def part(begin: int, end: int) -> None:
        for source in drawn[begin:end].tolist():
            distances(at, to, source, source + 1, sums, reached, far)

    by_source(len(drawn), part, size=_size(len(drawn)))
    total, pairs = sums[drawn].astype(float), reached[drawn].astype(float)
    mean = float(total.sum() / pairs.sum()) if pairs.any() else float("nan")
    left = (total - mean * pairs) / pairs.mean() if pairs.any() else pairs
    error = float(_error(left.sum(), (left**2).sum(), len(drawn), graph.n_nodes)) / max(1, graph.n_nodes)
    return {"diameter": int(far.max(initial=0)), "mean_path": mean, "mean_path_error": error}


def sampled_betweenness(graph: Graph, sources: int, seed: int) -> tuple[Array, Array]:
    """Return the betweenness of all nodes from the paths of some, and its standard error.

    The error is that of a mean, so it holds for nodes that many sources' paths go through. A node that matters to few
    sources only is mostly missed: it then gets too low a value, and too small an error.

    References
    ----------
    Brandes U, Pich C (2007). Centrality estimation in large networks. Int J Bifurcation and Chaos 17:2303-2318.
    """
    from ndlab.analyze.kernels.paths import betweenness

    at, to = rows_of(graph)
    drawn = _drawn(graph.n_nodes, sources, seed)
    edge, alive = np.arange(len(to)), np.ones(len(to), bool)

    def part(begin: int, end: int) -> tuple[Array, Array]:
        total, squares = np.zeros(graph.n_nodes), np.zeros(graph.n_nodes)
        along = np.zeros(len(to))
        for source in drawn[begin:end].tolist():
            out = np.zeros(graph.n_nodes)
            betweenness(at, to, edge, alive, source, source + 1, out, along)
            total += out
            squares += out**2
        return total, squares

    total, squares = _added(graph, by_source(len(drawn), part, size=_size(len(drawn))), 2)
    ways = 1 if graph.directed else 2  # A path and its way back are one.
    scale = graph.n_nodes / max(1, len(drawn))
    return total * scale / ways, _error(total, squares, len(drawn), graph.n_nodes) / ways


def sampled_closeness(graph: Graph, sources: int, seed: int) -> tuple[Array, Array]:
    """Return the closeness of all nodes from their distances to some, and its standard error.

    How many nodes reach one, r, and how far they are together, s, are both estimated; closeness is r² / s (n - 1), and
    its error is that of its linear part in both.

    References
    ----------
    Eppstein D, Wang J (2004). Fast approximation of centrality. J Graph Algorithms Appl 8:39-45.
    """
    from ndlab.analyze.kernels.paths import arrivals

    at, to = rows_of(graph)
    n, drawn = graph.n_nodes, _drawn(graph.n_nodes, sources, seed)

    def part(begin: int, end: int) -> tuple[Array, Array, Array]:
        reached, sums, squares = (np.zeros(n, np.int64) for _ in range(3))
        arrivals(at, to, drawn[begin:end], reached, sums, squares)
        return reached, sums, squares

    x, d, dd = _added(graph, by_source(len(drawn), part, size=_size(len(drawn))), 3)
    scale = n / max(1, len(drawn))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(d > 0, scale * x**2 / (d * max(1, n - 1)), 0.0)
        by_reach, by_sum = (np.where(d > 0, one, 0.0) for one in (2 * found / (scale * x), -found / (scale * d)))
    # A source that does not reach a node adds nothing to either; one that does adds 1 and its distance.
    total = by_reach * x + by_sum * d
    squares = by_reach**2 * x + 2 * by_reach * by_sum * d + by_sum**2 * dd
    return found, _error(total, squares, len(drawn), n)


def _drawn(n: int, sources: int, seed: int) -> Array:
    return np.sort(np.random.default_rng(seed).choice(n, min(n, sources), replace=False)).astype(np.int64)


def _size(n: int) -> int:
    return max(1, -(-n // _PARTS))


def _added(graph: Graph, parts: list[tuple[Array, ...]], many: int) -> list[Array]:
    totals = [np.zeros(graph.n_nodes) for _ in range(many)]
    for part in parts:
        for total, one in zip(totals, part, strict=True):
            total += one
    return totals


def _error(total: Any, squares: Any, k: int, n: int) -> Any:
    """Return the standard error of n times the mean of k of n values, from their sum and that of their squares."""
    if k < 2:
        return np.full_like(np.asarray(total, float), np.nan)
    variance = np.maximum(squares - total**2 / k, 0.0) / (k - 1)
    return n * np.sqrt((1 - k / n) * variance / k)
