"""Checksums against the published algorithm, histograms and percentiles against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.store.sums import histogram, percentiles, voxel_checksum

# Computed with the reference implementation (xxhsum -H1) over the bytes 0, 1, 2 … modulo 251.
PUBLISHED = {
    0: "ef46db3751d8e999",
    1: "e934a84adb052768",
    3: "e5c7bb4533bc65dd",
    4: "ffced8604453cc1e",
    7: "14cc643f630c72d2",
    8: "884a173614b81b8d",
    15: "a948f5f0f6abac2d",
    31: "c346d2b59b4d8ee1",
    32: "cbf59c5116ff32b4",
    33: "0c535d1acafb8ead",
    63: "e26aa9e2a95f8e4f",
    64: "f7c67301db6713f0",
    100: "6ac1e58032166597",
    1000: "f306f04aa88b54d3",
}


@pytest.mark.parametrize("size", PUBLISHED)
def test_checksum_is_xxh64(size: int) -> None:
    data = (np.arange(size) % 251).astype(np.uint8)
    assert voxel_checksum(data) == PUBLISHED[size]


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8)), st.data())
def test_checksum_sees_voxels_not_layout(values: np.ndarray[Any, Any], data: st.DataObject) -> None:
    expected = voxel_checksum(values)
    assert voxel_checksum(np.asfortranarray(values)) == expected
    assert voxel_checksum(values.astype(">u2")) == expected
    damaged = values.copy()
    at = data.draw(st.integers(0, values.size - 1))
    damaged.reshape(-1)[at] ^= 1 << data.draw(st.integers(0, 15))
    assert voxel_checksum(damaged) != expected


@given(st.sampled_from([np.uint8, np.uint16]).flatmap(lambda t: hnp.arrays(t, st.integers(0, 400))))
def test_histogram_counts(values: np.ndarray[Any, Any]) -> None:
    np.testing.assert_array_equal(histogram(values), np.bincount(values, minlength=1 << (8 * values.dtype.itemsize)))


@given(hnp.arrays(np.uint8, st.integers(1, 300)), st.tuples(st.floats(0, 100), st.sampled_from([0.5, 50.0, 99.5])))
def test_percentiles_are_numpys(values: np.ndarray[Any, Any], percents: tuple[float, float]) -> None:
    found = percentiles(histogram(values), percents)
    # numpy multiplies in another order, so that a rank on the border may fall to either side.
    for value, percent in zip(found, percents, strict=True):
        near = [np.percentile(values, np.clip(percent + d, 0, 100), method="inverted_cdf") for d in (-1e-9, 0, 1e-9)]
        assert value in near


def test_checksum_of_a_large_view_takes_no_copy_of_it() -> None:
    """What does not lie in C order goes through the cache in pieces, of any length."""
    whole = np.random.default_rng(0).integers(0, 256, (37, 333, 1001), dtype=np.uint8)
    view = whole[:, 1:, 3:998]
    assert voxel_checksum(view) == voxel_checksum(view.copy())
    assert voxel_checksum(view.transpose(2, 0, 1)) == voxel_checksum(view.transpose(2, 0, 1).copy())
