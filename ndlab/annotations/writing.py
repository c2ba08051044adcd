"""A write in progress: rows made, replaced and taken away within one transaction, with what they were kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, exc, insert, literal, select, tuple_, update

from ndlab.annotations.database import Database, chunked, next_of
from ndlab.annotations.ids import signed, unsigned
from ndlab.annotations.rows import links_of, pairs_of
from ndlab.annotations.schema import COLUMNS, FOREVER, LISTS, counters, links, objects, pairs, past, transactions
from ndlab.errors import Conflict, TooLarge

if TYPE_CHECKING:
    from ndlab.annotations.journal import Journal
    from ndlab.annotations.strokes import Stroke

__all__ = ["GIVEN_BELOW", "Write", "now_micros", "recorded", "reserve", "used"]

_AT = {name: i for i, name in enumerate(COLUMNS)}
_SINCE, _KEYS = _AT["since"], _AT["keys"]
_LINK = ("target", "role", "flow", "id", "since", "until")
_PAIR = ("key", "text", "sort", "number", "long", "id", "since", "until")
# Ids from here on are never given out; one's own may be as large as they like without using up the others.
GIVEN_BELOW = 1 << 62

Fields = Mapping[str, Any]


class _NothingWritten(Exception):
    """Rolls back a transaction that turned out to change nothing."""


@dataclass
class Write:
    """One transaction: its number and time, and the connection that holds the writer's place."""

    database: Database
    connection: Connection
    number: int
    time: int
    author: str
    count: int = 0
    undoes: int | None = None
    # What is to be written into volumes, by their names.
    strokes: dict[str, tuple[Painting, list[Stroke]]] = field(default_factory=dict)
    done: bool = False
    _gone_links: list[tuple[Any, ...]] = field(default_factory=list)
    _gone_pairs: list[tuple[Any, ...]] = field(default_factory=list)
    _new_links: list[tuple[Any, ...]] = field(default_factory=list)
    _new_pairs: list[tuple[Any, ...]] = field(default_factory=list)

    def create(self, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        """Insert new rows with these columns, which hold `id` and `since`, and index them."""
        ids = columns.index("id")
        try:
            self.database.insert(self.connection, objects, columns, rows)
        except exc.DBAPIError as error:
            if not self.database.taken(error):
                raise
            raise _Taken([row[ids] for row in rows]) from None
        self._index(columns, rows)
        self.count += len(rows)

    def _index(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        at = {name: i for i, name in enumerate(columns)}
        here, keys, number = at["id"], at["keys"], self.number
        new_links = [
            (*link, row[here], number, FOREVER)
            for name in LISTS
            if name in at
            for row in rows
            if (text := row[at[name]]) is not None
            for link in links_of(name, text)
        ]
        new_pairs = [
            _pair_row(*one, row[here], number) for row in rows if row[keys] is not None for one in pairs_of(row[keys])
        ]
        # In the order of the table, which takes them faster.
        self.database.insert(self.connection, links, _LINK, sorted(new_links))
        self.database.insert(self.connection, pairs, _PAIR, sorted(new_pairs, key=lambda one: one[:2]))

    def replace(self, before: Mapping[int, Sequence[Any]], after: Mapping[int, Sequence[Any] | None]) -> None:
        """Put whole rows in place of others by stored id; None takes an object away, a new id makes one."""
        old = [one for one in after if one in before]
        for some in chunked(old):
            self._take_away(objects.c.id.in_(some))
        new = [_stamped(row, self.number) for row in after.values() if row is not None]
        self.database.insert(self.connection, objects, COLUMNS, new)
        for one, row in after.items():
            self._index_change(one, before.get(one), row)
        self._flush()
        self.count += len(after)

    def _take_away(self, which: ColumnElement[bool]) -> None:
        """Move objects into the past."""
        kept = select(*(objects.c[name] for name in COLUMNS), literal(self.number)).where(which)
        self.connection.execute(insert(past).from_select([*COLUMNS, "until"], kept))
        self.connection.execute(delete(objects).where(which))

    def _index_change(self, one: int, old: Sequence[Any] | None, new: Sequence[Any] | None) -> None:
        """Note what of an object's links and key-values changes; the rest stays dated as it is."""
        was, is_ = _links(old), _links(new)
        self._gone_links += [(target, role, one, flow) for target, role, flow in was - is_]
        self._new_links += [(*link, one, self.number, FOREVER) for link in is_ - was]
        had, has = _pairs(old), _pairs(new)
        self._gone_pairs += [(key, found.text, one, found.sort) for key, found in had - has]
        self._new_pairs += [_pair_row(key, found, one, self.number) for key, found in has - had]

    def _flush(self) -> None:
        self._end(links, ("target", "role", "id", "flow"), self._gone_links)
        self._end(pairs, ("key", "text", "id", "sort"), self._gone_pairs)
        self.database.insert(self.connection, links, _LINK, self._new_links)
        self.database.insert(self.connection, pairs, _PAIR, self._new_pairs)
        self._gone_links, self._gone_pairs, self._new_links, self._new_pairs = [], [], [], []

    def _end(self, table: Table, names: Sequence[str], gone: Sequence[tuple[Any, ...]]) -> None:
        """Let rows with these values in the first columns of the key hold until now."""
        held = table.c.until == FOREVER
        if not gone:
            return
        if self.database.server:  # a statement is a round trip
            columns = tuple_(*(table.c[name] for name in names))
            for some in chunked(gone, 200):
                self.connection.execute(update(table).where(columns.in_(some), held).values(until=self.number))
            return
        # SQLite reads the whole table for such a list, but takes no time for a statement.
        same = [table.c[name] == bindparam(f"b_{name}") for name in names]
        ended = update(table).where(*same, held).values(until=self.number)
        self.connection.execute(ended, [{f"b_{n}": v for n, v in zip(names, one, strict=True)} for one in gone])

    def rows(self, ids: Sequence[int]) -> dict[int, Sequence[Any]]:
        """Return the whole rows of stored ids, as far as there are any."""
        found: dict[int, Sequence[Any]] = {}
        for some in chunked(ids):
            for row in self.connection.execute(select(objects).where(objects.c.id.in_(some))):
                found[row[0]] = tuple(row)
        return found

    def there(self, ids: Sequence[int]) -> set[int]:
        """Return those of some ids that have a row."""
        found: set[int] = set()
        for some in chunked([signed(one) for one in ids]):
            found.update(self.connection.execute(select(objects.c.id).where(objects.c.id.in_(some))).scalars())
        return {unsigned(one) for one in found}

    def used(self, largest: int) -> None:
        """Let ids be given out only above the ones that a person chose."""
        used(self.connection, largest)

    def paint(self, paint: Painting, listed: Sequence[Stroke]) -> None:
        """Write strokes, too; the volume's journal has to be held."""
        if listed:
            self.strokes.setdefault(paint.name, (paint, []))[1].extend(listed)


class Painting(Protocol):
    """A volume that strokes are written into."""

    name: str
    journal: Journal


class _Taken(Exception):
    """Some of these stored ids are there already."""

    def __init__(self, ids: list[int]) -> None:
        super().__init__()
        self.ids = ids


@contextmanager
def recorded(
    database: Database, operation: str, author: str, note: str,
    begin: Callable[[Connection], None], end: Callable[[Write], None],
) -> Iterator[Write]:  # fmt: skip
    """Write within one transaction, and record who did it, when and what it was.

    `begin` is called before it has a number, `end` when all rows that belong to it are written.
    """
    try:
        with database.writing() as connection:
            begin(connection)
            number = next_of(connection, "transaction")
            last = connection.execute(
                select(transactions.c.time).order_by(transactions.c.number.desc()).limit(1)
            ).scalar_one_or_none()
            # Clocks are set back; the order of times is that of numbers all the same.
            write = Write(database, connection, number, max(now_micros(), last or 0), author)
            yield write
            if not (write.count or write.strokes):
                raise _NothingWritten
            end(write)
            connection.execute(
                insert(transactions).values(
                    number=number, time=write.time, author=author, operation=operation,
                    objects=write.count, note=note, undoes=write.undoes,
                )
            )  # fmt: skip
        write.done = True
    except _NothingWritten:
        pass
    except _Taken as taken:
        raise _conflict(database, taken.ids) from None


def _conflict(database: Database, ids: list[int]) -> Conflict:
    there: list[int] = []
    with database.reading() as connection:
        for some in chunked(ids):
            there += connection.execute(select(objects.c.id).where(objects.c.id.in_(some))).scalars()
    named = sorted(unsigned(one) for one in there)
    return Conflict(
        f"{len(named)} of the ids to create are taken: {_some(named)}",
        "nothing was written",
        "write ann.update(objects) to change them, or leave id out to be given new ones",
        ids=named,
    )


def _some(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")


def reserve(connection: Connection, count: int) -> int:
    """Take `count` ids that nobody has or will be given, one after another, and return the first."""
    first = next_of(connection, "id", count) if count < GIVEN_BELOW else 1
    if first + count > GIVEN_BELOW:
        raise TooLarge(
            f"{count} ids were to be reserved", f"the next one is {first}, and ids are given out below 2**62",
            "give ids of your own, or move the objects with the largest ids to smaller ones",
        )  # fmt: skip
    return first


def used(connection: Connection, largest: int) -> None:
    """Let ids be given out only above the largest in use."""
    here = (counters.c.name == "id") & (counters.c.next <= largest)
    connection.execute(update(counters).where(here).values(next=largest + 1))


def now_micros() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def _stamped(row: Sequence[Any], number: int) -> tuple[Any, ...]:
    return (*row[:_SINCE], number, *row[_SINCE + 1 :])


def _links(row: Sequence[Any] | None) -> set[tuple[int, int, int]]:
    found: set[tuple[int, int, int]] = set()
    for name in LISTS if row is not None else ():
        if row is not None and row[_AT[name]] is not None:
            found |= links_of(name, row[_AT[name]])
    return found


def _pairs(row: Sequence[Any] | None) -> set[Any]:
    return set() if row is None or row[_KEYS] is None else set(pairs_of(row[_KEYS]))


def _pair_row(key: str, found: Any, one: int, number: int) -> tuple[Any, ...]:
    return key, *found, one, number, FOREVER
