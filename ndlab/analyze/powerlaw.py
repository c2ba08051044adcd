"""The exponent of a power law in the upper tail of whole numbers.

References
----------
Clauset A, Shalizi CR, Newman MEJ (2009). Power-law distributions in empirical data. SIAM Review 51:661-703.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["PowerLaw", "power_law"]

Array = np.ndarray[Any, Any]


class PowerLaw(NamedTuple):
    """A tail in which p(x) falls as x to the power of -alpha."""

    alpha: float
    xmin: int
    tail: int
    distance: float


def power_law(values: Array) -> PowerLaw:
    """Fit a discrete power law to the values from some xmin on, by likelihood.

    xmin is where the fitted law and the values differ least by Kolmogorov and Smirnov's distance.

    Parameters
    ----------
    values : ndarray of int, shape (n,)
        Those below 1 are left out.

    Returns
    -------
    PowerLaw
        ``alpha``, ``xmin``, how many values are in the ``tail``, and the ``distance``.

    Examples
    --------
    >>> values = np.random.default_rng(0).zipf(2.5, 5000)
    >>> round(power_law(values).alpha, 1)
    2.5
    """
    values = np.sort(np.asarray(values)[np.asarray(values) >= 1].astype(np.int64))
    best = PowerLaw(float("nan"), 0, 0, np.inf)
    for xmin in np.unique(values)[:-1].tolist():
        tail = values[np.searchsorted(values, xmin) :]
        alpha = _likeliest(tail, xmin)
        distance = _distance(tail, xmin, alpha)
        if distance < best.distance:
            best = PowerLaw(alpha, xmin, len(tail), distance)
    return best


def _likeliest(tail: Array, xmin: int) -> float:
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    logs = float(np.log(tail).sum())
    found = minimize_scalar(
        lambda a: len(tail) * np.log(zeta(a, xmin)) + a * logs, bounds=(1.0001, 20), method="bounded",
        options={"xatol": 1e-8},
    )  # fmt: skip
    return float(found.x)


def _distance(tail: Array, xmin: int, alpha: float) -> float:
    from scipy.special import zeta

    unique, counts = np.unique(tail, return_counts=True)
    # Between two values the law goes on and the values do not: the gap is widest at a value or just before the next.
    before, upto = (1 - zeta(alpha, unique + more) / zeta(alpha, xmin) for more in (0, 1))
    found = np.cumsum(counts) / len(tail)
    return float(max(np.abs(found - upto).max(), np.abs(np.append(0.0, found[:-1]) - before).max()))
