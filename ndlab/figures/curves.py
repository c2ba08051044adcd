"""Curves and points: what was found over a distance, a depth or a number, beside what a model gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest
from ndlab.figures.panels import keep
from ndlab.figures.style import COLORS, CYCLE, axes_for

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ndlab.analyze.density import Profile
    from ndlab.analyze.peters_rule import PetersRule
    from ndlab.analyze.point_patterns import Envelope

__all__ = ["correlogram", "curves", "envelope_curve", "points", "profile", "touch_curve"]


def curves(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    x: str,
    y: str,
    by: str | None = None,
    colors: Mapping[Any, str] | None = None,
    **line: Any,
) -> Axes:
    """Draw one column of a tidy table over another as lines, one for each value of a third; return the axes.

    Parameters
    ----------
    table : pandas.DataFrame
    ax : matplotlib Axes, optional
        A new small figure unless given.
    x, y : str
        Columns.
    by : str, optional
        Column that parts the lines; their names are in the legend.
    colors : mapping, optional
        By the values of `by`.
    **line
        As for matplotlib's `plot`.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from ndlab.figures.panels import table_of
    >>> rates = pd.DataFrame({"MB": [1, 2, 1, 2], "rate": [3.0, 5, 4, 7], "threads": [1, 1, 2, 2]})
    >>> ax = curves(rates, Figure().subplots(), x="MB", y="rate", by="threads")
    >>> len(ax.lines), table_of(ax).equals(rates)
    (2, True)
    """
    ax = axes_for(ax)
    for (name, some), color in zip(_parted(table, by), _colors(table, by, colors), strict=True):
        ax.plot(some[x].to_numpy(), some[y].to_numpy(), **{"lw": 1.2, "color": color, "label": name} | line)
    ax.set(xlabel=x, ylabel=y)
    if by is not None:
        ax.legend()
    return keep(ax, table)


def points(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    x: str,
    y: str,
    by: str | None = None,
    size: str | float = 4.0,
    colors: Mapping[Any, str] | None = None,
    **marks: Any,
) -> Axes:
    """Draw the rows of a tidy table as points; return the axes.

    Parameters
    ----------
    table : pandas.DataFrame
    ax : matplotlib Axes, optional
        A new small figure unless given.
    x, y : str
        Columns.
    by : str, optional
        Column whose values have colours of their own.
    size : str or float
        A column, or of all [points²].
    colors : mapping, optional
        By the values of `by`.
    **marks
        As for matplotlib's `scatter`.
    """
    ax = axes_for(ax)
    for (name, some), color in zip(_parted(table, by), _colors(table, by, colors), strict=True):
        sizes = some[size].to_numpy(float) if isinstance(size, str) else size
        look = {"color": color, "alpha": 0.7, "lw": 0, "label": name}
        ax.scatter(some[x].to_numpy(float), some[y].to_numpy(float), s=sizes, **look | marks)
    ax.set(xlabel=x, ylabel=y)
    return keep(ax, table)


def _parted(table: pd.DataFrame, by: str | None) -> list[tuple[Any, pd.DataFrame]]:
    if by is None:
        return [(None, table)]
    if by not in table:
        raise BadRequest(f"a figure by {by!r}", f"the columns are {', '.join(map(str, table))}", "pass one of those")
    return list(table.groupby(by, sort=False, observed=True))


def _colors(table: pd.DataFrame, by: str | None, given: Mapping[Any, str] | None) -> list[str]:
    names = [name for name, _ in _parted(table, by)]
    return [(given or {}).get(name, CYCLE[number % len(CYCLE)]) for number, name in enumerate(names)]


def touch_curve(found: PetersRule, ax: Axes | None = None) -> Axes:
    """Draw the share of connected pairs against their number of touches, and what independent touches would give."""
    ax = axes_for(ax)
    table = found.curve
    reach = table["share"] - table["low"], table["high"] - table["share"]
    look: dict[str, Any] = {"fmt": "o", "ms": 3.5, "color": COLORS["blue"], "lw": 0.9, "capsize": 2}
    ax.errorbar(table["touches"], table["share"], reach, label="found", **look)
    ax.plot(table["touches"], table["independent"], color=COLORS["orange"], lw=1.2, label="if touches were independent")
    last = int(table["touches"].iloc[-1])
    ax.set_xticks(table["touches"], [*table["touches"].astype(str)[:-1], f"≥ {last}"])
    ax.set(xlabel="touches between axon and dendrite", ylabel="share with a synapse", ylim=(0, None))
    ax.legend(loc="upper left")
    return keep(ax, table)


def envelope_curve(found: Envelope, ax: Axes | None = None, unit: str = "µm", name: str = "g(r)") -> Axes:
    """Draw a curve (K, L, g, F, G) in the range that the model's curves stay in; `name` is what stands on its axis."""
    import pandas as pd

    ax = axes_for(ax)
    table = pd.DataFrame({"r": found.r, "observed": found.observed, "mean": found.mean, "low": found.low,
                          "high": found.high})  # fmt: skip
    label = f"model, {found.level:.0%}"
    ax.fill_between(table["r"], table["low"], table["high"], color=COLORS["grey"], alpha=0.25, lw=0, label=label)
    ax.plot(table["r"], table["mean"], color=COLORS["grey"], lw=0.8)
    ax.plot(table["r"], table["observed"], color=COLORS["blue"], lw=1.3, label="found")
    ax.set(xlabel=f"r [{unit}]", ylabel=name)
    ax.legend()
    return keep(ax, table)


def profile(found: Profile, ax: Axes | None = None, *, color: str | None = None) -> Axes:
    """Draw the density along an axis, layer by layer, such as the depth below the surface."""
    ax = axes_for(ax)
    axis = str(found.table.columns[0])
    ax.plot(found.table[axis], found.table["density"], color=color or COLORS["green"], lw=1.2)
    ax.set(ylim=(0, None), xlabel=f"{axis.removesuffix('_um')} [µm]", ylabel="per µm³")
    return keep(ax, found.table)


def correlogram(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how alike blocks are against their distance, as `BlockCounts.correlogram` gives it."""
    ax = axes_for(ax)
    ax.plot(table["distance_um"], table["correlation"], "o-", ms=3.5, lw=1.0, color=COLORS["blue"])
    ax.axhline(0, color=COLORS["grey"], lw=0.7, ls="--")
    ax.set(xlabel="distance of blocks [µm]", ylabel="correlation of densities", xlim=(0, None))
    return keep(ax, table)
