"""The index of painted objects: in which chunks each one is, how far it reaches there, and how far strokes are merged.

One SQLite file. What belongs together changes together: a merge's rows, exceptions, history and mark are one
transaction, so the mark never speaks of strokes whose rows are not there.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations.applying import Exceptions
from ndlab.errors import BadMetadata, Conflict, ReadOnly, TooLarge

__all__ = ["Index", "Place", "Row", "Write", "place_of", "places", "rows"]

Row = tuple[int, int, int, int, int]

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE places (id INTEGER, chunk INTEGER, count INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
    PRIMARY KEY (id, chunk)) WITHOUT ROWID;
CREATE TABLE exceptions (chunk INTEGER, inside INTEGER, rank INTEGER, id INTEGER NOT NULL,
    PRIMARY KEY (chunk, inside, rank)) WITHOUT ROWID;
CREATE TABLE writes (number INTEGER PRIMARY KEY, last INTEGER NOT NULL, time INTEGER NOT NULL, author TEXT NOT NULL,
    mode INTEGER NOT NULL, objects INTEGER NOT NULL, voxels INTEGER NOT NULL, undone INTEGER NOT NULL, undoes TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '');
CREATE TABLE merges (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, nbytes INTEGER NOT NULL);
INSERT INTO facts VALUES ('format', '1'), ('merged', '0');
"""  # noqa: E501 - one line a table


@dataclass(frozen=True, slots=True)
class Place:
    """One object in one chunk: how many voxels, and the box in the chunk (z, y, x) that holds them."""

    id: int
    chunk: int
    count: int
    low: tuple[int, int, int]
    high: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Write:
    """One acknowledged write.

    Parameters
    ----------
    number : int
        Of the transaction.
    last : int
        Number of its last stroke.
    time : int
        Microseconds since 1970.
    author, mode : str, int
    objects, voxels : int
        How many it named.
    undone : int
        Number of the write that took it back; 0 if none did.
    undoes : tuple of int
        Numbers of the writes that it took back.
    note : str
    """

    number: int
    last: int
    time: int
    author: str
    mode: int
    objects: int
    voxels: int
    undone: int = 0
    undoes: tuple[int, ...] = ()
    note: str = ""


