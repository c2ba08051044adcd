"""Few dimensions for many columns: principal components, and maps that keep neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.analyze.embedding import elbow
from ndlab.analyze.tables.matrix import scaled
from ndlab.analyze.tables.threads import one_thread
from ndlab.errors import BadRequest, TooLarge, Unsupported

__all__ = ["MAPS", "Components", "neighbour_map", "principal_components"]

Array = np.ndarray[Any, Any]
MAPS = ("tsne", "umap")
_MOST_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components.

    Parameters
    ----------
    scores : ndarray, shape (m, k)
        The rows along the components; the largest loading of each is positive.
    loadings : ndarray, shape (p, k)
    variances : ndarray, shape (k,)
        Descending; they sum to that of the columns.
    elbow : int
        How many stand out, by profile likelihood.
    """

    scores: Array
    loadings: Array
    variances: Array
    elbow: int

    @property
    def share(self) -> Array:
        """Of the variance, shape (k,)."""
        total = self.variances.sum()
        return np.asarray(self.variances / (total if total > 0 else 1.0))


def principal_components(values: Any, scaling: str = "raw") -> Components:
    """Return all principal components of columns, about their means.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan.
    scaling : {"raw", "z", "unit", "rank"}
        ``"z"`` gives those of the correlation matrix.

    Raises
    ------
    BadRequest
        If there are fewer than two rows.

    Examples
    --------
    >>> found = principal_components([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> found.variances.round(6).tolist(), found.scores[:, 0].round(3).tolist()
    ([2.0, 0.0], [-1.414, 0.0, 1.414])
    """
    array = scaled(values, scaling)
    if len(array) < 2:
        raise BadRequest(f"principal components of {len(array)} rows", "two at least are needed")
    centred = array - array.mean(axis=0)
    # Through the covariance: as many numbers as columns squared, however many rows there are.
    with one_thread():
        variances, loadings = np.linalg.eigh(np.atleast_2d(centred.T @ centred) / (len(array) - 1))
    order = np.argsort(-variances)[: min(len(array) - 1, array.shape[1])]
    variances, loadings = np.clip(variances[order], 0, None), loadings[:, order]
    sign = np.sign(loadings[np.abs(loadings).argmax(axis=0), np.arange(len(order))])
    loadings = loadings * np.where(sign == 0, 1, sign)
    return Components(centred @ loadings, loadings, variances, elbow(variances))


def neighbour_map(
    values: Any, method: str = "tsne", *, dim: int = 2, scaling: str = "z", neighbours: float = 30, seed: int = 0
) -> Array:
    """Return places in a plane at which near rows are near; far apart means nothing.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan.
    method : {"tsne", "umap"}
        UMAP needs the package umap-learn.
    dim : {2, 3}
    scaling : {"raw", "z", "unit", "rank"}
    neighbours : float
        How many each row keeps near, about: the perplexity of t-SNE.
    seed : int

    Returns
    -------
    ndarray of float64, shape (m, dim)

    Raises
    ------
    TooLarge
        Beyond 20,000 rows.
    Unsupported
        Where umap-learn is not installed.

    References
    ----------
    van der Maaten L, Hinton G (2008). Visualizing data using t-SNE. J Mach Learn Res 9:2579-2605.
    """
    array = scaled(values, scaling)
    if method not in MAPS:
        raise BadRequest(f"the map {method!r}", f"there is {', '.join(MAPS)}")
    if len(array) > _MOST_ROWS:
        raise TooLarge(f"{method} of {len(array):,} rows", f"{_MOST_ROWS:,} at most", "take a sample of the rows")
    if len(array) < 4:
        raise BadRequest(f"{method} of {len(array)} rows", "four at least are needed")
    near = float(np.clip(neighbours, 1, (len(array) - 1) / 3))
    if method == "umap":
        return _umap(array, dim, near, seed)
    from sklearn.manifold import TSNE

    with one_thread():
        found = TSNE(dim, perplexity=near, init="pca", random_state=seed, n_jobs=1).fit_transform(array)
    return np.asarray(found, np.float64)


def _umap(array: Array, dim: int, near: float, seed: int) -> Array:
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        raise Unsupported(
            "a map by UMAP", "umap-learn is not installed", 'pip install umap-learn, or take "tsne"', feature="umap"
        ) from error
    found = UMAP(n_components=dim, n_neighbors=max(2, round(near)), random_state=seed, n_jobs=1).fit_transform(array)
    return np.asarray(found, np.float64)
