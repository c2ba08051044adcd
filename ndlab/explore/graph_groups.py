"""What of a graph a view's state needs to have computed for each node, and with which options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndlab.analyze.communities import communities
from ndlab.analyze.vertices import vertex_statistics
from ndlab.explore.graph_offers import PARTITIONS
from ndlab.explore.graph_state import COMMUNITIES
from ndlab.graph import Graph
from ndlab.graph.columns import Column

__all__ = ["made", "options", "scree", "scree_of", "shown", "wanted"]

# Options of the methods that look at a spectrum, by their own names.
_SPECTRAL = {"rdpg": ("parts", "dims"), "laplacian": ("parts", "dims"), "tsne": ("parts",)}
_OWN_NAMES = {"parts": "blocks", "dims": "dim"}


def wanted(state: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns that somebody sees something of, the most urgent first."""
    found = [state["color"], state["size"]]
    if shown(state):
        found.append(state["groups"])
    if state["panel"] == "groups":
        found += [state["against"], *(PARTITIONS if state["compared"] else ())]
    if state["panel"] == "numbers":
        found += state["plot"]
    return [name for name in dict.fromkeys(found) if name]


def shown(state: Mapping[str, Any]) -> bool:
    """Return whether somebody sees groups."""
    return bool(state["view"] == "matrix" or state["panel"] == "groups")


def options(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a column depends on beside the graph."""
    if not name.startswith(COMMUNITIES):
        return {}
    method = name.removeprefix(COMMUNITIES)
    own = {_OWN_NAMES[one]: state[one] for one in _SPECTRAL.get(method, ()) if state[one] is not None}
    # Chance plays a part in communities only.
    return {"seed": state["seed"]} | own


def made(graph: Graph, name: str, how: Mapping[str, Any]) -> Column:
    """Return a column of communities, or of a statistic of `ndlab.analyze.vertex_statistics`."""
    if not name.startswith(COMMUNITIES):
        return Column.of(vertex_statistics(graph, [name])[name])
    # Numbers that stand for names: they are told apart, not compared.
    numbers = communities(graph, name.removeprefix(COMMUNITIES), **how)
    return Column.of([str(one) for one in numbers.tolist()])


def scree_of(state: Mapping[str, Any]) -> str | None:
    """Return the method whose singular values are looked at; None where none is."""
    method = str(state["groups"]).removeprefix(COMMUNITIES)
    return method if state["panel"] == "groups" and "dims" in _SPECTRAL.get(method, ()) else None


def scree(graph: Graph, method: str) -> dict[str, Any]:
    """Return the singular values that a spectral method looks at, and how many of them stand out."""
    from ndlab.analyze.embedding import adjacency_embedding, elbow, laplacian_embedding

    embed = laplacian_embedding if method == "laplacian" else adjacency_embedding
    values = embed(graph.undirected().simple({}))[1]
    return {"of": method, "values": [float(one) for one in values], "elbow": elbow(values)}
