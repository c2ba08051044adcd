"""How an array is cut into slabs: no chunk lies in two of them, and one holds every plane that its chunks reach."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache

from ndlab.geometry import Int3

__all__ = ["DEEPEST_BYTES", "PART_BYTES", "SLAB_BYTES", "boxes", "parts", "steps"]

SLAB_BYTES = 32 << 20
# Labels take several times more before their palette is known, so they are read in parts of this.
PART_BYTES = 16 << 20
# What the chunks under one tile may take when they are kept in full depth; beyond, some planes are decoded again.
DEEPEST_BYTES = 64 << 20
_SIDE = 512  # the plane of a slab covers about one tile


@lru_cache(maxsize=4096)
def steps(shape: Int3, chunks: Int3, depth: int, itemsize: int, deepest: int | None = None) -> Int3:
    """Return the size of a slab (z, y, x) for planes that are stacked along the axis `depth`.

    Parameters
    ----------
    shape, chunks : (int, int, int)
        Of the array.
    depth : int
        The axis that is scrolled along: 0, 1 or 2.
    itemsize : int
        Bytes of a voxel as it is kept.
    deepest : int, optional
        Most planes, where they come no cheaper together.

    Examples
    --------
    >>> steps((2000, 9000, 9000), (64, 64, 64), 0, 1)
    (64, 512, 512)
    >>> steps((2000, 9000, 9000), (64, 64, 64), 2, 4)
    (256, 512, 64)
    >>> steps((500, 4000, 4000), (1, 4000, 4000), 0, 1)
    (1, 4000, 4000)
    >>> steps((500, 4000, 4000), (1, 4000, 4000), 1, 1)
    (250, 33, 4000)
    """
    chunks = _clipped(chunks, shape)
    step = [c if axis == depth else c * math.ceil(min(_SIDE, shape[axis]) / c) for axis, c in enumerate(chunks)]
    plane = [axis for axis in range(3) if axis != depth]
    if deepest is not None:
        step[depth] = min(step[depth], deepest)
    for axis in plane:
        # A plane of a file that alone is more than is kept: cut it, though it is decoded for each part.
        if step[plane[0]] * step[plane[1]] * itemsize > DEEPEST_BYTES and chunks[axis] > 4 * _SIDE:
            step[axis] = 4 * _SIDE
    if math.prod(step) * itemsize > DEEPEST_BYTES:
        step[depth] = max(1, DEEPEST_BYTES * step[depth] // (math.prod(step) * itemsize))
    while math.prod(step) * itemsize > SLAB_BYTES:
        split = [axis for axis in plane if step[axis] >= 2 * chunks[axis]]
        if not split:
            break
        longest = max(split, key=lambda axis: step[axis])
        step[longest] = chunks[longest] * math.ceil(step[longest] // chunks[longest] / 2)
    return step[0], step[1], step[2]


def parts(start: Int3, stop: Int3, chunks: Int3, itemsize: int, most: int = PART_BYTES) -> Iterator[tuple[Int3, Int3]]:
    """Cut a slab into pieces of whole chunks that take about `most` bytes each, single chunks where that is little.

    Examples
    --------
    >>> len(list(parts((64, 0, 512), (128, 512, 1024), (64, 64, 64), 8)))
    8
    """
    step = [b - a for a, b in zip(start, stop, strict=True)]
    while math.prod(step) * itemsize > most:
        axis = max(range(3), key=lambda axis: step[axis] / chunks[axis])
        if step[axis] <= chunks[axis]:
            break
        step[axis] = chunks[axis] * math.ceil(step[axis] / chunks[axis] / 2)
    for z, y, x in itertools.product(*map(range, start, stop, step)):
        yield (z, y, x), (min(z + step[0], stop[0]), min(y + step[1], stop[1]), min(x + step[2], stop[2]))


def _clipped(chunks: Int3, shape: Int3) -> Int3:
    z, y, x = (max(1, min(c, n)) for c, n in zip(chunks, shape, strict=True))
    return z, y, x


def boxes(start: Int3, stop: Int3, step: Int3, shape: Int3) -> Iterator[tuple[Int3, Int3]]:
    """Yield the slabs that hold [start, stop), each as its own start and stop.

    Examples
    --------
    >>> list(boxes((5, 0, 60), (6, 9, 70), (64, 64, 64), (30, 40, 100)))
    [((0, 0, 0), (30, 40, 64)), ((0, 0, 64), (30, 40, 100))]
    """
    ranges = (range(a // s, (b - 1) // s + 1) for a, b, s in zip(start, stop, step, strict=True))
    for z, y, x in itertools.product(*ranges):
        low = (z * step[0], y * step[1], x * step[2])
        high = (
            min(low[0] + step[0], shape[0]),
            min(low[1] + step[1], shape[1]),
            min(low[2] + step[2], shape[2]),
        )
        yield low, high