class Index:
    """The places of objects, the exceptions and the marks of one set of labels.

    Examples
    --------
    >>> import tempfile
    >>> index = Index(Path(tempfile.mkdtemp(), "index.sqlite"))
    >>> with index.change():
    ...     index.put_places(rows([(7, 3)], [np.array([0, 1])], (8, 8, 8)), [(7, 3)])
    >>> [place.chunk for place in index.of(7)], index.merged
    ([3], 0)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.RLock()
        fresh = not path.exists()
        try:
            self._db = self._open(path, fresh)
        except sqlite3.OperationalError as error:
            if fresh:
                raise _named(error, path) from None
            # A disk that is mounted read-only: the file has no other writer.
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise _named(error, path) from None

    @staticmethod
    def _open(path: Path, fresh: bool) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        db.execute("PRAGMA synchronous = FULL")
        if fresh or not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            db.execute("BEGIN IMMEDIATE")
            if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'facts'").fetchone()[0]:
                for statement in _TABLES.split(";\n"):
                    if statement.strip():
                        db.execute(statement)
            db.execute("COMMIT")
        if "note" not in [row[1] for row in db.execute("PRAGMA table_info(writes)")]:
            db.execute("ALTER TABLE writes ADD COLUMN note TEXT NOT NULL DEFAULT ''")
        return db

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self._db.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self._db.close()

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._mutex:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise _named(error, self.path) from None

    @contextmanager
    def change(self) -> Iterator[None]:
        """Change several things at once: all of them are there afterwards, or none."""
        with self._mutex:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.DatabaseError as error:
                raise _named(error, self.path) from None

    # --- facts ------------------------------------------------------------------------------------------------

    @property
    def merged(self) -> int:
        """Number of the last stroke that is in the store."""
        return int(self.fact("merged") or 0)

    def fact(self, name: str) -> str | None:
        """Return a fact by name, None if it was never set."""
        found = self._ask("SELECT value FROM facts WHERE name = ?", (name,))
        return None if not found else str(found[0][0])

    def set_fact(self, name: str, value: str) -> None:
        """Set a fact."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # --- places -----------------------------------------------------------------------------------------------

    def of(self, id: int) -> list[Place]:  # noqa: A002 - the house's word for it
        """Return the chunks that hold an object."""
        found = self._ask("SELECT chunk, count, low, high FROM places WHERE id = ? ORDER BY chunk", (_signed(id),))
        return [Place(id, chunk, count, _corner(low), _corner(high)) for chunk, count, low, high in found]

    def ids(self) -> list[int]:
        """Every object that has voxels."""
        return sorted(_unsigned(one) for (one,) in self._ask("SELECT DISTINCT id FROM places"))

    def all_places(self) -> Iterator[Place]:
        """Every row, for checks."""
        for one, chunk, count, low, high in self._ask("SELECT * FROM places"):
            yield Place(_unsigned(one), chunk, count, _corner(low), _corner(high))

    def known(self, ids: Iterable[int]) -> set[int]:
        """Return those of `ids` that have voxels."""
        top = self._ask("SELECT max(id) FROM places")[0][0]
        # New objects mostly have the largest ids.
        possible = [] if top is None else [one for one in ids if _signed(one) <= top]
        if not possible:
            return set()
        with self._mutex:
            self._ask_for(possible)
            found = self._ask("SELECT id FROM asked WHERE EXISTS (SELECT 1 FROM places WHERE places.id = asked.id)")
            return {_unsigned(one) for (one,) in found}

    def chunks_of(self, ids: Iterable[int]) -> set[int]:
        """Return the chunks that hold any of some objects."""
        with self._mutex:
            self._ask_for(ids)
            return {chunk for (chunk,) in self._ask("SELECT DISTINCT chunk FROM asked CROSS JOIN places USING (id)")}

    def _ask_for(self, ids: Iterable[int]) -> None:
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS asked (id INTEGER PRIMARY KEY)")
        self._db.execute("DELETE FROM asked")
        self._db.executemany("INSERT OR IGNORE INTO asked VALUES (?)", [(_signed(one),) for one in ids])

    def put_places(self, found: Iterable[Row], touched: Iterable[tuple[int, int]]) -> None:
        """Replace the rows of the `touched` (id, chunk) pairs by `found`."""
        self._db.executemany("DELETE FROM places WHERE id = ? AND chunk = ?", [(_signed(i), c) for i, c in touched])
        listed = sorted((_signed(one), *rest) for one, *rest in found)
        self._db.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)", listed)

    def put_tables(self, tables: Sequence[np.ndarray[Any, Any]]) -> None:
        """Add rows (id with a sign, chunk, count, low, high); those of the same id and chunk are replaced."""
        table = np.concatenate([np.empty((0, 5), "i8"), *tables])
        ordered = table[np.lexsort((table[:, 1], table[:, 0]))].tolist()
        self._db.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)", ordered)

    def clear(self) -> None:
        """Remove all places, before they are found anew."""
        self._db.execute("DELETE FROM places")

    # --- exceptions -------------------------------------------------------------------------------------------

    def exceptions(self, chunk: int) -> Exceptions:
        """Return the exceptions of a chunk."""
        found: Exceptions = {}
        rows = self._ask("SELECT inside, id FROM exceptions WHERE chunk = ? ORDER BY inside, rank", (chunk,))
        for inside, one in rows:
            found.setdefault(inside, []).append(_unsigned(one))
        return found

    def exception_chunks(self) -> list[int]:
        """Return the chunks that have exceptions."""
        return [chunk for (chunk,) in self._ask("SELECT DISTINCT chunk FROM exceptions ORDER BY chunk")]

    def put_exceptions(self, chunk: int, exceptions: Exceptions) -> None:
        """Replace the exceptions of a chunk."""
        self._db.execute("DELETE FROM exceptions WHERE chunk = ?", (chunk,))
        rows = [(chunk, at, i, _signed(one)) for at, ids in exceptions.items() for i, one in enumerate(ids)]
        self._db.executemany("INSERT INTO exceptions VALUES (?, ?, ?, ?)", rows)

    # --- history ----------------------------------------------------------------------------------------------

    def put_writes(self, writes: Iterable[Write]) -> None:
        """Add merged writes, and note which earlier ones they took back."""
        listed = list(writes)
        self._db.executemany(
            "INSERT OR REPLACE INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
            [
                (w.number, w.last, w.time, w.author, w.mode, w.objects, w.voxels, " ".join(map(str, w.undoes)), w.note)
                for w in listed
            ],
        )
        back = [(w.number, one) for w in listed for one in w.undoes]
        self._db.executemany("UPDATE writes SET undone = ? WHERE number = ?", back)

    def writes(self, limit: int | None = None, after: int = 0) -> list[Write]:
        """Return merged writes with numbers above `after`, the latest first."""
        asked = "SELECT * FROM writes WHERE number > ? ORDER BY number DESC LIMIT ?"
        return [
            Write(a, b, t, who, how, m, n, u, tuple(map(int, back.split())), note)
            for a, b, t, who, how, m, n, u, back, note in self._ask(asked, (after, -1 if limit is None else limit))
        ]

    def largest(self) -> int:
        """Return the largest id below 2**63 that has voxels, 0 if none has."""
        return max(0, int(self._ask("SELECT max(id) FROM places")[0][0] or 0))

    def merges(self) -> list[tuple[int, int, int]]:
        """First and last stroke of each merge whose past is kept, and its bytes; the latest first."""
        return [(a, b, n) for a, b, n in self._ask("SELECT * FROM merges ORDER BY first DESC")]

    def put_merge(self, first: int, last: int, nbytes: int) -> None:
        """Add a merge."""
        self._db.execute("INSERT OR REPLACE INTO merges VALUES (?, ?, ?)", (first, last, nbytes))

    def forget_merge(self, first: int) -> None:
        """Remove a merge whose past is no longer kept."""
        self._db.execute("DELETE FROM merges WHERE first = ?", (first,))


