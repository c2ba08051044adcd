"""Whether points in space are random, clustered or apart: K, L, pair correlation, F and G inside any mask.

All are corrected for the edge: of two places at some lag, only as many can both be inside as the window overlaps
with itself moved by that lag. That overlap, the set covariance, comes from one Fourier transform of the mask and is
exact between its voxels, so nothing has to be a box. Lengths are in one unit of the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.analyze.window import Window
from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Envelope",
    "PairFunction",
    "cross_k",
    "empty_space",
    "envelope",
    "hard_core",
    "nearest_neighbor",
    "pair_function",
    "random_pattern",
    "random_sequential",
]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PairFunction:
    """What the distances between points say.

    Parameters
    ----------
    r : ndarray, shape (n,)
        Distances.
    k : ndarray, shape (n,)
        Ripley's K: further points within r of a point, over the density; 4/3 pi r^3 where points are random.
    g : ndarray, shape (n,)
        Pair correlation: how much likelier a point is at distance r of another than anywhere; 1 where they are random.
    density : float
        Points per volume.
    """

    r: Array
    k: Array
    g: Array
    density: float

    @property
    def l(self) -> Array:  # noqa: E743 - its name in the literature
        """Besag's L: the radius of the ball of volume K; r where points are random."""
        return np.cbrt(np.maximum(self.k, 0) * 3 / (4 * np.pi))

    def to_pandas(self) -> pd.DataFrame:
        """Return ``r, k, l, g`` and what random points give for K."""
        import pandas as pd

        ball = 4 / 3 * np.pi * self.r**3
        return pd.DataFrame({"r": self.r, "k": self.k, "k_random": ball, "l": self.l, "g": self.g})


def pair_function(
    points: Any, window: Window, r: Any, *, bandwidth: float | None = None, intensity: Any = None,
    workers: int | None = None,
) -> PairFunction:  # fmt: skip
    """Return K and the pair correlation of points inside a window.

    Parameters
    ----------
    points : array, shape (n, 3)
        (z, y, x), all inside the window.
    window : Window
    r : array, shape (m,)
        Ascending distances, from 0 on.
    bandwidth : float, optional
        Half-width of the kernel of g; by default 0.26 over the cube root of the density.
    intensity : array, shape (n,), optional
        Points per volume expected at each point: K and g are then those of the deviations from it (Baddeley,
        Møller and Waagepetersen's inhomogeneous K).
    workers : int, optional
        Threads.

    Returns
    -------
    PairFunction
        Memory is that of the points and of the mask's transform, whatever the number of pairs: for 10^6 points in a
        mask of 64³ voxels some 100 MiB beyond the points (`bench/analyze.py` prints it).

    Raises
    ------
    BadRequest
        If a point lies outside, there are fewer than two, or `r` does not ascend.

    References
    ----------
    Ohser J, Stoyan D (1981). On the second-order and orientation analysis of planar stationary point processes. Biom J
    23:523-533. Baddeley AJ, Moyeed RA, Howard CV, Boyde A (1993). Analysis of a three-dimensional point pattern with
    replication. Appl Stat 42:641-668. The estimators are those of ``K3est`` and ``pcf3est`` in R's spatstat, which
    divide by n² where n (n - 1) leaves no bias.

    Examples
    --------
    >>> window = Window.box((10, 10, 10))
    >>> points = window.random(2000, np.random.default_rng(0))
    >>> found = pair_function(points, window, np.array([0.0, 1.0, 2.0]))
    >>> bool(abs(found.k[2] / (4 / 3 * np.pi * 8) - 1) < 0.03)
    True
    """
    points, r = _inside(points, window, "points", 2), _ascending(r)
    n = len(points)
    density = n / window.volume
    band = 0.26 / density ** (1 / 3) if bandwidth is None else float(bandwidth)
    weights = np.ones(n) if intensity is None else 1 / _positive(intensity, n)
    counts, kernel = _pairs(points, points, weights, weights, True, window, r, band, workers)
    scale = window.volume**2 / (n * (n - 1.0)) if intensity is None else 1.0
    return PairFunction(r, np.cumsum(counts[: len(r)]) * scale, _correlation(kernel * scale, r, band), density)


