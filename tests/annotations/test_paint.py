"""Paint: conflict modes, reading back, the index, undo, against a plain model; R45-R52, R64."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ndlab.annotations.index import Index
from ndlab.annotations.overlay import Moment
from ndlab.annotations.paint import Paint
from ndlab.errors import BadRequest, Conflict, NdlabError, NotFound, OutOfBounds, TooLarge, Unsupported
from ndlab.geometry import Box
from ndlab.store.downsample import downsample
from ndlab.volume import Volume
from tests.annotations.model import CHUNK, SHAPE, Model, new_labels, same, sphere


def opened(folder: Path, **options: Any) -> Paint:
    path = folder / "labels"
    volume = path if path.exists() else new_labels(path)
    return Paint(volume, folder / "paint", background=False, **options)


@pytest.mark.parametrize("merged", [False, True])
def test_two_overlapping_cubes_r45(tmp_path: Path, merged: bool) -> None:
    first, second = Box((0, 0, 0), (4, 10, 20)), Box((2, 5, 10), (8, 20, 30))
    common = (first & second).size
    for mode, mine, theirs in [("overwrite", 2, 0), ("preserve", 1, 0), ("except", 1, common)]:
        folder = tmp_path / mode
        with opened(folder) as paint:
            paint.write(1, box=first)
            if merged:
                paint.flush()
            paint.write(2, box=second, mode=mode)
            if merged:
                paint.flush()
            assert np.unique(paint.read(first & second)).tolist() == [mine]
            listed = paint.exceptions()
            assert len(listed) == theirs
            assert all(ids == (2,) and Box(v, [a + 1 for a in v]) in first for v, ids in listed)
            assert paint.size(2) == second.size - (0 if mode != "preserve" else common)


def test_shave_removes_exactly_what_is_listed_r46(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        ball, other = sphere((8, 20, 18), 5), sphere((8, 25, 18), 5)
        paint.write(1, ball)
        paint.write(2, other, mode="preserve")
        before = paint.voxels(2)
        gone = np.concatenate([ball[::3], other])
        paint.shave(1, gone)
        left = {tuple(v) for v in ball.tolist()} - {tuple(v) for v in gone.tolist()}
        assert {tuple(v) for v in paint.voxels(1).tolist()} == left
        assert np.array_equal(paint.voxels(2), before)
        paint.flush()
        assert {tuple(v) for v in paint.voxels(1).tolist()} == left


def test_a_shaved_voxel_goes_to_the_exception_that_came_first(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        for one in (5, 9, 3):
            paint.write(one, [(1, 1, 1)], mode="except")
        paint.flush()
        assert paint.exceptions() == [((1, 1, 1), (9, 3))]
        paint.shave(5, [(1, 1, 1), (1, 1, 1)])
        assert (paint.read()[1, 1, 1], paint.exceptions()) == (9, [((1, 1, 1), (3,))])


def test_merged_objects_are_one_at_all_levels_r48(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        a, b = sphere((5, 10, 10), 4), sphere((12, 30, 25), 4)
        paint.write_many([3, 4], [a, b])
        paint.flush()
        paint.merge([3, 4])
        paint.flush()
        assert len(paint.voxels(3)) == len(a) + len(b)
        assert paint.places(4) == []
        with pytest.raises(NotFound, match="object 4 has no voxels"):
            paint.bounding_box(4)
        for level in paint.volume.levels:
            assert np.unique(level.read()).tolist() == [0, 3]
        assert paint.check() == []


def test_deleted_objects_are_gone_at_all_levels_r49(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        paint.write(3, sphere((5, 10, 10), 4))
        paint.write(4, sphere((5, 12, 10), 4), mode="except")
        paint.write(5, sphere((14, 30, 30), 3))
        paint.flush()
        paint.delete([3, 5])
        assert paint.ids() == [4]
        paint.flush()
        assert paint.ids() == [4]
        assert paint.exceptions() == []
        assert len(paint.voxels(4)) == len(sphere((5, 12, 10), 4))
        for level in paint.volume.levels:
            assert np.unique(level.read()).tolist() == [0, 4]
        assert paint.check() == []


def test_the_index_answers_without_a_scan_r50(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as paint:
        rng = np.random.default_rng(1)
        balls = [sphere(rng.integers(0, SHAPE), 3) for _ in range(40)]
        paint.write_many(range(1, 41), balls)
        paint.flush()
        labels = paint.read()
        read: list[int] = []
        units = type(paint._merger.units)
        plain = units.read

        def counted(self: Any, chunk: int) -> Any:
            read.append(chunk)
            return plain(self, chunk)

        monkeypatch.setattr(units, "read", counted)
        for one in np.unique(labels[labels > 0]).tolist():
            where = np.argwhere(labels == one)
            assert paint.bounding_box(one) == Box(where.min(0).tolist(), (where.max(0) + 1).tolist())
            assert paint.size(one) == len(where)
            assert read == []  # neither box nor size reads a voxel
            assert np.array_equal(paint.voxels(one), where)
            assert sorted(read) == sorted({place.chunk for place in paint.places(one)})
            read.clear()


@pytest.mark.parametrize("merged", [False, True])
def test_six_forms_agree_r51(tmp_path: Path, merged: bool) -> None:
    with opened(tmp_path) as paint:
        paint.write(7, sphere((9, 17, 15), 6))
        paint.write(8, sphere((9, 22, 15), 6), mode="except")
        if merged:
            paint.flush()
        for one in (7, 8):
            voxels = paint.voxels(one)
            box, tight = paint.cutout(one)
            assert box == paint.bounding_box(one)
            assert np.array_equal(np.argwhere(tight == one) + box.start, voxels)
            part = Box((4, 10, 12), (12, 30, 20))
            where, boxed = paint.cutout(one, part)
            assert where == part
            inside = voxels[((voxels >= part.start) & (voxels < part.stop)).all(1)]
            assert np.array_equal(np.argwhere(boxed) + part.start, inside)
            starts = {b.start for b in paint.chunks(one)}
            assert starts == {tuple((v // CHUNK * CHUNK).tolist()) for v in voxels}
            assert paint.size(one) == len(voxels)


def test_a_neuron_is_the_union_of_its_segments_r52(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        parts = {n: sphere((5 + 3 * n, 10 + 5 * n, 15), 4) for n in (1, 2, 3)}
        for n, voxels in parts.items():
            paint.write(n, voxels)
        box, cut = paint.union([1, 2, 3], 99)
        assert set(np.unique(cut).tolist()) == {0, 99}
        expected = {tuple(v) for voxels in parts.values() for v in voxels.tolist()}
        assert {tuple(v) for v in (np.argwhere(cut) + box.start).tolist()} == expected


def test_a_dense_cutout_of_many_ids(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4, (9, 20, 20)).astype("u8")
    box = Box((3, 7, 9), (12, 27, 29))
    with opened(tmp_path) as paint:
        paint.write(9, box=Box((0, 0, 0), SHAPE))
        paint.write_labels(box, values)
        assert np.array_equal(paint.read(box), np.where(values, values, 9))
        paint.flush()
        assert np.array_equal(paint.read(box), np.where(values, values, 9))
        paint.write(5, box=box, mask=values == 2, mode="overwrite")
        assert np.array_equal(paint.read(box) == 5, values == 2)
        paint.write_labels(box, np.where(values == 1, 1, 0), mode="reduce")
        assert not (paint.read(box) == 1).any()


def test_the_pyramid_follows_where_voxels_changed(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        for centre in ((5, 10, 10), (14, 30, 30)):
            paint.write(int(sum(centre)), sphere(centre, 5))
            paint.flush()
            fine, coarse = paint.volume.read(), paint.volume.level(1)
            assert not coarse.stale
            assert np.array_equal(coarse.read(), downsample(fine, (1, 2, 2), "majority"))


def test_labels_can_be_read_by_zarr(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        paint.write(2**63 + 5, sphere((8, 20, 20), 5))
        paint.flush()
        array = zarr.open_array(str(tmp_path / "labels" / "0"), mode="r")
        assert np.array_equal(array[:], paint.read())
        assert paint.ids() == [2**63 + 5]


@pytest.mark.parametrize(
    ("shard", "codec", "dtype"),
    [(None, "zstd", "uint32"), ((16, 16, 32), None, "uint64"), ((16, 16, 32), "gzip", "uint64"), (None, "gzip", "u2")],
)
def test_other_stores(tmp_path: Path, shard: Any, codec: Any, dtype: str) -> None:
    volume = new_labels(tmp_path / "labels", shard=shard, codec=codec, dtype=dtype)
    model = Model()
    with Paint(volume, tmp_path / "paint", background=False) as paint:
        rng = np.random.default_rng(3)
        for n in range(1, 30):
            ball = sphere(rng.integers(0, SHAPE), 4)
            mode = ["overwrite", "preserve", "except", "reduce"][n % 4]
            paint.write(n % 7 + 1, ball, mode=mode)
            model.write([(n % 7 + 1, [tuple(v) for v in ball.tolist()])], mode)
            if n % 10 == 0:
                paint.flush(levels=False)
        same(paint, model)
        paint.flush()
        same(paint, model)
        assert np.array_equal(paint.volume.read(), model.labels)


def test_labels_that_are_there_are_indexed(tmp_path: Path) -> None:
    volume = new_labels(tmp_path / "labels")
    volume.write(Box((0, 0, 0), (10, 10, 10)), np.full((10, 10, 10), 6))
    with Paint(volume, tmp_path / "paint", background=False) as paint:
        assert paint.size(6) == 1000
        paint.shave(6, box=Box((0, 0, 0), (10, 10, 5)))
        assert paint.bounding_box(6) == Box((0, 0, 5), (10, 10, 10))
        paint.flush()
        assert paint.bounding_box(6) == Box((0, 0, 5), (10, 10, 10))


def test_check_finds_what_others_wrote_and_reindex_heals(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        paint.write(1, box=Box((0, 0, 0), (4, 4, 4)))
        paint.flush()
        assert paint.check() == []
        paint.volume.write(Box((0, 0, 0), (1, 4, 4)), np.full((1, 4, 4), 2))
        assert len(paint.check()) == 2
        assert "object 1 in chunk 0" in paint.check()[0]
        paint.reindex()
        assert paint.check() == []
        assert (paint.size(1), paint.size(2)) == (48, 16)


def test_undo_restores_exactly(tmp_path: Path) -> None:
    model = Model()
    with opened(tmp_path) as paint:
        rng = np.random.default_rng(5)
        for n in range(24):
            ball = sphere(rng.integers(4, 14, 3), 3)
            mode = ["overwrite", "except", "preserve", "except", "reduce"][n % 5]
            paint.write(n % 5 + 1, ball, mode=mode)
            model.write([(n % 5 + 1, [tuple(v) for v in ball.tolist()])], mode)
            if n in (9, 15):
                paint.flush(levels=False)
        for count in (3, 1, 7, 5, 8):
            paint.undo(count)
            model.undo(count)
            same(paint, model)
            if count == 7:
                paint.flush()
                same(paint, model)
        with pytest.raises(Conflict, match="0 can be undone"):
            paint.undo()
        assert not paint.read().any()


def test_history_says_who_and_what(tmp_path: Path) -> None:
    with opened(tmp_path, author="ada") as paint:
        one = paint.write(1, box=Box((0, 0, 0), (2, 2, 2)))
        two = paint.write_many([2, 3], [[(5, 5, 5)], [(6, 6, 6)]], mode="preserve")
        back = paint.undo()
        listed = paint.history()
        assert [w.number for w in listed] == [back, two, one]
        assert listed[0].undoes == (two,)
        assert listed[1].undone == back
        assert (listed[1].objects, listed[1].voxels, listed[1].author) == (2, 2, "ada")
        paint.flush()
        assert paint.history() == listed
        assert paint.history(1) == listed[:1]


def test_the_past_is_kept_up_to_a_size(tmp_path: Path) -> None:
    with opened(tmp_path, history_bytes=1) as paint:
        for n in range(1, 4):
            paint.write(n, sphere((8, 8, 8), 3))
            paint.flush(levels=False)
        paint.undo()
        assert paint.ids() == [2]
        with pytest.raises(Conflict, match="the past is kept from write 3 on"):
            paint.undo()


def test_background_merging(tmp_path: Path) -> None:
    volume = new_labels(tmp_path / "labels")
    with Paint(volume, tmp_path / "paint", merge_seconds=0.05) as paint:
        paint.write(4, sphere((8, 8, 8), 4))
        waited = threading.Event()
        for _ in range(200):
            if not paint.pending and not paint.volume.level(1).stale:
                break
            waited.wait(0.05)
        assert paint.pending == 0
        assert paint.trouble is None
        assert np.array_equal(paint.volume.read(), paint.read())
        assert (paint.volume.level(1).read() == 4).any()


def test_a_moment_is_one_while_a_merge_writes_under_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An undo that takes for the past what a merge has just written would bring back nothing."""

    def stop(*_: Any) -> None:
        raise RuntimeError("before the mark")

    monkeypatch.setattr(Index, "put_merge", stop)
    with opened(tmp_path) as paint:
        paint.write(1, box=Box((0, 0, 0), (4, 12, 4)))  # two chunks of one shard

        def look(moment: Moment) -> list[Any]:
            one, other = sorted(moment.pending.pieces)
            found = [moment.chunk(one)]
            with pytest.raises(RuntimeError, match="before the mark"):
                paint._merger.merge()
            return [*found, moment.chunk(other)]

        for _, _, (before,) in paint._overlay.at_once(look):
            assert len(before.labels)
            assert not before.labels.any()


