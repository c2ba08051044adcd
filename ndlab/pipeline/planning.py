"""From a step over volumes to its Run: the output made, blocks chosen, what it will cost said before it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.pipeline.estimate import Estimate, Room, choose_block, free_disk, read_factor, room, task_bytes
from ndlab.pipeline.run import Run
from ndlab.pipeline.runners import current_client
from ndlab.pipeline.step import describe
from ndlab.pipeline.tasks import Tiling

if TYPE_CHECKING:
    from ndlab.pipeline.blockwise import BlockStep

__all__ = ["BlockRun", "plan"]

LEAST_BLOCK = 1 << 15


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
    place = room(workers, client)
    place = place if memory is None else replace(place, nbytes=memory)
    step = _with_output(step, place, overwrite)
    _refuse_own_input(step, client)
    tiling = _tiling(step, block, place)
    estimate = estimate_of(step, tiling, place)
    if check:
        estimate.check(1.0 if step.sink is None else step.sink.compressed)
    lead = step.lead()
    run = BlockRun(step, tiling, t=lead["t"], c=lead["c"], workers=workers, client=client, **how)
    run.restart = run.restart or overwrite
    run.estimate = estimate
    return run


def _with_output(step: BlockStep, place: Room, overwrite: bool) -> BlockStep:
    if step.output is None or step.sink is not None:
        return step
    volume = step.output if hasattr(step.output, "output") else _make(step, place, overwrite)
    first = step.volumes[0]
    if volume.box.shape != first.box.shape:
        raise BadRequest(
            f"step {step.name!r} would write {first.box.shape} voxels to a volume of {volume.box.shape}",
            "output and inputs have the same extent (z, y, x)",
            "cut one of them",
        )
    return replace(step, output=volume.output())


def _make(step: BlockStep, place: Room, overwrite: bool) -> Any:
    """Make the store; its type and axes are those of what the function returns on a small piece."""
    first, lead = step.volumes[0], step.lead()
    piece = np.asarray(step.preview())
    seen = [a for a in step.axes[:-3] if a in first.axes]
    returned = seen[len(seen) - max(0, piece.ndim - 3) :] if piece.ndim > 3 else []
    axes = tuple(a for a in first.axes if a in "zyx" or lead.get(a) is not None or a in returned)
    made = {"step": step.name, "function": describe(step.function), **step.about(), "fingerprint": step.fingerprint}
    options = {"shard_voxels": math.prod(choose_block(first.box.shape, (1, 1, 1), place.tasks)), **step.options}
    dtype = piece.dtype if step.dtype is None else np.dtype(step.dtype)
    return first.like(step.output, dtype=dtype, kind=step.kind, axes=axes, made=made, overwrite=overwrite, **options)


def _refuse_own_input(step: BlockStep, client: Any) -> None:
    sink = step.sink
    if sink is None:
        return
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


def _tiling(step: BlockStep, block: Sequence[int] | None, place: Room) -> Tiling:
    home = step.home
    if block is None:
        unit = step.volumes[0].chunks[-3:] if step.sink is None else step.sink.unit
        voxel = task_bytes((1, 1, 1), (0, 0, 0), _itemsizes(step), _result_size(step), step.scratch)
        most = 1 << 26
        if place.nbytes is not None:
            most = max(LEAST_BLOCK, min(most, place.nbytes // (2 * place.tasks * max(1, voxel))))
        block = choose_block(home.shape, unit, place.tasks, most)
    z, y, x = (max(1, min(int(b), e)) for b, e in zip(block, home.stop, strict=True))
    return Tiling(home, (z, y, x))


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


def estimate_of(step: BlockStep, tiling: Tiling, place: Room) -> Estimate:
    """Return what the Run over `tiling` will take."""
    first, sink = step.volumes[0], step.sink
    repeats = math.prod(len(numbers) for numbers in step.lead().values() if numbers is not None)
    z, y, x = (min(b, n) for b, n in zip(tiling.block, tiling.box.shape, strict=True))
    at_home = Tiling(tiling.box.shift([-a for a in step.home.start]), tiling.block)
    factor = read_factor(at_home, step.margin, at_home.box.stop, first.chunks[-3:])
    sizes, result, count = _itemsizes(step), _result_size(step), len(tiling) * repeats
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
        free_disk=None if sink is None else free_disk(sink.url),
    )
