"""A Run of which a kernel has only the record: it can be looked at and followed, and not gone on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import NdlabError
from ndlab.explore import facts as words
from ndlab.explore.recorded import Reader
from ndlab.explore.subject import where_of
from ndlab.explore.wire import Facts
from ndlab.pipeline import Event, Look, Progress, Receipt
from ndlab.pipeline.lines import StepLines
from ndlab.pipeline.tasks import Blocks, Tasks
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["Kept"]


class Kept:
    """A Run as its record and its receipt show it.

    Parameters
    ----------
    path : Path
        Of the record.
    step : str
    lines : StepLines
        What the record says of the step now.
    hint : str
        Why this kernel cannot go on with it, and what to type instead.

    Attributes
    ----------
    receipt : Receipt or None
        What the last Run left.
    """

    def __init__(self, path: Path, step: str, lines: StepLines, hint: str) -> None:
        self.path, self.step = path, step
        self.hint: str | None = hint
        self.error: str | None = None
        self.process: str | None = None
        self.receipt = Receipt.beside(path)
        if self.receipt is not None and self.receipt.step != step:
            self.receipt = None
        self._tasks = None if lines.basis is None else Tasks.from_basis(lines.basis)
        self._level = 0 if lines.basis is None else int(lines.basis["level"])
        self.blocks: Blocks = () if self._tasks is None else self._tasks.blocks
        self._total = (
            len(self._tasks) if self._tasks is not None else 0 if self.receipt is None else self.receipt.blocks
        )
        self._reader = Reader(path, step, self._tasks, total=self._total)

    def __repr__(self) -> str:
        look = self.look()
        state = f"running in {self.where}" if self.process is not None else look.phase
        text = f"Run of {self.step}: {state}, {look.progress.done} of {look.progress.total} blocks done"
        receipt = words.receipt_text(self.receipt) if self.process is None else None
        return "\n".join(filter(None, [text, None if look.phase == "done" else self.hint, receipt]))

    @property
    def facts(self) -> Facts:
        """What its receipt says of it, and where its blocks lie."""
        receipt = self.receipt
        inputs, params = ({}, {}) if receipt is None else (receipt.inputs, receipt.params)
        return {
            "v": 1,
            "step": self.step,
            "total": self._total or self.look().progress.total,
            "inputs": words.pairs(_named(inputs)),
            "params": words.pairs(_named(params)),
            "output": None if receipt is None else receipt.output or None,
            "estimate": "",
            "grid": None if self._tasks is None else words.grid_facts(self._tasks, None),
            "preview": None,
            "code": None,
            "resumable": True,
            "startable": False,
        }

    def output(self) -> Volume | None:
        """Open what it writes, at the level it writes; None where that is nowhere, or cannot be opened."""
        if self.receipt is None or not self.receipt.output or self._tasks is None:
            return None
        with suppress(NdlabError):
            return open_volume(self.receipt.output, level=self._level)
        return None

    @property
    def where(self) -> str:
        """Which process is at it, or what did it."""
        if self.process is not None:
            return where_of(self.process)
        return "" if self.receipt is None else self.receipt.runner

    @property
    def dashboard(self) -> str | None:
        """None: nobody says."""
        return None

    def look(self) -> Look:
        """Return it as its record shows it."""
        found = self._reader.read()
        if found is None:
            return Look("waiting", Progress(self.step, self._total, 0, 0, 0, 0.0), np.zeros(0, np.uint8), (), {})
        self.process, self.receipt = found.process, found.receipt
        return found.look

    def alive(self) -> bool:
        """Return False: nothing of it is here."""
        return False

    def subscribe(self, listener: Callable[[Event], None]) -> object:
        """Do nothing: nothing happens here."""
        return None

    def start(self) -> None:
        """Do nothing: a page has no button for it."""

    def stop(self) -> None:
        """Do nothing: a page has no button for it."""


def _named(values: Any) -> dict[str, Any]:
    """Return inputs or parameters out of a receipt by name; what has none is called volume, as of a Run."""
    found = values if isinstance(values, Mapping) else {}
    return {"volume" if name == "0" and len(found) == 1 else name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    if not isinstance(value, Mapping) or "uri" not in value:
        return value
    level = f", level {value['level']}" if value["level"] else ""
    return f"{value['uri'] or 'in memory'}, {' × '.join(map(str, value['shape']))}{level}"
