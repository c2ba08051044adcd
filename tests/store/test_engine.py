from __future__ import annotations

import pickle
import re
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadMetadata, NotFound, OutOfBounds, Unsupported
from ndlab.store.arrays import Array
from ndlab.store.engine import TensorStoreArray, describe_codec
from ndlab.store.multiscale import open_store
from tests.store.making import make, texture

ROOT = Path(__file__).parents[2]
SHAPE = (20, 40, 60)
VERSIONS = ["0.5", "0.4", "precomputed"]


def array_of(tmp_path: Path, version: str = "0.5", **options: Any) -> tuple[TensorStoreArray, np.ndarray[Any, Any]]:
    options = {"codec": "raw" if version == "precomputed" else "gzip"} | options
    array = make(tmp_path / version, SHAPE, dtype="u2", version=version, **options).levels[0].array
    assert isinstance(array, TensorStoreArray)
    values = texture(SHAPE, "u2")
    array.write((0, 0, 0), values)
    return array, values


@pytest.fixture(scope="module", params=VERSIONS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return array_of(tmp_path_factory.mktemp("engine"), request.param)


@given(data=st.data())
def test_any_box_reads_as_numpy(filled: Any, data: st.DataObject) -> None:
    array, values = filled
    start = [data.draw(st.integers(0, n)) for n in SHAPE]
    stop = [data.draw(st.integers(a, n)) for a, n in zip(start, SHAPE, strict=True)]
    wanted = values[tuple(map(slice, start, stop))]
    found = array.read(start, stop)
    np.testing.assert_array_equal(found, wanted, strict=True)
    assert found.flags.c_contiguous
    assert found.flags.writeable
    out = np.zeros(wanted.shape, wanted.dtype)
    assert array.read(start, stop, out) is out
    np.testing.assert_array_equal(out, wanted)


@given(data=st.data())
def test_any_box_writes_as_numpy(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    version = data.draw(st.sampled_from(VERSIONS))
    array, values = array_of(tmp_path_factory.mktemp("engine"), version)
    for seed in range(2):
        start = [data.draw(st.integers(0, n)) for n in SHAPE]
        stop = [data.draw(st.integers(a, n)) for a, n in zip(start, SHAPE, strict=True)]
        box = tuple(map(slice, start, stop))
        values[box] = texture(values[box].shape, "u2", seed)
        array.write(start, values[box])
        array.write(start, np.asfortranarray(values[box]))  # memory order does not matter
    np.testing.assert_array_equal(array.read((0, 0, 0), SHAPE), values)


def test_what_an_array_says_of_itself(tmp_path: Path) -> None:
    array = make(tmp_path / "a", SHAPE, dtype="u2").levels[0].array
    assert isinstance(array, Array)
    assert (array.shape, array.dtype, array.chunks, array.shards, array.codec) == (
        SHAPE, np.dtype("u2"), (8, 16, 16), (16, 32, 32), "zstd 1",
    )  # fmt: skip
    array = make(tmp_path / "b", SHAPE, shard=None, codec={"id": "blosc", "cname": "zstd", "clevel": 3}).levels[0].array
    assert (array.shards, array.codec) == (None, "blosc zstd 3")


@pytest.mark.parametrize(
    ("codec", "words"), [("zstd 5", "zstd 5"), (None, "none"), ("gzip 6", "gzip 6"), ("blosc", "blosc lz4 5")]
)
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_codecs_in_words(tmp_path: Path, codec: Any, words: str, version: str) -> None:
    assert make(tmp_path / "a", codec=codec, version=version).levels[0].array.codec == words
    assert describe_codec(None) == "none"


@pytest.mark.parametrize("version", VERSIONS)
def test_arrays_pickle_as_their_address(tmp_path: Path, version: str) -> None:
    array, values = array_of(tmp_path, version)
    raw = pickle.dumps(array)
    assert len(raw) < 500
    again = pickle.loads(raw)
    assert again == array
    np.testing.assert_array_equal(again.read((1, 2, 3), (4, 5, 6)), values[1:4, 2:5, 3:6])


def read_sum(array: TensorStoreArray) -> int:
    return int(array.read((0, 0, 0), SHAPE).sum())


def test_arrays_work_in_spawned_processes(tmp_path: Path) -> None:
    array, values = array_of(tmp_path)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(read_sum, array).result() == values.sum()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("box", [((0, 0, 0), (21, 1, 1)), ((-1, 0, 0), (1, 1, 1)), ((0, 0, 60), (1, 1, 61))])
def test_boxes_outside_are_refused(tmp_path: Path, version: str, box: Any) -> None:
    array, _ = array_of(tmp_path, version)
    message = r"box .* leaves .*it spans \(20, 40, 60\)"
    with pytest.raises(OutOfBounds, match=message):
        array.read(*box)
    with pytest.raises(OutOfBounds, match=message):
        array.write(box[0], np.zeros([b - a for a, b in zip(*box, strict=True)], "u2"))


def test_a_missing_array(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no array at .*nowhere.*a level that the metadata names may not be there"):
        _ = TensorStoreArray("zarr3", str(tmp_path / "nowhere"), (0, 1, 2)).shape


def test_a_codec_that_the_engine_lacks_is_named(tmp_path: Path) -> None:
    make(tmp_path / "a", codec={"id": "lz4"})
    with pytest.raises(Unsupported, match=r"numcodecs\.lz4.* is not registered") as caught:
        _ = TensorStoreArray("zarr3", str(tmp_path / "a" / "0"), (0, 1, 2)).shape
    assert "lz4" in caught.value.feature


@pytest.mark.parametrize("version", VERSIONS)
def test_damaged_chunks_are_named_and_the_rest_is_readable(tmp_path: Path, version: str) -> None:
    array, values = array_of(tmp_path, version, shard=None)
    folder = tmp_path / version
    key = {"0.5": "0/c/0/0/0", "0.4": "0/0/0/0", "precomputed": "0/0-16_0-16_0-8"}[version]
    path = next(folder.glob(key)) if (folder / key).exists() else next(folder.rglob("0-16_0-16_0-8"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadMetadata, match=r"\(0, 0, 0\) to \(1, 20, 20\) is damaged.*restore that chunk from a backup"):
        array.read((0, 0, 0), (1, 20, 20))
    np.testing.assert_array_equal(array.read((8, 16, 16), SHAPE), values[8:, 16:, 16:])
    # A write over a part of the damaged chunk cannot keep the rest of it, and says so; over the whole it heals it.
    with pytest.raises(BadMetadata, match="is damaged"):
        array.write((0, 0, 0), values[:1, :1, :1])
    array.write((0, 0, 0), values[:8, :16, :16])
    np.testing.assert_array_equal(array.read((0, 0, 0), SHAPE), values)


def test_unsynced_writes_are_readable_at_once(tmp_path: Path) -> None:
    array, values = array_of(tmp_path)
    fast = array.unsynced()
    assert fast.url == array.url
    fast.write((0, 0, 0), values[::-1])
    np.testing.assert_array_equal(array.read((0, 0, 0), SHAPE), values[::-1])


def test_one_canonical_view_for_every_axis_order(tmp_path: Path) -> None:
    values = texture((3, 4, 5, 6), "u2")
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": f"{tmp_path}/a/"},
            "metadata": {"dimensions": [6, 5, 4, 3], "blockSize": [4, 4, 4, 4], "dataType": "uint16",
                         "compression": {"type": "gzip"}}}  # fmt: skip
    ts.open(spec, create=True).result().write(values.T).result()
    stored = open_store(tmp_path / "a")
    assert stored.axes == ("c", "z", "y", "x")
    np.testing.assert_array_equal(stored.levels[0].array.read((0,) * 4, values.shape), values)


def _sources() -> list[Path]:
    folders = ("ndlab", "tests", "bench", "scripts", "notebooks")
    return sorted(p for folder in folders for kind in ("*.py", "*.ipynb") for p in (ROOT / folder).rglob(kind))


def test_no_process_is_forked_anywhere() -> None:
    """TensorStore aborts in a forked child, and fork is what multiprocessing does unless a context is named."""
    forks = re.compile(
        r"os\.fork|[\"']fork[\"']|multiprocessing\.(Pool|Process)\(|from multiprocessing import (Pool|Process)\b"
        r"|ProcessPoolExecutor\((?![^)\n]*(mp_context|get_context))|n_jobs=(?!1\b)|Parallel\("
    )
    allowed = {Path(__file__), ROOT / "tests" / "test_architecture.py"}  # they hold the patterns
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _sources()
        if path not in allowed
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if forks.search(line)
    ]
    assert found == []
    assert forks.search("ProcessPoolExecutor(2)")
    assert not forks.search('ProcessPoolExecutor(2, mp_context=get_context("spawn"))')


@pytest.mark.parametrize("sync", [True, False], ids=["synced", "unsynced"])
@pytest.mark.parametrize("shard", [None, (16, 32, 32)], ids=["chunks", "shards"])
def test_memory_may_be_reused_as_soon_as_a_write_returns(tmp_path: Path, sync: bool, shard: Any) -> None:
    """Also where a later write of another part of the same chunk has to keep what the first one put there."""
    array = make(tmp_path / "a", (16, 32, 32), shard=shard).levels[0].array
    assert isinstance(array, TensorStoreArray)
    array = array if sync else array.unsynced()

    def write(y: int) -> None:
        for _ in range(20):
            memory = np.full((16, 8, 32), 7, "u1")
            array.write((0, y, 0), memory)
            memory[...] = 9

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (0, 8, 16, 24)))
    assert np.unique(array.read((0, 0, 0), (16, 32, 32))).tolist() == [7]