def cross_k(first: Any, second: Any, window: Window, r: Any, *, bandwidth: float | None = None,
            workers: int | None = None) -> PairFunction:  # fmt: skip
    """Return K and g of the distances from the points of one kind to those of another.

    As `pair_function`; 1 and 4/3 pi r^3 where the two kinds know nothing of each other.

    Examples
    --------
    >>> window = Window.box((10, 10, 10))
    >>> rng = np.random.default_rng(0)
    >>> found = cross_k(window.random(1000, rng), window.random(1000, rng), window, [0, 2.0])
    >>> bool(abs(found.k[1] / (4 / 3 * np.pi * 8) - 1) < 0.05)
    True
    """
    first, second = _inside(first, window, "first points", 1), _inside(second, window, "second points", 1)
    r = _ascending(r)
    density = len(second) / window.volume
    band = 0.26 / density ** (1 / 3) if bandwidth is None else float(bandwidth)
    ones = np.ones(len(first)), np.ones(len(second))
    counts, kernel = _pairs(first, second, *ones, False, window, r, band, workers)
    scale = window.volume**2 / (len(first) * len(second))
    return PairFunction(r, np.cumsum(counts[: len(r)]) * scale, _correlation(kernel * scale, r, band), density)


def _inside(points: Any, window: Window, what: str, least: int) -> Array:
    found = np.ascontiguousarray(points, np.float64)
    if found.ndim != 2 or found.shape[1] != 3:
        raise BadRequest(f"{what} of shape {found.shape}", "an array (n, 3) of z, y, x was expected")
    if len(found) < least:
        raise BadRequest(f"distances of {len(found)} {what}", f"{least} at least are needed")
    out = ~window.contains(found)
    if out.any():
        raise BadRequest(
            f"{int(out.sum()):,} of {len(found):,} {what} are outside the window",
            f"the first is {found[out][0].tolist()}",
            "keep those inside: points[window.contains(points)]", outside=int(out.sum()),
        )  # fmt: skip
    return found


def _ascending(r: Any) -> Array:
    found = np.asarray(r, np.float64)
    if found.ndim != 1 or not len(found) or (np.diff(found) <= 0).any() or found[0] < 0:
        raise BadRequest(f"distances {np.array2string(found, threshold=6)}", "they ascend from 0 on")
    return found


def _positive(intensity: Any, n: int) -> Array:
    found = np.asarray(intensity, np.float64)
    if found.shape != (n,) or not (found > 0).all():
        raise BadRequest(f"intensities of shape {found.shape}", f"one above 0 for each of {n:,} points was expected")
    return found


_PART = 4096


def _pairs(
    first: Array, second: Array, weight1: Array, weight2: Array, same: bool, window: Window, r: Array, band: float,
    workers: int | None,
) -> tuple[Array, Array]:  # fmt: skip
    """Sum over pairs, part by part on threads; parts are added in order, so threads do not change the last digit."""
    from ndlab.analyze.kernels.pairs3d import pair_sums

    reach = float(r[-1]) + band
    low = second.min(axis=0) if len(second) else np.zeros(3)
    high = second.max(axis=0) if len(second) else np.zeros(3)
    # Points of `first` may lie beyond the cells: their index is then clipped to those that can be near.
    cell = max(reach, float((high - low).max()) / 512, 1e-300)
    while np.prod(np.ceil((high - low) / cell) + 1) > max(4096, 8 * len(second)):
        cell *= 2  # More cells than points take memory and save nothing.
    shape = np.maximum(1, np.ceil((high - low) / cell).astype(np.int64) + 1)
    index = np.floor((second - low) / cell).astype(np.int64)
    number = (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2]
    order = np.argsort(number, kind="stable")
    start = np.zeros(int(np.prod(shape)) + 1, np.int64)
    np.cumsum(np.bincount(number, minlength=int(np.prod(shape))), out=start[1:])
    gamma, voxel = window.set_covariance, np.array(window.voxel_size)

    def part(begin: int) -> tuple[Array, Array]:
        counts, kernel = np.zeros(len(r) + 1), np.zeros(len(r))
        pair_sums(
            first, second, weight1, weight2, same, low, cell, shape, start, order, gamma, voxel, r, band, r, counts,
            kernel, begin, min(begin + _PART, len(first)),
        )  # fmt: skip
        return counts, kernel

    totals = np.zeros(len(r) + 1), np.zeros(len(r))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for counts, kernel in pool.map(part, range(0, len(first), _PART)):
            totals[0][:] += counts
            totals[1][:] += kernel
    return totals


