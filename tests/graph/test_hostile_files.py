"""Files that are broken, hostile, or changed by another program; and text that a format would take for marks."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ndlab.errors import BadMetadata, BadRequest, TooLarge, Unsupported
from ndlab.graph import FORMATS, Graph, read


def _read(folder: Path, name: str, text: str | bytes) -> Graph:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


TWICE = {
    "a.graphml": '<graphml><graph><node id="a"/><node id="a"/><edge source="a" target="a"/></graph></graphml>',
    "a.gexf": '<gexf><graph><nodes><node id="a"/><node id="a"/></nodes></graph></gexf>',
    "a.gml": 'graph [ node [ id 0 label "a" ] node [ id 0 label "b" ] edge [ source 0 target 0 ] ]',
    "a.json": '{"nodes": [{"id": "a"}, {"id": "a"}], "links": []}',
}


@pytest.mark.parametrize("name", TWICE)
def test_two_nodes_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadMetadata, match="has two nodes"):
        _read(tmp_path, name, TWICE[name])


BROKEN: dict[str, str | bytes] = {
    "float.graphml": '<graphml><key id="w" for="edge" attr.name="w" attr.type="double"/><graph><node id="a"/>'
    '<edge source="a" target="a"><data key="w">x</data></edge></graph></graphml>',
    "float.gexf": '<gexf><graph><nodes><node id="a"/></nodes><edges><edge source="a" target="a" weight="x"/></edges>'
    "</graph></gexf>",
    "node.gml": "graph [ node 5 ]",
    "deep.json": "[" * 200_000,
    "ragged.json": '{"nodes": [{"id": 1, "p": [1]}, {"id": 2, "p": [1, 2]}], "links": []}',
    "deep.edgelist": "a b " + "{1:" * 20_000 + "1" + "}" * 20_000,
    "words.net": "*Vertices x\n",
    "short.net": "*Vertices 2\n*Arcs\n1\n",
    "latin.txt": "a é\n".encode("latin1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_said_by_the_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadMetadata, match=name):
        _read(tmp_path, name, BROKEN[name])


def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    for root, what in (("graphml", "GraphML"), ("gexf", "GEXF")):
        bomb = f'<!DOCTYPE z [<!ENTITY a "{"x" * 1000}">{entities}]><{root}><graph>&i;</graph></{root}>'
        with pytest.raises(BadMetadata, match=f"not {what}"):
            _read(tmp_path, f"bomb.{root}", bomb)
    with pytest.raises(BadMetadata, match="undefined entity"):
        _read(tmp_path, "x.graphml", '<!DOCTYPE z [<!ENTITY a SYSTEM "file:///etc/hosts">]><graphml>&a;</graphml>')
    with pytest.raises(TooLarge, match="vertices"):
        _read(tmp_path, "p.net", "*Vertices 100000000000\n")


def test_a_damaged_zip_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.edgelist", "1 2\n" * 100)
    packed = bytearray(path.read_bytes())
    packed[60] ^= 255
    path.write_bytes(packed)
    with pytest.raises(BadMetadata, match="cannot be unpacked"):
        read(path)
    with pytest.raises(BadRequest, match="is no zip"):
        read(Graph.from_edges([1], [2]).write(tmp_path / "a.json"), member="a.json")


def test_graphs_inside_nodes_are_not_left_out_silently(tmp_path: Path) -> None:
    text = (
        '<graphml><graph><node id="a"><graph><node id="b"/></graph></node><node id="c"/>'
        '<edge source="a" target="c"/></graph></graphml>'
    )
    with pytest.raises(Unsupported, match="graphs inside nodes"):
        _read(tmp_path, "a.graphml", text)


def _ways(folder: Path, name: str, default: str, own: list[str]) -> list[tuple[str, str]] | None:
    """Return the arcs of a file whose edges a-b and b-c say their own direction; None if it is undirected."""
    nodes = "".join(f'<node id="{one}"/>' for one in "abc")
    says = "type" if name.endswith("gexf") else "directed"
    words = {"type": {"+": "directed", "-": "undirected"}, "directed": {"+": "true", "-": "false"}}[says]
    edges = "".join(
        f'<edge source="{u}" target="{v}"' + (f' {says}="{words[one]}"' if one else "") + "/>"
        for (u, v), one in zip([("a", "b"), ("b", "c")], own, strict=True)
    )
    text = (
        f'<gexf><graph defaultedgetype="{default}"><nodes>{nodes}</nodes><edges>{edges}</edges></graph></gexf>'
        if name.endswith("gexf")
        else f'<graphml><graph edgedefault="{default}">{nodes}{edges}</graph></graphml>'
    )
    graph = _read(folder, name, text)
    return list(zip(graph.ids[graph.source], graph.ids[graph.target], strict=True)) if graph.directed else None


@pytest.mark.parametrize("name", ["a.graphml", "a.gexf"])
def test_the_direction_that_an_edge_says_counts(tmp_path: Path, name: str) -> None:
    assert _ways(tmp_path, name, "directed", ["-", "-"]) is None
    assert _ways(tmp_path, name, "undirected", ["", ""]) is None
    assert _ways(tmp_path, name, "undirected", ["+", "+"]) == [("a", "b"), ("b", "c")]
    assert _ways(tmp_path, name, "directed", ["", "-"]) == [("a", "b"), ("b", "c"), ("c", "b")]
    assert _ways(tmp_path, name, "undirected", ["", "+"]) == [("a", "b"), ("b", "c"), ("b", "a")]


def test_what_another_program_changes_stays(tmp_path: Path) -> None:
    path = Graph.from_edges([1, 2], [2, 3], edges={"weight": [1, 2]}, units={"weight": "nm"}).write(
        tmp_path / "a.graphml"
    )
    there = nx.read_graphml(path)
    there.add_edge("1", "new")
    for _, _, data in there.edges(data=True):
        data |= {"weight": 0.5, "more": 7}
    nx.set_node_attributes(there, 1.5, "size")
    there.graph["by"] = "another"
    nx.write_graphml(there, path)
    back = read(path)
    assert back.ids.tolist() == ["1", "2", "3", "new"]
    assert back.edges["weight"].tolist() == [0.5] * 3
    assert back.edges["more"].tolist() == [7] * 3
    assert back.nodes["size"].tolist() == [1.5] * 4
    assert back.edges.units == {"weight": "nm"}
    assert back.attributes["by"] == "another"


def test_integers_beside_nan_keep_their_digits(tmp_path: Path) -> None:
    big = 2**53 + 1
    text = (
        '<graphml><key id="w" for="node" attr.name="w" attr.type="long"/><graph><node id="a"><data key="w">NaN</data>'
        f'</node><node id="b"><data key="w">{big}</data></node></graph></graphml>'
    )
    column = _read(tmp_path, "a.graphml", text).nodes.column("w")
    assert (column.kind, column.values[1]) == ("int", big)
    graph = _read(tmp_path, "a.gml", "graph [ node [ id 0 w NAN ] node [ id 1 w 2.0 ] node [ id 2 w INF ] ]")
    np.testing.assert_array_equal(graph.nodes["w"], [np.nan, 2.0, np.inf])


TEXT = st.text("aé ,{}\"'#\t\n\r\0:5", max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(ids=st.lists(TEXT, min_size=2, max_size=2, unique=True), said=TEXT, name=TEXT)
@pytest.mark.parametrize("format", FORMATS)
def test_any_text_is_read_back_or_refused(tmp_path: Path, format: str, ids: list[str], said: str, name: str) -> None:  # noqa: A002
    graph = Graph.from_edges(ids[:1], ids[1:], ids=ids)
    if "edge properties" in FORMATS[format].keeps:
        graph = graph.with_edges({f"k{name}": ["x" + said + "x"]})
    if "node properties" in FORMATS[format].keeps:
        graph = graph.with_nodes({f"k{name}": ["x" + said + "x", "y"]})
    try:
        path = graph.write(tmp_path / f"a{FORMATS[format].suffixes[0]}", overwrite=True)
    except Unsupported:
        return
    back = read(path, directed=True)
    assert list(map(str, back.ids)) == ids
    assert (back.source.tolist(), back.target.tolist()) == ([0], [1])
    assert [str(v) for column in back.edges.values() for v in column if format != "pajek"] == [
        str(v) for column in graph.edges.values() for v in column
    ]
    assert sorted(str(v) for column in back.nodes.values() for v in column) == sorted(
        str(v) for column in graph.nodes.values() for v in column
    )


def test_lists_without_names_do_not_take_an_edge_for_names(tmp_path: Path) -> None:
    graph = Graph.from_edges(["u", "w"], ["v", "x"])
    with pytest.raises(Unsupported, match="reads like the names"):
        graph.write(tmp_path / "a.edgelist")
    assert read(graph.write(tmp_path / "a.csv")).n_edges == 2


def test_attredge_keeps_infinities_and_nodes_without_edges(tmp_path: Path) -> None:
    graph = Graph.from_edges(["a", "b"], ["b", "a"], edges={"w": [np.inf, -np.inf]})
    assert read(graph.write(tmp_path / "a.attredge")).edges["w"].tolist() == [np.inf, -np.inf]
    alone = Graph.from_edges([], [], ids=["a", "b"], nodes={"type": ["axon", "spine"]})
    back = read(alone.write(tmp_path / "b.attredge", lossy=True))
    assert (back.ids.tolist(), back.n_edges, back.nodes["type"].tolist()) == (["a", "b"], 0, ["axon", "spine"])


def test_geff_refuses_names_that_are_no_folders(tmp_path: Path) -> None:
    for name in ("", "..", "a/b", "__x"):
        with pytest.raises(Unsupported, match="name becomes a folder"):
            Graph.from_edges([1], [2], edges={name: [1]}).write(tmp_path / "a.geff")


def test_what_cannot_be_a_graph_is_refused() -> None:
    with pytest.raises(BadRequest, match="rows go from 0 to 1"):
        Graph.of_rows([1, 2], np.array([2]), np.array([0]))
    with pytest.raises(BadRequest, match="2 to 1 rows"):
        Graph.of_rows([1, 2], np.array([1, 1]), np.array([0]))
    for ids in ([1, 1], ["a", "a"]):
        with pytest.raises(BadRequest, match="names two nodes"):
            Graph.of_rows(ids, np.array([0]), np.array([1]))
    with pytest.raises(BadRequest, match="nan"):
        Graph.from_adjacency(sp.csr_array(np.array([[0, np.nan], [1, 0]])))


def test_little_things_of_graphs() -> None:
    graph = Graph.from_edges([1], [2])
    assert graph.edge_subgraph([]).n_edges == 0
    assert graph.subgraph([2, 1, 2]).ids.tolist() == [2, 1]
    there: Any = nx.Graph()
    there.add_edge("a", "b"), there["a"]["b"].update({1: 5})
    assert Graph.from_networkx(there).edges["1"].tolist() == [5]
    both = sp.csr_array(np.array([[0, 1], [1, 0]], bool))
    assert Graph.from_adjacency(both).adjacency("weight").toarray().tolist() == [[0, 1], [1, 0]]


def test_tables_that_are_no_edge_lists_are_refused(tmp_path: Path, shared_data: Path) -> None:
    with pytest.raises(BadMetadata, match=r"matrix of 4 x 4.*from_adjacency"):
        _read(tmp_path, "a.csv", "0,1,2,0\n" * 4)
    with pytest.raises(BadMetadata, match=r"reads like names: skid, other, n.*from_pandas"):
        _read(tmp_path, "b.csv", "skid,other,n\n1,2,3\n2,3,4\n")
    with pytest.raises(BadMetadata, match="matrix of 209 x 209"):
        read(shared_data / "connectomes" / "drosophila_mushroom_body" / "left_adjacency.csv")
    assert _read(tmp_path, "c.edgelist", "a b 1\nc d 2\ne f 3\n").n_edges == 3
