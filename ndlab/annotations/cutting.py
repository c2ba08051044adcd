"""Cutting: strokes at the chunks' borders, into pieces that each change one chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.annotations.chunking import Chunking
from ndlab.annotations.strokes import Mode, Shape, Stroke

__all__ = ["MANY", "Cuts", "Piece", "cut", "pieces"]

Voxels = np.ndarray[Any, Any]


@dataclass(slots=True)
class Piece:
    """What one stroke does in one chunk.

    `inside` are positions in it and `ids` the id there, one for all or one for each; for RELABEL `inside` are the ids
    to change and `ids` is the one that they get.
    """

    sequence: int
    mode: Mode
    inside: Voxels
    ids: Any
    exceptions: Voxels = field(default_factory=lambda: np.empty((0, 2), "u8"))


@dataclass(frozen=True)
class Cuts:
    """Voxel lists of many strokes cut at the chunks' borders: columns by unit, chunk, and order of the strokes.

    Parameters
    ----------
    strokes : sequence of Stroke
    chunk, owner : array (pieces,)
        The chunk of each piece, and its stroke's place in `strokes`. Chunks of a unit follow each other, ascending.
    begin : array (pieces + 1,)
        Where each piece begins in `inside`.
    inside : array of uint32
        Positions in the chunks.
    """

    strokes: Sequence[Stroke]
    chunk: Voxels
    owner: Voxels
    begin: Voxels
    inside: Voxels

    @cached_property
    def chunks(self) -> dict[int, tuple[int, int]]:
        """The pieces of each chunk: first, and behind the last."""
        firsts = np.flatnonzero(np.diff(self.chunk, prepend=-1))
        bounds = [*firsts.tolist(), len(self.chunk)]
        return {number: (bounds[i], bounds[i + 1]) for i, number in enumerate(self.chunk[firsts].tolist())}

    def pieces(self, first: int, last: int) -> Iterator[Piece]:
        """Yield pieces one by one."""
        bounds = self.begin[first : last + 1].tolist()
        for i, owner in enumerate(self.owner[first:last].tolist()):
            stroke = self.strokes[owner]
            yield Piece(stroke.sequence, stroke.mode, self.inside[bounds[i] : bounds[i + 1]], stroke.id)


# Voxels from which on compiled code is worth loading numba, half a second, and compiling once.
MANY = 50_000
# Lists cut at a time: enough for numpy's sake, few enough for their offsets to stay near the processor.
_MOST_LISTS = 4096


def cut(chunking: Chunking, strokes: Sequence[Stroke]) -> Cuts:
    """Cut voxel lists at the chunks' borders.

    Examples
    --------
    >>> chunking = Chunking((4, 4, 4), (2, 2, 2), (4, 4, 4))
    >>> listed = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2]], "u2")
    >>> found = cut(chunking, [Stroke(Mode.OVERWRITE, Shape.VOXELS, 7, (0, 0, 1), (listed,))])
    >>> found.chunk.tolist(), found.begin.tolist(), found.inside.tolist()
    ([0, 1], [0, 1, 3], [1, 0, 1])
    """
    counts = np.array([len(stroke.data[0]) for stroke in strokes], "i8")
    return (_cut_many if counts.sum() >= MANY else _cut_few)(chunking, strokes, counts)


def _cut_many(chunking: Chunking, strokes: Sequence[Stroke], counts: Voxels) -> Cuts:
    """Make one pass over the voxels and sort their runs."""
    from ndlab.annotations.kernels import cut_runs, gather_runs

    total = int(counts.sum())
    inside, runs, done = np.empty(total, "u4"), [], 0
    for first in range(0, len(strokes), _MOST_LISTS):
        some = strokes[first : first + _MOST_LISTS]
        offsets = np.concatenate([stroke.data[0] for stroke in some])
        starts = np.array([stroke.start for stroke in some], "i8")
        room, end = np.empty((len(offsets), 3), "i8"), done + len(offsets)
        lengths = counts[first : first + len(some)]
        found = cut_runs(offsets, starts, lengths, chunking.chunk, chunking.counts, inside[done:end], room)
        runs.append(room[:found] + np.array([0, first, done]))
        done = end
    every = np.concatenate(runs)
    out, table = np.empty(total, "u4"), np.empty((len(every), 3), "i8")
    count = gather_runs(every, _order(chunking, every[:, 0]), inside, out, table)
    chunk, owner, begin = table[:count].T.copy()
    return Cuts(strokes, chunk, owner, np.append(begin, total), out)


def _cut_few(chunking: Chunking, strokes: Sequence[Stroke], counts: Voxels) -> Cuts:
    """Sort the voxels themselves."""
    starts = np.repeat(np.array([stroke.start for stroke in strokes], "i8"), counts, axis=0)
    offsets = np.concatenate([stroke.data[0] for stroke in strokes])
    chunks, inside = chunking.split((starts + offsets).T)
    order = _order(chunking, chunks)
    chunks, owner = chunks[order], np.repeat(np.arange(len(strokes)), counts)[order]
    begin = np.flatnonzero(np.diff(chunks, prepend=-1) | np.diff(owner, prepend=-1))
    return Cuts(strokes, chunks[begin], owner[begin], np.append(begin, len(order)), inside[order])


def _order(chunking: Chunking, chunks: Voxels) -> Voxels:
    """Return what sorts by unit, then by chunk, and keeps the order otherwise."""
    return np.lexsort((chunks, chunking.unit_of(chunks)))


def pieces(chunking: Chunking, strokes: Iterable[Stroke]) -> dict[int, list[Piece]]:
    """Cut strokes at the chunks' borders: for each chunk number its pieces, in the order of the strokes."""
    found: dict[int, list[Piece]] = {}
    lists: list[Stroke] = []
    others: list[Stroke] = []
    for stroke in strokes:
        (lists if stroke.shape == Shape.VOXELS else others).append(stroke)
    cuts = cut(chunking, lists) if lists else None
    for number, (first, last) in (cuts.chunks if cuts else {}).items():
        assert cuts is not None
        found[number] = list(cuts.pieces(first, last))
    for stroke in others:
        _cut_other(chunking, stroke, found)
    if others and lists:
        for several in found.values():
            several.sort(key=lambda piece: piece.sequence)
    return found


