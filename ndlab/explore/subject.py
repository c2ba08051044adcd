"""What a watch looks at: a Run that this kernel can carry out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ndlab.errors import BadRequest, NdlabError, RunFailed
from ndlab.explore import facts as words
from ndlab.explore.recorded import Reader
from ndlab.explore.wire import Facts
from ndlab.pipeline import Event, Look, Receipt, Record, Run, current_client
from ndlab.pipeline.recipe import recipe_of
from ndlab.pipeline.tasks import Blocks, Tasks
from ndlab.store.records import record_path

__all__ = ["Here", "Subject", "code_of", "record_of", "where_of"]


class Subject(Protocol):
    """What a watch has to know of what it looks at.

    Attributes
    ----------
    blocks : Blocks
        Where a preview finds what to read.
    process : str or None
        Which process is at it, if it is not this kernel's own Run; known after `look`.
    error : str or None
        What ended it, besides its blocks.
    hint : str or None
        What to do where more is to be done, and this kernel cannot.
    receipt : Receipt or None
        Of what has ended; known after `look`.
    """

    blocks: Blocks
    process: str | None
    error: str | None
    hint: str | None
    receipt: Receipt | None

    @property
    def facts(self) -> Facts:
        """What does not change while it runs; preview and code are the watch's to add."""

    @property
    def where(self) -> str:
        """Who does the blocks."""

    @property
    def dashboard(self) -> str | None:
        """Address of the Dask dashboard."""

    def look(self) -> Look:
        """Return it as it is now."""

    def alive(self) -> bool:
        """Whether this kernel is at it."""

    def subscribe(self, listener: Callable[[Event], None]) -> object:
        """Have `listener` called with what happens in this kernel."""

    def start(self) -> None:
        """Start it, or take it up where it ended."""

    def stop(self) -> None:
        """Have it end after the blocks under way."""


class Here:
    """A Run that this kernel can carry out, and may find done in part, or at work in another process.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run, self.blocks = run, run.blocks
        self.process: str | None = None
        self.error: str | None = None
        self.hint: str | None = None
        self.receipt: Receipt | None = None
        path = record_of(run)
        self._tasks = Tasks(run.blocks, run.t, run.c)
        self._reader = None if path is None else Reader(path, run.step.name, self._tasks, run.fingerprint)
        self._started = False

    @property
    def facts(self) -> Facts:
        """What does not change while the Run runs."""
        run = self.run
        voxel_size = next((size for volume in words.volumes(run) if (size := words.calibrated(volume))), None)
        return {
            "v": 1,
            "step": run.step.name,
            "total": len(run),
            "inputs": words.pairs(words.inputs_of(run.step)),
            "params": words.params_of(run),
            "output": words.output_address(run),
            "estimate": words.costs_of(run),
            "grid": words.grid_facts(self._tasks, voxel_size),
            "preview": None,
            "code": None,
            "resumable": self._reader is not None,
            "startable": True,
        }

    @property
    def where(self) -> str:
        """Dask, so many threads, or which process."""
        if self.process is not None:
            return where_of(self.process)
        if self.receipt is not None:
            return self.receipt.runner
        if self._client is not None:
            return "Dask"
        threads = self.run.workers or os.cpu_count() or 1
        return f"{threads} thread{'s' if threads > 1 else ''}"

    @property
    def dashboard(self) -> str | None:
        """Address of the Dask dashboard, None for threads."""
        return getattr(self._client, "dashboard_link", None) or None

    @property
    def _client(self) -> Any:
        if self.run.client is None and self.run.workers is None:
            return current_client()
        return self.run.client or None

    def look(self) -> Look:
        """Return the Run as it is; one that was not begun here, as its record shows it."""
        look, found = self.run.state, None
        if look.phase == "waiting" and not self.alive() and self.error is None and self._reader is not None:
            found = self._reader.read()
        if found is None:
            self.process, self.receipt = None, None if look.phase == "running" else self.run.receipt
            return look
        self.process, self.receipt = found.process, found.receipt
        return found.look

    def alive(self) -> bool:
        """Whether a Run that was started here still runs; notes why it ended otherwise."""
        if not self._started:
            return False
        try:
            ended = self.run.wait(0) is not None
        except RunFailed as error:
            ended = True
            if not error.failed and not error.stopped:
                self.error = str(error)
        except NdlabError as error:
            ended, self.error = True, str(error)
        except Exception as error:
            ended, self.error = True, f"{type(error).__name__}: {error}"
        return not ended

    def subscribe(self, listener: Callable[[Event], None]) -> object:
        """Have `listener` called with every event of the Run."""
        return self.run.subscribe(listener)

    def start(self) -> None:
        """Start the Run, or take it up where it ended."""
        self.error, self._started = None, True
        self.run.start()

    def stop(self) -> None:
        """Have the Run end after the blocks under way."""
        self.run.stop()


def record_of(run: Run) -> Path | None:
    """Return where the record of a Run is; None where it is kept for as long as the Run is."""
    record: Any = run.record
    if isinstance(record, Record):
        return record.path
    if record is not None:
        return Path(os.fspath(record))
    if run.step.output is None or not run.step.output.url:
        return None
    return record_path(str(run.step.output.url), run.step.name)


def code_of(run: Run) -> str | None:
    """Return code that goes on with a Run in a kernel that knows nothing of it; None where there is no such code."""
    path = record_of(run)
    if path is None or isinstance(run.record, Record):
        return None
    try:
        recipe_of(run)
    except BadRequest:
        return None
    address = str(run.step.output.url) if run.record is None else str(path.absolute())
    return f"from ndlab import explore; explore.run({address!r}, name={run.step.name!r}, start=True)"


def where_of(process: str) -> str:
    """Say which process is at a Run."""
    return "another Run of this kernel" if process == str(os.getpid()) else f"process {process}"
