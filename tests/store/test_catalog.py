"""The catalogue's rows against the printed tables and real files, and its probe against loopback servers."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema
import numpy as np
import pytest
import tensorstore as ts

from ndlab.errors import BadRequest, NotFound
from ndlab.geometry import level_shape
from ndlab.store.arrays import Level, Stored
from ndlab.store.catalog import Dataset, Probe, dataset, datasets, probe
from ndlab.store.catalog.verdict import LevelProbe, judge
from ndlab.store.multiscale import open_store

# ------------------------------------------------------------------------------------------------------ the rows

TEXT = {"type": "string", "minLength": 1, "pattern": r"^\S(.*\S)?$"}
MAYBE = {"type": "string", "pattern": r"^(\S(.*\S)?)?$"}
POSITIVE = {"type": ["number", "null"], "exclusiveMinimum": 0}
COUNT = {"type": ["integer", "null"], "minimum": 1}


def three(kind: str, **limits: float) -> dict[str, Any]:
    items = {"type": kind, **limits}
    return {"anyOf": [{"type": "null"}, {"type": "array", "items": items, "minItems": 3, "maxItems": 3}]}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("species", "region", "modality", "citation", "licence"), TEXT),
        **dict.fromkeys(("note", "on", "today", "format"), MAYBE),
        **dict.fromkeys(("channels", "steps", "nodes", "edges"), COUNT),
        **dict.fromkeys(("rate_hz", "size_gv"), POSITIVE),
        "name": {"type": "string", "pattern": r"^[A-Za-z0-9][\w./-]*$"},
        "table": {"enum": ["1A", "1B", "1C", "public"]},
        "kind": {"enum": ["image", "labels", "annotation", "graph"]},
        "unit": {"const": "nm"},
        "voxel_size": three("number", exclusiveMinimum=0),
        "extent": three("number", exclusiveMinimum=0),
        "shape": three("integer", minimum=1),
        "offset": three("integer", minimum=0),
        "level": {"type": ["integer", "null"], "minimum": 0},
        "dtype": {"enum": ["", "uint8", "uint16", "uint32", "float32"]},
        "channel_names": {"type": "array", "items": {"type": "string", "pattern": r"^\w+$"}, "uniqueItems": True},
        **{
            f"{part}_attributes": {"type": "array", "items": TEXT, "uniqueItems": True}
            for part in ("graph", "node", "edge")
        },
        "doi": {"type": "string", "pattern": r"^(10\.\d{4,5}/\S+)?$"},
        "source": {"type": "string", "pattern": r"^(https?://\S+)?$"},
        "urls": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^(s3|gs|https|bossdb)://[\w.-]+(/\S+)?$"},
            "uniqueItems": True,
        },
        "window": {"anyOf": [{"type": "null"}, {"type": "array", "minItems": 2, "maxItems": 2}]},
        "token": {"type": "boolean"},
        "checksum": {"type": "string", "pattern": r"^(sha256:[0-9a-f]{64})?$"},
    },
}


@pytest.mark.parametrize("row", datasets(), ids=lambda row: row.name)
def test_each_row_fits_the_schema(row: Dataset) -> None:
    facts = row.as_dict()
    jsonschema.validate(facts, {**SCHEMA, "required": list(SCHEMA["properties"])})
    assert json.loads(json.dumps(facts)) == facts
    if row.kind in ("image", "labels") and row.voxel_size is None:
        assert "voxel size" in row.note or "blank in the printed table" in row.note
    if row.kind == "graph" and row.table == "1C":
        assert row.nodes
        assert row.edges
        assert row.urls[0].endswith(".graphml")
    if row.on:
        assert dataset(row.on).kind == "image"
    if row.channel_names:
        assert len(row.channel_names) == row.channels
    if row.window:
        assert row.window[0] < row.window[1]
    if any("{channel}" in url for url in row.urls):
        assert row.channel_names


@pytest.mark.parametrize("table", ["1a", "1b", "1c", "public"])
def test_each_table_is_a_readable_file_whose_columns_are_fields(table: str) -> None:
    text = (files("ndlab.store.catalog") / f"{table}.tsv").read_text(encoding="utf-8")
    lines = list(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert set(lines[0]) < set(Dataset.__dataclass_fields__)
    assert {len(line) for line in lines} == {len(lines[0])}


def test_totals_of_the_tables() -> None:
    assert {t: len(datasets(table=t)) for t in ("1A", "1B", "1C", "public")} == {
        "1A": 30, "1B": 59, "1C": 18, "public": 94,
    }  # fmt: skip
    # The account of 77 tokens names none of them; the stored lists name these 80 (the catalogue's docstring).
    assert len(datasets(token=True)) == 80 >= 77
    assert len(datasets(table="1A", token=True)) == 28
    assert len(datasets(table="1B", token=True, kind="labels")) == 48
    assert set(datasets(table="1B", token=True).names) >= {"kat11redcylinder", "kharris15apical_ersa_catmaid"}
    assert len({row.name for row in datasets()}) == len(datasets())


def test_the_image_table_adds_up_to_what_was_printed() -> None:
    printed = [row for row in datasets(table="1A") if row.size_gv is not None]
    assert len(printed) == 28
    for row in printed:
        assert row.shape is not None
        voxels = math.prod(row.shape) * (row.channels or 1) * (row.steps or 1)
        assert voxels // 10**9 == row.size_gv, row.name  # printed whole, rounded down
    assert round(sum(row.size_gv or 0 for row in printed) / 1000, 1) == 30.9
    tomography = [row for row in printed if row.modality == "array tomography"]
    assert (len(tomography), sum(row.channels or 0 for row in tomography)) == (12, 288)


@pytest.mark.parametrize("row", [r for r in datasets(table="1B") if r.on and r.shape], ids=lambda row: row.name)
def test_annotations_lie_on_the_pyramid_of_their_image(row: Dataset) -> None:
    image = dataset(row.on)
    assert image.shape is not None
    assert image.voxel_size is not None
    assert row.level is not None
    factors = (1, 1 << row.level, 1 << row.level)
    assert row.shape == level_shape(image.shape, factors)
    assert row.voxel_size == tuple(v * f for v, f in zip(image.voxel_size, factors, strict=True))
    assert (row.offset, row.species, row.citation) == (image.offset, image.species, image.citation)


def test_units_are_nanometres_in_zyx_order() -> None:
    bock = dataset("bock11")
    assert bock.voxel_size == (45.0, 4.0, 4.0)
    assert bock.extent == (1239 * 45.0, 119808 * 4.0, 135424 * 4.0)
    assert dataset("ara_test").voxel_size == (25_000.0,) * 3  # 25 um
    assert dataset("mniatlas").voxel_size == (1e6,) * 3  # 1 mm
    assert dataset("freeman14").voxel_size == (5000.0, 650.0, 650.0)
    assert (dataset("freeman14").steps, dataset("freeman14").rate_hz) == (100, 0.8)
    assert (dataset("minnie65/em").window, dataset("open-neurodata/lee16").window) == ((86, 172), (44, 238))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("C.elegans.herm_pharynx_1", "connectomes/celegans/c.elegans.herm_pharynx_1.graphml"),
        ("P.pacificus_neural.synaptic_1", "connectomes/ppacificus/p.pacificus_neural.synaptic_1.graphml"),
    ],
)
def test_graph_rows_agree_with_the_files(shared_data: Path, name: str, file: str) -> None:
    import networkx as nx

    row, raw = dataset(name), (shared_data / file).read_bytes()
    assert row.checksum == "sha256:" + hashlib.sha256(raw).hexdigest()
    graph = nx.parse_graphml(raw.decode(), force_multigraph=True)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (row.nodes, row.edges)
    keys = {key for _, _, data in graph.edges(data=True) for key in data}
    assert set(row.edge_attributes) <= keys


def test_the_kasthuri_graph_has_one_edge_per_synapse(shared_data: Path) -> None:
    import networkx as nx

    graph = nx.read_graphml(shared_data / "kasthuri2015/kasthuri2015_ramon_v4.graphml")
    row = dataset("Kasthuri_graph_v4")
    assert graph.number_of_nodes() == row.nodes
    assert sum(int(data["weight"]) for _, _, data in graph.edges(data=True)) == row.edges == 1700
    assert str(graph.number_of_edges()) in row.note


# ------------------------------------------------------------------------------------------------- asking for rows


def test_filters_combine() -> None:
    assert datasets("image", table="1A", species="Rattus").names == [f"kharris15{p}" for p in _PARTS]
    assert datasets(text="weiler EX10r55", table="1A").names == ["Ex10R55"]
    assert len(datasets(species="rat")) == len(datasets().filter("Rattus norvegicus"))
    assert len(datasets("graph", text="no such words")) == 0
    assert not datasets(text="None")  # what is not known is not text
    assert {row.kind for row in datasets("labels")} == {"labels"}


_PARTS = ("apical", "oblique", "spine")


def test_a_list_is_a_sequence() -> None:
    graphs = datasets(table="1C")
    assert graphs[0] == dataset(graphs.names[0])
    assert graphs[-3:].names == graphs.names[-3:]
    assert [row.name for row in graphs] == graphs.names


def test_reprs_show_rows_and_say_what_they_leave_out() -> None:
    text, lines = repr(datasets()), repr(datasets()).splitlines()
    assert lines[0] == f"{len(datasets())} datasets"
    assert lines[-1] == f"... and {len(datasets()) - 30} more"
    assert "acardona_0111_8" in text
    assert len(datasets(table="1C").to_text().splitlines()) == 19
    page = datasets(table="1C")._repr_html_()
    assert page.count("<tr>") == 19
    assert "1029 nodes, 1700 edges" in page
    assert "30, 3, 3" in str(dataset("kasthuri11"))
    assert "<th>doi</th><td>10.1016/j.cell.2015.06.054</td>" in dataset("kasthuri11")._repr_html_()
    assert "<b>" not in Dataset("a", "1A", "image", note="<b>")._repr_html_()


def test_pandas_has_one_row_per_dataset() -> None:
    frame = datasets(table="1A").to_pandas()
    assert len(frame) == 30
    assert frame.loc["bock11", "shape"] == [1239, 119808, 135424]
    assert frame.loc["Ex10R55", "channels"] == 29
    assert datasets(text="no such words").to_pandas().empty


def test_unknown_names_propose_near_ones() -> None:
    with pytest.raises(NotFound, match="near names are kasthuri11") as caught:
        dataset("kasturi11")
    assert "kasthuri11" in caught.value.near
    with pytest.raises(NotFound, match=r"it has \d+ rows"):
        dataset("???")
    with pytest.raises(NotFound, match="near names are"):
        probe("bok11")


def test_bad_filters_name_what_there_is() -> None:
    with pytest.raises(BadRequest, match="kind is one of image, labels, annotation, graph"):
        datasets("picture")
    with pytest.raises(BadRequest, match="table is one of 1A, 1B, 1C, public"):
        datasets(table="1D")


# ------------------------------------------------------------------------------------------------- loopback servers


class Server:
    """A folder over http, and the same folder as buckets of a cloud that speaks Google's JSON interface."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.released = folder, list[str](), threading.Event()
        self.hang = "?never?"  # requests for paths with this in them are not answered
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            do_HEAD = do_GET

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        split = urlsplit(request.path)
        self.asked.append(request.path)
        if self.hang in split.path:
            self.released.wait(30)
        cloud, path = split.path.startswith("/storage/v1/b/"), unquote(split.path)
        if cloud:
            bucket, _, key = split.path.removeprefix("/storage/v1/b/").partition("/o")
            if not key:
                return self.send(request, 200, self.listing(bucket, parse_qs(split.query)))
            path = f"{bucket}/{unquote(key.removeprefix('/'))}"
        file = self.folder / path.strip("/")
        return self.send(request, 200, file.read_bytes()) if file.is_file() else self.send(request, 404, b"not here")

    def listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        first, last = query.get("startOffset", [""])[0], query.get("endOffset", ["\uffff"])[0]
        keys = [str(p.relative_to(self.folder / bucket)) for p in (self.folder / bucket).rglob("*") if p.is_file()]
        items = [{"name": k, "generation": "1", "size": "1"} for k in sorted(keys) if first <= k < last]
        return json.dumps({"kind": "storage#objects", "items": items}).encode()

    @staticmethod
    def send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        wanted = request.headers.get("Range", "").removeprefix("bytes=")
        request.send_response(206 if wanted and status == 200 else status)
        if wanted and status == 200:
            first, last = (int(n) for n in wanted.split("-"))
            request.send_header("Content-Range", f"bytes {first}-{min(last, len(body) - 1)}/{len(body)}")
            body = body[first : last + 1]
        request.send_header("x-goog-generation", "1")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def close(self) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server(tmp_path)
    yield running
    running.close()


