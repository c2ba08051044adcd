"""The heat map: every row and feature as a colour, rows by a tree, a class or as they stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.tables import kmeans, merge_tree, scaled
from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import Drawn, figure, said, sample
from ndlab.explore.table_plots.theme import colors_of, diverging, ink, sequential
from ndlab.explore.trees import branches

__all__ = ["draw", "row_order"]

Array = np.ndarray[Any, Any]
# A tree of more rows would be a tree of centres of as many clusters.
MOST_LEAVES = 2_000
CENTRES = 300
_CENTRED = 20_000
# Rows that marks can name without the page growing heavy.
_SELECTABLE = 200_000


def draw(job: Job) -> Drawn:
    """Draw the features of all rows, a mean of several where there are more rows than are to be drawn."""
    from bokeh.layouts import row
    from bokeh.models import BasicTicker, ColorBar, ColumnDataSource, LinearColorMapper, Range1d

    options = job.options("heat")
    values = scaled(job.matrix.values, options["scaling"])
    m, p = values.shape
    order, links, notes = row_order(job, values, options)
    bins = min(m, int(options["bins"]))
    starts = (np.arange(bins + 1) * m) // bins
    groups = np.split(order, starts[1:-1])
    image = np.array([_mean(values[group]) for group in groups])
    columns = _column_order(job, options["order"] == "tree" and p > 2)
    image = image[:, columns]
    names = [job.label(job.features[i]) for i in columns]
    about_zero = options["scaling"] == "z"
    most = float(np.nanquantile(np.abs(image), 0.99)) if about_zero and np.isfinite(image).any() else 1.0
    ends = (-most, most) if about_zero else (_finite(image, np.nanmin), _finite(image, np.nanmax))
    mapper = LinearColorMapper(diverging(job.dark) if about_zero else sequential(), low=ends[0], high=ends[1],
                               nan_color=ink(job.dark, "line"))  # fmt: skip
    up = Range1d(0, m)
    tools = "tap,ybox_select,ywheel_zoom,ypan,reset,save"
    plot = figure(tools, x_range=Range1d(0, p), y_range=up, height=460)
    plot.image([image], 0, 0, p, m, color_mapper=mapper)
    plot.xaxis.ticker = [i + 0.5 for i in range(p)]
    plot.xaxis.major_label_overrides = {i + 0.5: name for i, name in enumerate(names)}
    plot.xaxis.major_label_orientation = 0.7 if p > 6 else 0
    plot.yaxis.ticker = []
    plot.grid.grid_line_color = None
    plot.add_layout(ColorBar(color_mapper=mapper, width=10, ticker=BasicTicker(desired_num_ticks=5)), "right")
    drawn = Drawn("heat", plot)
    codes, kinds = job.classes
    mine = codes[job.matrix.rows]
    edge = 0.02 * p
    data: dict[str, Any] = {"low": starts[:-1], "high": starts[1:]}
    if m <= _SELECTABLE:
        data["rows"] = [job.matrix.rows[group].tolist() for group in groups]
    data["color"] = [colors_of(kinds)[int(np.bincount(mine[group]).argmax())] for group in groups]
    source = ColumnDataSource(data)
    plot.quad(left=0, right=p, bottom="low", top="high", source=source, fill_alpha=0, line_color=None)
    plot.quad(left=p, right=p + edge, bottom="low", top="high", source=source, fill_color=ink(job.dark),
              line_color=None, fill_alpha=0, nonselection_fill_alpha=0, selection_fill_alpha=1)  # fmt: skip
    plot.x_range.end = p + edge
    if len(kinds) > 1:
        plot.quad(left=-edge, right=0, bottom="low", top="high", source=source, fill_color="color", line_color=None,
                  nonselection_fill_alpha=1)  # fmt: skip
        plot.x_range.start = -edge
        notes.append(f"The strip on the left is {job.state['classes']}.")
    if m <= _SELECTABLE:
        drawn.sources.append({"id": source.id, "kind": "groups"})
    if bins < m:
        notes.append(f"Each line is the mean of about {m / bins:.3g} rows.")
    if job.matrix.left_out:
        notes.append(f"{said(job.matrix.left_out)} rows without a value are left out.")
    if links is not None:
        tree = figure("save", width=130, height=460, y_range=up, sizing_mode="fixed", min_border_right=0)
        # Leaves of scipy's stand at 5, 15, 25 …
        xs, ys = branches(links)
        tree.multi_line([[-x for x in one] for one in ys], [[x / 10 * m / (len(links) + 1) for x in one] for one in xs],
                        line_color=ink(job.dark, "soft"))  # fmt: skip
        tree.axis.visible = False
        tree.grid.grid_line_color = None
        tree.toolbar_location = None
        tree.outline_line_color = None
        # As high as the heat map's own frame.
        tree.min_border_bottom, tree.min_border_top = 40, 30
        plot.min_border_bottom, plot.min_border_top, plot.toolbar_location = 40, 30, None
        drawn.layout = row(tree, plot, sizing_mode="stretch_width", spacing=0)
    drawn.notes = notes
    drawn.facts = {"order": job.matrix.rows[order], "image": image, "columns": [job.features[i] for i in columns]}
    return drawn


def row_order(job: Job, values: Array, options: dict[str, Any]) -> tuple[Array, Array | None, list[str]]:
    """Return rows from the bottom up, the tree that orders them if one does, and what to say of it."""
    m = len(values)
    if options["order"] == "class":
        return np.argsort(job.classes[0][job.matrix.rows], kind="stable"), None, []
    if options["order"] == "table" or m < 3:
        return np.arange(m), None, []
    # What is missing is where the others are.
    filled = np.where(np.isnan(values), np.nan_to_num(np.nanmean(values, axis=0)), values)
    if m <= MOST_LEAVES:
        job.tell(f"tree of {said(m)} rows")
        tree = job.once("heat tree", lambda: merge_tree(filled, options["link"]), options["scaling"], options["link"])
        return tree.order, tree.links, []
    job.tell(f"{CENTRES} centres of {said(m)} rows")

    def make() -> Array:
        from scipy.spatial import KDTree

        some = filled[sample(m, _CENTRED, 0)]
        means = kmeans(some, min(CENTRES, len(np.unique(some, axis=0))), starts=1).means
        return np.asarray(merge_tree(means, options["link"]).order.argsort()[KDTree(means).query(filled)[1]])

    place = job.once("heat centres", make, options["scaling"], options["link"])
    note = f"The tree would be of {said(m)} rows: rows are ordered by the tree of {CENTRES} cluster centres."
    return np.argsort(place, kind="stable"), None, [note]


def _column_order(job: Job, by_tree: bool) -> Array:
    values = job.matrix.values
    if not by_tree or len(values) < 3:
        return np.arange(values.shape[1])
    ranks = scaled(values[:: max(1, len(values) // 20_000)], "z")
    return merge_tree(np.nan_to_num(ranks).T, "average").order


def _mean(values: Array) -> Array:
    there = ~np.isnan(values)
    counts = there.sum(axis=0)
    sums = np.where(there, values, 0.0).sum(axis=0)
    return np.asarray(np.where(counts > 0, sums / np.maximum(1, counts), np.nan))


def _finite(image: Array, how: Any) -> float:
    return float(how(image)) if np.isfinite(image).any() else 0.0
