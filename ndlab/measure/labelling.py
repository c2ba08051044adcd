"""The passes behind `components`: label blocks, find where pieces meet, number them, label again and write.

What one pass leaves for the next stands below a scratch address, a few small files a block, so that tasks can run
anywhere and any pass can be resumed. Labelling twice costs less than writing provisional labels to a store and reading
them again, and no voxel is ever changed once it is written; in memory the first labels are kept and renumbered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ndlab.geometry import Box, Grid
from ndlab.measure.blocks import Bound, How, watched
from ndlab.measure.interning import unsigned
from ndlab.measure.joining import Forest, before, meeting, numbered
from ndlab.measure.keyed import Array
from ndlab.measure.scratch import in_lots, packed, unpacked
from ndlab.pipeline import Receipt, Record, Run, Step
from ndlab.store import arrays
from ndlab.store.kv import Kv
from ndlab.volume import Volume

__all__ = ["Pieces", "Work", "join_pieces", "label_blocks", "number_pieces", "renumber", "write_labels"]


class Pieces(Protocol):
    """Pieces of objects in blocks: ``starts/`` names those of each block, ``pairs/`` says which belong together."""

    @property
    def grid(self) -> Grid:
        """The blocks."""
        ...

    @property
    def kv(self) -> Kv:
        """Where tasks leave what the next ones need."""
        ...


@dataclass(frozen=True)
class Work:
    """What every task has to know: the voxels, the blocks (counted from the view's own start), and what to do."""

    view: Volume
    grid: Grid
    connectivity: int
    threshold: float | None
    by_label: bool
    settings: Mapping[str, Any]
    sections: bool = False
    identity: str = ""
    scratch: str = ""

    @property
    def kv(self) -> Kv:
        """Where tasks leave what the next ones need."""
        return Kv(self.scratch)

    def label(self, block: Box) -> tuple[Array, Array, Array]:
        """Labels of one block (uint32), the names of its pieces, and its values."""
        from ndlab.measure.kernels.labelling import label

        there = block.shift(self.view.box.start)
        values = self.view.boxed(Box(there.start, there.stop, self.view.level_index)).read()
        if self.threshold is not None:
            values = values > self.threshold
        elif not self.by_label:
            values = values != 0
        values = unsigned(values)
        labels = np.empty(values.shape, np.uint32)
        first = label(values, self.connectivity, self.sections, labels)
        at = np.unravel_index(first, block.shape) if len(first) else (first, first, first)
        index = [i.astype(np.uint64) + np.uint64(a) for i, a in zip(at, block.start, strict=True)]
        _, ny, nx = map(np.uint64, self.grid.shape)
        return labels, (index[0] * ny + index[1]) * nx + index[2], values.reshape(-1)[first]

    def index(self, block: Box) -> list[int]:
        """Place of a block in the grid."""
        return [a // k for a, k in zip(block.start, self.grid.block, strict=True)]

    def has(self, index: Sequence[int]) -> bool:
        """Whether the grid has a block at this place."""
        return all(0 <= i < n for i, n in zip(index, self.grid.counts, strict=True))

    def number(self, index: Sequence[int]) -> int:
        """Rank of a block in C order."""
        return int(np.ravel_multi_index(tuple(index), self.grid.counts))


def label_blocks(work: Work, record: Record | None, how: How, kept: arrays.Array | None = None) -> Receipt:
    """First pass over the voxels; the labels of each block are `kept` for `renumber`, if there is room."""
    return _run("components: label", label_block, {"work": work, "kept": kept}, work, record, how)


def label_block(block: Box, work: Work, kept: arrays.Array | None = None) -> None:
    """Label a block and keep the names of its pieces and its outermost planes."""
    labels, starts, values = work.label(block)
    if kept is not None:
        kept.write(block.start, labels)
    number = work.number(work.index(block))
    if len(starts):
        planes = {f"{i}{side}": labels.take(at, i) for i in range(3) for side, at in (("-", 0), ("+", -1))}
        extra = {"values": values} if work.by_label else {}
        work.kv.write(f"planes/{number}", packed(starts=starts, **planes, **extra))
    work.kv.write(f"starts/{number}", packed(starts=starts))


def join_pieces(work: Work, record: Record | None, how: How) -> Receipt:
    """Pass over the outermost planes of the blocks."""
    return _run("components: join", join_block, {"work": work}, work, record, how)


def join_block(block: Box, work: Work) -> None:
    """Find which pieces of a block go on in the blocks before it."""
    index = work.index(block)
    places = [
        (step, [a + b for a, b in zip(index, step, strict=True)]) for step in before(work.connectivity, work.sections)
    ]
    steps = {work.number(place): step for step, place in places if work.has(place)}
    number = work.number(index)
    mine, *others = work.kv.read_many([f"planes/{n}" for n in (number, *steps)])
    if mine is None:
        return
    own = unpacked(mine)
    found = [
        meeting(own, unpacked(raw), step, work.connectivity, work.sections)
        for raw, step in zip(others, steps.values(), strict=True)
        if raw is not None
    ]
    pairs = np.concatenate([np.empty((0, 2), np.uint64), *found])
    if len(pairs):
        work.kv.write(f"pairs/{number}", packed(pairs=pairs))


def number_pieces(work: Pieces) -> int:
    """Leave the numbers of the pieces of each block, and return how many components there are."""
    forest = Forest()
    for raw in in_lots(work.kv, (f"pairs/{n}" for n in range(len(work.grid)))):
        if raw is not None:
            forest.add(unpacked(raw)["pairs"])
    forest.settle()
    count, number = 0, 0
    with ThreadPoolExecutor(16) as pool:
        for layer in numbered(_layers(work), forest):
            keys = [f"numbers/{number + i}" for i in range(len(layer))]
            list(pool.map(work.kv.write, keys, (packed(numbers=numbers) for numbers in layer)))
            number += len(layer)
            count = max(count, *(int(numbers.max()) for numbers in layer if len(numbers)), 0)
    return count


def _layers(work: Pieces) -> Iterator[tuple[int, list[Array]]]:
    """Each layer of blocks along z: the smallest name in it, and the names of each block's pieces."""
    layers, *rest = work.grid.counts
    each = rest[0] * rest[1]
    plane = work.grid.shape[1] * work.grid.shape[2]
    for k in range(layers):
        found = in_lots(work.kv, (f"starts/{n}" for n in range(k * each, (k + 1) * each)))
        yield k * work.grid.block[0] * plane, [unpacked(raw or b"")["starts"] for raw in found]


def write_labels(work: Work, base: arrays.Array, record: Record | None, how: How) -> Receipt:
    """Second pass over the voxels."""
    return _run("components: write", write_block, {"work": work, "base": base}, work, record, how)


def write_block(block: Box, work: Work, base: arrays.Array) -> None:
    """Label a block again and write the numbers of the components that its pieces belong to."""
    labels, _, _ = work.label(block)
    base.write(block.start, _final(block, work, base.dtype)[labels])


def renumber(work: Work, kept: arrays.Array, how: How) -> Receipt:
    """Give the labels that the first pass kept the numbers of their components, where they stand."""
    return _run("components: renumber", renumber_block, {"work": work, "kept": kept}, work, None, how)


def renumber_block(block: Box, work: Work, kept: arrays.Array) -> None:
    """Renumber the labels of one block."""
    final = _final(block, work, kept.dtype)
    if not np.array_equal(final, np.arange(len(final))):
        labels = kept.read(block.start, block.stop)
        # `clip` looks up without a copy of what it takes; no label is beyond the end.
        kept.write(block.start, np.take(final, labels, out=labels, mode="clip"))


def _final(block: Box, work: Work, dtype: np.dtype[Any]) -> Array:
    """Return the number of the component of each label of a block; 0 stays 0."""
    numbers = unpacked(work.kv.read(f"numbers/{work.number(work.index(block))}") or b"")["numbers"]
    final = np.zeros(len(numbers) + 1, dtype)
    final[1:] = numbers
    return final


def _run(name: str, function: Any, params: Any, work: Work, record: Record | None, how: How) -> Receipt:
    step = Step(name, Bound(function, params), {}, work.settings, identity=work.identity)
    with watched(how.progress) as callback:
        return Run(step, work.grid, record, workers=how.workers, client=how.client, progress=callback).run()
