"""One field of one object, by the names that paths have for it."""

from __future__ import annotations

from typing import Any

from ndlab.errors import BadRequest, NotFound, ReadOnly
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.fields import derived_of, field_called, from_wire, names_of, text_of, to_wire
from ndlab.serve.ramon.related import related

__all__ = ["get_field", "set_field"]

_ID = ("annid", "id")


def get_field(behind: Behind, one: int, field: str) -> str:
    """Return a field as text; lists have commas.

    Raises
    ------
    NotFound
        If there is no such object, or it has neither field nor key of that name.
    """
    found = behind.annotations.get(one)
    if field in _ID:
        return str(one)
    if field == "type":
        return str(found.code)
    known = field_called(found.kind, field)
    if known is not None:
        return text_of(to_wire(found, behind.frame)[known.field])
    if field in derived_of(found.kind):
        return text_of(related(behind.annotations, [found])[one][field])
    if field not in found.keys:
        raise NotFound(f"{field[:100]!r} of {found.kind} {one}", f"it has {', '.join(_known(found))}",
                       "ask for one of them")  # fmt: skip
    return text_of(found.keys[field])


def _known(one: Any) -> list[str]:
    return [*(name.plain for name in names_of(one.kind)), *derived_of(one.kind), *list(one.keys)[:20]]


def set_field(behind: Behind, one: int, field: str, value: str) -> None:
    """Give a field its value; a name that is no field becomes a free key.

    Raises
    ------
    ReadOnly
        For a derived field.
    """
    found = behind.annotations.get(one)
    if field in (*_ID, "type"):
        raise BadRequest(f"setField {field} of {found.kind} {one}", "an object keeps its id and its type",
                         "merge it into another")  # fmt: skip
    if field in derived_of(found.kind):
        raise ReadOnly(f"setField {field} of {found.kind} {one}", "it is computed from other objects", "change those")
    known = field_called(found.kind, field)
    if known is None:
        behind.annotations.update(one, keys={field: value}, note="setField")
    else:
        values = from_wire(found.kind, {known.field: value}, behind.frame)
        behind.annotations.update(one, **values, note="setField")
