"""Where groups of tasks run: a pool of threads here, or whatever cluster a Dask client leads to."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from ndlab.errors import Conflict, TooLarge
from ndlab.pipeline.losses import losses
from ndlab.pipeline.slips import with_held, without_values
from ndlab.pipeline.work import Failure, Group, Report, Work, perform, perform_pickled

__all__ = ["Cluster", "Lost", "Runner", "Threads", "current_client"]

_ASK_SECONDS = 3.0
_MOST_BYTES = 8 << 20


class Lost(Exception):
    """Everything under way is lost: the scheduler is gone, or the work was cancelled from outside."""


class Runner(Protocol):
    """What the engine needs of a place to run."""

    words: str
    threads: int

    def window(self) -> int:
        """Return how many groups may be handed out at a time."""
        ...

    def submit(self, ticket: int, group: Group, done: Callable[[int], None]) -> None:
        """Hand out a group; `done` is called with the ticket when it has ended in any way."""
        ...

    def report(self, ticket: int, group: Group, alone: bool) -> Report:
        """Return how the group went; `alone` says that it was one block with nothing beside it."""
        ...

    def check(self) -> None:
        """Raise `Lost` if nothing will ever end."""
        ...

    def stop(self) -> None:
        """Begin nothing more; groups under way end after the block that they are at."""
        ...

    def close(self) -> None:
        """Give up what has not begun, and wait for the rest."""
        ...


class Threads:
    """A pool of threads in this process; twice as many groups handed out as can run."""

    def __init__(self, work: Work, count: int) -> None:
        self.words, self.threads = f"{count} thread" + "s" * (count > 1), count
        self._work = work
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="block")
        self._futures: dict[int, Future[Report]] = {}

    def window(self) -> int:
        """Return how many groups may be handed out at a time."""
        return 2 * self.threads

    def submit(self, ticket: int, group: Group, done: Callable[[int], None]) -> None:
        """Hand out a group."""
        future = self._futures[ticket] = self._pool.submit(perform, self._work, group, self._stopped.is_set)
        future.add_done_callback(lambda _: done(ticket))

    def report(self, ticket: int, group: Group, alone: bool) -> Report:
        """Return how the group went."""
        future = self._futures.pop(ticket)
        return Report(left=group.numbers) if future.cancelled() else future.result()

    def check(self) -> None:
        """Threads are never lost without this process."""

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped.set()

    def close(self) -> None:
        """Give up what has not begun, and wait for the rest."""
        self.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Cluster:
    """A Dask client; the scheduler never holds more than a window of two groups per worker thread.

    A worker that is lost has Dask try its groups elsewhere; how often that happened, and why, is added to the report.
    With `hold`, what a reduction's groups return stays where it is, and reports name it (`ndlab.pipeline.slips`).
    """

    def __init__(self, work: Work, client: Any, hold: bool = False) -> None:
        from distributed.protocol.pickle import dumps

        if getattr(client, "asynchronous", False):
            raise Conflict(
                "a Run was given an asynchronous Dask client",
                "Run.run() waits for its blocks",
                "pass a plain Client, or client=False to use threads",
            )
        self._client = client
        self._prefix = f"{work.step.name.replace('-', '_')}-{uuid.uuid4().hex[:8]}-"
        self._work: bytes = dumps(work)
        if len(self._work) > _MOST_BYTES:
            raise TooLarge(
                f"step {work.step.name!r} carries {len(self._work) / 1e6:.0f} MB to every worker",
                f"at most {_MOST_BYTES >> 20} MiB travel with a step",
                "write big arrays to a store and pass the opened volume, which travels as its address",
                nbytes=len(self._work),
            )
        self._futures: dict[int, Any] = {}
        self._hold, self._whole = hold, dict[int, Any]()
        self._asked = -_ASK_SECONDS
        self.threads = 0
        scheduler = client.scheduler
        self.words = f"Dask client {scheduler.address}" if scheduler else "Dask client"
        self._stopping = False
        self._losses = losses(client)
        self._losses.watch(self._prefix)

    def window(self) -> int:
        """Asked anew every few seconds, so that an adaptive cluster is kept busy as it grows."""
        if time.monotonic() - self._asked > _ASK_SECONDS:
            try:
                workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            except (OSError, RuntimeError, AttributeError) as error:
                raise Lost(f"the scheduler does not answer ({error})") from None
            self.threads = sum(worker["nthreads"] for worker in workers)
            self._asked = time.monotonic()
        return 2 * max(1, self.threads)

    def submit(self, ticket: int, group: Group, done: Callable[[int], None]) -> None:
        """Hand out a group."""
        try:
            future = self._client.submit(perform_pickled, self._work, group, key=f"{self._prefix}{ticket}", pure=False)
            if self._hold:
                self._whole[ticket] = future
                future = self._client.submit(without_values, future, key=f"{self._prefix}{ticket}-slip", pure=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise Lost(f"the scheduler takes no more work ({error})") from None
        self._futures[ticket] = future
        future.add_done_callback(lambda _: done(ticket))

    def report(self, ticket: int, group: Group, alone: bool) -> Report:
        """Return how the group went; a lost worker is a failure of the block, with what Dask says about it."""
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        future = self._futures.pop(ticket)
        whole = self._whole.pop(ticket, future)
        try:
            report: Report = future.result()
        except CancelledError:
            if self._stopping:
                return Report(left=group.numbers)
            raise Lost("its tasks were cancelled: the scheduler went away, or somebody restarted it") from None
        except KilledWorker as error:
            reasons = self._losses.of(whole.key, error.allowed_failures + 1)
            if not alone:
                return Report(left=group.numbers, aside=reasons)
            why = "\n".join([*reasons[:1], f"KilledWorker: {error}"])
            report = Report(failed={number: Failure(why) for number in group.numbers})
            report.add_losses(reasons[1:])
            return report
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            return Report(failed={number: Failure(why) for number in group.numbers})
        report.add_losses(self._losses.of(whole.key))
        return with_held(report, whole) if self._hold else report

    def check(self) -> None:
        """Raise `Lost` if the client has no scheduler any more."""
        if self._client.status not in ("running", "newly-created"):
            raise Lost(f"the client is {self._client.status}")

    def stop(self) -> None:
        """Begin nothing more: what no worker is at yet is taken back."""
        self._stopping = True
        # A slip waits for its group, which may be under way.
        groups = {**self._futures, **self._whole}
        waiting = [future for future in groups.values() if future.status == "pending"]
        if waiting and self._client.status == "running":
            under_way = self._under_way(waiting)
            idle = {future.key for future in waiting if future.key not in under_way}
            slips = [future for ticket, future in self._futures.items() if groups[ticket].key in idle]
            self._client.cancel([*slips, *(future for future in waiting if future.key in idle)])

    def _under_way(self, waiting: Sequence[Any]) -> set[str]:
        """Keys of those that workers are at now, or that ended while the scheduler was asked."""
        asked, ended = list(waiting), set[str]()
        while asked:
            try:
                busy = self._client.call_stack(asked)
            except KeyError as gone:
                left = [future for future in asked if future.key not in gone.args]
                if len(left) == len(asked):
                    return {str(future.key) for future in waiting}
                ended |= {str(future.key) for future in asked} - {str(future.key) for future in left}
                asked = left
            else:
                return ended | {str(key) for stacks in busy.values() for key in stacks}
        return ended

    def close(self) -> None:
        """Give up everything that has not ended."""
        self._stopping = True
        if self._futures and self._client.status == "running":
            self._client.cancel([*self._futures.values(), *self._whole.values()])
        self._futures.clear()
        self._whole.clear()
        self._losses.unwatch(self._prefix)


def current_client() -> Any:
    """Return the Dask client that is current in this process, None if there is none; never imports Dask."""
    module = sys.modules.get("distributed.client") or sys.modules.get("distributed")
    if module is None:
        return None
    try:
        return module.default_client()
    except ValueError:
        return None
