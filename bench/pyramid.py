"""Making voxels coarser: the kernels against a copy of the memory and other libraries, and a whole pyramid in a store.

`make bench ONLY=pyramid` runs it; NDLAB_TEST_DATA gives it real voxels. tinybrain is compared where it is installed;
it is GPL, so nothing here asks for it.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import tensorstore as ts
import xarray as xr
import zarr
from harness import Bench, Run, arguments, em, labels, scratch
from skimage.measure import block_reduce

import ndlab
from ndlab.geometry import Calibration, Grid
from ndlab.metadata import Multiscale, Scale
from ndlab.store import layout, pyramid
from ndlab.store.create import create
from ndlab.store.downsample import downsample
from ndlab.volume import Volume

try:
    import tinybrain
except ImportError:
    tinybrain = None

Voxels = np.ndarray[Any, Any]


def copied(values: Voxels) -> Run:
    target = np.empty_like(values)
    return lambda: np.copyto(target, values)


def cells(values: Voxels, factors: Sequence[int]) -> Voxels:
    """`values` with one axis pair for each factor; whole cells only."""
    pairs = itertools.chain.from_iterable((n // f, f) for n, f in zip(values.shape, factors, strict=True))
    return values.reshape(tuple(pairs))


def mean(bench: Bench, values: Voxels, factors: tuple[int, int, int]) -> None:
    out = np.empty([n // f for n, f in zip(values.shape, factors, strict=True)], values.dtype)
    stored = ts.array(values, copy=False)
    lazy = da.from_array(values, chunks=(64, 256, 256))
    steps = dict(zip("zyx", factors, strict=True))
    runs: dict[str, Run] = {
        "ndlab": lambda: downsample(values, factors, "mean", out),
        "memory copy": copied(values),
        "tensorstore downsample": lambda: ts.downsample(stored, factors, "mean").read().result(),
        "numpy reshape.mean": lambda: cells(values, factors).mean(axis=(1, 3, 5)).round().astype(values.dtype),
        "skimage block_reduce": lambda: block_reduce(values, factors, np.mean),
        "xarray coarsen": lambda: xr.DataArray(values, dims=("z", "y", "x")).coarsen(steps).mean().values,
        "dask coarsen": lambda: da.coarsen(np.mean, lazy, dict(enumerate(factors))).compute(scheduler="threads"),
    }
    if tinybrain is not None:
        runs["tinybrain"] = lambda: tinybrain.downsample_with_averaging(values.T, factors[::-1])[0].T
    ours = runs["ndlab"]().astype("f8")
    for name, run in runs.items():
        if name != "memory copy":
            # Some round half up, some cut: no more than one grey level apart.
            assert np.abs(np.asarray(run()).reshape(ours.shape) - ours).max() <= 1, name
    title = f"mean {factors} of {values.shape} {values.dtype}"
    found = bench.compare(title, runs, baseline="ndlab", repeats=5, nbytes=values.nbytes, equal=False)
    if factors != (1, 2, 2):  # What the aims were shown possible for.
        return
    times = {name: 1 / row["speed_cpu"] for name, row in found.items()}
    bench.aim(f"{title}: times a memory copy", times["memory copy"], least=0.9)
    bench.aim(f"{title}: times tensorstore", times["tensorstore downsample"], least=6)
    bench.aim(f"{title}: times dask coarsen", times["dask coarsen"], least=50)
    bench.aim(f"{title}: times xarray coarsen", times["xarray coarsen"], least=50)
    if tinybrain is not None:
        bench.aim(f"{title}: times tinybrain", times["tinybrain"], least=1.3)


def majority(bench: Bench, values: Voxels, factors: tuple[int, int, int]) -> None:
    out = np.empty([n // f for n, f in zip(values.shape, factors, strict=True)], values.dtype)
    stored = ts.array(values, copy=False)
    runs: dict[str, Run] = {
        "ndlab": lambda: downsample(values, factors, "majority", out),
        "memory copy": copied(values),
        "tensorstore mode": lambda: ts.downsample(stored, factors, "mode").read().result(),
    }
    if tinybrain is not None:
        runs["tinybrain"] = lambda: tinybrain.downsample_segmentation(values.T, factors[::-1])[0].T
    ours = runs["ndlab"]().copy()
    for name, run in runs.items():
        if name != "memory copy":
            # Ties are settled differently, and ndlab never lets background win against a segment.
            assert (np.asarray(run()).reshape(ours.shape) == ours).mean() > 0.9, name
    title = f"majority {factors} of {values.shape} {values.dtype}"
    found = bench.compare(title, runs, baseline="ndlab", repeats=5, nbytes=values.nbytes, equal=False)
    if factors != (1, 2, 2):
        return
    bench.aim(f"{title}: times tensorstore", 1 / found["tensorstore mode"]["speed_cpu"], least=6)
    if tinybrain is not None:
        bench.aim(f"{title}: times tinybrain", 1 / found["tinybrain"]["speed_cpu"], least=1.3)


def new_pyramid(path: Path, values: Voxels, voxel_size: tuple[float, float, float], kind: Any) -> Volume:
    """A store laid out as `ingest` does, level 0 filled."""
    levels = layout.plan(values.shape, values.dtype.itemsize, voxel_size)
    scales = tuple(
        Scale(str(i), Calibration([v * f for v, f in zip(voxel_size, level.factors, strict=True)]))
        for i, level in enumerate(levels)
    )
    create(
        str(path), Multiscale(("z", "y", "x"), scales, name=path.name, kind=kind), [level.shape for level in levels],
        values.dtype, chunks=[level.chunk for level in levels], shards=[level.unit for level in levels],
    )  # fmt: skip
    volume = ndlab.open(path)
    pyramid.unsynced(volume._stored.levels[0].array).write((0, 0, 0), values)
    return volume


def dask_pyramid(
    path: Path, folder: Path, factors: Sequence[Sequence[int]], block: tuple[int, int, int] | None
) -> Callable[[], None]:
    """The idiom: coarsen and store, level after level, into unsharded chunks, which is what it is fastest with.

    Blocks are the stored chunks unless `block` says otherwise.
    """

    def run() -> None:
        source = da.from_zarr(path / "0", chunks=block or zarr.open_array(path / "0").chunks)
        for number, step in enumerate(factors, 1):
            coarse = da.coarsen(np.mean, source, dict(enumerate(step)), trim_excess=True).round().astype(source.dtype)
            chunks = tuple(min(64, n) for n in coarse.shape)
            target = zarr.create_array(
                folder / f"dask-{number}", shape=coarse.shape, chunks=chunks, dtype=coarse.dtype, overwrite=True,
                compressors=zarr.codecs.ZstdCodec(level=1),
            )  # fmt: skip
            da.store(coarse.rechunk(chunks), target, lock=False)
            source = da.from_zarr(folder / f"dask-{number}", chunks=block or chunks)

    return run


def store_to_store(bench: Bench, folder: Path, values: Voxels, voxel_size: tuple[float, float, float]) -> None:
    """Every level from the finest, in one pass, against only reading the finest in the same blocks."""
    kind = "image" if values.dtype.itemsize == 1 else "labels"
    volume = new_pyramid(folder / f"{kind}-{voxel_size[0]}.ome.zarr", values, voxel_size, kind)
    stored, shape = volume._stored, volume.shape
    plans = pyramid.store_levels(stored)
    region = layout.stages(plans, values.dtype.itemsize)[0].region
    array = stored.levels[0].array
    runs: dict[str, Run] = {
        "ndlab, every level": lambda: pyramid.build(stored),
        "plain reading": lambda: [array.read(box.start, box.stop) for box in Grid(shape, region)] and None,
    }
    if kind == "image":
        steps = [pyramid.ratio(b, a) for a, b in itertools.pairwise(plans)]
        runs["dask coarsen, chunk by chunk"] = dask_pyramid(Path(volume.url), folder, steps, None)
        runs["dask coarsen, blocks of 256^3"] = dask_pyramid(Path(volume.url), folder, steps, (256, 256, 256))
    title = f"pyramid of {shape} {values.dtype}, {len(plans)} levels, voxels {voxel_size} nm"
    found = bench.compare(title, runs, baseline="ndlab, every level", repeats=3, nbytes=values.nbytes, equal=False)
    expected = downsample(values, pyramid.ratio(plans[1], plans[0]), pyramid.rule_of(kind))
    assert np.array_equal(volume.level(1).read(), expected)
    bench.aim(f"{title}: times plain reading", 1 / found["plain reading"]["speed_cpu"], least=0.75)
    if kind == "image":
        bench.aim(f"{title}: times dask coarsen", 1 / found["dask coarsen, chunk by chunk"]["speed_cpu"], least=8)


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("pyramid", options)
    began = time.perf_counter()
    z = 16 if options.quick else 64
    image, ids = em((4 * z, 1024, 1024), options.data), labels((2 * z, 512, 1024), options.data)
    for factors in ((1, 2, 2), (2, 2, 2)):
        mean(bench, image[:z], factors)
        majority(bench, ids[:z], factors)
    with scratch() as folder, dask.config.set(scheduler="threads"):
        for voxel_size in ((40, 4, 4), (10, 10, 10)):
            store_to_store(bench, folder, image, voxel_size)
        store_to_store(bench, folder, ids, (40, 4, 4))
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
