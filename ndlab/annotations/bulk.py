"""Many voxel lists at once: what `applying` does stroke by stroke, in one compiled pass a chunk."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.annotations import cutting
from ndlab.annotations.chunking import Chunking
from ndlab.annotations.cutting import Cuts, Piece, cut
from ndlab.annotations.strokes import Mode, Shape, Stroke

__all__ = ["Bulk", "Changed", "parted"]

Voxels = np.ndarray[Any, Any]
# Modes that leave no exceptions where there are none.
_PLAIN = (Mode.OVERWRITE, Mode.PRESERVE, Mode.REDUCE)


@dataclass(frozen=True, slots=True)
class Changed:
    """What voxel lists did to a chunk.

    Parameters
    ----------
    marks : array (pieces, 3)
        Chunk, stroke and number of voxels of each piece.
    inside, before : array (voxels,)
        Their positions, and the labels that they found.
    table : array (objects, 5)
        Rows of the index: signed id, chunk, voxels, packed corners.
    touched : array of ids
        Those whose old rows are void.
    """

    marks: Voxels
    inside: Voxels
    before: Voxels
    table: Voxels
    touched: Voxels


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
        self._chunking, self._cuts = chunking, cuts
        ids, rank = np.unique(np.array([stroke.id for stroke in cuts.strokes], "u8"), return_inverse=True)
        # Signs mean nothing here, and half as many types are compiled without them.
        self._dtype, self._plain = dtype, np.dtype(f"u{dtype.itemsize}")
        self._ids, self._rank = ids.astype(self._plain), rank[cuts.owner]
        self._fresh = np.isin(ids, np.fromiter(fresh, "u8", len(fresh)))
        self._mode = np.array([stroke.mode for stroke in cuts.strokes], "u1")[cuts.owner]
        sequence = np.array([stroke.sequence for stroke in cuts.strokes], "i8")[cuts.owner]
        self._marks = np.stack([cuts.chunk, sequence, np.diff(cuts.begin)], 1)
        self._room = threading.local()

    @property
    def chunks(self) -> Iterable[int]:
        """The chunks that have pieces."""
        return self._cuts.chunks.keys()

    def pieces(self, chunk: int) -> list[Piece]:
        """Return the pieces of a chunk, for those who apply them one by one."""
        return list(self._cuts.pieces(*self._cuts.chunks[chunk])) if chunk in self._cuts.chunks else []

    def apply(self, chunk: int, labels: Voxels) -> Changed:
        """Apply all pieces of a chunk to its labels, flat, in place."""
        from ndlab.annotations.kernels import paint_chunk

        first, last = self._cuts.chunks[chunk]
        start, stop = int(self._cuts.begin[first]), int(self._cuts.begin[last])
        plain = labels.view(self._plain)
        before, rows = np.empty(stop - start, self._plain), np.empty((last - first, 4), "i8")
        kept, why = paint_chunk(
            plain, first, last, self._cuts.inside, self._cuts.begin, self._mode, self._rank, self._ids, self._fresh,
            self._chunking.chunk[1:], before, *self._scratch(), rows,
        )  # fmt: skip
        parts, touched = [self._table(self._ids, chunk, rows[:kept])], self._ids[:0]
        if why:
            touched = self._left(first, last, before)
            parts.append(self._survey(chunk, plain, touched))
        inside, before, touched = self._cuts.inside[start:stop], before.view(self._dtype), touched.view(self._dtype)
        return Changed(self._marks[first:last], inside, before, np.concatenate(parts), touched)

    def _left(self, first: int, last: int, before: Voxels) -> Voxels:
        """Return the ids that a chunk must be searched for."""
        ranks = self._rank[first:last]
        fresh = self._fresh[ranks]
        listed = np.unique(np.concatenate([self._ids[ranks[~fresh]], before]))
        left: Voxels = listed[(listed != 0) & ~np.isin(listed, self._ids[ranks[fresh]])]
        return left

    def _survey(self, chunk: int, labels: Voxels, ids: Voxels) -> Voxels:
        from ndlab.annotations.kernels import survey

        rows = np.empty((len(ids), 4), "i8")
        survey(labels, ids, self._chunking.chunk[1:], rows)
        return self._table(ids, chunk, rows[rows[:, 1] > 0])

    def _table(self, ids: Voxels, chunk: int, rows: Voxels) -> Voxels:
        """Return rows of the kernels as rows of the index, whose ids have a sign."""
        table = np.empty((len(rows), 5), "i8")
        table[:, 0] = ids[rows[:, 0]].view(self._dtype).astype("i8")
        table[:, 1] = chunk
        table[:, 2:] = rows[:, 1:]
        return table

    def _scratch(self) -> tuple[Voxels, Voxels]:
        """Return a flag for each voxel of a chunk and a slot for each id; each thread has its own."""
        if not hasattr(self._room, "seen"):
            self._room.seen = np.zeros(self._chunking.voxels, bool)
            self._room.slot = np.full(len(self._ids), -1, "i8")
        return self._room.seen, self._room.slot


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
