"""Mapping: from one space to another in nm, through an affine map, a displacement field and another affine map."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as made_by
from typing import Any

import numpy as np

from ndlab.preprocess.fields import DisplacementField

__all__ = ["Mapping"]


def _identity() -> Any:
    return np.eye(3, 4)


@dataclass(frozen=True, eq=False)
class Mapping:
    """A map of positions [nm] (z, y, x): first `before`, then along `field`, then `after`.

    Parameters
    ----------
    field : DisplacementField
    before, after : (3, 4) float
        Affine maps, a matrix and a shift [nm]; the identity unless given.

    Examples
    --------
    >>> from ndlab.geometry import Calibration
    >>> still = DisplacementField.still(Calibration((1, 1, 1)))
    >>> Mapping(still, after=np.array([[1, 0, 0, 5.0], [0, 1, 0, 0], [0, 0, 2, 0]])).points([[1.0, 2.0, 3.0]]).tolist()
    [[6.0, 2.0, 6.0]]
    """

    field: DisplacementField
    before: Any = made_by(default_factory=_identity)
    after: Any = made_by(default_factory=_identity)

    def points(self, points: Any) -> Any:
        """Return where positions (…, 3) [nm] go."""
        return _apply(self.after, self.field.points(_apply(self.before, points)))

    def then(self, other: Mapping) -> Mapping:
        """Return this map and then `other`, sampled on the grid of this one's field."""
        size = np.array(self.field.calibration.voxel_size)
        index = np.stack(np.meshgrid(*map(np.arange, self.field.shape), indexing="ij"), -1) + 0.5
        here = np.array(self.field.calibration.offset) + index * size
        linear = _joined(other.after, _joined(other.before, self.after))
        there = other.points(_apply(self.after, self.field.points(here)))
        moved = _apply(_inverted(linear), there) - here
        return Mapping(DisplacementField(moved, self.field.calibration), self.before, linear)

    def inverse(self, start: DisplacementField | None = None, *, finer: int = 1) -> Mapping:
        """Return the map that takes every position back; see `DisplacementField.inverse`."""
        field = self.field.inverse(start=start, finer=finer)
        return Mapping(field, _inverted(self.after), _inverted(self.before))

    def jacobian(self) -> Any:
        """Return how many times larger a volume becomes, at the voxels of the field."""
        return self.field.jacobian() * np.linalg.det(self.before[:, :3]) * np.linalg.det(self.after[:, :3])


def _apply(affine: Any, points: Any) -> Any:
    return np.asarray(points, np.float64) @ affine[:, :3].T + affine[:, 3]


def _joined(second: Any, first: Any) -> Any:
    return np.concatenate([second[:, :3] @ first[:, :3], (second[:, :3] @ first[:, 3] + second[:, 3])[:, None]], 1)


def _inverted(affine: Any) -> Any:
    back = np.linalg.inv(affine[:, :3])
    return np.concatenate([back, (-back @ affine[:, 3])[:, None]], 1)
