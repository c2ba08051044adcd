"""Planes out of blocks: which axis lies where, and true proportions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["AXES", "plane", "stretch"]

Array = np.ndarray[Any, Any]

# Columns, then rows, as the originals' addresses name planes.
AXES = ("xy", "xz", "yz", "zy")


def _check(axes: str) -> None:
    if axes not in AXES:
        raise BadRequest(f"plane {axes!r}", f"planes are {', '.join(AXES)}: columns, then rows")


def plane(values: Array, axes: str = "xy") -> Array:
    """View of a block one voxel thick as a picture (rows, columns).

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
        One voxel along the axis that `axes` does not name.
    axes : {"xy", "xz", "yz", "zy"}
        Axis of the columns, then of the rows: in xz and yz, z runs down.

    Examples
    --------
    >>> block = np.arange(24).reshape(2, 3, 4)
    >>> plane(block[:, 1:2], "xz").tolist()
    [[4, 5, 6, 7], [16, 17, 18, 19]]
    >>> plane(block[:, :, :1], "zy").tolist()
    [[0, 12], [4, 16], [8, 20]]
    """
    _check(axes)
    third = next(i for i, name in enumerate("zyx") if name not in axes)
    if values.ndim != 3 or values.shape[third] != 1:
        raise BadRequest(f"plane {axes} of {values.shape}", f"the block is (z, y, x), 1 along {'zyx'[third]}")
    flat = values.squeeze(third)
    return flat.T if axes == "zy" else flat


def stretch(pixels: Array, voxel_size: Sequence[float], axes: str) -> Array:
    """Picture in true proportions: z is scaled to the other axis's voxels, nearest voxel each, so that ids stay ids.

    Parameters
    ----------
    pixels : ndarray, shape (rows, columns) or (rows, columns, channels)
    voxel_size : sequence of 3 float
        (z, y, x) [nm].
    axes : {"xy", "xz", "yz", "zy"}
        Axis of the columns, then of the rows. An xy plane stays as it is.

    Examples
    --------
    >>> stretch(np.array([[1, 2], [3, 4]]), (40, 20, 20), "xz").tolist()
    [[1, 2], [1, 2], [3, 4], [3, 4]]
    """
    _check(axes)
    if "z" not in axes:
        return pixels
    sizes = dict(zip("zyx", map(float, voxel_size), strict=True))
    if not all(0 < size < float("inf") for size in sizes.values()):
        raise BadRequest(f"voxel size {tuple(voxel_size)}", "it is three lengths above 0 (z, y, x) in nm")
    where = 1 - axes.index("z")  # rows are named last
    ratio = sizes["z"] / sizes[axes.replace("z", "")]
    n = pixels.shape[where]
    wanted = max(1, int(n * ratio + 0.5)) if n else 0
    found: Array = np.take(pixels, nearest(n, wanted), axis=where)
    return found


def nearest(voxels: int, pixels: int) -> Array:
    """Say for each of `pixels` in which of `voxels` its centre lies; on a border it is the later one.

    Examples
    --------
    >>> nearest(3, 7).tolist()
    [0, 0, 1, 1, 1, 2, 2]
    """
    return (2 * np.arange(pixels) + 1) * voxels // (2 * max(pixels, 1))
