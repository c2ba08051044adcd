"""Graph against networkx, scipy and pandas: nothing lost on the way in, out and back."""

from __future__ import annotations

import pickle
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import rustworkx as rx
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NoSuchProperty, NotFound
from ndlab.graph import Column, Graph

IDS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8, unique=True),
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8, unique=True),
    st.lists(st.text(max_size=4), min_size=1, max_size=8, unique=True),
)
VALUES = st.sampled_from(["int", "float", "bool", "str"])
OF = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "str": st.text(max_size=3),
}


@st.composite
def graphs(draw: st.DrawFn, loops: bool = True) -> Graph:
    ids = draw(IDS)
    pairs = st.tuples(st.sampled_from(ids), st.sampled_from(ids))
    if not loops:
        pairs = pairs.filter(lambda p: p[0] != p[1])
    found = draw(st.lists(pairs, max_size=12)) if loops or len(ids) > 1 else []

    def columns(count: int) -> dict[str, list[Any]]:
        kinds = draw(st.dictionaries(st.text("abc", min_size=1, max_size=2), VALUES, max_size=3))
        sized = {"min_size": count, "max_size": count}
        return {n: draw(st.lists(st.one_of(st.none(), OF[k]), **sized)) for n, k in kinds.items()}  # type: ignore[arg-type]

    return Graph.from_edges(
        [a for a, _ in found], [b for _, b in found], ids=ids, directed=draw(st.booleans()),
        nodes=columns(len(ids)), edges=columns(len(found)),
    )  # fmt: skip


def some(seed: int = 0, n: int = 30, m: int = 200, directed: bool = True) -> Graph:
    rng = np.random.default_rng(seed)
    return Graph.from_edges(
        rng.integers(0, n, m), rng.integers(0, n, m), ids=range(n), directed=directed,
        edges={"weight": rng.integers(1, 9, m), "type": rng.choice(["C", "E"], m).tolist()},
    )  # fmt: skip


@given(graphs())
def test_networkx_and_back_loses_nothing(graph: Graph) -> None:
    there = graph.to_networkx()
    assert there.is_directed() == graph.directed
    assert there.number_of_nodes() == graph.n_nodes
    assert there.number_of_edges() == graph.n_edges
    back = Graph.from_networkx(there)
    assert back.directed == graph.directed
    np.testing.assert_array_equal(back.ids, graph.ids)
    assert sorted(_rows(back)) == sorted(_rows(graph))
    for name in graph.nodes:
        if name in back.nodes:  # One that is missing everywhere has no trace in networkx.
            assert back.nodes.column(name) == graph.nodes.column(name)
        else:
            missing = graph.nodes.column(name).missing
            assert missing is not None
            assert missing.all()


@given(graphs())
def test_rustworkx_and_back_loses_nothing(graph: Graph) -> None:
    there = graph.with_attributes(of="a brain").to_rustworkx()
    assert (there.num_nodes(), there.num_edges()) == (graph.n_nodes, graph.n_edges)
    assert [one["id"] for one in there.nodes()] == graph.ids.tolist()
    back = Graph.from_rustworkx(there)
    assert back.attributes == {"of": "a brain"}
    assert back.directed == graph.directed
    np.testing.assert_array_equal(back.ids, graph.ids)
    np.testing.assert_array_equal(back.source, graph.source)
    np.testing.assert_array_equal(back.target, graph.target)
    for mine, its in ((graph.nodes, back.nodes), (graph.edges, back.edges)):
        seen = {n for n, column in mine.columns.items() if column.missing is None or not column.missing.all()}
        # One that is missing everywhere has no trace in a payload.
        assert set(its) == (seen if its.count else set())
        assert all(its.column(name) == mine.column(name) for name in its)


