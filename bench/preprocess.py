"""Colour correction: planted damage undone, real stacks evened, speed beside the bare DCT, growth, memory.

`make bench ONLY=preprocess` runs it; NDLAB_TEST_DATA gives it real sections (`vnc_larva_sstem`, `isbi2012_vnc`,
`temca_tiles`); without them a texture stands in for the first. The damage is `ndlab.testing.plant_exposure`, so the
truth is known. Peak memory is that of a process that corrects a store whose sections are one texture, shifted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, clock, new_store, scratch

from ndlab import preprocess
from ndlab.measure.blocks import How
from ndlab.preprocess.poisson import Equation, direct
from ndlab.preprocess.relax import multigrid
from ndlab.testing import Planted, plant_exposure
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
VOXEL = (50.0, 4.6, 4.6)
SEEDS = range(5)


def texture(shape: tuple[int, int, int]) -> Array:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    found = np.zeros(shape)
    for sigma, weight in (((0.7, 1, 1), 22), ((1.5, 3, 3), 28), ((3, 6, 6), 8)):
        noise = gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
        found += weight * noise / noise.std()
    return np.clip(np.rint(128 + found), 0, 255).astype(np.uint8)


def sections(data: str | None) -> Array:
    folder = Path(data or "", "vnc_larva_sstem", "stack1", "raw")
    if not data or not folder.exists():
        print("no --data: a texture stands in for real sections")
        return texture((14, 512, 512))
    import tifffile

    return np.stack([tifffile.imread(file)[:512, :512] for file in sorted(folder.glob("*.tif"))])


def volume(values: Array) -> Volume:
    return Volume.from_array(values, VOXEL)


def corrected(stack: Volume, seams: Any = None) -> Volume:
    return preprocess.correct(stack, seams=seams, progress=False)


def visible(before: Volume, after: Volume, tiles: Array) -> float:
    rows = preprocess.report(before, after, tiles).table
    return float(rows["after"][rows["what"] == "seam step"][0])


def planted(bench: Bench, truth: Array) -> None:
    ways: dict[str, Any] = {
        "degraded": lambda stack, _: stack,
        "histogram matching": lambda stack, _: preprocess.match_sections(stack, method="histogram", progress=False),
        "moments": lambda stack, _: preprocess.match_sections(stack, progress=False),
        "zero gradient across seams": lambda stack, tiles: preprocess.fuse_seams(
            stack, tiles, filter_width=460.0, progress=False
        ),
        "ndlab, seams given": lambda stack, tiles: corrected(stack, tiles),
        "ndlab": lambda stack, _: corrected(stack),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for seed in SEEDS:
        made = plant_exposure(truth, seed)
        for name, way in ways.items():
            stack = volume(made.degraded)
            after = way(stack, made.tiles)
            found[name].append(made.scores(after.read()) | {"seam_step": visible(stack, after, made.tiles)})
    rows = {name: {k: float(np.mean([one[k] for one in scores])) for k in scores[0]} for name, scores in found.items()}
    worst = {"ndlab, worst seed for PSNR": min(found["ndlab"], key=lambda one: one["psnr"])}
    bench.table(f"planted exposure, {truth.shape}, mean of {len(SEEDS)} seeds [dB, grey]", {**rows, **worst})
    made = plant_exposure(truth)
    own = made.scores(truth) | {"seam_step": visible(volume(truth), volume(truth), made.tiles)}
    clean, tiled = (
        made.scores(after.read()) | {"seam_step": visible(volume(truth), after, made.tiles)}
        for after in (corrected(volume(truth)), corrected(volume(truth), made.tiles))
    )
    bench.table("a clean stack", {"truth": own, "ndlab": clean, "ndlab, told of tiles": tiled})
    ours = found["ndlab"]
    bench.aim("planted: PSNR of the worst seed [dB]", min(one["psnr"] for one in ours), least=33)
    bench.aim("planted: visible seam step of the worst seed [grey]", max(one["seam_step"] for one in ours), most=1)
    bench.aim("planted: seam step against the truth's own [grey]", rows["ndlab"]["seam_error"], most=1)
    bench.aim("planted: correlation of detail, worst seed", min(one["detail"] for one in ours), least=0.998)
    bench.aim("a clean stack comes back [dB]", min(clean["psnr"], tiled["psnr"]), least=39)


def tellable(bench: Bench, data: str | None) -> None:
    """How well a step can be known at all: guessed on lines where none is, from tissue alone, by ever more lines.

    Four tiles have three differences, so four seams of one length leave sqrt(3/4) of what each alone does.
    """
    folder = Path(data or "", "vnc_larva_sstem", "stack1", "raw")
    if not data or not folder.exists():
        return
    import tifffile

    whole = np.stack([tifffile.imread(file) for file in sorted(folder.glob("*.tif"))]).astype(np.float32)
    most, rows = 16, {}
    for length in (256, 512, 1024):
        sides, steps = [], []
        for stack in (whole, np.swapaxes(whole, 1, 2)):
            for x in range(most + 1, stack.shape[2] - most - 1, 7):
                near = stack[:, :, x - most : x + most + 2].reshape(len(stack), -1, length, 2 * most + 2).mean(2)
                change = np.diff(near, axis=-1).reshape(-1, 2 * most + 1)
                steps.append(change[:, most])
                sides.append(change[:, :most][:, ::-1] + change[:, most + 1 :])
        step, side = np.concatenate(steps), np.concatenate(sides)
        row = {"no guess": float(np.abs(step).mean())}
        learnt = np.arange(len(step)) < len(step) // 2  # columns teach, rows are guessed
        for lines in (2, 4, 16):
            weights = np.linalg.lstsq(side[learnt, :lines], step[learnt], rcond=None)[0]
            off = step[~learnt] - side[~learnt, :lines] @ weights
            row[f"{lines} lines"] = float(np.abs(off).mean())
        rows[f"seams of {length} pixels"] = row | {"four tiles": row["16 lines"] * np.sqrt(3 / 4)}
    bench.table("what is left of a guess at the step of tissue alone, from lines on both sides [grey]", rows)


def planted_whole(bench: Bench, data: str | None) -> None:
    """The same damage on whole sections, whose tiles are twice as wide."""
    folder = Path(data or "", "vnc_larva_sstem", "stack1", "raw")
    if not data or not folder.exists() or bench.quick:
        return
    import tifffile

    truth = np.stack([tifffile.imread(file) for file in sorted(folder.glob("*.tif"))])
    scores = []
    for seed in SEEDS:
        made = plant_exposure(truth, seed)
        stack = volume(made.degraded)
        after = corrected(stack, made.tiles)
        scores.append(made.scores(after.read()) | {"seam_step": visible(stack, after, made.tiles)})
    mean = {k: float(np.mean([one[k] for one in scores])) for k in scores[0]}
    bench.table(f"planted exposure, {truth.shape}, mean of {len(SEEDS)} seeds [dB, grey]", {"ndlab": mean})
    bench.aim("planted, whole sections: PSNR of the worst seed [dB]", min(one["psnr"] for one in scores), least=33)
    bench.aim("planted, whole sections: seam step against the truth's own [grey]", mean["seam_error"], most=1)


def real(bench: Bench) -> None:
    data = Path(bench.options.data or "")
    if not (data / "isbi2012_vnc").exists():
        return
    from PIL import Image

    stack = volume(
        np.stack([np.array(Image.open(file)) for file in sorted((data / "isbi2012_vnc" / "image").iterdir())])
    )
    table = preprocess.report(stack, corrected(stack), "none").table
    bench.table(
        "ISBI 2012", {str(r["what"]): {"before": float(r["before"]), "after": float(r["after"])} for r in table}
    )
    bench.aim("ISBI 2012: section means' deviation, times smaller", table["before"][0] / table["after"][0], least=10)
    bench.aim("ISBI 2012: gradient correlation", float(table["after"][-1]), least=0.99)
    folder = data / "temca_tiles" / "temca_4tiles_level1"
    spec = folder / "test_4_tiles_level_1.json"
    names = [Path(tile["mipmapLevels"]["1"]["imageUrl"]).name for tile in json.loads(spec.read_text())]
    tiles = [np.array(Image.open(folder / name)) for name in names]
    mask = np.array(Image.open(folder / "test_mask.jpg_level_1_mipmap.png"))
    found = preprocess.match_tiles(tiles, list(preprocess.read_placements(spec, scale=2).values()), [mask] * len(tiles))
    pairs = {f"{r['one']} and {r['other']}": {k: float(r[k]) for k in ("before", "after")} for r in found.overlaps}
    bench.table("TEMCA tiles: difference of means where two overlap [grey]", pairs)

    def spread(tile: Array, good: Array) -> float:
        parts = zip(np.array_split(tile, 5, 1), np.array_split(good, 5, 1), strict=True)
        return float(np.ptp([part[g].mean() for part, g in parts]))

    means = {
        name: {"before": spread(tile, good), "after": spread(after, good)}
        for name, tile, after, good in zip(names, tiles, found.tiles, found.good, strict=True)
    }
    bench.table(
        "TEMCA tiles: range of the means of five columns [grey]", {k.partition(".")[0]: v for k, v in means.items()}
    )
    bench.aim("TEMCA: largest difference of an overlap [grey]", float(np.abs(found.overlaps["after"]).max()), most=1)


def speed(bench: Bench) -> None:
    side = 512 if bench.quick else 1024
    values = np.tile(texture((4, 256, 256)), (1, side // 256, side // 256))
    made = plant_exposure(values)
    stack, tiles = volume(made.degraded), made.tiles
    equation = Equation((0.0, 1.0, 1.0), 0.01**2)
    alone = How(workers=1, client=False, progress=False)
    f = np.random.default_rng(0).normal(size=values.shape).astype(np.float32)

    def right(box: Any) -> Array:
        return f[box.slices].copy()

    runs = {
        "DCT alone, one thread": lambda: direct(f, equation),
        "multigrid in blocks of 512": lambda: multigrid(right, f.shape, equation, (1, 512, 512), alone),
        "fuse_seams": lambda: preprocess.fuse_seams(stack, tiles, filter_width=460.0, progress=False),
        "correct, tiles given": lambda: corrected(stack, tiles),
        "correct": lambda: corrected(stack),
    }
    found = bench.compare(
        f"{values.shape} uint8; MB are Mvoxel", runs, baseline="DCT alone, one thread", repeats=3, nbytes=values.size,
        equal=False,
    )  # fmt: skip
    bench.aim("correct, tiles given [Mvoxel/CPU s]", found["correct, tiles given"]["mb_per_cpu_s"], least=9)
    bench.aim("fuse_seams [Mvoxel/CPU s]", found["fuse_seams"]["mb_per_cpu_s"], least=9)


def growth(bench: Bench) -> None:
    rows = {}
    block = texture((4, 256, 256))
    for nz, side in ((4, 512), (8, 512), (16, 512), (32, 512), (8, 1024), (8, 2048)):
        values = np.tile(block, (-(-nz // 4), side // 256, side // 256))[:nz]
        made: Planted = plant_exposure(values)
        stack = volume(made.degraded)
        cpu = min(clock(lambda stack=stack, tiles=made.tiles: corrected(stack, tiles))[0] for _ in range(2))
        rows[f"{nz} x {side} x {side}"] = {
            "Mvoxel": values.size / 1e6,
            "CPU s": cpu,
            "ns/voxel": cpu / values.size * 1e9,
        }
    bench.table("growth of correct, tiles given", rows)
    large, small = rows["32 x 512 x 512"]["ns/voxel"], rows["8 x 512 x 512"]["ns/voxel"]
    bench.aim("four times the sections: CPU a voxel, times", large / small, most=1.15)
    bench.aim("sixteen times the section: CPU a voxel, times", rows["8 x 2048 x 2048"]["ns/voxel"] / small, most=1.15)


PEAK = """
import json, sys
import ndlab
from ndlab import preprocess

