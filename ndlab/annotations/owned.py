"""Paint that belongs to a set of annotations: its writes are transactions of the set, as those of objects are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select

from ndlab.annotations.index import Write
from ndlab.annotations.paint import Paint
from ndlab.annotations.schema import strokes
from ndlab.errors import BadRequest, ReadOnly

if TYPE_CHECKING:
    from ndlab.annotations.database import Database

__all__ = ["OwnedPaint", "Owner"]


class Owner(Protocol):
    """What a volume asks of the set that it belongs to; see `Ledger`."""

    database: Database
    author: str

    def verdict(self, tokens: set[int]) -> set[int]:
        """Return the tokens that stand."""

    def number_of(self, name: str, write: int) -> int:
        """Return the number of the transaction that a write of a volume's journal is."""

    def catch_up(self) -> None:
        """Give a number to every stroke that was acknowledged."""

    def paint_of(self, name: str) -> OwnedPaint:
        """Open the paint of a volume by its name."""


class OwnedPaint(Paint):
    """The paint of a volume of a set of annotations; made by `Annotations.attach`, given again by `Annotations.paint`.

    Writes return the number of their transaction in the history of the set, which is where they are taken back.
    """

    def __init__(self, owner: Owner, name: str, labels: Any, folder: Any, **options: Any) -> None:
        self._owner = owner
        self.name = name
        if owner.database.readonly:
            options["background"] = False
        super().__init__(labels, folder, author=owner.author, _verdict=owner.verdict, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._owner, self.name)

    def _numbered(self, write: int) -> int:
        return self._owner.number_of(self.name, write)

    def _refuse_closed(self) -> None:
        super()._refuse_closed()
        if self._owner.database.readonly:
            raise ReadOnly(f"a write into the volume {self.name!r} of {self._owner.database.shown}",
                           "the annotations that it belongs to cannot be written",
                           "open them without readonly=True, or write to a copy")  # fmt: skip

    def undo(self, count: int = 1) -> int:
        """Refuse: the history is that of the set."""
        raise BadRequest(
            f"undo of {count} writes of the volume {self.name!r} alone",
            f"its history is that of the annotations at {self._owner.database.shown}",
            "ann.undo() takes back the last change of all, ann.undo(number) one of ann.history()",
        )

    def history(self, limit: int | None = None) -> list[Write]:
        """Return who wrote what into this volume and when, by the numbers of the set's history, the latest first."""
        self._owner.catch_up()
        asked = select(strokes.c.first, strokes.c.number).where(strokes.c.volume == self.name)
        with self._owner.database.reading() as connection:
            numbers = {int(row.first): int(row.number) for row in connection.execute(asked)}
        known = [write for write in super().history() if write.number in numbers][:limit]
        return [
            replace(write, number=numbers[write.number], undone=numbers.get(write.undone, 0),
                    undoes=tuple(numbers[one] for one in write.undoes if one in numbers))
            for write in known
        ]  # fmt: skip

    def __repr__(self) -> str:
        return f"<{super().__repr__()}, {self.name!r} of {self._owner.database.shown}>"


def _again(owner: Owner, name: str) -> OwnedPaint:
    return owner.paint_of(name)
