"""Few dimensions for many columns: components with their scree, and maps that keep neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.tables import Components, neighbour_map, principal_components
from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import Drawn, Listing, figure, row_source, said, sample, scatter, thin_note
from ndlab.explore.table_plots.theme import CATEGORIES, ink

__all__ = ["components_of", "draw", "scree"]

Array = np.ndarray[Any, Any]
# Rows that a map is made of: more take minutes.
_MAPPED = 5_000
_KEPT = 10
_LISTED = 6
_TOOLS = "pan,wheel_zoom,box_zoom,tap,box_select,lasso_select,reset,save"


def draw(job: Job) -> Drawn:
    """Draw the rows in two dimensions."""
    options = job.options("embedding")
    return _components(job, options) if options["method"] == "pca" else _map(job, options)


def components_of(job: Job, scaling: str) -> Components:
    """Return the principal components of the rows, made once."""
    job.tell(f"components of {said(len(job.whole.rows))} rows")
    found: Components = job.once("pca", lambda: principal_components(job.whole.values, scaling), scaling)
    return found


def _components(job: Job, options: dict[str, Any]) -> Drawn:
    from bokeh.layouts import row

    found, rows = components_of(job, options["scaling"]), job.whole.rows
    second = found.scores[:, 1] if found.scores.shape[1] > 1 else np.zeros(len(rows))
    some = sample(len(rows))
    source = row_source(job, rows[some], x=found.scores[some, 0], y=second[some])
    share = [f"{100 * one:.3g} %" for one in found.share]
    plot = figure(_TOOLS, x_axis_label=f"PC1, {share[0]}", y_axis_label=f"PC2, {share[1] if len(share) > 1 else ''}",
                  tooltips=[(job.table.id_name or "row", "@id"), ("class", "@class")], height=400)  # fmt: skip
    scatter(plot, source, "x", "y", job, legend=True)
    kept = range(min(_KEPT, found.scores.shape[1]))
    derived = {}
    for k in kept:
        every = np.full(len(job.table), np.nan)
        every[rows] = found.scores[:, k]
        derived[f"PC{k + 1}"] = every
    shown = range(min(_LISTED, found.scores.shape[1]))
    lines = [[job.label(name), *(f"{found.loadings[i, k]:.3f}" for k in shown)] for i, name in enumerate(job.features)]
    lines.append(["variance", *(f"{found.variances[k]:.4g}" for k in shown)])
    several = found.elbow > 1
    part = f"{100 * found.share[: found.elbow].sum():.3g} % of the variance"
    notes = [
        f"{found.elbow} component{'s stand' if several else ' stands'} out (profile likelihood), with {part}.",
        *thin_note(len(some), len(rows), "; see all in Points, PC1 across and PC2 up"),
        *([f"{said(job.whole.left_out)} rows without a value are left out."] if job.whole.left_out else []),
    ]  # fmt: skip
    layout = row(plot, scree(job, found), sizing_mode="stretch_width")
    heads = ["loading", *(f"PC{k + 1}" for k in shown)]
    return Drawn("embedding", layout, notes, [Listing("Components", heads, lines)],
                 [{"id": source.id, "kind": "rows"}], derived, {"components": found, "rows": rows},
                 hints=["All rows have their components as columns now."])  # fmt: skip


def scree(job: Job, found: Components) -> Any:
    """Draw variances by component, their sum, and the elbow."""
    from bokeh.models import LinearAxis, Range1d, Span

    n = min(len(found.variances), 30)
    at = np.arange(1, n + 1)
    plot = figure("pan,wheel_zoom,reset,save", width=360, height=400, sizing_mode="fixed", x_axis_label="component",
                  y_axis_label="variance", x_range=Range1d(0.4, n + 0.6),
                  y_range=Range1d(0, 1.08 * float(found.variances.max()) or 1.0))  # fmt: skip
    plot.vbar(at, 0.8, found.variances[:n], fill_color=CATEGORIES[0], line_color=None)
    if n <= 12:
        plot.xaxis.ticker = at.tolist()
    plot.extra_y_ranges = {"share": Range1d(0, 105)}
    plot.add_layout(LinearAxis(y_range_name="share", axis_label="sum of variance [%]"), "right")
    line = {"y_range_name": "share", "color": CATEGORIES[1]}
    plot.line(at, 100 * np.cumsum(found.share)[:n], line_width=2, **line)
    plot.scatter(at, 100 * np.cumsum(found.share)[:n], size=6, **line)
    plot.add_layout(Span(location=found.elbow + 0.5, dimension="height", line_color=ink(job.dark), line_dash="dashed"))
    return plot


def _map(job: Job, options: dict[str, Any]) -> Drawn:
    method, seed = options["method"], int(options["seed"])
    title = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    rows = job.whole.rows
    some = sample(len(rows), _MAPPED, seed)
    job.tell(f"{title} of {said(len(some))} rows")

    def make() -> Array:
        return neighbour_map(job.whole.values[some], method, scaling=options["scaling"],
                             neighbours=options["neighbours"], seed=seed)  # fmt: skip

    places: Array = job.once(method, make, options["scaling"], options["neighbours"], seed)
    source = row_source(job, rows[some], x=places[:, 0], y=places[:, 1])
    plot = figure(_TOOLS, x_axis_label=f"{title} 1", y_axis_label=f"{title} 2", height=480,
                  tooltips=[(job.table.id_name or "row", "@id"), ("class", "@class")])  # fmt: skip
    scatter(plot, source, "x", "y", job, legend=True)
    derived = {}
    for k in range(2):
        every = np.full(len(job.table), np.nan)
        every[rows[some]] = places[:, k]
        derived[f"{title} {k + 1}"] = every
    notes = [*thin_note(len(some), len(rows)), "What is near was near; how far apart the others are says nothing."]
    return Drawn(
        "embedding",
        plot,
        notes,
        [],
        [{"id": source.id, "kind": "rows"}],
        derived,
        {"places": places, "rows": rows[some]},
    )
