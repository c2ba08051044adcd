"""Processes that write until they are killed, and what must hold afterwards.

What each of them does is a function of a seed and a number, which the write bears: whoever reads the history knows
what was done, in which order, and replays it into a plain model. Processes come from a server that has loaded what they
need, so that they are at work within milliseconds.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from ndlab.annotations import Annotations, Generic, cutting
from ndlab.annotations.paint import Paint
from ndlab.errors import Conflict, NotFound
from ndlab.store.downsample import downsample
from tests.annotations.model import Model, new_labels, same
from tests.annotations.writer import operation, paint_it, replayed

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.annotations.killing", "ndlab.annotations.kernels"])
SHARED = range(1, 21)


class Writer:
    """A process that does something, and tells of each write once it is acknowledged."""

    def __init__(self, what: Callable[..., None], *given: Any) -> None:
        self._told, end = SERVER.Pipe(duplex=False)
        self.process = SERVER.Process(target=what, args=(end, *given))
        self.process.start()
        end.close()
        assert self._told.recv() == "ready"

    def kill(self) -> None:
        """End it at once, wherever it is."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)

    def next(self) -> int:
        """Wait for the next write that is acknowledged."""
        found: int = self._told.recv()
        return found

    def told(self) -> list[int]:
        """Return what it has told, when it has ended."""
        found = []
        try:
            while True:
                found.append(self._told.recv())
        except EOFError:
            self.process.join()
            self._told.close()
            return found


@dataclass(frozen=True)
class Outcome:
    """What a run came to: how many were killed, acknowledged and found, and a digest of what is there in the end."""

    kills: int
    acknowledged: int
    found: int
    digest: str


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Give a folder in memory where there is one: what a killed process wrote stays there as it does on a disk."""
    memory = "/dev/shm"
    folder = Path(tempfile.mkdtemp(prefix="ndlab-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def killed_at_random(writers: list[Writer], chance: random.Random) -> list[list[int]]:
    """Kill writers at once after a random while, and return what each had told."""
    time.sleep(chance.choice([0.01, 0.05, 0.2]) * chance.random())
    for writer in writers:
        writer.kill()
    return [writer.told() for writer in writers]


# --- paint ------------------------------------------------------------------------------------------------------


def paint_on(told: Connection, folder: str, seed: int, first: int, count: int, seconds: float, many: int) -> None:
    """Paint operations from `first` on; lists of `many` voxels together are merged by compiled code."""
    cutting.MANY = many
    with Paint(f"{folder}/labels", f"{folder}/paint", merge_seconds=seconds) as paint:
        told.send("ready")
        for number in range(first, first + count):
            paint.author = f"{seed} {number}"
            try:
                paint_it(paint, operation(seed, number))
            except Conflict:
                continue
            told.send(number)


def killed_painters(folder: Path, seed: int, kills: int) -> Outcome:
    """Paint, be killed, and again; nothing acknowledged is lost, nothing is there twice, nothing half."""
    chance = random.Random(seed)
    new_labels(folder / "labels")
    Paint(folder / "labels", folder / "paint", background=False).close()
    done: list[tuple[int, int]] = []
    first, total = 0, 0
    for _ in range(kills):
        before = done
        many = chance.choice([0, cutting.MANY])
        writer = Writer(paint_on, str(folder), seed, first, 10_000, chance.choice([0.0, 0.01, 0.1]), many)
        (acknowledged,) = killed_at_random([writer], chance)
        total += len(acknowledged)
        with Paint(folder / "labels", folder / "paint", background=False) as paint:
            model, done = replayed(paint)
            assert done[: len(before)] == before
            fresh = [number for _, number in done[len(before) :]]
            assert fresh[: len(acknowledged)] == acknowledged  # none lost
            assert len(fresh) <= len(acknowledged) + 1  # and one at most that nobody was told of
            assert len(set(done)) == len(done)
            assert np.array_equal(paint.read(), model.labels)
            first = max([first, *(number + 1 for number in fresh)])
            if chance.random() < 0.3:
                paint.flush()
                same(paint, model)
    ended(folder, model)
    return Outcome(kills, total, len(done), hashlib.sha256(model.labels.tobytes()).hexdigest())


def ended(folder: Path, model: Model) -> None:
    """Merge the rest: index, exceptions, labels and pyramid are the model's, for other readers, too."""
    with Paint(folder / "labels", folder / "paint", background=False) as paint:
        same(paint, model)
        paint.flush()
        same(paint, model)
        assert paint.check() == []
        assert np.array_equal(zarr.open_array(str(folder / "labels" / "0"), mode="r")[:], model.labels)
        assert np.array_equal(paint.volume.level(1).read(), downsample(model.labels, (1, 2, 2), "majority"))


