"""What the page is sent of a graph: flat arrays of float32, float64 and uint32, little-endian."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph import Graph
from ndlab.graph.columns import Column, Columns

__all__ = [
    "column", "columns_of", "computed", "ends_of", "names_json", "names_of", "own_positions", "places", "with_computed",
]  # fmt: skip

Array = np.ndarray[Any, Any]

# Beyond this float64 does not tell whole numbers apart.
_EXACT = 2**53
_NONE = 0xFFFFFFFF


def names_of(graph: Graph) -> list[str]:
    """Return the ids as text, in the order of rows: the page has no 64-bit numbers."""
    return [str(one) for one in graph.ids.tolist()]


def ends_of(graph: Graph) -> bytes:
    """Return the rows of both ends of each edge, uint32, shape (m, 2)."""
    return np.stack([graph.source, graph.target], axis=1).astype("<u4").tobytes()


def places(positions: Any, count: int) -> bytes:
    """Return positions as float32, shape (n, 3); those with two columns lie in a plane.

    Raises
    ------
    BadRequest
        If the shape does not fit, or one is not finite.
    """
    array = np.asarray(positions, np.float64)
    if array.ndim != 2 or array.shape[0] != count or array.shape[1] not in (2, 3):
        raise BadRequest(
            f"positions of shape {array.shape}", f"there are {count:,} nodes", "pass n rows of x, y or x, y, z"
        )
    if not np.isfinite(array).all():
        where = int((~np.isfinite(array)).any(axis=1).sum())
        raise BadRequest(
            "positions for each node", f"{where:,} are not finite", "leave those nodes out: G.subgraph(mask)"
        )
    found = np.zeros((count, 3), "<f4")
    found[:, : array.shape[1]] = array
    return found.tobytes()


def own_positions(graph: Graph) -> Array | None:
    """Return the node properties x, y and, if there, z; None where one is missing or no number."""
    names = [name for name in ("x", "y", "z") if name in graph.nodes]
    if names[:2] != ["x", "y"]:
        return None
    found = [graph.nodes.column(name) for name in names]
    if any(one.kind not in ("int", "float") or one.missing is not None for one in found):
        return None
    return np.stack([one.values.astype(np.float64) for one in found], axis=1)


def columns_of(columns: Columns, of: str) -> list[dict[str, Any]]:
    """Return all columns as `column` has them."""
    return [column(name, columns.column(name), of) for name in columns]


def column(name: str, values: Column, of: str = "nodes") -> dict[str, Any]:
    """Return one property as the page takes it.

    Numbers are float64 (float32 for edges, which are only filtered), missing ones nan. Text, truth values and numbers
    too large for that are codes, uint32, of ``categories``, the most frequent first.
    """
    facts = {"name": name, "of": of, "unit": values.unit}
    if values.kind in ("int", "float") and not _is_large(values):
        width = "<f8" if of == "nodes" else "<f4"
        return facts | {
            "kind": "number",
            "whole": values.kind == "int",
            "values": values.plain().astype(width).tobytes(),
        }
    missing = np.zeros(len(values), bool) if values.missing is None else values.missing
    words = np.array([str(one) for one in values.values[~missing].tolist()], dtype=object)
    found, codes, counts = np.unique(words.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    all_codes = np.full(len(values), _NONE, "<u4")
    all_codes[~missing] = rank[codes]
    return facts | {"kind": "category", "categories": found[order].tolist(), "values": all_codes.tobytes()}


def computed(graph: Graph, columns: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """Return by name the numbers of nodes that the page has and the graph itself does not, float64, shape (n,)."""
    return {
        one["name"]: np.frombuffer(one["values"], "<f8")
        for one in columns
        if (one["of"], one["kind"]) == ("nodes", "number") and one["name"] not in graph.nodes
    }


def with_computed(graph: Graph, columns: Sequence[Mapping[str, Any]]) -> Graph:
    """Return the graph with what the page has of its nodes beside: statistics, and communities as whole numbers."""
    words = {
        one["name"]: np.array([_plain(text) for text in one["categories"]])[np.frombuffer(one["values"], "<u4")]
        for one in columns
        if (one["of"], one["kind"]) == ("nodes", "category") and one["name"] not in graph.nodes
    }
    return graph.with_nodes(computed(graph, columns) | words)


def _plain(text: str) -> bool | int:
    """Return what a word stands for that was computed: whether something holds, or the number of a community."""
    return {"True": True, "False": False}[text] if text in ("True", "False") else int(text)


def names_json(names: list[str]) -> bytes:
    """Return text as the page reads it."""
    return json.dumps(names, ensure_ascii=False).encode()


def _is_large(values: Column) -> bool:
    here = values.values if values.missing is None else values.values[~values.missing]
    return values.kind == "int" and len(here) > 0 and (int(here.max()) > _EXACT or int(here.min()) < -_EXACT)
