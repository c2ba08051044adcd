"""Distributions: histograms and densities by class, boxes, violins, and means with their errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.tables import Spread, bin_edges, density, spread
from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import Drawn, Listing, figure, legend_above, said
from ndlab.explore.table_plots.theme import colors_of, ink

__all__ = ["draw"]

Array = np.ndarray[Any, Any]
_MOST_OUTSIDE = 2_000
_PLACES = 256


def draw(job: Job) -> Drawn:
    """Draw the values of one column, or of every feature, by class."""
    options = job.options("spread")
    if options["kind"] in ("histogram", "density"):
        return _one(job, options)
    columns = job.features if options["all"] else [options["column"]]
    return _boxes(job, columns, options["kind"])


def _by_class(job: Job, column: str) -> list[Array]:
    codes, names = job.classes
    values = job.table.columns[column].astype(np.float64)[job.rows]
    mine = codes[job.rows]
    return [values[mine == code] for code in range(len(names))]


def _one(job: Job, options: dict[str, Any]) -> Drawn:
    from bokeh.models import ColumnDataSource

    column, names = options["column"], job.classes[1]
    groups = _by_class(job, column)
    every = np.concatenate(groups)
    edges = bin_edges(every, int(options["bins"]) or None)
    counts = np.array([np.histogram(group[np.isfinite(group)], edges)[0] for group in groups])
    colors = colors_of(names)
    whole = options["kind"] == "histogram"
    plot = figure("pan,wheel_zoom,box_zoom,tap,reset,save", x_axis_label=job.label(column),
                  y_axis_label="rows" if whole else f"density [1 / {_unit(job, column) or 'unit'}]")  # fmt: skip
    drawn = Drawn("spread", plot)
    spreads = [spread(group) for group in groups]
    if whole:
        # Bars of all classes stand on each other: their sum is that of all rows.
        below = np.vstack([np.zeros(len(edges) - 1, np.int64), counts.cumsum(axis=0)])
        n = len(names)
        source = ColumnDataSource({
            "low": np.tile(edges[:-1], n), "high": np.tile(edges[1:], n), "bottom": below[:-1].ravel(),
            "top": below[1:].ravel(), "class": np.repeat(names, len(edges) - 1).tolist(),
            "color": np.repeat(colors, len(edges) - 1).tolist(),
        })  # fmt: skip
        plot.quad(left="low", right="high", bottom="bottom", top="top", source=source, fill_color="color",
                  line_width=0.5, line_color=ink(job.dark, "paper"), fill_alpha=0.85, nonselection_fill_alpha=0.25,
                  **({"legend_group": "class"} if n > 1 else {}))  # fmt: skip
        plot.y_range.start = 0
        drawn.sources.append({"id": source.id, "kind": "ranges", "by": column, "classes": job.state["classes"]})
        drawn.hints.append("Click a bar to select its rows; with Shift, several.")
    else:
        job.tell(f"density of {column}")
        _densities(plot, groups, names, colors, every)
    legend_above(plot)
    _lines(plot, spreads, colors, options["lines"])
    missing = int((~np.isfinite(every)).sum())
    if missing:
        drawn.notes.append(f"{said(missing)} rows have no value.")
    drawn.tables.append(_listing(job, [column], [spreads]))
    drawn.facts = {"edges": edges, "counts": counts, "spreads": spreads, "classes": names}
    return drawn


def _unit(job: Job, column: str) -> str:
    return job.table.columns.column(column).unit


def _densities(plot: Any, groups: list[Array], names: list[str], colors: list[str], every: Array) -> None:
    some = every[np.isfinite(every)]
    if not len(some):
        return
    room = 0.08 * (some.max() - some.min() or 1.0)
    at = np.linspace(some.min() - room, some.max() + room, _PLACES)
    for group, name, color in zip(groups, names, colors, strict=True):
        # As a share of all, so that classes can be compared by their areas.
        heights = density(group, at) * np.isfinite(group).sum() / len(some)
        legend = {"legend_label": name} if len(names) > 1 else {}
        plot.varea(at, 0, heights, fill_color=color, fill_alpha=0.2)
        plot.line(at, heights, line_color=color, line_width=2, **legend)
    plot.y_range.start = 0


def _lines(plot: Any, spreads: list[Spread], colors: list[str], lines: str) -> None:
    from bokeh.models import Span

    for found, color in zip(spreads, colors, strict=True):
        if lines == "none" or not found.count:
            continue
        at = found.mean if lines == "mean" else found.quartiles[1]
        plot.add_layout(Span(location=at, dimension="height", line_color=color, line_width=2, line_dash="dashed"))


def _boxes(job: Job, columns: list[str], kind: str) -> Drawn:
    from bokeh.models import FactorRange

    names = job.classes[1]
    colors = colors_of(names)
    units = {_unit(job, one) for one in columns}
    scaled = len(columns) > 1 and len(units) > 1
    drawn = Drawn("spread", None)
    factors = [(column, name) for column in columns for name in names] if len(names) > 1 else [(c, "") for c in columns]
    plain = len(columns) == 1 or len(names) == 1
    keys = [
        (name if len(columns) == 1 and len(names) > 1 else column) if plain else (column, name)
        for column, name in factors
    ]
    label = job.label(columns[0]) if len(columns) == 1 else next(iter(units)) if len(units) == 1 else "value"
    plot = figure(x_range=FactorRange(*keys, group_padding=0.6), y_axis_label=label, height=380)
    plot.xgrid.grid_line_color = None
    if len(keys) > 6:
        plot.xaxis.major_label_orientation = 0.7
    all_spreads = []
    for column in columns:
        job.tell(f"{kind} of {column}")
        groups = _by_class(job, column)
        spreads = [spread(group) for group in groups]
        all_spreads.append(spreads)
        mine = [key for key, (one, _) in zip(keys, factors, strict=True) if one == column]
        {"box": _box, "violin": _violin, "mean": _mean}[kind](plot, mine, groups, spreads, colors, job)
    drawn.layout = plot
    if kind == "box":
        drawn.notes.append("Boxes hold the middle half, whiskers reach the furthest value within 1.5 of their height.")
    if scaled:
        drawn.notes.append("The columns have different units.")
    drawn.tables.append(_listing(job, columns, all_spreads))
    drawn.facts = {"spreads": dict(zip(columns, all_spreads, strict=True)), "classes": names}
    return drawn


def _box(plot: Any, keys: list[Any], groups: list[Array], spreads: list[Spread], colors: list[str], job: Job) -> None:
    line = ink(job.dark, "soft")
    for key, group, found, color in zip(keys, groups, spreads, colors, strict=True):
        if not found.count:
            continue
        (q1, q2, q3), (low, high) = found.quartiles, found.whiskers
        plot.segment([key, key], [low, q3], [key, key], [q1, high], line_color=line)
        plot.vbar([key], 0.7, [q3], [q1], fill_color=color, fill_alpha=0.75, line_color=line)
        plot.scatter([key], [q2], marker="dash", size=26, line_color=ink(job.dark), line_width=2)
        outside = group[found.outside][:_MOST_OUTSIDE]
        plot.scatter([key] * len(outside), outside, size=4, fill_color=color, line_color=None)


def _violin(
    plot: Any, keys: list[Any], groups: list[Array], spreads: list[Spread], colors: list[str], job: Job
) -> None:
    for key, group, found, color in zip(keys, groups, spreads, colors, strict=True):
        some = group[np.isfinite(group)]
        if not found.count:
            continue
        at = np.linspace(some.min(), some.max(), 80) if some.min() < some.max() else np.array([some.min()] * 2)
        wide = density(some, at)
        wide = 0.42 * wide / (wide.max() or 1.0)
        own = key if isinstance(key, tuple) else (key,)
        xs = [(*own, float(one)) for one in np.concatenate([wide, -wide[::-1]])]
        plot.patch(xs, np.concatenate([at, at[::-1]]), fill_color=color, fill_alpha=0.7, line_color=color)
        plot.scatter([key], [found.quartiles[1]], marker="dash", size=18, line_color=ink(job.dark), line_width=2)


def _mean(plot: Any, keys: list[Any], groups: list[Array], spreads: list[Spread], colors: list[str], job: Job) -> None:
    for key, found, color in zip(keys, spreads, colors, strict=True):
        if not found.count:
            continue
        error = 0.0 if np.isnan(found.error) else found.error
        ends = [found.mean - error, found.mean + error]
        plot.segment([key], [ends[0]], [key], [ends[1]], line_color=color, line_width=2)
        plot.scatter([key, key], ends, marker="dash", size=14, line_color=color, line_width=2)
        plot.scatter([key], [found.mean], size=9, fill_color=color, line_color=None)


def _listing(job: Job, columns: list[str], spreads: list[list[Spread]]) -> Listing:
    names = job.classes[1]
    lines, picks = [], []
    for column, some in zip(columns, spreads, strict=True):
        for name, one in zip(names, some, strict=True):
            numbers = (one.mean, one.sd, one.error, *one.quartiles)
            lines.append([column, name, str(one.count), *(f"{number:.4g}" for number in numbers)])
            known = job.state["classes"] and name != "other"
            picks.append({"by": job.state["classes"], "text": name} if known else None)
    heads = ["column", "class", "rows", "mean", "sd", "SE", "25 %", "median", "75 %"]
    return Listing("What the plot shows", heads, lines, picks)
