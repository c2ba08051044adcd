"""What the record of a Run says that does not run here: done by an earlier kernel, or being done by another process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ndlab.pipeline import Look, Progress, Record, Run
from ndlab.pipeline.hold import holder
from ndlab.pipeline.lines import StepLines, read_lines
from ndlab.pipeline.tasks import Tasks
from ndlab.store.records import record_path

__all__ = ["Reader", "Recorded"]

_BEFORE, _FAILED = 1, 4


@dataclass(frozen=True)
class Recorded:
    """A Run as its record shows it; `process` is the one that holds the record now."""

    look: Look
    process: str | None


class Reader:
    """Reads the record of a Run without holding it, anew whenever it has grown."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.path = _path(run)
        self._seen: tuple[int, int] | None = None
        self._look: Look | None = None

    def read(self) -> Recorded | None:
        """Return what the record says; None where there is none, or one of other parameters."""
        if self.path is None or not self.path.exists():
            return None
        process = holder(self.path)
        found = self.path.stat()
        if self._seen != (found.st_mtime_ns, found.st_size):
            self._seen = found.st_mtime_ns, found.st_size
            self._look = self._parsed(self.path)
        return None if self._look is None else Recorded(self._look, process)

    def _parsed(self, path: Path) -> Look | None:
        run = self._run
        lines = StepLines.load(read_lines(path))[0].get(run.step.name)
        if lines is None or lines.fingerprint != run.step.fingerprint:
            return None
        tasks, total = Tasks(run.blocks, run.t, run.c), len(run)
        done = lines.done.among(tasks)
        states = done.array(total)
        for key in lines.failed:
            if (number := tasks.number(key)) is not None:
                states[number] = _FAILED
        count = done.count(_BEFORE, total)
        at = Progress(run.step.name, total, count, len(lines.failed), count, 0.0)
        return Look(_phase(at), at, states, (), dict(lines.failed))


def _phase(at: Progress) -> str:
    if at.done == at.total:
        return "done"
    return "failed" if at.failed else "stopped" if at.done else "waiting"


def _path(run: Run) -> Path | None:
    record: Any = run.record
    if isinstance(record, Record):
        return record.path
    if record is not None:
        return Path(os.fspath(record))
    if run.step.output is None or not run.step.output.url:
        return None
    return record_path(str(run.step.output.url), run.step.name)
