"""Anything that is a table, as one: frames, arrays, graphs, annotations and files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.analyze.tables.table import Table
from ndlab.errors import BadRequest, NotFound
from ndlab.graph import Graph
from ndlab.graph.columns import Column, Columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ENDINGS", "table_of"]

Array = np.ndarray[Any, Any]
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".json")
_SEPARATORS = (",", "\t", ";", "|")
_KINDS = ("number", "category")
_HEAD = 65_536


def table_of(
    data: Any,
    *,
    id: str | None = None,  # noqa: A002
    units: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    name: str = "",
    **reading: Any,
) -> Table:
    """Return a table of whatever holds one.

    Parameters
    ----------
    data : DataFrame, dict of arrays, structured array, Graph, Annotations, Dataset, Arrow table, or path
        Of a graph its nodes. A file is ``.csv``, ``.tsv``, ``.txt``, ``.parquet`` or ``.json`` (records).
    id : str, optional
        The column that names rows; by default that of a graph, of annotations, or a frame's index with a name, else
        rows have numbers.
    units : dict of str, optional
        By column, as they are printed: ``{"length": "nm"}``.
    kinds : dict of str, optional
        ``"category"`` for numbers that stand for names, ``"number"`` for text that is numbers.
    name : str
        What it is called; by default a file's name.
    **reading
        Of a text file, as `pandas.read_csv` takes them: ``sep``, ``header``, ``quotechar``, ``na_values``. The
        separator is found where it is not said.

    Returns
    -------
    Table

    Raises
    ------
    BadRequest
        If it is no table, columns are of different lengths, or one cannot be of the kind that was asked.
    NotFound
        If there is no such file.

    Examples
    --------
    >>> table_of({"length": [1.5, None, 2.0], "kind": ["a", "b", "a"]}, units={"length": "nm"})
    Table of 3 rows, 2 columns, 1 of numbers
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        frame, name = _read(path, reading), name or path.stem
    elif reading:
        raise BadRequest(f"{', '.join(reading)} for a table that is no text file", "it is read already", "leave it out")
    elif isinstance(data, Graph):
        columns = {"id": Column.of(data.ids)} | {k: v for k, v in data.nodes.columns.items() if k != "id"}
        return _made(columns, id or "id", units, kinds, name or str(data.attributes.get("name", "")))
    else:
        frame = _frame(data)
    if len(frame.columns) and _is_written_index(frame):
        frame = frame.rename(columns={frame.columns[0]: "index"})
        id = id or "index"  # noqa: A001
    index = getattr(frame.index, "name", None)
    if index is not None and str(index) not in map(str, frame.columns):
        frame = frame.reset_index()
        id = id or str(index)  # noqa: A001
    names = [str(one) for one in frame.columns]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise BadRequest(f"columns called {', '.join(twice)} more than once", "", "rename them first")
    made = {one: _column(frame.iloc[:, i], one) for i, one in enumerate(names)}
    return _made(made, id or ("id" if "id" in made and _is_id(made["id"]) else None), units, kinds, name)


def _is_written_index(frame: pd.DataFrame) -> bool:
    """Tell whether the first column is what `DataFrame.to_csv` writes of an index without a name: the names of rows."""
    first = frame.iloc[:, 0]
    return (
        str(frame.columns[0]) == "Unnamed: 0" and bool(first.is_unique and first.notna().all()) and "index" not in frame
    )


def _made(
    columns: dict[str, Column], id_name: str | None, units: Mapping[str, str] | None,
    kinds: Mapping[str, str] | None, name: str,
) -> Table:  # fmt: skip
    for about, asked in (("kinds", kinds or {}), ("units", units or {})):
        if strange := sorted(set(asked) - set(columns)):
            raise BadRequest(f"{about} of {', '.join(strange)}", f"the columns are {', '.join(columns) or 'none'}")
    for one, kind in (kinds or {}).items():
        columns[one] = _as_kind(columns[one], kind, one)
    count = len(next(iter(columns.values()))) if columns else 0
    made = Columns.of(count, columns, units, "row")
    if id_name is None:
        return Table(np.arange(count), made, name)
    if id_name not in made:
        raise BadRequest(f"the column {id_name!r} as ids", f"the columns are {', '.join(made) or 'none'}")
    column = made.column(id_name)
    if column.missing is not None:
        gone = int(column.missing.sum())
        raise BadRequest(f"{id_name!r} as ids", f"{gone:,} rows have none", "name another column, or leave id out")
    if column.kind == "float":
        if (column.values != np.floor(column.values)).any() or (np.abs(column.values) > 2**53).any():
            raise BadRequest(f"{id_name!r} as ids", "they are not whole numbers", "convert them to integers or to text")
        column = Column(column.values.astype(np.int64))
    ids = column.values.astype(str).astype(object) if column.kind == "bool" else column.values
    return Table(ids, made, name, id_name)


def _is_id(column: Column) -> bool:
    return column.missing is None and column.kind in ("int", "str")


