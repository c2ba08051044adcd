"""Run: a Step over many blocks, on threads or on a Dask cluster."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ndlab.errors import Conflict, RunFailed
from ndlab.geometry import Box, Grid
from ndlab.pipeline.progress import Progress, ProgressCallback
from ndlab.pipeline.record import Outcome, Record
from ndlab.pipeline.step import Step, Task, describe, environment

__all__ = ["Receipt", "Run", "current_client"]

_ENOUGH_FAILURES = 8
_ASK_SECONDS = 3.0


@dataclass(frozen=True)
class Receipt:
    """What a Run did, for whoever finds its output: inputs, parameters, code, machine, time."""

    step: str
    fingerprint: str
    inputs: Any
    params: Any
    blocks: int
    done: int
    skipped: int
    retried: int
    seconds: float
    started: str
    runner: str
    environment: dict[str, Any] = field(default_factory=environment)

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON holds it."""
        described = describe(self)
        described.pop("kind")
        return dict(described)


@dataclass
class Run:
    """A Step over blocks: one task per block (and time point, and channel), results as they come.

    Parameters
    ----------
    step : Step
    blocks : Grid or sequence of Box
        A Grid is never listed, so 10^6 blocks cost no more than ten.
    record : path-like or Record, optional
        Where outcomes are kept. Blocks that it shows as done are skipped. Without one, outcomes stay in memory.
    t, c : sequence of int, optional
        Time points and channels; each is combined with every block and passed to the step by keyword.
    workers : int, optional
        Threads; as many as cores unless said.
    client : distributed.Client or False, optional
        Run there instead. None takes the current Dask client if there is one and `workers` was not given;
        False never does.
    retries : int
        How often a failing block is tried again; attempts are counted in the record.
    progress : callable, optional
        Called with a `Progress` after each block.

    Examples
    --------
    >>> from ndlab.geometry import Grid
    >>> run = Run(Step("size", lambda block: block.size), Grid((4, 4, 6), (4, 4, 4)), workers=2)
    >>> run.run().done, sorted(outcome.result for outcome in run.outcomes())
    (2, [32, 64])
    """

    step: Step
    blocks: Grid | Sequence[Box]
    record: str | os.PathLike[str] | Record | None = None
    t: Sequence[int] | None = None
    c: Sequence[int] | None = None
    workers: int | None = None
    client: Any = None
    retries: int = 0
    progress: ProgressCallback | None = None
    _kept: list[Outcome] = field(default_factory=list, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.blocks) * (1 if self.t is None else len(self.t)) * (1 if self.c is None else len(self.c))

    def tasks(self) -> Iterator[Task]:
        """Every task, time point by time point and channel by channel."""
        for t in (None,) if self.t is None else self.t:
            for c in (None,) if self.c is None else self.c:
                for block in self.blocks:
                    yield Task(block, t, c)

    def run(self) -> Receipt:
        """Do what is not done yet and return the receipt.

        Raises
        ------
        RunFailed
            If a block failed: `failed` maps each to its worker's traceback. Blocks already under way were
            finished first, and the record keeps all outcomes.
        Conflict
            If another Run holds the record, or it was made with other parameters.
        """
        record = self.record
        if record is None or isinstance(record, Record):
            return self._run(record)
        with Record(record) as opened:
            return self._run(opened)

    def outcomes(self) -> Iterator[Outcome]:
        """Return the outcomes of all blocks done so far, whichever run did them."""
        if self.record is None:
            return iter(self._kept)
        if isinstance(self.record, Record):
            return self.record.outcomes(self.step.name)
        with Record(self.record) as opened:
            return iter(list(opened.outcomes(self.step.name)))

    def _run(self, record: Record | None) -> Receipt:
        started, clock = datetime.now(UTC), time.monotonic()
        self._kept.clear()
        done: set[str] = set()
        if record is not None:
            record.begin(self.step.name, self.step.fingerprint)
            done = record.done(self.step.name)
        total, before = len(self), set(done)
        todo = (task for task in self.tasks() if task.key not in before)
        skipped = sum(task.key in before for task in self.tasks()) if before else 0
        counts = _Counts(total, skipped, clock)
        runner = self._runner()
        for outcome in runner.outcomes(self.step, todo, self.retries, counts.enough):
            if record is None:
                self._kept.append(outcome)
            else:
                record.add(self.step.name, outcome)
            counts.add(outcome)
            if self.progress is not None:
                self.progress(counts.progress(self.step.name))
        if counts.failed:
            raise _run_failed(self.step.name, counts, record)
        return self._receipt(counts, started, runner.words)

    def _receipt(self, counts: _Counts, started: datetime, runner: str) -> Receipt:
        return Receipt(
            step=self.step.name,
            fingerprint=self.step.fingerprint,
            inputs=describe(self.step.inputs),
            params=describe(self.step.params),
            blocks=counts.total,
            done=counts.done,
            skipped=counts.skipped,
            retried=counts.retried,
            seconds=round(time.monotonic() - counts.clock, 3),
            started=started.isoformat(timespec="seconds"),
            runner=runner,
        )

    def _runner(self) -> _Threads | _Cluster:
        client = self.client
        if client is None and self.workers is None:
            client = current_client()
        return _Cluster(client) if client else _Threads(self.workers or os.cpu_count() or 1)


