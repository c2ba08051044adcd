"""Leading eigenpairs against numpy's, of small and of sparse graphs, whatever repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.analyze import eigenpairs, generate, vertex_statistics
from ndlab.analyze.spectrum import Matrix, spectral_radius
from ndlab.errors import BadRequest
from ndlab.graph import Graph, read

KINDS: tuple[Matrix, ...] = ("undirected", "directed", "singular")
Array = np.ndarray[Any, Any]


def dense(graph: Graph, matrix: Matrix, weight: str | None = None) -> Array:
    found: Array = (graph.undirected() if matrix == "undirected" else graph).adjacency(weight).toarray().astype(float)
    return found


def check(graph: Graph, k: int, matrix: Matrix, weight: str | None = None) -> None:
    whole = dense(graph, matrix, weight)
    found = eigenpairs(graph, k, matrix=matrix, weight=weight)
    k = min(k, len(whole))
    scale = max(1.0, float(np.abs(whole).sum(axis=0).max(initial=0.0)))
    if matrix == "singular":
        assert found.right is not None
        np.testing.assert_allclose(found.values, np.linalg.svd(whole, compute_uv=False)[:k], atol=1e-10 * scale)
        np.testing.assert_allclose(whole @ found.right, found.vectors * found.values, atol=1e-8 * scale)
        np.testing.assert_allclose(whole.T @ found.vectors, found.right * found.values, atol=1e-8 * scale)
    else:
        theirs = np.linalg.eigvalsh(whole) if matrix == "undirected" else np.linalg.eigvals(whole)
        sizes = np.sort(np.abs(theirs))[::-1][:k]
        np.testing.assert_allclose(np.abs(found.values), sizes, atol=1e-8 * scale)
        np.testing.assert_allclose(whole @ found.vectors, found.vectors * found.values, atol=1e-7 * scale)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=0), 1)
    if matrix != "directed":
        np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(k), atol=1e-8)


@pytest.mark.parametrize("matrix", KINDS)
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.floats(0.1, 5)), min_size=1, max_size=30),
       st.integers(1, 8))  # fmt: skip
def test_small_graphs_with_loops_and_weights(matrix: Matrix, rows: list[tuple[int, int, float]], k: int) -> None:
    ends = np.array([row[:2] for row in rows], np.int64)
    graph = Graph.of_rows(np.arange(7), ends[:, 0], ends[:, 1], edges={"weight": [row[2] for row in rows]})
    if matrix == "directed":  # Of others than normal matrices numpy itself finds roots of the last digit.
        graph = graph.undirected()
    check(graph, k, matrix)
    check(graph, k, matrix, "weight")


@pytest.mark.parametrize("matrix", KINDS)
def test_sparse_graphs(matrix: Matrix) -> None:
    rng = np.random.default_rng(3)
    n, m = 700, 6000
    weights = rng.pareto(1.5, n) + 1
    ends = rng.choice(n, (m, 2), p=weights / weights.sum())
    check(Graph.of_rows(np.arange(n), ends[:, 0], ends[:, 1]), 12, matrix)


@pytest.mark.parametrize("matrix", KINDS)
def test_values_that_repeat_are_all_found(matrix: Matrix) -> None:
    """An iteration from one vector sees one vector of each space; 200 triangles have a space of 200."""
    n = 200
    source = np.arange(3 * n)
    target = source + 1
    target[2::3] -= 3
    graph = Graph.of_rows(source, source, target)
    check(graph, 15, matrix)
    assert eigenpairs(graph, 15).values.tolist() == pytest.approx([2.0] * 15)


def test_of_a_value_and_its_negative_the_first_is_above_zero() -> None:
    graph = Graph.from_networkx(nx.complete_bipartite_graph(200, 260))
    assert eigenpairs(graph, 1).values.tolist() == pytest.approx([np.sqrt(200 * 260)])
    assert eigenpairs(graph, 2).values.tolist() == pytest.approx([np.sqrt(52_000), -np.sqrt(52_000)])
    assert spectral_radius(graph) == pytest.approx(np.sqrt(52_000))


@pytest.mark.parametrize("nodes", [50, 900])
@pytest.mark.parametrize("matrix", KINDS)
def test_signs_and_digits_are_the_same_each_time(matrix: Matrix, nodes: int) -> None:
    graph = generate("erdos_renyi", n=nodes, p=8 / nodes, directed=True, seed=1)
    first, again = (eigenpairs(graph, 6, matrix=matrix) for _ in range(2))
    np.testing.assert_array_equal(first.vectors, again.vectors)
    np.testing.assert_array_equal(first.values, again.values)
    size = np.abs(first.vectors)
    top = np.argmax(size >= size.max(axis=0) * (1 - 1e-6), axis=0)
    tops = first.vectors[top, np.arange(6)]
    assert (tops.real > 0).all()
    np.testing.assert_allclose(tops.imag, 0, atol=1e-12)


def test_without_a_cycle_directed_values_are_zero_and_refused() -> None:
    chain = Graph.from_edges([0, 1, 2], [1, 2, 3])
    assert np.abs(np.linalg.eigvals(dense(chain, "directed"))).max() == 0
    with pytest.raises(BadRequest, match=r"all values are 0.*singular"):
        eigenpairs(chain, 2, matrix="directed")
    assert eigenpairs(chain, 2, matrix="singular").values.tolist() == pytest.approx([1.0, 1.0])
    assert eigenpairs(Graph.from_edges([], [], ids=[1, 2]), 5).values.tolist() == [0.0, 0.0]
    assert eigenpairs(Graph.from_edges([], [])).values.tolist() == []


def test_the_first_is_the_eigenvector_centrality() -> None:
    graph = Graph.from_networkx(nx.karate_club_graph())
    first = eigenpairs(graph, 1).vectors[:, 0]
    np.testing.assert_allclose(first / first.max(), vertex_statistics(graph, ["eigenvector"])["eigenvector"], atol=1e-8)


def test_the_hundred_pairs_of_the_larva_brain(shared_data: Path) -> None:
    graph = read(shared_data / "connectomes" / "drosophila_larva_brain" / "G_edgelist.txt")
    found = eigenpairs(graph)
    matrix = graph.undirected().adjacency().astype(float)
    assert found.vectors.shape == (3554, 100)
    assert np.abs(matrix @ found.vectors - found.vectors * found.values).max() < 1e-9
    assert (np.diff(np.abs(found.values)) <= 1e-7).all()
    # The trace of the square is what all values make together: the rest can be no larger than the last.
    rest = float((matrix.data**2).sum() - (found.values**2).sum())
    assert 0 <= rest <= (3554 - 100) * found.values[-1] ** 2


def test_what_is_wrong_is_said() -> None:
    graph = Graph.from_edges([0], [1])
    with pytest.raises(BadRequest, match="undirected, directed, singular"):
        eigenpairs(graph, 2, matrix="laplacian")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="1 at least"):
        eigenpairs(graph, 0)
