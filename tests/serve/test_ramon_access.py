"""Who may read and change objects over HTTP, and how each mistake is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.annotations import Annotations, Segment
from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access, Limits
from tests.serve.jupyter_server import ask as ask_url
from tests.serve.ramon_client import Objects, file_of, served
from tests.serve.ramon_model import metadata, placed
from tests.serve.sites import Client

CHANGES = [
    ("GET", "setField/1/status/1/", b""), ("GET", "merge/1,2/global/0/", b""), ("GET", "reserve/5/", b""),
    ("POST", "overwrite/", file_of({"x": {}})), ("POST", "json/", b'{"0": {"type": "seed", "metadata": {}}}'),
    ("POST", "swc/", b"1 1 0 0 0 1 -1\n"), ("DELETE", "1/", b""), ("PUT", "overwrite/", file_of({"x": {}})),
]  # fmt: skip
READS = ["1/", "1/json/", "1/voxels/0/", "query/", "query/type/4/", "getField/1/status/", "csv/1/0/", "swc/",
         "exceptions/0/6,20/2,20/4,20/"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access")


@pytest.fixture(scope="module")
def nd(folder: Path) -> Iterator[Objects]:
    with served(folder, public=("p",)) as ask:
        nd = Objects(ask)
        one = {"ANNOTATION_TYPE": 4, "RESOLUTION": 0, "VOXELS": placed([(1, 2, 3)])}
        nd.post({1: one, 2: {"ANNOTATION_TYPE": 4}, 3: {"ANNOTATION_TYPE": 8}})
        yield nd


def state(nd: Objects) -> Any:
    return nd.query(), nd("1,2,3/json/").body, nd.volume().tobytes()


def test_a_stranger_reads_what_is_public_and_changes_nothing(nd: Objects) -> None:
    before = state(nd)
    stranger = Objects(Client(nd.ask.server, None))
    for path in READS:
        assert stranger(path).body == nd(path).body, path
    assert stranger.ask("/ramon/p/cells/1/").status == 200
    for method, path, body in CHANGES:
        assert stranger(path, method, body or None).status == 403, path
    assert state(nd) == before


def test_head_changes_nothing(nd: Objects) -> None:
    before = state(nd)
    for path in ("setField/1/status/1/", "merge/1,2/global/0/", "reserve/5/"):
        assert nd(path, "HEAD").status == 405
    for path in READS:
        assert nd(path, "HEAD").status == 200
    assert state(nd) == before
    assert nd("reserve/1/").json[0] == nd("reserve/1/").json[0] - 1


def test_a_link_on_another_site_changes_nothing(folder: Path) -> None:
    """The server on the loopback trusts all who reach it, a browser that follows a link among them."""
    with serving(make_site(str(folder), Access(open=True), writable=True)) as server:
        at = f"{server.url}/sd/p/cells"
        foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        changing = ("setField/1/status/3/", "merge/1,2/global/0/", "reserve/5/", "setPropagate/1/", "%73etPropagate/1/")
        for path in changing:
            assert ask_url(f"{at}/{path}", headers=foreign).status == 403
        assert ask_url(f"{at}/1/json/", headers=foreign).status == 200
        assert ask_url(f"{at}/setField/1/status/3/", headers={"Sec-Fetch-Site": "none"}).status == 200
        assert ask_url(f"{at}/getField/1/status/").body == b"3"
        assert ask_url(f"{at}/setField/1/status/0/").status == 200


def test_a_read_only_channel_is_only_read(tmp_path: Path) -> None:
    labels = np.zeros((8, 32, 32), "u4")
    labels[2, 3, 4] = 7
    vol = ingest(labels, tmp_path / "data" / "seg.zarr", voxel_size=(40, 4, 4), kind="labels")
    with Annotations.create(tmp_path / "data" / "seg.zarr" / "annotations" / "cells", vol) as ann:
        ann.attach(vol)
        ann.add([Segment(id=7, keys={"name": "axon"})])
    paths = [(method, path.replace("1/", "7/", 1), body) for method, path, body in CHANGES]
    with serving(make_site(str(tmp_path / "data"), Access(open=True))) as server:
        nd = Objects(Client(server, None), "seg", "annotation")
        assert nd.get(7, "voxels/0/")[7]["VOXELS"].tolist() == [[4, 3, 2]]
        assert nd("7/json/").json["7"]["metadata"]["kvpairs"] == {"name": "axon"}
        for method, path, body in paths:
            said = nd(path, method, body or None)
            assert (said.status, "read-only" in said.json["exists"]) == (403, True), path
    with serving(make_site(str(tmp_path / "data"), Access(open=True), writable=True)) as server:
        nd = Objects(Client(server, None), "seg", "annotation")
        assert nd.good("setField/7/status/2/") == b""
        assert nd.good("7/", "DELETE") == b"Success"
    with Annotations.open(tmp_path / "data" / "seg.zarr" / "annotations" / "cells") as ann:
        assert [one.operation for one in ann.history()] == ["delete", "update", "add"]
        ann.undo()
        assert ann.paint.voxels(7).tolist() == [[2, 3, 4]]


def test_labels_that_nothing_is_attached_to_get_annotations_when_they_are_first_posted(tmp_path: Path) -> None:
    labels = np.zeros((8, 32, 32), "u4")
    labels[2, 3, 4] = 7
    ingest(labels, tmp_path / "seg.zarr", voxel_size=(40, 4, 4), kind="labels")
    ingest(labels.astype("u1"), tmp_path / "em.zarr", voxel_size=(40, 4, 4))
    with serving(make_site(str(tmp_path), Access(open=True), writable=True)) as server:
        nd, em = Objects(Client(server, None), "seg", "annotation"), Objects(Client(server, None), "em", "image")
        said = nd("query/")
        assert said.status == 404
        assert "Annotations.create" in said.json["remedy"]
        assert not (tmp_path / "seg.zarr" / "annotations").exists()
        assert em("query/").status == em("overwrite/", "POST", file_of({"x": {}})).status == 400
        # Ids that the labels have are not given again.
        (one,) = nd.post({"x": {"ANNOTATION_TYPE": 4, "RESOLUTION": 0, "VOXELS": [[9, 9, 3]]}})
        assert one > 7
        nd.post({7: {"ANNOTATION_TYPE": 4}})
        assert nd.get(7, "voxels/0/")[7]["VOXELS"].tolist() == [[4, 3, 2]]


def test_a_damaged_set_is_told_and_the_voxels_beside_it_are_served(tmp_path: Path) -> None:
    for name in ("seg", "other"):
        vol = ingest(np.ones((8, 32, 32), "u4"), tmp_path / f"{name}.zarr", voxel_size=(40, 4, 4), kind="labels")
        with Annotations.create(tmp_path / f"{name}.zarr" / "annotations" / "cells", vol) as ann:
            ann.attach(vol)
    (tmp_path / "seg.zarr" / "annotations" / "cells" / "objects.sqlite").write_bytes(b"nonsense" * 2000)
    with serving(make_site(str(tmp_path), Access(open=True))) as server:
        ask = Client(server, None)
        assert Objects(ask, "other", "annotation").query() == []
        said = Objects(ask, "seg", "annotation")("query/")
        assert (said.status, str(tmp_path) in said.body.decode()) == (502, False)
        assert ask("/sd/seg/annotation/ids/0/0,9/0,9/0,3/").body == b"1"
        assert ask("/v1/annotations").json == {"annotations": [{"name": "other", "channel": "annotation"}]}


def test_large_labels_are_not_indexed_while_somebody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ndlab.serve.ramon import sets

    monkeypatch.setattr(sets, "_INDEXED", 1000)
    ingest(np.zeros((8, 32, 32), "u4"), tmp_path / "seg.zarr", voxel_size=(40, 4, 4), kind="labels")
    with serving(make_site(str(tmp_path), Access(open=True), writable=True)) as server:
        said = Objects(Client(server, None), "seg", "annotation")("overwrite/", "POST", file_of({"x": {}}))
        assert (said.status, "do that once" in said.json["remedy"]) == (413, True)
        assert not (tmp_path / "seg.zarr" / "annotations").exists()


BAD: list[tuple[str, str, bytes | None, int]] = [
    ("GET", "0/", None, 400), ("GET", "99/", None, 404), ("GET", "1,99/json/", None, 404),
    ("GET", "1/voxels/99/", None, 404), ("GET", "1/cutout/0/0,999999/0,5/0,5/", None, 404),
    ("GET", "1/cutout/0/9,3/3,9/5,9/", None, 404), ("GET", "1/cutout/0/6,9/3,9/5,9/1,2/", None, 404),
    ("GET", "query/type/77/", None, 400), ("GET", "query/status/9/", None, 400),
    ("GET", "query/confidence/gt/much/", None, 400), ("GET", "query/syn_centroid/1,2,3/", None, 400),
    ("POST", "query/", b"nonsense", 400), ("GET", "reserve/0/", None, 400), ("GET", "merge/1/global/99/", None, 404),
    ("GET", "merge/1,99/", None, 404), ("GET", "merge/1,3/global/0/", None, 400),
    ("GET", "setField/1/confidence/2/", None, 400), ("GET", "setField/1/neuron/x/", None, 400),
    ("GET", "setField/1/annid/7/", None, 400), ("GET", "setField/99/status/1/", None, 404),
    ("GET", "exceptions/1/3,9/1,9/4,9/", None, 400), ("GET", "swc/1/", None, 404), ("GET", "csv/99/0/", None, 404),
    ("GET", "overwrite/", None, 405), ("POST", "1/", b"", 405), ("DELETE", "query/", None, 405),
    ("DELETE", "1/voxels/0/", None, 400), ("DELETE", "99/", None, 404), ("PATCH", "1/", b"", 405),
    ("POST", "overwrite/", b"", 400), ("POST", "overwrite/", b"\x89HDF", 400), ("POST", "json/", b"[1]", 400),
    ("POST", "json/", b'{"0": {"type": "whale", "metadata": {}}}', 400),
    ("POST", "json/", b'{"0": {"type": "synapse", "metadata": {"whale": 1}}}', 400),
    ("POST", "json/", b'{"0": {"type": "synapse", "metadata": {"weight": "heavy"}}}', 400),
    ("POST", "json/", b'{"0": {"type": "synapse", "metadata": {"weight": NaN}}}', 400),
    ("POST", "json/", b"[" * 100_000, 400),
    ("POST", "json/", b'{"99999999999999999999": {"type": "seed", "metadata": {}}}', 400),
    ("POST", "json/", b'{"1": {"type": "segment", "metadata": {}}}', 409),
    ("POST", "update/json/", b'{"1": {"type": "synapse", "metadata": {}}}', 400),
    ("POST", "update/json/", b'{"0": {"type": "synapse", "metadata": {}}}', 400),
    ("POST", "overwrite/", file_of({"a": {"VOXELS": [[1, 2]]}}), 400),
    ("POST", "overwrite/", file_of({"a": {"VOXELS": [[0, 0, 0]]}}), 404),
    ("POST", "overwrite/", file_of({"a": {"RESOLUTION": 9, "VOXELS": [[9, 9, 9]]}}), 404),
    ("POST", "overwrite/", file_of({"a": {"CUTOUT": np.ones((2, 2, 2))}}), 400),
    ("POST", "overwrite/", file_of({"a": {"XYZOFFSET": [9, 9, 9], "CUTOUT": np.ones((2, 2))}}), 400),
    ("POST", "overwrite/", file_of({"a": {"XYZOFFSET": [9, 9, 9], "CUTOUT": np.ones((999, 2, 2))}}), 404),
    ("POST", "overwrite/", file_of({str(2**40): {"XYZOFFSET": [9, 9, 9], "CUTOUT": np.ones((1, 2, 2))}}), 400),
    ("POST", "overwrite/", file_of({"a": {"ANNOTATION_TYPE": 3, "VOXELS": [[9, 9, 9]]}}), 400),
    ("POST", "overwrite/", file_of({"a": {"CUBOIDS": {"b": {"CUBOID": np.ones((2, 2, 2))}}}}), 400),
    ("POST", "overwrite/", file_of({"a": metadata(kvpairs="one,two,three\n")}), 400),
    ("POST", "overwrite/", file_of({"a": {"ANNOTATION_TYPE": 2, **metadata(centroid=[1, 2])}}), 400),
    ("POST", "dataonly/", file_of({1: metadata(status=1)}), 400),
    ("POST", "reduce/", file_of({99: {"VOXELS": [[9, 9, 9]]}}), 404),
    ("POST", "reduce/", file_of({"a": {"VOXELS": [[9, 9, 9]]}}), 400),
    ("POST", "npz/0/6,9/2,5/4,7/", b"nonsense", 400),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD)
def test_a_mistake_is_told_and_nothing_is_written(
    nd: Objects, method: str, path: str, body: bytes | None, status: int
) -> None:
    before = state(nd)
    said = nd(path, method, body)
    assert said.status == status, said.body
    assert set(said.json) == {"status", "asked", "exists", "remedy"}
    assert said.json["asked"]
    for secret in (b"Traceback", b"site-packages", b"objects.sqlite", str(nd.ask.server.site.names.url).encode()):
        assert secret not in said.body
    assert state(nd) == before


def test_voxels_that_are_posted_as_a_box_are_painted_too(nd: Objects) -> None:
    import io
    import zlib

    ids = nd.post({"a": {"ANNOTATION_TYPE": 4}, "b": {"ANNOTATION_TYPE": 4}})
    values = np.zeros((2, 3, 4), "u4")
    values[0], values[1, :, :2] = ids
    out = io.BytesIO()
    np.save(out, values[None])
    said = nd("npz/0/40,44/40,43/10,12/", "POST", zlib.compress(out.getvalue()))
    assert said.json == {"written": 24}
    assert len(nd.get(ids[0], "voxels/0/")[ids[0]]["VOXELS"]) == 12
    np.testing.assert_array_equal(nd.volume()[6:8, 38:41, 34:38], values)
    np.save(out := io.BytesIO(), np.full((1, 1, 3, 4), ids[1], "u4"))
    nd("npz/0/40,44/40,43/10,11/except/", "POST", zlib.compress(out.getvalue()))
    assert len(nd.get(ids[1], "voxels/0/")[ids[1]]["VOXELS"]) == 6 + 12
    np.testing.assert_array_equal(nd.volume()[6:8, 38:41, 34:38], values)
    nd.good(f"{ids[0]},{ids[1]}/", "DELETE")


def test_a_deleted_channel_takes_its_annotations_along(tmp_path: Path) -> None:
    with served(tmp_path) as ask:
        nd = Objects(ask)
        nd.post({"x": {"RESOLUTION": 0, "VOXELS": placed([(1, 1, 1)])}})
        channel = "/resource/dataset/toy/project/p/channel/cells/"
        assert ask(channel, "DELETE").status == 204
        assert nd("query/").status == 404
        fields = {"channel_type": "annotation", "datatype": "uint32"}
        assert ask(channel, "POST", json.dumps(fields).encode()).status == 201
        assert nd.query() == []
        nd.post({"x": {"RESOLUTION": 0, "VOXELS": placed([(2, 2, 2)])}})
        assert np.count_nonzero(nd.volume()) == 1


def test_a_body_beyond_the_limit_is_refused(folder: Path) -> None:
    with served(folder, limits=Limits(body=500)) as ask:
        said = Objects(ask)("overwrite/", "POST", file_of({"x": {}}))
        assert said.status == 413
