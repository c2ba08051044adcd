"""What a query asks of an object, as SQL: fields, free keys, lists and boxes."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
)

from ndlab.annotations import checks
from ndlab.annotations.ids import as_id, signed
from ndlab.annotations.kinds import KINDS, Holds, holds, kind_of
from ndlab.annotations.reading import held
from ndlab.annotations.rows import WIDE, micros, pair
from ndlab.annotations.schema import LISTS, links, pairs
from ndlab.annotations.words import Flow, code
from ndlab.errors import BadRequest
from ndlab.geometry import NmBox

__all__ = ["OPERATORS", "Term", "among", "condition", "field_of", "order_by", "term", "within"]

OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "startswith", "isnull")
_PLAIN = {name: Holds("number") for name in ("z", "y", "x", "z0", "y0", "x0", "z1", "y1", "x1")}
_ORDERED = {"lt", "le", "gt", "ge"}
_TEXT = {"contains", "startswith"}
# Where three numbers stand, and how a sort of field is compared.
_ALLOWED = {
    "id": {"eq", "ne", "in"} | _ORDERED,
    "code": {"eq", "ne", "in"} | _ORDERED,
    "whole": {"eq", "ne", "in"} | _ORDERED,
    "number": {"eq", "ne", "in", "isnull"} | _ORDERED,
    "fraction": {"eq", "ne", "in"} | _ORDERED,
    "length": {"eq", "ne", "in"} | _ORDERED,
    "text": {"eq", "ne", "in"} | _ORDERED | _TEXT,
    "time": {"eq", "ne"} | _ORDERED,
    "point": {"eq", "isnull"},
    "box": {"isnull"},
    "ids": {"eq", "contains", "in"},
    "flows": {"eq", "contains", "in"},
    "kind": {"eq", "ne", "in"},
    "key": set(OPERATORS),
}


class Term(NamedTuple):
    """One condition: field or free key, operator, value in its one form."""

    name: str
    sort: str
    operator: str
    value: Any


@cache
def _all_fields() -> dict[str, Holds]:
    found: dict[str, Holds] = {"kind": Holds("kind"), **_PLAIN}
    for kind in KINDS:
        for name, what in holds(kind).items():
            found.setdefault(name, what)
    del found["keys"]
    return found


@cache
def field_of(name: str, kind: str | None = None) -> Holds | None:
    """Tell what the field of a name holds, None where no object (of that kind) has such a field."""
    found = _all_fields().get(name)
    if kind is None or found is None or name == "kind" or name in _PLAIN:
        return found
    return found if name in holds(kind) else None


def term(name: str, value: Any, kind: str | None = None, key: bool = False) -> Term:
    """Read one condition, ``name`` or ``name__operator``.

    Examples
    --------
    >>> term("confidence__gt", 0.9)
    Term(name='confidence', sort='fraction', operator='gt', value=0.9)
    >>> term("tracer", "AB")
    Term(name='tracer', sort='key', operator='eq', value='AB')
    """
    name, operator = _split(name)
    what = None if key else field_of(name, kind)
    if what is None and not key and kind is not None and name in KINDS[kind].derived:
        raise BadRequest(f"where({name}=...) of {kind} objects", f"{name} is computed from other objects",
                         "ask for those: where(kind=..., ...) by the field that names this one")  # fmt: skip
    sort = "key" if what is None else what.sort
    if operator not in _ALLOWED[sort]:
        raise BadRequest(f"{name}__{operator}", f"{name} takes {', '.join(sorted(_ALLOWED[sort]))}", "")
    if operator == "isnull":
        return Term(name, sort, operator, bool(value))
    if operator == "in":
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise BadRequest(f"{name}__in={value!r}"[:200], "it takes a list of values")
        return Term(name, sort, operator, tuple(_value(name, what, one) for one in value))
    return Term(name, sort, operator, _value(name, what, value))


def _split(name: str) -> tuple[str, str]:
    front, mark, operator = name.rpartition("__")
    if not mark or not front:
        return name, "eq"
    if operator not in OPERATORS:
        near = difflib.get_close_matches(operator, OPERATORS, 1)
        raise BadRequest(f"{name}: no operator {operator!r}", f"there are {', '.join(OPERATORS)}",
                         f"did you mean {front}__{near[0]}?" if near else "")  # fmt: skip
    return front, operator


def _value(name: str, what: Holds | None, value: Any) -> Any:
    if what is None:
        return checks.keys({"value": value}, name)["value"]
    if what.sort == "kind":
        return kind_of(value).code
    if what.sort == "id":
        return as_id(value, name, none=True)
    if what.sort in ("ids", "flows"):
        return as_id(value, name) if not isinstance(value, tuple) else (as_id(value[0], name), code(value[1], Flow))
    if what.sort == "time":
        found = checks.moment(value, name)
        if not isinstance(found, datetime):
            raise BadRequest(f"{name}={value!r}", "it is a datetime with a time zone")
        return micros(found)
    if what.sort in ("fraction", "length"):  # bounds of a search may lie outside
        return checks.CHECKS["number"](value, name, None)
    if what.sort == "whole" and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return checks.CHECKS[what.sort](value, name, what.words)


_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "in": lambda a, b: a.in_(list(b)) if b else false(),
    # LIKE minds case on one database and not on the other; these do on both.
    "contains": lambda a, b: func.replace(a, b, "") != a if b else a.is_not(None),
    "startswith": lambda a, b: func.substr(a, 1, len(b)) == b,
    "isnull": lambda a, b: a.is_(None) if b else a.is_not(None),
}


def condition(one: Term, table: FromClause, at: int | None) -> ColumnElement[bool]:
    """Write a condition on the rows of `table`, in the state after transaction `at`."""
    if one.sort == "key":
        return _key(one, table, at)
    if one.sort in ("ids", "flows"):
        return _listed(one, table, at)
    if one.sort == "point":
        return _point(one, table)
    if one.sort == "id":
        return _id(table.c[one.name], one.operator, one.value)
    name = {"box": "z0"}.get(one.sort, one.name)
    return _COMPARE[one.operator](table.c[name], one.value)


def _id(column: Any, operator: str, value: Any) -> ColumnElement[bool]:
    """Compare ids without sign, stored with one: the negative ones are the largest."""
    if operator == "in":
        return _COMPARE["in"](column, [signed(v) for v in value])
    stored = signed(value)
    compare = _COMPARE[operator](column, stored)
    if operator in ("gt", "ge"):
        return or_(compare, column < 0) if stored >= 0 else and_(compare, column < 0)
    if operator in ("lt", "le"):
        return and_(compare, column >= 0) if stored >= 0 else or_(compare, column >= 0)
    return compare


def _point(one: Term, table: FromClause) -> ColumnElement[bool]:
    kinds = [kind.code for kind in KINDS.values() if kind.point() == one.name]
    here = table.c.kind.in_(kinds)
    if one.operator == "isnull":
        return and_(here, _COMPARE["isnull"](table.c.z, one.value))
    z, y, x = one.value if one.value is not None else (None, None, None)
    return and_(here, table.c.z == z, table.c.y == y, table.c.x == x)


def _listed(one: Term, table: FromClause, at: int | None) -> ColumnElement[bool]:
    values = one.value if one.operator == "in" else (one.value,)
    targets = [v for v in values if not isinstance(v, tuple)]
    ways: list[ColumnElement[bool]] = [links.c.target.in_([signed(v) for v in targets])] if targets else []
    ways += [
        and_(links.c.target == signed(v[0]), links.c.flow == int(v[1])) for v in values if isinstance(v, tuple)
    ]  # fmt: skip
    if not ways:
        return false()
    return table.c.id.in_(select(links.c.id).where(or_(*ways), links.c.role == LISTS[one.name], held(links, at)))


def _key(one: Term, table: FromClause, at: int | None) -> ColumnElement[bool]:
    has = [pairs.c.key == one.name, held(pairs, at)]
    if one.operator == "isnull":
        found = table.c.id.in_(select(pairs.c.id).where(*has))
        return ~found if one.value else found
    return table.c.id.in_(select(pairs.c.id).where(*has, _key_value(one.operator, one.value)))


def _key_value(operator: str, value: Any) -> ColumnElement[bool]:
    if operator == "in":
        return or_(*(_equal(v) for v in value)) if value else false()
    if operator == "eq":
        return _equal(value)
    if operator == "ne":
        return ~_equal(value)
    found = pair(value)
    if found.sort == 0:
        whole = func.coalesce(pairs.c.long, pairs.c.text)
        return and_(pairs.c.sort == 0, _COMPARE[operator](whole, value))
    if operator in _TEXT:
        raise BadRequest(f"__{operator}={value!r}", "it takes text")
    return and_(pairs.c.sort == found.sort, _COMPARE[operator](pairs.c.number, found.number))


def _equal(value: Any) -> ColumnElement[bool]:
    """Say that a key has this value; 5 and 5.0 are one, 5 and "5" are two."""
    found = pair(value)
    forms = {found.text}
    if found.sort == 1:
        forms.add(json.dumps(float(value)))
        if float(value).is_integer() and int(value) == value:
            forms.add(json.dumps(int(value)))
        if float(value) != value:  # a whole number that a float would round
            forms = {found.text}
    return and_(pairs.c.sort == found.sort, pairs.c.text.in_(sorted(forms)))


def within(box: NmBox, by: str, table: FromClause) -> ColumnElement[bool]:
    """Say that an object's position lies in the box, or its bounds meet it, or either."""
    if by not in ("position", "bounds", "any"):
        raise BadRequest(f"within(by={by!r})", "it is 'position', 'bounds', 'any' or 'paint'")
    if any(a == b for a, b in zip(box.start, box.stop, strict=True)):
        return false()
    ways = []
    if by in ("position", "any"):
        ways += [and_(*(_inside(table.c[n], a, b) for n, a, b in zip("zyx", box.start, box.stop, strict=True)))]
    if by in ("bounds", "any"):
        ways += [_meets(box, table)]
    return or_(*ways)


