"""Graphs over HTTP, by a real server: what goes in comes out, in any format, one or many; nothing else does."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.analyze import connectome, invariants, vertex_statistics
from ndlab.analyze.services import graph_services
from ndlab.annotations import Annotations, Synapse
from ndlab.errors import NotFound
from ndlab.geometry import Box
from ndlab.graph import FORMATS, Graph, read
from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.graphs import GraphFolder
from ndlab.serve.graphs.packing import Sending, archive
from ndlab.serve.limits import Access, Limits, Rate
from tests.serve.sites import TOKEN, Client, serve

WORM = Graph.from_edges(
    ["AVAL", "AVAR", "AVAL", "AVAL"], ["PVCL", "PVCL", "AVAR", "PVCL"],
    edges={"weight": [3.0, 1.0, 2.5, None], "kind": ["chemical", "gap", "chemical", "gap"]},
    ids=["AVAL", "AVAR", "PVCL", "alone"], nodes={"z": [1.5, 2.5, 3.5, 4.5]}, units={"z": "nm"}, name="worm",
)  # fmt: skip
RING = Graph.from_edges([1, 2, 3], [2, 3, 1], directed=False, name="ring")
WHOLE = ("graphml", "gml", "gexf", "json", "parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    WORM.write(data / "worm.graphml")
    RING.write(data / "ring.geff")
    (tmp_path / "secret.csv").write_text("nobody,may\nread,this\n")
    return data


@pytest.fixture
def ask(folder: Path) -> Iterator[Client]:
    access = Access(token=TOKEN)
    with serve(folder, access, TOKEN, Limits(body=1 << 20), writable=True, services=graph_services()) as client:
        yield client


def read_body(body: bytes, name: str, place: Path) -> Graph:
    """Read what was sent by this package's own reader, a folder from its zip."""
    path = place / name
    path.write_bytes(body)
    return read(path)


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


# --- looked at ------------------------------------------------------------------------------------------------------


def test_graphs_are_listed_and_described(ask: Client, folder: Path) -> None:
    (folder / "notes.md").write_text("no graph")
    (folder / ".hidden.gml").write_text("graph [ ]")
    ingest(np.zeros((4, 8, 8), "u1"), folder / "em.zarr", voxel_size=(40, 4, 4))
    size = (folder / "worm.graphml").stat().st_size
    listed = ask("/v1/graphs").json["graphs"]
    assert [(one["name"], one["format"]) for one in listed] == [("ring.geff", "geff"), ("worm.graphml", "graphml")]
    assert listed[1]["nbytes"] == size
    assert ask("/graphs").json == ask("/v1/graphs/").json == {"graphs": listed}
    assert [one["name"] for one in ask("/v1/graphs?match=w*").json["graphs"]] == ["worm.graphml"]
    said = ask("/v1/graphs/worm.graphml").json
    assert (said["nodes"], said["edges"], said["directed"], said["parallel_edges"], said["loops"]) == (
        4,
        4,
        True,
        True,
        0,
    )
    assert said["node_properties"] == [{"name": "z", "type": "float", "unit": "nm"}]
    assert [one["type"] for one in said["edge_properties"]] == ["float", "str"]
    assert said["attributes"]["name"] == "worm"
    assert said["lossless"] == list(WHOLE)
    assert ask(said["file"].removeprefix(ask.server.url)).body == (folder / "worm.graphml").read_bytes()
    assert ask("/v1/volumes").json["volumes"][0]["name"] == "em"


def test_a_graph_that_changed_is_described_anew(ask: Client, folder: Path) -> None:
    assert ask("/v1/graphs/worm.graphml").json["edges"] == 4
    RING.write(folder / "worm.graphml", overwrite=True)
    assert ask("/v1/graphs/worm.graphml").json["edges"] == 3


