"""Asked: what a set of annotations says of its objects, as they are or as they were after a transaction."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, select

from ndlab.annotations import changes, compound, derived, history, reading, summary
from ndlab.annotations.attaching import Paints
from ndlab.annotations.database import Database
from ndlab.annotations.history import Change, Transaction
from ndlab.annotations.ids import as_id, as_ids, unsigned
from ndlab.annotations.kinds import Annotation, kind_of
from ndlab.annotations.ledger import Ledger
from ndlab.annotations.making import user
from ndlab.annotations.query import Query
from ndlab.annotations.rows import from_row
from ndlab.annotations.schema import VERSION, facts, pairs
from ndlab.annotations.space import Space
from ndlab.errors import BadRequest, Unsupported
from ndlab.geometry import Box, Calibration, NmBox

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Asked"]


class Asked:
    """Everything that can be asked of a set of annotations; `at` is the transaction after which, None for now."""

    def __init__(
        self, database: Database, *, author: str | None = None, at: int | None = None, ledger: Ledger | None = None
    ) -> None:
        self._database = database
        self._author = user() if author is None else author
        self._at = at
        self._ledger = Ledger(database, self._author) if ledger is None else ledger
        with database.reading() as connection:
            known = {name: json.loads(value) for name, value in connection.execute(select(facts))}
        if known.get("version") != VERSION:
            raise Unsupported(
                f"the annotations at {database.shown} have layout {known.get('version')!r}",
                f"this ndlab reads layout {VERSION}", "open them with the ndlab that wrote them, and export them",
                feature=f"annotations layout {known.get('version')!r}",
            )  # fmt: skip
        self._name: str = known.get("name", "")
        self.space: Space = Space.from_plain(known["space"])

    @property
    def url(self) -> str:
        """Address: the folder, or the server's without a password."""
        return self._database.shown

    @property
    def name(self) -> str:
        """Name of the set."""
        return self._name

    @property
    def author(self) -> str:
        """Who writes."""
        return self._author

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written here."""
        return self._at is not None or self._database.readonly

    @property
    def calibration(self) -> Calibration:
        """Voxel size and corner of the finest level, where the annotations know one."""
        if not self.space.levels:
            raise BadRequest(f"the voxel size of {self.url}", "it was made without one",
                             "make it with space=volume, or voxel_size=(z, y, x) [nm]")  # fmt: skip
        return self.space.levels[0]

    # --- label volumes ----------------------------------------------------------------------------------------

    @property
    def paints(self) -> Mapping[str, Any]:
        """The paint of each label volume that belongs to this set, by name; opened when it is asked for."""
        return Paints(self._ledger, self._at)

    @property
    def paint(self) -> Any:
        """The paint of the only label volume that belongs to this set, or of the first.

        Raises
        ------
        NotFound
            If there is none.
        """
        return Paints(self._ledger, self._at).first()

    # --- what is in it ----------------------------------------------------------------------------------------

    def where(self, *, kind: Any = None, keys: Mapping[str, Any] | None = None, **conditions: Any) -> Query:
        """Choose the objects that meet every condition; see `Query.where`.

        Examples
        --------
        >>> from ndlab.annotations import Annotations, Organelle
        >>> ann = Annotations.temporary()
        >>> _ = ann.add([Organelle(organelleclass="nucleus", keys={"cell": n}) for n in (1, 2, 3)])
        >>> ann.where(kind="organelle", organelleclass="nucleus", cell__gt=1).count()
        2
        """
        return self._all.where(kind=kind, keys=keys, **conditions)

    @property
    def _all(self) -> Query:
        return Query(self._database, self.space, self._at, self)

    def within(self, box: Box | NmBox, by: str = "any") -> Query:
        """Choose the objects in a box; see `Query.within`."""
        return self._all.within(box, by)

    def count(self, kind: Any = None) -> int:
        """Return the number of objects."""
        return self.where(kind=kind).count()

    def counts(self) -> dict[str, int]:
        """Return the number of objects of each kind that there is."""
        table = reading.source(self._at)
        with self._database.reading() as connection:
            found = connection.execute(select(table.c.kind, func.count()).group_by(table.c.kind)).all()
        return {kind_of(code).kind: count for code, count in sorted(tuple(row) for row in found)}

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self._all)

    def __contains__(self, one: object) -> bool:
        number = as_id(one)
        with self._database.reading() as connection:
            return next(reading.rows(connection, [number], self._at), None) is not None

    def get(self, ids: Any) -> Any:
        """Return one object by its id, or many, in the order asked, in a few round trips.

        Raises
        ------
        NotFound
            With the ids that are not there.

        Examples
        --------
        >>> from ndlab.annotations import Annotations, ROI
        >>> ann = Annotations.temporary()
        >>> ids = ann.add([ROI(), ROI()])
        >>> [one.id for one in ann.get(ids[::-1])], ann.get(1).kind
        ([2, 1], 'roi')
        """
        asked = as_ids(ids)
        with self._database.reading() as connection:
            found = {unsigned(row[0]): row for row in reading.rows(connection, asked, self._at)}
        changes.missing(asked, found)
        made = [from_row(found[one], self) for one in asked]
        return made[0] if isinstance(ids, int | np.integer) else made

    def derived(self, one: Annotation | int, name: str) -> tuple[int, ...]:
        """Return the ids that a derived field of an object holds, e.g. ``ann.derived(7, "synapses")``."""
        found = self.get(one) if isinstance(one, int | np.integer) else one
        with self._database.reading() as connection:
            return derived.derive(connection, found.kind, found.id, name, self._at)

    def parts(self, one: Any) -> tuple[int, ...]:
        """Return an object's id and those of the objects that it is made of: of a neuron, its segments."""
        return compound.parts(self, one)

    def voxels(self, one: Any, volume: str | None = None) -> np.ndarray[Any, Any]:
        """Return the voxels (n, 3) of an object, of a neuron those of its segments, in C order."""
        return compound.voxels(self, one, volume)

    def cutout(self, one: Any, box: Box | None = None, volume: str | None = None) -> tuple[Box, np.ndarray[Any, Any]]:
        """Return a box and the object in it, of a neuron its segments: its id where it is, 0 elsewhere.

        Without `box` the smallest one that holds it; see `Paint.cutout`.
        """
        return compound.cutout(self, one, box, volume)

    def bounding_box(self, one: Any, volume: str | None = None) -> Box:
        """Return the smallest box of voxels that holds an object, of a neuron all of its segments."""
        return compound.bounding_box(self, one, volume)

    def top_keys(self, count: int = 10, kind: Any = None) -> list[tuple[str, int]]:
        """List the free keys that most objects have, with their numbers, descending.

        Examples
        --------
        >>> from ndlab.annotations import Annotations, Generic
        >>> ann = Annotations.temporary()
        >>> _ = ann.add([Generic(keys={"a": 1, "b": 2}), Generic(keys={"b": 3})])
        >>> ann.top_keys()
        [('b', 2), ('a', 1)]
        """
        number = func.count(pairs.c.id.distinct()).label("number")
        asked = select(pairs.c.key, number).where(reading.held(pairs, self._at))
        if kind is not None:
            asked = asked.where(pairs.c.id.in_(self.where(kind=kind).statement("id", ordered=False)))
        asked = asked.group_by(pairs.c.key).order_by(number.desc(), pairs.c.key).limit(count)
        with self._database.reading() as connection:
            return [(key, n) for key, n in connection.execute(asked)]

    def to_pandas(self) -> pd.DataFrame:
        """Return all objects as a DataFrame; see `Query.to_pandas`."""
        return self._all.to_pandas()

    def to_arrow(self) -> pa.Table:
        """Return all objects as an Arrow table; see `Query.to_arrow`."""
        return self._all.to_arrow()

    def export(self, dest: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> Path:
        """Write all objects to a file, and return its path; see `Query.export`."""
        return self._all.export(dest, overwrite=overwrite, **options)

    # --- history ----------------------------------------------------------------------------------------------

    def history(self, *, author: str | None = None, limit: int | None = None) -> list[Transaction]:
        """List the transactions, of objects and paint, the newest first: who wrote what, when."""
        return history.history(self._ledger, self._at, author, limit)

    def changes(self, one: int) -> list[Change]:
        """List what happened to an object, the oldest first, with what it was before and after."""
        return history.changes(self._database, one, self._at)

    @property
    def version(self) -> int:
        """Number of the last transaction; 0 before the first."""
        if self._at is not None:
            return self._at
        return next((one.number for one in self.history(limit=1)), 0)

    # --- display ----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return summary.text(self)

    def _repr_html_(self) -> str:
        return summary.html(self)
