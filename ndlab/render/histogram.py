"""Histograms to set a window by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.render.sample import SAMPLE_VOXELS, finite, sample
from ndlab.volume import Volume

__all__ = ["Histogram", "histogram"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often values occur in what was looked at.

    Attributes
    ----------
    counts, edges : ndarray
        ``counts[i]`` voxels lie in ``[edges[i], edges[i + 1])``, the last bin closed.
    percentiles : mapping of float to float
        Value for each percentage, with linear interpolation as `numpy.percentile` does it; NaN without voxels.
    level : int
        Level that was looked at.
    whole : bool
        Whether all of its voxels were, or pieces spread over it.
    voxels : int
        Voxels that count.
    """

    counts: Array = field(repr=False)
    edges: Array = field(repr=False)
    percentiles: Mapping[float, float]
    level: int
    whole: bool
    voxels: int

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; a percentile of no voxels is None."""
        return {
            "counts": self.counts.tolist(),
            "edges": self.edges.tolist(),
            "percentiles": {f"{p:g}": v if math.isfinite(v) else None for p, v in self.percentiles.items()},
            "level": self.level,
            "whole": self.whole,
            "voxels": self.voxels,
        }


def histogram(
    volume: Volume,
    t: int = 0,
    c: int | str = 0,
    *,
    bins: int = 256,
    percentiles: Sequence[float] = (1, 50, 99),
    zeros: bool = True,
    voxels: int = SAMPLE_VOXELS,
) -> Histogram:
    """Histogram and percentiles of one channel at the coarsest level, for a window.

    It is an estimate, made in bounded time: a coarse level averages noise away, and of a large one only pieces are
    read. The exact numbers of every voxel are `ndlab.measure.statistics`.

    Parameters
    ----------
    volume : Volume
    t, c : int, or str for a channel's name
        Time point and channel, counted in the view.
    bins : int
        At most so many bins from the least to the greatest value; of whole numbers each bin holds equally many.
    percentiles : sequence of float
        Each 0 to 100.
    zeros : bool
        Whether voxels of value 0 count; NaN and infinities never do.
    voxels : int
        Voxels that are looked at, at most.

    Examples
    --------
    >>> vol = Volume.from_array(np.arange(1001, dtype="u2").reshape(1, 7, 143), voxel_size=(40, 4, 4))
    >>> found = histogram(vol, bins=4)
    >>> found.counts.tolist(), found.edges.tolist(), found.percentiles[99]
    ([251, 251, 251, 248], [0.0, 251.0, 502.0, 753.0, 1004.0], 990.0)
    """
    if bins < 1 or not all(0 <= p <= 100 for p in percentiles):
        raise BadRequest(f"{bins} bins, percentiles {tuple(percentiles)}",
                         "there is at least one bin, and percentiles are 0 to 100")  # fmt: skip
    seen = sample(volume, t, c, voxels)
    known = finite(seen.values)
    known = known if zeros else known[known != 0]
    edges = _edges(known, bins, seen.values.dtype.kind in "biu")
    found = np.percentile(known, percentiles) if known.size else np.full(len(percentiles), np.nan)
    return Histogram(
        np.histogram(known, edges)[0],
        edges,
        {float(p): float(v) for p, v in zip(percentiles, found, strict=True)},
        seen.level,
        seen.whole,
        known.size,
    )


def _edges(known: Array, bins: int, whole_numbers: bool) -> Array:
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    if not whole_numbers:
        return np.linspace(low, high if high > low else low + 1, bins + 1)
    # Bins of unequally many whole numbers would show as a comb.
    width = math.ceil((high - low + 1) / bins)
    edges: Array = low + width * np.arange(math.ceil((high - low + 1) / width) + 1.0)
    return edges
