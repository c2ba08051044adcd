"""What a check finds: each way of damaging a real set is named, and mended where the rest says what was there."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.annotations import Annotations, Generic, Neuron, Node, Segment, Synapse
from ndlab.annotations.checking import Report
from ndlab.annotations.checking.painted import differing_levels
from ndlab.annotations.database import FILE
from ndlab.errors import BadRequest, Conflict, ReadOnly
from ndlab.geometry import Box
from ndlab.store import state
from tests.annotations.model import new_labels, sphere
from tests.annotations.places import PLACES, Fresh, new, release
from tests.postgres import PASSWORD

SIZE = np.array([40, 4, 4])
Damage = Callable[[Annotations], object]


def found(report: Report) -> set[tuple[str, str]]:
    """What was found, and whether it is a problem."""
    return {(one.what, one.status) for one in report.findings}


def sql(*statements: str) -> Damage:
    """Damage the database behind ndlab's back."""

    def run(ann: Annotations) -> None:
        with ann._database.writing() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    return run


# --- the database -------------------------------------------------------------------------------------------------


def filled(fresh: Fresh) -> Annotations:
    """A set with a past: every list and key there is, changed, deleted, brought back."""
    ann = fresh(voxel_size=(40, 4, 4), author="ada")
    long = "x" * 300
    ann.add([Neuron(id=1), Segment(id=2, neuron=1), Segment(id=3, neuron=1, bounds=Box.nm((0, 0, 0), (40, 40, 40)))])
    ann.add(
        Synapse(id=10 + i, presegments=(2, 3)[: i % 3], postsegments=(3,), segments=[(2, "pre"), (2, "post")],
                keys={"n": i, "text": long + str(i), "b": True, "f": 0.5}, bounds=Box.nm((0, 0, i), (9, 9, 2 * i)))
        for i in range(30)
    )  # fmt: skip
    ann.update([10, 11, 12], keys={"n": None, "text": "short"}, presegments=[3])
    ann.delete([12, 13])
    ann.undo()
    ann.merge([2, 3])
    ann.update(20, keys={"n": 20.0})
    return ann


def test_a_set_with_a_long_past_has_no_problem(fresh: Fresh) -> None:
    ann = filled(fresh)
    assert ann.check().findings == ()
    assert str(ann.check()).splitlines()[0].endswith(": 32 objects")
    assert ann.check(repair=True).ok
    assert "repair" not in [one.operation for one in ann.history()]
    assert fresh().check().ok


LINK = "INSERT INTO links (target, role, id, flow, since, until) VALUES"
ALWAYS = 9223372036854775807
INDEXES: list[tuple[str, str, str]] = [
    ("links lost", "DELETE FROM links WHERE role = 3 AND target = 2", "links"),
    ("all links lost", "DELETE FROM links", "links"),
    ("links of nobody", f"{LINK} (2, 3, 9999, 0, 1, 77)", "links"),
    ("links of before the first", f"{LINK} (2, 3, -5, 0, 1, {ALWAYS})", "links"),
    ("links too long", f"UPDATE links SET until = {ALWAYS} WHERE until < 100", "links"),
    ("links too early", "UPDATE links SET since = since - 1 WHERE id = 14", "links"),
    ("pairs lost", "DELETE FROM pairs WHERE id = 14", "pairs"),
    ("all pairs lost", "DELETE FROM pairs", "pairs"),
    ("a pair with another number", "UPDATE pairs SET number = 7.5 WHERE id = 15 AND key = 'n'", "pairs"),
    ("long text cut", "UPDATE pairs SET long = NULL WHERE id = 15", "pairs"),
    ("pairs under another name", "UPDATE pairs SET key = 'm' WHERE id = 16 AND key = 'n'", "pairs"),
    ("a pair that ended goes on", f"UPDATE pairs SET until = {ALWAYS} WHERE id = 10 AND until < 100", "pairs"),
]


