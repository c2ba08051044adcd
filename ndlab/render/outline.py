"""Outlines of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["filter_ids", "outline"]

Array = np.ndarray[Any, Any]


def outline(labels: Array) -> Array:
    """Mask of the pixels (y, x) whose upper, lower, left or right neighbour has another id.

    Both sides of a border belong to it, but background never does; the picture's edge is no border.

    Examples
    --------
    >>> outline(np.array([[0, 7, 7, 7], [0, 7, 7, 7]])).astype(int).tolist()
    [[0, 1, 0, 0], [0, 1, 0, 0]]
    """
    if labels.ndim != 2:
        raise BadRequest(f"an outline in {labels.ndim} axes", "it is drawn in a plane (y, x)")
    found = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= right
    found[:, :-1] |= right
    found &= labels != 0
    return found


def filter_ids(labels: Array, ids: Any) -> Array:
    """Labels with every id that is not in `ids` set to 0, of the same type.

    Parameters
    ----------
    labels : ndarray of integers, any shape
    ids : iterable of int
        Ids that the type cannot hold are in no voxel.

    Examples
    --------
    >>> filter_ids(np.array([0, 1, 2, 3], dtype="u8"), [3, 1, 2**70]).tolist()
    [0, 1, 0, 3]
    """
    return np.where(among(labels, ids), labels, labels.dtype.type(0))


def among(labels: Array, ids: Any) -> Array:
    """Mask of the labels that are one of `ids`, exact for 64-bit ids."""
    if labels.dtype.kind not in "iu":
        raise BadRequest(f"ids in an array of {labels.dtype}", "labels are whole numbers")
    info = np.iinfo(labels.dtype)
    kept = np.array(sorted({int(i) for i in ids if info.min <= int(i) <= info.max}), labels.dtype)
    if not kept.size:
        return np.zeros(labels.shape, bool)
    # Ids are few and voxels many: voxels are looked up among sorted ids, never sorted.
    found: Array = kept[np.minimum(np.searchsorted(kept, labels), kept.size - 1)] == labels
    return found
