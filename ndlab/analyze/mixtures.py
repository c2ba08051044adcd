"""Clusters of places: mixtures of Gaussians, their number by BIC."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["gaussian_clusters"]

Array = np.ndarray[Any, Any]


def gaussian_clusters(
    places: Array, clusters: int | None, most: int, seed: int, fitted: int | None = None
) -> tuple[Array, Array]:
    """Return the cluster of each place (n, dim), and the BIC of each number tried, larger being better.

    Parameters
    ----------
    places : ndarray, shape (n, dim)
    clusters : int or None
        None takes the number from 1 to `most` of the best BIC.
    most, seed : int
    fitted : int, optional
        Fit to as many of the places at most, taken by chance; all are assigned.

    Raises
    ------
    BadRequest
        If there are fewer different places than clusters.
    """
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    some = places
    if fitted is not None and len(places) > fitted:
        some = places[np.random.default_rng(seed).choice(len(places), fitted, replace=False)]
    distinct = len(np.unique(some, axis=0))
    if clusters is not None and not 1 <= clusters <= distinct:
        raise BadRequest(f"{clusters} clusters", f"{len(places):,} nodes have {distinct:,} different places")
    counts = [clusters] if clusters is not None else range(1, min(most, distinct) + 1)
    least = 1e-6 * max(float(places.var()), 1e-12)
    with threadpool_limits(1):  # The matrices are tiny: threads would only wait for each other.
        fits = [GaussianMixture(k, n_init=3, random_state=seed, reg_covar=least).fit(some) for k in counts]
    bic = np.array([-fit.bic(some) for fit in fits])
    labels: Array = fits[int(np.argmax(bic))].predict(places)
    return labels, bic
