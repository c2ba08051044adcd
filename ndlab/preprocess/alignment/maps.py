"""Maps of the plane: an affine map and, upon it, a displacement that cubic B-splines interpolate between grid nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["Array", "PlaneMap", "affine_inverse", "affine_product", "identity", "rotation"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PlaneMap:
    """A map of points (y, x): affine, plus a displacement that bends.

    Parameters
    ----------
    matrix : array of float64, (2, 3)
        ``matrix[:, :2] @ p + matrix[:, 2]``.
    nodes : array of float64, (ny, nx, 2)
        Coefficients of cubic B-splines; beyond the grid its border goes on.
    first : tuple of 2 float
        Where node (0, 0) stands, (y, x).
    spacing : float
        Between nodes; the unit is the points'.

    Examples
    --------
    >>> turned = PlaneMap.affine(rotation(90.0, (1.0, 1.0)))
    >>> turned(np.array([[1.0, 2.0]])).round(9).tolist()
    [[2.0, 1.0]]
    >>> turned.inverse(np.array([[2.0, 1.0]])).round(9).tolist()
    [[1.0, 2.0]]
    """

    matrix: Array
    nodes: Array
    first: tuple[float, float]
    spacing: float

    @staticmethod
    def affine(matrix: Array) -> PlaneMap:
        """Return a map without displacement."""
        return PlaneMap(np.asarray(matrix, float), np.zeros((1, 1, 2)), (0.0, 0.0), 1.0)

    @staticmethod
    def over(matrix: Array, start: Sequence[float], stop: Sequence[float], spacing: float) -> PlaneMap:
        """Return a map without displacement yet, whose grid covers the rectangle from `start` to `stop`."""
        counts = [max(1, math.ceil((b - a) / spacing)) + 3 for a, b in zip(start, stop, strict=True)]
        first = (start[0] - spacing, start[1] - spacing)
        return PlaneMap(np.asarray(matrix, float), np.zeros((*counts, 2)), first, float(spacing))

    @property
    def places(self) -> Array:
        """Where the nodes stand, (ny, nx, 2)."""
        y, x = (self.first[i] + self.spacing * np.arange(self.nodes.shape[i]) for i in range(2))
        return np.stack(np.meshgrid(y, x, indexing="ij"), -1)

    def __call__(self, points: Array) -> Array:
        """Map points (n, 2)."""
        return self.with_slopes(points)[0]

    def with_slopes(self, points: Array) -> tuple[Array, Array]:
        """Map points (n, 2) and return the Jacobian there as well, (n, 2, 2)."""
        from ndlab.preprocess.kernels.sampling import map_points

        given = np.ascontiguousarray(points, float)
        found, slopes = np.empty((len(given), 2)), np.empty((len(given), 2, 2))
        map_points(given, self.matrix, self.nodes, np.array(self.first), self.spacing, found, slopes)
        return found, slopes

    def inverse(self, targets: Array, tolerance: float = 1e-9) -> Array:
        """Return the points that the map takes to `targets` (n, 2).

        Raises
        ------
        BadRequest
            If there are none: the map folds.
        """
        from ndlab.preprocess.kernels.sampling import invert

        wanted = np.ascontiguousarray(targets, float)
        back = affine_inverse(self.matrix)
        points = wanted @ back[:, :2].T + back[:, 2]
        scale = float(np.abs(wanted).max(initial=1.0))
        slack = max(tolerance * self.spacing, 1e-12 * scale)
        failed = invert(wanted, points, self.matrix, self.nodes, np.array(self.first), self.spacing, slack)
        if failed:
            raise BadRequest(
                f"the inverse of a map at {len(wanted)} points",
                f"there is none at {failed} of them: the map folds there",
                "align again with a stiffer model, e.g. model='affine'",
            )
        return points

    def locate(
        self, start: Sequence[int], shape: Sequence[int], step: Sequence[float], origin: Sequence[float]
    ) -> Array:
        """Map the pixels of a block: pixel `i` stands at ``origin + step * i``; (height, width, 2)."""
        from ndlab.preprocess.kernels.sampling import locate

        found = np.empty((*shape, 2))
        locate(np.array(start, np.int64), np.array(step, float), self.matrix, self.nodes, np.array(self.first),
               self.spacing, np.array(origin, float), found)  # fmt: skip
        return found

    def moved(self, nodes: Array) -> PlaneMap:
        """Return the map with other coefficients."""
        return replace(self, nodes=nodes)

    def fitted(self, displacement: Array) -> PlaneMap:
        """Return the map whose displacement at the nodes (ny, nx, 2) is as given."""
        from scipy import ndimage

        nodes = np.asarray(displacement, float)
        for axis in range(2):
            if nodes.shape[axis] > 3:
                nodes = ndimage.spline_filter1d(nodes, 3, axis, mode="nearest")
        return self.moved(np.ascontiguousarray(nodes))

    def stretch(self, start: Sequence[float], stop: Sequence[float]) -> Array:
        """Return how much area grows at the nodes within a rectangle; below 0 the map folds."""
        places = self.places.reshape(-1, 2)
        within = ((places >= np.asarray(start)) & (places <= np.asarray(stop))).all(1)
        found: Array = np.linalg.det(self.with_slopes(places[within])[1])
        return found


def identity() -> Array:
    """Return the matrix that leaves points where they are."""
    return np.eye(2, 3)


def rotation(degrees: float, centre: Any = (0.0, 0.0), shift: Any = (0.0, 0.0)) -> Array:
    """Return the matrix that turns about `centre` (y, x), y towards x for a negative angle, and then shifts."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = np.asarray(centre, float)
    return np.column_stack([turn, middle - turn @ middle + np.asarray(shift, float)])


def affine_product(outer: Array, inner: Array) -> Array:
    """Return the matrix that does `inner`, then `outer`."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def affine_inverse(matrix: Array) -> Array:
    """Return the matrix that undoes `matrix`."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])
