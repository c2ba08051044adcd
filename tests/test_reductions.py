"""Reductions in the background, and on a cluster, where values stay on the workers until one is left."""

from __future__ import annotations

import asyncio
import operator
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.errors import Conflict, RunFailed
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Run, Step, held
from tests.test_pipeline_faults import cluster, once

SIZE = 250_000
arrived: list[int] = []


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster() as made:
        yield made


class Part:
    """An array of 2 MB that is counted by every process it comes to."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values

    def __reduce__(self) -> Any:
        return _arrive, (self.values,)


def _arrive(values: np.ndarray[Any, Any]) -> Part:
    arrived.append(os.getpid())
    return Part(values)


def part(block: Box) -> Part:
    return Part(np.full(SIZE, block.start[2], np.int64))


def add_in_place(a: Part, b: Part) -> Part:
    a.values += b.values
    return a


def total(n: int) -> int:
    return n * (n - 1) // 2


def grid(n: int) -> Grid:
    return Grid((1, 1, n), (1, 1, 1))


@pytest.mark.parametrize("n", [1, 7, 64])
def test_one_value_comes_to_the_client_however_many_blocks(client: Any, n: int) -> None:
    arrived.clear()
    tracemalloc.start()
    try:
        found = Run(Step("part", part), grid(n), client=client, group=1).reduce(add_in_place, fan_in=4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.values == total(n)).all()
    assert arrived == [os.getpid()], "the result, and no part of it"
    assert peak < 4 * 8 * SIZE, f"{n} parts are {n * 8 * SIZE} bytes"


def uneven(block: Box) -> float | None:
    x = block.start[2]
    return None if x % 5 == 0 else 0.1 * x**3


@pytest.mark.parametrize("group", [1, 3, None])
@pytest.mark.parametrize("fan_in", [2, 8])
def test_the_same_to_the_last_bit_as_on_threads(client: Any, group: int | None, fan_in: int) -> None:
    step = Step("uneven", uneven)
    here = Run(step, grid(50), workers=2).reduce(operator.add, 1.0, fan_in=fan_in)
    there = Run(step, grid(50), client=client, group=group).reduce(operator.add, 1.0, fan_in=fan_in)
    assert there == here
    empty = Run(Step("none", lambda block: None), grid(9), client=client)
    assert empty.reduce(operator.add) is None
    assert empty.reduce(operator.add, 3) == 3


def part_or_end(block: Box, folder: str) -> Part:
    """A part; one block takes its worker with it, and all that it held, when most others are done."""
    if block.start[2] == 30 and once(block, folder):
        time.sleep(1)
        os._exit(1)
    return part(block)


def test_parts_lost_with_a_worker_are_made_again(client: Any, tmp_path: Path) -> None:
    run = Run(Step("part or end", part_or_end, {"folder": str(tmp_path)}), grid(40), client=client, group=1)
    assert (run.reduce(add_in_place, fan_in=4).values == total(40)).all()
    assert run.receipt is not None
    assert run.receipt.done == 40
    assert any(tmp_path.iterdir()), "it happened"


def test_what_is_on_the_left_of_a_combination_stays_as_it_was() -> None:
    """A worker may have to combine it again."""
    from distributed.protocol.pickle import dumps

    left, right = Part(np.ones(3, np.int64)), Part(np.full(3, 2, np.int64))
    for _ in range(2):
        assert held._combine(dumps(add_in_place), [None, None], left, right).values.tolist() == [3, 3, 3]


def once_only(block: Box, folder: str) -> Part:
    if block.start[2] == 9:
        time.sleep(1)
        os._exit(1) if once(block, folder) else None
    elif not once(block, folder):
        raise ValueError("its source is gone")
    return part(block)


def test_a_part_that_cannot_be_made_again_fails_the_run_with_its_reason(tmp_path: Path) -> None:
    with cluster(1) as client:
        run = Run(Step("once only", once_only, {"folder": str(tmp_path)}), grid(10), client=client, group=1)
        with pytest.raises(RunFailed, match="its source is gone"):
            run.reduce(add_in_place, fan_in=2)


def quotient(a: float, b: float) -> float:
    return a / b


def test_a_combination_that_fails_raises_what_it_raised(client: Any) -> None:
    run = Run(Step("zero", lambda block: 0), grid(4), client=client, group=1)
    with pytest.raises(ZeroDivisionError):
        run.reduce(quotient, fan_in=2)


def slow(block: Box) -> int:
    time.sleep(0.05)
    return block.start[2]


@pytest.mark.parametrize("where", ["threads", "cluster", "record"])
def test_a_reduction_starts_stops_goes_on_and_is_awaited(client: Any, tmp_path: Path, where: str) -> None:
    how: dict[str, Any] = {"client": client} if where == "cluster" else {"workers": 2}
    record = tmp_path / "r.jsonl" if where == "record" else None
    run = Run(Step("slow", slow), grid(60), record, group=1, **how)
    assert run.start(operator.add, 1000, fan_in=4) is run
    assert run.wait(0.01) is None
    with pytest.raises(Conflict, match="is running"):
        run.start(max)
    while run.state.progress.done < 5:
        time.sleep(0.005)
    assert run.state.phase == "running"
    run.stop()
    with pytest.raises(RunFailed, match="was stopped") as caught:
        run.wait()
    assert 5 <= caught.value.done < 60
    assert run.state.phase == "stopped"
    assert run.value is None

    async def main() -> Any:
        return await run

    receipt = asyncio.run(main())
    assert (receipt.done, run.state.phase) == (60, "done")
    assert receipt.skipped == (caught.value.done if where == "record" else 0)
    assert run.value == 1000 + total(60)
    if where != "record":
        assert run.start(max).wait() is run.receipt
        assert run.value == 59
