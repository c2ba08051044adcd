"""Runs: every block once, resumable, truthful about failures, on threads and on a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import Conflict, RunFailed
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Outcome, Progress, Record, Run, Step, Task, describe, environment, fingerprint, progress_bar

GRID = Grid((4, 6, 8), (2, 3, 4))


def size(block: Box) -> int:
    return block.size


def mark(block: Box, folder: str, bad: tuple[int, ...] = ()) -> int:
    """Leave a file per call, so that repeated work shows."""
    if block.start[0] in bad:
        raise ValueError(f"bad block {block.start}")
    with open(Path(folder) / "-".join(map(str, block.start)), "a") as file:
        file.write("x")
    return block.size


def calls(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    block=st.tuples(*[st.integers(1, 9)] * 3),
    workers=st.integers(1, 4),
)
@settings(max_examples=25, deadline=None)
def test_every_voxel_once(shape: tuple[int, int, int], block: tuple[int, int, int], workers: int) -> None:
    seen = np.zeros(shape, int)
    lock = threading.Lock()

    def count(block: Box) -> int:
        with lock:
            seen[block.slices] += 1
        return block.size

    run = Run(Step("count", count), Grid(shape, block), workers=workers)
    receipt = run.run()
    assert (seen == 1).all()
    assert receipt.done == receipt.blocks == len(Grid(shape, block))
    assert sum(outcome.result for outcome in run.outcomes()) == seen.size


def test_time_points_and_channels_are_passed_by_keyword() -> None:
    seen = []

    def at(block: Box, t: int, c: int, gain: int) -> int:
        seen.append((block.start, t, c))
        return t * 10 + c + gain

    run = Run(Step("at", at, {"gain": 100}), [Box((0, 0, 0), (1, 1, 1))], t=range(2), c=(0, 3), workers=1)
    assert len(run) == 4
    assert run.run().done == 4
    assert sorted(seen) == [((0, 0, 0), t, c) for t in (0, 1) for c in (0, 3)]
    assert sorted(o.result for o in run.outcomes()) == [100, 103, 110, 113]


def test_a_million_blocks_are_not_listed() -> None:
    """Only a window of tasks is ever made: the run is stopped from outside after a few of 10^9 blocks."""
    made = 0

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        assert progress.total == 10**9
        raise Stop

    class Counting(Grid):
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal made
            for box in super().__iter__():
                made += 1
                yield box

    with pytest.raises(Stop):
        Run(Step("size", size), Counting((1000, 1000, 1000), (1, 1, 1)), workers=2, progress=stop).run()
    assert made <= 8


def test_done_blocks_are_skipped(folder: Path, tmp_path: Path) -> None:
    step, record = Step("mark", mark, {"folder": str(folder)}), tmp_path / "run.jsonl"
    first = Run(step, list(GRID)[:3], record, workers=2)
    assert first.run().done == 3
    again = Run(step, GRID, record, workers=2).run()
    assert (again.blocks, again.done, again.skipped) == (8, 8, 3)
    assert set(calls(folder).values()) == {1}
    assert len(list(Run(step, GRID, record).outcomes())) == 8
    assert Run(step, list(GRID), record).run().skipped == 8
    assert Run(step, list(GRID)[5:], record).run().skipped == 3
    assert len(list(Run(step, list(GRID)[5:]).tasks())) == 3


def test_failed_blocks_fail_the_run_and_are_listed(folder: Path, tmp_path: Path) -> None:
    record = tmp_path / "run.jsonl"
    bad = Step("mark", mark, {"folder": str(folder), "bad": (2,)})
    with pytest.raises(RunFailed, match="4 of 8 blocks failed, 4 are done") as caught:
        Run(bad, GRID, record, workers=2).run()
    assert set(caught.value.failed) == {Task(box).key for box in GRID if box.start[0] == 2}
    assert "ValueError: bad block (2, 0, 0)" in caught.value.failed["2:4,0:3,0:4"]
    assert 'raise ValueError(f"bad block' in str(caught.value), "the worker's traceback is shown"
    assert "resume" in str(caught.value)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert sum(line.get("state") == "failed" for line in lines) == 4

    # The cause goes away, the parameters stay: only the failed blocks are done again.
    mended = Step("mark", _mended, bad.params)
    object.__setattr__(mended, "function", _as_mark(_mended))
    with pytest.warns(UserWarning, match="was edited since 4 blocks were done"):
        receipt = Run(mended, GRID, record, workers=2).run()
    assert receipt.skipped == 4
    assert len(receipt.code) == 2
    assert "edited" in str(receipt)
    assert set(calls(folder).values()) == {1}


def _mended(block: Box, folder: str, bad: tuple[int, ...]) -> int:
    return mark(block, folder)


def _as_mark(function: Any) -> Any:
    function.__qualname__, function.__module__ = mark.__qualname__, mark.__module__
    return function


def test_many_failures_stop_the_run(folder: Path) -> None:
    step = Step("mark", mark, {"folder": str(folder), "bad": tuple(range(100))})
    with pytest.raises(RunFailed, match="stopped after 8 failures") as caught:
        Run(step, Grid((100, 1, 1), (1, 1, 1)), workers=2).run()
    assert 8 <= len(caught.value.failed) <= 12


def test_retries_are_counted() -> None:
    left = {box.start: 2 for box in GRID}

    def flaky(block: Box) -> int:
        if left[block.start]:
            left[block.start] -= 1
            raise OSError("busy")
        return 1

    run = Run(Step("flaky", flaky), GRID, workers=2, retries=2)
    assert run.run().retried == 16
    assert {outcome.attempts for outcome in run.outcomes()} == {3}
    left.update({box.start: 2 for box in GRID})
    with pytest.raises(RunFailed):
        Run(Step("flaky", flaky), GRID, workers=2, retries=1).run()


def test_other_parameters_do_not_resume(folder: Path, tmp_path: Path) -> None:
    record = tmp_path / "run.jsonl"
    Run(Step("mark", mark, {"folder": str(folder)}), GRID, record).run()
    with pytest.raises(Conflict, match="other parameters") as caught:
        Run(Step("mark", mark, {"folder": str(folder), "bad": (7,)}), GRID, record).run()
    assert "8 of its blocks" in str(caught.value)


_HOLD = """
import sys, time
from ndlab.pipeline import Record
record = Record(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


def test_two_runs_on_one_record_are_refused_and_a_dead_one_never_blocks(tmp_path: Path) -> None:
    record = tmp_path / "run.jsonl"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(record)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match=f"held by another Run .process {holder.pid}"):
            Run(Step("size", size), GRID, record).run()
        holder.kill()
        holder.wait()
    assert Run(Step("size", size), GRID, record).run().done == 8
    with Record(record), pytest.raises(Conflict, match="held by another Run"):  # the same process, too
        Run(Step("size", size), GRID, record).run()


