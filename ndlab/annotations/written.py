"""Written: what is done to a set of annotations, each call one transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from ndlab.annotations import changes, history
from ndlab.annotations.asked import Asked
from ndlab.annotations.both import delete, merge, shapes, update
from ndlab.annotations.history import Transaction
from ndlab.annotations.intake import create_table
from ndlab.annotations.kinds import Annotation
from ndlab.annotations.query import Query
from ndlab.annotations.writing import reserve
from ndlab.errors import BadRequest, ReadOnly

__all__ = ["Written"]


class Written(Asked):
    """Everything that changes a set of annotations."""

    def reserve(self, count: int) -> range:
        """Take `count` ids that nobody has or will be given, one after another.

        Examples
        --------
        >>> from ndlab.annotations import Annotations
        >>> ann = Annotations.temporary()
        >>> ann.reserve(100), ann.reserve(3)
        (range(1, 101), range(101, 104))
        """
        self._writable()
        if isinstance(count, bool) or int(count) != count or count < 1:
            raise BadRequest(f"reserve({count!r})", "it is a whole number of ids, 1 or more")
        self._ledger.catch_up()  # Ids that were painted are in use.
        with self._database.writing() as connection:
            first = reserve(connection, int(count))
        return range(first, first + int(count))

    def add(
        self, objects: Iterable[Annotation], note: str = "", *,
        voxels: Any = None, mode: str = "overwrite", volume: str | None = None,
    ) -> np.ndarray[Any, Any]:  # fmt: skip
        """Store new objects, all or none, and return their ids, uint64, in the order given.

        Objects without an id are given one. The iterable may be longer than memory, but not with `voxels`.

        Parameters
        ----------
        objects : iterable of Annotation
        note : str
            For the history.
        voxels : sequence or mapping, optional
            What each object looks like, in the order of the objects or by id: an array (n, 3) of voxels (z, y, x), a
            `Box`, a box and a mask of its shape, or None. They are painted in the same transaction.
        mode : {"overwrite", "preserve", "except", "reduce"}
            As for `Paint.write`.
        volume : str, optional
            Which of `paints`; without it the only or first one.

        Raises
        ------
        Conflict
            If ids are taken; nothing is written.
        Problems
            If something is no object, or an id is given twice.

        Examples
        --------
        >>> from ndlab.annotations import Annotations, ROI
        >>> ann = Annotations.temporary()
        >>> ann.add([ROI(), ROI()]).tolist()
        [1, 2]
        """
        self._writable()
        if voxels is None:
            with self._ledger.writing("add", self._author, note) as write:
                return changes.create(write, objects)
        made = list(objects)
        paint = self._painted(volume)
        with self._ledger.writing("add", self._author, note, paint=True) as write:
            ids = changes.create(write, made)
            write.paint(paint, shapes(paint, ids.tolist(), voxels, mode))
        return ids

    def _painted(self, volume: str | None) -> Any:
        return self.paint if volume is None else self.paints[volume]

    def add_table(self, table: Any, kind: Any = None, note: str = "") -> np.ndarray[Any, Any]:
        """Store the rows of a table as new objects, all or none, and return their ids, uint64, in the order given.

        Parameters
        ----------
        table : DataFrame, Arrow table, mapping of columns, or iterable of those
            Columns are the fields of the kind; positions are the columns z, y, x [nm], bounds z0 to x1 [nm]. Lists of
            ids may be single ids. Every other column becomes a free key, where it has a value.
        kind : str, optional
            Without it a column `kind` says.
        note : str
            For the history.

        Raises
        ------
        Problems
            Everything that is wrong with the columns; nothing is written.

        Examples
        --------
        >>> from ndlab.annotations import Annotations
        >>> ann = Annotations.temporary()
        >>> table = {"presegments": [7, 8], "z": [0, 40], "y": [0, 0], "x": [4, 8], "roi": ["LH", None]}
        >>> ann.add_table(table, "synapse").tolist(), ann.get(1).presegments, ann.get(1).keys, ann.get(2).centroid
        ([1, 2], (7,), {'roi': 'LH'}, (40.0, 0.0, 8.0))
        """
        self._writable()
        with self._ledger.writing("add", self._author, note) as write:
            return create_table(write, kind, table)

    def load(
        self, path: str | os.PathLike[str], kind: Any = None, *, rename: Mapping[str, str] | None = None,
        note: str = "", **options: Any,
    ) -> np.ndarray[Any, Any]:  # fmt: skip
        """Store the objects of a file as new ones, all or none, and return their ids, uint64, in the file's order.

        Parameters
        ----------
        path : path
            ``.csv``, ``.json``, ``.jsonl``, ``.parquet`` or ``.swc``, as `Query.export` writes them, or a table of
            another program, whose columns that are no fields become free keys. Also ``.csv.gz`` and ``.feather``,
            a ``precomputed://`` folder, and labels as ``.nii`` or ``.nii.gz``.
        kind : str, optional
            Without it a column `kind` says; SWC is a skeleton and its nodes.
        rename : mapping, optional
            Names of columns, and the fields that they are.
        note : str
            For the history.
        **options
            `scale` for SWC: the file's unit in nm, one number or (z, y, x). `delimiter` for CSV. `unit` for flat
            tables such as CAVE's: what positions count in, "nm", "um", or voxels (z, y, x) [nm]; `rows`: how many
            there have to be.

        Returns
        -------
        numpy.ndarray
            For SWC the skeleton's id, then the nodes'.

        Raises
        ------
        Problems, BadMetadata, BadRequest
            What is wrong with the file; nothing is written.
        Conflict
            If ids are taken; nothing is written.
        """
        from ndlab.annotations.exchange import load

        self._writable()
        suffix = Path(path).suffix.lower()
        said = note or f"load {Path(path).name}"
        if suffix == ".swc":
            # Ids are taken before the transaction that uses them, which holds the only writer's place.
            tables = list(load(path, rename, reserve=lambda count: self.reserve(count)[0], **options))
            return self.add_table(tables, None, said)
        if suffix in (".json", ".jsonl"):
            return self.add((one for piece in load(path, None, **options) for one in piece), said)
        return self.add_table(load(path, rename, **options), kind, said)

    def update(
        self, what: Any, /, *, note: str = "", voxels: Any = None, mode: str = "overwrite",
        volume: str | None = None, **values: Any,
    ) -> int:  # fmt: skip
        """Change objects, all or none; return how many changed.

        Paint stays as it is, but for `voxels`; ``ann.paint.write(id, ...)`` changes paint alone.

        Parameters
        ----------
        what : id, ids or Query, with `values`; or an object or objects, which take the place of those of their ids
        note : str
            For the history.
        voxels, mode, volume : optional
            Paint the objects in the same transaction, as for `add`: in the order of `what`, or by id. ``mode="reduce"``
            takes voxels away.
        **values
            Fields. Other names are free keys, for which None takes the key away; ``keys={...}`` sets any key.

        Raises
        ------
        NotFound
            With the ids that are not there; nothing is written.
        ReadOnly
            For a derived field.
        """
        self._writable()
        if voxels is not None:
            with self._ledger.writing("update", self._author, note, paint=True) as write:
                return update(write, self._painted(volume), what, chooser, voxels, mode, values)
        if isinstance(what, Annotation):
            what = [what]
        with self._ledger.writing("update", self._author, note) as write:
            if not values:
                return changes.update_objects(write, what)
            return changes.update_fields(write, chooser(what), values)

    def delete(self, what: Any, /, *, note: str = "") -> int:
        """Take objects away by id, ids or Query, with their voxels in all volumes, all or none; return how many.

        What names them keeps doing so. Their history stays, and `undo` brings them back.
        """
        self._writable()
        with self._ledger.writing("delete", self._author, note, paint=True) as write:
            return delete(self._ledger, write, chooser(what))

    def merge(self, ids: Sequence[int], *, note: str = "") -> int:
        """Fold objects of one kind into the first, with their voxels in all volumes, and return its id.

        Everything that named the others names the first. The first keeps its fields and key-values, and takes from
        the others, in their order, what it lacks; lists are joined; bounds span all.

        Examples
        --------
        >>> from ndlab.annotations import Annotations, Segment, Synapse
        >>> ann = Annotations.temporary()
        >>> a, b = ann.add([Segment(keys={"x": 1}), Segment(keys={"x": 2, "y": 3})])
        >>> _ = ann.add([Synapse(presegments=[b])])
        >>> ann.merge([a, b]), ann.get(a).keys, ann.get(a).presynapses, b in ann
        (1, {'x': 1, 'y': 3}, (3,), False)
        """
        self._writable()
        with self._ledger.writing("merge", self._author, note, paint=True) as write:
            return merge(self._ledger, write, ids)

    def undo(self, number: int | None = None, *, author: str | None = None, note: str = "") -> Transaction | None:
        """Take back a transaction, objects and paint; without `number` the last (of an author) not taken back yet.

        Returns
        -------
        Transaction or None
            What was taken back; None if nothing is left to take back.

        Raises
        ------
        Conflict
            If some of its objects or voxels were changed since, or what they were is no longer kept; nothing is
            written.
        """
        self._writable()
        return history.undo(self._ledger, self._author, number, author, note)

    def _writable(self) -> None:
        if self._at is not None:
            raise ReadOnly(f"writing to {self.url} as it was after transaction {self._at}",
                           "an earlier state is only read", "write to Annotations.open(url)")  # fmt: skip


def chooser(what: Any) -> Callable[[Connection], Any]:
    """Return what finds the ids within the transaction that changes them."""
    if isinstance(what, Query):
        if what.at is not None:
            return lambda _: what.ids()
        return what.ids_in
    if isinstance(what, Annotation):
        return lambda _: [what.id]
    if isinstance(what, int | np.integer | np.ndarray):
        return lambda _: what
    ids = [one.id if isinstance(one, Annotation) else one for one in what]
    return lambda _: ids
