"""Rows that belong together: k-means, mixtures, trees of merges and of halves, with what chose their number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.embedding import elbow
from ndlab.analyze.tables import Branch, halving_tree, kmeans, merge_tree, mixture, scaled, within_curve
from ndlab.analyze.tables.halving import tree_labels
from ndlab.explore.table_job import Job
from ndlab.explore.table_plots.drawing import (
    MOST_MARKS,
    Drawn,
    Listing,
    figure,
    row_source,
    said,
    sample,
    scatter,
    thin_note,
)
from ndlab.explore.table_plots.embedding import components_of
from ndlab.explore.table_plots.theme import CATEGORIES, OTHER, diverging, ink, over
from ndlab.explore.trees import branches

__all__ = ["CLUSTER", "draw"]

Array = np.ndarray[Any, Any]
CLUSTER = "cluster"
_MOST = 12
# Rows that a curve, a mixture's BIC and a tree are made of.
_CURVE, _MERGED = 20_000, 3_000
_TREE_SHOWN = 60


def draw(job: Job) -> Drawn:
    """Draw clusters over the first two components, what chose their number, and their means."""
    from bokeh.layouts import column, row

    options = job.options("clusters")
    values, rows = scaled(job.whole.values, options["scaling"]), job.whole.rows
    ways = {"kmeans": _kmeans, "mixture": _mixture, "tree": _tree, "halving": _halving}
    labels, side, notes, facts = ways[options["method"]](job, values, options)
    found = components_of(job, options["scaling"])
    some = sample(len(rows), MOST_MARKS // 2)
    second = found.scores[:, 1] if found.scores.shape[1] > 1 else np.zeros(len(rows))
    there = labels >= 0
    numbers = np.where(there, labels + 1, 0)
    colors = np.array([OTHER, *(CATEGORIES[i] if i < len(CATEGORIES) else OTHER for i in range(labels.max() + 1))])
    source = row_source(
        job, rows[some], x=found.scores[some, 0], y=second[some], cluster=[str(n) for n in numbers[some]]
    )
    source.data["color"] = colors[numbers[some]].tolist()
    plot = figure("pan,wheel_zoom,box_zoom,tap,box_select,lasso_select,reset,save", x_axis_label="PC1",
                  y_axis_label="PC2", height=380,
                  tooltips=[(job.table.id_name or "row", "@id"), ("cluster", "@cluster")])  # fmt: skip
    scatter(plot, source, "x", "y", job)
    every = np.zeros(len(job.table), np.int64)
    every[rows] = numbers
    of_all = [str(one) if one else None for one in every.tolist()]
    means = np.array([values[labels == k].mean(axis=0) for k in range(labels.max() + 1)])
    notes += [
        *thin_note(len(some), len(rows)),
        *([f"{said(job.whole.left_out)} rows without a value are left out."] if job.whole.left_out else []),
    ]
    layout = column(
        row(plot, side, sizing_mode="stretch_width"),
        _means(job, means, options["scaling"]),
        sizing_mode="stretch_width",
    )
    tables = [_sizes(job, labels, rows), *_against(job, labels, rows, facts)]
    return Drawn("clusters", layout, notes, tables, [{"id": source.id, "kind": "rows"}], {CLUSTER: of_all},
                 facts | {"labels": labels, "rows": rows, "means": means},
                 hints=[f"All rows have the column {CLUSTER!r} now."])  # fmt: skip


def _side(**options: Any) -> Any:
    return figure("pan,wheel_zoom,reset,save", width=380, height=380, sizing_mode="fixed", **options)


def _curve(job: Job, title: str, counts: list[int], heights: Array, chosen: int) -> Any:
    plot = _side(x_axis_label="clusters", y_axis_label=title)
    plot.line(counts, heights, line_color=CATEGORIES[0], line_width=2)
    plot.scatter(counts, heights, size=7, fill_color=CATEGORIES[0], line_color=None)
    if chosen in counts:
        plot.scatter(
            [chosen], [heights[counts.index(chosen)]], size=13, fill_alpha=0, line_color=ink(job.dark), line_width=2
        )
    return plot


def _kmeans(job: Job, values: Array, options: dict[str, Any]) -> tuple[Array, Any, list[str], dict[str, Any]]:
    seed, some = int(options["seed"]), values[sample(len(values), _CURVE, int(options["seed"]))]

    def make() -> Array:
        heights: list[float] = []
        most = min(_MOST, len(np.unique(some, axis=0)))
        for k in range(1, most + 1):
            job.tell(f"k-means, {k} of {most} clusters")
            heights.append(float(within_curve(some, 1)[0]) if k == 1 else kmeans(some, k, seed=seed, starts=5).within)
        return np.array(heights)

    curve: Array = job.once("k-means curve", make, options["scaling"], seed)
    # The elbow of what each further cluster gains.
    k = int(options["k"]) or (1 + elbow(-np.diff(curve)) if len(curve) > 2 else len(curve))
    job.tell(f"k-means, {k} clusters of {said(len(values))} rows")
    found = job.once("k-means", lambda: kmeans(values, k, seed=seed), options["scaling"], seed, k)
    side = _curve(job, "squares within clusters", list(range(1, len(curve) + 1)), curve, k)
    why = "as asked" if options["k"] else "where the gain of one more has its elbow"
    notes = [f"{k} clusters, {why}; squares within them sum to {found.within:.6g}."]
    if len(some) < len(values):
        notes.append(f"The curve is of {said(len(some))} rows taken by chance.")
    return found.labels, side, notes, {"within": found.within, "curve": curve, "k": k}


def _mixture(job: Job, values: Array, options: dict[str, Any]) -> tuple[Array, Any, list[str], dict[str, Any]]:
    seed, k = int(options["seed"]), int(options["k"]) or None
    job.tell(f"mixtures of up to {_MOST} Gaussians")
    tried = job.once("mixtures", lambda: mixture(values, most=_MOST, seed=seed), options["scaling"], seed)
    chosen = k or tried.counts[int(np.argmax(tried.bic))]
    found = (
        tried if k is None else job.once("mixture", lambda: mixture(values, k, seed=seed), options["scaling"], seed, k)
    )
    side = _curve(job, "BIC (larger is better)", tried.counts, tried.bic, chosen)
    why = "as asked" if k else "which have the best BIC"
    notes = [f"{chosen} Gaussians, {why}: {found.bic.max():.6g}."]
    return found.labels, side, notes, {"bic": tried.bic, "k": chosen}


def _tree(job: Job, values: Array, options: dict[str, Any]) -> tuple[Array, Any, list[str], dict[str, Any]]:
    some = sample(len(values), _MERGED, int(options["seed"]))
    job.tell(f"tree of {said(len(some))} rows")
    tree = job.once("merges", lambda: merge_tree(values[some], options["link"]), options["scaling"], options["link"])
    heights = tree.links[::-1, 2]
    # The widest gap between merges, of the last few.
    gaps = heights[: _MOST - 1] - np.append(heights[1:_MOST], 0)[: len(heights[: _MOST - 1])]
    k = min(int(options["k"]) or int(np.argmax(gaps)) + 2, len(some))
    own = tree.cut(k)
    labels = own
    if len(some) < len(values):
        # The others go with the nearest mean.
        means = np.array([values[some][own == i].mean(axis=0) for i in range(k)])
        labels = ((values[:, None, :] - means) ** 2).sum(axis=-1).argmin(axis=1)
        labels[some] = own
    side = _side(y_axis_label="height of merges")
    xs, ys = branches(tree.links, min(_TREE_SHOWN, len(some)))
    side.multi_line(xs, ys, line_color=ink(job.dark, "soft"))
    if 1 < k <= len(heights):
        from bokeh.models import Span

        at = (heights[k - 2] + heights[k - 1]) / 2
        side.add_layout(Span(location=at, dimension="width", line_color=CATEGORIES[1], line_dash="dashed"))
    side.xaxis.ticker = []
    side.grid.grid_line_color = None
    notes = [f"{k} branches, {'as asked' if options['k'] else 'at the widest gap between merges'}."]
    if len(some) < len(values):
        notes.append(f"The tree is of {said(len(some))} rows taken by chance; the others go with the nearest mean.")
    return labels, side, notes, {"links": tree.links, "k": k}


def _halving(job: Job, values: Array, options: dict[str, Any]) -> tuple[Array, Any, list[str], dict[str, Any]]:
    seed, split = int(options["seed"]), options["split"]
    job.tell(f"halving {said(len(values))} rows")
    tree: Branch = job.once(
        "halves", lambda: halving_tree(values, split=split, seed=seed), options["scaling"], split, seed
    )
    labels = tree_labels(tree)
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    side = _side()
    _draw_branch(side, tree, rank, job)
    side.axis.visible = False
    side.grid.grid_line_color = None
    notes = [
        f"{len(order)} leaves: a group is halved as long as two Gaussians have the better BIC, which stands below it."
    ]
    return rank[labels], side, notes, {"tree": tree, "k": len(order)}


def _draw_branch(plot: Any, tree: Branch, rank: Array, job: Job) -> None:
    leaves = {id(leaf): number for number, leaf in enumerate(tree.leaves)}
    depth = tree.depth
    at: dict[str, tuple[float, float]] = {}

    def place(branch: Branch, level: int) -> float:
        x = (
            float(leaves[id(branch)])
            if not branch.parts
            else float(np.mean([place(one, level + 1) for one in branch.parts]))
        )
        at[branch.name] = (x, float(-level))
        return x

    place(tree, 0)
    for branch in tree:
        x, y = at[branch.name]
        for part in branch.parts:
            px, py = at[part.name]
            plot.line([x, px, px], [y, y, py], line_color=ink(job.dark, "soft"))
    for branch in tree:
        x, y = at[branch.name]
        number = None if branch.parts else int(rank[leaves[id(branch)]])
        color = ink(job.dark, "soft") if number is None else CATEGORIES[number] if number < len(CATEGORIES) else OTHER
        plot.scatter([x], [y], size=10, fill_color=color, line_color=None)
        words = f"{len(branch.rows)}" if np.isnan(branch.gain) else f"{len(branch.rows)} ({branch.gain:+.0f})"
        plot.text([x], [y], [words], y_offset=16, text_align="center", text_font_size="10px", text_color=ink(job.dark))
    plot.x_range.start, plot.x_range.end = -0.8, len(leaves) - 0.2
    plot.y_range.start, plot.y_range.end = -depth - 0.6, 0.4


def _means(job: Job, means: Array, scaling: str) -> Any:
    """Draw the means of the clusters, each column from its least to its largest."""
    from bokeh.models import ColumnDataSource, LinearColorMapper

    k, p = means.shape
    span = np.abs(means - means.mean(axis=0)).max(axis=0)
    about = (means - means.mean(axis=0)) / np.where(span > 0, span, 1.0)
    names, numbers = job.features, [f"cluster {i + 1}" for i in range(k)]
    source = ColumnDataSource({
        "x": names * k, "y": np.repeat(numbers, p).tolist(), "value": about.ravel(),
        "text": [f"{one:.3g}" for one in means.ravel()], "ink": over(about.ravel(), job.dark),
    })  # fmt: skip
    plot = figure("hover,save", x_range=names, y_range=numbers[::-1], height=90 + 26 * k, title=f"Means ({scaling})",
                  tooltips=[("", "@y, @x"), ("mean", "@text")])  # fmt: skip
    mapper = LinearColorMapper(diverging(job.dark), low=-1, high=1)
    plot.rect("x", "y", 0.97, 0.94, source=source, fill_color={"field": "value", "transform": mapper}, line_color=None)
    if p <= 14:
        plot.text("x", "y", "text", source=source, text_align="center", text_baseline="middle", text_font_size="11px",
                  text_color="ink")  # fmt: skip
    else:
        plot.xaxis.major_label_orientation = 0.7
    plot.grid.grid_line_color = None
    return plot


def _sizes(job: Job, labels: Array, rows: Array) -> Listing:
    counts = np.bincount(labels)
    lines = [[str(k + 1), str(n), f"{100 * n / len(rows):.3g} %"] for k, n in enumerate(counts)]
    picks = [{"by": CLUSTER, "text": str(k + 1)} for k in range(len(counts))]
    return Listing("Clusters", ["cluster", "rows", "share"], lines, picks)


def _against(job: Job, labels: Array, rows: Array, facts: dict[str, Any]) -> list[Listing]:
    """Hold the clusters against the classes, where there are some."""
    codes, names = job.classes
    if len(names) < 2:
        return []
    from sklearn.metrics import adjusted_rand_score

    mine = codes[rows]
    facts["ari"] = float(adjusted_rand_score(mine, labels))
    table = np.zeros((labels.max() + 1, len(names)), np.int64)
    np.add.at(table, (labels, mine), 1)
    lines = [[str(k + 1), *map(str, one)] for k, one in enumerate(table.tolist())]
    title = f"Against {job.state['classes']}: adjusted Rand index {facts['ari']:.3f}"
    return [
        Listing(title, ["cluster", *names], lines, [{"by": CLUSTER, "text": str(k + 1)} for k in range(len(lines))])
    ]
