"""Brightness as a mixed-effects model: tissue and exposure in each cosine along z, solved together with the seams.

Along z tissue is a series with a known spectrum and exposure is white, so each cosine along z is a small least-squares
problem of its own. The variances of the exposure are found by expectation maximisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ndlab.preprocess import series
from ndlab.preprocess.layout import Layout

__all__ = ["Model", "pairs_of", "solve"]

Array = np.ndarray[Any, Any]
_TURNS = 25
_KINDS = 16
"""How many different spectra of tissue are told apart along z; in between they are much alike."""
_CLOSE = 100.0


@dataclass(frozen=True)
class Model:
    """What the solver has to know.

    Attributes
    ----------
    layout : Layout
    waves : sequence of (int, int)
        Orders (y, x) of the slow waves.
    length : float
        Sections over which tissue forgets itself.
    few : bool
        Too few sections to tell exposure from tissue by: only seams speak.
    """

    layout: Layout
    waves: Sequence[tuple[int, int]]
    length: float
    few: bool


def pairs_of(layout: Layout) -> Array:
    """(seams, 2): which tiles meet."""
    seams = layout.seams
    if not len(seams["low"]):
        return np.zeros((0, 2), int)
    return np.unique(np.sort(np.stack([seams["low"], seams["high"]], 1), axis=1), axis=0)


def solve(
    model: Model, cells: Array, jumps: Array, variances: Array, known: Array | None = None
) -> tuple[Array, Array, Array, dict[str, Any]]:
    """Return offsets (z, tiles) and slow waves (z, waves) to be taken from the tissue, their variances, what was found.

    Parameters
    ----------
    model : Model
    cells : ndarray
        (z, cells y, cells x), tissue so far.
    jumps, variances : ndarray
        (z, seams): steps across the seams; what tissue alone would make of each.
    known : ndarray, optional
        Variances of the unknowns, as an earlier call found them.
    """
    from scipy.fft import dct, dctn, idct

    n, tiles, pairs = len(cells), model.layout.tiles, pairs_of(model.layout)
    order = np.hypot(*np.indices(cells.shape[1:]))
    scale = np.sqrt(cells.shape[1] * cells.shape[2])
    modes = dctn(cells, axes=(1, 2), norm="ortho") / scale
    chosen = order < min(max(8.0, 3 * np.sqrt(tiles)), 0.5 * max(cells.shape[1:]) + 1)
    tissue, bands = _tissue(modes, order, chosen, model)
    tile = (dctn(model.layout.shares, axes=(1, 2), norm="ortho") / scale)[:, chosen].T
    spots = np.argwhere(chosen)
    waves = np.array([[float(tuple(s) == w) for w in model.waves] for s in spots])
    difference = np.zeros((len(pairs), tiles))
    difference[np.arange(len(pairs)), pairs[:, 0]], difference[np.arange(len(pairs)), pairs[:, 1]] = -1, 1
    design = np.block([
        [tile.sum(1, keepdims=True), tile, waves],
        [np.zeros((len(pairs), 1)), difference, np.zeros((len(pairs), len(model.waves)))],
    ])  # fmt: skip
    seen = dct(np.concatenate([modes[:, chosen], jumps], 1), axis=0, norm="ortho")
    precision = _precisions(n, tissue, variances, model)
    groups, prior = _groups(model, tiles)
    prior = _maximise(design, precision, seen, groups, prior) if known is None else known
    # Where tiles have exposures of their own, an open seam is worse than a level that is a little off.
    if len(pairs):
        closing = float(np.clip(prior[1] / (4 * variances.mean()), 1.0, _CLOSE))
        for weights in precision.values():
            weights[chosen.sum() :] *= closing
    found = _posterior(design, precision, seen, prior)[0]
    theta = idct(found, axis=0, norm="ortho")
    sd = {name: float(np.sqrt(prior[i])) for name, i in (("section", 0), ("tile", 1), ("shading", 1 + tiles))}
    sd["seam_by_tissue"] = float(np.sqrt(variances.mean())) if len(pairs) else 0.0
    return theta[:, :1] + theta[:, 1 : 1 + tiles], theta[:, 1 + tiles :], prior, {"brightness": sd, "tissue": bands}


def _tissue(modes: Array, order: Array, chosen: Array, model: Model) -> tuple[Array, dict[str, float]]:
    """Variance of tissue in each chosen mode: no larger in slow waves than in the faster ones next to them."""
    found, most, bands = np.zeros_like(order), np.inf, {}
    edges = [0, 1, 2, 3, 4, 6, 8]
    while edges[-1] < order[chosen].max() + 1e-9:
        edges.append(int(edges[-1] * 1.5))
    for low, high in reversed(list(pairwise(edges))):
        band = chosen & (order >= low) & (order < high)
        if not band.any():
            continue
        _, slow = series.fit(modes[:, band], model.length, most)
        most = max(slow, 1e-4)
        found[band], bands[f"{low}-{high}"] = most, most**0.5
    return found[chosen], bands


def _precisions(n: int, tissue: Array, variances: Array, model: Model) -> dict[tuple[int, ...], Array]:
    """One over the variance of everything seen, for each kind of cosine along z (the numbers of those of one kind)."""
    # The mean along z of tissue is anything; with few sections nothing is known of the rest either.
    seams = 1 / variances
    found: dict[tuple[int, ...], Array] = {(0,): np.r_[np.full(len(tissue), 1e-6), seams]}
    if n == 1:
        return found
    shape = series.spectrum(n, model.length)
    edges = np.geomspace(shape[1:].min(), shape[1:].max() * (1 + 1e-9), min(_KINDS, n - 1) + 1)
    kind = np.clip(np.searchsorted(edges, shape, side="right"), 1, len(edges) - 1)
    for k in np.unique(kind[1:]):
        numbers = tuple(int(i) for i in np.flatnonzero(kind == k) if i)
        level = float(np.exp(np.log(shape[list(numbers)]).mean()))
        weight = np.full(len(tissue), 1e-6) if model.few else 1 / (tissue * (level + 0.05))
        found[numbers] = np.r_[weight, seams]
    return found


def _groups(model: Model, tiles: int) -> tuple[list[Array], Array]:
    """Unknowns that share a variance, and where the search for it begins."""
    order = np.array([np.hypot(*wave) for wave in model.waves])
    groups = [np.array([0]), np.arange(1, 1 + tiles)]
    groups += [1 + tiles + np.flatnonzero((order >= k) & (order < k + 1)) for k in (1, 2)]
    prior = np.r_[100.0, np.full(tiles, 100.0), np.full(len(order), 20.0)]
    if tiles == 1:
        prior[1] = 1e-6
        groups[1] = np.zeros(0, int)
    if model.few:
        prior[0] = 1e-6
        prior[1 + tiles :] = 1e-6
        groups = groups[1:2]
    return [g for g in groups if len(g)], prior


def _maximise(
    design: Array, precision: dict[tuple[int, ...], Array], seen: Array, groups: list[Array], prior: Array
) -> Array:
    """Find the variances of the unknowns under which what was seen is most likely."""
    for _ in range(_TURNS):
        square = _posterior(design, precision, seen, prior)[1]
        prior = prior.copy()
        for group in groups:
            prior[group] = max(float(square[group].mean()), 1e-6)
    return prior


def _posterior(
    design: Array, precision: dict[tuple[int, ...], Array], seen: Array, prior: Array
) -> tuple[Array, Array]:
    """Most likely unknowns (z cosines, unknowns) and the mean of their squares, uncertainty included."""
    found, square = np.zeros((len(seen), design.shape[1])), np.zeros(design.shape[1])
    for numbers, weights in precision.items():
        weighted = design.T * weights
        inverse = np.linalg.inv(weighted @ design + np.diag(1 / prior))
        rows = list(numbers)
        found[rows] = seen[rows] @ (inverse @ weighted).T
        square += (found[rows] ** 2).sum(0) + len(rows) * np.diag(inverse)
    return found, square / len(seen)
