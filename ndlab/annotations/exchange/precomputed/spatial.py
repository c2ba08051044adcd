"""The levels of a layer: which annotations show from afar, and which only when one comes near.

Every annotation has a number between 0 and 1, as good as drawn by lot, that follows from its id. A level shows those
whose number lies in an interval, wherever they are: a random part of all. The intervals follow one another from the
coarsest level to the finest, and each is as wide as it can be with no cell of its level over the limit.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ndlab.annotations.exchange.precomputed.layout import Layout
from ndlab.annotations.exchange.precomputed.spool import Spool

__all__ = ["Frame", "Level", "cells", "frame", "levels", "lots", "morton"]

_DEEPEST = 20
_BINS = 2 << 20
_DENSE = 1 << 20
_PAIRS = 1 << 20
# Finer cells are not made where annotations are so large that each would lie in more cells than this.
_SPREAD = 16

Array = np.ndarray[Any, Any]


class Frame(NamedTuple):
    """The box (x, y, z) around all annotations, in the unit of their geometry."""

    low: Array
    extent: Array


@dataclass(frozen=True)
class Level:
    """A level: its grid (x, y, z), the interval of lots that it shows, and the most that a cell of it holds."""

    grid: tuple[int, int, int]
    low: float
    high: float
    limit: int
    cells: int
    entries: int


def lots(ids: Array) -> Array:
    """Return a number in [0, 1) for each id, by the mixing function of SplitMix64.

    Examples
    --------
    >>> lots(np.array([1, 2, 3], np.uint64)).round(3).tolist()
    [0.567, 0.591, 0.113]
    """
    v = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    v = (v ^ (v >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    v = (v ^ (v >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Array = ((v ^ (v >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / (1 << 53)
    return found


def frame(spool: Spool) -> Frame:
    """Return the box of whole units around everything; of extent 1 where there is nothing."""
    if not spool.count:
        return Frame(np.zeros(3), np.ones(3))
    low = np.floor(spool.low)
    # The upper bound is exclusive; far from 0 one more may be lost to rounding.
    high = np.maximum(np.floor(spool.high) + 1, np.nextafter(spool.high, np.inf))
    return Frame(low, high - low)


def levels(spool: Spool, box: Frame, limit: int) -> list[Level]:
    """Divide all annotations among levels, coarse to fine, reading them twice for each."""
    found: list[Level] = []
    grid, low = (1, 1, 1), 0.0
    while True:
        numbers, counts = _counts(spool, box, grid, low)
        most, entries = int(counts.max(initial=0)), int(counts.sum())
        finer = _finer(grid, box, spool.layout)
        left = spool.count * (1 - low)
        if most <= limit or len(found) == _DEEPEST - 1 or entries > _SPREAD * max(left, 1000):
            if most > limit:
                warnings.warn(f"{most} annotations share a cell of the finest level, and not {limit}: "
                              "they lie in one place, or are larger than cells", stacklevel=7)  # fmt: skip
            return [*found, Level(grid, low, 2.0, max(limit, most), len(numbers), entries)]
        high = _threshold(spool, box, grid, low, limit, numbers[counts > limit], most)
        share = (high - low) / (1 - low)
        found.append(Level(grid, low, high, limit, len(numbers), math.ceil(entries * share)))
        grid, low = finer, high


def _finer(grid: tuple[int, int, int], box: Frame, layout: Layout) -> tuple[int, int, int]:
    """Halve the cells along their long sides, so that they get nearer to cubes of nm."""
    sides = box.extent / grid * np.asarray(layout.scale)
    x, y, z = (n * 2 if side > sides.max() / math.sqrt(2) else n for n, side in zip(grid, sides, strict=True))
    return x, y, z


def _remaining(
    spool: Spool, box: Frame, grid: tuple[int, int, int], low: float, high: float = 2.0
) -> Iterator[tuple[Array, Array]]:
    """Yield (cell, lot) of annotations whose lot is in an interval, once for each cell that they meet."""
    for made in spool.batches():
        drawn = lots(made.ids)
        chosen = np.flatnonzero((drawn >= low) & (drawn < high))
        for rows, numbers in cells(made.records["geometry"][chosen], spool.layout, box, grid):
            yield numbers, drawn[chosen[rows]]


def _counts(spool: Spool, box: Frame, grid: tuple[int, int, int], low: float) -> tuple[Array, Array]:
    """Return the cells that have annotations of lots from `low` on, ascending, and how many."""
    size = math.prod(grid)
    if size <= _DENSE:
        dense = np.zeros(size, np.int64)
        for numbers, _ in _remaining(spool, box, grid, low):
            dense += np.bincount(numbers, minlength=size)
        found = np.flatnonzero(dense)
        return found, dense[found]
    names, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for numbers, _ in _remaining(spool, box, grid, low):
        new, times = np.unique(numbers, return_counts=True)
        names, at = np.unique(np.concatenate([names, new]), return_inverse=True)
        counts = np.bincount(at, np.concatenate([counts, times])).astype(np.int64)
    return names, counts


def _threshold(
    spool: Spool, box: Frame, grid: tuple[int, int, int], low: float, limit: int, dense: Array, most: int
) -> float:
    """Return where the interval from `low` ends, so that no cell has more than `limit` in it."""
    # The fullest cell gives out at about limit / most of what is left; twice that is looked at in fine steps.
    top = low + (1 - low) * min(1.0, 2 * limit / most)
    bins = max(32, min(1024, _BINS // len(dense)))
    sums = np.zeros(len(dense) * bins, np.int32)
    for numbers, drawn in _remaining(spool, box, grid, low, top):
        at = np.minimum(np.searchsorted(dense, numbers), len(dense) - 1)
        step = np.minimum(((drawn - low) / (top - low) * bins).astype(np.int64), bins - 1)
        which = (at * bins + step)[dense[at] == numbers]
        sums += np.bincount(which, minlength=len(sums)).astype(np.int32)
    fullest = np.cumsum(sums.reshape(len(dense), bins), 1).max(0)
    return float(low + (top - low) * int(np.searchsorted(fullest, limit, "right")) / bins)


def cells(geometry: Array, layout: Layout, box: Frame, grid: tuple[int, int, int]) -> Iterator[tuple[Array, Array]]:
    """Yield (rows of `geometry`, numbers of the cells that they meet), x fastest; each pair once, in any order."""
    low, high = (_index(corner, box, grid) for corner in layout.corners(geometry))
    if layout.geometry == "point":
        yield np.arange(len(low)), _number(low, grid)
        return
    spans = high - low + 1
    counts = spans.prod(1)
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start] - counts[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        rows = np.repeat(np.arange(start, stop), counts[start:stop])
        rank = np.arange(len(rows)) - np.repeat(ends[start:stop] - counts[start:stop] - before, counts[start:stop])
        x, rank = rank % spans[rows, 0], rank // spans[rows, 0]
        index = low[rows] + np.stack([x, rank % spans[rows, 1], rank // spans[rows, 1]], 1)
        met = _meets(geometry[rows].astype(np.float64), index, layout, box, grid)
        yield rows[met], _number(index[met], grid)
        start = stop


def _index(points: Array, box: Frame, grid: tuple[int, int, int]) -> Array:
    # Grids are powers of two, so cells of one level nest exactly in those of the one before.
    index = np.floor((points - box.low) / box.extent * np.asarray(grid)).astype(np.int64)
    found: Array = np.clip(index, 0, np.asarray(grid) - 1)
    return found


def _number(index: Array, grid: tuple[int, int, int]) -> Array:
    found: Array = (index[:, 2] * grid[1] + index[:, 1]) * grid[0] + index[:, 0]
    return found


def _meets(geometry: Array, index: Array, layout: Layout, box: Frame, grid: tuple[int, int, int]) -> Array:
    """Tell which geometries share a point with the cell of each, where their boxes do."""
    side = box.extent / grid
    low = box.low + index * side
    # Rounding must not drop an annotation from all cells.
    low, high = low - side * 1e-9, low + side * (1 + 1e-9)
    if layout.geometry == "line":
        start, along = geometry[:, :3], geometry[:, 3:] - geometry[:, :3]
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.stack([(low - start) / along, (high - start) / along])
        flat = along == 0
        times[:, flat] = [[-np.inf], [np.inf]]
        enters, leaves = times.min(0).max(1), times.max(0).min(1)
        met: Array = np.maximum(enters, 0) <= np.minimum(leaves, 1) + 1e-9
        return met
    if layout.geometry == "ellipsoid":
        centre, radii = geometry[:, :3], geometry[:, 3:]
        away = np.abs(centre - np.clip(centre, low, high))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(away > 0, away / radii, 0.0)
        inside: Array = (share**2).sum(1) <= 1 + 1e-6
        return inside
    return np.ones(len(index), bool)


def morton(numbers: Array, grid: tuple[int, int, int]) -> Array:
    """Return the compressed Morton code, uint64, of cells: bits of x, y and z in turn, each as long as it has some."""
    x, rest = numbers % grid[0], numbers // grid[0]
    index = [v.astype(np.uint64) for v in (x, rest % grid[1], rest // grid[1])]
    bits = [(n - 1).bit_length() for n in grid]
    codes = np.zeros(len(numbers), np.uint64)
    at = 0
    for bit in range(max(bits)):
        for axis in range(3):
            if bit < bits[axis]:
                codes |= ((index[axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(at)
                at += 1
    return codes
