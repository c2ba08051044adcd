"""Flat tables of synapses, as CAVE and others hand them out: a row a synapse, with both ends, their cells, any columns.

Positions are lists, texts as ``[1 2 3]``, or three columns, x first, in a unit that the caller states. Rows are
counted: a table that was cut off on its way is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, BadRequest

__all__ = ["read"]

_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "mm": 1e6}
# At these many rows CAVE's servers cut answers off, and say so only in a header that files do not have.
_CUT = (200_000, 500_000)
# The columns of a position: named so, with a list or a text in it, or so with _x, _y, _z.
_STEMS = {
    "pre": ("pre_pt_position", "pre_position", "pre_pt", "pre"),
    "post": ("post_pt_position", "post_position", "post_pt", "post"),
    "": ("ctr_pt_position", "ctr_position", "ctr_pt", "ctr", "pt_position", "position", "pt", ""),
}
_ROOTS = {
    "presegments": ("pre_pt_root_id", "pre_root_id"),
    "postsegments": ("post_pt_root_id", "post_root_id"),
    "segment": ("pt_root_id", "root_id"),
}
_TRUTH = {"t": True, "true": True, "f": False, "false": False}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

Frame = dict[str, Any]
Points = np.ndarray[Any, np.dtype[np.float64]]


def read(
    path: Path, tables: Callable[[Path], Iterable[Any]], unit: Any, rows: int | None, rename: Mapping[str, str] | None
) -> Iterator[Frame]:
    """Yield pieces of a table as columns of objects: z, y, x and pre_z to post_x [nm], presegments, postsegments.

    Parameters
    ----------
    path : Path
    tables : callable
        Yields its pieces, Arrow batches or mappings of columns.
    unit : {"nm", "um", "mm"} or (z, y, x)
        What positions count in: a length, or voxels of that size [nm].
    rows : int, optional
        How many there are, as announced by who gave the table.
    rename : mapping, optional
        Names of columns, and those that are known here.

    Raises
    ------
    BadMetadata
        If there are more or fewer rows, or signs that some are missing.
    BadRequest
        For what is no position.
    """
    scale = _scale(unit)
    if rows is not None and (isinstance(rows, bool) or int(rows) != rows or rows < 0):
        raise BadRequest(f"rows={rows!r}", "it is how many rows the table has")
    if rows is None:
        _check_end(path)
    count = 0
    for table in tables(path):
        frame = _frame(table)
        frame = {(rename or {}).get(name, name): column for name, column in frame.items()}
        yield _objects(frame, scale, count)
        count += len(next(iter(frame.values()), ()))
    if rows is not None and count != rows:
        raise BadMetadata(f"{path} was announced with {rows} rows", f"{count} are there; nothing was stored",
                          "get it again, or pass the right rows=")  # fmt: skip
    if rows is None and count in _CUT:
        raise BadMetadata(f"{path} has exactly {count} rows", "that is where CAVE cuts answers off; nothing was stored",
                          f"ask for the table in parts, or pass rows={count} if that is all of it")  # fmt: skip


def _scale(unit: Any) -> Points:
    """Return the unit along x, y and z [nm]."""
    if isinstance(unit, str):
        if unit not in _NM:
            raise BadRequest(f"unit={unit!r}", f"it is {', '.join(map(repr, _NM))}, or the voxel (z, y, x) [nm]")
        return np.full(3, _NM[unit])
    found = np.asarray(unit, np.float64)
    if found.shape != (3,) or not (np.isfinite(found).all() and (found > 0).all()):
        raise BadRequest(f"unit={unit!r}", "a voxel has three sizes (z, y, x) [nm], greater than 0")
    return found[::-1]


def _check_end(path: Path) -> None:
    """Refuse a text that ends within a line; Parquet and Feather end with what says how much there is."""
    if path.suffix.lower() != ".csv" or not path.stat().st_size:
        return
    with path.open("rb") as file:
        file.seek(-1, 2)
        if file.read(1) not in (b"\n", b"\r"):
            raise BadMetadata(f"{path} ends within a line", "its last rows may be missing",
                              "get it again, or pass rows= if you know how many there are")  # fmt: skip


def _frame(table: Any) -> Frame:
    if isinstance(table, Mapping):
        return dict(table)
    return {name: table.column(i) for i, name in enumerate(table.schema.names)}


def _objects(frame: Frame, scale: Points, first: int) -> Frame:
    left = dict(frame)
    found: Frame = {}
    ends: list[Points] = []
    for side in ("pre", "post"):
        points = _points(left, side, first)
        if points is not None:
            ends.append(points * scale)
            found |= {f"{side}_{axis}": _gaps(ends[-1][:, "xyz".index(axis)]) for axis in "zyx"}
    centre = _points(left, "", first)
    if centre is not None:
        centre = centre * scale
    if ends:
        middle = _middle(ends)
        centre = middle if centre is None else np.where(np.isnan(centre), middle, centre)
    if centre is not None:
        found |= {axis: _gaps(centre[:, "xyz".index(axis)]) for axis in "zyx"}
    for field, names in _ROOTS.items():
        name = next((one for one in names if one in left), None)
        if name is not None and not (field == "segment" and ends):
            found[field] = [0 if one is None or one != one else one for one in _plain(left.pop(name))]
    for name, column in left.items():
        found[name] = _others(column)
    return found


def _middle(ends: Sequence[Points]) -> Points:
    """Return the middle of the ends that are known."""
    known = [~np.isnan(one) for one in ends]
    total = sum(np.where(there, one, 0.0) for there, one in zip(known, ends, strict=True))
    count = sum(there.astype(int) for there in known)
    with np.errstate(invalid="ignore"):
        found: Points = np.asarray(total) / np.where(np.asarray(count) > 0, count, np.nan)
    return found


def _gaps(values: Points) -> Any:
    return [None if v != v else v for v in values.tolist()] if np.isnan(values).any() else values


def _points(left: Frame, side: str, first: int) -> Points | None:
    """Take the columns of a position away, and return (n, 3), x first, NaN where a row has none."""
    for stem in _STEMS[side]:
        if stem and stem in left and not (side and stem == side):
            return _listed(left.pop(stem), stem, first)
        names = [f"{stem}_{axis}" if stem else axis for axis in "xyz"]
        if all(name in left for name in names):
            return np.stack([_numbers(left.pop(name), name, first) for name in names], 1)
    return None


def _numbers(column: Any, name: str, first: int) -> Points:
    values = _plain(column)
    try:
        return np.array([np.nan if v is None else v for v in values], np.float64)
    except (TypeError, ValueError):
        row = next(i for i, one in enumerate(values) if not _is_number(one))
        raise BadRequest(f"{name} {values[row]!r:.100} of row {first + row}", "a position is numbers",
                         "rename the column if it means something else: rename={...}") from None  # fmt: skip


def _is_number(one: Any) -> bool:
    try:
        return one is None or math.isfinite(float(one))
    except (TypeError, ValueError):
        return False


def _listed(column: Any, name: str, first: int) -> Points:
    values = _plain(column)
    found = np.full((len(values), 3), np.nan)
    for i, one in enumerate(values):
        if one is None or one != one or one == "":
            continue
        parts = _parts(one)
        if parts is None:
            raise BadRequest(f"{name} {one!r:.100} of row {first + i}", "a position is three numbers, x first",
                             "as a list, as text like [1 2 3], or as columns that end in _x, _y, _z")  # fmt: skip
        found[i] = parts
    return found


def _parts(one: Any) -> list[float] | None:
    if isinstance(one, str):
        # Whatever stands between the numbers is brackets and commas, or the word of well-known text.
        rest = re.sub(r"[\[\](),;\s]", "", _NUMBER.sub("", one)).upper()
        return _three(map(float, _NUMBER.findall(one))) if rest in ("", "POINTZ") else None
    if isinstance(one, Mapping):
        return _three(one.get(axis) for axis in "xyz")
    return _three(one) if isinstance(one, Sequence) and not isinstance(one, bytes) else None


def _three(values: Iterable[Any]) -> list[float] | None:
    found = list(values)
    good = len(found) == 3 and all(isinstance(v, int | float) and np.isfinite(v) for v in found)
    return found if good else None


def _plain(column: Any) -> list[Any]:
    if hasattr(column, "to_pylist"):
        found: list[Any] = column.to_pylist()
        return found
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _others(column: Any) -> Any:
    """Return values as keys hold them: lists as JSON, times as text, the t and f of databases as bools."""
    values = _plain(column)
    sorts = {type(one) for one in values} - {type(None)}
    if sorts == {str} and {one.lower() for one in values if one is not None} <= set(_TRUTH):
        return [None if one is None else _TRUTH[one.lower()] for one in values]
    if sorts <= {str, int, float, bool}:
        return values
    return [one if isinstance(one, str | int | float | bool) or one is None else _said(one) for one in values]


def _said(one: Any) -> str:
    return str(one.isoformat()) if hasattr(one, "isoformat") else json.dumps(one, default=str)
