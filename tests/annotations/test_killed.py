"""Writers that are killed at random moments: nothing acknowledged is lost, nothing is applied twice or half; R64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ndlab.annotations import cutting
from ndlab.annotations.paint import Paint
from tests.annotations.killing import Writer, ended, killed_changers, killed_painters, paint_on, quick_folder
from tests.annotations.model import new_labels
from tests.annotations.writer import replayed

SEEDS, MORE = range(20), range(100, 600)


def of_paint(seed: int) -> int:
    with quick_folder() as folder:
        return killed_painters(folder, seed, 2).found


def of_objects(seed: int) -> int:
    with quick_folder() as folder:
        return killed_changers(str(folder / "set"), seed, 2).found


@pytest.mark.parametrize("what", [of_paint, of_objects])
def test_r64_killed_at_random_moments(what: Callable[[int], int]) -> None:
    found = [what(seed) for seed in SEEDS]
    assert sum(found) > 5 * len(SEEDS)  # They were killed at work, not before.


def test_r64_a_thousand_small_writes_are_replayed() -> None:
    """All of them acknowledged, most of them merged while they came; then the writer is killed."""
    with quick_folder() as folder:
        new_labels(folder / "labels")
        writer = Writer(paint_on, str(folder), 7, 0, 1_000_000, 0.2, cutting.MANY)
        told = [writer.next() for _ in range(1000)]
        writer.kill()
        told += writer.told()
        with Paint(folder / "labels", folder / "paint", background=False) as paint:
            model, done = replayed(paint)
            assert [number for _, number in done][: len(told)] == told
            assert len(done) <= len(told) + 1
            assert np.array_equal(paint.read(), model.labels)
        ended(folder, model)


@pytest.mark.soak
@pytest.mark.parametrize("seed", MORE)
@pytest.mark.parametrize("what", [of_paint, of_objects])
def test_killed_at_random_moments_for_long(what: Callable[[int], int], seed: int) -> None:
    what(seed)
