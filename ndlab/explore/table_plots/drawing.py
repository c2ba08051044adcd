"""A drawn tab, and the few things that all plots are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.theme import colors_of, ink, theme

__all__ = [
    "MOST_MARKS",
    "Drawn",
    "Listing",
    "figure",
    "legend_above",
    "row_source",
    "said",
    "sample",
    "scatter",
    "thin_note",
]

Array = np.ndarray[Any, Any]
MOST_MARKS = 20_000
"""Points that Bokeh draws and selects smoothly; more are in the tab of points."""


@dataclass(frozen=True)
class Listing:
    """A small table below a plot.

    Parameters
    ----------
    title : str
    heads : list of str
    lines : list of list of str
    picks : list of dict or None
        The rows that a line stands for: ``{"by": column, "text": value}``, with "" for the ids.
    """

    title: str
    heads: Sequence[str]
    lines: Sequence[Sequence[str]]
    picks: Sequence[Mapping[str, str] | None] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        picks = list(self.picks) or [None] * len(self.lines)
        return {
            "title": self.title,
            "heads": list(self.heads),
            "lines": [list(one) for one in self.lines],
            "picks": picks,
        }


@dataclass
class Drawn:
    """What a tab shows.

    Parameters
    ----------
    tab : str
    layout : bokeh model, or None
    notes : list of str
        What was done, and what is left out.
    hints : list of str
        What can be done with it on the page; no report says it.
    tables : list of Listing
    sources : list of dict
        ``id`` of a data source, ``kind`` of its marks (``"rows"`` or ``"ranges"``), for ranges the column ``by`` and
        that of the ``classes``.
    derived : dict
        Columns that were computed, for all rows of the table.
    facts : dict
        The numbers behind the plot, for Python.
    """

    tab: str
    layout: Any
    notes: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list, kw_only=True)
    tables: list[Listing] = field(default_factory=list)
    sources: list[dict[str, str]] = field(default_factory=list)
    derived: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    dark: bool = False

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values, as the page takes it."""
        from bokeh.embed import json_item

        item = None if self.layout is None else json_item(self.layout, theme=theme(self.dark))
        return {
            "tab": self.tab, "item": item, "notes": self.notes + self.hints,
            "tables": [one.plain() for one in self.tables],
            "sources": [{"by": "", "classes": ""} | one for one in self.sources],
        }  # fmt: skip


def figure(tools: str = "", **options: Any) -> Any:
    """Return a figure that fills the width of the tab."""
    from bokeh.plotting import figure as make

    options = {"height": 360, "sizing_mode": "stretch_width"} | options
    found = make(tools=tools or "pan,wheel_zoom,box_zoom,reset,save", **options)
    found.toolbar.active_scroll = None
    return found


def row_source(job: Job, rows: Array, **columns: Any) -> Any:
    """Return a source with a mark for each row: its number, its id, its class and its colour."""
    from bokeh.models import ColumnDataSource

    codes, names = job.classes
    mine = codes[rows]
    palette = np.array(colors_of(names))
    data = {"row": rows.astype(np.int32), "id": [str(one) for one in job.table.ids[rows].tolist()],
            "class": np.array(names, dtype=object)[mine].tolist(), "color": palette[mine].tolist()}  # fmt: skip
    return ColumnDataSource(data | columns, name="rows")


def sample(count: int, most: int = MOST_MARKS, seed: int = 0) -> Array:
    """Return which of `count` things to draw: all, or as many by chance, in their order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def thin_note(drawn: int, count: int, more: str = "") -> list[str]:
    """Say that not every row is drawn, where that is so."""
    if drawn == count:
        return []
    return [f"{said(drawn)} of {said(count)} rows are drawn, taken by chance{more}."]


def said(count: int) -> str:
    """Return a count with thin spaces, as the page writes it."""
    return f"{count:,}".replace(",", "\u2009") if count >= 10_000 else str(count)


def legend_above(plot: Any) -> None:
    """Put the legend where it covers nothing."""
    if plot.legend:
        legend = plot.legend[0]
        legend.orientation, legend.spacing = "horizontal", 8
        plot.add_layout(legend, "above")


def scatter(plot: Any, source: Any, x: str, y: str, job: Job, *, legend: bool = False) -> Any:
    """Draw rows as points that can be selected; what is not selected fades."""
    count = len(source.data["row"])
    size = 3 if count > 5_000 else 5 if count > 1_000 else 7
    _, names = job.classes
    more = {"legend_group": "class"} if legend and len(names) > 1 else {}
    found = plot.scatter(
        x, y, source=source, size=size, fill_color="color", line_color=None, fill_alpha=0.8 if count < 5_000 else 0.5,
        nonselection_fill_alpha=0.12, selection_fill_alpha=1.0, selection_line_color=ink(job.dark), **more,
    )  # fmt: skip
    legend_above(plot)
    return found