@pytest.mark.parametrize(("statement", "where"), [case[1:] for case in INDEXES], ids=[case[0] for case in INDEXES])
def test_index_tables_are_made_again_from_the_rows(fresh: Fresh, statement: str, where: str) -> None:
    ann = filled(fresh)
    before = tables(ann)
    history = ann.history()
    sql(statement)(ann)
    assert tables(ann) != before
    (one,) = ann.check().findings
    assert (one.what, one.where, one.status, one.repairable) == ("index tables", where, "problem", True)
    report = ann.check(repair=True, volumes=False)
    assert report.ok
    assert [(f.what, f.repaired) for f in report.findings] == [("index tables", True)]
    assert tables(ann) == before
    assert ann.check().findings == ()
    written = ann.history(limit=1)[0]
    assert (written.operation, written.note, written.author) == ("repair", "check: index tables", "ada")
    with pytest.raises(BadRequest, match="it mended what is made of the rows"):
        ann.undo(written.number)
    taken = ann.undo()  # the last change of an object
    assert taken is not None
    assert taken.number == history[0].number
    assert ann.check().findings == ()


def tables(ann: Annotations) -> list[Any]:
    with ann._database.reading() as connection:
        return [
            sorted(map(tuple, connection.exec_driver_sql(f"SELECT * FROM {name} WHERE since <> until")), key=repr)
            for name in ("links", "pairs")
        ]


def test_extents_are_made_again(fresh: Fresh) -> None:
    ann = filled(fresh)
    inside = Box.nm((0, 0, 15), (9, 9, 16))
    expected = ann.within(inside).ids().tolist()
    sql("UPDATE objects SET extent = 0 WHERE z0 IS NOT NULL", "UPDATE past SET extent = NULL WHERE id = 10")(ann)
    (one,) = ann.check().findings
    assert (one.what, one.repairable) == ("extents", True)
    assert ann.check(repair=True).ok
    assert ann.within(inside).ids().tolist() == expected
    assert ann.check().findings == ()


def test_counters_that_would_give_out_what_is_taken_are_set(fresh: Fresh) -> None:
    ann = filled(fresh)
    last = ann.version
    sql("UPDATE counters SET next = 5")(ann)
    report = ann.check()
    assert {(f.what, f.where) for f in report.findings} == {("counters", "id"), ("counters", "transaction")}
    assert ann.check(repair=True).ok
    assert ann.add([Generic()]).tolist() == [40]
    assert ann.version == last + 1


def test_a_lost_counter_is_made_and_the_rest_mended_with_it(fresh: Fresh) -> None:
    ann = filled(fresh)
    sql("DELETE FROM counters WHERE name = 'transaction'", "DELETE FROM pairs")(ann)
    assert ann.check(repair=True).ok
    numbers = [one.number for one in ann.history()]
    assert numbers == sorted(set(numbers), reverse=True)
    assert ann.history(limit=1)[0].operation == "repair"


def test_rows_that_cannot_be_read_are_named(fresh: Fresh) -> None:
    ann = filled(fresh)
    sql("UPDATE objects SET keys = '{' WHERE id = 15", "UPDATE objects SET seeds = 'x' WHERE id = 16")(ann)
    report = ann.check()
    (one,) = report.of("rows")
    assert (one.ids, one.status, one.repairable) == ((15, 16), "problem", False)
    assert not ann.check(repair=True).ok


def test_rows_of_transactions_that_are_not_there_are_named(fresh: Fresh) -> None:
    ann = filled(fresh)
    sql("DELETE FROM transactions WHERE number = 2")(ann)
    (one,) = ann.check().findings
    assert (one.what, one.where, one.repairable) == ("rows", "transactions", False)
    assert "1 transactions that the history does not have: 2" in one.detail


def test_what_names_the_deleted_is_a_problem_and_what_names_others_a_note(fresh: Fresh) -> None:
    ann = fresh()
    ann.add([Neuron(id=1), Segment(id=2, neuron=1), Segment(id=3, neuron=99), Segment(id=4, neuron=2),
             Synapse(id=5, presegments=(2,), postsegments=(1,), seeds=(1000,)), Node(id=6, parent=2)])  # fmt: skip
    assert ann.check().ok
    assert {(f.where, f.status, f.ids) for f in ann.check().findings} == {
        ("neuron", "note", (3,)),  # names 99, which never was here
        ("neuron", "note", (4,)),  # names a segment
        ("postsegments", "note", (5,)),  # names a neuron
        ("seeds", "note", (5,)),
        ("parent", "note", (6,)),  # a segment is no node's parent
    }
    ann.delete([1, 2])
    problems = ann.check().problems
    assert {(f.where, f.ids) for f in problems} == {
        ("neuron", (4,)), ("presegments", (5,)), ("postsegments", (5,)), ("parent", (6,)),
    }  # fmt: skip
    assert not any(f.repairable for f in problems)
    ann.undo()
    assert ann.check().ok


