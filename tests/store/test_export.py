from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ndlab.errors import BadRequest, Conflict, NotFound, OutOfBounds
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Channel
from ndlab.store.export import export
from ndlab.store.files import open_file
from tests.store.reading import numbers, whole


def listing(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


C = Calibration((40, 4, 4.5), (80, 8, 9))


@dataclass
class Memory:
    """Voxels in memory behind the array interface, which notes what was asked of it."""

    values: np.ndarray[Any, Any]
    chunks: tuple[int, ...]
    codec: str = "none"
    shards: tuple[int, ...] | None = None
    largest: int = 0
    fail_after: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = self.values.dtype
        return found

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        if self.fail_after is not None:
            self.fail_after -= 1
            if self.fail_after < 0:
                raise OSError("the network is gone")
        got = self.values[tuple(map(slice, start, stop))].copy()
        self.largest = max(self.largest, got.nbytes)
        return got

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        raise NotImplementedError


def memory(shape: tuple[int, ...], dtype: str = "u1", chunk: int = 4) -> Memory:
    return Memory(numbers(shape, dtype), tuple(1 if i < len(shape) - 3 else chunk for i in range(len(shape))))


SHAPES = {"zyx": (9, 11, 13), "czyx": (3, 9, 11, 13), "tzyx": (2, 9, 11, 13), "tczyx": (2, 3, 9, 11, 13)}
NAMES = ["a.tif", "a.ome.tif", "a.h5", "a.nii", "a.nii.gz", "a.npy", "slices"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axes", list(SHAPES))
@pytest.mark.parametrize("slab", [1, 3000, 1 << 20])
def test_what_is_exported_opens_again_with_the_same_voxels(tmp_path: Path, name: str, axes: str, slab: int) -> None:
    source = memory(SHAPES[axes])
    box = Box((1, 2, 3), (8, 10, 13))
    channels = [Channel(n, color=c) for n, c in zip("abc", ("FF0000", "00FF00", "0000FF"), strict=True)]
    path = export(source, axes, C, tmp_path / name, format="png" if name == "slices" else None, box=box, slab=slab,
                  channels=channels if "c" in axes else (), time_step=2.5 if "t" in axes else None)  # fmt: skip
    assert path == tmp_path / name
    stored = open_file(path, axes=axes) if name == "a.npy" else open_file(path)
    assert "".join(stored.axes) == axes
    np.testing.assert_array_equal(whole(stored), source.values[..., 1:8, 2:10, 3:13], strict=True)
    calibration = stored.levels[0].calibration
    if name in ("slices", "a.npy"):
        assert calibration is None
    else:
        assert calibration is not None
        assert calibration.voxel_size == pytest.approx((40, 4, 4.5), rel=1e-6)
        # The corner of the first voxel of the box; TIFF has no place for it.
        assert calibration.offset == pytest.approx((0, 0, 0) if "tif" in name else (120, 16, 22.5), rel=1e-6)
        assert stored.time_step == (2.5 if "t" in axes else None)
    if "c" in axes and name in ("a.ome.tif", "a.h5"):
        assert [c.name for c in stored.channels] == ["a", "b", "c"]
    if "c" in axes and name == "a.ome.tif":
        assert [c.color for c in stored.channels] == ["FF0000", "00FF00", "0000FF"]
    assert listing(tmp_path) == [name]


DTYPES = {
    "a.tif": ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"],
    "a.ome.tif": ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"],
    "a.h5": ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"],
    "a.nii": ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"],
    "a.npy": ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"],
    "slices": ["u1", "u2"],
}


@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n, ds in DTYPES.items() for d in DTYPES["a.npy"] if d in ds])
def test_every_type_that_a_format_holds(tmp_path: Path, name: str, dtype: str) -> None:
    source = memory((3, 5, 6), dtype)
    path = export(source, "zyx", C, tmp_path / name, format="png" if name == "slices" else None)
    np.testing.assert_array_equal(whole(open_file(path)), source.values, strict=True)


