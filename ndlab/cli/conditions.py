"""Conditions on annotations as they stand on the command line, in the words of `Query.where`.

``confidence__gt=0.9`` compares a field, whose sort says how its value is read. Of a free key the value says it itself:
``5`` and ``2.5`` are numbers, ``true`` and ``false`` are bools, everything else is text, ``'"5"'`` too.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest

if TYPE_CHECKING:
    from ndlab.annotations import Annotations, Query

__all__ = ["chosen", "moment", "where"]

_NUMBERS = ("number", "fraction", "length", "whole")
# Farther than any brain reaches, but half of it and its double are still numbers that a database compares.
_FAR = 1e15


def chosen(ann: Annotations, conditions: list[str], box: str | None, nm: str | None, level: int, by: str) -> Query:
    """Return the query that conditions and a box in voxels or in nm describe."""
    query = where(ann, conditions)
    if nm is not None:
        query = query.within(_nm_box(nm), by)
    if box is not None:
        query = query.within(_voxels(ann, box, level), by)
    return query


def where(ann: Annotations, conditions: list[str]) -> Query:
    """Read conditions, all of which hold; ``key:name=value`` asks a free key whose name is that of a field.

    Examples
    --------
    >>> from ndlab.annotations import Annotations, Synapse
    >>> ann = Annotations.temporary()
    >>> _ = ann.add([Synapse(confidence=c, keys={"tracer": "AB"}) for c in (0.2, 0.95)])
    >>> where(ann, ["kind=synapse", "confidence__gt=0.9", "tracer=AB"]).ids().tolist()
    [2]
    """
    query = ann.where()
    kind, others = _kind(conditions)
    if kind is not None:
        query = query.where(kind=kind)
    for text in others:
        name, mark, value = text.partition("=")
        if not mark or not name or name == "key:":
            raise BadRequest(f"the condition {text!r}", "it is name=value or name__operator=value",
                             "type e.g. kind=synapse confidence__gt=0.9; options stand before or behind")  # fmt: skip
        if name.startswith("key:"):
            key = name.removeprefix("key:")
            query = query.where(keys={key: _value(key, value, None, text)})
        else:
            query = query.where(**{name: _value(name, value, kind, text)})
    return query


def _kind(conditions: list[str]) -> tuple[str | None, list[str]]:
    """Take the kind, which says what the other names mean."""
    kinds = [text.partition("=")[2] for text in conditions if text.startswith("kind=")]
    if len(kinds) > 1:
        raise BadRequest(f"{' '.join('kind=' + one for one in kinds)}", "no object is of two kinds",
                         f"type kind__in={','.join(kinds)} for either")  # fmt: skip
    return (kinds[0] if kinds else None), [text for text in conditions if not text.startswith("kind=")]


def _value(name: str, text: str, kind: str | None, said: str) -> Any:
    from ndlab.annotations.kinds import kind_of
    from ndlab.annotations.predicates import OPERATORS, field_of

    front, _, operator = name.rpartition("__")
    known = bool(front) and operator in OPERATORS
    what = field_of(front if known else name, None if kind is None else kind_of(kind).kind)
    sort = "key" if what is None else what.sort
    if known and operator == "isnull":
        if text.lower() not in ("true", "false"):
            raise BadRequest(f"the condition {said!r}", "it is true or false", f"type {name}=true")
        return text.lower() == "true"
    if known and operator == "in":
        return [_one(sort, part, said) for part in text.split(",")]
    return _one(sort, text, said)


def _one(sort: str, text: str, said: str) -> Any:
    """Read one value of a sort of field."""
    try:
        if sort == "key":
            return _key(text)
        if sort in _NUMBERS:
            return int(text) if text.lstrip("+-").isdecimal() else float(text)
        if sort in ("id", "ids"):
            return int(text)
        if sort == "flows":
            one, mark, flow = text.partition(":")
            return (int(one), flow) if mark else int(one)
        if sort == "time":
            return moment(text, said)
        if sort == "point":
            z, y, x = (float(part) for part in text.split(","))
            return z, y, x
    except ValueError as error:
        if isinstance(error, BadRequest):
            raise
        example = {"point": "three numbers z,y,x [nm]", "flows": "an id, or id:flow as in 7:pre"}
        what = example.get(sort, "a whole number" if sort in ("id", "ids") else "a number")
        raise BadRequest(f"the condition {said!r}", f"its value is {what}") from None
    return text


def _key(text: str) -> Any:
    if text in ("true", "false") or text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        found = float(text)
    except ValueError:
        return text
    return found if found - found == 0 else text  # "nan" and "inf" are words


def moment(text: str, said: str) -> datetime:
    """Read a time in the words of ISO 8601; without a zone it is UTC.

    Examples
    --------
    >>> moment("2026-01-31", "time").isoformat()
    '2026-01-31T00:00:00+00:00'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{said!r}", "a time is written 2026-01-31 or 2026-01-31T14:30:00+01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _nm_box(text: str) -> Any:
    from ndlab.cli import words
    from ndlab.geometry import Box

    spans = words.positions(text)
    if not all(isinstance(one, slice) for one in spans):
        raise BadRequest(f"--nm {text}", "a box of objects has three ranges start:stop in nm, (z, y, x)",
                         "type e.g. --nm 0:4000,:,1000:3000")  # fmt: skip
    sides = [(one.start, one.stop) for one in spans if isinstance(one, slice)]
    low = [-_FAR if start is None else start for start, _ in sides]
    return Box.nm(low, [_FAR if stop is None else stop for _, stop in sides])


def _voxels(ann: Annotations, text: str, level: int) -> Any:
    """Read a box of voxels of a level as one in nm, whose sides left out reach as far as anything."""
    from ndlab.cli import words
    from ndlab.geometry import Box, NmBox

    spans = words.ranges(text)
    inside = Box([a or 0 for a, _ in spans], [(a or 0) if b is None else b for a, b in spans], level)
    found = ann.space.nm(inside)
    low = [-_FAR if a is None else v for (a, _), v in zip(spans, found.start, strict=True)]
    high = [_FAR if b is None else v for (_, b), v in zip(spans, found.stop, strict=True)]
    return NmBox(low, high)
