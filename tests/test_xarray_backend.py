"""`xr.open_dataset(url, engine="ndlab")`: what it gives, and that it reads no more than what is selected."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

from ndlab import metadata
from ndlab.errors import BadRequest, NdlabError, NotFound, OutOfBounds
from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale
from ndlab.store.create import create
from ndlab.xarray_backend import NdlabBackend

SIZE, CORNER = (40.0, 4.0, 4.0), (80.0, 12.0, 0.0)


@pytest.fixture
def values() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 255, (10, 40, 60), "u1")


@pytest.fixture
def url(tmp_path: Path, values: npt.NDArray[np.uint8]) -> str:
    """Two levels of an OME-Zarr 0.5 image; the coarse one is every second voxel, so that they differ."""
    fine = Calibration(SIZE, CORNER)
    scales = (metadata.Scale("s0", fine), metadata.Scale("s1", fine.coarser((1, 2, 2))))
    shapes = [values.shape, (10, 20, 30)]
    where = str(tmp_path / "em.zarr")
    stored = create(where, Multiscale(("z", "y", "x"), scales, name="em"), shapes, "u1",
                    chunks=[(5, 20, 20)] * 2, shards=[None, None])  # fmt: skip
    stored.levels[0].array.write((0, 0, 0), values)
    stored.levels[1].array.write((0, 0, 0), np.ascontiguousarray(values[:, ::2, ::2]))
    return where


def test_xarray_finds_the_engine_and_names_the_variable_after_the_kind(url: str, values: npt.NDArray[np.uint8]) -> None:
    assert "ndlab" in xr.backends.list_engines()
    data = xr.open_dataset(url, engine="ndlab")
    assert list(data.data_vars) == ["image"]
    assert data.image.dims == ("z", "y", "x")
    np.testing.assert_array_equal(data.image.values, values)
    assert data.attrs["voxel_size_nm"] == SIZE
    assert data.attrs["url"] == url


def test_coordinates_are_voxel_centres_in_nm(url: str) -> None:
    data = xr.open_dataset(url, engine="ndlab")
    for axis, size, corner, n in zip("zyx", SIZE, CORNER, (10, 40, 60), strict=True):
        np.testing.assert_allclose(data[axis].values, corner + (np.arange(n) + 0.5) * size)
        assert data[axis].attrs["units"] == "nm"


def test_level_picks_the_pyramid_step(url: str, values: npt.NDArray[np.uint8]) -> None:
    data = xr.open_dataset(url, engine="ndlab", level=1)
    np.testing.assert_array_equal(data.image.values, values[:, ::2, ::2])
    assert data.x.values[0] == CORNER[2] + 4.0


def test_selecting_by_nm_reads_only_that_box(url: str, values: npt.NDArray[np.uint8]) -> None:
    """All chunks but the first are damaged: what is selected from the first can still be read, the rest cannot."""
    for chunk in (Path(url) / "s0" / "c").rglob("*"):
        if chunk.is_file() and chunk.relative_to(Path(url) / "s0" / "c").parts != ("0", "0", "0"):
            chunk.write_bytes(b"damaged")
    data = xr.open_dataset(url, engine="ndlab")
    box = data.image.sel(z=slice(80, 280), y=slice(12, 92), x=slice(0, 80))
    np.testing.assert_array_equal(box.values, values[:5, :20, :20])
    np.testing.assert_array_equal(data.image.isel(z=[0, 3], y=slice(0, 20, 3), x=5).values, values[[0, 3], :20:3, 5])
    with pytest.raises((NdlabError, OSError)):
        _ = data.image.values


def test_chunks_make_a_dask_array_of_the_blocks_that_the_volume_prefers(
    url: str, values: npt.NDArray[np.uint8]
) -> None:
    data = xr.open_dataset(url, engine="ndlab", chunks={})
    assert data.image.encoding["preferred_chunks"] == {"z": 10, "y": 40, "x": 80}  # small: one block of whole chunks
    assert data.image.chunks == ((10,), (40,), (60,))
    np.testing.assert_array_equal(data.image.data.compute(scheduler="threads"), values)


@pytest.mark.filterwarnings("ignore:The specified chunks separate the stored chunks:UserWarning")
def test_smaller_chunks_can_be_asked_for(url: str, values: npt.NDArray[np.uint8]) -> None:
    data = xr.open_dataset(url, engine="ndlab", chunks={"z": 5, "y": 40, "x": 60})
    assert data.image.chunks == ((5, 5), (40,), (60,))
    np.testing.assert_array_equal(data.image.mean("z").values, values.mean(0))


def test_a_dataset_survives_pickling(url: str, values: npt.NDArray[np.uint8]) -> None:
    for data in (xr.open_dataset(url, engine="ndlab"), xr.open_dataset(url, engine="ndlab", chunks={})):
        again = pickle.loads(pickle.dumps(data))
        np.testing.assert_array_equal(again.image.values, values)


def test_the_pyramid_is_a_datatree(url: str, values: npt.NDArray[np.uint8]) -> None:
    tree = xr.open_datatree(url, engine="ndlab")
    assert list(tree.children) == ["scale0", "scale1"]
    assert tree.name == "em"
    np.testing.assert_array_equal(tree["scale1/image"].values, values[:, ::2, ::2])
    groups = xr.open_groups(url, engine="ndlab")
    assert set(groups) == {"/", "/scale0", "/scale1"}
    np.testing.assert_array_equal(groups["/scale0"].image.values, values)


def test_options_of_open_pass_through(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(24, dtype="u2").reshape(2, 3, 4))
    data = xr.open_dataset(tmp_path / "a.npy", engine="ndlab", voxel_size=(30, 3, 3), axes="cyx")
    assert data.image.dims == ("c", "z", "y", "x")
    assert data.x.values.tolist() == [1.5, 4.5, 7.5, 10.5]


def test_dropped_variables_are_left_out(url: str) -> None:
    assert list(xr.open_dataset(url, engine="ndlab", drop_variables="image").data_vars) == []
    kept = xr.open_dataset(url, engine="ndlab", drop_variables=["z", "nothing"])
    assert "z" not in kept.coords
    assert "image" in kept


def test_it_never_takes_an_address_by_itself(url: str) -> None:
    assert NdlabBackend().guess_can_open(url) is False
    (Path(url) / "notes.txt").write_text("of no format")
    with pytest.raises(ValueError, match="did not find a match in any of"):
        xr.open_dataset(Path(url) / "notes.txt")


def test_mistakes_keep_their_messages(url: str, tmp_path: Path) -> None:
    with pytest.raises(OutOfBounds, match="level 7 was asked for"):
        xr.open_dataset(url, engine="ndlab", level=7)
    with pytest.raises(NotFound, match="nothing at"):
        xr.open_dataset(tmp_path / "absent.zarr", engine="ndlab")
    with pytest.raises(BadRequest, match="engine='ndlab' was given a bytes"):
        xr.open_dataset(b"CDF", engine="ndlab")
