"""Ingest section by section, where a picture must be decoded whole to get any of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.geometry import Box, Grid
from ndlab.pipeline import Receipt, Record, Run, Step
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store.arrays import Array
from ndlab.store.ingest.plan import Plan
from ndlab.store.ingest.slab import Slab, fill
from ndlab.store.kv import local_path

__all__ = ["by_slabs"]

_TASK_BYTES = 8 << 20


def by_slabs(
    plan: Plan, step: Callable[[Array], Step], record: Record, grid: Grid, common: dict[str, Any]
) -> list[Receipt]:
    """Slab by slab: decode each section once, then one task per shard; slabs that are done are not decoded."""
    receipts = []
    total = _Total(grid, plan, common["progress"])
    for lead, z in _slab_starts(plan, grid):
        at = {axis: range(a, b) for axis, (a, b) in zip(plan.multiscale.axes, lead, strict=False)}
        layer = [grid.at((z, j, i)) for j in range(grid.counts[1]) for i in range(grid.counts[2])]
        run = Run(step(plan.source.array), layer, record, at.get("t"), at.get("c"), **common | {"progress": total})
        record.begin(run.step.name, run.step.fingerprint)
        if any(task.key not in record.done(run.step.name) for task in run.tasks()):
            with _decoded(plan, lead, layer[0], common) as slab:
                run.step = step(slab)
                receipts.append(run.run())
        total.before += len(run)
    return receipts


def _slab_starts(plan: Plan, grid: Grid) -> Iterator[tuple[list[tuple[int, int]], int]]:
    array = plan.source.array
    groups = [
        [(a, min(a + c, n)) for a in range(0, n, c)] for c, n in zip(array.chunks[:-3], array.shape[:-3], strict=True)
    ]
    for index in np.ndindex(*(len(g) for g in groups)):
        for z in range(grid.counts[0]):
            yield [g[i] for g, i in zip(groups, index, strict=True)], z


@contextmanager
def _decoded(plan: Plan, lead: Sequence[tuple[int, int]], block: Box, common: dict[str, Any]) -> Iterator[Slab]:
    """Decode one slab; on a cluster, and where it does not fit into memory, into a file beside the destination."""
    array = plan.source.array
    start = (*(a for a, _ in lead), block.start[0], 0, 0)
    stop = (*(b for _, b in lead), block.stop[0], *array.shape[-2:])
    slab = Slab(start, stop, plan.region[1:], array.dtype.str)
    path: Path | None = None
    if plan.slab_in_memory and not common["client"]:
        slab = replace(slab, memory=np.empty(slab.nbytes, np.uint8))
    else:
        folder = local_path(plan.url)
        path = (folder.parent if folder else Path.cwd()) / f".{plan.url.rpartition('/')[2]}.scratch"
        with open(path, "wb") as file:
            file.truncate(slab.nbytes)
        slab = replace(slab, path=str(path))
    try:
        depth = _planes_a_task(array)
        planes = Grid((stop[-3], *array.shape[-2:]), (depth, *array.shape[-2:])).touching(
            Box((block.start[0], 0, 0), (block.stop[0], 1, 1))
        )
        inside = Box((block.start[0], 0, 0), (block.stop[0], *array.shape[-2:]))
        params = {"source": array, "slab": slab, "lead": list(lead)}
        Run(Step("decode", fill, params), [p & inside for p in planes], workers=common["workers"],
            client=common["client"]).run()  # fmt: skip
        yield slab
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def _planes_a_task(array: Array) -> int:
    """Return how many planes one task decodes: whole chunks of them, enough to outweigh what a task costs."""
    depth = array.chunks[-3]
    nbytes = depth * math.prod(array.shape[-2:]) * array.dtype.itemsize
    return depth * max(1, _TASK_BYTES // max(1, nbytes))


class _Total:
    """Turns the progress of each slab into that of the whole."""

    def __init__(self, grid: Grid, plan: Plan, progress: ProgressCallback) -> None:
        self.total = len(grid) * int(np.prod(list(plan.lead.values()) or [1]))
        self.before, self._progress = 0, progress

    def __call__(self, progress: Any) -> None:
        self._progress(
            replace(
                progress, total=self.total, done=self.before + progress.done, skipped=self.before + progress.skipped
            )
        )
