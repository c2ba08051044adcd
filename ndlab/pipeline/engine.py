"""The loop of a Run: groups of tasks handed out through a bounded window, reports as they come."""

from __future__ import annotations

import math
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from ndlab.pipeline.runners import Lost, Runner
from ndlab.pipeline.tasks import Tasks
from ndlab.pipeline.work import Group, Report

__all__ = ["Engine", "Grouping"]

_WAKE_SECONDS = 1.0
_PATIENCE_SECONDS = 300.0


class Grouping:
    """How many blocks make one task: as many as take `TARGET` seconds, learnt from the first ones.

    A task costs a scheduler a few milliseconds, so blocks that take less than 100 ms are done several at a time;
    never so many that workers run dry at the end.
    """

    TARGET = 0.25
    MOST = 20_000

    def __init__(self, fixed: int | None = None) -> None:
        self._fixed = fixed
        self._mean: float | None = None
        self._size = 1

    def observe(self, report: Report) -> None:
        """Learn from a report."""
        if self._fixed is not None or not report.numbers:
            return
        mean = sum(report.seconds) / len(report.numbers)
        self._mean = mean if self._mean is None else 0.7 * self._mean + 0.3 * mean
        wanted = int(self.TARGET / max(self._mean, 1e-6))
        # Eight times as many at most: the first blocks may not be like the others.
        self._size = max(1, min(wanted, 8 * max(self._size, len(report.numbers)), self.MOST))

    def size(self, left: int, threads: int) -> int:
        """Return how many of the `left` blocks to take next."""
        if self._fixed is not None:
            return self._fixed
        return max(1, min(self._size, math.ceil(left / (4 * max(1, threads)))))


class Engine:
    """Hands out `numbers` of `tasks` and yields reports until all have one.

    Parameters
    ----------
    numbers : iterator of int
        What is to be done, read as it is handed out.
    left : int
        How many those are, for the sizes of groups.
    """

    def __init__(self, runner: Runner, tasks: Tasks, numbers: Iterator[int], left: int, grouping: Grouping) -> None:
        self._runner, self._tasks, self._grouping = runner, tasks, grouping
        self._numbers, self._left = numbers, left
        self._events: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._alone: deque[int] = deque()
        self._aside: dict[int, list[str]] = {}
        self._next = 0
        self._in_company: set[int] = set()
        self._stopping = False
        self.running: dict[int, Group] = {}

    def stop(self) -> None:
        """Hand out nothing more; may be called from any thread."""
        self._stopping = True
        self._events.put(None)

    def reports(self, began: Callable[[Sequence[int]], None], enough: Callable[[], bool]) -> Iterator[Report]:
        """Yield the report of each group as it comes.

        Parameters
        ----------
        began : callable
            Told the numbers of each group handed out.
        enough : callable
            Whether so much failed that the rest is not worth trying.

        Raises
        ------
        Lost
            If what is under way will never end.
        """
        stopped, waited = False, time.monotonic()
        try:
            while True:
                if (self._stopping or enough()) and not stopped:
                    stopped = True
                    self._runner.stop()
                if not stopped:
                    self._fill(began)
                if not self.running:
                    return
                ticket = self._next_event()
                if ticket is None:
                    waited = self._check(waited)
                    continue
                waited = time.monotonic()
                group = self.running.pop(ticket)
                report = self._runner.report(ticket, group, ticket not in self._in_company)
                self._in_company.discard(ticket)
                if report.aside is not None:
                    self._alone.extend(group.numbers)
                    self._aside |= dict.fromkeys(group.numbers, report.aside)
                    continue
                for number in group.numbers if self._aside else ():
                    report.add_losses(self._aside.pop(number, []))
                self._grouping.observe(report)
                yield report
        finally:
            self.running.clear()
            self._runner.close()

    def _next_event(self) -> int | None:
        try:
            return self._events.get(timeout=_WAKE_SECONDS)
        except queue.Empty:
            return None

    def _check(self, waited: float) -> float:
        self._runner.check()
        self._runner.window()
        if self._runner.threads:
            return time.monotonic()
        if time.monotonic() - waited > _PATIENCE_SECONDS:
            raise Lost(f"the cluster has had no worker for {_PATIENCE_SECONDS:.0f} s")
        return waited

    def _fill(self, began: Callable[[Sequence[int]], None]) -> None:
        while len(self.running) < self._runner.window():
            group = self._take()
            if group is None:
                return
            ticket, self._next = self._next, self._next + 1
            self.running[ticket] = group
            if len(self.running) > 1 or len(group.numbers) > 1:
                self._in_company.update(self.running)
            self._runner.submit(ticket, group, self._events.put)
            began(group.numbers)

    def _take(self) -> Group | None:
        """Return the next group; what may have ended its worker comes last, and with nothing beside it."""
        size = self._grouping.size(self._left, self._runner.threads)
        numbers: list[int] = []
        for number in self._numbers:
            numbers.append(number)
            if len(numbers) >= size:
                break
        if numbers:
            self._left -= len(numbers)
            row = range(numbers[0], numbers[-1] + 1)
            whole: Sequence[int] = row if len(row) == len(numbers) else tuple(numbers)
            return Group(whole, None if self._tasks.regular else [self._tasks[i] for i in numbers])
        if self._alone and not self.running:
            number = self._alone.popleft()
            return Group((number,), None if self._tasks.regular else [self._tasks[number]])
        return None
