"""Views that show one selection: brush a table, and its synapses light up in the image and in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest, Unsupported

if TYPE_CHECKING:
    from ndlab.explore.graph_widget import GraphView
    from ndlab.explore.image_widget import ImageView
    from ndlab.explore.link_tables import LinkTables
    from ndlab.explore.link_widget import Linked

__all__ = ["link"]

_ENDS = (("pre_id", "post_id"), ("pre", "post"))


def link(
    image: ImageView | None = None,
    graph: GraphView | None = None,
    table: Any = None,
    on: str = "id",
    *,
    pre: str | None = None,
    post: str | None = None,
    labels: str | None = None,
    points: str | None = None,
    state: Mapping[str, Any] | None = None,
) -> Linked:
    """Link views: what is selected in one of them follows in the others, inside the page, whatever the kernel does.

    Rows of a table that names both ends of each are *synapses*: they are the points of the image, and the edges of the
    graph between their ends. *Neurons* are the nodes of the graph and the ids of the labels of the image; rows of a
    table without ends are neurons. Selected synapses light up as points and edges; of a selected neuron the segment is
    shown alone, with all its synapses. A double click flies to a synapse.

    Parameters
    ----------
    image : ImageView, optional
        Of `ndlab.explore.image`.
    graph : GraphView, optional
        Of `ndlab.explore.graph`.
    table : TableView, DataFrame or structured array, optional
        Of `ndlab.explore.table`. Other tables are not shown, but say which synapses join which neurons.
    on : str
        The column of the table with the ids of its rows.
    pre, post : str, optional
        The columns with the neurons at both ends; ``pre_id`` and ``post_id``, or ``pre`` and ``post``, unless named.
    labels, points : str, optional
        The layers of the image that show neurons and synapses; the first of each kind unless named. Boxes will do for
        points.
    state : mapping, optional
        A ``linked.state`` that was kept.

    Returns
    -------
    Linked
        An ipywidget with all of them; ``linked.selection`` is what is selected.

    Raises
    ------
    BadRequest
        If there is nothing to link, a column is missing, an id stands twice, or the ids of one view are not those of
        the other.
    Unsupported
        Where anywidget is not installed.

    Notes
    -----
    Where a synapse lies is told by the columns z, y and x [nm] of the table, else by the point of its id in the image.

    Examples
    --------
    >>> from ndlab.graph import Graph
    >>> from ndlab.explore import graph as show
    >>> from ndlab.samples import toy
    >>> synapses = toy().synapses
    >>> pairs = Graph.from_edges(synapses["pre_id"], synapses["post_id"])
    >>> linked = link(graph=show(pairs, layout="circle"), table=synapses)
    >>> linked.selection.neurons = synapses["post_id"][:1]
    >>> linked.graph.selection == linked.selection.neurons
    True
    >>> linked.close()
    """
    try:
        from ndlab.explore.link_widget import Linked
    except ModuleNotFoundError as error:
        raise Unsupported(
            "views were to be linked", f"{error.name} is not installed", "pip install 'ndlab[lab]'", feature="widgets"
        ) from error
    if sum(one is not None for one in (image, graph, table)) < 2:
        raise BadRequest("a link of fewer than two views", "it joins image, graph and table, or two of them",
                         "link(image, graph, table)")  # fmt: skip
    parts = {} if image is None else _parts(image, labels, points)
    tables = _tables(image, graph, table, on, (pre, post), parts)
    view = table if hasattr(table, "channel") else None
    if view is not None and view.ids != on and on in view.table.columns:
        view.ids = on
    linked = Linked(image, graph, view, tables, parts)
    if state is not None:
        linked.state = state
    return linked


def _parts(image: ImageView, labels: str | None, points: str | None) -> dict[str, str]:
    """Return which layer of an image shows neurons, and which synapses."""
    found = {}
    for noun, asked, kinds in (("neurons", labels, ("labels",)), ("synapses", points, ("points", "boxes"))):
        there = [name for kind in kinds for name, one in image.kinds.items() if one == kind]
        if asked is not None and asked not in there:
            raise BadRequest(
                f"{noun} in the layer {asked!r}", f"layers of {' or '.join(kinds)} are {', '.join(there) or 'none'}"
            )
        if there:
            found[noun] = asked or there[0]
    return found


def _tables(
    image: Any, graph: Any, table: Any, on: str, ends: tuple[str | None, str | None], parts: Mapping[str, str]
) -> LinkTables:
    from ndlab.explore.link_tables import LinkTables, rows_of, texts

    nodes = [] if graph is None else texts(graph.graph.ids)
    if table is None:
        return LinkTables.of((), (), (), None, nodes)
    columns, given = rows_of(table, on)
    names, rows = _ends(columns, ends), texts(given)
    if names is None:
        _share("rows of the table", rows, "nodes of the graph", nodes, "on= names their column")
        return LinkTables.of((), (), (), None, [*rows, *nodes], len(rows))
    pre, post = (texts(columns[name]) for name in names)
    _share("ends of the rows", [*pre, *post], "nodes of the graph", nodes, "pre= and post= name the columns of both")
    at = _places(columns)
    if "synapses" in parts:
        points = image.sources[parts["synapses"]]
        _share(
            "rows of the table",
            rows,
            f"ids of {parts['synapses']!r}",
            texts(points.ids),
            "on= names their column",
        )
        at = _points(points, rows) if at is None else at
    return LinkTables.of(rows, pre, post, at, nodes)


def _ends(columns: Mapping[str, Any], asked: tuple[str | None, str | None]) -> tuple[str, str] | None:
    """Return the columns with both ends of each row; None where rows have no ends."""
    if asked == (None, None):
        return next((pair for pair in _ENDS if set(pair) <= set(columns)), None)
    missing = [one for one in asked if one not in columns]
    if missing:
        raise BadRequest(f"the ends {asked[0]!r} and {asked[1]!r}", f"the columns are {', '.join(columns)}"[:300],
                         "pre= and post= name one each")  # fmt: skip
    return str(asked[0]), str(asked[1])


def _places(columns: Mapping[str, Any]) -> Any:
    if not {"z", "y", "x"} <= set(columns):
        return None
    return np.stack([np.asarray(columns[axis], np.float32) for axis in "zyx"], axis=1)


def _points(source: Any, ids: list[str]) -> Any:
    """Return where the points, or the middles of the boxes, of these ids lie; nan where there is none."""
    from ndlab.explore.link_tables import texts

    middles = source.shapes.reshape(len(source.ids), -1, 3).mean(axis=1)
    place = dict(zip(texts(source.ids), middles, strict=True))
    nowhere = np.full(3, np.nan)
    return np.array([place.get(one, nowhere) for one in ids], np.float32).reshape(-1, 3)


def _share(one: str, here: list[str], other: str, there: list[str], hint: str) -> None:
    """Refuse what has no id in common: nothing would ever follow."""
    if here and there and not set(here) & set(there):
        raise BadRequest(
            f"{one} ({', '.join(here[:3])}, …) and {other} ({', '.join(there[:3])}, …) were to be linked",
            "they have no id in common", hint,
        )  # fmt: skip
