"""Features beside scipy and scikit-image, and blocks beside the whole (R91)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage.feature import hessian_matrix_eigvals

from ndlab.detect.features import Context, Multiscale, taps
from ndlab.detect.vesicle import FARTHEST, FEATURES, disks, features, find_vesicles, template

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def image() -> Array:
    rng = np.random.default_rng(7)
    smooth = ndimage.gaussian_filter(rng.normal(size=(9, 150, 170)), (0.6, 2, 2))
    found: Array = np.clip(128 + 260 * smooth, 0, 255).astype("u1")
    return found


@pytest.fixture(scope="module")
def vesicles(image: Array) -> Array:
    return np.asarray(np.random.default_rng(8).random(image.shape) < 0.002)


def mean(values: Array, size: tuple[int, int, int]) -> Array:
    """Mean in a window (z, y, x), of the voxels that are inside the array."""
    kernel = np.ones(size)
    total = ndimage.correlate(values.astype(float), kernel, mode="constant")
    found: Array = total / ndimage.correlate(np.ones(values.shape), kernel, mode="constant")
    return found


def test_vesicles_ten_features_have_their_windows(image: Array, vesicles: Array) -> None:
    found = features(image, vesicles)
    assert len(FEATURES) == len(found) == 10
    grey = image.astype(float)
    gy, gx = (ndimage.correlate1d(grey, [-1, 0, 1], axis, mode="nearest") for axis in (1, 2))
    slope = np.round(8 * np.hypot(gy, gx)) / 8
    np.testing.assert_allclose(found[0], mean(grey, (1, 5, 5)), rtol=1e-6)
    np.testing.assert_allclose(found[1], mean(grey, (3, 15, 15)), rtol=1e-6)
    np.testing.assert_allclose(found[3], mean(slope, (3, 15, 15)), rtol=1e-5)
    np.testing.assert_allclose(found[4], mean(slope, (5, 25, 25)), rtol=1e-5)
    distance = ndimage.distance_transform_edt(~vesicles, sampling=(5, 1, 1))
    np.testing.assert_allclose(found[5], np.minimum(distance, FARTHEST), rtol=1e-6)
    grown = np.stack([disks(one) for one in vesicles])
    np.testing.assert_allclose(found[6], mean(grown, (5, 25, 25)), rtol=1e-5, atol=1e-7)
    count = ndimage.correlate(vesicles.astype(float), np.ones((1, 50, 50)), mode="constant")
    np.testing.assert_array_equal(found[7], count.astype("f4"))
    for k, size in ((8, (3, 15, 15)), (9, (5, 25, 25))):
        xx, xy, yy = (mean(a * b, size) for a, b in ((gx, gx), (gx, gy), (gy, gy)))
        expected = ((xx - yy) ** 2 + 4 * xy**2) / (xx + yy) ** 2
        np.testing.assert_allclose(found[k], expected, rtol=1e-4, atol=1e-6)


def test_local_binary_patterns_are_of_eight_neighbours(image: Array) -> None:
    found = features(image, np.zeros(image.shape, bool))[2]
    section = image[4].astype(int)
    steps = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    padded = np.pad(section, 1, mode="edge")
    codes = sum(
        (padded[1 + dy : 151 + dy, 1 + dx : 171 + dx] >= section).astype(int) << bit
        for bit, (dy, dx) in enumerate(steps)
    )
    np.testing.assert_allclose(found[4], mean(np.asarray(codes)[None], (1, 5, 5))[0], rtol=1e-6)


def test_a_block_with_its_overlap_gives_vesicles_features_bit_for_bit(image: Array, vesicles: Array) -> None:
    whole = features(image, vesicles, farthest=30)
    reach = 31  # the window of 50, and the distance
    z0, z1, y0, y1, x0, x1 = 6, 8, 60, 90, 70, 111
    low = (0, y0 - reach, x0 - reach)  # sections: 30 pixels are six, all that there are
    part = np.s_[:, low[1] : y1 + reach, low[2] : x1 + reach]
    block = features(image[part], vesicles[part], farthest=30)
    inner = block[:, z0:z1, y0 - low[1] : y1 - low[1], x0 - low[2] : x1 - low[2]]
    assert np.abs(inner - whole[:, z0:z1, y0:y1, x0:x1]).max() == 0


def test_drawn_vesicles_are_found_and_single_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    section = np.full((200, 200), 150.0)
    ring = template(9)
    r = ring.shape[0] // 2
    places = [(60, 60), (60, 72), (71, 66), (71, 78), (82, 60), (82, 72), (150, 150)]
    for y, x in places:
        section[y - r : y + r + 1, x - r : x + r + 1] += 400 * ring
    image = np.clip(section + rng.normal(0, 4, section.shape), 0, 255).astype("u1")[None]
    found = np.argwhere(find_vesicles(image, 9)[0])
    assert len(found) == 6
    for y, x in places[:-1]:
        assert np.abs(found - (y, x)).max(axis=1).min() <= 1


def test_multiscale_features_are_those_of_scipy(image: Array) -> None:
    grey = (image.astype("f4") - 128) / 50
    spec = Multiscale((1.0, 3.0))
    found = dict(zip(spec.names, spec.of(grey), strict=True))
    for s in spec.sigmas:
        expected = np.stack([ndimage.gaussian_filter(one.astype(float), s, mode="nearest", truncate=5) for one in grey])
        # Kernels end after three deviations, and a wide one is made of two.
        inner = np.s_[:, 20:-20, 20:-20]
        np.testing.assert_allclose(found[f"smoothed {s:g}"][inner], expected[inner], atol=0.02 * np.abs(expected).max())
    smooth = found["smoothed 3"][4].astype(float)
    yy, xx = (ndimage.correlate1d(smooth, [1, -2, 1], axis, mode="nearest") for axis in (0, 1))
    xy = ndimage.correlate1d(ndimage.correlate1d(smooth, [-0.5, 0, 0.5], 0), [-0.5, 0, 0.5], 1)
    large, small = hessian_matrix_eigvals([yy, xy, xx])
    inner2 = np.s_[5:-5, 5:-5]
    np.testing.assert_allclose(found["ridge 3"][4][inner2], large[inner2], atol=1e-5)
    np.testing.assert_allclose(found["valley 3"][4][inner2], small[inner2], atol=1e-5)
    np.testing.assert_allclose(found["grey, neighbours"][4], (grey[3] + grey[5]) / 2, rtol=1e-6)
    np.testing.assert_allclose(found["grey, neighbours"][0], (grey[0] + grey[1]) / 2, rtol=1e-6)


@pytest.mark.parametrize("what", ["filters", "context"])
def test_a_block_with_its_overlap_gives_the_features_of_the_whole(image: Array, what: str) -> None:
    spec: Any = Multiscale((1.0, 2.0, 4.0)) if what == "filters" else Context(3, (1.5, 4.0))
    values = (image.astype("f4") - 128) / 50
    values = values if what == "filters" else np.stack([values, values**2, values * 0.3])
    whole = spec.of(values)
    dz, dy, dx = spec.overlap
    part = np.s_[..., 3 - dz : 5 + dz, 60 - dy : 80 + dy, 70 - dx : 95 + dx]
    block = spec.of(np.ascontiguousarray(values[part]))
    assert np.abs(block[:, dz:-dz, dy:-dy, dx:-dx] - whole[:, 3:5, 60:80, 70:95]).max() == 0


def test_a_kernel_has_the_width_that_it_says() -> None:
    for s in (0.7, 1.5, 4.0):
        half = taps(s).astype(float)
        x = np.arange(len(half))
        assert half[0] + 2 * half[1:].sum() == pytest.approx(1, abs=1e-6)
        assert np.sqrt(2 * (half * x**2).sum()) == pytest.approx(s, rel=0.05)
