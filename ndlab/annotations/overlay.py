"""What readers see: the labels in the store with pending strokes over them, at one moment of the serial history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ndlab.annotations import before
from ndlab.annotations.applying import Before, Exceptions, apply
from ndlab.annotations.changing import positions_of
from ndlab.annotations.cutting import Piece, pieces
from ndlab.annotations.index import Place, places
from ndlab.annotations.merging import Merger
from ndlab.annotations.strokes import Mode, Stroke
from ndlab.geometry import Box

__all__ = ["Moment", "Overlay", "Pending", "Voxels"]

Voxels = np.ndarray[Any, Any]
T = TypeVar("T")


@dataclass
class Pending:
    """Pending strokes, cut into pieces, and where each id is mentioned."""

    merged: int = 0
    last: int = 0
    strokes: list[Stroke] = field(default_factory=list)
    pieces: dict[int, list[Piece]] = field(default_factory=dict)
    mentioned: dict[int, set[int]] = field(default_factory=dict)
    mixed: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Moment:
    """One consistent state: what is merged, and what is pending over it."""

    merger: Merger
    merged: int
    pending: Pending
    _interrupted: dict[int, tuple[before.Stamp, before.Befores]] = field(default_factory=dict)

    def chunk(self, number: int) -> tuple[Voxels, Exceptions, list[Before]]:
        """Return a chunk's labels, flat, its exceptions, and what each pending stroke found there."""
        labels, exceptions = self.base(number)
        return labels, exceptions, apply(labels, exceptions, self.pending.pieces.get(number, []))

    def base(self, number: int) -> tuple[Voxels, Exceptions]:
        """Return a chunk's labels and exceptions without what is pending."""
        labels = self.merger.units.read(number)
        exceptions = self.merger.index.exceptions(number)
        # Looked for after the labels of each chunk were read: where they are of a merge under way, its file is there.
        noted = self._noted(int(self.merger.chunking.unit_of(np.array([number]))[0])).get(number)
        if noted:
            where, was = before.first_labels(noted)
            labels[where] = was
        return labels, exceptions

    def overlaid(self, box: Box | None = None) -> AbstractSet[int]:
        """Return the chunks, at least those of a box, whose state is not what store and index say."""
        return self.pending.pieces.keys()

    def mixed(self) -> AbstractSet[int]:
        """Return the chunks in which any object may be."""
        return self.pending.mixed

    def _noted(self, unit: int) -> before.Befores:
        """Return what a merge that has not ended found in a unit; nothing where it has not come to it."""
        path = self.merger.past(self.merged + 1) / f"{unit}.bin"
        stamp = before.stamp(path)
        known = self._interrupted.get(unit)
        if known is None or known[0] != stamp:
            known = self._interrupted[unit] = (stamp, before.load(path))
        return known[1]

    def read(self, box: Box) -> Voxels:
        """Return the labels of a box of level 0."""
        labels = self.merger.units.array.read(box.start, box.stop)
        # Chunks that a merge has written are of the strokes that it knows, which may be more than this moment's.
        written = self.merger.past(self.merged + 1).glob("*.bin")
        ahead = {number for path in written for number in self._noted(int(path.stem))}
        ahead = {number for number in ahead if (self.merger.chunking.box(number) & box).size}
        for number in sorted(ahead.union(self.touched(box))):
            inside = self.merger.chunking.box(number)
            common = box & inside
            whole = self.chunk(number)[0].reshape(self.merger.chunking.chunk)
            labels[common.shift([-a for a in box.start]).slices] = whole[
                common.shift([-a for a in inside.start]).slices
            ]
        return labels

    def touched(self, box: Box) -> list[int]:
        """Return the chunks of a box that are not what the store says."""
        chunking, known = self.merger.chunking, self.overlaid(box)
        if not known or not box.size:
            return []
        count = np.prod([-(-b // c) - a // c for a, b, c in zip(box.start, box.stop, chunking.chunk, strict=True)])
        if count < len(known):
            return [number for number in chunking.touching(box.start, box.stop) if number in known]
        return [number for number in sorted(known) if (chunking.box(number) & box).size]

    def places(self, one: int) -> list[Place]:
        """Return where an object is, from the index; only chunks under pending strokes are read."""
        rows = {place.chunk: place for place in self.merger.index.of(one)}
        asked = (rows.keys() & self.overlaid()) | self.pending.mentioned.get(one, set()) | self.mixed()
        if asked:
            listed = sorted(asked)
            states = (self.chunk(number) for number in listed)
            positions = [positions_of(labels, exceptions, one) for labels, exceptions, _ in states]
            for number in listed:
                rows.pop(number, None)
            fresh = places([(one, number) for number in listed], positions, self.merger.chunking.chunk)
            rows |= {place.chunk: place for place in fresh}
        return [rows[number] for number in sorted(rows)]

    def chunks_of(self, ids: Iterable[int]) -> list[int]:
        """Return the chunks that hold any of some objects, and perhaps a few that do not; no voxel is read."""
        wanted = list(ids)
        found = self.merger.index.chunks_of(wanted)
        found.update(*(self.pending.mentioned.get(one, ()) for one in wanted), self.pending.mixed)
        return sorted(found)


class Overlay:
    """Hands out moments of one store under one journal."""

    def __init__(self, merger: Merger) -> None:
        self.merger = merger
        self._pending = Pending()
        self._mutex = threading.Lock()

    def at_once(self, how: Callable[[Moment], T]) -> T:
        """Return ``how(moment)``, asked again if a merge was finished meanwhile."""
        while True:
            merged = self.merger.index.merged
            found = how(Moment(self.merger, merged, self._split(merged)))
            if self.merger.index.merged == merged:
                return found

    def _split(self, merged: int) -> Pending:
        """Cut what is pending into pieces; only what is new since the last time is cut."""
        strokes = self.merger.journal.pending(merged)
        with self._mutex:
            old = self._pending
            last = strokes[-1].sequence if strokes else merged
            if (old.merged, old.last) == (merged, last):
                return old
            if old.merged != merged or last < old.last:
                old = Pending(merged, merged)
            fresh = [stroke for stroke in strokes if stroke.sequence > old.last]
            new = Pending(merged, last, strokes, dict(old.pieces), dict(old.mentioned), set(old.mixed))
            for number, several in pieces(self.merger.chunking, fresh).items():
                new.pieces[number] = [*new.pieces.get(number, ()), *several]
                _mention(new, number, several)
            self._pending = new
            return new


def _mention(pending: Pending, number: int, several: Iterable[Piece]) -> None:
    for piece in several:
        if isinstance(piece.ids, np.ndarray) or piece.mode in (Mode.RELABEL, Mode.RESTORE):
            pending.mixed.add(number)
        else:
            # Sets are replaced, not changed: a moment that is being read keeps its own.
            pending.mentioned[piece.ids] = pending.mentioned.get(piece.ids, set()) | {number}
