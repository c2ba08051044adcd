"""Views that draw into a set of annotations: rows and paint by whoever draws, undone by the view that did it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndlab
from ndlab import explore
from ndlab.annotations import ROI, Annotations, Segment
from ndlab.errors import BadRequest, Conflict, ReadOnly
from ndlab.explore import settling
from ndlab.explore.annotating import Annotating
from ndlab.explore.draw import Brush
from ndlab.explore.image_widget import ImageView
from ndlab.geometry import Box
from ndlab.volume import Volume

SHAPE, SIZE = (4, 128, 128), (40.0, 4.0, 4.0)
# The middle of voxel (1, 10, 12), and of one far from it.
AT, FAR = [60.0, 42.0, 50.0], [60.0, 422.0, 430.0]


class Page:
    """Stands for the page: hears what the view sends, and speaks."""

    def __init__(self, view: ImageView) -> None:
        self.view = view
        self.heard: list[dict[str, Any]] = []
        view.send = lambda message, buffers=None: self.heard.append(message)

    def say(self, t: str, **message: Any) -> list[dict[str, Any]]:
        before = len(self.heard)
        self.view._handle_custom_msg({"t": t, **message}, [])
        return self.heard[before:]

    def draw(self, kind: str, *points: list[float], **more: Any) -> list[dict[str, Any]]:
        return self.say("draw", kind=kind, points=list(points), **more)

    def stroke(self, number: int, *points: list[float], radius: float = 9.0) -> list[dict[str, Any]]:
        name = next(one for one, kind in self.view.kinds.items() if kind == "labels")
        return self.draw("brush", *points, layer=name, id=str(number), radius=radius, plane="xy")

    def wait(self, kind: str) -> dict[str, Any]:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for message in list(self.heard):
                if message["t"] == kind:
                    return message
            time.sleep(0.01)
        raise AssertionError(f"nothing of kind {kind} in {[one['t'] for one in self.heard]}")


@pytest.fixture
def em(tmp_path: Path) -> Volume:
    values = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
    return ndlab.ingest(values, tmp_path / "brain.zarr", voxel_size=SIZE)


@pytest.fixture
def ann(em: Volume, tmp_path: Path) -> Iterator[Annotations]:
    with Annotations.create(tmp_path / "brain.zarr/annotations/cells", em, labels=True, author="ada") as made:
        yield made


@pytest.fixture
def page(em: Volume, ann: Annotations) -> Iterator[Page]:
    view = explore.image(em, annotations=ann, kinds={"point": "synapse"})
    yield Page(view)
    view.close()


@pytest.fixture
def bob(em: Volume, ann: Annotations) -> Iterator[Page]:
    other = Annotations.open(ann.url, author="bob")
    view = explore.image(em, labels={"cells": ndlab.open(ann.paint.volume.url)}, annotations=other)
    yield Page(view)
    view.close()
    other.close()


def labels(ann: Annotations) -> np.ndarray[Any, Any]:
    """Return what every reader of the volume sees."""
    return ndlab.open(ann.paint.volume.url).read()


# --- rows -----------------------------------------------------------------------------------------------------


def test_what_is_drawn_becomes_rows_of_whoever_draws(page: Page, ann: Annotations) -> None:
    told = page.draw("point", AT)
    one: Any = ann.where(kind="synapse").first()
    assert (one.centroid, one.author, dict(one.keys)) == (tuple(AT), "ada", {"drawn": "point"})
    assert told == [{"t": "drawn", "drawn": [{"id": str(one.id), "kind": "point", "points": (tuple(AT),)}]}]
    page.draw("box", FAR, AT)
    box: Any = ann.where(kind="roi").first()
    assert (box.bounds.start, box.bounds.stop, box.author) == ((60, 42, 50), (60, 422, 430), "ada")
    line = [[60.0, 0.0, 0.0], [60.0, 3.0, 4.0], [60.0, 3.0, 16.0]]
    page.draw("line", *line)
    skeleton: Any = ann.where(kind="skeleton").first()
    assert [list(ann.get(node).location) for node in skeleton.nodes] == line
    assert [one.kind for one in page.view.drawn] == ["point", "box", "line"]
    assert page.view.drawn.frame()["length"].tolist()[::2] == [0, 17]
    assert [(one.operation, one.author) for one in ann.history()] == [("add", "ada")] * 3
    assert "a line of 1 vertices" in page.draw("line", AT)[0]["message"]
    assert ann.version == 3
    assert ann.check().ok


def test_kinds_are_seed_and_roi_unless_said(em: Volume) -> None:
    ann = Annotations.temporary(em)
    view = explore.image(em, annotations=ann)
    page = Page(view)
    page.draw("point", AT)
    page.draw("box", AT, FAR)
    assert ann.counts() == {"seed": 1, "roi": 1}
    view.close()


def test_a_view_shows_what_others_drew_before_and_meanwhile(
    page: Page, bob: Page, ann: Annotations, em: Volume
) -> None:
    page.draw("point", AT)
    later = explore.image(em, annotations=ann)
    assert [(one.kind, one.points) for one in later.drawn] == [("point", (tuple(AT),))]
    later.close()
    assert bob.view.drawn == []
    bob.say("hello")
    assert [one["kind"] for one in bob.wait("drawn")["drawn"]] == ["point"]
    bob.heard.clear()
    bob.draw("box", AT, FAR)
    [synapse] = ann.where(kind="synapse")
    ann.update(synapse.id, centroid=FAR)  # Not by a view at all.
    page.view.look()
    assert [(one.kind, one.points[0]) for one in page.view.drawn] == [("point", tuple(FAR)), ("box", tuple(AT))]
    ann.delete(synapse.id)
    ann.add([ROI(), Segment(keys={"drawn": "by hand"}), ROI(keys={"drawn": "box"})])  # Nothing that could be shown.
    page.view.look()
    assert [one.kind for one in page.view.drawn] == ["box"]
    assert [one["kind"] for one in page.heard[-1]["drawn"]] == ["box"]
    before = len(page.heard)
    page.view.look()
    assert len(page.heard) == before


# --- paint ----------------------------------------------------------------------------------------------------


def test_strokes_are_painted_and_in_the_volume_at_once(page: Page, ann: Annotations) -> None:
    [axon] = ann.add([Segment()])
    told = page.stroke(int(axon), AT)
    assert {one["t"] for one in told} == {"changed"}  # Coarser levels may follow in between.
    painted = labels(ann)
    assert painted[1, 10, 12] == axon
    change = ann.history(limit=1)[0]
    assert (change.operation, change.author, change.volumes) == ("paint", "ada", ("labels",))
    assert len(ann.voxels(axon)) == (painted == axon).sum() > 10
    np.testing.assert_array_equal(ann.paint.read(), painted)
    coarse = ann.paint.volume.levels[1]
    end = time.monotonic() + 20
    while coarse.stale and time.monotonic() < end:
        time.sleep(0.02)
    assert coarse.read()[1, 5, 6] == axon
    told = page.say("undo")
    assert {one["t"] for one in told} == {"changed"}  # Coarser levels may follow in between.
    assert not labels(ann).any()
    assert not page.view.undo()


def test_wiping_takes_away_those_behind_too(page: Page, ann: Annotations) -> None:
    _, behind = ann.add([Segment(), Segment()], voxels=[Box((0, 0, 0), (4, 40, 40)), None])
    ann.paint.write(behind, box=Box((1, 8, 8), (2, 14, 60)), mode="except")
    before = ann.paint.read(), ann.paint.exceptions(), len(ann.voxels(behind))
    page.stroke(0, AT, radius=12.0)
    mask = before[0] != labels(ann)
    assert mask[1, 10, 12]
    assert mask.sum() == (np.hypot(*(np.indices(SHAPE[1:]) - [[[10]], [[12]]])) <= 3).sum()
    assert ann.paint.exceptions() == [one for one in before[1] if not mask[one[0]]]
    assert len(ann.voxels(behind)) < before[2]
    page.say("undo")
    np.testing.assert_array_equal(labels(ann), before[0])
    assert (ann.paint.exceptions(), len(ann.voxels(behind))) == before[1:]
    version = ann.version
    assert any("there is nothing under it" in one.get("message", "") for one in page.stroke(0, FAR))
    assert ann.version == version


Act = tuple[int, tuple[float, float], tuple[float, float], float]
place = st.tuples(st.floats(0, 127), st.floats(0, 127))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 3), place, place, st.floats(0, 60))), max_size=12))
def test_strokes_and_undos_are_those_of_the_brush_over_an_array(acts: list[Act | None]) -> None:
    """None is an undo; the plain brush over an array in memory is what it is held to."""
    blank = Volume.from_array(np.zeros((2, 32, 32), "u8"), SIZE, kind="labels")
    ann = Annotations.temporary(blank)
    paint = ann.attach(blank.like(f"{ann.url}/labels"), background=False)
    pen, brush = Annotating(ann), Brush()
    how: dict[str, Any] = {"plane": "xy", "calibrated": (SIZE, (0.0, 0.0, 0.0))}
    for act in acts:
        if act is None:
            assert pen.undo() == (brush.undo() is not None)
        else:
            number, a, b, radius = act
            points = [(50.0, *a), (50.0, *b)]
            brush.paint(blank, points, number, radius=radius)
            try:
                pen.paint(paint.volume, points, number, radius=radius, **how)
            except BadRequest:  # It changes nothing: no write.
                assert number == 0
                brush.undo()
        np.testing.assert_array_equal(paint.volume.read(), blank.read())
    ann.close()


def test_strokes_over_a_part_of_a_volume_lie_where_they_should(page: Page, em: Volume, ann: Annotations) -> None:
    page.stroke(7, AT)
    whole = labels(ann)
    page.say("undo")
    part = explore.image(em, labels={"part": ndlab.open(ann.paint.volume.url)[1:3, 5:100, 4:120]}, annotations=ann)
    Page(part).stroke(7, AT)
    np.testing.assert_array_equal(labels(ann), whole)
    part.close()


def test_a_view_that_is_closed_leaves_no_level_behind(
    page: Page, ann: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "REST_SECONDS", 60)
    page.stroke(7, AT)
    coarse = ann.paint.volume.levels[1]
    assert coarse.stale
    page.view.close()
    assert not coarse.stale
    assert coarse.read()[1, 5, 6] == 7


# --- undo -----------------------------------------------------------------------------------------------------


def test_a_view_takes_back_its_own_changes_in_reverse_whatever_others_do(
    page: Page, bob: Page, ann: Annotations
) -> None:
    page.draw("point", AT)
    page.stroke(7, AT)
    bob.stroke(8, FAR)
    bob.draw("box", AT, FAR)
    ann.add([Segment()], note="from Python")
    assert page.view.undo()
    assert sorted(np.unique(labels(ann)).tolist()) == [0, 8]
    page.say("undo")
    assert ann.counts() == {"roi": 1, "segment": 1}
    version = ann.version
    page.say("undo")
    assert ann.version == version
    undone = [(one.author, one.undoes) for one in ann.history() if one.undoes]
    assert undone == [("ada", 1), ("ada", 2)]
    bob.say("undo")
    assert ann.counts() == {"segment": 1}
    assert bob.view.drawn == []
    assert ann.history(limit=1)[0].author == "bob"


def test_what_others_built_on_is_not_taken_back_under_them(page: Page, bob: Page, ann: Annotations) -> None:
    page.stroke(7, AT)
    bob.stroke(8, AT, radius=4.0)
    before = labels(ann)
    assert any("written later" in one.get("message", "") for one in page.say("undo"))
    with pytest.raises(Conflict, match="written later"):
        page.view.undo()
    np.testing.assert_array_equal(labels(ann), before)
    bob.say("undo")
    page.say("undo")  # It was not forgotten.
    assert not labels(ann).any()


def test_what_somebody_else_took_back_is_not_taken_back_twice(page: Page, ann: Annotations) -> None:
    page.draw("point", AT)
    page.draw("point", FAR)
    ann.undo()
    page.view.look()
    assert [one.points for one in page.view.drawn] == [(tuple(AT),)]
    assert page.view.undo()
    assert ann.count() == 0
    assert not page.view.undo()


# --- what is refused ------------------------------------------------------------------------------------------


def test_what_cannot_be_drawn_into_is_refused_in_words(em: Volume, ann: Annotations) -> None:
    with pytest.raises(BadRequest, match=r"annotations=list\. what is drawn goes into a set"):
        explore.image(em, annotations=[])
    with pytest.raises(ReadOnly, match=r"as it was earlier\. pass metadata="):
        explore.image(em, annotations=ann.as_of(0))
    with pytest.raises(ReadOnly, match="opened to be read"):
        explore.image(em, annotations=Annotations.open(ann.url, readonly=True))
    with pytest.raises(
        BadRequest, match=r"points as generic\. of the kinds synapse, seed, organelle, node have a place"
    ):
        explore.image(em, annotations=ann, kinds={"point": "generic"})
    with pytest.raises(BadRequest, match="kinds of line"):
        explore.image(em, annotations=ann, kinds={"line": "neuron"})
    with pytest.raises(BadRequest, match="pass annotations=ann, too"):
        explore.image(em, kinds={"point": "seed"})


def test_a_brush_over_labels_of_nobody_is_refused_and_writes_nothing(
    em: Volume, ann: Annotations, tmp_path: Path
) -> None:
    loose = ndlab.ingest(np.zeros(SHAPE, "u4"), tmp_path / "loose.zarr", voxel_size=SIZE, kind="labels")
    view = explore.image(em, labels={"loose": loose}, annotations=ann)
    page = Page(view)
    [told] = page.stroke(7, AT)
    assert "label volumes of that set are 'labels'. ann.attach(volume)" in told["message"]
    assert not loose.read().any()
    assert ann.version == 0
    view.close()


def test_a_stroke_beside_the_volume_is_refused(page: Page, ann: Annotations) -> None:
    assert "nothing of it lies inside" in page.stroke(7, [60.0, -900.0, 50.0])[0]["message"]
    assert ann.version == 0


def test_a_project_draws_into_annotations_too(page: Page, em: Volume, ann: Annotations, tmp_path: Path) -> None:
    path = page.view.save(tmp_path / "project.json")
    view = explore.project(path, annotations=ann, kinds={"point": "node"})
    again = Page(view)
    again.draw("point", AT)
    again.stroke(5, FAR)
    assert (ann.count("node"), labels(ann)[1, 105, 107]) == (1, 5)
    [facts] = again.say("pick", layer="labels", id=str(ann.where(kind="node").ids()[0]))
    assert facts["values"]["kind"] == "node"
    view.close()
