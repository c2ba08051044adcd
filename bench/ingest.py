"""Ingest into shards, from memory, a file and a folder of slices; hours per TB; memory of a 2 GiB label volume.

Against what compressing in RAM alone costs (the limit), TensorStore bare, zarr-python, h5py, cloud-volume and Dask.
`make bench ONLY=ingest` runs it.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import tensorstore as ts
import tifffile
import zarr
from harness import Bench, Run, arguments, em, labels, new_store, scratch
from numcodecs import Zstd

import ndlab
from ndlab.store import layout

CHUNK = (64, 64, 64)
VOXELS = (10, 10, 10)
# The founding system's own measurements: GB, seconds; 13.7 hours a TB.
FOUNDING = {"2.7 GB": 33.4, "12 GB": 16.4, "115 GB": 20.3}
Voxels = np.ndarray[Any, Any]


def shard_of(values: Voxels) -> tuple[int, int, int]:
    """What `ingest` takes by default, so that all write the same shards."""
    return layout.plan(values.shape, values.dtype.itemsize, VOXELS, chunk=CHUNK)[0].unit


def names(folder: Path) -> Iterator[Path]:
    """Places that were never used: every run writes a new store."""
    return (folder / f"out-{i}" for i in itertools.count())


def compress(values: Voxels) -> Run:
    """The limit: chunks cut out and compressed, on as many threads as there are cores, and thrown away."""
    corners = list(itertools.product(*(range(0, n, c) for n, c in zip(values.shape, CHUNK, strict=True))))

    def one(corner: tuple[int, ...]) -> int:
        part = values[tuple(slice(a, a + c) for a, c in zip(corner, CHUNK, strict=True))]
        return len(Zstd(level=1).encode(np.ascontiguousarray(part)))

    def run() -> int:
        with ThreadPoolExecutor() as pool:
            return sum(pool.map(one, corners))

    return run


def into_tensorstore(values: Voxels, path: Path, flush: bool) -> None:
    new_store(path, values.shape, values.dtype, shard=shard_of(values))
    context = ts.Context({"file_io_sync": flush})
    store = ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/0/"}}, context=context).result()
    store.write(values).result()


def new_zarr(values: Any, path: Path) -> zarr.Array[Any]:
    return zarr.create_array(
        path, shape=values.shape, chunks=CHUNK, shards=shard_of(values), dtype=values.dtype,
        compressors=zarr.codecs.ZstdCodec(level=1),
    )  # fmt: skip


def into_zarr(values: Any, path: Path) -> None:
    """Shard by shard in z, so that memory stays bounded as it does for the others."""
    target, depth = new_zarr(values, path), shard_of(values)[0]
    for z in range(0, values.shape[0], depth):
        target[z : z + depth] = np.asarray(values[z : z + depth])


def into_dask(values: Voxels, path: Path) -> None:
    lazy = da.from_array(values, chunks=shard_of(values))
    da.store(lazy, new_zarr(values, path), lock=False, scheduler="threads")


def into_h5py(values: Voxels, path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("em", data=values, chunks=CHUNK, compression="gzip", compression_opts=1)


def from_memory(bench: Bench, folder: Path, values: Voxels, kind: Any) -> dict[str, dict[str, float]]:
    new = names(folder)
    settings: dict[str, Any] = {"voxel_size": VOXELS, "kind": kind, "codec": "zstd", "chunks": CHUNK, "progress": False}
    runs: dict[str, Run] = {
        "ndlab, finest level": lambda: ndlab.ingest(values, next(new), levels=1, **settings) and None,
        "ndlab, every level": lambda: ndlab.ingest(values, next(new), **settings) and None,
        "compress in RAM (the limit)": compress(values),
        "tensorstore bare": lambda: into_tensorstore(values, next(new), True),
        "tensorstore, no flush": lambda: into_tensorstore(values, next(new), False),
        "zarr-python": lambda: into_zarr(values, next(new)),
        "h5py gzip 1": lambda: into_h5py(values, next(new)),
        "dask to zarr": lambda: into_dask(values, next(new)),
    }
    try:
        from cloudvolume import CloudVolume
    except ImportError:
        print("cloud-volume is not installed: left out")
    else:
        runs["cloud-volume raw+gzip"] = lambda: CloudVolume.from_numpy(
            values.T, vol_path=f"file://{next(new)}", resolution=VOXELS, chunk_size=CHUNK, progress=False,
            layer_type="image" if kind == "image" else "segmentation", encoding="raw",
        ) and None  # fmt: skip
    title = f"{kind} {values.shape} {values.dtype} in memory, zstd 1"
    found = bench.compare(
        title, runs, baseline="ndlab, finest level", repeats=3, nbytes=values.nbytes, equal=False,
        tidy=lambda: wipe(folder),
    )  # fmt: skip
    volume = ndlab.ingest(values, next(new), **settings)
    assert np.array_equal(volume.read(), values)
    wipe(folder)
    times = {name: 1 / row["speed_cpu"] for name, row in found.items()}
    bench.aim(f"{title}: times compressing in RAM", times["compress in RAM (the limit)"], least=0.75)
    bench.aim(f"{title}: times zarr-python", times["zarr-python"], least=2.2)
    if kind == "image" and "cloud-volume raw+gzip" in times:
        bench.aim(f"{title}: times cloud-volume", times["cloud-volume raw+gzip"], least=8)
    return found


def wipe(folder: Path) -> None:
    for path in folder.glob("out-*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def from_files(bench: Bench, folder: Path, values: Voxels) -> dict[str, dict[str, dict[str, float]]]:
    """A .npy file and a folder of uncompressed TIFF slices, every level, codec chosen by `ingest`."""
    np.save(folder / "em.npy", values)
    slices = folder / "slices"
    slices.mkdir()
    for z, plane in enumerate(values):
        tifffile.imwrite(slices / f"section_{z:04}.tif", plane)
    new = names(folder)

    def read_slices(path: Path) -> None:
        files = sorted(slices.iterdir())
        target, depth = new_zarr(values, path), shard_of(values)[0]
        for z in range(0, len(files), depth):
            target[z : z + depth] = np.stack([tifffile.imread(f) for f in files[z : z + depth]])

    sources = {
        ".npy file": (folder / "em.npy", lambda: into_zarr(np.load(folder / "em.npy", mmap_mode="r"), next(new))),
        f"folder of {len(values)} TIFF slices": (slices, lambda: read_slices(next(new))),
    }
    found, quiet = {}, {"progress": False}
    for name, (source, theirs) in sources.items():
        found[name] = bench.compare(
            f"{name}, {values.shape} {values.dtype}",
            {
                "ndlab, finest level": lambda s=source: ndlab.ingest(s, next(new), VOXELS, levels=1, **quiet) and None,
                "ndlab, every level": lambda s=source: ndlab.ingest(s, next(new), VOXELS, **quiet) and None,
                "zarr-python, finest level": theirs,
            },
            baseline="ndlab, finest level", repeats=3, nbytes=values.nbytes, equal=False, tidy=lambda: wipe(folder),
        )  # fmt: skip
        times = 1 / found[name]["zarr-python, finest level"]["speed_cpu"]
        bench.aim(f"{name}: times zarr-python", times, least=2.2)
    return found


# Run on its own, so that its high-water mark is that of an ingest and of nothing before.
MEMORY = """
import json, sys
import ndlab
from ndlab.samples import phantom

