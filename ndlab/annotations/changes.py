"""Changes to objects within a transaction: create, update, delete, merge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import or_, select

from ndlab.annotations import checks
from ndlab.annotations.database import chunked
from ndlab.annotations.ids import as_ids, signed, unsigned
from ndlab.annotations.kinds import KINDS, Annotation, holds
from ndlab.annotations.rows import columns_of, from_row, to_row
from ndlab.annotations.schema import COLUMNS, FOREVER, LISTS, REFERENCES, links, objects
from ndlab.annotations.writing import GIVEN_BELOW, Write, reserve
from ndlab.errors import BadRequest, NotFound, Problems, ReadOnly

__all__ = ["PIECE", "create", "delete", "merge", "missing", "update_fields", "update_objects"]

# Objects that are held at once.
PIECE = 5_000
_AT = {name: i for i, name in enumerate(COLUMNS)}

Row = Sequence[Any]


def pieces(values: Iterable[Any], size: int = PIECE) -> Iterator[list[Any]]:
    """Cut an iterable into lists."""
    left = iter(values)
    while piece := list(islice(left, size)):
        yield piece


def create(write: Write, made: Iterable[Annotation]) -> np.ndarray[Any, Any]:
    """Store new objects, all or none, and return their ids in the order given."""
    found: list[np.ndarray[Any, Any]] = []
    seen: set[int] = set()
    for piece in pieces(made):
        _are_objects(piece)
        ids = [one.id for one in piece]
        _unique([i for i in ids if i], seen)
        ids = with_ids(write, ids)
        found.append(np.array(ids, np.uint64))
        for kind, chosen in _by_kind(piece).items():
            _create_rows(write, kind, [piece[i] for i in chosen], [ids[i] for i in chosen])
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


def _create_rows(write: Write, kind: str, made: Sequence[Annotation], ids: Sequence[int]) -> None:
    columns = columns_of(kind)
    at = columns.index("id")
    rows = []
    for one, number in zip(made, ids, strict=True):
        row = to_row(one, write.number, write.author, write.time)
        rows.append(row if one.id else (*row[:at], signed(number), *row[at + 1 :]))
    write.create(columns, rows)


def with_ids(write: Write, ids: list[int]) -> list[int]:
    """Give new ids to those that have none (0), one after another."""
    free = ids.count(0)
    if free < len(ids):
        write.used(max((i for i in ids if i < GIVEN_BELOW), default=0))
    if not free:
        return ids
    new = iter(range(first := reserve(write.connection, free), first + free))
    return [one or next(new) for one in ids]


def _are_objects(made: Sequence[Any]) -> None:
    wrong = [f"item {i} is a {type(one).__name__}" for i, one in enumerate(made) if not isinstance(one, Annotation)]
    if wrong:
        kinds = ", ".join(kind.__name__ for kind in KINDS.values())
        raise Problems("objects are " + kinds, wrong[:20], "tables go through ann.add_table(kind, table)")


def _unique(ids: Iterable[int], seen: set[int]) -> None:
    twice = []
    for one in ids:
        if one in seen:
            twice.append(one)
        seen.add(one)
    if twice:
        raise Problems("each id is given once", [f"id {one} is given twice" for one in sorted(set(twice))[:20]])


def _by_kind(made: Sequence[Annotation]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, one in enumerate(made):
        found.setdefault(one.kind, []).append(i)
    return found


def missing(asked: Sequence[int], found: Iterable[int]) -> None:
    """Raise `NotFound` for the ids asked that were not found."""
    there = set(found)
    lacking = [one for one in asked if one not in there]
    if lacking:
        named = ", ".join(map(str, lacking[:10])) + (" …" if len(lacking) > 10 else "")
        raise NotFound(f"{len(lacking)} of {len(asked)} objects are not there: {named}", "",
                       "ann.history() lists who deleted what", ids=lacking)  # fmt: skip


def whole(kind: str, row: Sequence[Any]) -> list[Any]:
    """Spread a row of a kind's columns over all columns."""
    found: list[Any] = [None] * len(COLUMNS)
    for name, value in zip(columns_of(kind), row, strict=True):
        found[_AT[name]] = value
    return found


def update_objects(write: Write, made: Iterable[Annotation]) -> int:
    """Put objects in the place of those with the same ids, all or none; return how many changed."""
    seen: set[int] = set()
    for piece in pieces(made):
        _are_objects(piece)
        if any(one.id == 0 for one in piece):
            raise BadRequest("update of an object without id", "", "ann.add(objects) stores new ones")
        _unique([one.id for one in piece], seen)
        before = write.rows([signed(one.id) for one in piece])
        missing([one.id for one in piece], map(unsigned, before))
        after = {}
        for one in piece:
            old = before[signed(one.id)]
            if old[_AT["kind"]] != one.code:
                raise BadRequest(f"object {one.id} as a {one.kind}", f"it is a {from_row(old).kind}",
                                 "delete it, and create another")  # fmt: skip
            row = to_row(one, write.number, old[_AT["author"]], old[_AT["time"]])
            after[signed(one.id)] = whole(one.kind, row)
        _replace(write, before, after)
    return write.count


def _replace(write: Write, before: Mapping[int, Row], after: Mapping[int, Row | None]) -> None:
    """Replace the rows that differ in more than the transaction that wrote them."""
    since = _AT["since"]
    changed = {}
    for one, row in after.items():
        old = before.get(one)
        if row is None or old is None or [*row[:since], *row[since + 1 :]] != [*old[:since], *old[since + 1 :]]:
            changed[one] = row
    write.replace(before, changed)


