"""The affine map between two volumes, from many starts: where their mass lies, turned every way a volume is stored."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.preprocess.registration.similarity import local_correlation, mutual_information, windows_of
from ndlab.preprocess.registration.working import Working, coarser

__all__ = ["Affine", "affine_between", "foreground", "voxel_map"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]

# A start that turns the volume has to be better than one that does not by this much correlation.
_MARGIN = 0.02
_KEPT = 4
_RADIUS = 3.0
_STEPS = 40


@dataclass(frozen=True)
class Affine:
    """Positions [nm] (z, y, x) of the fixed space in the moving one: ``matrix @ p + shift``, and how it was found."""

    matrix: Matrix
    shift: Matrix
    start: str
    alike: float
    tried: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "start": self.start, "tried": self.tried, "alike": self.alike, "matrix": self.matrix.tolist(),
            "shift": self.shift.tolist(),
        }  # fmt: skip


def voxel_map(matrix: Matrix, shift: Matrix, fixed: Any, moving: Any) -> tuple[Matrix, Matrix]:
    """Return an affine map in nm as one from voxel indices of one calibration to those of another."""
    inward, outward = np.array(fixed.voxel_size), np.array(moving.voxel_size)
    first = matrix @ np.array(fixed.centre((0, 0, 0))) + shift - np.array(moving.centre((0, 0, 0)))
    return matrix * inward[None, :] / outward[:, None], first / outward


def affine_between(fixed: Working, moving: Working, levels: list[float], measure: str) -> Affine:
    """Return the affine map under which `moving` is most like `fixed`, found at voxels of `levels` nm, coarse first."""
    first, *others = levels
    starts = _starts(fixed, moving)
    small = coarser(fixed, first), coarser(moving, first)
    quick = {name: _value(*small, *start, measure) for name, start in starts.items()}
    best = sorted(quick, key=lambda name: -quick[name])[:_KEPT]
    kept = list(dict.fromkeys(["as they lie", "centres of mass", *best]))
    tried = {name: _descend(*small, *starts[name], measure) for name in kept}
    chosen = max(tried, key=lambda name: tried[name][2] + (0 if "turned" in name else _MARGIN))
    matrix, shift, correlation = tried[chosen]
    for voxel in others:
        matrix, shift, correlation = _descend(coarser(fixed, voxel), coarser(moving, voxel), matrix, shift, measure)
    return Affine(matrix, shift, chosen, correlation, {name: tried[name][2] for name in kept})


def foreground(image: Working) -> Any:
    """Return how much of each voxel is specimen: how far its brightness is from that of the border, 0 to 1."""
    values = image.values
    border = np.concatenate([
        np.take(values, (0, -1), axis).ravel() for axis in range(3) if values.shape[axis] > 1
    ] or [values.ravel()])  # fmt: skip
    far = np.abs(values - np.median(border))
    far = np.clip(far / max(np.percentile(far, 98), 1e-6), 0, 1)
    return np.where(far > 0.15, far, 0.0)


def _moments(image: Working) -> tuple[Matrix, Matrix]:
    mass = foreground(image).astype(np.float64)
    if mass.sum() == 0:
        mass = np.ones_like(mass)
    axes = [
        np.array(image.calibration.offset[i]) + (np.arange(n) + 0.5) * image.calibration.voxel_size[i]
        for i, n in enumerate(image.shape)
    ]
    sums = [mass.sum(tuple(j for j in range(3) if j != i)) for i in range(3)]
    centre = np.array([s @ a / s.sum() for s, a in zip(sums, axes, strict=True)])
    spread = np.array([s @ (a - c) ** 2 / s.sum() for s, a, c in zip(sums, axes, centre, strict=True)])
    return centre, spread


def _starts(fixed: Working, moving: Working) -> dict[str, tuple[Matrix, Matrix]]:
    centre_f, spread_f = _moments(fixed)
    centre_m, spread_m = _moments(moving)
    flat = [n == 1 for n in fixed.shape]
    used = [i for i in range(3) if not flat[i]]
    grown = math.sqrt(max(spread_m[used].sum(), 1e-12) / max(spread_f[used].sum(), 1e-12)) if used else 1.0
    found = {"as they lie": (np.eye(3), np.zeros(3)), "centres of mass": (np.eye(3), centre_m - centre_f)}
    for name, turn in _turns(flat).items():
        matrix = grown * turn
        for i in range(3):
            if flat[i]:
                matrix[i] = np.eye(3)[i]
        label = "centres of mass and size" if np.allclose(turn, np.eye(3)) else f"turned {name}"
        found[label] = (matrix, centre_m - matrix @ centre_f)
    return found


def _turns(flat: list[bool]) -> dict[str, Matrix]:
    """Rotations that a start may have: the 24 of a cube, or 24 of a plane."""
    if any(flat):
        axis = flat.index(True)
        a, b = (i for i in range(3) if i != axis)
        found = {}
        for degrees in range(0, 360, 15):
            turn, angle = np.eye(3), math.radians(degrees)
            turn[[a, a, b, b], [a, b, a, b]] = math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
            found[f"by {degrees} degrees"] = turn
        return found
    found = {}
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            turn = np.zeros((3, 3))
            turn[range(3), order] = signs
            if np.linalg.det(turn) > 0:
                found[
                    "to " + ", ".join(f"{'-' if s < 0 else ''}{'zyx'[o]}" for s, o in zip(signs, order, strict=True))
                ] = turn
    return found


class _Fit:
    """How alike two small images are under an affine map, and its gradient."""

    def __init__(self, fixed: Working, moving: Working, measure: str) -> None:
        self.fixed, self.moving, self.measure = fixed, moving, measure
        self.windows = windows_of(fixed.shape, fixed.calibration.voxel_size, _RADIUS)
        self.still = np.zeros((*fixed.shape, 3), np.float32)
        self.values, self.inside = np.empty_like(fixed.values), np.empty_like(fixed.values)
        self.slopes = np.empty_like(self.still)
        z, y, x = (
            o + (np.arange(n) + 0.5) * v
            for o, n, v in zip(fixed.calibration.offset, fixed.shape, fixed.calibration.voxel_size, strict=True)
        )
        self.axes = (z, y, x)

    def __call__(self, matrix: Matrix, shift: Matrix) -> tuple[float, Matrix, Matrix]:
        """Return the mean correlation and its derivatives by matrix and shift."""
        from ndlab.preprocess.kernels.flows import pull

        step, start = voxel_map(matrix, shift, self.fixed.calibration, self.moving.calibration)
        pull(self.moving.values, self.still, step, start, self.values, self.slopes, self.inside)
        if self.measure == "information":
            alike, gradient = mutual_information(self.fixed.values, self.values, self.inside)
        else:
            alike, gradient, _ = local_correlation(self.fixed.values, self.values, self.inside, self.windows)
        force = self.slopes * gradient[..., None] / np.array(self.moving.calibration.voxel_size, np.float32)
        sums = [force.sum(tuple(j for j in range(3) if j != i), dtype=np.float64) for i in range(3)]
        turned = np.stack([axis @ one for axis, one in zip(self.axes, sums, strict=True)], -1)
        return alike, turned, sums[0].sum(0)


def _value(fixed: Working, moving: Working, matrix: Matrix, shift: Matrix, measure: str) -> float:
    return _Fit(fixed, moving, measure)(matrix, shift)[0]


def _descend(
    fixed: Working, moving: Working, matrix: Matrix, shift: Matrix, measure: str
) -> tuple[Matrix, Matrix, float]:
    """Improve an affine map by L-BFGS, in units in which a change of 1 moves the rim by half the volume."""
    from scipy import optimize

    fit = _Fit(fixed, moving, measure)
    centre = np.array([axis.mean() for axis in fit.axes])
    several = np.array([n > 1 for n in fixed.shape])
    half = 0.5 * float(np.exp(np.mean(np.log(np.array(fixed.extent)[several])))) if several.any() else 1.0
    free = np.outer(several, several)
    at = matrix @ centre + shift

    def split(flat: Matrix) -> tuple[Matrix, Matrix]:
        change = np.zeros((3, 3))
        change[free] = flat[: free.sum()]
        turned = matrix + change
        return turned, at + half * np.where(several, flat[free.sum() :], 0) - turned @ centre

    def cost(flat: Matrix) -> tuple[float, Matrix]:
        alike, by_matrix, by_shift = fit(*split(flat))
        by_matrix = by_matrix - np.outer(by_shift, centre)
        rough = 0.01 * float(flat @ flat)
        slope = np.concatenate([by_matrix[free], half * by_shift * several])
        return fixed.values.size * (rough - alike), fixed.values.size * (0.02 * flat - slope)

    found = optimize.minimize(
        cost, np.zeros(free.sum() + 3), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "ftol": 1e-7}
    )
    better, moved = split(found.x)
    return better, moved, fit(better, moved)[0]
