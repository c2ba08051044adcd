"""Each generator by what its graphs must be; embeddings and block models by what was planted."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from ndlab.analyze.embedding import adjacency_embedding, block_model, elbow, laplacian_embedding
from ndlab.analyze.generators import FAMOUS, KINDS, generate
from ndlab.analyze.invariants import invariants
from ndlab.errors import BadRequest
from ndlab.graph import Graph

EXAMPLES: dict[str, dict[str, Any]] = {
    "erdos_renyi": {"n": 200, "p": 0.1}, "barabasi": {"n": 100, "m": 3}, "random_dot_product": {"n": 60},
    "k_regular": {"n": 20, "k": 4}, "ring": {"n": 9}, "star": {"n": 9}, "wheel": {"n": 9}, "complete": {"n": 9},
    "complete_bipartite": {"n": 4, "m": 5}, "random_bipartite": {"n": 30, "m": 40, "p": 0.2},
    "geometric": {"n": 200, "radius": 0.1}, "watts_strogatz": {"n": 50, "k": 4, "p": 0.1},
    "growing_random": {"n": 50, "m": 2}, "block_model": {"sizes": [20, 30], "p": [[0.5, 0.1], [0.1, 0.4]]},
    "atlas": {"index": 1252}, "famous": {"name": "karate_club"}, "tree": {"n": 15, "children": 2},
    "forest_fire": {"n": 80, "forward": 0.3}, "aging": {"n": 80, "m": 2}, "de_bruijn": {"m": 2, "n": 3},
    "kautz": {"m": 2, "n": 2},
}  # fmt: skip


def test_r76_there_are_21_kinds_each_the_same_for_a_seed() -> None:
    assert set(EXAMPLES) == set(KINDS)
    assert len(KINDS) == 21
    for kind, parameters in EXAMPLES.items():
        graph = generate(kind, seed=3, **parameters)
        assert graph == generate(kind, seed=3, **parameters), kind
        assert graph.attributes["kind"] == kind
        assert graph.ids.tolist() == list(range(graph.n_nodes))
    for kind in ("erdos_renyi", "barabasi", "geometric", "watts_strogatz", "forest_fire", "block_model", "aging"):
        one, other = generate(kind, seed=1, **EXAMPLES[kind]), generate(kind, seed=2, **EXAMPLES[kind])
        assert not np.array_equal(one.adjacency().toarray(), other.adjacency().toarray()), kind


def test_r76_identities() -> None:
    def size(kind: str, **parameters: Any) -> tuple[int, int]:
        graph = generate(kind, **parameters)
        return graph.n_nodes, graph.n_edges

    assert size("ring", n=9) == (9, 9)
    assert size("star", n=9) == (9, 8)
    assert size("wheel", n=9) == (9, 16)
    assert size("complete", n=9) == (9, 36)
    assert size("complete", n=9, directed=True) == (9, 72)
    assert size("complete_bipartite", n=4, m=5) == (9, 20)
    assert size("tree", n=15) == (15, 14)
    assert size("erdos_renyi", n=30, m=77) == (30, 77)
    assert size("growing_random", n=50, m=2) == (50, 98)
    assert size("de_bruijn", m=2, n=3) == (8, 16)
    assert size("kautz", m=2, n=2) == (12, 24)
    assert (generate("k_regular", n=20, k=4).degrees() == 4).all()
    assert size("barabasi", n=100, m=3) == (100, 1 + 2 + 97 * 3)
    assert size("famous", name="petersen") == (10, 15)
    assert size("atlas", index=0) == (0, 0)
    assert generate("de_bruijn", m=2, n=3).degrees("out").tolist() == [2] * 8
    assert invariants(generate("tree", n=31), ["girth", "components"]) == {"girth": 0, "components": 1}


@pytest.mark.parametrize("name", FAMOUS)
def test_famous_graphs_are_connected_and_simple(name: str) -> None:
    graph = generate("famous", name=name)
    assert graph.is_simple or name == "karate_club"
    assert graph.components().max() == 0
    girths = {"mcgee": 7, "tutte_coxeter": 8, "heawood": 6, "petersen": 5, "gray": 8, "nauru": 6, "dyck": 6}
    if name in girths:
        assert invariants(graph, ["girth"])["girth"] == girths[name]
        assert (graph.degrees() == 3).all()


def test_chances_are_kept() -> None:
    assert generate("erdos_renyi", n=400, p=0.1).n_edges == pytest.approx(0.1 * 400 * 399 / 2, rel=0.03)
    p = np.array([[0.5, 0.1, 0.05], [0.1, 0.4, 0.02], [0.05, 0.02, 0.3]])
    graph = generate("block_model", sizes=[80, 100, 120], p=p, directed=True)
    member = np.eye(3)[graph.nodes["block"]]
    found = member.T @ graph.adjacency().toarray() @ member
    sizes = np.array([80, 100, 120])
    np.testing.assert_allclose(found / (np.outer(sizes, sizes) - np.diag(sizes)), p, atol=0.015)
    place = generate("geometric", n=300, radius=0.1)
    xy = np.stack([place.nodes["x"], place.nodes["y"]], axis=1)
    near = np.linalg.norm(xy[:, None] - xy, axis=-1) <= 0.1
    np.testing.assert_array_equal(place.adjacency().toarray().astype(bool), near & ~np.eye(300, dtype=bool))
    latent = generate("random_dot_product", n=400, dim=2)
    x = np.stack([latent.nodes["latent_0"], latent.nodes["latent_1"]], axis=1)
    expected = np.triu(x @ x.T, 1).sum()
    assert latent.n_edges == pytest.approx(expected, rel=0.05)
    flat, steep = generate("barabasi", n=2000, m=2, power=0), generate("barabasi", n=2000, m=2, power=1.2)
    assert steep.degrees().max() > 3 * flat.degrees().max()
    young, old = (generate("aging", n=1000, m=1, aging=a) for a in (-3.0, 0.0))
    assert np.mean(np.abs(young.source - young.target)) < np.mean(np.abs(old.source - old.target))


def test_what_cannot_be_is_said() -> None:
    for kind, parameters, words in (
        ("erdos", {}, "kinds are erdos_renyi"), ("erdos_renyi", {"n": 3}, "give one"),
        ("erdos_renyi", {"m": 3, "q": 2}, "graph of m=3, q=2"), ("k_regular", {"n": 5, "k": 3}, "k_regular graph"),
        ("famous", {"name": "x"}, "there are bull"), ("block_model", {"sizes": [2], "p": [[2]]}, r"in \[0, 1\]"),
        ("forest_fire", {"n": 5, "forward": 1.5}, "all burns"), ("barabasi", {"n": 3, "m": 5}, "fewer than all"),
        ("random_dot_product", {"n": 3, "latent": "cube"}, "dirichlet and sphere"),
    ):  # fmt: skip
        with pytest.raises(BadRequest, match=words):
            generate(kind, **parameters)


def test_r82_three_blocks_are_recovered() -> None:
    p = np.array([[0.5, 0.1, 0.05], [0.1, 0.4, 0.15], [0.05, 0.15, 0.6]])
    graph = generate("block_model", sizes=[150, 100, 120], p=p, seed=4)
    truth = graph.nodes["block"]
    found = block_model(graph, dim=3)
    assert len(found.p) == 3
    order = [int(np.bincount(found.labels[truth == k]).argmax()) for k in range(3)]
    assert sorted(order) == [0, 1, 2]
    assert np.mean(np.array(order)[truth] == found.labels) > 0.97
    np.testing.assert_allclose(found.p[np.ix_(order, order)], p, atol=0.05)
    assert block_model(graph, 2).p.shape == (2, 2)


def test_embeddings_reproduce_the_chances() -> None:
    graph = generate("block_model", sizes=[100, 150], p=[[0.5, 0.2], [0.2, 0.6]], seed=1)
    places, values = adjacency_embedding(graph, 2)
    assert places.shape == (250, 2)
    oracle = np.linalg.svd(graph.adjacency().toarray(), compute_uv=False)
    np.testing.assert_allclose(values[:2], oracle[:2], rtol=1e-8)
    chance = places @ places.T
    block = graph.nodes["block"]
    assert chance[np.ix_(block == 0, block == 1)].mean() == pytest.approx(0.2, abs=0.02)
    directed = generate("block_model", sizes=[100, 150], p=[[0.5, 0.2], [0.1, 0.6]], seed=1, directed=True)
    both, _ = adjacency_embedding(directed, 2)
    chance = both[:, :2] @ both[:, 2:].T
    assert chance[np.ix_(block == 0, block == 1)].mean() == pytest.approx(0.2, abs=0.02)
    assert chance[np.ix_(block == 1, block == 0)].mean() == pytest.approx(0.1, abs=0.02)
    lonely = Graph.from_edges([0, 1], [1, 2], ids=[0, 1, 2, 3], directed=False)
    assert (laplacian_embedding(lonely, 2)[0][3] == 0).all()
    assert elbow([10, 9, 8, 1, 0.9, 0.8, 0.7]) == 3
    ring = Graph.from_networkx(nx.cycle_graph(300))
    assert laplacian_embedding(ring, 1)[1][0] == pytest.approx(1)
