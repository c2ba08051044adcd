"""What a Run is doing, for whoever looks on: counts, a state for each block, and events as they come."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.pipeline.progress import Progress
from ndlab.pipeline.tasks import Pages
from ndlab.pipeline.work import Report

__all__ = ["BEFORE", "DONE", "FAILED", "RUNNING", "WAITING", "Event", "Look", "Watched"]

WAITING, BEFORE, RUNNING, DONE, FAILED = range(5)
_MOST_ON_A_MAP = 10_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """A Run at one moment.

    Attributes
    ----------
    phase : str
        ``"waiting"``, ``"running"``, ``"done"``, ``"failed"`` or ``"stopped"``.
    progress : Progress
        Counts, retries among them, and seconds.
    blocks : array of uint8
        For each task in order: 0 waiting, 1 done before this Run started, 2 handed out, 3 done, 4 failed. Empty
        beyond 10^7 tasks.
    running : tuple of int
        Numbers of the tasks handed out.
    failed : dict
        Block to traceback, of those that failed.
    notes : tuple of str
        What else happened: workers lost, blocks tried again.
    """

    phase: str
    progress: Progress
    blocks: np.ndarray[Any, np.dtype[np.uint8]]
    running: tuple[int, ...]
    failed: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a Run.

    Attributes
    ----------
    kind : str
        ``"started"``, ``"began"`` (blocks were handed out), ``"ended"`` (a group came back), ``"finished"``.
    progress : Progress
        Counts after it.
    numbers, failed : sequence of int
        Tasks handed out, or done; tasks that failed.
    """

    kind: str
    progress: Progress
    numbers: Sequence[int] = ()
    failed: Sequence[int] = ()


@dataclass
class Watched:
    """Running totals of one Run, and who wants to know."""

    step: str
    total: int
    phase: str = "waiting"
    dashboard: str = ""
    skipped: int = 0
    done: int = 0
    retried: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    states: Pages = field(default_factory=Pages)
    clock: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    listeners: list[Callable[[Event], None]] = field(default_factory=list)

    def start(self, states: Pages) -> None:
        """Begin with what was done before."""
        self.states, self.phase, self.seconds = states, "running", None
        self.skipped = self.done = states.count(BEFORE, self.total)
        self.retried, self.clock = 0, time.monotonic()
        self.failed.clear()
        self.notes.clear()
        self.tell("started")

    def began(self, numbers: Sequence[int]) -> None:
        """Note blocks handed out."""
        for number in numbers:
            self.states[number] = RUNNING
        if self.listeners:
            self.tell("began", numbers)

    def ended(self, report: Report, key: Callable[[int], str]) -> None:
        """Note how a group went."""
        for number in report.numbers:
            self.states[number] = DONE
        for number in report.left:
            self.states[number] = WAITING
        for number, failure in report.failed.items():
            self.states[number] = FAILED
            self.failed[key(number)] = failure.error
        self.done += len(report.numbers)
        self.retried += report.retried
        if self.listeners:
            self.tell("ended", report.numbers, tuple(report.failed))

    def finish(self, phase: str) -> None:
        """Note how it ended."""
        self.seconds, self.phase = time.monotonic() - self.clock, phase
        self.tell("finished")

    def progress(self) -> Progress:
        """Return the counts."""
        seconds = time.monotonic() - self.clock if self.seconds is None else self.seconds
        failed = len(self.failed)
        return Progress(
            self.step, self.total, self.done, failed, self.skipped, seconds, self.retried, self.dashboard
        )  # fmt: skip

    def tell(self, kind: str, numbers: Sequence[int] = (), failed: Sequence[int] = ()) -> None:
        """Tell all who listen; who fails at listening is told no more, and the Run goes on."""
        event = Event(kind, self.progress(), numbers, failed)
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception as error:
                self.listeners.remove(listener)
                warnings.warn(f"a listener of step {self.step!r} failed and was removed: {error!r}", stacklevel=2)

    def look(self) -> Look:
        """Return a snapshot."""
        blocks = self.states.array(self.total) if self.total <= _MOST_ON_A_MAP else np.zeros(0, np.uint8)
        running = tuple(np.flatnonzero(blocks == RUNNING).tolist())
        phase = self.phase
        return Look(phase, self.progress(), blocks, running, dict(self.failed), tuple(self.notes))
