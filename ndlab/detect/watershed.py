"""Heights whose basins are fragments of cells: how deep inside a membrane's mesh a voxel is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Float3, Int3

__all__ = ["Array", "Heights", "levels", "probabilities"]

Array = np.ndarray[Any, Any]
_ENDS = 3.0  # standard deviations after which a Gaussian ends


@dataclass(frozen=True)
class Heights:
    """How heights come of membrane probabilities.

    Distance [nm] to the nearest membrane below zero, distance to what is not membrane above it, smoothed, and
    nowhere lower than half of `gap`: so a hole in a membrane narrower than `gap` does not join what it parts, and
    what is wider than `gap` all along is one fragment. A height depends on the voxels within `overlap` alone, to the
    last bit.

    Parameters
    ----------
    voxel_size : tuple of 3 float
        (z, y, x) [nm].
    membrane : float
        Probability from which a voxel is membrane.
    gap : float
        Width of the widest hole that is closed [nm].
    smooth : float
        Standard deviation [nm].
    flat : bool
        Whether sections are taken one by one.

    Examples
    --------
    >>> wall = np.zeros((1, 9, 9)); wall[0, 4] = 1  # two cells, one above the other
    >>> Heights((10, 10, 10), gap=40, smooth=0).of(wall)[0, :, 0].tolist()
    [-20.0, -20.0, -20.0, -10.0, 10.0, -10.0, -20.0, -20.0, -20.0]
    """

    voxel_size: Float3
    membrane: float = 0.3
    gap: float = 120.0
    smooth: float = 10.0
    flat: bool = False

    @property
    def floor(self) -> float:
        """The lowest height."""
        return float(np.float32(-self.gap / 2))

    @property
    def reach(self) -> float:
        """How far a membrane is felt [nm]: what is smoothed to the floor is at the floor all around."""
        return self.gap / 2 + _ENDS * self.smooth

    @property
    def overlap(self) -> Int3:
        """Voxels (z, y, x) that a height depends on, one more for the way down from it."""
        z, y, x = (
            math.ceil(self.reach / size) + _radius(self.smooth / size) + 1 if looks else 0
            for size, looks in zip(self.voxel_size, (not self.flat, True, True), strict=True)
        )
        return z, y, x

    def of(self, probability: Array) -> Array:
        """Heights [nm], float32 (z, y, x), of membrane probabilities from 0 to 1."""
        from scipy import ndimage

        from ndlab.detect.kernels.distance import distance

        looked = np.array([math.inf if self.flat else self.voxel_size[0], *self.voxel_size[1:]])
        inside = probability < self.membrane
        found = distance(~inside, looked, self.reach)
        found -= distance(inside, looked, self.reach)
        if self.smooth:
            sigma = [0.0 if math.isinf(size) else self.smooth / size for size in looked]
            found = ndimage.gaussian_filter(found, sigma, truncate=_ENDS, mode="nearest")
        return np.asarray(np.maximum(found, np.float32(self.floor)))


def _radius(sigma: float) -> int:
    return int(_ENDS * sigma + 0.5)  # as scipy has it


def probabilities(values: Array) -> Array:
    """Probabilities from 0 to 1, float32, of what a membrane volume holds: bytes, truth values, or probabilities.

    Examples
    --------
    >>> probabilities(np.array([0, 255], "u1")).tolist(), probabilities(np.array([True, False])).tolist()
    ([0.0, 1.0], [1.0, 0.0])
    """
    if values.dtype == np.uint8:
        return values.astype("f4") / np.float32(255)
    return values.astype("f4")


def levels(probability: Array) -> Array:
    """Probabilities in 256 steps, uint8, to be counted exactly."""
    return np.round(np.clip(probability, 0, 1) * np.float32(255)).astype("u1")