def _as_kind(column: Column, kind: str, name: str) -> Column:
    if kind not in _KINDS:
        raise BadRequest(f"the kind {kind!r} for {name}", f"there is {' and '.join(_KINDS)}")
    number = column.kind in ("int", "float")
    if number == (kind == "number"):
        return column
    if kind == "category":
        missing = np.zeros(len(column), bool) if column.missing is None else column.missing
        words = [None if gone else f"{one:g}" if isinstance(one, float) else str(one)
                 for one, gone in zip(column.values.tolist(), missing, strict=True)]  # fmt: skip
        return Column.of(words, column.unit)
    import pandas as pd

    found = pd.to_numeric(pd.Series(column.plain()), errors="coerce")
    wrong = found.isna().to_numpy() & ~pd.isna(pd.Series(column.plain())).to_numpy()
    if wrong.any():
        others = int(wrong.sum()) - 1
        raise BadRequest(f"{name} as numbers", f"{column.values[wrong][0]!r} is none, and {others:,} others")
    return Column.of(found.to_numpy(np.float64), column.unit)


def _frame(data: Any) -> pd.DataFrame:
    """Return a frame of what is no file."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, np.ndarray) and data.dtype.names:
        data = {one: data[one] for one in data.dtype.names}
    elif isinstance(data, np.ndarray) and data.ndim == 2:
        data = {f"column {i}": data[:, i] for i in range(data.shape[1])}
    if isinstance(data, Mapping) and not hasattr(data, "to_dataframe"):
        lengths = {str(one): len(values) if hasattr(values, "__len__") else 0 for one, values in data.items()}
        if len(set(lengths.values())) > 1:
            raise BadRequest(f"columns of different lengths, {lengths}", "", "give one value for each row")
        return pd.DataFrame({str(one): pd.Series(values) if not isinstance(values, pd.Series) else values.array
                             for one, values in data.items()})  # fmt: skip
    for way in ("to_dataframe", "to_pandas"):
        if hasattr(data, way):
            found = getattr(data, way)()
            if isinstance(found, pd.Series):
                found = found.to_frame()
            if isinstance(found, pd.DataFrame):
                return found.reset_index() if found.index.nlevels > 1 or way == "to_dataframe" else found
    raise BadRequest(
        f"a table of {type(data).__name__}",
        "it can be a DataFrame, a dict of arrays, a structured array, a Graph, Annotations, or a file that ends in "
        + ", ".join(ENDINGS),
    )


def _read(path: Path, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    if not path.exists():
        raise NotFound(f"the table {path}", "there is no such file")
    ending = path.suffix.lower()
    try:
        if ending in (".parquet", ".pq"):
            return pd.read_parquet(path, dtype_backend="numpy_nullable", **options)
        if ending == ".json":
            return pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
        if ending in (".csv", ".tsv", ".txt"):
            options = {"sep": _separator(path)} | options
            found = pd.read_csv(path, dtype_backend="numpy_nullable", **options)
            if not isinstance(found, pd.DataFrame):
                raise TypeError("a table is read whole: leave chunksize= and iterator= out")
            return found
    except (ValueError, pd.errors.ParserError, TypeError) as error:
        raise BadRequest(f"the table {path.name}", str(error), "say sep=, header=, quotechar= or na_values=") from error
    there = ", ".join(ENDINGS)
    raise BadRequest(f"the table {path.name}", f"its name ends in none of {there}", "read it with pandas first")


def _separator(path: Path) -> str:
    """Return what parts the first lines alike, and most often."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [one for one in file.read(_HEAD).splitlines()[:20] if one.strip()]
    if not lines:
        raise BadRequest(f"the table {path.name}", "it is empty")
    # A cut line at the end would be another.
    return max(_SEPARATORS, key=lambda one: (min(line.count(one) for line in lines[: max(1, len(lines) - 1)]),
                                             lines[0].count(one)))  # fmt: skip


def _column(series: pd.Series[Any], name: str) -> Column:
    import pandas as pd

    dtype = series.dtype
    missing = series.isna().to_numpy()
    if isinstance(dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if pd.api.types.is_bool_dtype(dtype):
        return _masked(series.to_numpy(bool, na_value=False), missing)
    if pd.api.types.is_integer_dtype(dtype):
        signed = not pd.api.types.is_unsigned_integer_dtype(dtype)
        return _masked(series.to_numpy(np.int64 if signed else np.uint64, na_value=0), missing)
    if pd.api.types.is_float_dtype(dtype):
        return Column.of(series.to_numpy(np.float64, na_value=np.nan))
    if pd.api.types.is_datetime64_any_dtype(dtype):
        moments = pd.to_datetime(series, utc=True)
        seconds = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
        return Column.of(seconds.to_numpy(np.float64), "s since 1970")
    if pd.api.types.is_timedelta64_dtype(dtype):
        return Column.of(series.dt.total_seconds().to_numpy(np.float64), "s")
    plain = [None if gone else _plain(one) for one, gone in zip(series.tolist(), missing, strict=True)]
    try:
        return Column.of(plain)
    except BadRequest:
        return Column.of([None if one is None else str(one) for one in plain])


def _masked(values: Array, missing: Array) -> Column:
    return Column(values, "", missing if missing.any() else None)


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | int | float | np.generic):
        return value
    return json.dumps(value, default=str) if isinstance(value, dict | list | tuple | np.ndarray) else str(value)
