"""Synaptograms around a point by their old path: each tile against numpy, decoded by PIL."""

from __future__ import annotations

import numpy as np
import pytest

from ndlab.errors import BadRequest, NotFound, OutOfBounds, TooLarge
from ndlab.serve.answer import Limits
from ndlab.serve.source import Channel
from ndlab.volume import Volume
from tests.serve.named import Array, Held, ask, picture

RNG = np.random.default_rng(11)
EM = RNG.integers(0, 200, (20, 60, 70), np.uint8)
PSD = RNG.integers(0, 3000, (20, 60, 70)).astype("u2")
SYN = RNG.integers(0, 90, (3, 20, 60, 70), np.uint8)
EM[10, 30, 35] = 250
# 400 nm are 10 sections: paths count z from 10 on.
SIZE, OFFSET, FIRST = (40, 4, 4), (400, 0, 0), 10
AT = "35,30,20"  # x, y, z


def held(values: Array, name: str, kind: str = "image", **more: object) -> Channel:
    volume = Volume.from_array(values, SIZE, offset=OFFSET, axes="tzyx"[-values.ndim :])
    return Channel("k", name, kind, volume, **more)  # type: ignore[arg-type]  # names of kinds and options


@pytest.fixture(scope="module")
def names() -> Held:
    return Held([held(EM, "em"), held(PSD, "psd", window=(0, 3000)), held(SYN, "syn", "timeseries"),
                 held(EM.astype("u8"), "ids", "annotation")])  # fmt: skip


def tiles(found: Array, rows: int, columns: int, tile: int = 200, frame: int = 20) -> Array:
    """Return the tiles (row, column, y, x, rgb), having looked that the rest is white."""
    side = tile + frame
    assert found.shape == (rows * side + frame, columns * side + frame, 3)
    blank = np.ones(found.shape[:2], bool)
    cut = np.empty((rows, columns, tile, tile, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            y, x = frame + row * side, frame + column * side
            blank[y : y + tile, x : x + tile] = False
            cut[row, column] = found[y : y + tile, x : x + tile]
    assert (found[blank] == 255).all()
    return cut


def centres(tile: int, width: int) -> Array:
    """Return the pixel in the middle of each voxel of a tile."""
    return ((np.arange(width) + 0.5) * tile / width).astype(int)


def test_rows_are_channels_and_columns_are_slices(names: Held) -> None:
    found = tiles(picture(names, f"/synaptogram/k/em,psd/{AT}/"), rows=2, columns=11)
    pick = np.ix_(np.arange(2), np.arange(11), centres(200, 11), centres(200, 11), np.arange(3))
    box = np.s_[5:16, 25:36, 30:41]
    drawn = found[pick]
    for rgb in np.moveaxis(drawn, -1, 0):
        assert (rgb[0] == EM[box]).all(), "bytes as they are"
        assert np.abs(rgb[1].astype(float) - PSD[box] / 3000 * 255).max() <= 0.51, "through the channel's window"
    assert drawn[0, 5, 5, 5].tolist() == [250, 250, 250], "the point is in the middle"


def test_the_sizes_that_are_asked_for(names: Held) -> None:
    found = tiles(picture(names, f"/synaptogram/k/em/{AT}/width/4/tile/25/frame/3/"), 1, 5, 25, 3)
    pick = np.ix_(np.arange(5), centres(25, 5), centres(25, 5))
    assert (found[0, ..., 0][pick] == EM[8:13, 28:33, 33:38]).all(), "an even width is one more"


@pytest.mark.parametrize("way", ["normalize", "normalize2"])
def test_each_row_is_drawn_to_its_brightest(names: Held, way: str) -> None:
    found = tiles(picture(names, f"/synaptogram/k/em,psd/{AT}/{way}/width/3/tile/3/frame/0/"), 2, 3, 3, 0)[..., 0]
    for row, values in zip(found, (EM, PSD), strict=True):
        near = values[9:12, 29:32, 34:37]
        most = (near if way == "normalize" else values[2:18]).max()
        assert np.abs(row - near / most * 255).max() <= 0.51


def test_references_lie_under_the_others_but_not_under_em(names: Held) -> None:
    path = f"/synaptogram/k/em,psd,syn/{AT}/reference/psd/EM/em/enhance/2/width/3/tile/3/frame/0/"
    found = tiles(picture(names, path), 3, 3, 3, 0).astype(int)
    near = np.s_[9:12, 29:32, 34:37]
    assert (found[0] == EM[near][..., None]).all(), "EM as it is"
    psd, syn = np.rint(PSD[near] / 3000 * 255), SYN[0][near]
    seen = psd > syn
    assert seen.any()
    assert (np.abs(found[2][seen] - np.minimum(2 * psd[seen][:, None] * [1, 0, 0], 255)) <= 2).all(), "red shows"
    assert (found[2][~seen] == np.minimum(2 * syn[~seen].astype(int), 255)[:, None]).all()


def test_beyond_the_volume_it_is_black(names: Held) -> None:
    found = tiles(picture(names, "/synaptogram/k/em/0,0,10/width/5/tile/5/frame/1/"), 1, 5, 5, 1)[0, ..., 0]
    assert not found[:2].any()
    assert (found[2:, 2:, 2:] == EM[:3, :3, :3]).all()
    assert not found[:, :2].any()
    assert not found[:, :, :2].any()


def test_a_time_and_a_level(names: Held) -> None:
    found = picture(names, f"/synaptogram/k/syn/{AT}/time/2/width/1/tile/1/frame/0/")
    assert found[0, 0, 0] == SYN[2, 10, 30, 35]
    coarse = picture(names, "/synaptogram/k/em/17,15,20/resolution/1/width/1/tile/1/frame/0/")
    assert coarse[0, 0, 0] == round(float(EM[10, 30:32, 34:36].mean()))


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        (f"em,none/{AT}/", NotFound, "channel 'none'"),
        (f"ids/{AT}/", BadRequest, "ids have colours"),
        (f"em/{AT}/reference/psd/", BadRequest, "channel 'psd'.*the channels drawn are em"),
        ("em/35,30,9/", OutOfBounds, "the point 35,30,9 leaves.*z 10,30, half-open"),
        (f"em/{AT}/resolution/40/", OutOfBounds, "level 40"),
        (f"em/{AT}/time/1/", OutOfBounds, "time 1,2"),
        (f"em/{AT}/tile/9000/", TooLarge, "pixels"),
        (f"em/{AT}/width/{10**9}/", TooLarge, "pixels"),
    ],
)
def test_what_cannot_be_drawn_says_why(names: Held, path: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=f"(?s){words}"):
        ask(names, f"/synaptogram/k/{path}")


def test_limits_hold(names: Held) -> None:
    with pytest.raises(TooLarge, match="a picture may have 10"):
        ask(names, f"/synaptogram/k/em/{AT}/", Limits(pixels=10))
    with pytest.raises(TooLarge, match="a request may read 100 B"):
        ask(names, f"/synaptogram/k/em/{AT}/", Limits(nbytes=100))
