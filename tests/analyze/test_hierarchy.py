"""The tree of groups against densities that networkx counts, and against what was planted."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from ndlab.analyze.generators import generate
from ndlab.analyze.hierarchy import group_tree
from ndlab.errors import BadRequest
from ndlab.graph import Graph

# Two pairs of groups, denser within a pair than between pairs.
NEAR = np.full((4, 4), 0.02)
NEAR[:2, :2] = NEAR[2:, 2:] = 0.25
np.fill_diagonal(NEAR, 0.6)


def test_density_is_that_of_networkx() -> None:
    rng = np.random.default_rng(5)
    graph = Graph.from_edges(rng.integers(0, 60, 900), rng.integers(0, 60, 900), ids=range(60))
    labels = rng.integers(-1, 5, 60)
    found = group_tree(graph, labels)
    oracle = nx.Graph()
    oracle.add_nodes_from(range(60))
    oracle.add_edges_from((u, v) for u, v in zip(graph.source.tolist(), graph.target.tolist(), strict=True) if u != v)
    groups = [np.flatnonzero(labels == one).tolist() for one in range(5)]
    for i, one in enumerate(groups):
        for j, other in enumerate(groups):
            if i == j:
                expected = nx.density(oracle.subgraph(one))
            else:
                expected = len(list(nx.edge_boundary(oracle, one, other))) / (len(one) * len(other))
            assert found.density[i, j] == pytest.approx(expected)
    assert found.top == max(found.density[i, j] for i in range(5) for j in range(5) if i != j)
    # The first merge is of the two that are joined most densely.
    a, b = (int(one) for one in found.links[0, :2])
    assert found.density[a, b] == found.top
    assert found.links[0, 2] == pytest.approx(0)


def test_what_was_planted_near_is_merged_first() -> None:
    graph = generate("block_model", sizes=[40, 30, 50, 20], p=NEAR.tolist(), seed=3)
    found = group_tree(graph, np.repeat([0, 1, 2, 3], [40, 30, 50, 20]))
    first = {frozenset(row) for row in found.links[:2, :2].astype(int).tolist()}
    assert first == {frozenset({0, 1}), frozenset({2, 3})}
    across = found.density[:2, 2:].mean()
    assert found.links[2, 2] == pytest.approx(1 - across / found.top)


def test_trees_that_are_none() -> None:
    graph = Graph.from_edges([0, 1], [1, 2])
    assert group_tree(graph, np.zeros(3, int)).links.shape == (0, 4)
    assert group_tree(graph, np.full(3, -1)).links.shape == (0, 4)
    # Nothing joins these two: they are as far apart as can be.
    apart = group_tree(Graph.from_edges([0, 2], [1, 3]), np.array([0, 0, 1, 1]))
    assert (apart.top, apart.links[0, 2]) == (0, 1)
    with pytest.raises(BadRequest, match="one number for each node"):
        group_tree(graph, np.zeros(2, int))
    with pytest.raises(BadRequest, match="1 of them have no node"):
        group_tree(graph, np.array([0, 2, 2]))