def test_an_index_of_sqlite_without_a_row_is_made_again(tmp_path: Path) -> None:
    """SQLite's own catalogue is bent so that a row is written without its index hearing of it."""
    ann = Annotations.create(tmp_path / "ann")
    ann.add([Segment(id=i, neuron=i) for i in range(1, 50)])
    ann.close()
    bend(tmp_path / "ann" / FILE, "objects_neuron", "UPDATE objects SET neuron = 1000 WHERE id = 7")
    assert ann.where(neuron=1000).count() == 0  # asked of the index
    (one,) = ann.check().findings[:1]
    assert (one.what, one.repairable) == ("sqlite", True)
    assert "objects_neuron" in one.detail
    report = ann.check(repair=True)
    assert report.ok
    assert ann.where(neuron=1000).ids().tolist() == [7]


def bend(path: Path, index: str, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    (row,) = connection.execute("SELECT * FROM sqlite_master WHERE name = ?", (index,)).fetchall()
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("DELETE FROM sqlite_master WHERE name = ?", (index,))
    connection.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    connection.close()


def test_a_file_with_torn_pages_is_named(tmp_path: Path) -> None:
    ann = Annotations.create(tmp_path / "ann")
    ann.add([Segment(id=i, keys={"a": "x" * 500}) for i in range(1, 500)])
    ann.close()
    path = tmp_path / "ann" / FILE
    raw = bytearray(path.read_bytes())
    raw[40 * 4096 : 60 * 4096] = b"\x55" * (20 * 4096)
    path.write_bytes(raw)
    report = Annotations.open(tmp_path / "ann").check()
    assert not report.ok
    assert [(f.what, f.repairable) for f in report.findings] == [("sqlite", False)]
    assert "backup" in report.findings[0].remedy


# --- with paint ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=PLACES)
def painted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Annotations]:
    """Three segments of which two touch, a synapse that stands behind one of them, a neuron."""
    volume = new_labels(tmp_path / "b.zarr" / "labels", levels=3)
    if request.param == "sqlite":
        ann = Annotations.create(tmp_path / "b.zarr" / "annotations" / "cells", volume, author="ada")
    else:
        ann = new(request.param, volume, author="ada")
    ann.attach(volume, background=False)
    ann.add([Neuron(id=1)])
    shapes = [sphere((6, 10, 10), 5), sphere((6, 18, 10), 4), sphere((14, 30, 20), 4), sphere((7, 14, 10), 2)]
    made = [Segment(id=2, neuron=1), Segment(id=3, neuron=1), Segment(id=4), Synapse(id=5, presegments=(2,))]
    ann.add(made[:3], voxels=shapes[:3], mode="preserve")
    ann.add(made[3:], voxels=shapes[3:], mode="except")
    for one, where in ((2, ann.paint.voxels(2)), (5, ann.paint.voxels(5))):
        low, high = where.min(0) * SIZE, (where.max(0) + 1) * SIZE
        ann.update(one, bounds=Box.nm(low.tolist(), high.tolist()), voxel_count=len(where))
    ann.update(5, centroid=tuple(((ann.paint.voxels(5).mean(0) + 0.5) * SIZE).tolist()))
    ann.paint.flush()
    yield ann
    release(ann)


def index_of(ann: Annotations) -> Path:
    return Path(ann.paint._merger.index.path)


def index_sql(statement: str) -> Damage:
    def run(ann: Annotations) -> None:
        with sqlite3.connect(index_of(ann)) as connection:
            connection.execute(statement)
        connection.close()

    return run


def level_voxel(level: int, at: tuple[int, int, int]) -> Damage:
    def run(ann: Annotations) -> None:
        array = ann.paint.volume._stored.levels[level].array
        array.write(at, np.full((1, 1, 1), 77, array.dtype))

    return run


