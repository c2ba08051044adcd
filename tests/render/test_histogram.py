"""Histograms that set a window."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab import measure
from ndlab.errors import BadRequest
from ndlab.render.histogram import histogram
from ndlab.render.window import window
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
VOXEL = (40.0, 4.0, 4.0)


def image(dtype: str, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    values: Array = np.clip(rng.normal(90, 30, (5, 20, 30)), 0, 250).astype(dtype)
    values[rng.random(values.shape) < 0.2] = 0
    return values


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("zeros", [True, False])
def test_percentiles_set_the_window_r74(dtype: str, zeros: bool) -> None:
    """R74: percentiles are numpy's and ndlab's exact ones where the level is small; with zeros the default window."""
    values = image(dtype)
    volume = Volume.from_array(values, VOXEL)
    found = histogram(volume, percentiles=(0, 1, 50, 99, 100), zeros=zeros)
    counted = values if zeros else values[values != 0]
    assert list(found.percentiles.values()) == pytest.approx(np.percentile(counted, (0, 1, 50, 99, 100)))
    exact = measure.statistics(volume, percentiles=(1, 50, 99), zeros=zeros)
    assert {p: found.percentiles[p] for p in (1, 50, 99)} == pytest.approx(dict(exact.percentiles))
    if zeros:
        assert window(volume) == pytest.approx((found.percentiles[1], found.percentiles[99]))
    assert (found.voxels, found.level, found.whole) == (counted.size, 0, True)


@given(st.sampled_from(["u1", "i1", "u2", "i8", "u8", "f4", "?"]), st.integers(1, 300), st.integers(0, 9))
def test_each_voxel_is_in_one_bin(dtype: str, bins: int, seed: int) -> None:
    values = image(dtype, seed)
    found = histogram(Volume.from_array(values, VOXEL), bins=bins)
    assert found.counts.sum() == found.voxels == values.size
    assert len(found.counts) == len(found.edges) - 1 <= bins
    assert np.array_equal(found.counts, np.histogram(values.astype(float), found.edges)[0])
    if values.dtype.kind != "f":
        assert len(set(np.diff(found.edges))) == 1
        assert found.edges[0] % 1 == 0


def test_of_few_whole_numbers_each_has_its_bin() -> None:
    found = histogram(Volume.from_array(np.array([[[3, 3, 5, 6]]], np.uint16), VOXEL))
    assert (found.edges.tolist(), found.counts.tolist()) == ([3, 4, 5, 6, 7], [2, 0, 1, 1])


@pytest.mark.parametrize("values", [np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2), "u1"), np.full((1, 2, 2), -7.5)])
def test_nothing_to_count_is_no_error(values: Array) -> None:
    found = histogram(Volume.from_array(values, VOXEL), zeros=False)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["voxels"] == found.voxels == found.counts.sum()
    assert (found.voxels == 0) == bool(np.isnan(found.percentiles[50]))


def test_channel_and_time_are_picked() -> None:
    values = np.random.default_rng(0).integers(0, 99, (2, 3, 4, 5, 6)).astype("u1")
    found = histogram(Volume.from_array(values, VOXEL), t=1, c=2)
    assert found.percentiles[50] == np.percentile(values[1, 2], 50)


@pytest.mark.parametrize("wrong", [{"bins": 0}, {"percentiles": (-1,)}, {"percentiles": (101,)}])
def test_what_makes_no_sense_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="percentiles are 0 to 100"):
        histogram(Volume.from_array(image("u1"), VOXEL), **wrong)
