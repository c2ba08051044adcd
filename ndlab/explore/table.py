"""The Vector Explorer: a table in a notebook cell, its rows, its statistics, and what is selected in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ndlab.errors import Unsupported

if TYPE_CHECKING:
    from ndlab.explore.table_widget import TableView

__all__ = ["table"]


def table(
    data: Any,
    *,
    id: str | None = None,  # noqa: A002
    classes: str | None = None,
    features: Any = None,
    units: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    missing: str | None = None,
    tab: str | None = None,
    state: Mapping[str, Any] | None = None,
    selected: Any = None,
    noun: str = "rows",
    height: int = 560,
    **reading: Any,
) -> TableView:
    """Show a table as a widget: its rows, sorted, filtered and selected, and in tabs what statistics say of them.

    The tabs are points in any two columns, the columns themselves, a heat map with its tree, distributions by class,
    outliers, correlation and distance, features against each other, embeddings and clusters. What takes long is
    computed in a thread of its own; what a plot leaves out it says.

    Parameters
    ----------
    data : DataFrame, dict of arrays, structured array, Graph, Annotations, Dataset, or path
        See `ndlab.analyze.tables.table_of`. Files are ``.csv``, ``.tsv``, ``.txt``, ``.parquet`` and ``.json``.
    id : str, optional
        The column that names rows, exact up to 64 bits; numbers of rows unless the data has such.
    classes : str, optional
        The column that colours and parts rows.
    features : list of str, optional
        The columns that statistics are of; by default all of numbers that differ, 12 at most.
    units : dict of str, optional
        By column, ``{"length": "nm"}``.
    kinds : dict of str, optional
        ``"category"`` for numbers that stand for names, ``"number"`` for text that is numbers.
    missing : {"remove", "median", "mean", "keep"}, optional
        What statistics do with rows that lack a value: leave them out, put a column's median or mean in, or keep them
        as far as a method can.
    tab : str, optional
        What is shown first.
    state : mapping, optional
        A ``view.state`` or ``view.snapshot()`` that was kept; what is said beside it comes first.
    selected : list, optional
        Ids of rows.
    noun : str
        What rows are: ``"synapses"``.
    height : int
        In CSS pixels.
    **reading
        Of a text file: ``sep``, ``header``, ``quotechar``, ``na_values``, as `pandas.read_csv` takes them.

    Returns
    -------
    TableView
        An ipywidget; ``view.selected`` holds ids, ``view.state`` is JSON, ``view.report(path)`` writes HTML.

    Raises
    ------
    BadRequest
        If the data is no table, or the state does not fit.
    NotFound
        If there is no such file, or a selected row is not in the table.
    Unsupported
        Where anywidget or bokeh is not installed.

    Examples
    --------
    >>> view = table({"length": [1.0, 2.0, 4.0], "kind": ["a", "b", "a"]}, classes="kind", units={"length": "nm"})
    >>> view.selected = [2]
    >>> view
    TableView of 3 rows, 2 columns, Points, classes by kind, 1 selected
    >>> view.close()
    """
    try:
        import bokeh  # noqa: F401

        from ndlab.explore.table_widget import TableView
    except ModuleNotFoundError as error:
        raise Unsupported(
            "a table was to be shown in a notebook",
            f"{error.name} is not installed",
            "pip install 'ndlab[lab]', or use the functions of ndlab.analyze.tables",
            feature="widgets",
        ) from error
    from ndlab.analyze.tables import table_of

    if features is not None:
        features = [features] if isinstance(features, str) else [str(one) for one in features]
    said = {"classes": classes, "features": features, "missing": missing, "tab": tab}
    first = dict(state or {}) | {name: value for name, value in said.items() if value is not None}
    kept = first.pop("selection", None)
    found = table_of(data, id=id, units=units, kinds=kinds, **reading)
    return TableView(found, first, selected=kept if selected is None else selected, noun=noun, height=height)
