"""What a graph says of itself: a line of text, and HTML for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ndlab.graph.columns import Columns
    from ndlab.graph.graph import Graph

__all__ = ["html", "lines", "text"]


def text(graph: Graph) -> str:
    """Return the plain summary."""
    way = "directed" if graph.directed else "undirected"
    name = f" {graph.attributes['name']!r}" if isinstance(graph.attributes.get("name"), str) else ""
    parts = [f"<ndlab.Graph{name}: {graph.n_nodes:,} nodes, {graph.n_edges:,} {way} edges"]
    parts += [
        f"{what} properties: {', '.join(_named(columns))}"
        for what, columns in (("node", graph.nodes), ("edge", graph.edges))
        if columns
    ]
    return "; ".join(parts) + ">"


def _named(columns: Columns) -> list[str]:
    return [f"{name} [{columns.units[name]}]" if name in columns.units else name for name in columns]


def lines(graph: Graph) -> dict[str, str]:
    """List what a summary says: what, and the value in words."""
    loops = int(graph.loops.sum())
    found = {
        "nodes": f"{graph.n_nodes:,}",
        "edges": f"{graph.n_edges:,} {'directed' if graph.directed else 'undirected'}"
        + (", some parallel" if graph.is_multigraph else "")
        + (f", {loops:,} loops" if loops else ""),
    }
    found |= {
        f"{what} properties": ", ".join(_named(columns))
        for what, columns in (("node", graph.nodes), ("edge", graph.edges))
        if columns
    }
    return found | {str(key): str(value) for key, value in graph.attributes.items() if key != "name"}


def html(graph: Graph) -> str:
    """Return the notebook summary."""
    rows = "".join(
        f"<tr><th style='text-align:left;font-weight:600;padding:0 12px 0 0'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in lines(graph).items()
    )
    name = escape(str(graph.attributes.get("name", "")))
    head = f"<div style='font-weight:600'>{name} <span style='opacity:.6'>graph</span></div>"
    return f"<div>{head}<table>{rows}</table></div>"
