"""Merging: bring pending strokes into the store in time order, one read-modify-write a unit, and note what was there.

The order of writing makes a crash at any byte harmless: what was found goes to disk first, then the unit, and when all
units are written one transaction of the index moves the mark. Until then a merge that begins again puts
back what it found, so strokes are applied to the same labels and give the same result.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ndlab.annotations import before
from ndlab.annotations.applying import Exceptions
from ndlab.annotations.bulk import parted
from ndlab.annotations.changing import Strokes, UnitWork
from ndlab.annotations.chunking import Chunking
from ndlab.annotations.cutting import pieces
from ndlab.annotations.index import Index
from ndlab.annotations.journal import Journal, locked
from ndlab.annotations.listing import writes_of
from ndlab.annotations.strokes import Mode, Shape, Stroke
from ndlab.annotations.units import Units
from ndlab.errors import NdlabError, ReadOnly, TooLarge
from ndlab.geometry import Box
from ndlab.store import state
from ndlab.store.arrays import Stored
from ndlab.store.writing import box_at_level

__all__ = ["Merger"]

_FULL = ("No space left", "Disk quota exceeded", "File too large")


@dataclass(frozen=True)
class Merger:
    """Brings the strokes of a journal into a store.

    Parameters
    ----------
    folder : path
        Where the journal's folder, the index and the past are.
    history_bytes : int
        How much of the past is kept, for undo; the latest merge is in any case.
    workers : int
        Units at a time.
    """

    folder: Path
    stored: Stored
    units: Units
    journal: Journal
    index: Index
    history_bytes: int = 1 << 30
    workers: int = 2

    @property
    def chunking(self) -> Chunking:
        """The store's chunks."""
        return self.units.chunking

    def past(self, first: int) -> Path:
        """Where a merge that began with stroke `first` keeps what it found."""
        return self.folder / "before" / f"{first:020d}"

    def merge(self, *, wait: bool = True) -> list[Box]:
        """Merge everything that is pending; return boxes of level 0 that changed.

        Raises
        ------
        BlockingIOError
            If another process merges now and `wait` is off.
        ReadOnly, TooLarge
            If the store cannot be written, or the disk is full; what is pending stays so.
        """
        try:
            return self._merge(wait)
        except BlockingIOError:
            raise
        except OSError as error:
            raise _named(error, self.stored.url) from None

    def _merge(self, wait: bool) -> list[Box]:
        self.journal.check_writable()
        with locked(self.folder / "merge.lock", wait=wait):
            first = self.index.merged + 1
            last = self.journal.seal()
            strokes = [stroke for stroke in self.journal.pending(first - 1) if stroke.sequence <= last]
            if not strokes:
                return []
            brought = self._cut(strokes)
            numbers = np.array(brought.chunks, "i8")
            by_unit: dict[int, list[int]] = {}
            for unit, chunk in zip(self.chunking.unit_of(numbers).tolist(), brought.chunks, strict=True):
                by_unit.setdefault(unit, []).append(chunk)
            boxes = [self._hull(chunks) for chunks in by_unit.values()]
            self._mark(boxes, 0)
            self._write(first, last, strokes, brought, by_unit)
            self._mark(boxes, 1)
            self.journal.drop(last)
            self._prune()
            return boxes

    def _cut(self, strokes: Sequence[Stroke]) -> Strokes:
        ids = {stroke.id for stroke in strokes if stroke.mode < Mode.REDUCE and stroke.shape <= Shape.MASK}
        fresh = ids - self.index.known(ids)
        bulk, others = parted(self.chunking, strokes, fresh, self.units.array.dtype)
        return Strokes(bulk, pieces(self.chunking, others), fresh)

    def _write(
        self, first: int, last: int, strokes: Sequence[Stroke], brought: Strokes, by_unit: dict[int, list[int]]
    ) -> None:
        excepted = set(self.index.exception_chunks())

        def exceptions(chunk: int) -> Exceptions:
            return self.index.exceptions(chunk) if chunk in excepted else {}

        def run(unit: int) -> UnitWork:
            path = self.past(first) / f"{unit}.bin"
            work = UnitWork(path, by_unit[unit], brought, exceptions, self.chunking.chunk, before.load(path))
            self.units.change(unit, work.chunks, work)
            return work

        with ThreadPoolExecutor(self.workers, thread_name_prefix="ndlab-merge") as pool:
            works = list(pool.map(run, by_unit))
        with self.index.change():
            self.index.put_places(
                (row for work in works for row in work.rows), [pair for work in works for pair in work.touched]
            )
            self.index.put_tables([work.table for work in works])
            for work in works:
                for chunk, left in work.exceptions.items():
                    self.index.put_exceptions(chunk, left)
            self.index.put_writes(writes_of(strokes))
            self.index.put_merge(first, last, sum(work.nbytes for work in works))
            self.index.set_fact("merged", str(last))

    def _hull(self, chunks: Iterable[int]) -> Box:
        z, y, x = self.chunking.index(list(chunks))
        low, high = (int(z.min()), int(y.min()), int(x.min())), (int(z.max()), int(y.max()), int(x.max()))
        start = [a * c for a, c in zip(low, self.chunking.chunk, strict=True)]
        stop = [min((b + 1) * c, n) for b, c, n in zip(high, self.chunking.chunk, self.chunking.shape, strict=True)]
        return Box(start, stop)

    def _mark(self, boxes: Sequence[Box], more: int) -> None:
        """Mark what lags behind now: before a voxel is written, and once more with a new version when all are."""
        numbers = range(1, len(self.stored.levels))
        coarser = [box_at_level(self.stored.levels, box, number) for number in numbers for box in boxes]

        def marked(now: state.State) -> state.State:
            now = state.State(now.version + more, now.stale)
            for box in coarser:
                now = now.with_stale(box)
            return now

        if coarser or more:
            state.change(self.stored.url, marked)

    def _prune(self) -> None:
        """Forget the oldest past beyond what is to be kept."""
        total = 0
        for number, (first, _, nbytes) in enumerate(self.index.merges()):
            total += nbytes
            if number and total > self.history_bytes:
                with self.index.change():
                    self.index.forget_merge(first)
                shutil.rmtree(self.past(first), ignore_errors=True)


def _named(error: OSError, url: str) -> Exception:
    if isinstance(error, NdlabError):
        return error
    kept = "what was written is in the journal and is merged then"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(words in str(error) for words in _FULL):
        return TooLarge(f"{url}: no space left to merge what was painted", str(error)[:300], f"free some space; {kept}")
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return ReadOnly(f"{url} cannot be written", str(error)[:300], f"check the permissions of the folder; {kept}")
    return error
