"""Layouts: finite, the same for a seed, and as their kind promises."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from ndlab.analyze.generators import generate
from ndlab.analyze.layouts import LAYOUTS, layout
from ndlab.errors import BadRequest, NoSuchProperty, TooLarge
from ndlab.graph import Graph

KARATE = generate("famous", name="karate_club")
PLACED = KARATE.with_nodes({name: np.arange(34.0) * k for k, name in enumerate(("x", "y", "z"), 1)})


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_r80_places_are_finite_and_the_same_for_a_seed(kind: str, dim: int) -> None:
    if kind == "sphere" and dim == 2:
        with pytest.raises(BadRequest, match="dim=3"):
            layout(PLACED, kind)
        return
    places = layout(PLACED, kind, dim=dim, seed=5)
    assert places.shape == (34, dim)
    assert np.isfinite(places).all()
    assert np.linalg.norm(places, axis=1).max() == pytest.approx(1)
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_array_equal(places, layout(PLACED, kind, dim=dim, seed=5))
    for graph in (
        Graph.from_edges([], [], ids=[7]),
        Graph.from_edges([0, 1], [1, 0]),
        Graph.from_edges([0, 0], [1, 2]),
    ):
        if kind != "own":
            assert np.isfinite(layout(graph, kind, dim=dim)).all(), graph


def test_there_are_sixteen() -> None:
    assert len(LAYOUTS) == 16


@pytest.mark.parametrize(
    "kind", ["fruchterman_reingold", "fr_grid", "kamada_kawai", "spring", "graphopt", "lgl", "auto"]
)
def test_joined_nodes_are_nearer_than_others(kind: str) -> None:
    graph = generate("block_model", sizes=[30, 30], p=[[0.3, 0.01], [0.01, 0.3]], seed=1)
    places = layout(graph, kind)
    gap = np.linalg.norm(places[:, None] - places, axis=-1)
    edges = gap[graph.source, graph.target].mean()
    assert edges < 0.75 * gap[np.triu_indices(60, 1)].mean()


def test_distances_follow_the_edges() -> None:
    path = Graph.from_networkx(nx.path_graph(12))
    places = layout(path, "kamada_kawai")
    gap = np.linalg.norm(places[:, None] - places, axis=-1)
    steps = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    assert np.corrcoef(gap.ravel(), steps.ravel())[0, 1] > 0.99
    grid = Graph.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(6, 6)))
    for kind in ("kamada_kawai", "laplacian"):
        places = layout(grid, kind)
        assert np.linalg.norm(places[0] - places[35]) > 3 * np.linalg.norm(places[0] - places[1])


def test_trees_stand_in_levels_and_rings_close() -> None:
    tree = generate("tree", n=15)
    places = layout(tree, "reingold_tilford", root=0)
    depth = np.floor(np.log2(np.arange(15) + 1)).astype(int)
    for level in range(4):
        row = places[depth == level]
        assert np.ptp(row[:, 1]) < 1e-9
        assert (np.diff(row[:, 0]) > 0).all()
    assert places[0, 0] == pytest.approx(np.mean(places[1:3, 0]))
    circle = layout(KARATE, "circle")
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 1)
    star = layout(generate("star", n=9), "star")
    assert np.linalg.norm(star[0]) < 1e-9
    sphere = layout(generate("ring", n=400), "sphere", dim=3)
    gap = np.linalg.norm(sphere[:, None] - sphere, axis=-1) + 9 * np.eye(400)
    assert gap.min(axis=1).std() < 0.2 * gap.min(axis=1).mean()


def test_large_graphs_are_done_or_refused() -> None:
    graph = generate("erdos_renyi", n=20_000, m=40_000)
    for kind in ("fr_grid", "lgl"):
        assert np.isfinite(layout(graph, kind, steps=5)).all()
    for kind in ("fruchterman_reingold", "kamada_kawai", "graphopt"):
        with pytest.raises(TooLarge, match="fr_grid"):
            layout(graph, kind)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(BadRequest, match="layouts are auto"):
        layout(KARATE, "force")
    with pytest.raises(BadRequest, match="2 or 3"):
        layout(KARATE, dim=4)
    with pytest.raises(BadRequest, match="unexpected keyword"):
        layout(KARATE, "circle", radius=3)
    with pytest.raises(NoSuchProperty, match="no node property 'x'"):
        layout(KARATE, "own")
    with pytest.raises(BadRequest, match="places of 1 nodes"):
        layout(KARATE.with_nodes({"x": [None] + [1.0] * 33, "y": [1.0] * 34}), "own")
    with pytest.raises(BadRequest, match="rows go from 0 to 33"):
        layout(KARATE, "star", center=99)


def test_springs_of_many_nodes_are_refused_at_once() -> None:
    with pytest.raises(TooLarge, match=r"5,001 nodes.*up to 5,000.*fr_grid"):
        layout(Graph.from_edges([], [], ids=range(5001)), "spring")
