from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from ndlab.errors import BadMetadata, BadRequest, NotFound, Unsupported
from ndlab.geometry import Calibration
from ndlab.store.files import open_file
from ndlab.store.files.hdf5 import split_dataset
from tests.store.reading import assert_reads, numbers


@pytest.mark.parametrize("dtype", ["|u1", "<u2", ">u2", "<u8", "<i4", "<f4", ">f8", "?"])
@pytest.mark.parametrize("options", [{}, {"chunks": (3, 4, 5), "compression": "gzip", "shuffle": True}])
def test_hdf5_reads_every_type_contiguous_and_chunked(tmp_path: Path, dtype: str, options: dict[str, object]) -> None:
    values = numbers((7, 11, 13), dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("v", data=values, **options)
    stored = open_file(tmp_path / "a.h5")
    assert_reads(stored, values.astype(values.dtype.newbyteorder("=")), "zyx")
    assert stored.levels[0].array.chunks == options.get("chunks", (1, 11, 13))
    assert stored.levels[0].array.codec == ("gzip 4" if options else "none")
    assert stored.format == "HDF5"


def test_hdf5_cremi_resolution_and_corner_offset_are_in_nm_zyx(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cremi.hdf", "w") as file:
        raw = file.create_dataset("volumes/raw", data=numbers((4, 5, 6), "u1"))
        raw.attrs["resolution"] = (40.0, 4.0, 4.0)
        labels = file.create_dataset("volumes/labels/neuron_ids", data=numbers((2, 3, 3), "u8"))
        labels.attrs["resolution"] = (40.0, 4.0, 4.0)
        labels.attrs["offset"] = (80.0, 4.0, 8.0)
        file.create_dataset("annotations/types", data=[b"a", b"b"])
    raw_stored = open_file(f"{tmp_path}/cremi.hdf:/volumes/raw")
    assert raw_stored.levels[0].calibration == Calibration((40, 4, 4))
    assert raw_stored.kind == "image"
    stored = open_file(tmp_path / "cremi.hdf", dataset="volumes/labels/neuron_ids")
    assert stored.levels[0].calibration == Calibration((40, 4, 4), (80, 4, 8))
    assert (stored.kind, stored.name) == ("labels", "neuron_ids")
    # A group with one volume inside names that volume.
    assert open_file(f"{tmp_path}/cremi.hdf:/volumes/labels").name == "neuron_ids"


def test_hdf5_fiji_element_size_is_in_micrometres(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("v", data=numbers((2, 3, 4), "u1")).attrs["element_size_um"] = (0.05, 0.004, 0.004)
    calibration = open_file(tmp_path / "a.h5").levels[0].calibration
    assert calibration is not None
    assert calibration.voxel_size == pytest.approx((50, 4, 4))


@pytest.mark.parametrize("value", [(40.0, 0.0, 4.0), (40.0, -4.0, 4.0), (1.0, 2.0), "fine", (np.nan, 1.0, 1.0)])
def test_hdf5_a_voxel_size_that_is_none_is_reported_not_used(tmp_path: Path, value: object) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("v", data=numbers((2, 3, 4), "u1")).attrs["resolution"] = value
    stored = open_file(tmp_path / "a.h5")
    assert stored.levels[0].calibration is None
    assert "is no voxel size; pass voxel_size=" in stored.notes[0]


def test_hdf5_ilastik_axistags_and_dimension_labels_name_the_axes(tmp_path: Path) -> None:
    values = numbers((5, 6, 4, 3), "u2")
    tags = {"axes": [{"key": k, "typeFlags": 2, "resolution": 0, "description": ""} for k in "yxzc"]}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("tagged", data=values).attrs["axistags"] = json.dumps(tags)
        labelled = file.create_dataset("labelled", data=values)
        for dim, name in zip(labelled.dims, "tyxz", strict=True):
            dim.label = name
        file.create_dataset("bare", data=values)
    assert_reads(open_file(tmp_path / "a.h5", dataset="tagged"), values.transpose(3, 2, 0, 1), "czyx")
    assert_reads(open_file(tmp_path / "a.h5", dataset="labelled"), values.transpose(0, 3, 1, 2), "tzyx")
    assert_reads(open_file(tmp_path / "a.h5", dataset="bare"), values, "czyx")
    assert_reads(open_file(tmp_path / "a.h5", dataset="bare", axes="zyxc"), values.transpose(3, 0, 1, 2), "czyx")


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 4, 5, 6)])
def test_hdf5_two_to_five_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = numbers(shape, "u1")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"] = values
    assert_reads(open_file(tmp_path / "a.h5"), values if len(shape) == 5 else values[None],
                 "tczyx" if len(shape) == 5 else "zyx")  # fmt: skip


