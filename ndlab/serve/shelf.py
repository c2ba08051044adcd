"""Pieces of remote values on disk: bounded, the least recently used given up first, each checked when it is taken.

A piece is a file; what is known of it (key, range, checksum, when it was used) is a row of SQLite beside it, so that
what was kept survives a restart, and a file that was cut short by a crash, or damaged since, is never served.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Known", "Shelf"]

_HIGH, _LOW = 0.95, 0.90
_TOUCH_SECONDS = 60.0
_SCHEMA = """
create table if not exists keys(key text primary key, size integer, etag text, checked real) without rowid;
create table if not exists pieces(id integer primary key, key text, start integer, stop integer, crc integer,
                                  used real);
create index if not exists pieces_of on pieces(key, start);
create index if not exists pieces_used on pieces(used);
"""


@dataclass(frozen=True)
class Known:
    """What is known of a key: its size, None if there is no such key, its tag, and when the origin was last asked."""

    size: int | None
    etag: str
    checked: float


class Shelf:
    """Pieces below a folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there. One process uses it at a time.
    limit : int
        Most bytes of pieces; beyond 95 % of it the least recently used go, down to 90 %.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / "index.sqlite", check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)
        self._used: dict[int, float] = {}
        self.nbytes = self._tidy()
        self.evicted = self.damaged = 0

    def close(self) -> None:
        """Write down what was used when, and close."""
        with self._lock:
            self._note_uses()
            self._db.close()

    # --- keys ---------------------------------------------------------------------------------------------------

    def known(self, key: str) -> Known | None:
        """Return what is known of a key, None if nothing is."""
        with self._lock:
            row = self._db.execute("select size, etag, checked from keys where key = ?", (key,)).fetchone()
        return None if row is None else Known(*row)

    def learn(self, key: str, size: int | None, etag: str, checked: float) -> None:
        """Note what the origin said of a key; pieces of another version of it are given up."""
        with self._lock:
            old = self.known(key)
            if old is not None and (old.size, old.etag) != (size, etag):
                for (number,) in self._db.execute("select id from pieces where key = ?", (key,)).fetchall():
                    self._drop(number)
            self._db.execute("insert or replace into keys values(?, ?, ?, ?)", (key, size, etag, checked))

    # --- pieces -------------------------------------------------------------------------------------------------

    def take(self, key: str, start: int, stop: int) -> bytes | None:
        """Return the bytes of a range that one piece covers, None if none does or it is damaged."""
        with self._lock:
            row = self._db.execute(
                "select id, start, stop, crc from pieces where key = ? and start <= ? and stop >= ? limit 1",
                (key, start, stop),
            ).fetchone()
        if row is None:
            return None
        number, first, last, crc = row
        try:
            value = self._path(number).read_bytes()
        except OSError:
            value = b""
        if len(value) != last - first or zlib.crc32(value) != crc:
            with self._lock:
                self.damaged += 1
                self._drop(number)
            return None
        self._touch(number)
        return value if (first, last) == (start, stop) else value[start - first : stop - first]

    def put(self, key: str, start: int, value: bytes) -> None:
        """Keep a piece; one that alone would fill the shelf is not kept."""
        if len(value) > self.limit * _LOW or not value:
            return
        with self._lock:
            self._make_room(len(value))
            stop = start + len(value)
            same = "select id from pieces where key = ? and start = ? and stop = ?"
            for (old,) in self._db.execute(same, (key, start, stop)).fetchall():
                self._drop(old)
            row = self._db.execute(
                "insert into pieces(key, start, stop, crc, used) values(?, ?, ?, ?, ?)",
                (key, start, stop, zlib.crc32(value), time.time()),
            )
            number = int(row.lastrowid or 0)
            self.nbytes += len(value)
        path = self._path(number)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(value)
        os.replace(part, path)  # noqa: PTH105 - atomic

    # --- upkeep -------------------------------------------------------------------------------------------------

    def _path(self, number: int) -> Path:
        return self.folder / f"{number & 0xFF:02x}" / f"{number:x}"

    def _drop(self, number: int) -> None:
        row = self._db.execute("select start, stop from pieces where id = ?", (number,)).fetchone()
        if row is None:
            return
        self._db.execute("delete from pieces where id = ?", (number,))
        self._used.pop(number, None)
        self.nbytes -= row[1] - row[0]
        self._path(number).unlink(missing_ok=True)

    def _make_room(self, nbytes: int) -> None:
        if self.nbytes + nbytes <= self.limit * _HIGH:
            return
        self._note_uses()
        with self._together():
            while self.nbytes + nbytes > self.limit * _LOW:
                rows = self._db.execute("select id from pieces order by used limit 64").fetchall()
                if not rows:
                    return
                for (number,) in rows:
                    if self.nbytes + nbytes <= self.limit * _LOW:
                        return
                    self._drop(number)
                    self.evicted += 1

    def _touch(self, number: int) -> None:
        """Remember a use; a write for each would cost more than the read."""
        with self._lock:
            now = time.time()
            self._used[number] = now
            if len(self._used) > 4096 or now - min(self._used.values(), default=now) > _TOUCH_SECONDS:
                self._note_uses()

    def _note_uses(self) -> None:
        with self._together():
            self._db.executemany("update pieces set used = ? where id = ?", [(t, n) for n, t in self._used.items()])
        self._used.clear()

    @contextmanager
    def _together(self) -> Iterator[None]:
        nested = self._db.in_transaction
        if not nested:
            self._db.execute("begin")
        try:
            yield
        finally:
            if not nested:
                self._db.execute("commit")

    def _tidy(self) -> int:
        """Remove files without a row and rows without a whole file, which a crash leaves; return the bytes kept."""
        rows = {n: b - a for n, a, b in self._db.execute("select id, start, stop from pieces").fetchall()}
        total = 0
        found = {path: path.stat().st_size for path in self.folder.glob("[0-9a-f][0-9a-f]/*")}
        whole = {self._path(number): number for number in rows}
        for path, size in found.items():
            if path in whole and rows[whole[path]] == size:
                total += size
            else:
                path.unlink(missing_ok=True)
        lost = [(n,) for path, n in whole.items() if found.get(path) != rows[n]]
        with self._together():
            self._db.executemany("delete from pieces where id = ?", lost)
        return total
