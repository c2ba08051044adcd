"""What happens where the blocks are worked on: a group of tasks one after the other, and a report of how each went."""

from __future__ import annotations

import os
import pickle
import socket
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ndlab.pipeline.reduce import Combine, Node, Tree
from ndlab.pipeline.step import Step, Task
from ndlab.pipeline.tasks import Tasks

__all__ = ["Failure", "Group", "Report", "Work", "perform", "perform_pickled", "worker_name"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


@dataclass(frozen=True)
class Work:
    """All that a worker has to know besides which blocks are meant.

    `tasks` is None for a plain list of boxes, whose tasks travel with the group. `combine` belongs to a reduction.
    A group ends early after `limit` failures.
    """

    step: Step
    tasks: Tasks | None
    total: int
    retries: int = 0
    limit: int = 8
    combine: Combine | None = None
    fan_in: int = 8


@dataclass(frozen=True)
class Group:
    """Numbers of tasks done one after the other, by one worker in one go."""

    numbers: Sequence[int]
    tasks: Sequence[Task] | None = None


@dataclass(frozen=True)
class Failure:
    """A block that failed: why, and in how many attempts and seconds."""

    error: str
    attempts: int = 1
    seconds: float = 0.0


@dataclass
class Report:
    """How a group went.

    Attributes
    ----------
    numbers : list of int
        Tasks that are done, in order.
    seconds : list of float
        Time each took, all attempts together [s].
    worker : str
        Host, process and thread.
    results : list or None
        What each returned; None if all returned None or went into `nodes`.
    attempts : dict
        For those that took more than one.
    failed : dict
        Number to `Failure`.
    left : sequence of int
        Tasks that were not tried.
    nodes : list of (node, value)
        A reduction's values, combined as far as this group allows.
    aside : list of str or None
        Set where all workers that the group was given to were lost: one sentence for each. Any of its blocks may
        be innocent, so each is to be tried again alone.
    """

    numbers: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    worker: str = ""
    results: list[Any] | None = None
    attempts: dict[int, int] = field(default_factory=dict)
    failed: dict[int, Failure] = field(default_factory=dict)
    left: Sequence[int] = ()
    nodes: list[tuple[Node, Any]] = field(default_factory=list)
    aside: list[str] | None = None

    def add_losses(self, reasons: list[str]) -> None:
        """Count what was lost with workers before: as attempts of every block, for nobody knows of which."""
        for number in self.numbers if reasons else ():
            self.attempts[number] = self.attempts.get(number, 1) + len(reasons)
        for number, failure in self.failed.items():
            error = "\n".join([*dict.fromkeys(reasons), failure.error])
            self.failed[number] = Failure(error, failure.attempts + len(reasons), failure.seconds)

    @property
    def retried(self) -> int:
        """Attempts beyond the first, of all blocks."""
        return sum(n - 1 for n in self.attempts.values()) + sum(f.attempts - 1 for f in self.failed.values())


def perform(work: Work, group: Group, stopped: Callable[[], bool] = lambda: False) -> Report:
    """Do the tasks of a group; an exception becomes part of the report, so that nothing is lost on the way."""
    report = Report(worker=worker_name())
    results: list[Any] = []
    tree = None if work.combine is None else Tree(work.total, work.combine, work.fan_in)
    for at, number in enumerate(group.numbers):
        if stopped() or len(report.failed) >= work.limit:
            report.left = group.numbers[at:]
            break
        task = _task(work, group, at)
        value, attempts, seconds, error = _attempt(work, task)
        if error is not None:
            report.failed[number] = Failure(error, attempts, seconds)
            continue
        if attempts > 1:
            report.attempts[number] = attempts
        report.numbers.append(number)
        report.seconds.append(seconds)
        if tree is None:
            results.append(value)
        else:
            tree.add((0, number), value)
    if any(result is not None for result in results):
        report.results = results
    if tree is not None:
        report.nodes = list(tree.waiting())
    return report


def _task(work: Work, group: Group, at: int) -> Task:
    if group.tasks is not None:
        return group.tasks[at]
    assert work.tasks is not None
    return work.tasks[group.numbers[at]]


def _attempt(work: Work, task: Task) -> tuple[Any, int, float, str | None]:
    clock, attempt = time.perf_counter(), 0
    while True:
        attempt += 1
        try:
            value = work.step(task)
        except Exception:
            if attempt > work.retries:
                return None, attempt, time.perf_counter() - clock, traceback.format_exc()
            # What fails for a moment (a busy server) is given a moment.
            time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)))
        else:
            return value, attempt, time.perf_counter() - clock, None


def worker_name() -> str:
    """Return host, process and thread of the caller."""
    return f"{_host()}:{os.getpid()}:{threading.current_thread().name}"


@lru_cache(maxsize=1)
def _host() -> str:
    return socket.gethostname()


def perform_pickled(work: bytes, group: Group) -> Report:
    """Do a group on another machine; the work is unpickled once in each process."""
    return perform(_unpickled(work), group)


@lru_cache(maxsize=4)
def _unpickled(work: bytes) -> Work:
    found: Work = pickle.loads(work)
    return found
