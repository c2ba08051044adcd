"""Levels added to a store that had only its finest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from ndlab import cli, volume
from ndlab.errors import BadRequest, Unsupported
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Multiscale, Scale
from ndlab.store.create import create
from ndlab.store.extend import add_levels
from ndlab.store.multiscale import open_store

VOXEL = (40.0, 4.0, 4.0)


@pytest.fixture
def voxels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (20, 300, 200), dtype="u1")


def single(path: Path, voxels: np.ndarray, version: str = "0.5", axes: tuple[str, ...] = ("z", "y", "x")) -> str:
    """A store of one level as another tool might leave it."""
    lead = voxels.ndim - 3
    shards = [None if version == "0.4" else (*[1] * lead, 32, 128, 128)]
    m = Multiscale(axes, (Scale("0", Calibration(VOXEL, (80, 0, 8))),), name="one", version=version)
    create(str(path), m, [voxels.shape], voxels.dtype, chunks=[(*[1] * lead, 16, 64, 64)], shards=shards, codec="zstd")
    store = volume.open(path)
    for index in np.ndindex(voxels.shape[:lead]):
        at = dict(zip("tc"[2 - lead :], index, strict=True))
        store.write(Box((0, 0, 0), voxels.shape[lead:]), voxels[index], **at)
    return str(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ndlab_pyramid_gives_a_store_of_one_level_all_its_levels(
    tmp_path: Path, voxels: np.ndarray, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = single(tmp_path / "one.zarr", voxels, version)
    assert cli.main(["pyramid", url, "--quiet"]) == 0
    found = volume.open(url)
    assert [one.shape for one in found.levels] == [(20, 300, 200), (20, 150, 100), (20, 75, 50), (20, 38, 25)]
    assert [one.voxel_size for one in found.levels][1:3] == [(40, 8, 8), (40, 16, 16)]
    assert {one.offset for one in found.levels} == {(80, 0, 8)}
    assert not any(one.stale for one in found.levels)
    cells = voxels.reshape(20, 150, 2, 100, 2).mean(axis=(2, 4))
    assert np.abs(found.levels[1].read() - cells).max() <= 0.5
    assert (found.read() == voxels).all()
    assert found.levels[1].codec == found.codec
    group = zarr.open_group(url, mode="r")
    assert np.array_equal(np.asarray(group["2"]), found.levels[2].read())


def test_channels_keep_their_axis(tmp_path: Path, voxels: np.ndarray) -> None:
    two = np.stack([voxels, 255 - voxels])
    url = single(tmp_path / "two.zarr", two, axes=("c", "z", "y", "x"))
    assert cli.main(["pyramid", url, "--quiet", "--levels", "2"]) == 0
    found = volume.open(url)
    assert [one.shape for one in found.levels] == [(2, 20, 300, 200), (2, 20, 150, 100)]
    sums = found.levels[1].read().astype(int).sum(axis=0)
    assert np.abs(sums - 255).max() <= 1


def test_what_else_the_metadata_says_stays(tmp_path: Path, voxels: np.ndarray) -> None:
    url = single(tmp_path / "one.zarr", voxels)
    root = tmp_path / "one.zarr" / "zarr.json"
    before = json.loads(root.read_text())
    before["attributes"]["lab"] = {"notes": [1, 2]}
    root.write_text(json.dumps(before))
    add_levels(open_store(url))
    assert all(one.stale for one in volume.open(url).levels[1:])
    after = json.loads(root.read_text())
    datasets = after["attributes"]["ome"]["multiscales"][0].pop("datasets")
    assert datasets[:1] == before["attributes"]["ome"]["multiscales"][0].pop("datasets")
    assert after == before


def test_a_small_store_needs_none(tmp_path: Path) -> None:
    url = single(tmp_path / "small.zarr", np.ones((8, 60, 60), "u1"))
    assert len(add_levels(open_store(url)).levels) == 1
    assert sorted(p.name for p in (tmp_path / "small.zarr").iterdir() if not p.name.startswith(".")) == [
        "0",
        "zarr.json",
    ]


def test_other_stores_are_refused_and_nothing_is_written(tmp_path: Path, voxels: np.ndarray) -> None:
    url = single(tmp_path / "one.zarr", voxels)
    with pytest.raises(BadRequest, match="levels"):
        add_levels(add_levels(open_store(url)))
    plain = tmp_path / "plain.zarr"
    zarr.create_array(str(plain), shape=(200, 200, 200), chunks=(64, 64, 64), dtype="u1")
    files = sorted(p for p in plain.rglob("*"))
    with pytest.raises(Unsupported, match=r"ndlab\.ingest"):
        add_levels(open_store(str(plain)))
    assert sorted(p for p in plain.rglob("*")) == files
