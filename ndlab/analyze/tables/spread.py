"""How the values of a column are spread: bins, smooth densities, and the five numbers of a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["Spread", "bandwidth", "bin_edges", "density", "spread"]

Array = np.ndarray[Any, Any]
_MOST_BINS = 200
# Beyond as many points a density is that of their counts on a fine grid.
_GRID = 4096


def bin_edges(values: Any, bins: int | None = None) -> Array:
    """Return edges of bins over the finite values, shape (bins + 1,).

    Parameters
    ----------
    values : ndarray
    bins : int, optional
        By default as many as Freedman and Diaconis's width gives, from 5 to 200; for whole numbers of a short range one
        for each.

    References
    ----------
    Freedman D, Diaconis P (1981). On the histogram as a density estimator: L2 theory. Z Wahrscheinlichkeitstheorie
    57:453-476.

    Examples
    --------
    >>> bin_edges([0, 1, 1, 3]).tolist()
    [-0.5, 0.5, 1.5, 2.5, 3.5]
    """
    array = _finite(values)
    if bins is not None and bins < 1:
        raise BadRequest(f"{bins} bins", "one at least is needed")
    if not len(array):
        return np.array([0.0, 1.0])
    low, high = float(array.min()), float(array.max())
    if bins is None and high - low <= 50 and (array == np.round(array)).all():
        return np.arange(low, high + 2) - 0.5
    if low == high:
        half = max(0.5, abs(low) / 2)
        return np.linspace(low - half, high + half, (bins or 1) + 1)
    if bins is None:
        q1, q3 = np.quantile(array, [0.25, 0.75])
        width = 2 * (q3 - q1) / np.cbrt(len(array)) or (high - low) / (np.log2(len(array)) + 1)
        bins = int(np.clip(np.ceil((high - low) / width), 5, _MOST_BINS))
    return np.linspace(low, high, bins + 1)


def bandwidth(values: Any) -> float:
    """Return Silverman's width of a Gaussian kernel, 0.9 min(sd, IQR / 1.34) n^(-1/5), as R's ``bw.nrd0``."""
    array = _finite(values)
    if len(array) < 2:
        return 1.0
    sd = float(array.std(ddof=1))
    q1, q3 = np.quantile(array, [0.25, 0.75])
    low = min(sd, float(q3 - q1) / 1.34) or sd or abs(float(array[0])) or 1.0
    return float(0.9 * low * len(array) ** -0.2)


def density(values: Any, at: Any, width: float | None = None) -> Array:
    """Return a Gaussian kernel density of the finite values [1 / unit of the values], shape of `at`.

    Beyond 4,096 values it is that of their counts on a grid of as many places, shared between neighbours by distance.

    Parameters
    ----------
    values : ndarray
    at : ndarray
        Where.
    width : float, optional
        Standard deviation of the kernel; `bandwidth` of the values unless given.

    References
    ----------
    Silverman BW (1986). Density estimation for statistics and data analysis. Chapman and Hall, p. 48.
    """
    array, at = _finite(values), np.asarray(at, np.float64)
    width = bandwidth(array) if width is None else width
    if not len(array):
        return np.zeros(at.shape)
    weights = np.ones(len(array))
    if len(array) > _GRID and array.min() < array.max():
        array, weights = _gridded(array)
    found = np.zeros(at.shape)
    for start in range(0, len(array), 1024):
        part = slice(start, start + 1024)
        apart = (at[..., None] - array[part]) / width
        found += (np.exp(-0.5 * apart**2) * weights[part]).sum(axis=-1)
    return np.asarray(found / (weights.sum() * width * np.sqrt(2 * np.pi)))


def _gridded(array: Array) -> tuple[Array, Array]:
    places = np.linspace(array.min(), array.max(), _GRID)
    where = (array - places[0]) / (places[1] - places[0])
    left = np.minimum(where.astype(np.int64), _GRID - 2)
    share = where - left
    counts = np.bincount(left, 1 - share, _GRID) + np.bincount(left + 1, share, _GRID)
    return places, counts


@dataclass(frozen=True, eq=False)
class Spread:
    """The values of one class.

    Parameters
    ----------
    count : int
        Of finite values.
    mean, sd, error : float
        Error is the standard error of the mean, sd / √n.
    quartiles : tuple of float
        25, 50 and 75 %.
    whiskers : tuple of float
        The values furthest out within 1.5 times the box's height of it (Tukey).
    outside : ndarray of int64
        Which of the values lie beyond the whiskers.
    """

    count: int
    mean: float
    sd: float
    error: float
    quartiles: tuple[float, float, float]
    whiskers: tuple[float, float]
    outside: Array


def spread(values: Any) -> Spread:
    """Return mean, standard error, quartiles and whiskers of the finite values.

    Examples
    --------
    >>> found = spread([1.0, 2.0, 3.0, 4.0, 100.0])
    >>> found.quartiles, found.whiskers, found.outside.tolist()
    ((2.0, 3.0, 4.0), (1.0, 4.0), [4])
    """
    array = np.asarray(values, np.float64).ravel()
    there = np.isfinite(array)
    some = array[there]
    if not len(some):
        nan = float("nan")
        return Spread(0, nan, nan, nan, (nan, nan, nan), (nan, nan), np.zeros(0, np.int64))
    q1, q2, q3 = (float(one) for one in np.quantile(some, [0.25, 0.5, 0.75]))
    reach = 1.5 * (q3 - q1)
    inside = some[(some >= q1 - reach) & (some <= q3 + reach)]
    sd = float(some.std(ddof=1)) if len(some) > 1 else float("nan")
    ends = (float(inside.min()), float(inside.max()))
    outside = np.flatnonzero(there & ((array < ends[0]) | (array > ends[1])))
    return Spread(len(some), float(some.mean()), sd, sd / float(np.sqrt(len(some))), (q1, q2, q3), ends, outside)


def _finite(values: Any) -> Array:
    array = np.asarray(values, np.float64).ravel()
    return array[np.isfinite(array)]