@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n, ds in DTYPES.items() for d in DTYPES["a.npy"]
                                             if d not in ds and not (n == "slices" and d == "?")])  # fmt: skip
def test_every_type_that_a_format_cannot_hold_is_refused_with_a_way_out(tmp_path: Path, name: str, dtype: str) -> None:
    with pytest.raises(BadRequest, match=r"voxels cannot be written as .*it holds .*(HDF5|\.tif)"):
        export(memory((3, 5, 6), dtype), "zyx", C, tmp_path / name, format="png" if name == "slices" else None)
    assert listing(tmp_path) == []


def test_masks_become_zeros_and_ones_in_png(tmp_path: Path) -> None:
    source = memory((2, 5, 6), "?")
    np.testing.assert_array_equal(
        whole(open_file(export(source, "zyx", C, tmp_path / "s", format="png"))), source.values
    )


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    chunk=st.tuples(*[st.integers(1, 5)] * 3),
    slab=st.integers(1, 400),
    name=st.sampled_from(["a.npy", "a.h5", "a.nii", "a.tif"]),
    data=st.data(),
)
def test_any_shape_chunk_and_slab_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    slab: int,
    name: str,
    data: Any,
) -> None:
    ends = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in shape]
    box = Box([a for a, _ in ends], [b for _, b in ends])
    source = Memory(numbers(shape, "u2"), tuple(map(min, chunk, shape)))
    path = export(source, "zyx", None, tmp_path_factory.mktemp("x") / name, box=box, slab=slab)
    np.testing.assert_array_equal(whole(open_file(path)), source.values[box.slices])


@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.nii", "a.tif", "a.nii.gz", "slices"])
def test_memory_stays_within_the_slab(tmp_path: Path, name: str) -> None:
    source = memory((64, 96, 80), "u2", chunk=8)
    export(source, "zyx", C, tmp_path / name, format="png" if name == "slices" else None, slab=60_000)
    plane = 96 * 80 * 2
    assert plane < source.largest <= 60_000 if "sl" not in name else source.largest <= 60_000


def test_one_time_point_and_one_channel(tmp_path: Path) -> None:
    source = memory(SHAPES["tczyx"], "u2")
    stored = open_file(export(source, "tczyx", C, tmp_path / "a.h5", t=1, c=2, channels=[Channel(n) for n in "abc"]))
    assert stored.axes == ("z", "y", "x")
    np.testing.assert_array_equal(whole(stored), source.values[1, 2])
    stored = open_file(export(source, "tczyx", C, tmp_path / "b.h5", t=0, channels=[Channel(n) for n in "abc"]))
    assert "".join(stored.axes) == "czyx"
    np.testing.assert_array_equal(whole(stored), source.values[0])
    with pytest.raises(OutOfBounds, match="t=2 was asked for"):
        export(source, "tczyx", C, tmp_path / "c.h5", t=2)
    with pytest.raises(OutOfBounds, match="the array has 1 along c"):
        export(memory((3, 4, 5)), "zyx", C, tmp_path / "c.h5", c=1)


# ------------------------------------------------------------------------------------- what the other tools see


def test_imagej_sees_a_calibrated_hyperstack(tmp_path: Path) -> None:
    source = memory(SHAPES["tczyx"], "u2")
    windows = [Channel(n, window=(i, 100.0 + i)) for i, n in enumerate("abc")]
    export(source, "tczyx", C, tmp_path / "a.tif", channels=windows, time_step=1.5)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == "TZCYX"
        said = file.imagej_metadata
        assert said is not None
        assert (said["spacing"], said["unit"], said["finterval"]) == (0.04, "um", 1.5)
        assert said["Ranges"] == (0, 100, 1, 101, 2, 102)
        x = file.pages[0].tags["XResolution"].value
        assert x[0] / x[1] == pytest.approx(1000 / 4.5, rel=1e-6)
        np.testing.assert_array_equal(file.asarray(), source.values.transpose(0, 2, 1, 3, 4))


