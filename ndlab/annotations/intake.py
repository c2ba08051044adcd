"""Tables as new objects: columns are checked as columns, so that a million rows take seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.annotations import checks
from ndlab.annotations.changes import with_ids
from ndlab.annotations.ids import as_ids, signed, signed_array
from ndlab.annotations.kinds import Annotation, Holds, holds, kind_of
from ndlab.annotations.predicates import field_of
from ndlab.annotations.rows import WIDE, columns_of, keys_text, micros
from ndlab.annotations.words import Flow, code
from ndlab.annotations.writing import Write
from ndlab.errors import BadRequest, Problems

__all__ = ["create_table", "frames"]

_PIECE = 20_000
_POINT = ("z", "y", "x")
_BOUNDS = ("z0", "y0", "x0", "z1", "y1", "x1")

Columns = Mapping[str, Any]


def create_table(write: Write, kind: Any, table: Any) -> np.ndarray[Any, Any]:
    """Store the rows of a table as new objects, all or none, and return their ids in the order given."""
    found: list[np.ndarray[Any, Any]] = []
    seen = _Seen()
    for frame in frames(table):
        count = len(next(iter(frame.values()), ()))
        ids = np.zeros(count, np.uint64)
        for chosen, which, columns in _of_kinds(frame, kind):
            ids[which] = _create(write, chosen, columns, seen)
        found.append(ids)
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


class _Seen:
    """Ids given so far, so that none is given twice within one call."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, np.uint64)

    def add(self, ids: np.ndarray[Any, Any]) -> None:
        merged = np.sort(np.concatenate([self._sorted, ids]))
        twice = np.unique(merged[1:][merged[1:] == merged[:-1]])
        if twice.size:
            raise Problems("each id is given once", [f"id {one} is given twice" for one in twice[:20]])
        self._sorted = merged


def frames(table: Any) -> Iterator[dict[str, Any]]:
    """Cut a DataFrame, Arrow table, iterable of batches or mapping of columns into pieces of columns."""
    if isinstance(table, Mapping):
        yield from _cut({str(name): _listed(column) for name, column in table.items()})
    elif hasattr(table, "to_batches"):
        for batch in table.to_batches(_PIECE):
            yield from frames(batch)
    elif hasattr(table, "schema") and hasattr(table, "num_rows"):
        columns = {name: _from_arrow(table.column(i)) for i, name in enumerate(table.schema.names)}
        yield from _cut(columns)
    elif hasattr(table, "columns") and hasattr(table, "iloc"):
        for start in range(0, len(table), _PIECE):
            piece = table.iloc[start : start + _PIECE]
            yield {str(name): _from_pandas(piece[name]) for name in piece.columns}
    elif isinstance(table, Iterable) and not isinstance(table, str | bytes):
        for one in table:
            yield from frames(one)
    else:
        raise BadRequest(f"a table was a {type(table).__name__}",
                         "it is a DataFrame, an Arrow table, an iterable of batches, or a dict of columns")  # fmt: skip


def _listed(column: Any) -> Any:
    if hasattr(column, "to_numpy") and hasattr(column, "iloc"):
        return _from_pandas(column)
    if hasattr(column, "to_pylist"):
        return _from_arrow(column)
    return column if isinstance(column, np.ndarray) and column.ndim == 1 else list(column)


def _cut(columns: dict[str, Any]) -> Iterator[dict[str, Any]]:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise BadRequest("columns of different lengths", str(lengths), "give each a value for every object")
    for start in range(0, next(iter(lengths.values()), 0), _PIECE):
        yield {name: column[start : start + _PIECE] for name, column in columns.items()}


def _from_arrow(column: Any) -> Any:
    plain = not column.null_count and str(column.type).startswith(("int", "uint", "float", "double"))
    return column.to_numpy(zero_copy_only=False) if plain else column.to_pylist()


def _from_pandas(column: Any) -> Any:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return column.to_numpy()
    missing = column.isna().to_numpy()
    return [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]


def _of_kinds(frame: dict[str, Any], kind: Any) -> Iterator[tuple[type[Annotation], Any, dict[str, Any]]]:
    """Part a piece by its column `kind`, where one kind is not given for all: kind, which rows, their columns."""
    columns = {name: column for name, column in frame.items() if name != "kind"}
    said = frame.get("kind")
    if kind is None and said is None:
        raise BadRequest("a table without kind", f"its columns are {list(frame)}"[:300],
                         "pass kind='synapse', or give a column kind")  # fmt: skip
    kinds = None if said is None else [kind_of(one) for one in said]
    if kind is not None:
        chosen = kind_of(kind)
        if kinds is not None and any(one is not chosen for one in kinds):
            raise BadRequest(f"a table of kind {chosen.kind}", f"its column kind says {sorted(set(said or ()))}"[:200],
                             "leave kind out, or the column")  # fmt: skip
        yield chosen, slice(None), columns
        return
    rows: dict[type[Annotation], list[int]] = {}
    for i, one in enumerate(kinds or ()):
        rows.setdefault(one, []).append(i)
    for chosen, which in rows.items():
        yield chosen, which, {name: _take(column, which) for name, column in columns.items()}


