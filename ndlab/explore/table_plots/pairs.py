"""Features against each other: points, hexagons, and lines across all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.tables import bin_edges, scaled
from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import Drawn, figure, legend_above, row_source, said, sample, scatter, thin_note
from ndlab.explore.table_plots.theme import colors_of, ink, sequential

__all__ = ["draw"]

Array = np.ndarray[Any, Any]
_POINTS = 4_000
_LINES = 1_500
_SIDE = 190
_ACROSS = 26
_HEIGHTS = {"raw": "value", "z": "z score", "unit": "0 to 1", "rank": "rank"}


def draw(job: Job) -> Drawn:
    """Draw each two of the first few features, or a line for each row."""
    options = job.options("pairs")
    return _lines(job, options) if options["kind"] == "line" else _grid(job, options)


def _grid(job: Job, options: dict[str, Any]) -> Drawn:
    from bokeh.layouts import gridplot

    names = job.features[: int(options["most"])]
    rows = job.rows
    values = {name: job.table.columns[name].astype(np.float64)[rows] for name in names}
    points = options["kind"] == "pairs"
    some = sample(len(rows), _POINTS)
    source = row_source(job, rows[some], **{f"c{i}": values[name][some] for i, name in enumerate(names)})
    ranges = [_around(values[name]) for name in names]
    counts = {}
    grid: list[list[Any]] = []
    for i, down in enumerate(names):
        line = []
        for j, across in enumerate(names):
            last = i == len(names) - 1
            plot = figure(
                "pan,wheel_zoom,box_select,lasso_select,tap,reset", x_range=ranges[j], sizing_mode="stretch_width",
                height=_SIDE + (40 if last else 0), min_border=3,
                toolbar_location=None,
                **({} if i == j else {"y_range": ranges[i]}),
            )  # fmt: skip
            if i == j:
                _histogram(plot, job, rows, values[down])
            elif points:
                scatter(plot, source, f"c{j}", f"c{i}", job)
            else:
                job.tell(f"hexagons of {across} and {down}")
                counts[across, down] = _hexagons(plot, values[across], values[down])
            plot.xaxis.axis_label = job.label(across) if last else None
            plot.yaxis.axis_label = None if j else "rows" if i == 0 else job.label(down)
            plot.xaxis.major_label_text_font_size = plot.yaxis.major_label_text_font_size = (
                "9px" if j == 0 or last else "0px"
            )
            line.append(plot)
        grid.append(line)
    drawn = Drawn("pairs", gridplot(grid, toolbar_location="above", merge_tools=True, sizing_mode="stretch_width"))
    if points:
        drawn.sources = [{"id": source.id, "kind": "rows"}]
        drawn.notes = thin_note(len(some), len(rows))
    else:
        drawn.notes = [f"All {said(len(rows))} rows are counted; colours are by the logarithm of the count."]
    if len(job.features) > len(names):
        drawn.notes.append(f"{len(names)} of {len(job.features)} features are drawn.")
    drawn.facts = {"columns": names, "counts": counts}
    return drawn


def _around(values: Array) -> Any:
    """Return the range of an axis: that of the values and a little more."""
    from bokeh.models import Range1d

    some = values[np.isfinite(values)]
    low, high = (float(some.min()), float(some.max())) if len(some) else (0.0, 1.0)
    room = 0.05 * (high - low) or abs(low) or 1.0
    return Range1d(low - room, high + room)


def _histogram(plot: Any, job: Job, rows: Array, values: Array) -> None:
    codes, names = job.classes
    edges = bin_edges(values)
    below = np.zeros(len(edges) - 1)
    for code, color in enumerate(colors_of(names)):
        group = values[codes[rows] == code]
        above = below + np.histogram(group[np.isfinite(group)], edges)[0]
        plot.quad(left=edges[:-1], right=edges[1:], bottom=below, top=above, fill_color=color, line_color=None)
        below = above
    plot.y_range.start = 0


def _hexagons(plot: Any, x: Array, y: Array) -> Array:
    from bokeh.models import LogColorMapper

    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    if not len(x):
        return np.zeros(0)
    # Hexagons as wide as high on the screen: a lattice over both columns from 0 to 1.
    low, span = (x.min(), y.min()), (np.ptp(x) or 1.0, np.ptp(y) or 1.0)
    centres, counts = hexagon_counts((x - low[0]) / span[0], (y - low[1]) / span[1], _ACROSS)
    corners = np.exp(1j * (np.pi / 6 + np.pi / 3 * np.arange(6))) / (np.sqrt(3) * _ACROSS)
    xs = (centres[:, :1] + corners.real) * span[0] + low[0]
    ys = (centres[:, 1:] + corners.imag) * span[1] + low[1]
    mapper = LogColorMapper(sequential(), low=1, high=max(2, int(counts.max())))
    plot.patches("xs", "ys", source={"xs": list(xs), "ys": list(ys), "count": counts}, line_color=None,
                 fill_color={"field": "count", "transform": mapper})  # fmt: skip
    return counts


def hexagon_counts(x: Array, y: Array, across: int) -> tuple[Array, Array]:
    """Return centres (k, 2) and counts of the hexagons of width 1 / across that hold points of the unit square.

    Examples
    --------
    >>> centres, counts = hexagon_counts(np.array([0.0, 0.01, 1.0]), np.array([0.0, 0.0, 1.0]), 10)
    >>> sorted(counts.tolist())
    [1, 2]
    """
    step = np.array([1.0, np.sqrt(3)]) / across
    places = np.stack([x, y], axis=1)
    # A hexagonal lattice is two rectangular ones; the nearer centre has the point.
    first = np.round(places / step)
    second = np.round(places / step - 0.5) + 0.5
    far = [((places - one * step) ** 2).sum(axis=1) for one in (first, second)]
    nearer = np.where((far[0] <= far[1])[:, None], first, second)
    found, counts = np.unique(np.round(2 * nearer).astype(np.int64), axis=0, return_counts=True)
    return found / 2 * step, counts


def _lines(job: Job, options: dict[str, Any]) -> Drawn:
    from bokeh.models import Range1d

    values, rows = job.matrix.values, job.matrix.rows
    heights = scaled(values, options["scaling"])
    codes, names = job.classes
    mine = codes[rows]
    some = sample(len(rows), _LINES)
    p = len(job.features)
    source = row_source(job, rows[some], xs=[list(range(p))] * len(some), ys=[list(one) for one in heights[some]])
    plot = figure("pan,wheel_zoom,tap,box_zoom,reset,save", x_range=Range1d(-0.2, p - 0.8), height=420,
                  y_axis_label=_HEIGHTS[options["scaling"]])  # fmt: skip
    plot.multi_line("xs", "ys", source=source, line_color="color", line_alpha=0.25, nonselection_line_alpha=0.06,
                    selection_line_alpha=0.9, selection_line_width=2)  # fmt: skip
    means = {}
    for code, (name, color) in enumerate(zip(names, colors_of(names), strict=True)):
        group = heights[mine == code]
        if len(group):
            means[name] = np.nanmean(group, axis=0)
            plot.line(np.arange(p), means[name], line_color=ink(job.dark, "paper"), line_width=6)
            plot.line(np.arange(p), means[name], line_color=color, line_width=3,
                      **({"legend_label": name} if len(names) > 1 else {}))  # fmt: skip
    legend_above(plot)
    plot.xaxis.ticker = list(range(p))
    plot.xaxis.major_label_overrides = {i: job.label(name) for i, name in enumerate(job.features)}
    plot.xaxis.major_label_orientation = 0.5 if p > 5 else 0
    notes = [*thin_note(len(some), len(rows)), "Strong lines are the means of the classes."]
    return Drawn("pairs", plot, notes, sources=[{"id": source.id, "kind": "rows"}], facts={"means": means})
