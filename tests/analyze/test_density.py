"""Densities: the published numbers, planted ones, and the same for any chunking."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ndlab import samples
from ndlab.analyze.blocks import count_in_blocks
from ndlab.analyze.density import BlockCounts
from ndlab.analyze.intervals import wilson
from ndlab.errors import BadRequest
from ndlab.volume import Volume


@pytest.fixture(scope="module")
def bock() -> BlockCounts:
    return BlockCounts.from_table(
        samples.bock_density(), counts="synapses", unmasked="unmasked_vx", centre=("z_section", "y_px", "x_px"),
        voxel_size=(45, 128, 128), block=(111, 39, 39),
    )  # fmt: skip


def planted(
    seed: int = 0, shape: tuple[int, int, int] = (8, 12, 14), slope: float = 0.0, field: float = 0.0, sigma: float = 2.0
) -> BlockCounts:
    """Blocks of 5 µm with a density of 1.5 per µm³, that falls along y, with a smooth random field on it."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    index = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    centre = 5.0 * index + 2.5
    volume = 125.0 * rng.uniform(0.3, 1, len(index))
    rough = gaussian_filter(rng.normal(size=shape), sigma, mode="wrap").ravel()
    density = 1.5 + slope * (centre[:, 1] - centre[:, 1].mean()) / 100 + field * rough / rough.std()
    return BlockCounts(rng.poisson(np.maximum(density, 0.05) * volume), volume, index, centre, 125.0)


def test_the_numbers_of_the_public_counts(bock: BlockCounts) -> None:
    table = samples.bock_density()
    assert len(bock) == 61_776
    assert int(bock.counts.sum()) == 7_704_178
    assert bock.index.max(axis=0).tolist() == [10, 51, 107]
    # As the class that published them counted: more than half of the largest number of unmasked voxels.
    some = bock.where((table.unmasked_vx > table.unmasked_vx.max() / 2).to_numpy())
    voxel = 45 * 128 * 128 / 1e9
    assert len(some) == 42_395
    per_voxel = some.densities() * voxel
    assert per_voxel.mean() == pytest.approx(1.2341e-3, abs=5e-8)
    assert per_voxel.std(ddof=1) == pytest.approx(3.610e-4, abs=5e-8)
    assert np.quantile(per_voxel, [0.025, 0.25, 0.5, 0.75, 0.975]) == pytest.approx(
        [4.685e-4, 1.0136e-3, 1.2493e-3, 1.4704e-3, 1.9137e-3], abs=7e-8
    )
    test = some.dispersion()
    assert test.df == 42_394
    assert test.chi2 == pytest.approx(577_992, abs=1)
    assert test.ratio == pytest.approx(13.63, abs=0.005)
    assert test.p == 0
    assert some.counts.sum() / some.volume.sum() * voxel == pytest.approx(1.25243e-3, abs=5e-9)
    for axis, expected in zip("yxz", (-0.354, 0.111, -0.061), strict=True):
        found = np.corrcoef(per_voxel, some.centre[:, "zyx".index(axis)])[0, 1]
        assert found == pytest.approx(expected, abs=0.0006)
    assert per_voxel.mean() / voxel == pytest.approx(1.674, abs=0.0006)