@given(st.booleans(), st.integers(0, 8), st.data())
def test_a_graph_of_rustworkx_is_read_as_it_is(directed: bool, n: int, data: st.DataObject) -> None:
    """Removed nodes, loops, parallel edges and weights that are plain numbers, against rustworkx's own matrix."""
    there = (rx.PyDiGraph if directed else rx.PyGraph)()
    there.add_nodes_from([None] * n)
    pairs = st.tuples(st.integers(0, max(0, n - 1)), st.integers(0, max(0, n - 1)), st.integers(1, 9))
    there.add_edges_from(data.draw(st.lists(pairs, max_size=15 if n else 0)))
    there.remove_nodes_from(data.draw(st.lists(st.integers(0, max(0, n - 1)), unique=True, max_size=3)))
    found = Graph.from_rustworkx(there)
    assert found.ids.tolist() == list(there.node_indices())
    ends = zip(found.ids[found.source].tolist(), found.ids[found.target].tolist(), strict=True)
    assert list(ends) == [tuple(one) for one in there.edge_list()]
    if found.n_edges:
        assert found.edges["weight"].tolist() == there.edges()
        oracle = rx.adjacency_matrix(there, float)
        mine = found.adjacency("weight").toarray()
        if not directed:  # rustworkx counts some parallel loops twice.
            np.fill_diagonal(oracle, 0)
            np.fill_diagonal(mine, 0)
        np.testing.assert_array_equal(mine, oracle)


def test_payloads_of_rustworkx_name_nodes_or_say_why_not() -> None:
    there = rx.PyGraph()
    there.add_nodes_from(["axon", "dendrite"])
    there.add_edges_from([(0, 1, None), (1, 1, {"size": 2.5})])
    found = Graph.from_rustworkx(there)
    assert found.ids.tolist() == ["axon", "dendrite"]
    assert found.edges.column("size").missing is not None
    assert found.edges["size"][1] == 2.5
    there.add_node("axon")  # A name of two nodes is none.
    again = Graph.from_rustworkx(there)
    assert again.ids.tolist() == [0, 1, 2]
    assert again.nodes["value"].tolist() == ["axon", "dendrite", "axon"]
    there.add_edge(0, 2, (1, 2))
    with pytest.raises(BadRequest, match="edge from 0 to 2 is a tuple"):
        Graph.from_rustworkx(there)
    with pytest.raises(BadRequest, match="from a Graph"):
        Graph.from_rustworkx(nx.path_graph(3))


def _rows(graph: Graph) -> list[str]:
    from ndlab.graph.bridges import records

    ends = zip(graph.source.tolist(), graph.target.tolist(), strict=True)
    pairs = [p if graph.directed else tuple(sorted(p)) for p in ends]
    return [repr((p, sorted(row.items()))) for p, row in zip(pairs, records(graph.edges), strict=True)]


@given(graphs())
def test_pandas_and_back_is_the_same(graph: Graph) -> None:
    nodes, edges = graph.to_pandas()
    back = Graph.from_pandas(edges, nodes, directed=graph.directed)
    np.testing.assert_array_equal(back.ids, graph.ids)
    np.testing.assert_array_equal(back.source, graph.source)
    np.testing.assert_array_equal(back.target, graph.target)
    for name in graph.edges:
        if graph.n_edges:
            assert back.edges.column(name) == graph.edges.column(name)


@given(graphs())
def test_pickle_keeps_all(graph: Graph) -> None:
    assert pickle.loads(pickle.dumps(graph)) == graph


@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize("weight", [None, "weight"])
def test_adjacency_and_degrees_are_those_of_networkx(directed: bool, weight: str | None) -> None:
    graph = some(directed=directed)
    there = graph.to_networkx()
    oracle = nx.to_scipy_sparse_array(there, weight=weight).toarray()
    np.testing.assert_array_equal(graph.adjacency(weight).toarray(), oracle)
    np.testing.assert_array_equal(graph.degrees(weight=weight), [d for _, d in there.degree(weight=weight)])
    if directed:
        np.testing.assert_array_equal(graph.degrees("in", weight), [d for _, d in there.in_degree(weight=weight)])
        np.testing.assert_array_equal(graph.degrees("out", weight), [d for _, d in there.out_degree(weight=weight)])
    else:
        with pytest.raises(BadRequest, match="no direction"):
            graph.degrees("in")


