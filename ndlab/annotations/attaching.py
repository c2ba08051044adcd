"""Attaching: label volumes that come to a set of annotations, and stay with it wherever both are moved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from ndlab.annotations.database import Database
from ndlab.annotations.ledger import Ledger, Volume
from ndlab.annotations.numbering import largest_id, last_number
from ndlab.annotations.owner import kept_as, release, root_of, take
from ndlab.annotations.schema import strokes, volumes
from ndlab.annotations.writing import GIVEN_BELOW, used
from ndlab.errors import BadMetadata, BadRequest, Conflict, NotFound

if TYPE_CHECKING:
    from ndlab.annotations.owned import OwnedPaint
    from ndlab.annotations.painted import Painted, PastPaint

__all__ = ["Paints", "attach", "detach", "let_go"]


_OPTIONS = ("background", "history_bytes", "merge_bytes", "merge_seconds")


def attach(ledger: Ledger, labels: Any, name: str, folder: Any, options: Mapping[str, Any]) -> OwnedPaint:
    """Let a label volume belong to the set from now on; one that does so by this name gets other options."""
    from ndlab.annotations.owned import OwnedPaint

    if not name or not isinstance(name, str):
        raise BadRequest(f"a volume by the name {name!r}", "a name is a text of one character or more",
                         'pass name="labels"')  # fmt: skip
    strange = sorted(options.keys() - set(_OPTIONS))
    if strange:
        raise BadRequest(f"a volume attached with {', '.join(strange)}", f"options are {', '.join(_OPTIONS)}")
    paint = OwnedPaint(ledger, name, labels, folder, **options)
    try:
        with ledger.database.writing() as connection, paint.journal.hold():
            known = ledger.volumes(connection)
            row = _row(ledger.database, paint, options)
            if _is_known(ledger.database, paint, known, row):
                connection.execute(
                    update(volumes).where(volumes.c.name == name).values(options=row["options"], folder=row["folder"])
                )
            else:
                take(ledger.database, paint.folder, paint._merger.index, name)
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
        where = [kept_as(one, base, root_of(base)) for one in where]
    last = paint.journal.last
    return {"name": paint.name, "url": where[0], "folder": where[1], "options": json.dumps(dict(options)),
            "first": last, "adopted": last}  # fmt: skip


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


def detach(ledger: Ledger, name: str) -> None:
    """Merge what is pending in a volume, and let it belong to the set no longer."""
    paint = ledger.paint_of(name)
    ledger.catch_up()
    paint.flush()
    with ledger.database.writing() as connection, paint.journal.hold():
        connection.execute(delete(volumes).where(volumes.c.name == name))
    # Merged once more, for others may have written meanwhile and are answered by the database as long as it is asked.
    paint.flush()
    release(paint._merger.index)
    ledger.drop(name)


def let_go(database: Database) -> None:
    """Detach all volumes of a set that is to be deleted, if there is one."""
    if not database.server and not database.path.is_file():
        return
    ledger = Ledger(database, "")
    try:
        for one in ledger.volumes():
            detach(ledger, one.name)
    except (BadMetadata, NotFound):  # Damaged, or without tables, or its volumes are gone.
        pass
    finally:
        ledger.close()


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
