"""Which voxels a statistic is about, and what one block contributes to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ndlab.geometry import Box, Int3
from ndlab.measure.keyed import Array, Keyed
from ndlab.measure.moments import Moments, moments_of
from ndlab.measure.order import Search
from ndlab.volume import Volume

__all__ = ["Counts", "First", "Selection", "count_values", "narrow", "sum_up"]


@dataclass(frozen=True)
class Selection:
    """Voxels of `view` that lie in one of `rois`, where `mask` is not 0 (or one of `ids`), 0 left out unless `zeros`.

    The mask's voxel at index i + `shift` lies on the volume's voxel at index i.
    """

    view: Volume
    mask: Volume | None
    shift: Int3
    ids: Array | None
    zeros: bool
    rois: tuple[Box, ...] | None

    def read(self, block: Box) -> tuple[Array, int]:
        """Values of a block that count, in one row, and how many zeros were seen; NaN included."""
        inside = self._in_rois(block)
        if inside is not None and not inside.any():
            return np.empty(0, self.view.dtype.newbyteorder("=")), 0
        values = self.view.boxed(block).read()
        if self.mask is not None:
            there = block.shift(self.shift)
            labels = self.mask.boxed(Box(there.start, there.stop, self.mask.level_index)).read()
            chosen = labels != 0 if self.ids is None else np.isin(labels, self.ids)
            inside = chosen if inside is None else inside & chosen
        found = values.reshape(-1) if inside is None else values[inside]
        if not found.dtype.isnative:
            found = found.astype(found.dtype.newbyteorder("="))
        if self.zeros:
            return found, found.size - int(np.count_nonzero(found))
        kept = found[found != 0]
        return kept, found.size - kept.size

    def _in_rois(self, block: Box) -> Array | None:
        """Which voxels of the block lie in a region; None for all."""
        if self.rois is None or any(block in roi for roi in self.rois):
            return None
        inside = np.zeros(block.shape, bool)
        for roi in self.rois:
            common = roi & block
            if common.size:
                inside[common.shift([-a for a in block.start]).slices] = True
        return inside


@dataclass(frozen=True)
class Counts(Keyed):
    """How often each key occurs."""

    n: Array

    @staticmethod
    def of(values: Array) -> Counts:
        """Count the values of 8- and 16-bit integers."""
        if values.dtype.kind == "b":
            values = values.view(np.uint8)
        low = -(1 << (8 * values.dtype.itemsize - 1)) if values.dtype.kind == "i" else 0
        counts = np.bincount(values.astype(np.int32) - low)
        (at,) = np.nonzero(counts)
        return Counts(at + low, counts[at])

    @staticmethod
    def empty() -> Counts:
        """Nothing yet."""
        return Counts(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class First(Moments):
    """What the first pass learns: moments and extremes in one row."""

    zeros: Array
    nans: Array
    low_finite: Array
    high_finite: Array

    @staticmethod
    def of(values: Array, zeros: int, nans: int) -> First:
        """Sum up values without NaN."""
        found = moments_of(np.zeros(values.size, np.uint32), np.zeros(1, np.int64), values)
        low, high = found.low, found.high
        if values.dtype.kind == "f" and values.size and not np.isfinite([low[0], high[0]]).all():
            finite = values[np.isfinite(values)]
            low, high = (np.array([f(finite, initial=i)]) for f, i in ((np.min, np.inf), (np.max, -np.inf)))
        return First(
            found.keys, found.size, found.double_sums, found.low, found.high, found.odd,
            np.array([zeros]), np.array([nans]), low, high,
        )  # fmt: skip


def count_values(block: Box, selection: Selection) -> Counts:
    """Count every value of a block; zeros stay in, to be left out at the end."""
    values, _ = replace(selection, zeros=True).read(block)
    return Counts.of(values)


def sum_up(block: Box, selection: Selection) -> First:
    """Sum up one block."""
    values, zeros = selection.read(block)
    kept = _numbers(values)
    return First.of(kept, zeros, values.size - kept.size)


def narrow(block: Box, selection: Selection, edges: Array | None, search: Search | None) -> tuple[Counts, Counts]:
    """Count one block's values into the bins, and into those of the search."""
    from ndlab.measure.kernels.moments import count_bins

    values = _numbers(selection.read(block)[0])
    bins = Counts.empty()
    if edges is not None:
        counts = np.zeros(len(edges) - 1, np.int64)
        count_bins(values if values.dtype.itemsize > 2 else values.astype(np.float32), edges, counts)
        (at,) = np.nonzero(counts)
        bins = Counts(at, counts[at])
    return bins, Counts.empty() if search is None or search.found else Counts(*search.count(values))


def _numbers(values: Array) -> Array:
    some_nan = values.dtype.kind == "f" and values.size and np.isnan(values.min())
    found: Any = values[values == values] if some_nan else values
    return np.ascontiguousarray(found)
