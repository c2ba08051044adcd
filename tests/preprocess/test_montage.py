"""Tiles go where they were cut from, with a stage or without, and where their authors put them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from ndlab.errors import BadRequest, Conflict, NotFound
from ndlab.preprocess import Montage, place_tiles
from ndlab.preprocess.alignment.maps import rotation
from ndlab.preprocess.alignment.mosaic import blended
from ndlab.preprocess.alignment.overlaps import TileMatch, weight_down
from ndlab.volume import Volume
from tests.preprocess.making import texture

Array = np.ndarray[Any, Any]
SIDE = 150
WHOLE = (260, 270)
CORNERS = {"a": (0.0, 0.0), "b": (0.0, 115.5), "c": (108.25, 3.0), "d": (107.0, 118.0)}


def cut(whole: Array, corner: tuple[float, float], turn: float = 0.0) -> Array:
    """A tile whose pixel (0, 0) is at `corner`, turned about its middle."""
    matrix = rotation(turn, ((SIDE - 1) / 2,) * 2)
    points = np.moveaxis(np.mgrid[:SIDE, :SIDE], 0, -1).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2] + corner
    values = ndimage.map_coordinates(whole.astype(float), points.T, order=3, mode="mirror")
    found: Array = values.reshape(SIDE, SIDE).astype(np.float32)
    return found


@pytest.fixture(scope="module")
def tiles() -> dict[str, Array]:
    whole, rng = texture(WHOLE, 3), np.random.default_rng(0)
    return {name: cut(whole, at) + rng.normal(0, 6, (SIDE, SIDE)).astype("f4") for name, at in CORNERS.items()}


def errors(found: Montage) -> Array:
    """Distance of each tile's corners from where they were cut, relative to the first tile [pixels]."""
    square = np.array([(0, 0), (0, SIDE - 1), (SIDE - 1, 0), (SIDE - 1, SIDE - 1)], float)
    apart = [found.points(name, square) - (square + at) for name, at in CORNERS.items()]
    result: Array = np.linalg.norm(np.array(apart) - np.mean(apart, (0, 1)), axis=-1)
    return result


@pytest.mark.parametrize("stage", [None, {name: (0, y + 6, x - 7) for name, (y, x) in CORNERS.items()}])
def test_tiles_go_where_they_were_cut(tiles: dict[str, Array], stage: Any) -> None:
    found = place_tiles(tiles, stage)
    assert errors(found).max() < 0.5
    assert (found.rms("same") or 9) < 0.2
    assert found.rms("down") is None
    table = found.residuals()
    assert set(table[table.state == "good"].a + table[table.state == "good"].b) >= {"ab", "ac", "bd", "cd"}


def test_a_tile_of_something_else_is_refused_by_name(tiles: dict[str, Array]) -> None:
    other = {**tiles, "d": texture((SIDE, SIDE), 77).astype("f4")}
    with pytest.raises(BadRequest, match=r"falls into 2 parts\. no overlap joins a, b, c; d"):
        place_tiles(other)


def test_the_picture_is_the_whole_again(tiles: dict[str, Array]) -> None:
    found = place_tiles(tiles, model="rigid")
    drawn = found.render(0, (5, 5), (245, 255))
    assert np.corrcoef(drawn.ravel(), texture(WHOLE, 3)[5:245, 5:255].ravel().astype(float))[0, 1] > 0.97
    part = found.render(0, (50, 60), (90, 200))
    np.testing.assert_array_equal(part, found.render(0, (5, 5), (245, 255))[45:85, 55:195])


def test_a_montage_is_a_volume_drawn_when_it_is_read(tiles: dict[str, Array], tmp_path: Path) -> None:
    """Lazily, in blocks of other sizes and in a store its voxels are those of the picture."""
    found = place_tiles({name: np.clip(one, 0, 255).astype("u1") for name, one in tiles.items()})
    (y, x), _ = found.extent()
    picture = np.clip(np.rint(found.render(0)), 0, 255).astype("u1")
    lazy = found.volume((50, 4, 4))
    assert lazy.dtype == np.uint8
    assert lazy.offset == (0, 4 * y, 4 * x)
    np.testing.assert_array_equal(lazy.read()[0], picture)
    np.testing.assert_array_equal(found.volume((50, 4, 4), block=(1, 40, 50))[0, 30:99, 20:141].read(),
                                  picture[30:99, 20:141])  # fmt: skip
    out = str(tmp_path / "montage.zarr")
    for workers in (1, 2):
        made = found.volume((50, 4, 4), out=out, block=(1, 64, 64), workers=workers, overwrite=workers == 2)
        np.testing.assert_array_equal(made.read()[0], picture)
    assert made.offset == lazy.offset
    with pytest.raises(Conflict, match="there already"):
        found.volume((50, 8, 8), out=out)
    found.save(tmp_path / "kept")
    with pytest.raises(BadRequest, match="without its tiles"):
        Montage.load(tmp_path / "kept").volume((50, 4, 4))


