"""History: which transactions there were, what each did to an object, and taking one back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, func, select

from ndlab.annotations import checks
from ndlab.annotations.changes import PIECE, pieces
from ndlab.annotations.ids import as_id, signed, unsigned
from ndlab.annotations.kinds import Annotation
from ndlab.annotations.rows import from_micros, from_row, micros
from ndlab.annotations.schema import COLUMNS, FOREVER, objects, past, strokes, transactions
from ndlab.annotations.writing import Write
from ndlab.errors import BadRequest, Conflict, NotFound

if TYPE_CHECKING:
    from ndlab.annotations.database import Database
    from ndlab.annotations.ledger import Ledger

__all__ = ["Change", "Transaction", "changes", "history", "moment_of", "undo"]


@dataclass(frozen=True)
class Transaction:
    """One write, which happened whole.

    Parameters
    ----------
    number : int
        In the order in which writes took effect.
    time : datetime
        UTC.
    author : str
    operation : str
        ``"add"``, ``"update"``, ``"delete"``, ``"merge"``, ``"undo"``; of strokes alone ``"paint"``, ``"shave"``,
        ``"relabel"``.
    objects : int
        How many were changed; of strokes, how many they named.
    note : str
    undoes : int, optional
        Number of the transaction that this one took back.
    voxels : int
        How many voxels strokes named.
    volumes : tuple of str
        Names of the label volumes that were written.
    """

    number: int
    time: datetime
    author: str
    operation: str
    objects: int
    note: str = ""
    undoes: int | None = None
    voxels: int = 0
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """What one transaction did to one object: what it was before, None if it was not, and after."""

    transaction: Transaction
    before: Annotation | None
    after: Annotation | None


def _transaction(row: Row[Any]) -> Transaction:
    number, time, author, operation, count, note, undoes = tuple(row)
    return Transaction(number, from_micros(time), author, operation, count, note, undoes)


def history(ledger: Ledger, at: int | None, author: str | None = None, limit: int | None = None) -> list[Transaction]:
    """List transactions, the newest first."""
    ledger.catch_up()
    asked = select(transactions).order_by(transactions.c.number.desc())
    if at is not None:
        asked = asked.where(transactions.c.number <= at)
    if author is not None:
        asked = asked.where(transactions.c.author == author)
    with ledger.database.reading() as connection:
        found = [_transaction(row) for row in connection.execute(asked if limit is None else asked.limit(limit))]
        return _with_paint(ledger, connection, found)


def _with_paint(ledger: Ledger, connection: Connection, found: list[Transaction]) -> list[Transaction]:
    """Add what was written into volumes."""
    names = [one.name for one in ledger.volumes(connection)] if found else []
    if not names:
        return found
    painted: dict[int, list[tuple[str, int]]] = {}
    between = strokes.c.number.between(found[-1].number, found[0].number)
    asked = select(strokes.c.number, strokes.c.volume, strokes.c.voxels).where(strokes.c.volume.in_(names), between)
    for number, name, voxels in connection.execute(asked.order_by(strokes.c.volume)):
        painted.setdefault(number, []).append((name, voxels))
    return [
        replace(one, voxels=sum(n for _, n in known), volumes=tuple(name for name, _ in known))
        if (known := painted.get(one.number)) else one
        for one in found
    ]  # fmt: skip


def changes(database: Database, one: int, at: int | None = None) -> list[Change]:
    """List what happened to an object, the oldest first."""
    number = signed(as_id(one))
    until = FOREVER if at is None else at
    kept = select(*(past.c[name] for name in COLUMNS), past.c.until).where(past.c.id == number)
    now = select(*(objects.c[name] for name in COLUMNS)).where(objects.c.id == number)
    with database.reading() as connection:
        versions = [(row[:-1], row[-1]) for row in connection.execute(kept)]
        versions += [(row, FOREVER) for row in connection.execute(now)]
        since = COLUMNS.index("since")
        before = {end: from_row(row) for row, end in versions if end != FOREVER}
        after = {row[since]: from_row(row) for row, _ in versions}
        numbers = sorted(n for n in before.keys() | after.keys() if n <= until)
        named = connection.execute(select(transactions).where(transactions.c.number.in_(numbers)))
        known = {row[0]: _transaction(row) for row in named}
    return [Change(known[n], before.get(n), after.get(n)) for n in numbers]


def moment_of(ledger: Ledger, when: Any) -> int:
    """Find the number of the last transaction at a time, or check that a number is of one."""
    ledger.catch_up()
    database = ledger.database
    asked: Select[Any]
    if isinstance(when, datetime):
        moment = micros(checks.moment(when, "as_of") or when)
        asked = select(func.max(transactions.c.number)).where(transactions.c.time <= moment)
        with database.reading() as connection:
            return int(connection.execute(asked).scalar_one() or 0)
    if isinstance(when, bool) or not isinstance(when, int) or when < 0:
        raise BadRequest(f"as_of={when!r}", "it is the number of a transaction, or a datetime with a time zone")
    with database.reading() as connection:
        last = int(connection.execute(select(func.max(transactions.c.number))).scalar_one() or 0)
    if when > last:
        raise NotFound(f"transaction {when}", f"the last one is {last}", "ann.history() lists them")
    return when


def undo(
    ledger: Ledger, author: str, number: int | None = None, by: str | None = None, note: str = ""
) -> Transaction | None:
    """Take back a transaction, without `number` the last (by an author) that was not taken back; None if none is left.

    Each object and voxel becomes what it was before; what happened in between stays in the history.
    """
    with ledger.writing("undo", author, note, paint=True) as write:
        target = _target(write.connection, number, by)
        if target is None:
            return None
        (target,) = _with_paint(ledger, write.connection, [target])
        touched = _touched(write.connection, target.number)
        if target.operation == "repair" and not touched:
            raise BadRequest(f"transaction {number} was to be taken back", "it mended what is made of the rows",
                             "no object is other than before")  # fmt: skip
        _refuse_changed_later(write.connection, target.number, touched)
        for piece in pieces(touched, PIECE):
            _restore(write, target.number, piece)
        _restore_paint(ledger, write, target.number)
        write.undoes = target.number
    return target


def _restore_paint(ledger: Ledger, write: Write, number: int) -> None:
    asked = select(strokes.c.volume, strokes.c.first).where(strokes.c.number == number)
    volumes = {one.name: one for one in ledger.volumes(write.connection)}
    for name, first in write.connection.execute(asked).all():
        if name not in volumes:
            raise Conflict(
                f"transaction {number} was to be taken back",
                f"it wrote into the volume {name!r}, which has been detached",
                "write what should be there: ann.paints lists the volumes",
            )
        paint = ledger.paint(volumes[name])
        try:
            write.paint(paint, paint.taking_back(first))
        except (Conflict, NotFound) as error:
            raise Conflict(f"transaction {number} was to be taken back", f"in the volume {name!r}, {error.exists}",
                           error.remedy or "take those back first") from None  # fmt: skip


def _target(connection: Connection, number: int | None, by: str | None) -> Transaction | None:
    taken = select(transactions.c.undoes).where(transactions.c.undoes.is_not(None))
    asked = select(transactions).where(transactions.c.undoes.is_(None))
    if number is None:
        # What a repair did to objects can be taken back by its number; mostly it did nothing to them.
        asked = asked.where(transactions.c.number.not_in(taken), transactions.c.operation != "repair")
        if by is not None:
            asked = asked.where(transactions.c.author == by)
        row = connection.execute(asked.order_by(transactions.c.number.desc()).limit(1)).first()
        return None if row is None else _transaction(row)
    row = connection.execute(select(transactions).where(transactions.c.number == number)).first()
    if row is None:
        raise NotFound(f"transaction {number} was to be taken back", "there is none", "ann.history() lists them")
    if row.undoes is not None:
        raise BadRequest(f"transaction {number} was to be taken back", f"it took back {row.undoes} itself",
                         "write the objects again: ann.as_of(number).get(ids)")  # fmt: skip
    if connection.execute(taken.where(transactions.c.undoes == number)).first() is not None:
        raise Conflict(f"transaction {number} was to be taken back", "it has been taken back already")
    return _transaction(row)


def _touched(connection: Connection, number: int) -> list[int]:
    found: set[int] = set()
    for asked in (
        select(objects.c.id).where(objects.c.since == number),
        select(past.c.id).where(past.c.until == number),
        select(past.c.id).where(past.c.since == number),
    ):
        found.update(connection.execute(asked).scalars())
    return sorted(found)


def _refuse_changed_later(connection: Connection, number: int, touched: Sequence[int]) -> None:
    """Refuse where others changed the objects since, other than by what has been taken back."""
    undone = select(transactions.c.undoes).where(transactions.c.undoes.is_not(None))
    later = select(transactions.c.number).where(
        transactions.c.number > number, transactions.c.undoes.is_(None), transactions.c.number.not_in(undone)
    )
    standing = set(connection.execute(later).scalars()) if touched else set()
    if not standing:
        return
    changed = []
    for some in _in_pieces(touched):
        now = select(objects.c.id, objects.c.since).where(objects.c.id.in_(some), objects.c.since > number)
        then = select(past.c.id, past.c.since, past.c.until).where(past.c.id.in_(some), past.c.until > number)
        rows = [*connection.execute(now), *connection.execute(then)]
        changed += sorted({one for one, *numbers in rows if not standing.isdisjoint(numbers)})
    if changed:
        named = ", ".join(str(unsigned(one)) for one in changed[:10]) + (" …" if len(changed) > 10 else "")
        raise Conflict(
            f"transaction {number} was to be taken back",
            f"{len(changed)} of its objects were changed later: {named}",
            "take those changes back first; ann.changes(id) lists them",
            ids=[unsigned(one) for one in changed],
        )


def _restore(write: Write, number: int, ids: Sequence[int]) -> None:
    kept: dict[int, Any] = {}
    for one in _in_pieces(ids):
        asked = select(*(past.c[name] for name in COLUMNS)).where(past.c.id.in_(one), past.c.until == number)
        kept.update({row[0]: tuple(row) for row in write.connection.execute(asked)})
    before = write.rows(ids)
    write.replace(before, {one: kept.get(one) for one in ids if one in before or one in kept})


def _in_pieces(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[i : i + 900] for i in range(0, len(ids), 900))
