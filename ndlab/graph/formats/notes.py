"""What a file format has no place for, in a note among the graph's attributes; and what it cannot hold at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadMetadata
from ndlab.graph.columns import Column, Columns

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["NOTE", "note_of", "numbered", "plain_ids", "with_note", "with_ways"]

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
    """Give properties the kinds and units of the note, ids their kind; what else there is, another program added.

    What another program has changed since stays changed: a value that does not fit its kind keeps the file's.
    """
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
        attributes=said.get("attributes", {}) | graph.attributes,
    )


def _ids(ids: Sequence[Any], kind: str) -> Any:
    from ndlab.graph.ids import as_ids

    is_int = kind == "int" and all(_INTEGER.match(str(one)) for one in ids)
    return as_ids([int(one) if is_int else str(one) for one in ids])


def _typed(columns: Columns, said: Mapping[str, Sequence[str]]) -> Columns:
    made = {}
    for name, (kind, unit) in said.items():
        column = columns.columns.get(name)
        if column is None:  # Missing everywhere, so the file has no trace of it.
            column = Column.of([None] * columns.count)
        made[name] = _cast(column, kind, unit)
    return Columns(columns.count, made | {n: c for n, c in columns.columns.items() if n not in made}, columns.what)


def _cast(column: Column, kind: str, unit: str) -> Column:
    try:
        values = [None if value is None else _as(kind, value) for value in _objects(column)]
    except ValueError:
        return Column(column.values, unit, column.missing)
    return Column.of(values, unit) if any(v is not None for v in values) else _empty(kind, len(values), unit)


def _objects(column: Column) -> list[Any]:
    values: list[Any] = column.values.tolist()
    if column.missing is None:
        return values
    return [None if gone else value for value, gone in zip(values, column.missing.tolist(), strict=True)]


def _as(kind: str, value: Any) -> Any:
    if kind == "bool":
        return value.lower() in ("true", "1") if isinstance(value, str) else bool(value)
    if kind == "int" and isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value} is no integer")
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


def numbered(names: Sequence[Any], path: Path) -> dict[Any, int]:
    """Return the row of each node's name in a file.

    Raises
    ------
    BadMetadata
        If two nodes have the same name: their edges could not be told apart.
    """
    rows = {one: row for row, one in enumerate(names)}
    if len(rows) < len(names):
        twice = next(one for row, one in enumerate(names) if rows[one] != row)
        raise BadMetadata(f"{path} has two nodes {twice!r}", "each node has an id of its own")
    return rows


def with_ways(graph: Graph, ways: Sequence[bool | None]) -> Graph:
    """Give edges the direction that they have of their own, None being the graph's.

    An edge without direction among others with one becomes an edge each way.
    """
    directed = np.array([graph.directed if one is None else one for one in ways], bool)
    if not len(directed) or directed.all() or not directed.any():
        return replace(graph, directed=bool(directed[0]) if len(directed) else graph.directed)
    back = np.flatnonzero(~directed & ~graph.loops)
    return replace(
        graph,
        directed=True,
        source=np.concatenate([graph.source, graph.target[back]]),
        target=np.concatenate([graph.target, graph.source[back]]),
        edges=graph.edges.take(np.concatenate([np.arange(graph.n_edges), back])),
    )
