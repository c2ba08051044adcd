"""Objects as rows of the table, and rows as objects; links and pairs of a row."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from ndlab.annotations.ids import signed, unsigned
from ndlab.annotations.kinds import Annotation, holds, kind_of
from ndlab.annotations.schema import COLUMNS, LISTS
from ndlab.annotations.words import Flow
from ndlab.geometry import NmBox

__all__ = [
    "WIDE",
    "Pair",
    "columns_of",
    "extent",
    "from_micros",
    "from_row",
    "links_of",
    "micros",
    "pair",
    "pairs_of",
    "to_row",
]  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)
_AT = {name: i for i, name in enumerate(COLUMNS)}
_LONG = 200
# 2**32 nm are 4 m.
WIDE = 32

Row = Sequence[Any]


def micros(time: datetime) -> int:
    """Return whole microseconds since 1970."""
    return (time - _EPOCH) // _MICRO


def from_micros(number: int) -> datetime:
    """Return the time in UTC."""
    return _EPOCH + number * _MICRO


def extent(z0: float, z1: float) -> int:
    """Return a whole e from 0 to `WIDE` with z1 - z0 <= 2**e; `WIDE` also holds what is larger.

    Examples
    --------
    >>> extent(0, 0), extent(0, 40), extent(40, 104)
    (0, 6, 7)
    """
    # The difference may have been rounded down, but not past the next power of 2.
    return min(max(0, math.frexp(z1 - z0)[1]), WIDE)


def _ids_text(ids: Sequence[int]) -> str | None:
    return "[" + ",".join([str(signed(one)) for one in ids]) + "]" if ids else None


def _flows_text(pairs: Sequence[tuple[int, int]]) -> str | None:
    return "[" + ",".join([f"[{signed(one)},{flow:d}]" for one, flow in pairs]) + "]" if pairs else None


def _box_values(box: NmBox | None) -> tuple[Any, ...]:
    return (None,) * 7 if box is None else (extent(box.start[0], box.stop[0]), *box.start, *box.stop)


def keys_text(keys: Mapping[str, Any]) -> str | None:
    """Write key-values as JSON, NULL where there are none."""
    return json.dumps(keys, ensure_ascii=False, separators=(",", ":")) if keys else None


# For a sort of field that does not stand in the row as it is: its columns, and how it is written into them.
_BOX = ("extent", "z0", "y0", "x0", "z1", "y1", "x1")
_WRITE: dict[str, Callable[[Any], Any]] = {
    "id": signed,
    "code": int,
    "ids": _ids_text,
    "flows": _flows_text,
    "keys": keys_text,
    "time": micros,
}


@cache
def columns_of(kind: str) -> tuple[str, ...]:
    """Name the columns that rows of a kind fill, in the order of `to_row`."""
    names = ["since", "kind"]
    for name, what in holds(kind).items():
        names += {"point": ("z", "y", "x"), "box": _BOX}.get(what.sort, (name,))
    return tuple(names)


@cache
def _plan(kind: str) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    return [(name, what.sort, _WRITE.get(what.sort)) for name, what in holds(kind).items()]


_NO_POINT, _NO_BOX = (None,) * 3, (None,) * 7


def to_row(one: Annotation, since: int, author: str, time: int) -> tuple[Any, ...]:
    """Write an object as a row of `columns_of` its kind; author and time [µs] stand in where it has none."""
    values = one.__dict__
    row: list[Any] = [since, one.code]
    for name, sort, write in _plan(one.kind):
        value = values[name]
        if sort == "point":
            row += value or _NO_POINT
        elif sort == "box":
            row += _box_values(value) if value is not None else _NO_BOX
        elif name == "author":
            row.append(value or author)
        elif name == "time":
            row.append(time if value is None else micros(value))
        else:
            row.append(value if write is None else write(value))
    return tuple(row)


def _read_ids(text: str | None) -> tuple[int, ...]:
    return tuple(unsigned(one) for one in json.loads(text)) if text else ()


def _read_flows(text: str | None) -> tuple[tuple[int, Flow], ...]:
    return tuple((unsigned(one), Flow(flow)) for one, flow in json.loads(text)) if text else ()


_READ: dict[str, Callable[[Any], Any]] = {
    "id": unsigned,
    "ids": _read_ids,
    "flows": _read_flows,
    "keys": lambda text: json.loads(text) if text else {},
    "time": from_micros,
}
_CODE = [kind_of(code) if code else Annotation for code in range(10)]
_KIND_AT = _AT["kind"]


def _reader(words: Any) -> Callable[[Any], Any]:
    known = words._value2member_map_
    return lambda number: known.get(number, number)


@cache
def _reading(kind: str) -> list[tuple[str, str, int, Callable[[Any], Any] | None]]:
    found = []
    for name, what in holds(kind).items():
        at = _AT[{"point": "z", "box": "z0"}.get(what.sort, name)]
        found.append((name, what.sort, at, _reader(what.words) if what.sort == "code" else _READ.get(what.sort)))
    return found


def from_row(row: Row, home: Any = None) -> Annotation:
    """Make the object of a whole row of `objects`; derived fields are asked of `home`."""
    kind = _CODE[row[_KIND_AT]]
    one = kind.__new__(kind)
    values = one.__dict__
    for name, sort, at, read in _reading(kind.kind):
        value = row[at]
        if sort == "point":
            values[name] = None if value is None else (value, row[at + 1], row[at + 2])
        elif sort == "box":
            values[name] = None if value is None else NmBox(row[at : at + 3], row[at + 3 : at + 6])
        else:
            values[name] = value if read is None else read(value)
    if home is not None:
        values["_home"] = home
    return one


def links_of(name: str, text: str) -> set[tuple[int, int, int]]:
    """List what a list in a row names, once each: target (stored form), role, flow (0 where the list has none)."""
    role = LISTS[name]
    if text[1] != "[":  # plain ids: several times faster than reading JSON
        return {(int(one), role, 0) for one in text[1:-1].split(",")}
    return {(target, role, flow) for target, flow in json.loads(text)}


class Pair(NamedTuple):
    """A key's value as the index holds it; `sort` is 0 for text, 1 for numbers, 2 for bools."""

    text: str
    sort: int
    number: float | None = None
    long: str | None = None


def pair(value: Any) -> Pair:
    """Write a key's value for the index: of long text its beginning and a digest, the whole beside it.

    Examples
    --------
    >>> pair("axon")[:3], pair(5)[:3], pair(True)[:3]
    (('axon', 0, None), ('5', 1, 5.0), ('true', 2, 1.0))
    """
    if isinstance(value, bool):
        return Pair("true" if value else "false", 2, float(value))
    if isinstance(value, int | float):
        return Pair(json.dumps(value), 1, float(value))
    if len(value) > _LONG:
        return Pair(value[: _LONG - 40] + hashlib.sha256(value.encode()).hexdigest()[:40], 0, None, value)
    return Pair(value, 0)


def pairs_of(text: str | None) -> Iterator[tuple[str, Pair]]:
    """List the key-values of a row."""
    if text:
        for key, value in json.loads(text).items():
            yield key, pair(value)
