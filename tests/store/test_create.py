from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
import zarr

from ndlab.errors import BadRequest, Conflict, NdlabError
from ndlab.geometry import Calibration
from ndlab.metadata import Channel, Multiscale, Scale
from ndlab.store import state
from ndlab.store.create import create, exists
from ndlab.store.kv import Kv
from ndlab.store.multiscale import open_store
from ndlab.store.state import State
from ndlab.volume import open as open_volume
from tests.store.making import VOXEL, make, texture

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


def fill(stored: Any, level: int = 0, seed: int = 0) -> np.ndarray[Any, Any]:
    """Write random voxels to a whole level through the public door."""
    array = stored.levels[level].array
    values = texture(array.shape, array.dtype, seed)
    open_volume(stored.url, level=level).write(None, values)
    return values


# --- zarr-python and xarray read what we write ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_zarr_python_reads_every_voxel_type_byte_for_byte(tmp_path: Path, dtype: str, version: str) -> None:
    values = fill(make(tmp_path / "a", (9, 20, 30), dtype=dtype, version=version))
    reference: Any = zarr.open_group(tmp_path / "a", mode="r")["0"]
    np.testing.assert_array_equal(reference[...], values, strict=True)


@pytest.mark.parametrize("codec", ["zstd", "zstd 5", "gzip", "blosc", None, {"id": "blosc", "shuffle": 1}], ids=str)
@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("shard", [None, (16, 32, 32)], ids=["chunks", "shards"])
def test_zarr_python_reads_every_layout(tmp_path: Path, codec: Any, version: str, shard: Any) -> None:
    values = fill(make(tmp_path / "a", (2, 3, 9, 20, 30), dtype="u2", version=version, codec=codec, shard=shard))
    reference: Any = zarr.open_array(tmp_path / "a" / "0", mode="r")
    np.testing.assert_array_equal(reference[...], values)
    assert reference.chunks == (1, 1, 8, 16, 16)
    assert reference.shards == ((1, 1, 16, 32, 32) if shard and version == "0.5" else None)
    if version == "0.5":
        assert reference.metadata.dimension_names == ("t", "c", "z", "y", "x")


def test_a_folder_of_records_disturbs_no_zarr_reader(tmp_path: Path) -> None:
    """`.ndlab` appears with the first write; warnings are errors here."""
    for version in ("0.5", "0.4"):
        fill(make(tmp_path / version, version=version, levels=2))
        group = zarr.open_group(tmp_path / version, mode="r")
        members: dict[str, Any] = dict(group.members())
        assert (tmp_path / version / ".ndlab" / "state.json").exists()
        assert {"0", "1"} <= set(members)
        assert all(isinstance(one, zarr.Array) for one in members.values())
        assert members["0"].shape == (20, 40, 60)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_xarray_reads_every_level(tmp_path: Path, version: str) -> None:
    """Plain `xr.open_zarr` takes one level at a time, since levels differ in extent; our engine takes any by number."""
    import xarray as xr

    stored = make(tmp_path / "a", (20, 40, 60), version=version, levels=2)
    values = [texture(level.array.shape) for level in stored.levels]
    for one, level_values in zip(stored.levels, values, strict=True):
        one.array.write((0, 0, 0), level_values)
    state.change(stored.url, lambda s: State(s.version + 1))  # the folder of records is there, too
    for level in (0, 1):
        found = xr.open_zarr(tmp_path / "a", consolidated=False, drop_variables=str(1 - level))
        assert found[str(level)].dims == ("z", "y", "x")
        np.testing.assert_array_equal(found[str(level)].isel(z=slice(2, 5)).values, values[level][2:5])
        dataset = xr.open_dataset(tmp_path / "a", engine="ndlab", level=level)
        (variable,) = dataset.data_vars.values()
        np.testing.assert_array_equal(variable.values, values[level])


def test_xarray_reads_a_single_level_without_a_word(tmp_path: Path) -> None:
    import xarray as xr

    for version in ("0.5", "0.4"):
        values = fill(make(tmp_path / version, (2, 3, 9, 20, 30), version=version))
        found = xr.open_zarr(tmp_path / version, consolidated=False)
        np.testing.assert_array_equal(found["0"].transpose("t", "c", "z", "y", "x").values, values)


# --- OME-Zarr rules -----------------------------------------------------------------------------------------------


