"""Changing one unit of writing: strokes applied chunk by chunk, what they find noted, their objects counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations import before
from ndlab.annotations.applying import Before, Exceptions, apply
from ndlab.annotations.bulk import Bulk, Sheet
from ndlab.annotations.cutting import Piece
from ndlab.annotations.index import Row, rows
from ndlab.annotations.strokes import Mode

__all__ = ["Strokes", "UnitWork", "affected", "positions_of"]

Voxels = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Strokes:
    """What a merge brings.

    Parameters
    ----------
    bulk : Bulk, optional
        Many voxel lists.
    pieces : mapping of int to list of Piece
        All other strokes, by chunk.
    fresh : set of int
        Ids that had no voxel anywhere: theirs are where their pieces are, and no chunk has to be searched.
    """

    bulk: Bulk | None
    pieces: Mapping[int, list[Piece]]
    fresh: set[int]

    @property
    def chunks(self) -> list[int]:
        """The chunks that are touched."""
        return sorted({*self.pieces, *(self.bulk.chunks if self.bulk else ())})

    def of(self, chunk: int) -> list[Piece]:
        """Return all pieces of a chunk, in the order of the strokes."""
        found = [*(self.bulk.pieces(chunk) if self.bulk else ()), *self.pieces.get(chunk, ())]
        return sorted(found, key=lambda piece: piece.sequence)


@dataclass
class UnitWork:
    """Strokes over one unit: what they find goes to `path` before the unit is written, the rest into the index.

    Parameters
    ----------
    chunks : sequence of int
        Those that are touched, ascending.
    exceptions_of : callable
        Gives the exceptions of a chunk.
    extent : sequence of 3 int
        Shape of a chunk.
    interrupted : mapping of int to list of Before
        What a merge that did not end found in the unit.
    """

    path: Path
    chunks: Sequence[int]
    strokes: Strokes
    exceptions_of: Callable[[int], Exceptions]
    extent: Sequence[int]
    interrupted: before.Befores = field(default_factory=dict)
    table: Voxels = field(default_factory=lambda: np.empty((0, 5), "i8"))
    rows: list[Row] = field(default_factory=list)
    touched: list[tuple[int, int]] = field(default_factory=list)
    exceptions: dict[int, Exceptions] = field(default_factory=dict)
    nbytes: int = 0

    def begin(self) -> None:
        """Forget what an earlier attempt found."""
        self._notes = before.Notes()
        self._sheet = Sheet(self.strokes.bulk, self.chunks) if self.strokes.bulk else None
        self._pairs: list[tuple[int, int]] = []
        self._positions: list[Voxels] = []
        self.touched, self.exceptions = [], {}

    def change(self, chunk: int, labels: Voxels) -> tuple[Voxels, bool]:
        """Apply the chunk's strokes; return positions that they changed, and whether those are all."""
        if chunk in self.interrupted:
            where, was = before.first_labels(self.interrupted[chunk])
            labels[where] = was
        exceptions = self.exceptions_of(chunk)
        if self._sheet is None or exceptions or chunk in self.strokes.pieces:
            return self._change_one_by_one(chunk, labels, exceptions), False
        return self._sheet.apply(chunk, labels), chunk not in self.interrupted

    def _change_one_by_one(self, chunk: int, labels: Voxels, exceptions: Exceptions) -> Voxels:
        known = bool(exceptions)
        found = self.strokes.of(chunk)
        seen = apply(labels, exceptions, found)
        self._notes.add(chunk, seen)
        if exceptions or known:
            self.exceptions[chunk] = exceptions
        own = {} if exceptions else _only_where_painted(found, self.strokes.fresh)
        for one in affected(found, seen, exceptions):
            self._pairs.append((one, chunk))
            if one in own:
                at = own[one]
                self._positions.append(at[labels[at] == one])
            else:
                self.touched.append((one, chunk))
                self._positions.append(positions_of(labels, exceptions, one))
        return found[-1].inside if found[-1].mode < Mode.REDUCE else np.empty(0, "u4")

    def end(self) -> None:
        """Put what was found on disk."""
        self.rows = rows(self._pairs, self._positions, self.extent)
        if self._sheet:
            self.table = self._sheet.table()
            self.touched += self._sheet.touched
            for columns in self._sheet.noted():
                self._notes.add_columns(*columns)
        self.nbytes = before.save(self.path, self._notes)


def _only_where_painted(found: Sequence[Piece], fresh: set[int]) -> dict[int, Voxels]:
    """Return where pieces paint each fresh id, if none of them could bring an id that it does not name."""
    own: dict[int, list[Voxels]] = {}
    for piece in found:
        if piece.mode > Mode.REDUCE or isinstance(piece.ids, np.ndarray):
            return {}
        if piece.mode < Mode.REDUCE and piece.ids in fresh:
            own.setdefault(piece.ids, []).append(piece.inside)
    return {one: parts[0] if len(parts) == 1 else np.concatenate(parts) for one, parts in own.items()}


def affected(found: Iterable[Piece], seen: Iterable[Before], exceptions: Exceptions) -> list[int]:
    """Return the ids that pieces may have brought into a chunk or taken out of it."""
    ids: set[int] = set()
    for piece in found:
        ids.update(np.unique(piece.ids).tolist() if isinstance(piece.ids, np.ndarray) else (piece.ids,))
        if piece.mode == Mode.RELABEL:
            ids.update(piece.inside.tolist())
        if len(piece.exceptions):
            ids.update(piece.exceptions[:, 1].tolist())
    for one in seen:
        if one.labels.any():
            ids.update(np.unique(one.labels).tolist())
        for known in one.exceptions.values():
            ids.update(known)
    if exceptions:
        ids.update(one for known in exceptions.values() for one in known)
    ids.discard(0)
    return sorted(ids)


def positions_of(labels: Voxels, exceptions: Exceptions, one: int) -> Voxels:
    """Return the positions of an object in a chunk, as label or as exception."""
    found = np.flatnonzero(labels == one)
    more = [at for at, known in exceptions.items() if one in known]
    return np.union1d(found, more).astype("i8") if more else found
