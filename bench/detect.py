"""Synapse detection on the larva's nerve cord: scores over four spatial folds, and voxels a CPU second.

Each method is trained on three quarters of `vnc_larva_sstem` (sections 0-13) and looks at the fourth, which lies 110 nm
or more from everything it was trained on. What makes objects of probabilities is learnt from the other three: a
classifier of pieces (`ObjectClassifier`), and beside it rules (threshold, sizes), those that do best together with
those next to them (`Sweep.steady`). `f1` is by the classifier, for VESICLE-RF by rules, as published.
`--models FOLDER` keeps trained models, and takes those that are there; networks need PyTorch only to be trained.
`--steps` and `--minutes` are the limits of each network's training; `--start FOLDER` has models to go on from, each
trained on the same three quarters. `smooth` is a network whose sections have a say in each other, `smooth-1` another
that began differently; `together` is made of `--seeds` such networks and of the trees. `--methods` names what to run.
Scores are over all quarters; intervals from drawing tiles of 256 x 256 voxels anew.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, scratch

from ndlab import detect
from ndlab.detect import GRID, Grid, Model, ObjectClassifier, Rules
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
SIZE = (45.0, 4.6, 4.6)
JUDGED = Path(__file__).parent / "results" / "detect_judged.csv"
GAP, TILE, SMALL = 24, 256, 200
STEPS = 800  # of a network's training
BETWEEN = 0.1  # weight of each neighbouring section in what is made of others: "smooth" and "together"
SAMPLES = 10_000  # of each class for the random forest; VESICLE's limit is 100,000
PIECES = Rules(0.5, 0, 10_000, 100, 1)  # what a classifier is asked about
OWN = Grid((0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98), (0,), (10_000,), (100, 150, 200, 300, 400, 550, 700, 1000), (1, 2))
# VESICLE's own thresholds and areas are too low for neither of them; its sizes are.
VESICLE = Grid(GRID.threshold, (0, 50, 200), (5000,), (100, 200, 500, 1000, 2000), (1, 2, 3))


def stack(data: str | None) -> tuple[Array, Array, dict[str, Array], str]:
    """Grey values, labels of synapses, masks of other things, and a digest of all."""
    from scipy.ndimage import label
    from skimage.io import imread

    folder = Path(data or "", "vnc_larva_sstem", "stack1")
    if not folder.is_dir():
        raise SystemExit("the folder vnc_larva_sstem is needed: pass --data or set NDLAB_TEST_DATA")
    raw, classes, synapses = (
        np.stack([imread(one) for one in sorted((folder / name).glob("*"))]) for name in ("raw", "labels", "synapses")
    )
    digest = hashlib.sha256(raw.tobytes() + classes.tobytes() + synapses.tobytes()).hexdigest()[:16]
    others = {"membrane": classes <= 128, "glia": classes == 159, "mitochondrion": classes == 191}
    # Masks are 1 in some sections and 255 in others.
    return raw, label(synapses > 0, np.ones((3, 3, 3)))[0], others, digest


def quarters(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Four parts of every section."""
    y, x = shape[1] // 2, shape[2] // 2
    return [np.s_[:, j * y : (j + 1) * y, i * x : (i + 1) * x] for j in (0, 1) for i in (0, 1)]


def hidden(shape: tuple[int, ...], part: tuple[slice, ...]) -> Array:
    """What a fold must not learn from: its quarter and a margin around it."""
    out = np.zeros(shape, bool)
    y, x = part[1], part[2]
    out[:, max(0, y.start - 2 * GAP) : y.stop + 2 * GAP, max(0, x.start - 2 * GAP) : x.stop + 2 * GAP] = True
    return out