def among(ids: Sequence[int], table: FromClause, server: bool) -> ColumnElement[bool]:
    """Say that an object is one of many ids, as stored; as one value, however many there are."""
    if server:
        return table.c.id == any_(cast(literal(list(ids), ARRAY(BigInteger)), ARRAY(BigInteger)))
    listed = func.json_each(json.dumps(list(ids))).table_valued("value")
    return table.c.id.in_(select(listed.c.value))


def _inside(column: Any, start: float, stop: float) -> ColumnElement[bool]:
    return and_(column >= start, column < stop)


def _meets(box: NmBox, table: FromClause) -> ColumnElement[bool]:
    """Say that bounds share a point with the box; bounds without thickness count as a plane or a point.

    No index of one column finds intervals that meet another. But bounds whose z side is at most 2**e start within
    2**e before the box: for each e that is a short range of the index over (extent, z0).
    """
    z, stop = box.start[0], box.stop[0]
    starts = [
        and_(table.c.extent == e, table.c.z0 < stop, *([] if e == WIDE else [table.c.z0 >= z - 2.0**e * (1 + 2**-40)]))
        for e in range(WIDE + 1)
    ]
    sides = [
        and_(low < b, or_(high > a, and_(high == low, low >= a)))
        for low, high, a, b in (
            (table.c[f"{n}0"], table.c[f"{n}1"], a, b) for n, a, b in zip("zyx", box.start, box.stop, strict=True)
        )
    ]
    return and_(or_(*starts), *sides)


