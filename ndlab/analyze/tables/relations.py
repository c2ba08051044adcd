"""How columns go together, and how far rows are from each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.analyze.tables.matrix import scaled
from ndlab.errors import BadRequest, TooLarge

__all__ = ["CORRELATIONS", "METRICS", "correlation", "distances"]

Array = np.ndarray[Any, Any]
CORRELATIONS = ("pearson", "spearman")
METRICS = ("euclidean", "cityblock", "chebyshev", "cosine", "correlation")
_MOST_ROWS = 5_000


def correlation(values: Any, how: str = "pearson") -> Array:
    """Return the correlation of each two columns, shape (p, p), over the rows that have both; nan for a constant one.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Missing values are nan.
    how : {"pearson", "spearman"}
        Of the values, or of their ranks.

    Examples
    --------
    >>> correlation([[1.0, 2.0], [2.0, 4.0], [3.0, 6.5]]).round(3).tolist()
    [[1.0, 0.998], [0.998, 1.0]]
    """
    array = np.asarray(values, np.float64)
    if how not in CORRELATIONS:
        raise BadRequest(f"the correlation {how!r}", f"there is {', '.join(CORRELATIONS)}")
    if how == "pearson" and not np.isnan(array).any():
        centred = array - array.mean(axis=0)
        size = np.sqrt((centred**2).sum(axis=0))
        # What rounding leaves of a constant is no variation.
        size[size <= 1e-12 * np.sqrt(len(array)) * np.abs(array).max(axis=0, initial=0)] = np.nan
        found = (centred / size).T @ (centred / size)
    else:
        import pandas as pd

        found = pd.DataFrame(array).corr(how).to_numpy(copy=True)  # type: ignore[arg-type]
    return np.asarray(np.clip(found, -1, 1))


def distances(values: Any, metric: str = "euclidean", scaling: str = "raw") -> Array:
    """Return how far each two rows are from each other, shape (m, m).

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan. For distances of columns pass the transpose.
    metric : {"euclidean", "cityblock", "chebyshev", "cosine", "correlation"}
    scaling : {"raw", "z", "unit", "rank"}
        Of the columns, first; see `scaled`.

    Raises
    ------
    TooLarge
        Beyond 5,000 rows.

    Examples
    --------
    >>> distances([[0.0, 0.0], [3.0, 4.0]]).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    from scipy.spatial.distance import pdist, squareform

    array = scaled(values, scaling)
    if metric not in METRICS:
        raise BadRequest(f"the distance {metric!r}", f"there is {', '.join(METRICS)}")
    if len(array) > _MOST_ROWS:
        raise TooLarge(
            f"distances of each two of {len(array):,} rows", f"{_MOST_ROWS:,} at most", "take a sample of the rows"
        )
    return np.asarray(squareform(pdist(array, metric)))
