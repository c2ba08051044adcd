"""How a volume is laid out: chunks and shards of every level, and which levels one task can make from one read.

Chunks hold about 256 KiB and are physically as cubic as they can be, at each level anew. The base shard is up to
512 voxels wide and 128 MiB large. The shards of the next levels shrink as the levels do, so that one base shard
maps to exactly one shard of each: a task that holds it writes them all from memory, without a second read and
without sharing a shard with another task. When a level's share of the region gets smaller than a chunk, a new
stage begins from the last level made, with large shards again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ndlab.geometry import Int3, chunk_shape, level_shape, pyramid_factors

__all__ = ["WORK_BYTES", "LevelPlan", "Stage", "plan", "stages", "work_region"]

WORK_BYTES = 128 << 20
_WIDE = 512
_LEAST_BYTES = 2 << 20  # eight chunks: one of the next level


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """One level: factors against level 0, extent, chunk, and the unit of writing, all (z, y, x).

    `unit` is the shard, or the chunk where the format has no shards.
    """

    factors: Int3
    shape: Int3
    chunk: Int3
    unit: Int3


@dataclass(frozen=True, slots=True)
class Stage:
    """Levels `targets` made in one pass over level `source`, in regions of `region` voxels (z, y, x) of it."""

    source: int
    targets: tuple[int, ...]
    region: Int3


def plan(
    shape: Sequence[int],
    itemsize: int,
    voxel_size: Sequence[float],
    *,
    chunk: Sequence[int] | None = None,
    shard: Sequence[int] | None = None,
    sharded: bool = True,
    levels: int | None = None,
    nbytes: int = WORK_BYTES,
) -> tuple[LevelPlan, ...]:
    """Lay out every level of a new volume.

    Parameters
    ----------
    shape : sequence of 3 int
        Extent of level 0, (z, y, x).
    itemsize : int
        Bytes a voxel.
    voxel_size : sequence of 3 float
        (z, y, x) [nm]; levels follow it until voxels are near-isotropic.
    chunk, shard : sequence of 3 int, optional
        Of level 0, instead of the defaults; chunks of coarser levels follow `chunk`, too.
    sharded : bool
        False for formats without shards: the chunk is then the unit of writing.
    levels : int, optional
        How many, level 0 included; without it, until no axis is longer than 64.
    nbytes : int
        Largest base shard [bytes].

    Examples
    --------
    >>> for level in plan((1000, 8000, 8000), 1, (40, 4, 4))[:5]:
    ...     print(level.factors, level.shape, level.chunk, level.unit)
    (1, 1, 1) (1000, 8000, 8000) (16, 128, 128) (512, 512, 512)
    (1, 2, 2) (1000, 4000, 4000) (16, 128, 128) (512, 256, 256)
    (1, 4, 4) (1000, 2000, 2000) (32, 64, 128) (512, 128, 128)
    (1, 8, 8) (1000, 1000, 1000) (64, 64, 64) (512, 64, 64)
    (2, 16, 16) (500, 500, 500) (64, 64, 64) (256, 256, 256)
    """
    found: list[LevelPlan] = []
    source, region = 0, (0, 0, 0)
    smallest = 64 if levels is None else 1
    for factors in pyramid_factors(shape, voxel_size, smallest=smallest)[:levels]:
        extent = _int3(level_shape(shape, factors))
        size = [v * f for v, f in zip(voxel_size, factors, strict=True)]
        wanted = _int3(chunk) if chunk is not None else _clip(chunk_shape(size, itemsize), extent)
        if not found:
            region = _int3(shard) if shard is not None else _default_region(extent, itemsize, wanted, nbytes)
            unit: Int3 | None = region
        else:
            unit = _share(region, _ratio(factors, found[source].factors), wanted, found[source].shape)
        if unit is None:
            source = len(found) - 1
            region = _default_region(found[source].shape, itemsize, (1, 1, 1), max(nbytes, _LEAST_BYTES))
            unit = _int3(max(1, r // q) for r, q in zip(region, _ratio(factors, found[source].factors), strict=True))
        fitted = wanted if not found and (chunk is not None or shard is None) else _fit(wanted, unit)
        found.append(LevelPlan(factors, extent, fitted, unit if sharded else fitted))
    return tuple(found)


def stages(levels: Sequence[LevelPlan], itemsize: int, nbytes: int = WORK_BYTES) -> tuple[Stage, ...]:
    """Group levels into passes: each pass reads one level once and makes as many coarser ones as it can.

    Works for any pyramid with whole-number steps, whoever wrote it: a region is made of whole units of every
    level of its stage, so no two tasks write the same chunk or shard.

    Examples
    --------
    >>> for stage in stages(plan((1000, 8000, 8000), 1, (40, 4, 4)), 1):
    ...     print(stage)
    Stage(source=0, targets=(1, 2, 3), region=(512, 512, 512))
    Stage(source=3, targets=(4, 5, 6), region=(512, 512, 512))
    Stage(source=6, targets=(7,), region=(128, 128, 128))
    """
    found: list[Stage] = []
    source = 0
    while source < len(levels) - 1:
        base = levels[source]
        region = work_region(_scaled(levels[source + 1], base), base.shape, itemsize, nbytes)
        targets = [source + 1]
        for number in range(source + 2, len(levels)):
            whole = _scaled(levels[number], base)
            if any(r % w and r < n for r, w, n in zip(region, whole, base.shape, strict=True)):
                break
            targets.append(number)
        found.append(Stage(source, tuple(targets), region))
        source = targets[-1]
    return tuple(found)


def work_region(unit: Sequence[int], shape: Sequence[int], itemsize: int, nbytes: int = WORK_BYTES) -> Int3:
    """Whole units for one task: doubled along the shortest side while that fits `nbytes` and the array.

    Examples
    --------
    >>> work_region((64, 64, 64), (1000, 8000, 8000), 1)
    (512, 512, 512)
    >>> work_region((2000, 512, 512), (4000, 4000, 4000), 1)
    (2000, 512, 512)
    """
    region = list(unit)
    while math.prod(region) * 2 * itemsize <= nbytes:
        room = [i for i in range(3) if region[i] < shape[i]]
        if not room:
            break
        axis = min(room, key=lambda i: (region[i], -i))
        region[axis] *= 2
    return _int3(region)


def _default_region(shape: Sequence[int], itemsize: int, chunk: Sequence[int], nbytes: int) -> Int3:
    """Chunks up to 512 wide, or as far as a power of two of them covers the array; thinner, z first, to fit."""
    counts = [max(1, min(_WIDE // c, _power(-(-n // c)))) for c, n in zip(chunk, shape, strict=True)]
    while math.prod(chunk) * math.prod(counts) * itemsize > nbytes and max(counts) > 1:
        axis = 0 if counts[0] > 1 else max((1, 2), key=lambda i: counts[i] * chunk[i])
        counts[axis] = max(1, counts[axis] // 2)
    return _int3(k * c for k, c in zip(counts, chunk, strict=True))


def _share(region: Int3, ratio: Int3, chunk: Int3, shape: Int3) -> Int3 | None:
    """Return a level's part of `region`; None where it is not whole, or smaller than a chunk for no good reason.

    Along an axis that the region spans altogether, a small part is all there is.
    """
    for r, q, c, n in zip(region, ratio, chunk, shape, strict=True):
        if r % q or (r // q < c and r < n):
            return None
    return _int3(r // q for r, q in zip(region, ratio, strict=True))


def _fit(chunk: Int3, unit: Int3) -> Int3:
    """Return the largest sides up to `chunk` that divide `unit`."""
    return _int3(next(k for k in range(min(c, u), 0, -1) if u % k == 0) for c, u in zip(chunk, unit, strict=True))


def _clip(chunk: Int3, shape: Sequence[int]) -> Int3:
    return _int3(min(c, _power(n)) for c, n in zip(chunk, shape, strict=True))


def _power(n: int) -> int:
    """Return the smallest power of two that is at least `n`."""
    return 1 << max(0, n - 1).bit_length()


def _ratio(fine_to: Int3, source: Int3) -> Int3:
    return _int3(a // b for a, b in zip(fine_to, source, strict=True))


def _scaled(level: LevelPlan, source: LevelPlan) -> Int3:
    """Return the level's unit of writing in voxels of `source`."""
    return _int3(u * q for u, q in zip(level.unit, _ratio(level.factors, source.factors), strict=True))


def _int3(values: Iterable[int]) -> Int3:
    z, y, x = map(int, values)
    return z, y, x
