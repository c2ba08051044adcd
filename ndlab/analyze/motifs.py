"""Patterns of three nodes, and how often they would come about among graphs with the same degrees."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph import Graph

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TRIADS", "motifs"]

Array = np.ndarray[Any, Any]

# Mutual, asymmetric and null pairs, then Down, Up, Transitive or Cyclic: Holland and Leinhardt's names.
TRIADS = (
    "003", "012", "102", "021D", "021U", "021C", "111D", "111U", "030T", "030C", "201", "120D", "120U", "120C", "210",
    "300",
)  # fmt: skip
# An example of each, as edges among 0, 1 and 2.
_EXAMPLES: dict[str, tuple[tuple[int, int], ...]] = {
    "003": (), "012": ((0, 1),), "102": ((0, 1), (1, 0)), "021D": ((1, 0), (1, 2)), "021U": ((0, 1), (2, 1)),
    "021C": ((0, 1), (1, 2)), "111D": ((0, 1), (1, 0), (2, 1)), "111U": ((0, 1), (1, 0), (1, 2)),
    "030T": ((0, 1), (2, 1), (0, 2)), "030C": ((1, 0), (2, 1), (0, 2)), "201": ((0, 1), (1, 0), (1, 2), (2, 1)),
    "120D": ((1, 0), (1, 2), (0, 2), (2, 0)), "120U": ((0, 1), (2, 1), (0, 2), (2, 0)),
    "120C": ((0, 1), (1, 2), (0, 2), (2, 0)), "210": ((0, 1), (1, 2), (2, 1), (0, 2), (2, 0)),
    "300": ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)),
}  # fmt: skip
_BITS = {(0, 1): 1, (1, 0): 2, (0, 2): 4, (2, 0): 8, (1, 2): 16, (2, 1): 32}


def motifs(graph: Graph, *, draws: int = 0, seed: int = 0, workers: int | None = None) -> pd.DataFrame:
    """Count the 16 kinds of triads of a directed graph, parallel edges and loops aside.

    Parameters
    ----------
    graph : Graph
        Directed.
    draws : int
        Graphs with the same degrees in and out, made by exchanging targets ten times for each edge.
    seed, workers : int
        The result does not depend on `workers`.

    Returns
    -------
    pandas.DataFrame
        By kind, as in `TRIADS`: ``count`` and, with draws, ``by_chance``, ``sd``, ``z`` and ``p`` (two-sided).

    Raises
    ------
    BadRequest
        If the graph is undirected.

    References
    ----------
    Holland PW, Leinhardt S (1976). Local structure in social networks. Sociol Methodol 7:1-45. Milo R et al. (2002).
    Network motifs. Science 298:824-827.

    Examples
    --------
    >>> loop = Graph.from_edges([0, 1, 2], [1, 2, 0])
    >>> int(motifs(loop)["count"]["030C"])
    1
    """
    import pandas as pd

    if not graph.directed:
        raise BadRequest("triads of an undirected graph", "their kinds are about directions", "count triangles instead")
    plain = graph.simple({})
    counts = _census(plain.n_nodes, plain.source, plain.target)
    table = pd.DataFrame({"count": counts}, index=pd.Index(TRIADS, name="triad"))
    if draws:
        drawn = _drawn(plain, draws, seed, workers)
        mean, sd = drawn.mean(axis=0), drawn.std(axis=0, ddof=1) if draws > 1 else np.zeros(16)
        far = np.abs(drawn - mean) >= np.abs(counts - mean) - 1e-9
        table["by_chance"], table["sd"] = mean, sd
        table["z"] = np.divide(counts - mean, sd, out=np.full(16, np.nan), where=sd > 0)
        table["p"] = (1 + far.sum(axis=0)) / (1 + draws)
    return table


def _codes() -> Array:
    """Return the kind of each pattern of the six edges, however its nodes are called."""
    codes = np.zeros(64, np.int64)
    for kind, name in enumerate(TRIADS):
        for order in permutations(range(3)):
            codes[sum(_BITS[order[a], order[b]] for a, b in _EXAMPLES[name])] = kind
    return codes


def _census(n: int, source: Array, target: Array) -> Array:
    from ndlab.analyze.kernels.triads import census

    def rows(first: Array, second: Array) -> tuple[Array, Array]:
        pairs = np.unique(np.stack([first, second], axis=1), axis=0) if len(first) else np.zeros((0, 2), np.int64)
        return np.searchsorted(pairs[:, 0], np.arange(n + 1)), np.ascontiguousarray(pairs[:, 1])

    both = rows(np.concatenate([source, target]), np.concatenate([target, source]))
    found: Array = census(*rows(source, target), *both, _codes())
    return found


def _drawn(plain: Graph, draws: int, seed: int, workers: int | None) -> Array:
    from ndlab.analyze.kernels.triads import rewire

    def one(child: np.random.SeedSequence) -> Array:
        target = plain.target.copy()
        rewire(np.random.default_rng(child), plain.source, target, plain.n_nodes, 10 * plain.n_edges)
        return _census(plain.n_nodes, plain.source, target)

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        return np.stack(list(pool.map(one, np.random.SeedSequence(seed).spawn(draws))))
