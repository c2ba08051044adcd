"""Registration: a planted warp of a brain by several tools, real pairs with labels and landmarks, application.

The planted warp: the MNI152 T1 template at 3 mm as nilearn ships it, deformed by a chain of eight random smooth steps
(7.5 mm rms over the brain), with a gamma, shading and noise. `--ants PYTHON` names another Python that has antspyx,
which holds numpy back. `--only planted|real|apply` runs one part.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import numpy as np
from harness import Bench, arguments, scratch
from scipy import ndimage

from ndlab.geometry import Calibration
from ndlab.preprocess import DisplacementField, Mapping, Quality, Registration, register
from ndlab.preprocess.registration.quality import dice
from ndlab.preprocess.warped import warped
from ndlab.volume import Volume

SPACING = 3.0  # mm
SIZE = (SPACING * 1e6,) * 3
Array = Any


# --- the planted warp


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


def clocked(run: Callable[[], Array]) -> tuple[Array, float]:
    def cpu() -> float:
        both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(one.ru_utime + one.ru_stime for one in both)

    began = cpu()
    return run(), cpu() - began


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


# --- real pairs


def nifti(path: Path) -> Array:
    import nibabel

    return np.asarray(nibabel.load(path).dataobj, np.float32)


def overlap(found: Registration, moving: Array, fixed: Array, size: Any) -> tuple[float, float, Quality]:
    """Mean Dice of labels before and after, and what else is known of the map."""
    labels = [Volume.from_array(v.astype("u4"), size, kind="labels") for v in (moving, fixed)]
    after = found.quality(labels=(labels[0], labels[1]))
    return float(np.mean(list(dice(moving, fixed).values()))), float(np.mean(list(after.dice.values()))), after


def brains(bench: Bench, folder: Path) -> None:
    size, rows = (1e6, 1e6, 1e6), {}
    slabs = folder / "slab_subjects"
    pairs = [(1, 2)] if bench.quick else [(1, 2), (2, 3), (3, 1)]
    for a, b in pairs:
        images = [Volume.from_array(nifti(slabs / f"ilist{n}.nii.gz"), size) for n in (a, b)]
        found, cpu = clocked(lambda images=images: register(*images))
        before, after, quality = overlap(found, *(nifti(slabs / f"slist{n}.nii.gz") for n in (a, b)), size)
        rows[f"subject {a} to {b}, 4 tissues"] = row(before, after, quality, cpu)
    pair = folder / "template_pair"
    images = [Volume.from_array(nifti(pair / f"{name}.nii.gz"), size)
              for name in ("PEDS012_20100813_mprage_t1", "PTBP_T1_BrainCerebellum")]  # fmt: skip
    found, cpu = clocked(lambda: register(*images))
    labels = [nifti(pair / f"{name}.nii.gz") for name in ("PEDS012_20100813_AAL", "PTBP_T1_AAL")]
    rows["subject to template, AAL"] = row(*overlap(found, *labels, size), cpu)
    bench.table("human brain slabs (217, 18, 182), 1 mm: mean Dice of labels", rows)
    for name, one in rows.items():
        bench.aim(f"{name}: Dice gained", one["Dice"] - one["before"], least=0)
        bench.aim(f"{name}: there and back [voxels, at most]", one["there and back"], most=0.1)


def row(before: float, after: float, quality: Quality, cpu: float) -> dict[str, float]:
    return {
        "before": before,
        "Dice": after,
        "folds": quality.folds,
        "there and back": quality.inverse_error[1],
        "CPU s": cpu,
    }


def mouse(bench: Bench, folder: Path) -> None:
    import tifffile

    sample, atlas, sides = (tifffile.imread(folder / "volume_100um" / f"{name}.tiff") for name in
                            ("downsampled_brain", "downsampled_standard_brain", "registered_hemispheres"))  # fmt: skip
    size = (1e5,) * 3
    moving, fixed = (Volume.from_array(v, size) for v in (sample, atlas))
    found, cpu = clocked(lambda: register(moving, fixed))
    # The other tool's result is this sample on the atlas's grid: its halves are carried there, and cut at the middle.
    carried = found.apply(Volume.from_array(sides, size, kind="labels")).read()
    middle = carried.shape[2] / 2
    x = np.broadcast_to(np.arange(carried.shape[2]) + 0.5, carried.shape)
    right, left = ((carried == n) for n in (1, 2))
    share = max((right == (x > middle))[carried > 0].mean(), (left == (x > middle))[carried > 0].mean())
    shown = found.apply(moving).read().astype(float)
    alike = np.corrcoef(shown.ravel(), atlas.ravel().astype(float))[0, 1]
    both = tuple(slice(0, min(a, b)) for a, b in zip(sample.shape, atlas.shape, strict=True))
    before = np.corrcoef(sample[both].ravel().astype(float), atlas[both].ravel().astype(float))[0, 1]
    quality = found.quality()
    bench.table("mouse brain at 100 µm to Allen space", {"ndlab": {
        "correlation before": before, "after": alike, "voxels on their side": share, "folds": quality.folds,
        "CPU s": cpu,
    }})  # fmt: skip
    bench.aim("mouse brain: correlation with the other tool's result", alike, least=0.95)
    bench.aim("mouse brain: voxels on their side of the middle", share, least=0.99)


def section(bench: Bench, folder: Path) -> None:
    import tifffile

    part = folder / "section_2d"
    sample, atlas = (tifffile.imread(part / f"{name}.tif")[None] for name in ("sample_hipp", "Atlas_Hipp"))
    known = np.stack([tifffile.imread(part / f"deformation_field_{n}.tiff") for n in (0, 1)], -1)
    size = (25e3, 25e3, 25e3)
    moving, fixed = (Volume.from_array(v.astype(np.float32), size) for v in (atlas, sample))
    found, cpu = clocked(lambda: register(moving, fixed))
    grid = grid_of(sample.shape)
    field = (found.forward.points((grid + 0.5) * 25e3) / 25e3 - 0.5 - grid)[0]
    tissue = ndimage.binary_erosion(sample[0] > 0.1 * np.percentile(sample, 99), iterations=3)
    rows = {}
    for name, mine in (("no registration", np.zeros_like(known)), ("elastix", known), ("ndlab", field[..., 1:])):
        gap = np.linalg.norm(mine - known, axis=-1)[tissue]
        shown = pulled(atlas, np.concatenate([np.zeros((*sample.shape, 1)), mine[None]], -1))
        alike = np.corrcoef(shown[0][tissue], sample[0][tissue])[0, 1]
        rows[name] = {
            "median px": float(np.median(gap)),
            "95 % px": float(np.percentile(gap, 95)),
            "correlation": alike,
        }
    rows["ndlab"] |= {"folds": found.quality().folds, "CPU s": cpu}
    bench.table(
        "mouse brain section and its atlas section: distance from elastix's field, likeness to the sample", rows
    )
    better = rows["ndlab"]["correlation"] / rows["elastix"]["correlation"]
    bench.aim("section: correlation with the sample, of elastix's", better, least=1)


def kidney(bench: Bench, folder: Path) -> None:
    from PIL import Image

    part = folder / "rat-kidney" / "scale-5pc"
    images, points = [], []
    for name in ("Rat-Kidney_HE", "Rat-Kidney_PanCytokeratin"):
        gray = np.asarray(Image.open(part / f"{name}.jpg").convert("L"), np.float32)[None]
        images.append(Volume.from_array(gray, (1e3,) * 3))
        rows = np.loadtxt(part / f"{name}.csv", delimiter=",", skiprows=1)[:69, -2:]
        points.append(np.stack([np.full(len(rows), 500.0), (rows[:, 1] + 0.5) * 1e3, (rows[:, 0] + 0.5) * 1e3], -1))
    found, cpu = clocked(lambda: register(*images))
    quality = found.quality(landmarks=(points[0], points[1]))
    start = np.median(np.linalg.norm(points[0] - points[1], axis=1)) / 1e3
    bench.table("rat kidney, two stains: median landmark error [px]", {"ndlab": {
        "before": start, "affine": quality.landmark_error_affine[0] / 1e3, "after": quality.landmark_error[0] / 1e3,
        "95 %": float(np.percentile(np.linalg.norm(found.forward.points(points[1]) - points[0], axis=1), 95)) / 1e3,
        "folds": quality.folds, "CPU s": cpu,
    }})  # fmt: skip
    bench.aim("rat kidney: landmark error, of that before", quality.landmark_error[0] / 1e3 / start, most=0.1)


# --- applied at full size

_APPLY = """
import json, resource, sys
import numpy as np
from ndlab.preprocess import Registration
from ndlab.volume import open as open_volume
folder, work = sys.argv[1], sys.argv[2] == "work"
registration, source = Registration.load(folder + "/registration"), open_volume(folder + "/source.zarr")
registration.apply(source)[:8, :8, :8].read()
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
if work:
    registration.apply(source, out=folder + "/out.zarr", like=source, workers=1, client=False, block=(256, 256, 256))
