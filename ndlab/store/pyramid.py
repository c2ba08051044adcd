"""Build and update the coarser levels of a store: one pass makes as many levels as one task can hold.

Each level is made from the level before it, cell by cell (`downsample`), so the result does not depend on how the
work is cut, and an update of the touched parts gives what a new pyramid would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, ReadOnly, Unsupported
from ndlab.geometry import Box, Grid, Int3, level_shape
from ndlab.metadata import Kind
from ndlab.pipeline import Receipt, Record, Run, Step
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store import state
from ndlab.store.arrays import Array, Stored
from ndlab.store.downsample import Rule, downsample
from ndlab.store.layout import WORK_BYTES, LevelPlan, Stage, stages
from ndlab.store.records import bulk, flushes_itself, open_record

__all__ = ["build", "rebuild", "rule_of", "store_levels", "unsynced", "write_levels"]

# Reading in pieces keeps what is being reduced near the processor and a task's memory small. Measured: 8 to 16 MiB.
_PIECE_BYTES = 16 << 20
_WORK_BYTES = WORK_BYTES


def build(
    stored: Stored,
    *,
    workers: int | None = None,
    client: Any = None,
    progress: ProgressCallback | None = None,
) -> list[Receipt]:
    """Fill every coarser level of a store from its finest one, and return the receipt of each pass.

    What was marked as stale no longer is, unless somebody wrote into the store meanwhile.

    Parameters
    ----------
    stored : Stored
        A store with at least two levels; they are overwritten.
    workers, client, progress
        As for `Run`. A build that was interrupted goes on where it stopped.

    Returns
    -------
    list of Receipt
        One for each pass.

    Raises
    ------
    Unsupported
        If a level is not a whole number of times coarser than the one before.
    Conflict
        If another run works on this store.
    """
    layout = store_levels(stored)
    before = _begin(stored)
    receipts = []
    flushing = not flushes_itself(layout[0].unit, _itemsize(stored))
    with open_record(stored.url, "pyramid", flushing=flushing) as record:
        for stage in stages(layout, _itemsize(stored), _WORK_BYTES):
            step = stage_step(stored, layout, stage, flushing, before.version)
            blocks = Grid(layout[stage.source].shape, stage.region, stage.source)
            receipts.append(_run(stored, step, blocks, record, workers, client, progress))
        record.forget()
    _clear_stale(stored, before)
    return receipts


def rebuild(
    stored: Stored,
    boxes: Sequence[Box] | None = None,
    *,
    workers: int | None = None,
    client: Any = None,
    progress: ProgressCallback | None = None,
) -> int:
    """Bring the coarser levels up to date over `boxes` and return how many units were written.

    Only the chunks (or shards) that share space with the boxes are touched.

    Parameters
    ----------
    stored : Stored
    boxes : sequence of Box, optional
        Voxels of level 0 that changed; without them, what the store itself has marked as stale.
    workers, client, progress
        As for `Run`.
    """
    layout = store_levels(stored)
    before = _begin(stored)
    written = 0
    with open_record(stored.url, "pyramid", flushing=False) as record:
        for number in range(1, len(layout)):
            dirty = _dirty(layout, number, boxes, before)
            units = list(dict.fromkeys(unit for box in dirty for unit in _grid(layout, number).touching(box)))
            if not units:
                continue
            step = update_step(stored, layout, number)
            written += _run(stored, step, units, None, workers, client, progress).done
        record.forget()
    _clear_stale(stored, before, boxes)
    return written


def stage_step(
    stored: Stored, layout: Sequence[LevelPlan], stage: Stage, flushing: bool = False, version: int = 0
) -> Step:
    """Return a step over regions of the stage's source that writes its targets.

    Parameters
    ----------
    flushing : bool
        Whether the run's record flushes what is written; else the arrays do.
    version : int
        Of the store, so that a build is not resumed over other voxels.
    """
    source, targets = stage.source, stage.targets
    params = {
        "source": stored.levels[source].array,
        "targets": [bulk(stored.levels[i].array, flushing) for i in targets],
        "steps": [ratio(layout[i], layout[i - 1]) for i in targets],
        "rule": rule_of(stored.kind),
    }
    name = f"levels {targets[0]}-{targets[-1]}" if len(targets) > 1 else f"level {targets[0]}"
    return Step(name, _make_levels, params, {"url": stored.url, "level": source, "version": version})


def update_step(stored: Stored, layout: Sequence[LevelPlan], number: int) -> Step:
    """Return a step over units of level `number` that makes each from the level before."""
    params = {
        "source": stored.levels[number - 1].array,
        "target": stored.levels[number].array,
        "step": ratio(layout[number], layout[number - 1]),
        "rule": rule_of(stored.kind),
    }
    return Step(f"update level {number}", _make_unit, params, {"url": stored.url, "level": number - 1})


def write_levels(
    values: np.ndarray[Any, Any],
    start: Sequence[int],
    targets: Sequence[Array],
    steps: Sequence[Int3],
    rule: Rule,
    lead: Sequence[int] = (),
) -> None:
    """Write ever coarser versions of `values`, whose first voxel lies at `start` (z, y, x) of the level before.

    Parameters
    ----------
    lead : sequence of int
        Time point and channel, as many as the arrays have axes before z.
    """
    for target, step in zip(targets, steps, strict=True):
        values = downsample(values, step, rule)
        start = [a // f for a, f in zip(start, step, strict=True)]
        target.write([*lead, *start], values[(np.newaxis,) * len(lead)])


def _make_levels(
    block: Box,
    source: Array,
    targets: Sequence[Array],
    steps: Sequence[Int3],
    rule: Rule,
    t: int | None = None,
    c: int | None = None,
) -> None:
    lead = [i for i in (t, c) if i is not None]
    first = _coarser(source, block, steps[0], rule, lead)
    start = [a // f for a, f in zip(block.start, steps[0], strict=True)]
    targets[0].write([*lead, *start], first[(np.newaxis,) * len(lead)])
    write_levels(first, start, targets[1:], steps[1:], rule, lead)


def _make_unit(
    block: Box, source: Array, target: Array, step: Int3, rule: Rule, t: int | None = None, c: int | None = None
) -> None:
    lead = [i for i in (t, c) if i is not None]
    fine = Box(
        [a * f for a, f in zip(block.start, step, strict=True)],
        [min(b * f, n) for b, f, n in zip(block.stop, step, source.shape[-3:], strict=True)],
    )
    target.write([*lead, *block.start], _coarser(source, fine, step, rule, lead)[(np.newaxis,) * len(lead)])


def _coarser(source: Array, block: Box, step: Int3, rule: Rule, lead: Sequence[int]) -> np.ndarray[Any, Any]:
    """Read `block` of `source` in slabs and reduce each while it is warm."""
    out = np.empty(level_shape(block.shape, step), source.dtype)
    # All slabs pass through the same memory: pages that the system has to clear first cost as much as decoding labels.
    buffer = np.empty(0, source.dtype)
    for slab in _slabs(block, source, step[0]):
        if buffer.size < slab.size:
            buffer = np.empty(slab.size, source.dtype)
        values = buffer[: slab.size].reshape(slab.shape)
        stop = [*(i + 1 for i in lead), *slab.stop]
        source.read([*lead, *slab.start], stop, values[(np.newaxis,) * len(lead)])
        first = (slab.start[0] - block.start[0]) // step[0]
        depth = -(-slab.shape[0] // step[0])
        downsample(values, step, rule, out=out[first : first + depth])
    return out


def _slabs(block: Box, source: Array, step: int) -> Iterator[Box]:
    """`block` in z pieces of whole cells and whole chunks, of about `_PIECE_BYTES`."""
    unit = math.lcm(step, source.chunks[-3])
    plane = math.prod(block.shape[1:]) * source.dtype.itemsize
    depth = max(1, _PIECE_BYTES // max(1, plane * unit)) * unit
    z = block.start[0]
    while z < block.stop[0]:
        end = min(block.stop[0], (z // unit * unit) + depth)
        yield Box((z, *block.start[1:]), (end, *block.stop[1:]), block.level)
        z = end


def store_levels(stored: Stored) -> tuple[LevelPlan, ...]:
    """Return the levels of an existing store as `layout` describes them.

    Raises
    ------
    Unsupported
        If a level's shape is not its finer neighbour's over whole numbers, rounded up.
    """
    if len(stored.levels) < 2:
        raise BadRequest(
            f"{stored.url} has one level",
            "a pyramid fills the levels that a store has",
            "ingest it again to get a store with levels: ndlab.ingest(url, dest)",
        )
    found: list[LevelPlan] = []
    for number, level in enumerate(stored.levels):
        shape = _last3(level.array.shape)
        step = (1, 1, 1) if not found else _step(stored, number)
        fine = (1, 1, 1) if not found else found[-1].factors
        factors = tuple(a * b for a, b in zip(fine, step, strict=True))
        unit = _last3(level.array.shards or level.array.chunks)
        found.append(LevelPlan(_last3(factors), shape, _last3(level.array.chunks), unit))
    return tuple(found)


def _step(stored: Stored, number: int) -> Int3:
    """Whole-number factors between a level and the one before."""
    fine, coarse = stored.levels[number - 1], stored.levels[number]
    a, b = fine.array.shape[-3:], coarse.array.shape[-3:]
    if fine.calibration is not None and coarse.calibration is not None:
        sizes = zip(fine.calibration.voxel_size, coarse.calibration.voxel_size, strict=True)
        step = [round(q / p) for p, q in sizes]
    else:
        step = [max(1, round(n / m)) for n, m in zip(a, b, strict=True)]
    if min(step) < 1 or level_shape(a, step) != tuple(b):
        raise Unsupported(
            f"level {number} of {stored.url} has shape {tuple(b)} after {tuple(a)}",
            f"it would be {level_shape(a, [max(1, s) for s in step])} at factors {tuple(step)}, no voxel dropped",
            "ingest the finest level again to get a pyramid that ndlab can keep up to date",
            feature="pyramid that drops voxels or has fractional steps",
        )
    return _last3(step)


def ratio(coarse: LevelPlan, fine: LevelPlan) -> Int3:
    """Factors between two levels."""
    return _last3([a // b for a, b in zip(coarse.factors, fine.factors, strict=True)])


def rule_of(kind: Kind) -> Rule:
    """Images take the mean, labels the majority."""
    return "majority" if kind == "labels" else "mean"


def unsynced(array: Array) -> Array:
    """Return the same array, leaving flushing to the end of the run where its engine can."""
    found: Array = array.unsynced() if hasattr(array, "unsynced") else array
    return found


def _run(
    stored: Stored,
    step: Step,
    blocks: Grid | Sequence[Box],
    record: Record | None,
    workers: int | None,
    client: Any,
    progress: ProgressCallback | None,
) -> Receipt:
    shape = stored.levels[0].array.shape
    lead = dict(zip(stored.axes, shape, strict=True))
    if record is not None:
        record.begin(step.name, step.fingerprint, restart=True)
    return Run(
        step,
        blocks,
        record,
        t=range(lead["t"]) if "t" in lead else None,
        c=range(lead["c"]) if "c" in lead else None,
        workers=workers,
        client=client,
        progress=progress,
    ).run()


def _grid(layout: Sequence[LevelPlan], number: int) -> Grid:
    return Grid(layout[number].shape, layout[number].unit, number)


def _dirty(layout: Sequence[LevelPlan], number: int, boxes: Sequence[Box] | None, known: state.State) -> Sequence[Box]:
    if boxes is None:
        return known.stale.get(number, ())
    factors = layout[number].factors
    return [
        Box(
            [a // f for a, f in zip(box.start, factors, strict=True)],
            [-(-b // f) for b, f in zip(box.stop, factors, strict=True)],
            number,
        )
        for box in boxes
    ]


def _clear_stale(stored: Stored, before: state.State, boxes: Sequence[Box] | None = None) -> None:
    """Unmark what was marked before the run, unless somebody wrote meanwhile: then the marks stay."""
    if boxes is not None or not before.stale:
        return

    def cleared(now: state.State) -> state.State:
        if now.version != before.version:
            return now
        left = {n: tuple(b for b in found if b not in before.stale.get(n, ())) for n, found in now.stale.items()}
        return replace(now, stale={n: found for n, found in left.items() if found})

    state.change(stored.url, cleared)


def _begin(stored: Stored) -> state.State:
    """Refuse what cannot be written, and return the state as it is before anything is."""
    if stored.url.startswith(("http://", "https://")):
        raise ReadOnly(
            f"{stored.url} cannot be written",
            "http addresses are read-only",
            "copy it with ndlab.ingest(url, dest) and build the levels there",
        )
    return state.change(stored.url, lambda now: now)


def _itemsize(stored: Stored) -> int:
    return stored.levels[0].array.dtype.itemsize


def _last3(values: Sequence[int]) -> Int3:
    z, y, x = list(values)[-3:]
    return int(z), int(y), int(x)
