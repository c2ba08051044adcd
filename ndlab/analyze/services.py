"""What a server answers of graphs: this room's functions, in the form that it takes them in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ndlab.analyze.connectivity import connectome
from ndlab.analyze.invariants import WHOLE, invariants
from ndlab.analyze.vertices import VERTEX, vertex_statistics
from ndlab.annotations import Query
from ndlab.errors import BadRequest
from ndlab.graph import Graph
from ndlab.serve.graphs import Services

__all__ = ["graph_services"]


def graph_services() -> Services:
    """Return the functions for ``make_site(…, services=graph_services())``.

    Examples
    --------
    >>> found = graph_services().need("invariants")(Graph.from_edges([1, 2, 3], [2, 3, 1]), ["size", "triangles"])
    >>> found["graph"], found["nodes"]
    ({'size': 3}, {'ids': [1, 2, 3], 'triangles': [1, 1, 1]})
    """
    return Services(_invariants, _synapse_graph)


def _invariants(graph: Graph, names: Sequence[str]) -> dict[str, Any]:
    strange = [one for one in names if one not in WHOLE and one not in VERTEX]
    if strange:
        raise BadRequest(f"the invariant {strange[0][:50]!r}", f"of a graph there are {', '.join(WHOLE)}; of its nodes "
                         f"{', '.join(VERTEX)}", "ask for names=size,triangles")  # fmt: skip
    of_nodes = vertex_statistics(graph, [one for one in names if one in VERTEX])
    whole = invariants(graph, [one for one in names if one in WHOLE])
    return {
        "graph": {name: _number(value) for name, value in whole.items()},
        "nodes": {"ids": graph.ids.tolist()} | {name: list(map(_number, v.tolist())) for name, v in of_nodes.items()}
        if of_nodes
        else {},
    }


def _number(value: Any) -> Any:
    """Return a number as JSON has it; there is none for what is not finite."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _synapse_graph(synapses: Query) -> Graph:
    return connectome(synapses, directed=False, multiple=False)
