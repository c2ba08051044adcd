"""The ledger: one order of changes over both halves of a set, the rows of its database and the paint of its volumes.

Every transaction has its number from the database. A stroke alone goes into its volume's journal, which makes it
durable, and is given a number afterwards, by whoever next holds the database's one writer's place: so nothing is
numbered in front of what was acknowledged before it began. A change of both halves holds the journals from before its
strokes are appended until its rows are committed, and its strokes stand if the database has their token.
"""

from __future__ import annotations

import json
import secrets
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, insert, select, update

from ndlab.annotations.database import Database, next_of
from ndlab.annotations.index import Write as PaintWrite
from ndlab.annotations.numbering import largest_id, last_time, writes_since
from ndlab.annotations.owner import committed, found_at, take
from ndlab.annotations.schema import strokes, transactions, volumes
from ndlab.annotations.strokes import Mode
from ndlab.annotations.writing import GIVEN_BELOW, Write, recorded, used
from ndlab.errors import Conflict, NdlabError, NotFound

if TYPE_CHECKING:
    from ndlab.annotations.owned import OwnedPaint

__all__ = ["Ledger", "Volume"]

OPERATIONS = {Mode.OVERWRITE: "paint", Mode.PRESERVE: "paint", Mode.EXCEPT: "paint", Mode.REDUCE: "shave",
              Mode.RELABEL: "relabel", Mode.RESTORE: "restore"}  # fmt: skip
# Numbers that are kept for those who wrote.
_MOST = 10_000


class Volume(NamedTuple):
    """A label volume of the set, as its database knows it; see `schema`."""

    name: str
    rank: int
    url: str
    folder: str
    options: str
    since: int
    first: int
    adopted: int


# Asked at every write: as text, in half the time.
_VOLUMES = f"SELECT {', '.join(Volume._fields)} FROM volumes ORDER BY rank"


