"""What the page is sent of a table: one flat array a column, as small as it can be without a digit lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.analyze.tables import Table
from ndlab.graph.columns import Column

__all__ = ["column_bytes", "column_facts", "ids_bytes", "packed", "passing", "unpacked"]

Array = np.ndarray[Any, Any]
# Beyond this float64 does not tell whole numbers apart.
_EXACT = 2**53
_NONE = 0xFFFFFFFF


def column_facts(table: Table, name: str) -> dict[str, Any]:
    """Return what is known of a column before its values are there."""
    column = table.columns.column(name)
    missing = 0 if column.missing is None else int(column.missing.sum())
    facts: dict[str, Any] = {"name": name, "unit": column.unit, "missing": missing, "kind": _kind(column)}
    if facts["kind"] != "number":
        return facts | {"classes": len(table.codes(name)[1]) if facts["kind"] == "category" else 0}
    here = column.values if column.missing is None else column.values[~column.missing]
    here = here[np.isfinite(here)] if column.kind == "float" else here
    if not len(here):
        return facts | {"whole": False, "low": None, "high": None, "mean": None, "sd": None}
    return facts | {
        "whole": column.kind == "int", "low": float(here.min()), "high": float(here.max()),
        "mean": float(here.mean()), "sd": float(here.std(ddof=1)) if len(here) > 1 else 0.0,
    }  # fmt: skip


def _kind(column: Column) -> str:
    if column.kind == "int":
        here = column.values if column.missing is None else column.values[~column.missing]
        return "exact" if len(here) and (int(here.max()) > _EXACT or int(here.min()) < -_EXACT) else "number"
    return "number" if column.kind == "float" else "category"


def column_bytes(table: Table, name: str) -> tuple[dict[str, Any], bytes]:
    """Return how a column lies in bytes, and the bytes.

    Numbers are the smallest of int8, int16, int32, float32 and float64 that holds each of them, missing ones nan;
    integers beyond 2^53 are int64 or uint64, and codes of classes uint8, uint16 or uint32 with the largest for none.
    """
    column = table.columns.column(name)
    kind = _kind(column)
    if kind == "category":
        codes, names = table.codes(name)
        width = "u1" if len(names) < 0xFF else "<u2" if len(names) < 0xFFFF else "<u4"
        # -1 becomes the largest.
        return {"name": name, "dtype": width[-2:], "classes": names}, codes.astype(width).tobytes()
    if kind == "exact":
        values = column.values if column.missing is None else np.where(column.missing, 0, column.values)
        return {"name": name, "dtype": f"{values.dtype.kind}8"}, values.astype(f"<{values.dtype.kind}8").tobytes()
    plain = column.plain()
    for width in ("i1", "<i2", "<i4") if column.missing is None and column.kind == "int" else ():
        held = np.iinfo(np.dtype(width))
        if not len(plain) or (plain.min() >= held.min and plain.max() <= held.max):
            return {"name": name, "dtype": width[-2:]}, plain.astype(width).tobytes()
    with np.errstate(over="ignore"):
        small = plain.astype("<f4")
    if np.array_equal(small, plain, equal_nan=True):
        return {"name": name, "dtype": "f4"}, small.tobytes()
    return {"name": name, "dtype": "f8"}, plain.astype("<f8").tobytes()


def ids_bytes(table: Table) -> tuple[str, bytes]:
    """Return how ids lie in bytes, and those: none for numbers of rows, 64-bit integers, or JSON."""
    if not table.id_name:
        return "rows", b""
    if table.ids.dtype.kind in "iu":
        kind = table.ids.dtype.kind
        return f"{kind}8", table.ids.astype(f"<{kind}8").tobytes()
    return "text", json.dumps([str(one) for one in table.ids.tolist()], ensure_ascii=False).encode()


def packed(mask: Array) -> bytes:
    r"""Return a mask of rows as bits, the first row the lowest of the first byte; nothing where none is chosen.

    Examples
    --------
    >>> packed(np.array([True, False, True])), packed(np.array([False]))
    (b'\x05', b'')
    """
    return np.packbits(mask, bitorder="little").tobytes() if mask.any() else b""


def unpacked(bits: Any, count: int) -> Array:
    """Return the mask that `packed` made, shape (count,)."""
    found = np.unpackbits(np.frombuffer(bytes(bits), np.uint8), count=count, bitorder="little") if len(bits) else None
    return np.zeros(count, bool) if found is None else found.astype(bool)


def passing(table: Table, filters: Sequence[Mapping[str, Any]]) -> Array:
    """Return which rows pass every filter, as the page has it; what has no value passes none.

    Parameters
    ----------
    table : Table
    filters : list of dict
        ``by`` (a column, or "" for the ids), ``low`` and ``high`` (numbers or None), ``text`` (part of it, any case).
    """
    found = np.ones(len(table), bool)
    for one in filters:
        column = Column.of(table.ids) if one["by"] == "" else table.columns.column(one["by"])
        if one["text"]:
            wanted = one["text"].lower()
            if _kind(column) == "category" and one["by"]:
                codes, names = table.codes(one["by"])
                hit = np.array([wanted in name.lower() for name in names] + [False])
                found &= hit[codes]
            else:
                found &= np.array([wanted in str(value).lower() for value in column.plain().tolist()], bool)
        if one["low"] is None and one["high"] is None:
            continue
        if column.kind not in ("int", "float"):
            found[:] = False
            continue
        values = column.values
        with np.errstate(invalid="ignore"):
            here = np.ones(len(table), bool)
            if one["low"] is not None:
                here &= values >= one["low"]
            if one["high"] is not None:
                here &= values <= one["high"]
        found &= here if column.missing is None else here & ~column.missing
    return found
