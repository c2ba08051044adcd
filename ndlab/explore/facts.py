"""A Run in words: what it does, on what, with which parameters, and where its blocks lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ndlab.describe import si_bytes
from ndlab.explore.wire import GridFacts
from ndlab.geometry import Box, Grid
from ndlab.pipeline import BlockStep, Receipt, Run, Step, Tiling, describe
from ndlab.pipeline.planning import BlockRun
from ndlab.pipeline.tasks import Blocks, Tasks
from ndlab.store.output import Output
from ndlab.volume import Volume

__all__ = [
    "block_hull",
    "calibrated",
    "costs_of",
    "grid_facts",
    "inputs_of",
    "output_address",
    "output_volume",
    "pairs",
    "params_of",
    "receipt_text",
    "short",
    "volumes",
]

_LONGEST = 120


def inputs_of(step: Step) -> Mapping[str, Any]:
    """Return what a step reads, by name; what has none is called volume."""
    if not isinstance(step, BlockStep):
        return step.inputs
    return {name if not name.isdigit() else _numbered(step, int(name)): one for name, one in step.named.items()}


def _numbered(step: BlockStep, number: int) -> str:
    return "volume" if len(step.volumes) == 1 else f"volume {number + 1}"


def volumes(run: Run) -> Iterable[Volume]:
    """Volumes that a Run reads: those among its inputs, then those among its parameters."""
    for values in (inputs_of(run.step), run.step.params):
        yield from (value for value in values.values() if isinstance(value, Volume))


def calibrated(volume: Volume | None) -> list[float] | None:
    """Voxel size [nm] of a volume at its level, None if nobody knows it."""
    found: list[float] | None = None if volume is None else volume.info()["voxel_size"]
    return found


def pairs(values: Mapping[str, Any], skip: Iterable[str] = ()) -> list[list[str]]:
    """Names and short texts of inputs or parameters."""
    hidden = set(skip)
    return [[name, short(value)] for name, value in values.items() if name not in hidden]


def short(value: Any) -> str:
    """One line for any value.

    Examples
    --------
    >>> short(2.5), short((1, 2)), short("text")
    ('2.5', '1, 2', 'text')
    """
    if isinstance(value, Volume):
        size = " × ".join(map(str, value.shape))
        level = f", level {value.level_index}" if value.level_index else ""
        return f"{value.url or value.name}, {size}{level}"
    found = describe(value)
    if isinstance(found, dict) and "table" in found:
        return _cut(f"table of {found['rows']:,} rows: {', '.join(found['table'])}")
    if isinstance(found, dict) and "blake2b" in found:
        return f"array {' × '.join(map(str, found['shape']))}, {found['dtype']}"
    if isinstance(found, dict) and "kind" in found:
        return f"{found['kind']} of {len(value):,}" if hasattr(value, "__len__") else _cut(repr(value).splitlines()[0])
    text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def output_volume(run: Run) -> Volume | None:
    """Return what a Run writes: the output of its step, else the volume among its parameters that is no input."""
    output = run.step.output
    if isinstance(output, Output):
        return Volume(output.stored, output.level)
    read = [value for value in inputs_of(run.step).values() if isinstance(value, Volume)]
    found = [v for v in run.step.params.values() if isinstance(v, Volume) and not any(v is one for one in read)]
    return found[0] if read and len(found) == 1 else None


def receipt_text(receipt: Receipt | None) -> str | None:
    """Return what a Run left for whoever finds its output, in words; None where it left nothing."""
    if receipt is None or receipt.state != "running":
        return None if receipt is None else str(receipt)
    return f"{receipt}\n  (as it was begun: it was killed, or its machine went down, and could write no more)"


def output_address(run: Run) -> str | None:
    """Where a Run writes, None if its step does not say."""
    volume = output_volume(run)
    return None if volume is None else short(volume)


def params_of(run: Run) -> list[list[str]]:
    """Return the parameters that are neither inputs nor what is written."""
    inputs = inputs_of(run.step)
    hidden = [*inputs.values(), output_volume(run)]
    shown = {k: v for k, v in run.step.params.items() if k not in inputs and not any(v is h for h in hidden)}
    return pairs(shown)


def grid_facts(tasks: Tasks, voxel_size: list[float] | None) -> GridFacts | None:
    """Where the blocks lie; None for blocks that follow no rule."""
    blocks = tasks.blocks
    if isinstance(blocks, Grid):
        start, stop, first, level = (0, 0, 0), blocks.shape, (0, 0, 0), blocks.level
    elif isinstance(blocks, Tiling):
        start, stop, first, level = blocks.box.start, blocks.box.stop, blocks.first, blocks.box.level
    else:
        return None
    return {
        "counts": list(blocks.counts),
        "block": list(blocks.block),
        "start": list(start),
        "stop": list(stop),
        "first": list(first),
        "level": level,
        "lead": _lead(tasks),
        "voxel_size": voxel_size,
    }


def _lead(tasks: Tasks) -> list[str]:
    """Names of the time points and channels, in the order of the tasks."""
    if tasks.t is None and tasks.c is None:
        return []
    times = [""] if tasks.t is None else [f"t{t}" for t in tasks.t]
    channels = [""] if tasks.c is None else [f"c{c}" for c in tasks.c]
    return [f"{t} {c}".strip() for t in times for c in channels]


def costs_of(run: Run) -> str:
    """Return what a planned Run was estimated to take, in the words of a page."""
    if not isinstance(run, BlockRun) or run.estimate is None:
        return ""
    cost = run.estimate
    parts = [f"{si_bytes(cost.total_bytes)} of memory", f"reads {si_bytes(cost.read_bytes)} ({cost.read_factor:.2f}×)"]
    if cost.write_bytes:
        parts.append(f"writes {si_bytes(cost.write_bytes)}")
    return "  ·  ".join(parts)


def block_hull(blocks: Blocks) -> Box:
    """Return the box that all blocks cover together."""
    if isinstance(blocks, Tiling):
        return blocks.box
    if isinstance(blocks, Grid):
        return Box((0, 0, 0), blocks.shape, blocks.level)
    hull = blocks[0]
    for block in blocks:
        hull = hull | block
    return hull
