"""A graph as its kernels take it: compressed rows, and work that is spread over threads by source."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ndlab.graph import Graph

__all__ = ["by_source", "rows_of", "simple_matrix"]

Array = np.ndarray[Any, Any]


def rows_of(graph: Graph) -> tuple[Array, Array]:
    """Return `at` (n + 1) and `to` (m) of the edges out of each node; of an undirected graph an edge leads both ways.

    Parallel edges stay, loops are left out.
    """
    keep = ~graph.loops
    source, target = graph.source[keep], graph.target[keep]
    if not graph.directed:
        source, target = np.concatenate([source, target]), np.concatenate([target, source])
    order = np.lexsort((target, source))
    at = np.zeros(graph.n_nodes + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=graph.n_nodes), out=at[1:])
    return at, target[order]


def simple_matrix(graph: Graph) -> Any:
    """Return the symmetric 0-1 matrix (csr, float64) of the simple undirected graph."""
    matrix = graph.undirected().adjacency()
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    matrix.data[:] = 1.0
    matrix.sort_indices()
    return matrix


def by_source(n: int, work: Callable[[int, int], Any], workers: int | None = None, size: int = 64) -> list[Any]:
    """Do ``work(begin, end)`` for all sources, some at a time on each thread; the results are in order."""
    edges = list(range(0, n, size))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        return list(pool.map(lambda begin: work(begin, min(begin + size, n)), edges))
