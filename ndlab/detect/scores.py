"""Scores of voxels: average precision, and how far wrong voxels lie from true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["CleftDistances", "average_precision", "best_f1", "cleft_distances", "precision_recall"]

Array = np.ndarray[Any, Any]


def precision_recall(probability: Array, truth: Array, dont_care: Array | None = None) -> tuple[Array, Array, Array]:
    """Precision, recall and threshold of voxels, the highest threshold first.

    Examples
    --------
    >>> p, r, t = precision_recall(np.array([0.9, 0.8, 0.3]), np.array([1, 0, 1]))
    >>> p.round(2).tolist(), r.tolist()
    ([1.0, 0.5, 0.67], [0.5, 0.5, 1.0])
    """
    score, true = np.ravel(probability), np.ravel(truth) != 0
    if dont_care is not None:
        known = np.ravel(dont_care) == 0
        score, true = score[known], true[known]
    order = np.argsort(-score, kind="stable")
    score, true = score[order], true[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    hits = np.cumsum(true)[ends]
    return hits / (ends + 1), hits / max(1, hits[-1]), score[ends]


def average_precision(probability: Array, truth: Array, dont_care: Array | None = None) -> float:
    """Mean precision over all thresholds, each by what it adds to the recall (of voxels, unless told otherwise)."""
    precision, recall, _ = precision_recall(probability, truth, dont_care)
    return float((np.diff(recall, prepend=0) * precision).sum())


def best_f1(probability: Array, truth: Array, dont_care: Array | None = None) -> tuple[float, float]:
    """Return the best F1 of voxels, and the threshold that gives it."""
    precision, recall, threshold = precision_recall(probability, truth, dont_care)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(f1.max()), float(threshold[f1.argmax()])


class CleftDistances(NamedTuple):
    """Distances [nm] by which the CREMI challenge ranks: its score is the mean of the two.

    `false_positive` is the mean distance of a detected voxel to the next true one, `false_negative` that of a true one
    to the next detected one.
    """

    false_positive: float
    false_negative: float

    @property
    def score(self) -> float:
        """The mean of both; lower is better."""
        return (self.false_positive + self.false_negative) / 2


def cleft_distances(found: Array, truth: Array, voxel_size: Sequence[float]) -> CleftDistances:
    """Measure how far detected clefts lie from true ones [nm], as CREMI does; nan where one of them is empty.

    Examples
    --------
    >>> found, truth = np.zeros((2, 1, 1, 9), bool)
    >>> found[0, 0, 2:5] = True; truth[0, 0, 4] = True
    >>> cleft_distances(found, truth, (40, 4, 4))
    CleftDistances(false_positive=4.0, false_negative=0.0)
    """
    return CleftDistances(_mean_distance(found != 0, truth != 0, voxel_size),
                          _mean_distance(truth != 0, found != 0, voxel_size))  # fmt: skip


def _mean_distance(of: Array, to: Array, voxel_size: Sequence[float]) -> float:
    from scipy.ndimage import distance_transform_edt

    if not of.any() or not to.any():
        return float("nan")
    return float(distance_transform_edt(~to, sampling=tuple(voxel_size))[of].mean())
