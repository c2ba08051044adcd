"""The journal: order, durability, torn ends and damage."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from ndlab.annotations import journal as module
from ndlab.annotations.journal import Journal
from ndlab.annotations.strokes import Mode, Shape, Stroke, pack, unpack
from ndlab.errors import BadMetadata


def stroke(one: int, size: int = 3) -> Stroke:
    offsets = np.arange(3 * size, dtype="u2").reshape(-1, 3)
    return Stroke(Mode.OVERWRITE, Shape.VOXELS, one, (1, 2, 3), (offsets,), author="ada")


def ids(journal: Journal) -> list[int]:
    return [found.id for found in journal.pending(0)]


def test_every_shape_comes_back() -> None:
    rng = np.random.default_rng(0)
    for shape, data in [
        (Shape.VOXELS, (rng.integers(0, 9, (5, 3)).astype("u4"),)),
        (Shape.VOXELS, (np.empty((0, 3), "u2"),)),
        (Shape.BOX, (2, 3, 4)),
        (Shape.MASK, (rng.random((3, 5, 7)) < 0.5,)),
        (Shape.CUTOUT, (rng.integers(0, 1 << 62, (3, 5, 7)).astype("u8"),)),
        (Shape.CHUNKS, (np.array([2**64 - 1, 4], "u8"), np.array([7, 8, 9]))),
        (Shape.CHUNKS, (np.array([4], "u8"), np.array([], "i8"))),
        (
            Shape.VALUES,
            (np.array([5]), np.array([1, 2], "u4"), np.array([0, 2**63], "u8"), np.array([1, 0, 1, 9], "u8")),
        ),
    ]:
        wrote = Stroke(Mode.EXCEPT, shape, 2**64 - 1, (5, 6, 7) if shape < Shape.CHUNKS else (0, 0, 0), data,
                       author="é", undoes=(1, 2**63))  # fmt: skip
        read = unpack(wrote.mode, wrote.shape, wrote.id, memoryview(pack(wrote)))
        assert (read.mode, read.shape, read.id, read.start) == (wrote.mode, shape, wrote.id, wrote.start)
        assert (read.author, read.undoes, len(read.data)) == ("é", (1, 2**63), len(data))
        for a, b in zip(read.data, data, strict=True):
            assert np.array_equal(a, b)
        assert read.voxels == wrote.voxels


def test_cut_at_every_byte_only_whole_transactions_are_left(tmp_path: Path) -> None:
    whole = Journal(tmp_path / "whole")
    ends = [0]
    for group in ([1], [2, 3], [4], [5, 6, 7]):
        whole.append([stroke(one) for one in group])
        ends.append(whole.nbytes)
    counts = [0, 1, 3, 4, 7]
    (path,) = (tmp_path / "whole").glob("*.log")
    raw = path.read_bytes()
    for size in range(len(raw) + 1):
        folder = tmp_path / "cut"
        folder.mkdir()
        (folder / path.name).write_bytes(raw[:size])
        kept = counts[sum(end <= size for end in ends) - 1]
        reader = Journal(folder)
        assert ids(reader) == list(range(1, kept + 1))
        assert reader.damage == ""
        writer = Journal(folder)
        assert writer.append([stroke(99)]) == kept + 1
        assert ids(reader) == [*range(1, kept + 1), 99]
        assert ids(Journal(folder)) == [*range(1, kept + 1), 99]
        torn = list(folder.glob("torn-*"))
        assert b"".join(one.read_bytes() for one in torn) == raw[max(end for end in ends if end <= size) : size]
        shutil.rmtree(folder)


def test_a_wrong_bit_at_the_end_is_cut_and_before_the_end_is_said(tmp_path: Path) -> None:
    whole = Journal(tmp_path / "whole")
    ends = [0]
    for one in range(1, 5):
        whole.append([stroke(one)])
        ends.append(whole.nbytes)
    (path,) = (tmp_path / "whole").glob("*.log")
    raw = path.read_bytes()
    for at in range(0, len(raw), 3):
        folder = tmp_path / "bad"
        folder.mkdir()
        bad = bytearray(raw)
        bad[at] ^= 0x10
        (folder / path.name).write_bytes(bad)
        kept = sum(end <= at for end in ends) - 1
        journal = Journal(folder)
        assert ids(journal) == list(range(1, kept + 1))
        if kept < 3:
            with pytest.raises(BadMetadata, match=rf"wrong at byte {ends[kept]} of .*\.repair\(\) sets the rest aside"):
                journal.append([stroke(9)])
            assert (folder / path.name).read_bytes() == bad
            assert journal.repair() == len(raw) - ends[kept]
        journal.append([stroke(9)])
        assert ids(Journal(folder)) == [*range(1, kept + 1), 9]
        (torn,) = folder.glob("torn-*")
        assert torn.read_bytes() == bytes(bad[ends[kept] :])
        shutil.rmtree(folder)


def test_a_torn_group_is_cut_as_one_even_if_its_later_records_are_whole(tmp_path: Path) -> None:
    # Pages of one flush reach the disk in any order: a record behind a missing one may be there.
    journal = Journal(tmp_path)
    journal.append([stroke(1)])
    waiting = [module._Waiting([s], [pack(s)], [google_crc32c.value(pack(s))]) for s in map(stroke, (2, 3, 4))]
    with journal.hold():
        journal._append(waiting)
    (path,) = tmp_path.glob("*.log")
    raw = bytearray(path.read_bytes())
    size = len(raw) // 4
    raw[size : 2 * size] = bytes(size)
    path.write_bytes(raw)
    again = Journal(tmp_path)
    assert ids(again) == [1]
    assert again.append([stroke(8)]) == 2
    assert ids(Journal(tmp_path)) == [1, 8]


def test_segments_are_sealed_and_dropped(tmp_path: Path) -> None:
    journal, other = Journal(tmp_path), Journal(tmp_path)
    journal.append([stroke(1)])
    assert ids(other) == [1]
    assert journal.seal() == 1
    assert journal.seal() == 1
    other.append([stroke(2)])
    assert ids(journal) == [1, 2]
    journal.append([stroke(3)])
    assert journal.seal() == 3
    journal.drop(3)
    assert ids(journal) == []
    assert len(list(tmp_path.glob("*.log"))) == 1
    late = Journal(tmp_path)
    assert late.append([stroke(4)]) == 4
    # Who was away while segments came and went goes on with what is there.
    assert [found.id for found in other.pending(3)] == [4]
    assert other.append([stroke(5)]) == 5
    assert [found.sequence for found in journal.pending(3)] == [4, 5]


def test_a_damaged_sealed_segment_is_said(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([stroke(1)])
    journal.append([stroke(2)])
    journal.seal()
    journal.append([stroke(3)])
    first = min(tmp_path.glob("*.log"))
    first.write_bytes(first.read_bytes()[:-2])
    again = Journal(tmp_path)
    assert ids(again) == [1]
    with pytest.raises(BadMetadata, match="bytes early, and 3 follows"):
        again.append([stroke(4)])
    again.repair()
    again.append([stroke(4)])
    assert ids(Journal(tmp_path)) == [1, 4]


def test_threads_share_flushes_and_each_stroke_has_one_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    told: list[int] = []

    def many(one: int) -> None:
        told.extend([journal.append([stroke(one)]) for _ in range(40)])

    threads = [threading.Thread(target=many, args=(one,)) for one in range(1, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == list(range(1, 641))
    assert journal.flushes < 640
    found = Journal(tmp_path).pending(0)
    assert [one.sequence for one in found] == list(range(1, 641))
    assert all(sum(one.id == i for one in found) == 40 for i in range(1, 17))
