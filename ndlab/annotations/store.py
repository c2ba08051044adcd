"""Annotations: the set of typed objects, and everything that can be asked of it and done to it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.annotations import history
from ndlab.annotations.attaching import attach, detach, let_go
from ndlab.annotations.database import FILE, Database
from ndlab.annotations.making import address_of, labels_beside, make_folder, make_tables
from ndlab.annotations.space import Space
from ndlab.annotations.written import Written
from ndlab.errors import BadRequest, NotFound, ReadOnly

if TYPE_CHECKING:
    from ndlab.annotations.checking import Report
    from ndlab.annotations.owned import OwnedPaint
    from ndlab.volume import Volume

__all__ = ["Annotations"]


class Annotations(Written):
    """A set of annotations: typed objects with metadata, in one embedded database or on a server.

    Every call that writes is one transaction: it happens whole, is on disk when it returns, can be undone, and stays
    readable as an earlier state. Any number of threads and processes may write.

    Make one with `Annotations.create`, or open one with `ndlab.open`.

    Examples
    --------
    >>> from ndlab import Box
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

    # --- where it lives ---------------------------------------------------------------------------------------

    @staticmethod
    def create(
        path: str | os.PathLike[str],
        space: Any = None,
        *,
        voxel_size: Sequence[float] | None = None,
        name: str | None = None,
        author: str | None = None,
        labels: Volume | str | os.PathLike[str] | bool | None = None,
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
        labels : Volume, str, path or True, optional
            A label volume to attach, see `attach`; True makes an empty one over `space`, which is a Volume then: in
            ``labels/NAME`` beside ``annotations/NAME`` of an OME-Zarr, else in the folder itself.
        overwrite : bool
            Delete the annotations that are there, with their history; their label volumes stay.

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
        address = address_of(path)
        where = Space.of(space, voxel_size)
        database = Database(address)
        said = name if name is not None else database.shown.rstrip("/").rpartition("/")[2]
        if overwrite:
            let_go(database)
        fresh = labels_beside(address, space) if labels is True else labels
        if not database.server:
            make_folder(database, overwrite)
        make_tables(database, where, said, overwrite)
        ann = Annotations(database, author=author)
        if fresh:
            ann.attach(fresh() if callable(fresh) else fresh)
        return ann

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
        address = address_of(path)
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
        >>> import numpy as np
        >>> from ndlab import Box, Volume
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
        self._writable()
        return attach(self._ledger, labels, name, folder, options)

    def detach(self, name: str) -> None:
        """Let a label volume belong to this set no longer; what is painted is merged, and stays.

        The history keeps what was written there, but none of it can be taken back.
        """
        self._writable()
        detach(self._ledger, name)

    # --- history ----------------------------------------------------------------------------------------------

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


def _reopen(database: Database, author: str, at: int | None) -> Annotations:
    return Annotations(database, author=author, at=at)
