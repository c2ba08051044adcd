"""Scores of voxels beside scikit-learn's and beside distances measured one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.detect import average_precision, cleft_distances
from ndlab.detect.scores import best_f1


@given(st.integers(0, 10_000), st.sampled_from([2, 5, 1000]))
def test_average_precision_is_scikit_learns(seed: int, levels: int) -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    truth, score = rng.random(200) < 0.2, rng.integers(0, levels, 200) / levels
    truth[0] = True
    assert average_precision(score, truth) == pytest.approx(average_precision_score(truth, score))
    hidden = rng.random(200) < 0.3
    hidden[0] = False
    expected = average_precision_score(truth[~hidden], score[~hidden])
    assert average_precision(score, truth, hidden) == pytest.approx(expected)


def test_best_f1_is_the_best_of_all_thresholds() -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.random(100) < 0.3, rng.random(100)

    def f1(t: float) -> float:
        found = score >= t
        return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))

    value, threshold = best_f1(score, truth)
    assert value == pytest.approx(max(f1(t) for t in score))
    assert f1(threshold) == pytest.approx(value)


@given(st.integers(0, 10_000))
def test_cleft_distances_are_those_to_the_nearest_voxel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, truth = rng.random((2, 3, 6, 7)) < 0.15
    found[0, 0, 0] = truth[2, 5, 6] = True
    size = np.array([40.0, 4.0, 4.0])

    def mean(of: np.ndarray, to: np.ndarray) -> float:
        a, b = np.argwhere(of) * size, np.argwhere(to) * size
        return float(np.linalg.norm(a[:, None] - b[None], axis=2).min(axis=1).mean())

    d = cleft_distances(found, truth, size.tolist())
    assert d.false_positive == pytest.approx(mean(found, truth))
    assert d.false_negative == pytest.approx(mean(truth, found))
    assert d.score == pytest.approx((d.false_positive + d.false_negative) / 2)


def test_a_perfect_detection_has_no_distance() -> None:
    truth = np.zeros((2, 5, 5), bool)
    truth[:, 2:4, 2:4] = True
    assert cleft_distances(truth, truth, (40, 4, 4)).score == 0
    assert np.isnan(cleft_distances(np.zeros_like(truth), truth, (40, 4, 4)).score)
