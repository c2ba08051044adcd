"""The Graph Explorer: a graph in a notebook cell, drawn by the page, selected from both sides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ndlab.errors import Unsupported

if TYPE_CHECKING:
    from ndlab.explore.graph_files import Catalog
    from ndlab.explore.graph_widget import GraphView
    from ndlab.graph import Graph

__all__ = ["graph"]


def graph(
    graph: Graph | str | os.PathLike[str] | None = None,
    *,
    positions: Any = None,
    layout: str | None = None,
    dim: int | None = None,
    seed: int | None = None,
    color: str | None = None,
    size: str | None = None,
    label: str | None = None,
    state: Mapping[str, Any] | None = None,
    height: int = 480,
    catalog: Catalog | str | None = None,
) -> GraphView:
    """Show a graph as a widget: pan, zoom, search, select, colour and filter 10^5 nodes and 10^6 edges.

    Layout, statistics and communities are computed in a thread of their own, and appear when they are ready.

    Parameters
    ----------
    graph : Graph or path, optional
        Without one the panel opens a file, makes one of a kind or takes one of the catalog.
    positions : array, shape (n, 2) or (n, 3), optional
        Where nodes stand, x, y and z in any one unit, y downwards; by default the node properties ``x``, ``y`` and
        ``z`` if there are such, else a layout is computed.
    layout : str, optional
        A layout of `ndlab.analyze.layout`, or ``"given"`` for `positions`.
    dim : {2, 3}, optional
        Of a layout that is computed.
    seed : int, optional
        Of layout and communities.
    color, size : str, optional
        A node property, a statistic of `ndlab.analyze.vertex_statistics`; or for colours ``"communities: multilevel"``,
        with any method of `ndlab.analyze.communities`.
    label : str, optional
        The node property that names nodes; ids unless given.
    state : mapping, optional
        A ``view.state`` that was kept; what is said beside it comes first.
    height : int
        Of the picture, in CSS pixels.
    catalog : mapping or path, optional
        Graphs that the panel offers by name: graphs, paths, or functions that make one; or a folder, for the graph
        files in it. `ndlab.samples.connectomes` has those that are shipped.

    Returns
    -------
    GraphView
        An ipywidget; ``view.selection`` holds ids, ``view.state`` is JSON.

    Raises
    ------
    BadRequest
        If the state does not fit, or positions have another shape.
    NotFound
        If a selected node is not in the graph.
    Unsupported
        Where anywidget is not installed.

    Examples
    --------
    >>> from ndlab.graph import Graph
    >>> ring = Graph.from_edges(range(4), [1, 2, 3, 0], directed=False)
    >>> view = graph(ring, layout="circle", color="degree")
    >>> view.wait()
    True
    >>> view.selection = [2]
    >>> view
    GraphView of 4 nodes, 4 edges, layout circle, colour by degree, 1 selected
    >>> view.close()
    """
    try:
        from ndlab.explore.graph_widget import GraphView
    except ModuleNotFoundError as error:
        raise Unsupported(
            "a graph was to be shown in a notebook",
            f"{error.name} is not installed",
            "pip install 'ndlab[lab]', or draw it with matplotlib at analyze.layout(G)",
            feature="widgets",
        ) from error
    from ndlab.explore.graph_data import own_positions
    from ndlab.explore.graph_files import opened
    from ndlab.graph import Graph

    empty = graph is None
    graph = Graph.from_edges([], []) if graph is None else opened(graph)
    if positions is None:
        positions = own_positions(graph)
    said = {"layout": layout, "dim": dim, "seed": seed, "color": color, "size": size, "label": label}
    first = dict(state or {}) | {name: value for name, value in said.items() if value is not None}
    if positions is not None:
        first.setdefault("layout", "given")
    if empty:
        first.setdefault("panel", "graph")
    return GraphView(graph, first, positions=positions, height=height, catalog=catalog)
