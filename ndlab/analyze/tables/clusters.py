"""Rows that belong together: k-means, mixtures with their number by BIC, and trees of merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.analyze.mixtures import gaussian_clusters
from ndlab.analyze.tables.threads import one_thread
from ndlab.errors import BadRequest, TooLarge

__all__ = ["LINKS", "KMeans", "MergeTree", "Mixture", "kmeans", "merge_tree", "mixture", "within_curve"]

Array = np.ndarray[Any, Any]
LINKS = ("ward", "average", "complete", "single")
_MOST_ROWS = 10_000
# A mixture is fitted to at most as many rows; all are assigned.
_FITTED = 20_000


@dataclass(frozen=True, eq=False)
class KMeans:
    """Clusters about means.

    Parameters
    ----------
    labels : ndarray of int64, shape (m,)
        0 for the largest cluster.
    means : ndarray, shape (k, p)
    within : float
        Sum of squared distances from the means.
    """

    labels: Array
    means: Array
    within: float


def kmeans(values: Any, k: int, *, seed: int = 0, starts: int = 10) -> KMeans:
    """Return the k clusters with the least squares about their means, of several starts.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan.
    k : int
    seed, starts : int

    Raises
    ------
    BadRequest
        If there are fewer different rows than clusters.

    Examples
    --------
    >>> kmeans([[0.0], [0.2], [0.4], [5.0], [5.2]], 2).labels.tolist()
    [0, 0, 0, 1, 1]
    """
    from sklearn.cluster import KMeans as Fit

    array = np.asarray(values, np.float64)
    _enough(array, k)
    with one_thread():
        fit = Fit(k, n_init=starts if len(array) < 200_000 else 1, random_state=seed).fit(array)
    labels, order = _by_size(fit.labels_)
    return KMeans(labels, fit.cluster_centers_[order], float(fit.inertia_))


def within_curve(values: Any, most: int = 20, *, seed: int = 0) -> Array:
    """Return the sum of squares within clusters for 1 to `most` of them, shape (most,); fewer where rows are alike.

    Examples
    --------
    >>> within_curve([[0.0], [0.0], [4.0], [4.0]], 4).tolist()
    [16.0, 0.0]
    """
    array = np.asarray(values, np.float64)
    most = min(most, len(np.unique(array[:100_000], axis=0)))
    return np.array([kmeans(array, k, seed=seed, starts=5).within for k in range(1, most + 1)])


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of Gaussians.

    Parameters
    ----------
    labels : ndarray of int64, shape (m,)
        0 for the largest cluster.
    bic : ndarray
        Of each number of clusters that was tried; the largest was taken.
    counts : list of int
        Those numbers.
    """

    labels: Array
    bic: Array
    counts: list[int]


def mixture(values: Any, k: int | None = None, *, most: int = 10, seed: int = 0) -> Mixture:
    """Return clusters as Gaussians of any shape, and how many there are by BIC.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan.
    k : int, optional
        By default that of 1 to `most` with the largest BIC, in mclust's sign.
    most, seed : int

    References
    ----------
    Fraley C, Raftery AE (2002). Model-based clustering, discriminant analysis, and density estimation. J Am Stat Assoc
    97:611-631.
    """
    array = np.asarray(values, np.float64)
    if k is not None:
        _enough(array, k)
    counts = [k] if k is not None else list(range(1, most + 1))
    labels, bic = gaussian_clusters(array, k, most, seed, _FITTED)
    return Mixture(_by_size(labels)[0], bic, counts[: len(bic)])


@dataclass(frozen=True, eq=False)
class MergeTree:
    """A tree of merges, as scipy and R have it.

    Parameters
    ----------
    links : ndarray, shape (m - 1, 4)
        The two that merge (rows below m, earlier merges from m on), at which height, and how many rows that has.
    order : ndarray of int64, shape (m,)
        Rows from left to right, so that no branches cross.
    """

    links: Array
    order: Array

    def cut(self, k: int) -> Array:
        """Return the cluster of each row where the tree has k branches, 0 for the largest."""
        from scipy.cluster.hierarchy import fcluster

        if not 1 <= k <= len(self.order):
            raise BadRequest(f"{k} branches", f"the tree has {len(self.order):,} rows")
        return _by_size(fcluster(self.links, k, "maxclust") - 1)[0]


def merge_tree(values: Any, link: str = "ward", metric: str = "euclidean") -> MergeTree:
    """Return the tree in which the two nearest clusters merge, again and again.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan.
    link : {"ward", "average", "complete", "single"}
        What near means of two clusters; Ward's is that of R's ``ward.D2``.
    metric : str
        Of two rows, see `distances`.

    Raises
    ------
    TooLarge
        Beyond 10,000 rows.

    Examples
    --------
    >>> merge_tree([[0.0], [1.0], [5.0]], "single").links[:, 2].tolist()
    [1.0, 4.0]
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    array = np.asarray(values, np.float64)
    if link not in LINKS:
        raise BadRequest(f"the link {link!r}", f"there is {', '.join(LINKS)}")
    if len(array) > _MOST_ROWS:
        raise TooLarge(f"a tree of {len(array):,} rows", f"{_MOST_ROWS:,} at most", "take a sample of the rows")
    if len(array) < 2:
        return MergeTree(np.zeros((0, 4)), np.arange(len(array)))
    links = linkage(array, link, metric)
    return MergeTree(links, leaves_list(links).astype(np.int64))


def _enough(array: Array, k: int) -> None:
    distinct = len(np.unique(array, axis=0)) if len(array) < 100_000 else len(array)
    if not 1 <= k <= distinct:
        raise BadRequest(f"{k} clusters", f"{len(array):,} rows have {distinct:,} different places")


def _by_size(labels: Array) -> tuple[Array, Array]:
    """Return clusters numbered by size, the largest 0, and which number each had."""
    counts = np.bincount(labels)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    rank = np.zeros(len(counts), np.int64)
    rank[order] = np.arange(len(order))
    return rank[labels], order