# --- objects ----------------------------------------------------------------------------------------------------

Objects = dict[int, tuple[float, dict[str, Any]]]


def change(seed: int, number: int) -> tuple[str, Any]:
    """Objects of its own to make, some of those that all share to change, or some of its own to delete."""
    rng = np.random.default_rng([seed, number])
    what = rng.random()
    own = seed * 1_000_000 + number * 100
    if what < 0.6:
        return "add", [(own + i, round(float(rng.random()), 6), {"by": f"{seed} {number}", "i": i}) for i in range(20)]
    if what < 0.85:
        return "update", (sorted(rng.choice(SHARED, 5, replace=False).tolist()), round(float(rng.random()), 6))
    return "delete", [own - 300 + i for i in range(5)]


def change_it(ann: Annotations, seed: int, number: int) -> None:
    what, given = change(seed, number)
    note = f"{seed} {number}"
    if what == "add":
        ann.add([Generic(id=one, confidence=value, keys=keys) for one, value, keys in given], note)
    elif what == "update":
        ann.update(given[0], confidence=given[1], note=note)
    else:
        ann.delete(given, note=note)


def model_change(objects: Objects, seed: int, number: int) -> None:
    what, given = change(seed, number)
    if what == "add":
        objects.update({one: (value, keys) for one, value, keys in given})
    elif what == "update":
        objects.update({one: (given[1], objects[one][1]) for one in given[0]})
    else:
        for one in given:
            del objects[one]


def change_on(told: Connection, place: str, seed: int, first: int, count: int) -> None:
    """Change objects from operation `first` on."""
    ann = Annotations.open(place)
    told.send("ready")
    for number in range(first, first + count):
        try:
            change_it(ann, seed, number)
        except NotFound:
            continue
        told.send(number)


def new_objects(place: str) -> None:
    with Annotations.create(place, voxel_size=(40, 4, 4), overwrite=True) as ann:
        ann.add([Generic(id=one) for one in SHARED], "begun")


def changed(ann: Annotations) -> tuple[Objects, list[tuple[int, int]]]:
    """Return the model after the history that the annotations tell, and who did what in it."""
    objects: Objects = {one: (0.0, {}) for one in SHARED}
    done = []
    for transaction in reversed(ann.history()):
        if transaction.note != "begun":
            seed, number = map(int, transaction.note.split())
            model_change(objects, seed, number)
            done.append((seed, number))
    return objects, done


def same_objects(ann: Annotations, objects: Objects) -> None:
    """Rows, keys and what queries find are the model's."""
    assert {one.id: (one.confidence, dict(one.keys)) for one in ann} == objects
    mine = sorted(one for one, (_, keys) in objects.items() if keys.get("i") == 7)
    assert sorted(ann.where(i=7).ids().tolist()) == mine
    high = sorted(one for one, (value, _) in objects.items() if value > 0.5)
    assert sorted(ann.where(confidence__gt=0.5).ids().tolist()) == high


def killed_changers(place: str, seed: int, kills: int) -> Outcome:
    """Two change the same objects and are killed at once, and again: the history is serial, and the tables are its."""
    chance = random.Random(seed)
    new_objects(place)
    firsts, total = {1: 0, 2: 0}, 0
    done: list[tuple[int, int]] = []
    for _ in range(kills):
        before = done
        writers = [Writer(change_on, place, mine, firsts[mine], 10_000) for mine in firsts]
        told = killed_at_random(writers, chance)
        with Annotations.open(place) as ann:
            objects, done = changed(ann)
            assert done[: len(before)] == before
            assert len(set(done)) == len(done)
            for mine, acknowledged in zip(firsts, told, strict=True):
                fresh = [number for one, number in done[len(before) :] if one == mine]
                assert fresh[: len(acknowledged)] == acknowledged
                assert len(fresh) <= len(acknowledged) + 1
                firsts[mine] = max([firsts[mine], *(number + 1 for number in fresh)])
                total += len(acknowledged)
            same_objects(ann, objects)
    digest = hashlib.sha256(repr(sorted(objects.items())).encode()).hexdigest()
    return Outcome(2 * kills, total, len(done), digest)
