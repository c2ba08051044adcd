"""Drawings as a table in nm; strokes that cover what they should and are undone to the voxel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, OutOfBounds, TooLarge
from ndlab.explore import draw
from ndlab.explore.draw import Brush, Drawn, drawing
from ndlab.explore.view_state import AXES
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

SHAPE, SIZE, OFFSET = (5, 30, 40), (40.0, 4.0, 8.0), (100.0, -20.0, 3.0)


def labels(**more: Any) -> Volume:
    values = (np.indices(SHAPE).sum(axis=0) // 7).astype(np.uint64)
    return Volume.from_array(values, SIZE, offset=OFFSET, **({"kind": "labels"} | more))


inside = st.tuples(*(st.floats(o, o + n * s - 1e-6) for o, n, s in zip(OFFSET, SHAPE, SIZE, strict=True)))


@given(st.lists(inside, min_size=1, max_size=4), st.floats(0, 40), st.sampled_from(["xy", "xz", "yz", "zy"]))
def test_a_stroke_covers_the_voxels_within_its_radius(
    points: list[tuple[float, float, float]], radius: float, plane: str
) -> None:
    volume, before = labels(), labels().read()
    column, row, depth = AXES[plane]
    depths = [points[0][depth]] * len(points)
    points = [tuple(depths[0] if i == depth else v for i, v in enumerate(p)) for p in points]  # type: ignore[misc]
    Brush().paint(volume, points, 999, radius=radius, plane=plane)
    reach = max(radius, SIZE[row] / 2, SIZE[column] / 2)
    centres = np.moveaxis(np.indices(SHAPE), 0, -1) + 0.5
    at = centres * SIZE + OFFSET
    level = int((depths[0] - OFFSET[depth]) // SIZE[depth])
    line = [np.array(p)[[row, column]] for p in points]
    distance = np.full(SHAPE, np.inf)
    for a, b in zip(line, line[1:] or line, strict=False):
        ab, ap = b - a, at[..., [row, column]] - a
        along = np.clip((ap @ ab) / (ab @ ab), 0, 1) if ab @ ab else np.zeros(SHAPE)
        distance = np.minimum(distance, np.linalg.norm(ap - along[..., None] * ab, axis=-1))
    in_plane = np.indices(SHAPE)[depth] == level
    painted = volume.read() == 999
    sure = np.abs(distance - reach) > 1e-6
    under = np.zeros(SHAPE, bool)
    for p in points:
        under[tuple(int((v - o) // s) for v, o, s in zip(p, OFFSET, SIZE, strict=True))] = True
    np.testing.assert_array_equal(painted[sure], (((distance <= reach) | under) & in_plane)[sure])
    np.testing.assert_array_equal(volume.read()[~painted], before[~painted])


def test_strokes_are_taken_back_to_the_voxel_in_reverse_order() -> None:
    volume, brush = labels(), Brush()
    states = [volume.read()]
    for number in (700, 0, 900):  # 0 wipes.
        brush.paint(volume, [(150, 10, 20), (150, 80, 300)], number, radius=9)
        states.append(volume.read())
    assert (states[2][states[1] == 700] == 0).all()
    for state in states[-2::-1]:
        assert brush.undo() is not None
        np.testing.assert_array_equal(volume.read(), state)
    assert brush.undo() is None


def test_what_undoing_takes_is_bounded() -> None:
    volume, brush = labels(), Brush(most_bytes=3000)
    for _ in range(20):
        stroke = brush.paint(volume, [(150, 10, 20), (150, 40, 120)], 7, radius=9)
    assert 1 <= len(brush) <= 3000 // stroke.nbytes + 1
    assert len(Brush(most_bytes=0)) == 0


def test_a_stroke_reaches_a_store_and_leaves_to_others_what_they_write(tmp_path: Path) -> None:
    made = labels().like(tmp_path / "cells.zarr", dtype="uint64", kind="labels")
    version = made.version
    stroke = Brush().paint(made, [(150, 10, 20)], 2**63 + 1, radius=12)
    again = open_volume(tmp_path / "cells.zarr")
    assert again.version > version
    assert int((again.read() == np.uint64(2**63 + 1)).sum()) == int(stroke.mask.sum()) > 4


def test_strokes_over_a_part_of_a_volume_lie_where_they_should() -> None:
    whole, part = labels(), labels()
    Brush().paint(whole, [(150, 30, 100)], 77, radius=10)
    Brush().paint(part[1:4, 5:25, 10:30], [(150, 30, 100)], 77, radius=10)
    np.testing.assert_array_equal(part.read(), whole.read())


def test_what_cannot_be_painted_is_refused_before_a_voxel_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    brush, volume = Brush(), labels()
    with pytest.raises(BadRequest, match="a brush paints ids into labels"):
        brush.paint(labels(kind="image"), [(150, 10, 20)], 7, radius=9)
    small = Volume.from_array(np.zeros(SHAPE, "u1"), SIZE, kind="labels")
    with pytest.raises(BadRequest, match=r"id 256 in uint8. the largest is 255"):
        brush.paint(small, [(150, 10, 20)], 256, radius=9)
    with pytest.raises(BadRequest, match="nothing of it lies inside"):
        brush.paint(volume, [(150, -900, 20)], 7, radius=9)
    with pytest.raises(BadRequest, match="radius -1 nm"):
        brush.paint(volume, [(150, 10, 20)], 7, radius=-1)
    with pytest.raises(BadRequest, match="in plane 'zx'"):
        brush.paint(volume, [(150, 10, 20)], 7, radius=1, plane="zx")
    with pytest.raises(BadRequest, match="three numbers"):
        brush.paint(volume, [(150, 10)], 7, radius=1)
    monkeypatch.setattr(draw, "MOST_STROKE_VOXELS", 100)
    with pytest.raises(TooLarge, match="paint shorter strokes"):
        brush.paint(volume, [(150, 10, 20), (150, 80, 300)], 7, radius=1)
    times = Volume.from_array(np.zeros((2, *SHAPE), "u1"), SIZE, axes="tzyx", kind="labels")
    with pytest.raises(OutOfBounds):
        brush.paint(times, [(1, 1, 1)], 7, radius=1, t=2)
    np.testing.assert_array_equal(volume.read(), labels().read())
    assert brush.undo() is None


def test_drawings_as_a_table_in_nm() -> None:
    drawn = Drawn()
    for message in (
        {"kind": "point", "points": [[1, 2, 3]]},
        {"kind": "line", "points": [[0, 0, 0], [0, 3, 4], [12, 3, 4]]},
        {"kind": "box", "points": [[10, 0, 30], [0, 20, 0]]},
    ):
        drawn.append(drawing(message, drawn.next_id()))
    table = drawn.frame()
    assert table["id"].tolist() == [1, 2, 3]
    assert table["kind"].tolist() == ["point", "line", "box"]
    assert table[["z", "y", "x"]].to_numpy().tolist() == [[1, 2, 3], [6, 1.5, 2], [5, 10, 15]]
    assert table[["z0", "y0", "x0", "z1", "y1", "x1"]].to_numpy()[2].tolist() == [0, 0, 0, 10, 20, 30]
    assert table["length"].tolist()[:2] == [0, 17]
    assert table.loc[1, "points"] == [(0, 0, 0), (0, 3, 4), (12, 3, 4)]
    assert Drawn().frame().empty


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"kind": "circle", "points": []}, "there are point, line, box and brush"),
        ({"kind": "line", "points": [[1, 2, 3]]}, "a line of 1 vertices. it has 2 to"),
        ({"kind": "point", "points": None}, "a point of 0 vertices"),
        ({"kind": "point", "points": [[1, 2]]}, "three numbers"),
    ],
)
def test_drawings_that_are_none(message: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        drawing(message)
    assert said in str(caught.value)