# --- in and out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_every_whole_format_gives_the_graph_back(ask: Client, tmp_path: Path, name: str) -> None:
    said = ask(f"/v1/graphs/worm.graphml?format={name}")
    assert said.status == 200, said.body
    ending = FORMATS[name].suffixes[0] + (".zip" if FORMATS[name].is_folder else "")
    assert f"worm{ending}" in said.headers["Content-Disposition"]
    assert read_body(said.body, f"worm{ending}", tmp_path) == WORM
    # Sent back under another name, it is the same graph once more.
    stored = ask(f"/v1/graphs/again{FORMATS[name].suffixes[0]}", "PUT", said.body)
    assert (stored.status, stored.json["nodes"], stored.json["edges"]) == (201, 4, 4), stored.json
    once_more = ask(f"/v1/graphs/again{FORMATS[name].suffixes[0]}?format=graphml")
    assert read_body(once_more.body, "again.graphml", tmp_path) == WORM


def test_geff_goes_out_as_a_zip_and_comes_in_as_one(ask: Client, tmp_path: Path) -> None:
    said = ask("/v1/graphs/ring.geff?format=geff")
    assert said.headers["Content-Type"] == "application/zip"
    assert read_body(said.body, "ring.geff.zip", tmp_path) == RING
    assert ask("/v1/graphs/other.geff", "PUT", said.body).status == 201
    assert read_body(ask("/v1/graphs/other.geff?format=gml").body, "other.gml", tmp_path) == RING


def test_networkx_reads_what_is_sent(ask: Client) -> None:
    found = nx.parse_graphml(ask("/v1/graphs/worm.graphml?format=graphml").body.decode(), force_multigraph=True)
    mine = WORM.to_networkx()
    assert set(found.edges()) == set(mine.edges())
    assert found.nodes["PVCL"]["z"] == 3.5
    text = ask("/v1/graphs/ring.geff?format=adjlist").body.decode()
    assert {frozenset(e) for e in nx.parse_adjlist(text.splitlines(), nodetype=int).edges()} == {
        frozenset(e) for e in RING.to_networkx().edges()
    }


def test_what_a_format_cannot_hold_is_refused_in_words(ask: Client, tmp_path: Path) -> None:
    said = ask("/v1/graphs/worm.graphml?format=adjlist")
    assert said.status == 409
    for words in ("the node properties z", "the edge properties weight, kind", "the units of z"):
        assert words in said.json["asked"]
    assert said.json["exists"] == f"these formats lose nothing: {', '.join(WHOLE)}"
    lossy = ask("/v1/graphs/worm.graphml?format=adjlist&lossy=1")
    assert lossy.status == 200
    assert read_body(lossy.body, "worm.adjlist", tmp_path).n_edges == 4
    geff = ask("/v1/graphs/worm.graphml?format=geff&lossy=1")  # it names an edge by its ends
    assert (geff.status, geff.json["asked"]) == (409, "parallel edges in geff")
    assert ask("/v1/graphs/worm.graphml?format=beauty").status == 400
    for never, instead in (("gpickle", "graphml"), ("yaml", "json")):
        said = ask(f"/v1/graphs/worm.graphml?format={never}")
        assert said.status == 501
        assert "read" in said.json["exists"]
        assert instead in said.json["remedy"]
        assert ask(f"/v1/graphs/worm.graphml?format={instead}").status == 200
        assert ask(f"/v1/graphs/x.{never}", "PUT", b"\x80\x04N.").status == 501
    assert ask("/v1/graphs/worm.graphml?format=gml&lossy=yes").status == 400
    assert ask("/v1/graphs/worm.graphml?form=gml").status == 400


# --- many -----------------------------------------------------------------------------------------------------------


def many(folder: Path, count: int, nodes: int = 20) -> dict[str, Graph]:
    rng = np.random.default_rng(0)
    found = {}
    for i in range(count):
        ends = rng.integers(0, nodes, (2, 3 * nodes))
        graph = Graph.from_edges(*ends, ids=range(nodes), edges={"weight": rng.random(3 * nodes)}, name=f"g{i:04}")
        graph.write(folder / f"g{i:04}.graphml")
        found[f"g{i:04}"] = graph
    return found


def test_hundreds_of_graphs_come_as_one_zip(ask: Client, folder: Path, tmp_path: Path) -> None:
    graphs = many(folder, 300)
    said = ask("/v1/graphs.zip?format=json&match=g*")
    assert (said.status, said.headers["Content-Type"]) == (200, "application/zip")
    assert "Content-Length" not in said.headers
    with zipfile.ZipFile(io.BytesIO(said.body)) as file:
        assert file.testzip() is None
        assert sorted(file.namelist()) == [f"{name}.json" for name in sorted(graphs)]
        for name in ("g0000", "g0151", "g0299"):
            assert read(file.extract(f"{name}.json", tmp_path)) == graphs[name]
    as_they_lie = ask("/v1/graphs.zip")
    with zipfile.ZipFile(io.BytesIO(as_they_lie.body)) as file:
        assert file.read("g0007.graphml") == (folder / "g0007.graphml").read_bytes()
        assert "ring.geff/.zattrs" in file.namelist()


