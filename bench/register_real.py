"""Registration of real pairs: a mouse brain and a section of it to an atlas, two stains of a kidney, human brains.

What is known of each stands beside it: another tool's result, landmarks, labels of tissues. `NDLAB_TEST_DATA` names
the folder that holds them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, clocked
from register import grid_of, pulled, warm_up
from scipy import ndimage

from ndlab.preprocess import Quality, Registration, register
from ndlab.preprocess.registration.quality import dice
from ndlab.volume import Volume

Array = Any


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


def main() -> int:
    options = arguments(__doc__)
    if not options.data:
        sys.exit("no --data: give the folder that holds mouse_brain_registration, histology_landmarks and brain_mri")
    bench, data = Bench("register_real", options), Path(options.data)
    warm_up()
    mouse(bench, data / "mouse_brain_registration")
    section(bench, data / "mouse_brain_registration")
    kidney(bench, data / "histology_landmarks")
    brains(bench, data / "brain_mri")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
