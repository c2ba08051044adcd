"""R75: the nine formats of the founding graph explorer and zips of them, from files as other programs write them."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import networkx as nx
import pytest
import yaml

from ndlab.errors import BadMetadata, TooLarge, Unsupported
from ndlab.graph import Graph, read, read_all, write
from ndlab.graph.files import ENDINGS

Edges = list[tuple[str, str, float]]
RING: Edges = [("a", "b", 1.5), ("b", "c", 2.0), ("c", "a", 3.0)]


def edges_of(graph: Graph) -> Edges:
    ids = [str(one) for one in graph.ids.tolist()]
    weights = graph.edges["weight"].tolist() if "weight" in graph.edges else [1.0] * graph.n_edges
    return [(ids[u], ids[v], float(w)) for u, v, w in zip(graph.source.tolist(), graph.target.tolist(), weights,
                                                          strict=True)]  # fmt: skip


# LGL and DIMACS as igraph 1.0 writes them, DL in the ways of UCINET's manual.
TEXTS: dict[str, tuple[str, Edges, int]] = {
    "ring.lgl": ("# a\nb 1.5\nc 3\n# b\nc 2\n# d\n# e\n", [("a", "b", 1.5), ("a", "c", 3.0), ("b", "c", 2.0)], 5),
    "bare.lgl": ("# a\nb\nc\n# b\nc\n", [("a", "b", 1.0), ("a", "c", 1.0), ("b", "c", 1.0)], 3),
    "flow.dimacs": (
        "c created by igraph\np max 4 4\nn 1 s\nn 4 t\na 1 2 1\na 2 3 2\na 3 4 3\na 1 4 4\n",
        [("1", "2", 1.0), ("2", "3", 2.0), ("3", "4", 3.0), ("1", "4", 4.0)], 4,
    ),
    "map.col": ("c colour\np edge 4 2\ne 1 2\ne 2 3\n", [("1", "2", 1.0), ("2", "3", 1.0)], 4),
    "matrix.dl": (
        "DL n=4\nformat = fullmatrix\nlabels:\nann,bob,cy,di\ndata:\n0 1 0 2\n0 0 1 0\n0 0 0 0\n1 0 0 0\n",
        [("ann", "bob", 1.0), ("ann", "di", 2.0), ("bob", "cy", 1.0), ("di", "ann", 1.0)], 4,
    ),
    "named.dl": (
        "DL n=3\nformat = fullmatrix\nlabels embedded\ndata:\n  a b c\na 0 1 0\nb 0 0 1\nc 1 0 0\n",
        [("a", "b", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)], 3,
    ),
    "edges.dl": (
        "dl n=4 format=edgelist1\nlabels embedded:\ndata:\nann bob 1.5\nbob cy 2\ncy di 1\n",
        [("ann", "bob", 1.5), ("bob", "cy", 2.0), ("cy", "di", 1.0)], 4,
    ),
    "numbers.dl": (
        "DL n=4\nformat = edgelist1\nlabels:\nann\nbob\ncy\ndi\ndata:\n1 2\n3 4\n",
        [("ann", "bob", 1.0), ("cy", "di", 1.0)], 4,
    ),
    "nodes.dl": ("DL n=4\nformat = nodelist1\ndata:\n1 2 3\n2 4\n",
                 [("1", "2", 1.0), ("1", "3", 1.0), ("2", "4", 1.0)], 4),
    "ring.ncol": ("a b 1.5\nb c 2.0\nc a 3.0\n", RING, 3),
    "ring.edgelist": ("a b 1.5\nb c 2.0\nc a 3.0\n", RING, 3),
    "ring.net": ('*Vertices 3\n1 "a"\n2 "b"\n3 "c"\n*Arcs\n1 2 1.5\n2 3 2\n3 1 3\n', RING, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_r75_text_formats(tmp_path: Path, name: str) -> None:
    text, edges, nodes = TEXTS[name]
    (tmp_path / name).write_text(text)
    graph = read(tmp_path / name)
    assert (edges_of(graph), graph.n_nodes) == (edges, nodes)
    assert graph.directed is not name.endswith((".lgl", ".col"))
    if name == "flow.dimacs":
        assert [row.get("terminal") for _, row in graph.to_networkx().nodes(data=True)] == ["s", None, None, "t"]


def test_r75_graphdb_is_binary(tmp_path: Path) -> None:
    path = tmp_path / "arg.graphdb"
    path.write_bytes(struct.pack("<8H", 4, 2, 1, 2, 1, 2, 0, 0))
    assert edges_of(read(path)) == [("0", "1", 1.0), ("0", "2", 1.0), ("1", "2", 1.0)]
    assert read(path).n_nodes == 4


def test_r75_graphml_and_gml_of_networkx_and_a_zip_of_all(tmp_path: Path) -> None:
    there = nx.DiGraph()
    there.add_weighted_edges_from(RING)
    nx.write_graphml(there, tmp_path / "ring.graphml")
    nx.write_gml(there, tmp_path / "ring.gml")
    for name, (text, _, _) in TEXTS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "arg.graphdb").write_bytes(struct.pack("<8H", 4, 2, 1, 2, 1, 2, 0, 0))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert {Path(name).suffix for name in names} <= ENDINGS
    for name in ("ring.graphml", "ring.gml"):
        assert edges_of(read(tmp_path / name)) == RING
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        for name in names:
            file.write(tmp_path / name, name)
    found = dict(read_all(tmp_path / "all.zip"))
    assert sorted(found) == names
    for name, graph in found.items():
        assert graph == read(tmp_path / name), name


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.lgl", b"b 1.5\n"), ("a.dimacs", b"e 1 2\n"), ("b.dimacs", b"p edge 2 1\ne 1 3\n"), ("a.dl", b"DL n=3\n"),
        ("b.dl", b"DL n=2\nformat = edgelist1\ndata:\n0 1\n"), ("c.dl", b"DL n=2\nformat = rankedlist1\ndata:\n1 2\n"),
        ("d.dl", b"DL n=2\nformat = fullmatrix\ndata:\n0 1 0\n"), ("a.graphdb", struct.pack("<3H", 2, 1, 5)),
        ("b.graphdb", struct.pack("<3H", 2, 2, 1)), ("c.graphdb", b""),
        ("e.dl", b"DL n=2\nformat = edgelist1\ndata:\n1\n"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, body: bytes) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(BadMetadata):
        read(tmp_path / name)


def test_nodes_that_no_file_can_list_are_refused(tmp_path: Path) -> None:
    for name, text in {"a.dimacs": "p edge 99999999999 0\n", "a.dl": "dl n=99999999999 data:\n"}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(TooLarge, match="correct the number"):
            read(tmp_path / name)


def test_r75_a_pickle_is_never_read_nor_written_and_says_what_to_take(tmp_path: Path) -> None:
    graph = Graph.from_edges(["a"], ["b"])
    for name, remedy in (
        ("g.gpickle", "ask for graphml"),
        ("g.pkl", "ask for graphml"),
        ("g.yaml", "ask for json"),
        ("g.yml", "ask for json"),
    ):
        (tmp_path / name).write_bytes(b"\x80\x04N.")
        with pytest.raises(Unsupported, match=f"as .*read.*{remedy}"):
            read(tmp_path / name)
        with pytest.raises(Unsupported, match=remedy):
            write(graph, tmp_path / name, overwrite=True)
    with pytest.raises(Unsupported, match="only read"):
        write(graph, tmp_path / "g.lgl")


def test_node_link_json_is_yaml(tmp_path: Path) -> None:
    """What stands in for YAML is read by a YAML parser that makes no objects."""
    graph = Graph.from_edges(["a", "ü"], ["b", "a"], edges={"weight": [1.5, -2.0]}, units={"weight": "nm"})
    text = write(graph, tmp_path / "g.json").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == json.loads(text)