@pytest.mark.parametrize("torn", [b'{"step":"size","block":"0:2', b"{", b'{"step":"size","block":"0:2,0:3,0:4"}'])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    record = tmp_path / "run.jsonl"
    Run(Step("size", size), list(GRID)[:3], record).run()
    whole = record.read_bytes()
    record.write_bytes(whole + torn)
    receipt = Run(Step("size", size), GRID, record).run()
    assert receipt.skipped == 3
    assert record.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in record.read_bytes().splitlines())


def test_after_a_power_cut_only_flushed_blocks_count(tmp_path: Path) -> None:
    """Another boot id than the present one, and lines after the last mark of a flush."""
    record = tmp_path / "run.jsonl"
    Run(Step("size", size), list(GRID)[:2], record).run()
    with Record(record) as opened:
        opened.add("size", Outcome(Task(GRID[2]).key, "done", result=24))
        text = record.read_text()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record.write_text(text)
    with Record(record) as opened:
        assert len(opened.done("size")) == 3, "the process died, the machine did not"
    record.write_text(text.replace(boot, "an-earlier-boot"))
    with Record(record) as opened:
        assert set(opened.done("size")) == {Task(box).key for box in list(GRID)[:2]}


def test_output_is_flushed_before_the_record_says_so(tmp_path: Path) -> None:
    order: list[str] = []
    with Record(tmp_path / "run.jsonl", flush_data=lambda: order.append("data")) as record:
        record.begin("size", "f")
        record.add("size", Outcome("0:1,0:1,0:1", "done"))
        assert '"synced"' not in record.path.read_text()
        record.sync()
    assert order == ["data", "data"]


