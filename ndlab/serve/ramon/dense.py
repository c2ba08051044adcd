"""Voxels of ids that are posted as a box, painted where annotations know them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Int3
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.space import voxels_of

__all__ = ["write_labels"]


class Posted(Protocol):
    """Where voxels go, as `ndlab.serve.manage.Post` says it."""

    @property
    def level(self) -> int: ...
    @property
    def start(self) -> Int3: ...
    @property
    def stop(self) -> Int3 | None: ...
    @property
    def times(self) -> tuple[int, int] | None: ...
    @property
    def conflict(self) -> str: ...


def write_labels(behind: Behind, post: Posted, values: np.ndarray[Any, Any]) -> int:
    """Paint a box of ids, and return how many voxels it has; 0 leaves voxels alone.

    Raises
    ------
    BadRequest, OutOfBounds, ReadOnly
        Before a voxel is written.
    """
    behind.writable()
    box = values.reshape(values.shape[-3:]) if values.ndim >= 3 and values.size == np.prod(values.shape[-3:]) else None
    if box is None or post.times not in (None, (0, 1)):
        raise BadRequest(f"voxels of shape {values.shape} at times {post.times}", "labels have one time point",
                         "post z, y, x")  # fmt: skip
    if values.dtype != behind.paint.dtype:
        raise BadRequest(
            f"{values.dtype} voxels for {behind.title}", f"it holds {behind.paint.dtype}", "convert them first"
        )
    grid = behind.frame.writable_grid(post.level)
    stop = [a + n for a, n in zip(post.start, box.shape, strict=True)]
    if post.stop is not None and list(post.stop) != stop:
        wanted = [b - a for a, b in zip(post.start, post.stop, strict=True)]
        raise BadRequest(f"voxels of shape {box.shape} for a range of {tuple(wanted)}", "both are z, y, x",
                         "post as many voxels as the range holds")  # fmt: skip
    there = voxels_of(grid.level, post.start, stop, behind.title)
    where = grid.painted(Box(there.start, there.stop))
    for axis, times in enumerate(grid.factor):
        box = np.repeat(box, times, axis) if times > 1 else box
    inside = behind.clipped(where)
    part = box[inside.shift([-a for a in where.start]).slices]
    behind.paint.write_labels(inside, part, mode=post.conflict, note="voxels")
    return int(values.size)
