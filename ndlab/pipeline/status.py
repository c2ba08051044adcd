"""What the records beside an output say: who wrote there, how far, and whether somebody does now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ndlab.pipeline.hold import holder
from ndlab.pipeline.lines import StepLines, read_lines
from ndlab.pipeline.places import runs_folder
from ndlab.pipeline.receipt import Receipt
from ndlab.pipeline.tasks import Tasks

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status:
    """One step in a record.

    Attributes
    ----------
    step : str
    state : str
        ``"running"`` (a process holds the record), ``"done"``, ``"failed"`` (blocks failed when they were last
        tried) or ``"stopped"`` (it ended before all were done: stopped, killed, or its machine went down).
    done, retried : int
        Blocks; attempts beyond the first.
    total : int or None
        None where the blocks were a list, which only the Run knows.
    failed : dict
        Block to traceback.
    process : str or None
        Who holds the record.
    record : Path
    receipt : Receipt or None
        Of the last Run.
    """

    step: str
    state: str
    done: int
    total: int | None
    retried: int
    failed: dict[str, str]
    process: str | None
    record: Path
    receipt: Receipt | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        found = {
            name: getattr(self, name) for name in ("step", "state", "done", "total", "retried", "failed", "process")
        }
        return found | {"record": str(self.record), "receipt": self.receipt and self.receipt.to_json()}

    def __str__(self) -> str:
        total = "" if self.total is None else f" of {self.total}"
        text = f"{self.step}: {self.state}, {self.done}{total} blocks done"
        text += f", {self.retried} tried again" if self.retried else ""
        text += f", {len(self.failed)} failed" if self.failed else ""
        text += f", process {self.process}" if self.process else ""
        for key, error in list(self.failed.items())[:3]:
            text += f"\n  block {key}: {error.strip().splitlines()[-1]}"
        return text


def status(output: Any) -> list[Status]:
    """Return how far each step is that writes or wrote an output; reads the records and holds nothing.

    Parameters
    ----------
    output : volume, str or path
        A store.
    """
    found = []
    for path in sorted(runs_folder(output).glob("*.jsonl")):
        receipt = Receipt.beside(path)
        process = holder(path)
        for step, lines in StepLines.load(read_lines(path))[0].items():
            found.append(_status(step, lines, path, process, receipt if receipt and receipt.step == step else None))
    return found


def _status(step: str, lines: StepLines, path: Path, process: str | None, receipt: Receipt | None) -> Status:
    done = len(lines.done)
    total = len(Tasks.from_basis(lines.basis)) if lines.basis is not None else receipt.blocks if receipt else None
    if process is not None:
        state = "running"
    elif done == total or (total is None and not lines.failed):
        state = "done"
    else:
        state = "failed" if lines.failed else "stopped"
    return Status(step, state, done, total, lines.retried, dict(lines.failed), process, path, receipt)
