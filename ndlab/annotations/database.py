"""One database: an engine, a read that sees one state, a write that happens whole or not at all.

SQLite runs with a write-ahead log, so readers never wait for a writer, and ``synchronous=FULL``, so a write that
returned is on disk. All writes of one database happen one after another: SQLite has one writer at a time, and on
PostgreSQL each takes one lock first. So the numbers of transactions are in the order in which they
took effect, which is what reading an earlier state rests on.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, select, update
from sqlalchemy.pool import QueuePool

from ndlab.annotations import server
from ndlab.annotations.schema import counters
from ndlab.annotations.server import is_server
from ndlab.errors import BadMetadata, Conflict, NdlabError, NotFound, ReadOnly, TooLarge

__all__ = ["FILE", "Database", "chunked", "is_server", "next_of"]

FILE = "objects.sqlite"
# How long a writer waits for another one.
PATIENCE = float(os.environ.get("NDLAB_ANNOTATIONS_WAIT", "60"))
# Bound values of one statement; SQLite before 3.32 takes 999.
_BOUND = 900


def chunked(values: Sequence[Any], size: int = _BOUND) -> Iterator[Sequence[Any]]:
    """Cut a list into pieces that one statement takes."""
    return (values[i : i + size] for i in range(0, len(values), size))


class Database:
    """A database at an address, opened when it is first needed; pickles as its address.

    Parameters
    ----------
    address : str
        Folder that holds `FILE`, or ``postgresql://`` address.
    readonly : bool
        Refuse to write.
    """

    def __init__(self, address: str, readonly: bool = False) -> None:
        self.address = address
        self.server = is_server(address)
        self.shown = server.without_password(address)
        self._asked_readonly = readonly
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Database, (self.address, self._asked_readonly)

    @property
    def path(self) -> Path:
        """The file of an embedded database."""
        return Path(self.address) / FILE

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written: because that was asked for, or because the disk says so."""
        return self._asked_readonly or (not self.server and not _writable(self.path))

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        with self._lock:
            if self._engine is None:
                self._engine = server.engine_of(self.address, PATIENCE) if self.server else self._file_engine()
                # Connections are closed when nobody can use them any more, not when a collector comes by.
                weakref.finalize(self, self._engine.dispose)
            return self._engine

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _file_engine(self) -> Engine:
        readonly = self.readonly
        mode = "ro" if readonly else "rw"
        log = self.path.with_name(self.path.name + "-wal")
        # On a disk that cannot be written, SQLite cannot make the files by which readers and writers agree; without
        # a log of unmerged writes nothing is missed by going without them.
        still = readonly and not _writable(self.path) and not (log.exists() and log.stat().st_size)
        uri = f"file:{quote(str(self.path))}?mode={mode}" + ("&immutable=1" if still else "")

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-65536")
            # A log is merged at 16 MiB: merging every 4 MiB, the default, halves the speed of bulk writes.
            connection.execute("PRAGMA wal_autocheckpoint=4000")
            return connection

        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, max_overflow=-1)

        # Python's driver would begin transactions where it sees fit; here each begins where it says.
        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("ndlab_writes")
            if writes:
                connection.exec_driver_sql(f"PRAGMA synchronous={writes}")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def make(self) -> None:
        """Make an empty file in write-ahead mode, which it keeps."""
        with self.errors():
            connection = sqlite3.connect(self.path, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()

    @contextmanager
    def reading(self, stream: bool = False) -> Iterator[Connection]:
        """Hold one state of the database, whatever is written meanwhile; with `stream` rows are fetched as they go."""
        with self.errors():
            connection = self.engine.connect()
            try:
                with connection.begin():
                    yield connection.execution_options(stream_results=stream)
            finally:
                connection.close()

    @contextmanager
    def writing(self, relaxed: bool = False) -> Iterator[Connection]:
        """Hold the one writer's place; what was written takes effect whole at the end, or not at all on an error.

        It is on disk then; `relaxed`, it is when the next write that is not relaxed is. A killed process loses neither.
        """
        if self.readonly:
            raise ReadOnly(
                f"{self.shown} cannot be written",
                "it was opened to be read" if self._asked_readonly else "the disk or its permissions do not allow it",
                "open it without readonly=True" if self._asked_readonly else "copy the folder, and write to the copy",
            )
        with self.errors():
            connection = self.engine.connect()
            done = False
            try:
                connection = connection.execution_options(ndlab_writes="NORMAL" if relaxed else "FULL")
                with connection.begin():
                    if self.server:
                        server.take_the_writers_place(connection)
                        if relaxed:
                            connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                    yield connection
                    done = True
            except exc.DBAPIError as error:
                if done and self.server and server.is_lost(error.orig):
                    raise server.unsure(self.shown) from None
                raise
            finally:
                connection.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Name what the database refuses."""
        try:
            yield
        except NdlabError:
            raise
        except (exc.DBAPIError, exc.TimeoutError, sqlite3.Error) as error:
            raise self._named(error) from None

    def _named(self, error: Exception) -> Exception:
        if self.server:
            return server.named(getattr(error, "orig", None) or error, self.shown)
        said = str(getattr(error, "orig", error))
        low = said.lower()
        if "locked" in low or "busy" in low:
            return Conflict(f"{self.shown} is being written", f"another writer held it for {PATIENCE:g} s",
                            "try again; NDLAB_ANNOTATIONS_WAIT is the patience in seconds")  # fmt: skip
        if "readonly" in low or "read-only" in low:
            return ReadOnly(f"{self.shown} cannot be written", said, "check the permissions, or write to a copy")
        if "full" in low or "no space" in low:
            return TooLarge(f"{self.shown}: no space left", said, "free some space; what was stored before is intact")
        if "unable to open" in low or "no such table" in low or "does not exist" in low:
            return NotFound(
                f"no annotations at {self.shown}", said, "make them: Annotations.create(path, space=volume)"
            )
        if "malformed" in low or "not a database" in low or "corrupt" in low:
            return BadMetadata(f"{self.shown} is damaged", said, "put it back from a backup, or import its exports")
        if "disk i/o" in low:
            return OSError(f"{self.shown}: {said}: the disk is full or failing; what was stored before is intact")
        return OSError(f"{self.shown}: {said}")

    def insert(self, connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        """Insert rows of values in the order of `columns`."""
        if not rows:
            return
        # Values go to SQLite's driver as they are: half the time of having SQLAlchemy look at each.
        if connection.dialect.name == "sqlite":
            marks = ",".join("?" * len(columns))
            connection.exec_driver_sql(f"INSERT INTO {table.name} ({','.join(columns)}) VALUES ({marks})", rows)
        else:
            server.copy(connection, table.name, columns, rows)

    def taken(self, error: exc.DBAPIError) -> bool:
        """Tell whether an error says that a key is there already; pg8000 has one class for all that a server says."""
        return isinstance(error, exc.IntegrityError) or (self.server and server.state_of(error.orig)[0] == "23505")


def next_of(connection: Connection, name: str, step: int = 1) -> int:
    """Take `step` numbers off a counter and return the first; other writers wait until this one is done."""
    connection.execute(update(counters).where(counters.c.name == name).values(next=counters.c.next + step))
    last = connection.execute(select(counters.c.next).where(counters.c.name == name)).scalar_one()
    return int(last) - step


def _writable(path: Path) -> bool:
    """Tell whether the file, and the folder in which its log is made, can be written."""
    folder = path.parent
    if path.exists() and not os.access(path, os.W_OK):
        return False
    return os.access(folder, os.W_OK) if folder.exists() else True
