from __future__ import annotations

import json
import os
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import pytest
import tensorstore as ts
import zarr

from ndlab.errors import BadMetadata, BadRequest, NdlabError, NotFound, OutOfBounds, Unsupported
from ndlab.store import kv
from ndlab.store.arrays import Stored
from ndlab.store.engine import TensorStoreArray
from ndlab.store.multiscale import canonical_order, open_store
from ndlab.store.zarr_python import ZarrPythonArray
from ndlab.volume import open as open_volume
from tests.servers import FolderServer, S3Server, serving
from tests.store.making import make, texture

# --- every store that other tools wrote ---------------------------------------------------------------------------
# Stores below NDLAB_TEST_DATA/stores that are refused, each with the part of its message that names what is missing.

REFUSED = {
    "n5_java__backward_compat/data-1.5.0.n5": "compression.*member is missing",
    "n5_java__backward_compat/data-1.5.0.n5/raw": "compression.*member is missing",
    "neuroglancer__precomputed_annotations": "neuroglancer_annotations_v1",
    "webknossos__simple_ng_dataset": "a WEBKNOSSOS data set as a whole is not read",
    "webknossos__simple_n5_dataset": "a WEBKNOSSOS data set as a whole is not read",
    "webknossos__simple_wkw_dataset": "a WEBKNOSSOS data set as a whole is not read",
    "webknossos__simple_wkw_dataset/color/1": r"webknossos-wrap \(WKW\) is not read",
    # Its metadata name level "1"; the folder is called "1-1-1".
    "webknossos__simple_zarr_dataset": "no array at .*/color/1.*may not be there",
    "webknossos__simple_zarr_dataset/color": "no array at .*/color/1.*may not be there",
    "zarr_python__zarr_v2": "a group that holds 26 images",
    "zarr_python__zarr_v2/1d.contiguous.S7": r"holds \|S7 values",
    "zarr_python__zarr_v2/1d.contiguous.U13.be": "holds >U13 values",
    "zarr_python__zarr_v2/1d.contiguous.U13.le": "holds <U13 values",
    "zarr_python__zarr_v2/1d.contiguous.U7": "holds <U7 values",
    "zarr_python__zarr_v2/2d.chunked.U7": "holds <U7 values",
    "zarr_python__zarr_v2/3d.chunked.O": "holds .* values",
    "zarrita_js__zarr_v3": "a group that holds 33 images",
    "zarrs__v2/array_pcodec_C.zarr": "pcodec",
    "zarrs__v2/array_zfpy_C.zarr": "zfpy",
    "zarrs__v3/array_optional.zarr/array": "optional",
    "zarrs__v3/array_optional_nested.zarr/array": "optional",
    "zarrs__v3/array_pcodec.zarr": "pcodec",
    "zarrs__v3/array_zfpy.zarr": "zfpy",
    "zarrs__v3_zarr_python/array_pcodec.zarr": "pcodec",
    "zarrs__v3_zarr_python/array_zfpy.zarr": "zfpy",
}  # fmt: skip

