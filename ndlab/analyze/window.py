"""Where points can be: a mask of voxels with its volume, its set covariance, and the distance to its edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["Window"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Window:
    """The voxels of a mask, each a solid cuboid.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
    voxel_size : tuple of float
        (z, y, x), in the unit of the points, say nm or µm; volumes are in its cube.
    origin : tuple of float
        Corner of the first voxel.

    Examples
    --------
    >>> window = Window.box((10, 20, 30), steps=10)
    >>> window.volume
    6000.0
    >>> float(window.covariance(np.array([[1.0, 2.0, 3.0]]))[0])  # 9 x 18 x 27
    4374.0
    """

    mask: Array
    voxel_size: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.mask.ndim != 3 or self.mask.dtype != bool:
            raise BadRequest(
                f"a mask of shape {self.mask.shape} and type {self.mask.dtype}", "a (z, y, x) array of bool"
            )
        if not self.mask.any():
            raise BadRequest("a mask without a voxel", "points need somewhere to be")
        if min(self.voxel_size) <= 0:
            raise BadRequest(f"a voxel size of {self.voxel_size}", "three lengths above 0 are needed, (z, y, x)")

    @classmethod
    def box(
        cls, size: Sequence[float], origin: Sequence[float] = (0.0, 0.0, 0.0), steps: int | Sequence[int] = 32
    ) -> Window:
        """Return a cuboid of `size`, made of `steps` voxels along each axis; its set covariance is exact for any."""
        counts = (steps,) * 3 if isinstance(steps, int) else tuple(steps)
        voxel = tuple(float(s) / n for s, n in zip(size, counts, strict=True))
        return cls(np.ones(counts, bool), voxel, tuple(map(float, origin)))  # type: ignore[arg-type]

    @property
    def volume(self) -> float:
        """Volume of all voxels."""
        return float(np.count_nonzero(self.mask) * np.prod(self.voxel_size))

    def voxels(self, points: Array) -> Array:
        """Return the index (z, y, x) of the voxel that each point lies in; -1 outside of the array."""
        found = np.floor((np.asarray(points, float) - self.origin) / self.voxel_size).astype(np.int64)
        # The upper faces belong to the window, too.
        end = np.add(self.origin, np.multiply(self.mask.shape, self.voxel_size))
        last = np.isclose(points, end, rtol=1e-12, atol=1e-9 * np.array(self.voxel_size))
        found = np.where(last & (found == self.mask.shape), found - 1, found)
        out = ((found < 0) | (found >= self.mask.shape)).any(axis=1)
        found[out] = -1
        return found

    def contains(self, points: Array) -> Array:
        """Return whether each point (n, 3) is inside."""
        index = self.voxels(points)
        inside = index[:, 0] >= 0
        inside[inside] = self.mask[tuple(index[inside].T)]
        return inside

    def random(self, n: int, rng: np.random.Generator, weights: Array | None = None) -> Array:
        """Return `n` independent points, uniform or in proportion to `weights` of the voxels, (n, 3)."""
        where = np.flatnonzero(self.mask)
        if weights is None:
            chosen = where[rng.integers(0, len(where), n)]
        else:
            share = np.cumsum(np.where(self.mask, weights, 0.0))
            if not share[-1] > 0:
                raise BadRequest("weights of the voxels", f"their sum is {share[-1]:g}", "it has to be above 0")
            chosen = np.searchsorted(share / share[-1], rng.random(n), side="right")
        index = np.stack(np.unravel_index(chosen, self.mask.shape), axis=1)
        found: Array = (index + rng.random((n, 3))) * self.voxel_size + self.origin
        return found

    @cached_property
    def set_covariance(self) -> Array:
        """Volume of the window's overlap with itself moved by each lag of whole voxels, (2z + 1, 2y + 1, 2x + 1)."""
        from scipy import fft

        shape = [2 * n + 1 for n in self.mask.shape]
        fast = [fft.next_fast_len(n, real=True) for n in shape]
        spectrum = fft.rfftn(self.mask.astype(np.float64), fast, workers=-1)
        overlap = fft.irfftn(np.abs(spectrum) ** 2, fast, workers=-1)
        for axis, n in enumerate(self.mask.shape):
            overlap = np.take(overlap, np.arange(-n, n + 1), axis=axis)
        # Counts of voxels are whole; what the transform adds is rounding.
        return np.ascontiguousarray(np.rint(overlap) * np.prod(self.voxel_size))

    def covariance(self, lags: Array) -> Array:
        """Return the volume of the window's overlap with itself moved by each lag (n, 3), exactly."""
        from ndlab.analyze.kernels.pairs3d import covariance_at

        scaled = np.asarray(lags, float) / self.voxel_size
        return np.array([covariance_at(self.set_covariance, *lag) for lag in scaled])

    def edge_distance(self, points: Array) -> Array:
        """Return the distance of each point inside from the nearest place outside of the window.

        Looked for among the voxels outside that are nearest to the point's voxel and to those around it: exact for
        boxes, and elsewhere off by less than a voxel, seldom and upward only.
        """
        from scipy.ndimage import distance_transform_edt

        padded = np.pad(self.mask, 1)
        nearest = distance_transform_edt(padded, self.voxel_size, return_distances=False, return_indices=True)
        index = self.voxels(points) + 1
        best = np.full(len(points), np.inf)
        local = (np.asarray(points, float) - self.origin) / self.voxel_size + 1
        for step in np.ndindex(3, 3, 3):
            at = np.clip(index + np.array(step) - 1, 0, np.array(padded.shape) - 1)
            out = nearest[:, at[:, 0], at[:, 1], at[:, 2]].T
            gap = np.maximum(np.maximum(out - local, local - (out + 1)), 0) * self.voxel_size
            best = np.minimum(best, np.sqrt((gap**2).sum(axis=1)))
        return best
