"""How good a detector is: objects found, objects invented, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ndlab.detect.matching import Matched, Overlaps, match
from ndlab.detect.object_classifier import ObjectClassifier
from ndlab.detect.objects import Rules, objects
from ndlab.detect.scores import CleftDistances, average_precision, cleft_distances
from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "Interval", "evaluate", "paired", "summed_interval"]

Array = np.ndarray[Any, Any]


class Interval(NamedTuple):
    """A value and the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Detections beside the truth.

    Parameters
    ----------
    matched : Matched
    truth : ndarray, (n, 3)
        Centre (z, y, x) of each true object [voxels].
    detections : ndarray, (n, 3)
        Centre of each detection.
    voxel_ap : float or None
        Average precision of voxels, where there were probabilities.
    clefts : CleftDistances or None
        Distances [nm], where the size of a voxel was given.
    rules : Rules or None
        By which objects were made.
    """

    matched: Matched
    truth: Array
    detections: Array
    voxel_ap: float | None = None
    clefts: CleftDistances | None = None
    rules: Rules | None = None

    @property
    def tp(self) -> int:
        """True objects that were found."""
        return self.matched.tp

    @property
    def fp(self) -> int:
        """Detections of nothing."""
        return self.matched.fp

    @property
    def fn(self) -> int:
        """True objects that were not found."""
        return self.matched.fn

    @property
    def precision(self) -> float:
        """Share of the detections that are right; 0 where there are none."""
        return self.tp / max(1, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found."""
        return self.tp / max(1, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.tp / max(1, 2 * self.tp + self.fp + self.fn)

    def __repr__(self) -> str:
        voxels = "" if self.voxel_ap is None else f", voxel AP {self.voxel_ap:.3f}"
        counts = f"{self.tp} found, {self.fn} missed, {self.fp} invented"
        rates = f"precision {self.precision:.3f}, recall {self.recall:.3f}"
        return f"Evaluation: F1 {self.f1:.3f} ({rates}; {counts}){voxels}"

    def outcomes(self) -> pd.DataFrame:
        """Return a row for each true object that counts and each detection of nothing: centre, size, outcome."""
        import pandas as pd

        m = self.matched
        rows = [
            pd.DataFrame(self.truth[m.counts], columns=["z", "y", "x"]).assign(
                id=m.overlaps.truths[m.counts], size=m.overlaps.truth_size[m.counts],
                outcome=np.where(m.found[m.counts], "found", "missed")),
            pd.DataFrame(self.detections[m.wrong], columns=["z", "y", "x"]).assign(
                id=m.overlaps.detections[m.wrong], size=m.overlaps.detection_size[m.wrong], outcome="invented"),
        ]  # fmt: skip
        return pd.concat([one for one in rows if len(one)] or rows[:1], ignore_index=True)

    def by_size(self, edges: Sequence[float] = (0, 500, 1000, 2000, np.inf)) -> pd.DataFrame:
        """Return how many objects of each size were found, missed and invented."""
        return _crossed(self.outcomes(), "size", edges)

    def by_section(self, step: int = 1) -> pd.DataFrame:
        """Return how many objects with their centre in each `step` sections were found, missed and invented."""
        last = max((float(one[:, 0].max()) for one in (self.truth, self.detections) if len(one)), default=0.0)
        return _crossed(self.outcomes(), "z", np.arange(0, last + step + 1, step) - 0.5)

    def interval(self, *, tile: int | None = None, draws: int = 2000, seed: int = 0) -> Interval:
        """Return F1 and its interval, from drawing objects anew, or tiles of `tile` voxels (y, x)."""
        return summed_interval([self], tile=tile, draws=draws, seed=seed)


def summed_interval(
    parts: Sequence[Evaluation], *, tile: int | None = None, draws: int = 2000, seed: int = 0
) -> Interval:
    """Return F1 over all parts of a volume, and its interval."""
    counts = _units(parts, tile)
    drawn = _f1(_resampled(counts, draws, seed))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(_f1(counts.sum(axis=0))), float(low), float(high))


def paired(
    ours: Sequence[Evaluation], theirs: Sequence[Evaluation], *, tile: int, draws: int = 2000, seed: int = 0
) -> Interval:
    """Return by how much the F1 of one detector exceeds that of another, tiles drawn anew for both alike.

    Parameters
    ----------
    ours, theirs : sequence of Evaluation
        Over the same parts of a volume, in the same order.
    tile : int
        Side of a tile [voxels] in y and x.
    """
    a, b = _units(ours, tile, theirs), _units(theirs, tile, ours)
    gain = _f1(_resampled(a, draws, seed)) - _f1(_resampled(b, draws, seed))
    low, high = np.quantile(gain, [0.025, 0.975])
    return Interval(float(_f1(a.sum(axis=0)) - _f1(b.sum(axis=0))), float(low), float(high))