def ome(folder: Path, version: str) -> dict[str, Any]:
    if version == "0.4":
        found: dict[str, Any] = json.loads((folder / ".zattrs").read_text())
        assert json.loads((folder / ".zgroup").read_text()) == {"zarr_format": 2}
        return found
    group = json.loads((folder / "zarr.json").read_text())
    assert (group["zarr_format"], group["node_type"]) == (3, "group")
    assert group["attributes"]["ome"]["version"] == "0.5"
    attributes: dict[str, Any] = group["attributes"]["ome"]
    return attributes


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_rules_of_the_ome_zarr_specification(tmp_path: Path, version: str) -> None:
    channels = (Channel("EM", (10.0, 200.0), (0.0, 255.0), "FFFFFF"), Channel("mask", (0.0, 1.0), None, "FF0000"))
    make(tmp_path / "a", (2, 20, 40, 60), axes="czyx", levels=3, version=version, channels=channels, offset=(400, 0, 8))
    (image,) = ome(tmp_path / "a", version)["multiscales"]
    assert [axis["name"] for axis in image["axes"]] == ["c", "z", "y", "x"]
    assert [axis["type"] for axis in image["axes"]] == ["channel", "space", "space", "space"]
    assert [axis.get("unit") for axis in image["axes"]][1:] == ["nanometer"] * 3
    scales = []
    for dataset, factor in zip(image["datasets"], [(1, 1, 1), (1, 2, 2), (2, 4, 4)], strict=True):
        scale, translation = dataset["coordinateTransformations"]  # exactly one scale, then at most one translation
        assert (scale["type"], translation["type"]) == ("scale", "translation")
        size = [v * f for v, f in zip(VOXEL, factor, strict=True)]
        assert scale["scale"] == [1, *size]
        # OME-Zarr counts from the centre of the first voxel, ndlab from its outer corner.
        assert translation["translation"] == [0, *(o + s / 2 for o, s in zip((400, 0, 8), size, strict=True))]
        meta = tmp_path / "a" / dataset["path"] / ("zarr.json" if version == "0.5" else ".zarray")
        document = json.loads(meta.read_text())
        assert len(document["shape"]) == 4
        scales.append(scale["scale"])
        if version == "0.4":
            assert document["dimension_separator"] == "/"
        else:
            assert document["dimension_names"] == ["c", "z", "y", "x"]
    assert scales == sorted(scales)  # from the finest to the coarsest
    assert "version" not in image or image["version"] == version
    omero = ome(tmp_path / "a", version)["omero"]["channels"]
    assert [one["label"] for one in omero] == ["EM", "mask"]
    assert omero[0]["window"] == {"start": 10, "end": 200, "min": 0, "max": 255}


@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
def test_half_a_voxel_between_the_conventions_is_kept(tmp_path: Path, version: str) -> None:
    """The same voxels give the same nm, whether the file counts from centres (OME) or from corners (precomputed)."""
    codec = None if version == "precomputed" else "zstd"
    make(tmp_path / "a", levels=2, version=version, codec=codec, offset=(400.0, 8.0, 16.0))
    for level in open_volume(tmp_path / "a").levels:
        assert level.offset == (400.0, 8.0, 16.0)
        size = level.voxel_size
        first = tuple(float(level.xarray[axis][0]) for axis in "zyx")
        assert first == tuple(o + s / 2 for o, s in zip((400.0, 8.0, 16.0), size, strict=True))
    if version == "precomputed":
        scales = json.loads((tmp_path / "a" / "info").read_text())["scales"]
        assert scales[0]["voxel_offset"] == [4, 2, 10]  # x, y, z: 16 / 4, 8 / 4, 400 / 40
        assert scales[0]["resolution"] == [4, 4, 40]
        assert scales[1]["voxel_offset"] == [2, 1, 10]


def test_labels_are_told_from_images(tmp_path: Path) -> None:
    for version, codec in (("0.5", "zstd"), ("0.4", "zstd"), ("precomputed", "raw")):
        make(tmp_path / version, dtype="u8", version=version, kind="labels", codec=codec)
        assert open_store(tmp_path / version).kind == "labels"


# --- precomputed against a reader of its own ----------------------------------------------------------------------


