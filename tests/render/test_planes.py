"""Planes: which axis lies where, and true proportions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ndlab.errors import BadRequest
from ndlab.render.planes import AXES, nearest, plane, stretch

SHAPE = (3, 4, 5)
NUMBERED = np.arange(60).reshape(SHAPE)  # 20 z + 5 y + x


@pytest.mark.parametrize(
    ("axes", "cut", "shape", "down", "right"),
    [
        ("xy", NUMBERED[1:2], (4, 5), 5, 1), ("xz", NUMBERED[:, 1:2], (3, 5), 20, 1),
        ("yz", NUMBERED[:, :, 1:2], (3, 4), 20, 5), ("zy", NUMBERED[:, :, 1:2], (4, 3), 5, 20),
    ],
)  # fmt: skip
def test_shape_and_orientation_r6(
    axes: str, cut: np.ndarray[tuple[int, ...], np.dtype[np.int64]], shape: tuple[int, int], down: int, right: int
) -> None:
    """R6: on a gradient, z runs down in xz and yz, y runs down in xy, and the first voxel is at the upper left."""
    found = plane(cut, axes)
    assert found.shape == shape
    assert found[0, 0] == cut.min()
    assert (np.diff(found, axis=0) == down).all()
    assert (np.diff(found, axis=1) == right).all()


@pytest.mark.parametrize(("axes", "shape"), [("xz", (30, 5)), ("yz", (30, 4)), ("zy", (4, 30))])
def test_z_is_stretched_by_the_voxel_ratio_r6(axes: str, shape: tuple[int, int]) -> None:
    """R6: voxels of 40 × 4 × 4 nm: each section is ten pixels thick, in a picture of true proportions."""
    third = {"xz": 1, "yz": 2, "zy": 2}[axes]
    flat = plane(np.take(NUMBERED, [0], axis=third), axes)
    found = stretch(flat, (40, 4, 4), axes)
    assert found.shape == shape
    assert np.array_equal(found, np.repeat(flat, 10, axis=axes[::-1].index("z")))


def test_xy_and_equal_voxels_stay_r6() -> None:
    """R6: nothing to stretch."""
    assert np.array_equal(stretch(NUMBERED[0], (40, 4, 2), "xy"), NUMBERED[0])
    assert np.array_equal(stretch(NUMBERED[:, 0], (8, 8, 8), "xz"), NUMBERED[:, 0])


@given(st.integers(1, 40), st.integers(1, 9), st.floats(0.05, 20))
def test_equals_the_nearest_voxel_of_pillow(rows: int, columns: int, ratio: float) -> None:
    """Finer z than x shrinks the picture, as the originals did; ids are never mixed.

    Where a pixel's centre lies on the border of two voxels Pillow's own rounding picks, so that those are left out.
    """
    pixels = np.random.default_rng(rows).integers(0, 256, (rows, columns), np.uint8)
    found = stretch(pixels, (ratio, 1, 1), "xz")
    assert found.shape == (max(1, int(rows * ratio + 0.5)), columns)
    expected = Image.fromarray(pixels).resize(found.shape[::-1], Image.Resampling.NEAREST)
    m = len(found)
    decided = [i for i in range(m) if (2 * i + 1) * rows % (2 * m)]
    assert np.array_equal(found[decided], np.asarray(expected)[decided])


def test_on_the_border_of_two_voxels_the_later_one_shows() -> None:
    """Four voxels on six pixels: the centre of pixel 1 is at voxel 1.0, that of pixel 4 at 3.0."""
    assert nearest(4, 6).tolist() == [0, 1, 1, 2, 3, 3]
    assert nearest(2, 1).tolist() == [1]


@given(st.integers(1, 10**6), st.integers(1, 300))
def test_every_pixel_shows_the_voxel_under_its_centre(voxels: int, pixels: int) -> None:
    expected = [math.floor(Fraction(2 * i + 1, 2) * voxels / pixels) for i in range(pixels)]
    assert nearest(voxels, pixels).tolist() == expected


def test_colours_are_stretched_like_grey() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    assert np.array_equal(stretch(rgb, (10, 4, 4), "yz")[..., 1], stretch(rgb[..., 1], (10, 4, 4), "yz"))
    assert stretch(rgb[:0], (10, 4, 4), "yz").shape == (0, 5, 3)


def test_what_makes_no_sense_is_said() -> None:
    for axes in ("yx", "", "xyz", "ab"):
        with pytest.raises(BadRequest, match=", ".join(AXES)):
            plane(NUMBERED[:1], axes)
        with pytest.raises(BadRequest, match="columns, then rows"):
            stretch(NUMBERED[0], (1, 1, 1), axes)
    with pytest.raises(BadRequest, match="1 along y"):
        plane(NUMBERED, "xz")
    for size in ((0, 1, 1), (np.nan, 1, 1), (-1, 1, 1)):
        with pytest.raises(BadRequest, match="above 0"):
            stretch(NUMBERED[0], size, "xz")
