"""What a file format has no place for, in a note among the graph's attributes; and what it cannot hold at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.graph.columns import Column, Columns

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["NOTE", "note_of", "plain_ids", "with_note"]

NOTE = "ndlab"
# As Python writes an integer, so that the text can be had back: no leading zeros, no plus.
_INTEGER = re.compile(r"(0|-?[1-9][0-9]*)\Z")


def note_of(graph: Graph) -> str:
    """Return the kind of the ids, and kind and unit of each property, as JSON."""
    return json.dumps(
        {
            "ids": "text" if graph.ids.dtype.kind == "O" else "int",
            "nodes": {name: [column.kind, column.unit] for name, column in graph.nodes.columns.items()},
            "edges": {name: [column.kind, column.unit] for name, column in graph.edges.columns.items()},
            "attributes": graph.attributes,
        }
    )


def with_note(graph: Graph, note: str | None) -> Graph:
    """Give properties the kinds and units of the note, ids their kind; properties that it lacks are the file's own."""
    if note is None:
        return graph
    try:
        said = json.loads(note)
        ids, nodes, edges = said["ids"], said["nodes"], said["edges"]
    except (ValueError, KeyError, TypeError):
        return graph  # Somebody else's attribute of that name.
    return replace(
        graph,
        ids=_ids(graph.ids.tolist(), ids),
        nodes=_typed(graph.nodes, nodes),
        edges=_typed(graph.edges, edges),
        attributes=said.get("attributes", graph.attributes),
    )


def _ids(ids: Sequence[Any], kind: str) -> Any:
    from ndlab.graph.ids import as_ids

    return as_ids([int(one) for one in ids] if kind == "int" else [str(one) for one in ids])


def _typed(columns: Columns, said: Mapping[str, Sequence[str]]) -> Columns:
    made = {}
    for name, (kind, unit) in said.items():
        column = columns.columns.get(name)
        if column is None:  # Missing everywhere, so the file has no trace of it.
            column = Column.of([None] * columns.count)
        made[name] = _cast(column, kind, unit)
    return Columns(columns.count, made, columns.what)


def _cast(column: Column, kind: str, unit: str) -> Column:
    values = [None if value is None else _as(kind, value) for value in _objects(column)]
    return Column.of(values, unit) if any(v is not None for v in values) else _empty(kind, len(values), unit)


def _objects(column: Column) -> list[Any]:
    values: list[Any] = column.values.tolist()
    if column.missing is None:
        return values
    return [None if gone else value for value, gone in zip(values, column.missing.tolist(), strict=True)]


def _as(kind: str, value: Any) -> Any:
    if kind == "bool":
        return value.lower() in ("true", "1") if isinstance(value, str) else bool(value)
    return {"int": int, "float": float, "str": str}[kind](value)


def _empty(kind: str, count: int, unit: str) -> Column:
    dtype: Any = {"bool": bool, "int": np.int64, "float": np.float64, "str": object}[kind]
    values = np.full(count, np.nan if kind == "float" else "" if kind == "str" else 0, dtype)
    return Column(values, unit, np.ones(count, bool) if count else None)


def plain_ids(texts: Sequence[str], names: Column | None = None) -> Any:
    """Return the ids that a file's own mean: integers where all are, else text.

    igraph numbers its nodes ``n0, n1, …`` and puts their names into the property ``name``: where each has one
    of its own, these are the ids.
    """
    from ndlab.graph.ids import as_ids

    if names is not None and names.missing is None and all(text == f"n{row}" for row, text in enumerate(texts)):
        called = [str(one) for one in names.values.tolist()]
        if len(set(called)) == len(called):
            texts = called
    if texts and all(map(_INTEGER.match, texts)):
        numbers = [int(text) for text in texts]
        if min(numbers) >= -(2**63) and max(numbers) < (2**63 if min(numbers) < 0 else 2**64):
            return as_ids(numbers)
    return as_ids(list(texts))