def stray_label(ann: Annotations) -> None:
    """Somebody wrote into the labels by another way: level 0 alone."""
    level_voxel(0, (19, 39, 35))(ann)


def unwritten_bounds(ann: Annotations) -> None:
    ann.update(2, bounds=Box.nm((0, 0, 0), (40, 40, 40)))


CASES: list[tuple[str, Damage, str, str]] = [
    ("index without an object", index_sql("DELETE FROM places WHERE id = 4"), "index", "problem"),
    ("index with another count", index_sql("UPDATE places SET count = count + 1 WHERE id = 2"), "index", "problem"),
    (
        "index with an object that is nowhere",
        index_sql("INSERT INTO places VALUES (50, 0, 3, 0, 4398048608257)"),
        "index",
        "problem",
    ),
    ("index with another box", index_sql("UPDATE places SET high = high + 1 WHERE id = 3"), "index", "problem"),
    ("a label that the index never heard of", stray_label, "index", "problem"),
    ("a voxel of level 1", level_voxel(1, (6, 5, 5)), "levels", "problem"),
    ("a voxel of level 2", level_voxel(2, (6, 2, 2)), "levels", "problem"),
    ("other bounds", unwritten_bounds, "bounds", "problem"),
    ("a centre far away", lambda ann: ann.update(5, centroid=(0.0, 0.0, 0.0)), "centroid", "problem"),
    ("another number of voxels", lambda ann: ann.update(2, voxel_count=3), "voxels", "problem"),
    ("levels that wait", lambda ann: ann.paint.write(4, [(0, 0, 0)]), "stale", "note"),
]


