"""Histogram, mean, deviation, extremes and percentiles of the voxels of a volume: exact, whatever its size and type."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, NmBox
from ndlab.measure import order
from ndlab.measure.blocks import How, Voxels, gather, part, same_space
from ndlab.measure.keyed import Array, merge_keyed
from ndlab.measure.moments import mean_and_std
from ndlab.measure.selection import Counts, First, Selection, count_values, narrow, sum_up
from ndlab.pipeline.progress import ProgressCallback

__all__ = ["Statistics", "statistics"]

Number = int | float
_BINS = 256


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the voxels of a volume, or of a part of it, are like.

    Attributes
    ----------
    count : int
        Voxels that were looked at: inside box, regions and mask, without those left out.
    zeros : int
        Voxels of value 0 that were seen, whether they were left out or not.
    nans : int
        Voxels that are no number; they are always left out.
    mean, std : float
        Mean and standard deviation (of the population); NaN without voxels.
    min, max : int, float or None
        Extremes, of the volume's own type.
    percentiles : dict
        Value for each percentage that was asked for, with linear interpolation as `numpy.percentile` does it.
    counts, edges : ndarray
        Histogram: ``counts[i]`` voxels lie in ``[edges[i], edges[i + 1])``, the last bin closed. For 8- and 16-bit
        integers without `bins` there is one bin for each value of the type.
    rois : tuple of Statistics
        The same of each region of interest on its own.
    """

    count: int
    zeros: int
    nans: int
    mean: float
    std: float
    min: Number | None
    max: Number | None
    percentiles: Mapping[float, float]
    counts: Array = field(repr=False)
    edges: Array = field(repr=False)
    rois: tuple[Statistics, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; what is no number is None."""
        plain = {name: _finite(getattr(self, name)) for name in ("count", "zeros", "nans", "mean", "std", "min", "max")}
        return {
            **plain,
            "percentiles": {f"{p:g}": _finite(v) for p, v in self.percentiles.items()},
            "counts": self.counts.tolist(),
            "edges": self.edges.tolist(),
            "rois": [roi.to_json() for roi in self.rois],
        }


def statistics(
    volume: Voxels,
    *,
    box: Box | NmBox | None = None,
    mask: Voxels | None = None,
    ids: Sequence[int] | None = None,
    rois: Sequence[Box | NmBox] = (),
    zeros: bool = True,
    percentiles: Sequence[float] = (1, 50, 99),
    bins: int | None = None,
    block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Statistics:
    """Describe the voxels of a volume exactly: `Statistics` equal to numpy's of the whole array.

    Nothing is sampled. 8- and 16-bit integers are read once, and everything follows from their full histogram. Other
    types are read once for extremes and moments, and again for each 16 bits in which the extremes differ (floats of
    32 bits: twice more, of 64 bits: up to four times): each pass narrows every percentile down to one of
    65536 parts of where it was, until one value is left. Memory holds a few blocks and 512 KiB for each percentile. The
    result is the same for any block size, order of blocks and scheduler.

    Parameters
    ----------
    volume : Volume or DataArray
        (z, y, x), of any type; a volume with time points or channels is narrowed with `isel` first.
    box : Box or NmBox, optional
        Only these voxels.
    mask : Volume or DataArray, optional
        Over the same voxels as `volume`: only where it is not 0.
    ids : sequence of int, optional
        Only where the mask, a label volume, has one of these ids.
    rois : sequence of Box or NmBox, optional
        Regions of interest, in the array of the volume's level: the result is about the voxels in any of them, each
        counted once, and its `rois` are about each one.
    zeros : bool
        False leaves voxels of value 0 out (the Open Connectome Project's habit: 0 stood for no data).
    percentiles : sequence of float
        0 to 100.
    bins : int, optional
        Bins of equal width between the extremes. Without it one for each value of 8- and 16-bit integers, else 256.
    block, workers, client, progress
        As for `regions`.

    Raises
    ------
    BadRequest
        If a percentage is not 0 to 100, or the mask lies elsewhere.
    RunFailed
        If blocks could not be read; it lists them.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> found = statistics(toy().volume("image"), mask=toy().volume("mask"))
    >>> found.count, found.min, found.max, {p: found.percentiles[p] for p in (1, 50)}
    (6400, 30, 210, {1: 70.0, 50: 120.0})
    >>> upper, lower = Box((0, 0, 0), (5, 7, 30)), Box((0, 9, 0), (5, 14, 30))
    >>> dendrites = statistics(toy().volume("image"), rois=[upper, lower])
    >>> dendrites.count, [roi.count for roi in dendrites.rois]
    (1800, [1050, 750])
    """
    wrong = [p for p in percentiles if not 0 <= p <= 100]
    if wrong or (bins is not None and bins < 1):
        raise BadRequest(f"percentiles {wrong} and bins={bins}", "percentages are 0 to 100, and bins at least 1")
    if ids is not None and mask is None:
        raise BadRequest(f"ids={list(ids)} without a mask", "ids pick labels of the mask", "pass mask=labels too")
    view = part(volume, box)
    over, shift = None if mask is None else part(mask), (0, 0, 0)
    if over is not None:
        whole = part(volume)
        same_space(whole, over, "mask")
        z, y, x = (b - a for a, b in zip(whole.box.start, over.box.start, strict=True))
        shift = (z, y, x)
    chosen = None if ids is None else np.unique(np.asarray(ids))
    boxes = [part(volume, roi).box & view.box for roi in rois]
    asked = _Asked(tuple(percentiles), bins, block, How(workers, client, progress).near(view, over))
    every = Selection(view, over, shift, chosen, zeros, tuple(boxes) if boxes else None)
    each = tuple(_describe(replace(every, view=view.boxed(one), rois=None), asked) for one in boxes)
    return replace(each[0] if len(each) == 1 else _describe(every, asked), rois=each)


@dataclass(frozen=True)
class _Asked:
    percentiles: tuple[float, ...]
    bins: int | None
    block: int | Sequence[int] | None
    how: How


def _describe(selection: Selection, asked: _Asked) -> Statistics:
    kind = selection.view.dtype
    if kind.kind in "bui" and kind.itemsize <= 2:
        return _from_counts(selection, asked)
    return _from_passes(selection, asked)


def _from_counts(selection: Selection, asked: _Asked) -> Statistics:
    """Derive everything from how often each value occurs."""
    table = gather("statistics", count_values, selection.view, {"selection": selection}, asked.block, merge_keyed,
                   Counts.empty(), asked.how)  # fmt: skip
    zeros = int(table.n[table.keys == 0].sum())
    kept = np.ones(len(table.keys), bool) if selection.zeros else table.keys != 0
    values, counts = table.keys[kept], table.n[kept]
    ranks = _ranks(int(counts.sum()), asked.percentiles)
    ends = np.cumsum(counts)
    at = {rank: int(values[np.searchsorted(ends, rank, side="right")]) for rank in ranks}
    n = int(counts.sum())
    total = sum(v * c for v, c in zip(values.tolist(), counts.tolist(), strict=True))
    squares = sum(v * v * c for v, c in zip(values.tolist(), counts.tolist(), strict=True))
    mean = float(Fraction(total, n)) if n else math.nan
    std = math.sqrt(Fraction(n * squares - total * total, n * n)) if n else math.nan
    low, high = (int(values[0]), int(values[-1])) if n else (None, None)
    if asked.bins is None:
        first, last = _limits(selection.view.dtype)
        edges = np.arange(first, last + 2)
        filled = np.zeros(len(edges) - 1, np.int64)
        filled[values - first] = counts
    else:
        edges = _edges(low, high, asked.bins)
        filled = np.zeros(asked.bins, np.int64)
        np.add.at(filled, np.clip(np.searchsorted(edges, values, side="right") - 1, 0, asked.bins - 1), counts)
    found = _interpolated(n, asked.percentiles, at)
    return Statistics(n, zeros, 0, mean, std, low, high, found, filled, edges)


def _from_passes(selection: Selection, asked: _Asked) -> Statistics:
    """Take extremes and moments first; then narrow the percentiles down, and count the bins on the way."""
    kind = selection.view.dtype.newbyteorder("=")
    first = gather("statistics", sum_up, selection.view, {"selection": selection}, asked.block, merge_keyed,
                   First.of(np.empty(0, kind), 0, 0), asked.how)  # fmt: skip
    n = int(first.size[0])
    (mean,), (std,) = mean_and_std(first)
    low, high = (first.low[0].item(), first.high[0].item()) if n else (None, None)
    bins = asked.bins or _BINS
    edges = _edges(first.low_finite[0].item(), first.high_finite[0].item(), bins) if n else _edges(None, None, bins)
    ranks = _ranks(n, asked.percentiles)
    search = order.Search.between(ranks, first.low[0], first.high[0], kind) if ranks else None
    filled = np.zeros(bins, np.int64)
    counted = not n
    while not counted or (search is not None and not search.found):
        params = {"selection": selection, "edges": None if counted else edges, "search": search}
        parts = gather("statistics", narrow, selection.view, params, asked.block, _merge_both,
                       (Counts.empty(), Counts.empty()), asked.how)  # fmt: skip
        if not counted:
            filled[parts[0].keys] = parts[0].n
        if search is not None and not search.found:
            search = search.narrowed(parts[1].keys, parts[1].n)
        counted = True
    at = {} if search is None else search.values(kind)
    found = _interpolated(n, asked.percentiles, at)
    return Statistics(
        n, int(first.zeros[0]), int(first.nans[0]), float(mean), float(std), low, high, found, filled, edges
    )


def _merge_both(a: tuple[Counts, Counts], b: tuple[Counts, Counts]) -> tuple[Counts, Counts]:
    return merge_keyed(a[0], b[0]), merge_keyed(a[1], b[1])


def _ranks(n: int, percentiles: Sequence[float]) -> list[int]:
    """Return the ranks, counted from 0, between which the percentiles of n sorted values lie."""
    if not n:
        return []
    places = [(n - 1) * (p / 100) for p in percentiles]
    return sorted({r for place in places for r in (math.floor(place), min(n - 1, math.floor(place) + 1))})


def _interpolated(n: int, percentiles: Sequence[float], at: Mapping[int, Number]) -> dict[float, float]:
    """Interpolate as numpy does, so that the result is monotone."""
    found: dict[float, float] = {}
    for p in percentiles:
        if not n:
            found[p] = math.nan
            continue
        place = (n - 1) * (p / 100)
        k = math.floor(place)
        a, b, t = at[k], at[min(n - 1, k + 1)], place - k
        between = 0.0 if a == b else b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t
        found[p] = float(a if a == b or t == 0 else between)
    return found


def _edges(low: Number | None, high: Number | None, bins: int) -> Array:
    """Edges of bins of equal width, as `numpy.histogram` chooses them."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0, 1
    first, last = float(low), float(high)
    if first == last:
        half = max(0.5, float(np.spacing(abs(first))))
        first, last = first - half, last + half
    # Halves, because the distance between the largest doubles is none.
    scale = 1.0 if math.isfinite(last - first) else 2.0
    found: Array = np.linspace(first / scale, last / scale, bins + 1) * scale
    return found


def _limits(kind: np.dtype[Any]) -> tuple[int, int]:
    if kind.kind == "b":
        return 0, 1
    info: Any = np.iinfo(kind)
    return int(info.min), int(info.max)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
