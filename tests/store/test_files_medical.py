"""NIfTI, NRRD and npy, checked against nibabel, pynrrd and numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest

from ndlab.errors import BadMetadata, BadRequest, NotFound, Unsupported
from ndlab.geometry import Calibration
from ndlab.store.files import kept, open_file
from tests.store.reading import assert_reads, numbers

SHAPES = {"xyz": (5, 6, 7), "xyzt": (5, 6, 7, 3), "xyztc": (5, 6, 7, 2, 3)}


def affine(size: tuple[float, ...], origin: tuple[float, ...]) -> np.ndarray[Any, Any]:
    matrix = np.diag([*size, 1.0])
    matrix[:3, 3] = origin
    return matrix


# ------------------------------------------------------------------------------------------------------------- NIfTI


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
@pytest.mark.parametrize("axes", list(SHAPES))
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_equals_nibabel_with_axes_reversed(tmp_path: Path, suffix: str, dtype: str, axes: str, kind: Any) -> None:
    values = numbers(SHAPES[axes], dtype)
    image = kind(values, affine((4, 4, 40), (2, 2, 20)))
    image.header.set_xyzt_units("micron", "msec")
    nibabel.save(image, tmp_path / f"a{suffix}")
    stored = open_file(tmp_path / f"a{suffix}")
    turned = {"xyz": (2, 1, 0), "xyzt": (3, 2, 1, 0), "xyztc": (3, 4, 2, 1, 0)}[axes]
    assert_reads(stored, values.transpose(turned), {"xyz": "zyx", "xyzt": "tzyx", "xyztc": "tczyx"}[axes])
    assert stored.levels[0].calibration == Calibration((40_000, 4_000, 4_000), (0, 0, 0))
    assert stored.time_step == (None if axes == "xyz" else pytest.approx(1e-3))
    assert stored.format == ("NIfTI-2" if kind is nibabel.Nifti2Image else "NIfTI-1")


def test_nifti_translation_is_a_centre_and_becomes_a_corner(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(numbers((3, 4, 5), "u1"), affine((1.0, 2.0, 3.0), (10.0, 20.0, 30.0)))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii")
    calibration = open_file(tmp_path / "a.nii").levels[0].calibration
    assert calibration is not None
    assert calibration.offset == pytest.approx((28.5e6, 19e6, 9.5e6))
    # The centre of the first voxel is where nibabel says it is.
    at = nibabel.load(tmp_path / "a.nii").affine @ [0, 0, 0, 1]
    assert calibration.centre((0, 0, 0)) == pytest.approx(tuple(at[2::-1] * 1e6))


@pytest.mark.parametrize(
    "directions",
    [np.diag([-1.0, 1, 1]), [[0, 0, 1], [-1, 0, 0], [0, 1, 0]], [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]],
)
def test_nifti_turned_or_mirrored_axes_keep_stored_order_and_say_so(tmp_path: Path, directions: Any) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = directions
    values = numbers((3, 4, 5), "i2")
    image = nibabel.Nifti1Image(values, matrix)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii")
    stored = open_file(tmp_path / "a.nii")
    assert_reads(stored, values.T, "zyx")
    assert stored.levels[0].calibration == Calibration((1e6, 1e6, 1e6))
    assert "the affine turns or mirrors the axes" in stored.notes[0]
    np.testing.assert_allclose(stored.attrs["affine"], nibabel.load(tmp_path / "a.nii").affine)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_scaling_gives_what_nibabel_gives(tmp_path: Path, suffix: str) -> None:
    image = nibabel.Nifti1Image(numbers((5, 6, 7), "i2"), np.eye(4))
    image.header.set_slope_inter(0.25, -3)
    nibabel.save(image, tmp_path / f"a{suffix}")
    expected = np.asanyarray(nibabel.load(tmp_path / f"a{suffix}").dataobj)
    assert_reads(open_file(tmp_path / f"a{suffix}"), expected.transpose(2, 1, 0), "zyx")


def test_nifti_colours_are_channels(tmp_path: Path) -> None:
    values = numbers((4, 5, 6, 3), "u1")
    record = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(values.copy().view(record)[..., 0], np.eye(4)), tmp_path / "a.nii")
    stored = open_file(tmp_path / "a.nii")
    assert_reads(stored, values.transpose(3, 2, 1, 0), "czyx")
    assert [c.name for c in stored.channels] == ["red", "green", "blue"]


def test_nifti_without_a_unit(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(numbers((3, 4, 5), "u1"), np.eye(4)), tmp_path / "ones.nii")
    stored = open_file(tmp_path / "ones.nii")
    assert stored.levels[0].calibration is None
    assert "names no unit for its 1 x 1 x 1 voxels" in stored.notes[0]
    given = open_file(tmp_path / "ones.nii", unit="um").levels[0].calibration
    assert given is not None
    assert given.voxel_size == (1000, 1000, 1000)
    nibabel.save(nibabel.Nifti1Image(numbers((3, 4, 5), "u1"), affine((2, 2, 3), (0, 0, 0))), tmp_path / "sizes.nii")
    stored = open_file(tmp_path / "sizes.nii")
    assert stored.levels[0].calibration is not None
    assert stored.levels[0].calibration.voxel_size == (3e6, 2e6, 2e6)
    assert "millimetres assumed" in stored.notes[0]


def test_nifti_two_dimensions_and_wrong_axes(tmp_path: Path) -> None:
    values = numbers((3, 4), "u1")
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    assert_reads(open_file(tmp_path / "a.nii"), values.T[None], "zyx")
    nibabel.save(nibabel.Nifti1Image(numbers((2, 3, 4, 2, 1, 2), "u1"), np.eye(4)), tmp_path / "b.nii")
    with pytest.raises(Unsupported, match="NIfTI axes beyond xyztc"):
        open_file(tmp_path / "b.nii")
    with pytest.raises(BadRequest, match="pass 6 letters"):
        open_file(tmp_path / "b.nii", axes="xyz")
    assert open_file(tmp_path / "b.nii", axes="xyzt-c").axes == ("t", "c", "z", "y", "x")


def test_nifti_damage_is_said(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(numbers((30, 40, 50), "u1"), np.eye(4))
    for suffix in (".nii", ".nii.gz"):
        path = tmp_path / f"a{suffix}"
        nibabel.save(image, path)
        path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(BadMetadata, match="is truncated"):
        open_file(tmp_path / "a.nii")
    array = open_file(tmp_path / "a.nii.gz").levels[0].array
    with pytest.raises(BadMetadata, match=r"cannot be decoded|truncated"):
        array.read((0, 0, 0), array.shape)
    (tmp_path / "b.nii").write_bytes(b"\0" * 400)
    with pytest.raises(BadMetadata, match="no readable NIfTI"):
        open_file(tmp_path / "b.nii")


@pytest.mark.parametrize("kind", ["nifti", "nrrd gzip", "nrrd bzip2"])
def test_streams_too_large_to_keep_are_read_plane_by_plane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """With the limit lowered, small files take the path of large ones: forwards, backwards and scaled."""
    values = numbers((13, 11, 9, 2), "i2")
    if kind == "nifti":
        image = nibabel.Nifti1Image(values, np.eye(4))
        image.header.set_slope_inter(0.5, 1)
        path = tmp_path / "a.nii.gz"
        nibabel.save(image, path)
        expected = np.asanyarray(nibabel.load(path).dataobj).transpose(3, 2, 1, 0)
    else:
        path = tmp_path / "a.nrrd"
        header = {"encoding": kind.split()[1], "kinds": ["domain"] * 3 + ["time"]}
        nrrd.write(str(path), values, header)
        expected = values.transpose(3, 2, 1, 0)
    monkeypatch.setattr(kept.decoded, "limit", 100)
    stored = open_file(path)
    assert_reads(stored, expected, "tzyx")
    assert any("compressed as one stream" in n and "ndlab.ingest" in n for n in stored.notes)


# -------------------------------------------------------------------------------------------------------------- NRRD


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">i2", "u4", "i8", "u8", "f4", "f8"])
def test_nrrd_of_every_type_and_encoding(tmp_path: Path, encoding: str, dtype: str) -> None:
    values = numbers((5, 6, 7), dtype)
    nrrd.write(str(tmp_path / "a.nrrd"), values, {"encoding": encoding})
    assert_reads(open_file(tmp_path / "a.nrrd"), values.astype(values.dtype.newbyteorder("=")).T, "zyx")


def test_nrrd_directions_units_and_centre_origin(tmp_path: Path) -> None:
    header = {"space dimension": 3, "space directions": np.diag([4.0, 8.0, 40.0]), "space origin": [2.0, 4.0, 100.0],
              "space units": ["nm", "nm", "nm"], "centerings": ["cell"] * 3}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), numbers((5, 6, 7), "u1"), header)
    stored = open_file(tmp_path / "a.nrrd")
    assert stored.levels[0].calibration == Calibration((40, 8, 4), (80, 0, 0))
    assert stored.notes == ()


def test_nrrd_units_stated_assumed_or_asked_for(tmp_path: Path) -> None:
    base = {"space directions": np.diag([1.0, 1.0, 2.0]), "space origin": [0.0, 0.0, 0.0]}
    nrrd.write(str(tmp_path / "slicer.nrrd"), numbers((3, 4, 5), "i2"), {"space": "left-posterior-superior", **base})
    stored = open_file(tmp_path / "slicer.nrrd")
    assert stored.levels[0].calibration == Calibration((2e6, 1e6, 1e6), (-1e6, -0.5e6, -0.5e6))
    assert "millimetres assumed" in stored.notes[0]
    nrrd.write(str(tmp_path / "bare.nrrd"), numbers((3, 4, 5), "i2"), {"space dimension": 3, **base})
    stored = open_file(tmp_path / "bare.nrrd")
    assert stored.levels[0].calibration is None
    assert "states voxels of (2.0, 1.0, 1.0) (z, y, x) without a unit" in stored.notes[0]
    assert open_file(tmp_path / "bare.nrrd", unit="µm").levels[0].calibration is not None
    nrrd.write(str(tmp_path / "spacings.nrrd"), numbers((3, 4, 5), "i2"),
               {"spacings": [4.0, 4.0, 40.0], "units": ["nm", "nm", "nm"]})  # fmt: skip
    assert open_file(tmp_path / "spacings.nrrd").levels[0].calibration == Calibration((40, 4, 4))
    nrrd.write(str(tmp_path / "none.nrrd"), numbers((3, 4, 5), "i2"))
    assert "states no voxel size" in open_file(tmp_path / "none.nrrd").notes[0]


def test_nrrd_turned_axes_keep_size_and_say_so(tmp_path: Path) -> None:
    header = {"space": "right-anterior-superior", "space directions": [[0, 2.0, 0], [1.0, 0, 0], [0, 0, -3.0]],
              "space origin": [1.0, 2.0, 3.0]}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), numbers((3, 4, 5), "u1"), header)
    stored = open_file(tmp_path / "a.nrrd")
    assert stored.levels[0].calibration == Calibration((3e6, 1e6, 2e6))
    assert any("space directions turns or mirrors" in n for n in stored.notes)


def test_nrrd_colour_axis_first_and_named_axes(tmp_path: Path) -> None:
    values = numbers((3, 5, 6, 7), "u1")
    nrrd.write(str(tmp_path / "a.nrrd"), values, {"kinds": ["RGB-color", "domain", "domain", "domain"]})
    assert_reads(open_file(tmp_path / "a.nrrd"), values.transpose(0, 3, 2, 1), "czyx")
    header = {"space": "RAS", "space directions": [[np.nan] * 3, [1, 0, 0], [0, 1, 0], [0, 0, 1]],
              "space origin": [0, 0, 0]}  # fmt: skip
    nrrd.write(str(tmp_path / "b.nrrd"), values, header)
    assert_reads(open_file(tmp_path / "b.nrrd"), values.transpose(0, 3, 2, 1), "czyx")
    assert_reads(open_file(tmp_path / "b.nrrd", axes="txyz"), values.transpose(0, 3, 2, 1), "tzyx")


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_detached_header_and_skips(tmp_path: Path, encoding: str) -> None:
    values = numbers((5, 6, 7), "u2")
    nrrd.write(str(tmp_path / "a.nhdr"), values, {"encoding": encoding}, detached_header=True)
    assert_reads(open_file(tmp_path / "a.nhdr"), values.T, "zyx")
    (tmp_path / "data.bin").write_bytes(b"one line\n" + b"12345" + values.tobytes(order="F"))
    text = ("NRRD0004\ntype: ushort\ndimension: 3\nsizes: 5 6 7\nendian: little\nencoding: raw\n"
            "line skip: 1\nbyte skip: 5\ndata file: data.bin\n")  # fmt: skip
    (tmp_path / "b.nhdr").write_text(text)
    assert_reads(open_file(tmp_path / "b.nhdr"), values.T, "zyx")
    (tmp_path / "c.nhdr").write_text(text.replace("line skip: 1\nbyte skip: 5", "byte skip: -1"))
    assert_reads(open_file(tmp_path / "c.nhdr"), values.T, "zyx")


def test_nrrd_what_is_wrong_or_missing_is_named(tmp_path: Path) -> None:
    values = numbers((5, 6, 7), "u2")
    path = tmp_path / "a.nrrd"
    nrrd.write(str(path), values, {"encoding": "raw"})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(BadMetadata, match=r"is truncated.*promises 420 bytes of voxels, 370 are there"):
        open_file(path)
    nrrd.write(str(path), values, {"encoding": "gzip"})
    path.write_bytes(path.read_bytes()[:-50])
    array = open_file(path).levels[0].array
    with pytest.raises(BadMetadata, match=r"cannot be decoded|truncated"):
        array.read((0, 0, 0), array.shape)
    nrrd.write(str(path), values, {"encoding": "text"})
    with pytest.raises(Unsupported, match="encoding 'text'"):
        open_file(path)
    path.write_text("NRRD0004\nnothing\n\n")
    with pytest.raises(BadMetadata, match="no valid NRRD header"):
        open_file(path)
    head = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 3 4\nencoding: raw\n"
    (tmp_path / "b.nhdr").write_text(head + "data file: gone.raw\n")
    with pytest.raises(NotFound, match=r"names the data file 'gone\.raw'"):
        open_file(tmp_path / "b.nhdr")
    (tmp_path / "c.nhdr").write_text(head + "data file: slice%03d.raw 0 3 1\n")
    with pytest.raises(Unsupported, match="several data files"):
        open_file(tmp_path / "c.nhdr")


# --------------------------------------------------------------------------------------------------------------- npy


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["?", "u1", "<u2", ">u2", "<u8", "<f4", ">f8", "<f2"])
def test_npy_of_every_type_and_order(tmp_path: Path, order: str, dtype: str) -> None:
    values = np.asarray(numbers((5, 6, 7), dtype), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", values)
    assert_reads(open_file(tmp_path / "a.npy"), values.astype(values.dtype.newbyteorder("=")), "zyx")


def test_npy_axes(tmp_path: Path) -> None:
    values = numbers((2, 3, 4, 5), "u1")
    np.save(tmp_path / "a.npy", values)
    assert_reads(open_file(tmp_path / "a.npy"), values, "czyx")
    assert_reads(open_file(tmp_path / "a.npy", axes="xyzt"), values.transpose(3, 2, 1, 0), "tzyx")
    with pytest.raises(BadRequest, match="pass 4 letters"):
        open_file(tmp_path / "a.npy", axes="zyx")
    with pytest.raises(Unsupported, match="each at most once"):
        open_file(tmp_path / "a.npy", axes="zyxx")
    np.save(tmp_path / "b.npy", numbers((1, 1, 2, 3, 4, 5), "u1"))
    with pytest.raises(Unsupported, match="6 axes"):
        open_file(tmp_path / "b.npy")


def test_npy_pickles_are_never_loaded_and_damage_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(Unsupported, match="type object"):
        open_file(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", numbers((5, 6, 7), "u2"))
    (tmp_path / "b.npy").write_bytes((tmp_path / "b.npy").read_bytes()[:-9])
    with pytest.raises(BadMetadata, match=r"is truncated.*promises 548 bytes, 539 are there"):
        open_file(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff{")
    with pytest.raises(BadMetadata, match=r"no valid \.npy"):
        open_file(tmp_path / "c.npy")


def test_npy_is_mapped_not_loaded(tmp_path: Path) -> None:
    """A sparse file of 64 GB opens and gives a box."""
    mapped = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "u1", (64, 1 << 15, 1 << 15))
    mapped[40, 5, 6:9] = 7
    del mapped
    stored = open_file(tmp_path / "a.npy")
    assert stored.levels[0].array.read((40, 5, 5), (41, 6, 10)).ravel().tolist() == [0, 7, 7, 7, 0]