def _correlation(kernel: Array, r: Array, band: float) -> Array:
    """Turn the smoothed distances into g; nearer to 0 than the kernel is wide, part of it lies below 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.minimum(r / band, 1.0)
        inside = 0.75 * (t + 2 / 3 - t**3 / 3)
        found: Array = np.where(r > 0, kernel / inside, np.nan)
        return found


def nearest_neighbor(points: Any, window: Window, r: Any) -> Array:
    """Return G: the share of points whose nearest neighbour is within r.

    The edge is corrected for by Kaplan and Meier's estimator: a point whose neighbour is farther than the edge tells
    only that it is at least as far as that.

    Returns
    -------
    ndarray, shape (m,)
        10^6 points take below 250 MiB (`bench/analyze.py` prints it).

    References
    ----------
    Baddeley A, Gill RD (1997). Kaplan-Meier estimators of distance distributions for spatial point processes. Ann
    Statist 25:263-292.
    """
    from scipy.spatial import cKDTree

    points, r = _inside(points, window, "points", 2), _ascending(r)
    distance = cKDTree(points).query(points, k=2, workers=-1)[0][:, 1]
    return _kaplan_meier(distance, window.edge_distance(points), r)


def empty_space(points: Any, window: Window, r: Any, *, samples: int = 100_000, seed: int = 0) -> Array:
    """Return F: the share of space that is within r of a point, from `samples` random places, edge-corrected as G.

    10^6 points and 10^5 places take below 100 MiB (`bench/analyze.py` prints it).
    """
    from scipy.spatial import cKDTree

    points, r = _inside(points, window, "points", 1), _ascending(r)
    # Points drawn with the same seed must not be the places that are asked.
    places = window.random(samples, np.random.default_rng([seed, 0xF]))
    distance = cKDTree(points).query(places, workers=-1)[0]
    return _kaplan_meier(distance, window.edge_distance(places), r)


def _kaplan_meier(distance: Array, edge: Array, r: Array) -> Array:
    """Return the distribution of distances of which those beyond `edge` are only known to be beyond it."""
    seen = np.minimum(distance, edge)
    order = np.argsort(seen, kind="stable")
    seen, happened = seen[order], (distance <= edge)[order]
    unique, first = np.unique(seen, return_index=True)
    events = np.add.reduceat(happened.astype(float), first)
    with np.errstate(divide="ignore"):
        survival = np.cumsum(np.log1p(-events / (len(seen) - first)))
    at = np.searchsorted(unique, r, side="right") - 1
    found: Array = np.where(at >= 0, 1 - np.exp(survival[np.maximum(at, 0)]), 0.0)
    return found


Model = Callable[[np.random.Generator], Array]


def random_pattern(window: Window, n: int, weights: Array | None = None) -> Model:
    """Return a model of `n` independent points: uniform, or in proportion to `weights` of the window's voxels."""
    return lambda rng: window.random(n, rng, weights)


def random_sequential(window: Window, n: int, distance: float, tries: int = 200) -> Model:
    """Return a model of `n` points placed one after another, each no nearer than `distance` to those before it.

    Raises
    ------
    BadRequest
        When a draw finds no more room: `n` points do not fit at that distance.
    """

    def drawn(rng: np.random.Generator) -> Array:
        from ndlab.analyze.kernels.packing import keep_apart

        found: Array = np.zeros((0, 3))
        for _ in range(tries):
            more = window.random(max(64, 2 * (n - len(found))), rng)
            found = keep_apart(np.concatenate([found, more]), len(found), distance, n)
            if len(found) == n:
                return found
        raise BadRequest(
            f"{n:,} points at least {distance:g} apart", f"{len(found):,} found room after {tries} rounds",
            "ask for fewer points or a smaller distance",
        )  # fmt: skip

    return drawn


