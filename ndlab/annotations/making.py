"""Making a set of annotations: its address, its folder, its tables, and who writes."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.annotations import server
from ndlab.annotations.database import FILE, Database
from ndlab.annotations.schema import SCHEMA, VERSION, counters, facts
from ndlab.annotations.space import Space
from ndlab.errors import BadRequest, Conflict, ReadOnly, Unsupported

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["address_of", "labels_beside", "make_folder", "make_tables", "user"]


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


def labels_beside(address: str, space: Any) -> Callable[[], Volume]:
    """Return what makes an empty label volume for the set at an address, over a volume; refuse what cannot be made."""
    from ndlab.volume import Volume

    if server.is_server(address) or not isinstance(space, Volume):
        what = "a server" if server.is_server(address) else f"space={space!r}"[:100]
        raise BadRequest(f"labels=True with {what}", "labels are made beside the folder of the set, over a Volume",
                         "pass space=volume, or labels=a label volume: volume.like(url, dtype='uint64', kind='labels')"
                         )  # fmt: skip
    folder = Path(address)
    image = folder.parents[1] if folder.parent.name == "annotations" else None
    where = folder / "labels" if image is None else image / "labels" / folder.name
    if where.exists():
        raise Conflict(
            f"labels were to be made at {where}", "something is there", f"pass labels={str(where)!r} to use it"
        )
    if image is not None and (image / ".zgroup").exists():
        raise BadRequest(f"labels=True in {image}", "it is Zarr 2, and labels are made as Zarr 3",
                         "pass labels=volume.like(url, dtype='uint64', kind='labels'), elsewhere")  # fmt: skip

    def made() -> Volume:
        volume = space.like(where, dtype="uint64", kind="labels", axes=("z", "y", "x"))
        if image is not None:
            _list(image / "labels", folder.name)
        return volume

    return made


def _list(group: Path, name: str) -> None:
    """Let the labels of an OME-Zarr list one more."""
    import zarr

    found = zarr.open_group(str(group), mode="a", zarr_format=3)
    body: Any = found.attrs.get("ome", {"version": "0.5"})
    found.attrs["ome"] = {**body, "labels": sorted({*body.get("labels", ()), name})}
