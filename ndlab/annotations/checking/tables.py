"""The database against itself: its file, its index tables, extents, counters, and what rows name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, case, delete, func, insert, literal, select, tuple_, union, union_all, update

from ndlab.annotations.checking.findings import Finding, some
from ndlab.annotations.checking.intervals import Entry, Wrong, wrong_entries
from ndlab.annotations.database import Database, chunked
from ndlab.annotations.ids import unsigned
from ndlab.annotations.kinds import KINDS
from ndlab.annotations.rows import extent
from ndlab.annotations.schema import (
    FOREVER,
    LISTS,
    REFERENCES,
    counters,
    links,
    objects,
    pairs,
    past,
    transactions,
)
from ndlab.annotations.writing import GIVEN_BELOW, Write
from ndlab.errors import BadMetadata

__all__ = ["table_findings"]

_TOLD = 20
# What a field names, where that is of one kind; a parent is of its child's.
_NAMES = {"parentseed": "seed", "neuron": "neuron", "segment": "segment", "skeleton": "skeleton", "rootnode": "node"}
_LISTED = {"seeds": "seed", "segments": "segment", "presegments": "segment", "postsegments": "segment"}


def table_findings(database: Database) -> Iterator[Finding]:
    """Yield what is wrong with the database as such."""
    broken = list(_file(database))
    yield from broken
    if any(not one.repairable for one in broken):
        return
    with database.reading(stream=True) as connection:
        wrong = list(_index_tables(connection))
        yield from wrong
        yield from _extents(connection)
    with database.reading() as connection:
        yield from _counters(database, connection)
        yield from _transactions(connection)
        yield from _references(connection)
        if not wrong:  # else what lists name is not known
            yield from _listed(connection)


# --- the file -----------------------------------------------------------------------------------------------------


def _file(database: Database) -> Iterator[Finding]:
    """Ask SQLite whether its file is whole; a server looks after its own."""
    if database.server:
        return
    try:
        with database.reading() as connection:
            said = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check(100)")]
    except BadMetadata as error:
        said = [str(error.exists)]
    if said == ["ok"]:
        return
    # An index is made of the rows, and can be made again.
    indexes = all("index" in line and ("missing from" in line or "wrong # of entries" in line) for line in said)
    yield Finding(
        "sqlite", "objects.sqlite", "problem", f"{len(said)} complaints of integrity_check: {'; '.join(said[:3])}",
        "" if indexes else "put it back from a backup, or export what can be read and import it into a new set",
        repairable=indexes, mend_rows=_reindex if indexes else None,
    )  # fmt: skip


def _reindex(write: Write) -> int:
    write.connection.exec_driver_sql("REINDEX")
    return 1


# --- index tables -------------------------------------------------------------------------------------------------


def _index_tables(connection: Connection) -> Iterator[Finding]:
    wrong: dict[str, list[Wrong]] = {"links": [], "pairs": [], "rows": []}
    counts = dict.fromkeys(wrong, 0)
    for one in wrong_entries(connection):
        counts[one.table] += 1
        if len(wrong[one.table]) < _TOLD:
            wrong[one.table].append(one)
    for name, told in (("links", "the lists of ids"), ("pairs", "the key-values")):
        if counts[name]:
            missing, more = (sum(len(getattr(one, side)) for one in wrong[name]) for side in ("missing", "surplus"))
            ids = [unsigned(one.id) for one in wrong[name]]
            yield Finding(
                "index tables", name, "problem",
                f"{counts[name]} objects are not found by {told} in their rows: of the first {len(ids)}, "
                f"{missing} entries are missing and {more} are of none: {some(ids)}",
                "", tuple(ids), True, mend_rows=_mend_index_tables,
            )  # fmt: skip
    if counts["rows"]:
        ids = [unsigned(one.id) for one in wrong["rows"]]
        yield Finding("rows", "objects", "problem", f"{counts['rows']} rows hold no list or no JSON: {some(ids)}",
                      "write them anew: ann.update(object), or take back what made them so", tuple(ids))  # fmt: skip


_KEYS = {"links": ("target", "role", "flow", "id", "since"), "pairs": ("key", "text", "sort", "id", "since")}
_PIECE = 100_000


def _mend_index_tables(write: Write) -> int:
    """Make the entries anew that are wrong, piece by piece, so that memory holds one piece."""
    count = 0
    while True:
        piece: list[Wrong] = []
        for one in wrong_entries(write.connection):
            if one.table != "rows":
                piece.append(one)
            if len(piece) == _PIECE:
                break
        for table in (links, pairs):
            mine = [one for one in piece if one.table == table.name]
            _take_out(write, table, [entry for one in mine for entry in one.surplus])
            added = [entry for one in mine for entry in one.missing]
            write.database.insert(write.connection, table, table.columns.keys(), added)
        count += len({one.id for one in piece})
        if len(piece) < _PIECE:
            return count


def _take_out(write: Write, table: Table, entries: Sequence[Entry]) -> None:
    columns = table.columns.keys()
    at = [columns.index(name) for name in _KEYS[table.name]]
    named = tuple_(*(table.c[name] for name in _KEYS[table.name]))
    for some_ in chunked([tuple(entry[i] for i in at) for entry in entries], 150):
        write.connection.execute(delete(table).where(named.in_(some_)))


# --- extents ------------------------------------------------------------------------------------------------------


def _extents(connection: Connection) -> Iterator[Finding]:
    wrong = list(_wrong_extents(connection))
    if wrong:
        ids = sorted({unsigned(one) for _, one, _, _ in wrong})
        yield Finding("extents", "objects, past", "problem",
                      f"{len(wrong)} rows would be missed by boxes, for their extent is not that of their bounds: "
                      f"{some(ids)}", "", tuple(ids[:_TOLD]), True, mend_rows=_mend_extents)  # fmt: skip


def _wrong_extents(connection: Connection) -> Iterator[tuple[Table, int, int, int | None]]:
    for table in (objects, past):
        end = table.c.until if table is past else literal(FOREVER)
        for one, until, have, z0, z1 in connection.execute(
            select(table.c.id, end, table.c.extent, table.c.z0, table.c.z1)
        ):
            right = None if z0 is None or z1 is None else extent(z0, z1)
            if have != right:
                yield table, one, until, right


def _mend_extents(write: Write) -> int:
    wrong = list(_wrong_extents(write.connection))
    for table, one, until, right in wrong:
        here = table.c.id == one if table is objects else (table.c.id == one) & (table.c.until == until)
        write.connection.execute(update(table).where(here).values(extent=right))
    return len({one for _, one, _, _ in wrong})


# --- counters and transactions ------------------------------------------------------------------------------------


def _counters(database: Database, connection: Connection) -> Iterator[Finding]:
    def mend() -> None:
        # By itself, and first: the transaction that mends the rest takes a number, too.
        with database.writing() as own:
            _mend_counters(own)

    for name, have, least in _low_counters(connection):
        what = "ids that are taken would be given out" if name == "id" else "a number of the history would come twice"
        yield Finding("counters", name, "problem", f"the next one is {have}, and {least - 1} is taken: {what}",
                      repairable=True, mend_files=mend)  # fmt: skip


def _low_counters(connection: Connection) -> Iterator[tuple[str, int, int]]:
    known = {row.name: row.next for row in connection.execute(select(counters))}
    taken = union_all(select(objects.c.id), select(past.c.id)).subquery("taken")
    given = select(func.max(taken.c.id)).where(taken.c.id < GIVEN_BELOW)
    number = select(func.max(transactions.c.number))
    for name, asked in (("id", given), ("transaction", number)):
        largest = int(connection.execute(asked).scalar_one() or 0)
        if known.get(name, 0) <= largest:
            yield name, known.get(name, 0), largest + 1


def _mend_counters(connection: Connection) -> None:
    for name, _, least in list(_low_counters(connection)):
        if not connection.execute(update(counters).where(counters.c.name == name).values(next=least)).rowcount:
            connection.execute(insert(counters).values(name=name, next=least))


def _transactions(connection: Connection) -> Iterator[Finding]:
    dated = union(select(objects.c.since.label("n")), select(past.c.since), select(past.c.until)).subquery("dated")
    known = select(transactions.c.number)
    lost = sorted(connection.execute(select(dated.c.n).where(dated.c.n.not_in(known))).scalars())
    if lost:
        yield Finding("rows", "transactions", "problem",
                      f"rows are dated by {len(lost)} transactions that the history does not have: {some(lost)}",
                      "put the database back from a backup; the rows themselves are as they were")  # fmt: skip


# --- what rows name -----------------------------------------------------------------------------------------------


def _references(connection: Connection) -> Iterator[Finding]:
    there, was = select(objects.c.id), select(past.c.id)
    for name in REFERENCES:
        column = objects.c[name]
        asked = select(objects.c.id, column).where(column.is_not(None), column != 0)
        gone = case((column.in_(was), 1), else_=0)
        yield from _lacking(name, connection.execute(asked.add_columns(gone).where(column.not_in(there))).all())
        yield from _strange(connection, name, asked.subquery(name))


def _listed(connection: Connection) -> Iterator[Finding]:
    there, was = select(objects.c.id), select(past.c.id)
    for name, role in LISTS.items():
        current = (links.c.role == role) & (links.c.until == FOREVER)
        asked = select(links.c.id, links.c.target).where(current).distinct()
        gone = case((links.c.target.in_(was), 1), else_=0)
        yield from _lacking(name, connection.execute(asked.add_columns(gone).where(links.c.target.not_in(there))).all())
        yield from _strange(connection, name, asked.subquery(name))


def _lacking(name: str, found: Sequence[Any]) -> Iterator[Finding]:
    """Tell of objects that name some that were deleted, and of those that name ids that never were here."""
    for deleted in (1, 0):
        mine = [(unsigned(one), unsigned(target)) for one, target, was in found if was == deleted]
        if not mine:
            continue
        ids = sorted({one for one, _ in mine})
        named = sorted({target for _, target in mine})
        told = f"{len(ids)} objects ({some(ids, 5)}) name {len(named)}"
        if deleted:
            yield Finding("references", name, "problem", f"{told} that were deleted: {some(named)}",
                          f"ann.undo(number) brings one back, ann.changes({named[0]}) says what took it; or write "
                          f"another: ann.update(ids, {name}=...)", tuple(ids[:_TOLD]))  # fmt: skip
        else:
            yield Finding("references", name, "note", f"{told} that never were here: {some(named)}",
                          "nothing, where those are ids of another table", tuple(ids[:_TOLD]))  # fmt: skip


def _strange(connection: Connection, name: str, named: Any) -> Iterator[Finding]:
    """Tell of objects that name one of a kind that the field is not for."""
    target = objects.alias("target")
    key = named.c["target" if name in LISTS else name]
    asked = select(named.c.id, target.c.kind).join(target, target.c.id == key)
    wanted = _NAMES.get(name) or _LISTED.get(name)
    if wanted is not None:
        asked = asked.where(target.c.kind != KINDS[wanted].code)
    elif name == "parent":
        asked = asked.join(objects, objects.c.id == named.c.id).where(target.c.kind != objects.c.kind)
    else:
        return
    ids = sorted({unsigned(row[0]) for row in connection.execute(asked)})
    if ids:
        yield Finding("references", name, "note",
                      f"{len(ids)} objects name one that is no {wanted or 'object of their own kind'}: {some(ids)}",
                      "", tuple(ids[:_TOLD]))  # fmt: skip
