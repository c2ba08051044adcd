"""Synaptograms: the grid, what is in its middle, how channels are made comparable, and references under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.render.synaptogram import around, brightest, synaptogram
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
VOXEL = (70.0, 100.0, 100.0)


def noise(shape: tuple[int, ...], top: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, top + 1, shape).astype(np.uint16)


def tile_of(picture: Array, row: int, column: int, tile: int = 200, frame: int = 20) -> Array:
    top, left = (frame + i * (tile + frame) for i in (row, column))
    return picture[top : top + tile, left : left + tile]


def channels() -> Volume:
    """Three channels, each ten times as bright as the one before."""
    return Volume.from_array(np.stack([noise((20, 40, 40), top, top) for top in (200, 2000, 20000)]), VOXEL)


def test_a_grid_of_channels_and_planes_around_a_point_r60() -> None:
    """R60: as the originals had it: 11 planes, tiles of 200 pixels, 20 white between; the point in the middle."""
    volume, point = channels(), (9, 20, 25)
    stacks = {name: around(volume, point, c=c) for c, name in enumerate(("a", "b", "c"))}
    picture = synaptogram(stacks)
    assert picture.shape == (3 * 220 + 20, 11 * 220 + 20, 3)
    white = np.ones(picture.shape[:2], bool)
    values = volume.read()
    for row, column in np.ndindex(3, 11):
        tile_of(white, row, column)[:] = False
        z = point[0] - 5 + column
        cut = values[row, z, 15:26, 20:31]
        grey = int(255 * float(cut[5, 5]) / stacks["abc"[row]].max() + 0.5)
        assert tile_of(picture, row, column)[100, 100].tolist() == [grey] * 3
    assert (picture[white] == 255).all()


def test_each_channel_is_as_bright_as_its_own_brightest_voxel_r60() -> None:
    """R60: a hundredth of the brightness gives the same tiles."""
    stack = noise((5, 5, 5), 300)
    picture = synaptogram({"faint": stack, "bright": stack * 100}, tile=15, frame=2)
    for column in range(5):
        assert np.array_equal(tile_of(picture, 0, column, 15, 2), tile_of(picture, 1, column, 15, 2))
    drawn = np.concatenate([tile_of(picture, 0, column, 15, 2) for column in range(5)])
    assert drawn.max() == 255


def test_a_named_window_and_that_of_the_neighbourhood_r60() -> None:
    """R60: the second normalisation looks at 16 × 512 × 512 voxels around the point."""
    values = np.full((30, 600, 600), 50, np.uint16)
    values[10, 300, 300] = 100
    values[15, 200, 500] = 200  # in reach
    values[18, 300, 300] = values[10, 300, 556] = values[1, 0, 0] = 4000  # just beyond it
    volume, point = Volume.from_array(values, VOXEL), (10, 300, 300)
    assert brightest(volume, point) == (0, 200)
    stack = around(volume, point)
    assert tile_of(synaptogram({"a": stack}), 0, 5)[100, 100, 0] == 255
    assert tile_of(synaptogram({"a": stack}, windows={"a": brightest(volume, point)}), 0, 5)[100, 100, 0] == 128
    assert tile_of(synaptogram({"a": stack}, windows={"a": (100, 300)}), 0, 5)[100, 100, 0] == 0


@given(st.integers(1, 12), st.integers(1, 30))
def test_tiles_show_the_nearest_voxel_as_pillow_does(side: int, tile: int) -> None:
    stack = noise((2, side, side), 255, side).astype(np.uint8)
    picture = synaptogram({"a": stack}, windows={"a": (0, 255)}, tile=tile, frame=0)
    for z in range(2):
        expected = Image.fromarray(stack[z]).resize((tile, tile), Image.Resampling.NEAREST)
        decided = [i for i in range(tile) if (2 * i + 1) * side % (2 * tile)]  # not on the border of two voxels
        where = np.ix_(decided, decided)
        assert np.array_equal(tile_of(picture, 0, z, tile, 0)[..., 0][where], np.asarray(expected)[where])


def one(value: int) -> Array:
    return np.full((1, 1, 1), value, np.uint8)


def colours(stacks: dict[str, Array], **options: Any) -> dict[str, list[int]]:
    """Colour of each channel's only tile."""
    full = dict.fromkeys(stacks, (0, 255))
    picture = synaptogram(stacks, windows=full, tile=1, frame=0, **options)
    return dict(zip(stacks, picture[:, 0].tolist(), strict=True))


