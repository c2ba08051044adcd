"""VESICLE's protocol on cases made by hand (R92), and its sweep (R93) against doing every step for itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ndlab.detect import GRID, Grid, Overlaps, Rules, evaluate, match, objects, paired, summed_interval, sweep
from ndlab.detect.sweep import Sweep
from ndlab.errors import BadRequest

Array = np.ndarray[Any, Any]


def boxes(*corners: tuple[int, int, int, int], shape: tuple[int, int, int] = (2, 30, 40)) -> Array:
    """Label boxes (y0, y1, x0, x1) 1, 2, … through all sections."""
    out = np.zeros(shape, int)
    for i, (y0, y1, x0, x1) in enumerate(corners, 1):
        out[:, y0:y1, x0:x1] = i
    return out


def counts(found: Array, truth: Array, **how: Any) -> tuple[int, int, int]:
    m = match(Overlaps.of(found, truth), **how)
    return m.tp, m.fp, m.fn


def test_a_detection_needs_ten_voxels() -> None:
    truth = boxes((5, 10, 5, 10))
    nine, ten = np.zeros_like(truth), np.zeros_like(truth)
    nine[0, 5:8, 5:8] = 1
    ten[0, 5:10, 5:7] = 1
    assert counts(nine, truth) == (0, 1, 1)
    assert counts(ten, truth) == (1, 0, 0)


def test_a_split_object_is_found_once_and_its_other_piece_is_unused() -> None:
    truth = boxes((5, 10, 5, 25))
    split = boxes((5, 10, 5, 12), (5, 10, 14, 25))
    assert counts(split, truth) == (1, 1, 0)
    assert counts(split, truth, fragments="ignored") == (1, 0, 0)
    assert match(Overlaps.of(split, truth)).right.tolist() == [False, True]  # the larger piece


def test_a_merge_of_two_objects_finds_one_of_them() -> None:
    truth = boxes((5, 10, 5, 12), (5, 10, 14, 25))
    assert counts(boxes((5, 10, 5, 25)), truth) == (1, 0, 1)


def test_a_detection_that_is_used_leaves_the_next_best() -> None:
    truth = boxes((5, 10, 5, 15), (5, 10, 16, 30))
    found = boxes((5, 10, 5, 22), (5, 10, 23, 30))
    assert counts(found, truth) == (2, 0, 0)


def test_a_share_of_both_is_asked_where_iou_is_given() -> None:
    truth, found = boxes((0, 10, 0, 10)), boxes((0, 10, 5, 15))  # 50 of 150 in a section
    assert counts(found, truth, iou=0.3) == (1, 0, 0)
    assert counts(found, truth, iou=0.34) == (0, 1, 1)


def test_as_many_pairs_as_can_be_are_made_by_share() -> None:
    truth = boxes((0, 10, 0, 10), (0, 10, 10, 20))
    found = boxes((0, 10, 4, 14), (0, 10, 0, 4))  # the first could take either
    assert counts(found, truth, iou=0.2) == (2, 0, 0)


def test_small_objects_and_unknown_places_count_for_nothing() -> None:
    truth = boxes((5, 10, 5, 10), (20, 22, 20, 23))
    found = boxes((20, 22, 20, 23), (5, 10, 5, 10), (20, 25, 30, 38))
    unknown = np.zeros_like(truth)
    unknown[:, :, 28:] = 1
    m = match(Overlaps.of(found, truth, unknown), ignore_below=20)
    assert (m.tp, m.fp, m.fn) == (1, 0, 0)
    assert match(Overlaps.of(found, truth), ignore_below=20).fp == 1


def test_rules_are_applied_in_vesicles_order() -> None:
    p = np.zeros((4, 40, 40), "f4")
    p[0:3, 2:12, 2:12] = 0.95  # three sections, 300 voxels
    p[0, 20:24, 20:24] = 0.95  # one section
    p[1, 30:38, 2:30] = 0.95  # too large in its section
    found = objects(p, Rules(0.9, min_area=5, max_area=150, min_size=16, min_sections=1))
    assert found.max() == 2
    assert found[1, 31, 5] == 0
    assert objects(p, Rules(0.9, max_area=150, min_size=16, min_sections=2)).max() == 1
    assert objects(p, Rules(0.9, max_area=150, min_size=301)).max() == 0


def test_pieces_that_touch_by_an_edge_are_one_object_only_after_the_size_filter() -> None:
    p = np.zeros((2, 20, 20), "f4")
    p[0, 2:6, 2:6] = p[1, 6:10, 2:6] = 1  # 6-connected: two of 16 voxels; 18-connected: one
    assert objects(p, Rules(0.5, min_size=10)).max() == 1
    assert objects(p, Rules(0.5, min_size=20)).max() == 0


def test_the_original_grid_has_1620_combinations() -> None:
    assert len(GRID) == 3 * 3 * 4 * 15 * 3
    assert GRID.threshold[:4] == (0.5, 0.6, 0.7, 0.725)
    assert GRID.threshold[-1] == 1.0


@given(st.integers(0, 10_000))
def test_a_sweep_is_what_every_step_by_itself_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = ndimage.gaussian_filter(rng.random((5, 24, 24)), (0.7, 1.2, 1.2))
    p = ((p - p.min()) / (p.max() - p.min())).astype("f4")
    truth = ndimage.label(ndimage.gaussian_filter(rng.random(p.shape), 1.5) > 0.53)[0]
    unknown = rng.random(p.shape) < 0.2
    grid = Grid((0.5, 0.65), (0, 4), (30, 400), (1, 15), (1, 2))
    found = sweep(p, truth, grid, overlap=5, ignore_below=4, dont_care=unknown)
    for i, row in enumerate(found.table[["tp", "fp", "fn"]].to_numpy().tolist()):
        rules = found.rules(i)
        m = match(Overlaps.of(objects(p, rules), truth, unknown), overlap=5, ignore_below=4)
        assert row == [m.tp, m.fp, m.fn], rules


def test_the_frontier_of_a_sweep_falls() -> None:
    rng = np.random.default_rng(1)
    truth = ndimage.label(ndimage.gaussian_filter(rng.random((4, 60, 60)), (0.5, 2, 2)) > 0.52)[0]
    p = np.clip(ndimage.gaussian_filter((truth > 0) + rng.normal(0, 1.0, truth.shape), (0.5, 1, 1)), 0, 1).astype("f4")
    found = sweep(p, truth, Grid((0.3, 0.5, 0.7), (0,), (5000,), (1, 30, 100), (1,)))
    curve = found.frontier()
    assert (np.diff(curve["recall"]) > 0).all()
    assert (np.diff(curve["precision"]) < 0).all()
    best, f1 = found.best()
    assert f1 == pytest.approx(evaluate(p, truth, rules=best).f1)


def test_steady_rules_have_good_neighbours_and_do_not_depend_on_the_order_of_the_table() -> None:
    grid = Grid((0.1, 0.3, 0.5, 0.7, 0.9), (0,), (5000,), (10, 20, 30, 40), (1,))
    f1 = np.array([[9, 0, 0, 0], [0, 0, 6, 5], [0, 6, 7, 5], [0, 5, 6, 5], [0, 0, 0, 0]]) / 10
    rows = [
        (t, 0, 5000, size, 1, f1[i, j]) for i, t in enumerate(grid.threshold) for j, size in enumerate(grid.min_size)
    ]
    table = pd.DataFrame(rows, columns=[*asdict(grid), "f1"])
    for order in (table, table.sample(frac=1, random_state=0)):
        found = Sweep(order)
        assert found.best()[0] == Rules(0.1, 0, 5000, 10, 1)
        assert found.steady() == Rules(0.5, 0, 5000, 30, 1)


def test_intervals_hold_the_value_and_a_better_detector_is_better() -> None:
    truth = boxes(*[(y, y + 4, x, x + 4) for y in (0, 8, 16, 24) for x in range(0, 36, 6)])
    good = truth * (truth % 7 != 0)
    bad = truth * (truth % 2 == 0)
    a, b = evaluate(good, truth), evaluate(bad, truth)
    for found in (a, b):
        low_to_high = found.interval(tile=10)
        assert low_to_high.low <= low_to_high.value <= low_to_high.high
        assert low_to_high.value == pytest.approx(found.f1)
    gain = paired([a], [b], tile=10)
    assert gain.low > 0
    assert gain.value == pytest.approx(a.f1 - b.f1)
    assert summed_interval([a, b]).value == pytest.approx(
        2 * (a.tp + b.tp) / (2 * (a.tp + b.tp) + a.fn + b.fn + a.fp + b.fp)
    )


def test_objects_are_counted_by_size_and_by_section() -> None:
    truth = np.zeros((6, 30, 30), int)
    truth[0:2, 0:5, 0:5] = 1
    truth[3:6, 10:20, 10:20] = 2
    found = truth * (truth == 2)
    found[0, 25:30, 25:30] = 3
    e = evaluate(found, truth)
    assert e.by_size((0, 100, 1000))["found"].tolist() == [0, 1]
    assert e.by_size((0, 100, 1000))["invented"].tolist() == [1, 0]
    assert int(e.by_section(3)["missed"].iloc[0]) == 1
    assert e.outcomes()["outcome"].tolist() == ["missed", "found", "invented"]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadRequest, match="same voxels"):
        Overlaps.of(np.zeros((1, 2, 3), int), np.zeros((1, 2, 4), int))
    with pytest.raises(BadRequest, match="0 to 1"):
        Rules(1.5)
