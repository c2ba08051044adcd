"""Undo: find what the last writes found before them, and make it a write of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ndlab.annotations import before
from ndlab.annotations.applying import Before, Exceptions
from ndlab.annotations.index import Index, Write
from ndlab.annotations.merging import writes_of
from ndlab.annotations.overlay import Moment
from ndlab.annotations.strokes import Mode, Shape, Stroke
from ndlab.errors import Conflict

__all__ = ["listed_writes", "restoring"]


def listed_writes(moment: Moment, limit: int | None = None) -> list[Write]:
    """Return writes, pending ones included, the latest first."""
    pending = writes_of(moment.pending.strokes)[::-1]
    undone = {one: write.number for write in pending for one in write.undoes}
    found = [*pending, *moment.merger.index.writes(limit)][:limit]
    return [replace(write, undone=undone.get(write.number, write.undone)) for write in found]


def restoring(moment: Moment, count: int, author: str) -> list[Stroke]:
    """Return strokes that take back the last `count` writes that are neither undone nor an undo themselves.

    Raises
    ------
    Conflict
        If there are fewer, or their past is no longer kept.
    """
    chosen = [write for write in listed_writes(moment) if not write.undone and not write.undoes][:count]
    _check(moment.merger.index, moment.merged, chosen, count)
    spans = [(write.number, write.last) for write in chosen]
    found = _merged_past(moment, spans)
    for number, several in moment.pending.pieces.items():
        if any(a <= piece.sequence <= b for piece in several for a, b in spans):
            for one in moment.chunk(number)[2]:
                if any(a <= one.sequence <= b for a, b in spans):
                    found.setdefault(number, []).append(one)
    undoes = tuple(write.number for write in chosen)
    strokes = [_stroke(number, several) for number, several in sorted(found.items())] or [_stroke(0, [])]
    strokes[0].author, strokes[0].undoes = author, undoes
    return strokes


def _check(index: Index, merged: int, chosen: Sequence[Write], count: int) -> None:
    if len(chosen) < count:
        raise Conflict(
            f"undo of the last {count} writes", f"{len(chosen)} can be undone", f"pass count={len(chosen)} or less"
        )
    oldest = min((first for first, _, _ in index.merges()), default=merged + 1)
    if chosen[-1].number < oldest:
        raise Conflict(
            f"undo of write {chosen[-1].number}",
            f"the past is kept from write {oldest} on",
            "open the annotations with a larger history_bytes to keep more of it from now on",
        )


def _merged_past(moment: Moment, spans: Sequence[tuple[int, int]]) -> dict[int, list[Before]]:
    found: dict[int, list[Before]] = {}
    # The oldest merge first, so that what each chunk lists is in the order of time.
    for first, last, _ in reversed(moment.merger.index.merges()):
        if not any(a <= last and first <= b for a, b in spans):
            continue
        for path in sorted(moment.merger.past(first).glob("*.bin")):
            for number, several in before.load(path).items():
                mine = [one for one in several if any(a <= one.sequence <= b for a, b in spans)]
                if mine:
                    found.setdefault(number, []).extend(mine)
    return found


def _stroke(number: int, several: Sequence[Before]) -> Stroke:
    """Return the stroke that puts back in a chunk what was there first."""
    inside, labels = before.first_labels(several) if several else (np.empty(0, "u4"), np.empty(0, "u8"))
    exceptions: Exceptions = {}
    for one in several:
        for at, ids in one.exceptions.items():
            exceptions.setdefault(at, ids)
    pairs = [(at, one) for at, ids in exceptions.items() for one in (0, *ids)]
    data = (np.array([number]), inside, labels.astype("u8"), np.array(pairs, "u8").ravel())
    return Stroke(Mode.RESTORE, Shape.VALUES, 0, (0, 0, 0), data)
