"""States of the tables: what held after a transaction, or now, and rows of it by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Table, select, union_all

from ndlab.annotations.database import chunked
from ndlab.annotations.ids import signed
from ndlab.annotations.schema import COLUMNS, FOREVER, objects, past

__all__ = ["held", "rows", "source"]


def source(at: int | None) -> FromClause:
    """Return the objects as they were after transaction `at`, or are now, as something to select from."""
    if at is None:
        return objects
    now = select(*(objects.c[name] for name in COLUMNS)).where(objects.c.since <= at)
    then = select(*(past.c[name] for name in COLUMNS)).where(past.c.since <= at, past.c.until > at)
    return union_all(now, then).subquery("objects")


def held(table: Table, at: int | None) -> ColumnElement[bool]:
    """Say that a row of `links` or `pairs` held after transaction `at`, or holds now."""
    if at is None:
        return table.c.until == FOREVER
    return (table.c.since <= at) & (table.c.until > at)


def rows(connection: Connection, ids: Sequence[int], at: int | None = None) -> Iterator[Row[Any]]:
    """Find the whole rows of ids, in the order of neither."""
    table = source(at)
    for some in chunked([signed(one) for one in ids]):
        yield from connection.execute(select(table).where(table.c.id.in_(some)))
