"""Linked views as one HTML file: the widgets, their data and the voxels, without a kernel and without a network."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import NdlabError, TooLarge
from ndlab.explore.live import STATIC

if TYPE_CHECKING:
    from ndlab.explore.link_widget import Linked
    from ndlab.explore.table_widget import TableView

__all__ = ["LIMIT_MB", "to_html"]

LIMIT_MB = 50.0
# Voxels are packed before it is known how small they become; this much larger than the limit they may be.
_PACKS = 8
# What no page without a kernel has a use for.
_LEFT_OUT = ("layout", "tabbable", "tooltip", "endpoint", "reader", "transport")
_WHY = "Other tabs are drawn by a kernel, which this file has none of."
_THEN = "Drawn when this file was written: of the rows, and with the classes, of then."
_EXPORT = re.compile(r"export\s*\{\s*([\w$]+) as default\s*\};?")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; padding: 14px 18px 28px; max-width: 1700px; background: #fff; color: #22272e;
  font: 14px/1.45 system-ui, sans-serif; }}
h1 {{ margin: 0 0 2px; font-size: 19px; }}
p {{ margin: 0 0 10px; color: #5d6671; }}
.beside {{ display: flex; flex-wrap: wrap; gap: 10px; margin: 8px 0; }}
.beside > div {{ flex: 1 1 0; min-width: min(420px, 100%); }}
@media (prefers-color-scheme: dark) {{ body {{ background: #14171b; color: #e3e6ea; }} p {{ color: #9aa4b0; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{caption}</p>
<div id="ndlab-bar"></div>
<div class="beside">{beside}</div>
{below}
<script type="application/json" id="ndlab-views">{views}</script>
<script>globalThis.ndlabModules = {{}};</script>
{modules}
<script type="module">{page}</script>
</body>
</html>
"""


def to_html(
    linked: Linked, path: str | os.PathLike[str] | None = None, *, title: str = "Linked views",
    caption: str | None = None, level: int = 0, limit_mb: float = LIMIT_MB,
) -> Path | str:  # fmt: skip
    """Return linked views as one HTML file, or its text: a page that needs neither kernel nor network.

    The views show what they show now, and all that the page does by itself goes on: pan, zoom, layers, colours by what
    was computed, and the selection from view to view. What a kernel does is missing: other layouts, drawing, metadata
    of ids. Of the table all columns are in the file, with its points and the tab that it shows, once that is drawn; the
    file offers no other tabs, and says so. The voxels are in the file, each volume with the levels above `level`.

    Parameters
    ----------
    path : path, optional
        Where it is written; without it the text is returned.
    title, caption : str
        Above the views.
    level : int
        The finest level of each volume that goes along, or its coarsest, if it has fewer.
    limit_mb : float
        The largest file [MB].

    Raises
    ------
    TooLarge
        If it would be larger; what to do is said.

    Examples
    --------
    >>> import tempfile
    >>> from ndlab import explore, samples
    >>> from ndlab.graph import Graph
    >>> brain = samples.toy()
    >>> graph = explore.graph(Graph.from_edges(brain.synapses["pre_id"], brain.synapses["post_id"]), layout="circle")
    >>> image = explore.image(em=brain.volume("image"), cells=brain.volume("labels"))
    >>> linked = explore.link(image, graph, brain.synapses)
    >>> linked.to_html(tempfile.mkdtemp() + "/toy.html", title="The toy brain").name
    'toy.html'
    >>> linked.close()
    """
    from ndlab.explore.link_files import exported

    views: list[dict[str, Any]] = [_view("link", linked.bar, "ndlab-bar")]
    beside, below = [], []
    if linked.image is not None:
        with exported(linked.image, level, limit_mb * _PACKS) as (image, files):
            views.append(_view("image", image, "ndlab-image", **files))
        beside.append("ndlab-image")
    if linked.graph is not None:
        more = {"offers": _computed(linked.graph), "tree": _tree(linked.graph)}
        views.append(_view("graph", linked.graph, "ndlab-graph", **more))
        beside.append("ndlab-graph")
    if linked.table is not None:
        views.append(_view("table", linked.table, "ndlab-table", **_drawn(linked.table)))
        below.append("ndlab-table")
    text = _text(views, beside, below, title, caption)
    size = len(text.encode()) / 1e6
    if size > limit_mb:
        raise TooLarge(
            f"linked views as one file of {size:,.1f} MB", f"limit_mb is {limit_mb:g}",
            "pass level=1, which leaves the finest voxels out, link a view of a smaller box, or pass limit_mb=",
        )  # fmt: skip
    if path is None:
        return text
    written = Path(path)
    written.write_text(text, encoding="utf-8")
    return written


