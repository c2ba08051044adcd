"""Annotations as resources below /v1, against a set that Python opens beside the server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.annotations import Annotations, Segment, Synapse
from ndlab.geometry import Box
from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access
from tests.serve.sites import TOKEN, Client

AT = "/v1/annotations/seg/annotation"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("v1")
    vol = ingest(np.zeros((20, 60, 70), "u8"), folder / "seg.zarr", voxel_size=(40, 4, 4), kind="labels")
    ingest(np.zeros((4, 8, 8), "u1"), folder / "em.zarr", voxel_size=(40, 4, 4))
    with Annotations.create(folder / "seg.zarr" / "annotations" / "cells", vol, author="Ana") as ann:
        ann.attach(vol)
        ann.add([Segment(id=1, keys={"name": "axon"}), Segment(id=2), Synapse(id=3, presegments=[1], confidence=0.5)])
    return folder


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Client]:
    with serving(make_site(str(folder), Access(token=TOKEN), writable=True)) as server:
        yield Client(server, TOKEN)


@pytest.fixture(scope="module")
def ann(folder: Path, ask: Client) -> Iterator[Annotations]:
    with Annotations.open(folder / "seg.zarr" / "annotations" / "cells") as ann:
        yield ann


def send(ask: Client, method: str, path: str, body: Any = None) -> Any:
    said = ask(path, method, None if body is None else json.dumps(body).encode())
    return said.status, said.json


def npy(said: Any) -> Any:
    assert said.status == 200, said.body
    return np.load(io.BytesIO(said.body))


def test_what_there_is(ask: Client, ann: Annotations) -> None:
    assert send(ask, "GET", "/v1/annotations") == (200, {"annotations": [{"name": "seg", "channel": "annotation"}]})
    _, said = send(ask, "GET", AT)
    assert said["counts"] == ann.counts()
    assert said["labels"] == {"shape": [20, 60, 70], "dtype": "uint64"}
    assert said["voxel_size"][0] == [40, 4, 4]
    for path, status in (("/v1/annotations/em/image", 400), ("/v1/annotations/none/x", 404), (f"{AT}/objects/99", 404),
                         (f"{AT}/objects/x", 400), (f"{AT}/objects?kind=whale", 400), (f"{AT}/objects?color=1", 400),
                         (f"{AT}/objects?where=[1]", 400), (f"{AT}/objects?where=%7B%22confidence__is%22:1%7D", 400),
                         (f"{AT}/objects?box=0:1,0:1", 400), (f"{AT}/objects?limit=99999999", 400)):  # fmt: skip
        status_, said = send(ask, "GET", path)
        assert (status_, set(said)) == (status, {"status", "asked", "exists", "remedy"}), path


def test_objects_are_made_changed_asked_for_and_deleted(ask: Client, ann: Annotations) -> None:
    status, said = send(ask, "POST", f"{AT}/objects", {
        "note": "by hand",
        "objects": [
            {"kind": "synapse", "presegments": [1], "postsegments": [2], "confidence": 0.9, "centroid": [400, 40, 40],
             "tracer": "AB", "time": "2026-01-31T12:00:00+00:00", "voxels": [[1, 2, 3], [1, 2, 4]]},
            {"kind": "segment", "segmentclass": "axon", "box": [[2, 3, 4], [4, 6, 8]], "keys": {"status": "odd"}},
        ],
    })  # fmt: skip
    assert status == 201
    synapse, segment = said["ids"]
    found = ann.get(synapse)
    assert (found.confidence, found.keys, found.centroid) == (0.9, {"tracer": "AB"}, (400.0, 40.0, 40.0))
    assert found.time.isoformat() == "2026-01-31T12:00:00+00:00"
    assert ann.get(segment).keys == {"status": "odd"}
    assert ann.paint.voxels(synapse).tolist() == [[1, 2, 3], [1, 2, 4]]
    assert ann.paint.bounding_box(segment) == Box((2, 3, 4), (4, 6, 8))
    assert ann.history(limit=1)[0].note == "by hand"
    _, said = send(ask, "GET", f"{AT}/objects/1")
    assert said["derived"]["presynapses"] == [3, synapse]
    # As voxels.
    assert send(ask, "GET", f"{AT}/objects/{segment}/bounds")[1] == {
        "id": segment,
        "start": [2, 3, 4],
        "stop": [4, 6, 8],
    }
    assert npy(ask(f"{AT}/objects/{synapse}/voxels")).tolist() == [[1, 2, 3], [1, 2, 4]]
    cut = ask(f"{AT}/objects/{segment}/cutout")
    assert cut.headers["X-Ndlab-Offset"] == "2,3,4"
    assert (npy(cut) == np.full((2, 3, 4), segment, "u8")).all()
    part = npy(ask(f"{AT}/objects/{segment}/cutout?box=1:3,3:5,0:6"))
    assert (part.shape, (part == segment).sum()) == ((2, 2, 6), 1 * 2 * 2)
    assert send(ask, "GET", f"{AT}/objects/1/bounds")[0] == 404
    # Changed, in fields, free keys and paint, at once.
    before = ann.version
    change = {"status": "locked", "reviewed": True, "keys": {"status": None}, "voxels": [[9, 9, 9]], "note": "seen"}
    status, said = send(ask, "PATCH", f"{AT}/objects/{segment}", change)
    assert (status, said["status"], said["keys"]) == (200, "locked", {"reviewed": True})
    assert (ann.paint.size(segment), ann.version) == (25, before + 1)
    assert send(ask, "POST", f"{AT}/undo", {})[1]["undone"]["operation"] == "update"
    assert (ann.paint.size(segment), ann.get(segment).keys) == (24, {"status": "odd"})
    # Asked for.
    by_key = send(ask, "GET", f'{AT}/objects?where={{"tracer":"AB","confidence__gt":0.5}}&kind=synapse')[1]
    assert [one["id"] for one in by_key["objects"]] == [synapse]
    here = send(ask, "GET", f"{AT}/objects?box=10:11,10:11,10:11")[1]["objects"]
    assert [one["id"] for one in here] == [synapse]
    assert {"key": "tracer", "count": 1} in send(ask, "GET", f"{AT}/keys?kind=synapse")[1]["keys"]
    # Merged, reserved, deleted.
    first = send(ask, "POST", f"{AT}/reserve", {"count": 5})[1]["first"]
    assert ann.reserve(1)[0] == first + 5
    assert send(ask, "POST", f"{AT}/merge", {"ids": [1, segment]}) == (200, {"id": 1})
    assert ann.paint.size(1) == 24
    assert send(ask, "DELETE", f"{AT}/objects?ids=1,{synapse}") == (200, {"deleted": 2})
    assert send(ask, "GET", f"{AT}/objects/{synapse}")[0] == 404
    assert not ann.paint.ids()
    numbers = [one["number"] for one in send(ask, "GET", f"{AT}/history?limit=3")[1]["transactions"]]
    assert numbers == [one.number for one in ann.history(limit=3)]
    for _ in range(2):
        assert send(ask, "POST", f"{AT}/undo", {})[0] == 200
    assert ann.paint.size(segment) == 24


def test_pages_go_on_where_the_last_one_ended(ask: Client, ann: Annotations) -> None:
    ids = send(ask, "POST", f"{AT}/objects", {"objects": [{"kind": "roi", "n": i} for i in range(95)]})[1]["ids"]
    seen: list[int] = []
    after = 0
    while after is not None:
        _, said = send(ask, "GET", f"{AT}/objects?kind=roi&limit=20&after={after}")
        seen += [one["id"] for one in said["objects"]]
        after = said["after"]
        assert said["more"] is (after is not None)
    assert seen == sorted(ids)
    _, said = send(ask, "GET", f"{AT}/objects?kind=roi&sort=-n&limit=3")
    assert [one["keys"]["n"] for one in said["objects"]] == [94, 93, 92]
    assert send(ask, "DELETE", f"{AT}/objects?ids={','.join(map(str, ids))}")[1] == {"deleted": 95}


BAD = [
    ("POST", "objects", {}), ("POST", "objects", {"objects": []}), ("POST", "objects", {"objects": [1]}),
    ("POST", "objects", {"objects": [{"kind": "whale"}]}), ("POST", "objects", {"objects": [{"confidence": 2}]}),
    ("POST", "objects", {"objects": [{}, {"time": "yesterday"}]}), ("POST", "objects", {"objects": [{"bounds": [1]}]}),
    ("POST", "objects", {"objects": [{"voxels": [[1, 2]]}]}), ("POST", "objects", {"objects": [{"box": [1]}]}),
    ("POST", "objects", {"objects": [{"voxels": [[99, 2, 3]]}]}), ("POST", "objects", {"objects": [{"keys": [1]}]}),
    ("POST", "objects", {"objects": [{"kind": "seed", "voxels": [[1, 2, 3]]}]}),
    ("POST", "objects", {"objects": [{"voxels": [[1, 2, 3]]}], "mode": "sideways"}),
    ("POST", "objects", {"objects": [{"id": 2}]}), ("POST", "objects", {"objects": [{}], "more": 1}),
    ("PATCH", "objects/2", {"id": 7}), ("PATCH", "objects/2", {"synapses": [1]}),
    ("PATCH", "objects/2", {"status": "odd"}), ("PATCH", "objects/2", {"keys": 1}), ("PATCH", "objects/99", {}),
    ("PATCH", "objects/2", {"kind": "synapse"}), ("DELETE", "objects", None), ("DELETE", "objects?ids=2,99", None),
    ("POST", "reserve", {"count": 0}), ("POST", "reserve", {"count": "5"}), ("POST", "merge", {"ids": [2]}),
    ("POST", "merge", {"ids": [2, 3]}), ("POST", "undo", {"transaction": -1}), ("POST", "undo", {"transaction": 9999}),
    ("PUT", "objects", {}), ("GET", "objects/2/shape", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), BAD)
def test_a_mistake_is_told_and_nothing_is_written(
    ask: Client, ann: Annotations, method: str, path: str, body: Any
) -> None:
    before = ann.version
    status, said = send(ask, method, f"{AT}/{path}", body)
    assert 400 <= status < 500, said
    assert set(said) == {"status", "asked", "exists", "remedy"}
    assert ann.version == before


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8,
)  # fmt: skip
MEMBERS = ["objects", "mode", "note", "ids", "count", "transaction", "keys", "kind", "id", "voxels", "box"]
FIELDS = ["status", "confidence", "time", "bounds", "centroid", "segments", "author", "x"]
names = st.sampled_from(MEMBERS + FIELDS)
bodies = st.dictionaries(
    names, anything | st.lists(st.dictionaries(names, anything, max_size=4), max_size=2), max_size=4
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([("POST", "objects"), ("PATCH", "objects/2"), ("POST", "reserve"), ("POST", "merge"),
                        ("POST", "undo")]), bodies | anything)  # fmt: skip
def test_whatever_is_posted_is_answered(ask: Client, where: tuple[str, str], body: Any) -> None:
    method, path = where
    said = ask(f"{AT}/{path}", method, json.dumps(body).encode())
    assert said.status < 500, said.body
    assert b"Traceback" not in said.body


def test_without_the_token_nothing_is_told(ask: Client) -> None:
    stranger = Client(ask.server, None)
    asked = [("GET", "/v1/annotations"), ("GET", AT), ("GET", f"{AT}/objects"), ("POST", f"{AT}/objects"),
             ("PATCH", f"{AT}/objects/2"), ("DELETE", f"{AT}/objects/2"), ("POST", f"{AT}/undo")]  # fmt: skip
    for method, path in asked:
        assert stranger(path, method, b"{}" if method != "GET" else None).status == 403
