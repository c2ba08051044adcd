"""A bar over the cells of all notebooks, where somebody looks; else one line a notebook."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Bar"]


class Bar:
    """Says how far the notebooks are.

    Parameters
    ----------
    paths : sequence of Path
        Notebooks, in the order in which they run.
    quiet : bool
        Say nothing.
    """

    def __init__(self, paths: Sequence[Path], quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm

            cells = sum(_cells(path) for path in paths)
            self._bar = tqdm(total=cells, unit="cell", leave=False, bar_format="{desc} {bar} {n}/{total} [{elapsed}]")

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.set_description_str(text.partition(":")[0].removesuffix(" ..."))
            self._bar.write(text, file=sys.stderr)
        elif not self._quiet:
            sys.stderr.write(text + "\n")

    @property
    def done(self) -> int:
        """Cells that the bar has counted; 0 where there is none."""
        return 0 if self._bar is None else int(self._bar.n)

    def cell(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        """Note that a cell has run, as nbclient tells it."""
        if self._bar is not None and cell.cell_type == "code":
            self._bar.update()


def _cells(path: Path) -> int:
    return sum(cell["cell_type"] == "code" for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