@pytest.mark.parametrize("directed", [True, False])
def test_simple_sums_parallel_edges_and_drops_loops(directed: bool) -> None:
    graph = some(directed=directed)
    merged = graph.simple({"weight": "sum", "type": "first"}, count="edges")
    assert merged.is_simple
    assert not graph.is_simple
    oracle = graph.adjacency("weight").toarray()
    np.fill_diagonal(oracle, 0)
    np.testing.assert_array_equal(merged.adjacency("weight").toarray(), oracle)
    oracle = graph.adjacency().toarray()
    np.fill_diagonal(oracle, 0)
    np.testing.assert_array_equal(merged.adjacency("edges").toarray(), oracle)
    for way in ("mean", "min", "max"):
        table = graph.edge_subgraph(~graph.loops).to_pandas()[1]
        if not directed:
            table[["source", "target"]] = np.sort(table[["source", "target"]], axis=1)
        oracle_ = table.groupby(["source", "target"])["weight"].agg(way)
        found = graph.simple({"weight": way}).to_pandas()[1]
        if not directed:
            found[["source", "target"]] = np.sort(found[["source", "target"]], axis=1)
        pd.testing.assert_series_equal(
            found.set_index(["source", "target"])["weight"].sort_index(), oracle_, check_dtype=False
        )


@pytest.mark.parametrize("directed", [True, False])
def test_simple_keeps_loops_that_are_asked_for(directed: bool) -> None:
    graph = some(directed=directed)
    merged = graph.simple({"weight": "sum"}, count="edges", loops=True)
    assert merged.loops.sum() == len(np.unique(graph.source[graph.loops])) > 0
    np.testing.assert_array_equal(merged.adjacency("weight").toarray(), graph.adjacency("weight").toarray())
    np.testing.assert_array_equal(merged.adjacency("edges").toarray(), graph.adjacency().toarray())


def test_simple_keeps_ids_that_floats_would_lose() -> None:
    big = 2**53 + 1
    graph = Graph.from_edges([1, 1], [2, 2], edges={"id": [big, 0]})
    assert graph.simple().edges["id"].tolist() == [big]


@pytest.mark.parametrize("mode", ["weak", "strong"])
def test_components_are_those_of_networkx(mode: str) -> None:
    graph = some(3, 60, 55)
    there = graph.to_networkx()
    oracle = nx.weakly_connected_components(there) if mode == "weak" else nx.strongly_connected_components(there)
    labels = graph.components(mode)
    found = {frozenset(np.flatnonzero(labels == one).tolist()) for one in np.unique(labels)}
    assert found == {frozenset(one) for one in oracle}
    sizes = np.bincount(labels)
    assert (np.diff(sizes) <= 0).all()


@given(graphs(), st.data())
def test_a_subgraph_is_that_of_networkx(graph: Graph, data: st.DataObject) -> None:
    ids = graph.ids.tolist()
    chosen = data.draw(st.lists(st.sampled_from(ids), unique=True))
    part = graph.subgraph(np.array(chosen, graph.ids.dtype))
    oracle = graph.to_networkx().subgraph(chosen)
    assert part.ids.tolist() == chosen
    assert part.n_edges == oracle.number_of_edges()
    by_mask = graph.subgraph(np.isin(np.arange(len(ids)), graph.rows(part.ids)))
    assert sorted(_ids(by_mask)) == sorted(_ids(part))


def _ids(graph: Graph) -> list[str]:
    return [repr(p) for p in zip(graph.ids[graph.source], graph.ids[graph.target], strict=True)]


def test_a_matrix_and_back() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.integers(0, 3, (9, 9))
    assert Graph.from_adjacency(matrix).directed
    np.testing.assert_array_equal(Graph.from_adjacency(matrix).adjacency("weight").toarray(), matrix)
    both = matrix + matrix.T
    graph = Graph.from_adjacency(both, ids=list("abcdefghi"))
    assert not graph.directed
    np.testing.assert_array_equal(graph.adjacency("weight").toarray(), both)
    with pytest.raises(BadRequest, match="not symmetric"):
        Graph.from_adjacency(matrix, directed=False)
    with pytest.raises(BadRequest, match="row and a column"):
        Graph.from_adjacency(matrix[:3])


