"""Attaching: label volumes that come to a set of annotations, and stay with it wherever both are moved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from ndlab.annotations.database import Database
from ndlab.annotations.ledger import Ledger, Volume
from ndlab.annotations.numbering import largest_id, last_number
from ndlab.annotations.owner import claim, kept_as, owner_of
from ndlab.annotations.schema import strokes, volumes
from ndlab.annotations.writing import GIVEN_BELOW, used
from ndlab.errors import BadRequest, Conflict, NdlabError, NotFound

if TYPE_CHECKING:
    from ndlab.annotations.owned import OwnedPaint
    from ndlab.annotations.painted import Painted, PastPaint

__all__ = ["Paints", "attach"]


def attach(ledger: Ledger, labels: Any, name: str, folder: Any, options: Mapping[str, Any]) -> OwnedPaint:
    """Let a label volume belong to the set from now on."""
    from ndlab.annotations.owned import OwnedPaint

    if not name or not isinstance(name, str):
        raise BadRequest(f"a volume by the name {name!r}", "a name is a text of one character or more",
                         'pass name="labels"')  # fmt: skip
    paint = OwnedPaint(ledger, name, labels, folder, **options)
    try:
        with ledger.database.writing() as connection, paint.journal.hold():
            known = ledger.volumes(connection)
            row = _row(ledger.database, paint, options)
            again = _is_known(ledger.database, paint, known, row)
            if not again:
                _refuse_owned(ledger.database, paint)
                row |= {"rank": len(known), "since": last_number(connection)}
                connection.execute(insert(volumes), [row])
                if (largest := largest_id(paint, 0)) < GIVEN_BELOW:
                    used(connection, largest)
    except BaseException:
        paint.close()
        raise
    ledger.keep(paint)
    return paint


def _row(database: Database, paint: OwnedPaint, options: Mapping[str, Any]) -> dict[str, Any]:
    where = [paint.volume.url, str(paint.folder)]
    if not database.server:
        base = Path(database.address)
        where = [kept_as(one, base, _root(base)) for one in where]
    last = paint.journal.last
    return {"name": paint.name, "url": where[0], "folder": where[1], "options": json.dumps(dict(options)),
            "first": last, "adopted": last}  # fmt: skip


def _root(folder: Path) -> Path:
    """Return the folder that is moved as a whole: the OME-Zarr that the annotations lie in, or where they lie."""
    return folder.parents[1] if folder.parent.name == "annotations" else folder.parent


def _is_known(database: Database, paint: OwnedPaint, known: Sequence[Volume], row: Mapping[str, Any]) -> bool:
    """Tell whether the volume belongs to the set by this name, and refuse where something else does."""
    for one in known:
        if (one.name == paint.name) != (one.url == row["url"]):
            raise Conflict(
                f"{paint.volume.url} as the volume {paint.name!r} of {database.shown}",
                f"{one.url} belongs to it as {one.name!r}",
                f"use ann.paints[{one.name!r}], or attach another volume by another name",
            )
    return any(one.name == paint.name for one in known)


def _refuse_owned(database: Database, paint: OwnedPaint) -> None:
    """Take the paint, unless it belongs to another set that says so, too."""
    owner = owner_of(paint.folder, paint._merger.index)
    mine = database.shown
    if owner is not None and owner[0] != mine:
        try:
            other = Ledger(Database(owner[0], readonly=True), "")
            names = [one.name for one in other.volumes()]
            other.close()
        except (NdlabError, OSError):
            names = []
        if owner[1] in names:
            raise Conflict(f"{paint.volume.url} for the annotations at {mine}", f"it belongs to those at {owner[0]}",
                           f"open them: ndlab.open({owner[0]!r})")  # fmt: skip
    base = Path(mine)
    claim(paint._merger.index, mine if database.server else kept_as(mine, paint.folder, _root(base)), paint.name)


class Paints(Mapping[str, Any]):
    """The paint of a set's volumes by name, opened when asked for; as it was after a transaction, if one is given."""

    def __init__(self, ledger: Ledger, at: int | None = None) -> None:
        self._ledger = ledger
        self._at = at

    def _volumes(self) -> list[Volume]:
        return [one for one in self._ledger.volumes() if self._at is None or one.since <= self._at]

    def __getitem__(self, name: str) -> Painted:
        for one in self._volumes():
            if one.name == name:
                paint = self._ledger.paint(one)
                return paint if self._at is None else self._then(paint, one, self._at)
        raise NotFound(f"the volume {name!r} of {self._ledger.database.shown}", f"it has {list(self)}",
                       "ann.attach(labels, name=...) adds one")  # fmt: skip

    def _then(self, paint: OwnedPaint, volume: Volume, at: int) -> PastPaint:
        from ndlab.annotations.painted import PastPaint

        asked = select(strokes.c.last).where(strokes.c.volume == volume.name, strokes.c.number <= at)
        with self._ledger.database.reading() as connection:
            last = connection.execute(asked.order_by(strokes.c.number.desc()).limit(1)).scalar()
        said = f"{volume.name!r} of {self._ledger.database.shown} as of transaction {at}"
        return PastPaint(paint._overlay, paint, volume.first if last is None else last, said)

    def __iter__(self) -> Iterator[str]:
        return iter([one.name for one in self._volumes()])

    def __len__(self) -> int:
        return len(self._volumes())

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def first(self) -> Any:
        """Return the only volume's paint, or that of the first.

        Raises
        ------
        NotFound
            If there is none.
        """
        for name in self:
            return self[name]
        raise NotFound(f"the paint of {self._ledger.database.shown}",
                       "no label volume belongs to it" + ("" if self._at is None else f" as of transaction {self._at}"),
                       "ann.attach(labels) gives it one: a volume, or its address")  # fmt: skip

    def __repr__(self) -> str:
        return f"<Paints {list(self)} of {self._ledger.database.shown}>"