def rows(
    pairs: Sequence[tuple[int, int]], positions: Sequence[np.ndarray[Any, Any]], chunk: Sequence[int]
) -> list[Row]:
    """Return the row of each (id, chunk) pair from the positions of its voxels; without voxels it has none.

    A row is id, chunk, number of voxels, and the corners of their box, packed.
    """
    kept = [i for i, found in enumerate(positions) if len(found)]
    if not kept:
        return []
    counts = np.array([len(positions[i]) for i in kept])
    flat = np.concatenate([positions[i] for i in kept]).astype("i4")
    firsts = np.cumsum(counts) - counts
    rising = np.diff(flat) > 0
    rising[firsts[1:] - 1] = True
    if not rising.all():
        group = np.unique(np.repeat(np.arange(len(kept)) << 32, counts) | flat)
        counts, flat = np.bincount(group >> 32), (group & 0xFFFFFFFF).astype("i4")
        firsts = np.cumsum(counts) - counts
    lines, x = np.divmod(flat, np.int32(chunk[2]))
    z, y = np.divmod(lines, np.int32(chunk[1]))
    low, high = np.zeros(len(kept), "i8"), np.zeros(len(kept), "i8")
    for axis in (z, y, x):
        low = low << 21 | np.minimum.reduceat(axis, firsts)
        high = high << 21 | (np.maximum.reduceat(axis, firsts) + 1)
    chosen = zip(kept, counts.tolist(), low.tolist(), high.tolist(), strict=True)
    return [(*pairs[i], n, a, b) for i, n, a, b in chosen]


def places(
    pairs: Sequence[tuple[int, int]], positions: Sequence[np.ndarray[Any, Any]], chunk: Sequence[int]
) -> list[Place]:
    """Return the place of each (id, chunk) pair from the positions of its voxels.

    Examples
    --------
    >>> places([(7, 0), (8, 0)], [np.array([6, 1, 1]), np.array([], int)], (2, 2, 2))
    [Place(id=7, chunk=0, count=2, low=(0, 0, 0), high=(2, 2, 2))]
    """
    return [place_of(row) for row in rows(pairs, positions, chunk)]


def place_of(row: Row) -> Place:
    """Return a row as a place."""
    one, chunk, count, low, high = row
    return Place(one, chunk, count, _corner(low), _corner(high))


def _signed(value: int) -> int:
    """SQLite's integers have a sign; ids of 64 bits have none."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _unsigned(value: int) -> int:
    return value + (1 << 64) if value < 0 else value


def _corner(packed: int) -> tuple[int, int, int]:
    return packed >> 42, packed >> 21 & 0x1FFFFF, packed & 0x1FFFFF


def _named(error: sqlite3.Error, path: Path) -> Exception:
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        return ReadOnly(f"{path} cannot be written", text, "check the permissions of the folder")
    if "full" in text or "disk I/O" in text:
        return TooLarge(f"{path}: no space left for the index", text, "free some space; nothing is lost")
    if "locked" in text:
        return Conflict(f"{path} is held by another program for over a minute", text, "close what holds it open")
    if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        return BadMetadata(
            f"{path} is damaged", text, "restore the folder from a backup; the labels themselves are intact"
        )
    return error