Values = Callable[[int], np.ndarray[Any, Any] | None]


def textured(level: int) -> np.ndarray[Any, Any]:
    n = 64 >> level
    return np.random.default_rng(level).integers(20, 200, (n, n, n), np.uint8)


def write_precomputed(folder: Path, values: Values = textured, size: float = 8.0, levels: int = 2) -> Path:
    """A precomputed image of 64³ voxels, written by TensorStore; `values` gives each level, None writes nothing."""
    for level in range(levels):
        n = 64 >> level
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "size": [n, n, n], "encoding": "raw", "chunk_size": [16, 16, 16],
                "resolution": [size * 2**level] * 3,
            },
            "store_data_equal_to_fill_value": True,
        }  # fmt: skip
        store = ts.open(spec, create=True, open=True).result()
        data = values(level)
        if data is not None:
            store[..., 0].write(data).result()
    return folder


def test_a_good_store_over_http_is_ok(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")
    found = probe(f"{server.url}/good", samples=5)
    assert found.status == "ok", found
    assert found.ok
    assert [(v.level, v.shape[-3:], v.asked, v.answered, v.constant) for v in found.levels] == [
        (0, (64, 64, 64), 5, 5, 0),
        (1, (32, 32, 32), 5, 5, 0),
    ]
    assert found.levels[1].voxel_size == (16.0, 16.0, 16.0)
    assert found.nbytes == 10 * 16**3
    assert len([path for path in server.asked if "-" in path]) == 10  # not a chunk more was asked for
    assert "10 of 10 sampled chunks over 2 level(s) are stored, values 20 to 199" in found.detail
    assert json.loads(json.dumps(found.as_dict()))["levels"][0]["low"] == 20
    assert str(found).startswith(f"{server.url}/good: ok. ")


def test_the_sample_is_reproducible_and_starts_in_the_middle(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")
    chunks = []
    for seed in (0, 0, 1):
        server.asked.clear()
        probe(f"{server.url}/good", samples=4, level=0, seed=seed)
        chunks.append({path for path in server.asked if "-" in path})
    assert chunks[0] == chunks[1] != chunks[2]
    assert all("/good/8_8_8/32-48_32-48_32-48" in seen for seen in chunks)


def test_zeros_are_told_from_data(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "zeros", lambda level: np.zeros((64 >> level,) * 3, np.uint8))
    found = probe(f"{server.url}/zeros", samples=4)
    assert found.status == "constant"
    assert "level 0: all 4 stored chunks of 4 sampled are constant (0)" in found.detail.lower()


def test_an_unfilled_level_is_named(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "half", lambda level: textured(0) if level == 0 else None)
    found = probe(f"{server.url}/half", samples=3)
    assert found.status == "constant"
    assert found.detail.startswith("Level 1: none of 3 sampled chunks is stored")
    assert probe(f"{server.url}/half", samples=3, level=0).status == "ok"


def test_metadata_without_chunks_are_dead(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "hollow", lambda level: None)
    found = probe(f"{server.url}/hollow", samples=3)
    assert found.status == "dead"
    assert found.detail == "The metadata answers, but not one sampled chunk is stored."
    assert [v.absent for v in found.levels] == [3, 3]


def test_a_404_a_page_and_a_closed_port_are_dead(server: Server, tmp_path: Path) -> None:
    gone = probe(f"{server.url}/nothing")
    assert (gone.status, gone.levels) == ("dead", ())
    assert "no volume at" in gone.detail.lower()
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "info").write_text("<html>moved</html>")
    page = probe(f"{server.url}/page")
    assert page.status == "mismatch"
    assert "is not JSON" in page.detail
    closed = Server(tmp_path)
    closed.close()
    assert probe(f"{closed.url}/good", timeout=5).status == "dead"


def test_a_server_that_never_answers_costs_the_timeout_and_no_more(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")
    server.hang = "info"
    start = time.monotonic()
    found = probe(f"{server.url}/good", timeout=1.0)
    assert 0.9 < time.monotonic() - start < 10
    assert found.status == "dead"
    assert "No answer within" in found.detail


def test_chunks_that_never_come_are_late(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "slow")
    server.hang = "/slow/8_8_8/"
    none = probe(f"{server.url}/slow", timeout=1.0, level=0)
    assert none.status == "dead"
    assert none.detail == "Level 0 was not read: time was up."
    # Another store: the engine still waits for the chunks of the first.
    write_precomputed(tmp_path / "half")
    server.hang = "/half/16_16_16/"
    some = probe(f"{server.url}/half", timeout=1.0, samples=3)
    assert some.ok
    assert "3 of 3 sampled chunks over 1 level(s)" in some.detail
    assert some.detail.endswith("level 1 was not read: time was up.")


def test_what_was_found_before_a_level_got_stuck_is_reported(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")

    class Stuck:
        shape, chunks, shards, codec, dtype = (32,) * 3, (16,) * 3, None, "none", np.dtype(np.uint8)

        def read(self, start: Sequence[int], stop: Sequence[int], out: Any = None) -> np.ndarray[Any, Any]:
            server.released.wait(30)
            raise OSError("never came")

        def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
            raise OSError("never written")

    def half_stuck(url: str) -> Stored:
        stored = open_store(url)
        return replace(stored, levels=(stored.levels[0], Level(Stuck(), stored.levels[1].calibration)))

    found = probe(f"{server.url}/good", timeout=0.5, samples=2, opener=half_stuck)
    assert found.ok
    assert found.detail.startswith("2 of 2 sampled chunks over 1 level(s)")
    assert found.detail.endswith("The rest did not come in time.")


def test_a_damaged_chunk_is_a_mismatch(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "torn")
    for chunk in (tmp_path / "torn" / "8_8_8").iterdir():
        if chunk.name.startswith("32-48_32-48_32-48"):
            chunk.write_bytes(b"cut")
    found = probe(f"{server.url}/torn", samples=6, level=0)
    assert found.status == "mismatch"
    assert "level 0: 1 of 6 sampled chunks failed" in found.detail.lower()


def test_another_voxel_size_than_declared_is_a_mismatch(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")
    found = probe(f"{server.url}/good", voxel_size=(40, 4, 4))
    assert found.status == "mismatch"
    assert found.detail.startswith("The voxel size is 8 × 8 × 8 nm, 40 × 4 × 4 was declared; ")
    assert probe(f"{server.url}/good", voxel_size=(8.04, 8, 8)).status == "ok"


def test_the_byte_limit_is_kept(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")
    few = probe(f"{server.url}/good", max_bytes=4 * 16**3)
    assert few.ok
    assert few.nbytes == 4 * 16**3
    none = probe(f"{server.url}/good", max_bytes=100)
    assert (none.status, none.nbytes) == ("skipped", 0)
    assert "a chunk of 0.0041 MB is over the limit" in none.detail


def test_a_level_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")
    found = probe(f"{server.url}/good", level=7)
    assert found.status == "skipped"
    assert "it has levels 0 to 1" in found.detail


def test_a_folder_of_this_machine_is_probed_too(tmp_path: Path) -> None:
    write_precomputed(tmp_path / "good")
    assert probe(str(tmp_path / "good")).ok
    write_precomputed(tmp_path / "hollow", lambda level: None)
    assert probe(str(tmp_path / "hollow")).status == "dead"


def test_a_plain_array_on_disk_needs_no_chunks_of_its_own(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", textured(0))
    np.save(tmp_path / "b.npy", np.full((8, 8, 8), 7, np.uint8))
    assert probe(str(tmp_path / "a.npy")).ok
    assert "constant (7)" in probe(str(tmp_path / "b.npy")).detail


def test_limits_must_be_positive() -> None:
    with pytest.raises(BadRequest, match="each must be above zero"):
        probe("bock11", samples=0)
    with pytest.raises(BadRequest, match="each must be above zero"):
        probe("bock11", timeout=0)


# ------------------------------------------------------------------------------------- names, through loopback servers


@pytest.fixture
def cloud(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Google's cloud on this machine; no account of the developer's is looked for."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-account"))
    monkeypatch.setenv("GCE_METADATA_ROOT", server.url.removeprefix("http://"))
    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", server.url)
    return server


def test_a_gs_dataset_is_probed_by_name(cloud: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "neuroglancer-public-data" / "flyem_fib-25" / "image", size=8.0)
    found = probe("fib25/image", samples=3)
    assert found.status == "ok", found
    assert found.url == "gs://neuroglancer-public-data/flyem_fib-25/image"
    assert any("/b/neuroglancer-public-data/o/flyem_fib-25%2Fimage%2Finfo" in path for path in cloud.asked)


def test_a_gs_dataset_with_another_voxel_size_is_a_mismatch(cloud: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "neuroglancer-janelia-flyem-hemibrain/v1.2/segmentation", size=16.0)
    found = probe("hemibrain/segmentation", samples=3)
    assert found.status == "mismatch"
    assert "the voxel size is 16 × 16 × 16 nm, 8 × 8 × 8 was declared" in found.detail.lower()


def test_a_gs_dataset_that_is_gone_is_dead(cloud: Server) -> None:
    assert probe("h01/c3", timeout=10).status == "dead"


def test_constant_gs_data_are_named(cloud: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "a-bucket" / "zeros", lambda level: np.zeros((64 >> level,) * 3, np.uint8))
    assert probe("gs://a-bucket/zeros", samples=2).status == "constant"


def test_an_original_name_is_probed_where_it_is_today(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "copy")
    seen = []

    def nearby(url: str) -> Stored:
        seen.append(url)
        return open_store(f"{server.url}/{'copy' if 'bossdb' in url else 'gone'}")

    found = probe("kasthuri11", opener=nearby)
    assert seen == list(dataset("kasthuri11").urls)  # the first copy is dead, so the second was asked
    assert found.status == "mismatch"
    assert "64 × 64 × 64, 1850 × 26624 × 21504 was declared" in found.detail


def test_channels_that_are_stores_of_their_own_are_chosen_by_name(server: Server, tmp_path: Path) -> None:
    write_precomputed(tmp_path / "copy", size=100.0)
    seen = []

    def nearby(url: str) -> Stored:
        seen.append(url)
        return open_store(f"{server.url}/copy")

    probe("Ex10R55", channel="PSD95_1", opener=nearby)
    probe("Ex10R55", opener=nearby)
    assert seen == [f"s3://open-neurodata/weiler14/Ex10R55/{c}" for c in ("PSD95_1", "Arc_5")]
    with pytest.raises(BadRequest, match="Ex10R55 has no channel 'PSD96'"):
        probe("Ex10R55", channel="PSD96")


def test_what_cannot_be_asked_is_skipped_with_the_reason() -> None:
    assert probe("xbrain").detail == "No address is known."
    assert probe("witvliet2020/Dataset_8").status == "skipped"
    assert "cannot be asked for" in probe("male-cns/v1.0").detail
    bossdb = probe("bossdb://bock/bock11/image")
    assert bossdb.status == "skipped"
    assert "scheme 'bossdb'" in bossdb.detail


def test_files_are_only_asked_whether_they_are_there(server: Server, tmp_path: Path) -> None:
    from ndlab.store.catalog.probe import _there

    (tmp_path / "g.graphml").write_text("<graphml/>")
    status, detail = _there(f"{server.url}/g.graphml", "GraphML", 5)
    assert (status, detail) == ("ok", "It is there, 10 bytes; the contents were not read.")
    (tmp_path / "skeletons").mkdir()
    (tmp_path / "skeletons" / "info").write_text("{}")
    assert _there(f"{server.url}/skeletons", "precomputed skeletons", 5)[0] == "ok"
    with pytest.raises(OSError, match="404"):
        _there(f"{server.url}/gone.graphml", "GraphML", 5)


# ----------------------------------------------------------------------------------------------------- the verdict


def level(i: int, shape: int, size: float, **found: Any) -> LevelProbe:
    return LevelProbe(i, (shape,) * 3, (size,) * 3, **({"asked": 2, "low": 0.0, "high": 9.0} | found))


@pytest.mark.parametrize(
    ("levels", "status", "words"),
    [
        ([level(0, 64, 8), level(1, 32, 16)], "ok", "4 of 4 sampled chunks"),
        ([level(0, 65, 8), level(1, 33, 16)], "ok", "values 0 to 9"),
        ([level(0, 65, 8), level(1, 32, 16)], "ok", "values 0 to 9"),
        ([level(0, 64, 8), level(1, 32, 8)], "mismatch", "Level 1 does not span what level 0 does"),
        ([level(0, 64, 8, constant=2, high=0.0)], "constant", "all 2 stored chunks of 2 sampled are constant (0)"),
        ([level(0, 64, 8, constant=2)], "constant", "(a single value each)"),
        ([level(0, 64, 8, constant=2, low=None, high=None)], "constant", "constant (NaN)"),
        ([level(0, 64, 8, constant=1)], "ok", "2 of 2"),
        ([level(0, 64, 8, absent=1)], "ok", "1 of 2 sampled chunks"),
        ([level(0, 64, 8, failed=2, error="no route")], "dead", "Level 0: 2 of 2 sampled chunks failed: no route"),
        ([level(0, 64, 8), level(1, 32, 16, absent=2)], "constant", "Level 1: none of 2 sampled chunks is stored"),
        ([level(0, 64, 8), level(1, 32, 16, asked=0, error="time was up")], "ok", "level 1 was not read: time was up"),
    ],
)
def test_verdicts(levels: list[LevelProbe], status: str, words: str) -> None:
    found = Probe("a", "b", *judge(levels, None), tuple(levels))
    assert (found.status, words in found.detail) == (status, True), found.detail


def test_a_declared_voxel_size_that_the_store_does_not_say_is_a_mismatch() -> None:
    declared = Dataset("a", "public", "image", voxel_size=(8.0, 8.0, 8.0), shape=(64, 64, 64))
    silent = [LevelProbe(0, (64, 64, 64), None, asked=1, low=0.0, high=1.0)]
    assert judge(silent, declared)[0] == "mismatch"
    assert judge(silent, None)[0] == "ok"
    status, detail = judge([level(0, 60, 8)], declared)
    assert status == "mismatch"
    assert "the shape is 60 × 60 × 60, 64 × 64 × 64 was declared" in detail.lower()


def test_nan_is_no_data(tmp_path: Path) -> None:
    values = np.full((8, 8, 8), np.nan, np.float32)
    np.save(tmp_path / "nan.npy", values)
    assert "constant (NaN)" in probe(str(tmp_path / "nan.npy")).detail
    values[0, 0, 0] = 1
    np.save(tmp_path / "one.npy", values)
    assert probe(str(tmp_path / "one.npy")).ok
