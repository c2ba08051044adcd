"""PNG keeps every pixel, JPEG nearly, and what is no picture is said."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from ndlab.errors import BadRequest
from ndlab.render.encode import jpeg, png

Array = np.ndarray[Any, Any]
SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(lambda yx: st.sampled_from([yx, (*yx, 3), (*yx, 4)]))


def decoded(data: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(data)))


@given(SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape)), st.integers(0, 9))
def test_png_keeps_every_pixel(pixels: Array, compress: int) -> None:
    assert np.array_equal(decoded(png(pixels, compress)), pixels)


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_png_keeps_sixteen_bits(pixels: Array) -> None:
    assert np.array_equal(decoded(png(pixels)), pixels)


def test_png_of_a_view_is_that_of_its_copy() -> None:
    """Transposed, strided and reversed pixels are not read as what lies behind them."""
    pixels = np.arange(240, dtype=np.uint8).reshape(12, 20)
    for view in (pixels.T, pixels[::2, ::3], pixels[::-1]):
        assert np.array_equal(decoded(png(view)), view)


@pytest.mark.parametrize(("shape", "mode"), [((40, 50), "L"), ((40, 50, 3), "RGB")])
def test_jpeg_is_near_and_better_with_more_quality(shape: tuple[int, ...], mode: str) -> None:
    y, x = np.mgrid[:40, :50]
    pixels: Array = (128 + 60 * np.sin(y / 5) + 50 * np.cos(x / 7)).astype(np.uint8)
    pixels = pixels if len(shape) == 2 else np.stack([pixels, pixels[::-1], 255 - pixels], axis=-1)
    errors = []
    for quality in (10, 75, 95):
        data = jpeg(pixels, quality)
        assert Image.open(io.BytesIO(data)).mode == mode
        errors.append(np.abs(decoded(data).astype(int) - pixels).mean())
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 8


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros(5, "u1"), r"pictures are \(y, x\), \(y, x, 3\)"), (np.zeros((2, 2, 2), "u1"), "pictures are"),
        (np.zeros((2, 2), "f4"), "to_bytes"), (np.zeros((2, 2, 3), "u2"), "to_bytes"), (np.zeros((0, 2), "u1"), "1 to"),
        (np.zeros((70_000, 1), "u1"), "a coarser level"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_said(pixels: Array, message: str) -> None:
    for encode in (png, jpeg):
        with pytest.raises(BadRequest, match=message):
            encode(pixels)


def test_what_a_format_cannot_hold_is_said() -> None:
    for encode, pixels in ((jpeg, np.zeros((2, 2, 4), "u1")), (jpeg, np.zeros((2, 2), "u2"))):
        with pytest.raises(BadRequest, match="a picture of"):
            encode(pixels)
    with pytest.raises(BadRequest, match="1 \\(smallest\\) to 95"):
        jpeg(np.zeros((2, 2), "u1"), 0)
    with pytest.raises(BadRequest, match="0 \\(none\\) to 9"):
        png(np.zeros((2, 2), "u1"), 10)