print(json.dumps((peak() - before) * 1024))
"""


def application(bench: Bench) -> None:
    side = 96 if bench.quick else 192
    rng = np.random.default_rng(0)
    shape = (side,) * 3
    values = (rng.random(shape) * 255).astype(np.uint8)
    coarse = (side // 8,) * 3
    voxels = np.stack([ndimage.gaussian_filter(rng.standard_normal(coarse), 3) for _ in range(3)], -1)
    voxels *= 8 / np.abs(voxels).max()
    calibration = Calibration((1.0,) * 3)
    mapping = Mapping(DisplacementField(voxels, Calibration((8.0,) * 3)))
    turned = Mapping(mapping.field, before=np.array([[0.99, 0.05, 0, 0], [-0.05, 0.99, 0, 0], [0, 0, 1, 0.0]]))
    source = Volume.from_array(values, (1.0,) * 3)
    rows: dict[str, dict[str, float]] = {}

    def scipy_way(order: int) -> Array:
        zoomed = np.stack([ndimage.zoom(voxels[..., k], 8, order=1, grid_mode=True, mode="nearest") for k in range(3)])
        return ndimage.map_coordinates(values, np.indices(shape) + zoomed, order=order, mode="constant")

    runs: dict[str, Callable[[], Array]] = {
        "scipy, nearest": lambda: scipy_way(0), "scipy, linear": lambda: scipy_way(1),
        "ndlab, nearest": lambda: warped(source, mapping, calibration, shape, order=0).read(),
        "ndlab, linear": lambda: warped(source, mapping, calibration, shape, order=1).read(),
        "ndlab, linear, turned": lambda: warped(source, turned, calibration, shape, order=1).read(),
    }  # fmt: skip
    for name, run in runs.items():
        run() if name.startswith("ndlab") else None
        times = [clocked(run)[1] for _ in range(3 if name.startswith("ndlab") else 1)]
        rows[name] = {"Mvoxel/CPU s": values.size / 1e6 / float(np.median(times))}
    bench.table(f"applying a field of displacements to {shape} uint8, one thread", rows)
    bench.aim("application, linear [Mvoxel/CPU s]", rows["ndlab, linear"]["Mvoxel/CPU s"], least=15)
    faster = rows["ndlab, linear"]["Mvoxel/CPU s"] / rows["scipy, linear"]["Mvoxel/CPU s"]
    bench.aim("application, linear, of scipy's", faster, least=5)
    memory(bench, mapping)


def memory(bench: Bench, mapping: Mapping) -> None:
    """Peak memory of applying a field to stores of two sizes: what a block takes, whatever the size."""
    from ndlab.preprocess.registration.result import Space
    from ndlab.store.ingest import ingest

    rows = {}
    for side in (256, 512) if bench.quick else (512, 768):
        with tempfile.TemporaryDirectory() as folder:
            # Every plane the same: what counts is how much of it there is.
            values = np.broadcast_to(np.arange(side, dtype=np.uint8), (side, side, side))
            made = ingest(values, folder + "/source.zarr", voxel_size=(1, 1, 1), progress=False)
            source = Volume(made.stored)
            scale = side / mapping.field.shape[0]
            field = DisplacementField(mapping.field.values, Calibration((scale,) * 3))
            space = Space.of(source)
            Registration(Mapping(field), Mapping(field), space, space).save(folder + "/registration")
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", _APPLY, folder, "work"], capture_output=True, text=True, check=True
            )
            nbytes = int(json.loads(done.stdout.splitlines()[-1]))
            rows[f"{side}³ uint8"] = {
                "MiB": side**3 / 2**20,
                "peak MiB": nbytes / 2**20,
                "s": time.perf_counter() - began,
            }
    bench.table("peak memory of applying a field, store to store, blocks of 256³, one thread", rows)
    first, last = rows.values()
    bench.aim("memory: peak of the larger volume, of the smaller's", last["peak MiB"] / first["peak MiB"], most=1.3)


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--ants", help="a Python with antspyx")
    parser.add_argument("--only", choices=("planted", "real", "apply"))
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    options = arguments(__doc__)
    bench = Bench(f"register-{own.only}" if own.only else "register", options)
    if own.only in (None, "planted"):
        compare_planted(bench, own.ants)
    if own.only in (None, "real") and options.data:
        data = Path(options.data)
        mouse(bench, data / "mouse_brain_registration")
        section(bench, data / "mouse_brain_registration")
        kidney(bench, data / "histology_landmarks")
        brains(bench, data / "brain_mri")
    if own.only in (None, "apply"):
        application(bench)
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
