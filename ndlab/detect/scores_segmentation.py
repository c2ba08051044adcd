"""How far a segmentation is from the truth: what was split, what was merged, counted block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ndlab.detect.watershed import Array
from ndlab.geometry import Box, NmBox
from ndlab.measure.blocks import How, Voxels, gather, part, same_space, whole_numbers
from ndlab.measure.interning import interned, native
from ndlab.measure.keyed import Keyed, merge_keyed
from ndlab.pipeline.progress import ProgressCallback
from ndlab.volume import Volume

__all__ = ["SegmentationScore", "count_pairs", "score_counts", "score_segmentation"]


@dataclass(frozen=True)
class SegmentationScore:
    """Agreement of a segmentation with the truth.

    Attributes
    ----------
    voxels : int
        That were compared.
    split : float
        Entropy [bits] of the segments inside a true object, H(labels | truth): 0 where nothing is split.
    merge : float
        Entropy [bits] of the true objects inside a segment, H(truth | labels): 0 where nothing is merged.
    ari : float
        Adjusted Rand index: 1 for the truth, 0 for what chance gives.
    rand_error : float
        Adapted Rand error, 1 - F1 of the pairs of voxels that belong together.
    rand_precision, rand_recall : float
        Of those pairs: low precision is merging, low recall splitting.
    segments, objects : int
        How many there are of either.
    """

    voxels: int
    split: float
    merge: float
    ari: float
    rand_error: float
    rand_precision: float
    rand_recall: float
    segments: int
    objects: int

    @property
    def vi(self) -> float:
        """Variation of information [bits]: split and merge together."""
        return self.split + self.merge

    def to_json(self) -> dict[str, float]:
        """Return all numbers by name."""
        return {**asdict(self), "vi": self.vi}

    def __repr__(self) -> str:
        named = ", ".join(f"{f.name}={getattr(self, f.name):.6g}" for f in fields(self))
        return f"SegmentationScore(vi={self.vi:.6g}, {named})"


@dataclass(frozen=True)
class _Counts(Keyed):
    size: Array


def score_segmentation(
    labels: Voxels,
    truth: Voxels,
    *,
    ignore: int | None = 0,
    box: Box | NmBox | None = None,
    block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> SegmentationScore:
    """Compare a segmentation with the truth and return a `SegmentationScore`.

    Voxels of each pair of segment and object are counted block by block, so the score is the same for any block size
    and volumes may be of any size; memory holds a few blocks and one row for each pair that overlaps.

    Parameters
    ----------
    labels, truth : Volume or DataArray
        Whole numbers, (z, y, x), over the same voxels.
    ignore : int or None
        Voxels where the truth has this id do not count; None counts all. A segment 0 is one like any other.
    box : Box or NmBox, optional
        Compare only these voxels.
    block, workers, client, progress
        As for `ndlab.measure.regions`.

    Raises
    ------
    BadRequest
        If the two do not cover the same voxels.

    References
    ----------
    Meilă 2007 (variation of information); Hubert and Arabie 1985 (adjusted Rand index); Arganda-Carreras et al. 2015
    (adapted Rand error). Split and merge are in bits, as in the CREMI challenge.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> truth = toy().volume("labels")
    >>> score_segmentation(truth, truth).vi
    0.0
    >>> one = Volume.from_array((truth.read() > 0).astype("u1"), truth.voxel_size, kind="labels")
    >>> score = score_segmentation(one, truth)
    >>> score.split, round(score.merge, 3), score.ari
    (0.0, 1.796, 0.0)
    """
    how = How(workers, client, progress)
    return score_counts(*count_pairs(part(labels, box), part(truth, box), ignore, how, block))


def count_pairs(
    labels: Volume, truth: Volume, ignore: int | None, how: How, block: int | Sequence[int] | None = None
) -> tuple[Array, Array, Array]:
    """Segment and object of each pair that shares voxels, and how many; by segment, then object."""
    found, true = whole_numbers(labels), whole_numbers(truth)
    same_space(found, true, "truth")
    kinds = np.dtype([("label", native(found.dtype)), ("truth", native(true.dtype))])
    empty = _Counts(np.empty(0, kinds), np.empty(0, np.int64))
    params = {"labels": found, "truth": true, "shift": np.subtract(true.box.start, found.box.start).tolist()}
    total = gather("score segmentation", _count, found, params, block, merge_keyed, empty, how.near(found, true))
    kept = np.ones(len(total.keys), bool) if ignore is None else total.keys["truth"] != ignore
    return total.keys["label"][kept], total.keys["truth"][kept], total.size[kept]


def _count(block: Box, labels: Volume, truth: Volume, shift: Sequence[int]) -> _Counts:
    from ndlab.measure.kernels import interning as kernels

    there = block.shift(shift)
    found, ids = interned(labels.boxed(block).read())
    true, objects = interned(truth.boxed(Box(there.start, there.stop, truth.level_index)).read())
    both = found.astype(np.uint64) << np.uint64(32) | true
    local = np.empty(both.shape, np.uint32)
    pairs = kernels.intern(both, local)
    counts = np.zeros(len(pairs), np.int64)
    kernels.count_local(local.reshape(-1), counts)
    keys = np.empty(len(pairs), [("label", ids.dtype), ("truth", objects.dtype)])
    keys["label"], keys["truth"] = ids[pairs >> np.uint64(32)], objects[pairs & np.uint64(0xFFFFFFFF)]
    order = np.lexsort((keys["truth"], keys["label"]))
    return _Counts(keys[order], counts[order])


def score_counts(labels: Array, truth: Array, counts: Array) -> SegmentationScore:
    """Score pairs of segment and object by the number of things they share; a pair may come more than once.

    Examples
    --------
    >>> score_counts(np.array([1, 2]), np.array([1, 1]), np.array([5, 5])).split
    1.0
    """
    n = int(counts.sum())
    (labels, of_labels), (truth, of_truth) = _numbered(labels, counts), _numbered(truth, counts)
    counts = _numbered(labels * max(len(of_truth), 1) + truth, counts)[1]
    if n == 0:
        return SegmentationScore(0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0, 0)
    both, found, true = (_entropy(c, n) for c in (counts, of_labels, of_truth))
    pairs, pairs_found, pairs_true = (_squares(c) for c in (counts, of_labels, of_truth))
    precision, recall = (pairs - n) / max(pairs_found - n, 1), (pairs - n) / max(pairs_true - n, 1)
    precision, recall = (1.0 if whole == n else value for value, whole in ((precision, pairs_found),
                                                                          (recall, pairs_true)))  # fmt: skip
    error = 1 - 2 * precision * recall / (precision + recall) if precision + recall else 1.0
    return SegmentationScore(
        n, max(0.0, both - true), max(0.0, both - found), _adjusted(pairs, pairs_found, pairs_true, n), error,
        precision, recall, len(of_labels), len(of_truth),
    )  # fmt: skip


def _numbered(ids: Array, counts: Array) -> tuple[Array, Array]:
    """Ids as numbers from 0, and the sum of the counts of each."""
    kept, number = np.unique(ids, return_inverse=True)
    sums = np.zeros(len(kept), np.int64)
    np.add.at(sums, number, counts)
    return number.reshape(-1).astype(np.int64), sums


def _entropy(counts: Array, n: int) -> float:
    p = counts[counts > 0] / n
    return float(-(p * np.log2(p)).sum())


def _squares(counts: Array) -> int:
    """Sum of squares, exact: the halves of 32 bits are squared apart."""
    high, low = counts >> 16, counts & 0xFFFF
    return (int((high * high).sum()) << 32) + (int((high * low).sum()) << 17) + int((low * low).sum())


def _adjusted(pairs: int, found: int, true: int, n: int) -> float:
    """Return the adjusted Rand index of sums of squares, in whole numbers up to the last division."""
    both, a, b, total = pairs - n, found - n, true - n, n * (n - 1)
    if total == 0 or (a == both and b == both):
        return 1.0
    expected = a * b
    return (both * total - expected) / ((a + b) * total / 2 - expected)
