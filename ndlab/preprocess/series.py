"""What changes from section to section: tissue, which changes slowly, and exposure, which is new in each section.

A series along z is taken as the sum of both: tissue with an exponential autocorrelation, exposure that is white.
Cosines along z part the two, since there both are independent from frequency to frequency.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["fit", "length_of", "smooth", "spectrum"]

Array = np.ndarray[Any, Any]
_FEWEST = 4
"""Sections below which nothing can be said about how they vary."""


def spectrum(n: int, length: float) -> Array:
    """Variances of the cosines of a unit series of `n` sections that forgets itself over `length` sections."""
    r = np.exp(-1.0 / length)
    w = np.pi * np.arange(n) / n
    found: Array = (1 - r * r) / (1 - 2 * r * np.cos(w) + r * r)
    return found


def length_of(series: Array) -> float:
    """Sections over which tissue forgets itself, from how neighbours differ; columns are independent series."""
    if len(series) < _FEWEST:
        return 2.0
    d = series - series.mean(0)
    total = max(float(d.var(0, ddof=1).mean()), 1e-12)
    step = float((np.diff(d, axis=0) ** 2).mean()) / 2
    return max(2.0, -1.0 / float(np.log(np.clip(1 - step / total, 0.05, 0.97))))


def fit(series: Array, length: float, most: float = np.inf) -> tuple[float, float]:
    """Return the variances of exposure and of tissue in series (z, columns) by maximum likelihood.

    The mean along z is left out. `most` bounds the variance of tissue: over few sections a white series may look like
    one that drifts, and finer detail, which exposure does not touch, says how much tissue can vary.
    """
    from scipy.fft import dct

    if len(series) < _FEWEST:
        return 0.0, float(min(most, 1e-6 + series.var()))
    power = (dct(series, axis=0, norm="ortho")[1:] ** 2).mean(1)
    shape = spectrum(len(series), length)[1:]
    total = float(power.mean()) + 1e-12
    white = np.r_[1e-6, np.geomspace(1e-3, 2, 40)] * total
    slow = np.r_[1e-4, np.geomspace(1e-3, 1, 40)] * min(most, 8 * total / float(shape.mean()))
    variance = white[:, None, None] + slow[None, :, None] * shape
    cost = (np.log(variance) + power / variance).sum(2)
    i, j = np.unravel_index(int(cost.argmin()), cost.shape)
    return float(white[i]), float(slow[j])


def smooth(series: Array, length: float, white: float, slow: float) -> Array:
    """Return what of the series (z, columns) is tissue, given the variances of both."""
    from scipy.fft import dct, idct

    if len(series) < _FEWEST:
        return series.copy()
    part = slow * spectrum(len(series), length)
    keep = part / (part + white + 1e-12)
    keep[0] = 1.0
    found: Array = idct(keep[:, None] * dct(series, axis=0, norm="ortho"), axis=0, norm="ortho")
    return found