# Images: axes, shape and type of the finest level and how many levels, read off their JSON by hand.
IMAGES: dict[str, tuple[str, tuple[int, ...], str, int]] = {
    "bioformats2raw__data.zarr": ("tczyx", (1, 3, 1, 167, 439), "int8", 2),
    "mobie__blobs_ome_zarr_0.4": ("zyx", (1, 254, 256), "uint8", 1),
    "mobie__mri_stack_ome_zarr_0.4": ("zyx", (27, 226, 186), "uint8", 2),
    "n5_java__backward_compat/data-2.5.1.n5": ("zyx", (1, 5, 7), "uint8", 1),
    "n5_java__backward_compat/data-3.1.3.n5": ("zyx", (1, 5, 7), "uint8", 1),
    "neuroglancer__n5_multiscale/n5_viewer_multiscale_deprecated": ("zyx", (1, 20, 10), "uint16", 3),
    "neuroglancer__n5_multiscale/n5_viewer_multiscale_modern": ("zyx", (1, 20, 10), "uint16", 3),
    "neuroglancer__ome_zarr_0.4": ("zyx", (1, 10, 10), "uint16", 3),
    "neuroglancer__ome_zarr_0.5": ("zyx", (1, 10, 10), "uint16", 3),
    "neuroglancer__ome_zarr_0.5_zip/simple_0.5.zip": ("zyx", (1, 10, 10), "uint16", 3),
    "ome_zarr_models__hcs_0.4": ("czyx", (1, 2, 2160, 5120), "uint16", 5),
    "ome_zarr_py__legacy_0.1_0.2/v1": ("tczyx", (1, 2, 1, 16, 16), "uint8", 1),
    "ome_zarr_py__legacy_0.1_0.2/v2": ("tczyx", (1, 2, 1, 16, 16), "uint8", 1),
    "tensorstore__precomputed_info_only/one_channel": ("zyx", (30, 20, 10), "uint16", 3),
    "tensorstore__precomputed_info_only/two_channels": ("czyx", (2, 30, 20, 10), "uint16", 3),
    "viv__ome_zarr_blobs/blobs_image_v04.ome.zarr": ("czyx", (3, 1, 12, 12), "float64", 1),
    "viv__ome_zarr_blobs/blobs_image_v05.ome.zarr": ("czyx", (3, 1, 12, 12), "float64", 1),
    "webknossos__simple_n5_dataset/color/1": ("czyx", (3, 24, 24, 24), "uint32", 1),
    "webknossos__simple_ng_dataset/color": ("czyx", (3, 24, 24, 24), "uint8", 1),
    "webknossos__simple_ng_dataset2/color": ("zyx", (24, 24, 24), "uint8", 1),
    "webknossos__simple_zarr3_dataset": ("czyx", (3, 24, 24, 24), "uint8", 1),
    "z5py__n5_astronaut": ("zyx", (512, 512, 3), "uint8", 1),
    "zarrs__sharded_array_write_read.zarr/group": ("zyx", (1, 8, 8), "uint16", 1),
}  # fmt: skip

# zarr-python refuses its transpose codec, whose order is spelt "F"; the same voxels in C order are beside it.
UNREAD = {"zarrita_js__zarr_v3/3d.chunked.mixed.i2.F"}

MARKS = ("zarr.json", ".zarray", ".zgroup", "info", "attributes.json", "datasource-properties.json", "header.wkw")


@pytest.fixture(scope="module")
def stores(shared_data: Path) -> Path:
    return shared_data / "stores"


def found_in(stores: Path) -> list[str]:
    """Every folder that holds metadata of some store, and every zip file."""
    folders = {path.parent for mark in MARKS for path in stores.rglob(mark)}
    return sorted(str(path.relative_to(stores)) for path in (*folders, *stores.rglob("*.zip")))


def _array_names() -> list[str]:
    root = os.environ.get("NDLAB_TEST_DATA")
    if not root:
        return []
    folder = Path(root) / "stores"
    arrays = {p.parent for p in folder.rglob(".zarray")}
    arrays |= {p.parent for p in folder.rglob("zarr.json") if json.loads(p.read_text())["node_type"] == "array"}
    return sorted(str(p.relative_to(folder)) for p in arrays)


def read_whole(stored: Stored, level: int = 0) -> np.ndarray[Any, Any]:
    array = stored.levels[level].array
    return array.read((0,) * len(array.shape), array.shape)


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_other_tools(stores: Path, name: str) -> None:
    axes, shape, dtype, levels = IMAGES[name]
    stored = open_store(stores / name)
    array = stored.levels[0].array
    assert ("".join(stored.axes), array.shape, str(array.dtype), len(stored.levels)) == (axes, shape, dtype, levels)
    for level in stored.levels:
        start = (0,) * len(shape)
        stop = tuple(min(n, 30) for n in level.array.shape)
        assert level.array.read(start, stop).dtype == array.dtype


@pytest.mark.parametrize("name", REFUSED)
def test_stores_that_are_refused_say_in_one_line_what_is_missing(stores: Path, name: str) -> None:
    with pytest.raises(NdlabError, match=REFUSED[name]) as caught:
        read_whole(open_store(stores / name))  # zfpy and pcodec show only once a chunk is decoded
    assert len(str(caught.value).splitlines()) == 1
    assert name in str(caught.value)
    assert "object at 0x" not in str(caught.value)
    if isinstance(caught.value, Unsupported):
        assert caught.value.feature


