"""The picture of a state: which voxel each pixel shows, held to plain indexing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, TooLarge
from ndlab.explore import picture, view_state
from ndlab.explore.layers import Source, collect
from ndlab.render import label_colors
from ndlab.serve.tiles import TileService
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

SHAPE, SIZE, OFFSET = (12, 40, 60), (40.0, 4.0, 8.0), (100.0, -20.0, 3.0)
GREY = np.random.default_rng(4).integers(0, 256, SHAPE, np.uint8)
IDS = (np.indices(SHAPE).sum(axis=0) // 9).astype(np.uint64) + np.uint64(2**63)
IDS[:, :8] = 0


def scene(**volumes: Volume) -> tuple[dict[str, Any], dict[str, Source], dict[str, Any]]:
    sources = {one.name: one for one in collect([], volumes)}
    service = TileService()
    infos = {name: service.info(service.add(one.volume)) for name, one in sources.items() if one.volume is not None}
    kinds = {name: one.kind for name, one in sources.items()}
    layers = [view_state.new_layer(name, one.kind, **one.shown) for name, one in sources.items()]
    return view_state.checked({"layers": layers}, kinds, infos), sources, infos


def grey() -> Volume:
    return Volume.from_array(GREY, SIZE, offset=OFFSET)


def ids() -> Volume:
    return Volume.from_array(IDS, SIZE, offset=OFFSET, kind="labels")


def centre(voxel: tuple[float, float, float]) -> list[float]:
    return [o + (i + 0.5) * s for o, i, s in zip(OFFSET, voxel, SIZE, strict=True)]


PLANES = {"xy": (2, 1, 0), "xz": (2, 0, 1), "yz": (1, 0, 2)}


@given(
    st.sampled_from(sorted(PLANES)),
    st.tuples(*(st.floats(-3, n + 3) for n in SHAPE)),
    st.floats(0.3, 50),
    st.integers(1, 40),
    st.integers(1, 30),
    st.integers(-3, 3),
)
def test_each_pixel_shows_the_voxel_that_its_centre_lies_in(
    layout: str, voxel: tuple[float, float, float], scale: float, width: int, height: int, ahead: int
) -> None:
    state, sources, infos = scene(em=grey())
    state = view_state.with_layer(state, "em", window=[0, 255], z_offset=ahead) | {
        "layout": layout, "position": centre(voxel), "scale": scale,
    }  # fmt: skip
    found = picture.render(state, sources, infos, width, height)
    assert found.shape == (height, width, 4)
    column, row, _ = PLANES[layout]
    for y, x in ((0, 0), (height // 2, width // 2), (height - 1, width - 1)):
        at = list(state["position"])
        for axis, pixel, count in ((column, x, width), (row, y, height)):
            # The corner of the volume lies on a whole pixel.
            begin = np.floor(count / 2 - (at[axis] - OFFSET[axis]) / scale + 0.5)
            at[axis] = OFFSET[axis] + (pixel + 0.5 - begin) * scale
        at[0] += ahead * SIZE[0]
        index = tuple(int(np.floor((p - o) / s + 1e-9)) for p, o, s in zip(at, OFFSET, SIZE, strict=True))
        inside = all(0 <= i < n for i, n in zip(index, SHAPE, strict=True))
        assert found[y, x].tolist() == [*[GREY[index] if inside else 0] * 3, 255]


def test_a_voxel_a_pixel_is_the_plane_itself() -> None:
    state, sources, infos = scene(em=Volume.from_array(GREY, (4, 4, 4)))
    state = view_state.with_layer(state, "em", window=[0, 255])
    state |= {"position": [4 * 5.5, 4 * 20, 4 * 30], "scale": 4}
    for layout, plane in (("xy", GREY[5]), ("xz", GREY[:, 20]), ("yz", GREY[:, :, 30])):
        shown = picture.render(
            state | {"layout": layout, "position": [24, 80, 120]}, sources, infos, *plane.shape[::-1]
        )
        want = GREY[6] if layout == "xy" else plane
        np.testing.assert_array_equal(shown[..., 0], want)


def test_two_pixels_a_css_pixel_show_twice_as_much() -> None:
    state, sources, infos = scene(em=Volume.from_array(GREY, (4, 4, 4)))
    state = view_state.with_layer(state, "em", window=[0, 255]) | {"position": [24, 80, 120], "scale": 8}
    found = picture.render(state, sources, infos, 30, 20, ratio=2)
    np.testing.assert_array_equal(found[..., 0], GREY[6])


def test_the_level_is_the_coarsest_with_voxels_no_larger_than_a_pixel(tmp_path: Path) -> None:
    from ndlab.ingesting import ingest

    values = np.repeat(np.repeat(np.random.default_rng(1).integers(0, 255, (8, 64, 64), np.uint8), 4, 1), 4, 2)
    np.save(tmp_path / "a.npy", values)
    ingest(tmp_path / "a.npy", tmp_path / "a.zarr", voxel_size=(40, 4, 4))
    volume = open_volume(tmp_path / "a.zarr")
    assert len(volume.levels) > 2
    state, sources, infos = scene(em=volume)
    state = view_state.fitting(view_state.with_layer(state, "em", window=[0, 255]), infos, 64, 64)
    assert state["scale"] == 16
    found = picture.render(state, sources, infos, 64, 64)
    np.testing.assert_array_equal(found[..., 0], volume.levels[2].read()[4])
    infos["em"]["levels"][2]["missing"] = "gone"
    found = picture.render(state, sources, infos, 64, 64)
    np.testing.assert_array_equal(found[..., 0], volume.levels[1].read()[4, 1::2, 1::2])


def test_levels_that_cannot_be_read_give_way_to_finer_then_to_coarser_ones() -> None:
    levels = [{"voxel_size": [40, s, s], "missing": why} for s, why in ((4, None), (8, "a"), (16, "b"), (32, None))]
    assert [picture.level_of({"levels": levels}, "xy", scale) for scale in (3, 8, 17, 33)] == [0, 0, 0, 3]
    assert picture.level_of({"levels": levels[1:]}, "xy", 8) == 2
    assert picture.level_of({"levels": levels[1:3]}, "xy", 8) is None


@pytest.mark.parametrize("style", view_state.STYLES)
def test_labels_in_their_colours_filled_or_outlined_along_their_voxels(style: str) -> None:
    volume = Volume.from_array(IDS, (4, 4, 4), kind="labels")
    state, sources, infos = scene(cells=volume)
    state = view_state.with_layer(state, "cells", opacity=1.0, style=style) | {"position": [26, 80, 120], "scale": 1}
    found = picture.render(state, sources, infos, 240, 160)[..., :3].astype(int)
    plane, colors = IDS[6], label_colors(IDS[6])[..., :3].astype(int)
    padded = np.pad(plane, 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    edge = np.zeros(plane.shape, bool)
    for other in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        edge |= other != middle
    edge &= plane != 0
    share = {"fill": np.where(plane != 0, 1, 0), "outline": np.where(edge, 1, 0), "both": np.where(edge, 1, 0.5)}[style]
    want = np.repeat(np.repeat(np.where(plane[..., None] != 0, colors * share[..., None], 0), 4, 0), 4, 1)
    assert np.abs(found - want).max() <= 1


def test_hidden_ids_are_gone_and_isolated_ones_alone() -> None:
    state, sources, infos = scene(cells=ids())
    state = view_state.fitting(view_state.with_layer(state, "cells", opacity=1.0), infos, 120, 40)
    some, other = np.unique(IDS[6])[1:3]
    color = label_colors(np.array([some, other]))[..., :3]

    def has(state: dict[str, Any]) -> list[bool]:
        found = picture.render(state, sources, infos, 120, 40)[..., :3].reshape(-1, 3)
        return [bool((found == one).all(axis=1).any()) for one in color]

    assert has(state) == [True, True]
    assert has(view_state.with_layer(state, "cells", hidden=[str(some)])) == [False, True]
    alone = view_state.with_layer(state, "cells", isolated=True) | {"selection": {"cells": [str(some)]}}
    assert has(alone) == [True, False]


def test_what_is_selected_has_a_white_rim_unless_it_is_hidden() -> None:
    volume = Volume.from_array(IDS, (4, 4, 4), kind="labels")
    state, sources, infos = scene(cells=volume)
    some = int(np.unique(IDS[6])[2])
    state |= {"position": [26, 80, 120], "scale": 4, "selection": {"cells": [str(some)]}}
    white = (picture.render(state, sources, infos, 60, 40)[..., :3] == 255).all(axis=-1)
    mine = np.pad(IDS[6] == some, 1, mode="edge")
    within = mine[1:-1, 1:-1] & mine[:-2, 1:-1] & mine[2:, 1:-1] & mine[1:-1, :-2] & mine[1:-1, 2:]
    np.testing.assert_array_equal(white, mine[1:-1, 1:-1] & ~within)
    hidden = view_state.with_layer(state, "cells", hidden=[str(some)])
    assert not (picture.render(hidden, sources, infos, 60, 40)[..., :3] == 255).all(axis=-1).any()
    # A border beyond the edge of the picture is one, too.
    left = picture.render(state | {"position": [26, 80, 60]}, sources, infos, 30, 40)
    np.testing.assert_array_equal((left[..., :3] == 255).all(axis=-1), white[:, :30])


def test_the_same_channel_again_some_planes_ahead_in_another_colour() -> None:
    volume = Volume.from_array(GREY, (4, 4, 4))
    state, sources, infos = scene(now=volume, ahead=volume)
    state = view_state.with_layer(state, "now", window=[0, 255], color="FF0000", blend="additive")
    state = view_state.with_layer(state, "ahead", window=[0, 255], color="00FF00", blend="additive", z_offset=2)
    found = picture.render(state | {"position": [26, 80, 120], "scale": 4}, sources, infos, 60, 40)
    np.testing.assert_array_equal(found[..., 0], GREY[6])
    np.testing.assert_array_equal(found[..., 1], GREY[8])
    assert not found[..., 2].any()


def test_three_planes_meet_at_the_position() -> None:
    state, sources, infos = scene(em=Volume.from_array(GREY, (4, 4, 4)))
    state = view_state.with_layer(state, "em", window=[0, 255])
    state |= {"layout": "three", "position": [26, 82, 122], "scale": 4}
    found = picture.render(state, sources, infos, 200, 150)
    places = {one.plane: one for one in picture.panels("three", 200, 150)}
    assert set(places) == {"xy", "zy", "xz"}
    voxels = []
    for one in places.values():
        y, x = one.y + one.height // 2, one.x + one.width // 2
        voxels.append(found[y - 1 : y + 2, x - 1 : x + 2, 0])
    assert all((GREY[6, 20, 30] == one).any() for one in voxels)
    # Gaps between the planes are black.
    right = places["zy"]
    assert not found[: right.height, right.x - 2 : right.x, :3].any()


def test_channels_of_a_volume_are_layers_in_colours() -> None:
    values = np.random.default_rng(0).integers(0, 256, (2, 3, 10, 12), np.uint8)
    state, sources, infos = scene(multi=Volume.from_array(values, (4, 4, 4), axes="czyx"))
    assert [(one["channel"], one["color"], one["blend"]) for one in state["layers"]] == [
        (0, "00FFFF", "additive"), (1, "FF00FF", "additive"),
    ]  # fmt: skip
    for name in sources:
        state = view_state.with_layer(state, name, window=[0, 255])
    found = picture.render(state | {"position": [6, 20, 24], "scale": 4}, sources, infos, 12, 10).astype(int)
    np.testing.assert_array_equal(found[..., 0], values[1, 1])
    np.testing.assert_array_equal(found[..., 1], values[0, 1])
    np.testing.assert_array_equal(found[..., 2], np.minimum(255, values[:, 1].astype(int).sum(axis=0)))


def test_a_view_of_a_volume_is_shown_where_it_is() -> None:
    whole = grey()
    state, sources, infos = scene(em=whole[2:9, 10:30, 5])
    assert infos["em"]["levels"][0]["shape"] == [7, 20, 1]
    state = view_state.with_layer(state, "em", window=[0, 255])
    state |= {"layout": "yz", "position": centre((5, 20, 5)), "scale": 4}
    found = picture.render(state, sources, infos, 1, 120)
    assert found[60, 0, 0] == GREY[5, 20, 5]
    # Plane 5 is in the middle, a plane takes ten pixels, and the view begins at plane 2.
    shown = found[..., 0].ravel() != 0
    np.testing.assert_array_equal(np.flatnonzero(shown)[[0, -1]], [25, 94])


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state, sources, infos = scene(em=grey())
    with pytest.raises(BadRequest, match="a picture of 0 × 5 pixels"):
        picture.render(state, sources, infos, 0, 5)
    with pytest.raises(BadRequest, match="at most"):
        picture.render(state, sources, infos, 10_000, 10_000)
    monkeypatch.setattr(picture, "MOST_VOXELS", 100)
    with pytest.raises(TooLarge, match=r"zoom in, or make coarser levels"):
        picture.render(view_state.fitting(state, infos, 64, 64), sources, infos, 64, 64)