@pytest.mark.parametrize(("damage", "what", "status"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_can_be_mended_is(painted: Annotations, damage: Damage, what: str, status: str) -> None:
    assert found(painted.check()) == set()
    damage(painted)
    report = painted.check()
    assert (what, status) in found(report)
    assert report.ok == (status == "note")
    assert next(f for f in report.findings if f.what == what).repairable
    mended = painted.check(repair=True)
    assert mended.ok, str(mended)
    assert what in {f.what for f in mended.findings if f.repaired}
    assert painted.check().ok
    truth = whole(painted)
    assert truth.problems() == []


class whole:
    """The labels read by the engine alone, and what they say of index, levels and rows."""

    def __init__(self, ann: Annotations) -> None:
        self.ann = ann
        self.labels = ann.paint.volume.read()
        self.behind = ann.paint.exceptions()

    def problems(self) -> list[str]:
        told = []
        stored = self.ann.paint.volume._stored
        for one in np.unique(self.labels[self.labels != 0]).tolist():
            where = np.argwhere(self.labels == one).tolist() + [list(v) for v, ids in self.behind if one in ids]
            if sorted(where) != self.ann.paint.voxels(one).tolist():
                told.append(f"voxels of {one}")
            if one in self.ann and self.ann.get(one).bounds is not None:
                box = self.ann.get(one).bounds
                low, high = np.min(where, 0) * SIZE, (np.max(where, 0) + 1) * SIZE
                told += [] if (list(box.start), list(box.stop)) == (low.tolist(), high.tolist()) else [f"box of {one}"]
        told += [f"level {box.level}" for box in differing_levels(stored, state.State())]
        return told


def test_a_repair_of_rows_is_in_the_history_and_can_be_taken_back(painted: Annotations) -> None:
    painted.update(2, bounds=Box.nm((0, 0, 0), (40, 40, 40)), voxel_count=3)
    painted.update(5, centroid=(0.0, 0.0, 0.0), voxel_count=1)
    wrong = {one.id: one for one in painted}
    assert found(painted.check()) == {("bounds", "problem"), ("centroid", "problem"), ("voxels", "problem")}
    painted.check(repair=True)
    written = painted.history(limit=1)[0]
    assert (written.operation, written.objects, written.note) == ("repair", 2, "check: bounds, centroid, voxels")
    where = painted.paint.voxels(5)
    synapse = painted.get(5)
    assert np.allclose(synapse.centroid, (where.mean(0) + 0.5) * SIZE)
    assert synapse.keys["voxel_count"] == len(where)
    assert [c.transaction.operation for c in painted.changes(2)][-1] == "repair"
    painted.undo(written.number)
    assert {one.id: one for one in painted} == wrong


def test_only_one_half_is_a_fact_and_declared_voxels_that_lack_a_problem(painted: Annotations) -> None:
    painted.add([Segment(id=60), Synapse(id=61), Neuron(id=62), Segment(id=63, keys={"voxel_count": 12})])
    painted.paint.write(70, [(0, 0, 0)])
    painted.paint.flush()
    report = painted.check()
    assert found(report) == {("paint", "note"), ("unpainted", "problem")}
    assert [f.detail for f in report.of("paint")] == [
        "without voxels: 1 segment, 1 synapse", "1 ids have voxels and no row: 70",
    ]  # fmt: skip
    (lacking,) = report.of("unpainted")
    assert (lacking.ids, lacking.repairable) == ((63,), False)
    assert not painted.check(repair=True).ok


def test_a_torn_end_of_the_journal_is_told_and_a_damaged_one_set_aside(painted: Annotations) -> None:
    journal = painted.paint.folder / "journal"
    with segment_of(journal).open("ab") as file:
        file.write(b"NdJ1 half a record")
    assert found(painted.check(volumes=False)) == {("torn", "note")}
    assert found(painted.check()) == {("torn", "note")}  # which merges, and so sets it aside
    assert found(painted.check()) == set()
    painted.paint.write(4, [(0, 0, 1)])
    painted.paint.write(4, [(0, 0, 2)])
    path = segment_of(journal)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 4] ^= 0xFF  # within the first of two whole records
    path.write_bytes(raw)
    painted.close()
    report = painted.check()
    assert ("journal", "problem") in found(report)
    assert "whole records follow" in report.of("journal")[0].detail
    with pytest.raises((ValueError, Conflict), match="damaged"):
        painted.paint.write(4, [(0, 0, 3)])
    painted.check(repair=True)
    assert not painted.check().of("journal")
    painted.paint.write(4, [(0, 0, 3)])


def segment_of(journal: Path) -> Path:
    """The segment of the journal that is written to."""
    return max(path for path in journal.iterdir() if path.name not in ("lock",) and not path.name.startswith("torn"))


def test_a_volume_that_is_gone_is_named(painted: Annotations, tmp_path: Path) -> None:
    painted.close()
    (tmp_path / "b.zarr" / "labels").rename(tmp_path / "elsewhere")
    report = painted.check()
    assert [(f.what, f.where, f.status) for f in report.findings] == [("volume", "labels", "problem")]
    assert "cannot be opened" in report.findings[0].detail
    (tmp_path / "elsewhere").rename(tmp_path / "b.zarr" / "labels")
    assert painted.check().ok


def test_quick_leaves_the_labels_unread(painted: Annotations) -> None:
    level_voxel(1, (6, 5, 5))(painted)
    assert painted.check(volumes=False).findings == ()
    assert not painted.check().ok


def test_an_earlier_state_is_not_checked_and_what_cannot_be_written_not_repaired(painted: Annotations) -> None:
    with pytest.raises(BadRequest, match=r"the whole is checked.*check\(\)"):
        painted.as_of(1).check()
    closed = Annotations.open(painted._database.address, readonly=True)
    assert closed.check(volumes=False).ok
    with pytest.raises(ReadOnly, match="was to be repaired"):
        closed.check(repair=True)
    closed.close()


def test_the_command_checks_and_repairs(painted: Annotations) -> None:
    def run(*given: str, code: int) -> str:
        command = [sys.executable, "-m", "ndlab", "annotations", "check", painted.url, *given]
        environment = dict(os.environ) | {"PGPASSWORD": PASSWORD}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    sql("DELETE FROM pairs")(painted)
    told = run(code=1)
    assert "problem  index tables  pairs" in told
    assert f"-> ndlab annotations check {painted.url} --repair" in told
    assert told.endswith("1 problem\n")
    facts = json.loads(run("--json", "--repair", "--author", "ben", code=0))
    assert facts["ok"]
    assert [(f["what"], f["repaired"]) for f in facts["findings"]] == [("index tables", True)]
    assert painted.history(limit=1)[0].author == "ben"
