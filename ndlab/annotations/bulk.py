"""Many voxel lists at once: what `applying` does stroke by stroke, in one compiled pass a chunk."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ndlab.annotations import cutting
from ndlab.annotations.chunking import Chunking
from ndlab.annotations.cutting import Cuts, Piece, cut
from ndlab.annotations.strokes import Mode, Shape, Stroke

__all__ = ["Bulk", "Sheet", "parted"]

Voxels = np.ndarray[Any, Any]
# Modes that leave no exceptions where there are none.
_PLAIN = (Mode.OVERWRITE, Mode.PRESERVE, Mode.REDUCE)


class Bulk:
    """The voxel lists of a merge, by chunk.

    Parameters
    ----------
    fresh : set of int
        Ids that have no voxel anywhere: theirs are where their pieces are, and no chunk has to be searched.
    dtype : dtype
        Of the labels.
    """

    def __init__(self, chunking: Chunking, cuts: Cuts, fresh: set[int], dtype: np.dtype[Any]) -> None:
        self.chunking, self.cuts, self.dtype = chunking, cuts, dtype
        # Signs mean nothing to kernels, and half as many types are compiled without them.
        self.plain = np.dtype(f"u{dtype.itemsize}")
        ids, rank = np.unique(np.array([stroke.id for stroke in cuts.strokes], "u8"), return_inverse=True)
        self.ids, self.rank = ids.astype(self.plain), rank[cuts.owner]
        self.fresh = np.isin(ids, np.fromiter(fresh, "u8", len(fresh)))
        self.mode = np.array([stroke.mode for stroke in cuts.strokes], "u1")[cuts.owner]
        sequence = np.array([stroke.sequence for stroke in cuts.strokes], "i8")[cuts.owner]
        self.marks = np.stack([cuts.chunk, sequence, np.diff(cuts.begin)], 1)
        self._room = threading.local()

    @property
    def chunks(self) -> Iterable[int]:
        """The chunks that have pieces."""
        return self.cuts.chunks.keys()

    def pieces(self, chunk: int) -> list[Piece]:
        """Return the pieces of a chunk, for those who apply them one by one."""
        return list(self.cuts.pieces(*self.cuts.chunks[chunk])) if chunk in self.cuts.chunks else []

    def scratch(self) -> tuple[Voxels, Voxels]:
        """Return a flag for each voxel of a chunk and a slot for each id; each thread has its own."""
        if not hasattr(self._room, "seen"):
            self._room.seen = np.zeros(self.chunking.voxels, bool)
            self._room.slot = np.full(len(self.ids), -1, "i8")
        return self._room.seen, self._room.slot


class Sheet:
    """What the lists of a merge do in one unit: its chunks follow each other in all columns.

    Parameters
    ----------
    chunks : sequence of int
        Those of the unit, ascending.
    """

    def __init__(self, bulk: Bulk, chunks: Sequence[int]) -> None:
        self._bulk, known = bulk, bulk.cuts.chunks
        spans = [known[chunk] for chunk in chunks if chunk in known]
        self._first, last = (spans[0][0], spans[-1][1]) if spans else (0, 0)
        begin = bulk.cuts.begin
        self._begun = int(begin[self._first])
        self._before = np.empty(int(begin[last]) - self._begun, bulk.plain)
        self._table, self._rows = np.empty((last - self._first, 5), "i8"), 0
        self._surveyed: list[Voxels] = []
        self._done: list[tuple[int, int]] = []
        # (id, chunk) pairs whose old rows are void.
        self.touched: list[tuple[int, int]] = []

    def apply(self, chunk: int, labels: Voxels) -> Voxels:
        """Apply all pieces of a chunk to its labels, flat, in place; return their positions."""
        from ndlab.annotations.kernels import paint_chunk

        bulk, cuts = self._bulk, self._bulk.cuts
        first, last = cuts.chunks[chunk]
        start, stop = int(cuts.begin[first]), int(cuts.begin[last])
        before = self._before[start - self._begun : stop - self._begun]
        plain = labels.view(bulk.plain)
        rows, why = paint_chunk(
            plain, chunk, first, last, cuts.inside, cuts.begin, bulk.mode, bulk.rank, bulk.ids, bulk.fresh,
            bulk.chunking.chunk[1:], before, *bulk.scratch(), self._table[self._rows :],
        )  # fmt: skip
        self._rows += rows
        if why:
            self._search(chunk, plain, first, last, before)
        if self._done and self._done[-1][1] == first:
            first = self._done.pop()[0]
        self._done.append((first, last))
        return cuts.inside[start:stop]

    def _search(self, chunk: int, plain: Voxels, first: int, last: int, before: Voxels) -> None:
        """Count the ids that may be elsewhere in the chunk: known ones, and those that lost voxels."""
        from ndlab.annotations.kernels import survey

        bulk = self._bulk
        ranks = bulk.rank[first:last]
        fresh = bulk.fresh[ranks]
        asked = {*bulk.ids[ranks[~fresh]].tolist(), *np.unique(before).tolist()}
        ids = np.array(sorted(asked - {0, *bulk.ids[ranks[fresh]].tolist()}), bulk.plain)
        table = np.empty((len(ids), 5), "i8")
        survey(plain, chunk, ids, bulk.chunking.chunk[1:], table)
        signed = ids.view(bulk.dtype)
        table[:, 0] = signed.astype("i8")
        self._surveyed.append(table[table[:, 2] > 0])
        self.touched += [(one, chunk) for one in signed.tolist()]

    def noted(self) -> Iterator[tuple[Voxels, Voxels, Voxels]]:
        """Yield what was found, as columns: chunk, stroke and number of voxels of each piece; positions; labels."""
        begin, found = self._bulk.cuts.begin, self._before.view(self._bulk.dtype)
        for first, last in self._done:
            start, stop = int(begin[first]), int(begin[last])
            inside, labels = self._bulk.cuts.inside[start:stop], found[start - self._begun : stop - self._begun]
            yield self._bulk.marks[first:last], inside, labels

    def table(self) -> Voxels:
        """Return rows of the index: signed id, chunk, voxels, packed corners."""
        return np.concatenate([self._table[: self._rows], *self._surveyed])


def parted(
    chunking: Chunking, strokes: Sequence[Stroke], fresh: set[int], dtype: np.dtype[Any]
) -> tuple[Bulk | None, list[Stroke]]:
    """Return the strokes that are applied in bulk, if they are worth it, and the others."""
    lists: list[Stroke] = []
    others: list[Stroke] = []
    for stroke in strokes:
        (lists if stroke.shape == Shape.VOXELS and stroke.mode in _PLAIN else others).append(stroke)
    if not lists or sum(len(stroke.data[0]) for stroke in lists) < cutting.MANY:
        return None, list(strokes)
    return Bulk(chunking, cut(chunking, lists), fresh, dtype), others
