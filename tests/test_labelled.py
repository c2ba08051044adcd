from __future__ import annotations

from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.metadata import Channel
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.store.making import make, texture

SHAPE = (20, 40, 60)


def test_a_data_array_is_written_where_its_coordinates_say(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE, offset=(400, 0, 8))
    volume = open_volume(tmp_path / "a")
    values = texture(SHAPE)
    volume.write(None, values)
    part = volume.xarray.isel(z=slice(3, 6), y=slice(10, 20), x=7).load()
    volume.write(None, (255 - part).astype("u1"))
    values[3:6, 10:20, 7] = 255 - values[3:6, 10:20, 7]
    np.testing.assert_array_equal(volume.read(), values)
    volume.write(None, volume.xarray.transpose("x", "z", "y").isel(y=slice(0, 5)) // 2)
    values[:, :5] //= 2
    np.testing.assert_array_equal(volume.read(), values)
    # A box says where on its own; the names of the dimensions still count.
    volume.write(Box((0, 0, 0), (2, 3, 4)), xr.DataArray(np.arange(24).reshape(4, 3, 2), dims=("x", "y", "z")))
    values[:2, :3, :4] = np.arange(24).reshape(4, 3, 2).T
    np.testing.assert_array_equal(volume.read(), values)


def test_channels_and_times_find_their_place(tmp_path: Path) -> None:
    shape = (2, 3, 4, 5, 6)
    make(tmp_path / "a", shape, channels=(Channel("DAPI"), Channel("GFP"), Channel("RFP")))
    volume = open_volume(tmp_path / "a")
    values = texture(shape)
    volume.write(None, values)
    volume.write(None, volume.xarray.sel(c="GFP").isel(t=1) * 0 + 7)
    values[1, 1] = 7
    volume.write(None, volume.xarray.isel(c=slice(1, 3), z=2) * 0 + 9)
    values[:, 1:3, 2] = 9
    np.testing.assert_array_equal(volume.read(), values)
    bare = xr.DataArray(np.full((4, 5, 6), 3, "u1"), dims=("z", "y", "x"), coords={a: volume.xarray[a] for a in "zyx"})
    volume.write(None, bare, t=0, c="RFP")
    values[0, 2] = 3
    np.testing.assert_array_equal(volume.read(), values)
    with pytest.raises(BadRequest, match="a DataArray without coordinate 't'"):
        volume.write(None, bare)
    reversed_channels = volume.xarray.isel(c=slice(None, None, -1))
    with pytest.raises(BadRequest, match=r"coordinate 'c' of the DataArray.*in order"):
        volume.write(None, reversed_channels)
    np.testing.assert_array_equal(volume.read(), values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.assign_coords(z=a.z + 20), "coordinate 'z' of the DataArray.*voxel centres"),
        (lambda a: a.isel(z=slice(None, None, -1)), "coordinate 'z'"),
        (lambda a: a.isel(z=slice(None, None, 2)), "coordinate 'z'"),
        (lambda a: a.assign_coords(x=a.x - 4), "coordinate 'x'"),
        (lambda a: a.assign_coords(x=a.x + 4), "coordinate 'x'"),
        (lambda a: a.drop_vars("y"), "a DataArray without coordinate 'y'. its place in the volume is not known"),
        (lambda a: a.rename(z="depth"), "without coordinate 'z'"),
        (lambda a: a.isel(z=0).assign_coords(z=-20.0), "coordinate 'z'"),
        (lambda a: a.isel(z=0).assign_coords(z=820.0), "coordinate 'z'"),
        (lambda a: a.expand_dims(k=[1]), r"a DataArray with dimensions .*the box has"),
        (lambda a: a.astype("f4") + 0.5, "values of float32"),
    ],
)
def test_data_arrays_out_of_place_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    make(tmp_path / "a", SHAPE)
    volume = open_volume(tmp_path / "a")
    volume.write(None, texture(SHAPE))
    with pytest.raises(BadRequest, match=message):
        volume.write(None, change(volume.xarray.load()))
    np.testing.assert_array_equal(volume.read(), texture(SHAPE))
    assert volume.version == 1


def test_a_data_array_becomes_a_volume_in_its_place(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE, offset=(400, 0, 8))
    volume = open_volume(tmp_path / "a")
    volume.write(None, texture(SHAPE))
    part = volume.xarray.sel(z=slice(500, 899)).transpose("x", "z", "y")
    again = Volume.from_array(part)
    there = volume.nm[500.0:900.0]
    assert (again.axes, again.shape, again.offset) == (("z", "y", "x"), there.shape, there.offset)
    assert again.voxel_size == volume.voxel_size
    np.testing.assert_array_equal(again.read(), there.read())
    np.testing.assert_array_equal(again[2:4, :, 5:9].read(), there[2:4, :, 5:9].read())
    again = Volume.from_array(part, (1, 2, 3), offset=(7, 8, 9), kind="labels", name="other")
    assert (again.voxel_size, again.offset, again.kind, again.name) == ((1, 2, 3), (7, 8, 9), "labels", "other")


def test_a_data_array_keeps_kind_and_channels_and_is_not_read() -> None:
    names = ["dapi", "gfp"]
    lazy = da.from_delayed(dask.delayed(_fails)(), (2, 3, 4, 5), "u4")
    coords = {a: (a, np.arange(n) + 0.5, {"units": "um"}) for a, n in zip("zyx", (3, 4, 5), strict=True)}
    values = xr.DataArray(lazy, dims=tuple("czyx"), coords={**coords, "c": names}, attrs={"kind": "image"})
    volume = Volume.from_array(values)
    assert [channel.name for channel in volume.channels] == names
    assert (volume.kind, volume.voxel_size) == ("image", (1000.0, 1000.0, 1000.0))
    with pytest.raises(RuntimeError, match="was read"):
        volume.isel(c="gfp").read()


def _fails() -> np.ndarray[Any, Any]:
    raise RuntimeError("was read")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (xr.DataArray(np.zeros((2, 3, 4), "u1"), dims=("z", "y", "x")), r"no voxel size.*pass voxel_size=\(z, y, x\)"),
        (xr.DataArray(np.zeros((2, 3, 4), "u1"), dims=("z", "row", "x")), r"dimensions \('z', 'row', 'x'\).*axes"),
        (xr.DataArray(np.zeros((2, 3, 4), complex), dims=("z", "y", "x")), "complex128"),
    ],
)
def test_data_arrays_that_are_no_volumes(values: xr.DataArray, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Volume.from_array(values)


def test_an_array_without_voxel_size_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"voxel_size was None.*pass e\.g\. voxel_size=\(40, 4, 4\)"):
        Volume.from_array(np.zeros((2, 3, 4), "u1"))