def test_a_brighter_reference_shows_in_its_colour_r60() -> None:
    """R60, old form: the channel's grey where it is at least as bright, else the reference's colour."""
    found = colours({"ref": one(90), "dim": one(50), "same": one(90), "bright": one(200), "em": one(10)},
                    reference=["ref"], plain=["em"])  # fmt: skip
    assert found == {"ref": [90] * 3, "dim": [90, 0, 0], "same": [90] * 3, "bright": [200] * 3, "em": [10] * 3}


@pytest.mark.parametrize(
    ("place", "expected"),
    list(enumerate([[90, 0, 0], [0, 90, 0], [0, 0, 90], [90, 90, 0], [90, 0, 90], [0, 90, 90]])),
)
def test_the_brightest_of_several_references_shows_r60(place: int, expected: list[int]) -> None:
    """R60, old form: red, green, blue, yellow, magenta, cyan by place."""
    references = {f"r{i}": one(90 if i == place else 40) for i in range(6)}
    assert colours({"dim": one(50), **references}, reference=list(references))["dim"] == expected


def test_enhance_brightens_all_but_plain_channels_r60() -> None:
    """R60, old form: and stops at white."""
    found = colours({"a": one(50), "b": one(200), "em": one(50)}, enhance=2, plain=["em"])
    assert found == {"a": [100] * 3, "b": [255] * 3, "em": [50] * 3}


@given(st.tuples(*(st.integers(-9, 15),) * 3), st.integers(1, 7))
def test_around_pads_with_zeros_beyond_the_edge(point: tuple[int, int, int], width: int) -> None:
    """A synapse near the edge has its synaptogram too; in the originals it had none."""
    values = noise((5, 6, 7), 900, 3) + 1
    reach = width // 2
    padded = np.pad(values, 20)
    expected = padded[tuple(slice(20 + p - reach, 20 + p + reach + 1) for p in point)]
    assert np.array_equal(around(Volume.from_array(values, VOXEL), point, width), expected)


def test_around_counts_in_the_level_and_ends_at_the_view() -> None:
    volume = Volume.from_array(noise((9, 9, 9), 900) + 1, VOXEL)
    view = volume[2:7]
    found = around(view, (2, 4, 4), 3)
    assert not found[0].any()
    assert np.array_equal(found[1:], volume.read(Box((2, 3, 3), (4, 6, 6))))


def test_channel_and_time_are_picked() -> None:
    values = noise((2, 3, 3, 3, 3), 900)
    volume = Volume.from_array(values, VOXEL)
    assert np.array_equal(around(volume, (1, 1, 1), 3, t=1, c=2), values[1, 2])
    assert brightest(volume, (1, 1, 1), t=1, c=2) == (0, values[1, 2].max())


@pytest.mark.parametrize(
    ("stacks", "options", "message"),
    [
        ({}, {}, "no channels"), ({"a": one(1), "b": np.zeros((1, 2, 1), "u1")}, {}, "all are one"),
        ({"a": one(1)[0]}, {}, "all are one"), ({"a": one(1)[:0]}, {}, "voxels in it"),
        ({"a": one(1)}, {"reference": ["b"]}, "channel 'b'"), ({"a": one(1)}, {"plain": ["b"]}, "channel 'b'"),
        ({"a": one(1)}, {"windows": {"b": (0, 1)}}, "the channels drawn are a"),
        ({"a": one(1)}, {"tile": 0}, "at least 1"),
        ({"a": one(1)}, {"frame": -1}, "0 or more"), ({"a": one(1)}, {"enhance": np.inf}, "0 or more"),
        ({str(i): one(1) for i in range(7)}, {"reference": [str(i) for i in range(7)]}, "colours for 6"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(stacks: dict[str, Array], options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        synaptogram(stacks, **options)


def test_a_cube_has_a_width() -> None:
    with pytest.raises(BadRequest, match="at least 1 voxel"):
        around(channels(), (1, 1, 1), 0)
