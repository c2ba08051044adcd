"""Retries are counted while a run runs, and never hidden: in its state, its events, its bar."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from ndlab.geometry import Box, Grid
from ndlab.pipeline import Event, Progress, Run, Step, progress_bar

GRID = Grid((1, 1, 6), (1, 1, 1))


class Stumbles:
    """Fails at the first try of each block, and waits in the last for a gate."""

    def __init__(self, gate: threading.Event) -> None:
        self.tried: Counter[Box] = Counter()
        self.gate = gate

    def __call__(self, block: Box) -> None:
        if block.start[2] == 5:
            assert self.gate.wait(20)
        self.tried[block] += 1
        if self.tried[block] == 1:
            raise OSError("the server is busy")


def test_they_are_known_before_the_run_ends() -> None:
    gate = threading.Event()
    events: list[Event] = []
    told: list[Progress] = []
    run = Run(Step("stumbles", Stumbles(gate), identity=1), GRID, workers=1, retries=1, group=1, progress=told.append)
    run.subscribe(events.append)
    run.start()
    end = time.monotonic() + 20
    while run.state.progress.done < 5:
        assert time.monotonic() < end
        time.sleep(0.01)
    look = run.state
    assert (look.phase, look.progress.retried) == ("running", 5)
    gate.set()
    receipt = run.wait(20)
    assert receipt is not None
    assert run.state.progress.retried == receipt.retried == told[-1].retried == 6
    counts = [event.progress.retried for event in events if event.kind == "ended"]
    assert counts == [1, 2, 3, 4, 5, 6]


def test_a_run_started_again_counts_from_nothing() -> None:
    gate = threading.Event()
    gate.set()
    run = Run(Step("stumbles", Stumbles(gate), identity=1), GRID, workers=1, retries=1)
    assert run.run().retried == 6
    assert run.run().retried == run.state.progress.retried == 0


def test_the_bar_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    gate = threading.Event()
    gate.set()
    with progress_bar(True) as callback:
        Run(Step("stumbles", Stumbles(gate), identity=1), GRID, workers=1, retries=1, progress=callback).run()
    last = capfd.readouterr().err.splitlines()[-1]
    assert "6/6" in last
    assert "retried=6" in last


def test_a_dashboard_is_named_once_above_the_bar(capfd: pytest.CaptureFixture[str]) -> None:
    link = "http://127.0.0.1:8787/status"
    with progress_bar(True) as callback:
        for done in (1, 2):
            callback(Progress("step", 2, done, 0, 0, 0.1, dashboard=link))
    said = capfd.readouterr().err
    assert said.count(f"step: dashboard at {link}") == 1
    with progress_bar(True) as callback:
        callback(Progress("step", 2, 2, 0, 0, 0.1))
    assert "dashboard" not in capfd.readouterr().err, "there is none on threads"


def test_the_bar_names_failures_and_retries_only_where_there_are_any(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar(True) as callback:
        callback(Progress("step", 4, 1, 0, 0, 0.1))
    assert "retried" not in capfd.readouterr().err
    with progress_bar(True) as callback:
        callback(Progress("step", 4, 1, 1, 0, 0.1, 2))
    assert "failed=1, retried=2" in capfd.readouterr().err