@pytest.mark.parametrize(("form", "most"), [(None, 4 << 20), ("json", 10 << 20)])
def test_a_zip_takes_the_memory_of_one_graph(folder: Path, form: str | None, most: int) -> None:
    ends = np.random.default_rng(1).integers(0, 10**9, (2, 5_000 if form else 100_000))  # no zip makes it small
    Graph.from_edges(*ends).write(folder.parent / "big.parquet")
    one = (folder.parent / "big.parquet" / "edges.parquet").read_bytes()
    graphs = GraphFolder(str(folder))
    how = Sending(FORMATS[form] if form else None)
    peaks = []
    for count in (2, 12):
        for i in range(count):
            (folder / f"big{i:02}.parquet").write_bytes(one)
        names = graphs.names(match="big*")
        tracemalloc.start()
        total = sum(map(len, archive(graphs, names, how, lambda: False)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert total > count * (len(one) if form is None else 75_000) * 0.9
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < most


def test_a_zip_is_on_its_way_before_it_is_made(folder: Path) -> None:
    many(folder, 60, 300)
    graphs = GraphFolder(str(folder))
    begun: list[int] = []

    def cancelled() -> bool:
        begun.append(1)  # asked before each graph
        return False

    pieces = archive(graphs, graphs.names(match="g*"), Sending(FORMATS["gml"]), cancelled)
    assert next(piece for piece in pieces if piece)[:4] == b"PK\x03\x04"
    assert len(begun) < 30
    assert sum(map(len, pieces)) > 0
    assert len(begun) == 60


def test_nobody_takes_a_zip_that_broke_off_for_whole(ask: Client, folder: Path) -> None:
    many(folder, 5)
    (folder / "g0003.graphml").write_text("<graphml>")
    said = ask("/v1/graphs.zip?format=gml")
    assert said.status == 502  # found before the first byte, and named
    assert "g0003.graphml" in said.json["asked"]
    # One that is known, and goes into no file of the format, is found on the way.
    Graph.from_edges(["a b"], ["c"], name="g0003").write(folder / "g0003.graphml", overwrite=True)
    early = ask("/v1/graphs.zip?format=edgelist&lossy=1")
    assert (early.status, early.json["asked"][:14]) == (409, "g0003.graphml:")
    numbers = np.random.default_rng(2).integers(0, 10**9, (2, 150_000))
    Graph.from_edges(*numbers, name="a").write(folder / "a.parquet")  # the first megabytes are on their way by then
    with pytest.raises(http.client.IncompleteRead):
        ask("/v1/graphs.zip?format=edgelist&lossy=1")
    assert ask("/v1/graphs").status == 200


def test_two_graphs_that_would_get_one_name_keep_their_endings(ask: Client, folder: Path) -> None:
    WORM.write(folder / "worm.gml")
    RING.write(folder / "worm.gml.json")
    for form, names in (("json", {"ring.json", "worm.json", "worm.gml.json"}), ("gml", {"ring.gml", "worm.gml"})):
        with zipfile.ZipFile(io.BytesIO(ask(f"/v1/graphs.zip?format={form}").body)) as file:
            assert len(file.namelist()) == len(set(file.namelist())) == 4
            assert names <= set(file.namelist())


def test_what_a_zip_would_lose_is_said_before_it_begins(ask: Client, folder: Path) -> None:
    many(folder, 9)
    said = ask("/v1/graphs.zip?format=adjlist")
    assert said.status == 409
    assert "g0000.graphml: the edge properties weight" in said.json["asked"]
    assert "and of 5 more graphs" in said.json["asked"]
    assert ask("/v1/graphs.zip?format=adjlist&lossy=1&match=g*").status == 200


def test_an_asker_who_goes_away_stops_the_zip(ask: Client, folder: Path) -> None:
    many(folder, 100, 100)
    with socket.create_connection(("127.0.0.1", ask.server.port)) as gone:
        gone.sendall(f"GET /v1/graphs.zip?format=gml&token={TOKEN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert gone.recv(100)
    threads, end = ask.server.site.threads, time.monotonic() + 20
    while threads.streaming and time.monotonic() < end:
        time.sleep(0.05)
    assert threads.streaming == 0


# --- taken ----------------------------------------------------------------------------------------------------------


def test_nothing_is_stored_of_what_is_no_graph(ask: Client, folder: Path) -> None:
    before = names_in(folder)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.gml", b"0" * (1 << 20))
    lol = b'<!DOCTYPE g [<!ENTITY a "' + b"a" * 1000 + b'">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 20) for i in range(8)) + (
        b"]><graphml>&i;</graphml>")  # fmt: skip
    inside = b'<!DOCTYPE g [<!ENTITY a SYSTEM "file:///etc/passwd">]><graphml><graph><node id="&a;"/></graph></graphml>'
    for name, body, status in (
        ("x.graphml", b"", 400), ("x.graphml", b"<graphml>", 400), ("x.graphml", b"\xff\xfe\x00", 400),
        ("x.graphml", bomb.getvalue(), 400), ("x.graphml", lol, 400), ("x.graphml", inside, 400),
        ("x.gml", b"graph [ node", 400), ("x.json", b"[" * 100_000, 400), ("x.json", b"{}", 400),
        ("x.parquet", b"PAR1" + b"\0" * 50, 400), ("x.geff", b"no zip", 400), ("x.geff", bomb.getvalue(), 400),
        ("x.txt", b"\0\0\0\xff", 400), ("x", b"a b", 400), ("x.exe", b"a b", 400), (".x.gml", b"graph [ ]", 400),
        ("a" * 250 + ".gml", b"graph [ ]", 400), ("x%2F..%2Fy.gml", b"graph [ ]", 400), ("%00.gml", b"graph [ ]", 400),
        ("..%2Fout.edgelist", b"a b\n", 400), ("..%5Cout.edgelist", b"a b\n", 400),
        ("worm.graphml", (folder / "worm.graphml").read_bytes(), 409), ("ring.geff", bomb.getvalue(), 409),
    ):  # fmt: skip
        said = ask(f"/v1/graphs/{name}", "PUT", body)
        assert said.status == status, (name, body[:20], said.body)
        assert set(said.json) == {"status", "asked", "exists", "remedy"}
        assert str(folder) not in said.body.decode()
        assert ".ndlab-graph" not in said.body.decode()
        assert names_in(folder) == before, name
    assert not (folder.parent / "out.edgelist").exists()
    assert refused_unread(ask, "/v1/graphs/x.edgelist", 2 << 20) == 413


def refused_unread(ask: Client, path: str, length: int) -> int:
    with socket.create_connection(("127.0.0.1", ask.server.port)) as sent:
        head = f"PUT {path}?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        sent.sendall(head.encode())
        return int(sent.recv(100).split()[1])


def test_a_zip_that_would_write_elsewhere_writes_nowhere(ask: Client, folder: Path) -> None:
    before = names_in(folder)
    for member in ("../../out.txt", "/out.txt", "a/../../out.txt", "x.geff/../../out.txt", "a\\..\\out.txt"):
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as file:
            file.writestr(member, b"out")
        assert ask("/v1/graphs/x.geff", "PUT", body.getvalue()).status == 400, member
        assert names_in(folder) == before
    assert not (folder.parent / "out.txt").exists()
    large = io.BytesIO()
    with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(600):
            file.writestr(f"x.geff/{i}", b"\0" * (1 << 20))
    assert ask("/v1/graphs/x.geff", "PUT", large.getvalue()).status == 413
    assert names_in(folder) == before


def test_a_graph_is_replaced_only_if_asked(ask: Client, folder: Path) -> None:
    body = b"a b\nb c\n"
    assert ask("/v1/graphs/new.edgelist", "POST", body).status == 201
    said = ask("/graphs/new.edgelist", "PUT", b"a b\n")
    assert (said.status, said.json["asked"]) == (409, "new.edgelist exists")
    assert (folder / "new.edgelist").read_bytes() == body
    assert ask("/v1/graphs/new.edgelist?overwrite=1", "PUT", b"a b\n").json["edges"] == 1
    assert ask("/v1/graphs/new.edgelist?overwrite=1", "PUT", b"\0").status == 400
    assert (folder / "new.edgelist").read_bytes() == b"a b\n"


def test_of_two_who_put_at_once_one_is_first(ask: Client, folder: Path) -> None:
    bodies = [b"".join(b"%d %d\n" % (i, j) for j in range(i + 1)) for i in range(12)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda body: ask("/v1/graphs/one.edgelist", "PUT", body).status, bodies))
    assert sorted(found) == [201] + [409] * 11
    assert (folder / "one.edgelist").read_bytes() == bodies[found.index(201)]
    assert names_in(folder) == ["one.edgelist", "ring.geff", "worm.graphml"]


def test_a_name_may_be_of_any_script(ask: Client, folder: Path) -> None:
    name = "Würm 线虫.edgelist"
    assert ask(f"/v1/graphs/{quote(name)}", "PUT", b"a b\n").json["name"] == name
    assert (folder / name).exists()
    said = ask(f"/v1/graphs/{quote(name)}?format=gml")
    assert quote("Würm 线虫.gml") in said.headers["Content-Disposition"]


# --- who may --------------------------------------------------------------------------------------------------------


def test_without_the_token_there_is_what_is_public(folder: Path) -> None:
    many(folder, 2)
    access = Access(token=TOKEN, public=("worm.graphml", "g0000.graphml"), rate=Rate(1000))
    with serve(folder, access, writable=True, services=graph_services()) as ask:
        assert [one["name"] for one in ask("/v1/graphs").json["graphs"]] == ["g0000.graphml", "worm.graphml"]
        assert ask("/v1/graphs/worm.graphml?format=gml").status == 200
        with zipfile.ZipFile(io.BytesIO(ask("/graphs.zip?format=gml").body)) as file:
            assert file.namelist() == ["g0000.gml", "worm.gml"]
        for path in ("/v1/graphs/ring.geff", "/v1/graphs/none.gml", "/graphs/ring.geff?format=gml",
                     "/v1/graphs/g0001.graphml", "/v1/graphs/worm.graphml/invariants?names=size",
                     "/v1/graphs/worm.graphml%2F..%2Fring.geff", "/ndgraph/em/image/"):  # fmt: skip
            assert ask(path).status == 403, path
        for method in ("PUT", "POST", "DELETE"):
            assert ask("/v1/graphs/worm.graphml?overwrite=1", method, b"<x/>").status == 403
    with serve(folder, Access(token=TOKEN)) as ask:
        for path in ("/v1/graphs", "/graphs", "/v1/graphs.zip", "/v1/graphs/worm.graphml"):
            said = ask(path)
            assert said.status == 403
            assert b"worm" not in said.body
    with pytest.raises(NotFound, match=r"public gone\.gml"):
        make_site(str(folder), Access(token=TOKEN, public=("gone.gml",)))


def test_a_server_that_is_not_writable_takes_none(folder: Path) -> None:
    with serve(folder, Access(token=TOKEN), TOKEN) as ask:
        said = ask("/v1/graphs/x.edgelist", "PUT", b"a b\n")
        assert (said.status, said.json["remedy"]) == (403, "start it with --writable")
        assert ask("/v1/graphs/worm.graphml", "DELETE").status == 405
        missing = ask("/v1/graphs/worm.graphml/invariants?names=size")
        assert (missing.status, missing.json["asked"]) == (501, "invariants of this server")
    assert names_in(folder) == ["ring.geff", "worm.graphml"]


def test_links_lead_nowhere_outside(ask: Client, folder: Path) -> None:
    (folder / "inside.graphml").symlink_to(folder / "worm.graphml")
    (folder / "leak.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "loop.gml").symlink_to(folder / "loop.gml")
    (folder / "up.geff").symlink_to(folder.parent)
    (folder / "ring.geff" / "secret").symlink_to(folder.parent / "secret.csv")
    assert [one["name"] for one in ask("/v1/graphs").json["graphs"]] == ["inside.graphml", "worm.graphml"]
    for name in (
        "leak.csv",
        "loop.gml",
        "up.geff",
        "ring.geff",
        "..%2Fsecret.csv",
        "%2Fetc%2Fpasswd",
        "..",
        ".",
        "none.gml",
    ):
        for path in (f"/v1/graphs/{name}", f"/v1/graphs/{name}?format=edgelist"):
            said = ask(path)
            assert said.status in (400, 404), path
            assert b"nobody" not in said.body


def test_a_store_by_itself_has_no_graphs(tmp_path: Path) -> None:
    ingest(np.zeros((4, 8, 8), "u1"), tmp_path / "em.zarr", voxel_size=(40, 4, 4))
    RING.write(tmp_path / "em.zarr" / "ring.json")
    with serve(tmp_path / "em.zarr", Access(token=TOKEN), TOKEN, writable=True) as ask:
        assert ask("/v1/graphs").json == {"graphs": []}
        assert ask("/v1/graphs/zarr.json").status == 404
        assert ask("/v1/graphs/x.edgelist", "PUT", b"a b\n").status == 403


# --- computed -------------------------------------------------------------------------------------------------------


def test_invariants_are_those_of_the_analysis(ask: Client) -> None:
    said = ask("/v1/graphs/worm.graphml/invariants?names=order,size,transitivity,degree,triangles,scan,diversity")
    assert said.status == 200, said.body
    whole = invariants(WORM, ["order", "size", "transitivity"])
    whole_of = invariants(WORM, ["max_average_degree"])
    nodes = vertex_statistics(WORM, ["degree", "triangles", "scan", "diversity"])
    assert said.json["graph"] == whole
    assert said.json["nodes"]["ids"] == WORM.ids.tolist()
    for name, values in nodes.items():
        assert said.json["nodes"][name] == [None if v != v else v for v in values.tolist()], name
    assert b"NaN" not in said.body
    old = ask("/v1/graphs/worm.graphml/invariants?names=ss1,tri,cc,mad,deg,eig&pairs=2").json
    assert old["graph"]["mad"] == whole_of["max_average_degree"]
    assert old["nodes"]["ss1"] == said.json["nodes"]["scan"]
    assert (old["nodes"]["tri"], old["nodes"]["deg"]) == (said.json["nodes"]["triangles"], said.json["nodes"]["degree"])
    dense = WORM.undirected().adjacency().toarray()
    np.testing.assert_allclose(sorted(np.abs(old["graph"]["eig"])), np.sort(np.abs(np.linalg.eigvalsh(dense)))[-2:])
    rows = np.array(old["nodes"]["eig"])
    np.testing.assert_allclose(dense @ rows, rows * old["graph"]["eig"], atol=1e-12)
    for pairs in ("0", "x", "1001", "²"):
        assert ask(f"/v1/graphs/worm.graphml/invariants?names=eig&pairs={quote(pairs)}").status == 400
    strange = ask("/v1/graphs/worm.graphml/invariants?names=beauty")
    assert strange.status == 400
    assert "transitivity" in strange.json["exists"]
    assert ask("/v1/graphs/worm.graphml/invariants").status == 400


@pytest.fixture
def synapses(folder: Path) -> Annotations:
    """Synapses of an annotation channel whose first voxel is section 10, over a larger space than one box."""
    vol = ingest(np.zeros((20, 60, 70), "u8"), folder / "seg.zarr", voxel_size=(40, 4, 4), kind="labels",
                 offset=(400, 0, 0))  # fmt: skip
    ann = Annotations.create(folder / "seg.zarr" / "annotations" / "cells", vol)
    ann.attach(vol)
    at = [(420, 10, 10), (420, 30, 30), (1000, 10, 10), (1000, 200, 200)]
    ends = [(1, 2), (2, 1), (2, 3), (3, 4)]
    ann.add(
        [
            Synapse(segments=[(one, "unknown") for one in two], centroid=place)
            for two, place in zip(ends, at, strict=True)
        ]
    )
    return ann


def test_the_founding_grammar_of_graphs(ask: Client, synapses: Annotations, tmp_path: Path) -> None:
    said = ask("/ndgraph/seg/annotation/")
    assert said.status == 200, said.body
    found = read_body(said.body, "all.graphml", tmp_path)
    own = connectome(synapses, directed=False, multiple=False)
    assert (found.directed, found.ids.tolist()) == (False, own.ids.tolist() if own.n_nodes else [])
    assert sorted(map(sorted, found.to_networkx().edges())) == [[1, 2], [2, 3], [3, 4]]
    # Sections 10 to 12 are [400, 480) nm.
    some = read_body(ask("/ndgraph/seg/annotation/gml/0,70/0,60/10,12/").body, "some.gml", tmp_path)
    assert list(some.to_networkx().edges(data="synapses")) in ([(1, 2, 2)], [(2, 1, 2)])
    box = connectome(synapses.where(kind="synapse").within(Box.nm((400, 0, 0), (480, 240, 280))), directed=False)
    assert box.n_edges == 2
    lists = ask("/ndgraph/seg/annotation/adjlist/")
    assert lists.status == 200
    assert "the edge properties" in lists.headers["X-Ndlab-Lost"]
    assert {frozenset(e) for e in nx.parse_adjlist(lists.body.decode().splitlines(), nodetype=int).edges()} == {
        frozenset((1, 2)), frozenset((2, 3)), frozenset((3, 4))
    }  # fmt: skip
    for form in ("graphml", "edgelist", "gexf", "gml", "pajek"):
        assert ask(f"/ndgraph/seg/annotation/{form}/").status == 200, form
    for path, status in (
        ("seg/annotation/gpickle/", 501), ("seg/annotation/yaml/", 501), ("seg/annotation/none/", 400),
        ("seg/", 400),
        ("seg/annotation/gml/0,70/0,60/", 400), ("seg/annotation/gml/0,70/0,60/0,5/", 404), ("none/x/", 404),
        ("seg/annotation/gml/0,70/0,60/10,12/more/", 400), ("seg/annotation/gml/9,3/0,60/10,12/", 404),
    ):  # fmt: skip
        assert ask(f"/ndgraph/{path}").status == status, path


# --- anything -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    data = tmp_path_factory.mktemp("fuzz") / "data"
    data.mkdir()
    (data.parent / "secret.csv").write_text("nobody,may\nread,this\n")
    WORM.write(data / "worm.graphml")
    with serving(make_site(str(data), Access(token=TOKEN), writable=True, limits=Limits(body=1 << 16))) as server:
        yield Client(server, TOKEN)


WORDS = [b"graph", b"[", b"]", b"node", b"id", b"1", b"<graphml>", b"<node id='a'/>", b"{", b'"nodes":', b"[]", b"}",
         b"*Vertices", b"*Arcs", b"\n", b" ", b"a b", b"\0", b"\xff", b"PAR1", b"PK\x03\x04", b"1e999", b"-1",
         b'"']  # fmt: skip
NAMES = st.one_of(
    st.builds(lambda stem, end: stem + end, st.text(max_size=6),
              st.sampled_from([end for kind in FORMATS.values() for end in kind.suffixes])),
    st.sampled_from(["..", "../x.gml", "../secret.csv", "/etc/x.gml", "a/b.gml", "worm.graphml", "C:\\x.gml",
                     "x.gml\n"]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(name=NAMES, words=st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_name_and_any_body_is_answered(fuzzed: Client, name: str, words: list[bytes]) -> None:
    root = Path(fuzzed.server.site.names.url)
    said = fuzzed(f"/v1/graphs/{quote(name, safe='')}?overwrite=1", "PUT", b"".join(words))
    assert said.status in (201, 400, 403, 404, 405, 409), said.body
    assert b"Traceback" not in said.body
    assert names_in(root.parent) == ["data", "secret.csv"]
    assert not [one for one in names_in(root) if one.startswith(".ndlab-graph")]
    if said.status == 201:
        # What was taken can be described, and be had in every whole format.
        again = fuzzed(f"/v1/graphs/{quote(name, safe='')}?format=json")
        assert again.status == 200, again.body
        assert len(json.loads(again.body)["nodes"]) == said.json["nodes"]
    got = fuzzed(f"/v1/graphs/{quote(name, safe='')}?format=csv")
    assert b"nobody" not in got.body


def test_the_folder_is_asked_by_name_alone(fuzzed: Client) -> None:
    said: Any = fuzzed("/v1/graphs/..%2Fsecret.csv?format=edgelist")
    assert said.status in (400, 404)
