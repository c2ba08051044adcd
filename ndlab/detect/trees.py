"""A detector of boosted trees: filters, then what the first trees thought of the surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ndlab.detect.features import Context, Multiscale
from ndlab.detect.forest import Forest

__all__ = ["Growth", "Trees", "grow"]

Array = np.ndarray[Any, Any]
_MANY = 100_000  # rows from which on threads pay
STRIDE = 2
"""The first stage looks at every so manieth pixel of y and x: what it says is read smoothed only."""


@dataclass(frozen=True, eq=False)
class Trees:
    """Two stages of boosted trees (auto-context).

    The second stage looks again at voxels of which the first gave what is looked for a chance of at least `doubt`; the
    others keep what the first stage said.

    Parameters
    ----------
    filters : Multiscale
    context : Context
    first, second : Forest
    doubt : float
    """

    kind: ClassVar[str] = "trees"
    finer: ClassVar[int] = 1
    align: ClassVar[int] = STRIDE
    piece: ClassVar[tuple[int, int, int]] = (6, 384, 384)
    filters: Multiscale
    context: Context
    first: Forest
    second: Forest
    doubt: float

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far a probability looks: sections, and pixels in y and x."""
        z, y, x = (a + b for a, b in zip(self.filters.overlap, self.context.overlap, strict=True))
        return z, y, x

    def predict(self, image: Array) -> Array:
        """Probabilities (classes, z, y, x) of grey values (z, y, x) of mean 0 and deviation 1."""
        features = self.filters.of(image)
        shape = features.shape[1:]
        found = looked_at(self.first, features)
        around = self.context.of(found).reshape(self.context.count, -1)
        again = np.flatnonzero(around[doubted(self.context)] >= self.doubt)
        found = found.reshape(len(found), -1)
        if len(again):
            flat = features.reshape(len(features), -1)
            last = self.second.probabilities(np.concatenate([flat[:, again], around[:, again]]))[-1]
            before = found[-1, again]
            found[:, again] *= (1 - last) / np.maximum(1 - before, np.float32(1e-6))
            found[-1, again] = last
        return found.reshape(-1, *shape)

    def about(self) -> dict[str, Any]:
        """Return what is not an array, as plain values."""
        return {"sigmas": list(self.filters.sigmas), "context": list(self.context.sigmas),
                "classes": self.context.classes, "doubt": self.doubt}  # fmt: skip

    def arrays(self) -> dict[str, Array]:
        """Return what a file holds."""
        parts = (("first", self.first), ("second", self.second))
        return {f"{name}/{key}": value for name, one in parts for key, value in one.arrays().items()}

    @classmethod
    def read(cls, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Trees:
        """Read what `about` and `arrays` gave."""
        first, second = (Forest.from_arrays(below(arrays, name)) for name in ("first", "second"))
        context = Context(about["classes"], tuple(about["context"]))
        return cls(Multiscale(tuple(about["sigmas"])), context, first, second, about["doubt"])


def below(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    """Return the arrays of one part, without its name."""
    return {key[len(name) + 1 :]: value for key, value in arrays.items() if key.startswith(f"{name}/")}


@dataclass(frozen=True)
class Growth:
    """How boosted trees are grown.

    Parameters
    ----------
    first, second : int
        Rounds of boosting of the two stages; a round of the first is one tree for each class.
    leaves : int
        Of a tree, at most.
    rate : float
        Of learning.
    samples : int
        Voxels of each class, at most.
    doubt : float
        As for `Trees`.
    seed : int
    """

    first: int = 20
    second: int = 150
    leaves: int = 31
    rate: float = 0.12
    samples: int = 40_000
    doubt: float = 0.01
    seed: int = 0


def looked_at(first: Forest, features: Array) -> Array:
    """Let the first stage look: (classes, z, y, x), each pixel by the one of its square that was looked at."""
    from ndlab.detect.kernels.filters import repeated

    some = np.ascontiguousarray(features[..., ::STRIDE, ::STRIDE])
    coarse = first.probabilities(some.reshape(len(some), -1)).reshape(-1, *some.shape[1:])
    out = np.empty((len(coarse), *features.shape[1:]), "f4")
    repeated(coarse, STRIDE, out)
    return out


def doubted(context: Context) -> int:
    """Which feature of a context decides where the second stage looks: the last class, a little smoothed."""
    return (context.classes - 2) * (len(context.sigmas) + 1) + 1


def grow(image: Array, classes: Array, weight: Array, growth: Growth = Growth()) -> Trees:
    """Grow a `Trees` from grey values, the class of each voxel, and a weight that is 0 where nothing is known.

    The second stage tells the last class from all others. It learns from what first stages thought of voxels that they
    had not seen: two are grown for it, each on half of the area, and a third on all of it, which is kept.
    """
    filters, rng = Multiscale(), np.random.default_rng(growth.seed)
    context = Context(int(classes.max()) + 1)
    features = filters.of(image)
    flat, truth, known = features.reshape(len(features), -1), classes.ravel(), weight.ravel() > 0
    side = np.broadcast_to(_halves(classes.shape[1:]), classes.shape)

    def stage(chosen: Array) -> Forest:
        some = _drawn(truth, chosen, growth.samples, rng)
        return _boosted(flat[:, some].T, truth[some], growth.first, growth)

    halves = [looked_at(stage(known & (side.ravel() == half)), features) for half in (True, False)]
    around = context.of(np.where(side, halves[1], halves[0])).reshape(context.count, -1)
    first = stage(known)
    doubtful = known & (around[doubted(context)] >= growth.doubt)
    last = (truth == context.classes - 1).astype("u1")
    some = _drawn(last, doubtful if last[doubtful].any() else known, 2 * growth.samples, rng)
    second = _boosted(np.concatenate([flat[:, some], around[:, some]]).T, last[some], growth.second, growth)
    return Trees(filters, context, first, second, growth.doubt)


def _halves(shape: tuple[int, ...]) -> Array:
    """Cut a section into a chessboard of areas, so that both halves have something of everything."""
    y, x = (np.arange(n) // max(16, n // 6) for n in shape)
    found: Array = ((y[:, None] + x[None]) % 2).astype(bool)
    return found


def _drawn(truth: Array, known: Array, most: int, rng: np.random.Generator) -> Array:
    """Draw voxels, at most so many of each class."""
    chosen = [rng.permutation(np.flatnonzero(known & (truth == k)))[:most] for k in np.unique(truth[known])]
    return np.concatenate(chosen)


def _boosted(features: Array, truth: Array, rounds: int, growth: Growth) -> Forest:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    grown = HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=growth.rate, max_leaf_nodes=growth.leaves, min_samples_leaf=40,
        l2_regularization=1.0, early_stopping=False, random_state=growth.seed,
    )  # fmt: skip
    # Of little work threads make more.
    with threadpool_limits(1 if len(truth) < _MANY else None, "openmp"):
        return Forest.of(grown.fit(np.ascontiguousarray(features), truth))