def read_raw_precomputed(folder: Path, scale: int = 0) -> np.ndarray[Any, Any]:
    """Neuroglancer's precomputed raw chunks, (c, z, y, x), from its specification and nothing else."""
    info = json.loads((folder / "info").read_text())
    assert info["@type"] == "neuroglancer_multiscale_volume"
    one = info["scales"][scale]
    assert one["encoding"] == "raw"
    assert "sharding" not in one
    channels, dtype = info["num_channels"], np.dtype(info["data_type"]).newbyteorder("<")
    size, chunk, corner = one["size"], one["chunk_sizes"][0], one["voxel_offset"]
    out = np.zeros((channels, *size[::-1]), dtype)
    counts = [math.ceil(n / c) for n, c in zip(size, chunk, strict=True)]
    for number in range(math.prod(counts)):
        grid = [number % counts[0], number // counts[0] % counts[1], number // counts[0] // counts[1]]
        begin = [g * c for g, c in zip(grid, chunk, strict=True)]
        end = [min(b + c, n) for b, c, n in zip(begin, chunk, size, strict=True)]
        name = "_".join(f"{b + o}-{e + o}" for b, e, o in zip(begin, end, corner, strict=True))
        path = folder / one["key"] / name
        if not path.exists():
            continue
        extent = [e - b for b, e in zip(begin, end, strict=True)]
        # Fortran order of [x, y, z, channel] is C order of (c, z, y, x).
        piece = np.frombuffer(path.read_bytes(), dtype).reshape(channels, *extent[::-1])
        out[:, begin[2] : end[2], begin[1] : end[1], begin[0] : end[0]] = piece
    return out


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int8", "float32"])
@pytest.mark.parametrize("shape", [(20, 40, 60), (2, 9, 20, 30)])
def test_an_independent_reader_of_precomputed_agrees(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    stored = make(tmp_path / "a", shape, dtype=dtype, version="precomputed", codec="raw", offset=(400.0, 8.0, 16.0))
    values = fill(stored)
    found = read_raw_precomputed(tmp_path / "a")
    np.testing.assert_array_equal(found.reshape(values.shape), values)
    np.testing.assert_array_equal(open_volume(tmp_path / "a").read(), values)


@pytest.mark.parametrize("codec", ["compressed_segmentation", "zstd"])
def test_compressed_segmentation_is_read_by_tensorstore_alone(tmp_path: Path, codec: str) -> None:
    """For labels the default codec of the other formats means compressed_segmentation here."""
    values = fill(make(tmp_path / "a", dtype="u8", version="precomputed", kind="labels", codec=codec))
    assert json.loads((tmp_path / "a" / "info").read_text())["scales"][0]["encoding"] == "compressed_segmentation"
    spec = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "file", "path": f"{tmp_path}/a/"}}
    bare = ts.open(spec, open=True).result().read().result()
    np.testing.assert_array_equal(bare[..., 0].T, values)


def test_jpeg_is_close_and_png_is_exact(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(20), np.add.outer(np.arange(40), np.arange(60))).astype("u1")
    for codec, most in (("jpeg", 12), ("png", 0)):
        make(tmp_path / codec, version="precomputed", codec=codec)
        open_volume(tmp_path / codec).write(None, smooth)
        off = np.abs(open_volume(tmp_path / codec).read().astype(int) - smooth)
        assert off.max() <= most


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "blosc"}, r"codec 'blosc' for precomputed.*compressed_segmentation, jpeg, png, raw.*codec=\"raw\""),
        ({"codec": {"id": "zstd"}}, "for precomputed"),
        ({"codec": "raw", "dtype": "float64"}, "float64"),
        ({"codec": "jpeg", "dtype": "uint16"}, "jpeg"),
        ({"codec": "raw", "offset": (410, 0, 0)}, "offset"),
        ({"codec": "raw", "shape": (2, 9, 9, 9), "axes": "tzyx"}, r"\bt\b|time"),
    ],
)
def test_what_precomputed_cannot_hold_is_refused_and_nothing_written(
    tmp_path: Path, options: Any, message: str
) -> None:
    with pytest.raises(NdlabError, match=message):
        make(tmp_path / "a", version="precomputed", **options)
    assert not (tmp_path / "a").exists()


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
def test_an_existing_store_is_never_touched(tmp_path: Path, version: str) -> None:
    codec = "raw" if version == "precomputed" else "zstd"
    values = fill(make(tmp_path / "a", version=version, codec=codec))
    before = {key: Kv.open(tmp_path / "a").read(key) for key in Kv.open(tmp_path / "a").list()}
    assert exists(str(tmp_path / "a"))
    for other in ("0.5", "0.4", "precomputed"):
        with pytest.raises(Conflict, match=r"a store is at .*/a already. ndlab does not overwrite") as caught:
            make(tmp_path / "a", version=other, codec=None)
        assert caught.value.url == f"{tmp_path}/a"
    assert {key: Kv.open(tmp_path / "a").read(key) for key in Kv.open(tmp_path / "a").list()} == before
    np.testing.assert_array_equal(open_volume(tmp_path / "a").read(), values)


