"""Section alignment with known truth: planted deformations, real and noisy pairs, and a chain of twenty.

Real neighbours differ, so that no map between them is known. What is known is a deformation W that is put upon one of
them: the map to the deformed picture has to be W after the map to the plain one (equivariance). The same picture twice,
with noise, gives plain errors. Contenders start from the same rigid placement and run in one process and thread.
`NDLAB_TEST_DATA` names the folder with `vnc_larva_sstem`, which it needs (every second pixel: 9.2 nm, 512²).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import numpy as np
import tifffile
from harness import Bench, arguments, scratch
from scipy import ndimage

from ndlab.preprocess import align
from ndlab.preprocess.alignment.bands import pooled
from ndlab.preprocess.alignment.flow import SPACING, Picture, ladder, refine
from ndlab.preprocess.alignment.maps import PlaneMap, rotation
from ndlab.preprocess.alignment.rigid import place
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
Map = Callable[[Array], Array]
SIDE = 512
PAIRS = ((0, 1, 11), (5, 6, 12), (10, 11, 13))  # section, section, seed of what is planted
METHODS: dict[str, Callable[[Array, Array], Map]] = {}


class Planted:
    """±4° rotation, ±2 % scale, ±18 px shift, and an elastic field of 5 px rms, smooth over 45 px."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        wide = SIDE + 200
        smooth = [ndimage.gaussian_filter(rng.standard_normal((wide, wide)), 45) for _ in range(2)]
        field = np.stack(smooth)[:, 100:-100, 100:-100]
        self.field = field * 5 / np.sqrt((field**2).sum(0).mean())
        middle = np.full(2, (SIDE - 1) / 2)
        turn, scale = rng.uniform(-4, 4), 1 + rng.uniform(-0.02, 0.02)
        linear = rotation(turn)[:, :2] * scale
        self.matrix = np.column_stack([linear, middle - linear @ middle + rng.uniform(-18, 18, 2)])

    def back(self, points: Array) -> Array:
        """Pixels of the deformed picture to those of the plain one."""
        bent = np.stack([ndimage.map_coordinates(one, points.T, order=3, mode="nearest") for one in self.field], -1)
        return points @ self.matrix[:, :2].T + self.matrix[:, 2] + bent

    def draw(self, image: Array) -> Array:
        points = np.stack(np.mgrid[:SIDE, :SIDE], -1).reshape(-1, 2).astype(float)
        values = ndimage.map_coordinates(image, self.back(points).T, order=3, cval=float(image.mean()))
        return values.reshape(SIDE, SIDE).astype(np.float32)


def inner(border: int = 48) -> Array:
    y, x = np.mgrid[border : SIDE - border : 8, border : SIDE - border : 8]
    return np.stack([y.ravel(), x.ravel()], -1).astype(float)


# --- contenders --------------------------------------------------------------------------------------------------


def ours(fixed: Array, moving: Array) -> Map:
    near, far = Picture.of(fixed), Picture.of(moving)
    start = PlaneMap.over(place(fixed, moving).matrix, (0, 0), fixed.shape, SPACING)
    return refine(near, far, start, ladder(fixed.shape))


def only_rigid(fixed: Array, moving: Array) -> Map:
    return PlaneMap.affine(place(fixed, moving).matrix)


def _placed(fixed: Array, moving: Array) -> tuple[PlaneMap, Array]:
    """The rigid placement, and the moving picture drawn by it: where the others start from."""
    rigid = PlaneMap.affine(place(fixed, moving).matrix)
    there = rigid(np.stack(np.mgrid[:SIDE, :SIDE], -1).reshape(-1, 2).astype(float))
    drawn = ndimage.map_coordinates(moving, there.T, order=3, mode="constant", cval=float(moving.mean()))
    return rigid, drawn.reshape(SIDE, SIDE).astype(np.float32)


