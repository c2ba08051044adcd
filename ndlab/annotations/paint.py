"""Paint: the voxels of objects, in a label volume that many write at once and none loses a voxel of."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ndlab.annotations.applying import Exceptions
from ndlab.annotations.chunking import Chunking
from ndlab.annotations.drawing import as_mode, box_stroke, cutout_stroke, paint_id, voxel_strokes
from ndlab.annotations.ids import as_ids
from ndlab.annotations.index import Index, Place, Write
from ndlab.annotations.journal import Journal
from ndlab.annotations.merging import Merger
from ndlab.annotations.overlay import Moment, Overlay
from ndlab.annotations.reindexing import differences, reindex
from ndlab.annotations.strokes import Mode, Shape, Stroke
from ndlab.annotations.undoing import listed_writes, restoring
from ndlab.annotations.units import Units
from ndlab.errors import BadRequest, Conflict, NotFound, ReadOnly, TooLarge, Unsupported
from ndlab.geometry import Box, Int3
from ndlab.store import pyramid
from ndlab.store.engine import TensorStoreArray
from ndlab.store.kv import local_path, normal_url
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["Paint"]

Voxels = np.ndarray[Any, Any]
# What one cut-out may hold, as in the founding system.
CUTOUT_VOXELS = 256 << 20


class Paint:
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
        How much of the past is kept for `undo` [bytes on disk].

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
    ) -> None:
        volume = labels if isinstance(labels, Volume) else open_volume(labels)
        array = _checked(volume)
        self.folder = _folder(volume, folder)
        self.author = author
        self._options = {"author": author, "merge_bytes": merge_bytes, "merge_seconds": merge_seconds,
                         "background": background, "history_bytes": history_bytes}  # fmt: skip
        shape, chunk, unit = _int3(array.shape), _int3(array.chunks), _int3(array.shards or array.chunks)
        self.chunking = Chunking(shape, chunk, unit)
        self._stored = volume._stored
        self.journal = Journal(self.folder / "journal")
        index = _opened_index(self.folder, self.journal.writable)
        workers = max(1, os.cpu_count() or 1)
        units = Units(array, self.chunking)
        self._merger = Merger(self.folder, self._stored, units, self.journal, index, history_bytes, workers)
        self._overlay = Overlay(self._merger)
        self._check_same(array)
        self._wake, self._closed = threading.Event(), False
        self._trouble: Exception | None = None
        self._worker: threading.Thread | None = None
        if background and self.journal.writable:
            how = (weakref.ref(self), self._wake, merge_bytes, merge_seconds)
            self._worker = threading.Thread(target=_merge_on, args=how, name="ndlab-paint", daemon=True)
            self._worker.start()

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
        self, id: Any, voxels: Any = None, *, box: Box | None = None, mask: Any = None, mode: str = "overwrite"  # noqa: A002
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

        Raises
        ------
        BadRequest, OutOfBounds
            Nothing is written.
        ReadOnly, TooLarge
            If the folder cannot be written, or the disk is full. Nothing is kept of the write.
        """
        one, how = paint_id(id, self._dtype), as_mode(mode)
        if (voxels is None) == (box is None):
            raise BadRequest(
                f"object {one} by {'neither voxels nor box' if box is None else 'voxels and box'}",
                "an object is painted by one of them",
                "pass voxels=, or box= with a mask= where it does not fill the box",
            )
        if box is not None:
            return self._append([box_stroke(one, box, how, self.chunking.shape, mask)])
        return self._append(voxel_strokes([one], [voxels], how, self.chunking.shape))

    def write_many(self, ids: Sequence[Any], voxels: Sequence[Any], *, mode: str = "overwrite") -> int:
        """Paint many objects at once, each from its list of voxels (n, 3); all of them become durable, or none."""
        if not len(ids):
            raise BadRequest("no object", "a write names one at least")
        found = [paint_id(one, self._dtype) for one in ids]
        return self._append(voxel_strokes(found, voxels, as_mode(mode), self.chunking.shape))

    def write_labels(self, box: Box, values: Any, *, mode: str = "overwrite") -> int:
        """Paint a dense cut-out of ids over a box; 0 leaves voxels alone."""
        return self._append([cutout_stroke(box, values, as_mode(mode), self.chunking.shape, self._dtype)])

    def shave(self, id: Any, voxels: Any = None, *, box: Box | None = None, mask: Any = None) -> int:  # noqa: A002
        """Take voxels away from an object; those of others stay."""
        return self.write(id, voxels, box=box, mask=mask, mode="reduce")

    def delete(self, ids: Any) -> int:
        """Take all voxels of objects away, at all levels."""
        return self._relabel(as_ids(ids), 0)

    def merge(self, ids: Any) -> int:
        """Give the voxels of all of `ids` to the first of them."""
        first, *others = as_ids(ids)
        return self._relabel(others, first)

    def _relabel(self, ids: Sequence[int], one: int) -> int:
        self._refuse_closed()
        with self.journal.hold():
            # Held: between finding where they are and writing it down nobody else writes.
            def chunks(moment: Moment) -> list[int]:
                return sorted({place.chunk for each in ids for place in moment.places(each)})

            where = self._overlay.at_once(chunks)
            data = (np.array(ids, "u8"), np.array(where, "i8"))
            stroke = Stroke(Mode.RELABEL, Shape.CHUNKS, one, (0, 0, 0), data, author=self.author)
            return self.journal.append_held([stroke])

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
        with self.journal.hold():
            strokes = self._overlay.at_once(lambda moment: restoring(moment, count, self.author))
            return self.journal.append_held(strokes)

    def history(self, limit: int | None = None) -> list[Write]:
        """Return who wrote what and when, the latest first."""
        return self._overlay.at_once(lambda moment: listed_writes(moment, limit))

    def _append(self, strokes: list[Stroke]) -> int:
        self._refuse_closed()
        strokes[0].author = self.author
        return self.journal.append(strokes)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise BadRequest(f"a write into {self.folder}", "it was closed", "open it again with Paint(labels, folder)")

    # --- reading ----------------------------------------------------------------------------------------------

    @property
    def _dtype(self) -> np.dtype[Any]:
        return self._merger.units.array.dtype

    @property
    def volume(self) -> Volume:
        """The label volume as it is in the store: what is pending is not in it yet."""
        return Volume(self._stored)

    def read(self, box: Box | None = None) -> Voxels:
        """Return the labels of a box of level 0, every acknowledged write included."""
        whole = Box((0, 0, 0), self.chunking.shape)
        found = whole if box is None else box
        if found.level:
            raise BadRequest(f"a box of level {found.level}", "what is pending is of level 0",
                             "call .flush(), then read the coarser level of .volume")  # fmt: skip
        found.check(self.chunking.shape)
        return self._overlay.at_once(lambda moment: moment.read(found))

    def places(self, id: Any) -> list[Place]:  # noqa: A002
        """Return in which chunks an object is, with the number of its voxels and their box in each."""
        one = paint_id(id, self._dtype)
        return self._overlay.at_once(lambda moment: moment.places(one))

    def chunks(self, id: Any) -> list[Box]:  # noqa: A002
        """Return the boxes of the chunks that hold an object."""
        return [self.chunking.box(place.chunk) for place in self.places(id)]

    def bounding_box(self, id: Any) -> Box:  # noqa: A002
        """Return the smallest box that holds an object.

        Raises
        ------
        NotFound
            If it has no voxels.
        """
        found = [_placed(place, self.chunking) for place in self.places(id)]
        if not found:
            raise NotFound(f"object {id} has no voxels", f"{self.folder} knows none", "write some with .write(id, ...)")
        return _hull(found)

    def size(self, id: Any) -> int:  # noqa: A002
        """Return the number of voxels of an object."""
        return sum(place.count for place in self.places(id))

    def voxels(self, id: Any) -> Voxels:  # noqa: A002
        """Return the voxels (n, 3) of an object, in C order; those where it is an exception are among them."""
        one = paint_id(id, self._dtype)

        def found(moment: Moment) -> list[Voxels]:
            return [_voxels(moment, place, one) for place in moment.places(one)]

        parts = self._overlay.at_once(found)
        if not parts:
            return np.empty((0, 3), "i8")
        flat = np.concatenate(parts)
        return flat[np.lexsort(flat.T[::-1])]

    def cutout(self, id: Any, box: Box | None = None) -> tuple[Box, Voxels]:  # noqa: A002
        """Return a box and the object in it, its id where it is and 0 elsewhere; without `box` the smallest one."""
        return self.union([id], id, box)

    def union(self, ids: Iterable[Any], as_id: Any, box: Box | None = None) -> tuple[Box, Voxels]:
        """Return a box and several objects in it as one: a neuron from its segments.

        Raises
        ------
        NotFound
            If none has voxels and no box is given.
        TooLarge
            If the box holds more than 256 * 1024 * 1024 voxels.
        """
        wanted, one = [paint_id(i, self._dtype) for i in ids], paint_id(as_id, self._dtype)

        def found(moment: Moment) -> tuple[Box, Voxels]:
            placed = [(i, place) for i in wanted for place in moment.places(i)]
            if box is None and not placed:
                raise NotFound(f"objects {wanted[:5]} have no voxels", f"{self.folder} knows none")
            where = box if box is not None else _hull([_placed(place, self.chunking) for _, place in placed])
            if where.size > CUTOUT_VOXELS:
                raise TooLarge(f"a cut-out of {where.shape}", "it may hold 256 * 1024 * 1024 voxels",
                               "pass a box, or read .voxels(id)", nbytes=where.size, limit=CUTOUT_VOXELS)  # fmt: skip
            out = np.zeros(where.shape, self._dtype)
            for i, place in placed:
                if (self.chunking.box(place.chunk) & where).size:
                    at = _voxels(moment, place, i) - np.array(where.start)
                    at = at[((at >= 0) & (at < where.shape)).all(1)]
                    out[tuple(at.T)] = one
            return where, out

        if box is not None:
            box.check(self.chunking.shape)
        return self._overlay.at_once(found)

    def ids(self, box: Box | None = None) -> list[int]:
        """Return the objects that have voxels in a box, as label or as exception; without it, in all of the volume."""
        if box is None:

            def everywhere(moment: Moment) -> list[int]:
                pending, index = moment.pending.pieces, moment.merger.index
                found: set[int] = set()
                for number in pending:
                    labels, exceptions, _ = moment.chunk(number)
                    found.update(np.unique(labels).tolist(), *exceptions.values())
                # The others are where the index says, unless all of it lies under pending strokes.
                others = (one for one in index.ids() if one not in found)
                found.update(one for one in others if any(place.chunk not in pending for place in index.of(one)))
                return sorted(found - {0})

            return self._overlay.at_once(everywhere)
        inside = set(np.unique(self.read(box)).tolist())
        inside.update(one for _, behind in self.exceptions(box) for one in behind)
        return sorted(inside - {0})

    def exceptions(self, box: Box | None = None) -> list[tuple[Int3, tuple[int, ...]]]:
        """Return voxels (z, y, x) with more than one label, and the ids that stand behind the first."""
        where = Box((0, 0, 0), self.chunking.shape) if box is None else box
        where.check(self.chunking.shape)

        def found(moment: Moment) -> dict[int, Exceptions]:
            numbers = {*moment.merger.index.exception_chunks(), *moment.touched(where)}
            numbers = {number for number in numbers if (self.chunking.box(number) & where).size}
            pending = moment.pending.pieces
            index = moment.merger.index
            return {n: moment.chunk(n)[1] if n in pending else index.exceptions(n) for n in sorted(numbers)}

        listed = []
        for number, exceptions in self._overlay.at_once(found).items():
            at = self.chunking.coordinates(number, np.array(list(exceptions), "i8")).tolist() if exceptions else []
            for (z, y, x), ids in zip(at, exceptions.values(), strict=True):
                if Box((z, y, x), (z + 1, y + 1, x + 1)) in where:
                    listed.append(((z, y, x), tuple(ids)))
        return sorted(listed)

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
        return f"Paint({self._stored.url!r}, {str(self.folder)!r}): {self.chunking.shape} {self._dtype}"

    def _merge_quietly(self) -> None:
        """Merge in the background; what goes wrong is kept for `trouble`, and tried again."""
        try:
            with contextlib.suppress(BlockingIOError):
                if self._merger.merge(wait=False):
                    with contextlib.suppress(Conflict):
                        self.update_levels(wait=0)
            self._trouble = None
        except Exception as error:
            self._trouble = error


