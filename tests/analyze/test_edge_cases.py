"""Graphs without nodes, edges or cycles, and those whose intermediate matrices would not fit."""

from __future__ import annotations

import contextlib
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest

from ndlab.analyze import (
    adjacency_embedding,
    block_model,
    communities,
    generate,
    invariants,
    laplacian_embedding,
    layout,
    motifs,
)
from ndlab.analyze.communities import METHODS
from ndlab.analyze.invariants import WHOLE
from ndlab.analyze.layouts import LAYOUTS
from ndlab.analyze.vertices import VERTEX
from ndlab.errors import NdlabError
from ndlab.graph import Graph

SMALL = {
    "empty": Graph.from_edges([], []),
    "empty undirected": Graph.from_edges([], [], directed=False),
    "one": Graph.from_edges([], [], ids=[5]),
    "loop": Graph.from_edges([5], [5]),
    "two": Graph.from_edges([1], [2]),
    "no edges": Graph.from_edges([], [], ids=range(10), directed=False),
    "many without edges": Graph.from_edges([], [], ids=range(300), directed=False),
    "loops and parallel": Graph.from_edges([1, 2, 1, 1, 1], [2, 3, 1, 2, 1]),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_graphs_have_an_answer_or_a_reason(name: str) -> None:
    graph = SMALL[name]

    def tried(of: Callable[[], Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with contextlib.suppress(NdlabError):
                of()

    for one in VERTEX:
        assert VERTEX[one](graph).shape == (graph.n_nodes,)
    for one in WHOLE:
        invariants(graph, [one])
    for one in METHODS:
        tried(lambda one=one: communities(graph, one))  # type: ignore[misc]
    for one in LAYOUTS:
        for dim in (2, 3):
            tried(lambda one=one, dim=dim: layout(graph, one, dim=dim))  # type: ignore[misc]
    for of in (adjacency_embedding, laplacian_embedding, block_model, motifs):
        tried(lambda of=of: of(graph))  # type: ignore[misc]


@pytest.mark.parametrize("name", ["alpha", "bonacich", "eigenvector", "authority", "hub"])
def test_what_is_iterated_is_that_of_dense_algebra(name: str) -> None:
    graph = generate("erdos_renyi", n=60, m=200, directed=True, seed=3)
    matrix = graph.adjacency().toarray()
    values, vectors = np.linalg.eig(matrix.T)
    top = values.real.max()
    one = np.ones(60)
    oracle = {
        "alpha": lambda: np.linalg.solve(np.eye(60) - 0.5 / top * matrix.T, one),
        "bonacich": lambda: np.linalg.solve(np.eye(60) - 0.1 / top * matrix, matrix @ one),
        "eigenvector": lambda: np.abs(vectors[:, values.real.argmax()].real),
        "authority": lambda: np.abs(np.linalg.svd(matrix)[2][0]),
        "hub": lambda: np.abs(np.linalg.svd(matrix)[0][:, 0]),
    }[name]()
    found = VERTEX[name](graph)
    np.testing.assert_allclose(found / np.linalg.norm(found), oracle / np.linalg.norm(oracle), atol=1e-8)


def test_alpha_without_a_cycle_counts_all_paths() -> None:
    graph = Graph.from_edges(range(200), range(1, 201))
    np.testing.assert_allclose(VERTEX["alpha"](graph), 2 - 0.5 ** np.arange(201), rtol=1e-12)
    assert not VERTEX["eigenvector"](graph).any()


@pytest.mark.parametrize("name", ["hub", "authority", "alpha", "bonacich", "eigenvector"])
def test_a_large_star_takes_no_more_than_its_edges(name: str) -> None:
    n = 20_000
    leaves = np.arange(1, n)
    hub = np.zeros(n - 1, np.int64)
    both = Graph.of_rows(np.arange(n), np.concatenate([leaves, hub]), np.concatenate([hub, leaves]))
    VERTEX[name](SMALL["loops and parallel"])
    tracemalloc.start()
    VERTEX[name](both)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # All pairs of leaves are 3.2 GB.


@pytest.mark.parametrize("of", [lambda g: adjacency_embedding(g, 4)[0], lambda g: layout(g, "laplacian")])
def test_regular_graphs_are_placed_alike_each_time(of: Callable[[Graph], Any]) -> None:
    ring = generate("ring", n=600)
    np.testing.assert_array_equal(of(ring), of(ring))


def test_the_leading_eigenvector_is_that_of_networkx() -> None:
    graph = generate("famous", name="karate_club")
    oracle = nx.eigenvector_centrality_numpy(graph.to_networkx())
    found = VERTEX["eigenvector"](graph)
    np.testing.assert_allclose(found, np.array(list(oracle.values())) / max(oracle.values()), atol=1e-9)
