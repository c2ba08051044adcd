"""Trees that were grown by scikit-learn, kept as plain arrays: no pickle is ever read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Forest"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Forest:
    """Decision trees of one classifier.

    Parameters
    ----------
    feature : ndarray of int16
        Of each node the feature that is asked; -1 for a leaf.
    threshold : ndarray of float32
        A voxel goes left where its feature is at most this.
    left : ndarray of int32
        The left child; the right one follows it.
    value : ndarray of float32
        Of each leaf.
    roots, output : ndarray of int32
        First node of each tree, and which output it adds to.
    start : ndarray of float32
        What each output begins with.
    link : {"softmax", "logistic", "mean"}
        How sums become probabilities; the last class stands alone in the latter two.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((200, 3), "f4")
    >>> grown = RandomForestClassifier(10, random_state=0).fit(x, x[:, 0] + x[:, 1] > 1)
    >>> found = Forest.of(grown).probabilities(np.ascontiguousarray(x.T))
    >>> np.allclose(found[1], grown.predict_proba(x)[:, 1])
    True
    """

    feature: Array
    threshold: Array
    left: Array
    value: Array
    roots: Array
    output: Array
    start: Array
    link: str

    @classmethod
    def of(cls, grown: Any) -> Forest:
        """Take the trees of a RandomForestClassifier of two classes, or of a HistGradientBoostingClassifier."""
        if hasattr(grown, "estimators_"):
            return _gathered([_random_tree(one.tree_, len(grown.estimators_)) for one in grown.estimators_],
                             [0] * len(grown.estimators_), [0.0], "mean")  # fmt: skip
        trees, output = [], []
        for step in grown._predictors:
            for k, one in enumerate(step):
                trees.append(_boosted_tree(one.nodes))
                output.append(k)
        start = np.ravel(grown._baseline_prediction).astype(float).tolist()
        return _gathered(trees, output, start, "softmax" if len(start) > 1 else "logistic")

    @property
    def classes(self) -> int:
        """How many there are."""
        return max(2, len(self.start))

    def probabilities(self, features: Array, chosen: Array | None = None) -> Array:
        """Probability of each class, float32 (classes, voxels), from features (n_features, voxels)."""
        from ndlab.detect.kernels.trees import walk

        which = np.arange(features.shape[1]) if chosen is None else chosen
        out = np.empty((len(self.start), len(which)), "f4")
        walk(features, which, self.feature, self.threshold, self.left, self.value, self.roots, self.output,
             self.start, out)  # fmt: skip
        if self.link == "softmax":
            np.exp(out - out.max(axis=0), out=out)
            out /= out.sum(axis=0)
            return out
        last = 1 / (1 + np.exp(-out[0])) if self.link == "logistic" else out[0]
        return np.stack([1 - last, last])

    def arrays(self) -> dict[str, Array]:
        """Return what a file holds."""
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Forest:
        """Read what `arrays` gave."""
        return cls(**{name: arrays[name] for name in list(cls.__dataclass_fields__)[:-1]}, link=str(arrays["link"]))


Tree = tuple[Array, Array, Array, Array, Array]


def _random_tree(tree: Any, count: int) -> Tree:
    leaf = tree.children_left < 0
    value = tree.value[:, 0, :]
    share = value[:, -1] / value.sum(axis=1) / count
    return tree.children_left, tree.children_right, np.where(leaf, -1, tree.feature), tree.threshold, share


def _boosted_tree(nodes: Array) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    feature = np.where(leaf, -1, nodes["feature_idx"])
    return nodes["left"].astype(int), nodes["right"].astype(int), feature, nodes["num_threshold"], nodes["value"]


def _gathered(trees: list[Tree], output: list[int], start: list[float], link: str) -> Forest:
    parts = [_siblings_together(*tree) for tree in trees]
    sizes = [len(part[0]) for part in parts]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype("i4")
    left = np.concatenate([part[2] + root for part, root in zip(parts, roots, strict=True)])
    feature, threshold, value = (np.concatenate([part[i] for part in parts]) for i in (0, 1, 3))
    return Forest(
        feature.astype("i2"), _rounded_down(threshold), left.astype("i4"), value.astype("f4"), roots,
        np.array(output, "i4"), np.array(start, "f4"), link,
    )  # fmt: skip


def _siblings_together(left: Array, right: Array, feature: Array, threshold: Array, value: Array) -> tuple[Array, ...]:
    """Put the nodes in an order in which every right child follows the left one, level by level."""
    order, place = [0], np.zeros(len(feature), int)
    for at, node in enumerate(order):  # grows while it is walked
        place[node] = at
        if feature[node] >= 0:
            order += [int(left[node]), int(right[node])]
    chosen = np.array(order)
    child = np.where(feature[chosen] >= 0, place[np.maximum(left[chosen], 0)], 0)
    return feature[chosen], threshold[chosen], child, value[chosen]


def _rounded_down(threshold: Array) -> Array:
    """Round to float32 so that no float32 value changes sides."""
    near = np.asarray(threshold, "f4")
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near).astype("f4")
