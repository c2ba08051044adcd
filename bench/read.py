"""Cut-outs, wrapper cost, lazy arrays and whole passes against bare TensorStore, zarr-python and others.

The aims are ratios within this run. `make bench ONLY=read` runs it; NDLAB_TEST_DATA gives it real voxels.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import h5py
import numpy as np
import tensorstore as ts
import zarr
from harness import Bench, arguments, boxes, clock, em, scratch

import ndlab
from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale, Scale
from ndlab.store.create import create
from ndlab.volume import Volume

# Median of five, AWS i2.8xlarge, local client: NeuroData's published table of total MB/s by MB and threads.
PUBLISHED = {
    0.25: (22, 33, 68, 99, 127), 0.5: (42, 78, 135, 213, 352), 1: (79, 142, 259, 358, 652),
    2: (139, 224, 314, 682, 1027), 4: (240, 376, 648, 1041, 1334), 8: (297, 568, 1067, 1739, 2228),
    16: (366, 652, 1278, 2260, 2561), 32: (463, 944, 1645, 3001, 3650), 64: (543, 1010, 1877, 3277, 4200),
    128: (562, 1068, 1991, 3516, 4320), 256: (597, 1130, 2190, 3700, 4680),
}  # fmt: skip
THREADS = (1, 2, 4, 8, 16)
CHUNK = (64, 64, 64)


def store(folder: Path, name: str, voxels: np.ndarray[Any, Any], shard: tuple[int, ...] | None, codec: Any) -> Path:
    path = folder / f"{name}.ome.zarr"
    m = Multiscale(("z", "y", "x"), (Scale("0", Calibration((10, 10, 10))),), name=name)
    create(str(path), m, [voxels.shape], voxels.dtype, chunks=[CHUNK], shards=[shard], codec=codec)
    ndlab.open(path)._stored.levels[0].array.unsynced().write((0, 0, 0), voxels)  # type: ignore[attr-defined]
    return path


def bare(path: Path) -> ts.TensorStore:
    """TensorStore as a person opens it who has read its first page."""
    return ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/0/"}}).result()


def many(read: Callable[[tuple[slice, ...]], Any], wanted: list[tuple[slice, ...]]) -> Callable[[], Any]:
    def run() -> Any:
        last = None
        for box in wanted:
            last = read(box)
        return last

    return run


def readers(path: Path) -> dict[str, Callable[[tuple[slice, ...]], Any]]:
    volume, engine, reference = ndlab.open(path), bare(path), zarr.open_array(path / "0", mode="r")
    lazy = da.from_zarr(reference)
    return {
        "ndlab": lambda box: volume[box].read(),
        "tensorstore bare": lambda box: engine[box].read().result(),
        "zarr-python": lambda box: reference[box],
        "dask.from_zarr": lambda box: lazy[box].compute(scheduler="threads"),
    }


def cutouts(bench: Bench, folder: Path, voxels: np.ndarray[Any, Any]) -> None:
    layouts = {
        "plain": (None, "zstd"),
        "sharded": ((512, 512, 512), "zstd"),
        "uncompressed": (None, None),
        "uncompressed sharded": ((512, 512, 512), None),
    }
    sizes = {
        "64^3 aligned": ((64, 64, 64), 64, 40),
        "128^3": ((128, 128, 128), 1, 10),
        "256^3": ((256, 256, 256), 1, 3),
        "512^3": ((512, 512, 512), 1, 1),
        "xy 1024^2": ((1, 1024, 1024), 1, 3),
    }
    extra = other_formats(folder, voxels)
    for layout, (shard, codec) in layouts.items():
        path = store(folder, layout.replace(" ", "-"), voxels, shard, codec)
        contenders = readers(path) | (extra if layout == "plain" else {})
        for size, (shape, aligned, count) in sizes.items():
            wanted = boxes(voxels.shape, shape, count, aligned=aligned)
            runs = {name: many(read, wanted) for name, read in contenders.items()}
            if size == "512^3":
                runs.pop("dask.from_zarr")
            nbytes = count * int(np.prod(shape))
            found = bench.compare(f"{layout}: {count} x {size}", runs, baseline="ndlab", nbytes=nbytes)
            engine = 1 / found["tensorstore bare"]["speed_cpu"]
            reference = 1 / found["zarr-python"]["speed_cpu"]
            raw = layout.startswith("uncompressed")
            if size == "64^3 aligned":
                bench.aim(f"{layout} {size}: times tensorstore", engine, least=1.2)
            elif size != "xy 1024^2":
                bench.aim(f"{layout} {size}: times tensorstore", engine, least=0.9)
            if size != "xy 1024^2":
                bench.aim(f"{layout} {size}: times zarr-python", reference, least=3 if raw else 2)
            elif raw:
                bench.aim(f"{layout} {size}: times tensorstore", engine, least=0.9)


def other_formats(folder: Path, voxels: np.ndarray[Any, Any]) -> dict[str, Callable[[tuple[slice, ...]], Any]]:
    np.save(folder / "em.npy", voxels)
    mapped = np.load(folder / "em.npy", mmap_mode="r")
    with h5py.File(folder / "em.h5", "w") as f:
        f.create_dataset("em", data=voxels, chunks=CHUNK, compression="gzip", compression_opts=1)
    dataset = h5py.File(folder / "em.h5")["em"]
    found: dict[str, Callable[[tuple[slice, ...]], Any]] = {
        "h5py gzip 1": lambda box: dataset[box],
        "memmap (the limit)": lambda box: np.array(mapped[box]),
    }
    try:
        from cloudvolume import CloudVolume
    except ImportError:
        print("cloud-volume is not installed: left out")
        return found
    address = f"file://{folder}/precomputed"
    CloudVolume.from_numpy(
        voxels.T, vol_path=address, resolution=(10, 10, 10), chunk_size=CHUNK, layer_type="image", progress=False
    )
    volume = CloudVolume(address, progress=False, cache=False, fill_missing=False)
    found["cloud-volume raw+gzip"] = lambda box: np.asarray(volume[box[2], box[1], box[0]])[..., 0].T
    return found


def wrapper(bench: Bench, folder: Path) -> None:
    path = folder / "sharded.ome.zarr"
    volume = ndlab.open(path)
    array = volume._stored.levels[0].array
    tiny = (slice(3, 4), slice(5, 6), slice(7, 8))
    n = 20 if bench.quick else 400

    def repeat(run: Callable[[], Any]) -> Callable[[], Any]:
        def loop() -> Any:
            for _ in range(n):
                last = run()
            return last

        return loop

    found = bench.compare(
        f"wrapper: {n} x one voxel, volume[box].read() against its engine",
        {
            "ndlab": repeat(lambda: volume[tiny].read()),
            "engine alone": repeat(lambda: array.read((3, 5, 7), (4, 6, 8))),
        },
        baseline="engine alone",
    )
    cost = (found["ndlab"]["cpu_ms"] - found["engine alone"]["cpu_ms"]) / n
    bench.aim("wrapper cost [ms] of volume[box].read()", cost, most=0.15)

    def opened() -> Volume:
        from ndlab.store import engine

        engine.forget()
        return ndlab.open(path)

    found = bench.compare(
        "open a store",
        {
            "ndlab": opened,
            "tensorstore bare": lambda: bare(path),
            "zarr-python group and array": lambda: zarr.open_group(path, mode="r")["0"],
        },
        baseline="ndlab",
        repeats=41,
        equal=False,
    )
    bench.aim("open [ms]", found["ndlab"]["cpu_ms"], most=2)


def lazy(bench: Bench, folder: Path) -> None:
    """A cut-out from a volume of 10^6 chunks, most of them absent, some real."""
    path = folder / "wide.ome.zarr"
    m = Multiscale(("z", "y", "x"), (Scale("0", Calibration((10, 10, 10))),), name="wide")
    shape = (6400, 6400, 6400)
    create(str(path), m, [shape], "u1", chunks=[CHUNK], shards=[None], codec="zstd")
    volume = ndlab.open(path)
    part = ndlab.open(folder / "plain.ome.zarr")[:512, :512, :512].read()
    volume.write(ndlab.Box((0, 0, 0), part.shape), part)
    turn = itertools.cycle(boxes(part.shape, (256, 256, 256), 4))  # More than any small cache keeps.
    whole, reference = volume.dask, da.from_zarr(path / "0")
    found = bench.compare(
        "256^3 from a volume of 10^6 chunks",
        {
            "eager: volume[box].read()": lambda: volume[next(turn)].read(),
            "lazy: volume[box].dask": lambda: volume[next(turn)].dask.compute(scheduler="threads"),
            "lazy: volume[box].xarray": lambda: volume[next(turn)].xarray.values,
            "volume.dask[box]": lambda: whole[next(turn)].compute(scheduler="threads"),
            "dask.from_zarr(...)[box]": lambda: reference[next(turn)].compute(scheduler="threads"),
        },
        baseline="eager: volume[box].read()",
        repeats=12,
        equal=False,
    )
    for name in ("lazy: volume[box].dask", "lazy: volume[box].xarray"):
        bench.aim(f"{name}: times the eager CPU", 1 / found[name]["speed_cpu"], most=1.1)


def passes(bench: Bench, folder: Path) -> None:
    """The sum of a whole volume: a plain loop over blocks, ndlab's Dask array, dask.from_zarr."""
    path = folder / "sharded.ome.zarr"
    volume = ndlab.open(path)
    array = volume.dask
    edges = [np.cumsum((0, *c)) for c in array.chunks]
    blocks = [
        tuple(slice(a, b) for a, b in cut)
        for cut in itertools.product(*(list(itertools.pairwise(map(int, e))) for e in edges))
    ]
    reference = da.from_zarr(path / "0")
    with dask.config.set(scheduler="threads"):
        found = bench.compare(
            f"sum of {volume.shape}",
            {
                "plain loop": lambda: sum(int(volume[b].read().sum(dtype="u8")) for b in blocks),
                "volume.dask": lambda: int(array.sum(dtype="u8").compute()),
                "dask.from_zarr": lambda: int(reference.sum(dtype="u8").compute()),
            },
            baseline="plain loop",
            repeats=3,
            nbytes=volume.nbytes,
        )
    bench.aim("Dask pass: times the loop", found["volume.dask"]["speed_cpu"], least=0.85)
    against = found["volume.dask"]["speed_cpu"] / found["dask.from_zarr"]["speed_cpu"]
    bench.aim("Dask pass: times dask.from_zarr", against, least=4)


