"""Registration: a planted warp of a brain by several tools.

The planted warp: the MNI152 T1 template at 3 mm as nilearn ships it, deformed by a chain of eight random smooth steps
(7.5 mm rms over the brain), with a gamma, shading and noise. `--ants PYTHON` names another Python that has antspyx,
which holds numpy back. `register_real.py` has pairs of real pictures, `register_apply.py` what applying a map costs,
`register_size.py` what finding one costs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import numpy as np
from harness import Bench, arguments, clocked, scratch
from scipy import ndimage

from ndlab.geometry import Calibration
from ndlab.preprocess import DisplacementField, Registration, register
from ndlab.preprocess.registration.quality import dice
from ndlab.volume import Volume

SPACING = 3.0  # mm
SIZE = (SPACING * 1e6,) * 3
Array = Any


def grid_of(shape: Any) -> Array:
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).astype(float)


def pulled(values: Array, field: Array, order: int = 1) -> Array:
    places = np.moveaxis(grid_of(field.shape[:3]) + field, -1, 0)
    return ndimage.map_coordinates(values.astype(np.float32), places, order=order, mode="nearest")


def random_map(shape: Any, inside: Array, rms: float, rng: Any, steps: int = 8, width: float = 20 / SPACING) -> Array:
    """Displacement [voxels] of a chain of small smooth steps, each another: no flow of one velocity."""
    field = np.zeros((*shape, 3))
    for _ in range(steps):
        step = np.stack([ndimage.gaussian_filter(rng.standard_normal(shape), width) for _ in range(3)], -1)
        step *= rms / np.sqrt(steps) / np.sqrt((step**2).sum(-1)[inside].mean())
        places = np.moveaxis(grid_of(shape) + field, -1, 0)
        field += np.stack(
            [ndimage.map_coordinates(step[..., k], places, order=1, mode="nearest") for k in range(3)], -1
        )
    return field * rms / np.sqrt((field**2).sum(-1)[inside].mean())


def planted(seed: int = 0) -> dict[str, Array]:
    from nilearn import datasets

    def load(name: str) -> Array:
        return np.pad(getattr(datasets, name)(resolution=3).get_fdata(), 5)

    t1, brain = load("load_mni152_template").astype(np.float32), load("load_mni152_brain_mask") > 0
    gray, white = load("load_mni152_gm_template") > 0.5, load("load_mni152_wm_template") > 0.5
    rng = np.random.default_rng(seed)
    field = random_map(t1.shape, brain, 7.5 / SPACING, rng)
    fixed = np.clip(pulled(t1, field, 3), 0, None)
    shade = ndimage.gaussian_filter(rng.standard_normal(t1.shape), 12)
    fixed = (fixed / fixed.max()) ** 0.7 * np.exp(0.25 * shade / shade.std())
    fixed += 0.03 * rng.standard_normal(t1.shape)
    return {
        "moving": t1, "fixed": fixed.astype(np.float32), "field": field, "gray": gray, "white": white,
        "inside": pulled(brain, field) > 0.5, "gray there": pulled(gray, field, 0) > 0.5,
        "white there": pulled(white, field, 0) > 0.5,
    }  # fmt: skip


def score(case: dict[str, Array], field: Array) -> dict[str, float]:
    error = SPACING * np.linalg.norm(field - case["field"], axis=-1)[case["inside"]]
    jacobian = DisplacementField(field * SPACING, Calibration((SPACING,) * 3)).jacobian()
    found = {"EPE mm": error.mean(), "median": np.median(error), "95 %": np.percentile(error, 95)}
    for name in ("gray", "white"):
        found[f"{name} Dice"] = dice((pulled(case[name], field) > 0.5) * 1, case[f"{name} there"] * 1)[1]
    return {**{k: float(v) for k, v in found.items()}, "folds": int((jacobian[case["inside"]] <= 0).sum())}


def demons(case: dict[str, Array]) -> Array:
    import SimpleITK as sitk

    fixed, moving = (sitk.GetImageFromArray(case[name]) for name in ("fixed", "moving"))
    moving = sitk.HistogramMatching(moving, fixed, 256, 10)
    field = None
    for shrink, steps in ((4, 60), (2, 60), (1, 40)):
        f, m = (sitk.Shrink(sitk.SmoothingRecursiveGaussian(i, 0.6 * shrink), [shrink] * 3) if shrink > 1 else i
                for i in (fixed, moving))  # fmt: skip
        tool = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        tool.SetNumberOfIterations(steps)
        tool.SetStandardDeviations(1.5)
        field = tool.Execute(f, m) if field is None else tool.Execute(f, m, sitk.Resample(field, f))
    return sitk.GetArrayFromImage(field)[..., ::-1]


def dipy_syn(case: dict[str, Array]) -> Array:
    import logging

    logging.disable(logging.INFO)
    from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
    from dipy.align.metrics import CCMetric

    tool = SymmetricDiffeomorphicRegistration(CCMetric(3, radius=4), level_iters=[30, 20, 8])
    found = tool.optimize(case["fixed"].astype(float), case["moving"].astype(float))
    return np.asarray(found.get_forward_field())


def elastix(case: dict[str, Array], bending: float, steps: int) -> Array:
    """Mutual information with a penalty on bending, whose weight is 1 as it comes; with more steps and samples."""
    import itk

    fixed, moving = (itk.image_from_array(np.ascontiguousarray(case[name])) for name in ("fixed", "moving"))
    for image in (fixed, moving):
        image.SetSpacing([SPACING] * 3)
    parameters = itk.ParameterObject.New()
    chosen = itk.ParameterObject.GetDefaultParameterMap("bspline", 4, 18.0)
    chosen["RandomSeed"], chosen["WriteResultImage"] = ["1"], ["false"]
    chosen["MaximumNumberOfIterations"], chosen["NumberOfSpatialSamples"] = [str(steps)], ["4096"]
    chosen["Metric1Weight"] = [str(bending)]
    parameters.AddParameterMap(chosen)
    _, found = itk.elastix_registration_method(fixed, moving, parameter_object=parameters, log_to_console=False)
    with scratch() as folder, contextlib.chdir(folder):  # transformix leaves files where it runs
        field = itk.array_from_image(itk.transformix_deformation_field(moving, found))
    return field[..., ::-1] / SPACING


def ours(case: dict[str, Array], kept: list[Registration]) -> Array:
    moving, fixed = (Volume.from_array(case[name], SIZE) for name in ("moving", "fixed"))
    found = register(moving, fixed)
    kept.append(found)
    grid = grid_of(case["fixed"].shape)
    return found.forward.points((grid + 0.5) * np.array(SIZE)) / np.array(SIZE) - 0.5 - grid


_ANTS = """
import sys, numpy as np, ants
case = np.load(sys.argv[1])
f, m = (ants.from_numpy(case[n].astype("f4"), spacing=(3.0,) * 3) for n in ("fixed", "moving"))
how = {"syn_metric": "CC", "syn_sampling": 4, "reg_iterations": (60, 40, 15), "initial_transform": "Identity"}
r = ants.registration(f, m, "SyNOnly", **how)
np.save(sys.argv[2], ants.image_read(r["fwdtransforms"][0]).numpy() / 3.0)
"""


def ants_syn(case: dict[str, Array], python: str) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        np.savez(folder + "/case.npz", fixed=case["fixed"], moving=case["moving"])
        subprocess.run([python, "-c", _ANTS, folder + "/case.npz", folder + "/field.npy"], check=True)
        return np.load(folder + "/field.npy")


def compare_planted(bench: Bench, ants: str | None) -> None:
    case = planted()
    warm_up()
    kept: list[Registration] = []
    tools: dict[str, Callable[[], Array]] = {
        "identity": lambda: np.zeros_like(case["field"]), "the true field": lambda: case["field"],
        "SimpleITK demons": lambda: demons(case), "dipy SyN CC": lambda: dipy_syn(case),
        "elastix B-spline MI": lambda: elastix(case, 1.0, 500),
        "elastix, bending weighs 50": lambda: elastix(case, 50.0, 300), "ndlab": lambda: ours(case, kept),
    }  # fmt: skip
    if ants:
        tools["ANTs SyN CC"] = lambda: ants_syn(case, ants)
    rows = {}
    for name, run in tools.items():
        field, cpu = clocked(run)
        rows[name] = {**score(case, field), "CPU s": cpu}
    bench.table(f"planted warp of MNI152 at 3 mm, {case['fixed'].size / 1e6:.2f} Mvoxel", rows)
    mine, quality = rows["ndlab"], kept[0].quality()
    bench.aim("planted: end-point error [mm]", mine["EPE mm"], most=1.2)
    bench.aim("planted: Dice of grey matter", mine["gray Dice"], least=0.93)
    possible = rows["the true field"]["gray Dice"]
    bench.aim("planted: Dice of grey matter, of the true field's", mine["gray Dice"] / possible, least=0.97)
    bench.aim("planted: folded voxels", quality.folds, most=0)
    bench.aim("planted: there and back [voxels, at most]", quality.inverse_error[1], most=0.1)
    bench.aim("planted: there and back [voxels, median]", quality.inverse_error[0], most=0.1)
    bench.aim("planted: CPU seconds", mine["CPU s"], most=60)
    rivals = [row["EPE mm"] for name, row in rows.items() if name not in ("ndlab", "the true field")]
    bench.aim("planted: error, of the best other tool's", mine["EPE mm"] / min(rivals), most=1)
    reversed_planted(bench, case)


def reversed_planted(bench: Bench, case: dict[str, Array]) -> None:
    """The same with bright and dark swapped inside the fixed brain, on a ground that stays dark."""
    values, inside = case["fixed"], case["inside"]
    high = np.percentile(values, 99.9)
    swapped = np.where(inside, high - np.clip(values, 0, high) + 0.1 * high, values * 0.1).astype(np.float32)
    kept: list[Registration] = []
    field, cpu = clocked(lambda: ours({**case, "fixed": swapped}, kept))
    found = kept[0].found
    row = {**score(case, field), "CPU s": cpu, "by information": int(found["measure"] == "information"),
           "by a curve": int(found["contrast"]["used"] == "curve")}  # fmt: skip
    bench.table("the same, bright and dark swapped inside the fixed brain", {"ndlab": row})
    bench.aim("planted, swapped: end-point error [mm]", row["EPE mm"], most=2)


def warm_up() -> None:
    """Compile every kernel before anything is timed."""
    rng = np.random.default_rng(0)
    small = ndimage.gaussian_filter(rng.standard_normal((20, 20, 20)), 2).astype(np.float32)
    register(Volume.from_array(small, SIZE), Volume.from_array(small, SIZE))


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--ants", help="a Python with antspyx")
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    bench = Bench("register", arguments(__doc__))
    compare_planted(bench, own.ants)
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
