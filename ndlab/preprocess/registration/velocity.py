"""A smooth map of space onto itself, found by descending on how unlike two images are: coarse to fine, never folding.

The map is the flow of a velocity field for one unit of time, so it has an inverse: the flow of the field's negative.
The velocity is v = K^(1/2) w with K = (1 - a² Δ)^-2, applied by cosine transforms, and what is sought is w: in it the
cost of a rough map is simply λ |w|², and L-BFGS needs few steps. The gradient through the flow is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.preprocess.registration.contrast import Contrast
from ndlab.preprocess.registration.similarity import local_correlation, mutual_information, windows_of

__all__ = ["Flow", "Smoothing", "flow_of", "match", "resized"]

# 2^-5 of the velocity is the first step; what a step of the squaring leaves out is far below a hundredth of a voxel.
SQUARINGS = 5
_MEMORY = 8

Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Smoothing:
    """K^(1/2) on a grid: what makes a velocity of anything, and its adjoint.

    Parameters
    ----------
    shape : (3,) int
    voxel : (3,) float
        (z, y, x) [nm].
    reach : float
        a [nm]: details much smaller than it are dear.
    """

    shape: Grid
    voxel: tuple[float, float, float]
    reach: float

    @property
    def root(self) -> Any:
        """K^(1/2) of each frequency, (z, y, x, 1)."""
        total: Any = 0.0
        for axis, (n, h) in enumerate(zip(self.shape, self.voxel, strict=True)):
            waves = (2 - 2 * np.cos(np.pi * np.arange(n) / n)) / h**2
            total = total + waves.reshape([-1 if axis == i else 1 for i in range(3)])
        return (1 / (1 + self.reach**2 * total))[..., None].astype(np.float32)

    @property
    def scale(self) -> Any:
        """Voxels along each axis to a unit of velocity, which is the mean voxel size; 0 along an axis of one voxel."""
        several = [h for n, h in zip(self.shape, self.voxel, strict=True) if n > 1]
        mean = float(np.exp(np.mean(np.log(several)))) if several else 1.0
        return np.array([mean / h if n > 1 else 0.0 for n, h in zip(self.shape, self.voxel, strict=True)], np.float32)


@dataclass
class Flow:
    """A velocity field [voxels of its grid] and what was noted on the way to it."""

    velocity: Any
    energy: list[dict[str, Any]] = field(default_factory=list)


def _filter(values: Any, factor: Any) -> Any:
    from scipy import fft

    return fft.idctn(fft.dctn(values, axes=(0, 1, 2), norm="ortho") * factor, axes=(0, 1, 2), norm="ortho")


def _squared(velocity: Any) -> list[Any]:
    """Flow of a velocity for 2^-n, 2^-(n-1), …, 1 units of time."""
    from ndlab.preprocess.kernels.flows import compose

    steps = [np.ascontiguousarray(velocity * np.float32(0.5**SQUARINGS))]
    for _ in range(SQUARINGS):
        steps.append(np.empty_like(steps[-1]))
        compose(steps[-2], steps[-2], steps[-1])
    return steps


def flow_of(velocity: Any) -> Any:
    """Return the displacement [voxels] after one unit of time along a velocity (z, y, x, 3)."""
    return _squared(velocity)[-1]


def _back(steps: list[Any], gradient: Any) -> Any:
    from ndlab.preprocess.kernels.flows import compose_back

    for step in steps[-2::-1]:
        found = np.empty_like(gradient)
        compose_back(step, gradient, found)
        gradient = found
    return gradient * np.float32(0.5**SQUARINGS)


def resized(velocity: Any, shape: Grid) -> Any:
    """Return a velocity [voxels] of a grid over the same space with another number of voxels."""
    from scipy import ndimage

    zoom = [n / m for n, m in zip(shape, velocity.shape, strict=False)]
    if all(z == 1 for z in zoom):
        return velocity
    parts = [
        ndimage.zoom(velocity[..., k], zoom, order=1, mode="nearest", grid_mode=True) * np.float32(zoom[k])
        for k in range(3)
    ]
    return np.ascontiguousarray(np.stack(parts, -1), np.float32)


def match(
    fixed: Any,
    moving: Any,
    voxel: tuple[float, float, float],
    matrix: Any,
    shift: Any,
    *,
    reach: float,
    stiffness: float,
    radius: float,
    steps: int,
    start: Flow | None = None,
    contrast: Contrast | None = None,
    measure: str = "correlation",
) -> Flow:
    """Return the flow that makes `moving` most like `fixed`, from where `start` ends.

    Parameters
    ----------
    fixed, moving : (z, y, x) float32
        Of unit variance.
    voxel : (3,) float
        Voxel size of `fixed` [nm].
    matrix, shift : (3, 3), (3,) float
        From voxels of `fixed` to voxels of `moving`; the flow comes before it.
    reach : float
        Of the smoothing [nm].
    stiffness : float
        λ: what a mean square of 1 of w, in voxels, costs beside a mean squared correlation of 1.
    radius : float
        Of the windows of correlation [voxels].
    steps : int
        Of L-BFGS at most.
    start : Flow, optional
        Of a coarser grid.
    contrast : Contrast, optional
        What becomes of the moving image's brightness, and how much each voxel counts.
    measure : {"correlation", "information"}
        What is alike: squared correlation in windows, or mutual information.
    """
    from scipy import optimize

    from ndlab.preprocess.kernels.flows import pull

    smoothing = Smoothing(fixed.shape, voxel, reach)
    root, scale, windows = smoothing.root, smoothing.scale, windows_of(fixed.shape, voxel, radius)
    shape = (*fixed.shape, 3)
    w = np.zeros(shape, np.float32)
    if start is not None:
        old = resized(start.velocity, fixed.shape) * np.where(scale > 0, 1 / np.maximum(scale, 1e-9), 0).astype("f4")
        w = _filter(old, 1 / root)
    contrast = contrast or Contrast()
    values, inside, slopes = np.empty_like(fixed), np.empty_like(fixed), np.empty(shape, np.float32)
    noted: dict[str, float] = {}

    def energy(flat: Any) -> tuple[float, Any]:
        now = flat.reshape(shape).astype(np.float32)
        steps_of = _squared(_filter(now, root) * scale)
        pull(moving, steps_of[-1], matrix, shift, values, slopes, inside)
        shown, slope = contrast.applied(values)
        if measure == "information":
            alike, gradient = mutual_information(fixed, shown, contrast.weighted(inside))
        else:
            alike, gradient, _ = local_correlation(fixed, shown, contrast.weighted(inside), windows)
        onward = (slopes @ matrix.astype(np.float32)) * (-gradient * slope)[..., None]
        back = _filter(_back(steps_of, np.ascontiguousarray(onward)) * scale, root)
        rough = stiffness * float(np.vdot(now, now)) / fixed.size
        noted.update(alike=alike, rough=rough)
        total = (back + np.float32(2 * stiffness / fixed.size) * now) * np.float32(fixed.size)
        return fixed.size * (1 - alike + rough), total.ravel().astype(np.float64)

    log: list[dict[str, Any]] = []

    def note(_: Any) -> None:
        log.append({measure: noted["alike"], "roughness": noted["rough"]})

    found = optimize.minimize(
        energy, w.ravel().astype(np.float64), jac=True, method="L-BFGS-B", callback=note,
        options={"maxiter": steps, "maxcor": _MEMORY, "ftol": 2e-7, "gtol": 1e-6},
    )  # fmt: skip
    velocity = _filter(found.x.reshape(shape).astype(np.float32), root) * scale
    entry = {
        "measure": measure,
        "voxel": list(voxel),
        "shape": list(fixed.shape),
        "evaluations": int(found.nfev),
        "steps": log,
    }
    return Flow(velocity, [*(start.energy if start else []), entry])
