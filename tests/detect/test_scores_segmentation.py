"""Scores of segmentations: equal to scikit-image and scikit-learn, for any blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import adapted_rand_error, variation_of_information
from sklearn.metrics import adjusted_rand_score

from ndlab import detect
from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]


def volume(values: Array) -> Volume:
    return Volume.from_array(values, (40, 4, 4), kind="labels")


@given(seed=st.integers(0, 10_000), ids=st.integers(1, 30), block=st.integers(2, 9))
@settings(max_examples=15)
def test_equal_to_independent_implementations(seed: int, ids: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, ids, (6, 8, 9)).astype("u8")
    labels = np.where(rng.random(truth.shape) < 0.7, truth * 7 + 2**40, rng.integers(0, 5, truth.shape)).astype("u8")
    found = detect.score_segmentation(volume(labels), volume(truth), block=block)
    kept = truth != 0
    assert found.voxels == kept.sum()
    if not kept.any():
        return
    small = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    split, merge = variation_of_information(truth.astype(int), small, ignore_labels=(0,))
    assert (found.split, found.merge) == pytest.approx((split, merge), abs=1e-9)
    assert found.ari == pytest.approx(adjusted_rand_score(truth[kept], small[kept]), abs=1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Of truth and test it sums the wrong one for each: what it returns as precision is its recall as documented.
        error, recall, precision = adapted_rand_error(truth.astype(int), small, ignore_labels=(0,))
    if np.isfinite([error, precision, recall]).all():
        assert (found.rand_error, found.rand_precision, found.rand_recall) == pytest.approx(
            (error, precision, recall), abs=1e-12
        )


def test_what_is_ignored_is_the_truths_background_and_nothing_else() -> None:
    truth = np.array([[[0, 0, 1, 1, 2, 2]]], "u1")
    labels = np.array([[[9, 8, 0, 0, 0, 5]]], "u1")
    found = detect.score_segmentation(volume(labels), volume(truth))
    assert (found.voxels, found.segments, found.objects) == (4, 2, 2)
    assert detect.score_segmentation(volume(labels), volume(truth), ignore=None).voxels == 6
    assert detect.score_segmentation(volume(labels), volume(truth), box=Box((0, 0, 2), (1, 1, 4))).objects == 1


def test_a_pair_may_come_more_than_once() -> None:
    once = detect.score_counts(np.array([1, 2]), np.array([1, 1]), np.array([6, 4]))
    assert detect.score_counts(np.array([1, 1, 2]), np.array([1, 1, 1]), np.array([2, 4, 4])) == once


def test_counts_beyond_32_bits_stay_exact() -> None:
    n = 3_000_000_000
    found = detect.score_counts(np.array([1, 2, 2]), np.array([1, 1, 2]), np.array([n, n, n]))
    same = detect.score_counts(np.array([1, 2, 2]), np.array([1, 1, 2]), np.array([10**6] * 3))
    assert found.ari == pytest.approx(same.ari, abs=1e-5)
    assert found.split == pytest.approx(same.split)


def test_nothing_to_compare_is_agreement_and_other_extents_are_refused() -> None:
    blank = volume(np.zeros((2, 2, 2), "u1"))
    assert detect.score_segmentation(blank, blank).vi == 0
    with pytest.raises(BadRequest, match="same voxels"):
        detect.score_segmentation(blank, volume(np.zeros((2, 2, 3), "u1")))