def test_an_empty_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert not exists(str(tmp_path / "a"))
    make(tmp_path / "a")
    assert exists(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk": (8, 16, 16), "shard": (16, 32, 40)},
         r"shards \(16, 32, 40\) are not whole numbers of chunks \(8, 16, 16\).*pass e.g. shards=\(16, 32, 32\)"),
        ({"chunk": (0, 16, 16)}, "one positive length an axis"),
        ({"chunk": (16, 16)}, "one positive length an axis"),
        ({"dtype": "complex64"}, "voxels of complex64"),
        ({"dtype": "U3"}, "voxels of <U3"),
        ({"fill_value": 300}, "fill_value=300. uint8 cannot hold it"),
        ({"fill_value": -1}, "fill_value=-1. uint8 cannot hold it"),
        ({"fill_value": 0.5}, "fill_value=0.5. uint8 cannot hold it"),
        ({"fill_value": math.nan}, "fill_value=nan. uint8 cannot hold it"),
    ],
)  # fmt: skip
def test_layouts_that_make_no_sense_write_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        make(tmp_path / "a", **options)
    assert not (tmp_path / "a").exists()


def test_ome_zarr_0_4_has_no_shards(tmp_path: Path) -> None:
    m = Multiscale(("z", "y", "x"), (Scale("0", Calibration(VOXEL)),), version="0.4")
    with pytest.raises(BadRequest, match=r"shards for OME-Zarr 0.4. Zarr v2 has no shards"):
        create(str(tmp_path / "a"), m, [(8, 8, 8)], "u1", chunks=[(4, 4, 4)], shards=[(8, 8, 8)])
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
def test_a_voxel_size_is_mandatory_and_survives_to_every_level(tmp_path: Path, version: str) -> None:
    """The originals' requirement 27: (1, 1, 10) without a unit is refused, and no level loses what was given."""
    numbers = {"scale": ((10, 1, 1),), "translation": ((0, 0, 0),), "units": ("", "", "")}
    nameless = Multiscale(("z", "y", "x"), (Scale("0", None),), version=version, extra=numbers)
    with pytest.raises(BadRequest, match=r"a new volume without voxel size.*pass voxel_size=\(z, y, x\) in nm"):
        create(str(tmp_path / "a"), nameless, [(8, 8, 8)], "u1", chunks=[(4, 4, 4)], shards=[None], codec=None)
    assert not (tmp_path / "a").exists()
    make(tmp_path / "b", levels=3, version=version, codec=None)
    sizes = [level.voxel_size for level in open_volume(tmp_path / "b").levels]
    assert sizes == [(40, 4, 4), (40, 8, 8), (80, 16, 16)]


def test_a_failure_half_way_leaves_nothing_that_looks_like_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Kv.write

    def fails_at_the_root(self: Kv, key: str, value: bytes) -> None:
        if "/" not in key:
            raise OSError("disk full")
        whole(self, key, value)

    monkeypatch.setattr(Kv, "write", fails_at_the_root)
    with pytest.raises(OSError, match="disk full"):
        make(tmp_path / "a", levels=2)
    monkeypatch.undo()
    assert Kv.open(tmp_path / "a").list() == []
    make(tmp_path / "a", levels=2)


@pytest.mark.parametrize(
    ("dtype", "fill_value"), [("u1", 255), ("i2", -5), ("f4", 1.5), ("f4", math.nan), ("f8", math.inf), ("bool", 1)]
)
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_the_fill_value_is_what_unwritten_voxels_read_as(
    tmp_path: Path, dtype: str, fill_value: float, version: str
) -> None:
    make(tmp_path / "a", dtype=dtype, fill_value=fill_value, version=version)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = open_volume(tmp_path / "a").read()
    np.testing.assert_array_equal(found, np.full(found.shape, fill_value, dtype))
    reference: Any = zarr.open_array(tmp_path / "a" / "0", mode="r")
    np.testing.assert_array_equal(reference[...], found)


def test_channel_names_without_windows_survive_in_ome_zarr_0_4(tmp_path: Path) -> None:
    """Its schema wants a window and a colour for each channel; names alone are kept under `ndlab`, beside the rest."""
    channels = (Channel("EM"), Channel("mask"))
    make(tmp_path / "a", (2, 9, 9, 9), axes="czyx", version="0.4", channels=channels, attrs={"seed": 3})
    assert [one.name for one in open_volume(tmp_path / "a").channels] == ["EM", "mask"]
    assert open_volume(tmp_path / "a").provenance["seed"] == 3


def test_attributes_are_kept_beside_the_ome_metadata(tmp_path: Path) -> None:
    for version in ("0.5", "0.4", "precomputed"):
        codec = "raw" if version == "precomputed" else "zstd"
        make(tmp_path / version, version=version, codec=codec, attrs={"source": "stack.tif", "seed": 3})
        assert open_volume(tmp_path / version).provenance == {"source": "stack.tif", "seed": 3}
        assert open_volume(tmp_path / version).voxel_size == VOXEL
