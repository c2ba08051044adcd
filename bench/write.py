"""Writing: against TensorStore bare and zarr-python, by size and threads, and whether time is linear in size.

Every `Volume.write` is on disk when it returns and counts as a new version of the volume; the table of the founding
system, measured by its authors, stands beside this machine's. `make bench ONLY=write` runs it.
"""

from __future__ import annotations

import random
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
import zarr
from harness import Bench, arguments, clock, em, labels, new_store, scratch

import ndlab

# Median of five, AWS i2.8xlarge, local client: NeuroData's published table of total MB/s by MB and threads.
PUBLISHED = {
    1: (58, 107, 201, 283, 462), 2: (89, 175, 306, 500, 583), 4: (119, 235, 402, 675, 1066),
    8: (142, 268, 520, 807, 1367), 16: (158, 302, 567, 965, 1550), 32: (164, 318, 581, 986, 1720),
    64: (169, 328, 613, 1105, 1162), 128: (173, 338, 644, 1126, 1157), 256: (176, 344, 644, 662, 1157),
}  # fmt: skip
PUBLISHED_ANNOTATIONS = (228, 444, 875, 1600, 2386)  # MB/s of their annotations, without their write cache
PUBLISHED_HOURS = 13.7  # of one TB, from their ingest of 12 to 115 GB
THREADS = (1, 2, 4, 8, 16)
MIB = 1 << 20
Corner = tuple[int, int, int]


def sides(mib: int, itemsize: int) -> Corner:
    """The box of whole 64^3 chunks that holds `mib`, a power of two, and is as cubic as it can be."""
    found = [64, 64, 64]
    while np.prod(found) * itemsize < mib * MIB:
        found[2 - int(np.argmin(found[::-1]))] *= 2
    return found[0], found[1], found[2]


def cubes(voxels: np.ndarray[Any, Any], mib: int) -> np.ndarray[Any, Any]:
    """`mib` of the voxels, mirrored where there are too few."""
    shape = sides(mib, voxels.dtype.itemsize)
    part = voxels[tuple(slice(0, n) for n in shape)]
    short = [(0, n - m) for n, m in zip(shape, part.shape, strict=True)]
    return np.pad(part, short, mode="symmetric")


def against(bench: Bench, folder: Path, what: str, voxels: np.ndarray[Any, Any]) -> None:
    """One cube into a plain and a sharded store, on its grid and off it, through three libraries."""
    side = 256
    source = np.ascontiguousarray(voxels[:side, :side, :side])
    for layout, shard in {"plain": None, "256^3 shards": (256, 256, 256)}.items():
        path = folder / f"{what} {layout}".replace(" ", "-").replace("^", "")
        volume = new_store(
            path, (512, 512, 512), voxels.dtype, shard=shard, kind="labels" if what == "labels" else "image"
        )
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/0/"}}
        engine, reference = ts.open(spec).result(), zarr.open_array(path / "0", mode="r+")
        unflushed = ts.open(spec, context=ts.Context({"file_io_sync": False})).result()
        for place, corner in {"aligned": (256, 0, 256), "misaligned": (100, 50, 75)}.items():
            box = ndlab.Box(corner, [c + side for c in corner])
            cut = tuple(map(slice, box.start, box.stop))

            def store(cut: tuple[slice, ...] = cut, reference: Any = reference) -> None:
                reference[cut] = source

            runs: dict[str, Callable[[], Any]] = {
                "ndlab": lambda v=volume, b=box: v.write(b, source),
                "tensorstore bare": lambda e=engine, c=cut: e[c].write(source).result(),
                "tensorstore, no flush": lambda e=unflushed, c=cut: e[c].write(source).result(),
                "zarr-python, no flush": store,
            }
            found = bench.compare(
                f"{what} {layout}, {place}: write {side}^3 {voxels.dtype}",
                runs, baseline="ndlab", repeats=5, nbytes=source.nbytes, equal=False,
            )  # fmt: skip
            assert np.array_equal(ndlab.open(path)[cut].read(), source)
            bench.aim(
                f"{what} {layout} {place}: times tensorstore", 1 / found["tensorstore bare"]["speed_cpu"], least=0.9
            )


