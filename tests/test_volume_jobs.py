"""What a volume does beyond reading and writing: bring its levels up to date, and become a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ndlab import ingesting, volume
from ndlab.errors import BadRequest, Conflict
from ndlab.geometry import Box
from ndlab.volume import Volume

VOXEL = (40.0, 8.0, 8.0)


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, shape, dtype="u1")


def test_update_levels_shows_what_was_written_and_clears_the_mark(tmp_path: Path) -> None:
    """Equal to a pyramid made anew from the same voxels."""
    voxels = image(20, 200, 150)
    vol = ingesting.ingest(voxels, tmp_path / "a.zarr", voxel_size=VOXEL)
    vol.write(Box((4, 10, 20), (9, 90, 110)), 7)
    assert vol.levels[1].stale
    after = vol.update_levels()
    assert not any(one.stale for one in after.levels)
    voxels[4:9, 10:90, 20:110] = 7
    anew = ingesting.ingest(voxels, tmp_path / "b.zarr", voxel_size=VOXEL)
    for one, other in zip(after.levels, anew.levels, strict=True):
        assert (one.read() == other.read()).all()


def test_a_view_becomes_a_file_with_its_place(tmp_path: Path) -> None:
    """Voxels, voxel size and corner of the view, not of the whole."""
    voxels = image(6, 40, 50)
    view = Volume.from_array(voxels, voxel_size=VOXEL, offset=(400, 0, 80))[2:5, 10:]
    path = view.export(tmp_path / "part.h5")
    found = volume.open(path)
    assert (found.read() == voxels[2:5, 10:]).all()
    assert found.voxel_size == VOXEL
    assert found.offset == (480, 80, 80)
    with pytest.raises(Conflict, match="overwrite"):
        view.export(path)
    assert (volume.open(view.export(path, overwrite=True)).read() == voxels[2:5, 10:]).all()


def test_a_channel_of_a_view_is_exported_alone_and_some_are_refused(tmp_path: Path) -> None:
    """One, or all; a file has no name for some."""
    voxels = image(3, 4, 20, 30)
    vol = Volume.from_array(voxels, voxel_size=VOXEL)
    one = np.load(vol.isel(c=1).export(tmp_path / "one.npy"))
    assert (one == voxels[1]).all()
    assert (np.load(vol.export(tmp_path / "all.npy")) == voxels).all()
    with pytest.raises(BadRequest, match=r"isel\(c="):
        vol.isel(c=slice(0, 2)).export(tmp_path / "some.npy")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.npy", "one.npy"]


def test_an_option_that_ingest_does_not_know_is_named_with_those_it_does(tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(BadRequest, match=r"voxelsize.*it takes .*codec"):
        ingesting.ingest(image(4, 5, 6), tmp_path / "a.zarr", voxel_size=VOXEL, voxelsize=3)
    assert not list(tmp_path.iterdir())
