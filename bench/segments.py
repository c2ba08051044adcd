"""Membranes and segments on real tissue: scores beside those of shipped over-segmentations, and voxels a CPU second.

Volumes with cells in three dimensions (`fib25_medulla`, `gala_fibsem_mini`) are parted along x: membranes are learnt on
the first part, the threshold of merging is chosen on the second, and the third is scored. Of gala the shipped model of
membranes has seen the first part, and is taken as it is. Sections with membranes (`isbi2012_vnc`, `vnc_larva_sstem`)
are parted in two along x; each half is looked at by a model of the other one, and its sections' pieces are scored.
Of the phantom sections of 8 and of 40 nm are compared. `--only NAME` runs one data set, without saving.
"""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments

from ndlab import detect
from ndlab.detect.membranes import MEMBRANES
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
FLY = (10.0, 10.0, 10.0)
MARGIN = 5


def sections(folder: Path) -> Array:
    from skimage.io import imread

    return np.stack([imread(one) for one in sorted(folder.glob("*.*"))])


def fib25(data: Path) -> tuple[Array, Array, Array]:
    import h5py

    with h5py.File(data / "fib25_medulla" / "fib25_ts2_z000-089.h5") as file:
        return file["gray"][:], file["groundtruth"][:].astype("u8"), file["supervoxels"][:].astype("u8")


def gala(data: Path) -> tuple[Array, Array, Array]:
    import h5py

    found = []
    for name in ("train-image.h5", "train-gt.lzf.h5", "train-ws.lzf.h5"):
        with h5py.File(data / "gala_fibsem_mini" / name) as file:
            found.append(file["stack"][:])
    return found[0], found[1].astype("u8"), found[2].astype("u8")


def isbi(data: Path) -> tuple[Array, Array]:
    return sections(data / "isbi2012_vnc" / "image"), sections(data / "isbi2012_vnc" / "label") == 0


def vnc(data: Path) -> tuple[Array, Array]:
    folder = data / "vnc_larva_sstem" / "stack1"
    return sections(folder / "raw"), sections(folder / "labels") <= 128


def volume(values: Array, size: tuple[float, float, float], kind: Any = "image") -> Volume:
    return Volume.from_array(np.ascontiguousarray(values), size, kind=kind)


def timed(run: Callable[[], Any], voxels: int) -> tuple[Any, float]:
    """What comes, and megavoxels a CPU second."""
    before = time.process_time()
    found = run()
    return found, voxels / 1e6 / (time.process_time() - before)


def row(score: Any) -> dict[str, float]:
    return {"split": score.split, "merge": score.merge, "VI": score.vi, "ARI": score.ari}


def in_three(bench: Bench, name: str, image: Array, truth: Array, shipped: Array, model: Any) -> None:
    """Learn, choose, score, along x."""
    n = image.shape[2]
    first, second = n // 3 if model is None else n // 2, (2 * n) // 3 if model is None else (3 * n) // 4
    learn, choose, judge = np.s_[:, :, :first], np.s_[:, :, first + MARGIN : second], np.s_[:, :, second + MARGIN :]
    if model is None:
        model = detect.train_membranes(
            volume(image[learn], FLY), volume(truth[learn], FLY, "labels"), first=30, second=40, leaves=24
        )
    walls, speed_walls = timed(lambda: detect.membranes(volume(image, FLY), model=model).read(), image.size)
    tuned = detect.tune_segments(volume(walls[choose], FLY), volume(truth[choose], FLY, "labels"))
    threshold = float(tuned[0]["threshold"])
    detect.segments(volume(walls[:8, :32, :32], FLY))  # compiled before it is timed
    found, speed = timed(lambda: detect.segments(volume(walls, FLY), threshold=threshold), walls.size)
    usual = detect.segments(volume(walls, FLY))
    known = volume(truth[judge], FLY, "labels")
    rows = {
        f"{name}: shipped fragments": row(detect.score_segmentation(volume(shipped[judge], FLY, "labels"), known)),
        f"{name}: ours, threshold chosen": {
            **row(detect.score_segmentation(found[judge], known)), "threshold": threshold,
            "membranes Mvox/s": speed_walls, "segments Mvox/s": speed,
        },
        f"{name}: ours, usual threshold": row(detect.score_segmentation(usual[judge], known)),
    }  # fmt: skip
    bench.table(f"{name}, the part that nothing was learnt or chosen on [bits]", rows)
    ours, theirs = rows[f"{name}: ours, threshold chosen"]["VI"], rows[f"{name}: shipped fragments"]["VI"]
    bench.aim(f"{name}: VI of our segments by that of the shipped fragments", ours / theirs, most=0.75)


