"""Paths that are no cut-out, as a server hands them on: what there is, levels, statistics, resources, posts."""

from __future__ import annotations

import io
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, Conflict, NdlabError, NotFound, ReadOnly, TooLarge
from ndlab.ingesting import ingest
from ndlab.serve.manage import Manager, Post, parse_post
from ndlab.serve.names import Folder

SPACE = {"imagesize": [128, 96, 40], "voxelres": [4, 4, 40], "offset": [0, 0, 8], "scalinglevels": 1}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    values = np.random.default_rng(0).integers(1, 255, (9, 40, 50), "u1")
    ingest(values, tmp_path / "em.zarr", voxel_size=(30, 3, 3))
    found = Manager(Folder(str(tmp_path), public=["em"]), most_bytes=1 << 20)
    yield found
    found.close()


def get(manager: Manager, path: str, method: str = "GET", posted: bytes = b"") -> Any:
    reply = manager.answer(method, path, posted, "http://here/ocp")
    assert reply is not None, path
    assert 200 <= reply.status < 300
    body = reply.read()
    return json.loads(body) if reply.content_type == "application/json" and body else body


def made(manager: Manager, kind: str = "image", dtype: str = "uint8", **fields: Any) -> None:
    for path, body in (
        ("resource/dataset/toy/", SPACE),
        ("resource/dataset/toy/project/p/", {}),
        ("resource/dataset/toy/project/p/channel/em/", {"channel_type": kind, "datatype": dtype, **fields}),
    ):
        get(manager, path, "POST", json.dumps(body).encode())


def npz(values: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return zlib.compress(out.getvalue())


@pytest.mark.parametrize("prefix", ["", "sd/", "nd/sd/", "ocp/ca/", "ca/"])
def test_every_prefix_reaches_the_same(manager: Manager, prefix: str) -> None:
    assert get(manager, f"/{prefix}em/info/")["channels"]["image"]["datatype"] == "uint8"
    assert get(manager, f"/{prefix}public_tokens/") == ["em"]
    assert get(manager, f"/{prefix}stats/em/image/all/")["min"] >= 1
    assert get(manager, f"/{prefix}em/projinfo/")[1:4] == b"HDF"
    assert b"http://here/ocp" in get(manager, f"/{prefix}em/volume.vikingxml")


def test_a_cut_out_is_somebody_elses(manager: Manager) -> None:
    assert manager.answer("GET", "/ocp/ca/em/image/xy/0/0,10/0,10/3/") is None


def test_what_is_posted_is_read_back(manager: Manager) -> None:
    made(manager)
    values = np.random.default_rng(1).integers(1, 255, (3, 4, 5), "u1")
    assert get(manager, "p/em/npz/0/10,15/20,24/9,12/", "POST", npz(values[None])) == {"written": 60}
    assert get(manager, "p/em/npz/0/10,15/20,24/9,12/0,0/", "POST", npz(values[None])) == {"written": 60}
    read = manager.names.channel("p", "em").volume.read()
    np.testing.assert_array_equal(read[1:4, 20:24, 10:15], values)
    assert read.sum() == values.sum(dtype=int)


def test_levels_follow_when_they_are_asked_to(manager: Manager) -> None:
    made(manager)
    assert get(manager, "p/em/getPropagate/") == b"2"
    get(manager, "p/em/npz/0/0,64/0,64/8,12/", "POST", npz(np.full((4, 64, 64), 100, "u1")))
    assert get(manager, "p/em/getPropagate/") == b"0"
    assert get(manager, "p/info/")["channels"]["em"]["propagate"] == 0
    assert get(manager, "p/em/setPropagate/1/") == b"1"
    late = time.monotonic() + 30
    while get(manager, "p/em/getPropagate/") != b"2" and time.monotonic() < late:
        time.sleep(0.02)
    assert int(manager.names.channel("p", "em").volume.level(1).read().max()) == 100
    with pytest.raises(Conflict, match="up to date"):
        get(manager, "p/em/setPropagate/1/")
    with pytest.raises(ReadOnly):
        get(manager, "em/image/setPropagate/1/")


def test_bodies_are_bounded_and_read_only_channels_are_kept(manager: Manager) -> None:
    made(manager, readonly=1)
    with pytest.raises(ReadOnly):
        manager.answer("POST", "p/em/npz/0/0,2/0,2/8,9/", npz(np.ones((1, 2, 2), "u1")))
    with pytest.raises(ReadOnly):
        manager.answer("POST", "em/image/npz/0/0,2/0,2/0,1/", npz(np.ones((1, 2, 2), "u1")))
    with pytest.raises(TooLarge, match="1048576"):
        manager.answer("POST", "p/em/npz/0/0,2/0,2/8,9/", b"x" * ((1 << 20) + 1))
    with pytest.raises(NotFound):
        manager.answer("POST", "p/nothing/npz/0/0,2/0,2/8,9/", b"")
    with pytest.raises(BadRequest, match="no such JSON"):
        manager.answer("POST", "resource/dataset/d", b"[1")


@given(
    st.sampled_from(["npz", "hdf5", "blosc"]), st.integers(0, 9), st.tuples(*[st.integers(0, 1 << 20)] * 3),
    st.tuples(*[st.integers(1, 1 << 10)] * 3), st.none() | st.tuples(st.integers(0, 9), st.integers(10, 20)),
    st.sampled_from(["overwrite", "preserve"]),
)  # fmt: skip
def test_the_path_of_a_post_is_read_exactly(
    form: str, level: int, start: tuple[int, int, int], size: tuple[int, int, int], times: Any, conflict: Any
) -> None:
    stop = (start[0] + size[0], start[1] + size[1], start[2] + size[2])
    ranges = "/".join(f"{start[i]},{stop[i]}" for i in (2, 1, 0))
    tail = "" if times is None else f"{times[0]},{times[1]}/"
    path = f"tok/a,b/{form}/{level}/{ranges}/{tail}{conflict}"
    assert parse_post(path) == Post("tok", ("a", "b"), form, level, start, stop, times, conflict)


@given(st.lists(st.text(max_size=8), max_size=7).map("/".join), st.sampled_from(["GET", "POST", "DELETE", "PUT"]))
def test_any_path_is_answered_or_refused_in_words(path: str, method: str) -> None:
    assert _EMPTY not in refusal(Manager(Folder(_EMPTY)), method, path)


def refusal(manager: Manager, method: str, path: str) -> str:
    """Return what a request is told; any other error is the test's."""
    try:
        manager.answer(method, path, b"{}")
    except NdlabError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True, scope="module")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> None:
    global _EMPTY
    _EMPTY = str(tmp_path_factory.mktemp("served"))


_EMPTY = ""