def write_one(array: TensorStoreArray, value: int) -> None:
    array.write((0, 0, 0), np.full(SHAPE, value, "u2"))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_cache_never_shows_what_was_there_before(tmp_path: Path, version: str) -> None:
    """Boxes of several compressed chunks go through the engine's cache: own writes and those of others are seen."""
    array, _ = array_of(tmp_path, version)
    box = ((0, 0, 0), (12, 30, 40))
    fast = array.unsynced()
    for value in range(1, 60):
        write_one(fast if value % 2 else array, value)
        assert np.unique(array.read(*box)).tolist() == [value]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for value in range(60, 66):
            pool.submit(write_one, array, value).result()
            assert np.unique(array.read(*box)).tolist() == [value]


@pytest.mark.parametrize("memory", [np.ascontiguousarray, np.asfortranarray, lambda a: a[:, ::-1][:, ::-1]])
@pytest.mark.parametrize("driver", ["zarr3", "sharded", "n5", "precomputed"])
@pytest.mark.parametrize("shape", [(2, 9, 20, 30), (4, 16, 32, 32)])
def test_bulk_writes_of_chunks_with_channels_lose_none(tmp_path: Path, shape: Any, driver: str, memory: Any) -> None:
    """TensorStore drops whole chunks of four axes where it was allowed to refer to the memory they come from."""
    chunk = [2, 8, 16, 16]
    raw: list[dict[str, Any]] = [{"name": "bytes", "configuration": {"endian": "little"}}]
    shard = {"name": "sharding_indexed", "configuration": {"chunk_shape": chunk, "codecs": raw, "index_codecs": raw}}
    if driver == "precomputed":
        make(tmp_path / "a", shape, version="precomputed", codec="raw")
    elif driver == "n5":
        metadata: dict[str, Any] = {"dimensions": shape, "blockSize": chunk, "dataType": "uint8",
                                    "compression": {"type": "raw"}}  # fmt: skip
        create(tmp_path / "a", "n5", metadata)
    else:
        outer = [2, 16, 32, 32] if driver == "sharded" else chunk
        create(tmp_path / "a", "zarr3", {
            "shape": shape, "data_type": "uint8", "codecs": [shard] if driver == "sharded" else raw,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": outer}},
        })  # fmt: skip
    array = open_store(tmp_path / "a", axes="xyzc" if driver == "n5" else None).levels[0].array
    assert isinstance(array, TensorStoreArray)
    values = texture(array.shape)
    for one in (array.unsynced(), array):
        one.write((0, 0, 0, 0), memory(values))
        np.testing.assert_array_equal(array.read((0, 0, 0, 0), array.shape), values)
        values = 255 - values // 2


def create(path: Path, driver: str, metadata: dict[str, Any]) -> None:
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}, "metadata": metadata}
    ts.open(spec, create=True).result()
