"""What each tab of the Vector Explorer can be asked: one list that the state is checked by and the page draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["KEPT", "TABS", "Option", "options_json"]


@dataclass(frozen=True)
class Option:
    """One thing to choose.

    Parameters
    ----------
    name, label : str
        In the state, and on the page.
    kind : str
        ``"choice"``, ``"number"``, ``"column"`` (any, or none), ``"measure"`` (of numbers) or ``"tick"``.
    first : object
        What holds unless something else is asked; for a measure the number of the column of numbers.
    choices : tuple of (value, label)
    span : (low, high, step)
        Of a number.
    only : (name, values)
        Shown where another option has one of these values.
    """

    name: str
    label: str
    kind: str
    first: Any
    choices: tuple[tuple[str, str], ...] = ()
    span: tuple[float, float, float] = (0.0, 1.0, 1.0)
    only: tuple[str, tuple[str, ...]] | None = None


_SCALING = (("raw", "raw"), ("z", "z score"), ("unit", "0 to 1"), ("rank", "rank"))
_SEED = Option("seed", "seed", "number", 0, span=(0, 9999, 1))

TABS: dict[str, tuple[str, tuple[Option, ...]]] = {
    "points": ("Points", (
        Option("x", "across", "measure", 0),
        Option("y", "up", "measure", 1),
        Option("grow", "size", "number", 1.0, span=(0.25, 4, 0.25)),
        Option("alpha", "opacity", "number", 1.0, span=(0.05, 1, 0.05)),
    )),
    "columns": ("Columns", ()),
    "heat": ("Heat map", (
        Option("scaling", "scaling", "choice", "z", _SCALING),
        Option("order", "rows by", "choice", "tree",
               (("tree", "tree"), ("class", "class"), ("table", "as in the table"))),
        Option("link", "link", "choice", "ward",
               (("ward", "Ward"), ("average", "average"), ("complete", "complete"), ("single", "single"))),
        Option("bins", "rows drawn", "number", 250, span=(50, 1000, 50)),
    )),
    "spread": ("Distributions", (
        Option("column", "column", "measure", 0),
        Option("kind", "as", "choice", "histogram",
               (("histogram", "histogram"), ("density", "density"), ("box", "box"), ("violin", "violin"),
                ("mean", "mean ± SE"))),
        Option("bins", "bins (0: chosen)", "number", 0, span=(0, 200, 1), only=("kind", ("histogram",))),
        Option("lines", "lines at", "choice", "mean", (("none", "nothing"), ("mean", "means"), ("median", "medians")),
               only=("kind", ("histogram", "density"))),
        Option("all", "every column", "tick", False, only=("kind", ("box", "violin", "mean"))),
    )),
    "outliers": ("Outliers", (
        Option("p", "p", "number", 0.975, span=(0.5, 0.9999, 0.0001)),
        _SEED,
    )),
    "relations": ("Correlation", (
        Option("kind", "of", "choice", "pearson",
               (("pearson", "columns: Pearson"), ("spearman", "columns: Spearman"), ("distance", "rows: distance"))),
        Option("metric", "distance", "choice", "euclidean",
               (("euclidean", "Euclidean"), ("cityblock", "city block"), ("chebyshev", "largest"),
                ("cosine", "cosine"), ("correlation", "1 - correlation")), only=("kind", ("distance",))),
        Option("scaling", "scaling", "choice", "z", _SCALING, only=("kind", ("distance",))),
        Option("order", "order", "choice", "tree", (("tree", "tree"), ("table", "as in the table"))),
    )),
    "pairs": ("Features", (
        Option("kind", "as", "choice", "pairs",
               (("pairs", "each two, points"), ("hexbin", "each two, hexagons"), ("line", "lines across columns"))),
        Option("most", "columns", "number", 4, span=(2, 8, 1), only=("kind", ("pairs", "hexbin"))),
        Option("scaling", "scaling", "choice", "unit", _SCALING, only=("kind", ("line",))),
    )),
    "embedding": ("Embedding", (
        Option("method", "by", "choice", "pca", (("pca", "components"), ("tsne", "t-SNE"), ("umap", "UMAP"))),
        Option("scaling", "scaling", "choice", "z", _SCALING),
        Option("neighbours", "neighbours", "number", 30, span=(2, 200, 1), only=("method", ("tsne", "umap"))),
        Option("seed", "seed", "number", 0, span=(0, 9999, 1), only=("method", ("tsne", "umap"))),
    )),
    "clusters": ("Clusters", (
        Option("method", "by", "choice", "kmeans",
               (("kmeans", "k-means"), ("mixture", "Gaussian mixture"), ("tree", "tree of merges"),
                ("halving", "tree of halves"))),
        Option("k", "clusters (0: chosen)", "number", 0, span=(0, 20, 1),
               only=("method", ("kmeans", "mixture", "tree"))),
        Option("link", "link", "choice", "ward",
               (("ward", "Ward"), ("average", "average"), ("complete", "complete"), ("single", "single")),
               only=("method", ("tree",))),
        Option("split", "halves by", "choice", "means", (("means", "2-means"), ("mixture", "mixture of two")),
               only=("method", ("halving",))),
        Option("scaling", "scaling", "choice", "z", _SCALING),
        _SEED,
    )),
}  # fmt: skip
"""Title and options of each tab, in their order."""

KEPT = ("remove", "median", "mean", "keep")
"""What can be done with rows that lack a value."""


def options_json() -> list[dict[str, Any]]:
    """Return the tabs as the page takes them."""
    return [
        {"name": name, "title": title, "options": [_plain(one) for one in options]}
        for name, (title, options) in TABS.items()
    ]


def _plain(option: Option) -> dict[str, Any]:
    return {
        "name": option.name, "label": option.label, "kind": option.kind,
        "choices": [list(one) for one in option.choices], "span": list(option.span),
        "only": None if option.only is None else [option.only[0], list(option.only[1])],
    }  # fmt: skip