class Ledger:
    """The writer's place of a set of annotations, and the volumes that belong to it.

    Parameters
    ----------
    database : Database
    author : str
        Whom strokes are noted under.
    """

    def __init__(self, database: Database, author: str) -> None:
        self.database = database
        self.author = author
        self._paints: dict[str, OwnedPaint] = {}
        self._opening, self._numbering = threading.RLock(), threading.Lock()
        self._numbers: dict[tuple[str, int], int] = {}
        self._missed: set[str] = set()
        # The last strokes of journals of which nothing needs a number.
        self._quiet: dict[str, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Ledger, (self.database, self.author)

    # --- volumes ----------------------------------------------------------------------------------------------

    def volumes(self, connection: Connection | None = None) -> list[Volume]:
        """List the label volumes that belong to the set."""
        if connection is None:
            with self.database.reading() as connection:
                return self.volumes(connection)
        return [Volume(*row) for row in connection.exec_driver_sql(_VOLUMES)]

    def paint(self, volume: Volume) -> OwnedPaint:
        """Open the paint of a volume; it stays open until `close`."""
        # Only who paints waits for what paint imports.
        from ndlab.annotations.owned import OwnedPaint

        with self._opening:
            if volume.name not in self._paints:
                base = Path(self.database.address)
                where = found_at(volume.url, base), found_at(volume.folder, base)
                paint = OwnedPaint(self, volume.name, *where, **json.loads(volume.options))
                try:  # A set that was copied without its volumes must not answer for them.
                    writable = paint.journal.writable and not self.database.readonly
                    take(self.database, paint.folder, paint._merger.index, volume.name, writable=writable)
                except BaseException:
                    paint.close()
                    raise
                self._paints[volume.name] = paint
            return self._paints[volume.name]

    def paint_of(self, name: str) -> OwnedPaint:
        """Open the paint of a volume by its name."""
        for one in self.volumes():
            if one.name == name:
                return self.paint(one)
        raise NotFound(f"the volume {name!r} of {self.database.shown}", "none of that name belongs to it",
                       "ann.attach(labels, name=...) adds one")  # fmt: skip

    def keep(self, paint: OwnedPaint) -> None:
        """Take in a paint that is open, in the place of another of its name."""
        self.drop(paint.name)
        with self._opening:
            self._paints[paint.name] = paint

    def drop(self, name: str) -> None:
        """Close the paint of a volume."""
        with self._opening:
            paint = self._paints.pop(name, None)
        if paint is not None:
            paint.close()

    def close(self) -> None:
        """Close all paint, and let go of the database; the next call opens them again."""
        with self._opening:
            paints, self._paints = list(self._paints.values()), {}
        for paint in paints:
            paint.close()
        self.database.close()

    def verdict(self, tokens: set[int]) -> set[int]:
        """Return the tokens that the database has."""
        return committed(self.database, tokens)

    # --- writing ----------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, operation: str, author: str, note: str = "", paint: bool = False) -> Iterator[Write]:
        """Write within one transaction, and record who did it, when and what it was; `paint` if strokes are written."""
        fresh: dict[tuple[str, int], int] = {}
        accepted: list[Callable[[], None]] = []
        with ExitStack() as held:

            def begin(connection: Connection) -> None:
                fresh.update(self._adopted(connection, held if paint else None))

            def end(write: Write) -> None:
                accepted.extend(self._append(write, note))

            with recorded(self.database, operation, author, note, begin, end) as write:
                yield write
            if write.done:
                self._remember(fresh)
                for accept in accepted:
                    accept()

    def _append(self, write: Write, note: str) -> list[Callable[[], None]]:
        """Append the strokes of a write to the journals, which are held; they stand once its rows do."""
        accepted = []
        for name, (paint, listed) in write.strokes.items():
            paint.journal.check_writable()
            token = secrets.randbits(62) + 1
            if self.database.server:
                # Held to the end of the transaction: see `owner.committed`.
                write.connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({token})")
            listed[0].token, listed[0].author, listed[0].note = token, write.author, note
            accepted.append(paint.journal.prepare(listed))
            first, last = listed[0].transaction, listed[-1].sequence
            voxels = sum(stroke.voxels for stroke in listed)
            self._note(write.connection, [(name, write.number, first, last, voxels, token)])
        return accepted

    def _note(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        connection.execute(insert(strokes), [dict(zip(strokes.c.keys(), row, strict=True)) for row in rows])
        for name in {row[0] for row in rows}:
            last = max(row[3] for row in rows if row[0] == name)
            connection.execute(update(volumes).where(volumes.c.name == name).values(adopted=last))

    # --- numbers for strokes ----------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Give a number to every stroke that was acknowledged."""
        if self.database.readonly:
            return
        with self._numbering:
            if any(self._news(volume) for volume in self.volumes()):
                self._adopt()

    def number_of(self, name: str, write: int) -> int:
        """Return the number of the transaction that a write of a volume's journal is."""
        with self._numbering:
            known = self._numbers.pop((name, write), None)
            if known is None:
                self._adopt()
                known = self._numbers.pop((name, write), None)
        if known is not None:
            return known
        asked = select(strokes.c.number).where(strokes.c.volume == name, strokes.c.first <= write)
        with self.database.reading() as connection:
            number = connection.execute(asked.order_by(strokes.c.number.desc()).limit(1)).scalar()
        if number is None:
            raise Conflict(
                f"a write into the volume {name!r} of {self.database.shown}",
                "it is written, but the volume has been detached meanwhile",
                "attach it again, or open it alone",
            )
        return int(number)

    def _adopt(self) -> None:
        with self.database.writing(relaxed=True) as connection:
            fresh = self._adopted(connection, None)
        self._remember(fresh)

    def _remember(self, fresh: dict[tuple[str, int], int]) -> None:
        if len(self._numbers) > _MOST:
            self._numbers.clear()
        self._numbers |= fresh

    def _news(self, volume: Volume) -> bool:
        paint = self._reachable(volume)
        return paint is not None and paint.journal.beyond(max(volume.adopted, self._quiet.get(volume.name, 0)))

    def _reachable(self, volume: Volume) -> OwnedPaint | None:
        """Open a volume, or say once that it is not there."""
        try:
            return self.paint(volume)
        except (NotFound, NdlabError, OSError) as error:
            if volume.name not in self._missed:
                self._missed.add(volume.name)
                warnings.warn(
                    f"the volume {volume.name!r} of {self.database.shown} cannot be reached, so what is painted there "
                    f"stands in the history only once somebody writes who reaches it: {error}",
                    stacklevel=2,
                )
            return None

    def _adopted(self, connection: Connection, held: ExitStack | None) -> dict[tuple[str, int], int]:
        """Give numbers to strokes that have none, in the order in which they were acknowledged.

        With `held` every journal is held until that is closed.
        """
        known = self.volumes(connection)
        if held is None and not any(self._news(one) for one in known):
            return {}
        there = [(one, paint) for one in known if (paint := self._reachable(one)) is not None]
        with ExitStack() as moment:  # Of several journals one state is seen.
            _hold([paint for _, paint in there if paint.journal.writable], moment if held is None else held)
            return self._numbered(connection, [one for one, _ in there], [paint for _, paint in there])

    def _numbered(
        self, connection: Connection, known: Sequence[Volume], paints: Sequence[OwnedPaint]
    ) -> dict[tuple[str, int], int]:
        found: list[tuple[int, str, PaintWrite]] = []
        for volume, paint in zip(known, paints, strict=True):
            writes = writes_since(paint, volume.adopted)
            if not writes:
                self._quiet[volume.name] = paint.journal.last
            time = 0
            for write in writes:  # Clocks are set back; the order of a journal is that of its numbers.
                time = max(time, write.time)
                found.append((time, volume.name, write))
            if writes and (largest := largest_id(paint, volume.adopted)) < GIVEN_BELOW:
                used(connection, largest)
        if not found:
            return {}
        found.sort(key=lambda one: one[:2])
        first = next_of(connection, "transaction", len(found))
        last = last_time(connection)
        times = np.maximum.accumulate([max(last, time) for time, _, _ in found]).tolist()
        rows = [
            {"number": number, "time": time, "author": write.author, "operation": OPERATIONS[Mode(write.mode)],
             "objects": write.objects, "note": write.note, "undoes": None}
            for number, (time, (_, _, write)) in enumerate(zip(times, found, strict=True), first)
        ]  # fmt: skip
        connection.execute(insert(transactions), rows)
        noted = [(name, first + i, w.number, w.last, w.voxels, None) for i, (_, name, w) in enumerate(found)]
        self._note(connection, noted)
        return {(name, write.number): first + i for i, (_, name, write) in enumerate(found)}


def _hold(paints: Sequence[OwnedPaint], held: ExitStack) -> None:
    # In one order, whoever takes several.
    for paint in sorted(paints, key=lambda one: str(one.folder)):
        held.enter_context(paint.journal.hold())
