"""Which of the pieces that were found are objects: each looked at as a whole, by what was learnt from other pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.detect.matching import Overlaps, match
from ndlab.detect.objects import Rules, objects
from ndlab.errors import BadRequest
from ndlab.measure import regions

__all__ = ["ObjectClassifier"]

Array = np.ndarray[Any, Any]
_LEAST = 1e-5
_SMOOTH = 2.0  # pieces: one more or less is chance
_STRENGTH = 0.1  # of a logistic regression in scikit-learn's terms: some dozens of pieces bear little more


@dataclass(frozen=True)
class ObjectClassifier:
    """A weighted sum of what is known of a piece: where it is above 0, the piece is an object.

    A threshold and a size ask for one thing after the other; a small piece that is certain, and a large one that is
    not quite, pass neither. A sum lets one make up for the other.

    Parameters
    ----------
    offset : float
    weights : (volume, peak, mean, sections)
        Of the logarithm of its volume [nm³], the log odds of its highest and of its mean probability, and the logarithm
        of how many sections it is in.
    """

    offset: float
    weights: tuple[float, float, float, float]

    @classmethod
    def fit(
        cls,
        parts: Sequence[tuple[Array, Array]],
        rules: Rules,
        *,
        voxel_size: Sequence[float],
        overlap: int = 10,
        ignore_below: int = 0,
    ) -> ObjectClassifier:
        """Learn from parts of a volume whose truth is known, and which the model has not learnt from.

        Parameters
        ----------
        parts : sequence of (probability, truth)
            Arrays (z, y, x), two at least; the truth has an id for each object. Where to draw the line is found by
            leaving each part out in turn.
        rules : Rules
            Which make the pieces: better too many than too few.
        voxel_size : (z, y, x)
            [nm].
        overlap, ignore_below
            As for `ndlab.detect.match`.

        Raises
        ------
        BadRequest
            If there are fewer than two parts, or all pieces of the others are right, or all wrong, without one of them.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> def part(seed):
        ...     chance, truth = rng.uniform(0, 0.4, (4, 90, 90)), np.zeros((4, 90, 90), int)
        ...     for i in range(9):
        ...         y, x = 30 * (i // 3) + 5, 30 * (i % 3) + 5
        ...         box = np.s_[1:3, y : y + 9 + i, x : x + 9]
        ...         chance[box], truth[box] = 0.7 + 0.25 * (i % 2), (i % 2) * (i + 1)
        ...     return chance, truth
        >>> found = ObjectClassifier.fit([part(0), part(1)], Rules(0.5, min_size=20), voxel_size=(40, 8, 8))
        >>> chance, truth = part(2)
        >>> kept = found.of(objects(chance, Rules(0.5, min_size=20)), chance, (40, 8, 8))
        >>> bool(((kept > 0) == (truth > 0)).all())
        True
        """
        told = [_Told.of(*part, rules, voxel_size, overlap, ignore_below) for part in parts]
        lines = [_line([one for k, one in enumerate(told) if k != i], len(parts)) for i in range(len(parts))]
        scores = np.concatenate([line.scores(one.features) for line, one in zip(lines, told, strict=True)])
        right = np.concatenate([one.right for one in told])
        line = _line(told, len(parts))
        cut = _cut(scores, right, sum(one.missed for one in told))
        return cls(line.offset - cut, line.weights)

    def scores(self, features: Array) -> Array:
        """Return the sum for each row of `features_of`."""
        found: Array = features @ np.array(self.weights) + self.offset
        return found

    def of(self, labels: Array, probability: Array, voxel_size: Sequence[float]) -> Array:
        """Return the labels (z, y, x) of those pieces that are objects; the others are 0.

        Parameters
        ----------
        labels : ndarray of int, (z, y, x)
            As `objects` gives them.
        probability : ndarray, (z, y, x)
        voxel_size : (z, y, x)
            [nm].
        """
        pieces = _measured(labels, probability, voxel_size)
        kept = pieces["id"][self.scores(features_of(pieces)) > 0]
        found: Array = np.where(np.isin(labels, kept), labels, 0)
        return found

    def about(self) -> dict[str, Any]:
        """Return plain values, for a model's ``notes["classifier"]``."""
        return {"offset": self.offset, "weights": list(self.weights)}

    @classmethod
    def read(cls, about: Mapping[str, Any]) -> ObjectClassifier:
        """Read what `about` gave."""
        volume, peak, mean, sections = about["weights"]
        return cls(about["offset"], (volume, peak, mean, sections))


def features_of(pieces: Any) -> Array:
    """Return what is asked of the pieces that `ndlab.measure.regions` measured with their probability, (n, 4)."""
    odds = (np.log(p / (1 - p)) for p in (np.clip(pieces[name], _LEAST, 1 - _LEAST) for name in ("max", "mean")))
    # Pieces hang together by faces and edges, so one is in every section from its first to its last.
    return np.stack([np.log(pieces["volume"]), *odds, np.log(pieces["z1"] - pieces["z0"])], axis=1)


def _measured(labels: Array, chance: Array, voxel_size: Sequence[float]) -> Any:
    from ndlab.volume import Volume

    size = tuple(voxel_size)
    return regions(Volume.from_array(labels, size), Volume.from_array(chance, size), progress=False)


@dataclass(frozen=True, eq=False)
class _Told:
    """Pieces of a part that are right or wrong, and how many objects no piece lies on."""

    features: Array
    right: Array
    missed: int

    @classmethod
    def of(
        cls, chance: Array, truth: Array, rules: Rules, voxel_size: Sequence[float], overlap: int, ignore_below: int
    ) -> _Told:
        labels = objects(chance, rules)
        found = match(Overlaps.of(labels, truth), overlap=overlap, ignore_below=ignore_below)
        counts = found.right | found.wrong
        # Both go by id.
        return cls(features_of(_measured(labels, chance, voxel_size))[counts], found.right[counts], found.fn)


def _line(told: Sequence[_Told], parts: int) -> ObjectClassifier:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    right = np.concatenate([one.right for one in told]) if told else np.zeros(0, bool)
    if parts < 2 or right.all() or not right.any():
        raise BadRequest(f"a classifier of {len(right)} pieces, {int(right.sum())} of them objects, of {parts} parts",
                         "two parts or more are needed, and without any of them still pieces of both kinds",
                         "give more parts, or rules with a lower threshold and size")  # fmt: skip
    scale = StandardScaler()
    x = scale.fit_transform(np.concatenate([one.features for one in told]))
    fitted = LogisticRegression(C=_STRENGTH).fit(x, right)
    weights = fitted.coef_[0] / scale.scale_
    volume, peak, mean, sections = weights.tolist()
    return ObjectClassifier(float(fitted.intercept_[0] - weights @ scale.mean_), (volume, peak, mean, sections))


def _cut(scores: Array, right: Array, missed: int) -> float:
    """Above which score F1 is best, seen together with the cuts beside it."""
    from scipy.ndimage import gaussian_filter1d

    order = np.argsort(-scores, kind="stable")
    tp = np.cumsum(right[order])
    f1 = 2 * tp / (np.arange(1, len(order) + 1) + right.sum() + missed)
    best = int(np.argmax(gaussian_filter1d(f1, _SMOOTH, mode="nearest")))
    ranked = np.append(scores[order], scores.min() - 1)
    return float(ranked[best : best + 2].mean())
