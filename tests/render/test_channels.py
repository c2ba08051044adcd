"""False colour, overlay and projection: pixel tables, and Pillow and numpy as oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from ndlab.errors import BadRequest
from ndlab.render.channels import mcfc, overlay, project

Array = np.ndarray[Any, Any]
BYTES = hnp.arrays(np.uint8, (3, 4))


def pixel(*values: int, colors: list[str] | None = None) -> list[int]:
    """Colour of one pixel with these values in its channels."""
    found: list[int] = mcfc([np.array([[v]], np.uint8) for v in values], colors)[0, 0].tolist()
    return found


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ("C", [0, 90, 90, 255]), ("M", [90, 0, 90, 255]), ("Y", [90, 90, 0, 255]),
        ("R", [90, 0, 0, 255]), ("G", [0, 90, 0, 255]), ("B", [0, 0, 90, 255]), ("FF8000", [90, 45, 0, 255]),
    ],
)  # fmt: skip
def test_each_colour_r15(color: str, expected: list[int]) -> None:
    """R15: C=G+B, M=R+B, Y=R+G; alpha only where the value is not 0."""
    assert pixel(90, colors=[color]) == expected
    assert pixel(0, colors=[color]) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((10, 20), [20, 10, 30, 255]),  # cyan and magenta; the originals failed at a second channel
        ((200, 100), [100, 200, 255, 255]),  # blue saturates
        ((0, 7), [7, 0, 7, 255]), ((0, 0), [0, 0, 0, 0]), ((0, 0, 1), [1, 1, 0, 255]),
        ((1, 2, 4, 8, 16, 32), [2 + 4 + 8, 1 + 4 + 16, 1 + 2 + 32, 255]), ((255,) * 6, [255, 255, 255, 255]),
    ],
)  # fmt: skip
def test_channels_in_order_add_up_and_saturate_r15(values: tuple[int, ...], expected: list[int]) -> None:
    """R15: without names the colours are C M Y R G B by place."""
    assert pixel(*values) == expected


@given(st.lists(st.tuples(BYTES, st.sampled_from("CMYRGB")), min_size=1, max_size=8))
def test_equals_pillows_saturating_sum_r15(channels: list[tuple[Array, str]]) -> None:
    """R15: any number of channels, colours repeated."""
    from PIL import ImageChops

    total = Image.new("RGB", (4, 3))
    for plane, color in channels:
        parts = {"C": "GB", "M": "RB", "Y": "RG"}.get(color, color)
        bands = [plane if band in parts else np.zeros_like(plane) for band in "RGB"]
        total = ImageChops.add(total, Image.fromarray(np.stack(bands, axis=-1)))
    found = mcfc([plane for plane, _ in channels], [color for _, color in channels])
    assert np.array_equal(found[..., :3], np.asarray(total))
    assert np.array_equal(found[..., 3] == 255, np.any([plane > 0 for plane, _ in channels], axis=0))
    assert np.isin(found[..., 3], (0, 255)).all()


def test_some_channels_named_and_some_by_place_r15() -> None:
    """R15: the addresses' ``a,b:G`` names one of two."""
    assert mcfc([np.full((1, 1), 5, "u1"), np.full((1, 1), 9, "u1")], [None, "G"])[0, 0].tolist() == [0, 14, 5, 255]


def test_what_cannot_be_false_coloured_is_said_r15() -> None:
    """R15: the originals' own error path was an error (a name that did not exist)."""
    one = np.zeros((2, 2), "u1")
    with pytest.raises(BadRequest, match=r"a colour for channel 7.*FF8000"):
        mcfc([one] * 7)
    for planes, colors, message in (
        ([], None, "0 colours for 0 channels"), ([one], ["C", "M"], "2 colours for 1 channels"),
        ([one], ["K"], "C, M, Y, R, G, B"), ([one.astype("u2")], None, "to_bytes"),
        ([one, one[:1]], None, "same pixels"), ([one[None]], None, r"uint8 \(y, x\)"),
    ):  # fmt: skip
        with pytest.raises(BadRequest, match=message):
            mcfc(planes, colors)


