"""Decision trees as arrays, walked for many voxels at a time."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["walk"]

_LOT = 64  # voxels whose features stay in the nearest cache while all trees are walked


@jit
def walk(
    features: Array, chosen: Array, feature: Array, threshold: Array, left: Array, value: Array, roots: Array,
    output: Array, start: Array, out: Array,
) -> None:  # fmt: skip
    """Sum the leaves that each chosen voxel falls into.

    Parameters
    ----------
    features : ndarray of float32, (n_features, voxels)
    chosen : ndarray of int64
        Which voxels.
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
    out : ndarray of float32, (outputs, chosen)
    """
    n_features, total = features.shape[0], len(chosen)
    held = np.empty((_LOT, n_features), np.float32)
    for first in range(0, total, _LOT):
        size = min(_LOT, total - first)
        for f in range(n_features):
            for i in range(size):
                held[i, f] = features[f, chosen[first + i]]
        for k in range(len(start)):
            for i in range(size):
                out[k, first + i] = start[k]
        for t in range(len(roots)):
            k = output[t]
            for i in range(size):
                node = roots[t]
                f = feature[node]
                while f >= 0:
                    # Without a branch: which way a voxel goes is not to be guessed.
                    node = left[node] + np.int32(not (held[i, f] <= threshold[node]))
                    f = feature[node]
                out[k, first + i] += value[node]