def _text(views: list[dict[str, Any]], beside: list[str], below: list[str], title: str, caption: str | None) -> str:
    names = dict.fromkeys(one["module"] for one in views)
    modules = "\n".join(f'<script type="module">{_module(name)}</script>' for name in names)
    if any("item" in one["traits"].get("plot", ()) for one in views):
        modules = f"<script>{_bokeh()}</script>\n{modules}"
    said = "Made with ndlab. This page holds its data; it asks no server." if caption is None else caption
    # In a script a tag or a comment means something, wherever it stands: no name in the data may be one.
    data = json.dumps(views, default=_plain, separators=(",", ":")).replace("<", "\\u003c")
    return _PAGE.format(
        title=html.escape(title), caption=html.escape(said), views=data, modules=modules, page=_script("page"),
        beside="".join(f'<div id="{one}"></div>' for one in beside),
        below="".join(f'<div id="{one}"></div>' for one in below),
    )  # fmt: skip


def _view(module: str, widget: Any, place: str, **more: Any) -> dict[str, Any]:
    names = [name for name in widget.keys if not name.startswith("_") and name not in _LEFT_OUT]
    return {"module": module, "place": place, "traits": {name: getattr(widget, name) for name in names} | more}


def _computed(graph: Any) -> dict[str, Any]:
    """Return what a graph's view offers of which everything is there: nobody computes anything more."""
    here = [one["name"] for one in graph.columns if one["of"] == "nodes"]
    offers = dict(graph.offers)
    offers["layouts"] = [graph.state["layout"]]
    for name in ("colors", "sizes", "groups"):
        offers[name] = [one for one in offers[name] if one in here]
    return offers


def _tree(graph: Any) -> dict[str, Any]:
    """Return the tree of the groups on show, which the page may be asked for; none where they are not there."""
    from ndlab.explore.graph_tree import tree

    of = ("nodes", graph.state["groups"])
    column = next((one for one in graph.columns if (one["of"], one["name"]) == of), None)
    return {} if column is None else tree(graph.graph, column)


def _drawn(view: TableView) -> dict[str, Any]:
    """Return what lets a page show a table by itself: every column, and of the tabs those that are drawn already."""
    from ndlab.explore.table_data import column_bytes, column_facts

    tab = view.state["tab"]
    try:
        # What is on show may still be on its way.
        view.wait()
        drawn = view.plot.get("tab") == tab
    except (NdlabError, ValueError):
        drawn = False
    table, tabs = view.table, ["points", tab] if drawn else ["points"]
    columns = [column_bytes(table, name) for name in table.columns]
    return {
        "state": view.state | {"tab": tabs[-1]},
        "plot": view.plot | {"notes": [*view.plot.get("notes", []), _THEN]} if drawn else {},
        "facts": [column_facts(table, name) for name in table.columns],
        "columns": [facts | {"values": values} for facts, values in columns],
        "offers": view.offers | {"tabs": [one for one in view.offers["tabs"] if one["name"] in tabs], "why": _WHY},
        "status": {"busy": [], "trouble": ""},
    }


def _bokeh() -> str:
    from ndlab.explore.table_plots.source import bokeh_source

    return bokeh_source().decode().replace("</script", "<\\/script")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no JSON")


def _script(name: str) -> str:
    return (STATIC / f"{name}.js").read_text(encoding="utf-8").replace("</script", "<\\/script")


def _module(name: str) -> str:
    """Return a bundle that leaves its export where the page finds it: no module of a file can be imported by name."""
    text, count = _EXPORT.subn(rf"globalThis.ndlabModules.{name}=\1;", _script(name))
    if count != 1:
        raise AssertionError(f"{name}.js has {count} default exports")
    return text
