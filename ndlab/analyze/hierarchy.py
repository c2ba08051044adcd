"""Which groups of a graph are nearest to each other, and which of those groups of groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.analyze.sparse import simple_matrix
from ndlab.errors import BadRequest
from ndlab.graph import Graph

__all__ = ["GroupTree", "group_tree"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GroupTree:
    """How groups of nodes are merged, the most densely joined first.

    Attributes
    ----------
    links : ndarray, shape (k - 1, 4)
        Merges as `scipy.cluster.hierarchy.linkage` has them; the distance is ``1 - density / top``.
    density : ndarray, shape (k, k)
        Chance that a node of one group and another one of another are joined, direction aside.
    top : float
        The largest chance between two groups; 0 where no two are joined.
    """

    links: Array
    density: Array
    top: float


def group_tree(graph: Graph, labels: Array) -> GroupTree:
    """Return the tree of merges of the groups of a graph, by how densely edges lie between them.

    Two groups are as near as edges between them are dense, with parallel edges once; what two merged groups have with a
    third is the mean of what all their groups have with it (average linkage, every group counting once).

    Parameters
    ----------
    graph : Graph
    labels : ndarray of int, shape (n,)
        Number of the group of each node from 0 on, none of them left out; below 0 for a node that is in none.

    Raises
    ------
    BadRequest
        If there is not one number for each node, or a group between the first and the last has no node.

    References
    ----------
    Sokal RR, Michener CD (1958). A statistical method for evaluating systematic relationships. Univ Kansas Sci Bull 38.
    Here the mean is of densities between groups, and not of joined pairs of nodes.

    Examples
    --------
    >>> from ndlab.analyze.generators import generate
    >>> near = [[0.6, 0.3, 0.02], [0.3, 0.6, 0.02], [0.02, 0.02, 0.6]]
    >>> graph = generate("block_model", sizes=[40, 40, 40], p=near)
    >>> group_tree(graph, np.repeat([0, 1, 2], 40)).links[0, :2].tolist()
    [0.0, 1.0]
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    labels = np.asarray(labels, np.int64)
    if labels.shape != (graph.n_nodes,):
        raise BadRequest(f"groups of shape {labels.shape}", f"the graph has {graph.n_nodes:,} nodes",
                         "pass one number for each node")  # fmt: skip
    inside = labels >= 0
    sizes = np.bincount(labels[inside])
    if not sizes.all():
        raise BadRequest(f"groups up to {len(sizes) - 1}", f"{int((sizes == 0).sum())} of them have no node",
                         "number them by np.unique(labels, return_inverse=True)[1]")  # fmt: skip
    density = _density(graph, labels, sizes)
    between = density[~np.eye(len(sizes), dtype=bool)]
    top = float(between.max(initial=0.0))
    if len(sizes) < 2:
        return GroupTree(np.empty((0, 4)), density, top)
    apart = 1 - density / (top or 1.0)
    np.fill_diagonal(apart, 0)
    return GroupTree(linkage(squareform(apart, checks=False), "average"), density, top)


def _density(graph: Graph, labels: Array, sizes: Array) -> Array:
    matrix = simple_matrix(graph).tocoo()
    keep = (labels[matrix.row] >= 0) & (labels[matrix.col] >= 0)
    k = len(sizes)
    joined = np.bincount(labels[matrix.row[keep]] * k + labels[matrix.col[keep]], minlength=k * k).reshape(k, k)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    found: Array = np.divide(joined, pairs, out=np.zeros((k, k)), where=pairs > 0)
    return found
