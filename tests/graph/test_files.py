"""Each graph format against itself, networkx, geff and the files of other laboratories."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from ndlab.errors import BadMetadata, BadRequest, Conflict, NotFound, Unsupported
from ndlab.graph import FORMATS, Graph, lost, read, read_all, write, write_all
from tests.graph.test_graph import graphs, some

WHOLE = [name for name, kind in FORMATS.items() if "types" in kind.keeps]


def toy() -> Graph:
    return Graph.from_edges(
        ["A", "A", "B", "A"], ["B", "B", "C", "C"], ids=["A", "B", "C", "alone", "ü & <x> \"q\" 'p'"],
        nodes={"name of": ["1", "2", None, "é\n", ""], "size": [1, None, 3, 2**62, -5],
               "here": [True, None, False, True, True]},
        edges={"length": [0.1, None, 1e300, -2.5], "synapse.ID": [1, 2, 3, 2**53 + 1], "k": ["a", "b", "", None]},
        units={"length": "nm"}, species="mouse", year=2026,
    )  # fmt: skip


@pytest.mark.parametrize("format", WHOLE)
@pytest.mark.parametrize("directed", [True, False])
def test_a_graph_is_read_back_equal(tmp_path: Path, format: str, directed: bool) -> None:  # noqa: A002
    graph = toy().with_attributes(name="toy")
    if format == "geff":
        graph = graph.edge_subgraph([0, 2, 3])
    if not directed:
        graph = graph.undirected()
    path = write(graph, tmp_path / f"toy{FORMATS[format].suffixes[0]}")
    assert read(path) == graph


@pytest.mark.parametrize("format", WHOLE)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(graph=graphs())
def test_any_graph_is_read_back_equal_or_refused(tmp_path: Path, format: str, graph: Graph) -> None:  # noqa: A002
    graph = graph.with_attributes(name="x")
    path = tmp_path / f"g{FORMATS[format].suffixes[0]}"
    try:
        write(graph, path, overwrite=True)
    except Unsupported:
        assume(format not in ("geff", "graphml", "gexf", "json"))
        raise
    back = read(path)
    np.testing.assert_array_equal(back.ids, graph.ids)
    assert back == graph


@pytest.mark.parametrize("directed", [True, False])
def test_other_libraries_read_what_is_written(tmp_path: Path, directed: bool) -> None:
    graph = some(directed=directed)
    degrees = dict(graph.to_networkx().degree())
    readers: dict[str, Callable[[Path], Any]] = {
        "graphml": lambda p: nx.read_graphml(p, node_type=int), "gexf": lambda p: nx.read_gexf(p, node_type=int),
        "gml": lambda p: nx.relabel_nodes(nx.read_gml(p), int),
        "pajek": lambda p: nx.relabel_nodes(nx.read_pajek(p), int),
        "edgelist": lambda p: nx.read_edgelist(
            p, nodetype=int, data=[("weight", int), ("type", str)],
            create_using=nx.MultiDiGraph if directed else nx.MultiGraph,
        ),
        "adjlist": lambda p: nx.read_adjlist(
            p, nodetype=int, create_using=nx.MultiDiGraph if directed else nx.MultiGraph
        ),
        "json": lambda p: nx.node_link_graph(json.loads(p.read_text()), edges="links"),
    }  # fmt: skip
    for name, reader in readers.items():
        there = reader(write(graph, tmp_path / f"g{FORMATS[name].suffixes[0]}", lossy=True))
        assert there.is_directed() == directed, name
        assert dict(there.degree()) == degrees, name
        if name not in ("adjlist", "pajek"):
            assert sorted(d["weight"] for *_, d in there.edges(data=True)) == sorted(graph.edges["weight"]), name


@pytest.mark.parametrize("directed", [True, False])
def test_what_other_libraries_write_is_read(tmp_path: Path, directed: bool) -> None:
    graph = some(directed=directed)
    there = graph.to_networkx()
    writers = {
        "graphml": nx.write_graphml, "gexf": nx.write_gexf, "gml": nx.write_gml, "edgelist": nx.write_edgelist,
        "adjlist": nx.write_adjlist,
    }  # fmt: skip
    for name, writer in writers.items():
        writer(there, tmp_path / f"a{FORMATS[name].suffixes[0]}")
        found = read(tmp_path / f"a{FORMATS[name].suffixes[0]}", directed=directed)
        assert found.n_nodes == graph.n_nodes
        order = found.rows(graph.ids)
        np.testing.assert_array_equal(
            found.adjacency().toarray()[np.ix_(order, order)], graph.adjacency().toarray(), name
        )
        if name != "adjlist":
            assert found.edges["weight"].sum() == graph.edges["weight"].sum()
            assert sorted(found.edges["type"]) == sorted(graph.edges["type"])


def test_geff_is_that_of_its_own_library(tmp_path: Path) -> None:
    import geff

    graph = some(1).simple({"weight": "sum", "type": "first"}).with_nodes({"x": np.arange(30) / 2}, {"x": "micrometer"})
    there, about = geff.read(write(graph, tmp_path / "a.geff"), structure_validation=True)
    assert there.is_directed()
    assert about.node_props_metadata["x"].unit == "micrometer"
    np.testing.assert_array_equal(nx.to_numpy_array(there, nodelist=range(30)), graph.adjacency("weight").toarray())
    geff.write(there, tmp_path / "b.geff")
    back = read(tmp_path / "b.geff")
    assert back.rows(graph.ids).tolist() == [back.ids.tolist().index(one) for one in graph.ids.tolist()]
    order = back.rows(graph.ids)
    np.testing.assert_array_equal(
        back.adjacency("weight").toarray()[np.ix_(order, order)], graph.adjacency("weight").toarray()
    )
    np.testing.assert_array_equal(back.nodes["x"][order], graph.nodes["x"])
    with pytest.raises(Unsupported, match=r"cannot hold parallel edges"):
        write(some(), tmp_path / "c.geff")


def test_what_a_format_cannot_hold_is_said_before_a_byte_is_written(tmp_path: Path) -> None:
    graph = toy()
    path = tmp_path / "toy.edgelist"
    with pytest.raises(Unsupported, match=r"2 nodes without edges; the node properties name of.*length.*lossy"):
        graph.write(path)
    assert not list(tmp_path.iterdir())
    assert lost(some(), "graphml") == []
    assert lost(some(), "pajek") == ["the edge properties type"]
    graph.subgraph(["A", "B", "C"]).write(path, lossy=True)
    back = read(path)
    assert back.edges["value2"].tolist() == [1, 2, 3, 2**53 + 1]
    assert back.edges["value1"][2] == 1e300
    assert np.isnan(back.edges["value1"][1])
    with pytest.raises(Conflict, match="exists"):
        some().write(path)
    with pytest.raises(Unsupported, match="blanks"):
        Graph.from_edges(["a b"], ["c"]).write(tmp_path / "x.edgelist")
    with pytest.raises(BadRequest, match="no file holds"):
        Graph.from_edges(["a"], ["c"], x=object()).write(tmp_path / "x.json")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".edgelist", ".attredge"])
def test_lists_keep_edge_properties(tmp_path: Path, suffix: str) -> None:
    graph = Graph.from_edges(
        [3, 3, 5], [5, 7, 3], edges={"weight": [1, 2, 3], "length": [0.5, 1e-9, 2.0], "by": ["ab", "c", "d e"]}
    )
    back = read(graph.write(tmp_path / f"g{suffix}"), directed=True)
    np.testing.assert_array_equal(back.ids, graph.ids)
    np.testing.assert_array_equal(back.source, graph.source)
    if suffix == ".edgelist":
        assert back.edges["value3"].tolist() == ["ab", "c", "d e"]
    else:
        for name in graph.edges:
            assert back.edges[name].tolist() == graph.edges[name].tolist()


def test_zips_hold_many(tmp_path: Path) -> None:
    named = {f"a/g{i}.{end}": some(i) for i, end in enumerate(["graphml", "json", "parquet"])}
    path = write_all(named, tmp_path / "all.zip")
    found = dict(read_all(path))
    assert list(found) == list(named)
    for name, graph in named.items():
        np.testing.assert_array_equal(found[name].source, graph.source)
    assert read(path, member="a/g1.json").n_edges == 200
    with pytest.raises(BadRequest, match=r"holds 3 graphs.*a/g0\.graphml.*member="):
        read(path)
    one = write_all({"g.gml": some()}, tmp_path / "one.zip")
    assert read(one).n_edges == 200
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../../evil.edgelist", "1 2\n")
    assert read(tmp_path / "evil.zip").n_edges == 1
    assert not (tmp_path.parent / "evil.edgelist").exists()
    assert {name for name, _ in read_all(tmp_path)} == set()


@pytest.mark.parametrize("name", ["../g.json", "/g.json", "", "a/../../g.json"])
def test_names_in_a_zip_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match="leads out of the zip"):
        write_all({name: some()}, tmp_path / "z.zip")
    with pytest.raises(BadRequest, match="there already"):
        write_all(iter([("g.json", some()), ("g.json", some())]), tmp_path / "z.zip")
    assert not list(tmp_path.iterdir())


def test_json_has_no_word_for_infinity(tmp_path: Path) -> None:
    graph = Graph.from_edges([1], [2], edges={"w": [float("inf")]})
    with pytest.raises(Unsupported, match=r"infinite.*parquet"):
        graph.write(tmp_path / "g.json")
    assert read(graph.write(tmp_path / "g.graphml")).edges["w"].tolist() == [float("inf")]
    assert [p.name for p in tmp_path.iterdir()] == ["g.graphml"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no graph file"):
        read(tmp_path / "none.graphml")
    (tmp_path / "a.xyz").write_text("1 2")
    with pytest.raises(BadRequest, match=r"known endings are \.graphml"):
        read(tmp_path / "a.xyz")
    assert read(tmp_path / "a.xyz", format="edgelist").n_edges == 1
    for name in ("graphml", "gml", "gexf", "json", "pajek"):
        path = tmp_path / f"bad{FORMATS[name].suffixes[0]}"
        path.write_text("nothing of the kind")
        with pytest.raises(BadMetadata, match="is not"):
            read(path)
    (tmp_path / "ragged.csv").write_text("source,target\n1,2\n3\n")
    with pytest.raises(BadMetadata, match=r"line 3.*1 fields.*others have 2"):
        read(tmp_path / "ragged.csv")
    with pytest.raises(BadRequest, match="formats are graphml"):
        read(tmp_path / "a.xyz", format="pickle")
    (tmp_path / "g.graphml").write_text(
        '<graphml><graph edgedefault="directed"><node id="a"/><edge source="a" target="b"/></graph></graphml>'
    )
    with pytest.raises(BadMetadata, match="an edge ends at 'b'"):
        read(tmp_path / "g.graphml")


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "directed", "what"),
    [
        ("connectomes/celegans/c.elegans.herm_pharynx_1.graphml", 279, 3225, True, {"weight", "synapse_type"}),
        ("connectomes/ppacificus/p.pacificus_neural.synaptic_1.graphml", 54, 511, True, {"synapse.ID"}),
        ("connectomes/human_dti/human_desikan70_demo.graphml", 70, 1051, False, {"weight"}),
        ("connectomes/mouse_dwi_badea_graphml/N51124.graphml", 332, None, False, {"weight"}),
        ("connectomes/drosophila_larva_brain/G_edgelist.txt", None, 119010, True, {"weight"}),
        ("connectomes/celegans/herm_full_edgelist.csv", None, 7379, True, {"Weight", "Type"}),
        ("kasthuri2015/kasthuri2015_ramon_v4.graphml", 1029, 1559, True, {"weight"}),
        ("kasthuri2015/kasthuri2015_ramon_v4_graph_touch.edgelist", 2718, 15680, None, set()),
        ("kasthuri2015/kasthuri2015_ramon_v4_graph_touch.graphml", 2718, 15680, False, set()),
    ],
)
def test_the_files_of_other_laboratories(
    shared_data: Path, name: str, nodes: int | None, edges: int | None, directed: bool | None, what: set[str]
) -> None:
    graph = read(shared_data / name)
    assert nodes is None or graph.n_nodes == nodes
    assert edges is None or graph.n_edges == edges
    assert directed is None or graph.directed == directed
    assert what <= set(graph.edges)
    if "larva" in name:
        assert graph.n_nodes == 3554
        assert graph.edges["weight"].sum() == 376091
    if "touch" in name:
        kinds, counts = np.unique(graph.nodes["type"].astype(str), return_counts=True)
        assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {"axon": 1423, "spine": 1295}
    if "herm_full" in name:
        assert all(one == one.strip() for one in graph.ids)
        assert (graph.edges["Type"] == "chemical").sum() == 4681
    if "c.elegans" in name:
        assert graph.is_multigraph
        assert graph.loops.sum() == 3