class _Counts:
    """Running totals of one Run."""

    def __init__(self, total: int, skipped: int, clock: float) -> None:
        self.total, self.skipped, self.clock = total, skipped, clock
        self.done, self.retried = skipped, 0
        self.failed: dict[str, str] = {}

    def add(self, outcome: Outcome) -> None:
        self.retried += outcome.attempts - 1
        if outcome.state == "done":
            self.done += 1
        else:
            self.failed[outcome.key] = outcome.error or ""

    def enough(self) -> bool:
        """Whether so many blocks failed that the rest is not worth trying."""
        return len(self.failed) >= _ENOUGH_FAILURES

    def progress(self, step: str) -> Progress:
        seconds = time.monotonic() - self.clock
        return Progress(step, self.total, self.done, len(self.failed), self.skipped, seconds)


def _run_failed(step: str, counts: _Counts, record: Record | None) -> RunFailed:
    first, trace = next(iter(counts.failed.items()))
    names = ", ".join(list(counts.failed)[:_ENOUGH_FAILURES])
    stopped = f"; stopped after {_ENOUGH_FAILURES} failures" if counts.enough() else ""
    kept = f"run it again to resume ({record.path} keeps what is done)" if record else "run it again"
    return RunFailed(
        f"step {step!r}: {len(counts.failed)} of {counts.total} blocks failed, {counts.done} are done{stopped}",
        f"failed blocks (z, y, x): {names}\nfirst failure, block {first}:\n{trace.rstrip()}\n",
        f"mend the cause and {kept}",
        failed=dict(counts.failed),
        done=counts.done,
        total=counts.total,
    )


def _perform(step: Step, task: Task, retries: int) -> Outcome:
    """Do one task and say how it went; an exception becomes an outcome, so that nothing is lost on the way."""
    clock = time.monotonic()
    attempt = 0
    while True:
        attempt += 1
        try:
            result = step(task)
        except Exception:
            if attempt > retries:
                seconds = round(time.monotonic() - clock, 4)
                return Outcome(task.key, "failed", seconds, _worker(), attempt, None, traceback.format_exc())
        else:
            return Outcome(task.key, "done", round(time.monotonic() - clock, 4), _worker(), attempt, result)


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.current_thread().name}"


class _Threads:
    """A pool of threads in this process; twice as many tasks handed out as can run."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.words = f"{count} threads"

    def outcomes(
        self, step: Step, tasks: Iterator[Task], retries: int, enough: Callable[[], bool]
    ) -> Iterator[Outcome]:
        pool = ThreadPoolExecutor(self._count, thread_name_prefix="block")
        running: set[Future[Outcome]] = set()
        try:
            while True:
                while len(running) < 2 * self._count and not enough() and (task := next(tasks, None)):
                    running.add(pool.submit(_perform, step, task, retries))
                if not running:
                    return
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in ready)
                if enough():
                    running = {future for future in running if not future.cancel()}
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Cluster:
    """A Dask client; the scheduler never holds more than a window of two tasks per worker thread."""

    def __init__(self, client: Any) -> None:
        if getattr(client, "asynchronous", False):
            raise Conflict(
                "a Run was given an asynchronous Dask client",
                "Run.run() waits for its blocks",
                "pass a plain Client, or client=False to use threads",
            )
        self._client = client
        self._threads, self._asked = 0, -_ASK_SECONDS
        self.words = f"Dask client {client.scheduler.address}" if client.scheduler else "Dask client"

    def outcomes(
        self, step: Step, tasks: Iterator[Task], retries: int, enough: Callable[[], bool]
    ) -> Iterator[Outcome]:
        from distributed import as_completed

        running: dict[Any, Task] = {}
        finished = as_completed()
        try:
            while True:
                while len(running) < self._window() and not enough() and (task := next(tasks, None)):
                    future = self._client.submit(_perform, step, task, retries, pure=False)
                    running[future] = task
                    finished.add(future)
                if not running:
                    return
                future = next(finished)
                yield _settled(future, running.pop(future))
        finally:
            for future in running:
                future.cancel()

    def _window(self) -> int:
        """Asked anew every few seconds, so that an adaptive cluster is kept busy as it grows."""
        if time.monotonic() - self._asked > _ASK_SECONDS:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            self._threads = sum(worker["nthreads"] for worker in workers)
            self._asked = time.monotonic()
        return 2 * max(1, self._threads)


def _settled(future: Any, task: Task) -> Outcome:
    """Return the outcome of a Dask future; a lost worker is a failure of the block, with what Dask says about it."""
    try:
        outcome: Outcome = future.result()
    except Exception as error:
        return Outcome(task.key, "failed", error=f"{type(error).__name__}: {error}")
    return outcome


def current_client() -> Any:
    """Return the Dask client that is current in this process, None if there is none; never imports Dask."""
    module = sys.modules.get("distributed.client") or sys.modules.get("distributed")
    if module is None:
        return None
    try:
        return module.default_client()
    except ValueError:
        return None