def _cut_other(chunking: Chunking, stroke: Stroke, found: dict[int, list[Piece]]) -> None:
    if stroke.shape == Shape.CHUNKS:
        sources, chunks = stroke.data
        for number in chunks.tolist():
            found.setdefault(number, []).append(Piece(stroke.sequence, stroke.mode, sources, stroke.id))
        return
    if stroke.shape == Shape.VALUES:
        (chunk,), where, values, pairs = stroke.data
        piece = Piece(stroke.sequence, stroke.mode, where.astype("u4"), values, pairs.reshape(-1, 2))
        found.setdefault(int(chunk), []).append(piece)
        return
    extent = stroke.data if stroke.shape == Shape.BOX else stroke.data[0].shape
    stop = [a + n for a, n in zip(stroke.start, extent, strict=True)]
    for chunk in chunking.touching(stroke.start, stop):
        box = chunking.box(chunk)
        low = [max(a, b) for a, b in zip(stroke.start, box.start, strict=True)]
        high = [min(a, b) for a, b in zip(stop, box.stop, strict=True)]
        inside = _positions(chunking, chunk, low, high)
        ids: Any = stroke.id
        if stroke.shape != Shape.BOX:
            part = stroke.data[0][tuple(slice(a - s, b - s) for a, b, s in zip(low, high, stroke.start, strict=True))]
            chosen = part != 0
            inside = inside[chosen.ravel()]
            ids = stroke.id if stroke.shape == Shape.MASK else part[chosen]
        if len(inside):
            found.setdefault(chunk, []).append(Piece(stroke.sequence, stroke.mode, inside, ids))


def _positions(chunking: Chunking, chunk: int, low: Sequence[int], high: Sequence[int]) -> Voxels:
    """Return the positions inside a chunk of the box [low, high), in C order."""
    corner = chunking.corner(chunk)
    _, b, c = chunking.chunk
    z, y, x = (np.arange(lo - k, hi - k, dtype="u4") for lo, hi, k in zip(low, high, corner, strict=True))
    found: Voxels = ((z[:, None, None] * np.uint32(b) + y[:, None]) * np.uint32(c) + x).ravel()
    return found