def models(method: str, data: Any, folder: Path, chosen: argparse.Namespace) -> list[Model]:
    """A model for each quarter."""
    if method.startswith(("smooth", "together")):
        return made(method, data, folder, chosen)
    raw, truth, others, _ = data
    volume, found = Volume.from_array(raw, SIZE), []
    for k, part in enumerate(quarters(raw.shape)):
        path = folder / f"{method}-{k}.npz"
        kind, _, seed = method.partition("-")
        if not path.exists():
            steps: list[int] = []
            begun = time.process_time()
            how: dict[str, Any] = {"trees": 20 if chosen.quick else 200, "samples": SAMPLES}
            if kind == "network":
                how = {"steps": chosen.steps, "minutes": chosen.minutes,
                       "start": chosen.start and Path(chosen.start, path.name),
                       "progress": lambda step, *_, steps=steps: steps.append(step)}  # fmt: skip
            classes = {"membrane": others["membrane"]} if method == "vesicle" else others
            model = detect.train(volume, truth > 0, method=kind, classes=classes,  # type: ignore[arg-type]
                                 dont_care=hidden(raw.shape, part), seed=int(seed or 0),
                                 **(how if method != "trees" else {}))  # fmt: skip
            used = time.process_time() - begun
            notes = {"licence": "CC BY-NC-SA 3.0, not to be shipped", "steps": (steps or [""])[-1], "cpu_s": used}
            replace(model, notes={**model.notes, **notes}).save(path)
            print(f"{method} {k}: trained in {used:.0f} CPU s {notes['steps']}", flush=True)
        found.append(Model.load(path))
    return found


def made(method: str, data: Any, folder: Path, chosen: argparse.Namespace) -> list[Model]:
    """Models that are made of others, which are trained first if they are not there."""
    names = [method.replace("smooth", "network").replace("together", "network")]
    if method == "together":
        names += [*(f"network-{seed}" for seed in range(1, chosen.seeds)), "trees"]
    parts = [models(name, data, folder, chosen) for name in names]
    found = [Model.together(*some, between=BETWEEN) for some in zip(*parts, strict=True)]
    for k, one in enumerate(found):
        one.save(folder / f"{method}-{k}.npz")
    return found


ALONE = """
import json, re, sys, time
import numpy as np
from ndlab import detect
from ndlab.volume import Volume
volume = Volume.from_array(np.load(sys.argv[1]), (45.0, 4.6, 4.6))
chance = detect.probability(volume, model=sys.argv[2])
chance[:1, :64, :64].read()  # compiles
begun = time.process_time()
chance.read()
spent = time.process_time() - begun
# Of this program alone: what getrusage tells goes on from the process that started it.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print(json.dumps([volume.size / 1e6 / spent, peak // 1024]))
"""