@pytest.mark.parametrize("name", _array_names() or ["(set NDLAB_TEST_DATA)"])
def test_arrays_of_other_tools_equal_what_zarr_python_reads(stores: Path, name: str) -> None:
    """Shape and type from the JSON; voxels, where zarr-python reads them, from the reference."""
    if name in REFUSED:
        return  # its own test above
    folder = stores / name
    meta = json.loads((folder / "zarr.json" if (folder / "zarr.json").exists() else folder / ".zarray").read_text())
    stored = open_store(folder)
    array = stored.levels[0].array
    dtype = np.dtype(meta.get("dtype") or meta["data_type"]).newbyteorder("=")
    assert array.dtype == dtype
    names = meta.get("dimension_names") or "tczyx"[-len(meta["shape"]) :]
    order = np.argsort(["tczyx".index(axis) for axis in names])
    extent = dict(zip(names, meta["shape"], strict=True))
    assert array.shape == tuple(extent.get(axis, 1) for axis in "tczyx" if axis in names or axis in "zyx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin = folder.with_suffix(".C") if name in UNREAD else folder
        reference: Any = zarr.open_array(str(twin), mode="r", zarr_format=meta["zarr_format"])
        expected = np.asarray(reference[...])
    np.testing.assert_array_equal(read_whole(stored), expected.transpose(order).reshape(array.shape))


def test_the_tables_name_every_store(stores: Path) -> None:
    """A store added to the folder is missed by neither table."""
    known = {*IMAGES, *REFUSED, *_array_names()}
    seen = [name for name in found_in(stores) if name not in known]
    for name in seen:  # a folder on the way to an image: it opens as what it holds
        open_store(stores / name)
    assert {*IMAGES, *REFUSED} - {*found_in(stores)} == set()
    assert len(found_in(stores)) > 120


def test_precomputed_shards_and_n5_hold_the_same_picture(stores: Path) -> None:
    """The webknossos stores are one image in four formats; zarr-python reads one of them."""
    reference: Any = zarr.open_array(str(stores / "webknossos__simple_zarr3_dataset/color/1"), mode="r")
    expected = np.asarray(reference[...]).transpose(0, 3, 2, 1)  # stored c, x, y, z
    for name in ("webknossos__simple_zarr3_dataset", "webknossos__simple_ng_dataset/color"):
        np.testing.assert_array_equal(read_whole(open_store(stores / name)), expected)
    np.testing.assert_array_equal(read_whole(open_store(stores / "webknossos__simple_n5_dataset/color/1")), expected)
    np.testing.assert_array_equal(read_whole(open_store(stores / "webknossos__simple_ng_dataset2/color")), expected[0])


def test_n5_equals_its_own_reference_picture(stores: Path) -> None:
    from PIL import Image

    expected = np.asarray(Image.open(stores / "z5py__n5_astronaut/reference_image.png"))
    np.testing.assert_array_equal(read_whole(open_store(stores / "z5py__n5_astronaut")), expected)


@pytest.mark.parametrize("version", ["2.5.1", "3.1.3"])
def test_n5_raw_blocks_decoded_by_hand(stores: Path, version: str) -> None:
    """N5 block: mode and rank (>u2), extents fastest first (>u4 each), then voxels with the first axis fastest."""
    folder = stores / f"n5_java__backward_compat/data-{version}.n5/raw"
    expected = np.zeros((5, 7), np.uint8)  # dimensions are [7, 5] in blocks of [5, 4]
    for x, y in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        path = folder / str(x) / str(y)
        if path.exists():
            raw = path.read_bytes()
            mode, rank = struct.unpack(">HH", raw[:4])
            nx, ny = struct.unpack(">II", raw[4:12])
            assert (mode, rank) == (0, 2)
            block = np.frombuffer(raw[12:], np.uint8).reshape(ny, nx)
            expected[y * 4 : y * 4 + ny, x * 5 : x * 5 + nx] = block
    assert expected.any()
    np.testing.assert_array_equal(read_whole(open_store(folder))[0], expected)


# --- finding the image --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "names", "order"),
    [
        ("zyx", "zyx", (0, 1, 2)),
        ("xyz", "zyx", (2, 1, 0)),
        ("yx", "zyx", (None, 0, 1)),
        ("xyc", "czyx", (2, None, 1, 0)),
        ("tczyx", "tczyx", (0, 1, 2, 3, 4)),
        ("x", "zyx", (None, None, 0)),
    ],
)
def test_canonical_order(axes: str, names: str, order: tuple[int | None, ...]) -> None:
    assert canonical_order(tuple(axes)) == (tuple(names), order)


