"""What a server answers of graphs: this room's functions, in the form that it takes them in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ndlab.analyze.connectivity import connectome
from ndlab.analyze.invariants import WHOLE, invariants
from ndlab.analyze.spectrum import eigenpairs
from ndlab.analyze.vertices import VERTEX, vertex_statistics
from ndlab.annotations import Query
from ndlab.errors import BadRequest, TooLarge
from ndlab.graph import Graph
from ndlab.serve.graphs import Services

__all__ = ["graph_services"]

# What the founding graph services called these; their eig, the leading eigenpairs, is neither of one nor of the other.
_FOUNDING = {"ss1": "scan", "tri": "triangles", "cc": "clustering", "mad": "max_average_degree", "deg": "degree"}
_EIGEN = "eig"
_MOST_NUMBERS = 5_000_000


def graph_services() -> Services:
    """Return the functions for ``make_site(…, services=graph_services())``.

    Examples
    --------
    >>> found = graph_services().need("invariants")(Graph.from_edges([1, 2, 3], [2, 3, 1]), ["size", "triangles"])
    >>> found["graph"], found["nodes"]
    ({'size': 3}, {'ids': [1, 2, 3], 'triangles': [1, 1, 1]})
    """
    return Services(_invariants, _synapse_graph)


def _invariants(graph: Graph, names: Sequence[str], pairs: int = 100) -> dict[str, Any]:
    own = {name: _FOUNDING.get(name, name) for name in names}
    strange = [name for name, one in own.items() if one not in WHOLE and one not in VERTEX and name != _EIGEN]
    if strange:
        raise BadRequest(f"the invariant {strange[0][:50]!r}", f"of a graph there are {', '.join(WHOLE)}; of its nodes "
                         f"{', '.join(VERTEX)}; of both {_EIGEN}. {', '.join(_FOUNDING)} are known, too",
                         "ask for names=size,triangles")  # fmt: skip
    whole: dict[str, Any] = invariants(graph, [one for one in own.values() if one in WHOLE])
    of_nodes: dict[str, Any] = vertex_statistics(graph, [one for one in own.values() if one in VERTEX])
    if _EIGEN in own:
        whole[_EIGEN], of_nodes[_EIGEN] = _pairs(graph, pairs)
    nodes = {name: _plain(of_nodes[one]) for name, one in own.items() if one in of_nodes}
    return {
        "graph": {name: _plain(whole[one]) for name, one in own.items() if one in whole},
        "nodes": {"ids": graph.ids.tolist()} | nodes if nodes else {},
    }


def _pairs(graph: Graph, k: int) -> tuple[Any, Any]:
    """Return eigenvalues, and for each node its entries of their vectors."""
    k = min(k, graph.n_nodes)
    if k * graph.n_nodes > _MOST_NUMBERS:
        raise TooLarge(f"{k} eigenvectors of {graph.n_nodes:,} nodes", f"{_MOST_NUMBERS:,} numbers are sent at most",
                       f"add pairs={max(1, _MOST_NUMBERS // graph.n_nodes)}, or ask for mad", pairs=k)  # fmt: skip
    found = eigenpairs(graph, k)
    return found.values, found.vectors


def _plain(value: Any) -> Any:
    """Return numbers as JSON has them, in lists as deep as an array."""
    return list(map(_plain, value)) if getattr(value, "ndim", 0) else _number(value)


def _number(value: Any) -> Any:
    """Return a number as JSON has it; there is none for what is not finite."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _synapse_graph(synapses: Query) -> Graph:
    return connectome(synapses, directed=False, multiple=False)
