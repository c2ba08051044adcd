"""From a step over volumes to its Run: the output made, blocks chosen, what it will cost said before it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Int3, chunk_shape
from ndlab.pipeline.estimate import MOST_VOXELS, Estimate, Room, choose_block, free_disk, read_factor, room, task_bytes
from ndlab.pipeline.lines import recorded_block
from ndlab.pipeline.run import Run
from ndlab.pipeline.runners import current_client
from ndlab.pipeline.step import describe
from ndlab.pipeline.tasks import Tiling

if TYPE_CHECKING:
    from ndlab.pipeline.blockwise import BlockStep

__all__ = ["BlockRun", "plan"]

_LEAST_BLOCK = 1 << 15


@dataclass(repr=False)
class BlockRun(Run):
    """The Run of a `BlockStep`, with what it will cost."""

    estimate: Estimate | None = field(default=None, init=False)

    def __repr__(self) -> str:
        return super().__repr__() if self.receipt is not None else f"{super().__repr__()}\n  {self.estimate}"


def plan(
    step: BlockStep,
    *,
    block: Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    memory: int | None = None,
    overwrite: bool = False,
    check: bool = True,
    **how: Any,
) -> BlockRun:
    """Return the Run of a step over all blocks, its output made; nothing is computed yet but a small piece.

    Parameters
    ----------
    step : BlockStep
    block : sequence of 3 int, optional
        (z, y, x); unless given whole shards of 16 to 64 Mvoxel, fewer where memory is short.
    workers, client, **how
        As for `Run`.
    memory : int, optional
        Bytes that all tasks of a machine may take together; what is free unless given.
    overwrite : bool
        Remove an output that is an address first; do again what its record says is done.
    check : bool
        False plans what would not fit, too.

    Raises
    ------
    TooLarge
        If memory or disk would not hold it: with the numbers and what to change.
    Conflict
        If the output is there and was not made by this step.
    """
    if client is None and workers is None:
        client = current_client()
    block = None if block is None else _int3(block)
    if hasattr(step.output, "output"):
        step = replace(step, output=step.output.output())
    _refuse_output(step, client)
    if step.output is not None and step.sink is None and not overwrite:
        # Begun before: what the function returns is known, and it need not be tried.
        earlier = step.volumes[0].earlier(step.output, step.fingerprint)
        if earlier is not None:
            step = replace(step, output=earlier.output())
            block = block or recorded_block(step.sink.record_path(step.name), step.name)
    place = room(workers, client)
    place = place if memory is None else replace(place, nbytes=memory)
    new = None if step.output is None or step.sink is not None else _new(step, place, block)
    tiling = _tiling(step, block, place) if new is None else Tiling(step.home, block or new.block)
    _refuse_shared(step, tiling, new)
    estimate = estimate_of(step, tiling, place, new)
    if check:
        estimate.check(1.0 if step.sink is None else step.sink.compressed)
    if new is not None:
        made = {"step": step.name, "function": describe(step.function), **step.about(), "fingerprint": step.fingerprint}
        volume = step.volumes[0].like(
            step.output, dtype=new.dtype, kind=step.kind, axes=new.axes, made=made, overwrite=overwrite, **new.options
        )
        step = replace(step, output=volume.output())
        tiling = _tiling(step, block or new.block, place)
    lead = step.lead()
    run = BlockRun(step, tiling, t=lead["t"], c=lead["c"], workers=workers, client=client, **how)
    run.restart = run.restart or overwrite
    run.estimate = estimate
    return run


def _refuse_output(step: BlockStep, client: Any) -> None:
    """Refuse an output that is there and would not do, before anything is made."""
    sink, first = step.sink, step.volumes[0]
    if sink is None:
        return
    if sink.box.shape != first.box.shape:
        raise BadRequest(
            f"step {step.name!r} would write {first.box.shape} voxels to a volume of {sink.box.shape}",
            "output and inputs have the same extent (z, y, x)",
            "cut one of them",
        )
    for name, volume in step.named.items():
        same = volume.url == sink.url and volume.level_index == sink.level if sink.url else False
        if same and (volume.box & sink.box).size:
            raise BadRequest(
                f"step {step.name!r} would write to its own input {name!r}, {sink.url}",
                "a block done twice, after an interruption, would then be done to its own result",
                "give it another output",
            )
    if client and not sink.url:
        raise BadRequest(
            f"step {step.name!r} would write to memory from other processes",
            "what they write there is lost",
            "give an address as output, or pass client=False",
        )


def _refuse_shared(step: BlockStep, tiling: Tiling, new: _New | None) -> None:
    """Refuse blocks that share what a remote store writes as a whole.

    Each would read all of it, change its part, and write it back on the condition that nobody else has: a file system
    has locks for that, but not every server of buckets keeps such a condition, and where it does not, blocks are lost.
    """
    if new is not None:
        url, unit = str(step.output), new.options["shards"]
    elif step.sink is not None:
        url, unit = step.sink.url, step.sink.unit
    else:
        return
    whole = [n < 2 or b % u == 0 for b, u, n in zip(tiling.block, unit, tiling.counts, strict=True)]
    if "://" not in url or all(whole):
        return
    unit = tuple(int(n) for n in unit)
    raise BadRequest(
        f"step {step.name!r} would write blocks of {tiling.block} to {url}",
        f"it is written in pieces of {unit}, so blocks would share one, and bucket servers may lose a write to it",
        f"pass block={unit} or multiples of it, or make the output with shards={tiling.block}",
    )


@dataclass(frozen=True)
class _New:
    """The store that a step will make: type and axes of what its function returns, and a shard for each block."""

    dtype: np.dtype[Any]
    axes: tuple[str, ...]
    block: Int3
    options: dict[str, Any]


def _new(step: BlockStep, place: Room, given: Int3 | None) -> _New:
    first, lead, options = step.volumes[0], step.lead(), dict(step.options)
    if step.dtype is not None and step.axes == "zyx":
        piece = np.empty((0, 0, 0), step.dtype)
    else:
        piece = np.asarray(step.preview())
    dtype = piece.dtype if step.dtype is None else np.dtype(step.dtype)
    seen = [a for a in step.axes[:-3] if a in first.axes]
    returned = seen[len(seen) - (piece.ndim - 3) :] if piece.ndim > 3 else []
    kept = [a for a in first.axes if a in "tc" and (lead[a] is not None or a in returned)]
    together = math.prod(n for a, n in zip(first.axes, first.shape, strict=True) if a in returned)
    if "chunks" not in options and "shards" not in options:
        cube = chunk_shape(first.voxel_size, dtype.itemsize)
        # No larger than a small volume itself, but a power of two, for the levels.
        options["chunks"] = [
            min(c, 1 << max(0, n - 1).bit_length()) for c, n in zip(cube, first.box.shape, strict=True)
        ]
        if given is not None:
            options["chunks"] = [min(c, b) for c, b in zip(options["chunks"], given, strict=True)]
    unit = options["shards"] if "shards" in options else options["chunks"]
    block = choose_block(first.box.shape, unit, place.tasks, _most_voxels(step, place, dtype.itemsize * together))
    if given is not None and all(b % u == 0 for b, u in zip(given, unit, strict=True)):
        block = given
    options.setdefault("shards", block)
    return _New(dtype, (*kept, "z", "y", "x"), block, options)


def _tiling(step: BlockStep, block: Sequence[int] | None, place: Room) -> Tiling:
    home = step.home
    if block is None:
        unit = step.volumes[0].chunks[-3:] if step.sink is None else step.sink.unit
        block = choose_block(home.shape, unit, place.tasks, _most_voxels(step, place, _result_size(step)))
    z, y, x = (max(1, min(int(b), e)) for b, e in zip(block, home.stop, strict=True))
    return Tiling(home, (z, y, x))


def _int3(block: Sequence[int]) -> Int3:
    z, y, x = (int(b) for b in block)
    return z, y, x


def _most_voxels(step: BlockStep, place: Room, result: int) -> int:
    """Return how many voxels a block may have so that all tasks at a time take half of what there is."""
    if place.nbytes is None:
        return MOST_VOXELS
    voxel = task_bytes((1, 1, 1), (0, 0, 0), _itemsizes(step), result, step.scratch)
    return max(_LEAST_BLOCK, min(MOST_VOXELS, place.nbytes // (2 * place.tasks * max(1, voxel))))


def _itemsizes(step: BlockStep) -> dict[str, int]:
    """Bytes for each voxel (z, y, x) of each input, time points and channels that are seen together included."""
    found = {}
    for name, volume in step.named.items():
        together = [n for a, n in zip(volume.axes, volume.shape, strict=True) if a in "tc" and a in step.axes]
        found[name] = volume.dtype.itemsize * math.prod(together)
    return found


def _result_size(step: BlockStep) -> int:
    if step.sink is None:
        return 0
    together = [b - a for axis, (a, b) in zip(step.sink.axes, step.sink.lead, strict=False) if axis in step.axes]
    return int(step.sink.dtype.itemsize * math.prod(together))


def estimate_of(step: BlockStep, tiling: Tiling, place: Room, new: _New | None = None) -> Estimate:
    """Return what the Run over `tiling` will take; `new` is the store that it will make."""
    first, sink = step.volumes[0], step.sink
    repeats = math.prod(len(numbers) for numbers in step.lead().values() if numbers is not None)
    z, y, x = (min(b, n) for b, n in zip(tiling.block, tiling.box.shape, strict=True))
    at_home = Tiling(tiling.box.shift([-a for a in step.home.start]), tiling.block)
    factor = read_factor(at_home, step.margin, at_home.box.stop, first.chunks[-3:])
    sizes, count = _itemsizes(step), len(tiling) * repeats
    result = _result_size(step) if new is None else new.dtype.itemsize
    return Estimate(
        step=step.name,
        blocks=count,
        block=(z, y, x),
        overlap=step.margin,
        task_bytes=task_bytes((z, y, x), step.margin, sizes, result, step.scratch),
        tasks=min(place.tasks, max(1, count)),
        read_bytes=int(sum(sizes.values()) * tiling.box.size * repeats * factor),
        write_bytes=result * tiling.box.size * repeats,
        read_factor=factor,
        room=place,
        free_disk=free_disk(str(step.output) if new is not None else sink.url) if new or sink else None,
    )
