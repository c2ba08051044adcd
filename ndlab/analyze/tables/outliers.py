"""Rows that stand out: Mahalanobis distances from a centre and a covariance that outliers cannot pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.analyze.tables.threads import one_thread
from ndlab.errors import BadRequest

__all__ = ["Outliers", "outliers"]

Array = np.ndarray[Any, Any]
# The search for the tightest half of the rows is made on at most as many; distances are of all.
_SEARCHED = 20_000


@dataclass(frozen=True, eq=False)
class Outliers:
    """How far each row is from the others.

    Parameters
    ----------
    distance : ndarray, shape (m,)
        Robust Mahalanobis distance, in standard deviations.
    plain : ndarray, shape (m,)
        The same from the ordinary mean and covariance.
    cutoff : float
        Distance that a Gaussian row stays within with the probability that was asked.
    is_outlier : ndarray of bool, shape (m,)
    center : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)
    searched : int
        Rows that centre and covariance were searched on.
    """

    distance: Array
    plain: Array
    cutoff: float
    is_outlier: Array
    center: Array
    covariance: Array
    searched: int


def outliers(values: Any, p: float = 0.975, *, seed: int = 0) -> Outliers:
    """Return robust Mahalanobis distances, and which rows are further out than a Gaussian row with probability p.

    Centre and covariance are those of the half of the rows with the least determinant (MCD), made consistent for
    Gaussian rows and reweighted once.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan.
    p : float
        Between 0 and 1; the square of the cutoff is this quantile of chi-square with p degrees of freedom.
    seed : int
        Of the search.

    Raises
    ------
    BadRequest
        If there are too few rows, or columns depend on each other.

    References
    ----------
    Rousseeuw PJ, Van Driessen K (1999). A fast algorithm for the minimum covariance determinant estimator.
    Technometrics 41:212-223.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> rows[:3] = 9
    >>> np.flatnonzero(outliers(rows, 0.99999).is_outlier).tolist()
    [0, 1, 2]
    """
    from scipy.stats import chi2
    from sklearn.covariance import MinCovDet

    array = np.asarray(values, np.float64)
    m, width = array.shape
    if not 0 < p < 1:
        raise BadRequest(f"outliers at p = {p}", "it is a probability", "between 0 and 1, for instance 0.975")
    if m <= 2 * width:
        raise BadRequest(
            f"a robust covariance of {width} columns from {m:,} rows", f"more than {2 * width:,} rows are needed",
            "choose fewer columns, or the first principal components",
        )  # fmt: skip
    _independent(array)
    some = array
    if m > _SEARCHED:
        some = array[np.sort(np.random.default_rng(seed).choice(m, _SEARCHED, replace=False))]
    # Columns of very different size would make determinants that say nothing.
    center, size = np.median(some, axis=0), some.std(axis=0)
    with one_thread():
        try:
            fit = MinCovDet(random_state=seed).fit((some - center) / size)
        except ValueError as error:
            raise _dependent() from error
    if np.linalg.matrix_rank(fit.covariance_) < width:
        raise _dependent()
    covariance = fit.covariance_ * np.outer(size, size)
    middle = center + fit.location_ * size
    distance = _distances(array, middle, covariance)
    cutoff = float(np.sqrt(chi2.ppf(p, width)))
    plain = _distances(array, array.mean(axis=0), np.atleast_2d(np.cov(array.T)))
    return Outliers(distance, plain, cutoff, distance > cutoff, middle, covariance, len(some))


def _distances(array: Array, middle: Array, covariance: Array) -> Array:
    from scipy.linalg import solve_triangular

    white = solve_triangular(np.linalg.cholesky(covariance), (array - middle).T, lower=True)
    return np.asarray(np.sqrt((white**2).sum(axis=0)))


def _independent(array: Array) -> None:
    spread = array.std(axis=0)
    if (spread == 0).any() or np.linalg.matrix_rank((array - array.mean(axis=0)) / spread) < array.shape[1]:
        raise _dependent()


def _dependent() -> BadRequest:
    return BadRequest(
        "a robust covariance", "a column is constant for half of the rows or follows from others", "leave columns out"
    )
