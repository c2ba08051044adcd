"""The densest part: all parts of small graphs, a linear program, closed forms, and the larva's brain."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from ndlab.analyze import densest_part, generate, invariants, max_average_degree
from ndlab.analyze.spectrum import spectral_radius
from ndlab.graph import Graph, read


def every_part(graph: Graph) -> tuple[Fraction, set[int]]:
    """The largest average degree of any part, and the largest part that has it."""
    n, plain = graph.n_nodes, graph.undirected().simple({})
    edges = list(zip(plain.source.tolist(), plain.target.tolist(), strict=True))
    best, where = Fraction(-1), set[int]()
    for mask in range(1, 1 << n):
        nodes = {u for u in range(n) if mask >> u & 1}
        found = Fraction(2 * sum(u in nodes and v in nodes for u, v in edges), len(nodes))
        if (found, len(nodes)) > (best, len(where)):
            best, where = found, nodes
    return best, where


@settings(max_examples=120, deadline=None)
@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.lists(
    st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=24)), ), st.booleans())  # fmt: skip
def test_no_part_of_a_small_graph_is_denser(rows: tuple[int, list[tuple[int, int]]], directed: bool) -> None:
    """Loops, parallel edges and direction count for nothing."""
    n, edges = rows
    ends = np.array(edges, np.int64).reshape(-1, 2)
    graph = Graph.of_rows(np.arange(n), ends[:, 0], ends[:, 1], directed=directed)
    degree, nodes = every_part(graph)
    assert max_average_degree(graph) == degree
    assert set(np.flatnonzero(densest_part(graph)).tolist()) == nodes


def by_linear_program(graph: Graph) -> float:
    """Charikar's: the most of edges that are no heavier than their ends, whose weights add up to 1."""
    plain = graph.undirected().simple({})
    m, n = plain.n_edges, plain.n_nodes
    rows = np.repeat(np.arange(2 * m), 2)
    columns = np.stack([np.tile(np.arange(m), 2), m + np.concatenate([plain.source, plain.target])], axis=1).ravel()
    below = sparse.csr_array((np.tile([1.0, -1.0], 2 * m), (rows, columns)), shape=(2 * m, m + n))
    total = np.concatenate([np.zeros(m), np.ones(n)])[None]
    found = linprog(
        -np.concatenate([np.ones(m), np.zeros(n)]), A_ub=below, b_ub=np.zeros(2 * m), A_eq=total, b_eq=[1.0]
    )
    return float(-2 * found.fun)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_linear_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = 150, 600
    weights = rng.pareto(1.2, n) + 1
    ends = rng.choice(n, (m, 2), p=weights / weights.sum())
    graph = Graph.of_rows(np.arange(n), ends[:, 0], ends[:, 1])
    assert float(max_average_degree(graph)) == pytest.approx(by_linear_program(graph), abs=1e-7)


def test_closed_forms() -> None:
    def of(made: Any) -> Fraction:
        return max_average_degree(Graph.from_networkx(nx.convert_node_labels_to_integers(made)))

    assert of(nx.complete_graph(9)) == 8
    assert of(nx.path_graph(10)) == Fraction(18, 10)
    assert of(nx.star_graph(6)) == Fraction(12, 7)
    assert of(nx.disjoint_union(nx.path_graph(40), nx.complete_graph(5))) == 4
    assert of(nx.complete_bipartite_graph(3, 5)) == Fraction(30, 8)
    side = 12
    assert of(nx.grid_2d_graph(side, side)) == Fraction(4 * side * (side - 1), side * side)
    assert max_average_degree(Graph.from_edges([], [], ids=[1, 2])) == 0
    assert densest_part(Graph.from_edges([], [], ids=[1, 2])).tolist() == [True, True]
    assert max_average_degree(Graph.from_edges([], [])) == 0
    # Of two parts that are as dense, both.
    twice = Graph.from_networkx(nx.disjoint_union(nx.complete_graph(4), nx.complete_graph(4)))
    assert densest_part(twice).all()


def test_the_founding_number_is_a_bound_from_above_and_a_peeled_part_one_from_below() -> None:
    for seed in range(4):
        graph = generate("barabasi", n=80, m=3, seed=seed)
        exact = invariants(graph, ["max_average_degree"])["max_average_degree"]
        assert exact == float(max_average_degree(graph))
        assert exact <= spectral_radius(graph) + 1e-9
        assert invariants(graph, ["spectral_radius"])["spectral_radius"] == spectral_radius(graph)
        plain = nx.Graph(graph.undirected().simple({}).to_networkx())
        assert 2 * nx.approximation.densest_subgraph(plain, method="greedy++")[0] <= exact + 1e-9


def test_the_larva_brain(shared_data: Path) -> None:
    graph = read(shared_data / "connectomes" / "drosophila_larva_brain" / "G_edgelist.txt")
    plain = nx.Graph(graph.to_networkx().to_undirected())
    plain.remove_edges_from(nx.selfloop_edges(plain))
    inside = densest_part(graph)
    part = plain.subgraph(graph.ids[inside].tolist())
    exact = max_average_degree(graph)
    assert exact == Fraction(2 * part.number_of_edges(), part.number_of_nodes())
    core = nx.k_core(plain)
    assert exact >= Fraction(2 * core.number_of_edges(), core.number_of_nodes())
    assert min(dict(part.degree()).values()) >= exact / 2  # else it would be denser without that node
    assert float(exact) <= spectral_radius(graph)
    # A node outside that had half as many neighbours inside would not thin it; none is left out.
    outside = [sum(inside[graph.rows([v])[0]] for v in plain[u]) for u in graph.ids[~inside].tolist()[:300]]
    assert max(outside) < exact / 2
