"""Edges beyond what a page draws one by one: added up to a picture of their density, of what is on screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph import Graph

__all__ = ["MOST_EDGES", "density", "kept", "sampled", "turned"]

Array = np.ndarray[Any, Any]

MOST_EDGES = 1_000_000
"""Of more edges so many, drawn by chance, go to the page; it draws the density of all."""
_LARGEST = 2048


def sampled(graph: Graph, most: int | None = None) -> Graph:
    """Return the graph with at most so many edges, drawn by chance, in the order they had."""
    most = MOST_EDGES if most is None else most
    if graph.n_edges <= most:
        return graph
    chosen = np.zeros(graph.n_edges, bool)
    chosen[np.random.default_rng(0).choice(graph.n_edges, most, replace=False)] = True
    return graph.edge_subgraph(chosen)


def turned(places: Array, turn: Sequence[float]) -> tuple[Array, Array]:
    """Return x and y of places, shape (n, 3), turned about the middle of their box, as the page turns them."""
    if not len(places):
        return np.zeros(0), np.zeros(0)
    (c, s), (d, t) = ((np.cos(angle), np.sin(angle)) for angle in turn)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2.0
    x, y, z = (places - middle).astype(np.float64).T
    return middle[0] + c * x + s * z, middle[1] + s * t * x + d * y - c * t * z


def kept(graph: Graph, filters: Sequence[Mapping[str, Any]], more: Mapping[str, Array] | None = None) -> Array:
    """Return whether each edge passes the filters, and both its ends do; what has no value passes none.

    Parameters
    ----------
    graph : Graph
    filters : sequence of mapping
        As in the state of a view.
    more : mapping, optional
        Numbers of each node that the graph itself does not have.
    """
    nodes, edges = np.ones(graph.n_nodes, bool), np.ones(graph.n_edges, bool)
    for one in filters:
        columns = graph.nodes if one["of"] == "nodes" else graph.edges
        name = one["by"]
        found = columns.column(name).plain() if name in columns else (more or {})[name]
        values = np.asarray(found, np.float64)
        low = -np.inf if one["low"] is None else one["low"]
        high = np.inf if one["high"] is None else one["high"]
        passed = (values >= low) & (values <= high)
        if one["of"] == "nodes":
            nodes &= passed
        else:
            edges &= passed
    both: Array = edges & nodes[graph.source] & nodes[graph.target]
    return both


def density(
    graph: Graph, places: Array, box: Sequence[float], size: Sequence[int], turn: Sequence[float] = (0.0, 0.0),
    filters: Sequence[Mapping[str, Any]] = (), more: Mapping[str, Array] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return how densely edges cover a box: bytes from 0 to 255, by the logarithm of how many lines a pixel has.

    Parameters
    ----------
    graph : Graph
    places : array, shape (n, 3)
    box : sequence of float
        Left, top, right and bottom, in units of the places after the turn.
    size : sequence of int
        Pixels across and down.
    turn : sequence of float
        Angles [rad], as in the state of a view.
    filters, more
        As for `kept`.

    Raises
    ------
    BadRequest
        If the box or the size is none.
    """
    from ndlab.explore.kernels.strokes import strokes

    left, top, right, bottom = (float(one) for one in box)
    width, height = (int(one) for one in size)
    if not (right > left and bottom > top and 0 < width <= _LARGEST and 0 < height <= _LARGEST):
        raise BadRequest(f"a picture of {width} by {height} pixels of the box {list(box)}",
                         f"a box has an area, a picture up to {_LARGEST} pixels a side")  # fmt: skip
    x, y = turned(places, turn)
    out = np.zeros((height, width), np.uint32)
    source, target = graph.source, graph.target
    if filters:
        passed = kept(graph, filters, more)
        source, target = source[passed], target[passed]
    strokes((x - left) * (width / (right - left)), (y - top) * (height / (bottom - top)), source, target, out)
    there = out[out > 0]
    # A few pixels where all meet shall not make the rest invisible.
    most = float(np.percentile(there, 99.5)) if len(there) else 1.0
    values = np.minimum(255, np.ceil(255 * np.log1p(out) / np.log1p(most))).astype(np.uint8)
    return {
        "values": values.tobytes(), "size": [width, height], "box": [left, top, right, bottom],
        "edges": len(source), "most": int(out.max(initial=0)),
    }  # fmt: skip
