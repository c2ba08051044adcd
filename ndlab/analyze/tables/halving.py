"""A tree that halves the rows again and again, and stops where two groups explain no more than one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.analyze.tables.threads import one_thread
from ndlab.errors import BadRequest

__all__ = ["SPLITS", "Branch", "halving_tree", "tree_labels"]

Array = np.ndarray[Any, Any]
SPLITS = ("means", "mixture")


@dataclass(frozen=True, eq=False)
class Branch:
    """Rows that belong together, and the two groups that they fall into.

    Parameters
    ----------
    rows : ndarray of int64
        Of the values that the tree was made of.
    mean : ndarray, shape (p,)
    gain : float
        BIC of two Gaussians less that of one; the branch was split where it is above 0. nan where none was tried.
    parts : tuple of Branch
        Two, the larger first; empty for a leaf.
    name : str
        ``"1"`` for all rows, ``"1.1"`` and ``"1.2"`` for its parts.
    """

    rows: Array
    mean: Array
    gain: float
    parts: tuple[Branch, ...]
    name: str

    @property
    def leaves(self) -> list[Branch]:
        """The groups that are not split, from left to right."""
        return [self] if not self.parts else [leaf for part in self.parts for leaf in part.leaves]

    @property
    def depth(self) -> int:
        """How often it was split at most."""
        return 0 if not self.parts else 1 + max(part.depth for part in self.parts)

    def __iter__(self) -> Iterator[Branch]:
        yield self
        for part in self.parts:
            yield from part

    def __repr__(self) -> str:
        return f"Branch {self.name} of {len(self.rows):,} rows, {len(self.leaves)} leaves"


def halving_tree(
    values: Any, *, split: str = "means", depth: int = 6, least: int | None = None, seed: int = 0
) -> Branch:
    """Return a tree of groups: each is halved as long as two Gaussians have the better BIC.

    Parameters
    ----------
    values : ndarray, shape (m, p)
        Without nan.
    split : {"means", "mixture"}
        Two means, each half with a Gaussian of its own; or a mixture of two Gaussians begun there.
    depth : int
        Halvings of halves at most.
    least : int, optional
        Rows that a group has at least; by default 2 (p + 1), but 5 at least.
    seed : int

    Returns
    -------
    Branch
        Of all rows.

    Raises
    ------
    BadRequest
        If `split` is unknown.

    References
    ----------
    Pelleg D, Moore A (2000). X-means: extending k-means with efficient estimation of the number of clusters. Proc 17th
    ICML, 727-734. Here each half has a full covariance, of which a part in a million of the variance is kept at least;
    with fewer than 5 p rows in it a diagonal one.

    Examples
    --------
    >>> import numpy as np
    >>> chance = np.random.default_rng(0)
    >>> places = np.concatenate([chance.normal(at, 1, (50, 2)) for at in (0, 9, 30)])
    >>> sorted(len(leaf.rows) for leaf in halving_tree(places).leaves)
    [50, 50, 50]
    """
    array = np.asarray(values, np.float64)
    if split not in SPLITS:
        raise BadRequest(f"the split {split!r}", f"there is {', '.join(SPLITS)}")
    if array.ndim != 2 or not len(array):
        raise BadRequest(f"a tree of values of shape {array.shape}", "rows and columns are needed, one row at least")
    least = max(5, 2 * (array.shape[1] + 1)) if least is None else max(2, least)
    floor = 1e-6 * max(float(array.var(axis=0).mean()), 1e-300)
    with one_thread():
        return _grown(array, np.arange(len(array)), "1", split, depth, least, floor, seed)


def _grown(array: Array, rows: Array, name: str, split: str, depth: int, least: int, floor: float, seed: int) -> Branch:
    here = array[rows]
    mean = here.mean(axis=0)
    if depth < 1 or len(rows) < 2 * least or not here.std(axis=0).any():
        return Branch(rows, mean, float("nan"), (), name)
    second, gain = _halves(here, split, floor, seed)
    sizes = (int((~second).sum()), int(second.sum()))
    if gain <= 0 or min(sizes) < least:
        return Branch(rows, mean, gain, (), name)
    if sizes[1] > sizes[0]:
        second = ~second
    parts = tuple(
        _grown(array, rows[half], f"{name}.{i}", split, depth - 1, least, floor, seed)
        for i, half in enumerate((~second, second), 1)
    )
    return Branch(rows, mean, gain, parts, name)


def _halves(here: Array, split: str, floor: float, seed: int) -> tuple[Array, float]:
    """Return which rows are of the second half, and by how much two Gaussians have the better BIC."""
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    labels = KMeans(2, n_init=10 if len(here) < 50_000 else 1, random_state=seed).fit(here).labels_
    second = labels == 1
    n, p = here.shape
    full = min(second.sum(), (~second).sum()) >= 5 * p
    each = p + (p * (p + 1) // 2 if full else p)
    one = 2 * _likelihood(here, full, floor) - each * np.log(n)
    if split == "mixture":
        start = np.stack([here[~second].mean(axis=0), here[second].mean(axis=0)])
        kind = "full" if full else "diag"
        fit = GaussianMixture(
            2, covariance_type=kind, means_init=start, reg_covar=floor, random_state=seed, max_iter=500
        )
        fit.fit(here)
        return fit.predict(here) == 1, float(-fit.bic(here) - one)
    halves = 0.0
    for half in (here[~second], here[second]):
        halves += _likelihood(half, full, floor) + len(half) * np.log(len(half) / n)
    return second, float(2 * halves - (2 * each + 1) * np.log(n) - one)


def _likelihood(rows: Array, full: bool, floor: float) -> float:
    """Logarithm of that of rows under the Gaussian that fits them best."""
    n, p = rows.shape
    centred = rows - rows.mean(axis=0)
    if full:
        covariance = centred.T @ centred / n + floor * np.eye(p)
        logdet = float(np.linalg.slogdet(covariance)[1])
        squares = float(np.trace(np.linalg.solve(covariance, centred.T @ centred)))
    else:
        variance = (centred**2).mean(axis=0) + floor
        logdet = float(np.log(variance).sum())
        squares = float(((centred**2) / variance).sum())
    return float(-0.5 * (n * p * np.log(2 * np.pi) + n * logdet + squares))


def tree_labels(tree: Branch) -> Array:
    """Return the leaf of each row, numbered from left to right."""
    labels = np.zeros(len(tree.rows), np.int64)
    for number, leaf in enumerate(tree.leaves):
        labels[leaf.rows] = number
    return labels
