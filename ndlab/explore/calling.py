"""A call under way in the background: how far it is, what came of it, and its receipt."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

from ndlab.errors import NdlabError, RunFailed
from ndlab.explore.call import Call
from ndlab.pipeline import Lineage, Progress, Run, describe, looking_on
from ndlab.pipeline.background import Background
from ndlab.pipeline.step import source_digest

__all__ = ["Calling"]


class Calling:
    """Calls a function in a thread, and looks on at the Runs that it starts.

    Parameters
    ----------
    call : Call

    Attributes
    ----------
    phase : str
        ``"running"``, ``"stopping"``, ``"done"``, ``"failed"`` or ``"stopped"``.
    receipt : Lineage or None
        Once it has ended.

    Examples
    --------
    >>> calling = Calling(Call(lambda n: n + 1, (41,)))
    >>> calling.result(), calling.phase
    (42, 'done')
    """

    def __init__(self, call: Call) -> None:
        self.call, self.phase = call, "running"
        self.receipt: Lineage | None = None
        self.error: BaseException | None = None
        self._runs: list[Run] = []
        self._lock = threading.Lock()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._clock, self._took = time.monotonic(), 0.0
        # Described before it runs: a call may write to what it reads.
        self._inputs, self._params = call.described()
        self._thread = Background(self._do)
        self._thread.start()

    # --- from outside -----------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Since it began, or that it took [s]."""
        return self._took or time.monotonic() - self._clock

    @property
    def progress(self) -> list[Progress]:
        """How far each Run is that the function has started, the first first."""
        with self._lock:
            return [run.state.progress for run in self._runs]

    def stop(self) -> None:
        """End it after the blocks under way, or with the next Run; a function without Runs ends by itself."""
        with self._lock:
            if self.phase == "running":
                self.phase = "stopping"
            for run in self._runs[-1:]:
                run.stop()

    def ended(self, timeout: float | None = None) -> bool:
        """Wait for so long [s] and return whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def result(self) -> Any:
        """Wait, and return what the function returned or raise what it raised."""
        return self._thread.result()

    # --- in the thread ----------------------------------------------------------------------------------------

    def _do(self) -> Any:
        found = None
        try:
            with looking_on(self._see):
                found = self.call()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._took = time.monotonic() - self._clock
            stopped = self.phase == "stopping" and isinstance(self.error, RunFailed)
            self.phase = "stopped" if stopped else "done" if self.error is None else "failed"
            self.receipt = self._made(found)
        return found

    def _see(self, run: Run) -> None:
        with self._lock:
            self._runs.append(run)
            if self.phase == "stopping":
                run.stop()

    def _made(self, found: Any) -> Lineage:
        call, error = self.call, self.error
        receipts = [run.receipt.to_json() for run in self._runs if run.receipt is not None]
        return Lineage(
            call.full_name, self._inputs, self._params, call.seed, source_digest(call.function), self._started,
            round(self._took, 3), self.phase,
            "" if error is None else _said(error),
            describe(getattr(found, "provenance", None)), tuple(receipts),
        )  # fmt: skip


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, NdlabError) else f"{type(error).__name__}: {error}"
