"""The names of blocks: worked out from a rule, and the same as those of the tasks themselves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import OutOfBounds
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Record, Tiling
from ndlab.pipeline.tasks import Tasks
from ndlab.pipeline.work import Report

sides = st.tuples(*[st.integers(1, 4)] * 3)
numbers = st.none() | st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)


@given(st.tuples(*[st.integers(0, 7)] * 3), sides, sides, numbers, numbers)
def test_a_name_is_that_of_the_task(
    start: tuple[int, int, int],
    shape: tuple[int, int, int],
    block: tuple[int, int, int],
    t: list[int] | None,
    c: list[int] | None,
) -> None:
    stop = [a + n for a, n in zip(start, shape, strict=True)]
    for blocks in (Tiling(Box(start, stop), block), Grid(shape, block), [Box(start, stop), Box(stop, stop)]):
        tasks = Tasks(blocks, t, c)
        assert [tasks.key(n) for n in range(len(tasks))] == [task.key for task in tasks]


@pytest.mark.parametrize("number", [-1, 2])
def test_a_number_without_a_task_has_no_name(number: int) -> None:
    with pytest.raises(OutOfBounds, match=f"task {number} was asked for"):
        Tasks(Grid((1, 1, 2), (1, 1, 1))).key(number)


def test_the_outcomes_of_many_blocks_cost_little_more_than_reading_their_lines(tmp_path: Path) -> None:
    tasks, count = Tasks(Grid((100, 100, 10), (1, 1, 1))), 100_000
    with Record(tmp_path / "run.jsonl") as record:
        record.begin("s", "f", tasks=tasks)
        record.add_report("s", Report(list(range(count)), [0.5] * count, "w"), tasks)
        started = time.process_time()
        found = [outcome.key for outcome in record.outcomes("s")]
        took = time.process_time() - started
    started = time.process_time()
    names = [task.key for task in tasks]
    assert found == names
    # Naming each task by making it alone takes about three times as long.
    assert took < time.process_time() - started