def test_densities_in_cubic_micrometres_with_intervals_that_know_of_neighbours(bock: BlockCounts) -> None:
    assert bock.block == pytest.approx(124.476, abs=1e-3)
    for share, value in ((0.5, 1.700), (0.75, 1.765), (0.85, 1.808)):
        assert bock.covered(share).density(draws=10).value == pytest.approx(value, abs=0.0006)
    some = bock.covered(0.5)
    found = some.density()
    assert (found.low, found.high) == pytest.approx((1.632, 1.764), abs=0.006)
    assert (found.poisson_low, found.poisson_high) == pytest.approx((1.6985, 1.7009), abs=1e-4)
    assert 40 < (found.high - found.low) / (found.poisson_high - found.poisson_low) < 70
    bias = bock.coverage_bias()
    assert bias.density.is_monotonic_increasing
    assert bias.density.round(2).tolist() == [0.08, 0.68, 0.96, 1.15, 1.43, 1.79]
    assert bias.blocks.sum() == 61_776
    assert some.of_what == "detections"
    import dataclasses

    judged = dataclasses.replace(some, precision=0.69, recall=0.62)
    sure = judged.density(draws=400)
    assert (sure.low, sure.high) == pytest.approx(tuple(0.69 / 0.62 * np.array(some.density(draws=400)[1:3])), rel=1e-9)
    # Of a hundred that were looked at: errors of both shares, each about its own size, add to that of the tiles.
    looked = dataclasses.replace(some, precision=wilson(69, 100), recall=wilson(62, 100)).density(draws=4000)
    assert looked.value == pytest.approx(sure.value)
    relative = [np.sqrt((1 - p) / (100 * p)) for p in (0.69, 0.62)] + [(sure.high - sure.low) / 3.92 / sure.value]
    assert (looked.high - looked.low) / 3.92 / looked.value == pytest.approx(np.linalg.norm(relative), rel=0.07)
    slopes = [
        dataclasses.replace(some, precision=p, recall=r).profile("y", draws=300)
        for p, r in ((0.69, 0.62), (wilson(69, 100), wilson(62, 100)))
    ]
    assert slopes[0].slope == slopes[1].slope
    assert slopes[1].slope_high - slopes[1].slope_low > slopes[0].slope_high - slopes[0].slope_low
    assert judged.density(draws=10).value == pytest.approx(1.6997 * 0.69 / 0.62, abs=1e-3)
    assert "corrected" in judged.of_what


def test_layers_neighbours_and_fits_of_the_public_counts(bock: BlockCounts) -> None:
    some = bock.covered(0.5)
    profile = some.profile("y", draws=200)
    # 52 layers of the grid less those of which no block is half unmasked.
    assert len(profile.table) == len(np.unique(some.index[:, 1])) == 49
    assert profile.table.density.iloc[0] == pytest.approx(1.87, abs=0.005)
    assert profile.slope_low < profile.slope < profile.slope_high < 0
    observed, p = some.morans_i(draws=19)
    assert observed == pytest.approx(0.529, abs=0.0006)
    assert p == 0.05
    steps = some.correlogram(3)
    assert steps.correlation.is_monotonic_decreasing
    assert steps.distance_um.tolist() == pytest.approx([4.993, 9.986, 14.978], abs=0.01)
    fit = some.fit(knots=5)
    assert fit.explained["y"] == pytest.approx(0.138, abs=0.003)
    assert fit.explained["all"] < sum(fit.explained[a] for a in "zyx") + 0.02
    assert fit.dispersion == pytest.approx(10.2, abs=0.4)
    assert fit.expected.sum() == pytest.approx(some.counts.sum(), rel=1e-6)
    assert some.morans_i(values=fit.residuals, draws=1)[0] == pytest.approx(0.41, abs=0.01)


def test_planted_densities_are_found() -> None:
    even = planted()
    found = even.density(tile_um=10)
    assert found.low < 1.5 < found.high
    assert even.dispersion().ratio == pytest.approx(1, abs=0.12)
    assert even.dispersion().p > 0.01
    assert even.morans_i(draws=99)[1] > 0.02
    steep = planted(1, slope=-1.0)
    profile = steep.profile("y", tile_um=20, draws=300)
    assert profile.slope_low < -1.0 < profile.slope_high
    assert profile.slope == pytest.approx(-1.0, abs=0.2)
    assert steep.fit().dispersion == pytest.approx(1, abs=0.12)
    rough = planted(2, field=0.3)
    assert rough.morans_i(draws=99)[1] == 0.01
    assert rough.dispersion().p < 1e-10


def test_intervals_by_tiles_cover_where_independent_ones_do_not() -> None:
    tiles = poisson = 0
    for seed in range(60):
        found = planted(seed, (8, 20, 20), field=0.25, sigma=0.8).density(tile_um=20, draws=200)
        tiles += found.low <= 1.5 <= found.high
        poisson += found.poisson_low <= 1.5 <= found.poisson_high
    assert tiles > poisson
    assert tiles / 60 > 0.75


def test_smoothing_is_blind_to_the_mask() -> None:
    even = planted(3)
    even = BlockCounts((even.volume * 1000).astype(int), even.volume, even.index, even.centre, even.block)
    density, volume = even.kernel_density(8.0)
    np.testing.assert_allclose(density[volume > 1], 1000, rtol=1e-3)
    bins = planted(4).profile("x", bins=3, draws=10).table
    assert len(bins) == 3