def test_ids_of_64_bits_are_exact() -> None:
    near = [2**63 + 1, 2**63 + 2, 5]
    graph = Graph.from_edges([near[0]], [near[1]], ids=near)
    assert graph.ids.dtype == np.uint64
    assert graph.rows([near[1], 5]).tolist() == [1, 2]
    assert near[0] in graph
    assert 2**63 + 3 not in graph
    assert -1 not in graph
    small = Graph.from_edges([1], [-2])
    assert 2**64 - 2 not in small
    assert -2 in small
    mixed = Graph.from_edges([2**63 + 1], [1])
    assert mixed.ids.tolist() == [2**63 + 1, 1]


def test_missing_values_stay_missing() -> None:
    column = Column.of([1, None, 2**60])
    assert column.values.dtype == np.int64
    assert column.values[2] == 2**60
    assert np.isnan(column.plain()[1])
    assert Column.of(["a", None]).plain().tolist() == ["a", None]
    assert Column.of([2**63 + 1, 1]).values.dtype == np.uint64
    assert Column.of(pd.Series([1, None], dtype="Int64").astype(object)) == Column.of([1, None])


def test_what_is_wrong_is_said() -> None:
    graph = Graph.from_edges(["a"], ["b"], edges={"weight": [2], "type": ["C"]})
    with pytest.raises(NoSuchProperty, match=r"no edge property 'wieght'.*weight, type"):
        graph.edges["wieght"]
    assert "wieght" not in graph.edges
    with pytest.raises(BadRequest, match=r"'type' as weight.*text"):
        graph.adjacency("type")
    with pytest.raises(NotFound, match=r"no node has the id 'c'.*a, b"):
        graph.rows(["c"])
    with pytest.raises(NotFound, match="integers"):
        Graph.from_edges([1], [2]).rows(["a"])
    with pytest.raises(BadRequest, match="names two nodes"):
        _ = "a" in Graph.from_edges([], [], ids=["a", "a"])
    with pytest.raises(BadRequest, match="names two nodes"):
        Graph.from_edges([1], [1], ids=[1, 1])
    with pytest.raises(NotFound, match="no node has the id 2"):
        Graph.from_edges([1], [2], ids=[1])
    with pytest.raises(BadRequest, match="1 sources and 2 targets"):
        Graph.from_edges([1], [2, 3])
    with pytest.raises(BadRequest, match=r"2 values.*1 edges"):
        Graph.from_edges([1], [2], edges={"weight": [1, 2]})
    with pytest.raises(BadRequest, match="mixes int, str"):
        Graph.from_edges([1], [2], ids=[1, 2], nodes={"x": [1, "a"]})
    with pytest.raises(BadRequest, match="order is unknown"):
        Graph.from_edges([1], [2], nodes={"x": [1, 2]})
    with pytest.raises(BadRequest, match="float"):
        Graph.from_edges([1.5], [2.5])
    with pytest.raises(BadRequest, match="unit was given for wieght"):
        Graph.from_edges([1], [2], units={"wieght": "nm"})
    with pytest.raises(BadRequest, match="convert_node_labels"):
        Graph.from_networkx(nx.grid_graph([2, 2]))
    with pytest.raises(BadRequest, match="has no column target"):
        Graph.from_pandas(pd.DataFrame({"source": [1]}))


def test_a_graph_says_what_it_is() -> None:
    graph = Graph.from_edges([1, 1], [2, 1], edges={"length": [1.5, 2]}, units={"length": "nm"}, name="<toy>")
    assert repr(graph) == "<ndlab.Graph '<toy>': 2 nodes, 2 directed edges; edge properties: length [nm]>"
    assert "&lt;toy&gt;" in graph._repr_html_()
    assert "1 loops" in graph._repr_html_()


def test_arrays_cannot_be_changed_behind_its_back() -> None:
    values = np.array([1.0, 2.0])
    graph = Graph.from_edges([1, 1], [2, 3], edges={"weight": values})
    with pytest.raises(ValueError, match="read-only"):
        graph.edges.column("weight").values[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        graph.ids[0] = 5
