"""Label volumes of a set whose objects are on a real server: addresses, and crashes between the halves."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from ndlab.annotations import Annotations, Segment
from ndlab.annotations.database import next_of
from ndlab.annotations.paint import Paint
from ndlab.annotations.schema import strokes, transactions
from ndlab.errors import Conflict
from tests.annotations import places
from tests.annotations.model import new_labels, sphere

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Annotations]:
    made = places.new("postgresql")
    made.attach(new_labels(tmp_path / "labels"), background=False)
    yield made
    places.release(made)


def test_addresses_are_whole_and_show_no_password(tmp_path: Path, ann: Annotations) -> None:
    (volume,) = ann._ledger.volumes()
    assert (volume.url, volume.folder) == (str(tmp_path / "labels"), str(tmp_path / "labels" / ".ndlab" / "paint"))
    owner = ann.paint._merger.index.fact("owner")
    assert ann.url in owner
    assert ann._database.address not in owner
    ann.add([Segment(id=3)], voxels=[[(1, 1, 1)]])
    assert ann.within(ann.bounding_box(3), by="paint").ids().tolist() == [3]
    with Annotations.open(ann._database.address) as again:
        assert again.paint.ids() == [3]


KILLED = """
import os, signal, sys
from ndlab.annotations import Annotations, Segment
from ndlab.annotations.journal import Journal
from ndlab.annotations.ledger import Ledger

steps = {"journal": (Journal, "prepare"), "append": (Ledger, "_append"), "remember": (Ledger, "_remember")}
owner, name = steps[sys.argv[2]]
plain = getattr(owner, name)

def dying(*given):
    if sys.argv[2] != "remember":
        plain(*given)
    os.kill(os.getpid(), signal.SIGKILL)

ann = Annotations.open(sys.argv[1])
ann.paint.ids(), ann.history()
setattr(owner, name, dying)
ann.add([Segment(id=50)], voxels=[[(1, 2, 3)]])
raise SystemExit("it was not killed")
"""


@pytest.mark.parametrize(("where", "there"), [("journal", False), ("append", False), ("remember", True)])
def test_both_halves_or_neither(ann: Annotations, where: str, there: bool) -> None:
    ann.add([Segment(id=1)], voxels=[sphere((5, 5, 5), 2)])
    command = [sys.executable, "-c", KILLED, ann._database.address, where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr[-2000:]
    expected = [1, 50] if there else [1]
    assert ann.paint.ids() == expected
    assert [one.id for one in ann] == expected
    assert ann.paint.write(9, [(9, 9, 9)]) == ann.version == len(expected) + 1
    ann.paint.flush()
    assert ann.paint.ids() == sorted([*expected, 9])
    ann.undo(1)
    assert (ann.paint.ids(), ann.count()) == (sorted([*expected[1:], 9]), len(expected) - 1)


def test_what_the_server_is_still_committing_for_a_killed_writer_is_waited_for(ann: Annotations) -> None:
    ann.paint.write(1, [(0, 0, 0)])
    token, seen = 12345, []
    ledger, paint = ann._ledger, ann.paint
    # As a writer that was killed after its last words to the server, which has not come to the end of them yet.
    with ledger.database.writing() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({token})")
        with paint.journal.hold():
            (stroke,) = paint.taking_back(1)
            stroke.token = token
            paint.journal.prepare([stroke])
        about = {"number": next_of(connection, "transaction"), "time": 0, "author": "", "objects": 0, "note": ""}
        connection.execute(insert(transactions).values(**about, operation="undo", undoes=1))
        row = {"volume": "labels", "number": 2, "first": stroke.sequence, "last": stroke.sequence, "voxels": 1}
        connection.execute(insert(strokes).values(**row, token=token))
        reader = threading.Thread(target=lambda: seen.append(paint.ids()))
        reader.start()
        reader.join(0.5)
        assert not seen
    reader.join(10)
    assert seen == [[]]


def test_who_has_only_the_labels_needs_the_set_for_what_is_unfinished(tmp_path: Path, ann: Annotations) -> None:
    ann.add([Segment(id=1)], voxels=[[(1, 1, 1)]])
    with Paint(tmp_path / "labels", background=False) as alone, pytest.raises(Conflict, match="cannot be asked"):
        alone.ids()  # it has no password
    ann.paint.flush()
    with Paint(tmp_path / "labels", background=False) as alone:
        assert alone.ids() == [1]