def _units(parts: Sequence[Evaluation], tile: int | None, others: Sequence[Evaluation] = ()) -> Array:
    """(found, invented, missed) of each unit that is drawn: an object, or all in a tile; the same tiles for others."""
    kinds = np.eye(3, dtype=int)
    rows, keys = [], []
    for i, part in enumerate([*parts, *others]):
        table = part.outcomes()
        for outcome, y, x in zip(table["outcome"], table["y"].to_numpy(), table["x"].to_numpy(), strict=True):
            mine = i < len(parts)
            rows.append(kinds[("found", "invented", "missed").index(outcome)] * mine)
            keys.append((i % max(1, len(parts)), *((0, 0) if tile is None else (y // tile, x // tile))))
    if not rows:
        return np.zeros((1, 3), int)
    if tile is None:
        return np.array(rows)
    _, where = np.unique(np.array(keys, int), axis=0, return_inverse=True)
    found = np.zeros((where.max() + 1, 3), int)
    np.add.at(found, where.ravel(), rows)
    return found


def _resampled(counts: Array, draws: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    found: Array = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), draws) @ counts
    return found


def _f1(counts: Array) -> Array:
    tp, fp, fn = np.moveaxis(np.asarray(counts), -1, 0)
    found: Array = 2 * tp / np.maximum(1, 2 * tp + fp + fn)
    return found


def _crossed(table: pd.DataFrame, column: str, edges: Any) -> pd.DataFrame:
    import pandas as pd

    where = pd.cut(table[column], list(edges), right=False)
    found = pd.crosstab(where, table["outcome"], dropna=False)
    return found.reindex(columns=["found", "missed", "invented"], fill_value=0)


def evaluate(
    found: Any,
    truth: Any,
    *,
    rules: Rules | None = None,
    classifier: ObjectClassifier | None = None,
    overlap: int = 10,
    iou: float | None = None,
    ignore_below: int = 0,
    dont_care: Any = None,
    voxel_size: Sequence[float] | None = None,
) -> Evaluation:
    """Hold detections against the truth and return an `Evaluation`.

    Parameters
    ----------
    found : Volume or array
        Labels of detections; or probabilities (of a floating-point type), of which `rules` make objects.
    truth : Volume or array
        Labels of true objects, (z, y, x); a mask (bool) is labelled first, by faces, edges and corners.
    rules : Rules, optional
        For probabilities; VESICLE's unless given.
    classifier : ObjectClassifier, optional
        Which of the pieces that the rules make are objects; needs a voxel size.
    overlap, iou, ignore_below
        What a match is, as for `ndlab.detect.match`: at least 10 shared voxels as VESICLE asks, or at least a share of
        both together.
    dont_care : Volume or array, optional
        Not 0 where nobody knows: detections that are mostly there count for nothing, nor do voxels.
    voxel_size : (z, y, x), optional
        [nm], for distances; that of the volumes unless given.

    Returns
    -------
    Evaluation

    Examples
    --------
    >>> truth = np.zeros((2, 20, 20), int); truth[:, 2:8, 2:8] = 1; truth[:, 12:18, 12:18] = 2
    >>> evaluate((truth == 1).astype(int), truth, voxel_size=(40, 4, 4))
    Evaluation: F1 0.667 (precision 1.000, recall 0.500; 1 found, 1 missed, 0 invented)

    References
    ----------
    Roncal et al. (2015), VESICLE: overlap of 10 voxels, one use of each detection. CREMI: distances of clefts.
    """
    size = voxel_size or next((one.voxel_size for one in (found, truth) if hasattr(one, "calibration")), None)
    mine, true, hidden = (None if one is None else _array(one) for one in (found, truth, dont_care))
    assert mine is not None
    assert true is not None
    true = _labelled(true)
    chance = None
    if mine.dtype.kind == "f":
        chance, rules = mine, rules or Rules()
        mine = objects(chance, rules)
        if classifier is not None:
            mine = classifier.of(mine, chance, _sized(size))
    elif mine.dtype.kind == "b":
        mine = _labelled(mine)
    matched = match(Overlaps.of(mine, true, hidden), overlap=overlap, iou=iou, ignore_below=ignore_below)
    ap = None if chance is None else average_precision(chance, true, hidden)
    clefts = None if size is None else cleft_distances(mine, true, size)
    o = matched.overlaps
    return Evaluation(matched, _centres(true, o.truths), _centres(mine, o.detections), ap, clefts, rules)


def _sized(size: Sequence[float] | None) -> Sequence[float]:
    if size is None:
        raise BadRequest("a classifier of objects over arrays without a voxel size", "it asks for volumes in nm³",
                         "pass voxel_size=(z, y, x)")  # fmt: skip
    return size


def _array(values: Any) -> Array:
    if hasattr(values, "read"):
        return np.asarray(values.read())
    found = np.asarray(values)
    if found.ndim != 3:
        raise BadRequest(f"an array of {found.ndim} axes", "objects are found in (z, y, x)", "pick one channel")
    return found


def _labelled(mask: Array) -> Array:
    from scipy.ndimage import label

    if mask.dtype.kind != "b":
        return mask
    found: Array = label(mask, np.ones((3, 3, 3)))[0]
    return found


def _centres(labels: Array, ids: Array) -> Array:
    where = np.nonzero(labels)
    place = np.searchsorted(ids, labels[where])
    count = np.maximum(np.bincount(place, minlength=len(ids)), 1)
    return np.stack([np.bincount(place, one, len(ids)) / count for one in where], 1)