_KILLED = """
import sys, time
from tests.test_pipeline import mark
from ndlab.geometry import Grid
from ndlab.pipeline import Run, Step
def slow(block, folder):
    time.sleep(0.004)
    return mark(block, folder)
Run(Step("slow", slow, {"folder": sys.argv[1]}), Grid((200, 1, 1), (1, 1, 1)), sys.argv[2], workers=2).run()
"""


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3])
def test_resumes_after_kill_minus_nine(folder: Path, tmp_path: Path, delay: float) -> None:
    record = tmp_path / "run.jsonl"
    command = [sys.executable, "-c", _KILLED, str(folder), str(record)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1]) as process:
        deadline = time.monotonic() + 30
        while not any(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
    before = calls(folder)
    assert 0 < len(before) < 200
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1])
    after = calls(folder)
    assert len(after) == 200
    repeated = sum(n - 1 for n in after.values())
    assert repeated <= 2 * 0.25 / 0.004, "only the two tasks under way at the kill may be done twice"


def test_receipt_says_what_was_done(tmp_path: Path) -> None:
    values = np.arange(6)
    step = Step("size", lambda block, weights, where: 1, {"weights": values, "where": tmp_path}, {"image": "a.zarr"})
    receipt = Run(step, GRID, workers=3).run().to_json()
    assert json.loads(json.dumps(receipt)) == receipt
    assert receipt["inputs"] == {"image": "a.zarr"}
    assert receipt["params"]["where"] == str(tmp_path)
    assert receipt["params"]["weights"]["shape"] == [6]
    assert receipt["runner"] == "3 threads"
    assert receipt["environment"]["packages"]["numpy"] == np.__version__
    assert environment()["python"] == sys.version.split()[0]


def test_descriptions_tell_inputs_apart() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(np.zeros(3)) != fingerprint(np.ones(3))
    assert describe({"box": Box((0, 0, 0), (1, 1, 1)), "kinds": {"b", "a"}, "n": np.int8(3)}) == {
        "box": {"kind": "Box", "start": [0, 0, 0], "stop": [1, 1, 1], "level": 0},
        "kinds": ["a", "b"],
        "n": 3,
    }
    assert describe(object()) == "<object object>", "no memory address"


def test_progress_bar_is_silent_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as callback:
        Run(Step("size", size), GRID, progress=callback).run()
    assert capfd.readouterr() == ("", "")
    with progress_bar(True) as callback:
        Run(Step("sizes", size), GRID, progress=callback).run()
    shown = capfd.readouterr().err
    assert "sizes" in shown
    assert "8/8" in shown


def test_on_the_current_dask_client(folder: Path, tmp_path: Path) -> None:
    import distributed

    step = Step("mark", mark, {"folder": str(folder), "bad": (2,)})
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    )
    with cluster, distributed.Client(cluster) as client:
        record = tmp_path / "run.jsonl"
        with pytest.raises(RunFailed, match="4 of 8 blocks failed, 4 are done") as caught:
            Run(step, GRID, record, client=client).run()
        assert "ValueError: bad block" in str(caught.value)
        good = Run(Step("size", size), GRID)
        receipt = good.run()  # finds the client by itself
        assert receipt.runner.startswith("Dask client")
        pids = {outcome.worker.split(":")[1] for outcome in good.outcomes()}
        assert pids
        assert str(os.getpid()) not in pids
        assert Run(Step("size", size), GRID, workers=2).run().runner == "2 threads"
        assert Run(Step("size", size), GRID, client=False).run().runner.endswith("threads")
    assert set(calls(folder).values()) == {1}
    assert len(calls(folder)) == 4
