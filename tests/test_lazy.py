from __future__ import annotations

import math
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import StaleLevelWarning
from ndlab.geometry import Box, Calibration
from ndlab.lazy import BLOCK_BYTES, BLOCK_VOXELS, block_shape
from ndlab.metadata import Channel
from ndlab.store.arrays import Level, Stored
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.store.making import make, texture

SHAPE = (20, 40, 60)
VOXEL = (40.0, 4.0, 4.0)


@dataclass
class CountingArray:
    """An array of any extent whose voxel (z, y, x) is (z + y + x) % 251, and that notes every box it is asked for."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...] = (64, 64, 64)
    shards: tuple[int, ...] | None = None
    codec: str = "none"
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype("u1"))
    asked: list[tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        self.asked.append((tuple(start), tuple(stop)))
        z, y, x = np.ogrid[tuple(map(slice, start, stop))]
        values: np.ndarray[Any, Any] = ((z + y + x) % 251).astype(self.dtype)
        if out is None:
            return values
        out[...] = values
        return out

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        raise NotImplementedError

    @property
    def voxels_read(self) -> int:
        return sum(math.prod(b - a for a, b in zip(*box, strict=True)) for box in self.asked)


def counting(shape: tuple[int, ...], **options: Any) -> tuple[Volume, CountingArray]:
    array = CountingArray(shape, **options)
    return Volume(Stored("", "counting", ("z", "y", "x"), (Level(array, Calibration(VOXEL)),))), array


def expected(box: Box) -> np.ndarray[Any, Any]:
    z, y, x = np.ogrid[box.slices]
    found: np.ndarray[Any, Any] = ((z + y + x) % 251).astype("u1")
    return found


# --- blocks -------------------------------------------------------------------------------------------------------


@given(
    st.tuples(*[st.integers(1, 5000)] * 3),
    st.tuples(*[st.sampled_from([8, 16, 64, 128])] * 3),
    st.sampled_from([None, 1, 2, 4]),
    st.sampled_from([1, 2, 8]),
)
def test_blocks_are_whole_chunks_of_a_bounded_size(shape: Any, chunk: Any, factor: int | None, item: int) -> None:
    shards = None if factor is None else tuple(c * factor for c in chunk)
    block = block_shape(shape, chunk, shards, item)
    assert all(b % min(c, n) == 0 for b, c, n in zip(block, chunk, shape, strict=True))
    assert math.prod(block) <= max(min(BLOCK_VOXELS, BLOCK_BYTES // item), math.prod(chunk))
    covered = all(b >= n for b, n in zip(block, shape, strict=True))
    assert (
        covered
        or math.prod(block) * 2 > min(BLOCK_VOXELS, BLOCK_BYTES // item)
        or any(b >= n for b, n in zip(block, shape, strict=True))
    )


# --- Dask ---------------------------------------------------------------------------------------------------------


@given(st.data())
def test_dask_equals_numpy(data: st.DataObject) -> None:
    volume, array = counting((100, 130, 150), chunks=(16, 16, 16))
    start = [data.draw(st.integers(0, n - 1)) for n in volume.shape]
    box = Box(start, [data.draw(st.integers(a + 1, n)) for a, n in zip(start, volume.shape, strict=True)])
    view = volume[box.slices]
    array.asked.clear()
    lazy = view.dask
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (view.shape, view.dtype)
    assert array.asked == []  # making it reads nothing
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), expected(box))
    assert array.voxels_read == box.size  # every voxel once, and none besides
    key = tuple(data.draw(st.integers(0, n - 1)) for n in view.shape)
    array.asked.clear()
    assert lazy[key].compute(scheduler="synchronous") == expected(box)[key]


def test_blocks_follow_the_storage_grid() -> None:
    """No chunk is read by two tasks, wherever the view begins."""
    volume, array = counting((600, 1100, 1100))
    start = (10, 100, 33)
    lazy = volume[start[0] : 590, start[1] : 1090, start[2] :].dask
    assert lazy.npartitions > 8
    for first, lengths in zip(start, lazy.chunks, strict=True):
        borders = np.cumsum([first, *lengths])[1:-1]
        assert (borders % 64 == 0).all()
    assert array.asked == []


def test_a_cut_out_of_a_million_chunks_never_walks_them() -> None:
    """The graph has as many tasks as the box has blocks, and costs no more than that of a small volume."""
    volume, array = counting((6400, 6400, 6400))
    assert math.prod(-(-n // 64) for n in volume.shape) == 10**6
    box = Box((3000, 3000, 3000), (3064, 3064, 3064))
    start = time.process_time()
    lazy = volume[box.slices].dask
    values = lazy.compute(scheduler="synchronous")
    took = time.process_time() - start
    np.testing.assert_array_equal(values, expected(box))
    assert len(dict(lazy.__dask_graph__())) <= 8
    assert array.voxels_read == box.size
    assert took < 0.5  # slicing the whole graph takes 1.8 s


def test_the_whole_graph_of_a_million_chunks_is_small() -> None:
    volume, _ = counting((6400, 6400, 6400))
    assert volume.dask.npartitions <= 16_000


def test_dimensions_that_were_dropped_stay_away() -> None:
    volume, _ = counting((20, 30, 40))
    np.testing.assert_array_equal(volume[3, :, 5:9].dask.compute(), expected(Box((3, 0, 5), (4, 30, 9)))[0])


def test_names_tell_contents_apart(tmp_path: Path) -> None:
    """Dask takes arrays of one name for the same: two boxes, levels, volumes or versions never share one."""
    make(tmp_path / "a", SHAPE, levels=2)
    make(tmp_path / "b", SHAPE)
    volume = open_volume(tmp_path / "a")
    first = [volume, volume[1:], volume[:, 1:], volume.level(1), open_volume(tmp_path / "b"),
             Volume.from_array(np.zeros(SHAPE), VOXEL), Volume.from_array(np.zeros(SHAPE), VOXEL)]  # fmt: skip
    names = [one.dask.name for one in first]
    assert len(set(names)) == len(names)
    assert open_volume(tmp_path / "a").dask.name == names[0]  # the same store, box and version: the same name
    volume.write(None, 1)
    assert open_volume(tmp_path / "a").dask.name != names[0]
    assert volume.dask.name != names[0]  # the same object sees its own write
    assert volume.dask is volume.dask


def test_two_data_sets_of_one_file_are_told_apart(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"], file["labels"] = texture(SHAPE, seed=1), texture(SHAPE, seed=2)
    both = [open_volume(tmp_path / "a.h5", dataset=name, voxel_size=VOXEL) for name in ("raw", "labels")]
    found = da.stack([one.dask for one in both]).compute(scheduler="synchronous")
    np.testing.assert_array_equal(found, np.stack([texture(SHAPE, seed=1), texture(SHAPE, seed=2)]))


def test_any_scheduler(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE)
    volume = open_volume(tmp_path / "a")
    volume.write(None, texture(SHAPE))
    for scheduler in ("synchronous", "threads"):
        np.testing.assert_array_equal(volume.dask.compute(scheduler=scheduler), texture(SHAPE))
        assert volume.dask[2:9].sum().compute(scheduler=scheduler) == texture(SHAPE)[2:9].sum()
    again = pickle.loads(pickle.dumps(volume.dask))
    np.testing.assert_array_equal(again.compute(), texture(SHAPE))


# --- xarray -------------------------------------------------------------------------------------------------------


def test_coordinates_are_voxel_centres_in_nm(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE, offset=(400, 0, 8))
    view = open_volume(tmp_path / "a")[2:5, :, 7]
    found = view.xarray
    assert found.dims == ("z", "y")
    np.testing.assert_allclose(found.z.values, [500, 540, 580])
    assert float(found.x) == 8 + 7.5 * 4  # a dropped axis keeps its place
    assert found.z.attrs["units"] == "nm"
    assert found.attrs["voxel_size_nm"] == VOXEL
    assert (found.attrs["kind"], found.attrs["level"], found.name) == ("image", 0, "a")
    values = open_volume(tmp_path / "a").calibration.centre((2, 0, 7))
    assert (float(found.z[0]), float(found.y[0]), float(found.x)) == values


def test_selecting_by_nm_reads_only_that_box() -> None:
    volume, array = counting((6400, 6400, 6400))
    whole = volume.xarray
    assert array.asked == []
    part = whole.sel(z=slice(40_000, 42_000), y=slice(400, 500)).sel(x=402.0)
    assert array.asked == []
    assert part.shape == (50, 25)
    values = part.values
    assert array.asked == [((1000, 100, 100), (1050, 125, 101))]
    np.testing.assert_array_equal(values, expected(Box((1000, 100, 100), (1050, 125, 101)))[..., 0])
    array.asked.clear()
    assert int(whole.sel(z=41_003, y=1.0, x=3, method="nearest")) == (1025 + 0 + 0) % 251
    assert array.voxels_read == 1


def test_selecting_by_nm_equals_indexing_by_nm() -> None:
    volume, _ = counting((50, 60, 70))
    np.testing.assert_array_equal(
        volume.xarray.sel(z=slice(200, 999), y=slice(0, 99), x=10.0).values,
        volume.nm[200:1000, 0:100, 8.0:12.0].read()[..., 0],
    )


@given(st.data())
def test_xarray_indexing_equals_numpy(data: st.DataObject) -> None:
    """Steps, negative steps, lists and masks: what xarray takes, whether or not a view could."""
    volume, _ = counting((9, 10, 11))
    values = expected(Box((0, 0, 0), (9, 10, 11)))
    found, plain = volume.xarray, xr.DataArray(values, dims=("z", "y", "x"))
    for axis, n in zip("zyx", values.shape, strict=True):
        ends = st.none() | st.integers(-n, n)
        steps = st.none() | st.sampled_from([1, 2, 3, -1, -2])
        key = data.draw(
            # xarray itself fails on an empty slice with a negative step.
            st.builds(slice, ends, ends, steps).filter(lambda one: len(range(*one.indices(n))) > 0)  # noqa: B023
            | st.integers(-n, n - 1)
            | st.lists(st.integers(-n, n - 1), min_size=1, max_size=4).map(np.array)
        )
        found, plain = found.isel({axis: key}), plain.isel({axis: key})
    np.testing.assert_array_equal(found.values, plain.values)
    assert found.dims == plain.dims


def test_pointwise_indexing_reads_a_box_at_most() -> None:
    volume, array = counting((640, 640, 640))
    at = xr.DataArray([3, 5, 9], dims="point")
    np.testing.assert_array_equal(volume.xarray.isel(z=at, y=at, x=at).values, [9, 15, 27])
    assert array.voxels_read <= 7**3


def test_data_arrays_pickle_without_voxels(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE)
    open_volume(tmp_path / "a").write(None, texture(SHAPE))
    found = open_volume(tmp_path / "a").xarray.isel(z=slice(3, 9), x=7)
    raw = pickle.dumps(found)
    assert len(raw) < 20_000
    again = pickle.loads(raw)
    xr.testing.assert_identical(again.load(), found.load())
    np.testing.assert_array_equal(again.values, texture(SHAPE)[3:9, :, 7])


def test_copies_stay_lazy() -> None:
    volume, array = counting((640, 640, 640))
    found = volume.xarray.copy(deep=False).transpose("x", "z", "y").rename("em")
    repr(found)
    assert "em" in str(found)
    assert array.asked == []
    assert found.isel(x=slice(1, 2), z=2, y=3).values.tolist() == [6]
    assert array.voxels_read == 1


def test_chunking_gives_dask_over_the_volume() -> None:
    volume, array = counting((64, 64, 64))
    lazy = volume.xarray.chunk(z=32)
    assert isinstance(lazy.data, da.Array)
    np.testing.assert_array_equal(lazy.values, expected(Box((0, 0, 0), (64, 64, 64))))
    assert array.voxels_read == 64**3


def test_channels_are_coordinates(tmp_path: Path) -> None:
    make(tmp_path / "a", (3, *SHAPE), axes="czyx", channels=(Channel("DAPI"), Channel("GFP"), Channel("RFP")))
    volume = open_volume(tmp_path / "a")
    values = texture((3, *SHAPE))
    volume.write(None, values)
    np.testing.assert_array_equal(volume.xarray.sel(c="GFP").values, values[1])
    assert volume.isel(c=slice(1, 3)).xarray.c.values.tolist() == ["GFP", "RFP"]


def test_channels_without_names_of_their_own_are_numbers(tmp_path: Path) -> None:
    for i, channels in enumerate([(), (Channel("a"),), (Channel("a"), Channel("a"), Channel("b"))]):
        make(tmp_path / str(i), (3, *SHAPE), axes="czyx", channels=channels)
        assert open_volume(tmp_path / str(i)).xarray.c.values.tolist() == [0, 1, 2]


def test_a_volume_of_unknown_size_counts_voxels(tmp_path: Path) -> None:
    import zarr

    zarr.create_array(tmp_path / "a", data=texture((4, 5, 6)), chunks=(4, 4, 4))
    found = open_volume(tmp_path / "a")[1:].xarray
    assert found.z.values.tolist() == [1, 2, 3]
    assert "voxel_size_nm" not in found.attrs


def test_the_pyramid_is_a_data_tree(tmp_path: Path) -> None:
    stored = make(tmp_path / "a", SHAPE, levels=3, kind="labels", dtype="u4")
    for level in stored.levels:
        level.array.write((0, 0, 0), texture(level.array.shape, "u4"))
    tree = open_volume(tmp_path / "a").datatree
    assert isinstance(tree, xr.DataTree)
    assert list(tree.children) == ["scale0", "scale1", "scale2"]
    for i, level in enumerate(stored.levels):
        found = tree[f"scale{i}/labels"]
        np.testing.assert_array_equal(found.values, texture(level.array.shape, "u4"))
        assert level.calibration is not None
        assert float(found.z[0]) == level.calibration.centre((0, 0, 0))[0]
    view = open_volume(tmp_path / "a")[4:8].datatree
    assert [view[f"scale{i}"].sizes["z"] for i in range(3)] == [4, 4, 2]


def test_a_lazy_array_of_a_stale_level_warns_when_it_is_read(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE, levels=2)
    volume = open_volume(tmp_path / "a")
    volume.write(Box((0, 0, 0), (1, 2, 2)), 1)
    found = volume.level(1).xarray
    assert found.isel(z=5).values.sum() == 0
    with pytest.warns(StaleLevelWarning):
        _ = found.isel(z=0).values
    with pytest.warns(StaleLevelWarning):
        volume.level(1).dask.compute(scheduler="synchronous")