@pytest.mark.parametrize("axes", ["zyxq", "zzyx"])
def test_axes_that_are_no_axes(axes: str) -> None:
    with pytest.raises(Unsupported, match="out of t, c, z, y, x, each at most once"):
        canonical_order(tuple(axes))


def plain(path: Path, shape: tuple[int, ...] = (4, 6, 8), **options: Any) -> np.ndarray[Any, Any]:
    values = texture(shape, "u2")
    zarr.create_array(path, data=values, chunks=tuple(min(4, n) for n in shape), **options)
    return values


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_arrays_and_groups_of_one(tmp_path: Path, zarr_format: Any) -> None:
    values = plain(tmp_path / "g" / "raw", zarr_format=zarr_format)
    zarr.create_group(tmp_path / "g", zarr_format=zarr_format)
    for path in ("g", "g/raw"):
        stored = open_store(tmp_path / path)
        np.testing.assert_array_equal(read_whole(stored), values)
        assert stored.levels[0].calibration is None
        assert re.search(r"voxel_size=\(z, y, x\)", stored.notes[0])
        stored = open_store(tmp_path / path, voxel_size=(40, 4, 4))
        assert stored.levels[0].calibration is not None
        assert stored.levels[0].calibration.voxel_size == (40, 4, 4)
    assert open_store(tmp_path / "g", path="raw").url == f"{tmp_path}/g/raw"


def test_axes_may_be_named_where_the_store_does_not(tmp_path: Path) -> None:
    values = plain(tmp_path / "a", (3, 4, 5, 6))
    assert open_store(tmp_path / "a").axes == ("c", "z", "y", "x")
    stored = open_store(tmp_path / "a", axes="xyzt")
    assert stored.axes == ("t", "z", "y", "x")
    np.testing.assert_array_equal(read_whole(stored), values.transpose(3, 2, 1, 0))
    with pytest.raises(BadRequest, match=r"axes='zyx' for .*the array has 4 axes.*pass 4 letters, e.g. axes='czyx'"):
        open_store(tmp_path / "a", axes="zyx")


def test_dimension_names_are_believed(tmp_path: Path) -> None:
    values = plain(tmp_path / "a", (4, 5, 6), dimension_names=("x", "y", "z"))
    np.testing.assert_array_equal(read_whole(open_store(tmp_path / "a")), values.transpose(2, 1, 0))


def test_more_than_five_axes_are_refused(tmp_path: Path) -> None:
    plain(tmp_path / "a", (1, 2, 1, 2, 1, 2))
    with pytest.raises(Unsupported, match=r"has 6 axes\. a volume has 1 to 5") as caught:
        open_store(tmp_path / "a")
    assert caught.value.feature == "6 axes"


def test_a_group_of_several_lists_them(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "g")
    for name in ("a", "b"):
        plain(tmp_path / "g" / name)
    with pytest.raises(Unsupported, match=r"a group that holds 2 images. a, b. open one of them: .*/g/a") as caught:
        open_store(tmp_path / "g")
    assert caught.value.images == ["a", "b"]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("attributes", "noun"),
    [({"geff": {"directed": True}}, "a graph (GEFF)"), ({"encoding-type": "anndata"}, "a table (AnnData)")],
)
def test_graphs_and_tables_are_refused_by_name(
    tmp_path: Path, attributes: dict[str, Any], noun: str, zarr_format: Literal[2, 3]
) -> None:
    group = zarr.create_group(tmp_path / "g", attributes=attributes, zarr_format=zarr_format)
    group.create_array("nodes", data=np.arange(3))
    with pytest.raises(
        Unsupported, match=rf"{re.escape(noun)}, not a volume.*open the volume that it belongs to"
    ) as caught:
        open_store(tmp_path / "g")
    assert caught.value.feature == noun


