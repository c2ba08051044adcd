"""Zarr as it lies and precomputed on the fly, read by the clients that people have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
import zarr

from ndlab.ingesting import ingest
from ndlab.serve.limits import Access
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.serve.sites import EM, SEG, TOKEN, Client, make_folder, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = make_folder(tmp_path_factory.mktemp("raw"))
    movie = np.stack([EM[:4], EM[4:8], EM[8:12]])
    ingest(movie, found / "movie.zarr", axes="tzyx", voxel_size=(40, 4, 4))
    return found


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Client]:
    with serve(folder, Access(token=TOKEN, cors=("https://viewer.example",)), TOKEN) as client:
        yield client


@pytest.fixture(scope="module")
def open_ask(folder: Path) -> Iterator[Client]:
    with serve(folder, Access(open=True)) as client:
        yield client


def chunk_of(folder: Path) -> tuple[str, bytes]:
    path = next(path for path in sorted((folder / "em.zarr" / "0").rglob("*")) if path.is_file() and "c" in path.parts)
    return f"/v1/zarr/em/{path.relative_to(folder / 'em.zarr')}", path.read_bytes()


def test_whole_keys_ranges_and_tags(ask: Client, folder: Path) -> None:
    key, value = chunk_of(folder)
    said = ask(key)
    assert (said.status, said.body) == (200, value)
    assert said.headers["Accept-Ranges"] == "bytes"
    tag = said.headers["ETag"]
    for header, part in {
        "bytes=0-9": value[:10], "bytes=10-": value[10:], "bytes=-7": value[-7:], f"bytes=5-{10**9}": value[5:],
        f"bytes=-{10**9}": value,
    }.items():  # fmt: skip
        got = ask(key, Range=header)
        assert (got.status, got.body) == (206, part), header
        first, last = got.headers["Content-Range"].removeprefix("bytes ").partition("/")[0].split("-")
        assert value[int(first) : int(last) + 1] == part
    beyond = ask(key, Range=f"bytes={len(value)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(value)}")
    for nonsense in ("bytes=", "bytes=-", "bytes=9-5", "lines=1-2", "bytes=1-2,4-5", "bytes=a-b", "bytes=" + "9" * 99):
        assert ask(key, Range=nonsense).status == 200, nonsense
    assert ask(key, If_None_Match=tag).status == 304
    assert ask(key, If_None_Match='"other"').status == 200
    assert ask(key, Range="bytes=0-1", If_Range=tag).status == 206
    assert ask(key, Range="bytes=0-1", If_Range='"other"').status == 200
    head = ask(key, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(value)))
    assert head.headers["ETag"] == tag


def test_a_large_value_is_streamed_whole(ask: Client, folder: Path) -> None:
    value = np.random.default_rng(1).bytes(5_000_000)
    (folder / "em.zarr" / "big").write_bytes(value)
    assert ask("/v1/zarr/em/big").body == value
    assert ask("/v1/zarr/em/big", Range="bytes=100-4000000").body == value[100:4000001]


def test_a_written_key_has_another_tag(ask: Client, folder: Path) -> None:
    path = folder / "em.zarr" / "note"
    path.write_bytes(b"one")
    first = ask("/v1/zarr/em/note").headers["ETag"]
    path.unlink()
    path.write_bytes(b"two")
    again = ask("/v1/zarr/em/note", If_None_Match=first)
    assert (again.status, again.body) == (200, b"two")


@pytest.mark.parametrize(
    "path",
    ["..", "../secret.txt", "0/../../secret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "..%2f..%2fsecret.txt",
     "link", "up/secret.txt", "up/data/seg.ome.zarr/zarr.json", "/etc/passwd", "%2fetc/passwd", "0", "", ".", "0//c",
     "..%5csecret.txt", "a%00b", ".ndlab/receipts/x.json", ".ndlab", "0/"],
)  # fmt: skip
def test_nothing_outside_a_store_is_served(ask: Client, path: str) -> None:
    said = ask(f"/v1/zarr/em/{path}")
    assert said.status == 404
    assert b"nobody may read this" not in said.body


def test_the_pages_of_an_allowed_origin_may_read(ask: Client) -> None:
    asked = {"Origin": "https://viewer.example", "Access-Control-Request-Method": "GET"}
    before = ask("/v1/zarr/em/zarr.json", "OPTIONS", None, **asked)
    assert before.status == 204
    assert "Range" in before.headers["Access-Control-Allow-Headers"]
    said = ask("/v1/zarr/em/zarr.json", Origin="https://viewer.example")
    assert said.headers["Access-Control-Allow-Origin"] == "https://viewer.example"
    assert "Content-Range" in said.headers["Access-Control-Expose-Headers"]
    refused = ask("/v1/zarr/em/none", Origin="https://viewer.example")
    assert refused.headers["Access-Control-Allow-Origin"] == "https://viewer.example", "a page may read a mistake too"
    other = ask("/v1/zarr/em/zarr.json", Origin="https://other.example")
    assert "Access-Control-Allow-Origin" not in other.headers
    assert ask("/v1/zarr/em/zarr.json", "OPTIONS", Origin="https://other.example").status == 403


def test_tensorstore_reads_it(ask: Client) -> None:
    store = {
        "driver": "http",
        "base_url": f"{ask.server.url}/v1/zarr/em/0/",
        "headers": [f"Authorization: Bearer {TOKEN}"],
    }
    array = ts.open({"driver": "zarr3", "kvstore": store}, open=True, read=True).result()
    assert (array.read().result() == EM).all()


def test_zarr_python_reads_it_over_fsspec(open_ask: Client) -> None:
    group = zarr.open_group(f"{open_ask.server.url}/v1/zarr/em", mode="r")
    array = group["0"]
    assert isinstance(array, zarr.Array)
    assert np.array_equal(np.asarray(array[3:5, 10:90, :]), EM[3:5, 10:90])


def test_ndlab_and_xarray_read_it(open_ask: Client) -> None:
    import xarray as xr

    url = f"{open_ask.server.url}/v1/zarr/em"
    volume = open_volume(url)
    assert (volume.read() == EM).all()
    assert (volume.voxel_size, volume.offset) == ((40, 4, 4), (400, 0, 0))
    with xr.open_dataset(url, engine="ndlab") as dataset:
        (array,) = dataset.data_vars.values()
        assert (array[2, 5:9, :7].to_numpy() == EM[2, 5:9, :7]).all()


def precomputed(client: Client, path: str, level: int = 0) -> np.ndarray[Any, Any]:
    """Every voxel, (z, y, x)."""
    return np.asarray(opened(client, path, level).read().result())[..., 0].T


def opened(client: Client, path: str, level: int = 0) -> Any:
    store = {"driver": "http", "base_url": f"{client.server.url}/v1/precomputed/{path}/",
             "headers": [f"Authorization: Bearer {TOKEN}"]}  # fmt: skip
    spec = {"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": level}
    return ts.open(spec, open=True, read=True).result()


@pytest.mark.parametrize("path", ["em", "em/image", "em/t=0", "em/image/t=0"])
def test_precomputed_of_an_image(ask: Client, path: str) -> None:
    assert opened(ask, path).domain.origin == (0, 0, 10, 0), "the offset of 400 nm is ten sections"
    assert np.array_equal(precomputed(ask, path), EM)


def test_precomputed_of_every_level(ask: Client, folder: Path) -> None:
    volume = open_volume(folder / "em.zarr")
    info = ask("/v1/precomputed/em/info").json
    assert len(info["scales"]) >= 2
    for number, scale in enumerate(info["scales"]):
        expected = volume.level(int(scale["key"])).read()
        assert np.array_equal(precomputed(ask, "em", number), expected)


def test_precomputed_of_labels_is_exact_and_packed(ask: Client) -> None:
    info = ask("/v1/precomputed/seg/annotation/info").json
    assert (info["type"], info["data_type"]) == ("segmentation", "uint64")
    assert np.array_equal(precomputed(ask, "seg"), SEG)
    x, y, z = info["scales"][0]["chunk_sizes"][0]
    chunk = f"/v1/precomputed/seg/0/0-{x}_0-{y}_0-{z}"
    packed, plain = ask(chunk, Accept_Encoding="gzip"), ask(chunk)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 10
    assert plain.body == np.ascontiguousarray(SEG[:z, :y, :x]).tobytes()


def test_precomputed_of_one_time_point(ask: Client) -> None:
    assert np.array_equal(precomputed(ask, "movie/t=2"), EM[8:12])
    assert np.array_equal(precomputed(ask, "movie"), EM[:4])
    gone = ask("/v1/precomputed/movie/t=3/info")
    assert (gone.status, gone.json["exists"]) == (404, "there are 0 to 2")


@pytest.mark.parametrize(
    ("path", "status"),
    [("em", 404), ("em/nothing", 404), ("em/0/0-1_0-1", 404), ("em/0/0-1_0-1_0-1", 404), ("em/9/0-1_0-1_10-11", 404),
     ("em/0/5-5_0-1_10-11", 404), ("em/0/9-3_0-1_10-11", 404), ("em/0/-5-1_0-1_10-11", 404), ("em/x/info", 404),
     ("em/a/b/c/info", 404), ("none/info", 404), ("em/0/0-999999999999_0-999999999999_0-999999999999", 413)],
)  # fmt: skip
def test_precomputed_says_what_is_wrong(ask: Client, path: str, status: int) -> None:
    said = ask(f"/v1/precomputed/{path}")
    assert said.status == status
    assert said.json["asked"]


@pytest.mark.parametrize(
    ("dtype", "kind", "served"),
    [("f8", "image", "float32"), ("?", "image", "uint8"), ("i8", "labels", "uint64"), (">u2", "image", "uint16")],
)
def test_types_that_the_format_has_not(dtype: str, kind: str, served: str) -> None:
    from ndlab.serve.precomputed import Asked, chunk, info

    values = (np.arange(60).reshape(3, 4, 5) % 7).astype(dtype)
    volume = Volume.from_array(values, (40, 4, 4), kind=kind)  # type: ignore[arg-type]
    assert info(volume)["data_type"] == served
    got = np.frombuffer(chunk(volume, Asked("", 0, 0, (0, 1, 1), (3, 4, 5))), np.dtype(served)).reshape(3, 3, 4)
    assert (got == values[:, 1:, 1:].astype(served)).all()


def test_a_database_of_annotations_is_no_key_of_a_store(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    held = folder / "seg.ome.zarr" / "annotations" / "annotation"
    assert (held / "objects.sqlite").is_file()
    with serve(folder, Access(token=TOKEN), TOKEN) as ask:
        for name in ("objects.sqlite", "objects.sqlite-wal", "objects.sqlite-shm"):
            assert ask(f"/v1/zarr/seg/annotations/annotation/{name}").status == 404
        assert ask("/v1/zarr/seg/zarr.json").status == 200
