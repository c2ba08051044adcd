"""Annotations: the set of typed objects, and everything that can be asked of it and done to it."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, func, select

from ndlab.annotations import changes, compound, derived, history, reading, server, summary
from ndlab.annotations.both import delete, merge, shapes
from ndlab.annotations.checking import Report, check
from ndlab.annotations.database import FILE, Database
from ndlab.annotations.history import Change, Transaction
from ndlab.annotations.ids import as_id, as_ids, unsigned
from ndlab.annotations.intake import create_table
from ndlab.annotations.kinds import Annotation, kind_of
from ndlab.annotations.ledger import Ledger
from ndlab.annotations.query import Query
from ndlab.annotations.rows import from_row
from ndlab.annotations.schema import SCHEMA, VERSION, counters, facts, pairs
from ndlab.annotations.space import Space
from ndlab.annotations.writing import reserve
from ndlab.errors import BadRequest, Conflict, NotFound, ReadOnly, Unsupported
from ndlab.geometry import Box, Calibration, NmBox
from ndlab.volume import Volume

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ndlab.annotations.owned import OwnedPaint

__all__ = ["Annotations"]


class Annotations:
    """A set of annotations: typed objects with metadata, in one embedded database or on a server.

    Every call that writes is one transaction: it happens whole, is on disk when it returns, can be undone, and stays
    readable as an earlier state. Any number of threads and processes may write.

    Make one with `Annotations.create`, or open one with `ndlab.open`.

    Examples
    --------
    >>> from ndlab.annotations import Neuron, Segment, Synapse
    >>> ann = Annotations.temporary(voxel_size=(40, 4, 4))
    >>> cell, = ann.add([Neuron(keys={"name": "apical"})])
    >>> axon, dendrite = ann.add([Segment(segmentclass="axon"), Segment(segmentclass="dendrite", neuron=cell)])
    >>> _ = ann.add([Synapse(presegments=[axon], postsegments=[dendrite], centroid=(400, 40, 40), confidence=0.9)])
    >>> ann.get(dendrite).synapses, ann.get(cell).segments
    ((4,), (3,))
    >>> ann.where(kind="synapse", confidence__gt=0.5).within(Box((5, 5, 5), (15, 15, 15))).count()
    1
    >>> ann.update(dendrite, status="locked", reviewed=True)
    1
    >>> ann.undo().operation, ann.get(dendrite).keys
    ('update', {})
    """

    def __init__(
        self, database: Database, *, author: str | None = None, at: int | None = None, ledger: Ledger | None = None
    ) -> None:
        self._database = database
        self._author = _user() if author is None else author
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

    # --- where it lives ---------------------------------------------------------------------------------------

    @staticmethod
    def create(
        path: str | os.PathLike[str],
        space: Any = None,
        *,
        voxel_size: Sequence[float] | None = None,
        name: str | None = None,
        author: str | None = None,
        overwrite: bool = False,
    ) -> Annotations:
        """Make an empty set of annotations.

        Parameters
        ----------
        path : str or path
            A folder, which is made: alone, or inside an OME-Zarr (``brain.zarr/annotations/synapses``). Or the
            ``postgresql://`` address of an empty database.
        space : Volume or Calibration, optional
            Where voxels are, so that boxes of voxels can be asked for.
        voxel_size : sequence of 3 float, optional
            (z, y, x) [nm], instead of `space`.
        name : str, optional
            Without it the folder's.
        author : str, optional
            Who writes; without it ``NDLAB_AUTHOR``, else the name of the user.
        overwrite : bool
            Delete the annotations that are there, with their history.

        Raises
        ------
        Conflict
            If something is there.
        ReadOnly
            If the place cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> ann = Annotations.create(tempfile.mkdtemp() + "/synapses", voxel_size=(40, 4, 4))
        >>> ann.name, ann.count()
        ('synapses', 0)
        """
        address = _address(path)
        where = Space.of(space, voxel_size)
        database = Database(address)
        said = name if name is not None else database.shown.rstrip("/").rpartition("/")[2]
        if not database.server:
            _folder(database, overwrite)
        _tables(database, where, said, overwrite)
        return Annotations(database, author=author)

    @staticmethod
    def open(path: str | os.PathLike[str], *, author: str | None = None, readonly: bool = False) -> Annotations:
        """Open a set of annotations.

        Parameters
        ----------
        path : str or path
            The folder, or a ``postgresql://`` address.
        author : str, optional
            Who writes; without it ``NDLAB_AUTHOR``, else the name of the user.
        readonly : bool
            Refuse to write.

        Raises
        ------
        NotFound
            If there is none.
        BadMetadata, Unsupported
            If what is there is damaged, or of a layout that this ndlab does not read.
        """
        address = _address(path)
        database = Database(address, readonly)
        if not database.server and not database.path.is_file():
            raise NotFound(f"no annotations at {address}", f"there is no {FILE} in it",
                           "make them: Annotations.create(path, space=volume)", url=address)  # fmt: skip
        return Annotations(database, author=author)

    @staticmethod
    def temporary(space: Any = None, **options: Any) -> Annotations:
        """Make a set of annotations that is deleted when nothing refers to it any more; options as for `create`."""
        folder = tempfile.mkdtemp(prefix="ndlab-annotations-")
        made = Annotations.create(Path(folder) / "temporary", space, **options)
        weakref.finalize(made._database, shutil.rmtree, folder, ignore_errors=True)
        return made

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

    def close(self) -> None:
        """Let go of the database and of all paint; the next call opens them again."""
        if self._at is None:  # An earlier state shares what is open with the present one.
            self._ledger.close()

    def __enter__(self) -> Annotations:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._database, self._author, self._at)

    # --- label volumes ----------------------------------------------------------------------------------------

    def attach(
        self, labels: Volume | str | os.PathLike[str], name: str = "labels",
        folder: str | os.PathLike[str] | None = None, **options: Any,
    ) -> OwnedPaint:  # fmt: skip
        """Let a label volume belong to this set: what is painted there and the objects have one history from then on.

        Parameters
        ----------
        labels : Volume, str or path
            A label volume (z, y, x) of whole numbers, whose values are ids of objects. Its address is kept relative
            where both lie in one OME-Zarr or folder, so that they can be moved together.
        name : str
            What the set calls it.
        folder : path, optional
            Where journal, index and past of the paint are kept; see `Paint`. Without it inside the volume's store.
        **options
            `merge_bytes`, `merge_seconds`, `background` and `history_bytes` of `Paint`; they are kept, too.

        Raises
        ------
        Conflict
            If the name means another volume, or the volume belongs to another set.

        Examples
        --------
        >>> import tempfile
        >>> from ndlab.annotations import Segment
        >>> blank = Volume.from_array(np.zeros((32, 64, 64), "u8"), (40, 4, 4), kind="labels")
        >>> ann = Annotations.temporary(blank)
        >>> paint = ann.attach(blank.like(tempfile.mkdtemp() + "/labels"))
        >>> axon, = ann.add([Segment(segmentclass="axon")], voxels=[Box((0, 0, 0), (2, 3, 4))])
        >>> _ = paint.write(axon, [(9, 9, 9)]); _ = ann.delete(axon)
        >>> ann.undo().operation, ann.undo().operation, paint.size(axon), ann.get(axon).segmentclass.name
        ('delete', 'paint', 24, 'AXON')
        >>> ann.close()
        """
        from ndlab.annotations.owned import attach

        self._writable()
        return attach(self._ledger, labels, name, folder, options)

    @property
    def paints(self) -> Mapping[str, Any]:
        """The paint of each label volume that belongs to this set, by name; opened when it is asked for."""
        from ndlab.annotations.owned import Paints

        return Paints(self._ledger, self._at)

    @property
    def paint(self) -> Any:
        """The paint of the only label volume that belongs to this set, or of the first.

        Raises
        ------
        NotFound
            If there is none.
        """
        from ndlab.annotations.owned import Paints

        return Paints(self._ledger, self._at).first()

    # --- what is in it ----------------------------------------------------------------------------------------

    def where(self, *, kind: Any = None, keys: Mapping[str, Any] | None = None, **conditions: Any) -> Query:
        """Choose the objects that meet every condition; see `Query.where`.

        Examples
        --------
        >>> from ndlab.annotations import Organelle
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
        >>> from ndlab.annotations import ROI
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
        >>> from ndlab.annotations import Generic
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

    # --- writing ----------------------------------------------------------------------------------------------

    def reserve(self, count: int) -> range:
        """Take `count` ids that nobody has or will be given, one after another.

        Examples
        --------
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
        >>> from ndlab.annotations import ROI
        >>> ann = Annotations.temporary()
        >>> ann.add([ROI(), ROI(id=7)]).tolist()
        [1, 7]
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
            another program, whose columns that are no fields become free keys.
        kind : str, optional
            Without it a column `kind` says; SWC is a skeleton and its nodes.
        rename : mapping, optional
            Names of columns, and the fields that they are.
        note : str
            For the history.
        **options
            `scale` for SWC: the file's unit in nm, one number or (z, y, x). `delimiter` for CSV.

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

    def export(self, dest: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> Path:
        """Write all objects to a file, and return its path; see `Query.export`."""
        return self._all.export(dest, overwrite=overwrite, **options)

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
            return self._update_both(what, note, voxels, mode, volume, values)
        if isinstance(what, Annotation):
            what = [what]
        with self._ledger.writing("update", self._author, note) as write:
            if not values:
                return changes.update_objects(write, what)
            return changes.update_fields(write, _chooser(what), values)

    def _update_both(
        self, what: Any, note: str, voxels: Any, mode: str, volume: str | None, values: dict[str, Any]
    ) -> int:
        listed = what if isinstance(what, Query | np.ndarray) or not isinstance(what, Iterable) else list(what)
        objects = [listed] if isinstance(listed, Annotation) else listed
        whole = not values and isinstance(objects, list) and all(isinstance(one, Annotation) for one in objects)
        paint = self._painted(volume)
        with self._ledger.writing("update", self._author, note, paint=True) as write:
            ids = as_ids(_chooser(listed)(write.connection))
            if whole:
                changes.update_objects(write, objects)
            elif values:
                changes.update_fields(write, lambda _: ids, values)
            else:
                changes.missing(ids, write.there(ids))
            write.paint(paint, shapes(paint, ids, voxels, mode))
            return max(write.count, len(ids))

    def delete(self, what: Any, /, *, note: str = "") -> int:
        """Take objects away by id, ids or Query, with their voxels in all volumes, all or none; return how many.

        What names them keeps doing so. Their history stays, and `undo` brings them back.
        """
        self._writable()
        with self._ledger.writing("delete", self._author, note, paint=True) as write:
            return delete(self._ledger, write, _chooser(what))

    def merge(self, ids: Sequence[int], *, note: str = "") -> int:
        """Fold objects of one kind into the first, with their voxels in all volumes, and return its id.

        Everything that named the others names the first. The first keeps its fields and key-values, and takes from
        the others, in their order, what it lacks; lists are joined; bounds span all.

        Examples
        --------
        >>> from ndlab.annotations import Segment, Synapse
        >>> ann = Annotations.temporary()
        >>> a, b = ann.add([Segment(keys={"x": 1}), Segment(keys={"x": 2, "y": 3})])
        >>> _ = ann.add([Synapse(presegments=[b])])
        >>> ann.merge([a, b]), ann.get(a).keys, ann.get(a).presynapses, b in ann
        (1, {'x': 1, 'y': 3}, (3,), False)
        """
        self._writable()
        with self._ledger.writing("merge", self._author, note, paint=True) as write:
            return merge(self._ledger, write, ids)

    # --- history ----------------------------------------------------------------------------------------------

    def history(self, *, author: str | None = None, limit: int | None = None) -> list[Transaction]:
        """List the transactions, of objects and paint, the newest first: who wrote what, when."""
        return history.history(self._ledger, self._at, author, limit)

    def changes(self, one: int) -> list[Change]:
        """List what happened to an object, the oldest first, with what it was before and after."""
        return history.changes(self._database, one, self._at)

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

    def as_of(self, when: Any) -> Annotations:
        """Return the set as it was after a transaction (by number), or at a time, to be read.

        Its `paint` is as it was, too, as far back as the past of each volume is kept (see `history_bytes` of `Paint`).

        Examples
        --------
        >>> from ndlab.annotations import ROI
        >>> ann = Annotations.temporary()
        >>> _ = ann.add([ROI(status="locked")]); _ = ann.update(1, status="ignored"); _ = ann.delete(1)
        >>> [ann.as_of(n).where(status="locked").count() for n in range(4)], ann.as_of(2).get(1).status.name
        ([0, 1, 0, 0], 'IGNORED')
        """
        number = history.moment_of(self._ledger, when)
        return Annotations(self._database, author=self._author, at=number, ledger=self._ledger)

    @property
    def version(self) -> int:
        """Number of the last transaction; 0 before the first."""
        if self._at is not None:
            return self._at
        return next((one.number for one in self.history(limit=1)), 0)

    # --- care -------------------------------------------------------------------------------------------------

    def check(self, repair: bool = False, *, volumes: bool = True) -> Report:
        """Compare rows, index tables, journal, paint, its index and its levels with each other.

        What only one half has is told as a note; a problem is what contradicts another thing, such as bounds that are
        not those of the voxels.

        Parameters
        ----------
        repair : bool
            Mend what can be made of the rest: index tables, extents, counters, and rows that say something else than
            their voxels, in one transaction of the history; the index of paint, levels, and a journal's damaged end,
            which is set aside.
        volumes : bool
            Off: leave the labels unread, which takes as long as reading all of them.

        Returns
        -------
        Report
            Its `findings`; `ok` if no problem is left.

        Examples
        --------
        >>> from ndlab.annotations import Segment
        >>> ann = Annotations.temporary(voxel_size=(40, 4, 4))
        >>> cell, = ann.add([Segment(keys={"name": "apical"})])
        >>> with ann._database.writing() as connection:
        ...     _ = connection.exec_driver_sql("DELETE FROM pairs")
        >>> [(one.what, one.where, one.ids) for one in ann.check().problems]
        [('index tables', 'pairs', (1,))]
        >>> ann.check(repair=True).ok, ann.where(name="apical").count(), ann.history(limit=1)[0].operation
        (True, 1, 'repair')
        """
        # Only who checks waits for what a check imports.
        from ndlab.annotations.checking import check

        if self._at is not None:
            raise BadRequest(f"a check of {self.url} as it was after transaction {self._at}",
                             "the whole is checked, with its past", "Annotations.open(url).check()")  # fmt: skip
        if repair and self.readonly:
            raise ReadOnly(f"{self.url} was to be repaired", "it cannot be written", "check() alone only looks")
        return check(self._ledger, self._author, repair, volumes)

    def _writable(self) -> None:
        if self._at is not None:
            raise ReadOnly(f"writing to {self.url} as it was after transaction {self._at}",
                           "an earlier state is only read", "write to Annotations.open(url)")  # fmt: skip

    # --- display ----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return summary.text(self)

    def _repr_html_(self) -> str:
        return summary.html(self)


def _address(path: str | os.PathLike[str]) -> str:
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


def _user() -> str:
    named = os.environ.get("NDLAB_AUTHOR")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return ""


def _folder(database: Database, overwrite: bool) -> None:
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


def _tables(database: Database, space: Space, name: str, overwrite: bool) -> None:
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


def _chooser(what: Any) -> Callable[[Connection], Any]:
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


def _reopen(database: Database, author: str, at: int | None) -> Annotations:
    return Annotations(database, author=author, at=at)