def table(bench: Bench, folder: Path, what: str, voxels: np.ndarray[Any, Any], limit: int) -> float:
    """Print the founding system's table beside this machine's, and return the best MB/s."""
    rows: dict[str, dict[str, Any]] = {}
    best = 0.0
    for mib, published in PUBLISHED.items():
        if mib > limit:
            break
        row: dict[str, Any] = {}
        for threads, theirs in zip(THREADS, published, strict=True):
            if mib * threads <= limit:
                rate = _rate(folder / f"{what}-{mib}-{threads}", what, voxels, mib, threads)
                best = max(best, rate)
                row[f"{threads} thr"] = f"{rate:.0f} ({theirs})"
        rows[f"{mib} MB"] = row
    if what == "labels":
        theirs_too = zip(THREADS, PUBLISHED_ANNOTATIONS, strict=True)
        rows["their annotations"] = {f"{threads} thr": f"({rate})" for threads, rate in theirs_too}
    bench.table(f"{what}: total MB/s by write size and threads: this machine, flushed (published, 32 cores)", rows)
    return best


def _rate(path: Path, what: str, voxels: np.ndarray[Any, Any], mib: int, threads: int) -> float:
    """MB/s of the better of two rounds, each thread writing cubes of its own that were never written before."""
    source = cubes(voxels, mib)
    depth, *plane = source.shape
    count = max(1, min(4, 16 // (mib * threads)))
    volume = new_store(
        path, (2 * count * threads * depth, *plane), voxels.dtype, kind="labels" if what == "labels" else "image"
    )

    def work(first: int) -> None:
        for i in range(first, first + count):
            volume.write(ndlab.Box((i * depth, 0, 0), ((i + 1) * depth, *plane)), source)

    best = 0.0
    for turn in range(2):
        running = [threading.Thread(target=work, args=((turn * threads + i) * count,)) for i in range(threads)]
        began = time.perf_counter()
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        best = max(best, threads * count * source.nbytes / 1e6 / (time.perf_counter() - began))
    shutil.rmtree(path)
    return best


def linear(bench: Bench, folder: Path, voxels: np.ndarray[Any, Any], limit: int) -> None:
    """Fit time = a + b * size for reads and writes of cubes of whole chunks, one thread asking."""
    sizes = [2**i for i in range(8) if 2**i <= limit]
    volume = new_store(folder / "linear", sides(limit, 1), voxels.dtype)
    times: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for _ in range(2 if bench.quick else 7):
        for mib in random.sample(sizes, len(sizes)):
            source = cubes(voxels, mib)
            box = ndlab.Box((0, 0, 0), source.shape)
            volume.write(box, source)
            times.setdefault("read", {}).setdefault(mib, []).append(clock(lambda b=box: volume.read(b)))
            times.setdefault("write", {}).setdefault(mib, []).append(clock(lambda b=box, s=source: volume.write(b, s)))
    rows = {}
    for verb, found in times.items():
        for place, name in enumerate(("CPU", "wall")):
            x = np.array(sizes, float) * MIB / 1e6
            y = np.array([np.median([t[place] for t in found[mib]]) for mib in sizes]) * 1e3
            slope, constant = np.polyfit(x, y, 1)
            rest = 1 - ((y - constant - slope * x) ** 2).sum() / ((y - y.mean()) ** 2).sum()
            power = np.polyfit(np.log(x), np.log(y), 1)[0]
            rows[f"{verb}, {name}"] = {
                "a [ms]": constant, "b [ms/MB]": slope, "MB/s": 1e3 / slope, "R2": rest, "power": power,
            }  # fmt: skip
            if name == "CPU":
                bench.aim(f"{verb}: R2 of time = a + b * size, {sizes[0]} to {sizes[-1]} MB", rest, least=0.98)
    bench.table("time = a + b * size, and the power of the size that fits best", rows)


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("write", options)
    began = time.perf_counter()
    limit = 16 if bench.quick else 128
    with scratch() as folder:
        image, ids = em((256, 512, 1024), options.data), labels((256, 256, 512), options.data).astype("u4")
        against(bench, folder, "image", image)
        against(bench, folder, "labels", ids)
        best = {name: table(bench, folder, name, values, limit) for name, values in (("image", image), ("labels", ids))}
        linear(bench, folder, image, limit)
        rows = {
            f"{name}, this machine": {"MB/s": rate, "hours per TB": 1e6 / rate / 3600} for name, rate in best.items()
        }
        rows["founding system's ingest"] = {"MB/s": 1e6 / PUBLISHED_HOURS / 3600, "hours per TB": PUBLISHED_HOURS}
        bench.table("hours to write one TB at the best rate above, flushed", rows)
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