def _merge_on(whose: weakref.ref[Paint], wake: threading.Event, nbytes: float, seconds: float) -> None:
    """Merge whenever enough is pending, or something has been for long enough."""
    while not wake.wait(min(max(seconds, 0.002), 0.25)):
        paint = whose()
        if paint is None or paint._closed:
            return
        with contextlib.suppress(OSError):
            strokes = paint.journal.pending(paint._merger.index.merged)
            if strokes and (paint.journal.nbytes >= nbytes or time.time() - strokes[0].time / 1e6 >= seconds):
                paint._merge_quietly()
        del paint


def _again(url: str, folder: str, options: dict[str, Any]) -> Paint:
    return Paint(url, folder, **options)


def _voxels(moment: Moment, place: Place, one: int) -> Voxels:
    labels, exceptions, _ = moment.chunk(place.chunk)
    at = np.flatnonzero(labels == one)
    more = [inside for inside, ids in exceptions.items() if one in ids]
    found: Voxels = moment.merger.chunking.coordinates(place.chunk, np.concatenate([at, np.array(more, "i8")]))
    return found


def _placed(place: Place, chunking: Chunking) -> Box:
    corner = chunking.corner(place.chunk)
    return Box(place.low, place.high).shift(corner)


def _hull(boxes: Sequence[Box]) -> Box:
    found = boxes[0]
    for box in boxes[1:]:
        found = found | box
    return found