def test_a_moment_knows_nothing_of_what_came_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise RuntimeError("before the mark")

    monkeypatch.setattr(Index, "put_merge", stop)
    with opened(tmp_path) as paint, opened(tmp_path) as other:
        paint.write(1, [(0, 0, 0)])

        def look(moment: Moment) -> Any:
            other.write(2, [(19, 39, 35)])  # of another shard, and merged while the moment is looked at
            with pytest.raises(RuntimeError, match="before the mark"):
                other._merger.merge()
            assert other.volume.read()[19, 39, 35] == 2
            return moment.read(Box((0, 0, 0), SHAPE))

        found = paint._overlay.at_once(look)
        assert (int(found[0, 0, 0]), int(found[19, 39, 35])) == (1, 0)
        assert paint.read()[19, 39, 35] == 2


def test_pickles_as_its_address(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        paint.write(4, [(1, 2, 3)])
        again = pickle.loads(pickle.dumps(paint))
        assert again.voxels(4).tolist() == [[1, 2, 3]]
        again.close()


def test_what_cannot_be_painted_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with opened(tmp_path) as paint:
        one = [(0, 0, 0)]
        box = Box((0, 0, 0), (2, 2, 2))
        refused: list[tuple[Callable[[], object], type[NdlabError], str]] = [
            (lambda: paint.write(0, one), BadRequest, "an id is a whole number"),
            (
                lambda: paint.write(1, one, mode="max"),
                BadRequest,
                "modes are 'overwrite', 'preserve', 'except', 'reduce'",
            ),
            (lambda: paint.write(1), BadRequest, "neither voxels nor box"),
            (lambda: paint.write(1, one, box=box), BadRequest, "voxels and box"),
            (lambda: paint.write(1, [(0, 0, 40)]), OutOfBounds, r"the labels span \(20, 40, 36\)"),
            (lambda: paint.write(1, [(0, 0, -1)]), OutOfBounds, "object 1"),
            (lambda: paint.write(1, [(0.5, 0, 1)]), BadRequest, "array \\(n, 3\\) of whole numbers"),
            (lambda: paint.write(1, [(0, 0)]), BadRequest, "array \\(n, 3\\) of whole numbers"),
            (lambda: paint.write(1, box=Box((0, 0, 0), (9, 9, 99))), OutOfBounds, "99"),
            (lambda: paint.write(1, box=Box((0, 0, 0), (2, 2, 2), 1)), BadRequest, "painted at level 0"),
            (lambda: paint.write(1, box=Box((0, 0, 0), (0, 2, 2))), BadRequest, "it is empty"),
            (lambda: paint.write(1, box=box, mask=np.ones((2, 2, 3))), BadRequest, r"the box has shape \(2, 2, 2\)"),
            (lambda: paint.write_labels(box, np.ones((2, 2, 2), "f4")), BadRequest, "it holds ids"),
            (lambda: paint.write_labels(box, -np.ones((2, 2, 2), "i4")), BadRequest, "it holds ids"),
            (lambda: paint.write_many([1, 2], [one]), BadRequest, "2 ids and 1 lists"),
            (lambda: paint.write_many([], []), BadRequest, "no object"),
            (lambda: paint.undo(0), BadRequest, "one or more"),
            (lambda: paint.read(Box((0, 0, 0), (2, 2, 2), 1)), BadRequest, "level 0"),
            (lambda: paint.cutout(5), NotFound, "have no voxels"),
        ]
        for call, error, text in refused:
            with pytest.raises(error, match=text):
                call()
        assert paint.pending == 0
    with pytest.raises(BadRequest, match="it was closed"):
        paint.write(1, one)


def test_ids_beyond_the_type_are_refused(tmp_path: Path) -> None:
    volume = new_labels(tmp_path / "labels", dtype="uint16")
    with Paint(volume, tmp_path / "paint", background=False) as paint:
        with pytest.raises(BadRequest, match="hold ids up to 65535"):
            paint.write(65536, [(0, 0, 0)])
        with pytest.raises(BadRequest, match="from 0 to 65535"):
            paint.write_labels(Box((0, 0, 0), (1, 1, 1)), [[[70000]]])


def test_volumes_that_cannot_be_painted(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"volume\.like"):
        Paint(Volume.from_array(np.zeros((4, 4, 4), "u8"), (1, 1, 1)), tmp_path)
    image = new_labels(tmp_path / "floats", dtype="float32")
    with pytest.raises(BadRequest, match="whole numbers"):
        Paint(image, tmp_path / "paint")
    opened(tmp_path / "a").close()
    other = new_labels(tmp_path / "b", shape=(8, 8, 8), chunk=(8, 8, 8), shard=None)
    with pytest.raises(Conflict, match="another shape, chunks or type"):
        Paint(other, tmp_path / "a" / "paint")


def test_a_huge_cutout_is_refused(tmp_path: Path) -> None:
    volume = new_labels(tmp_path / "labels", shape=(700, 700, 700), chunk=(64, 64, 64), shard=None, levels=1)
    with Paint(volume, tmp_path / "paint", background=False) as paint:
        paint.write(1, [(0, 0, 0), (699, 699, 699)])
        with pytest.raises(TooLarge, match="256 \\* 1024 \\* 1024"):
            paint.cutout(1)
        assert len(paint.voxels(1)) == 2


IDS, SMALL = st.integers(1, 5), st.integers(0, 1 << 30)


class Painting(RuleBasedStateMachine):
    """Any sequence of writes, shaves, merges, undos and reopenings gives what the model gives."""

    folder: Path

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name)
        self.paint, self.model = opened(self.folder), Model()

    def teardown(self) -> None:
        if hasattr(self, "paint"):
            self.paint.flush()
            assert self.paint.check() == []
            same(self.paint, self.model)
            self.paint.close()
            self.home.cleanup()

    @rule(
        one=IDS, seed=SMALL, mode=st.sampled_from(["overwrite", "preserve", "except", "reduce"]), form=st.integers(0, 3)
    )
    def write(self, one: int, seed: int, mode: str, form: int) -> None:
        rng = np.random.default_rng(seed)
        start = rng.integers(0, (12, 20, 24))
        box = Box(start.tolist(), (start + rng.integers(1, 9, 3)).tolist())
        mask = rng.random(box.shape) < 0.4
        chosen = np.argwhere(mask) + box.start
        voxels = [tuple(v) for v in chosen.tolist()]
        if form == 0:
            self.paint.write(one, box=box, mode=mode)
            pairs = [(one, [tuple(v) for v in (np.argwhere(np.ones(box.shape)) + box.start).tolist()])]
        elif form == 1:
            self.paint.write(one, box=box, mask=mask, mode=mode)
            pairs = [(one, voxels)]
        elif form == 2:
            values = np.where(mask, rng.integers(1, 6, box.shape), 0)
            self.paint.write_labels(box, values, mode=mode)
            pairs = [(int(values[tuple(v - box.start)]), [tuple(v.tolist())]) for v in chosen]
        else:
            both = [one, one % 5 + 1]
            self.paint.write_many(both, [chosen, chosen[::2]], mode=mode)
            pairs = [(both[0], voxels), (both[1], voxels[::2])]
        self.model.write(pairs, mode)

    @rule(ids=st.lists(IDS, min_size=1, max_size=3, unique=True))
    def delete(self, ids: list[int]) -> None:
        self.paint.delete(ids)
        self.model.delete(ids)

    @rule(ids=st.lists(IDS, min_size=2, max_size=3, unique=True))
    def merge(self, ids: list[int]) -> None:
        self.paint.merge(ids)
        self.model.merge(ids)

    @precondition(lambda self: self.model.states)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, min(3, len(self.model.states))))
        self.paint.undo(count)
        self.model.undo(count)

    @rule(levels=st.booleans())
    def flush(self, levels: bool) -> None:
        self.paint.flush(levels=levels)

    @rule()
    def reopen(self) -> None:
        self.paint.close()
        self.paint = opened(self.folder)

    @rule()
    def look(self) -> None:
        same(self.paint, self.model)

    @invariant()
    def reads_its_writes(self) -> None:
        if hasattr(self, "paint"):
            assert np.array_equal(self.paint.read(), self.model.labels)


TestPainting = Painting.TestCase
TestPainting.settings = settings(
    settings.get_profile(settings.get_current_profile_name()), max_examples=25, stateful_step_count=20
)