def test_the_fit_is_that_of_a_general_solver() -> None:
    from scipy.optimize import minimize

    from ndlab.analyze.density import _basis

    blocks = planted(5, (3, 6, 6), slope=-2)
    design = np.hstack([np.ones((len(blocks), 1)), _basis(blocks.centre[:, 1], 4)])

    def loss(beta: Any) -> float:
        mean = np.exp(design @ beta) * blocks.volume
        return float((mean - blocks.counts * np.log(mean)).sum())

    best = minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(blocks.fit("y", knots=4).expected, np.exp(design @ best) * blocks.volume, rtol=1e-4)


@pytest.mark.parametrize("read_block", [None, 7, (16, 9, 40)])
def test_blocks_hold_what_was_planted_for_any_chunking(read_block: int | tuple[int, int, int] | None) -> None:
    """Ten objects, one a block; then one on the edge, one cut evenly in two, one that the mask touches."""
    rng = np.random.default_rng(0)
    labels = np.zeros((20, 40, 50), "u8")
    expected = np.zeros((2, 4, 5), int)
    cells = rng.choice(40, 10, replace=False)
    for number, cell in enumerate(cells, 2**40):
        z, y, x = np.unravel_index(cell, (2, 4, 5))
        labels[10 * z + 3 : 10 * z + 6, 10 * y + 2 : 10 * y + 6, 10 * x + 4 : 10 * x + 8] = number
        expected[z, y, x] += 1
    volume = Volume.from_array(labels, (40, 4, 4), kind="labels")
    found = count_in_blocks(volume, 10, read_block=read_block, workers=2)
    np.testing.assert_array_equal(found.counts.reshape(2, 4, 5), expected)
    assert found.counts.sum() == 10
    np.testing.assert_allclose(found.coverage, 1)

    labels[:] = 0
    labels[2, 2, 7:13] = 5  # Three voxels on each side of x = 10: it belongs to no block.
    labels[4, 4, 8:13] = 6  # Two and three: to the second.
    labels[6, 6, 2:6] = 7
    labels[8, 8, 2:6] = 8
    mask = np.zeros(labels.shape, "u1")
    mask[8, 8, 5] = 1
    mask[:, :, 30:40] = 1
    found = count_in_blocks(volume_of(labels), 10, mask=volume_of(mask), read_block=read_block, workers=2)
    counts = found.counts.reshape(2, 4, 5)
    assert counts[0, 0, 0] == 1
    assert counts[0, 0, 1] == 1
    assert counts.sum() == 2
    assert found.coverage.reshape(2, 4, 5)[:, :, 3].max() == 0
    assert found.coverage[0] == pytest.approx(1 - 1 / 1000)
    assert found.block == pytest.approx(1000 * 40 * 4 * 4 / 1e9)


def volume_of(values: Any) -> Volume:
    return Volume.from_array(values, (40, 4, 4))


def test_counts_equal_brute_force_on_random_labels() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 6, (9, 13, 17)).astype("u4")
    mask = rng.random(labels.shape) < 0.02
    labels = np.where(rng.random(labels.shape) < 0.5, labels, 0)
    found = count_in_blocks(volume_of(labels), (4, 5, 6), mask=volume_of(mask.astype("u1")), read_block=5)
    place = np.indices(labels.shape) // np.array([4, 5, 6])[:, None, None, None]
    number = np.ravel_multi_index(tuple(place), (3, 3, 3))
    expected = np.zeros(27, int)
    for one in np.unique(labels[labels > 0]):
        where = labels == one
        share = np.bincount(number[where], minlength=27) / where.sum()
        if not (where & mask).any() and share.max() > 0.5:
            expected[share.argmax()] += 1
    np.testing.assert_array_equal(found.counts, expected)
    np.testing.assert_allclose(found.volume, np.bincount(number.ravel(), ~mask.ravel(), 27) * 40 * 16 / 1e9)


def test_what_is_wrong_is_said() -> None:
    table = pd.DataFrame({"n": [1, 2], "free": [10, 10], "z": [0, 0], "y": [0, 7], "x": [0, 0]})
    with pytest.raises(BadRequest, match="not on a grid"):
        BlockCounts.from_table(table, counts="n", unmasked="free", centre="zyx", voxel_size=(1, 1, 1), block=(5, 5, 5))
    with pytest.raises(BadRequest, match="letters of zyx"):
        planted().fit("t")
