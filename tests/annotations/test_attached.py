"""Label volumes that belong to a set: attaching, moving, one history with the objects; R46, R48-R53."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndlab
from ndlab.annotations import Annotations, Neuron, Organelle, Segment, Synapse
from ndlab.annotations.paint import Paint
from ndlab.errors import BadRequest, Conflict, NdlabError, NotFound, OutOfBounds, ReadOnly
from ndlab.geometry import Box
from ndlab.volume import Volume
from tests.annotations.model import SHAPE, new_labels, sphere


@pytest.fixture
def ann(tmp_path: Path) -> Any:
    volume = new_labels(tmp_path / "brain.zarr" / "labels" / "cells")
    with Annotations.create(tmp_path / "brain.zarr" / "annotations" / "cells", volume, author="ada") as made:
        made.attach(volume, background=False)
        yield made


def opened(ann: Annotations, **options: Any) -> Annotations:
    return Annotations.open(ann.url, **options)


# --- attaching ----------------------------------------------------------------------------------------------------


def test_a_set_gives_its_volumes_again(ann: Annotations) -> None:
    paint = ann.paint
    assert paint is ann.paints["labels"]
    assert (list(ann.paints), len(ann.paints)) == (["labels"], 1)
    assert "labels" in ann.paints
    assert "other" not in ann.paints
    paint.write(3, sphere((5, 5, 5), 2))
    with opened(ann) as again:
        assert again.paint.size(3) == len(sphere((5, 5, 5), 2))
        assert not again.paint._options["background"]
    with pytest.raises(NotFound, match=r"'other'.*\['labels'\].*ann.attach"):
        ann.paints["other"]


def test_a_set_and_its_paint_travel_to_other_processes(ann: Annotations) -> None:
    ann.add([Segment(id=1)], voxels=[[(1, 1, 1)]])
    paint, again, then = pickle.loads(pickle.dumps((ann.paint, ann, ann.as_of(0))))
    assert paint.write(2, [(2, 2, 2)]) == 2
    assert again.add([Segment(id=3)], voxels=[[(3, 3, 3)]]).tolist() == [3]
    assert (ann.paint.ids(), again.paint.ids(), then.paint.ids(), ann.version) == ([1, 2, 3], [1, 2, 3], [], 3)
    for one in (paint, again, then):
        one.close()


def test_without_a_volume_the_error_says_how_to_attach_one() -> None:
    ann = Annotations.temporary()
    for asked in (lambda: ann.paint, lambda: ann.add([Segment()], voxels=[[(0, 0, 0)]]), lambda: ann.voxels(1)):
        with pytest.raises(NotFound, match=r"no label volume belongs to it.*ann.attach\(labels\)"):
            asked()
    assert ann.version == 0
    ann.close()


def test_several_volumes_by_name(tmp_path: Path, ann: Annotations) -> None:
    other = ann.attach(new_labels(tmp_path / "far" / "away"), "away", tmp_path / "journal", background=False)
    assert list(ann.paints) == ["labels", "away"]
    assert ann.paint is ann.paints["labels"]
    ids = ann.add([Segment(), Segment()], voxels=[None, [(1, 1, 1)]], volume="away")
    assert (other.ids(), ann.paint.ids()) == ([ids[1]], [])
    assert ann.history(limit=1)[0].volumes == ("away",)
    rows = {one.name: (one.url, one.folder) for one in ann._ledger.volumes()}
    assert rows["labels"] == ("../../labels/cells", "../../labels/cells/.ndlab/paint")
    assert rows["away"] == (str(tmp_path / "far" / "away"), str(tmp_path / "journal"))


def test_a_store_is_moved_as_a_whole(tmp_path: Path, ann: Annotations) -> None:
    ann.add([Segment(id=4)], voxels=[sphere((5, 5, 5), 2)])
    ann.close()
    shutil.move(tmp_path / "brain.zarr", tmp_path / "moved.zarr")
    with Annotations.open(tmp_path / "moved.zarr" / "annotations" / "cells") as moved:
        assert moved.paint.ids() == [4]
        moved.delete(4)
        moved.undo()
        assert moved.paint.ids() == [4]
    with Paint(tmp_path / "moved.zarr" / "labels" / "cells", background=False) as alone:
        assert alone.ids() == [4]  # which asked the set beside it


def test_attaching_again_changes_options_and_other_volumes_are_refused(tmp_path: Path, ann: Annotations) -> None:
    where = tmp_path / "brain.zarr" / "labels" / "cells"
    assert ann.attach(where, background=False, history_bytes=5)._merger.history_bytes == 5
    assert len(ann.paints) == 1
    with opened(ann) as again:
        assert again.paint._merger.history_bytes == 5
    with pytest.raises(Conflict, match=r"belongs to it as 'labels'.*ann.paints\['labels'\]"):
        ann.attach(where, "twice")
    with pytest.raises(Conflict, match="belongs to it as 'labels'"):
        ann.attach(new_labels(tmp_path / "other"), "labels")
    with pytest.raises(BadRequest, match=r"attached with colour. options are background"):
        ann.attach(new_labels(tmp_path / "third"), "third", colour="red")
    with pytest.raises(BadRequest, match="a name is a text"):
        ann.attach(new_labels(tmp_path / "fourth"), "")
    assert list(ann.paints) == ["labels"]


def test_a_volume_belongs_to_one_set(tmp_path: Path, ann: Annotations) -> None:
    where = tmp_path / "brain.zarr" / "labels" / "cells"
    with Annotations.create(tmp_path / "thief") as thief:
        with pytest.raises(Conflict, match=r"it belongs to those at .*annotations/cells.*open them"):
            thief.attach(where)
        assert not thief.paints
    # A copy of the set alone, whose answers about halves that are under way would be wrong.
    shutil.copytree(ann.url, tmp_path / "brain.zarr" / "annotations" / "copy")
    with Annotations.open(tmp_path / "brain.zarr" / "annotations" / "copy") as copy:
        with pytest.raises(Conflict, match="it belongs to those at"):
            copy.paint.read()
        with pytest.warns(UserWarning, match="the volume 'labels' of .*copy cannot be reached"):
            copy.add([Segment()])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # said once
            copy.add([Segment()])


def test_a_set_is_the_same_by_another_path(tmp_path: Path) -> None:
    with Annotations.create(tmp_path / "here" / "set") as ann:
        ann.attach(new_labels(tmp_path / "there" / "labels"), background=False)
    (tmp_path / "link").symlink_to(tmp_path / "here")
    with Annotations.open(tmp_path / "link" / "set") as again:
        again.add([Segment(id=3)], voxels=[[(1, 1, 1)]])
        assert again.paint.ids() == [3]


def test_detached_volumes_keep_what_was_painted(tmp_path: Path, ann: Annotations) -> None:
    where = tmp_path / "brain.zarr" / "labels" / "cells"
    ann.add([Segment(id=4)], voxels=[sphere((5, 5, 5), 2)])
    ann.detach("labels")
    assert not ann.paints
    assert np.unique(ndlab.open(where).read()).tolist() == [0, 4]
    with pytest.raises(Conflict, match="'labels', which has been detached"):
        ann.undo()
    with Annotations.create(tmp_path / "next") as other:
        assert other.attach(where, background=False).ids() == [4]
        assert other.add([Segment()]).tolist() == [5]  # 4 is in use


def test_created_with_labels_beside_it(tmp_path: Path) -> None:
    image = Volume.from_array(np.zeros((16, 64, 64), "u1"), (40, 4, 4), offset=(0, 8, 8)).like(tmp_path / "brain.zarr")
    for name in ("synapses", "cells"):
        with Annotations.create(tmp_path / "brain.zarr" / "annotations" / name, image, labels=True) as ann:
            ann.add([Synapse(id=3)], voxels=[Box((0, 0, 0), (2, 2, 2))])
            ann.paint.flush()
    labels = ndlab.open(tmp_path / "brain.zarr" / "labels" / "cells")
    assert isinstance(labels, Volume)
    assert (labels.kind, labels.shape, labels.voxel_size) == ("labels", image.shape, (40, 4, 4))
    assert labels.offset == image.offset
    assert (labels.read() == 3).sum() == 8
    listed = json.loads((tmp_path / "brain.zarr" / "labels" / "zarr.json").read_text())
    assert listed["attributes"]["ome"]["labels"] == ["cells", "synapses"]
    with Annotations.create(tmp_path / "alone", image, labels=True) as ann:
        assert Path(ann.paint.volume.url) == tmp_path / "alone" / "labels"
    with pytest.raises(Conflict, match=r"something is there. pass labels="):
        Annotations.create(tmp_path / "brain.zarr" / "annotations" / "cells", image, labels=True, overwrite=True)
    with pytest.raises(BadRequest, match="labels=True with space=None"):
        Annotations.create(tmp_path / "nowhere", labels=True)
    assert not (tmp_path / "nowhere").exists()


def test_a_set_that_is_overwritten_leaves_its_labels(tmp_path: Path, ann: Annotations) -> None:
    where = tmp_path / "brain.zarr" / "labels" / "cells"
    ann.add([Segment(id=4)], voxels=[sphere((5, 5, 5), 2)])
    ann.close()
    with Annotations.create(ann.url, overwrite=True, labels=where) as fresh:
        assert (fresh.count(), fresh.paint.ids(), fresh.version) == (0, [4], 0)


# --- one history --------------------------------------------------------------------------------------------------


def test_one_history_of_objects_and_strokes(ann: Annotations) -> None:
    ball = sphere((5, 5, 5), 2)
    ann.add([Segment(id=1)], "first", voxels=[ball])
    numbers = [
        ann.paint.write(1, [(9, 9, 9)], note="a dot"),
        ann.paint.write_labels(Box((0, 0, 0), (1, 1, 2)), np.array([[[7, 8]]])),
        ann.paint.shave(1, [(9, 9, 9)]),
        ann.paint.merge([7, 8]),
        ann.paint.delete([7]),
    ]
    ann.update(1, status=1)
    assert numbers == [2, 3, 4, 5, 6]
    told = [(one.number, one.operation, one.objects, one.voxels, one.note, one.volumes) for one in ann.history()]
    mine = ("labels",)
    assert told == [
        (7, "update", 1, 0, "", ()), (6, "relabel", 1, 0, "", mine), (5, "relabel", 1, 0, "", mine),
        (4, "shave", 1, 1, "", mine), (3, "paint", 2, 2, "", mine), (2, "paint", 1, 1, "a dot", mine),
        (1, "add", 1, len(ball), "first", mine),
    ]  # fmt: skip
    assert {one.author for one in ann.history()} == {"ada"}
    assert [one.number for one in ann.paint.history()] == [6, 5, 4, 3, 2, 1]
    assert ann.paint.history(1)[0].note == ""
    with opened(ann, author="bob") as bob:
        bob.paint.write(2, [(3, 3, 3)])
        assert [one.author for one in bob.history(limit=2)] == ["bob", "ada"]
        assert bob.undo(author="ada").number == 7  # type: ignore[union-attr]
        assert bob.undo(1).number == 1  # type: ignore[union-attr]
        assert bob.paint.history()[-1].undone == bob.version
        with pytest.raises(BadRequest, match=r"alone.*ann.undo\(\) takes back the last change of all"):
            bob.paint.undo()


def test_undo_of_one_is_refused_where_its_voxels_were_written_later(ann: Annotations) -> None:
    one = ann.paint.write(1, filled((0, 0, 0), (2, 2, 2)))
    ann.add([Segment(id=2)], voxels=[[(1, 1, 1), (9, 9, 9)]])
    with pytest.raises(Conflict, match=r"transaction 1 .* in the volume 'labels', 1 of its voxels .* \(1, 1, 1\)"):
        ann.undo(one)
    assert ann.version == 2
    ann.undo(2)
    assert ann.undo(one) is not None
    assert ann.paint.ids() == []


def filled(start: Any, stop: Any) -> Any:
    return np.argwhere(np.ones(np.subtract(stop, start))) + start


@pytest.mark.parametrize("merged", [False, True])
def test_an_earlier_state_has_its_paint(ann: Annotations, merged: bool) -> None:
    when = []
    for n, ball in enumerate([sphere((5, 5, 5), 3), sphere((5, 8, 5), 3), sphere((5, 8, 8), 3)], 1):
        ann.add([Segment(id=n)], voxels=[ball], mode="except")
        when.append(datetime.now(UTC))
        if merged:
            ann.paint.flush()
    ann.merge([1, 2, 3])
    then = ann.as_of(2)
    assert then.paint.ids() == [1, 2]
    assert then.paint.size(2) == len(then.voxels(2)) == len(sphere((5, 8, 5), 3))
    assert then.paint.exceptions()
    assert then.within(Box((0, 0, 0), SHAPE), by="paint").ids().tolist() == [1, 2]
    box, cut = ann.as_of(when[0]).cutout(1)
    assert ((cut > 0).sum(), box) == (len(sphere((5, 5, 5), 3)), ann.as_of(1).bounding_box(1))
    assert ann.as_of(0).paint.ids() == []
    with pytest.raises(AttributeError):
        then.paint.write(1, [(0, 0, 0)])
    with pytest.raises(ReadOnly, match="an earlier state is only read"):
        then.delete(1)
    then.close()
    assert ann.paint.ids() == [1]


def test_what_is_no_longer_kept_is_said(tmp_path: Path, ann: Annotations) -> None:
    ann.attach(tmp_path / "brain.zarr" / "labels" / "cells", background=False, history_bytes=1)
    for n in range(1, 5):
        ann.add([Segment(id=n)], voxels=[sphere((5, 5 * n, 5), 2)])
        ann.paint.flush()
    assert ann.as_of(3).paint.ids() == [1, 2, 3]
    assert ann.as_of(1).count() == 1
    calls: list[Callable[[Any], Any]] = [
        lambda p: p.ids(), lambda p: p.read(), lambda p: p.voxels(1), lambda p: p.exceptions(),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(NotFound, match=r"'labels' of .* as of transaction 1. .*no longer kept.*history_bytes"):
            call(ann.as_of(1).paint)
    with pytest.raises(Conflict, match=r"transaction 2 was to be taken back.*the past is kept from"):
        ann.undo(2)
    assert ann.paint.ids() == [1, 2, 3, 4]
    assert ann.undo() is not None


def test_before_it_was_attached_a_volume_is_not_there(tmp_path: Path, ann: Annotations) -> None:
    volume = new_labels(tmp_path / "old")
    volume.write(Box((0, 0, 0), (2, 2, 2)), np.full((2, 2, 2), 70))
    with Paint(volume, background=False) as paint:
        paint.write(71, [(5, 5, 5)])
    ann.add([Segment()])
    old = ann.attach(volume, "old", background=False)
    assert ann.add([Segment()]).tolist() == [72]  # ids that are painted are in use
    assert list(ann.as_of(0).paints) == ["labels"]
    assert ann.as_of(1).paints["old"].ids() == old.ids() == [70, 71]
    assert [one.number for one in old.history()] == []
    old.write(90, [(0, 0, 0)])
    assert ann.reserve(2) == range(91, 93)


def test_strokes_of_who_opened_the_labels_alone_are_of_the_history(tmp_path: Path, ann: Annotations) -> None:
    with Paint(tmp_path / "brain.zarr" / "labels" / "cells", author="eve", background=False) as alone:
        alone.write(5, [(1, 1, 1)], note="outside")
        alone.flush()
        ann.add([Segment(id=6)], voxels=[[(2, 2, 2)]])
        alone.write(7, [(3, 3, 3)])
        assert alone.ids() == [5, 6, 7]
        with pytest.raises(BadRequest, match=r"it belongs to the annotations at .*undo there"):
            alone.undo()
    assert [(one.author, one.note, one.operation) for one in ann.history()] == [
        ("eve", "", "paint"), ("ada", "", "add"), ("eve", "outside", "paint"),
    ]  # fmt: skip
    ann.undo(1)
    assert ann.paint.ids() == [6, 7]


# --- both halves at once ------------------------------------------------------------------------------------------


def test_r46_metadata_alone_paint_alone_both_and_reduce(ann: Annotations) -> None:
    ball = sphere((8, 20, 18), 4)
    (one,) = ann.add([Segment()], voxels=[ball]).tolist()
    ann.update(one, status="locked")
    assert np.array_equal(ann.voxels(one), ball[np.lexsort(ball.T[::-1])])
    row = ann.get(one)
    ann.paint.write(one, [(0, 0, 0)])  # dataonly
    assert ann.get(one) == row
    ann.update(one, voxels=[ball[:50]], mode="reduce")
    assert ann.paint.size(one) == len(ball) + 1 - 50
    assert ann.update([ann.get(one)], voxels={one: Box((0, 0, 1), (1, 1, 3))}) == 1
    assert ann.update(one, voxels=[(Box((1, 0, 0), (2, 1, 2)), [[[True, False]]])], keys={"seen": True}) == 1
    assert ann.get(one).keys == {"seen": True}
    assert ann.paint.size(one) == len(ball) + 1 - 50 + 2 + 1
    for _ in range(3):
        ann.undo()
    assert ann.paint.size(one) == len(ball) + 1


def test_thousands_with_their_voxels_at_once(ann: Annotations) -> None:
    rng = np.random.default_rng(0)
    balls = [sphere(at, 1) for at in rng.integers(0, SHAPE, (3000, 3))]
    ids = ann.add([Synapse() for _ in balls], voxels=balls, mode="except")
    assert ids.tolist() == list(range(1, 3001))
    expected: dict[Any, list[int]] = {}
    for one, ball in zip(ids.tolist(), balls, strict=True):
        for v in map(tuple, ball.tolist()):
            expected.setdefault(v, []).append(one)
    labels = np.zeros(SHAPE, "u8")
    for v, several in expected.items():
        labels[v] = several[0]
    assert np.array_equal(ann.paint.read(), labels)
    assert ann.paint.exceptions() == sorted((v, tuple(i[1:])) for v, i in expected.items() if len(i) > 1)
    assert ann.delete(ann.where(kind="synapse")) == 3000
    assert (ann.paint.ids(), ann.paint.exceptions()) == ([], [])
    ann.undo()
    assert np.array_equal(ann.paint.read(), labels)
    assert ann.paint.journal.flushes == 3


@pytest.mark.parametrize(
    ("voxels", "error", "words"),
    [
        ([[(0, 0, 0)]], BadRequest, "2 objects and 1 shapes"),
        ({9: [(0, 0, 0)]}, BadRequest, r"voxels of \[9\]"),
        ([[(0, 0, 99)], None], OutOfBounds, "span"),
        ([[(0.5, 0, 0)], None], BadRequest, "whole numbers"),
        ([Box((0, 0, 0), (99, 1, 1)), None], OutOfBounds, "99"),
        ([(Box((0, 0, 0), (1, 1, 1)), [[1]]), None], BadRequest, "cut-out of shape"),
    ],
)
def test_what_is_refused_is_written_in_neither_half(ann: Annotations, voxels: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        ann.add([Segment(), Segment()], voxels=voxels)
    with pytest.raises(BadRequest, match="modes are"):
        ann.add([Segment()], voxels=[[(0, 0, 0)]], mode="over")
    ann.add([Segment(id=5)])
    with pytest.raises(Conflict, match="are taken"):
        ann.add([Segment(id=5)], voxels=[[(0, 0, 0)]])
    assert (ann.count(), ann.paint.ids(), ann.version) == (1, [], 1)


def test_r48_r49_all_levels_index_and_metadata(ann: Annotations) -> None:
    a, b, c = sphere((5, 10, 10), 4), sphere((12, 30, 25), 4), sphere((5, 30, 10), 3)
    ann.add([Segment(id=i, keys={"n": i}) for i in (1, 2, 3)], voxels=[a, b, c])
    ann.paint.flush()
    ann.merge([1, 2])
    ann.delete(3)
    ann.paint.flush()
    assert (len(ann.paint.voxels(1)), ann.paint.ids()) == (len(a) + len(b), [1])
    for level in ann.paint.volume.levels:
        assert np.unique(level.read()).tolist() == [0, 1]
    assert (ann.count(), ann.paint.check()) == (1, [])
    for gone in (2, 3):
        with pytest.raises(NotFound, match="are not there"):
            ann.get(gone)
        with pytest.raises(NotFound, match="no voxels"):
            ann.bounding_box(gone)


def test_what_has_voxels_and_no_row_is_merged_and_deleted_too(ann: Annotations) -> None:
    ann.paint.write_many([5, 6, 7], [[(0, 0, i)] for i in range(3)])
    assert ann.merge([5, 6]) == 5
    assert ann.paint.size(5) == 2
    ann.add([Segment(id=8)])
    with pytest.raises(NotFound, match=r"object 5.*it has voxels, and no row.*ann.add"):
        ann.merge([5, 8])
    assert ann.merge([8, 5]) == 8
    assert (ann.paint.size(8), ann.delete([8, 7]), ann.paint.ids()) == (2, 2, [])
    with pytest.raises(NotFound, match="are not there: 7"):
        ann.delete([7])


def test_r52_a_neuron_is_the_union_of_its_segments(ann: Annotations) -> None:
    (cell,) = ann.add([Neuron()]).tolist()
    balls = [sphere((5 + 3 * n, 10 + 5 * n, 15), 4) for n in range(3)]
    parts = ann.add([Segment(neuron=cell) for _ in balls], voxels=balls, mode="except").tolist()
    ann.add([Segment(), Organelle(segment=parts[0])], voxels=[sphere((15, 35, 30), 2), sphere((2, 30, 3), 1)])
    ann.paint.write(cell, [(19, 39, 35)])
    expected = {tuple(v) for ball in balls for v in ball.tolist()} | {(19, 39, 35)}
    assert ann.parts(cell) == (cell, *parts)
    assert [tuple(v) for v in ann.voxels(cell).tolist()] == sorted(expected)
    box, cut = ann.cutout(cell)
    assert box == ann.bounding_box(cell)
    assert set(np.unique(cut).tolist()) == {0, cell}
    assert {tuple(v) for v in (np.argwhere(cut) + box.start).tolist()} == expected
    part = Box((4, 10, 12), (12, 30, 20))
    inside = {v for v in expected if all(a <= c < b for a, b, c in zip(part.start, part.stop, v, strict=True))}
    assert {tuple(v) for v in (np.argwhere(ann.cutout(cell, part)[1]) + part.start).tolist()} == inside
    ann.update(parts[0], neuron=0)
    assert len(ann.voxels(cell)) < len(expected)
    assert len(ann.as_of(ann.version - 1).voxels(cell)) == len(expected)
    with pytest.raises(NotFound, match="has no voxels"):
        ann.bounding_box(ann.add([Neuron()])[0])


def test_r53_objects_in_a_box_by_their_voxels(ann: Annotations) -> None:
    rng = np.random.default_rng(1)
    balls = [sphere(at, 3) for at in rng.integers(0, SHAPE, (200, 3))]
    ids = ann.add([Segment(confidence=n / 200) for n in range(200)], voxels=balls)
    labels = ann.paint.read()
    for box in (Box((0, 0, 0), (4, 9, 9)), Box((5, 5, 5), (6, 6, 6)), Box((0, 0, 0), SHAPE), Box((3, 3, 3), (3, 9, 9))):
        expected = sorted(set(np.unique(labels[box.slices]).tolist()) - {0})
        assert ann.within(box, by="paint").ids().tolist() == expected
        sure = ann.where(confidence__gt=0.5).within(box, by="paint")
        assert sure.ids().tolist() == [i for i in expected if i > ids[100]]
        assert sure.count() == len(sure.to_pandas())
    with pytest.raises(BadRequest, match="a box of voxels of level 0"):
        ann.within(Box.nm((0, 0, 0), (9, 9, 9)), by="paint")


# --- what cannot be written or reached ----------------------------------------------------------------------------


def test_a_set_that_is_only_read_is_not_painted(ann: Annotations) -> None:
    ann.add([Segment()], voxels=[[(1, 1, 1)]])
    with opened(ann, readonly=True) as still:
        assert (still.paint.ids(), still.version, still.as_of(0).paint.ids()) == ([1], 1, [])
        calls: list[Callable[[], Any]] = [
            lambda: still.paint.write(1, [(0, 0, 0)]), lambda: still.paint.delete(1), lambda: still.undo(),
            lambda: still.add([Segment()], voxels=[[(0, 0, 0)]]), lambda: still.attach(ann.paint.volume),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises((ReadOnly, BadRequest), match=r"cannot be written|readonly"):
                call()
    assert ann.version == 1


def test_a_volume_that_is_gone_is_named_and_objects_go_on(tmp_path: Path, ann: Annotations) -> None:
    ann.add([Segment(id=1)], voxels=[[(1, 1, 1)]])
    ann.close()
    shutil.move(tmp_path / "brain.zarr" / "labels", tmp_path / "elsewhere")
    with opened(ann) as without:
        with pytest.warns(UserWarning, match="the volume 'labels' of .* cannot be reached"):
            without.add([Segment()])
        assert without.count() == 2
        for call in (lambda: without.delete(1), lambda: without.paint, lambda: without.undo(1)):
            with pytest.raises(NdlabError, match="labels/cells"):
                call()
        assert without.undo() is not None  # which was of objects alone
    shutil.move(tmp_path / "elsewhere", tmp_path / "brain.zarr" / "labels")
    with opened(ann) as back:
        back.delete(1)
        assert back.paint.ids() == []


def test_a_volume_that_is_only_read_does_not_stop_the_others(tmp_path: Path, ann: Annotations) -> None:
    other = ann.attach(new_labels(tmp_path / "still"), "still", background=False)
    ann.add([Segment(id=1)], voxels=[[(1, 1, 1)]], volume="still")
    other.journal.writable = False  # as of a disk that is mounted read-only
    ann.add([Segment(id=2)], voxels=[[(2, 2, 2)]])
    ann.delete(2)
    for call in (lambda: ann.delete(1), lambda: ann.undo(1), lambda: other.write(1, [(0, 0, 0)])):
        with pytest.raises(ReadOnly, match=r"still.* cannot be written"):
            call()
    assert (ann.paint.ids(), other.ids(), [one.id for one in ann], ann.version) == ([], [1], [1], 3)