def test_wide_labels_go_to_tiff_with_size_and_offset_beside_them(tmp_path: Path) -> None:
    source = memory((3, 5, 6), "u8")
    stored = open_file(export(source, "zyx", C, tmp_path / "a.tif", box=Box((1, 0, 0), (3, 5, 6))))
    assert stored.levels[0].calibration == Calibration((40, 4, 4.5), (120, 8, 9))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), source.values[1:])


def test_big_stacks_become_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the 4 GB limit lowered; a file beyond the true limit is written in the soak run."""
    monkeypatch.setattr("ndlab.store.export_formats._CLASSIC_LIMIT", 100)
    source = memory((3, 5, 7), "u1")
    stored = open_file(export(source, "zyx", C, tmp_path / "a.tif"))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        assert file.is_ome
    np.testing.assert_array_equal(whole(stored), source.values)


@pytest.mark.soak
def test_a_stack_beyond_4_gb(tmp_path: Path) -> None:
    shape = (70, 8192, 8192)
    values = np.lib.format.open_memmap(tmp_path / "source.npy", "w+", "u1", shape)
    values[69, 8191, 8190] = 9
    stored = open_file(export(open_file(tmp_path / "source.npy").levels[0].array, "zyx", C, tmp_path / "a.tif"))
    assert stored.levels[0].array.read((69, 8191, 8189), (70, 8192, 8192)).ravel().tolist() == [0, 9, 0]
    assert stored.format == "OME-TIFF"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nibabel_sees_the_centre_of_the_first_voxel_in_mm(tmp_path: Path, suffix: str) -> None:
    source = memory((9, 11, 13), "f4")
    export(source, "zyx", C, tmp_path / f"a{suffix}", box=Box((1, 0, 0), (9, 11, 13)))
    image = nibabel.load(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), source.values[1:].T)
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(
        image.affine @ [0, 0, 0, 1], [(9 + 2.25) / 1e6, (8 + 2) / 1e6, (120 + 20) / 1e6, 1], rtol=1e-6
    )
    np.testing.assert_allclose(image.header.get_qform(), image.header.get_sform(), rtol=1e-5, atol=1e-12)


def test_nifti_2_where_an_axis_is_too_long_for_nifti_1(tmp_path: Path) -> None:
    source = Memory(numbers((1, 2, 40_000), "u1"), (1, 2, 1000))
    stored = open_file(export(source, "zyx", C, tmp_path / "a.nii"))
    assert stored.format == "NIfTI-2"
    np.testing.assert_array_equal(np.asanyarray(nibabel.load(tmp_path / "a.nii").dataobj), source.values.T)


def test_h5py_sees_cremi_attributes_and_named_axes(tmp_path: Path) -> None:
    export(memory(SHAPES["czyx"], "u4"), "czyx", C, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        node = file["data"]
        assert list(node.attrs["resolution"]) == [40, 4, 4.5]
        assert list(node.attrs["offset"]) == [80, 8, 9]
        assert [d.label for d in node.dims] == list("czyx")
        assert (node.compression, node.shuffle, node.chunks) == ("gzip", True, (1, 4, 4, 4))


def test_numpy_sees_the_array(tmp_path: Path) -> None:
    source = memory((9, 11, 13), "f8")
    export(source, "zyx", C, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), source.values, strict=True)


def test_png_slices_carry_their_number_in_the_volume(tmp_path: Path) -> None:
    source = memory((12, 8, 9), "u2")
    export(source, "zyx", C, tmp_path / "s", format="png", box=Box((9, 0, 0), (12, 8, 9)))
    assert listing(tmp_path / "s") == ["0009.png", "0010.png", "0011.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "s" / "0010.png")), source.values[10])
    export(source, "zyx", C, tmp_path / "one.png", box=Box((5, 0, 0), (6, 8, 9)))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "one.png")), source.values[5])
    with pytest.raises(BadRequest, match="12 planes cannot be written as one PNG"):
        export(source, "zyx", C, tmp_path / "all.png")
    both = memory(SHAPES["tczyx"])
    export(both, "tczyx", C, tmp_path / "tcz", format="png")
    assert len(listing(tmp_path / "tcz")) == 2 * 3 * 9
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "tcz" / "t1_c2_z0008.png")), both.values[1, 2, 8])


# ------------------------------------------------------------------------------------------- nothing half-made


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_half_way_leaves_nothing(tmp_path: Path, name: str) -> None:
    source = memory((64, 32, 32))
    source.fail_after = 3
    with pytest.raises(OSError, match="the network is gone"):
        export(source, "zyx", C, tmp_path / name, format="png" if name == "slices" else None, slab=4096)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_exists_is_replaced_only_on_request_and_only_when_complete(tmp_path: Path, name: str) -> None:
    png = "png" if name == "slices" else None
    old, new = memory((6, 8, 9)), memory((7, 8, 9))
    path = export(old, "zyx", C, tmp_path / name, format=png)
    with pytest.raises(Conflict, match=r"exists.*overwrite=True"):
        export(new, "zyx", C, path, format=png)
    new.fail_after = 1
    with pytest.raises(OSError, match="network"):
        export(new, "zyx", C, path, format=png, overwrite=True, slab=100)
    np.testing.assert_array_equal(whole(open_file(path)), old.values)
    new.fail_after = None
    export(new, "zyx", C, path, format=png, overwrite=True)
    np.testing.assert_array_equal(whole(open_file(path)), new.values)
    assert listing(tmp_path) == [name]


def test_a_folder_with_anything_else_in_it_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    (tmp_path / "mine" / "0000.png").write_text("")
    with pytest.raises(Conflict, match="more in it than exported slices"):
        export(memory((3, 4, 5)), "zyx", C, tmp_path / "mine", format="png", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"


def test_bad_requests_are_named_and_write_nothing(tmp_path: Path) -> None:
    source = memory((3, 4, 5))
    for call, error, match in (
        ({"dest": tmp_path / "a.xyz"}, BadRequest, r"the name ends in none of \.tif"),
        ({"dest": tmp_path / "a.tif", "format": "jpeg2000"}, BadRequest, "known are tiff, hdf5"),
        ({"dest": tmp_path / "no" / "a.tif"}, NotFound, "no folder"),
        ({"dest": tmp_path / "a.tif", "box": Box((0, 0, 0), (4, 4, 5))}, OutOfBounds, "leaves the volume"),
        ({"dest": tmp_path / "a.tif", "box": Box((1, 0, 0), (1, 4, 5))}, BadRequest, "is empty"),
        ({"dest": tmp_path / "a.tif", "axes": "czyx"}, BadRequest, "one name for each axis"),
    ):
        with pytest.raises(error, match=match):
            export(source, **({"axes": "zyx", "calibration": C} | call))  # type: ignore[arg-type]
    assert listing(tmp_path) == []


def test_without_calibration_none_is_invented(tmp_path: Path) -> None:
    for name in ("a.tif", "a.ome.tif", "a.h5", "a.nii"):
        stored = open_file(export(memory((3, 4, 5)), "zyx", None, tmp_path / name))
        assert stored.levels[0].calibration is None, name


def test_progress_rises_to_one(tmp_path: Path) -> None:
    for name in ("a.tif", "a.h5", "a.npy"):
        seen: list[float] = []
        export(memory((16, 8, 8)), "zyx", C, tmp_path / name, slab=200, progress=seen.append)
        assert seen[-1] == 1
        assert all(a < b for a, b in itertools.pairwise(seen))
        assert len(seen) > 3