def test_hdf5_axes_of_length_one_may_be_anything(tmp_path: Path) -> None:
    values = numbers((1, 2, 1, 3, 4, 5), "u1")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"] = values
    with pytest.raises(Unsupported, match="6 axes"):
        open_file(tmp_path / "a.h5")
    assert_reads(open_file(tmp_path / "a.h5", axes="qcqzyx"), values[0, :, 0], "czyx")


def test_hdf5_several_volumes_are_listed_and_none_is_guessed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = numbers((2, 3, 4), "u1")
        file["deep/labels"] = numbers((2, 3, 4), "u4")
        file["one_axis"] = numbers((9,), "u1")
    with pytest.raises(BadRequest, match="holds 2 volumes") as caught:
        open_file(tmp_path / "a.h5")
    assert caught.value.datasets == ["/deep/labels", "/raw"]
    assert "/raw (2, 3, 4) uint8" in str(caught.value)
    assert 'pass dataset="/deep/labels"' in str(caught.value)
    with pytest.raises(NotFound, match=r"no dataset 'raww'.*it holds .*/raw"):
        open_file(f"{tmp_path}/a.h5:/raww")
    with pytest.raises(Unsupported, match="two axes or more"):
        open_file(tmp_path / "a.h5", dataset="one_axis")


def test_hdf5_without_a_volume_or_with_damage_says_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["one_axis"] = numbers((9,), "u1")
    with pytest.raises(NotFound, match="no volume in"):
        open_file(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(BadMetadata, match="cannot be opened as HDF5"):
        open_file(tmp_path / "text.h5")
    with h5py.File(tmp_path / "cut.h5", "w") as file:
        file.create_dataset("v", data=numbers((40, 50, 60), "u1"), chunks=(8, 8, 8), compression="gzip")
    raw = bytearray((tmp_path / "cut.h5").read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 4000] = b"\xff" * 4000
    (tmp_path / "cut.h5").write_bytes(raw)
    array = open_file(tmp_path / "cut.h5").levels[0].array
    with pytest.raises(BadMetadata, match="cannot be decoded"):
        array.read((0, 0, 0), array.shape)


def test_hdf5_a_filter_that_is_not_installed_is_named_when_opening(tmp_path: Path) -> None:
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((2, 2, 2))
    created.set_filter(333, h5py.h5z.FLAG_OPTIONAL)  # A number kept free for tests, so it is never installed.
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((4, 4, 4))
        h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_UINT8, space, created)
    with pytest.raises(Unsupported, match=r"compressed with filter 333.*hdf5plugin") as caught:
        open_file(tmp_path / "a.h5")
    assert caught.value.feature == "HDF5 filter 333"


def test_hdf5_reads_only_the_chunks_of_the_box(tmp_path: Path) -> None:
    """A sparse file of 8 TB logical size opens and gives a box at once."""
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        node = file.create_dataset("v", (20_000, 20_000, 20_000), "u1", chunks=(64, 64, 64))
        node[10_000:10_004, 5:9, 7:9] = 3
    array = open_file(tmp_path / "huge.h5").levels[0].array
    assert array.read((9_999, 4, 7), (10_002, 7, 9)).sum() == 3 * 2 * 2 * 2


def test_hdf5_dropping_a_volume_frees_its_file_for_writing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"] = numbers((2, 3, 4), "u1")
    stored = open_file(tmp_path / "a.h5")
    stored.levels[0].array.read((0, 0, 0), (2, 3, 4))
    del stored
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["v"][0] = 0
    assert not open_file(tmp_path / "a.h5").levels[0].array.read((0, 0, 0), (1, 3, 4)).any()


def test_hdf5_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for value in (1, 2):
        with h5py.File(tmp_path / "next.h5", "w") as file:
            file["v"] = np.full((2, 3, value + 4), value, "u1")
        (tmp_path / "next.h5").replace(path)
        array = open_file(path).levels[0].array
        assert array.shape == (2, 3, value + 4)
        assert array.read((0, 0, 0), array.shape).max() == value


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("a.h5:/v/raw", ("a.h5", "v/raw")),
        ("/x/a.hdf:v", ("/x/a.hdf", "v")),
        ("a.h5/v", ("a.h5", "v")),
        ("a.h5", ("a.h5", None)),
        ("a.tif:/v", ("a.tif:/v", None)),
    ],
)
def test_the_dataset_is_taken_off_an_address(address: str, parts: tuple[str, str | None]) -> None:
    assert split_dataset(address) == parts
