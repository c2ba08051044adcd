"""Colours of ids: the fixture that the browser's half is held to as well, and the properties that it must have."""

from __future__ import annotations

import colorsys
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab import describe, figures
from ndlab.errors import BadRequest
from ndlab.render.colors import NAMES, label_colors, parse, unpack

FIXTURE = Path(__file__).parents[2] / "widgets" / "test" / "colors.json"
IDS = st.integers(0, 2**64 - 1)
WORD = 0xFFFFFFFF


def hashed(number: int) -> int:
    """The rule in whole numbers, word for word."""
    h = (number & WORD) ^ ((number >> 32) * 0x9E3779B1 & WORD)
    h ^= h >> 16
    h = h * 0x85EBCA6B & WORD
    h ^= h >> 13
    h = h * 0xC2B2AE35 & WORD
    return h ^ h >> 16


def color(number: int) -> tuple[float, ...]:
    """The colour by the standard library, not yet rounded."""
    h = hashed(number)
    light, saturation = 0.45 + 0.20 * (h >> 8 & 0xFF) / 255, 0.65 + 0.25 * (h & 0xFF) / 255
    return tuple(255 * v for v in colorsys.hls_to_rgb(h / 2**32, light, saturation))


def test_the_fixture_that_both_halves_read() -> None:
    """Ids are decimal strings in JSON, since JavaScript's numbers hold 53 bits."""
    expected = json.loads(FIXTURE.read_text(encoding="utf-8"))
    assert len(expected) > 60
    ids = np.array([int(one) for one in expected], np.uint64)
    assert label_colors(ids)[:, :3].tolist() == list(expected.values())
    assert {0, 1, 2**32, 2**53 + 1, 2**63, 2**64 - 1} <= set(ids.tolist())


@given(st.lists(IDS, min_size=1, max_size=30))
def test_equals_the_standard_librarys_colour(ids: list[int]) -> None:
    rgba = label_colors(np.array(ids, np.uint64))
    for one, found in zip(ids, rgba.tolist(), strict=True):
        if one == 0:
            assert found == [0, 0, 0, 0]
        else:
            assert found[3] == 255
            assert np.abs(np.array(found[:3]) - color(one)).max() <= 0.5 + 1e-9


@given(st.lists(IDS, min_size=1, max_size=40), st.sampled_from([(-1,), (1, -1), (-1, 1, 1)]))
def test_a_colour_depends_on_the_id_alone(ids: list[int], shape: tuple[int, ...]) -> None:
    """Whatever stands beside it, in whatever shape, type or memory order."""
    array = np.array(ids, np.uint64)
    alone = np.stack([label_colors(np.array(one, np.uint64)) for one in ids])
    assert (label_colors(array.reshape(shape)).reshape(-1, 4) == alone).all()
    assert (label_colors(array[::-1])[::-1] == alone).all()
    assert (label_colors(array.view(np.int64)) == alone).all()
    assert (label_colors(array.astype(">u8")) == alone).all()
    assert (label_colors(np.repeat(array, 3))[::3] == alone).all()


def test_no_ids_have_no_colours() -> None:
    assert label_colors(np.empty((0, 5), np.uint32)).shape == (0, 5, 4)


@pytest.mark.parametrize("step", [1, 2**20, 2**32, 2**40])
def test_colours_differ_whatever_bits_the_ids_differ_in(step: int) -> None:
    """Ids made of bit fields share no hue: of 1,024 ids, nearly all differ in colour."""
    ids = np.arange(1, 1025, dtype=np.uint64) * np.uint64(step)
    assert len(np.unique(label_colors(ids), axis=0)) > 1000


def test_every_colour_is_seen_on_black_and_is_no_grey() -> None:
    rgb = label_colors(np.arange(1, 20_000, dtype=np.uint64))[:, :3].astype(int)
    assert rgb.max(axis=1).min() > 255 * 0.7
    assert (rgb.max(axis=1) - rgb.min(axis=1)).min() > 255 * 0.4


@pytest.mark.parametrize(("name", "made_of"), [("C", "GB"), ("M", "RB"), ("Y", "RG")])
def test_cyan_magenta_and_yellow_are_sums(name: str, made_of: str) -> None:
    """R15: C=G+B, M=R+B, Y=R+G."""
    assert np.array_equal(parse(name), np.add(NAMES[made_of[0]], NAMES[made_of[1]]))


@pytest.mark.parametrize("wrong", ["", "K", "cyan", "12345", "1234567", "gg0000", "#0", "C "])
def test_a_colour_that_is_none(wrong: str) -> None:
    with pytest.raises(BadRequest, match="C, M, Y, R, G, B or RRGGBB"):
        parse(wrong)


def test_packed_colours_of_a_picture_r21() -> None:
    """R21: red is the lowest byte, as the originals' RGBA images have it; bytes of either order are read."""
    packed = np.array([[0xFF0000FF, 0x8000FF00], [0x00FF0000, 0x04030201]], np.uint32)
    table = [[[255, 0, 0, 255], [0, 255, 0, 128]], [[0, 0, 255, 0], [1, 2, 3, 4]]]
    assert unpack(packed).tolist() == table
    assert unpack(packed.astype(">u4")).tolist() == table
    assert unpack(packed[:, ::-1]).tolist() == [row[::-1] for row in table]
    with pytest.raises(BadRequest, match="uint32"):
        unpack(packed.astype(np.uint64))
    with pytest.raises(BadRequest, match="uint32"):
        unpack(packed.astype(np.float32))


def test_figures_summaries_and_tiles_colour_alike() -> None:
    """A cell has one colour in the viewer, in a volume's summary, and in a figure of the paper."""
    ids = np.array([[0, 7, 9], [2**40, 2**63 + 1, 7]], np.uint64)
    assert np.array_equal(describe.pixels_of(ids, "labels", None), label_colors(ids)[..., :3])
    assert np.array_equal(figures.label_colors(ids), label_colors(ids) / 255)
