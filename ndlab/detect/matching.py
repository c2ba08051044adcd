"""Which detections found which objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["Matched", "Overlaps", "match"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How detections and true objects lie on each other.

    Parameters
    ----------
    detection, truth, voxels : ndarray of int
        Pairs that share voxels, by place in `detections` and `truths`, and how many they share.
    detections, truths : ndarray
        Their ids.
    detection_size, truth_size : ndarray of int
        Their voxels.
    careless : ndarray of int
        Voxels of each detection where nobody knows what is true.
    """

    detection: Array
    truth: Array
    voxels: Array
    detections: Array
    truths: Array
    detection_size: Array
    truth_size: Array
    careless: Array

    @classmethod
    def of(cls, found: Array, truth: Array, dont_care: Array | None = None) -> Overlaps:
        """Count shared voxels of two label arrays (z, y, x); 0 is background in both."""
        if found.shape != truth.shape:
            raise BadRequest(f"detections of {found.shape} and a truth of {truth.shape} voxels",
                             "they have to cover the same voxels", "cut both alike")  # fmt: skip
        detections, theirs = np.unique(found[found > 0], return_counts=True)
        truths, sizes = np.unique(truth[truth > 0], return_counts=True)
        both = (found > 0) & (truth > 0)
        d, t = np.searchsorted(detections, found[both]), np.searchsorted(truths, truth[both])
        pairs, shared = np.unique(d.astype(np.int64) * max(1, len(truths)) + t, return_counts=True)
        careless = np.zeros(len(detections), int)
        if dont_care is not None:
            inside = np.searchsorted(detections, found[(found > 0) & (dont_care != 0)])
            careless = np.bincount(inside, minlength=len(detections))
        pieces = np.divmod(pairs, max(1, len(truths)))
        return cls(*pieces, shared, detections, truths, theirs, sizes, careless)


@dataclass(frozen=True, eq=False)
class Matched:
    """Who found whom: for each true object whether it was found, and for each detection what it is.

    Parameters
    ----------
    found : ndarray of bool
        Of each true object.
    counts : ndarray of bool
        Whether a true object counts: not too small.
    right, wrong : ndarray of bool
        Of each detection; neither where it does not count.
    overlaps : Overlaps
    """

    found: Array
    counts: Array
    right: Array
    wrong: Array
    overlaps: Overlaps

    @property
    def tp(self) -> int:
        """True objects that were found."""
        return int((self.found & self.counts).sum())

    @property
    def fn(self) -> int:
        """True objects that were not."""
        return int((~self.found & self.counts).sum())

    @property
    def fp(self) -> int:
        """Detections of nothing."""
        return int(self.wrong.sum())


def match(
    overlaps: Overlaps,
    *,
    overlap: int = 10,
    iou: float | None = None,
    ignore_below: int = 0,
    fragments: Literal["wrong", "ignored"] = "wrong",
) -> Matched:
    """Match detections with true objects; each detection is used once.

    Parameters
    ----------
    overlaps : Overlaps
    overlap : int
        Voxels that a detection and a true object share at least, as VESICLE asks. True objects take their turn by id,
        each the detection that covers most of it and is still free.
    iou : float, optional
        Ask instead that shared voxels are at least this share of both together; the most pairs that are possible.
    ignore_below : int
        True objects of fewer voxels count for nothing, nor do detections that found them.
    fragments : {"wrong", "ignored"}
        What further detections of an object are that was found already. They are unused, so VESICLE's rule calls
        them wrong.

    Examples
    --------
    >>> truth = np.zeros((1, 8, 8), int); truth[0, 0:4, 0:8] = 1
    >>> found = np.zeros((1, 8, 8), int); found[0, 0:4, 0:3] = 1; found[0, 0:4, 4:8] = 2
    >>> split = match(Overlaps.of(found, truth))
    >>> split.tp, split.fp, split.fn
    (1, 1, 0)
    """
    o = overlaps
    partner = _by_voxels(o, overlap) if iou is None else _by_iou(o, iou)
    counts = o.truth_size >= ignore_below
    used = np.zeros(len(o.detections), bool)
    used[partner[partner >= 0]] = True
    right = np.zeros(len(o.detections), bool)
    right[partner[(partner >= 0) & counts]] = True
    free = ~used & ~(2 * o.careless > o.detection_size)
    touching = o.voxels >= (overlap if iou is None else 1)
    if fragments == "ignored":
        free[o.detection[touching]] = False
    else:
        free[o.detection[touching & ~counts[o.truth]]] = False
    return Matched(partner >= 0, counts, right, free, o)


def _by_voxels(o: Overlaps, least: int) -> Array:
    """Let every true object take the free detection that shares most with it."""
    partner = np.full(len(o.truths), -1)
    taken = np.zeros(len(o.detections), bool)
    enough = np.flatnonzero(o.voxels >= least)
    for i in enough[np.lexsort((-o.voxels[enough], o.truth[enough]))]:
        t, d = o.truth[i], o.detection[i]
        if partner[t] < 0 and not taken[d]:
            partner[t], taken[d] = d, True
    return partner


def _by_iou(o: Overlaps, least: float) -> Array:
    """Make as many pairs as can be."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    share = o.voxels / (o.detection_size[o.detection] + o.truth_size[o.truth] - o.voxels)
    good = share >= least
    shape = (len(o.truths), len(o.detections))
    if not good.any():
        return np.full(len(o.truths), -1)
    graph = csr_array((np.ones(good.sum(), bool), (o.truth[good], o.detection[good])), shape)
    return np.asarray(maximum_bipartite_matching(graph, perm_type="column"))
