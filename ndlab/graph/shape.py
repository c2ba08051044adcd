"""What a graph becomes when edges are merged or nodes left out, and which parts it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph.columns import Array, Column, Columns

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["components", "degrees", "pair_keys", "simple", "subgraph"]

_WAYS = ("sum", "mean", "min", "max", "first")


def pair_keys(graph: Graph) -> Array:
    """Return one number for each edge, the same for parallel ones: int64, shape (m,)."""
    source, target = graph.source, graph.target
    if not graph.directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    return source * np.int64(graph.n_nodes) + target


def degrees(graph: Graph, mode: str, weight: str | None) -> Array:
    """Return what `Graph.degrees` promises: int64 of counts, float64 of weights."""
    if mode not in ("total", "in", "out"):
        raise BadRequest(f"degrees of mode {mode!r}", "modes are total, in and out")
    if mode != "total" and not graph.directed:
        raise BadRequest(f"{mode}-degrees of an undirected graph", "its edges have no direction", "use mode='total'")
    weights = None if weight is None else graph.weights(weight)
    parts = {"in": [graph.target], "out": [graph.source], "total": [graph.source, graph.target]}[mode]
    return sum(np.bincount(ends, weights, graph.n_nodes) for ends in parts)  # type: ignore[return-value]


def subgraph(graph: Graph, nodes: Any) -> Graph:
    """Return what `Graph.subgraph` promises."""
    given = np.asarray(nodes)
    if given.dtype == bool:
        if given.shape != (graph.n_nodes,):
            raise BadRequest(f"a mask of shape {given.shape}", f"the graph has {graph.n_nodes:,} nodes")
        rows = np.flatnonzero(given)
    else:
        rows = graph.rows(nodes)
        rows = rows[np.sort(np.unique(rows, return_index=True)[1])]
    new = np.full(graph.n_nodes, -1, np.int64)
    new[rows] = np.arange(len(rows))
    kept = (new[graph.source] >= 0) & (new[graph.target] >= 0)
    ids = graph.ids[rows]
    ids.flags.writeable = False
    return replace(
        graph, ids=ids, source=new[graph.source[kept]], target=new[graph.target[kept]],
        nodes=graph.nodes.take(rows), edges=graph.edges.take(kept),
    )  # fmt: skip


def components(graph: Graph, mode: str) -> Array:
    """Return what `Graph.components` promises."""
    from scipy.sparse.csgraph import connected_components

    if mode not in ("weak", "strong"):
        raise BadRequest(f"components of mode {mode!r}", "modes are weak and strong")
    strong = mode == "strong" and graph.directed
    _, labels = connected_components(graph.adjacency(), strong, "strong" if strong else "weak")
    sizes = np.bincount(labels, minlength=1)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    numbers: Array = rank[labels]
    return numbers


def simple(graph: Graph, combine: Mapping[str, str] | str, count: str | None, loops: bool = False) -> Graph:
    """Return what `Graph.simple` promises; edges stand in the order of the first of those that became one."""
    ways = _ways(graph, combine)
    kept = np.arange(len(graph.source)) if loops else np.flatnonzero(~graph.loops)
    _, first, inverse, sizes = np.unique(
        pair_keys(graph)[kept], return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    group, rows = rank[inverse], kept[first[order]]
    made = {name: _combined(graph.edges.columns[name], way, kept, group, rows) for name, way in ways.items()}
    if count is not None:
        made[count] = Column.of(sizes[order].astype(np.int64))
    return replace(graph, source=graph.source[rows], target=graph.target[rows], edges=Columns(len(rows), made, "edge"))


def _ways(graph: Graph, combine: Mapping[str, str] | str) -> dict[str, str]:
    if isinstance(combine, str):
        ways = {n: combine if c.kind != "str" else "first" for n, c in graph.edges.columns.items()}
    else:
        ways = dict(combine)
    for name, way in ways.items():
        if way not in _WAYS:
            raise BadRequest(f"edges combined by {way!r}", f"ways are {', '.join(_WAYS)}")
        if graph.edges.column(name).kind == "str" and way != "first":
            raise BadRequest(f"the {way} of the text property {name!r}", "text has none", f"use {{{name!r}: 'first'}}")
    return ways


def _combined(column: Column, way: str, kept: Array, group: Array, rows: Array) -> Column:
    if way == "first":
        return column.take(rows)
    there = np.ones(len(kept), bool) if column.missing is None else ~column.missing[kept]
    values, of = column.values[kept][there], group[there]
    found = np.bincount(of, minlength=len(rows))
    if way in ("sum", "mean"):
        dtype = np.float64 if way == "mean" or column.kind == "float" else np.int64
        total = np.zeros(len(rows), np.uint64 if values.dtype == np.uint64 and way == "sum" else dtype)
        np.add.at(total, of, values.astype(total.dtype))
        merged = total / np.maximum(found, 1) if way == "mean" else total
    else:
        merged = np.zeros(len(rows), values.dtype)
        merged[of] = values  # Any value of its own to begin with.
        (np.minimum if way == "min" else np.maximum).at(merged, of, values)
    empty = found == 0
    return Column(merged, column.unit, empty if empty.any() else None)
