"""What a Run is made of: lists that are never listed, trees, values on disk, groups, and those who look on."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.errors import BadMetadata, BadRequest, Conflict, RunFailed, TooLarge
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Event, Record, Run, Step, Task, Tiling, plain
from ndlab.pipeline.done import Done
from ndlab.pipeline.engine import Grouping
from ndlab.pipeline.hold import claim, holder
from ndlab.pipeline.reduce import Tree
from ndlab.pipeline.tasks import Pages, Tasks
from ndlab.pipeline.watching import BEFORE, DONE, FAILED, RUNNING, WAITING
from ndlab.pipeline.work import Report

GRID = Grid((4, 6, 8), (2, 3, 4))
small = st.tuples(*[st.integers(1, 9)] * 3)


def size(block: Box) -> int:
    return block.size


# --- tasks --------------------------------------------------------------------------------------------------------


@given(shape=small, start=st.tuples(*[st.integers(0, 9)] * 3), block=small)
def test_a_tiling_is_the_grid_cut_to_a_box(shape: Any, start: Any, block: Any) -> None:
    box = Box(start, [a + n for a, n in zip(start, shape, strict=True)])
    tiles = Tiling(box, block)
    expected = [one & box for one in Grid(box.stop, block).touching(box)]
    assert list(tiles) == expected
    assert len(tiles) == len(expected)


@given(
    shape=small,
    start=st.tuples(*[st.integers(0, 5)] * 3),
    block=small,
    t=st.none() | st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    c=st.none() | st.just(range(2)),
    data=st.data(),
)
def test_numbers_and_keys_name_the_same_tasks(shape: Any, start: Any, block: Any, t: Any, c: Any, data: Any) -> None:
    box = Box(start, [a + n for a, n in zip(start, shape, strict=True)])
    for tasks in (Tasks(Tiling(box, block), t, c), Tasks(list(Tiling(box, block)), t, c)):
        number = data.draw(st.integers(0, len(tasks) - 1))
        assert tasks.number(tasks[number].key) == number
        assert len(list(tasks)) == len({task.key for task in tasks}) == len(tasks)
        assert tasks.number("t99 0:1,0:1,0:1") is None
        assert tasks.number("somewhere else") is None
        basis = tasks.basis()
        if basis is not None:
            again = Tasks.from_basis(json.loads(json.dumps(basis)))
            assert [task.key for task in again] == [task.key for task in tasks]


@given(st.dictionaries(st.integers(0, 200_000), st.integers(1, 4), max_size=20), st.integers(1, 200_001))
def test_pages_are_a_row_of_bytes(values: dict[int, int], total: int) -> None:
    pages, row = Pages(), np.zeros(200_001, np.uint8)
    for number, value in values.items():
        pages[number] = row[number] = value
    np.testing.assert_array_equal(pages.array(total), row[:total])
    assert pages.count(2, total) == (row[:total] == 2).sum()
    assert list(pages.nonzero()) == np.flatnonzero(row).tolist()
    assert list(pages.zeros(min(total, 300))) == np.flatnonzero(row[: min(total, 300)] == 0).tolist()


def test_ten_to_the_nine_blocks_cost_what_a_few_do() -> None:
    tracemalloc.start()
    try:
        tasks, pages = Tasks(Grid((1000, 1000, 1000), (1, 1, 1)), t=range(4)), Pages()
        pages[3 * 10**9 + 5] = 1
        assert tasks[3 * 10**9 + 5].key == "t3 0:1,0:1,5:6"
        assert next(pages.zeros(len(tasks))) == 0
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


# --- trees --------------------------------------------------------------------------------------------------------


@given(n=st.integers(1, 200), fan_in=st.integers(2, 9), data=st.data())
def test_a_tree_joins_from_the_left_whatever_comes_first(n: int, fan_in: int, data: Any) -> None:
    order = data.draw(st.permutations(range(n)))
    tree = Tree(n, lambda a, b: a + b, fan_in)
    most = 0
    for leaf in order:
        assert not tree.done
        tree.add((0, leaf), [leaf])
        most = max(most, len(tree))
    assert tree.done
    assert tree.root == list(range(n))
    in_order = Tree(n, lambda a, b: a + b, fan_in)
    for leaf in range(n):
        in_order.add((0, leaf), [leaf])
        assert len(in_order) <= (fan_in - 1) * (n.bit_length() + 1), (
            "what waits does not grow with the number of leaves"
        )


@given(n=st.integers(1, 60), fan_in=st.integers(2, 5), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_trees_of_parts_make_the_same_tree(n: int, fan_in: int, cuts: list[int]) -> None:
    """Groups reduce what they have; the rest is joined later, and floating-point sums agree to the last bit."""
    values = np.random.default_rng(n).normal(size=n) * 10.0 ** np.arange(n)
    whole, parts = Tree(n, lambda a, b: a + b, fan_in), Tree(n, lambda a, b: a + b, fan_in)
    for leaf in range(n):
        whole.add((0, leaf), values[leaf])
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    for first, last in reversed(list(pairwise(edges))):
        part = Tree(n, lambda a, b: a + b, fan_in)
        for leaf in range(first, last):
            part.add((0, leaf), values[leaf])
        for node, value in part.waiting():
            assert set(part.leaves(node)) <= set(range(first, last))
            parts.add(node, value)
    assert parts.root == whole.root


def test_blocks_without_a_value_add_nothing() -> None:
    def odd(block: Box) -> int | None:
        return block.start[2] if block.start[2] % 2 else None

    grid = Grid((1, 1, 20), (1, 1, 1))
    assert Run(Step("odd", odd), grid).reduce(int.__add__) == 100
    assert Run(Step("odd", odd), grid).reduce(int.__add__, 1000) == 1100
    assert Run(Step("none", lambda block: None), grid).reduce(int.__add__, 7) == 7
    assert Run(Step("none", lambda block: None), Grid((0, 1, 1), (1, 1, 1))).reduce(int.__add__) is None
    with pytest.raises(BadRequest, match="fan_in=1"):
        Run(Step("odd", odd), grid).reduce(int.__add__, fan_in=1)


def test_a_reduction_of_big_arrays_keeps_few_of_them(tmp_path: Path) -> None:
    """What has to wait stands on disk: 64 arrays of 2 MB in the order that keeps most of them waiting."""
    order = [8 * i + j for j in range(8) for i in range(8)]
    blocks = [Box((0, 0, i), (1, 1, i + 1)) for i in range(64)]

    def big(block: Box) -> np.ndarray[Any, Any]:
        return np.full(250_000, block.start[2], np.int64)

    with Record(tmp_path / "r.jsonl") as record:
        tree = Tree(64, np.add, 8, record.values.keep, record.values.load)
        tracemalloc.start()
        try:
            for number in order:
                tree.add((0, number), big(blocks[number]))
            assert tracemalloc.get_traced_memory()[1] < 30_000_000
        finally:
            tracemalloc.stop()
        np.testing.assert_array_equal(tree.root, np.full(250_000, 64 * 63 // 2))


# --- values on disk -----------------------------------------------------------------------------------------------

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=20)
    | hnp.arrays(hnp.scalar_dtypes().filter(lambda d: d.kind in "buif"), hnp.array_shapes(max_dims=3, max_side=3))
)  # fmt: skip
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_values_come_back_as_they_went(value: Any) -> None:
    stored: list[bytes] = []

    def put(data: bytes) -> list[int]:
        stored.append(data)
        return [len(stored) - 1, len(data)]

    text = json.dumps(plain.encode(value, put))
    found = plain.decode(json.loads(text), lambda where: stored[where[0]])
    assert _same(found, value)


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        same: bool = a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        return same
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    equal: bool = a == b
    return equal


def test_a_record_holds_no_code(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"a block returned a .*Box"):
        Run(Step("box", lambda block: block), GRID, tmp_path / "r.jsonl").run()
    kept = Run(Step("box", lambda block: block), GRID)
    kept.run()
    assert {outcome.result for outcome in kept.outcomes()} == set(GRID), "for this process alone it may be anything"
    with pytest.raises(BadRequest, match="~pickle"):
        plain.decode({"~pickle": [0, 1]}, lambda where: b"")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    record = tmp_path / "r.jsonl"
    Run(Step("size", size), GRID, record).run()
    raw = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join([*raw[:3], b"!!!\n", *raw[3:]]))
    with pytest.raises(BadMetadata, match="is damaged"):
        Run(Step("size", size), GRID, record).run()


def test_a_line_a_block_in_few_bytes(tmp_path: Path) -> None:
    record = tmp_path / "r.jsonl"
    grid = Grid((1, 1, 4_000), (1, 1, 1))
    Run(Step("nothing", lambda block: None), grid, record, workers=1).run()
    assert sum('"n":' in line for line in record.read_text().splitlines()) == 4_000
    assert record.stat().st_size < 45 * 4_000
    again = Run(Step("nothing", lambda block: None), Grid((1, 1, 6_000), (1, 1, 1)), record, workers=1)
    assert again.run().skipped == 4_000, "another grid finds its blocks by their boxes"
    assert len(list(again.outcomes())) == 6_000


@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_done_is_a_set_of_keys_under_any_rule(first: set[int], second: set[int]) -> None:
    keys = [Task(box).key for box in GRID]
    done = Done()
    done.rebase(Tasks(GRID))
    done.add_numbers(first)
    done.rebase(Tasks(Grid((4, 6, 8), (2, 3, 2))))
    for number in second:
        done.add_key(keys[number])
    assert set(done) == {keys[i] for i in first | second}
    assert len(done) == len(first | second)
    assert done.among(Tasks(GRID)).count(1) == len(first | second)
    assert done.among(Tasks(list(GRID))).count(1) == len(first | second)
    for number in second:
        done.discard(keys[number])
    assert set(done) == {keys[i] for i in first - second}


# --- groups -------------------------------------------------------------------------------------------------------


def test_groups_grow_until_a_task_is_worth_its_cost() -> None:
    grouping = Grouping()
    sizes = []
    for _ in range(8):
        count = grouping.size(10**6, 2)
        sizes.append(count)
        grouping.observe(Report(numbers=list(range(count)), seconds=[0.0005] * count))
    assert sizes[0] == 1
    assert sizes[-1] * 0.0005 == pytest.approx(Grouping.TARGET, rel=0.05)
    assert all(b <= 8 * a for a, b in pairwise(sizes)), "the first are not taken for all"
    assert grouping.size(16, 2) == 2, "at the end every worker gets some"
    slow = Grouping()
    slow.observe(Report(numbers=[0], seconds=[3.0]))
    assert slow.size(100, 2) == 1
    assert Grouping(fixed=5).size(1, 8) == 5


def test_cheap_blocks_share_tasks_and_dear_ones_do_not() -> None:
    ended: list[int] = []
    run = Run(Step("nothing", lambda block: None), Grid((1, 1, 5000), (1, 1, 1)), workers=2)
    run.subscribe(lambda event: ended.append(len(event.numbers)) if event.kind == "ended" else None)
    run.run()
    assert sum(ended) == 5000
    assert len(ended) < 200
    ended.clear()
    run = Run(Step("slow", lambda block: time.sleep(0.3)), Grid((1, 1, 4), (1, 1, 1)), workers=4)
    run.subscribe(lambda event: ended.append(len(event.numbers)) if event.kind == "ended" else None)
    run.run()
    assert ended == [1, 1, 1, 1]


def test_a_step_that_carries_too_much_is_refused() -> None:
    import distributed

    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(TooLarge, match="carries 10 MB to every worker"),
    ):
        Run(Step("big", lambda block, a: 0, {"a": np.zeros(10_000_000, np.uint8)}), GRID, client=client).run()


# --- looking on ---------------------------------------------------------------------------------------------------


def test_states_and_events_tell_how_each_block_fares() -> None:
    go_on = threading.Event()
    events: list[Event] = []

    def work(block: Box) -> int:
        if block.start == (2, 3, 4):
            raise ValueError("the last one")
        if block.start != (0, 0, 0):
            assert go_on.wait(30)
        return 1

    run = Run(Step("work", work), GRID, workers=1, group=1)
    quiet = run.subscribe(events.append)
    assert run.state.phase == "waiting"
    run.start()
    with pytest.raises(Conflict, match="is running"):
        run.start()
    deadline = time.monotonic() + 30
    while run.state.progress.done < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    look = run.state
    assert look.phase == "running"
    assert look.blocks[0] == DONE
    assert set(look.running) == set(np.flatnonzero(look.blocks == RUNNING)) == {1, 2}
    assert (look.blocks[3:] == WAITING).all()
    assert run.wait(0.01) is None
    go_on.set()
    with pytest.raises(RunFailed, match="1 of 8 blocks failed"):
        run.wait()
    look = run.state
    assert look.phase == "failed"
    assert look.blocks.tolist() == [DONE] * 7 + [FAILED]
    assert "the last one" in look.failed["2:4,3:6,4:8"]
    assert [e.kind for e in events if e.kind in ("started", "finished")] == ["started", "finished"]
    assert sorted(n for e in events if e.kind == "ended" for n in e.numbers) == list(range(7))
    assert [e.failed for e in events if e.failed] == [(7,)]
    quiet()
    quiet()
    assert run.receipt is not None
    assert run.receipt.state == "failed"
    assert "failed" in repr(run)


def test_blocks_done_before_look_so(tmp_path: Path) -> None:
    Run(Step("size", size), list(GRID)[:3], tmp_path / "r.jsonl").run()
    run = Run(Step("size", size), GRID, tmp_path / "r.jsonl")
    run.run()
    assert run.state.blocks.tolist() == [BEFORE] * 3 + [DONE] * 5


def test_a_listener_that_fails_does_not_fail_the_run() -> None:
    run = Run(Step("size", size), GRID)
    run.subscribe(lambda event: 1 / 0)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="a listener of step 'size' failed"):
        assert run.run().done == 8


def test_stop_resume_and_await(tmp_path: Path) -> None:
    """Awaiting leaves the event loop to others, as a kernel needs it for its widgets."""

    def slow(block: Box) -> int:
        time.sleep(0.02)
        return 1

    async def main() -> None:
        run = Run(Step("slow", slow), Grid((1, 1, 60), (1, 1, 1)), tmp_path / "r.jsonl", workers=2, group=1)
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while run.state.progress.done < 10:
                beats += 1
                await asyncio.sleep(0.005)
            run.stop()

        heart = asyncio.create_task(beat())
        with pytest.raises(RunFailed, match="was stopped") as caught:
            await run
        await heart
        assert beats > 5
        assert 10 <= caught.value.done < 30
        receipt = await run
        assert (receipt.done, receipt.skipped) == (60, caught.value.done)

        cancelled = Run(Step("slow", slow), Grid((1, 1, 500), (1, 1, 1)), workers=1, group=1)
        waiting = asyncio.ensure_future(cancelled)
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(RunFailed, match="was stopped"):
            await asyncio.to_thread(cancelled.wait)

    asyncio.run(main())


def test_restart_does_everything_again(tmp_path: Path) -> None:
    record = tmp_path / "r.jsonl"
    Run(Step("size", size), GRID, record).run()
    assert Run(Step("size", size), GRID, record).run().skipped == 8
    assert Run(Step("size", size), GRID, record, restart=True).run().skipped == 0


def test_claims_end_with_their_process(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "claims"
    box = Box((0, 0, 0), (4, 4, 4))
    folder.mkdir(parents=True)
    (folder / "dead.claim").write_text(
        json.dumps({"start": [0] * 3, "stop": [9] * 3, "level": 0, "who": "x", "process": 1})
    )
    with claim(folder, box, "first"):
        with pytest.raises(Conflict, match=rf"first .process {os.getpid()}. is writing"), claim(folder, box, "second"):
            pass
        with claim(folder, box.shift((4, 0, 0)), "third"), claim(folder, Box(box.start, box.stop, 1), "fourth"):
            pass
    with claim(folder, box, "second"):
        pass
    assert not list(folder.glob("*.claim"))


def test_who_holds_a_record(tmp_path: Path) -> None:
    assert holder(tmp_path / "r.jsonl") is None
    with Record(tmp_path / "r.jsonl"):
        assert holder(tmp_path / "r.jsonl") == str(os.getpid())
    assert holder(tmp_path / "r.jsonl") is None


def test_an_edit_of_the_function_is_told_from_one_beside_it() -> None:
    a, b = (lambda block: 1), (lambda block: 2)
    assert Step("a", a).code != Step("a", b).code
    assert Step("a", a).code == Step("a", (lambda block: 1)).code
    assert Step("a", size).code != Step("a", test_who_holds_a_record).code
    assert Step("a", np.add).code is None
