"""Where a page reads a volume by itself, and the chunks that the page's tests undo."""

from __future__ import annotations

import json
from pathlib import Path

import numcodecs
import numpy as np
import pytest

import ndlab
from ndlab import explore
from ndlab.explore.stored import stored, web_address
from ndlab.ingesting import ingest
from ndlab.serve.limits import Access
from ndlab.serve.tiles import TileService
from tests.serve.sites import EM, make_folder, serve

CHUNKS = json.loads((Path(__file__).parents[2] / "widgets" / "test" / "chunks.json").read_text())


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("https://example.org/a b/em.zarr", "https://example.org/a%20b/em.zarr"),
        ("http://127.0.0.1:8080/em", "http://127.0.0.1:8080/em"),
        ("gs://bucket/em.zarr", "https://storage.googleapis.com/bucket/em.zarr"),
        ("s3://bucket/em.zarr", "https://bucket.s3.amazonaws.com/em.zarr"),
        ("/data/em.zarr", None),
        ("https://me:word@example.org/em.zarr", None),
        ("https://example.org/em.zarr?signature=abc", None),
        ("", None),
    ],
)
def test_only_what_anybody_may_ask_for_has_an_address(url: str, want: str | None) -> None:
    assert web_address(url) == want


def test_a_bucket_of_ones_own_is_not_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.lab.example")
    assert web_address("s3://bucket/em.zarr") is None


def test_a_part_of_a_store_is_told_with_where_it_begins(tmp_path: Path) -> None:
    with serve(make_folder(tmp_path), Access(open=True)) as ask:
        vol = ndlab.open(f"{ask.server.url}/v1/zarr/em")
        found = stored(vol[2:12, 10:150, 20:], labels=False)
        assert found is not None
        first = found["levels"][0]
        assert (first["start"], first["shape"], first["order"]) == ([2, 10, 20], [10, 140, 150], [0, 1, 2])
        assert first["url"].startswith(ask.server.url)
        array = np.asarray(ndlab.open(first["url"], axes="zyx").read())
        box = tuple(slice(a, a + n) for a, n in zip(first["start"], first["shape"], strict=True))
        np.testing.assert_array_equal(array[box], EM[2:12, 10:150, 20:])
        view = explore.image(vol)
        assert view.infos[next(iter(view.infos))]["stored"]["levels"][0]["url"] == first["url"]
        assert view.reader.startswith("/* ndlab widgets")
        assert (view.transport, view.carrier) == ("auto", None)
        plain = explore.image(vol, transport="comm")
        assert plain.reader == ""
        assert plain.endpoint is None
        for one in (view, plain):
            one.close()


def test_what_lies_on_this_machine_is_the_kernels_to_read(tmp_path: Path) -> None:
    vol = ingest(EM, tmp_path / "em.zarr", voxel_size=(40, 4, 4))
    assert stored(vol, labels=False) is None
    view = explore.image(vol)
    assert view.reader == ""
    assert "stored" not in view.infos[next(iter(view.infos))]
    view.close()
    with TileService() as service:
        assert "stored" not in service.info(service.add(vol))


@pytest.mark.parametrize("row", CHUNKS, ids=[row["about"] for row in CHUNKS])
def test_the_chunks_of_the_pages_tests_hold_what_they_say(row: dict[str, object]) -> None:
    codec = numcodecs.get_codec({"id": row["codec"]})
    found = np.frombuffer(codec.decode(bytes.fromhex(str(row["hex"]))), "u1")
    i = np.arange(int(str(row["bytes"])), dtype="u8")
    noise = (i * 2654435761 % 2**32) >> 24
    want = noise if row["noise"] else np.where(i % 64 == 0, (i * i) >> 4, i >> 6)
    np.testing.assert_array_equal(found, want.astype("u1"))
