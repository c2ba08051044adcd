"""Windows: boundary values, every type against plain arithmetic, and windows that nobody named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest
from ndlab.metadata import Channel
from ndlab.render.window import scaled, spread, to_bytes, window
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.store.making import make

Array = np.ndarray[Any, Any]
VOXEL = (40.0, 4.0, 4.0)
TYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">f4"]


def every(dtype: str) -> Array:
    """All values of the small types, many of the others, extremes among them."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([False, True])
    if kind.kind == "f":
        wide = np.concatenate([np.linspace(-300, 300, 1201), [np.nan, np.inf, -np.inf]])
        return wide.astype(kind)
    info = np.iinfo(kind)
    if kind.itemsize <= 2:
        return np.arange(info.min, info.max + 1).astype(kind)
    return np.array([info.min, *range(0, 1200, 7), info.max], kind)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("limits", [(0, 255), (50.0, 100.0), (-20, 20.5), (10, 10)])
@pytest.mark.parametrize("invert", [False, True])
def test_bytes_of_every_type_equal_plain_arithmetic_r10(dtype: str, limits: tuple[float, float], invert: bool) -> None:
    """R10: [lo, hi] onto 0 to 255, clipped, for whole and real numbers; a table of all values says the same."""
    values = every(dtype)
    low, high = limits
    for one, found in zip(values.tolist(), to_bytes(values, limits, invert=invert).tolist(), strict=True):
        if one != one:
            assert found == 0
            continue
        v = float(one > low) if low == high else min(max((one - low) / (high - low), 0), 1)
        assert abs(found - 255 * (1 - v if invert else v)) <= 0.5 + 1e-9, one
    many = np.concatenate([values] * (1 + 70_000 // values.size))
    assert np.array_equal(to_bytes(many, limits, invert=invert)[: values.size], to_bytes(values, limits, invert=invert))


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4", "f8"])
def test_boundary_values_of_a_ramp_r10(dtype: str) -> None:
    """R10: below and at the lower limit 0, at and above the upper 255, between them a ramp that hits every step."""
    ramp = np.arange(900, 2200).astype(dtype)
    found = to_bytes(ramp, (1000, 2020)).astype(int)
    assert (found[ramp <= 1000] == 0).all()
    assert (found[ramp >= 2020] == 255).all()
    assert np.array_equal(np.unique(found), np.arange(256))
    assert (np.diff(found) >= 0).all()
    assert found[ramp == 1510] == 128


def test_eight_bits_in_their_own_window_stay_as_they_are() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_bytes(values, (0, 255)), values)
    assert np.array_equal(to_bytes(values, (0, 255), invert=True), 255 - values)


def test_no_number_is_black_and_infinities_are_clipped_r10() -> None:
    """R10: NaN never warns and never shows as white, not even inverted."""
    values = np.array([np.nan, -np.inf, 0.25, np.inf], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_bytes(values, (0, 1)).tolist() == [0, 0, 64, 255]
        assert to_bytes(values, (0, 1), invert=True).tolist() == [0, 255, 191, 0]
        assert to_bytes(values, (0, 1), gamma=0.5).tolist() == [0, 0, 128, 255]


@given(st.floats(0.1, 8), st.booleans())
def test_gamma_keeps_the_ends_and_the_order(gamma: float, invert: bool) -> None:
    ramp = np.linspace(-1, 2, 31)
    found = scaled(ramp, (0, 1), gamma, invert)
    assert {found[0], found[-1]} == {0.0, 1.0}
    assert (np.diff(found) * (-1 if invert else 1) >= 0).all()
    plain = scaled(ramp, (0, 1), gamma)
    assert np.allclose(found, 1 - plain if invert else np.clip(ramp, 0, 1) ** gamma)


@pytest.mark.parametrize("shape", [(0,), (), (1,), (3, 0, 2), (2, 3, 4)])
def test_any_shape_keeps_it(shape: tuple[int, ...]) -> None:
    assert to_bytes(np.zeros(shape, np.uint16), (0, 9)).shape == shape


@pytest.mark.parametrize("limits", [(2, 1), (0, np.inf), (np.nan, 1), (-1.5e308, 1.5e308)])
def test_a_window_that_is_none(limits: tuple[float, float]) -> None:
    with pytest.raises(BadRequest, match=r"two finite numbers, the lower first.*invert=True"):
        to_bytes(np.zeros(3), limits)


def test_what_cannot_be_windowed_is_said() -> None:
    with pytest.raises(BadRequest, match="complex128"):
        to_bytes(np.zeros(3, complex), (0, 1))
    for gamma in (0, -1, np.nan, np.inf):
        with pytest.raises(BadRequest, match="a power above 0"):
            to_bytes(np.zeros(3), (0, 1), gamma=gamma)


# ------------------------------------------------------------------------------------------------ default windows


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8"])
def test_percentiles_where_nobody_named_a_window_r11(dtype: str) -> None:
    """R11: 1 and 99 % of the voxels, as numpy has them."""
    values = np.random.default_rng(1).gamma(2, 20, (8, 30, 40)).astype(dtype)
    assert window(Volume.from_array(values, VOXEL)) == pytest.approx(np.percentile(values, (1, 99)))


def test_sixteen_bits_without_a_window_are_not_black_r11() -> None:
    """R11: 12-bit camera data in uint16 would be black on a scale to 65,535."""
    values = np.random.default_rng(1).normal(2000, 300, (8, 30, 40)).astype(np.uint16)
    shown = to_bytes(values, window(Volume.from_array(values, VOXEL)))
    assert 100 < shown.mean() < 155
    assert (shown.min(), shown.max()) == (0, 255)


def test_a_channels_own_window_comes_first_r11(tmp_path: Path) -> None:
    """R11: per channel, by number or name; a channel without one takes its own percentiles."""
    named = (Channel("DAPI", (10.0, 200.0)), Channel("PSD95"), Channel("odd", (5.0, 5.0)))
    stored = make(tmp_path / "a", (3, 8, 16, 16), axes="czyx", dtype="u2", channels=named, shard=None)
    values = np.random.default_rng(0).integers(100, 5000, (3, 8, 16, 16)).astype(np.uint16)
    stored.levels[0].array.write((0, 0, 0, 0), values)
    volume = open_volume(tmp_path / "a")
    assert window(volume) == window(volume, c="DAPI") == (10.0, 200.0)
    for c, name in ((1, "PSD95"), (2, "odd")):
        expected = pytest.approx(np.percentile(values[c], (1, 99)))
        assert window(volume, c=c) == window(volume, c=name) == window(volume.isel(c=c)) == expected
    assert window(volume.isel(c=0)) == (10.0, 200.0)


def test_each_time_point_has_its_own_percentiles() -> None:
    values = np.stack([np.full((2, 9, 9), 5.0), np.arange(162.0).reshape(2, 9, 9)])
    volume = Volume.from_array(values, VOXEL, axes="tzyx")
    assert window(volume, t=1) == window(volume.isel(t=1)) == pytest.approx(np.percentile(values[1], (1, 99)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros(9), (0, 1)), (np.full(9, 7), (0, 7)), (np.full(9, -5.0), (-5, -4)), (np.empty(0), (0, 1)),
        (np.array([np.nan] * 3), (0, 1)), (np.array([0] * 999 + [40] * 3), (0, 40)),
        (np.array([3.0] * 999 + [np.inf, 4.0]), (0, 3)), (np.array([False, True]), None),
        (np.array([-1e308, 1e308]), None),
        (np.array([2**64 - 1] * 4, np.uint64), (0, 2.0**64)), (np.full(4, -1e300), None),
    ],
)  # fmt: skip
def test_a_default_window_is_never_empty(values: Array, expected: tuple[float, float] | None) -> None:
    """What is mostly one value is shown by the others, and what holds one value is no error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = spread(values)
        assert low < high
        if expected is not None:
            assert (low, high) == expected
        shown = to_bytes(values, (low, high))
    if (values > 0).any():
        assert shown.max() == 255
