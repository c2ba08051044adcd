"""Point patterns: exact geometry, no bias on random points in odd windows, spatstat's numbers in boxes, envelopes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.stats import kstest

from ndlab import samples
from ndlab.analyze.point_patterns import (
    cross_k,
    empty_space,
    envelope,
    hard_core,
    nearest_neighbor,
    pair_function,
    random_pattern,
    random_sequential,
)
from ndlab.analyze.window import Window
from ndlab.errors import BadRequest

R = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])


def odd_window() -> Window:
    """A ball with two holes and a bite, voxels that are not cubes."""
    z, y, x = np.indices((24, 30, 40))
    place = np.stack([z * 0.5, y * 0.4, x * 0.3], axis=-1) + 0.2
    centre = np.array([6.0, 6, 6])
    mask = np.linalg.norm(place - centre, axis=-1) < 5.8
    mask &= np.linalg.norm(place - [6, 4, 4], axis=-1) > 1.2
    mask &= np.linalg.norm(place - [7, 8, 8], axis=-1) > 1.0
    mask[:8, :10] = False
    return Window(mask, (0.5, 0.4, 0.3), (10.0, -3.0, 2.0))


def test_the_set_covariance_is_the_overlap_of_the_window_with_itself() -> None:
    window = odd_window()
    rng = np.random.default_rng(0)
    lags = rng.uniform(-5, 5, (6, 3))
    points = window.random(400_000, rng)
    for lag, value in zip(lags, window.covariance(lags), strict=True):
        share = window.contains(points + lag).mean()
        assert value / window.volume == pytest.approx(share, abs=0.004)
    box = Window.box((3, 4, 5), steps=(3, 7, 4))
    np.testing.assert_allclose(
        box.covariance(lags), np.prod(np.maximum(0, [3, 4, 5] - np.abs(lags)), axis=1), atol=1e-9
    )
    assert window.covariance(np.zeros((1, 3)))[0] == pytest.approx(window.volume)


def test_random_points_lie_inside_and_are_uniform() -> None:
    window = odd_window()
    points = window.random(20_000, np.random.default_rng(1))
    assert window.contains(points).all()
    counts = np.bincount(
        np.ravel_multi_index(tuple(window.voxels(points).T), window.mask.shape), minlength=window.mask.size
    )
    inside = counts[window.mask.ravel()]
    assert inside.var() / inside.mean() == pytest.approx(1, abs=0.06)
    weights = np.indices(window.mask.shape)[2].astype(float)
    heavy = window.random(20_000, np.random.default_rng(1), weights)
    assert window.contains(heavy).all()
    share = (weights * window.mask).sum(axis=(0, 1))
    found = np.bincount(window.voxels(heavy)[:, 2], minlength=40)
    np.testing.assert_allclose(found / 20_000, share / share.sum(), atol=0.006)


def test_the_edge_is_as_far_as_it_is() -> None:
    box = Window.box((3, 4, 5), origin=(1, 1, 1), steps=(5, 4, 9))
    points = box.random(2000, np.random.default_rng(2))
    local = points - 1
    np.testing.assert_allclose(box.edge_distance(points), np.minimum(local, [3, 4, 5] - local).min(axis=1), atol=1e-9)
    window = odd_window()
    places = window.random(300, np.random.default_rng(3))
    out = np.argwhere(~np.pad(window.mask, 1)) - 1
    corner = out * window.voxel_size + window.origin
    gap = np.maximum(np.maximum(corner - places[:, None], places[:, None] - corner - window.voxel_size), 0)
    exact = np.sqrt((gap**2).sum(-1)).min(1)
    found = window.edge_distance(places)
    assert (found >= exact - 1e-9).all()
    assert np.mean(np.isclose(found, exact)) > 0.97
    assert (found - exact).max() < 0.5


def test_k_is_its_definition() -> None:
    window = odd_window()
    points = window.random(150, np.random.default_rng(4))
    distance = cdist(points, points)
    gamma = window.covariance((points[None] - points[:, None]).reshape(-1, 3)).reshape(distance.shape)
    np.fill_diagonal(distance, np.inf)
    weight = 1 / np.where(gamma > 0, gamma, np.inf)
    for workers in (1, 3):
        found = pair_function(points, window, R, workers=workers)
        expected = [window.volume**2 / (150 * 149) * weight[distance <= r].sum() for r in R]
        np.testing.assert_allclose(found.k, expected, rtol=1e-9)
    intensity = np.linspace(0.5, 2, 150)
    found = pair_function(points, window, R, intensity=intensity)
    both = weight / intensity[:, None] / intensity[None]
    np.testing.assert_allclose(found.k, [both[distance <= r].sum() for r in R], rtol=1e-9)
    other = window.random(90, np.random.default_rng(5))
    gamma = window.covariance((other[None] - points[:, None]).reshape(-1, 3)).reshape(150, 90)
    near = cdist(points, other)
    expected = [window.volume**2 / (150 * 90) * (1 / gamma)[near <= r].sum() for r in R]
    np.testing.assert_allclose(cross_k(points, other, window, R).k, expected, rtol=1e-9)


def test_random_points_have_no_bias_in_an_odd_window() -> None:
    window = odd_window()
    rng = np.random.default_rng(6)
    r = np.array([0.0, 1, 2, 3, 4])
    found = [pair_function(window.random(1500, rng), window, r) for _ in range(60)]
    ratio = np.array([one.k[1:] for one in found]) / (4 / 3 * np.pi * r[1:] ** 3)
    error = ratio.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(ratio.mean(axis=0) - 1) < np.maximum(0.005, 3 * error)).all()
    assert (np.abs(ratio.mean(axis=0)[1:] - 1) < 0.005).all()
    g = np.array([one.g[1:] for one in found]).mean(axis=0)
    np.testing.assert_allclose(g, 1, atol=0.01)


def test_uneven_points_are_random_once_their_intensity_is_known() -> None:
    window = odd_window()
    weights = (1 + np.indices(window.mask.shape)[2]).astype(float)
    total = weights[window.mask].sum() * np.prod(window.voxel_size)
    ratios = []
    for seed in range(20):
        points = window.random(1500, np.random.default_rng(seed), weights)
        intensity = 1500 * weights[tuple(window.voxels(points).T)] / total
        ratios.append(pair_function(points, window, R, intensity=intensity).k[-1] / (4 / 3 * np.pi * R[-1] ** 3))
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert pair_function(points, window, R).k[-1] / (4 / 3 * np.pi * R[-1] ** 3) > 1.1


def test_f_and_g_of_random_points_in_a_ball_with_holes() -> None:
    window = odd_window()
    density = 1200 / window.volume
    r = np.linspace(0.05, 0.8, 8)
    expected = 1 - np.exp(-density * 4 / 3 * np.pi * r**3)
    near, empty = [], []
    for seed in range(40):
        points = window.random(1200, np.random.default_rng(seed))
        near.append(nearest_neighbor(points, window, r))
        empty.append(empty_space(points, window, r, samples=5_000, seed=seed))
    np.testing.assert_allclose(np.mean(near, axis=0), expected, atol=0.012)
    np.testing.assert_allclose(np.mean(empty, axis=0), expected, atol=0.012)
    assert (np.diff(near[0]) >= 0).all()


def test_the_numbers_of_spatstat_in_a_box() -> None:
    golden = json.loads((Path(__file__).parent / "spatstat.json").read_text())
    points = np.array(golden["points"])
    window = Window.box(golden["size"], steps=7)
    r = np.array(golden["r"])
    found = pair_function(points, window, r, bandwidth=golden["delta"])
    # spatstat divides by n squared, which leaves a bias of 1 / n.
    share = (len(points) - 1) / len(points)
    np.testing.assert_allclose(found.k * share, golden["K"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.g[1:] * share, golden["g"][1:], rtol=1e-9)
    np.testing.assert_allclose(nearest_neighbor(points, window, r), golden["G"], atol=2e-3)


def test_models_keep_what_they_promise() -> None:
    window = odd_window()
    points = random_sequential(window, 300, 0.5)(np.random.default_rng(0))
    assert points.shape == (300, 3)
    distance = cdist(points, points)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() >= 0.5
    assert window.contains(points).all()
    with pytest.raises(BadRequest, match="found room"):
        random_sequential(window, 5000, 2.0, tries=5)(np.random.default_rng(0))
    density, apart = 2.0, 0.5
    ball = 4 / 3 * np.pi * apart**3
    box = Window.box((14, 14, 14))
    kept = hard_core(box, density, apart)(np.random.default_rng(1))
    assert len(kept) / box.volume == pytest.approx((1 - np.exp(-density * ball)) / ball, rel=0.03)
    assert cKDTree(kept).query(kept, k=2)[0][:, 1].min() >= apart
    g = pair_function(kept, box, np.array([0.2, 1.5]), bandwidth=0.1).g
    assert g[0] == 0
    assert g[1] == pytest.approx(1, abs=0.05)


def test_envelopes_hold_their_level_and_see_a_hard_core() -> None:
    window = Window.box((8, 8, 8))
    r = np.linspace(0.2, 2, 10)

    def curve(points: Any) -> Any:
        return pair_function(points, window, r).k

    ps = []
    for seed in range(80):
        points = window.random(120, np.random.default_rng(seed))
        ps.append(envelope(curve, points, random_pattern(window, 120), r, draws=39, seed=seed + 1000).p)
    assert kstest(np.array(ps) - np.random.default_rng(0).random(80) / 40, "uniform").pvalue > 0.01
    apart = random_sequential(window, 200, 0.7)(np.random.default_rng(0))
    found = envelope(curve, apart, random_pattern(window, 200), r, draws=99)
    assert found.p == 0.01
    assert found.outside.any()
    again = envelope(curve, apart, random_pattern(window, 200), r, draws=99, workers=1)
    np.testing.assert_array_equal(found.low, again.low)
    fits = envelope(curve, apart, random_sequential(window, 200, 0.7), r, draws=39)
    assert fits.p > 0.02


def test_the_densities_of_kasthuri_keep_apart() -> None:
    """Postsynaptic densities have a hard core of about 0.4 µm and are random beyond it."""
    from scipy.ndimage import distance_transform_edt

    table = samples.kasthuri_synapses()
    points = table[["z_um", "y_um", "x_um"]].to_numpy(float)
    step, reach = 0.4, 1.6
    low = points.min(axis=0) - 2 * reach
    shape = np.ceil((points.max(axis=0) + 2 * reach - low) / step).astype(int)
    mask = np.zeros(shape, bool)
    mask[tuple(((points - low) / step).astype(int).T)] = True
    grown = distance_transform_edt(~mask) <= reach / step
    window = Window(distance_transform_edt(grown) > reach / step, (step,) * 3, tuple(low))
    points = points[window.contains(points)]
    assert len(points) > 1690
    g = pair_function(points, window, np.array([0.2, 0.3, 0.4, 0.6, 0.8, 1.5]), bandwidth=0.1).g
    assert g[0] < 0.1
    assert g[1] < 0.5
    assert g[2] < g[3]
    np.testing.assert_allclose(g[3:], 1, atol=0.25)


def test_what_is_wrong_is_said() -> None:
    window = Window.box((1, 1, 1))
    with pytest.raises(BadRequest, match="1 of 2 points are outside"):
        pair_function([[0.5, 0.5, 0.5], [2, 0, 0]], window, [0.1])
    with pytest.raises(BadRequest, match="ascend"):
        pair_function([[0.5, 0.5, 0.5], [0.1, 0, 0]], window, [0.2, 0.1])
    with pytest.raises(BadRequest, match="2 at least"):
        pair_function([[0.5, 0.5, 0.5]], window, [0.1])
    with pytest.raises(BadRequest, match="without a voxel"):
        Window(np.zeros((2, 2, 2), bool), (1, 1, 1))
    with pytest.raises(BadRequest, match="array of bool"):
        Window(np.zeros((2, 2, 2)), (1, 1, 1))
    with pytest.raises(BadRequest, match="intensities"):
        pair_function([[0.5, 0.5, 0.5], [0.1, 0, 0]], window, [0.1], intensity=[1.0])
