"""Triads against networkx; rewired graphs keep their degrees."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.analyze.generators import generate
from ndlab.analyze.motifs import TRIADS, motifs
from ndlab.errors import BadRequest
from ndlab.graph import Graph


def oracle(graph: Graph) -> list[int]:
    plain = nx.DiGraph(graph.to_networkx())
    plain.remove_edges_from(list(nx.selfloop_edges(plain)))
    found = nx.triadic_census(plain)
    return [found[name] for name in TRIADS]


@given(st.integers(3, 9), st.data())
def test_triads_are_those_of_networkx(n: int, data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    edges = data.draw(st.lists(pair, max_size=40))
    graph = Graph.from_edges([a for a, _ in edges], [b for _, b in edges], ids=range(n))
    assert motifs(graph)["count"].tolist() == oracle(graph)


@pytest.mark.parametrize("m", [100, 800])
def test_triads_of_larger_graphs(m: int) -> None:
    graph = generate("erdos_renyi", n=60, m=m, directed=True)
    assert motifs(graph)["count"].tolist() == oracle(graph)
    assert motifs(graph)["count"].sum() == 60 * 59 * 58 // 6


def test_chance_keeps_degrees_and_does_not_depend_on_threads() -> None:
    from ndlab.analyze.kernels.triads import rewire

    graph = generate("erdos_renyi", n=50, m=300, directed=True)
    target = graph.target.copy()
    assert rewire(np.random.default_rng(0), graph.source, target, 50, 5000) > 500
    other = Graph.of_rows(graph.ids, graph.source, target)
    np.testing.assert_array_equal(other.degrees("in"), graph.degrees("in"))
    assert other.is_simple
    assert not np.array_equal(target, graph.target)
    one, three = (motifs(graph, draws=20, workers=w) for w in (1, 3))
    np.testing.assert_array_equal(one, three)
    assert one.z.abs().max() < 5


def test_planted_motifs_stand_out() -> None:
    rng = np.random.default_rng(1)
    loops = rng.choice(80, (60, 3))
    loops = loops[[len(set(t)) == 3 for t in loops.tolist()]]
    source, target = loops.ravel(), np.roll(loops, -1, axis=1).ravel()
    found = motifs(Graph.from_edges(source, target, ids=range(80)), draws=100)
    assert found.z["030C"] > 5
    assert found.p["030C"] == pytest.approx(1 / 101)
    with pytest.raises(BadRequest, match="undirected"):
        motifs(Graph.from_edges([0], [1], directed=False))
