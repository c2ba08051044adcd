"""Tiles that overlap get one brightness; seams are found where they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import BadRequest
from ndlab.preprocess import MatchedTiles, Placement, find_seams, fuse_seams, match_tiles, read_placements
from tests.preprocess.stacks import Array, larva, texture, volume


def columns(tile: Array, good: Array) -> Array:
    """Means of five columns, of what counts."""
    return np.array([c[g].mean() for c, g in zip(np.array_split(tile, 5, 1), np.array_split(good, 5, 1), strict=True)])


def test_temca_tiles_agree_where_they_overlap(shared_data: Path) -> None:
    from PIL import Image

    folder = shared_data / "temca_tiles" / "temca_4tiles_level1"
    path = folder / "test_4_tiles_level_1.json"
    names = [Path(tile["mipmapLevels"]["1"]["imageUrl"]).name for tile in json.loads(path.read_text())]
    tiles = [np.array(Image.open(folder / name)) for name in names]
    mask = np.array(Image.open(folder / "test_mask.jpg_level_1_mipmap.png"))
    found = match_tiles(tiles, list(read_placements(path, scale=2).values()), [mask] * 4)
    assert len(found.overlaps) == 6
    assert np.abs(found.overlaps["before"]).max() > 20
    assert np.abs(found.overlaps["after"]).max() < 1
    for before, after, good in zip(tiles, found.tiles, found.good, strict=True):
        assert np.ptp(columns(after, good)) < 8
        assert np.ptp(columns(after, good)) < np.ptp(columns(before, good)) or np.ptp(columns(before, good)) < 12
    image, labels = found.mosaic((40, 8, 8))
    fused = fuse_seams(image, labels, across="expected", progress=False)
    assert fused.shape == image.shape
    assert set(np.unique(labels.read())) == {0, 1, 2, 3, 4}


def overlapping(gains: list[float], seed: int) -> tuple[list[Array], list[Placement], Array]:
    scene = texture((1, 160, 300), seed)[0].astype(float)
    y, x = np.mgrid[-1:1:160j, -1:1:180j]
    light = 1 - 0.2 * (x**2 + y**2) / 2
    places = [Placement(np.eye(2), np.array([0.0, start])) for start in (0, 120)]
    return [scene[:, s : s + 180] * light * g for s, g in zip((0, 120), gains, strict=True)], places, scene


@settings(max_examples=3)
@given(st.floats(0.6, 1.5), st.integers(0, 9))
def test_gains_and_vignetting_are_found(gain: float, seed: int) -> None:
    tiles, places, scene = overlapping([1.0, gain], seed)
    found = match_tiles(tiles, places)
    assert abs(found.overlaps["after"][0]) < 0.5
    image, labels = found.mosaic((50, 4, 4))
    # Around the seam, and on its own scale.
    made, true = image.read()[0][20:140, 100:200], scene[20:140, 100:200]
    halves = [made[:, cut].mean() / true[:, cut].mean() for cut in (slice(0, 40), slice(60, 100))]
    assert abs(halves[0] / halves[1] - 1) < 0.06
    assert labels.shape == image.shape


def test_a_blot_in_one_tile_does_not_count() -> None:
    tiles, places, _ = overlapping([1.0, 0.8], 1)
    clean = match_tiles(tiles, places).fields
    blotted = [tiles[0].copy(), tiles[1]]
    blotted[0][40:60, 140:160] = 1
    for one, other in zip(match_tiles(blotted, places).fields, clean, strict=True):
        assert np.abs(np.log(one / other)).mean() < 0.06


def test_a_mosaic_lies_where_its_tiles_do() -> None:
    scene = np.arange(40.0)[:, None] + np.arange(60.0)
    places = [Placement(np.eye(2), np.array([0.0, 0.0])), Placement(np.eye(2), np.array([0.5, 30.0]))]
    tiles = [scene[:, :40], scene[:, 30:] + 0.5]
    good = [np.ones(tile.shape, bool) for tile in tiles]
    image, labels = MatchedTiles(tiles, tiles, match_tiles(tiles, places).overlaps, places, good).mosaic((1, 1, 1))
    seen = labels.read()[0] > 0
    y, x = np.nonzero(seen)
    np.testing.assert_allclose(image.read()[0][seen], y + x, atol=1e-4)


def test_placements_of_other_kinds_are_refused(tmp_path: Path) -> None:
    spec = [{"tileId": "a", "transforms": {"specList": [{"className": "Thin.Plate", "dataString": ""}]}}]
    (tmp_path / "a.json").write_text(json.dumps(spec))
    with pytest.raises(BadRequest, match="only affine"):
        read_placements(tmp_path / "a.json")
    with pytest.raises(BadRequest, match="each tile has one"):
        match_tiles([np.ones((4, 4))], [])


def lines(stack: Array) -> tuple[list[int], list[int]]:
    tiles = find_seams(volume(stack)).read()[0].astype(int)
    return (
        np.flatnonzero((np.diff(tiles, axis=0) != 0).any(1)).tolist(),
        np.flatnonzero((np.diff(tiles, axis=1) != 0).any(0)).tolist(),
    )


@settings(max_examples=10)
@given(st.integers(40, 150), st.integers(40, 150), st.integers(0, 99))
def test_seams_are_found_to_the_pixel(y: int, x: int, seed: int) -> None:
    stack = texture((8, 192, 192), 4).astype(float)
    offsets = np.random.default_rng(seed).normal(0, 10, (8, 2, 2))
    stack += offsets[:, (np.arange(192) >= y).astype(int)[:, None], (np.arange(192) >= x).astype(int)]
    assert lines(stack) == ([y - 1], [x - 1])


def test_bricks_are_found() -> None:
    stack = texture((10, 256, 256), 2).astype(float)
    offsets = np.random.default_rng(0).normal(0, 10, (10, 3, 1, 1))
    stack[:, :120, :100] += offsets[:, 0]
    stack[:, 120:, 170:] += offsets[:, 1]
    stack[:, 120:, :170] += offsets[:, 2]
    assert lines(stack) == ([119], [99, 169])


@pytest.mark.parametrize("sections", [1, 3, 12])
def test_no_seam_is_found_where_none_is(sections: int) -> None:
    assert lines(texture((sections, 200, 260), sections)) == ([], [])


def test_no_seam_is_found_in_a_real_stack(shared_data: Path) -> None:
    stack = larva(shared_data, 1024)
    assert lines(stack) == ([], [])
    assert lines(stack[:1]) == ([], [])
