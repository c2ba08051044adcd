"""A PostgreSQL server: its driver, how it is reached, rows in bulk, and what it means when it refuses.

An address is ``postgresql://user@host:port/database``, with the words behind ``?`` that libpq knows. psycopg reads it
where it is installed, pg8000 otherwise, which needs no compiled client; both find passwords where libpq does.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url

from ndlab.errors import BadMetadata, BadRequest, Conflict, NdlabError, NotFound, ReadOnly, TooLarge, Unsupported

__all__ = [
    "copy", "engine_of", "is_lost", "is_server", "named", "refuse_other_text", "state_of", "take_the_writers_place",
    "unsure", "without_password",
]  # fmt: skip

_SCHEMES = ("postgresql://", "postgresql+", "postgres://")
_DRIVERS = ("psycopg", "pg8000")
# Seconds until a host that says nothing is given up.
_CONNECTING = 10.0
# A machine that vanished is noticed after 60 + 3 * 10 s, on both sides: it may hold the only writer's place.
_ALIVE = {"idle": 60, "interval": 10, "count": 3}


def is_server(address: str) -> bool:
    """Tell whether an address is of a database server."""
    return address.startswith(_SCHEMES)


def _parsed(address: str) -> URL:
    try:
        url = make_url(address.replace("postgres://", "postgresql://", 1))
    except (exc.ArgumentError, ValueError):
        # What cannot be read may hold a password, and is not repeated.
        raise BadRequest(
            "an address of a PostgreSQL server that cannot be read", "it is postgresql://user@host:5432/database",
            "write / : @ % of a password as %2F %3A %40 %25, or put it into PGPASSWORD or ~/.pgpass",
        ) from None  # fmt: skip
    if url.drivername != "postgresql" and url.drivername.partition("+")[2] not in _DRIVERS:
        raise Unsupported(f"annotations by {url.drivername}", f"the drivers are {' and '.join(_DRIVERS)}",
                          "write postgresql://", feature=url.drivername)  # fmt: skip
    return url


def without_password(address: str) -> str:
    """Return an address as it may be shown: without any password, and without other words behind ``?``.

    Examples
    --------
    >>> without_password("postgresql://ada:secret@brain.example.org/ann?sslmode=require")
    'postgresql://ada@brain.example.org/ann'
    """
    if not is_server(address):
        return address
    url = _parsed(address)
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database).render_as_string()


def engine_of(address: str, patience: float) -> Engine:
    """Return an engine whose reads see one state each, and whose writers wait `patience` seconds for each other."""
    url = _parsed(address)
    driver = _driver(url)
    url = url.set(drivername=f"postgresql+{driver}")
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "max_overflow": -1, "pool_pre_ping": True}
    if driver == "psycopg":
        alive = {f"keepalives_{name}": value for name, value in _ALIVE.items()}
        given = {"connect_timeout": int(_CONNECTING), "client_encoding": "UTF8"} | alive
        # What the address says goes first.
        engine = create_engine(url, connect_args={k: v for k, v in given.items() if k not in url.query}, **options)
    else:
        engine = create_engine(URL.create(url.drivername), connect_args=_plain_arguments(url), **options)
        event.listen(engine, "do_connect", _connected)
    event.listen(engine, "connect", lambda connection, _: _prepare(connection, patience))
    event.listen(engine, "handle_error", _notice_loss)
    event.listen(engine, "do_execute", _copying)
    return engine


def _driver(url: URL) -> str:
    wanted = [url.drivername.partition("+")[2]] if "+" in url.drivername else list(_DRIVERS)
    found = next((name for name in wanted if find_spec(name)), None)
    if found is None:
        raise Unsupported(
            f"annotations on a PostgreSQL server by {' or '.join(wanted)}", "that driver is not installed",
            'type pip install "ndlab[postgres]"', feature="postgresql",
        )  # fmt: skip
    return found


# --- what pg8000 does not do by itself ----------------------------------------------------------------------------


def _plain_arguments(url: URL) -> dict[str, Any]:
    """Return what pg8000 takes for what libpq would read out of an address and the environment."""
    asked: dict[str, Any] = dict(url.query)
    host = asked.pop("host", None) or url.host or os.environ.get("PGHOST") or "localhost"
    port = int(asked.pop("port", None) or url.port or os.environ.get("PGPORT") or 5432)
    user = asked.pop("user", None) or url.username or os.environ.get("PGUSER") or getpass.getuser()
    database = url.database or os.environ.get("PGDATABASE") or user
    password = asked.pop("password", None) or url.password or os.environ.get("PGPASSWORD")
    found: dict[str, Any] = {"user": user, "database": database, "host": host, "port": port}
    found["password"] = password or _kept_password(host, port, database, user)
    found["application_name"] = asked.pop("application_name", "ndlab")
    found["timeout"] = float(asked.pop("connect_timeout", _CONNECTING))
    found["ssl_context"] = _encryption(asked.pop("sslmode", "prefer"), asked.pop("sslrootcert", None))
    if asked:
        raise BadRequest(
            f"the address of a PostgreSQL server says {', '.join(asked)}",
            "pg8000 knows host, port, user, password, application_name, connect_timeout, sslmode and sslrootcert",
            "leave it out, or install psycopg, which knows all of them",
        )
    return found


def _encryption(mode: str, root: str | None) -> Any:
    """Return the context of a mode of libpq: False for never, None for where the server can."""
    import ssl

    if mode in ("disable", "allow", "prefer"):
        return False if mode == "disable" else None
    if mode not in ("require", "verify-ca", "verify-full"):
        raise BadRequest(f"sslmode={mode}", "it is disable, allow, prefer, require, verify-ca or verify-full")
    context = ssl.create_default_context(cafile=root)
    context.check_hostname = mode == "verify-full"
    if mode == "require" and root is None:
        context.verify_mode = ssl.CERT_NONE
    return context


def _kept_password(*asked: object) -> str | None:
    """Look up host, port, database and user in the file of passwords; of a file that others may read, nothing."""
    path = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    if not path.is_file() or path.stat().st_mode & 0o077:
        return None
    for line in path.read_text().splitlines():
        fields = _fields(line)
        if len(fields) == 5 and all(one in ("*", str(other)) for one, other in zip(fields[:4], asked, strict=True)):
            return fields[4]
    return None


def _fields(line: str) -> list[str]:
    """Cut a line at its colons; a backslash takes the next letter as it is."""
    fields = [""]
    letters = iter(line if not line.startswith("#") else "")
    for letter in letters:
        if letter == ":" and len(fields) < 5:
            fields.append("")
        else:
            fields[-1] += next(letters, "") if letter == "\\" else letter
    return fields


def _connected(dialect: Any, record: Any, args: Any, arguments: dict[str, Any]) -> Any:
    """Connect, with a limit for that alone: pg8000's own would end a statement that waits for another writer."""
    driver = dialect.loaded_dbapi
    try:
        return _kind_of(driver)(**_reached(driver, **arguments))
    except OSError as error:
        place = f"{arguments['host']}:{arguments['port']}"
        raise driver.InterfaceError(f"no connection to {place}: {error}") from None
    except AttributeError:
        if arguments["password"] is not None:
            raise
        # It goes on to take a password that there is none of.
        raise driver.DatabaseError({"C": "28P01", "M": "it asks for a password, and none was given"}) from None