def update_fields(write: Write, choose: Callable[[Any], Any], values: Mapping[str, Any]) -> int:
    """Set fields and free keys of the objects that `choose` names, all or none; return how many changed."""
    if "id" in values:
        raise BadRequest("update of id", "an object keeps its id", "ann.merge([to, of]) folds one into another")
    ids = as_ids(choose(write.connection))
    _unique(ids, set())
    for piece in pieces(ids):
        before = write.rows([signed(one) for one in piece])
        missing(piece, map(unsigned, before))
        after = {one: _changed(row, values, write) for one, row in before.items()}
        _replace(write, before, after)
    return write.count


def _changed(row: Row, values: Mapping[str, Any], write: Write) -> list[Any]:
    one = from_row(row)
    fields = holds(one.kind)
    keys = dict(one.keys)
    new: dict[str, Any] = {}
    for name, value in values.items():
        if name in one.derived:
            raise ReadOnly(f"update of {name} of {one.kind} {one.id}", "it is computed from other objects",
                           "change those", field=name)  # fmt: skip
        if name == "keys":
            _set_keys(keys, value)
        elif name in fields:
            new[name] = value
        else:
            _set_keys(keys, {name: value})
    made = type(one)(**{name: one.__dict__[name] for name in fields} | new | {"keys": keys})
    return whole(one.kind, to_row(made, write.number, write.author, write.time))


def _set_keys(keys: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Set free keys; None takes one away."""
    keys.update(checks.keys({name: value for name, value in new.items() if value is not None}))
    for name in [name for name, value in new.items() if value is None]:
        keys.pop(name, None)


def delete(write: Write, choose: Callable[[Any], Any]) -> int:
    """Take objects away, all or none; return how many. What names them keeps doing so."""
    ids = as_ids(choose(write.connection))
    _unique(ids, set())
    for piece in pieces(ids):
        before = write.rows([signed(one) for one in piece])
        missing(piece, map(unsigned, before))
        write.replace(before, dict.fromkeys(before))
    return write.count


def merge(write: Write, ids: Sequence[int]) -> int:
    """Fold objects into the first, and let everything that named the others name it; return its id."""
    first, *others = as_ids(ids)
    _unique([first, *others], set())
    before = write.rows([signed(one) for one in (first, *others)])
    missing([first, *others], map(unsigned, before))
    made = [from_row(before[signed(one)]) for one in (first, *others)]
    if len({one.kind for one in made}) > 1:
        raise BadRequest(f"merge of {', '.join(f'{one.kind} {one.id}' for one in made[:10])}",
                         "objects of one kind are merged")  # fmt: skip
    if not others:
        return first
    folded = whole(made[0].kind, to_row(_folded(made), write.number, write.author, write.time))
    renamed = dict.fromkeys((signed(one) for one in others), signed(first))
    after: dict[int, Row | None] = dict.fromkeys(renamed)
    after[signed(first)] = _relabelled(folded, renamed)
    write.replace(before, after)
    naming = [one for one in _naming(write, list(renamed)) if one not in before]
    for piece in pieces(naming):
        rows = write.rows(piece)
        write.replace(rows, {one: _relabelled(row, renamed) for one, row in rows.items()})
    return first


def _folded(made: Sequence[Annotation]) -> Annotation:
    """Return the first object with what it lacks taken from the others, in their order.

    Lists are joined, bounds span all, key-values are joined with the earlier object's value where two have the key.
    """
    first = made[0]
    new: dict[str, Any] = {}
    for name, what in holds(first.kind).items():
        values = [one.__dict__[name] for one in made]
        if what.sort in ("ids", "flows"):
            new[name] = tuple(dict.fromkeys(part for value in values for part in value))
        elif what.sort == "keys":
            new[name] = {key: value for one in reversed(values) for key, value in one.items()}
        elif what.sort == "box":
            new[name] = _hull([value for value in values if value is not None])
        elif name in ("id", "status", "confidence", "author", "time"):
            new[name] = values[0]
        else:
            new[name] = next((value for value in values if value), values[0])
    return type(first)(**new)


def _hull(boxes: Sequence[Any]) -> Any:
    if not boxes:
        return None
    start = [min(one) for one in zip(*(box.start for box in boxes), strict=True)]
    stop = [max(one) for one in zip(*(box.stop for box in boxes), strict=True)]
    return type(boxes[0])(start, stop)


def _naming(write: Write, targets: Sequence[int]) -> list[int]:
    """List the objects that name any of these, as stored ids."""
    found: set[int] = set()
    for some in chunked(targets, 900 // len(REFERENCES)):
        for name in REFERENCES:
            found.update(write.connection.execute(select(objects.c.id).where(objects.c[name].in_(some))).scalars())
        named = select(links.c.id).where(or_(links.c.target.in_(some)), links.c.until == FOREVER)
        found.update(write.connection.execute(named).scalars())
    return sorted(found)


def _relabelled(row: Row, renamed: Mapping[int, int]) -> list[Any]:
    """Rename what a row names; a list names each once, and nothing is its own parent."""
    new = list(row)
    for name in REFERENCES:
        value = new[_AT[name]]
        if value in renamed:
            new[_AT[name]] = renamed[value]
        if value is not None and new[_AT[name]] == new[_AT["id"]] and name == "parent":
            new[_AT[name]] = 0
    for name in LISTS:
        text = new[_AT[name]]
        if text:
            listed = [_renamed(one, renamed) for one in json.loads(text)]
            new[_AT[name]] = json.dumps(list(dict.fromkeys(listed)), separators=(",", ":"))
    return new


def _renamed(one: Any, renamed: Mapping[int, int]) -> Any:
    """Rename an id of a list, or that of a pair of id and flow."""
    return (renamed.get(one[0], one[0]), one[1]) if isinstance(one, list) else renamed.get(one, one)
