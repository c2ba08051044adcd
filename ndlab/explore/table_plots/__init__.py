"""What each tab of the Vector Explorer shows: statistics, drawn with Bokeh, and said in words."""

from __future__ import annotations

from importlib import import_module

from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import Drawn

__all__ = ["DRAWN", "Drawn", "drawn"]

DRAWN = ("heat", "spread", "outliers", "relations", "pairs", "embedding", "clusters")
"""The tabs that the kernel draws; the others are the page's own."""


def drawn(job: Job, tab: str | None = None) -> Drawn:
    """Return what a tab shows, by default the one that is asked for.

    Parameters
    ----------
    job : Job
    tab : str, optional
        One of `DRAWN`; nothing is drawn for the others.

    Raises
    ------
    BadRequest, TooLarge, Unsupported
        If the rows or columns do not fit the method.
    """
    name = tab or job.state["tab"]
    if name not in DRAWN:
        return Drawn(name, None)
    # Each when it is asked for: they load more than a view needs that shows none of them.
    found: Drawn = import_module(f"ndlab.explore.table_plots.{name}").draw(job)
    found.dark = job.dark
    return found