def in_halves(bench: Bench, name: str, image: Array, membrane: Array, size: tuple[float, float, float]) -> None:
    """Each half by a model of the other one: voxels, and pieces of single sections."""
    from sklearn.metrics import average_precision_score, f1_score

    half = image.shape[2] // 2
    rows: dict[str, dict[str, float]] = {}
    for learn, judge, part in ((np.s_[:, :, :half], np.s_[:, :, half:], "right"),
                               (np.s_[:, :, half:], np.s_[:, :, :half], "left")):  # fmt: skip
        model = detect.train(
            volume(image[learn], size), membrane[learn], target="membrane", first=30, second=40, leaves=24
        )
        walls, speed = timed(lambda m=model, j=judge: detect.membranes(volume(image[j], size), model=m).read(),
                             image[judge].size)  # fmt: skip
        truth = membrane[judge]
        score, threshold = _chosen(walls, np.stack([pieces(one) for one in truth]), size)
        rows[f"{name}, {part} half"] = {
            "voxel AP": float(average_precision_score(truth.ravel()[::3], walls.ravel()[::3])),
            "voxel F1": float(f1_score(truth.ravel(), walls.ravel() > 0.5)), **row(score), "threshold": threshold,
            "membranes Mvox/s": speed,
        }  # fmt: skip
    bench.table(f"{name}, cross-validated over halves; pieces of single sections [bits]", rows)


def pieces(membrane: Array) -> Array:
    """Pieces of one section, 4-connected."""
    from scipy.ndimage import label

    found: Array = label(~membrane)[0]
    return found


def _chosen(walls: Array, true: Array, size: tuple[float, float, float]) -> tuple[Any, float]:
    """Score pieces of the odd sections at the threshold that is best on the even ones."""
    found = {t: detect.segments(volume(walls, size), sections="alone", threshold=t).read() for t in (0.6, 0.75, 0.9)}
    apart = np.arange(len(walls))[:, None, None].astype("u8") << np.uint64(32)
    sections_true = np.where(true > 0, true.astype("u8") + apart, 0)

    def score(t: float, which: slice) -> Any:
        return detect.score_segmentation(
            volume(found[t][which] + apart[which], size, "labels"), volume(sections_true[which], size, "labels")
        )

    best = min(found, key=lambda t: score(t, np.s_[::2]).vi)
    return score(best, np.s_[1::2]), best


def thick(bench: Bench, quick: bool) -> None:
    """Sections of 8 and of 40 nm of the phantom: by perfect membranes, the shipped model, and one of such sections."""
    from ndlab.samples import phantom

    rows: dict[str, dict[str, float]] = {}
    for z, shape in ((8.0, (64, 160, 160)), (40.0, (32, 240, 240))):
        if quick:
            shape = (16, 80, 80)
        size = (z, 8.0, 8.0)
        learn, judge = (phantom(shape, voxel_size=size, seed=seed) for seed in (21, 8))
        own = detect.train(learn.volume("image"), learn.membranes(), target="membrane")
        image, membrane = judge.volume("image"), judge.membranes() > 0
        walls = {"the known membranes": membrane.astype("f4")}
        for name, model in (("the shipped model", None), ("a model of another such phantom", own)):
            walls[name] = detect.membranes(image, model=model).read()
        for name, values in walls.items():
            found = detect.segments(volume(values, size))
            score = detect.score_segmentation(found, volume(judge.labels(), size, "labels"))
            ap = detect.average_precision(values, membrane)
            rows[f"sections of {z:g} nm, {name}"] = {**row(score), "voxel AP": ap, "segments": score.segments}
    bench.table("phantom: how thick sections are [bits]", rows)


def memory(bench: Bench, quick: bool) -> None:
    """Blocks against the whole: the same segments, and what they take."""
    from ndlab.samples import phantom

    side = 96 if quick else 192
    walls = phantom((side, side, side), seed=3).volume("membranes")
    held = Volume.from_array(walls.read(), walls.voxel_size)
    rows, results = {}, []
    for name, block in (("whole", side), ("blocks", side // 3)):
        tracemalloc.start()
        found, speed = timed(lambda b=block: detect.segments(held, block=b, workers=1), held.size)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        results.append(found.read())
        rows[f"{side}³, {name}"] = {"Mvox/s": speed, "peak MB": peak / 1e6, "bytes/voxel": peak / held.size}
    bench.table("blocks and the whole, one thread, memory that Python sees", rows)
    bench.aim("voxels that differ between blocks and the whole", float((results[0] != results[1]).sum()), most=0)


def main() -> None:
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else None
    if only is not None:
        at = sys.argv.index("--only")
        del sys.argv[at : at + 2]
    options = arguments(__doc__)
    data = Path(options.data or os.environ.get("NDLAB_TEST_DATA", ""))
    bench = Bench("segments", options)
    if only in (None, "memory"):
        memory(bench, bench.quick)
    if only in (None, "phantom"):
        thick(bench, bench.quick)
    if only in (None, "gala"):
        in_three(bench, "gala", *gala(data), model=MEMBRANES)
    if only in (None, "fib25"):
        image, truth, shipped = fib25(data)
        deep = 30 if bench.quick else 90
        in_three(bench, "fib25", image[:deep], truth[:deep], shipped[:deep], model=None)
    if only in (None, "isbi"):
        image, membrane = isbi(data)
        deep = 4 if bench.quick else 8
        in_halves(bench, "isbi2012", image[:deep], membrane[:deep], (50.0, 4.0, 4.0))
    if only in (None, "vnc"):
        image, membrane = vnc(data)
        deep, side = (4, 512) if bench.quick else (6, 640)
        in_halves(bench, "vnc", image[:deep, :side, :side], membrane[:deep, :side, :side], (45.0, 4.6, 4.6))
    bench.finish()


if __name__ == "__main__":
    main()
