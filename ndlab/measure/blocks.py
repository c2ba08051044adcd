"""Which part of a volume is measured, in which blocks, and how the blocks' results become one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Grid, NmBox
from ndlab.lazy import block_shape
from ndlab.pipeline import Progress, Run, Step, current_client, progress_bar
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store.memory import MemoryArray
from ndlab.volume import Volume

__all__ = [
    "Blocks",
    "How",
    "blocks_of",
    "gather",
    "identity_of",
    "part",
    "same_space",
    "watched",
    "whole_numbers",
    "with_upper",
]

T = TypeVar("T")
Block = int | Sequence[int] | None
# Results of so many blocks at most wait to be merged.
_FAN_IN = 64


@dataclass(frozen=True)
class How:
    """Where a measurement runs and who watches; see `Run`."""

    workers: int | None = None
    client: Any = None
    progress: bool | ProgressCallback | None = None

    def near(self, *volumes: Volume | None) -> How:
        """Keep to threads where a volume's voxels are in this process's memory."""
        if any(volume is not None and _in_memory(volume) for volume in volumes):
            return replace(self, client=False)
        if self.client is None and self.workers is None:
            return replace(self, client=current_client() or False)
        return self


def part(volume: Volume, box: Box | NmBox | None = None) -> Volume:
    """Return the (z, y, x) view of `volume`, or of its `box`.

    Raises
    ------
    BadRequest
        If it is no Volume, or has several time points or channels.
    OutOfBounds
        If the box leaves the volume.
    """
    if not isinstance(volume, Volume):
        raise BadRequest(
            f"a {type(volume).__name__} was to be measured",
            "measurements take a Volume, which knows its voxel size",
            "wrap it: ndlab.Volume.from_array(values, voxel_size=(z, y, x))",
        )
    several = [axis for axis, n in zip(volume.axes, volume.shape, strict=True) if axis in "tc" and n > 1]
    if several:
        raise BadRequest(
            f"a volume with axes {volume.axes} was to be measured",
            f"it has several of {', '.join(several)}, and a measurement is about one",
            f"pick one, e.g. .isel({several[0]}=0)",
        )
    for axis in set(volume.axes) & {"t", "c"}:
        volume = volume.isel(**{axis: 0})
    view = volume.boxed(box)
    return view.boxed(view.box)


def same_space(labels: Volume, other: Volume, what: str) -> None:
    """Check that voxels of the two views lie on each other."""
    if labels.shape != other.shape:
        raise BadRequest(
            f"{what} of {other.shape} voxels for labels of {labels.shape}",
            "they have to cover the same voxels",
            "cut both alike, or pick the level that fits with .level(n)",
        )
    sizes = [None if view._stored.levels[view.level_index].calibration is None else view.voxel_size
             for view in (labels, other)]  # fmt: skip
    if None not in sizes and not np.allclose(sizes[0] or 0, sizes[1] or 0, rtol=1e-3):
        raise BadRequest(
            f"{what} with voxels of {sizes[1]} nm for labels with voxels of {sizes[0]} nm",
            "they have to cover the same space",
            "pick the level that fits with .level(n)",
        )


def whole_numbers(labels: Volume) -> Volume:
    """Check that `labels` holds whole numbers."""
    if labels.dtype.kind not in "bui":
        raise BadRequest(
            f"labels of {labels.dtype}", "ids are whole numbers", "threshold the volume, or cast its voxels first"
        )
    return labels


@dataclass(frozen=True)
class Blocks:
    """The blocks of a grid that touch a box, clipped to it; never listed."""

    grid: Grid
    box: Box

    def __len__(self) -> int:
        spans = zip(self.box.start, self.box.stop, self.grid.block, strict=True)
        counts = [-(-b // k) - a // k if b > a else 0 for a, b, k in spans]
        return counts[0] * counts[1] * counts[2]

    def __iter__(self) -> Iterator[Box]:
        return (block & self.box for block in self.grid.touching(self.box))


def blocks_of(view: Volume, block: Block = None) -> Blocks:
    """Cut a view into blocks of whole chunks (about 32 Mvoxel, at most 128 MiB), or of `block` voxels."""
    shape = view.levels[view.level_index].shape[-3:]
    if block is None:
        chunks = (1, 1, 1) if _in_memory(view) else view.chunks[-3:]
        shards = None if view.shards is None else view.shards[-3:]
        side: Sequence[int] = block_shape(shape, chunks, shards, view.dtype.itemsize)
        side = [max(1, n) for n in side]
    else:
        side = (block,) * 3 if isinstance(block, int) else block
    return Blocks(Grid(shape, side, view.level_index), view.box)


def gather(step: Step, blocks: Blocks | Sequence[Box], merge: Callable[[T, T], T], empty: T, how: How) -> T:
    """Do `step` for every block and merge what it returns as it comes, in any order.

    Results meet in pairs of like weight, so about log2 of their number are held, and no table is merged anew for
    every block.
    """
    merged = _Merging(merge)
    done, total = 0, len(blocks)
    boxes = iter(blocks)
    with watched(how.progress) as callback:
        while group := list(islice(boxes, _FAN_IN)):
            shown = _shifted(callback, done, total)
            run = Run(step, group, workers=how.workers, client=how.client, progress=shown)
            run.run()
            for outcome in run.outcomes():
                merged.add(outcome.result)
            done += len(group)
    return merged.result(empty)


class _Merging(Generic[T]):
    """Results merged in pairs of like weight, as the digits of a binary counter carry."""

    def __init__(self, merge: Callable[[T, T], T]) -> None:
        self._merge = merge
        self._digits: list[T | None] = []

    def add(self, value: T) -> None:
        for i, held in enumerate(self._digits):
            if held is None:
                self._digits[i] = value
                return
            value, self._digits[i] = self._merge(held, value), None
        self._digits.append(value)

    def result(self, empty: T) -> T:
        found = empty
        for held in self._digits:
            if held is not None:
                found = self._merge(found, held)
        return found


def _shifted(callback: ProgressCallback, done: int, total: int) -> ProgressCallback:
    return lambda p: callback(Progress(p.step, total, done + p.done, p.failed, p.skipped, p.seconds))


@contextmanager
def watched(progress: bool | ProgressCallback | None) -> Iterator[ProgressCallback]:
    """Give a callback for `Run`: the caller's own, or a bar where somebody looks."""
    if callable(progress):
        yield progress
        return
    with progress_bar(progress) as callback:
        yield callback


def identity_of(view: Volume) -> dict[str, Any]:
    """Say which voxels a view stands for: equal for views that would read the same."""
    array = view._stored.levels[view.level_index].array
    what: Any = array.values if isinstance(array, MemoryArray) else repr(array)
    return {"url": view.url, "version": view.version, "array": what, "spans": repr(view._spans)}


def _in_memory(view: Volume) -> bool:
    return isinstance(view._stored.levels[view.level_index].array, MemoryArray)


def with_upper(block: Box, box: Box) -> Box:
    """Return `block` with one more voxel at its upper ends, as far as `box` goes."""
    return Box(block.start, [min(b + 1, n) for b, n in zip(block.stop, box.stop, strict=True)], block.level)
