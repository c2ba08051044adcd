"""What was acknowledged is there whole, whatever happens to the process, the disk or other writers."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import ndlab
from ndlab.annotations import Annotations, Generic, Segment, Synapse
from ndlab.annotations.database import FILE
from ndlab.errors import BadMetadata, BadRequest, Conflict, NotFound, ReadOnly, TooLarge, Unsupported
from ndlab.geometry import Calibration

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from ndlab.annotations import Annotations, Synapse
path, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
ann = Annotations.open(path, author=name)
for batch in range(batches):
    made = [Synapse(presegments=(batch + 1,), keys={"writer": name, "batch": batch}) for _ in range(50)]
    ids = ann.add(made)
    if batch % 3 == 2:
        ann.update(ids[:10], status="locked")
    print(batch, int(ids[0]), flush=True)
"""

RESERVER = """
import sys
from ndlab.annotations import Annotations
ann = Annotations.open(sys.argv[1])
for _ in range(int(sys.argv[2])):
    found = ann.reserve(100)
    print(found.start, found.stop, flush=True)
"""


def start(script: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Annotations.create(tmp_path / "ann", voxel_size=(40, 4, 4)).close()
    return tmp_path / "ann"


def whole_batches(ann: Annotations, name: str) -> dict[int, list[int]]:
    """Check that each batch of a writer is there with all of its rows, links and keys; return what it holds."""
    found: dict[int, list[int]] = {}
    for one in ann.where(writer=name):
        found.setdefault(int(one.keys["batch"]), []).append(one.id)
    for batch, ids in found.items():
        assert len(ids) == 50, f"batch {batch} is there partly"
        assert ann.where(writer=name, presegments=batch + 1).ids().tolist() == sorted(ids)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_r64_a_killed_writer_loses_no_acknowledged_batch_and_leaves_none_partly(place: str, seed: int) -> None:
    """Two writers at once, both killed at a random moment; then another goes on."""
    moment = random.Random(seed)
    writers = {name: start(WRITER, place, name, 100_000) for name in ("ada", "ben")}
    acknowledged: dict[str, list[int]] = {name: [] for name in writers}
    for name, process in writers.items():
        assert process.stdout is not None
        for _ in range(2 + moment.randrange(6)):
            acknowledged[name].append(int(process.stdout.readline().split()[0]))
    time.sleep(moment.random() * 0.3)
    for process in writers.values():
        os.kill(process.pid, signal.SIGKILL)
    for name, process in writers.items():
        assert process.stdout is not None
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()
        # A line that was cut off was not read by anybody.
        acknowledged[name] += [int(line.split()[0]) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    ann = Annotations.open(place)
    numbers = [one.number for one in ann.history()]
    assert numbers == sorted(set(numbers), reverse=True)
    for name, batches in acknowledged.items():
        found = whole_batches(ann, name)
        assert set(batches) <= set(found)
        assert len(found) <= len(batches) + 1  # the one that was being written
        for batch in batches[:-1]:  # an update comes between a batch and its acknowledgement
            assert ann.where(writer=name, batch=batch, status="locked").count() == (10 if batch % 3 == 2 else 0)
    assert sum(one.objects for one in ann.history() if one.operation == "add") == len(ann)
    ids = ann.add([Generic()])
    assert ids[0] not in ann.where(kind="synapse").ids()
    ann.undo()
    if not ann._database.server:
        with ann._database.reading() as connection:
            assert [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")] == ["ok"]


def test_two_writer_processes_lose_nothing(place: str) -> None:
    writers = [start(WRITER, place, name, 12) for name in ("ada", "ben")]
    for process in writers:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
    ann = Annotations.open(place)
    assert sorted(whole_batches(ann, "ada")) == sorted(whole_batches(ann, "ben")) == list(range(12))
    assert len(np.unique(ann.where().ids())) == 2 * 12 * 50
    assert len(ann.history(author="ada")) == 12 + 4


def test_r47_reserved_ids_are_contiguous_and_disjoint_among_processes(place: str) -> None:
    processes = [start(RESERVER, place, 10) for _ in range(3)]
    ranges = []
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        ranges += [range(*map(int, line.split())) for line in out.splitlines()]
    assert all(len(one) == 100 for one in ranges)
    assert len({i for one in ranges for i in one}) == 3 * 10 * 100
    assert Annotations.open(place).reserve(1).start == 3001


def test_r47_reserved_ids_are_disjoint_among_threads_and_from_those_given(place: str) -> None:
    ann = Annotations.open(place)
    ann.add([Generic(id=50), Generic(id=2**63 + 5)])

    def take(i: int) -> list[int]:
        return list(ann.reserve(100)) if i % 2 else ann.add([Generic() for _ in range(5)]).tolist()

    with ThreadPoolExecutor(8) as pool:
        taken = [i for one in pool.map(take, range(16)) for i in one]
    assert len(set(taken)) == len(taken) == 8 * 100 + 8 * 5
    assert min(taken) == 51
    for count in (0, -1, 1.5, True):
        with pytest.raises(BadRequest, match="1 or more"):
            ann.reserve(count)  # type: ignore[arg-type]
    for many in (2**62, 2**70):
        with pytest.raises(TooLarge, match="given out below"):
            ann.reserve(many)


def test_r44_a_batch_that_is_wrong_leaves_nothing(place: str) -> None:
    ann = Annotations.open(place)
    ann.add([Generic(id=7)])
    made = [Generic(id=i) for i in range(100, 12_000)]
    with pytest.raises(Conflict, match=r"1 of the ids to create are taken: 7. nothing was written"):
        ann.add([*made, Generic(id=7)])
    with pytest.raises(ValueError, match="id 100 is given twice"):
        ann.add([*made, Generic(id=100)])
    with pytest.raises(ValueError, match="item 1 is a int"):
        ann.add([Generic(), 5])  # type: ignore[list-item]
    with pytest.raises(NotFound, match="1 of 2 objects are not there: 8"):
        ann.update([7, 8], status="locked")
    with pytest.raises(NotFound, match="are not there: 9"):
        ann.update([Generic(id=7, status="locked"), Generic(id=9)])
    with pytest.raises(BadRequest, match=r"without id.*ann.add"):
        ann.update([Generic()])
    with pytest.raises(BadRequest, match=r"object 7 as a segment.*it is a generic"):
        ann.update(Segment(id=7))
    with pytest.raises(BadRequest, match="an object keeps its id"):
        ann.update(7, id=8)
    with pytest.raises(BadRequest, match="between 0 and 1"):
        ann.update(7, confidence=2)
    assert ann.where().ids().tolist() == [7]
    assert ann.get(7).status == 0
    assert len(ann.history()) == 1


def test_undo_of_others_work_is_refused_and_by_author_allowed(place: str) -> None:
    ada, ben = (Annotations.open(place, author=name) for name in ("ada", "ben"))
    ada.add([Generic(id=1), Generic(id=2)])
    ben.update(1, status="locked")
    ben.add([Generic(id=3)])
    with pytest.raises(Conflict, match="1 of its objects were changed later: 1"):
        ada.undo(author="ada")
    taken = ada.undo(author="ben")
    assert taken is not None
    assert (taken.number, taken.operation) == (3, "add")
    assert ada.undo(2) == ada.history()[-2]
    with pytest.raises(Conflict, match="taken back already"):
        ada.undo(2)
    with pytest.raises(BadRequest, match="it took back 2 itself"):
        ada.undo(5)
    with pytest.raises(NotFound, match="there is none"):
        ada.undo(99)
    assert ada.undo(author="ada") is not None
    assert len(ada) == 0
    assert ada.undo() is None
    last = ada.history(limit=1)[0]
    assert (last.operation, last.author, last.undoes) == ("undo", "ada", 1)
    with pytest.raises(NotFound, match="the last one is"):
        ada.as_of(99)
    with pytest.raises(BadRequest, match="number of a transaction"):
        ada.as_of("yesterday")
    earlier = ada.as_of(ada.history()[-1].time)
    assert len(earlier) == 2
    assert earlier.readonly
    with pytest.raises(ReadOnly, match="an earlier state is only read"):
        earlier.delete(1)
    assert [(c.transaction.author, c.before is None, c.after is None) for c in ada.changes(1)] == [
        ("ada", True, False), ("ben", False, False), ("ada", False, False), ("ada", False, True),
    ]  # fmt: skip


def test_readers_see_one_state_while_others_write(place: str) -> None:
    ann, other = Annotations.open(place), Annotations.open(place)
    ann.add_table({"confidence": np.full(25_000, 0.5)}, "generic")
    seen = 0
    for i, _ in enumerate(ann.where(confidence=0.5)):
        if i == 100:
            other.delete(other.where(id__gt=20_000))
        seen += 1
    assert seen == 25_000
    assert len(ann) == 20_000


LIMITED = """
import resource, signal, sys
from ndlab.annotations import Annotations, Generic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ann = Annotations.open(sys.argv[1])
ann.add([Generic(id=1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
try:
    ann.add([Generic(keys={"a": "x" * 1000}) for _ in range(20_000)])
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_is_named_and_loses_nothing(folder: Path) -> None:
    """A limit on the size of files: SQLite cannot write past it, as on a disk without space."""
    done = subprocess.run([sys.executable, "-c", LIMITED, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "what was stored before is intact" in done.stdout, done.stdout + done.stderr
    ann = Annotations.open(folder)
    assert ann.where().ids().tolist() == [1]
    assert ann.add([Generic()]).size == 1


def test_a_full_database_is_named(folder: Path) -> None:
    ann = Annotations.open(folder)
    ann.add([Generic(id=1)])
    with ann._database.engine.connect() as connection:  # SQLite itself says that it is full
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}")
    with pytest.raises(TooLarge, match=r"no space left.*intact"):
        ann.add([Generic(keys={"a": "x" * 1000}) for _ in range(5000)])
    assert ann.where().ids().tolist() == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="mounts")
def test_a_disk_that_cannot_be_written_is_read(folder: Path, tmp_path: Path) -> None:
    ann = Annotations.open(folder)
    ann.add([Generic(id=1, keys={"a": 1})])
    ann.close()
    script = (
        "from ndlab.annotations import Annotations, Generic\n"
        f"ann = Annotations.open({str(folder)!r})\n"
        "print(ann.readonly, len(ann), ann.get(1).keys)\n"
        "try: ann.add([Generic()])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && exec {sys.executable} -c "
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount + '"$0"', script],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        # No name spaces here: at least what was asked to be read-only is.
        done = subprocess.run(
            [sys.executable, "-c", script.replace("open(", "open(readonly=True, path=")], cwd=ROOT,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert "True 1 {'a': 1}" in done.stdout, done.stderr
    assert "ReadOnly" in done.stdout
    assert "cannot be written" in done.stdout


def test_where_annotations_live(tmp_path: Path) -> None:
    ann = Annotations.create(tmp_path / "brain.zarr" / "annotations" / "spines", Calibration((40, 4, 4)), author="ada")
    ann.add([Synapse()])
    again = ndlab.open(tmp_path / "brain.zarr" / "annotations" / "spines")
    assert isinstance(again, Annotations)
    assert (again.name, len(again), again.calibration) == ("spines", 1, Calibration((40, 4, 4)))
    assert isinstance(ndlab.open(f"file://{ann.url}"), Annotations)
    assert isinstance(ndlab.open(Path(ann.url) / FILE), Annotations)
    assert pickle.loads(pickle.dumps(ann)).get(1) == ann.get(1)
    assert pickle.loads(pickle.dumps(ann)).author == "ada"
    with pytest.raises(ReadOnly, match="it was opened to be read"):
        Annotations.open(ann.url, readonly=True).add([Synapse()])
    with pytest.raises(Conflict, match=r"there are some already.*overwrite=True"):
        Annotations.create(ann.url)
    assert len(Annotations.create(ann.url, overwrite=True)) == 0
    with pytest.raises(Conflict, match="holds something else"):
        Annotations.create(tmp_path / "brain.zarr")
    with pytest.raises(NotFound, match=r"no annotations at .*objects.sqlite"):
        Annotations.open(tmp_path)
    with pytest.raises(Unsupported, match="local folder or on a PostgreSQL server"):
        Annotations.create("s3://bucket/ann")
    with pytest.raises(BadRequest, match="they take author and readonly"):
        ndlab.open(ann.url, level=1)
    with pytest.raises(BadRequest, match="Volume or a Calibration"):
        Annotations.create(tmp_path / "x", space=5)
    with pytest.raises(BadRequest, match="were both given"):
        Annotations.create(tmp_path / "x", Calibration((1, 1, 1)), voxel_size=(1, 1, 1))
    with pytest.raises(BadRequest, match="made without one"):
        _ = Annotations.temporary().calibration


def test_a_damaged_or_newer_store_is_named(folder: Path) -> None:
    ann = Annotations.open(folder)
    with ann._database.writing() as connection:
        connection.exec_driver_sql("UPDATE facts SET value='99' WHERE name='version'")
    with pytest.raises(Unsupported, match="layout 99"):
        Annotations.open(folder)
    ann.close()
    (folder / FILE).write_bytes(b"no database" * 1000)
    for extra in folder.glob(FILE + "-*"):
        extra.unlink()
    with pytest.raises(BadMetadata, match="is damaged"):
        Annotations.open(folder)


def test_a_writer_that_waits_too_long_is_told(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndlab.annotations.database.PATIENCE", 0.1)
    one, other = Annotations.open(place), Annotations.open(place)
    with one._database.writing(), pytest.raises(Conflict, match=r"another writer held it for .*try again"):
        other.add([Generic()])
    assert other.add([Generic()]).size == 1


def test_r44_a_batch_takes_few_round_trips() -> None:
    """As many statements as pieces of ids, not as objects; time is measured in bench/annotations.py."""
    from sqlalchemy import event

    ann = Annotations.temporary()
    ids = ann.add([Synapse(presegments=(5,)) for _ in range(3945)])
    asked: list[str] = []
    event.listen(ann._database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert [one.id for one in ann.get(ids)] == ids.tolist()
    assert len(asked) <= 6
    asked.clear()
    ann.add([Synapse(presegments=(5,)) for _ in range(3945)])
    assert len(asked) <= 12
