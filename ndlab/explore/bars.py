"""Bars of the Runs inside a call: how many blocks are done, one bar for each Run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets as w  # noqa: TID253 - only forms import this module, when one is shown

from ndlab.explore.inputs import LABEL
from ndlab.pipeline import Progress

__all__ = ["Bars"]

_MOST = 6


class Bars(w.VBox):  # type: ignore[misc]
    """A bar for each of the last Runs."""

    def __init__(self) -> None:
        super().__init__(layout=w.Layout(margin=f"0 0 0 {LABEL}"))
        self._made: list[_Bar] = []
        self._shown: list[_Bar] = []

    def show(self, progress: Sequence[Progress]) -> None:
        """Show how far the Runs are, the first first; bars are made once and then moved."""
        self._made += [_Bar(one) for one in progress[len(self._made) :]]
        for bar, one in zip(self._made, progress, strict=True):
            bar.move(one)
        if self._made[-_MOST:] != self._shown:
            self.children = self._shown = self._made[-_MOST:]


class _Bar(w.HBox):  # type: ignore[misc]
    """Name, bar and counts of one Run."""

    def __init__(self, at: Progress) -> None:
        self._bar = w.IntProgress(max=max(at.total, 1), layout=w.Layout(width="220px"))
        self._words: Any = w.HTML()
        super().__init__([self._bar, self._words])

    def move(self, at: Progress) -> None:
        """Show that so much is done."""
        failed = f", {at.failed} failed" if at.failed else ""
        self._bar.value, self._bar.bar_style = at.done, "danger" if at.failed else ""
        self._words.value = html.escape(f"{at.step}: {at.done} of {at.total} blocks{failed}")