def now():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

preprocess.correct(ndlab.open(sys.argv[1]), out=sys.argv[2], seams="none", workers=2, progress=False)
print(json.dumps(now()))
"""


def memory(bench: Bench, folder: Path) -> None:
    rows = {}
    plane = np.tile(texture((1, 256, 256))[0], (4, 4))
    for nz in (128, 512) if bench.quick else (512, 2048):
        stack = new_store(
            folder / f"stack-{nz}", (nz, 1024, 1024), np.uint8, chunk=(16, 128, 128), shard=(16, 1024, 1024)
        )
        for z in range(0, nz, 16):
            moved = [np.roll(plane, 7 * k, 1) + np.uint8(k * 37 % 11) for k in range(z, z + 16)]
            stack[z : z + 16].write(None, np.stack(moved))
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(folder / f"stack-{nz}"), str(folder / f"out-{nz}")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows[f"{nz} x 1024 x 1024"] = {
            "volume MiB": nz, "peak MiB": json.loads(done.stdout) / 1024, "wall s": time.perf_counter() - began,
        }  # fmt: skip
    bench.table("peak memory of correct, from a store to a store, everything imported included", rows)
    bench.aim("peak memory of the largest [MiB]", list(rows.values())[-1]["peak MiB"], most=1024)


def main() -> int:
    options = arguments(__doc__, only_memory="no more than the peak memory")
    bench = Bench("preprocess", options)
    if not options.only_memory:
        planted(bench, sections(options.data))
        planted_whole(bench, options.data)
        tellable(bench, options.data)
        real(bench)
        speed(bench)
        growth(bench)
    with scratch() as folder:
        memory(bench, folder)
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
