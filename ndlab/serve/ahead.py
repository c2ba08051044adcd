"""Read ahead: threads of low priority that fill the cache while nobody waits for anything else."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable

__all__ = ["ReadAhead"]

Job = Callable[[], object]
_NICE = 4
_MOST_JOBS = 64
_MOST_VIEWS = 8


class ReadAhead:
    """Reads that may be wanted soon, at most `_MOST_JOBS` for each of a few views, done by `workers` threads.

    A new plan for a view replaces the old one, so what a turn made useless is never begun. No job begins while a
    visible read is held (`hold`, `release`). `close` ends the threads.
    """

    def __init__(self, workers: int = 2) -> None:
        self._plans: OrderedDict[Hashable, deque[Job]] = OrderedDict()
        self._visible = self._busy = 0
        self._closed = False
        self._wake = threading.Condition()
        self._workers = workers
        self._threads: list[threading.Thread] = []

    def plan(self, view: Hashable, jobs: Iterable[Job]) -> None:
        """Do these in order, the latest view's first, and nothing else for that view."""
        wanted = deque(jobs)
        with self._wake:
            self._plans.pop(view, None)
            if self._closed or not wanted:
                return
            while len(wanted) > _MOST_JOBS:
                wanted.pop()
            self._plans[view] = wanted
            while len(self._plans) > _MOST_VIEWS:
                self._plans.popitem(last=False)
            self._start()
            self._wake.notify_all()

    def hold(self) -> None:
        """Say that somebody waits for a visible read."""
        with self._wake:
            self._visible += 1

    def release(self) -> None:
        """Say that one visible read is over."""
        with self._wake:
            self._visible -= 1
            if not self._visible:
                self._wake.notify_all()

    @property
    def waiting(self) -> int:
        """How many jobs are planned or being done."""
        with self._wake:
            return self._busy + sum(map(len, self._plans.values()))

    def idle(self, timeout: float) -> bool:
        """Wait until nothing is planned or being done; whether that came about within `timeout` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._plans and not self._busy, timeout)

    def close(self) -> None:
        """Give up what is planned; what is being read ends on its own."""
        with self._wake:
            self._closed = True
            self._plans.clear()
            self._wake.notify_all()

    def _start(self) -> None:
        while len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="ndlab-ahead", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        if sys.platform == "linux":
            # Threads have a priority of their own there; a container may forbid to change it.
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while (job := self._next()) is not None:
            # A chunk that cannot be read is reported to whoever asks for it; here it only was not ready in time.
            with contextlib.suppress(Exception):
                job()
            del job
            with self._wake:
                self._busy -= 1
                self._wake.notify_all()

    def _next(self) -> Job | None:
        """Wait for a job of the latest view; None once all is over."""
        with self._wake:
            self._wake.wait_for(lambda: self._closed or (self._plans and not self._visible))
            if self._closed:
                return None
            view = next(reversed(self._plans))
            job = self._plans[view].popleft()
            if not self._plans[view]:
                del self._plans[view]
            self._busy += 1
            return job
