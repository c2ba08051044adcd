"""Each label volume against itself: journal, index, levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ndlab.annotations.checking.findings import Finding
from ndlab.errors import NdlabError
from ndlab.geometry import Box, Grid
from ndlab.store import pyramid, state
from ndlab.store.arrays import Stored
from ndlab.store.downsample import downsample

if TYPE_CHECKING:
    from ndlab.annotations.owned import OwnedPaint

__all__ = ["differing_levels", "paint_findings"]

_TOLD = 3
# Bytes of the finer level that are compared at once.
_PIECE = 1 << 24
_TIMES = 5


def paint_findings(name: str, paint: OwnedPaint, deep: bool = True) -> Iterator[Finding]:
    """Yield what is wrong with the paint of a volume; `deep` reads all of its labels."""
    journal = paint.journal
    pending = paint.pending  # reads what is new in the journal
    if journal.damage:
        yield Finding("journal", name, "problem", f"{journal.damage}: nothing can be painted",
                      "ann.check(repair=True) sets the damaged end aside, and goes on before it",
                      repairable=journal.writable, mend_files=paint.repair)  # fmt: skip
        return
    if journal._torn:
        told = f"{journal._torn} bytes at the journal's end were acknowledged to nobody; the next write sets them aside"
        yield Finding("torn", name, "note", told)
    if pending and not (deep and journal.writable):
        yield Finding("journal", name, "note", f"{pending} strokes wait to be merged; every read sees them")
    if paint.trouble is not None:
        yield Finding("volume", name, "problem", f"merging fails: {paint.trouble}", "mend what it names")
    if deep and journal.writable:
        yield from _index(name, paint)
        yield from _levels(name, paint)


def _index(name: str, paint: OwnedPaint) -> Iterator[Finding]:
    try:
        told = paint.check()
    except (NdlabError, OSError) as error:
        yield Finding("volume", name, "problem", f"its labels cannot be read: {error}", "ndlab doctor lists all damage")
        return
    if told:
        yield Finding("index", name, "problem", "; ".join([*told[:_TOLD], *told[-1:]] if len(told) > _TOLD else told),
                      "", (), True, mend_files=paint.reindex)  # fmt: skip


def _levels(name: str, paint: OwnedPaint) -> Iterator[Finding]:
    stored = paint.volume._stored
    if len(stored.levels) < 2:
        return
    known = state.read(stored.url)
    if any(known.stale.values()):
        yield Finding("stale", name, "note", f"levels {sorted(known.stale)} wait to show what was painted",
                      f"ndlab pyramid {stored.url}", repairable=True, mend_files=paint.update_levels)  # fmt: skip
    try:
        boxes = _settled(stored)
    except (NdlabError, OSError) as error:
        yield Finding("volume", name, "problem", f"its levels cannot be compared: {error}")
        return
    if boxes:
        first, numbers = boxes[0], sorted({box.level for box in boxes})
        told = (
            f"{len(boxes)} pieces of levels {numbers} are not what the level before gives; "
            f"the first is {first.start} to {first.stop} of level {first.level}"
        )
        yield Finding("levels", name, "problem", told, repairable=True, mend_files=lambda: _make_anew(paint, boxes))


def _settled(stored: Stored) -> list[Box]:
    """Compare the levels, again where somebody wrote meanwhile."""
    for _ in range(_TIMES):
        known = state.read(stored.url)
        found = differing_levels(stored, known)
        if not found or state.read(stored.url) == known:
            return found
    return []


def differing_levels(stored: Stored, known: state.State) -> list[Box]:
    """Return boxes of coarser levels that are not what the level before gives, those known as stale left out."""
    layout = pyramid.store_levels(stored)
    rule = pyramid.rule_of(stored.kind)
    found: list[Box] = []
    for number in range(1, len(layout)):
        coarse, fine = stored.levels[number].array, stored.levels[number - 1].array
        step = pyramid.ratio(layout[number], layout[number - 1])
        stale = [box for level in (number - 1, number) for box in known.stale.get(level, ())]
        for block in Grid(coarse.shape, _block(coarse.chunks, step), level=number):
            start = [a * f for a, f in zip(block.start, step, strict=True)]
            stop = [min(b * f, n) for b, f, n in zip(block.stop, step, fine.shape, strict=True)]
            if any(_meets(box, block if box.level == number else Box(start, stop)) for box in stale):
                continue
            have = coarse.read(block.start, block.stop)
            if not np.array_equal(downsample(np.ascontiguousarray(fine.read(start, stop)), step, rule), have):
                found.append(block)
    return found


def _block(chunks: Sequence[int], step: Sequence[int]) -> tuple[int, int, int]:
    """Return whole chunks of a level, about as many as can be compared at once."""
    z, y, x = chunks
    while z * y * x * step[0] * step[1] * step[2] * 8 <= _PIECE:
        z, y, x = 2 * z, 2 * y, 2 * x
    return z, y, x


def _meets(a: Box, b: Box) -> bool:
    return all(p < s and r < q for p, q, r, s in zip(a.start, a.stop, b.start, b.stop, strict=True))


def _make_anew(paint: OwnedPaint, boxes: Sequence[Box]) -> None:
    """Make boxes of levels anew, and what coarser levels have over them."""
    layout = pyramid.store_levels(paint.volume._stored)

    def marked(now: state.State) -> state.State:
        for box in boxes:
            for level in range(box.level, len(layout)):
                step = pyramid.ratio(layout[level], layout[box.level])
                start = [a // f for a, f in zip(box.start, step, strict=True)]
                stop = [min(-(-b // f), n) for b, f, n in zip(box.stop, step, layout[level].shape, strict=True)]
                now = now.with_stale(Box(start, stop, level))
        return now

    state.change(paint.volume.url, marked)
    paint.update_levels()
