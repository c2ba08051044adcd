"""Graphs: laid out in the plane, and as a matrix whose rows stand by community."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.figures.panels import keep
from ndlab.figures.style import COLORS, CYCLE, axes_for

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

    from ndlab.graph import Graph

__all__ = ["adjacency", "laid_out"]

# Communities with a smaller share of the nodes have no frame: the frames would hide the marks.
_LEAST_FRAMED = 0.01


def adjacency(graph: Graph, communities: Any, ax: Axes | None = None, *, weight: str | None = None) -> Axes:
    """Draw the adjacency matrix with the nodes of a community side by side, the largest community first.

    Parameters
    ----------
    graph : Graph
    communities : sequence of int, shape (n,)
        Of each node, as `ndlab.analyze.communities` gives it.
    ax : matplotlib Axes, optional
        A new small figure unless given.
    weight : str, optional
        An edge property that darkens a mark.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from ndlab.figures.panels import table_of
    >>> from ndlab.graph import Graph
    >>> pairs = Graph.from_edges([1, 3], [2, 4], directed=False)
    >>> table_of(adjacency(pairs, [0, 0, 1, 1], Figure().subplots()))[["source", "target", "row", "column"]]
      source target  row  column
    0      1      2    0       1
    1      3      4    2       3
    2      2      1    1       0
    3      4      3    3       2
    """
    import pandas as pd
    from matplotlib.patches import Rectangle

    ax = axes_for(ax)
    group = np.unique(np.asarray(communities), return_inverse=True)[1]
    if len(group) != len(graph):
        raise BadRequest(f"{len(group)} communities of {len(graph)} nodes", "each node has one")
    size = np.bincount(group)
    rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable")  # The largest is community 0.
    group = rank[group]
    place = np.argsort(np.lexsort((np.arange(len(group)), group)))
    ends = [graph.source, graph.target]
    if not graph.directed:
        ends = [np.concatenate([graph.source, graph.target]), np.concatenate([graph.target, graph.source])]
    weights = np.asarray(graph.weights(weight), float)
    table = pd.DataFrame({
        "source": graph.ids[ends[0]].astype(str), "target": graph.ids[ends[1]].astype(str), "row": place[ends[0]],
        "column": place[ends[1]], "source_community": group[ends[0]], "target_community": group[ends[1]],
        "weight": np.resize(weights, len(ends[0])),
    })  # fmt: skip
    strength = np.log1p(table["weight"] / max(table["weight"].max(), 1e-300) * 9) / np.log(10) if len(table) else 1
    ax.scatter(table["column"], table["row"], s=max(0.8, (220 / max(len(graph), 1)) ** 2), marker="s", lw=0,
               color=COLORS["ink"], alpha=np.clip(strength, 0.35, 1.0))  # fmt: skip
    n = len(graph)
    begin = 0
    for width in np.bincount(group).tolist():
        if width >= _LEAST_FRAMED * n:
            ax.add_patch(Rectangle((begin - 0.5, begin - 0.5), width, width, fill=False, ec=COLORS["red"], lw=0.6))
        begin += width
    ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal", xlabel="to node", ylabel="from node")
    return keep(ax, table)


def laid_out(
    graph: Graph | nx.Graph,
    places: Mapping[Any, Any] | np.ndarray[Any, Any],
    ax: Axes | None = None,
    *,
    groups: Mapping[Any, str] | None = None,
    colors: Mapping[str, str] | None = None,
    weight: str | None = "weight",
) -> Axes:
    """Draw a graph in the plane: edges as wide as their weight, nodes as large as their degree.

    Parameters
    ----------
    graph : Graph or networkx graph
    places : mapping of node to (x, y), or ndarray, shape (n, 2)
        As `ndlab.analyze.layout` or networkx give them.
    ax : matplotlib Axes, optional
        A new small figure unless given.
    groups : mapping of node to str, optional
        Kinds of nodes, each in its colour.
    colors : mapping, optional
        By kind.
    weight : str, optional
        An edge property; edges without it count 1.
    """
    import pandas as pd
    from matplotlib.collections import LineCollection

    ax = axes_for(ax)
    ids, source, target, weights = _rows(graph, weight)
    at = np.asarray(places if isinstance(places, np.ndarray) else [places[one] for one in ids], float)[:, :2]
    degree = np.bincount(source, weights, len(ids)) + np.bincount(target, weights, len(ids))
    kind = ["" if groups is None else str(groups[one]) for one in ids]
    nodes = pd.DataFrame({"mark": "node", "node": [str(one) for one in ids], "group": kind, "x": at[:, 0],
                          "y": at[:, 1], "weight": degree})  # fmt: skip
    edges = pd.DataFrame({"mark": "edge", "x": at[source, 0], "y": at[source, 1], "x_end": at[target, 0],
                          "y_end": at[target, 1], "weight": weights})  # fmt: skip
    lines = edges[["x", "y", "x_end", "y_end"]].to_numpy().reshape(-1, 2, 2)
    ax.add_collection(LineCollection(list(lines), colors=COLORS["grey"], linewidths=0.25 * edges["weight"], alpha=0.5))
    for number, (name, some) in enumerate(nodes.groupby("group", sort=False)):
        color = (colors or {}).get(str(name), CYCLE[number % len(CYCLE)])
        ax.scatter(some["x"], some["y"], s=1.5 + 1.2 * some["weight"], color=color, lw=0.2, edgecolor="white",
                   label=str(name) or None, zorder=2)  # fmt: skip
    ax.set(aspect="equal")
    ax.set_axis_off()
    return keep(ax, pd.concat([nodes, edges], ignore_index=True))


def _rows(graph: Any, weight: str | None) -> tuple[list[Any], Any, Any, Any]:
    """Return nodes, and for each edge the rows of its ends and its weight."""
    if hasattr(graph, "ids"):
        name = weight if weight in graph.edges else None
        return graph.ids.tolist(), graph.source, graph.target, np.asarray(graph.weights(name), float)
    ids = list(graph.nodes)
    row = {one: i for i, one in enumerate(ids)}
    ends = [(row[a], row[b], data.get(weight, 1)) for a, b, data in graph.edges(data=True)]
    source, target, weights = (np.array([end[i] for end in ends]) for i in range(3))
    return ids, source.astype(int), target.astype(int), weights.astype(float)