def _take(column: Any, which: list[int]) -> Any:
    return column[which] if isinstance(column, np.ndarray) else [column[i] for i in which]


def _create(write: Write, kind: type[Annotation], frame: dict[str, Any], seen: _Seen) -> np.ndarray[Any, Any]:
    count = len(next(iter(frame.values()), ()))
    checked = _Checked(kind, count)
    columns = checked.all(frame)
    given = columns["id"]
    ids = np.array(with_ids(write, given), np.uint64)
    seen.add(ids)
    columns["id"] = signed_array(ids).tolist()
    columns["author"] = [one or write.author for one in columns["author"]]
    columns["time"] = [write.time if one is None else one for one in columns["time"]]
    columns["since"], columns["kind"] = [write.number] * count, [kind.code] * count
    names = columns_of(kind.kind)
    write.create(names, list(zip(*(columns[name] for name in names), strict=True)))
    return ids


class _Checked:
    """The columns of one kind, each brought into the form in which rows hold it."""

    def __init__(self, kind: type[Annotation], count: int) -> None:
        self.kind, self.count = kind, count

    def all(self, frame: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Check every column, and report what is wrong with all of them at once."""
        left = dict(frame)
        columns: dict[str, list[Any]] = {}
        problems: list[str] = []
        for name, what in holds(self.kind.kind).items():
            try:
                columns.update(self._field(name, what, left))
            except BadRequest as error:
                problems.append(str(error))
        # A table of several kinds has columns of others, empty here.
        full = {name: column for name, column in left.items() if not self._empty(name, column)}
        problems += [f"{name} is computed from other objects" for name in self.kind.derived if name in full]
        extra = {name: column for name, column in full.items() if name not in self.kind.derived}
        try:
            columns["keys"] = self._keys(columns["keys"], extra) if "keys" in columns else []
        except BadRequest as error:
            problems.append(str(error))
        if problems:
            raise Problems(f"{self.count} rows of {self.kind.kind}", problems[:20])
        return columns

    def _empty(self, name: str, column: Any) -> bool:
        if field_of(name) is None:
            return False
        return all(one is None or one != one or (isinstance(one, list) and not one) for one in column)

    def _field(self, name: str, what: Holds, left: dict[str, Any]) -> dict[str, list[Any]]:
        if what.sort == "point":
            return self._point(name, left)
        if what.sort == "box":
            return self._bounds(left)
        default: Any = {"keys": {}, "text": "", "time": None, "ids": None, "flows": None}.get(what.sort, 0)
        column = left.pop(name, None)
        if column is None:
            return {name: [default] * self.count}
        return {name: _COLUMN[what.sort](column, f"{self.kind.kind} {name}", what)}

    def _point(self, name: str, left: dict[str, Any]) -> dict[str, list[Any]]:
        if name in left:
            points = [checks.CHECKS["point"](_none(p), f"{self.kind.kind} {name}", None) for p in left.pop(name)]
            return {axis: [p and p[i] for p in points] for i, axis in enumerate(_POINT)}
        return self._together(_POINT, left, "a position")

    def _bounds(self, left: dict[str, Any]) -> dict[str, list[Any]]:
        found = self._together(_BOUNDS, left, "bounds")
        for low, high in zip(_BOUNDS[:3], _BOUNDS[3:], strict=True):
            wrong = [i for i, (a, b) in enumerate(zip(found[low], found[high], strict=True)) if a is not None and b < a]
            if wrong:
                raise BadRequest(f"bounds {low} to {high} of row {wrong[0]} end before they start",
                                 f"{len(wrong)} rows do")  # fmt: skip
        if found["z0"] and found["z0"][0] is None and not any(v is not None for v in found["z0"]):
            return found | {"extent": [None] * self.count}
        size = np.array([0.0 if a is None else b - a for a, b in zip(found["z0"], found["z1"], strict=True)])
        powers = np.clip(np.frexp(size)[1], 0, WIDE).tolist()
        return found | {"extent": [None if a is None else e for a, e in zip(found["z0"], powers, strict=True)]}

    def _together(self, names: Sequence[str], left: dict[str, Any], what: str) -> dict[str, list[Any]]:
        given = [name for name in names if name in left]
        if not given:
            return {name: [None] * self.count for name in names}
        if len(given) < len(names):
            raise BadRequest(f"{what} has the columns {', '.join(given)}", f"it takes {', '.join(names)} [nm]")
        found = {name: _numbers(left.pop(name), name, gaps=True) for name in names}
        gaps = [[value is None for value in column] for column in found.values()]
        if any(one != gaps[0] for one in gaps):
            raise BadRequest(f"{what} has gaps in some of its columns only", "give all of its numbers, or none")
        return found

    def _keys(self, given: list[Any], extra: Mapping[str, Any]) -> list[Any]:
        what = f"{self.kind.kind} keys"
        if not extra:
            return [keys_text(one) for one in given]
        # Numbers of a column are checked as a column, and written as Python's.
        lists = {name: _plain(column) for name, column in extra.items()}
        names = list(lists)
        found = []
        for one, values in zip(given, zip(*lists.values(), strict=True), strict=True):
            new = {
                name: value for name, value in zip(names, values, strict=True) if value is not None and value == value
            }
            found.append(keys_text(one | checks.keys(new, what)))
        return found


def _plain(column: Any) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _none(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def _numbers(column: Any, what: str, low: float = -np.inf, high: float = np.inf, gaps: bool = False) -> list[Any]:
    if not isinstance(column, np.ndarray):
        if any(isinstance(one, str | bool) for one in column):
            raise BadRequest(f"{what} holds text or bools", "it is numbers")
        missing = [one is None for one in column]
        if any(missing) and not gaps:
            raise BadRequest(f"{what} has {sum(missing)} gaps", "every row needs a number", "leave the column out")
        try:
            column = np.array([np.nan if one is None else one for one in column], np.float64)
        except (TypeError, ValueError):
            raise BadRequest(f"{what} holds what is no number") from None
    values = column.astype(np.float64, copy=False)
    bad = np.isinf(values) | (np.isnan(values) & (not gaps))
    with np.errstate(invalid="ignore"):
        bad |= (values < low) | (values > high)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise BadRequest(
            f"{what} of row {first} is {values[first]}",
            f"it lies from {low:g} to {high:g}; {int(bad.sum())} rows do not",
        )
    found: list[Any] = values.tolist()
    if gaps and np.isnan(values).any():
        found = [None if value != value else value for value in found]
    return found


def _whole_column(column: Any, what: str, _: Holds) -> list[int]:
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        if column.size and (int(column.min()) < 0 or int(column.max()) >= 1 << 31):
            raise BadRequest(f"{what} holds {int(column.min())} to {int(column.max())}", "it is 0 to 2**31 - 1")
        found: list[int] = column.tolist()
        return found
    return [checks.CHECKS["whole"](0 if _none(one) is None else one, what, None) for one in _plain(column)]


def _id_column(column: Any, what: str, _: Holds) -> list[int]:
    found = as_ids(column if isinstance(column, np.ndarray) else [_none(one) or 0 for one in column], what, none=True)
    return found if what.endswith(" id") else [signed(one) for one in found]


def _code_column(column: Any, what: str, holds_: Holds) -> list[int]:
    values = _plain(column)
    said = {one: 0 if _none(one) is None else int(code(one, holds_.words)) for one in set(values)}
    return [said[one] for one in values]


def _text_column(column: Any, what: str, _: Holds) -> list[str]:
    return [checks.clean_text("" if one is None else one, what) for one in _plain(column)]


def _time_column(column: Any, what: str, _: Holds) -> list[int | None]:
    times = (checks.moment(one.to_pydatetime() if hasattr(one, "to_pydatetime") else one, what) for one in column)
    return [None if one is None else micros(one) for one in times]


def _ids_column(column: Any, what: str, _: Holds) -> list[str | None]:
    """Write lists of ids as JSON; a single id is a list of one, 0 and a gap are empty ones."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        return [f"[{signed(one)}]" if one else None for one in as_ids(column, what, none=True)]
    lists = [_listed_ids(one) for one in column]
    return [f"[{','.join(str(signed(i)) for i in as_ids(one, what))}]" if one else None for one in lists]


def _listed_ids(one: Any) -> list[Any]:
    if one is None or (isinstance(one, float) and one != one):
        return []
    if isinstance(one, str):  # as CSV holds it
        return [int(part) for part in one.replace(";", " ").replace(",", " ").strip("[]() ").split()]
    if isinstance(one, int | float | np.number):
        return [int(one)] if one else []
    return list(one)


def _flows_column(column: Any, what: str, _: Holds) -> list[str | None]:
    found = []
    for one in column:
        pairs = [(p["id"], p["flow"]) if isinstance(p, Mapping) else tuple(p) for p in (one if one is not None else ())]
        checked = checks.CHECKS["flows"](pairs, what, None)
        found.append("[" + ",".join(f"[{signed(i)},{Flow(f):d}]" for i, f in checked) + "]" if checked else None)
    return found


def _keys_column(column: Any, what: str, _: Holds) -> list[dict[str, Any]]:
    return [checks.keys(json.loads(one) if isinstance(one, str) else (one or {}), what) for one in column]


_COLUMN: dict[str, Callable[[Any, str, Holds], list[Any]]] = {
    "id": _id_column,
    "code": _code_column,
    "whole": _whole_column,
    "fraction": lambda column, what, _: _numbers(column, what, 0.0, 1.0),
    "length": lambda column, what, _: _numbers(column, what, 0.0),
    "number": lambda column, what, _: _numbers(column, what),
    "text": _text_column,
    "time": _time_column,
    "ids": _ids_column,
    "flows": _flows_column,
    "keys": _keys_column,
}