def _checked(volume: Volume) -> TensorStoreArray:
    """Return the array of a volume that can be painted."""
    array = volume._stored.levels[0].array
    where = volume.url or "a volume in memory"
    if not isinstance(array, TensorStoreArray):
        raise Unsupported(f"paint over {where}", "objects are painted into a store of Zarr or precomputed",
                          "make one with volume.like(url), or ndlab.ingest(volume, url)", feature="paint")  # fmt: skip
    if volume._stored.axes != ("z", "y", "x") or array.dtype.kind not in "iu":
        raise BadRequest(
            f"paint over {where} with axes {volume._stored.axes} of {array.dtype}",
            "labels have axes z, y, x and whole numbers",
            'make them with volume.like(url, dtype="uint64", kind="labels")',
        )
    return array


def _folder(volume: Volume, folder: str | os.PathLike[str] | None) -> Path:
    if folder is not None:
        found = local_path(normal_url(folder))
        if found is None:
            raise BadRequest(
                f"the folder {os.fspath(folder)!r}", "a journal is locked and flushed: it is a local folder"
            )
        return found
    local = local_path(volume.url)
    if local is None:
        raise BadRequest(f"paint over {volume.url}", "its journal is a local folder",
                         "pass folder=, a local folder that all writers share")  # fmt: skip
    return local / ".ndlab" / "paint"


def _opened_index(folder: Path, writable: bool) -> Index:
    if not writable and not (folder / "index.sqlite").exists():
        raise ReadOnly(f"{folder} cannot be written", "no journal or index is there yet",
                       "pass folder=, a local folder that can be written")  # fmt: skip
    return Index(folder / "index.sqlite")


def _int3(values: Sequence[int]) -> Int3:
    z, y, x = values
    return int(z), int(y), int(x)