def _by_field(rigid: PlaneMap, field: Array) -> Map:
    """The map of a displacement (2, y, x) that is followed by the rigid placement."""

    def found(points: Array) -> Array:
        moved = [ndimage.map_coordinates(one, points.T, order=1, mode="nearest") for one in field]
        return rigid(points + np.stack(moved, -1))

    return found


def elastix(fixed: Array, moving: Array) -> Map:
    import itk

    rigid, drawn = _placed(fixed, moving)
    chosen = itk.ParameterObject.New()
    affine = chosen.GetDefaultParameterMap("affine", 4)
    bent = chosen.GetDefaultParameterMap("bspline", 4, float(SPACING))
    for one in (affine, bent):
        one["RandomSeed"], one["MaximumNumberOfIterations"] = ["1"], ["500"]
        one["NumberOfSpatialSamples"], one["WriteResultImage"] = ["4000"], ["false"]
    affine["Metric"] = ["AdvancedNormalizedCorrelation"]
    bent["Registration"] = ["MultiMetricMultiResolutionRegistration"]
    bent["Metric"] = ["AdvancedNormalizedCorrelation", "TransformBendingEnergyPenalty"]
    bent["Metric0Weight"], bent["Metric1Weight"] = ["1.0"], ["50.0"]
    for one in (affine, bent):
        chosen.AddParameterMap(one)
    still, moved = (itk.image_from_array(np.ascontiguousarray(one)) for one in (fixed, drawn))
    _, result = itk.elastix_registration_method(still, moved, parameter_object=chosen, log_to_console=False)
    with scratch() as folder, contextlib.chdir(folder):  # transformix leaves files where it runs
        field = itk.array_from_image(itk.transformix_deformation_field(still, result))
    return _by_field(rigid, np.stack([field[..., 1], field[..., 0]]).astype(float))


def ilk(fixed: Array, moving: Array) -> Map:
    from skimage.registration import optical_flow_ilk

    rigid, drawn = _placed(fixed, moving)
    both = [(one - one.mean()) / one.std() for one in (fixed, drawn)]
    return _by_field(rigid, np.asarray(optical_flow_ilk(both[0], both[1], radius=25, num_warp=10)))


