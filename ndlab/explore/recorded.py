"""What the record of a Run says that does not run here: done by an earlier kernel, or being done by another process."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ndlab.pipeline import Look, Progress, Receipt
from ndlab.pipeline.follow import Follower
from ndlab.pipeline.hold import holder
from ndlab.pipeline.lines import StepLines
from ndlab.pipeline.tasks import Tasks

__all__ = ["Reader", "Recorded"]

_BEFORE, _FAILED = 1, 4


@dataclass(frozen=True)
class Recorded:
    """A Run as its record shows it; `process` is the one that holds the record now."""

    look: Look
    process: str | None
    receipt: Receipt | None


class Reader:
    """Reads the record of a step without holding it, and each of its bytes once.

    Parameters
    ----------
    path : Path
    step : str
    tasks : Tasks or None
        What it is shown over; None where nobody knows the blocks any more, only how many were done.
    fingerprint : str, optional
        What else would be another step's record.
    total : int
        Blocks, where `tasks` is None.
    """

    def __init__(
        self, path: Path, step: str, tasks: Tasks | None, fingerprint: str | None = None, total: int = 0
    ) -> None:
        self.path = path
        self._step, self._tasks, self._fingerprint, self._total = step, tasks, fingerprint, total
        self._follower = Follower(path)
        self._look: Look | None = None

    def read(self) -> Recorded | None:
        """Return what the record says; None where there is none, or one of other parameters."""
        # Before the lines: who lets go of the record meanwhile has written all of them.
        process = holder(self.path)
        if self._follower.refresh():
            self._look = self._drawn()
        if self._look is None:
            return None
        receipt = self._receipt()
        at = replace(self._look.progress, seconds=_seconds(receipt, process is not None))
        return Recorded(replace(self._look, progress=at), process, receipt)

    def _receipt(self) -> Receipt | None:
        found = Receipt.beside(self.path)
        return found if found is not None and found.step == self._step else None

    def _drawn(self) -> Look | None:
        lines = self._follower.steps.get(self._step)
        if lines is None or self._fingerprint not in (None, lines.fingerprint):
            return None
        tasks = self._tasks
        total = self._total if tasks is None else len(tasks)
        states = lines.done.among(tasks or Tasks(())).array(0 if tasks is None else total)
        count = len(lines.done) if tasks is None else int((states == _BEFORE).sum())
        for key in lines.failed if tasks is not None else ():
            if (number := tasks.number(key)) is not None:  # type: ignore[union-attr]
                states[number] = _FAILED
        at = Progress(self._step, max(total, count), count, len(lines.failed), count, 0.0, lines.retried)
        return Look(_phase(at, lines), at, states, (), dict(lines.failed))


def _seconds(receipt: Receipt | None, going: bool) -> float:
    """Return how long it has been going, or took when it was last tried [s]; 0 where nobody knows."""
    if receipt is None or not going:
        # One that was killed left the receipt that it began with.
        return 0.0 if receipt is None or receipt.state == "running" else receipt.seconds
    with suppress(ValueError):
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(receipt.started)).total_seconds())
    return 0.0


def _phase(at: Progress, lines: StepLines) -> str:
    if at.done == at.total:
        return "done"
    return "failed" if lines.failed else "stopped" if at.done else "waiting"