def alone(raw: Array, model: Path, sections: int) -> tuple[float, float]:
    """Mvoxel a CPU second of a pass over some sections, in a process that does nothing else, and its peak [MiB]."""
    with scratch() as folder:
        np.save(folder / "raw.npy", raw[:sections])
        words = [sys.executable, "-c", ALONE, str(folder / "raw.npy"), str(model)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    speed, peak = json.loads(said)
    return float(speed), float(peak)


def unseen(method: str, chosen: list[Model], raw: Array, folder: Path) -> Array:
    """Probabilities of each quarter by the model that has not seen it; kept beside the models."""
    out = np.empty(raw.shape, "f4")
    volume = Volume.from_array(raw, SIZE)
    for k, (one, part) in enumerate(zip(chosen, quarters(raw.shape), strict=True)):
        kept = folder / f"{method}-{k}-{one.digest[:8]}.npy"
        if not kept.exists():
            np.save(kept, detect.probability(volume, model=one).view(part).read())
        out[part] = np.load(kept)
    return out


def ruled(chance: Array, truth: Array, grid: Grid) -> tuple[list[dict[str, Any]], Any]:
    """For each quarter rules that do well on the other three; and all sweeps added up."""
    swept = [detect.sweep(chance[part], truth[part], grid, ignore_below=SMALL) for part in quarters(chance.shape)]
    rules = []
    for k in range(len(swept)):
        others = [one for i, one in enumerate(swept) if i != k]
        rules.append({"rules": sum(others[1:], others[0]).steady()})
    return rules, sum(swept[1:], swept[0])


def classified(chance: Array, truth: Array) -> list[dict[str, Any]]:
    """For each quarter a classifier of pieces that has learnt from the other three."""
    parts = [(chance[part], truth[part]) for part in quarters(chance.shape)]
    return [
        {"rules": PIECES, "classifier": ObjectClassifier.fit(
            [one for i, one in enumerate(parts) if i != k], PIECES, voxel_size=SIZE, ignore_below=SMALL)}
        for k in range(len(parts))
    ]  # fmt: skip


def scored(chance: Array, truth: Array, chosen: list[dict[str, Any]], dont_care: Array | None = None,
           **how: Any) -> list[Any]:  # fmt: skip
    """Evaluations of the quarters, each by what was chosen on the other three."""
    hidden = np.zeros(truth.shape, bool) if dont_care is None else dont_care
    return [
        detect.evaluate(chance[part], truth[part], **one, dont_care=hidden[part], ignore_below=SMALL, voxel_size=SIZE,
                        **how)
        for part, one in zip(quarters(chance.shape), chosen, strict=True)
    ]  # fmt: skip


def judged(truth: Array) -> tuple[Array, Array]:
    """The truth with what was judged blindly (`bench/judge.py`), and where nobody knows.

    A place that was judged a synapse and is not in the truth becomes a ball; one that is unsure counts for nothing.
    """
    new, unknown, count = truth.copy(), np.zeros(truth.shape, bool), int(truth.max())
    for one in csv.DictReader(JUDGED.read_text().splitlines()):
        ball = around(truth.shape, [int(one[axis]) for axis in "zyx"], 60.0 if one["verdict"] == "synapse" else 200.0)
        inside = truth == int(one["object"]) if one["source"] == "truth" else np.zeros(truth.shape, bool)
        if one["verdict"] == "synapse" and one["source"] != "truth":
            count += 1
            new[ball & (new == 0)] = count
        elif one["verdict"] == "unsure":
            unknown |= inside | ball
            new[inside] = 0
        elif one["verdict"] == "no":
            new[inside] = 0
    return new, unknown & (new == 0)


def around(shape: tuple[int, ...], centre: list[int], radius: float) -> Array:
    """A ball of so many nm, and never less than its own section."""
    far = [(np.arange(n) - c) * side for n, c, side in zip(shape, centre, SIZE, strict=True)]
    found: Array = far[0][:, None, None] ** 2 + far[1][None, :, None] ** 2 + far[2] ** 2 <= radius**2
    return found


def measure(bench: Bench, method: str, data: Any, chosen: argparse.Namespace) -> tuple[dict[str, Any], list[Any]]:
    raw, truth, _, _ = data
    folder = Path(chosen.models)
    trained = models(method, data, folder, chosen)
    chance = unseen(method, trained, raw, folder)
    speed, peak = alone(raw, folder / f"{method}-0.npz", 2 if bench.quick else 8)
    rules, every = ruled(chance, truth, VESICLE if method == "vesicle" else OWN)
    learnt = classified(chance, truth)
    making = rules if method == "vesicle" else learnt
    ways = {"rules": scored(chance, truth, rules), "classifier": scored(chance, truth, learnt)}
    by_rules, by_classifier = (detect.summed_interval(one, tile=TILE) for one in ways.values())
    found, interval = (ways["rules"], by_rules) if making is rules else (ways["classifier"], by_classifier)
    new, unknown = judged(truth)
    again = detect.summed_interval(scored(chance, new, making, unknown), tile=TILE)
    row = {
        "data": "vnc_larva_sstem 0-13", "method": method, "objects": sum(one.tp + one.fn for one in found),
        "precision": sum(one.tp for one in found) / max(1, sum(one.tp + one.fp for one in found)),
        "recall": sum(one.tp for one in found) / sum(one.tp + one.fn for one in found),
        "f1": interval.value, "f1_low": interval.low, "f1_high": interval.high,
        "f1_by_rules": by_rules.value, "f1_by_rules_low": by_rules.low, "f1_by_rules_high": by_rules.high,
        "f1_by_classifier": by_classifier.value,
        **{f"f1_iou_{least}": float(detect.summed_interval(scored(chance, truth, making, iou=least)).value)
           for least in (0.1, 0.3)},
        "f1_judged": again.value, "f1_judged_low": again.low, "f1_judged_high": again.high,
        "best_f1_on_the_curve": every.best()[1], "voxel_ap": detect.average_precision(chance, truth),
        "cremi_nm": float(np.nanmean([one.clefts.score for one in found])),
        "mvoxel_per_cpu_s": speed, "peak_mib": peak,
        "training_cpu_s": sum(one.notes.get("cpu_s", 0.0) for one in trained),
        "steps": trained[0].notes.get("steps", ""), "rules": [asdict(one["rules"]) for one in rules],
        "classifiers": [one["classifier"].about() for one in learnt],
        "digests": [one.digest for one in trained],
    }  # fmt: skip
    return row, found


def blockwise(bench: Bench, raw: Array, model: Model) -> float:
    """Largest difference of a probability read in odd pieces from one read at once."""
    volume = detect.probability(Volume.from_array(raw[:6, :400, :400], SIZE), model=model)
    whole = volume.read()
    pieces = np.empty_like(whole)
    for z in (0, 1, 4):
        for y in (0, 130):
            for x in (0, 259):
                box = np.s_[z : {0: 1, 1: 4, 4: 6}[z], y : 130 if y == 0 else 400, x : 259 if x == 0 else 400]
                pieces[box] = volume.view(box).read()
    return float(np.abs(whole - pieces).max())


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--models", default="detect-models")
    own.add_argument("--methods", default="vesicle,trees,network,smooth,together")
    own.add_argument("--steps", type=int, default=STEPS)
    own.add_argument("--minutes", type=float)
    own.add_argument("--start")
    own.add_argument("--seeds", type=int, default=3)
    chosen, sys.argv[1:] = own.parse_known_args()
    bench = Bench("detect", arguments(__doc__))
    chosen.quick = bench.quick
    chosen.steps = 20 if bench.quick else chosen.steps
    folder = Path(chosen.models)
    folder.mkdir(parents=True, exist_ok=True)
    data = stack(bench.options.data)
    rows, evaluations = [], {}
    for method in chosen.methods.split(","):
        row, evaluations[method] = measure(bench, method, data, chosen)
        row["blockwise_difference"] = blockwise(bench, data[0], Model.load(folder / f"{method}-0.npz"))
        rows.append(row)
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    report(bench, rows, evaluations, data[3])


def report(bench: Bench, rows: list[dict[str, Any]], evaluations: dict[str, Any], digest: str) -> None:
    bench.table("detection, out of fold", {f"{row['method']} on {row['data']}": row for row in rows})
    bench.tables[-1]["data_sha256"] = digest
    for row in rows:
        if row["method"] != "vesicle":
            bench.aim(f"{row['method']}: object F1", row["f1"], least=0.86)
            bench.aim(f"{row['method']}: voxel AP", row["voxel_ap"], least=0.76)
            bench.aim(f"{row['method']}: Mvoxel a CPU second", row["mvoxel_per_cpu_s"], least=2)
        bench.aim(f"{row['method']}: largest difference blockwise", row["blockwise_difference"], most=1e-5)
        if "vesicle" in evaluations and row["method"] != "vesicle":
            gain = detect.paired(evaluations[row["method"]], evaluations["vesicle"], tile=TILE)
            bench.aim(f"{row['method']}: F1 above VESICLE-RF, lower end", gain.low, least=0)
    bench.finish()


if __name__ == "__main__":
    main()
