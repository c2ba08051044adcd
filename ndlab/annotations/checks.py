"""Checks of values: each takes what a person writes and returns the one form in which it is kept, or refuses it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ndlab.annotations.ids import as_id, as_ids
from ndlab.annotations.words import Flow, code
from ndlab.errors import BadRequest
from ndlab.geometry import NmBox

__all__ = ["CHECKS", "clean_text", "keys", "moment"]

Value = str | int | float | bool


def clean_text(value: Any, what: str, words: Any = None) -> str:
    """Return text that every database takes: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise BadRequest(f"{what} {value!r}"[:200], "it is text")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise BadRequest(f"{what} {value!r}"[:200], "it holds half of a surrogate pair, which no file can keep")
    if "\0" in value:
        raise BadRequest(f"{what} {value!r}"[:200], "text holds no NUL")
    return value


def _number(value: Any, what: str, words: Any = None) -> float:
    if type(value) is not float:
        try:
            if isinstance(value, str | bytes | bool):
                raise TypeError
            value = float(value)
        except (TypeError, ValueError, OverflowError):
            raise BadRequest(f"{what} {value!r}"[:200], "it is a number") from None
    if not math.isfinite(value):
        raise BadRequest(f"{what} {value!r}", "it is a finite number", "leave it out where it is not known")
    return float(value)


def _fraction(value: Any, what: str, words: Any = None) -> float:
    found = _number(value, what)
    if not 0.0 <= found <= 1.0:
        raise BadRequest(f"{what} {value!r}", "it lies between 0 and 1")
    return found


def _length(value: Any, what: str, words: Any = None) -> float:
    found = _number(value, what)
    if found < 0:
        raise BadRequest(f"{what} {value!r}", "it is a length in nm, 0 or more")
    return found


def _whole(value: Any, what: str, words: Any = None) -> int:
    try:
        if isinstance(value, str | bytes | bool) or int(value) != value or not 0 <= value < 1 << 31:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(f"{what} {value!r}"[:200], "it is a whole number from 0 to 2**31 - 1") from None
    return int(value)


def _point(value: Any, what: str, words: Any = None) -> tuple[float, float, float] | None:
    if value is None:
        return None
    try:
        z, y, x = value
    except (TypeError, ValueError):
        raise BadRequest(f"{what} {value!r}"[:200], "it is three numbers (z, y, x) [nm], or None") from None
    return _number(z, what), _number(y, what), _number(x, what)


def _box(value: Any, what: str, words: Any = None) -> NmBox | None:
    if value is None:
        return None
    if not isinstance(value, NmBox):
        raise BadRequest(f"{what} {value!r}"[:200], "it is a box in nm, or None",
                         "pass ndlab.Box.nm((z0, y0, x0), (z1, y1, x1)), or ann.space.nm(box) for voxels")  # fmt: skip
    return value if value.level is None else NmBox(value.start, value.stop)


def _ids(value: Any, what: str, words: Any = None) -> tuple[int, ...]:
    return tuple(as_ids(value, what)) if value != () else ()


def _flows(value: Any, what: str, words: Any = None) -> tuple[tuple[int, Flow], ...]:
    found = []
    for pair in value if isinstance(value, Iterable) else (value,):
        try:
            target, flow = pair
        except (TypeError, ValueError):
            raise BadRequest(
                f"{what} {pair!r}"[:200], "it is pairs of id and flow, e.g. [(7, 'pre'), (9, 'post')]"
            ) from None
        found.append((as_id(target, what), Flow(code(flow, Flow))))
    return tuple(found)


def moment(value: Any, what: str = "time", words: Any = None) -> datetime | None:
    """Return a time in UTC; a time without zone is refused."""
    if value is None or (type(value) is datetime and value.tzinfo is UTC):
        return value
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise BadRequest(f"{what} {value!r}"[:200], "it is a datetime with a time zone, or None",
                         "pass datetime(2026, 1, 31, tzinfo=UTC)")  # fmt: skip
    try:
        return value.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        raise BadRequest(f"{what} {value!r}", "it leaves the years 1 to 9999") from None


def keys(value: Any, what: str = "keys", words: Any = None) -> dict[str, Value]:
    """Return free key-values as a plain dict: names of text, values text, bool, whole or finite number."""
    if not value and isinstance(value, Mapping):
        return {}
    if not isinstance(value, Mapping):
        raise BadRequest(f"{what} {value!r}"[:200], "key-values are a mapping of names to values")
    return {_name(name, what): _value(one, f"{what}[{name!r}]") for name, one in value.items()}


def _name(name: Any, what: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise BadRequest(f"{what} has the name {name!r}"[:200], "a key is text of 1 to 200 letters")
    return clean_text(name, what)


def _value(value: Any, what: str) -> Value:
    if not isinstance(value, str | bool | int | float) and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, str):
        return clean_text(value, what)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Larger ones would be lost in JSON that others read, and in every column of numbers.
        if -(1 << 63) <= value < 1 << 64:
            return int(value)
        raise BadRequest(f"{what} {value!r}"[:200], "a whole number has 64 bits", "keep it as text")
    if isinstance(value, float):
        return _number(float(value), what)
    raise BadRequest(f"{what} {value!r}"[:200], "a value is text, a number or a bool", "keep more as JSON text")


CHECKS: dict[str, Callable[[Any, str, Any], Any]] = {
    "id": lambda value, what, words: as_id(value, what, none=True),
    "code": lambda value, what, words: code(value, words),
    "fraction": _fraction,
    "number": _number,
    "length": _length,
    "whole": _whole,
    "text": clean_text,
    "time": moment,
    "point": _point,
    "box": _box,
    "ids": _ids,
    "flows": _flows,
    "keys": keys,
}
