"""Index entries that rows ask for, with the times they hold, beside those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, literal, select, union_all

from ndlab.annotations.rows import links_of, pairs_of
from ndlab.annotations.schema import FOREVER, LISTS, links, objects, pairs, past

__all__ = ["Entry", "Wrong", "expected", "wrong_entries"]

# A row of `links` or `pairs`, in the order of its columns.
Entry = tuple[Any, ...]
Key = tuple[Any, ...]
_TEXTS = ("keys", *LISTS)


class Wrong(NamedTuple):
    """What one object (stored id) lacks in an index table, and what is there of it that no row asks for."""

    table: str
    id: int
    missing: tuple[Entry, ...] = ()
    surplus: tuple[Entry, ...] = ()


def wrong_entries(connection: Connection) -> Iterator[Wrong]:
    """Compare all rows, past ones too, with both index tables; memory holds one object at a time."""
    versions = _by_id(_versions(connection))
    streams = {table.name: _by_id(_entries(connection, table), 1) for table in (links, pairs)}
    heads = {name: next(stream, None) for name, stream in streams.items()}
    for one, rows in versions:
        for name, stream in streams.items():
            while (head := heads[name]) is not None and head[0] < one:  # of an object that no row is of
                yield Wrong(name, head[0], surplus=tuple(head[1]))
                heads[name] = next(stream, None)
        try:
            asked = expected(one, rows)
        except (ValueError, TypeError, IndexError, AttributeError):
            yield Wrong("rows", one)
            asked = {}
        for name, stream in streams.items():
            head, have = heads[name], set()
            if head is not None and head[0] == one:
                have = set(head[1])
                heads[name] = next(stream, None)
            if name in asked and asked[name] != have:
                missing, surplus = asked[name] - have, have - asked[name]
                yield Wrong(name, one, tuple(missing), tuple(surplus))
    for name, stream in streams.items():
        if (head := heads[name]) is not None:
            yield Wrong(name, head[0], surplus=tuple(head[1]))
        for one, entries in stream:
            yield Wrong(name, one, surplus=tuple(entries))


def _versions(connection: Connection) -> Iterable[Any]:
    columns = ("id", "since", *_TEXTS)
    now = select(*(objects.c[name] for name in columns), literal(FOREVER).label("until"))
    then = select(*(past.c[name] for name in columns), past.c.until)
    every = union_all(now, then).subquery("versions")
    return connection.execute(select(every).order_by(every.c.id, every.c.since).execution_options(stream_results=True))


def _entries(connection: Connection, table: Table) -> Iterable[Any]:
    # An entry that began and ended in one transaction never held.
    asked = select(table.c.id.label("of"), *table.c).where(table.c.since != table.c.until).order_by(table.c.id)
    return connection.execute(asked.execution_options(stream_results=True))


def _by_id(rows: Iterable[Any], skip: int = 0) -> Iterator[tuple[int, list[Entry]]]:
    for one, group in groupby(rows, key=itemgetter(0)):
        yield one, [tuple(row)[skip:] for row in group]


def expected(one: int, versions: Iterable[Entry]) -> dict[str, set[Entry]]:
    """Return the entries of an object from its versions: (id, since, keys, the lists …, until), in order of time."""
    listed = [(row[1], row[-1], row[2:-1]) for row in versions if row[1] != row[-1]]
    pairs_, links_ = {}, {}
    for since, until, (keys, *lists) in listed:
        pairs_[since, until] = {(key, *found) for key, found in pairs_of(keys)}
        named = (links_of(name, text) for name, text in zip(LISTS, lists, strict=True) if text is not None)
        links_[since, until] = {link for several in named for link in several}
    return {
        "links": {(target, role, one, flow, *times) for (target, role, flow), *times in _held(links_)},
        "pairs": {(key, text, one, sort, since, until, number, long)
                  for (key, text, sort, number, long), since, until in _held(pairs_)},
    }  # fmt: skip


def _held(versions: dict[tuple[int, int], set[Key]]) -> Iterator[tuple[Key, int, int]]:
    """Yield each key with the time it holds, through versions that follow each other without a gap."""
    begun: dict[Key, int] = {}
    end = None
    for (since, until), keys in versions.items():
        for key in [key for key in begun if since != end or key not in keys]:
            yield key, begun.pop(key), int(since if since == end else end or since)
        for key in keys:
            begun.setdefault(key, since)
        end = until
    for key, since in begun.items():
        yield key, since, int(end or FOREVER)
