"""Undo: find what writes found before them, and make it a write of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ndlab.annotations.applying import Before
from ndlab.annotations.before import first_exceptions, first_labels
from ndlab.annotations.index import Write
from ndlab.annotations.listing import writes_of
from ndlab.annotations.overlay import Moment, Voxels
from ndlab.annotations.past import kept_from, pasts
from ndlab.annotations.strokes import Mode, Shape, Stroke
from ndlab.errors import Conflict

__all__ = ["listed_writes", "restoring", "taking_back"]

Found = dict[int, list[Before]]


def listed_writes(moment: Moment, limit: int | None = None, after: int = 0) -> list[Write]:
    """Return writes with numbers above `after`, pending ones included, the latest first."""
    pending = writes_of(moment.pending.strokes)[::-1]
    undone = {one: write.number for write in pending for one in write.undoes}
    found = [write for write in pending if write.number > after]
    found = [*found, *moment.merger.index.writes(limit, after)][:limit]
    return [replace(write, undone=undone.get(write.number, write.undone)) for write in found]


def restoring(moment: Moment, count: int, author: str) -> list[Stroke]:
    """Return strokes that take back the last `count` writes that are neither undone nor an undo themselves.

    Raises
    ------
    Conflict
        If there are fewer, or their past is no longer kept.
    """
    chosen = [write for write in listed_writes(moment) if _stands(write)][:count]
    if len(chosen) < count:
        raise Conflict(
            f"undo of the last {count} writes", f"{len(chosen)} can be undone", f"pass count={len(chosen)} or less"
        )
    _check_kept(moment, chosen[-1].number)
    return _strokes(_found(moment, chosen), chosen, author)


def taking_back(moment: Moment, number: int, author: str) -> list[Stroke]:
    """Return strokes that take back one write, whatever came after it elsewhere.

    Raises
    ------
    Conflict
        If later writes that stand named some of its voxels, or its past is no longer kept.
    """
    listed = listed_writes(moment, after=number - 1)
    if not listed or listed[-1].number != number:
        raise Conflict(f"undo of write {number}", f"{moment.merger.folder} knows none of that number")
    _check_kept(moment, number)
    found = _found(moment, listed[-1:])
    later = [write for write in listed[:-1] if _stands(write)]
    if later:
        _refuse_changed_later(found, _found(moment, later), moment)
    return _strokes(found, listed[-1:], author)


def _stands(write: Write) -> bool:
    return not write.undone and not write.undoes


def _strokes(found: Found, chosen: Sequence[Write], author: str) -> list[Stroke]:
    strokes = [_stroke(number, several) for number, several in sorted(found.items())] or [_stroke(0, [])]
    strokes[0].author, strokes[0].undoes = author, tuple(write.number for write in chosen)
    return strokes


def _check_kept(moment: Moment, number: int) -> None:
    oldest = kept_from(moment.merger, moment.merged)
    if number < oldest:
        raise Conflict(
            f"undo of write {number}",
            f"the past is kept from write {oldest} on",
            "open the annotations with a larger history_bytes to keep more of it from now on",
        )


def _found(moment: Moment, chosen: Sequence[Write]) -> Found:
    """Return what writes found in each chunk, in the order of time."""
    spans = [(write.number, write.last) for write in chosen]
    found: Found = {}
    for several in pasts(moment.merger, moment.merged, spans):
        _keep(found, several, spans)
    pending = {
        number: moment.chunk(number)[2]
        for number, several in moment.pending.pieces.items()
        if any(a <= piece.sequence <= b for piece in several for a, b in spans)
    }
    _keep(found, pending, spans)
    return found


def _keep(found: Found, several: Found, spans: Sequence[tuple[int, int]]) -> None:
    for number, befores in several.items():
        mine = [one for one in befores if any(a <= one.sequence <= b for a, b in spans)]
        if mine:
            found.setdefault(number, []).extend(mine)


def _refuse_changed_later(mine: Found, later: Found, moment: Moment) -> None:
    common = [(n, np.intersect1d(_named(mine[n]), _named(later[n]))) for n in mine.keys() & later.keys()]
    clashes = [(number, inside) for number, inside in common if len(inside)]
    if clashes:
        number, inside = clashes[0]
        voxel = tuple(moment.merger.chunking.coordinates(number, inside[:1])[0].tolist())
        raise Conflict(
            "a write was to be taken back",
            f"{sum(len(inside) for _, inside in clashes)} of its voxels were written later, {voxel} among them",
            "take those writes back first",
        )


def _named(several: Sequence[Before]) -> Voxels:
    """Return the positions that strokes named, as label or exception."""
    found = [part for one in several for part in (one.inside, np.array(list(one.exceptions), "i8"))]
    return np.concatenate(found)


def _stroke(number: int, several: Sequence[Before]) -> Stroke:
    """Return the stroke that puts back in a chunk what was there first."""
    inside, labels = first_labels(several) if several else (np.empty(0, "u4"), np.empty(0, "u8"))
    pairs = [(at, one) for at, ids in first_exceptions(several).items() for one in (0, *ids)]
    data = (np.array([number]), inside, labels.astype("u8"), np.array(pairs, "u8").ravel())
    return Stroke(Mode.RESTORE, Shape.VALUES, 0, (0, 0, 0), data)
