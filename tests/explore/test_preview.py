"""The preview equals the plane of the output, whatever the blocks and however large the plane."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.explore.preview import Preview
from ndlab.geometry import Box, Grid
from ndlab.volume import Volume


def assemble(preview: Preview, grid: Grid, *, colour: bool = False) -> np.ndarray:
    facts = preview.facts
    picture = np.full((facts["height"], facts["width"], *([3] if colour else [])), 77, np.uint8)
    for piece in preview.pieces(list(grid)):
        h, w = piece.pixels.shape[:2]
        picture[piece.y : piece.y + h, piece.x : piece.x + w] = piece.pixels
    return picture


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 900), st.integers(1, 900)),
    block=st.tuples(st.integers(1, 5), st.integers(40, 300), st.integers(40, 300)),
)
@settings(max_examples=25)
def test_pieces_make_the_plane_thinned_evenly(shape: tuple[int, int, int], block: tuple[int, int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, "u1")
    values[:, 0, 0], values[:, -1, -1] = 0, 255
    volume = Volume.from_array(values, (8, 8, 8))
    preview = Preview(volume, volume.box)
    preview._window = (0, 255)
    step = -(-max(shape[1:]) // 384)
    assert np.array_equal(assemble(preview, Grid(shape, block)), values[shape[0] // 2, ::step, ::step])


def test_only_blocks_that_reach_the_plane_are_read() -> None:
    volume = Volume.from_array(np.zeros((6, 4, 4), "u1"), (8, 8, 8))
    preview = Preview(volume, volume.box, z=3)
    assert [preview.shows(block) for block in Grid((6, 4, 4), (2, 4, 4))] == [False, True, False]
    assert list(preview.pieces([Box((0, 0, 0), (2, 4, 4))])) == []


def test_part_of_a_volume_starts_at_its_own_corner() -> None:
    values = np.random.default_rng(1).integers(0, 256, (4, 20, 30), "u1")
    preview = Preview(Volume.from_array(values, (8, 8, 8)), Box((1, 5, 10), (3, 15, 30)))
    preview._window = (0, 255)
    assert np.array_equal(assemble(preview, Grid((4, 20, 30), (4, 8, 8))), values[2, 5:15, 10:30])


def test_all_pieces_share_one_window_so_that_no_seam_shows() -> None:
    values = np.tile(np.linspace(0, 1000, 40, dtype="f4"), (2, 40, 1))
    values[:, :, 20:] += 5
    preview = Preview(Volume.from_array(values, (8, 8, 8)), Box((0, 0, 0), (2, 40, 40)))
    row = assemble(preview, Grid((2, 40, 40), (2, 40, 20)))[0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[0] < 60
    assert row[-1] == 255


def test_ids_have_colours_and_background_none() -> None:
    values = np.zeros((1, 4, 6), "u8")
    values[0, :, 3:] = 2**63 + 5
    volume = Volume.from_array(values, (8, 8, 8), kind="labels")
    picture = assemble(Preview(volume, volume.box), Grid((1, 4, 6), (1, 4, 2)), colour=True)
    assert (picture[:, :3] == 0).all()
    assert len(np.unique(picture[:, 3:].reshape(-1, 3), axis=0)) == 1
    assert picture[0, 3].max() > 63


def test_the_caption_says_where_the_plane_is_and_pixels_keep_the_shape_of_the_voxels() -> None:
    volume = Volume.from_array(np.zeros((10, 50, 60), "u1"), (40, 16, 8))
    facts = Preview(volume, volume.box).facts
    assert facts == {"height": 50, "width": 60, "aspect": 2.0, "label": "output, z 5 · 200 nm"}


def test_time_points_and_channels_show_their_first() -> None:
    values = np.random.default_rng(2).integers(0, 256, (2, 3, 4, 8, 8), "u1")
    volume = Volume.from_array(values, (8, 8, 8), axes="tczyx")
    preview = Preview(volume, volume.box)
    preview._window = (0, 255)
    assert np.array_equal(assemble(preview, Grid((4, 8, 8), (4, 4, 4))), values[0, 0, 2])
