"""What writers paint: a function of a seed and a number, which is the author of the write.

Whoever reads the history knows what was done.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.annotations.paint import Paint
from tests.annotations.model import SHAPE, Model, sphere

Operation = tuple[str, Any]
MODES = ("overwrite", "preserve", "except", "except", "reduce")


def operation(seed: int, number: int) -> Operation:
    rng = np.random.default_rng([seed, number])
    what = rng.random()
    if what < 0.08:
        return "undo", None
    ids = (rng.permutation(6) + 1).tolist()
    if what < 0.12:
        return "delete", ids[:1]
    if what < 0.16:
        return "merge", ids[:2]
    count = int(rng.integers(1, 4))
    balls = [sphere(rng.integers(0, SHAPE), float(rng.uniform(1, 4))) for _ in range(count)]
    return str(rng.choice(MODES)), list(zip(ids, balls, strict=False))


def paint_it(paint: Paint, one: Operation) -> None:
    what, given = one
    if what == "undo":
        paint.undo()
    elif what in ("delete", "merge"):
        getattr(paint, what)(given)
    else:
        paint.write_many([i for i, _ in given], [voxels for _, voxels in given], mode=what)


def model_it(model: Model, one: Operation) -> None:
    what, given = one
    if what == "undo":
        model.undo(1)
    elif what in ("delete", "merge"):
        getattr(model, what)(given)
    else:
        model.write([(i, [tuple(v) for v in voxels.tolist()]) for i, voxels in given], what)


def replayed(paint: Paint) -> tuple[Model, list[tuple[int, int]]]:
    """Return the model after the history that the paint tells, and who did what in it."""
    model, done = Model(), []
    for write in reversed(paint.history()):
        seed, number = map(int, write.author.split())
        model_it(model, operation(seed, number))
        done.append((seed, number))
    return model, done
