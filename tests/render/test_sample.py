"""The look at the coarsest level: which one, how much of it, and that pieces stand for the whole."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.geometry import Box
from ndlab.render import sample as module
from ndlab.render.sample import sample
from ndlab.render.window import to_bytes, window
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.store.making import make, texture

SIZES = st.integers(1, 70)


def test_the_coarsest_level_is_read_whole_where_it_is_small(tmp_path: Path) -> None:
    stored = make(tmp_path / "a", (8, 32, 32), levels=3, shard=None)
    for i, level in enumerate(stored.levels):
        level.array.write((0, 0, 0), texture(level.array.shape, seed=i))
    volume = open_volume(tmp_path / "a")
    found = sample(volume)
    assert (found.level, found.whole) == (2, True)
    assert np.array_equal(found.values, volume.level(2).read().reshape(-1))


def test_levels_that_lag_behind_are_passed_over(tmp_path: Path) -> None:
    """No warning, no old picture: the coarsest level that is up to date is taken."""
    make(tmp_path / "a", (8, 32, 32), levels=3, shard=None)
    open_volume(tmp_path / "a").write(None, texture((8, 32, 32)))
    assert sample(open_volume(tmp_path / "a")).level == 0
    open_volume(tmp_path / "a").update_levels()
    assert sample(open_volume(tmp_path / "a")).level == 2
    open_volume(tmp_path / "a").write(Box((0, 0, 0), (1, 1, 1)), 77)
    assert sample(open_volume(tmp_path / "a")).level == 0


def test_levels_that_were_never_filled_or_are_missing_are_passed_over(tmp_path: Path) -> None:
    """Others' stores do not say so: a level of one value may be an empty one, and shows nothing either way."""
    stored = make(tmp_path / "a", (8, 32, 32), levels=3, shard=None)
    for level in stored.levels[:2]:
        level.array.write((0, 0, 0), texture(level.array.shape))
    assert sample(open_volume(tmp_path / "a")).level == 1
    shutil.rmtree(tmp_path / "a" / "1")
    assert sample(open_volume(tmp_path / "a")).level == 0
    assert sample(open_volume(tmp_path / "a")[2:4]).values.size == 2 * 32 * 32


def test_a_view_is_sampled_where_it_is() -> None:
    values = np.arange(6 * 7 * 8, dtype=np.uint16).reshape(6, 7, 8)
    view = Volume.from_array(values, (40, 4, 4))[2:4, 3]
    assert np.array_equal(sample(view).values, values[2:4, 3].reshape(-1))


@given(st.tuples(SIZES, SIZES, SIZES), st.integers(1, 5000))
def test_pieces_are_few_apart_inside_and_no_more_than_asked(shape: tuple[int, int, int], voxels: int) -> None:
    """Whatever the shape and limit, no voxel is looked at twice."""
    values = np.arange(math.prod(shape), dtype=np.uint32).reshape(shape)
    found = sample(Volume.from_array(values, (1, 1, 1)), voxels=voxels)
    assert 1 <= found.values.size <= max(voxels, 1)
    assert len(np.unique(found.values)) == found.values.size
    assert found.whole == (values.size <= voxels)


@given(st.tuples(SIZES, SIZES, SIZES), st.tuples(SIZES, SIZES, SIZES), st.integers(1, 5000))
def test_pieces_follow_chunks_of_any_shape(
    shape: tuple[int, int, int], chunk: tuple[int, int, int], voxels: int
) -> None:
    piece = module._piece([min(a, b) for a, b in zip(shape, chunk, strict=True)], shape, voxels)
    assert all(1 <= p <= n for p, n in zip(piece, shape, strict=True))
    assert math.prod(piece) <= max(voxels // 32, 1)
    counts = [-(-n // p) for n, p in zip(shape, piece, strict=True)]
    cells = module._cells(counts, voxels // math.prod(piece))
    assert len(set(cells)) == len(cells)
    assert all(0 <= i < n for cell in cells for i, n in zip(cell, counts, strict=True))


def test_pieces_reach_every_part_of_every_axis() -> None:
    """Of 64 cells in a grid of thousands, each eighth of each axis has at least half its share."""
    cells = np.array(module._cells((80, 160, 240), 64))
    for axis, n in enumerate((80, 160, 240)):
        share = np.bincount(cells[:, axis] * 8 // n, minlength=8)
        assert share.min() >= 4
        assert share.max() <= 12


def test_a_window_from_pieces_is_that_of_the_whole() -> None:
    """Gradients along every axis: pieces in one corner would be far off."""
    z, y, x = np.ogrid[:128, :256, :256]
    values = (20 * z + 10 * y + 5 * x + np.random.default_rng(0).normal(0, 50, (128, 256, 256))).astype(np.float32)
    low, high = window(Volume.from_array(values, (40, 4, 4)))
    assert values.size > module.SAMPLE_VOXELS
    expected = np.percentile(values, (1, 99))
    assert np.abs(np.array([low, high]) - expected).max() < 0.03 * np.ptp(expected)
    assert sample(Volume.from_array(values, (40, 4, 4))).values.size > module.SAMPLE_VOXELS // 4


def test_the_window_of_real_electron_microscopy(shared_data: Path) -> None:
    """Real voxels: the picture uses the whole scale and is clipped by no more than 2 %."""
    volume = open_volume(shared_data / "isbi2012_vnc" / "image", voxel_size=(50, 4, 4))
    low, high = window(volume)
    values = volume.read()
    assert 0 < np.mean((values < low) | (values > high)) < 0.021
    assert np.unique(to_bytes(values, (low, high))).size > 100


@pytest.mark.parametrize("voxels", [1, 2])
def test_a_sample_of_one_voxel_is_possible(voxels: int) -> None:
    assert sample(Volume.from_array(np.ones((9, 9, 9)), (1, 1, 1)), voxels=voxels).values.size <= voxels
