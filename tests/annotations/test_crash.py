"""Processes that are killed, or write at the same time: nothing acknowledged is lost, nothing is applied twice; R64."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ndlab.annotations import cutting
from ndlab.annotations.paint import Paint
from ndlab.errors import BadMetadata, Conflict
from ndlab.geometry import Box
from tests.annotations.killing import Writer, paint_on
from tests.annotations.model import new_labels, same
from tests.annotations.writer import operation, paint_it, replayed

ROOT = Path(__file__).parents[2]


def test_processes_and_threads_write_one_serial_history(tmp_path: Path) -> None:
    new_labels(tmp_path / "labels")
    Paint(tmp_path / "labels", tmp_path / "paint", background=False).close()
    writers = [Writer(paint_on, str(tmp_path), seed, 0, 60, 0.02, cutting.MANY) for seed in (1, 2)]
    with Paint(tmp_path / "labels", tmp_path / "paint", merge_seconds=0.02) as paint:
        # Threads of one process share its author, so each paints through an object of its own.
        others = [Paint(tmp_path / "labels", tmp_path / "paint", background=False) for _ in range(3)]

        def many(mine: Paint, seed: int) -> None:
            for number in range(40):
                mine.author = f"{seed} {number}"
                one = operation(seed, number)
                if one[0] != "undo":
                    paint_it(mine, one)

        threads = [threading.Thread(target=many, args=(mine, seed)) for seed, mine in enumerate(others, 10)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            paint.ids()  # readers are served meanwhile
            time.sleep(0.01)
        told = [writer.told() for writer in writers]
        assert [writer.process.exitcode for writer in writers] == [0, 0]
        model, done = replayed(paint)
        assert sorted(done) == sorted(set(done))
        expected = {(seed, number) for seed, numbers in zip((1, 2), told, strict=True) for number in numbers}
        mine = {(seed, n) for seed in (10, 11, 12) for n in range(40) if operation(seed, n)[0] != "undo"}
        assert set(done) == expected | mine
        same(paint, model)
        paint.flush()
        same(paint, model)
        for other in others:
            assert np.array_equal(other.read(), model.labels)
            other.close()
        assert paint.check() == []


FULL = """
import resource, sys
import numpy as np
from ndlab.annotations.paint import Paint
from ndlab.errors import TooLarge
from tests.annotations.model import sphere

folder, limit, where = sys.argv[1], int(sys.argv[2]), sys.argv[3]
paint = Paint(folder + "/labels", folder + "/paint", background=False)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
if where == "merge":
    for n in range(1, 30):
        paint.write(n, sphere((n % 20, n, n), 4))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
kept = [] if where == "journal" else list(range(1, 30))
try:
    if where == "merge":
        paint.flush()
    for n in range(1, 1000) if where == "journal" else ():
        paint.write(n, sphere((n % 20, n % 40, n % 36), 4))
        kept.append(n)
except TooLarge as error:
    assert "no space left" in str(error), error
else:
    raise SystemExit("nothing failed")
before = paint.read()
assert [w.objects for w in paint.history()] == [1] * len(kept), (paint.history(), kept)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert np.array_equal(paint.read(), before)
paint.write(5000, [(0, 0, 0)])
paint.flush()
assert paint.read()[0, 0, 0] == 5000 and paint.check() == []
before[0, 0, 0] = 5000
assert np.array_equal(paint.volume.read(), before)
print(len(kept))
"""


@pytest.mark.parametrize(("where", "limit"), [("journal", 20_000), ("merge", 300), ("merge", 900), ("merge", 3000)])
def test_a_full_disk(tmp_path: Path, where: str, limit: int) -> None:
    # A file that may not grow is the full disk that an ordinary user can have.
    new_labels(tmp_path / "labels")
    Paint(tmp_path / "labels", tmp_path / "paint", background=False).close()
    command = [sys.executable, "-c", FULL, str(tmp_path), str(limit), where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 5


READ_ONLY = """
import os, sys
from ndlab.annotations.paint import Paint
from ndlab.errors import ReadOnly
if os.getuid() == 0:
    os.setuid(65534)
paint = Paint(sys.argv[1] + "/labels", sys.argv[1] + "/paint")
assert paint.size(3) == 8 and paint.size(4) == 1 and len(paint.voxels(3)) == 8
assert paint.bounding_box(3).stop == (2, 2, 2) and (paint.read() == 3).sum() == 8
assert len(paint.history()) == 2
for call in (lambda: paint.write(1, [(0, 0, 0)]), lambda: paint.undo(), lambda: paint.delete(3), lambda: paint.flush()):
    try:
        call()
    except ReadOnly as error:
        assert "cannot be written" in str(error) and "check the permissions" in str(error), error
    else:
        raise SystemExit("it was written")
