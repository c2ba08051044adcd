"""Counts and shares: histograms, degrees, bars, what a null model draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.figures.panels import keep
from ndlab.figures.style import COLORS, CYCLE, axes_for

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ndlab.analyze.permutation import Null

__all__ = ["bars", "degrees", "histogram", "null"]


def histogram(
    values: Any,
    ax: Axes | None = None,
    *,
    bins: int | Sequence[float] | np.ndarray[Any, Any] = 40,
    label: str = "values",
    color: str | None = None,
) -> Axes:
    """Draw how many values lie in each bin; its table has the bins. Values that are no number are left out.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from ndlab.figures.panels import table_of
    >>> table_of(histogram([1.0, 1.5, 2.5, np.nan], Figure().subplots(), bins=[1, 2, 3]))
       series  from  to  count
    0  values     1   2      2
    1  values     2   3      1
    """
    import pandas as pd

    ax = axes_for(ax)
    known = np.asarray(values, float)
    counts, edges = np.histogram(known[np.isfinite(known)], bins)
    table = pd.DataFrame({"series": label, "from": edges[:-1], "to": edges[1:], "count": counts})
    ax.bar(table["from"], table["count"], width=table["to"] - table["from"], align="edge", alpha=0.85,
           color=color or COLORS["blue"], label=label)  # fmt: skip
    ax.set(ylabel="count")
    return keep(ax, table)


def bars(
    table: pd.DataFrame, ax: Axes | None = None, *, x: str, y: str, colors: Sequence[str] | str | None = None
) -> Axes:
    """Draw a column of a tidy table as bars over another."""
    ax = axes_for(ax)
    at = table[x] if table[x].dtype.kind in "iuf" else table[x].astype(str)
    ax.bar(at, table[y], color=colors or COLORS["blue"])
    ax.set(xlabel=x, ylabel=y)
    return keep(ax, table)


def degrees(counts: Mapping[str, Any], ax: Axes | None = None, *, colors: Mapping[str, str] | None = None) -> Axes:
    """Draw the share of nodes with at least so many edges, on logarithmic axes.

    Parameters
    ----------
    counts : mapping of str to sequence of int
        Degrees of the nodes of each kind.
    ax : matplotlib Axes, optional
        A new small figure unless given.
    colors : mapping, optional
        By kind.
    """
    import pandas as pd

    ax = axes_for(ax)
    parts = []
    for number, (name, some) in enumerate(counts.items()):
        value, times = np.unique(np.asarray(some), return_counts=True)
        share = times[::-1].cumsum()[::-1] / times.sum()
        parts.append(pd.DataFrame({"series": name, "degree": value, "nodes": times, "share": share}))
        color = (colors or {}).get(name, CYCLE[number % len(CYCLE)])
        ax.step(value, share, where="pre", color=color, lw=1.2, label=name)
    ax.set(xscale="log", yscale="log", xlabel="degree", ylabel="share with at least as many")
    ax.legend(loc="lower left")
    return keep(ax, pd.concat(parts, ignore_index=True))


def null(test: Null, ax: Axes | None = None, label: str = "by chance", color: str | None = None) -> Axes:
    """Draw what a null model gives as a histogram, and what was observed as a line."""
    import pandas as pd

    ax = axes_for(ax)
    values, counts = np.unique(test.draws, return_counts=True)
    table = pd.DataFrame({"series": label, "mark": "drawn", "value": values, "share": counts / counts.sum()})
    ax.bar(table["value"], table["share"], width=1.0, color=color or COLORS["sky"], alpha=0.7, label=label)
    ax.axvline(test.observed, color=COLORS["red"], lw=1.3)
    ax.set(xlabel=test.name, ylabel="share of draws")
    seen = pd.DataFrame({"series": [label], "mark": "observed", "value": test.observed, "share": np.nan})
    return keep(ax, pd.concat([table, seen], ignore_index=True))