def throughput(bench: Bench, folder: Path) -> None:
    """The published table on this machine: total MB/s by MB a read and threads."""
    path = folder / "uncompressed-sharded.ome.zarr"
    volume = ndlab.open(path)
    rows: dict[str, dict[str, Any]] = {}
    alone: dict[float, float] = {}
    for size, published in PUBLISHED.items():
        if bench.quick and size > 4:
            break
        voxels = int(size * 1e6)
        side = max(1, round(voxels ** (1 / 3)))
        z = min(side, volume.shape[0])
        y = min(round((voxels / z) ** 0.5), volume.shape[1])
        x = min(voxels // (z * y), volume.shape[2])
        row: dict[str, Any] = {}
        for threads, theirs in zip(THREADS, published, strict=True):
            if size * threads > 2048:
                continue
            count = max(1, min(8, int(64 / size / threads)))
            rate = _rate(volume, (z, y, x), threads, count)
            row[f"{threads} thr"] = f"{rate:.0f} ({theirs})"
            if threads == 1:
                alone[size] = rate
        rows[f"{size:g} MB"] = row
    bench.table("total MB/s by read size and threads: this machine (published, 32 cores)", rows)
    if 256 in alone:
        bench.aim("256 MB a read, one thread [MB/s]", alone[256], least=600)
    bench.aim("one thread: the largest reads, times the smallest", alone[max(alone)] / alone[min(alone)], least=1)


def _rate(volume: Volume, shape: tuple[int, int, int], threads: int, count: int) -> float:
    plans = [boxes(volume.shape, shape, count, seed=i) for i in range(threads)]

    def work(plan: list[tuple[slice, ...]]) -> None:
        for box in plan:
            volume[box].read()

    best = 0.0
    for _ in range(3):
        running = [threading.Thread(target=work, args=(plan,)) for plan in plans]

        def everyone(running: list[threading.Thread] = running) -> None:
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()

        _, wall = clock(everyone)
        best = max(best, threads * count * float(np.prod(shape)) / 1e6 / wall)
    return best


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("read", options)
    shape = (256, 512, 1024) if options.quick else (512, 1024, 1024)
    began = time.perf_counter()
    with scratch() as folder:
        voxels = em(shape, options.data)
        if options.quick:
            voxels = np.concatenate([voxels, voxels[::-1]], axis=0)
            voxels = np.concatenate([voxels, voxels[:, ::-1]], axis=1)
        cutouts(bench, folder, voxels)
        del voxels
        wrapper(bench, folder)
        lazy(bench, folder)
        passes(bench, folder)
        throughput(bench, folder)
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