"""


def test_a_folder_that_cannot_be_written_is_read() -> None:
    with tempfile.TemporaryDirectory() as name:  # whose parents anybody may enter
        folder = Path(name)
        new_labels(folder / "labels")
        with Paint(folder / "labels", folder / "paint", background=False) as paint:
            paint.write(3, box=Box((0, 0, 0), (2, 2, 2)))
            paint.flush()
            paint.write(4, [(5, 5, 5)])
        closed = [folder, *folder.rglob("*")]
        for path in closed:
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-c", READ_ONLY, name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        for path in closed:
            path.chmod(0o755 if path.is_dir() else 0o644)
        assert done.returncode == 0, done.stderr[-3000:]


KILLED = """
import os, signal, sys
from ndlab.annotations import before, merging
from ndlab.annotations.index import Index
from ndlab.annotations.journal import Journal
from ndlab.annotations.paint import Paint
from ndlab.annotations.units import Units

folder, where, nth = sys.argv[1], sys.argv[2], int(sys.argv[3])
owner, name = {"before": (before, "save"), "unit": (Units, "change"), "mark": (Index, "set_fact"),
               "drop": (Journal, "drop"), "seal": (Journal, "seal")}[where.split("-")[0]]
plain, calls = getattr(owner, name), 0

def dying(*given):
    global calls
    calls += 1
    if calls == nth and where.endswith("-first"):
        os.kill(os.getpid(), signal.SIGKILL)
    found = plain(*given)
    if calls == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(owner, name, dying)
paint = Paint(folder + "/labels", folder + "/paint", background=False)
paint._merger.__dict__["workers"] = 1
paint.flush()
raise SystemExit("it was not killed")
"""
MOMENTS = [("seal", 1), ("before-first", 1), ("before", 1), ("before", 3), ("unit", 1), ("unit", 4), ("mark-first", 1),
           ("mark", 1), ("drop-first", 1), ("drop", 1)]  # fmt: skip


@pytest.mark.parametrize(("where", "nth"), MOMENTS)
def test_killed_at_each_step_of_a_merge(tmp_path: Path, where: str, nth: int) -> None:
    new_labels(tmp_path / "labels")
    with Paint(tmp_path / "labels", tmp_path / "paint", background=False) as paint:
        for number in range(60):
            paint.author = f"5 {number}"
            with contextlib.suppress(Conflict):
                paint_it(paint, operation(5, number))
            if number == 20:
                paint.flush()
        model, _ = replayed(paint)
        command = [sys.executable, "-c", KILLED, str(tmp_path), where, str(nth)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stderr[-2000:]
        same(paint, model)  # who had it open
        with Paint(tmp_path / "labels", tmp_path / "paint", background=False) as again:
            same(again, model)
            again.author = "5 60"
            paint_it(again, operation(5, 60))
            model, _ = replayed(again)
            again.flush()
            same(again, model)
            assert again.check() == []
        same(paint, model)


def _paint_some(paint: Paint, seed: int) -> int:
    """As a task: a paint pickles as its address."""
    done = 0
    for number in range(15):
        paint.author = f"{seed} {number}"
        one = operation(seed, number)
        if one[0] != "undo":
            paint_it(paint, one)
            done += 1
    paint.close()
    return done


def test_workers_of_a_dask_cluster_write_one_serial_history(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    new_labels(tmp_path / "labels")
    with (
        Paint(tmp_path / "labels", tmp_path / "paint", background=False) as paint,
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        told = client.gather([client.submit(_paint_some, paint, seed, pure=False) for seed in range(30, 36)])
        model, done = replayed(paint)
        assert len(set(done)) == len(done) == sum(told)
        same(paint, model)
        paint.flush()
        same(paint, model)
        assert paint.check() == []


def test_a_damaged_journal_is_said_and_what_came_before_it_is_read(tmp_path: Path) -> None:
    new_labels(tmp_path / "labels")
    with Paint(tmp_path / "labels", tmp_path / "paint", background=False) as paint:
        paint.write(1, [(0, 0, 1)])
        paint.flush()
        for one in (2, 3, 4):
            paint.write(one, [(0, 0, one)])
    (journal,) = (tmp_path / "paint" / "journal").glob("*.log")
    raw = bytearray(journal.read_bytes())
    raw[len(raw) // 2] ^= 1
    journal.write_bytes(raw)
    with Paint(tmp_path / "labels", tmp_path / "paint", background=False) as paint:
        assert paint.ids() == [1, 2]
        for call in (lambda: paint.write(5, [(0, 0, 5)]), paint.flush, paint.undo):
            with pytest.raises(BadMetadata, match=r"wrong at byte .* sets the rest aside"):
                call()
        assert np.unique(paint.volume.read()).tolist() == [0, 1]
        assert paint.repair() > 0
        paint.write(5, [(0, 0, 5)])
        paint.flush()
        assert paint.ids() == [1, 2, 5]
        assert paint.check() == []
    (aside,) = (tmp_path / "paint" / "journal").glob("torn-*")
    assert raw.endswith(aside.read_bytes())
