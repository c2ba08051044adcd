"""Rows as columns: Arrow batches of a query's answer, and their schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.ids import unsigned, unsigned_array
from ndlab.annotations.kinds import KINDS, Holds, holds, kind_of
from ndlab.annotations.predicates import field_of
from ndlab.annotations.schema import COLUMNS
from ndlab.annotations.words import Flow, word

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["batch", "columns_of_kind", "is_field", "schema", "stored_columns", "to_pandas"]

_POINT = ("z", "y", "x")
_BOUNDS = ("z0", "y0", "x0", "z1", "y1", "x1")


def columns_of_kind(kind: str | None) -> tuple[str, ...]:
    """Name the columns of a table of one kind, or of all kinds; positions and bounds are numbers in nm.

    Examples
    --------
    >>> columns_of_kind("roi")
    ('id', 'kind', 'status', 'confidence', 'author', 'time', 'parent', 'z0', 'y0', 'x0', 'z1', 'y1', 'x1', 'keys')
    """
    names: dict[str, None] = dict.fromkeys(("id", "kind", "status", "confidence", "author", "time"))
    for one in [kind] if kind else KINDS:
        for name, what in holds(one).items():
            if what.sort not in ("point", "box", "keys"):
                names[name] = None
    if kind is None or KINDS[kind].point():
        names.update(dict.fromkeys(_POINT))
    return (*names, *_BOUNDS, "keys")


def stored_columns(names: Sequence[str], fields: Callable[[str], bool]) -> list[str]:
    """Name the columns of the database from which those of a table are made."""
    wanted = [name if fields(name) else "keys" for name in names]
    return [name for name in COLUMNS if name in wanted]


def is_field(name: str) -> bool:
    """Tell whether a column is of the objects, and not a free key."""
    return name == "keys" or (field_of(name) is not None and name in COLUMNS)


def _what(name: str) -> Holds:
    return Holds("keys") if name == "keys" else (field_of(name) or Holds("key"))


def _arrow_type(what: Holds) -> Any:
    import pyarrow as pa

    flows = pa.list_(pa.struct([("id", pa.uint64()), ("flow", pa.string())]))
    known = {
        "id": pa.uint64(), "whole": pa.int32(), "number": pa.float64(), "fraction": pa.float64(),
        "length": pa.float64(), "time": pa.timestamp("us", "UTC"), "ids": pa.list_(pa.uint64()), "flows": flows,
    }  # fmt: skip
    return known.get(what.sort, pa.string())


def schema(names: Sequence[str]) -> pa.Schema:
    """Return the Arrow schema of the columns that are fields; the types of free keys are those of their values."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(_what(name))) for name in names if is_field(name)])


def batch(rows: Sequence[Sequence[Any]], stored: Sequence[str], names: Sequence[str]) -> pa.RecordBatch:
    """Make an Arrow batch with columns `names` of rows that have the columns `stored`."""
    import pyarrow as pa

    at = dict(zip(stored, zip(*rows, strict=True) if rows else [()] * len(stored), strict=True))
    keys = None
    arrays = []
    for name in names:
        if is_field(name):
            arrays.append(_array(_what(name), at[name]))
        else:
            keys = [json.loads(text) if text else {} for text in at["keys"]] if keys is None else keys
            arrays.append(key_array([one.get(name) for one in keys]))
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def key_array(values: list[Any]) -> pa.Array:
    """Make a column of a key's values: of their type where they share one, else of text."""
    import pyarrow as pa

    sorts = {type(v) for v in values if v is not None}
    if sorts <= {int, float} and float in sorts:
        return pa.array(values, pa.float64())
    if len(sorts) > 1:
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pa.string())
    if sorts == {int}:
        large = max(v for v in values if v is not None) >= 1 << 63
        small = min(v for v in values if v is not None) < 0
        return pa.array(values, pa.float64() if large and small else pa.uint64() if large else pa.int64())
    return pa.array(values, pa.string() if not sorts else None)


def _array(what: Holds, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    made = _arrow_type(what)
    if what.sort == "id":
        stored = pa.array(values, pa.int64())
        if not stored.null_count:
            return pa.array(unsigned_array(np.asarray(stored)))
        return pa.array([None if v is None else unsigned(v) for v in values], made)
    if what.sort == "code":
        said = {v: word(v, what.words) for v in set(values) - {None}}
        return pa.array([said.get(v) for v in values], made)
    if what.sort == "kind":
        return pa.array([kind_of(v).kind for v in values], made)
    if what.sort == "ids":
        return pa.array([[unsigned(i) for i in json.loads(v)] if v else [] for v in values], made)
    if what.sort == "flows":
        return pa.array([_flows(v) if v else [] for v in values], made)
    return pa.array(values, made)


def _flows(text: str) -> list[dict[str, Any]]:
    return [{"id": unsigned(one), "flow": word(flow, Flow)} for one, flow in json.loads(text)]


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Make a DataFrame; whole numbers with gaps become pandas' nullable ones, for a float would round ids."""
    import pandas as pd
    import pyarrow as pa

    whole = {pa.uint64(): pd.UInt64Dtype(), pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}
    gaps = {field.name for field, column in zip(table.schema, table.columns, strict=True) if column.null_count}
    plain = table.select([name for name in table.column_names if name not in gaps]).to_pandas()
    gappy = table.select([name for name in table.column_names if name in gaps]).to_pandas(types_mapper=whole.get)
    frame: pd.DataFrame = pd.concat([plain, gappy], axis=1)[table.column_names]
    if "keys" in frame:
        frame["keys"] = [json.loads(text) if text else {} for text in table.column("keys").to_pylist()]
    return frame
