"""Columns as the bytes of annotations, checked on the way: nothing is rounded away that the type does not round."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from ndlab.annotations.exchange.precomputed.layout import TYPES, Layout, Property
from ndlab.annotations.exchange.precomputed.source import Batch, Source
from ndlab.errors import BadRequest, Conflict

__all__ = ["Encoded", "encode"]

_COLOUR = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{8})")


class Encoded(NamedTuple):
    """Annotations as they are written: ids, records, and for each relationship (numbers of ids, all ids)."""

    ids: np.ndarray[Any, Any]
    records: np.ndarray[Any, Any]
    related: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def encode(batch: Batch, layout: Layout, first: int, source: Source) -> Encoded:
    """Return the rows of a batch, whose first is row `first` of all.

    Raises
    ------
    BadRequest
        For a row without a place, or a value that its type does not hold.
    Conflict
        For a word that was not there when the words of its column were gathered.
    """
    records = np.zeros(len(batch), layout.record)
    records["geometry"] = _geometry(batch, layout, first)
    for one in layout.properties:
        records[one.id] = _property(batch, one, first)
    related = [_related(batch.column(one.column), one.column) for one in layout.relationships]
    if source.known("id"):
        ids = _whole(batch.column("id"), "id", 0, (1 << 64) - 1, first).astype(np.uint64)
    else:
        ids = np.arange(first + 1, first + 1 + len(batch), dtype=np.uint64)
    return Encoded(ids, records, related)


def _geometry(batch: Batch, layout: Layout, first: int) -> np.ndarray[Any, Any]:
    columns = np.stack([batch.numbers(name) for name in layout.columns], 1)
    with np.errstate(over="ignore"):
        found = columns.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(found).all(1))
    if len(wrong):
        remedy = "choose those that have them: .where(...) or .within(Box.nm(...)), or pass another geometry="
        raise BadRequest(
            f"row {first + wrong[0]} as a {layout.geometry}",
            f"its columns {', '.join(layout.columns)} are {columns[wrong[0]].tolist()}, and {len(wrong) - 1} of the "
            f"{len(found)} rows around it are like it", remedy,
        )  # fmt: skip
    if layout.geometry == "ellipsoid" and (found[:, 3:] < 0).any():
        raise BadRequest(f"row {first + int((found[:, 3:] < 0).any(1).argmax())} as an ellipsoid",
                         "a radius is negative", "name another radius=")  # fmt: skip
    return found


def _property(batch: Batch, one: Property, first: int) -> np.ndarray[Any, Any]:
    column = batch.column(one.column)
    if one.labels is not None:
        return _words(column, one, first)
    if one.type.startswith("rgb"):
        return _colours(column, one, first)
    if one.type == "float32":
        values = batch.numbers(one.column)
        with np.errstate(over="ignore"):
            found = values.astype(np.float32)
        if (np.isinf(found) & np.isfinite(values)).any():
            raise BadRequest(f"{one.column} as float32", "it holds numbers beyond 3e38", "leave it out")
        return found
    info = np.iinfo(TYPES[one.type])
    return _whole(column, f"{one.column} as {one.type}", int(info.min), int(info.max), first)


def _whole(column: Any, what: str, low: int, high: int, first: int) -> np.ndarray[Any, Any]:
    if column.null_count:
        row = first + column.is_null().index(True).as_py()
        raise BadRequest(f"{what}, row {row}", "it has no value", "pass float32 as its type, or choose rows that do")
    values: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.dtype.kind == "f" and (values == np.floor(values)).all() and np.abs(values).max(initial=0) < 1 << 53:
        values = values.astype(np.int64)
    if values.dtype.kind not in "iu":
        raise BadRequest(what, f"it holds {column.type}", "name another type, or another column")
    if len(values) and (int(values.min()) < low or int(values.max()) > high):
        raise BadRequest(what, f"it holds {values.min()} to {values.max()}, the type {low} to {high}",
                         "name a larger type, or float32")  # fmt: skip
    return values


def _words(column: Any, one: Property, first: int) -> np.ndarray[Any, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.cast(pa.string()).fill_null("")
    codes = pc.index_in(texts, pa.array(one.labels, pa.string()))
    if codes.null_count:
        new = texts.filter(codes.is_null())[0].as_py()
        raise Conflict(f"{one.column} {new!r} of row {first + codes.is_null().index(True).as_py()}",
                       "it was written while the annotations were exported", "export again")  # fmt: skip
    return np.asarray(codes.to_numpy(zero_copy_only=False))


def _colours(column: Any, one: Property, first: int) -> np.ndarray[Any, Any]:
    size = TYPES[one.type].shape[0]
    found = np.zeros((len(column), size), np.uint8)
    for i, text in enumerate(column.to_pylist()):
        parts = _COLOUR.fullmatch(text) if isinstance(text, str) else None
        if parts is None or len(parts[1]) != 2 * size:
            raise BadRequest(f"{one.column} {text!r} of row {first + i} as {one.type}",
                             f"a colour is {'#rrggbb' if size == 3 else '#rrggbbaa'}", "name another type")  # fmt: skip
        found[i] = list(bytes.fromhex(parts[1]))
    return found


def _related(column: Any, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return how many ids each row has, and all ids one after another; 0 is no object."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        counts = np.asarray(pc.list_value_length(column).fill_null(0), np.uint32)
        flat = pc.list_flatten(column)
        flat = pc.struct_field(flat, "id") if pa.types.is_struct(flat.type) else flat
        return counts, _whole(flat, f"{name} as ids", 0, (1 << 64) - 1, 0).astype(np.uint64)
    filled = column.fill_null(0) if column.null_count and not pa.types.is_null(column.type) else column
    if pa.types.is_null(column.type):
        filled = pa.array(np.zeros(len(column), np.uint64))
    flat = _whole(filled, f"{name} as ids", 0, (1 << 64) - 1, 0).astype(np.uint64)
    return (flat != 0).astype(np.uint32), flat[flat != 0]
