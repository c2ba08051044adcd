"""What is said of a graph without sending it: how large it is, its properties, and which formats cannot hold it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ndlab.graph import FORMATS, Column, Columns, Graph, lost
from ndlab.graph.files import READ_ONLY

__all__ = ["Facts", "facts_of"]


@dataclass(frozen=True)
class Facts:
    """One graph, described.

    Parameters
    ----------
    about : mapping
        As JSON is told it.
    misses : mapping
        For each format that cannot hold the whole graph, what it would lose, in words.
    """

    about: Mapping[str, Any]
    misses: Mapping[str, tuple[str, ...]]


def facts_of(graph: Graph) -> Facts:
    """Describe a graph.

    Examples
    --------
    >>> found = facts_of(Graph.from_edges([1, 1], [2, 2], edges={"weight": [1.0, 2.0]}, units={"weight": "nm"}))
    >>> found.about["edges"], found.about["parallel_edges"], found.about["edge_properties"]
    (2, True, [{'name': 'weight', 'type': 'float', 'unit': 'nm'}])
    >>> found.misses["geff"]
    ('parallel edges',)
    """
    misses = {name: tuple(lost(graph, name)) for name in FORMATS}
    misses |= dict.fromkeys(READ_ONLY, ("all of it, for it is only read",))
    about = {
        "nodes": graph.n_nodes,
        "edges": graph.n_edges,
        "directed": graph.directed,
        "parallel_edges": graph.is_multigraph,
        "loops": int(graph.loops.sum()),
        "node_properties": _properties(graph.nodes),
        "edge_properties": _properties(graph.edges),
        "attributes": _plain(graph.attributes),
        "lossless": [name for name, words in misses.items() if not words],
    }
    return Facts(about, {name: words for name, words in misses.items() if words})


def _properties(columns: Columns) -> list[dict[str, str]]:
    return [_property(name, column) for name, column in columns.columns.items()]


def _property(name: str, column: Column) -> dict[str, str]:
    return {"name": name, "type": column.kind, "unit": column.unit}


def _plain(value: Any) -> Any:
    """Return what JSON can say of a value; NaN and infinity, for which it has no word, become text."""
    return json.loads(json.dumps(value, default=str), parse_constant=str)
