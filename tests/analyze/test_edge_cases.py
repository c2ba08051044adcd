"""Graphs without nodes, edges or cycles, and those whose intermediate matrices would not fit."""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from ndlab.analyze import (
    Window,
    adjacency_embedding,
    block_model,
    communities,
    cross_k,
    empty_space,
    generate,
    invariants,
    laplacian_embedding,
    layout,
    motifs,
    nearest_neighbor,
    pair_function,
    pair_similarity,
    peters_rule,
    touch,
)
from ndlab.analyze.blocks import count_in_blocks
from ndlab.analyze.cliques import largest_clique
from ndlab.analyze.communities import METHODS
from ndlab.analyze.density import BlockCounts
from ndlab.analyze.invariants import WHOLE
from ndlab.analyze.layouts import LAYOUTS
from ndlab.analyze.vertices import VERTEX
from ndlab.errors import BadRequest, NdlabError, TooLarge
from ndlab.geometry import Box
from ndlab.graph import Graph
from ndlab.volume import Volume

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
    oracles: dict[str, Callable[[], Any]] = {
        "alpha": lambda: np.linalg.solve(np.eye(60) - 0.5 / top * matrix.T, one),
        "bonacich": lambda: np.linalg.solve(np.eye(60) - 0.1 / top * matrix, matrix @ one),
        "eigenvector": lambda: np.abs(vectors[:, values.real.argmax()].real),
        "authority": lambda: np.abs(np.linalg.svd(matrix)[2][0]),
        "hub": lambda: np.abs(np.linalg.svd(matrix)[0][:, 0]),
    }
    oracle = oracles[name]()
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


def test_cliques_may_be_larger_than_the_stack_is_deep() -> None:
    n = 1200
    assert largest_clique(Graph.of_rows(np.arange(n), *np.triu_indices(n, 1))).tolist() == list(range(n))


def _labels() -> Volume:
    values = np.zeros((6, 9, 8), "u8")
    values[2, 3, 2], values[4, 5, 6] = 5, 7
    return Volume.from_array(values, (40, 4, 4), kind="labels")


def test_what_is_near_in_a_box_is_where_it_is_in_the_volume() -> None:
    whole = touch(_labels(), distance=100)
    part = touch(_labels(), distance=100, box=Box((1, 2, 1), (6, 9, 8)))
    for axis, middle in zip("zyx", (3.5 * 40, 4.5 * 4, 4.5 * 4), strict=True):
        np.testing.assert_allclose(whole.edges[axis], [middle])
        np.testing.assert_allclose(part.edges[axis], [middle])


def test_more_voxels_than_can_be_numbered_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["ndlab.analyze.touch"], "_PLACE", 8)
    with pytest.raises(TooLarge, match="up to 256 can be numbered"):
        touch(_labels(), distance=100)


def test_blocks_are_centred_on_their_own_voxels() -> None:
    volume = Volume.from_array(np.zeros((7, 10, 3), "u1"), (40, 4, 4), kind="labels")
    found = count_in_blocks(volume, 4, box=Box((1, 0, 0), (7, 10, 3)))
    places = np.argwhere(np.ones((6, 10, 3)))
    number = np.ravel_multi_index(tuple((places // 4).T), (2, 3, 1))
    for one in range(6):
        expected = (places[number == one].mean(axis=0) + 0.5 + (1, 0, 0)) * (0.04, 0.004, 0.004)
        np.testing.assert_allclose(found.centre[one], expected)


def test_blocks_never_looked_at_say_nothing() -> None:
    rng = np.random.default_rng(0)
    index = np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), axis=1)
    volume = np.where(np.arange(64) % 7 == 0, 0.0, 1.0)
    counts = np.where(volume > 0, rng.poisson(5, 64), 0)
    blocks = BlockCounts(counts, volume, index, index + 0.5, 1.0)
    seen = blocks.where(volume > 0)
    assert blocks.dispersion() == seen.dispersion()
    assert blocks.morans_i(draws=20) == seen.morans_i(draws=20)
    pd.testing.assert_frame_equal(blocks.correlogram(2), seen.correlogram(2))


def test_the_nulls_do_not_depend_on_how_large_ids_are() -> None:
    rng = np.random.default_rng(0)
    touches = pd.DataFrame({"site": np.arange(400) // 4, "axon": rng.integers(0, 40, 400)}).drop_duplicates()
    touches["target"] = touches["site"] % 10
    synapses = touches.groupby("site").sample(1, random_state=0)
    # Ids that, multiplied by the number of targets in 64 bits, would all become one.
    large = {
        "axon": lambda t: t["axon"] * 2**50,
        "target": lambda t: np.where(t["target"] == 9, (1 << 40) - 1, t["target"]),
    }
    plain = peters_rule(touches, synapses, draws=200)
    found = peters_rule(touches.assign(**large), synapses.assign(**large), draws=200)
    for name, null in plain.null_a.items():
        assert found.null_a[name].observed == null.observed
        np.testing.assert_array_equal(found.null_a[name].draws, null.draws)


def test_too_many_rows_to_pair_are_refused_before_they_are_paired() -> None:
    table = pd.DataFrame({"axon": np.arange(100_000) % 500, "dendrite": np.arange(100_000) % 70, "size": 1.0})
    with pytest.raises(TooLarge, match="100,000 rows"):
        pair_similarity(table, "size")


def test_small_distances_among_few_points_take_little_memory() -> None:
    window = Window.box((1000, 1000, 1000), steps=8)
    points = window.random(500, np.random.default_rng(0))
    gaps = np.linalg.norm(points[:, None] - points, axis=-1)[np.triu_indices(500, 1)]
    pair_function(points, window, [0.0, 1.0], bandwidth=0.1)
    tracemalloc.start()
    found = pair_function(points, window, [0.0, 20.0], bandwidth=0.1, workers=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6
    assert (found.k[1] > 0) == bool((gaps < 20).any())


def test_too_few_points_are_said() -> None:
    window, none = Window.box((1, 1, 1)), np.zeros((0, 3))
    for of in (pair_function, nearest_neighbor):
        with pytest.raises(BadRequest, match="2 at least"):
            of(none, window, [0.0, 1.0])
    with pytest.raises(BadRequest, match="1 at least"):
        empty_space(none, window, [0.0, 1.0])
    with pytest.raises(BadRequest, match="1 at least"):
        cross_k(none, none, window, [0.0, 1.0])


def test_a_window_in_metres_ends_where_it_ends() -> None:
    window = Window(np.ones((4, 4, 4), bool), (4e-9, 4e-9, 4e-9))
    assert window.contains(np.array([[1.6e-8, 1e-9, 1e-9], [1.7e-8, 1e-9, 1e-9]])).tolist() == [True, False]
    with pytest.raises(BadRequest, match="above 0"):
        window.random(3, np.random.default_rng(0), np.zeros((4, 4, 4)))


def test_block_models_are_drawn_without_a_matrix_of_all_pairs() -> None:
    generate("block_model", sizes=[5, 5], p=[[0.5, 0.1], [0.1, 0.5]])
    tracemalloc.start()
    graph = generate("block_model", sizes=[4000, 4000], p=[[0.002, 0], [0, 0.001]], seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # All pairs are 512 MB, several times.
    block = graph.nodes["block"]
    assert (block[graph.source] == block[graph.target]).all()
    counts = np.bincount(block[graph.source])
    np.testing.assert_allclose(counts, [0.002 * 4000 * 3999 / 2, 0.001 * 4000 * 3999 / 2], rtol=0.05)