@cache
def _kind_of(driver: Any) -> Any:
    """Return pg8000's connection, with a lost server always named the same, and no complaint when it is let go of."""

    class Connection(driver.Connection):  # type: ignore[misc]
        def handle_messages(self, context: Any) -> None:
            try:
                super().handle_messages(context)
            except OSError as error:
                raise driver.InterfaceError("network error") from error

        def close(self) -> None:
            with suppress(driver.InterfaceError, OSError):
                super().close()

    return Connection


def _reached(driver: Any, host: str, port: int, timeout: float, **arguments: Any) -> dict[str, Any]:
    """Return what a connection is made of, with an open socket."""
    arguments |= {"host": host, "port": port}
    if host.startswith("/"):
        return arguments | {"unix_sock": f"{host}/.s.PGSQL.{port}"}
    try:
        made = socket.create_connection((host, port), timeout)
    except OSError as error:
        raise driver.InterfaceError(f"no connection to {host}:{port}: {error}") from None
    made.settimeout(None)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, option in (("idle", "TCP_KEEPIDLE"), ("interval", "TCP_KEEPINTVL"), ("count", "TCP_KEEPCNT")):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), _ALIVE[name])
    return arguments | {"sock": made}


# --- a connection -------------------------------------------------------------------------------------------------


def _prepare(connection: Any, patience: float) -> None:
    """Say how long to wait for other writers, when to give up a client that vanished, and that no digit is dropped."""
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = {round(patience * 1000)}")
    for name, value in _ALIVE.items():
        cursor.execute(f"SET tcp_keepalives_{name} = {value}")
    cursor.execute("SET extra_float_digits = 3")
    cursor.execute("SET client_encoding = 'UTF8'")
    cursor.close()
    connection.commit()


def _notice_loss(context: Any) -> None:
    """Let go of connections to a server that went away; pg8000's dialect knows only some of the ways."""
    if is_lost(context.original_exception):
        context.is_disconnect = True