def order_by(name: str, table: FromClause, at: int | None) -> list[ColumnElement[Any]]:
    """Return what sorts by a field or a free key, ascending or with a leading minus descending; nothing is last."""
    down, bare = name.startswith("-"), name.removeprefix("-")
    what = field_of(bare)
    if what is None:
        columns = _key_order(bare, table, at)
    elif what.sort == "id":
        columns = [case((table.c[bare] < 0, 1), else_=0), table.c[bare]]
    elif what.sort == "point":
        columns = [table.c[n] for n in "zyx"]
    elif what.sort in ("ids", "flows", "box"):
        raise BadRequest(f"sort by {bare}", "it is not one value", "sort by a field that is")
    else:
        columns = [table.c[bare]]
    nothing = case((columns[-1].is_(None), 1), else_=0)
    return [nothing, *(c.desc() if down else c.asc() for c in columns)]


def _key_order(key: str, table: FromClause, at: int | None) -> list[ColumnElement[Any]]:
    """Numbers first by value, then text."""

    def one(column: Any) -> ColumnElement[Any]:
        return select(column).where(pairs.c.id == table.c.id, pairs.c.key == key, held(pairs, at)).scalar_subquery()

    return [one(pairs.c.sort), one(pairs.c.number), one(func.coalesce(pairs.c.long, pairs.c.text))]
