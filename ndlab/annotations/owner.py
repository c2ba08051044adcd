"""Whose paint it is: a set of annotations that a label volume belongs to, and what that set says of unfinished writes.

A write of both halves stands if the set's database has its token. Whoever opens the volume alone asks there, too.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ndlab.errors import BadRequest, Conflict, NdlabError

if TYPE_CHECKING:
    from ndlab.annotations.database import Database
    from ndlab.annotations.index import Index

__all__ = [
    "committed",
    "found_at",
    "kept_as",
    "owner_of",
    "refuse_owned",
    "release",
    "root_of",
    "take",
    "verdict_of",
]


def kept_as(place: str, base: Path, root: Path) -> str:
    """Return an address to be kept at `base`: relative where both lie in `root`, which may be moved as a whole.

    Examples
    --------
    >>> kept_as("/b.zarr/labels/s", Path("/b.zarr/annotations/s"), Path("/b.zarr"))
    '../../labels/s'
    """
    inside = "://" not in place and Path(place).is_relative_to(root)
    return os.path.relpath(place, base) if inside and base.is_relative_to(root) else place


def found_at(kept: str, base: Path) -> str:
    """Return the address that was kept at `base`."""
    return kept if "://" in kept or Path(kept).is_absolute() else os.path.normpath(base / kept)


def root_of(folder: Path) -> Path:
    """Return what is moved as a whole: the OME-Zarr that a set's folder lies in, or the folder around it."""
    return folder.parents[1] if folder.parent.name == "annotations" else folder.parent


def take(database: Database, folder: Path, index: Index, name: str, *, writable: bool = True) -> None:
    """Let paint belong to a set, by a volume's name there, unless it belongs to another that says so, too.

    Raises
    ------
    Conflict
        If it does: only that one knows which of its unfinished writes stand.
    """
    mine, owner = database.shown, owner_of(folder, index)
    ours = owner is not None and _same(owner[0], mine)
    if owner is not None and ours and owner[1] == name:
        return
    if owner is not None and not ours and _lists(owner[0], owner[1]):
        raise Conflict(f"the paint in {folder} for the annotations at {mine}", f"it belongs to those at {owner[0]}",
                       f"open them: ndlab.open({owner[0]!r})")  # fmt: skip
    if writable:
        base = Path(mine)
        address = mine if database.server else kept_as(mine, folder, root_of(base))
        _note(index, json.dumps({"address": address, "name": name}))


def _same(one: str, other: str) -> bool:
    """Tell whether two addresses are of one set, which links may give several."""
    return one == other or ("://" not in one + other and os.path.realpath(one) == os.path.realpath(other))


def release(index: Index) -> None:
    """Let paint belong to no set."""
    _note(index, "")


def _note(index: Index, owner: str) -> None:
    with index.change():
        index.set_fact("owner", owner)


def _lists(address: str, name: str) -> bool:
    """Tell whether there is a set that has a volume of that name; a server that does not answer may have one."""
    from sqlalchemy import select

    from ndlab.annotations.database import Database
    from ndlab.annotations.schema import volumes

    other = Database(address, readonly=True)
    try:
        with other.reading() as connection:
            return connection.execute(select(volumes.c.name).where(volumes.c.name == name)).first() is not None
    except (NdlabError, OSError):
        return other.server
    finally:
        other.close()


def owner_of(folder: Path, index: Index) -> tuple[str, str] | None:
    """Return the address of the set that the paint belongs to, and the volume's name there; None if it is of none."""
    said = index.fact("owner")
    if not said:
        return None
    known = json.loads(said)
    return found_at(known["address"], folder), known["name"]


def refuse_owned(folder: Path, index: Index) -> None:
    """Refuse what only the set may do."""
    owner = owner_of(folder, index)
    if owner is not None:
        raise BadRequest(
            f"undo of the paint in {folder} alone",
            f"it belongs to the annotations at {owner[0]}, which have one history",
            "undo there: ndlab.open(address).undo()",
        )


def verdict_of(folder: Path, index: Index, tokens: set[int]) -> set[int]:
    """Ask the set that the paint belongs to which tokens stand."""
    from ndlab.annotations.database import Database

    owner = owner_of(folder, index)
    if owner is None:
        return set()
    database = Database(owner[0], readonly=True)
    try:
        return committed(database, tokens)
    except (NdlabError, OSError) as error:
        raise Conflict(
            f"the paint in {folder} was written together with objects", f"their annotations cannot be asked: {error}",
            f"open them, ndlab.open({owner[0]!r}), and paint through .paint",
        ) from None  # fmt: skip
    finally:
        database.close()


def committed(database: Database, tokens: set[int]) -> set[int]:
    """Return the tokens whose other half is in the database."""
    from sqlalchemy import select

    from ndlab.annotations.schema import strokes

    asked = select(strokes.c.token).where(strokes.c.token.in_(sorted(tokens)))
    with database.reading() as connection:
        found = set(connection.execute(asked).scalars())
    if database.server and tokens - found:
        # Who wrote them is gone, but the server may still be at their last words: it holds these locks until then.
        with database.reading() as connection:
            for token in sorted(tokens - found):
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({token})")
        with database.reading() as connection:
            found = set(connection.execute(asked).scalars())
    return found
