"""Changes of objects and paint whose process is killed between the halves: both are there afterwards, or neither."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from ndlab.annotations import Annotations, Segment
from ndlab.annotations.paint import Paint
from tests.annotations.model import sphere
from tests.annotations.together import Together
from tests.annotations.writer_both import NAMES, make, replayed, same, write_it

ROOT = Path(__file__).parents[2]

KILLED = """
import os, signal, sys
from ndlab.annotations import Annotations, Segment
from ndlab.annotations import ledger, writing
from ndlab.annotations.journal import Journal
from ndlab.annotations.ledger import Ledger
from tests.annotations.model import sphere

folder, what, where, nth = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
owner, name = {"journal": (Journal, "prepare"), "append": (Ledger, "_append"),
               "remember": (Ledger, "_remember"), "adopt": (Ledger, "_adopt")}[where.split("-")[0]]
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

ann = Annotations.open(folder + "/set")
ann.paints["labels"].ids(), ann.paints["more"].ids(), ann.history()
setattr(owner, name, dying)
if what == "add":
    ann.add([Segment(id=50)], voxels=[sphere((8, 20, 18), 4)])
elif what == "update":
    ann.update(1, status=2, voxels=[sphere((8, 20, 18), 4)])
elif what == "delete":
    ann.delete([1, 2])
elif what == "merge":
    ann.merge([2, 1])
elif what == "undo":
    ann.undo()
else:
    ann.paint.write(50, sphere((8, 20, 18), 4))
raise SystemExit("it was not killed")
"""
# Whether what was under way is there afterwards.
STEPS = [("journal-first", False), ("journal", False), ("append", False), ("remember-first", True), ("remember", True)]
CASES = [
    *(("add", where, 1, there) for where, there in STEPS),
    *((what, where, 1, there) for what in ("update", "undo") for where, there in STEPS[2:4]),
    # Into two volumes: in one, in both, and all of it.
    *((what, "journal", nth, False) for what in ("delete", "merge") for nth in (1, 2)),
    *((what, "remember-first", 1, True) for what in ("delete", "merge")),
    ("paint", "adopt-first", 1, True), ("paint", "adopt", 1, True),
]  # fmt: skip


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Together]:
    """A set with objects in both volumes, some merged, some pending."""
    folder = tmp_path_factory.mktemp("begun")
    make(folder, background=False)
    model = Together(NAMES)
    with Annotations.open(folder / "set") as ann:
        for one, name in [(1, "labels"), (2, "labels"), (1, "more"), (2, "more")]:
            ball = sphere((5 + 3 * one, 10 * one, 15), 4)
            if one in model.now:
                ann.paints[name].write(one, ball, mode="except")
                model.put("", model.now, name, {one: ball}, "except")
            else:
                ann.add([Segment(id=one)], voxels=[ball], mode="except", volume=name)
                model.put("", model.now | {one: Segment(id=one)}, name, {one: ball}, "except")
        ann.paints["more"].flush()
        ann.update(1, status=1, voxels=[sphere((9, 12, 16), 3)])
        model.put("", model.now | {1: Segment(id=1, status=1)}, "labels", {1: sphere((9, 12, 16), 3)}, "overwrite")
        same(ann, model)
    return folder, model


def finish(model: Together, what: str) -> None:
    ball = sphere((8, 20, 18), 4)
    if what == "add":
        model.put("", model.now | {50: Segment(id=50)}, "labels", {50: ball}, "overwrite")
    elif what == "update":
        model.put("", model.now | {1: Segment(id=1, status=2)}, "labels", {1: ball}, "overwrite")
    elif what == "delete":
        model.delete("", [1, 2])
    elif what == "merge":
        model.merge("", [2, 1])
    elif what == "undo":
        model.take_back("", 5)
    else:
        model.put("", model.now, "labels", {50: ball}, "overwrite")


@pytest.mark.parametrize(("what", "where", "nth", "there"), CASES)
def test_both_halves_or_neither(
    tmp_path: Path, begun: tuple[Path, Together], what: str, where: str, nth: int, there: bool
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(begun[0], folder)
    model = deepcopy(begun[1])
    before = len(model.told)
    with Annotations.open(folder / "set", author="watcher") as watcher:
        same(watcher, model)  # it has looked before, and looks again after the crash
        killed(folder, what, where, nth)
        if there:
            finish(model, what)
        same(watcher, model)
        assert watcher.version == len(model.told) - 1
        with Annotations.open(folder / "set") as ann:
            same(ann, model)
            assert [one.number for one in ann.history()] == list(range(len(model.told) - 1, 0, -1))
            assert np.array_equal(ann.as_of(before - 1).paint.read(), model.told[before - 1].labels["labels"][0])
        for name in NAMES:  # who knows nothing of the set asks it
            with Paint(folder / name, background=False) as alone:
                assert np.array_equal(alone.read(), model.models[name].labels)
                if name == "more":
                    alone.flush()
        # And it goes on.
        number = watcher.paint.write(9, sphere((3, 3, 3), 2))
        assert number == len(model.told)
        model.put("", model.now, "labels", {9: sphere((3, 3, 3), 2)}, "overwrite")
        watcher.add([Segment(id=60)], voxels=[sphere((12, 30, 30), 2)])
        model.put("", model.now | {60: Segment(id=60)}, "labels", {60: sphere((12, 30, 30), 2)}, "overwrite")
        same(watcher, model)
        for name in NAMES:
            watcher.paints[name].flush()
            assert watcher.paints[name].check() == []
        same(watcher, model)
        taken = watcher.undo(model.standing()[-3])
        assert taken is not None
        model.take_back("", taken.number)
        same(watcher, model)


def killed(folder: Path, what: str, where: str, nth: int) -> None:
    command = [sys.executable, "-c", KILLED, str(folder), what, where, str(nth)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr[-2000:]


def test_a_half_that_was_cut_off_at_any_byte_never_happened(tmp_path: Path, begun: tuple[Path, Together]) -> None:
    folder, model = tmp_path / "copy", deepcopy(begun[1])
    shutil.copytree(begun[0], folder)
    (journal,) = (folder / "labels" / ".ndlab" / "paint" / "journal").glob("*.log")
    size = journal.stat().st_size
    killed(folder, "add", "journal", 1)
    raw = journal.read_bytes()
    assert len(raw) > size + 100
    for end in [*range(size, size + 80, 7), *range(size + 80, len(raw), 61), len(raw) - 1, len(raw)]:
        journal.write_bytes(raw[:end])
        with Annotations.open(folder / "set") as ann:
            assert np.array_equal(ann.paint.read(), model.models["labels"].labels)
            assert 50 not in ann
    with Annotations.open(folder / "set") as ann:
        ann.add([Segment(id=50)], voxels=[sphere((8, 20, 18), 4)])
        finish(model, "add")
        same(ann, model)


def start(folder: Path, seed: int, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.annotations.writer_both", *map(str, (folder, seed, first, count))]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_at_random(folder: Path, seed: int, first: int, chance: random.Random) -> list[int]:
    """Let a process write from operation `first` on, kill it, and return what it had acknowledged."""
    process = start(folder, seed, first, 10_000)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    threading.Timer(chance.uniform(0.05, 0.9), process.kill).start()
    told = process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    return [int(line) for line in told if line.endswith("\n")]


def crashes(folder: Path, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    make(folder, merge_seconds=chance.choice([0.02, 0.1]))
    done: list[tuple[int, int]] = []
    first = 0
    for _ in range(kills):
        before = done
        acknowledged = kill_at_random(folder, seed, first, chance)
        with Annotations.open(folder / "set") as ann:
            model, done = replayed(ann)
            assert done[: len(before)] == before
            fresh = [number for _, number in done[len(before) :]]
            assert fresh[: len(acknowledged)] == acknowledged  # none lost
            assert len(fresh) <= len(acknowledged) + 1  # and one at most that nobody was told of
            same(ann, model)
            first = max([first, *(number + 1 for number in fresh)])
    with Annotations.open(folder / "set") as ann:
        then = chance.randrange(len(model.told))
        for name in NAMES:
            assert np.array_equal(ann.as_of(then).paints[name].read(), model.told[then].labels[name][0])
            ann.paints[name].flush()
            assert ann.paints[name].check() == []
        same(ann, model)
        assert len(done) > kills  # it was killed at work, not before


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_moments(tmp_path: Path, seed: int) -> None:
    crashes(tmp_path, seed, 3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_killed_at_random_moments_for_long(tmp_path: Path, seed: int) -> None:
    crashes(tmp_path, seed, 10)


def test_processes_and_threads_have_one_history(tmp_path: Path) -> None:
    make(tmp_path, merge_seconds=0.05)
    processes = [start(tmp_path, seed, 0, 25) for seed in (1, 2)]
    told: dict[int, list[int]] = {}
    with Annotations.open(tmp_path / "set", author="3") as ann:

        def many(seed: int) -> None:
            told[seed] = [number for number in range(20) if write_it(ann, seed, number) is not None]

        threads = [threading.Thread(target=many, args=(seed,)) for seed in (3, 4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            ann.history(limit=1)  # readers are served meanwhile
            ann.paint.ids()
        for seed, process in zip((1, 2), processes, strict=True):
            told[seed] = [int(line) for line in process.communicate()[0].split()[1:]]
            assert process.returncode == 0
        model, done = replayed(ann)
        assert sorted(done) == sorted((seed, number) for seed, numbers in told.items() for number in numbers)
        same(ann, model)
        for name in NAMES:
            ann.paints[name].flush()
            assert ann.paints[name].check() == []
        same(ann, model)


FULL = """
import resource, sys
import numpy as np
from ndlab.annotations import Annotations, Segment

