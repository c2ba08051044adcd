"""Many voxel lists at once, by compiled code: it does what is done stroke by stroke, whatever the lists are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from ndlab.annotations import before, cutting
from ndlab.annotations.chunking import Chunking
from ndlab.annotations.cutting import cut
from ndlab.annotations.drawing import as_mode, voxel_strokes
from ndlab.annotations.paint import Paint
from ndlab.store.kv import Kv
from tests.annotations.model import CHUNK, SHAPE, new_labels
from tests.annotations.test_paint import IDS, SMALL, Painting

MODES = ["overwrite", "preserve", "reduce"]


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MANY", 0)


def some_lists(rng: np.random.Generator, count: int, shape: Any = SHAPE) -> list[Any]:
    """Lists of voxels in any order, some of them listed twice, some empty, clustered so that they overlap."""
    found = []
    for _ in range(count):
        centre = rng.integers(0, shape)
        scattered = np.rint(rng.normal(centre, rng.uniform(0.5, 6), (int(rng.integers(0, 60)), 3))).astype(int)
        found.append(np.clip(scattered, 0, np.array(shape) - 1))
    return found


@given(seed=SMALL, shape=st.tuples(*[st.integers(1, 50)] * 3), chunk=st.tuples(*[st.integers(1, 20)] * 3))
def test_lists_are_cut_alike(seed: int, shape: Any, chunk: Any) -> None:
    rng = np.random.default_rng(seed)
    chunking = Chunking(shape, chunk, chunk)
    lists = some_lists(rng, int(rng.integers(1, 12)), shape)
    strokes = voxel_strokes(range(1, len(lists) + 1), lists, as_mode("overwrite"), shape)
    counts = np.array([len(stroke.data[0]) for stroke in strokes])
    many = cutting._cut_many(chunking, strokes, counts)
    few = cutting._cut_few(chunking, strokes, counts)
    for name in ("chunk", "owner", "begin", "inside"):
        assert np.array_equal(getattr(many, name), getattr(few, name)), name
    # And both are right: every voxel of every list once, in the order of its list within each piece.
    for i, listed in enumerate(lists):
        mine = [number for number, owner in zip(many.chunk, many.owner, strict=True) if owner == i]
        numbers, inside = chunking.split(listed.T)
        assert sorted(mine) == np.unique(numbers).tolist()
        for number in mine:
            first, last = many.chunks[int(number)]
            piece = first + many.owner[first:last].tolist().index(i)
            assert np.array_equal(many.inside[many.begin[piece] : many.begin[piece + 1]], inside[numbers == number])


def state(paint: Paint) -> Any:
    """All that is on disk after a merge, the past included."""
    merger = paint._merger
    past = {}
    for path in sorted((paint.folder / "before").rglob("*.bin")):
        for number, several in before.load(path).items():
            # Of a voxel that is listed twice the first label counts.
            found = [dict(zip(b.inside[::-1].tolist(), b.labels[::-1].tolist(), strict=True)) for b in several]
            past[path.parent.name, number] = [(b.sequence, *one.items()) for b, one in zip(several, found, strict=True)]
    return paint.volume.read().tolist(), sorted(map(repr, merger.index.all_places())), past


@pytest.mark.parametrize(
    ("dtype", "shard", "codec"),
    [("uint64", (16, 16, 32), "zstd"), ("uint32", (8, 8, 16), "zstd"), ("int32", (16, 16, 32), None),
     ("uint8", (16, 16, 32), "zstd"), ("int64", (16, 16, 32), "gzip")],
)  # fmt: skip
def test_the_same_as_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, shard: Any, codec: Any
) -> None:
    """Labels, index and past are equal after each of several merges, among them of ids that were there before."""
    rng = np.random.default_rng(5)
    writes = [
        (rng.integers(1, 60, 25).tolist(), some_lists(rng, 25), str(rng.choice(MODES, p=[0.5, 0.3, 0.2])))
        for _ in range(12)
    ]
    found = []
    for name, many in (("one by one", 1 << 60), ("bulk", 0)):
        monkeypatch.setattr(cutting, "MANY", many)
        folder = tmp_path / name
        volume = new_labels(folder / "labels", shard=shard, dtype=dtype, codec=codec)
        states = []
        with Paint(volume, folder / "paint", background=False) as paint:
            for i, (ids, lists, mode) in enumerate(writes):
                paint.write_many(ids, lists, mode=mode)
                if i % 3 == 2:
                    paint.flush()
                    states.append(state(paint))
            assert paint.check() == []
        found.append(states)
        shutil.rmtree(folder)
    for one, other in zip(*found, strict=True):
        for part, same in zip(one, other, strict=True):
            assert part == same
    assert any(past for _, _, past in found[0])


def test_chunks_with_exceptions_and_other_strokes_keep_the_order(tmp_path: Path, bulk: None) -> None:
    """A cut-out between two lists is between them in the chunks that it touches, and lists behind it find it."""
    voxels = [(0, 0, 0), (0, 0, 1), (9, 9, 9)]
    with Paint(new_labels(tmp_path / "labels"), tmp_path / "paint", background=False) as paint:
        paint.write(1, voxels)
        paint.write(2, voxels[:1], mode="except")
        paint.write(3, voxels[:2], mode="preserve")
        paint.flush()
        assert [paint.read()[v] for v in voxels] == [1, 1, 1]
        assert paint.exceptions() == [((0, 0, 0), (2,))]
        paint.shave(1, voxels)
        paint.write(4, voxels, mode="preserve")
        paint.flush()
        assert [int(paint.read()[v]) for v in voxels] == [2, 4, 4]
        assert paint.check() == []
        assert {one: paint.size(one) for one in (1, 2, 3, 4)} == {1: 0, 2: 1, 3: 0, 4: 2}


def test_an_object_that_is_painted_over_at_once_is_nowhere(tmp_path: Path, bulk: None) -> None:
    with Paint(new_labels(tmp_path / "labels"), tmp_path / "paint", background=False) as paint:
        paint.write_many([1, 2, 1], [[(0, 0, 0)], [(0, 0, 0), (0, 0, 0)], [(19, 39, 35)]])
        paint.write(3, [(19, 39, 35)])
        paint.flush()
        assert paint.ids() == [2, 3]
        assert paint._merger.index.ids() == [2, 3]
        assert paint.size(2) == 1
        paint.undo(2)
        paint.flush()
        assert paint.ids() == []


def test_a_new_object_takes_voxels_of_an_old_one(tmp_path: Path, bulk: None) -> None:
    with Paint(new_labels(tmp_path / "labels"), tmp_path / "paint", background=False) as paint:
        paint.write(1, [(0, 0, 0), (0, 0, 1), (0, 0, 5)])
        paint.write(2, [(9, 9, 9)])
        paint.flush()
        # Object 1 is painted, too, but elsewhere.
        paint.write_many([3, 4, 1], [[(0, 0, 5), (0, 0, 6)], [(9, 9, 9)], [(19, 39, 35)]])
        paint.flush()
        assert paint.check() == []
        assert {one: paint.size(one) for one in (1, 2, 3, 4)} == {1: 3, 2: 0, 3: 2, 4: 1}
        assert paint._merger.index.of(1)[0].high == (1, 1, 2)


@pytest.mark.parametrize("many", [0, 1 << 60])
def test_r65_a_shard_is_written_once_however_many_objects_touch_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """What makes it fast; how fast, bench/annotate.py says."""
    monkeypatch.setattr(cutting, "MANY", many)
    written: list[str] = []
    plain = Kv.update

    def counted(self: Kv, key: str, how: Any) -> Any:
        written.append(key)
        return plain(self, key, how)

    rng = np.random.default_rng(3)
    with Paint(new_labels(tmp_path / "labels"), tmp_path / "paint", background=False) as paint:
        lists = some_lists(rng, 400)
        for first in range(0, 400, 50):
            paint.write_many(range(first + 1, first + 51), lists[first : first + 50])
        monkeypatch.setattr(Kv, "update", counted)
        paint.flush(levels=False)
        shards = [key for key in written if key.startswith("c/")]
        assert len(set(shards)) == len(shards) == 2 * 3 * 2
        assert paint.check() == []


class PaintingInBulk(Painting):
    """The same sequences, and lists of any kind, with nothing too small for compiled code."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, cutting.MANY = cutting.MANY, 0

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            cutting.MANY = self.plain

    @rule(one=IDS, seed=SMALL, mode=st.sampled_from(MODES))
    def write_lists(self, one: int, seed: int, mode: str) -> None:
        rng = np.random.default_rng(seed)
        ids = [one, *rng.integers(1, 30, 3).tolist()]
        lists = some_lists(rng, len(ids))
        self.paint.write_many(ids, lists, mode=mode)
        pairs = [(i, [tuple(v) for v in listed.tolist()]) for i, listed in zip(ids, lists, strict=True)]
        self.model.write(pairs, mode)


TestPaintingInBulk = PaintingInBulk.TestCase
TestPaintingInBulk.settings = settings(
    settings.get_profile(settings.get_current_profile_name()), max_examples=25, stateful_step_count=20
)


def test_a_chunk_is_never_cut_twice() -> None:
    strokes = voxel_strokes([7], [np.argwhere(np.ones(SHAPE))], as_mode("overwrite"), SHAPE)
    found = cut(Chunking(SHAPE, CHUNK, CHUNK), strokes)
    assert len(found.chunks) == len(found.chunk) == 3 * 5 * 3
