"""What the brightness of one image is in the other, and which voxels have no counterpart there.

The brightness of the moving image is put through a curve of straight pieces, which follows the reversal of bright and
dark better than a polynomial does. Voxels of the fixed image are tissue (near what the curve predicts), artefact
(bright or odd) or background (nothing there), each with a Gaussian, and the odds are found by expectation and
maximisation, as in CloudReg. What is no tissue does not pull on the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.preprocess.registration.similarity import local_correlation

__all__ = ["Contrast", "choose", "fit"]

PIECES = 16
_ROUNDS = 12
# A quarter of the image's deviation: what shading and noise leave between a curve and the truth.
_SMALLEST = 0.0625
# A curve or a missing piece is believed if it says at least this much.
_GAIN = 0.03
_MISSING = 0.05


@dataclass(frozen=True)
class Contrast:
    """A curve from the moving image's brightness to the fixed one's, and a weight of each voxel of the fixed grid.

    Parameters
    ----------
    knots, values : tuple of float
        Brightness of the moving image, evenly spaced, and what it is in the fixed one; without them, it is the same.
    weight : (z, y, x) float32, optional
        How surely a voxel has a counterpart, 0 to 1; 1 everywhere unless given.
    shares : tuple of float
        Of tissue, artefact and background.
    """

    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    weight: Any = None
    shares: tuple[float, ...] = (1.0, 0.0, 0.0)

    def applied(self, brightness: Any) -> tuple[Any, Any]:
        """Return what `brightness` is in the fixed image, and the slope of the curve there."""
        if not self.knots:
            return brightness, np.float32(1)
        number, rest, step = _places(brightness, self.knots)
        curve = np.array(self.values, np.float32)
        rise = np.diff(curve)
        return curve[number] + rest * rise[number], rise[number] / np.float32(step)

    def weighted(self, inside: Any) -> Any:
        """Return how much each voxel counts, given where the moving image is."""
        return inside.copy() if self.weight is None else inside * self.weight


def choose(
    fixed: Any, moved: Any, inside: Any, windows: Any, asked: str, *, fine: bool = True
) -> tuple[Contrast, dict[str, Any]]:
    """Return the contrast that is worth using between two images as they lie now, and why.

    Parameters
    ----------
    fixed, moved, inside : (z, y, x) float32
        Images of unit variance, and where the moving one is.
    windows : (3,) int array
        Radius of the windows of correlation [voxels].
    asked : {"auto", "local", "curve"}
    fine : bool
        Whether the map is right enough for missing pieces to show.
    """
    if asked == "local":
        return Contrast(), {"used": "local"}
    found = fit(fixed, moved, inside, windows)
    plain = local_correlation(fixed, moved, inside, windows)[0]
    shown = local_correlation(fixed, found.applied(moved)[0], inside, windows)[0]
    some = inside > 0
    missing = float((found.weight[some] < 0.5).mean()) if found.weight is not None and some.any() else 0.0
    curve = asked == "curve" or shown > plain * (1 + _GAIN)
    weighted = fine and missing > _MISSING
    about = {
        "used": "curve" if curve else "local", "correlation": {"local": plain, "curve": shown}, "knots": found.knots,
        "values": found.values, "shares": found.shares, "without counterpart": missing, "weighted": weighted,
    }  # fmt: skip
    knots, values = (found.knots, found.values) if curve else ((), ())
    return Contrast(knots, values, found.weight if weighted else None, found.shares), about


def fit(fixed: Any, moved: Any, inside: Any, windows: Any = None) -> Contrast:
    """Return the contrast that explains `fixed` by `moved`, both of unit variance, where `inside` is 1.

    The weight is averaged over `windows`: a thin rim that does not fit yet is a displacement to be found, a piece as
    large as a window is missing.
    """
    f, m = fixed[inside > 0].astype(np.float64), moved[inside > 0].astype(np.float64)
    if f.size < 4 * PIECES or m.max() == m.min():
        return Contrast()
    knots = np.linspace(m.min(), m.max(), PIECES + 1)
    number, rest, _ = _places(m, knots)
    low, high = np.percentile(f, (1, 99))
    spread = max((high - low) ** 2 / 12, _SMALLEST)
    means, variances = np.array([high, low]), np.array([spread, spread, max(spread / 16, _SMALLEST)])
    shares, weights = np.array([0.79, 0.01, 0.2]), np.ones(f.size)
    for _ in range(_ROUNDS):
        curve = _solve(number, rest, f, weights)
        predicted = curve[number] + rest * np.diff(curve)[number]
        odds, weights = _odds(f, predicted, means, variances, shares)
        total = odds.sum(1) + 1e-9
        shares = np.maximum(total / total.sum(), 1e-4)
        means = (odds[1:] @ f) / total[1:]
        for k, centre in enumerate((predicted, means[0], means[1])):
            variances[k] = max(float(odds[k] @ (f - centre) ** 2) / total[k], _SMALLEST)
    weight = np.zeros(fixed.shape, np.float32)
    weight[inside > 0] = weights
    if windows is not None:
        weight = _averaged(weight, inside, windows)
    return Contrast(tuple(knots.tolist()), tuple(curve.tolist()), weight, tuple(shares.tolist()))


def _places(brightness: Any, knots: Any) -> tuple[Any, Any, float]:
    """Return which piece of the curve each value lies in, how far along it, and how long a piece is."""
    step = float(knots[1] - knots[0])
    at = np.clip((brightness - brightness.dtype.type(knots[0])) / brightness.dtype.type(step), 0, len(knots) - 1.001)
    number = at.astype(np.intp)
    return number, at - number, step


def _solve(number: Any, rest: Any, values: Any, weights: Any) -> Any:
    """Weighted least squares over curves of straight pieces, held straight where there is little to go by."""
    n = PIECES + 1
    system = np.zeros((n, n))
    for a, b, share in ((0, 0, (1 - rest) ** 2), (0, 1, (1 - rest) * rest), (1, 1, rest**2)):
        sums = np.bincount(number, weights * share, n - 1)[: n - 1]
        system[np.arange(n - 1) + a, np.arange(n - 1) + b] += sums
        if a != b:
            system[np.arange(n - 1) + b, np.arange(n - 1) + a] += sums
    right = np.bincount(number, weights * (1 - rest) * values, n) + np.bincount(number + 1, weights * rest * values, n)
    bend = np.diff(np.eye(n), 2, axis=0)
    system += 1e-4 * weights.sum() * bend.T @ bend + 1e-9 * weights.sum() * np.eye(n)
    return np.linalg.solve(system, right)


def _odds(values: Any, predicted: Any, means: Any, variances: Any, shares: Any) -> tuple[Any, Any]:
    """Return the probability of each class, and how much better than tissue no other class explains a voxel.

    Background under a prediction of background is as well explained by either, and counts in full.
    """
    centres = (predicted, means[0], means[1])
    logs = np.stack([
        -0.5 * np.log(variance) - (values - centre) ** 2 / (2 * variance)
        for centre, variance in zip(centres, variances, strict=True)
    ])  # fmt: skip
    odds = np.exp(logs - logs.max(0)) * shares[:, None]
    tissue = np.minimum(1, 2 / (1 + np.exp(np.clip(logs[1:].max(0) - logs[0], -50, 50))))
    return odds / odds.sum(0), tissue


def _averaged(weight: Any, inside: Any, windows: Any) -> Any:
    from ndlab.preprocess.kernels.windows import box_sum

    some, all_of = np.empty_like(weight), np.empty_like(weight)
    box_sum(np.ascontiguousarray(weight * inside), windows, some)
    box_sum(np.ascontiguousarray(inside), windows, all_of)
    return some / np.maximum(all_of, 1e-3)
