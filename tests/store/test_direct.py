from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs.zstd import Zstd

from ndlab.errors import BadMetadata
from ndlab.store.direct import _PARALLEL_CHUNKS, DirectReader, _content_size, direct_reader
from ndlab.store.engine import TensorStoreArray
from tests.store.making import texture

ZYX = (0, 1, 2)
DTYPES = [
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
]


def write(
    path: Path,
    values: np.ndarray[Any, Any],
    *,
    zarr_format: Any = 3,
    chunks: tuple[int, ...] = (4, 8, 8),
    shards: tuple[int, ...] | None = None,
    compress: bool = True,
    fill: Any = 0,
    **options: Any,
) -> np.ndarray[Any, Any]:
    """An array by zarr-python without the chunk in its middle; gives what it should read as."""
    codec: Any = None
    if compress:
        codec = Zstd(1) if zarr_format == 2 else {"name": "zstd", "configuration": {"level": 1}}
    array: zarr.Array[Any] = zarr.create_array(
        path, shape=values.shape, dtype=values.dtype, chunks=chunks, shards=shards, compressors=codec,
        fill_value=fill, zarr_format=zarr_format, **options,
    )  # fmt: skip
    array[...] = values
    expected = values.copy()
    hole = tuple(slice(n // 2 // c * c, (n // 2 // c + 1) * c) for n, c in zip(values.shape, chunks, strict=True))
    expected[hole] = fill
    array[hole] = np.broadcast_to(np.asarray(fill, values.dtype), expected[hole].shape)  # dropped by zarr-python
    return expected


def reader(path: Path, zarr_format: int = 3) -> DirectReader:
    found = direct_reader("zarr3" if zarr_format == 3 else "zarr", path, ZYX)
    assert found is not None
    return found


def boxes_of(shape: tuple[int, ...]) -> st.SearchStrategy[list[tuple[int, int]]]:
    def span(n: int) -> st.SearchStrategy[tuple[int, int]]:
        return st.integers(0, n - 1).flatmap(lambda a: st.tuples(st.just(a), st.integers(a + 1, n)))

    return st.tuples(*map(span, shape)).map(list)


LAYOUTS: dict[str, dict[str, Any]] = {
    "v3 zstd": {},
    "v3 raw": {"compress": False},
    "v3 zstd in shards": {"shards": (8, 16, 16)},
    "v3 raw in shards": {"shards": (8, 16, 16), "compress": False},
    "v3 v2-keys": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "v3 dots": {"chunk_key_encoding": {"name": "default", "separator": "."}, "compress": False},
    "v2 zstd": {"zarr_format": 2},
    "v2 raw": {"zarr_format": 2, "compress": False},
    "v2 slashes": {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
}
SHAPE = (10, 20, 30)  # no multiple of the chunks: the last ones are cut off


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, DirectReader]:
    path = tmp_path_factory.mktemp("direct") / "a"
    expected = write(path, texture(SHAPE, "uint16"), fill=7, **LAYOUTS[request.param])
    return path, expected, reader(path, LAYOUTS[request.param].get("zarr_format", 3))


@given(box=boxes_of(SHAPE))
def test_any_box_reads_as_numpy_or_not_at_all(
    layout: tuple[Path, Any, DirectReader], box: list[tuple[int, int]]
) -> None:
    _, expected, direct = layout
    start, stop = [a for a, _ in box], [b for _, b in box]
    wanted = expected[tuple(map(slice, start, stop))]
    found = direct.read(start, stop, None)
    inside_one = all(a // c == (b - 1) // c for (a, b), c in zip(box, direct.chunks, strict=True))
    assert not inside_one or found is not None, "a box inside one chunk is what the reader is for"
    if found is not None:
        np.testing.assert_array_equal(found, wanted, strict=True)
        assert found.flags.c_contiguous
        assert found.flags.writeable
        out = np.zeros((*wanted.shape, 2), wanted.dtype)[..., 0]  # strided
        assert direct.read(start, stop, out) is out
        np.testing.assert_array_equal(out, wanted)


def test_every_chunk_alone(layout: tuple[Path, Any, DirectReader]) -> None:
    _, expected, direct = layout
    for index in itertools.product(*(range(-(-n // c)) for n, c in zip(SHAPE, direct.chunks, strict=True))):
        start = [i * c for i, c in zip(index, direct.chunks, strict=True)]
        stop = [min(a + c, n) for a, c, n in zip(start, direct.chunks, SHAPE, strict=True)]
        found = direct.read(start, stop, None)
        assert found is not None
        np.testing.assert_array_equal(found, expected[tuple(map(slice, start, stop))])


def test_a_plane_of_raw_chunks_is_read_in_pieces(tmp_path: Path) -> None:
    """Raw chunks are read here, planes of them in a few bytes each; several compressed ones are the engine's."""
    expected = write(tmp_path / "raw", texture(SHAPE), compress=False)
    write(tmp_path / "zstd", texture(SHAPE))
    found = reader(tmp_path / "raw").read((3, 0, 0), (4, 20, 30), None)
    assert found is not None
    np.testing.assert_array_equal(found, expected[3:4])
    assert reader(tmp_path / "zstd").read((3, 0, 0), (4, 20, 30), None) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compress", [True, False], ids=["zstd", "raw"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_voxel_types(tmp_path: Path, dtype: str, compress: bool, zarr_format: int) -> None:
    expected = write(tmp_path / "a", texture((5, 9, 9), dtype), compress=compress, zarr_format=zarr_format)
    order: tuple[int | None, ...] = ZYX
    array = TensorStoreArray("zarr3" if zarr_format == 3 else "zarr", str(tmp_path / "a"), order)
    for start, stop in [((0, 0, 0), (4, 8, 8)), ((1, 2, 3), (3, 5, 6)), ((4, 8, 8), (5, 9, 9)), ((2, 4, 4), (3, 5, 5))]:
        wanted = expected[tuple(map(slice, start, stop))]
        np.testing.assert_array_equal(array.read(start, stop), wanted, strict=True)
        direct = array._direct
        found = None if direct is None else direct.read(start, stop, None)
        assert found is not None or dtype in ("bool", "float16", "float32", "float64")
        if found is not None:
            np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("fill", [0, 1, 255, 65535])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_was_never_written_reads_as_the_fill_value(tmp_path: Path, fill: int, zarr_format: Any) -> None:
    options: Any = {"dtype": "uint16", "fill_value": fill, "zarr_format": zarr_format, "compressors": None}
    zarr.create_array(tmp_path / "a", shape=SHAPE, chunks=(4, 8, 8), **options)
    for start, stop in [((0, 0, 0), (4, 8, 8)), ((3, 0, 0), (4, 20, 30))]:
        found = reader(tmp_path / "a", zarr_format).read(start, stop, None)
        assert found is not None
        assert np.unique(found).tolist() == [fill]


def _no_fill(folder: Path) -> None:
    text = (folder / ".zarray").read_text()
    (folder / ".zarray").write_text(text.replace('"fill_value": 0', '"fill_value": null'))


def test_zarr_v2_without_a_fill_value_reads_as_zero(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", shape=SHAPE, dtype="u1", chunks=(4, 8, 8), zarr_format=2, compressors=None)
    _no_fill(tmp_path / "a")
    found = reader(tmp_path / "a", 2).read((0, 0, 0), (1, 1, 1), None)
    assert found is not None
    assert found.item() == 0
    assert TensorStoreArray("zarr", str(tmp_path / "a"), ZYX).read((0, 0, 0), (1, 1, 1)).item() == 0


@pytest.mark.parametrize(
    "options",
    [
        {"zarr_format": 2, "order": "F"},
        {"zarr_format": 2, "dtype": ">u2"},
        {"filters": [{"name": "transpose", "configuration": {"order": [2, 1, 0]}}]},
        {"compressors": {"name": "gzip", "configuration": {"level": 1}}},
        {"compressors": {"name": "blosc", "configuration": {"cname": "lz4"}}},
        {"serializer": {"name": "bytes", "configuration": {"endian": "big"}}},
        {"dtype": "float32", "fill_value": float("nan")},
        {"dtype": "complex64"},
        {"compressors": [{"name": "zstd", "configuration": {}}, {"name": "crc32c", "configuration": {}}]},
        {"shards": {"shape": (8, 16, 16), "index_location": "start"}},
    ],
)
def test_what_the_reader_does_not_know_is_left_to_the_engine(tmp_path: Path, options: dict[str, Any]) -> None:
    options = {"dtype": "u2", "zarr_format": 3} | options
    shards = options.pop("shards", None)
    if shards:
        options["shards"] = shards
    create: Any = zarr.create_array
    create(tmp_path / "a", shape=SHAPE, chunks=(4, 8, 8), **options)
    driver = "zarr3" if options["zarr_format"] == 3 else "zarr"
    assert direct_reader(driver, tmp_path / "a", ZYX) is None


def test_transposed_axes_and_other_formats_are_left_to_the_engine(tmp_path: Path) -> None:
    write(tmp_path / "a", texture(SHAPE))
    assert direct_reader("zarr3", tmp_path / "a", (2, 1, 0)) is None
    assert direct_reader("n5", tmp_path / "a", ZYX) is None
    assert direct_reader("zarr3", tmp_path / "nothing", ZYX) is None


def test_axes_that_the_store_lacks(tmp_path: Path) -> None:
    values = texture((20, 30), "u2")
    zarr.create_array(tmp_path / "a", data=values, chunks=(8, 8), compressors=None)
    direct = direct_reader("zarr3", tmp_path / "a", (None, 0, 1))
    assert direct is not None
    found = direct.read((0, 2, 3), (1, 5, 7), None)
    assert found is not None
    np.testing.assert_array_equal(found, values[None, 2:5, 3:7], strict=True)
    for empty in [((0, 2, 3), (0, 5, 7)), ((0, 2, 3), (1, 2, 7))]:
        assert direct.read(*empty, out=None) is None


@pytest.mark.parametrize("box", [((-1, 0, 0), (1, 1, 1)), ((9, 0, 0), (11, 1, 1)), ((3, 0, 0), (3, 1, 1))])
def test_boxes_outside_are_left_to_the_engine(tmp_path: Path, box: Any) -> None:
    write(tmp_path / "a", texture(SHAPE))
    assert reader(tmp_path / "a").read(box[0], box[1], None) is None


# --- damage -------------------------------------------------------------------------------------------------------


def _cut(raw: bytes) -> bytes:
    return raw[:-5]


def _flip_end(raw: bytes) -> bytes:
    return raw[:-8] + bytes([raw[-8] ^ 0xFF]) + raw[-7:]


def _empty(raw: bytes) -> bytes:
    return b""


def _short_frame(raw: bytes) -> bytes:
    """A sound zstd frame with too few voxels."""
    return bytes(Zstd(1).encode(b"\1" * 100))


def _no_frame(raw: bytes) -> bytes:
    return b"no zstd at all" * 3


def _longer(raw: bytes) -> bytes:
    return raw + b"\0" * 16


DAMAGE: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("v3 zstd", _cut), ("v3 zstd", _empty), ("v3 zstd", _short_frame), ("v3 zstd", _no_frame),
    ("v3 raw", _cut), ("v3 raw", _empty), ("v3 raw", _longer),
    ("v3 zstd in shards", _flip_end), ("v3 zstd in shards", _cut), ("v3 zstd in shards", _empty),
    ("v3 raw in shards", _flip_end),
    ("v2 zstd", _short_frame), ("v2 zstd", _cut), ("v2 raw", _cut),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "how"), DAMAGE, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_damage_is_an_error_that_names_the_place_and_never_voxels(
    tmp_path: Path, kind: str, how: Callable[[bytes], bytes]
) -> None:
    options = LAYOUTS[kind]
    write(tmp_path / "a", texture(SHAPE, "uint16"), fill=7, **options)
    version = options.get("zarr_format", 3)
    direct = reader(tmp_path / "a", version)
    assert direct.read((0, 0, 0), (4, 8, 8), None) is not None
    key = Path(direct._key([0, 0, 0])[0])
    key.write_bytes(how(key.read_bytes()))
    assert direct.read((0, 0, 0), (4, 8, 8), None) is None
    array = TensorStoreArray("zarr3" if version == 3 else "zarr", str(tmp_path / "a"), ZYX)
    with pytest.raises(
        BadMetadata, match=r"/a, \(0, 0, 0\) to \(4, 8, 8\) is damaged.*restore that chunk from a backup"
    ):
        array.read((0, 0, 0), (4, 8, 8))
    # The others are as readable as before.
    assert array.read((0, 0, 16), (4, 8, 24)).any()


@pytest.mark.parametrize("shards", [None, (8, 16, 16)], ids=["chunks", "shards"])
@pytest.mark.parametrize("compress", [True, False], ids=["zstd", "raw"])
def test_a_file_replaced_under_a_living_reader_reads_anew(tmp_path: Path, shards: Any, compress: bool) -> None:
    """Also at once, and with the same size: the cached shard index belongs to one file only."""
    first, second = texture((8, 16, 16), seed=1), texture((8, 16, 16), seed=2)
    write(tmp_path / "a", first, shards=shards, compress=compress)
    direct = reader(tmp_path / "a")
    for values in [second, first, second, first]:
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        codec: Any = {"name": "zstd", "configuration": {"level": 1}} if compress else None
        array: zarr.Array[Any] = zarr.create_array(
            tmp_path / "b", data=values, chunks=(4, 8, 8), shards=shards,
            compressors=codec,
        )  # fmt: skip
        assert array.shape == values.shape
        for path in sorted((tmp_path / "b" / "c").rglob("*")):
            if path.is_file():
                path.replace(tmp_path / "a" / path.relative_to(tmp_path / "b"))
        for corner in itertools.product((0, 4), (0, 8), (0, 8)):
            stop = [a + n for a, n in zip(corner, (4, 8, 8), strict=True)]
            found = direct.read(corner, stop, None)
            np.testing.assert_array_equal(found, values[tuple(map(slice, corner, stop))])


def test_a_settled_shard_index_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "a", texture((8, 16, 16)), shards=(8, 16, 16))
    direct = reader(tmp_path / "a")
    key = direct._key([0, 0, 0])[0]
    assert direct.read((0, 0, 0), (1, 1, 1), None) is not None
    assert not direct._indexes  # written a moment ago: it may change again before its time stamp can
    past = time.time() - 10
    os.utime(key, (past, past))
    assert direct.read((0, 0, 0), (1, 1, 1), None) is not None
    assert list(direct._indexes) == [key]
    full = replace(direct, _indexes={str(i): ((0, 0, 0), np.empty(0)) for i in range(2000)})
    assert full.read((0, 0, 0), (1, 1, 1), None) is not None
    assert len(full._indexes) <= 1024


def test_content_size_of_zstd_frames() -> None:
    for n in [0, 1, 100, 255, 256, 257, 65535, 65536, 65791, 65792, 1 << 20]:
        frame = bytes(Zstd(1).encode(np.random.default_rng(n).bytes(n)))
        assert _content_size(frame) == n
    assert _content_size(b"") is None
    assert _content_size(b"x" * 40) is None
    assert _content_size(Zstd(1).encode(b"x" * 1000)[:6]) is None


def test_many_chunks_are_shared_among_the_cores(tmp_path: Path) -> None:
    """Damage in one is seen whoever reads it, and nobody writes into the result afterwards."""
    values = texture((16, 64, 64))
    write(tmp_path / "a", values, compress=False, chunks=(4, 8, 8))
    assert _PARALLEL_CHUNKS < (16 // 4) * (64 // 8) ** 2
    direct = reader(tmp_path / "a")
    found = direct.read((1, 1, 1), (16, 63, 62), None)
    assert found is not None
    assert (found == values[1:16, 1:63, 1:62])[..., :30].all()
    for key in ("c/0/0/1", "c/3/7/6"):
        whole = (tmp_path / "a" / key).read_bytes()
        (tmp_path / "a" / key).write_bytes(whole[:-1])
        assert direct.read((0, 0, 0), (16, 64, 64), None) is None
        (tmp_path / "a" / key).write_bytes(whole)
    assert direct.read((0, 0, 0), (16, 64, 64), None) is not None
