"""Layers over each other: the pixel table that the browser's shaders are held to as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.errors import BadRequest
from ndlab.render.blend import Blend, Layer, compose
from ndlab.render.colors import label_colors
from ndlab.render.outline import outline

Array = np.ndarray[Any, Any]
WINDOW = (0.0, 255.0)


def image(*values: float, **options: Any) -> Layer:
    return Layer(np.array([values], np.float32), window=options.pop("window", WINDOW), **options)


def labels(*ids: int, **options: Any) -> Layer:
    return Layer(np.array([ids], np.uint64), kind="labels", **options)


def rgb(*layers: Layer) -> list[list[int]]:
    found: list[list[int]] = compose(layers)[0, :, :3].tolist()
    return found


@pytest.mark.parametrize(
    ("blend", "opacity", "expected"),
    [
        ("normal", 1, 51), ("normal", 0.5, 128), ("normal", 0, 204),
        ("additive", 1, 255), ("additive", 0.5, 230), ("additive", 0, 204),
        ("subtractive", 1, 153), ("subtractive", 0.5, 179), ("subtractive", 0, 204),
        ("multiply", 1, 41), ("multiply", 0.5, 122), ("multiply", 0, 204),
    ],
)  # fmt: skip
def test_modes_and_opacity_r69(blend: Blend, opacity: float, expected: int) -> None:
    """R69: 51 (0.2) over 204 (0.8), worked out by hand: e.g. multiply at 0.5 is 0.8 · (0.5 + 0.1) = 0.48."""
    assert rgb(image(204), image(51, blend=blend, opacity=opacity)) == [[expected] * 3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"window": (0, 102)}, [128, 128, 128]), ({"window": (51, 102)}, [0, 0, 0]), ({"window": (10, 40)}, [255] * 3),
        ({"color": "FF8000"}, [51, 26, 0]), ({"color": "M"}, [51, 0, 51]), ({"invert": True}, [204, 204, 204]),
        ({"gamma": 2}, [10, 10, 10]), ({"gamma": 0.5}, [114, 114, 114]), ({"gamma": 2, "invert": True}, [245] * 3),
        ({"opacity": 0.5, "color": "C", "window": (0, 102)}, [0, 64, 64]),
    ],
)  # fmt: skip
def test_window_colour_gamma_and_inversion_r69(options: dict[str, Any], expected: list[int]) -> None:
    """R69: one pixel of 51 alone on black."""
    assert rgb(image(51, **options)) == [expected]


def test_colour_channels_mix_by_addition_r69() -> None:
    """R69: red and green make yellow; three layers saturate; subtraction stops at black."""
    red, green = image(255, 100, color="R"), image(255, 50, color="G", blend="additive")
    assert rgb(red, green) == [[255, 255, 0], [100, 50, 0]]
    assert rgb(red, replace(red, blend="additive"), green)[1] == [200, 50, 0]
    assert rgb(green, replace(red, blend="subtractive"), replace(green, blend="subtractive")) == [[0, 0, 0], [0, 0, 0]]


def test_a_plane_and_its_neighbour_in_another_colour_r71() -> None:
    """R71: the same channel k sections on, in another colour: what moved shows in one, what stayed in both."""
    section = np.zeros((2, 1, 3), np.uint8)
    section[0, 0] = [255, 255, 0]
    section[1, 0] = [0, 255, 255]
    here = Layer(section[0], window=WINDOW, color="R")
    there = Layer(section[1], window=WINDOW, color="C", blend="additive")
    assert rgb(here, there) == [[255, 0, 0], [255, 255, 255], [0, 255, 255]]
    assert rgb(here, replace(there, opacity=0.5))[2] == [0, 128, 128]


def test_labels_lie_over_an_image_and_background_is_clear_r69() -> None:
    """R69: id 0 shows what is below; hidden ids too; `only` hides all others."""
    em = image(100, 100, 100)
    seven, nine = (label_colors(np.array([i], np.uint64))[0, :3].astype(float) for i in (7, 9))
    half = [np.floor(100 / 2 + color / 2 + 0.5).tolist() for color in (seven, nine)]
    over = labels(0, 7, 9, opacity=0.5)
    assert rgb(em, over) == [[100] * 3, *half]
    assert rgb(em, replace(over, hidden=[7])) == [[100] * 3, [100] * 3, half[1]]
    assert rgb(em, replace(over, only={7})) == [[100] * 3, half[0], [100] * 3]
    assert rgb(em, replace(over, only=[])) == [[100] * 3] * 3
    assert rgb(em, replace(over, only=[7], hidden=[7])) == [[100] * 3] * 3
    assert rgb(em, replace(over, blend="additive")) == rgb(em, over)


def test_fill_outline_and_both_r69() -> None:
    """R69: both is the fill at half opacity with the outline at full over it."""
    ids = np.zeros((5, 5), np.uint64)
    ids[1:4, 1:4] = 7
    color = label_colors(np.array([7], np.uint64))[0, :3].astype(float)
    edge = outline(ids)
    assert (edge.sum(), edge[2, 2]) == (8, False)
    fill, line, both = (compose([Layer(ids, "labels", style=style)])[..., :3] for style in ("fill", "outline", "both"))
    assert np.array_equal(fill[ids > 0], np.broadcast_to(color, (9, 3)))
    assert np.array_equal(line[edge], fill[edge])
    assert not line[~edge].any()
    assert np.array_equal(both[edge], fill[edge])
    assert both[2, 2].tolist() == np.floor(color / 2 + 0.5).tolist()
    assert not both[ids == 0].any()


def test_clear_where_there_are_no_data() -> None:
    """Outside a layer, and where it is no number, what lies below is seen: never black, never a warning."""
    above = image(200, np.nan, 200, inside=np.array([[True, True, False]]))
    assert rgb(image(50, 50, 50), above) == [[200] * 3, [50] * 3, [50] * 3]
    assert rgb(image(50, 50, 50), replace(above, invert=True, blend="multiply"))[1:] == [[50] * 3] * 2
    assert rgb(image(9, 9, 9), labels(7, 7, 7, inside=np.zeros((1, 3), bool))) == [[9] * 3] * 3


VALUES = hnp.arrays(np.float32, (2, 3), elements=st.floats(-50, 300, width=32))
LAYERS = st.builds(
    Layer, VALUES, st.just("image"), st.sampled_from([(0, 255), (20.0, 20.5), (100, 100)]), st.floats(0.2, 5),
    st.booleans(), st.sampled_from([None, "R", "80FF00"]), st.floats(0, 1),
    st.sampled_from(["normal", "additive", "subtractive", "multiply"]),
)  # fmt: skip


def by_hand(layers: list[Layer], at: tuple[int, int]) -> list[float]:
    """The contract's formulas for one pixel, in plain Python."""
    below = [0.0, 0.0, 0.0]
    for one in layers:
        assert one.window is not None
        (low, high), value, a = one.window, float(one.values[at]), one.opacity
        v = min(max((value - low) / (high - low), 0), 1) if high > low else float(value > low)
        v **= one.gamma
        v = 1 - v if one.invert else v
        tint = [255, 255, 255] if one.color is None else {"R": [255, 0, 0], "80FF00": [128, 255, 0]}[one.color]
        for i, part in enumerate(tint):
            c = v * part / 255
            below[i] = {
                "normal": c * a + below[i] * (1 - a),
                "additive": min(1, below[i] + c * a),
                "subtractive": max(0, below[i] - c * a),
                "multiply": below[i] * (1 - a + c * a),
            }[one.blend]
    return [255 * v for v in below]


@given(st.lists(LAYERS, min_size=1, max_size=5))
def test_equals_the_formulas_pixel_by_pixel_r69(layers: list[Layer]) -> None:
    """R69: any stack of any layers, rounded once."""
    found = compose(layers)
    assert (found[..., 3] == 255).all()
    for at in np.ndindex(2, 3):
        assert np.abs(found[at][:3] - by_hand(layers, (at[0], at[1]))).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "no layers"), ([image(1), image(1, 2)], "all are"), ([image(1, window=None)], "render.window"),
        ([image(1, opacity=1.5)], "0 \\(clear\\) to 1"), ([image(1, blend="screen")], "normal, additive"),
        ([labels(1, style="dots")], "fill, outline, both"), ([image(1, kind="points")], "image, labels"),
        ([image(1, inside=np.ones((2, 2), bool))], "inside of shape"), ([Layer(np.zeros(3), window=WINDOW)], "all are"),
        ([image(1, color="puce")], "RRGGBB"), ([image(1, window=(2, 1))], "the lower first"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(layers: list[Layer], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        compose(layers)
