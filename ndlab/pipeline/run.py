"""Run: a Step over many blocks, on threads or on a Dask cluster."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ndlab.errors import Conflict
from ndlab.pipeline.background import Background
from ndlab.pipeline.course import Course
from ndlab.pipeline.outcome import Outcome
from ndlab.pipeline.progress import ProgressCallback
from ndlab.pipeline.receipt import Receipt
from ndlab.pipeline.recipe import recipe_of
from ndlab.pipeline.record import Record
from ndlab.pipeline.reduce import Combine
from ndlab.pipeline.runners import current_client
from ndlab.pipeline.step import Step, Task, fingerprint
from ndlab.pipeline.tasks import Blocks, Tasks
from ndlab.pipeline.toml import dumps
from ndlab.pipeline.watching import Event, Look, Watched

__all__ = ["Receipt", "Run", "current_client"]


@dataclass
class Run:
    """A Step over blocks: each block once (and time point, and channel), results as they come.

    Parameters
    ----------
    step : Step
    blocks : Grid, Tiling or sequence of Box
        A Grid is never listed, so 10^6 blocks cost no more than ten.
    record : path-like or Record, optional
        Where outcomes are kept. Blocks that it shows as done are skipped. Without one it is the output's, and
        without an output they are kept for as long as this Run is.
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
        Called with a `Progress` whenever blocks are done.
    group : int, optional
        Blocks that make one task. Without it as many as take a quarter of a second, learnt from the first.
    restart : bool
        Do everything again, whatever the record says is done.

    Examples
    --------
    >>> from ndlab.geometry import Grid
    >>> run = Run(Step("size", lambda block: block.size), Grid((4, 4, 6), (4, 4, 4)), workers=2)
    >>> run.run().done, sorted(outcome.result for outcome in run.outcomes())
    (2, [32, 64])
    >>> run.reduce(lambda a, b: a + b)
    96
    """

    step: Step
    blocks: Blocks
    record: str | os.PathLike[str] | Record | None = None
    t: Sequence[int] | None = None
    c: Sequence[int] | None = None
    workers: int | None = None
    client: Any = None
    retries: int = 0
    progress: ProgressCallback | None = None
    group: int | None = None
    restart: bool = False
    receipt: Receipt | None = field(default=None, init=False, repr=False)
    reduction: tuple[Combine, int] | None = field(default=None, init=False, repr=False)
    value: Any = field(default=None, init=False, repr=False)
    _initial: Any = field(default=None, init=False, repr=False)
    _thread: Background[Receipt] | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        if self.receipt is not None:
            return f"Run of {self.receipt}"
        at = self._watched.progress()
        return f"Run of {self.step.name}: {self._watched.phase}, {at.done} of {at.total} blocks done"

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self.blocks, self.t, self.c)

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides what its record holds: its step's and, of a reduction, how values are combined."""
        if self.reduction is None:
            return self.step.fingerprint
        tasks = self._tasks
        return fingerprint([self.step.fingerprint, *self.reduction, tasks.basis() or [task.key for task in tasks]])

    @cached_property
    def _course(self) -> Course:
        return Course(Watched(self.step.name, len(self)))

    @property
    def _watched(self) -> Watched:
        return self._course.watched

    def recipe(self, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """Return what repeats this Run, as `ndlab.pipeline.load` and ``ndlab run`` take it; write it as TOML to `path`.

        Raises
        ------
        BadRequest
            If its function cannot be imported (one of a notebook), or a parameter does not fit into a file.
        """
        found = recipe_of(self)
        if path is not None:
            Path(path).write_text(dumps(found))
        return found

    def tasks(self) -> Iterator[Task]:
        """Every task, time point by time point and channel by channel."""
        return iter(self._tasks)

    # --- doing it ---------------------------------------------------------------------------------------------

    def run(self) -> Receipt:
        """Do what is not done yet and return the receipt.

        Raises
        ------
        RunFailed
            If a block failed: `failed` maps each to its worker's traceback. Blocks already under way were
            finished first, and the record keeps all outcomes. Also if the Run was stopped, or its cluster lost.
        Conflict
            If another Run holds the record, writes to the same voxels, or the record was made with other parameters.
        """
        with self._open() as record:
            return self._course.carry_out(self, record, None)

    def reduce(self, combine: Combine, initial: Any = None, *, fan_in: int = 8) -> Any:
        """Do what is not done yet and return what all blocks returned, combined into one value.

        Values are combined where they arise and in a tree of bounded width that depends on the numbers of the blocks
        alone: any scheduler, grouping or restart gives the same, to the last bit, and memory does not grow with the
        number of blocks. A record keeps the parts, so a reduction resumes like any other Run; on a cluster without
        one, they stay on the workers, which combine them, and only the result comes here. It stays in `value`.

        Parameters
        ----------
        combine : callable
            ``combine(a, b)`` returns both as one, e.g. `operator.add` or `numpy.union1d`; it should be associative.
            It never sees None: a block that returns None adds nothing.
        initial : object, optional
            Combined with the result, on its left; the result where there are no values.
        fan_in : int
            How many neighbours are combined at a time.

        Examples
        --------
        >>> from ndlab.geometry import Grid
        >>> run = Run(Step("ids", lambda block: {block.start[2] % 3}), Grid((1, 1, 9), (1, 1, 1)))
        >>> run.reduce(set.union)
        {0, 1, 2}
        """
        self.reduction, self._initial, self.value = (combine, fan_in), initial, None
        with self._open() as record:
            found = self._course.reduce(self, record, combine, fan_in)
        if found is None or initial is None:
            self.value = initial if found is None else found
        else:
            self.value = combine(initial, found)
        return self.value

    def start(self, combine: Combine | None = None, initial: Any = None, *, fan_in: int = 8) -> Run:
        """Run in the background and return at once; `wait` gives the receipt, `stop` ends it early.

        With `combine` it is a reduction, as `reduce` does it: once it is done, `value` is what `reduce` returns. What
        was begun as a reduction goes on as one.

        Examples
        --------
        >>> from ndlab.geometry import Grid
        >>> run = Run(Step("size", lambda block: block.size), Grid((4, 4, 6), (4, 4, 4)), workers=2)
        >>> run.start(max).wait().done, run.value
        (2, 64)
        """
        if self._thread is not None and self._thread.is_alive():
            raise Conflict(f"step {self.step.name!r} is running", "", "wait for it: run.wait(), or stop it: run.stop()")
        if self.client is None and self.workers is None:
            self.client = current_client()  # which client is current is known to this thread only
        if combine is not None:
            self.reduction, self._initial = (combine, fan_in), initial
        self._thread = Background(self._run_or_reduce)
        self._thread.start()
        return self

    def _run_or_reduce(self) -> Receipt:
        if self.reduction is None:
            return self.run()
        combine, fan_in = self.reduction
        self.reduce(combine, self._initial, fan_in=fan_in)
        assert self.receipt is not None
        return self.receipt

    def wait(self, timeout: float | None = None) -> Receipt | None:
        """Wait for a Run that was started and return its receipt, or None if it still runs after `timeout` [s].

        Raises
        ------
        RunFailed
            As `run`.
        """
        if self._thread is None:
            raise Conflict(f"step {self.step.name!r} was not started", "", "call run.start() or run.run()")
        self._thread.join(timeout)
        return None if self._thread.is_alive() else self._thread.result()

    def stop(self) -> None:
        """End after the blocks under way; what is done stays done, and `run` goes on from there."""
        self._course.stop()

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait without blocking the event loop: ``await run`` in a notebook leaves widgets alive."""
        return self._await().__await__()

    async def _await(self) -> Receipt:
        if self._thread is None or not self._thread.is_alive():
            self.start()
        assert self._thread is not None
        try:
            return await asyncio.to_thread(self._thread.result)
        except asyncio.CancelledError:
            self.stop()
            raise

    # --- looking on -------------------------------------------------------------------------------------------

    @property
    def state(self) -> Look:
        """A snapshot: phase, counts, and for each block whether it waits, runs, is done or failed."""
        return self._watched.look()

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have `listener` called with every `Event`, in the thread that runs; return what ends that."""
        self._watched.listeners.append(listener)
        return lambda: self._watched.listeners.remove(listener) if listener in self._watched.listeners else None

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcomes of all blocks done so far, whichever run did them."""
        with self._open() as record:
            yield from record.outcomes(self.step.name)

    # --- inside -----------------------------------------------------------------------------------------------

    @cached_property
    def _scratch(self) -> Path:
        folder = tempfile.mkdtemp(prefix="ndlab-run-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder) / "run.jsonl"

    def _open(self) -> AbstractContextManager[Record]:
        if isinstance(self.record, Record):
            return nullcontext(self.record)
        if self.record is not None:
            return Record(self.record)
        if self.step.output is not None and self.step.output.url:
            opened: Record = self.step.output.open_record(self.step.name)
            return opened
        return Record(self._scratch, scratch=True)