def test_an_empty_group_is_no_volume(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "g")
    with pytest.raises(Unsupported, match=r"a group without a multiscale image\. no array was found directly below"):
        open_store(tmp_path / "g")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing at .*/nowhere"):
        open_store(tmp_path / "nowhere")
    with serving(FolderServer(tmp_path)) as server:
        os.environ["no_proxy"] = "127.0.0.1"
        with pytest.raises(NotFound, match=r"no volume at http.*none of zarr.json, .*add its path"):
            open_store(f"{server.url}/nowhere")


def test_complex_and_text_are_no_voxels(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", shape=(4, 4, 4), dtype="complex64", chunks=(4, 4, 4))
    with pytest.raises(
        Unsupported, match=r"holds complex64 values\. a volume holds bool, integer or floating-point"
    ) as caught:
        open_store(tmp_path / "a")
    assert caught.value.feature == "dtype complex64"


def test_damaged_metadata(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "zarr.json").write_text('{"zarr_format": 3, "node_')
    with pytest.raises(BadMetadata, match=r"a/zarr.json is not JSON"):
        open_store(tmp_path / "a")


def test_metadata_that_contradict_the_array(tmp_path: Path) -> None:
    make(tmp_path / "a", (4, 5, 6))
    plain(tmp_path / "b", (4, 5))
    (tmp_path / "a" / "0" / "zarr.json").write_bytes((tmp_path / "b" / "zarr.json").read_bytes())
    with pytest.raises(NdlabError, match=r"axes|rank|shape"):
        open_store(tmp_path / "a")


def test_format_prefixes_choose_among_several(tmp_path: Path) -> None:
    """A folder may hold metadata of Zarr 2 and 3; the newer is taken unless the address says otherwise."""
    new = plain(tmp_path / "a", zarr_format=3)
    old = plain(tmp_path / "a", (4, 4, 4), zarr_format=2)
    assert read_whole(open_store(tmp_path / "a")).shape == new.shape
    np.testing.assert_array_equal(read_whole(open_store(f"zarr2://{tmp_path}/a")), old)
    np.testing.assert_array_equal(read_whole(open_store(f"{tmp_path}/a|zarr3:")), new)


# --- fallback and handles -----------------------------------------------------------------------------------------


def test_codecs_that_the_engine_lacks_go_through_zarr_python(tmp_path: Path) -> None:
    values = texture((5, 6, 7), "u2")
    from numcodecs import LZ4, Delta

    zarr.create_array(
        tmp_path / "a", data=values, chunks=(4, 4, 4), zarr_format=2, filters=[Delta("u2")], compressors=[LZ4()]
    )
    stored = open_store(tmp_path / "a", voxel_size=(1, 1, 1))
    array = stored.levels[0].array
    assert isinstance(array, ZarrPythonArray)
    assert (array.shape, array.chunks, array.shards, array.codec) == ((5, 6, 7), (4, 4, 4), None, "Delta + LZ4")
    np.testing.assert_array_equal(read_whole(stored), values, strict=True)
    again = pickle.loads(pickle.dumps(array))
    out = np.zeros((2, 3, 4), "u2")
    assert again.read((1, 1, 1), (3, 4, 5), out) is out
    np.testing.assert_array_equal(out, values[1:3, 1:4, 1:5])


def test_a_store_made_anew_at_an_old_address_is_another(tmp_path: Path) -> None:
    """In one process: neither the old extent, nor the old codec, nor the old voxels."""
    import shutil

    for seed, shape, codec in [(1, (20, 40, 60), "zstd"), (2, (10, 41, 7), None), (3, (20, 40, 60), "gzip")]:
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        stored = make(tmp_path / "a", shape, codec=codec)
        array = stored.levels[0].array
        assert array.shape == shape
        assert not read_whole(stored).any()
        array.write((0, 0, 0), texture(shape, seed=seed))
        np.testing.assert_array_equal(read_whole(open_store(tmp_path / "a")), texture(shape, seed=seed))
        assert array.codec.split()[0] == (codec or "none")


def test_a_grown_array_is_read_anew(tmp_path: Path) -> None:
    stored = make(tmp_path / "a", (8, 16, 16), shard=None)
    path = tmp_path / "a" / "0" / "zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [16, 16, 16]}))
    assert open_store(tmp_path / "a").levels[0].array.shape == (16, 16, 16)
    with pytest.raises(OutOfBounds):
        stored.levels[0].array.read((0, 0, 0), (17, 16, 16))


def test_opening_reads_no_voxel(tmp_path: Path) -> None:
    make(tmp_path / "a", (40, 80, 80), levels=3)
    with serving(FolderServer(tmp_path)) as server:
        os.environ["no_proxy"] = "127.0.0.1"
        stored = open_store(f"{server.url}/a")
        assert stored.levels[0].array.shape == (40, 80, 80)
        assert not [path for _, path, _ in server.asked if "/c/" in path]
        assert len(server.asked) <= 12


# --- over the network ---------------------------------------------------------------------------------------------


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, _no_proxy: None) -> Iterator[S3Server]:
    with serving(S3Server("brain")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        kv._opened.cache_clear()
        yield server
        kv._opened.cache_clear()


def written(folder: Path, version: str) -> np.ndarray[Any, Any]:
    values = texture((20, 40, 60), "u2")
    codec = "raw" if version == "precomputed" else "zstd"
    make(folder, values.shape, dtype="u2", version=version, codec=codec).levels[0].array.write((0, 0, 0), values)
    return values


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
def test_over_http(tmp_path: Path, version: str) -> None:
    values = written(tmp_path / "a", version)
    with serving(FolderServer(tmp_path)) as server:
        stored = open_store(f"{server.url}/a")
        np.testing.assert_array_equal(read_whole(stored), values)
        server.asked.clear()
        box = ((0, 0, 0), (8, 16, 16))
        array = pickle.loads(pickle.dumps(stored.levels[0].array))
        np.testing.assert_array_equal(array.read(*box), values[:8, :16, :16])
        voxels = [(method, path) for method, path, _ in server.asked if "zarr" not in path and "info" not in path]
        assert len(voxels) <= 2, "one chunk and at most one shard index"
        with pytest.raises(NdlabError, match="http and zip addresses are read-only"):
            open_volume(f"{server.url}/a").write(None, values)


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize("name", ["a b", "c#d", "é", "g[h]", "i&j=k", "100%"])
def test_names_with_odd_characters(tmp_path: Path, name: str) -> None:
    """On disk as they are; over http as a browser shows them and as it copies them."""
    values = written(tmp_path / name, "0.5")
    np.testing.assert_array_equal(read_whole(open_store(tmp_path / name)), values)
    with serving(FolderServer(tmp_path)) as server:
        np.testing.assert_array_equal(read_whole(open_store(f"{server.url}/{quote(name)}")), values)
        np.testing.assert_array_equal(read_whole(open_store(f"{server.url}/{name}")), values)


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
def test_an_estimate_is_kept_over_http(tmp_path: Path, version: str) -> None:
    """No more requests than chunks touched and one a shard, and many of them in flight at once."""
    values = written(tmp_path / "a", version)
    with serving(FolderServer(tmp_path, delay=0.02)) as server:
        volume = open_volume(f"{server.url}/a")
        view = volume[3:19, 5:37, 7:50]
        server.asked.clear()
        np.testing.assert_array_equal(view.read(), values[3:19, 5:37, 7:50])
        voxels = [path for _, path, _ in server.asked if "zarr" not in path and not path.endswith("info")]
        assert 0 < len(voxels) <= view.estimate().requests
        assert server.most_in_flight >= 4


@pytest.mark.usefixtures("_no_proxy")
def test_zip_files_here_and_over_http(tmp_path: Path) -> None:
    values = written(tmp_path / "a", "0.5")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for path in sorted((tmp_path / "a").rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(tmp_path / "a"))
    np.testing.assert_array_equal(read_whole(open_store(tmp_path / "a.zip")), values)
    with serving(FolderServer(tmp_path)) as server:
        stored = open_store(f"{server.url}/a.zip")
        np.testing.assert_array_equal(read_whole(stored), values)
    before = (tmp_path / "a.zip").read_bytes()
    with pytest.raises(NdlabError, match="http and zip addresses are read-only"):
        open_volume(tmp_path / "a.zip").write(None, values)
    assert (tmp_path / "a.zip").read_bytes() == before


@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
def test_over_s3_read_and_written(s3: S3Server, version: str) -> None:
    values = texture((20, 40, 60), "u2")
    codec = "raw" if version == "precomputed" else "zstd"
    make("s3://brain/vol", values.shape, dtype="u2", version=version, codec=codec, levels=2)
    volume = open_volume("s3://brain/vol")
    assert volume.url == "s3://brain/vol"
    volume.write(None, values)
    np.testing.assert_array_equal(open_volume("s3://brain/vol").read(), values)
    assert open_volume("s3://brain/vol").version == 1
    assert [one.stale for one in open_volume("s3://brain/vol").levels] == [False, True]
    assert all(key.startswith("vol/") for key in s3.objects)
    # An address used before is another store now.
    s3.objects.clear()
    make("s3://brain/vol", (4, 4, 4), dtype="u1", version=version, codec=codec)
    fresh = open_volume("s3://brain/vol")
    assert (fresh.shape, str(fresh.dtype)) == ((4, 4, 4), "uint8")
    assert not fresh.read().any()


@pytest.mark.usefixtures("_no_proxy")
def test_a_server_that_dies_is_an_error_not_zeros(tmp_path: Path) -> None:
    values = written(tmp_path / "a", "0.5")
    with serving(FolderServer(tmp_path)) as server:
        stored = open_store(f"{server.url}/a")
        np.testing.assert_array_equal(read_whole(stored), values)
        server.status = 500
        with pytest.raises(NotFound, match=r"/a/0, \(0, 0, 0\) to \(20, 40, 60\) does not answer.*check the address"):
            read_whole(stored)


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize("version", ["0.4", "precomputed"])
def test_a_refused_chunk_is_an_error_not_zeros(tmp_path: Path, version: str) -> None:
    written(tmp_path / "a", version)
    with serving(FolderServer(tmp_path)) as server:
        stored = open_store(f"{server.url}/a")
        server.status = 403
        with pytest.raises(NotFound, match=r"to \(20, 40, 60\) cannot be read.*Forbidden.*ask for access"):
            read_whole(stored)


@pytest.mark.usefixtures("_no_proxy")
def test_a_server_without_ranges(tmp_path: Path) -> None:
    """Python's own http.server is one: whole chunks can be read from it, parts of shards cannot."""
    sharded, plain = written(tmp_path / "a", "0.5"), written(tmp_path / "b", "0.4")
    with serving(FolderServer(tmp_path, ranges=False)) as server:
        np.testing.assert_array_equal(read_whole(open_store(f"{server.url}/b")), plain)
        stored = open_store(f"{server.url}/a")
        with pytest.raises(
            Unsupported, match=r"the server gives whole files only.*that answers Range requests"
        ) as caught:
            stored.levels[0].array.read((0, 0, 0), (8, 16, 16))
        assert caught.value.feature == "HTTP range requests"
        assert sharded.any()


def test_every_array_is_the_engines_where_it_can_be(tmp_path: Path) -> None:
    for version in ("0.5", "0.4", "precomputed"):
        stored = make(tmp_path / version, version=version, codec="raw" if version == "precomputed" else "zstd")
        assert isinstance(stored.levels[0].array, TensorStoreArray)


def test_hidden_scales_of_precomputed_are_passed_over(tmp_path: Path) -> None:
    """The engine counts them, too: without them in the count the second level would be read for the first."""
    sizes = {"8": (8, 8, 40), "16": (16, 16, 40), "32": (32, 32, 40)}
    for i, (key, resolution) in enumerate(sizes.items()):
        shape = [64 >> i, 48 >> i, 10]
        spec = {
            "driver": "neuroglancer_precomputed", "kvstore": f"file://{tmp_path}/",
            "scale_metadata": {"key": key, "size": shape, "resolution": resolution, "encoding": "raw",
                               "chunk_size": [16, 16, 10]},
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint16", "num_channels": 1},
        }  # fmt: skip
        ts.open(spec, create=True).result()[...] = i + 1
    info = json.loads((tmp_path / "info").read_bytes())
    info["scales"][0]["hidden"] = True
    (tmp_path / "info").write_text(json.dumps(info))
    stored = open_store(tmp_path)
    found = [np.unique(level.array.read((0, 0, 0), level.array.shape)).tolist() for level in stored.levels]
    assert found == [[2], [3]]
