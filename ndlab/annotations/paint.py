"""Paint: the voxels of objects, in a label volume that many write at once and none loses a voxel of."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from ndlab.annotations import tending
from ndlab.annotations.drawing import as_mode, box_stroke, cutout_stroke, paint_id, voxel_strokes
from ndlab.annotations.ground import chunking_of, label_array, paint_folder, paint_index
from ndlab.annotations.ids import as_ids
from ndlab.annotations.index import Write
from ndlab.annotations.journal import Journal
from ndlab.annotations.merging import Merger
from ndlab.annotations.overlay import Overlay
from ndlab.annotations.owner import refuse_owned, verdict_of
from ndlab.annotations.painted import Painted
from ndlab.annotations.reindexing import differences, reindex
from ndlab.annotations.strokes import Mode, Shape, Stroke
from ndlab.annotations.undoing import listed_writes, restoring, taking_back
from ndlab.annotations.units import Units
from ndlab.errors import BadRequest, Conflict
from ndlab.geometry import Box
from ndlab.store import pyramid
from ndlab.store.engine import TensorStoreArray
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["Paint"]


class Paint(Painted):
    """Ties the ids of objects to voxels of a label volume.

    A write returns once it is on disk in a journal, and every read sees it from then on, in this process and in others.
    In the background strokes are merged into the volume in the order in which they were acknowledged, and
    the pyramid follows. An index answers where an object is without a look at the volume.

    Parameters
    ----------
    labels : Volume, str or path
        A label volume (z, y, x) of whole numbers in a store.
    folder : path, optional
        Where journal, index and past are kept: one local folder for all who write. Without it inside the store.
    author : str
        Whom writes are noted under.
    merge_bytes, merge_seconds : float
        Merge in the background once the journal is that large, or its oldest stroke that old [s].
    background : bool
        Off: merge only in `flush`, `undo` not counted.
    history_bytes : int
        How much of the past is kept for `undo` and `Annotations.as_of` [bytes on disk].

    Examples
    --------
    >>> import tempfile
    >>> from ndlab.samples import phantom
    >>> blank = phantom((32, 64, 64)).labels((0, 0, 0), (32, 64, 64)) * 0
    >>> vol = Volume.from_array(blank, (40, 4, 4), kind="labels").like(tempfile.mkdtemp() + "/labels")
    >>> with Paint(vol) as paint:
    ...     _ = paint.write(7, box=Box((0, 0, 0), (2, 3, 4)))
    ...     _ = paint.write(8, voxels=[(1, 2, 3), (1, 2, 4)], mode="preserve")
    ...     len(paint.voxels(7)), paint.voxels(8).tolist(), paint.bounding_box(7).shape
    (24, [[1, 2, 4]], (2, 3, 4))
    """

    def __init__(
        self,
        labels: Volume | str | os.PathLike[str],
        folder: str | os.PathLike[str] | None = None,
        *,
        author: str = "",
        merge_bytes: float = 64 << 20,
        merge_seconds: float = 2.0,
        background: bool = True,
        history_bytes: int = 1 << 30,
        _verdict: Callable[[set[int]], set[int]] | None = None,
    ) -> None:
        volume = labels if isinstance(labels, Volume) else open_volume(labels)
        array, chunking = label_array(volume), chunking_of(label_array(volume))
        self.folder = paint_folder(volume, folder)
        self.author = author
        self._options = {"author": author, "merge_bytes": merge_bytes, "merge_seconds": merge_seconds,
                         "background": background, "history_bytes": history_bytes}  # fmt: skip
        self._stored = volume._stored
        self.journal = Journal(self.folder / "journal")
        index = paint_index(self.folder, self.journal.writable)
        self.journal.verdict = _verdict or partial(verdict_of, self.folder, index)
        workers = max(1, os.cpu_count() or 1)
        units = Units(array, chunking)
        self._merger = Merger(self.folder, self._stored, units, self.journal, index, history_bytes, workers)
        self._overlay = Overlay(self._merger)
        super().__init__(self._overlay, chunking, array.dtype, str(self.folder))
        self._check_same(array)
        self._wake, self._closed = threading.Event(), False
        self._trouble: Exception | None = None
        self._worker: threading.Thread | None = None
        if background and self.journal.writable:
            self._worker = tending.start(self, self._wake, merge_bytes, merge_seconds)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._stored.url, str(self.folder), self._options)

    def _check_same(self, array: TensorStoreArray) -> None:
        """Refuse a folder that belongs to other labels, and index what labels hold when they get theirs."""
        facts = {"url": self._stored.url, "layout": repr((self.chunking, str(array.dtype)))}
        index = self._merger.index
        known = {name: index.fact(name) for name in facts}
        if known["layout"] is None and self.journal.writable:
            reindex(self._merger, facts)
        elif known["layout"] is not None and known["layout"] != facts["layout"]:
            raise Conflict(
                f"{self.folder} holds the paint of {known['url']}",
                f"{facts['url']} has another shape, chunks or type: {facts['layout']} against {known['layout']}",
                "pass another folder",
            )

    # --- writing ----------------------------------------------------------------------------------------------

    def write(
        self, id: Any, voxels: Any = None, *, box: Box | None = None, mask: Any = None,  # noqa: A002
        mode: str = "overwrite", note: str = "",
    ) -> int:  # fmt: skip
        """Paint an object, and return the number of the write once it is on disk.

        Parameters
        ----------
        id : int
        voxels : array (n, 3), optional
            Voxels (z, y, x) of level 0.
        box : Box, optional
            A box of level 0, all of it or where `mask` is.
        mask : array, optional
            Of the box's shape; the object is where it is not 0.
        mode : {"overwrite", "preserve", "except", "reduce"}
            Where another label is: take its place; leave it; stand behind it as an exception. ``"reduce"`` takes the
            object's own voxels away, and the first exception there comes forward.
        note : str
            For the history.

        Raises
        ------
        BadRequest, OutOfBounds
            Nothing is written.
        ReadOnly, TooLarge
            If the folder cannot be written, or the disk is full. Nothing is kept of the write.
        """
        one, how = paint_id(id, self.dtype), as_mode(mode)
        if (voxels is None) == (box is None):
            raise BadRequest(
                f"object {one} by {'neither voxels nor box' if box is None else 'voxels and box'}",
                "an object is painted by one of them",
                "pass voxels=, or box= with a mask= where it does not fill the box",
            )
        if box is not None:
            return self._append([box_stroke(one, box, how, self.chunking.shape, mask)], note)
        return self._append(voxel_strokes([one], [voxels], how, self.chunking.shape), note)

    def write_many(self, ids: Sequence[Any], voxels: Sequence[Any], *, mode: str = "overwrite", note: str = "") -> int:
        """Paint many objects at once, each from its list of voxels (n, 3); all of them become durable, or none."""
        if not len(ids):
            raise BadRequest("no object", "a write names one at least")
        dtype = self.dtype
        found = [paint_id(one, dtype) for one in ids]
        return self._append(voxel_strokes(found, voxels, as_mode(mode), self.chunking.shape), note)

    def write_labels(self, box: Box, values: Any, *, mode: str = "overwrite", note: str = "") -> int:
        """Paint a dense cut-out of ids over a box; 0 leaves voxels alone."""
        return self._append([cutout_stroke(box, values, as_mode(mode), self.chunking.shape, self.dtype)], note)

    def shave(
        self, id: Any, voxels: Any = None, *, box: Box | None = None, mask: Any = None, note: str = ""  # noqa: A002
    ) -> int:  # fmt: skip
        """Take voxels away from an object; those of others stay."""
        return self.write(id, voxels, box=box, mask=mask, mode="reduce", note=note)

    def delete(self, ids: Any, *, note: str = "") -> int:
        """Take all voxels of objects away, at all levels."""
        return self._relabel(as_ids(ids), 0, note)

    def merge(self, ids: Any, *, note: str = "") -> int:
        """Give the voxels of all of `ids` to the first of them."""
        first, *others = as_ids(ids)
        return self._relabel(others, first, note)

    def _relabel(self, ids: Sequence[int], one: int, note: str) -> int:
        self._refuse_closed()
        with self.journal.hold():
            # Held: between finding where they are and writing it down nobody else writes.
            stroke = self.relabelling(ids, one)
            stroke.author, stroke.note = self.author, note
            number = self.journal.append_held([stroke])
        return self._numbered(number)

    def taking_back(self, write: int) -> list[Stroke]:
        """Return the strokes that take back one write of the journal, to be written while it is held."""
        return self._overlay.at_once(lambda moment: taking_back(moment, write, self.author))

    def relabelling(self, ids: Sequence[int], one: int) -> Stroke:
        """Return the stroke that gives objects another id (0: none), to be written while the journal is held."""
        where = self._overlay.at_once(lambda moment: moment.chunks_of(ids))
        data = (np.array(ids, "u8"), np.array(where, "i8"))
        return Stroke(Mode.RELABEL, Shape.CHUNKS, one, (0, 0, 0), data)

    def undo(self, count: int = 1) -> int:
        """Take back the last `count` writes, whoever made them, and return the number of the write that does.

        Every voxel and exception becomes what it was before them.

        Raises
        ------
        Conflict
            If fewer writes can be undone.
        """
        if count < 1:
            raise BadRequest(f"undo of {count} writes", "it is one or more")
        self._refuse_closed()
        refuse_owned(self.folder, self._merger.index)
        with self.journal.hold():
            strokes = self._overlay.at_once(lambda moment: restoring(moment, count, self.author))
            return self.journal.append_held(strokes)

    def history(self, limit: int | None = None) -> list[Write]:
        """Return who wrote what and when, the latest first."""
        return self._overlay.at_once(lambda moment: listed_writes(moment, limit))

    def _append(self, strokes: list[Stroke], note: str = "") -> int:
        self._refuse_closed()
        strokes[0].author, strokes[0].note = self.author, note
        return self._numbered(self.journal.append(strokes))

    def _numbered(self, write: int) -> int:
        """Return the number by which the history knows a write of the journal."""
        return write

    def _refuse_closed(self) -> None:
        if self._closed:
            raise BadRequest(f"a write into {self.folder}", "it was closed", "open it again with Paint(labels, folder)")

    # --- keeping ----------------------------------------------------------------------------------------------

    def flush(self, *, levels: bool = True) -> None:
        """Merge all that is pending into the volume; with `levels` its pyramid follows where voxels changed.

        Raises
        ------
        ReadOnly, TooLarge, BadMetadata
            If the store cannot be written; what is pending stays in the journal.
        """
        self._merger.merge()
        self._trouble = None
        if levels:
            self.update_levels()

    def update_levels(self, *, wait: float = 60.0) -> None:
        """Bring the coarser levels of the volume up to date where voxels changed.

        Raises
        ------
        Conflict
            If another run still works on them after `wait` seconds.
        """
        if len(self._stored.levels) < 2:
            return
        until = time.monotonic() + wait
        while True:
            try:
                pyramid.rebuild(self._stored)
            except Conflict:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.05)
            else:
                return

    @property
    def pending(self) -> int:
        """How many strokes are acknowledged and not merged."""
        return len(self.journal.pending(self._merger.index.merged))

    @property
    def trouble(self) -> Exception | None:
        """Why the last merge in the background failed; None if it did not. What is pending is safe meanwhile."""
        return self._trouble

    def check(self) -> list[str]:
        """Compare index, exceptions and labels, and say in words where they differ; scans the volume."""
        self._merger.merge()
        return differences(self._merger)

    def reindex(self) -> None:
        """Make the index anew from the labels; scans the volume."""
        self._merger.merge()
        reindex(self._merger, {})

    def repair(self) -> int:
        """Set aside a damaged end of the journal, so that writing goes on before it; return its bytes."""
        return self.journal.repair()

    def close(self, *, flush: bool = False) -> None:
        """End the merging in the background; what is pending stays in the journal unless `flush` merges it."""
        if self._closed:
            return
        if flush:
            self.flush()
        self._closed = True
        self._wake.set()
        if self._worker is not None and self._worker is not threading.current_thread():
            self._worker.join()
        self._merger.index.close()

    def __enter__(self) -> Paint:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Paint({self._stored.url!r}, {str(self.folder)!r}): {self.chunking.shape} {self.dtype}"

    @property
    def volume(self) -> Volume:
        """The label volume as it is in the store: what is pending is not in it yet."""
        return Volume(self._stored)

    def merge_when_due(self, nbytes: float, seconds: float) -> None:
        """Merge if that much is pending, or for so long; what goes wrong is kept for `trouble`, and tried again."""
        try:
            strokes = self.journal.pending(self._merger.index.merged)
            if not strokes or (self.journal.nbytes < nbytes and time.time() - strokes[0].time / 1e6 < seconds):
                return
            with contextlib.suppress(BlockingIOError):
                if self._merger.merge(wait=False):
                    with contextlib.suppress(Conflict):
                        self.update_levels(wait=0)
            self._trouble = None
        except Exception as error:
            self._trouble = error


def _again(url: str, folder: str, options: dict[str, Any]) -> Paint:
    return Paint(url, folder, **options)