def test_only_tiles_that_reach_into_a_block_are_read(tiles: dict[str, Array], tmp_path: Path) -> None:
    import tifffile

    for name, one in tiles.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", one)
    found = place_tiles([tmp_path / f"{name}.tif" for name in tiles])
    lazy = found.volume((50, 4, 4), block=(1, 40, 40))
    before = lazy[0, :40, :40].read()
    again = [replace(tile) for tile in found.tiles if tile.name == "a"]
    (tmp_path / "d.tif").unlink()
    np.testing.assert_array_equal(lazy[0, :40, :40].read(), before)
    (y, x), _ = found.extent()
    np.testing.assert_array_equal(blended(again, found.matrices, (y, x), (40, 40)), before)


def test_what_is_known_better_weighs_more() -> None:
    """Points of one overlap are ten times as far from any affine map: it weighs a hundredth."""
    rng = np.random.default_rng(0)
    matches = []
    for same, noise in ((True, 0.1), (False, 1.0)):
        points = rng.uniform(0, 500, (4000, 2))
        matches.append(TileMatch(0, 1, same, points, points + rng.normal(0, noise, points.shape), np.ones(4000), 0.9))
    assert weight_down(matches) == pytest.approx(0.01, rel=0.1)
    assert weight_down(matches[:1]) == 1


def test_sections_are_settled_together(tiles: dict[str, Array]) -> None:
    """The second section is turned by 2 degrees; its tiles find those of the first."""
    whole, rng = texture(WHOLE, 3), np.random.default_rng(1)
    turned = ndimage.rotate(whole.astype(float), 2, reshape=False, order=3, mode="mirror")
    below = {f"{name}2": cut(turned, at) + rng.normal(0, 6, (SIDE, SIDE)).astype("f4") for name, at in CORNERS.items()}
    stage: dict[str, Any] = {name: (0, *at) for name, at in CORNERS.items()}
    stage |= {f"{name}2": (1, *at) for name, at in CORNERS.items()}
    found = place_tiles({**tiles, **below}, stage)
    assert (found.rms("down") or 9) < 0.6
    linear = found.matrices["a2"][:, :2]
    assert abs(np.degrees(np.arctan2(linear[0, 1], linear[0, 0]))) == pytest.approx(2, abs=0.3)


def test_what_is_kept_and_what_tiles_may_be(tiles: dict[str, Array], tmp_path: Path) -> None:
    import tifffile

    for name, one in tiles.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", one)
    paths = [tmp_path / f"{name}.tif" for name in tiles]
    volumes = {name: Volume.from_array(one[None], (50, 4, 4)) for name, one in tiles.items()}
    first = place_tiles(tiles)
    for same in (place_tiles(paths), place_tiles(volumes)):
        assert list(same.matrices) == list(tiles)
        for name in tiles:
            np.testing.assert_array_equal(same.matrices[name], first.matrices[name])
    first.save(tmp_path / "kept")
    again = Montage.load(tmp_path / "kept", tiles)
    np.testing.assert_array_equal(again.matrices["d"], first.matrices["d"])
    np.testing.assert_array_equal(again.render(0, (0, 0), (40, 40)), first.render(0, (0, 0), (40, 40)))
    with pytest.raises(NotFound, match=r"nothing\.tif"):
        place_tiles([tmp_path / "nothing.tif", paths[0]])
    with pytest.raises(BadRequest, match="two or more"):
        place_tiles({"a": tiles["a"]})
    with pytest.raises(BadRequest, match="a layout without d"):
        place_tiles(tiles, {"a": 0, "b": 0, "c": 0})
    with pytest.raises(BadRequest, match="tile 'x'"):
        first.points("x", [[0, 0]])


def test_array_tomography_lies_as_its_authors_placed_it(shared_data: Path) -> None:
    folder = shared_data / "array_tomo_tiles"
    stage = {}
    for line in filter(str.strip, (folder / "layout_initial.txt").read_text().split("\n")):
        path, x, y, z = line.split()
        stage[Path(path).stem] = (int(z), float(y), float(x))
    pictures = {path.stem: path for path in sorted((folder / "TIF").glob("A*.tif"))}
    found = place_tiles(pictures, stage)
    assert (found.rms("same") or 9) < 0.47, "what the authors state of their maps"
    solved = (folder / "Affine_final_trakem2.xml").read_text()
    corners = np.array([(y, x) for y in (0, 1039) for x in (0, 1375)], float)
    mine, theirs = [], []
    for tag in re.findall(r"<t2_patch\s(.*?)>", solved, re.DOTALL):
        name = (re.findall(r'file_path="[^"]*/([^"]*)\.tif"', tag) or [""])[0]
        if name in pictures:
            a, b, c, d, e, f = map(float, re.findall(r"matrix\(([^)]*)\)", tag)[0].split(","))
            theirs.append(corners @ np.array([[d, c], [b, a]]) + (f, e))
            mine.append(found.points(name, corners))
    ones = np.column_stack([np.concatenate(mine), np.ones(16)])
    rest = ones @ np.linalg.lstsq(ones, np.concatenate(theirs), rcond=None)[0] - np.concatenate(theirs)
    assert len(mine) == 4
    assert np.sqrt((rest**2).sum(1).mean()) < 1.5
