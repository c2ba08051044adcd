"""Damage at the end of a journal, at every byte and of every kind: what is read is whole, and a beginning."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.annotations.journal import Journal
from ndlab.annotations.paint import Paint
from ndlab.annotations.strokes import Mode, Shape, Stroke, pack
from ndlab.errors import BadMetadata
from tests.annotations.killing import quick_folder
from tests.annotations.model import Model, new_labels

WRITES = [("overwrite", [(1, [(0, 0, 0), (0, 0, 1)])]), ("except", [(2, [(0, 0, 1)]), (3, [(5, 5, 5)])]),
          ("reduce", [(1, [(0, 0, 0)])]), ("preserve", [(4, [(0, 0, 0), (5, 5, 5)])])]  # fmt: skip


@pytest.fixture(scope="module")
def painted() -> Iterator[tuple[Path, list[Model], list[int]]]:
    """Writes that are pending, what there is after each of them, and where each ends in the journal."""
    with quick_folder() as folder:
        new_labels(folder / "labels")
        models, ends = [Model()], [0]
        with Paint(folder / "labels", folder / "paint", background=False) as paint:
            for mode, pairs in WRITES:
                paint.write_many([one for one, _ in pairs], [voxels for _, voxels in pairs], mode=mode)
                now = Model()
                now.labels, now.exceptions = models[-1].labels.copy(), dict(models[-1].exceptions)
                now.write(pairs, mode)
                models.append(now)
                ends.append(paint.journal.nbytes)
        yield folder, models, ends


def holds(folder: Path, name: str, raw: bytes, model: Model, write: bool) -> None:
    """With these bytes as the journal there is what the model says, and writing goes on from there."""
    (folder / "paint" / "journal" / name).write_bytes(raw)
    with Paint(folder / "labels", folder / "paint", background=False) as paint:
        assert np.array_equal(paint.read(), model.labels)
        assert paint.exceptions() == sorted((v, tuple(ids)) for v, ids in model.exceptions.items())
        if write:
            if paint.journal.damage:
                assert paint.repair() > 0
            paint.write(9, [(7, 7, 7)])
            paint.flush(levels=False)
            assert paint.check() == []
            expected = model.labels.copy()
            expected[7, 7, 7] = 9
            assert np.array_equal(paint.volume.read(), expected)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_r64_a_journal_damaged_at_any_byte(painted: tuple[Path, list[Model], list[int]], damage: str) -> None:
    begun, models, ends = painted
    (path,) = (begun / "paint" / "journal").glob("*.log")
    raw = path.read_bytes()
    for at in range(len(raw)):
        with quick_folder() as folder:
            shutil.copytree(begun, folder, dirs_exist_ok=True)
            bad = bytearray(raw)
            bad[at] ^= 1 << at % 8
            model = models[sum(end <= at for end in ends) - 1]
            holds(folder, path.name, raw[:at] if damage == "cut" else bytes(bad), model, write=at % 5 == 0)


def stroke(one: int, size: int) -> Stroke:
    offsets = np.arange(3 * size, dtype="u2").reshape(-1, 3)
    return Stroke(Mode.OVERWRITE, Shape.VOXELS, one, (one, 0, 0), (offsets,), author="ada" if one % 2 else "")


def damaged(raw: bytes, ends: list[int], draw: st.DataObject) -> bytes:
    """Return the journal after one or two of: bytes changed, a range lost, cut off, garbage behind it."""
    bad = bytearray(raw)
    for _ in range(draw.draw(st.integers(1, 2))):
        at = draw.draw(st.integers(0, len(raw) - 1))
        kind = draw.draw(st.sampled_from(["change", "zeros", "cut", "garbage", "again"]))
        if kind == "change":
            bad[at : at + 1] = bytes([draw.draw(st.integers(0, 255))])
        elif kind == "zeros":
            bad[at : at + 64] = bytes(len(bad[at : at + 64]))
        elif kind == "cut":
            del bad[at:]
        elif kind == "garbage":
            bad += draw.draw(st.binary(max_size=80))
        else:
            bad += raw[draw.draw(st.sampled_from(ends)) :]  # whole records in the wrong place
    return bytes(bad)


@given(sizes=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), min_size=1, max_size=5), draw=st.data())
def test_whatever_is_wrong_what_is_read_is_a_beginning(sizes: list[list[int]], draw: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "journal")
        journal, wrote, ends, one = Journal(folder), [], [0], 0
        for group in sizes:
            strokes = [stroke(one + i, size) for i, size in enumerate(group, 1)]
            one += len(group)
            journal.append(strokes)
            wrote.append([pack(each) for each in strokes])
            ends.append(journal.nbytes)
        (path,) = folder.glob("*.log")
        raw = path.read_bytes()
        bad = damaged(raw, ends, draw)
        path.write_bytes(bad)
        same = next((i for i, (a, b) in enumerate(zip(raw, bad, strict=False)) if a != b), min(len(raw), len(bad)))

        reader = Journal(folder)
        found = [pack(each) for each in reader.pending(0)]
        kept = next(i for i in range(len(wrote) + 1) if sum(map(len, wrote[:i])) == len(found))
        assert found == [body for group in wrote[:kept] for body in group]
        assert kept >= sum(end <= same for end in ends) - 1

        writer = Journal(folder)
        try:
            writer.append([stroke(77, 1)])
        except BadMetadata as error:
            assert ".repair()" in str(error)  # noqa: PT017 - it may be refused or not
            assert path.read_bytes() == bad
            writer.repair()
            writer.append([stroke(77, 1)])
        assert [pack(each) for each in Journal(folder).pending(0)] == [*found, pack(stroke(77, 1))]
        aside = b"".join(each.read_bytes() for each in folder.glob("torn-*"))
        assert aside == bad[ends[kept] :] or not bad[ends[kept] :].strip(b"\0")
