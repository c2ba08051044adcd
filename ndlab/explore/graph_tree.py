"""The tree of a graph's groups as the page draws it beside the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ndlab.analyze.hierarchy import group_tree
from ndlab.explore.trees import branches
from ndlab.graph import Graph

__all__ = ["tree"]

_NONE = 0xFFFFFFFF
# More leaves are thinner than a line.
_MOST = 200
# What lies before the first merge, of the width of the tree: its bracket would not be seen at 0.
_STEM = 0.12


def tree(graph: Graph, column: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the groups that a column makes are merged, as JSON values.

    Parameters
    ----------
    graph : Graph
    column : mapping
        As `graph_data.column` makes it: text, or whole numbers.

    Returns
    -------
    dict
        ``of`` (the column), ``leaves`` (the groups, in the order in which they stand), ``across`` and ``up`` of each
        merge's bracket, with leaves at 5, 15, 25 … and heights from 0 for leaves to 1 for no edges at all, ``top`` and
        ``root`` (the densities at which the first two are joined, and all of them), and ``none``: why there is no
        tree, if there is none.
    """
    from scipy.cluster.hierarchy import leaves_list

    names, labels = _groups(column)
    found = {"of": column["name"], "leaves": names, "across": [], "up": [], "top": 0.0, "root": 0.0, "none": ""}
    if not 2 <= len(names) <= _MOST:
        what = f"{len(names):,} groups" if len(names) != 1 else "one group"
        return found | {"none": f"no tree of {what}: it is drawn of 2 to {_MOST}"}
    made = group_tree(graph, labels)
    drawn = made.links.copy()
    drawn[:, 2] = _STEM + (1 - _STEM) * drawn[:, 2]
    across, up = (np.array(one).tolist() for one in branches(drawn))
    return found | {
        "leaves": [names[one] for one in leaves_list(made.links).tolist()], "across": across, "up": up,
        "top": made.top, "root": made.top * (1 - float(made.links[-1, 2])),
    }  # fmt: skip


def _groups(column: Mapping[str, Any]) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Return what the page calls each group that has a node, and the number of each node's group, -1 for none."""
    text = column["kind"] == "category"
    values = np.frombuffer(column["values"], "<u4" if text else "<f8")
    there = values != _NONE if text else np.isfinite(values)
    unique, codes = np.unique(values[there], return_inverse=True)
    labels = np.full(len(values), -1)
    labels[there] = codes
    names = [column["categories"][int(one)] if text else str(int(one)) for one in unique.tolist()]
    return names, labels
