"""What can be named in the state of a view: what a graph has, and what can be computed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.analyze.communities import METHODS
from ndlab.analyze.invariants import WHOLE
from ndlab.analyze.layouts import LAYOUTS
from ndlab.analyze.vertices import VERTEX
from ndlab.explore.graph_state import COMMUNITIES
from ndlab.plugins import names

__all__ = ["PARTITIONS", "is_computed", "offers"]

PARTITIONS = tuple(COMMUNITIES + method for method in METHODS)
"""Names of the columns that hold communities."""
# More kinds are no groups.
_MOST_GROUPS = 200


def is_computed(name: str) -> bool:
    """Return whether a column is none of the graph's own."""
    return name in VERTEX or name in PARTITIONS


def offers(columns: Sequence[Mapping[str, Any]], given: bool) -> dict[str, list[str]]:
    """Return what can be named.

    Parameters
    ----------
    columns : sequence of mapping
        As `graph_data.column` makes them, those that were computed as well.
    given : bool
        Whether there are positions beside the layouts.
    """
    here = [one["name"] for one in columns if one["of"] == "nodes"]
    numbers = {
        of: [one["name"] for one in columns if (one["of"], one["kind"]) == (of, "number")] for of in ("nodes", "edges")
    }
    later = [name for name in VERTEX if name not in here]
    parts = [name for name in PARTITIONS if name not in here]
    return {
        "layouts": [*(["given"] if given else []), *(kind for kind in LAYOUTS if kind != "own"), *names("layouts")],
        "colors": [*here, *later, *parts],
        "sizes": [*numbers["nodes"], *later],
        "labels": here,
        "groups": [*(one["name"] for one in columns if _is_groups(one) and one["name"] not in PARTITIONS), *PARTITIONS],
        "statistics": list(WHOLE),
        "nodes": numbers["nodes"],
        "edges": numbers["edges"],
        "edge_colors": [one["name"] for one in columns if one["of"] == "edges"],
    }


def _is_groups(one: Mapping[str, Any]) -> bool:
    if one["of"] != "nodes":
        return False
    if one["kind"] == "category":
        return 0 < len(one["categories"]) <= _MOST_GROUPS
    values = np.frombuffer(one["values"], "<f8")
    values = values[~np.isnan(values)]
    return bool(one["whole"]) and one["name"] != "degree" and 0 < len(np.unique(values)) <= _MOST_GROUPS
