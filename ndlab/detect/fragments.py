"""Passes over a membrane volume: basins of each block, where they go on in the next one, and what lies between them.

A fragment is a basin of the whole volume, however the volume is cut: a way down depends on a voxel's surroundings
alone, and pieces of one basin in different blocks are joined where a way crosses their border. So are borders:
every face between two fragments is counted in one block, or between two, in whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.detect.watershed import Array, Heights, levels, probabilities
from ndlab.geometry import Box, Grid
from ndlab.measure.blocks import Bound, How, watched
from ndlab.measure.scratch import packed, unpacked
from ndlab.pipeline import Receipt, Record, Run, Step
from ndlab.store import arrays
from ndlab.store.kv import Kv
from ndlab.volume import Volume

__all__ = ["Work", "cut_blocks", "join_blocks", "write_segments"]

_FACES = ("z-", "y-", "x-", "x+", "y+", "z+")  # in the order of the kernel's marks
_AXES = (0, 1, 2, 2, 1, 0)


@dataclass(frozen=True)
class Work:
    """What every task has to know: the voxels, the blocks (counted from the view's own start), and what to do."""

    view: Volume
    grid: Grid
    heights: Heights
    settings: Mapping[str, Any]
    identity: str = ""
    scratch: str = ""

    @property
    def kv(self) -> Kv:
        """Where tasks leave what the next ones need."""
        return Kv(self.scratch)

    def number(self, index: Sequence[int]) -> int:
        """Rank of a block in C order."""
        return int(np.ravel_multi_index(tuple(index), self.grid.counts))

    def index(self, block: Box) -> list[int]:
        """Place of a block in the grid."""
        return [a // k for a, k in zip(block.start, self.grid.block, strict=True)]

    def fragments(self, block: Box) -> tuple[Array, Array, Array, Array]:
        """Labels of one block (uint32), first voxels of its pieces, marks of its faces, and membrane levels."""
        from ndlab.detect.kernels.descent import basins

        grown = block.grow(self.heights.overlap, within=self.view.shape)
        there = grown.shift(self.view.box.start)
        seen = probabilities(self.view.boxed(Box(there.start, there.stop, self.view.level_index)).read())
        low = [a - b for a, b in zip(block.start, grown.start, strict=True)]
        inner = tuple(slice(a, a + n) for a, n in zip(low, block.shape, strict=True))
        # One more voxel than the block on each side, as far as the volume goes; the rest is not needed any more.
        skin = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in inner)
        heights = np.ascontiguousarray(self.heights.of(seen)[skin])
        at = np.array([s.start - k.start for s, k in zip(inner, skin, strict=True)])
        labels = np.empty(block.shape, np.uint32)
        z, y, x = block.shape
        marks = np.empty((6, max(y * x, z * x, z * y)), np.uint8)
        first = basins(heights, at, np.array(block.shape), self.heights.floor, self.heights.flat, labels, marks)
        return labels, first, marks, levels(seen[inner])


def cut_blocks(work: Work, record: Record | None, how: How, kept: arrays.Array | None = None) -> Receipt:
    """First pass over the voxels; the labels of each block are `kept`, if there is room."""
    return _run("segments: cut", cut_block, {"work": work, "kept": kept}, work, record, how)


def cut_block(block: Box, work: Work, kept: arrays.Array | None = None) -> None:
    """Leave the pieces of a block: their names, sizes, outermost planes, and the borders between them."""
    from ndlab.detect.kernels.contact import within

    labels, first, marks, values = work.fragments(block)
    if kept is not None:
        kept.write(block.start, labels)
    index = np.unravel_index(first, block.shape)
    z, y, x = (i.astype(np.uint64) + np.uint64(a) for i, a in zip(index, block.start, strict=True))
    _, ny, nx = map(np.uint64, work.grid.shape)
    starts = (z * ny + y) * nx + x
    sizes = np.bincount(labels.reshape(-1), minlength=len(first) + 1)[1:]
    pairs, rows = within(labels, values)
    planes = {}
    for face, name in enumerate(_FACES):
        at = -1 if name[1] == "+" else 0
        plane = labels.take(at, _AXES[face])
        planes[f"{name}labels"], planes[f"{name}values"] = plane, values.take(at, _AXES[face])
        planes[f"{name}marks"] = marks[face, : plane.size].reshape(plane.shape)
    number = work.number(work.index(block))
    work.kv.write(f"planes/{number}", packed(starts=starts, **planes))
    work.kv.write(f"borders/{number}", packed(pairs=pairs, rows=rows, sizes=sizes))
    work.kv.write(f"starts/{number}", packed(starts=starts))


def join_blocks(work: Work, record: Record | None, how: How) -> Receipt:
    """Pass over the outermost planes of the blocks."""
    return _run("segments: join", join_block, {"work": work}, work, record, how)


def join_block(block: Box, work: Work) -> None:
    """Find which pieces of a block go on in the blocks before it, and what lies between it and them."""
    from ndlab.detect.kernels.contact import between

    index = work.index(block)
    number = work.number(index)
    places = [[i - (a == axis) for a, i in enumerate(index)] for axis in range(3)]
    there = [axis for axis in range(3) if index[axis]]
    if not there:
        return
    raws = work.kv.read_many([f"planes/{n}" for n in (number, *(work.number(places[axis]) for axis in there))])
    own, *others = (unpacked(raw or b"") for raw in raws)
    joined = [np.empty((0, 2), np.uint64)]
    across: dict[str, Array] = {}
    for axis, other in zip(there, others, strict=True):
        low, high = "zyx"[axis] + "-", "zyx"[axis] + "+"
        mine, theirs = own[f"{low}labels"].reshape(-1), other[f"{high}labels"].reshape(-1)
        if axis or not work.heights.flat:
            joined.append(_named(own, other, _linked(own, other, low, high)))
        pairs, rows = between(mine, theirs, own[f"{low}values"].reshape(-1), other[f"{high}values"].reshape(-1), axis)
        across |= {f"pairs{axis}": pairs, f"rows{axis}": rows}
    pairs = np.concatenate(joined)
    if len(pairs):
        work.kv.write(f"pairs/{number}", packed(pairs=pairs))
    work.kv.write(f"across/{number}", packed(**across))


def _linked(own: Mapping[str, Array], other: Mapping[str, Array], low: str, high: str) -> Array:
    """Pairs of local labels, mine and theirs, that a way down or a common bottom joins."""
    from ndlab.detect.kernels.descent import CORE, LEAVES

    mine, theirs = own[f"{low}marks"], other[f"{high}marks"]
    linked = ((mine | theirs) & LEAVES) | (mine & theirs & CORE)
    where = linked != 0
    return np.unique(np.stack([own[f"{low}labels"][where], other[f"{high}labels"][where]], 1), axis=0)


def _named(own: Mapping[str, Array], other: Mapping[str, Array], linked: Array) -> Array:
    pairs = linked.astype(np.intp) - 1
    return np.stack([own["starts"][pairs[:, 0]], other["starts"][pairs[:, 1]]], 1)


def write_segments(
    work: Work, base: arrays.Array, record: Record | None, how: How, kept: arrays.Array | None = None
) -> Receipt:
    """Last pass: find the pieces again, or take those that were kept, and write the segment that each belongs to."""
    return _run("segments: write", write_block, {"work": work, "base": base, "kept": kept}, work, record, how)


def write_block(block: Box, work: Work, base: arrays.Array, kept: arrays.Array | None = None) -> None:
    """Write the segments of one block."""
    labels = work.fragments(block)[0] if kept is None else kept.read(block.start, block.stop)
    numbers = unpacked(work.kv.read(f"segments/{work.number(work.index(block))}") or b"")["numbers"]
    base.write(block.start, np.concatenate([[0], numbers]).astype(base.dtype)[labels])


def _run(name: str, function: Any, params: Any, work: Work, record: Record | None, how: How) -> Receipt:
    step = Step(name, Bound(function, params), {}, work.settings, identity=work.identity)
    with watched(how.progress) as callback:
        return Run(step, work.grid, record, workers=how.workers, client=how.client, progress=callback).run()
