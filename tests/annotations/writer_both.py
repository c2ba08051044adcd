"""A process that writes objects and paint until it is killed.

``python -m tests.annotations.writer_both FOLDER SEED FIRST COUNT``

What it does is a function of SEED and a number, and both are the note of the transaction: whoever reads the history
knows what was done.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations import Annotations, Segment
from ndlab.errors import BadRequest, Conflict, NotFound
from tests.annotations.model import SHAPE, new_labels, sphere
from tests.annotations.together import Together

NAMES = ["labels", "more"]
MODES = ("overwrite", "preserve", "except", "reduce")
REFUSED = (BadRequest, Conflict, NotFound)
Operation = tuple[str, Any]


def make(folder: Path, **options: Any) -> None:
    """A set with label volumes."""
    with Annotations.create(folder / "set", voxel_size=(40, 4, 4)) as ann:
        for name in NAMES:
            ann.attach(new_labels(folder / name), name, **options)


def operation(seed: int, number: int) -> Operation:
    rng = np.random.default_rng([seed, number])
    what, mode, name = rng.random(), str(rng.choice(MODES)), str(rng.choice(NAMES))
    ids = (rng.permutation(8) + 1).tolist()
    balls = [sphere(rng.integers(0, SHAPE), float(rng.uniform(1, 4))) for _ in range(int(rng.integers(1, 4)))]
    if what < 0.3:
        return "add", (balls, mode, name, 1000 * seed + 3 * number + 100)
    if what < 0.55:
        return "paint", (dict(zip(ids, balls, strict=False)), mode, name)
    if what < 0.65:
        return "undo", None
    if what < 0.75:
        return "update", (ids[0], balls[0], mode, name, int(rng.integers(4)))
    # Small ids get rows, too, so that there is something to delete and merge.
    if what < 0.85:
        return "own", (ids[0], balls[0], name)
    return ("delete" if what < 0.92 else "merge"), ids[:2]


def write_it(ann: Annotations, seed: int, number: int) -> int | None:
    """Do an operation, and return the number of its transaction where that is told; None if it is refused."""
    what, given = operation(seed, number)
    note = f"{seed} {number}"
    try:
        if what == "add":
            balls, mode, name, first = given
            made = [Segment(id=first + i) for i in range(len(balls))]
            ann.add(made, note, voxels=balls, mode=mode, volume=name)
        elif what == "paint":
            voxels, mode, name = given
            return int(ann.paints[name].write_many(list(voxels), list(voxels.values()), mode=mode, note=note))
        elif what == "own":
            ann.add([Segment(id=given[0])], note, voxels=[given[1]], volume=given[2])
        elif what == "update":
            one, ball, mode, name, status = given
            ann.update(one, status=status, voxels=[ball], mode=mode, volume=name, note=note)
        elif what == "undo":
            if ann.undo(note=note) is None:
                return None
        else:
            getattr(ann, what)(given, note=note)
    except REFUSED:
        return None
    return 0


def model_it(model: Together, todo: Operation, undoes: int | None) -> None:
    what, given = todo
    if what in ("add", "own"):
        balls, mode, name, first = given if what == "add" else ([given[1]], "overwrite", given[2], given[0])
        voxels = {first + i: ball for i, ball in enumerate(balls)}
        model.put("", model.now | {i: Segment(id=i) for i in voxels}, name, voxels, mode)
    elif what == "paint":
        model.put("", model.now, given[2], given[0], given[1])
    elif what == "update":
        one, ball, mode, name, status = given
        model.put("", model.now | {one: replace(model.now[one], status=status)}, name, {one: ball}, mode)
    elif what == "undo":
        assert undoes is not None
        model.take_back("", undoes)
    else:
        getattr(model, what)("", given)


def replayed(ann: Annotations) -> tuple[Together, list[tuple[int, int]]]:
    """Return the model after the history that the set tells, and what was done in it."""
    model, done = Together(NAMES), []
    for said in reversed(ann.history()):
        seed, number = map(int, said.note.split())
        model_it(model, operation(seed, number), said.undoes)
        done.append((seed, number))
    return model, done


def same(ann: Annotations, model: Together) -> None:
    """Everything agrees with the model: rows, labels, exceptions."""
    assert {one.id: one.status for one in ann} == {i: one.status for i, one in model.now.items()}
    for name, known in model.models.items():
        assert np.array_equal(ann.paints[name].read(), known.labels)
        assert ann.paints[name].exceptions() == sorted((v, tuple(ids)) for v, ids in known.exceptions.items())
        assert ann.paints[name].ids() == known.ids()


def main(folder: str, seed: str, first: str, count: str) -> None:
    with Annotations.open(f"{folder}/set", author=seed) as ann:
        print("ready", flush=True)
        for number in range(int(first), int(first) + int(count)):
            if write_it(ann, int(seed), number) is not None:
                print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
