"""A watch tells a page the truth about a Run: at any time, from any thread, however it ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.errors import RunFailed
from ndlab.explore.facts import block_hull
from ndlab.explore.preview import Preview
from ndlab.explore.watch import Watch
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Run, Step, Tiling
from ndlab.volume import Volume

GRID = Grid((8, 8, 12), (2, 4, 4))


class Page:
    """What a page that hears everything would know."""

    def __init__(self, width: int = 0) -> None:
        self.states = np.zeros(0, np.uint8)
        self.statuses: list[Any] = []
        self.failures: list[Any] = []
        self.picture = np.zeros((0, 0), np.uint8)
        self.lock = threading.Lock()

    def __call__(self, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        with self.lock:
            if message["t"] == "states":
                self.states = np.frombuffer(buffers[0], np.uint8).copy()
            elif message["t"] == "tick":
                self.states[np.frombuffer(buffers[0], "<u4")] = np.frombuffer(buffers[1], np.uint8)
            elif message["t"] == "failures":
                self.failures = list(message["failures"])
            elif message["t"] == "patch":
                y, x, h, w = (message[k] for k in "yxhw")
                self.picture[y : y + h, x : x + w] = np.frombuffer(buffers[0], np.uint8).reshape(h, w)
            # Last: who waits for a phase looks at the states next.
            if "status" in message:
                self.statuses.append(message["status"])

    @property
    def phase(self) -> str:
        return str(self.statuses[-1]["phase"])

    def wait_for(self, *phases: str) -> None:
        end = time.monotonic() + 20
        while not (self.statuses and self.phase in phases):
            assert time.monotonic() < end, (self.statuses[-1:], phases)
            time.sleep(0.01)


def slow(block: Box, gate: threading.Event, bad: Sequence[Sequence[int]] = ()) -> None:
    gate.wait(10)
    if block.start in bad:
        raise ValueError(f"bad block {block.start}")


def watched(step: Step, record: Path | None = None, **options: Any) -> tuple[Run, Watch, Page]:
    run = Run(step, GRID, record, workers=2, group=1, **options)
    page = Page()
    return run, Watch(run, page), page


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def test_a_page_that_hears_every_change_knows_the_state_of_every_block(gate: threading.Event) -> None:
    run, watch, page = watched(Step("slow", slow, {"gate": gate}))
    watch.hello()
    assert (page.phase, page.states.tolist()) == ("ready", [0] * len(GRID))
    watch.receive({"t": "start"})
    page.wait_for("running")
    while not (page.states == 2).any():
        time.sleep(0.01)
    gate.set()
    page.wait_for("done")
    assert np.array_equal(page.states, run.state.blocks)
    assert set(page.states.tolist()) == {3}
    assert page.statuses[-1]["done"] == len(GRID)


def test_a_page_opened_late_or_again_is_told_everything(gate: threading.Event) -> None:
    run, watch, page = watched(Step("slow", slow, {"gate": gate}))
    gate.set()
    watch.start()
    run.wait()
    page.statuses.clear()
    watch.receive({"t": "hello"})
    assert page.phase == "done"
    assert set(page.states.tolist()) == {3}


def test_a_run_that_someone_else_starts_is_followed_too(gate: threading.Event) -> None:
    run, watch, page = watched(Step("slow", slow, {"gate": gate}))
    watch.hello()
    gate.set()
    run.run()
    page.wait_for("done")
    assert set(page.states.tolist()) == {3}


def test_stop_and_resume(gate: threading.Event, tmp_path: Path) -> None:
    def one_at_a_time(block: Box) -> None:
        if block.start != (0, 0, 0):
            gate.wait(10)

    run, watch, page = watched(Step("slow", one_at_a_time), tmp_path / "run.jsonl")
    watch.start()
    page.wait_for("running")
    while run.state.progress.done < 1:
        time.sleep(0.01)
    watch.receive({"t": "stop"})
    page.wait_for("stopping")
    gate.set()
    page.wait_for("stopped")
    before = page.statuses[-1]["done"]
    assert 0 < before < len(GRID)
    assert not (page.states == 2).any()
    assert watch.facts["resumable"]
    watch.receive({"t": "start"})
    page.wait_for("done")
    assert page.statuses[-1]["skipped"] == before
    assert np.count_nonzero(page.states == 1) == before
    assert set(page.states.tolist()) == {1, 3}


def test_failures_come_with_their_tracebacks_and_resume_does_only_those(gate: threading.Event, tmp_path: Path) -> None:
    bad = [[2, 0, 4], [4, 4, 8]]
    gate.set()
    calls: list[tuple[int, ...]] = []

    def fails(block: Box) -> None:
        calls.append(block.start)
        slow(block, gate, [tuple(b) for b in bad])

    _, watch, page = watched(Step("fails", fails), tmp_path / "run.jsonl")
    watch.start()
    page.wait_for("failed")
    watch.receive({"t": "failures"})
    assert sorted(f["key"] for f in page.failures) == ["2:4,0:4,4:8", "4:6,4:8,8:12"]
    assert all("ValueError: bad block" in f["error"] and "in fails" in f["error"] for f in page.failures)
    assert np.count_nonzero(page.states == 4) == page.statuses[-1]["failed"] == 2
    calls.clear()
    bad.clear()
    watch.start()
    page.wait_for("done")
    assert sorted(calls) == [(2, 0, 4), (4, 4, 8)]


def test_what_keeps_a_run_from_starting_is_said(tmp_path: Path, gate: threading.Event) -> None:
    gate.set()
    other, _, _ = watched(Step("slow", slow, {"gate": gate}, identity="other"), tmp_path / "run.jsonl")
    other.run()
    _, watch, page = watched(Step("slow", slow, {"gate": gate}, identity="slow"), tmp_path / "run.jsonl")
    watch.start()
    page.wait_for("failed")
    assert "started with other parameters" in page.statuses[-1]["message"]
    (tmp_path / "run.jsonl").unlink()
    watch.start()
    page.wait_for("done")
    assert page.statuses[-1]["message"] is None


def test_what_an_earlier_kernel_did_is_shown_before_anything_starts(tmp_path: Path, gate: threading.Event) -> None:
    gate.set()
    earlier, _, _ = watched(Step("slow", slow, {"gate": gate, "bad": [(2, 0, 4)]}, identity=1), tmp_path / "run.jsonl")
    with pytest.raises(RunFailed):
        earlier.run()
    _, watch, page = watched(Step("slow", slow, {"gate": gate}, identity=1), tmp_path / "run.jsonl")
    watch.hello()
    assert (page.phase, page.statuses[-1]["done"], page.statuses[-1]["failed"]) == ("failed", 23, 1)
    assert np.count_nonzero(page.states == 1) == 23
    watch.failures()
    assert [f["key"] for f in page.failures] == ["2:4,0:4,4:8"]
    watch.start()
    page.wait_for("done")
    assert page.statuses[-1]["skipped"] == 23


def wait_for_go(block: Box, folder: str) -> None:
    (Path(folder) / "begun").touch()
    while block.start[0] >= 4 and not (Path(folder) / "go").exists():
        time.sleep(0.01)


def job(folder: str) -> Run:
    """Return a Run that waits in its middle for a file."""
    step = Step("job", wait_for_go, {"folder": folder})
    return Run(step, GRID, Path(folder) / "run.jsonl", workers=1, group=1)


def test_a_run_in_another_process_is_followed_to_its_end(tmp_path: Path) -> None:
    code = f"from tests.explore.test_watch import job; job({str(tmp_path)!r}).run()"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    try:
        end = time.monotonic() + 30
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        run, page = job(str(tmp_path)), Page()
        watch = Watch(run, page)
        watch.hello()
        assert page.phase == "elsewhere"
        assert page.statuses[-1]["where"] == f"process {process.pid}"
        assert page.statuses[-1]["seconds"] > 0
        assert page.statuses[-1]["receipt"] is None
        watch.start()
        assert run.state.phase == "waiting"
        (tmp_path / "go").touch()
        page.wait_for("done")
        assert set(page.states.tolist()) == {1}
        assert str(page.statuses[-1]["receipt"]).startswith("job(folder=")
    finally:
        (tmp_path / "go").touch()
        process.wait(30)


def test_starting_what_runs_changes_nothing(gate: threading.Event) -> None:
    run, watch, page = watched(Step("slow", slow, {"gate": gate}))
    watch.start()
    page.wait_for("running")
    watch.start()
    gate.set()
    page.wait_for("done")
    assert run.wait() is run.receipt


def test_the_phase_is_told_once_for_those_who_only_want_that(gate: threading.Event) -> None:
    _, watch, page = watched(Step("slow", slow, {"gate": gate}))
    told: list[str] = []
    watch.on_phase = lambda status: told.append(status["phase"])
    watch.start()
    page.wait_for("running")
    gate.set()
    end = time.monotonic() + 10
    while told[-1:] != ["done"] and time.monotonic() < end:
        time.sleep(0.01)
    assert [phase for i, phase in enumerate(told) if told[i - 1 : i] != [phase]] == ["running", "done"]


def test_a_message_that_nobody_knows_is_ignored() -> None:
    _, watch, page = watched(Step("slow", slow))
    watch.receive({"t": "dance"})
    watch.receive({})
    assert page.statuses == []


def test_the_preview_ends_as_the_plane_of_the_output() -> None:
    values = np.random.default_rng(0).integers(0, 256, GRID.shape, "u1")
    out = Volume.from_array(np.zeros(GRID.shape, "u1"), (8, 8, 8))

    def copy(block: Box) -> None:
        out.write(block, values[tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))])

    page = Page()
    page.picture = np.zeros(GRID.shape[1:], np.uint8)
    preview = Preview(out, out.box)
    preview._window = (0, 255)
    watch = Watch(Run(Step("copy", copy), GRID, workers=2), page, preview)
    watch.start()
    page.wait_for("done")
    end = time.monotonic() + 10
    while not np.array_equal(page.picture, values[4]) and time.monotonic() < end:
        time.sleep(0.01)
    assert np.array_equal(page.picture, values[4])


def test_a_million_blocks_cost_a_look_of_milliseconds() -> None:
    page = Page()
    watch = Watch(Run(Step("none", len), Grid((100, 100, 100), (1, 1, 1)), workers=1), page)
    watch.hello()
    started = time.process_time()
    for _ in range(10):
        watch.tell()
    assert len(page.states) == 10**6
    assert (time.process_time() - started) / 10 < 0.1


@pytest.mark.parametrize(
    "blocks",
    [
        Grid((5, 6, 7), (2, 2, 2)),
        Tiling(Box((1, 2, 3), (5, 6, 7)), (2, 2, 2)),
        [Box((1, 1, 1), (2, 2, 2)), Box((0, 3, 1), (4, 5, 2))],
    ],
)
def test_the_hull_holds_every_block(blocks: Any) -> None:
    hull = block_hull(blocks)
    for axis in range(3):
        assert hull.start[axis] == min(block.start[axis] for block in blocks)
        assert hull.stop[axis] == max(block.stop[axis] for block in blocks)


def test_a_failed_run_still_raises_for_whoever_waits(gate: threading.Event) -> None:
    gate.set()
    run, watch, page = watched(Step("slow", slow, {"gate": gate, "bad": [(0, 0, 0)]}))
    watch.start()
    page.wait_for("failed")
    with pytest.raises(RunFailed, match="1 of 24 blocks failed"):
        run.wait()