def simple(fixed: Array, moving: Array) -> Map:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    rigid, drawn = _placed(fixed, moving)
    still, moved = (sitk.GetImageFromArray(one) for one in (fixed, drawn))
    mesh = sitk.BSplineTransformInitializer(still, [SIDE // 64] * 2)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.2, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsLBFGSB(numberOfIterations=60)
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([4, 2, 1])
    method.SetInitialTransform(mesh, inPlace=False)
    transform = method.Execute(still, moved)
    spec = (sitk.sitkVectorFloat64, still.GetSize(), still.GetOrigin(), still.GetSpacing(), still.GetDirection())
    field = sitk.GetArrayFromImage(sitk.TransformToDisplacementField(transform, *spec))
    return _by_field(rigid, np.stack([field[..., 1], field[..., 0]]))


METHODS |= {"rigid placement alone": only_rigid, "ndlab": ours, "elastix B-spline NCC": elastix,
            "scikit-image ILK r25": ilk, "SimpleITK B-spline": simple}  # fmt: skip


# --- scores ------------------------------------------------------------------------------------------------------


def planted(bench: Bench, sections: list[Array]) -> None:
    rows: dict[str, dict[str, float]] = {}
    pairs = PAIRS[:1] if bench.quick else PAIRS
    points = inner()
    ours(sections[0], sections[1])  # compiled before it is timed
    for name, method in METHODS.items():
        real, noisy, spent = [], [], 0.0
        for a, b, seed in pairs:
            warp, rng = Planted(seed), np.random.default_rng(seed)
            fixed, moving = sections[a], sections[b]
            deformed = warp.draw(moving)
            began = time.process_time()
            onto_deformed = method(fixed, deformed)
            spent += time.process_time() - began
            there, plain = onto_deformed(points), method(fixed, moving)(points)
            seen = ((there > 8) & (there < SIDE - 9)).all(1)
            real.append(np.linalg.norm(warp.back(there) - plain, axis=1)[seen])
            twice = [(fixed + rng.normal(0, 15, fixed.shape)).astype(np.float32) for _ in range(2)]
            there = method(twice[0], warp.draw(twice[1]))(points)
            seen = ((there > 8) & (there < SIDE - 9)).all(1)
            noisy.append(np.linalg.norm(warp.back(there) - points, axis=1)[seen])
        apart, errors = np.concatenate(real), np.concatenate(noisy)
        rows[name] = {
            "median": float(np.median(apart)), "mean": float(apart.mean()), "p95": float(np.percentile(apart, 95)),
            "worst pair": max(float(np.median(one)) for one in real), "noise med": float(np.median(errors)),
            "noise mean": float(errors.mean()), "CPU s": spent / len(pairs),
            "s per Mpx": spent / len(pairs) / (SIDE**2 / 1e6),
        }  # fmt: skip
    bench.table(
        f"Equivariance on {len(pairs)} pairs of neighbours, and the same picture with noise [pixels of 9.2 nm]", rows
    )
    bench.aim("equivariance, median over all pairs [px]", rows["ndlab"]["median"], most=0.30)
    bench.aim("same picture with noise, median [px]", rows["ndlab"]["noise med"], most=0.15)
    bench.aim("CPU seconds per Mpx of a pair", rows["ndlab"]["s per Mpx"], most=3.0)
    bench.aim(
        "CPU of elastix, as a multiple of ours",
        rows["elastix B-spline NCC"]["CPU s"] / rows["ndlab"]["CPU s"],
        least=4.0,
    )


def chain(bench: Bench, picture: Array) -> None:
    """Twenty-one deformed and noisy copies of one section, of which every pixel's origin is known."""
    count = 6 if bench.quick else 21
    rng, warps, drawn = np.random.default_rng(5), [Planted(100 + z) for z in range(count)], []
    for warp in warps:
        noisy = np.clip(picture + rng.normal(0, 15, picture.shape), 0, 255).astype(np.float32)
        drawn.append(np.clip(np.rint(warp.draw(noisy)), 0, 255).astype(np.uint8))
    began = time.process_time()
    found = align(Volume.from_array(np.stack(drawn), (50, 9.2, 9.2)), workers=1)
    spent = time.process_time() - began
    points = inner(80)
    origins = np.array([w.back(found.map(z)((points + 0.5) * 9.2) / 9.2 - 0.5) for z, w in enumerate(warps)])
    rows = {}
    for step in sorted({1, 5, 10, count - 1} & set(range(count))):
        apart = np.linalg.norm(origins[step:] - origins[:-step], axis=-1)
        rows[f"{step} sections"] = {"median": float(np.median(apart)), "mean": float(apart.mean()),
                                    "p95": float(np.percentile(apart, 95))}  # fmt: skip
    bench.table(f"A chain of {count} deformed, noisy copies: apart once aligned [pixels]", rows)
    bench.aim(f"drift over {count - 1} sections, median [px]", rows[f"{count - 1} sections"]["median"], most=1.0)
    pixels = len(found.quality()) * SIDE**2 / 1e6
    bench.aim("CPU seconds per Mpx of all its pairs, settling included", spent / pixels, most=3.0)


def main() -> None:
    options = arguments(__doc__)
    bench = Bench("align", options)
    raw = Path(options.data or "none", "vnc_larva_sstem", "stack1", "raw")
    if not raw.is_dir():
        sys.exit("no --data: give the folder that holds vnc_larva_sstem")
    sections = [pooled(tifffile.imread(raw / f"{z:02}.tif"), 2) for z in range(14)]
    planted(bench, sections)
    chain(bench, sections[0])
    bench.finish()


if __name__ == "__main__":
    main()
