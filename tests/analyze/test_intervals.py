"""Intervals and rank statistics against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.analyze.intervals import average_precision, roc_auc, wilson
from ndlab.analyze.permutation import draw, judged
from ndlab.errors import BadRequest


@pytest.mark.parametrize(("count", "of"), [(0, 10), (1, 10), (5, 10), (10, 10), (743, 15680)])
def test_wilson_is_where_the_score_test_just_does_not_reject(count: int, of: int) -> None:
    found = wilson(count, of)
    assert found.low <= found.share <= found.high
    for p in {found.low, found.high} - {0.0, 1.0}:
        z = abs(count / of - p) / np.sqrt(p * (1 - p) / of)
        assert z == pytest.approx(1.959964, abs=1e-5)


def test_wilson_covers_as_often_as_it_says() -> None:
    counts = np.random.default_rng(0).binomial(200, 0.05, 4000)
    found = {int(c): wilson(int(c), 200) for c in np.unique(counts)}
    covered = np.mean([found[int(c)].low <= 0.05 <= found[int(c)].high for c in counts])
    assert 0.93 < covered < 0.975


def test_a_share_of_nothing_says_so() -> None:
    assert np.isnan(wilson(0, 0).share)
    with pytest.raises(BadRequest, match="3 of 2 cases"):
        wilson(3, 2)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_rank_statistics_are_what_they_are_defined_as(cases: list[tuple[int, bool]]) -> None:
    score, yes = np.array([s for s, _ in cases]), np.array([y for _, y in cases])
    won = [float(a > b) + 0.5 * (a == b) for a, b in itertools.product(score[yes], score[~yes])]
    assert roc_auc(score, yes) == pytest.approx(np.mean(won) if won else np.nan, nan_ok=True)
    area, before = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        taken = score >= threshold
        recall = yes[taken].sum() / max(1, yes.sum())
        area += (recall - before) * yes[taken].mean()
        before = recall
    assert average_precision(score, yes) == pytest.approx(area)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_draws_do_not_depend_on_the_threads(workers: int) -> None:
    def fill(rng: np.random.Generator, out: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
        out[:] = rng.random(out.shape)

    found = draw(fill, 1234, 2, seed=3, workers=workers)
    np.testing.assert_array_equal(found, draw(fill, 1234, 2, seed=3, workers=1))
    assert len(np.unique(found)) == found.size
    assert not np.array_equal(found, draw(fill, 1234, 2, seed=4))


def test_a_p_value_counts_what_was_observed_among_the_draws() -> None:
    draws = np.arange(99.0)
    assert judged("x", 98, draws).p == 0.02
    assert judged("x", 99, draws).p == 0.01
    assert judged("x", 0, draws, "less").p == 0.02
    assert judged("x", 1000, draws, "two-sided").p == 0.01
    assert judged("x", 49, draws, "two-sided").p == 1
    with pytest.raises(BadRequest, match="sides are"):
        judged("x", 1, draws, "left")


def test_an_effect_is_what_was_observed_over_what_chance_gives() -> None:
    null = judged("pairs", 12.0, np.arange(1.0, 8.0))
    assert null.effect(0.5) == pytest.approx((3.0, 12 / 5.5, 12 / 2.5))
    assert all(np.isnan(judged("none", 0.0, np.zeros(5)).effect()))
