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

__all__ = ["claim", "committed", "found_at", "kept_as", "owner_of", "refuse_owned", "verdict_of"]


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


def claim(index: Index, address: str, name: str) -> None:
    """Note whose paint it is from now on."""
    with index.change():
        index.set_fact("owner", json.dumps({"address": address, "name": name}))


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
    try:
        return committed(Database(owner[0], readonly=True), tokens)
    except (NdlabError, OSError) as error:
        raise Conflict(
            f"the paint in {folder} was written together with objects", f"their annotations cannot be asked: {error}",
            f"open them, ndlab.open({owner[0]!r}), and paint through .paint",
        ) from None  # fmt: skip


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
