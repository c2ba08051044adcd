"""Which objects a query of the founding grammar means: by type, status, confidence, any key and box, all at once."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ndlab.annotations.kinds import KINDS, holds
from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.serve.grammar.calls import Predicate, Query
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.fields import Name, names_of, type_of
from ndlab.serve.ramon.sent import box_of
from ndlab.serve.space import Level, voxels_of

__all__ = ["ids_of", "number_of", "values_of"]


def ids_of(behind: Behind, asked: Query, body: bytes, most_bytes: int) -> np.ndarray[Any, Any]:
    """Return the ids of the objects that meet every predicate, ascending, uint64.

    Parameters
    ----------
    behind : Behind
    asked : Query
    body : bytes
        HDF5 with the box that objects have to be in; empty for none.
    most_bytes : int
        Most bytes of voxels that are read to find them.
    """
    found = behind.annotations.where()
    for one in asked.predicates:
        found = found.where(**_condition(one))
    if body:
        level, box = _box(behind, body)
        if behind.labels is None:
            ids = found.within(behind.frame.space(level, box)).ids()
        else:
            ids = np.intersect1d(found.ids(), _painted(behind, level, box, most_bytes))
        return ids if asked.limit is None else ids[: asked.limit]
    return found.ids() if asked.limit is None else found.limit(asked.limit).ids()


def _condition(one: Predicate) -> dict[str, Any]:
    if one.field in ("type", "ann_type"):
        return {"kind": type_of(one.value)}
    if one.operator != "eq":
        return {f"{one.field}__{one.operator}": number_of(one.value, one.field)}
    if one.field == "status":
        return {"status": one.value}
    known = _flat().get(one.field)
    if known is None:
        return {"keys": {f"{one.field}__in": values_of(one.value)}}
    kind, name = known
    condition = {name.field: _value(one, kind, name)}
    return condition if kind is None else {"kind": kind, **condition}


@cache
def _flat() -> dict[str, tuple[str | None, Name]]:
    """Return the fields by their names in the founding store's table, and the kind that has them."""
    found: dict[str, tuple[str | None, Name]] = {"ann_id": (None, Name("id", "", "ann_id", ""))}
    for kind in KINDS:
        for name in names_of(kind):
            found[name.flat] = (None if name.flat.startswith("ann_") else kind, name)
    return found


def _value(one: Predicate, kind: str | None, name: Name) -> Any:
    sort = holds(kind or "generic")[name.field].sort
    if sort in ("text", "code"):
        return one.value
    if sort == "point":
        raise BadRequest(f"objects by {one.field}", "places are asked for by a box", "post a box to query/")
    number = number_of(one.value, one.field)
    return int(number) if sort in ("id", "ids", "flows", "whole") and number == int(number) else number


def number_of(text: str, what: str) -> float:
    """Read a number, exactly if it is whole."""
    try:
        number: float = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadRequest(f"{what} {text[:50]!r}", "it is compared with a number")
    return number


def values_of(text: str) -> list[Any]:
    """Return what a key's value may be that a path says as text: the text, and the number or truth that it reads as.

    Examples
    --------
    >>> values_of("AB"), values_of("5"), values_of("0.5"), values_of("true")
    (['AB'], ['5', 5], ['0.5', 0.5], ['true', True])
    """
    found: list[Any] = [text]
    if text in ("true", "false"):
        return [text, text == "true"]
    try:
        number = number_of(text, "")
    except BadRequest:
        return found
    return [text, number]


def _box(behind: Behind, body: bytes) -> tuple[Level, Box]:
    number, corner, size = box_of(body)
    level = behind.frame.level(number)
    stop = [a + n for a, n in zip(corner, size, strict=True)]
    box = voxels_of(level, corner, stop, behind.frame.channel.token)
    return level, Box(box.start, box.stop)


def _painted(behind: Behind, level: Level, box: Box, most_bytes: int) -> np.ndarray[Any, Any]:
    """Return the ids that have voxels in a box."""
    grid = behind.frame.grid(level)
    if grid is None:
        raise BadRequest(f"objects in a box of level {level.number} of {behind.title}",
                         "its voxels are not made up of those of the labels", "ask at a coarser level")  # fmt: skip
    inside = behind.clipped(grid.painted(box))
    behind.check_bytes(inside.size * behind.paint.dtype.itemsize, most_bytes)
    return np.array(behind.paint.ids(inside) if inside.size else [], np.uint64)
