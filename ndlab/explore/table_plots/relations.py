"""How columns go together, and how far rows are from each other, as a matrix of colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.tables import correlation, distances, merge_tree
from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import Drawn, Listing, figure, said, sample
from ndlab.explore.table_plots.theme import diverging, ink, over, sequential

__all__ = ["draw"]

Array = np.ndarray[Any, Any]
_MOST_ROWS = 600
_WRITTEN = 14
_LISTED = 12


def draw(job: Job) -> Drawn:
    """Draw the correlation of columns, or the distance of rows."""
    options = job.options("relations")
    return _distances(job, options) if options["kind"] == "distance" else _correlation(job, options)


def _correlation(job: Job, options: dict[str, Any]) -> Drawn:
    from bokeh.models import BasicTicker, ColorBar, ColumnDataSource, LinearColorMapper

    kind = options["kind"]
    job.tell(f"correlation of {len(job.features)} columns")
    found: Array = job.once("correlation", lambda: correlation(job.matrix.values, kind), kind)
    p = len(found)
    order = np.arange(p)
    if options["order"] == "tree" and p > 2:
        order = merge_tree(np.nan_to_num(found), "average").order
    names = [job.features[i] for i in order]
    matrix = found[np.ix_(order, order)]
    mapper = LinearColorMapper(diverging(job.dark), low=-1, high=1, nan_color=ink(job.dark, "line"))
    side = min(760, max(320, 34 * p + 130))
    # Square cells, whatever the width of the tab.
    plot = figure("hover,save", x_range=names, y_range=names[::-1], height=side, width=side + 130,
                  sizing_mode="fixed", tooltips=[("", "@x, @y"), ("r", "@r{0.000}")], x_axis_location="above",
                  toolbar_location="below")  # fmt: skip
    source = ColumnDataSource({"x": np.tile(names, p).tolist(), "y": np.repeat(names, p).tolist(), "r": matrix.ravel(),
                               "text": [_text(one) for one in matrix.ravel()],
                               "ink": over(matrix.ravel(), job.dark)})  # fmt: skip
    plot.rect("x", "y", 0.96, 0.96, source=source, fill_color={"field": "r", "transform": mapper}, line_color=None)
    if p <= _WRITTEN:
        plot.text("x", "y", "text", source=source, text_align="center", text_baseline="middle", text_font_size="11px",
                  text_color="ink")  # fmt: skip
    plot.xaxis.major_label_orientation = 0.7
    plot.grid.grid_line_color = None
    plot.add_layout(ColorBar(color_mapper=mapper, width=10, ticker=BasicTicker(desired_num_ticks=5)), "right")
    above = [(abs(found[i, j]), i, j) for i in range(p) for j in range(i) if np.isfinite(found[i, j])]
    lines = [
        [job.features[j], job.features[i], _text(found[i, j], 3)] for _, i, j in sorted(above, reverse=True)[:_LISTED]
    ]
    both = ", each two columns over the rows that have both" if job.state["missing"] == "keep" else ""
    notes = [f"{kind.title()} over {said(len(job.matrix.rows))} rows{both}."]
    if np.isnan(found).any():
        notes.append("Columns of one value have no correlation.")
    return Drawn("relations", plot, notes, [Listing("Strongest", ["column", "and", "r"], lines)],
                 facts={"matrix": found, "columns": job.features})  # fmt: skip


def _text(value: float, digits: int = 2) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}".replace("-0.00", "0.00")


def _distances(job: Job, options: dict[str, Any]) -> Drawn:
    from bokeh.models import BasicTicker, ColorBar, LinearColorMapper, Range1d

    values, rows = job.whole.values, job.whole.rows
    some = sample(len(values), _MOST_ROWS)
    job.tell(f"distances of {said(len(some))} rows")
    found = distances(values[some], options["metric"], options["scaling"])
    order = np.arange(len(some))
    if options["order"] == "tree" and len(some) > 2:
        from scipy.cluster.hierarchy import leaves_list, linkage
        from scipy.spatial.distance import squareform

        order = leaves_list(linkage(squareform(found, checks=False), "average"))
    matrix = found[np.ix_(order, order)]
    mapper = LinearColorMapper(sequential(), low=0, high=float(np.nanmax(matrix)) or 1.0)
    n = len(some)
    plot = figure("pan,wheel_zoom,reset,save", x_range=Range1d(0, n), y_range=Range1d(n, 0), height=520, width=600,
                  sizing_mode="fixed", x_axis_label="rows", y_axis_label="rows")  # fmt: skip
    plot.image([matrix.astype(np.float32)], 0, 0, n, n, color_mapper=mapper)
    plot.axis.ticker = []
    plot.grid.grid_line_color = None
    plot.add_layout(ColorBar(color_mapper=mapper, width=10, ticker=BasicTicker(desired_num_ticks=5)), "right")
    pairs = found[np.triu_indices(n, 1)]
    notes = [f"{said(n)} of {said(len(values))} rows are drawn, taken by chance."] if n < len(values) else []
    notes.append(f"Median distance {np.median(pairs):.4g}, largest {pairs.max():.4g}." if len(pairs) else "One row.")
    return Drawn("relations", plot, notes, facts={"matrix": found, "rows": rows[some], "order": order})
