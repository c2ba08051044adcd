"""How good a map is, in numbers that do not come from what it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.describe import si_length
from ndlab.errors import BadRequest
from ndlab.preprocess.mapping import Mapping

__all__ = ["Quality", "dice", "quality", "there_and_back"]


@dataclass(frozen=True)
class Quality:
    """What a map does to space, landmarks and labels.

    Attributes
    ----------
    jacobian : (float, float, float)
        Least, median and greatest change of volume.
    folds : int
        Voxels of the field where space is folded over: Jacobian determinant of 0 or less.
    inverse_error : (float, float)
        How far there and back again ends from where it began, median and greatest [voxels of the field].
    landmark_error : (float, float, float)
        Median, mean and greatest distance [nm]; nan without landmarks.
    landmark_error_affine : (float, float, float)
        The same with the affine part alone.
    dice : dict of id to float
        Overlap of each label, 0 to 1; empty without labels.
    correlation : list of float
        Mean squared correlation at the end of each level that went by it.
    """

    jacobian: tuple[float, float, float]
    folds: int
    inverse_error: tuple[float, float]
    landmark_error: tuple[float, float, float]
    landmark_error_affine: tuple[float, float, float]
    dice: dict[int, float]
    correlation: list[float]

    def __repr__(self) -> str:
        low, middle, high = self.jacobian
        lines = [
            f"volume change {low:.3g} to {high:.3g} (median {middle:.3g}), {self.folds} folded voxels",
            f"there and back: {self.inverse_error[0]:.2g} voxels (median), {self.inverse_error[1]:.2g} at most",
        ]
        if not np.isnan(self.landmark_error[0]):
            a, b = si_length(self.landmark_error[0]), si_length(self.landmark_error_affine[0])
            lines.append(f"landmarks: median {a} (affine part alone: {b})")
        if self.dice:
            lines.append(f"Dice of {len(self.dice)} labels: mean {np.mean(list(self.dice.values())):.3f}")
        if self.correlation:
            lines.append("correlation by level: " + ", ".join(f"{c:.3f}" for c in self.correlation))
        return "\n".join(lines)


def quality(
    forward: Mapping, backward: Mapping, found: dict[str, Any], landmarks: Any = None, labels: Any = None
) -> Quality:
    """Measure a map; `landmarks` are positions in the moving and the fixed space, `labels` arrays on one grid."""
    jacobian = forward.field.jacobian()
    change = jacobian * abs(np.linalg.det(forward.after[:, :3]) * np.linalg.det(forward.before[:, :3]))
    none = (np.nan,) * 3
    errors, affine = none, none
    if landmarks is not None:
        errors, affine = _landmarks(forward, landmarks)
    levels = [level["steps"][-1] for level in found.get("energy", []) if level["steps"]]
    steps = [last["correlation"] for last in levels if "correlation" in last]
    return Quality(
        (float(change.min()), float(np.median(change)), float(change.max())),
        int((jacobian <= 0).sum()), _inverse_error(forward, backward), errors, affine,
        {} if labels is None else dice(*labels), steps,
    )  # fmt: skip


def dice(found: Any, truth: Any) -> dict[int, float]:
    """Return the overlap of each label that is in either array: twice the common voxels by the sum of both."""
    ids, (a, b) = np.unique(np.stack([found, truth]), return_inverse=True)
    n = len(ids)
    each = np.bincount(a.ravel(), minlength=n) + np.bincount(b.ravel(), minlength=n)
    both = np.bincount(a[a == b].ravel(), minlength=n)
    return {int(i): 2 * int(c) / int(e) for i, c, e in zip(ids, both, each, strict=True) if i != 0}


def _landmarks(forward: Mapping, landmarks: Any) -> Any:
    moving, fixed = (np.asarray(one, np.float64) for one in landmarks)
    if moving.shape != fixed.shape or moving.ndim != 2 or moving.shape[1] != 3:
        raise BadRequest(
            f"landmarks of shapes {moving.shape} and {fixed.shape}",
            "they are two lists of the same places, rows of (z, y, x) in nm",
            "pass landmarks=(in_moving, in_fixed)",
        )
    plain = _affine_only(forward)
    return tuple(_spread(np.linalg.norm(one - moving, axis=1)) for one in (forward.points(fixed), plain.points(fixed)))


def _affine_only(mapping: Mapping) -> Mapping:
    from ndlab.preprocess.fields import DisplacementField

    return Mapping(DisplacementField.still(mapping.field.calibration), mapping.before, mapping.after)


def _spread(distances: Any) -> tuple[float, float, float]:
    return float(np.median(distances)), float(distances.mean()), float(distances.max())


def _inverse_error(forward: Mapping, backward: Mapping) -> tuple[float, float]:
    wrong = there_and_back(forward, backward)
    return (float(np.median(wrong)), float(wrong.max())) if len(wrong) else (0.0, 0.0)


def there_and_back(forward: Mapping, backward: Mapping) -> Any:
    """Distances [voxels of the field] at every voxel of the field whose image stays in the field's own space."""
    c = forward.field.calibration
    index = np.stack(np.meshgrid(*map(np.arange, forward.field.shape), indexing="ij"), -1).reshape(-1, 3)
    inside = np.array(c.offset) + (index + 0.5) * np.array(c.voxel_size)
    there = forward.field.points(inside)
    far = np.array(c.offset) + np.array(forward.field.shape) * np.array(c.voxel_size)
    kept = ((there >= c.offset) & (there <= far)).all(1)
    apart = (backward.field.points(there[kept]) - inside[kept]) / np.array(c.voxel_size)
    return np.linalg.norm(apart, axis=1)