def hard_core(window: Window, density: float, distance: float) -> Model:
    """Return Matérn's second hard-core model: of random points with random marks, those without an older one near.

    `density` is that of the points before; about ``(1 - exp(-density v)) / v`` remain, v being the ball's volume.
    """

    def drawn(rng: np.random.Generator) -> Array:
        from scipy.spatial import cKDTree

        points = window.random(rng.poisson(density * window.volume), rng)
        pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")
        mark = rng.random(len(points))
        gone = np.where(mark[pairs[:, 0]] > mark[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
        keep = np.ones(len(points), bool)
        keep[gone] = False
        return points[keep]

    return drawn


@dataclass(frozen=True)
class Envelope:
    """A curve beside those of a model.

    Parameters
    ----------
    r, observed : ndarray, shape (m,)
        The distances and the curve of the data.
    low, high, mean : ndarray, shape (m,)
        The range that a share `level` of the model's curves stays inside *everywhere*, and their mean.
    p : float
        How often a curve of the model is as extreme as that of the data, over all distances at once.
    level : float
    """

    r: Array
    observed: Array
    low: Array
    high: Array
    mean: Array
    p: float
    level: float

    @property
    def outside(self) -> Array:
        """Mask of the distances at which the data leave the range."""
        return (self.observed < self.low) | (self.observed > self.high)


def envelope(
    statistic: Callable[[Array], Array], points: Any, model: Model, r: Any, *, draws: int = 199, level: float = 0.95,
    seed: int = 0, workers: int | None = None,
) -> Envelope:  # fmt: skip
    """Test a curve of the points against a model by the global rank envelope (extreme rank length).

    Parameters
    ----------
    statistic : callable
        Takes points, returns a curve over `r`, such as ``lambda p: pair_function(p, window, r).g``.
    points : array, shape (n, 3)
    model : callable
        Takes a random generator, returns points; see `random_pattern`, `random_sequential`, `hard_core`.
    r : array, shape (m,)
    draws : int
        Patterns drawn from the model; 199 give a smallest p of 0.005.
    level : float
    seed, workers : int
        The result does not depend on `workers`.

    References
    ----------
    Myllymäki M, Mrkvička T, Grabarnik P, Seijo H, Hahn U (2017). Global envelope tests for spatial processes. J R Stat
    Soc B 79:381-404.
    """
    seeds = np.random.SeedSequence(seed).spawn(draws)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        drawn = list(pool.map(lambda one: statistic(model(np.random.default_rng(one))), seeds))
    curves = np.stack([statistic(np.asarray(points, float)), *drawn])
    order = _extreme_rank_length(np.nan_to_num(curves))
    inside = order > np.floor((1 - level) * (draws + 1) + 1e-9)
    kept = curves[inside]
    return Envelope(
        np.asarray(r, float), curves[0], kept.min(axis=0), kept.max(axis=0), curves[1:].mean(axis=0),
        float(np.mean(order <= order[0])), level,
    )  # fmt: skip


def _extreme_rank_length(curves: Array) -> Array:
    """Return for each curve its place by extremeness, 1 the most extreme; ties share the larger place."""
    from scipy.stats import rankdata

    low = rankdata(curves, axis=0, method="average")
    pointwise = np.sort(np.minimum(low, len(curves) + 1 - low), axis=1)
    order = np.lexsort(pointwise.T[::-1])
    place = np.empty(len(curves))
    place[order] = np.arange(1, len(curves) + 1)
    same = np.unique(pointwise, axis=0, return_inverse=True)[1].ravel()
    most = np.zeros(same.max() + 1)
    np.maximum.at(most, same, place)
    found: Array = most[same]
    return found
