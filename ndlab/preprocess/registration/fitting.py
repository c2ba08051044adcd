"""From two volumes to a map: coarse levels by each measure, the better one refined."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.preprocess.fields import DisplacementField
from ndlab.preprocess.mapping import Mapping
from ndlab.preprocess.registration.affine import Affine, affine_between, voxel_map
from ndlab.preprocess.registration.contrast import Contrast, choose
from ndlab.preprocess.registration.similarity import windows_of
from ndlab.preprocess.registration.velocity import Flow, flow_of, match, resized
from ndlab.preprocess.registration.working import Working, coarser, voxel_for, working
from ndlab.volume import Volume

__all__ = ["fitted", "mean_of"]

# From planted warps of a brain (bench/register.py). The reach is a share of the fixed volume's mean extent, and the
# stiffness counts displacements in shares of it, so that neither knows the voxel size.
_REACH = 1 / 12
_STIFFNESS = 6.0
_RADIUS = 3.0
_STEPS = 60
_SMALLEST = 14


@dataclass
class _Course:
    """How far the map has come by one measure."""

    fixed: Working
    moving: Working
    reach: float
    stiffness: float
    measure: str
    affine: Affine
    flow: Flow | None = None
    contrasts: list[dict[str, Any]] = field(default_factory=list)

    def images(self, voxel: float) -> tuple[Working, Working, Any, Any]:
        """Both images at a voxel size, and the affine map between their voxels."""
        f, m = coarser(self.fixed, voxel), coarser(self.moving, voxel)
        return f, m, *voxel_map(self.affine.matrix, self.affine.shift, f.calibration, m.calibration)

    def contrast(self, voxel: float, asked: str, fine: bool) -> tuple[Contrast, dict[str, Any]]:
        """Choose the contrast at a voxel size, as the map stands."""
        from ndlab.preprocess.kernels.flows import pull

        f, m, matrix, shift = self.images(voxel)
        still = np.zeros((*f.shape, 3), np.float32)
        moved = still if self.flow is None else flow_of(resized(self.flow.velocity, f.shape))
        values, inside, slopes = np.empty_like(f.values), np.empty_like(f.values), np.empty_like(moved)
        pull(m.values, moved, matrix, shift, values, slopes, inside)
        windows = windows_of(f.shape, f.calibration.voxel_size, _RADIUS)
        return choose(f.values, values, inside, windows, asked, fine=fine)

    def refine(self, voxel: float, measure: str, contrast: Contrast) -> None:
        """Take the flow to the end of one level."""
        f, m, matrix, shift = self.images(voxel)
        wide = mean_of(n for n in f.shape if n > 1)
        self.flow = match(
            f.values, m.values, f.calibration.voxel_size, matrix, shift, reach=self.reach,
            stiffness=self.stiffness / wide**2, radius=_RADIUS, steps=_STEPS, start=self.flow, contrast=contrast,
            measure=measure,
        )  # fmt: skip


def fitted(
    moving: Volume, fixed: Volume, settings: dict[str, Any]
) -> tuple[Mapping, DisplacementField | None, dict[str, Any]]:
    """Return the map from `fixed` to `moving`, what is nearly the inverse of its field, and what was chosen."""
    voxel = settings["voxel"] or voxel_for(fixed)
    a, b = working(fixed, voxel), working(moving, voxel)
    sizes = _levels(a, voxel)
    reach = settings["reach"] or _several(a) * _REACH
    stiffness = settings["stiffness"] or _STIFFNESS
    measures = ["correlation", "information"] if settings["measure"] == "auto" else [settings["measure"]]
    coarse = sizes[:-1] or sizes
    courses = []
    for measure in measures:
        affine = affine_between(a, b, coarse, measure)
        course = _Course(a, b, reach, stiffness, measure, affine)
        for size in coarse if settings["deformable"] else ():
            course.refine(size, measure, Contrast())
        courses.append(course)
    alike = {one.measure: _alike(one, sizes[-1]) for one in courses}
    best = max(courses, key=lambda one: alike[one.measure])
    chosen: dict[str, Any] = {
        "voxel": voxel, "levels": sizes, "reach": reach, "stiffness": stiffness, "measure": best.measure,
        "correlation by measure": alike, "affine": best.affine.to_json(),
    }  # fmt: skip
    after = np.concatenate([best.affine.matrix, best.affine.shift[:, None]], 1)
    if not settings["deformable"]:
        return Mapping(DisplacementField.still(a.calibration), after=after), None, chosen
    if best.measure == "information":
        best.refine(sizes[-1], "information", Contrast())
    contrast, about = best.contrast(sizes[-1], settings["contrast"], fine=True)
    best.refine(sizes[-1], "correlation", contrast)
    assert best.flow is not None
    size_of = np.array(a.calibration.voxel_size, np.float32)
    there, back = (DisplacementField(flow_of(s * best.flow.velocity) * size_of, a.calibration) for s in (1, -1))
    return Mapping(there, after=after), back, chosen | {"contrast": about, "energy": best.flow.energy}


def mean_of(values: Iterable[float]) -> float:
    """Return the geometric mean; 1 of nothing."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else 1.0


def _several(image: Working) -> float:
    """Mean extent [nm] along the axes that have one."""
    return mean_of(e for e, n in zip(image.extent, image.shape, strict=True) if n > 1)


def _alike(course: _Course, voxel: float) -> float:
    """Mean squared correlation at a voxel size, by a curve or not, whichever explains more."""
    _, about = course.contrast(voxel, "auto", fine=False)
    return float(max(about["correlation"].values()))


def _levels(fixed: Working, voxel: float) -> list[float]:
    """Voxel sizes [nm], coarse to fine, each half the one before, the first with some 14 voxels along the mean axis."""
    mean = mean_of(n for n in fixed.shape if n > 1)
    count = max(1, 1 + math.floor(math.log2(max(1.0, mean / _SMALLEST))))
    return [voxel * 2**k for k in reversed(range(count))]