folder, where = sys.argv[1:]
ann = Annotations.open(folder + "/set")
before, ids, version = ann.paint.read(), sorted(one.id for one in ann), ann.version
voxels = np.argwhere(np.ones(before.shape))[np.random.default_rng(0).permutation(before.size)]
many, text = (20, "") if where == "journal" else (1, "x" * 100)
rows = [Segment(keys={"note": text + str(i)}) for i in range(20 if where == "journal" else 20_000)]
looks = [voxels] * many + [None] * (len(rows) - many)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
try:
    ann.add(rows, voxels=looks)
except OSError as error:
    assert "no space left" in str(error) or "disk is full" in str(error), error
except MemoryError as error:
    assert "no space left" in str(error), error
else:
    raise SystemExit("nothing failed")
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
for again in (ann, Annotations.open(folder + "/set")):
    assert np.array_equal(again.paint.read(), before) and sorted(one.id for one in again) == ids
    assert again.version == version
(one,) = ann.add([Segment()], voxels=[voxels[:5]]).tolist()
assert ann.paint.size(one) == 5 and ann.version == version + 1
ann.paint.flush()
assert ann.paint.check() == [] and ann.undo() is not None
assert np.array_equal(ann.paint.read(), before)
"""


@pytest.mark.parametrize("where", ["journal", "rows"])
def test_a_full_disk_leaves_neither_half(tmp_path: Path, begun: tuple[Path, Together], where: str) -> None:
    # A file that may not grow is the full disk that an ordinary user can have.
    folder = tmp_path / "copy"
    shutil.copytree(begun[0], folder)
    command = [sys.executable, "-c", FULL, str(folder), where]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