# ------------------------------------------------------------------------------------------------- overlay

PICTURES = st.sampled_from([(3, 4), (3, 4, 3), (3, 4, 4)]).flatmap(lambda shape: hnp.arrays(np.uint8, shape))


def rgba(pixels: Array) -> Array:
    return np.asarray(Image.fromarray(pixels).convert("RGBA"))


@given(PICTURES, PICTURES)
def test_the_ends_are_the_inputs_and_the_middle_the_mean_r16(below: Array, above: Array) -> None:
    """R16: of grey, colour and transparent pictures alike."""
    assert np.array_equal(overlay(below, above, 0), rgba(below))
    assert np.array_equal(overlay(below, above, 1), rgba(above))
    mean = (rgba(below).astype(float) + rgba(above)) / 2
    assert np.abs(overlay(below, above, 0.5) - mean).max() <= 0.5


@given(PICTURES, PICTURES, st.floats(0, 1))
def test_equals_pillows_blend_r16(below: Array, above: Array, alpha: float) -> None:
    """R16: Pillow, that the originals used, cuts where ndlab rounds."""
    one, other = Image.fromarray(rgba(below)), Image.fromarray(rgba(above))
    expected = np.asarray(Image.blend(one, other, alpha)).astype(int)
    assert np.abs(overlay(below, above, alpha) - expected).max() <= 1


def test_what_cannot_be_laid_over_is_said_r16() -> None:
    """R16: alpha beyond 0 to 1, other sizes, other types."""
    one = np.zeros((2, 2), "u1")
    for alpha in (-0.1, 1.1, np.nan):
        with pytest.raises(BadRequest, match="only the lower picture"):
            overlay(one, one, alpha)
    with pytest.raises(BadRequest, match="same pixels"):
        overlay(one, one[:1], 0.5)
    for wrong in (one.astype("f4"), one[0], np.zeros((2, 2, 2), "u1")):
        with pytest.raises(BadRequest, match="pictures are uint8"):
            overlay(one, wrong, 0.5)


# ---------------------------------------------------------------------------------------------- projections


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.int16, np.uint64, np.float32, np.bool_]), (4, 5, 6)),
    st.sampled_from(["z", "y", "x", 0, 1, 2, -1]), st.data(),
)  # fmt: skip
def test_equals_numpy_over_any_range_of_any_axis_r17(values: Array, axis: str | int, data: st.DataObject) -> None:
    """R17: min and max projection; NaN counts only where there is nothing else."""
    where = "zyx".index(axis) if isinstance(axis, str) else axis
    n = values.shape[where]
    start = data.draw(st.integers(0, n - 1))
    cut = np.take(values, range(start, data.draw(st.integers(start + 1, n))), axis=where)
    low, high = project(cut, axis, "min"), project(cut, axis, "max")
    if np.isnan(cut).any():
        bare = np.isnan(cut).all(axis=where)
        assert np.array_equal(low, np.where(bare, np.nan, np.min(np.where(np.isnan(cut), np.inf, cut), axis=where)),
                              equal_nan=True)  # fmt: skip
    else:
        assert np.array_equal(low, np.min(cut, axis=where))
        assert np.array_equal(high, np.max(cut, axis=where))
    assert low.dtype == high.dtype == values.dtype


def test_the_named_axis_is_found_behind_channels_r17() -> None:
    """R17: of (c, z, y, x), z is still z."""
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert np.array_equal(project(values, "z"), values.max(axis=1))


def test_what_cannot_be_projected_is_said_r17() -> None:
    """R17: another word, an axis that is not there, no planes."""
    values = np.zeros((2, 3, 4))
    with pytest.raises(BadRequest, match="min or max"):
        project(values, "z", "mean")  # type: ignore[arg-type]
    for axis in ("c", 3, -4):
        with pytest.raises(BadRequest, match="z, y, x or a number"):
            project(values, axis)
    with pytest.raises(BadRequest, match="over no planes"):
        project(values[:0], "z")
