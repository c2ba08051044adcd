"""Making a set of annotations: its address, its folder, its tables, and who writes."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path

from ndlab.annotations import server
from ndlab.annotations.database import FILE, Database
from ndlab.annotations.schema import SCHEMA, VERSION, counters, facts
from ndlab.annotations.space import Space
from ndlab.errors import Conflict, ReadOnly, Unsupported

__all__ = ["address_of", "make_folder", "make_tables", "user"]


def address_of(path: str | os.PathLike[str]) -> str:
    """Return the folder, or the address of the server."""
    text = os.fspath(path)
    if server.is_server(text):
        return text
    if "://" in text and not text.startswith("file://"):
        raise Unsupported(
            f"annotations at {text}", "they live in a local folder or on a PostgreSQL server",
            "make them beside, and export them there", feature="remote annotations",
        )  # fmt: skip
    found = Path(text.removeprefix("file://")).expanduser().absolute()
    return str(found.parent if found.name == FILE else found)


def user() -> str:
    """Return who writes: ``NDLAB_AUTHOR``, else the name of the user."""
    named = os.environ.get("NDLAB_AUTHOR")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return ""


def make_folder(database: Database, overwrite: bool) -> None:
    """Make the folder and an empty database in it."""
    folder = database.path.parent
    there = database.path.exists()
    if there and not overwrite:
        raise Conflict(f"annotations were to be made at {folder}", "there are some already",
                       "open them with ndlab.open(path), or pass overwrite=True to delete them")  # fmt: skip
    if not there and folder.exists() and any(folder.iterdir()):
        raise Conflict(f"annotations were to be made at {folder}", "the folder holds something else",
                       "name a folder inside it")  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if there:
            for path in folder.glob(FILE + "*"):
                path.unlink()
    except OSError as error:
        raise ReadOnly(f"{folder} cannot be made", str(error), "choose a place that you can write to") from None
    database.make()


def make_tables(database: Database, space: Space, name: str, overwrite: bool) -> None:
    """Make the tables, or leave none."""
    with database.writing() as connection:
        if database.server:
            server.refuse_other_text(connection, database.shown)
            if overwrite:
                SCHEMA.drop_all(connection)
            elif connection.dialect.has_table(connection, "objects"):
                raise Conflict(f"annotations were to be made at {database.shown}", "there are some already",
                               "open them, or pass overwrite=True to delete them")  # fmt: skip
        SCHEMA.create_all(connection)
        connection.execute(counters.insert(), [{"name": "id", "next": 1}, {"name": "transaction", "next": 1}])
        known = {"version": VERSION, "name": name, "space": space.plain()}
        connection.execute(facts.insert(), [{"name": k, "value": json.dumps(v)} for k, v in known.items()])
