"""Numbering: what was written into a volume and is no transaction of its set yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from ndlab.annotations.index import Write
from ndlab.annotations.listing import writes_of
from ndlab.annotations.schema import transactions
from ndlab.annotations.strokes import Shape, Stroke

if TYPE_CHECKING:
    from ndlab.annotations.paint import Paint

__all__ = ["largest_id", "last_number", "last_time", "writes_since"]


def writes_since(paint: Paint, stroke: int) -> list[Write]:
    """Return the writes of a journal after a stroke, the oldest first; no label is read."""
    index = paint._merger.index
    while True:
        merged = index.merged
        fresh = paint.journal.pending(merged, stroke)
        writes = [*index.writes(after=stroke)[::-1], *writes_of(fresh)]
        if index.merged == merged:
            return writes


def largest_id(paint: Paint, stroke: int) -> int:
    """Return the largest id that has voxels, or is named by strokes after one."""
    index = paint._merger.index
    fresh = paint.journal.pending(index.merged, stroke)
    return max([index.largest(), *(_largest(one) for one in fresh)])


def _largest(stroke: Stroke) -> int:
    return int(stroke.data[0].max(initial=0)) if stroke.shape == Shape.CUTOUT else stroke.id


def last_number(connection: Connection) -> int:
    """Return the number of the last transaction, 0 before the first."""
    return int(connection.execute(select(func.max(transactions.c.number))).scalar() or 0)


def last_time(connection: Connection) -> int:
    """Return the time of the last transaction [µs since 1970]."""
    asked = select(transactions.c.time).order_by(transactions.c.number.desc()).limit(1)
    return int(connection.execute(asked).scalar() or 0)