def main():
    shape, dest = json.loads(sys.argv[1]), sys.argv[2]
    source = phantom(shape, voxel_size=(10, 10, 10)).volume("labels")
    volume = ndlab.ingest(source, dest, memory="768 MiB", progress=False)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(json.dumps({"bytes": volume.nbytes, "peak": int(peak.split()[1]) * 1024}))

if __name__ == "__main__":
    main()
"""


def memory(bench: Bench, folder: Path) -> None:
    shape = (256, 256, 512) if bench.quick else (512, 512, 1024)
    dest = folder / "large.ome.zarr"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, json.dumps(shape), str(dest)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    seconds = time.perf_counter() - began
    found = json.loads(done.stdout)
    volume = ndlab.open(dest)
    on_disk = sum(p.stat().st_size for p in dest.rglob("*") if p.is_file())
    assert volume.shape == shape
    row = {
        "logical MiB": found["bytes"] / 2**20, "on disk MiB": on_disk / 2**20, "peak MiB": found["peak"] / 2**20,
        "seconds": seconds, "MB/s": found["bytes"] / 1e6 / seconds,
    }  # fmt: skip
    bench.table("memory of an ingest of phantom labels, made as they are read", {f"{shape} {volume.dtype}": row})
    bench.aim("peak resident memory [GiB] of that ingest", found["peak"] / 2**30, most=1)


def hours(bench: Bench, found: dict[str, dict[str, float]]) -> None:
    rows: dict[str, dict[str, Any]] = {}
    for name, row in found.items():
        rate = row["mb_per_cpu_s"] * row["cpu_ms"] / row["wall_ms"]
        rows[name] = {
            "MB/s": rate,
            "hours per TB": 1e6 / rate / 3600,
            "CPU hours per TB": 1e6 / row["mb_per_cpu_s"] / 3600,
        }
    for size, rate in FOUNDING.items():
        rows[f"founding system, {size}"] = {"MB/s": rate, "hours per TB": 1e6 / rate / 3600}
    bench.table("hours to ingest one TB", rows)


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("ingest", options)
    began = time.perf_counter()
    with scratch() as folder:
        image = em((256, 512, 512) if options.quick else (512, 512, 1024), options.data)
        ids = labels((128, 256, 256) if options.quick else (256, 256, 512), options.data)
        found = {"EM in memory, finest level": from_memory(bench, folder, image, "image")["ndlab, finest level"]}
        from_memory(bench, folder, ids, "labels")
        for name, rows in from_files(bench, folder, image).items():
            found[f"EM, {name}, every level"] = rows["ndlab, every level"]
        hours(bench, found)
        memory(bench, folder)
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