def is_lost(error: BaseException | None) -> bool:
    """Tell whether an error says that the server went away, or is on its way."""
    code, said = state_of(error)
    if code:
        return code.startswith(("57P", "08"))
    low = said.lower()
    return any(word in low for word in ("network error", "connection", "communication error", "closed the"))


def state_of(error: BaseException | None) -> tuple[str, str]:
    """Return the state, five letters (``""`` if the server said none), and the message of a driver's error."""
    first = error.args[0] if error is not None and error.args else ""
    if isinstance(first, dict):  # pg8000
        return str(first.get("C", "")), str(first.get("M", ""))
    said = " ".join(str(error).split())
    return str(getattr(error, "sqlstate", None) or "") or _guessed(said), said


def _guessed(said: str) -> str:
    """Return the state of a connection that was refused, of which libpq gives the words alone."""
    if "password" in said or 'role "' in said or "pg_hba" in said:
        return "28000"
    return "3D000" if 'database "' in said and "does not exist" in said else ""


def refuse_other_text(connection: Connection, shown: str) -> None:
    """Refuse a database that cannot hold every letter."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise Unsupported(f"annotations at {shown}", f"its database keeps text as {encoding}, they need UTF8",
                          "make one: createdb -E UTF8 -T template0 NAME", feature=f"encoding {encoding}")  # fmt: skip


def take_the_writers_place(connection: Connection) -> None:
    """Wait until no other transaction writes, and see in each statement what those before have left."""
    connection.exec_driver_sql(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(hashtext('ndlab.annotations'))"
    )


# --- rows in bulk -------------------------------------------------------------------------------------------------


def copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows by COPY: one stream, where both drivers would send a statement for each row."""
    stream = {"ndlab_copy": _lines(rows)}
    connection.exec_driver_sql(f"COPY {table} ({','.join(columns)}) FROM STDIN", execution_options=stream)


_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_PIECE = 500


def _lines(rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Write rows in COPY's own text, some hundred lines at once."""
    lines: list[str] = []
    for row in rows:
        lines.append("\t".join(map(_word, row)))
        if len(lines) == _PIECE:
            yield ("\n".join(lines) + "\n").encode()
            lines.clear()
    if lines:
        yield ("\n".join(lines) + "\n").encode()


def _word(value: Any) -> str:
    if value is None:
        return "\\N"
    return value.translate(_ESCAPED) if isinstance(value, str) else repr(value)


def _copying(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    stream = context.execution_options.get("ndlab_copy") if context is not None else None
    if stream is None:
        return None
    if hasattr(cursor, "copy"):  # psycopg
        with cursor.copy(statement) as out:
            for piece in stream:
                out.write(piece)
    else:
        cursor.execute(statement, stream=stream)
    return True


# --- what a refusal means -----------------------------------------------------------------------------------------

_MEANS: dict[str, tuple[type[NdlabError], str, str]] = {
    "55P03": (Conflict, "is being written; another writer held it for too long",
              "try again; NDLAB_ANNOTATIONS_WAIT is the patience in seconds"),
    "40": (Conflict, "is being written", "try again; nothing was written"),
    "53300": (Conflict, "takes no more connections", "close others with ann.close(), or raise max_connections"),
    "53": (TooLarge, "has no room left", "free some space there; what was stored before is intact"),
    "25006": (ReadOnly, "cannot be written", "write to the primary server; this one is a copy"),
    "42501": (ReadOnly, "is closed to this user", "ask for the rights: GRANT ALL ON DATABASE name TO user"),
    "28": (ReadOnly, "is closed to this user", "check user and password; PGPASSWORD and ~/.pgpass are read, too"),
    "3D000": (NotFound, "is no database", "make it: createdb -E UTF8 -T template0 NAME"),
    "42P01": (NotFound, "has no annotations", "make them: Annotations.create(address, space=volume)"),
    "XX00": (BadMetadata, "is damaged", "put it back from a backup, or import its exports"),
}  # fmt: skip


def named(error: BaseException, shown: str) -> Exception:
    """Return the error that says what a driver's error means for the database shown as `shown`."""
    code, said = state_of(error)
    for length in (5, 4, 2):
        if code[:length] in _MEANS:
            kind, what, remedy = _MEANS[code[:length]]
            return kind(f"{shown} {what}", said, remedy)
    if is_lost(error) or not code:
        return NotFound(f"{shown} does not answer", said, "check that the server runs, and the address; then try again")
    return OSError(f"{shown}: {said} ({code})")


def unsure(shown: str) -> NotFound:
    """Return the error for a connection that was lost while a write was made permanent."""
    return NotFound(
        f"{shown} does not answer", "it went away while a write was made permanent: that is there whole, or not at all",
        "look with ann.history(limit=1) before you write it again", unsure=True,
    )  # fmt: skip
