"""Rows that stand out, by their robust distance from the others."""

from __future__ import annotations

import numpy as np

from ndlab.analyze.tables import Outliers, outliers
from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import Drawn, Listing, figure, row_source, said, sample, scatter, thin_note
from ndlab.explore.table_plots.theme import ink

__all__ = ["DISTANCE", "draw"]

DISTANCE = "robust distance"
_LISTED = 15


def draw(job: Job) -> Drawn:
    """Draw robust distances by row, and against those that outliers pull."""
    from bokeh.layouts import row
    from bokeh.models import Span
    from scipy.stats import chi2

    options = job.options("outliers")
    p, seed = float(options["p"]), int(options["seed"])
    job.tell(f"robust covariance of {len(job.features)} columns")
    values, rows = job.whole.values, job.whole.rows
    # The quantile changes which rows stand out, and no distance.
    found: Outliers = job.once("outliers", lambda: outliers(values, 0.975, seed=seed), seed)
    width = values.shape[1]
    cutoff = float(np.sqrt(chi2.ppf(p, width)))
    is_out = found.distance > cutoff
    # Those that stand out are drawn, whatever else is.
    shown = np.union1d(sample(len(rows)), np.flatnonzero(is_out)[np.argsort(-found.distance[is_out])[:2000]])
    source = row_source(job, rows[shown], distance=found.distance[shown], plain=found.plain[shown])
    tools = "pan,wheel_zoom,box_zoom,tap,box_select,lasso_select,reset,save"
    tips = [(job.table.id_name or "row", "@id"), ("distance", "@distance{0.00}")]
    left = figure(tools, x_axis_label="row", y_axis_label="robust distance [SD]", tooltips=tips)
    scatter(left, source, "row", "distance", job, legend=True)
    right = figure(
        tools, x_axis_label="distance from the plain mean [SD]", y_axis_label="robust distance [SD]", tooltips=tips
    )
    scatter(right, source, "plain", "distance", job)
    line = {"line_color": ink(job.dark), "line_dash": "dashed"}
    for plot in (left, right):
        plot.add_layout(Span(location=cutoff, dimension="width", **line))
    right.add_layout(Span(location=cutoff, dimension="height", **line))
    order = np.argsort(-found.distance)[: min(_LISTED, int(is_out.sum()))]
    chance = chi2.sf(found.distance**2, width)
    ids = [str(job.table.ids[rows[i]]) for i in order]
    lines = [[one, f"{found.distance[i]:.2f}", f"{chance[i]:.2g}", *(f"{value:.4g}" for value in values[i])]
             for one, i in zip(ids, order, strict=True)]  # fmt: skip
    counted = (
        f"{said(int(is_out.sum()))} of {said(len(rows))} rows are further out than {cutoff:.3g}, where a share of "
        f"{1 - p:.3g} of Gaussian rows would be: about {said(round((1 - p) * len(rows)))}."
    )
    notes = [
        counted,
        *([f"Centre and covariance are those of {said(found.searched)} rows taken by chance."]
          if found.searched < len(rows) else []),
        *thin_note(len(shown), len(rows), ", and those that stand out most"),
    ]  # fmt: skip
    if left_out := job.whole.left_out:
        notes.insert(1, f"{said(left_out)} rows without a value are left out.")
    every = np.full(len(job.table), np.nan)
    every[rows] = found.distance
    listing = Listing("Furthest out", [job.table.id_name or "row", "distance", "p", *job.features], lines,
                      [{"by": "", "text": one} for one in ids])  # fmt: skip
    return Drawn(
        "outliers", row(left, right, sizing_mode="stretch_width"), notes, [listing] if lines else [],
        [{"id": source.id, "kind": "rows"}], {DISTANCE: every},
        {"distance": found.distance, "cutoff": cutoff, "rows": rows, "is_outlier": is_out},
        hints=[f"All rows have the column {DISTANCE!r} now."],
    )  # fmt: skip
