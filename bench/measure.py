"""Measuring: components, regions, contacts, ids and statistics of real voxels, against numpy, scipy and scikit-image.

`make bench ONLY=measure` runs it; NDLAB_TEST_DATA gives it real voxels: the labels of mouse cortex at 32 x 32 x 40 nm
(`pinky_segmentation`) and the grey values of the fly's medulla (`fib25_medulla`). All contenders see the same array in
memory, so that what is compared is the measuring; ndlab's are also run from a store, decoding included. Peak memory is
that of a process which measures a store of 1 GiB of labels, against one that reads it as a whole first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, em, labels, new_store, scratch
from scipy import ndimage
from skimage import graph
from skimage.measure import label, regionprops_table

from ndlab import measure
from ndlab.measure import Statistics, Table
from ndlab.volume import Volume

Voxels = np.ndarray[Any, Any]
SIZE = (40.0, 32.0, 32.0)
PERCENTILES = (1, 50, 99)


def stored(folder: Path, values: Voxels) -> Volume:
    """A store of `values`, compressed, in shards of 256^3."""
    volume = new_store(folder / "labels", values.shape, values.dtype, shard=(256, 256, 256), kind="labels")
    volume.write(None, values)
    return volume


def in_memory(values: Voxels) -> Volume:
    return Volume.from_array(values, SIZE, kind="labels")


def components(bench: Bench, volume: Volume, values: Voxels) -> None:
    here = in_memory(values)
    found = bench.compare(
        f"components of the mask of {values.shape} {values.dtype}",
        {
            "scipy.ndimage.label": lambda: ndimage.label(values != 0)[0],
            "ndlab, in memory": lambda: measure.components(here, by_label=False, progress=False).read(),
            "ndlab, from a store": lambda: measure.components(volume, by_label=False, progress=False).read(),
        },
        baseline="scipy.ndimage.label", repeats=3, nbytes=values.nbytes,
    )  # fmt: skip
    bench.aim("components: times scipy.ndimage.label", found["ndlab, in memory"]["speed_cpu"], least=0.4)
    found = bench.compare(
        f"pieces of each label of {values.shape} {values.dtype}",
        {
            "skimage.measure.label": lambda: label(values, connectivity=1).max(),
            "ndlab, in memory": lambda: measure.components(here, progress=False).provenance["components"],
        },
        baseline="skimage.measure.label", repeats=3, nbytes=values.nbytes,
    )  # fmt: skip
    bench.aim("pieces of labels: times skimage.measure.label", found["ndlab, in memory"]["speed_cpu"], least=1)


def ids(bench: Bench, volume: Volume, values: Voxels) -> None:
    def rows(table: Table) -> Voxels:
        return np.stack([table["id"], table["size"]])

    here = in_memory(values)
    found = bench.compare(
        f"ids and sizes of {values.shape} {values.dtype}",
        {
            "np.unique": lambda: np.stack(np.unique(values, return_counts=True)).astype("u8"),
            "ndlab, in memory": lambda: rows(measure.unique(here, progress=False)),
            "ndlab, from a store": lambda: rows(measure.unique(volume, progress=False)),
        },
        baseline="np.unique", repeats=5, nbytes=values.nbytes,
    )  # fmt: skip
    bench.aim("ids: times np.unique", found["ndlab, in memory"]["speed_cpu"], least=0.5)


def regions(bench: Bench, values: Voxels) -> None:
    names = ("label", "area", *(f"bbox-{i}" for i in range(6)))
    ours = ("id", "size", "z0", "y0", "x0", "z1", "y1", "x1")
    here = in_memory(values)

    def mine() -> Voxels:
        # With surfaces, too, which scikit-image does not measure here.
        table = measure.regions(here, progress=False)
        return np.stack([table[name].astype("i8") for name in ours])

    def scikit() -> Voxels:
        table = regionprops_table(values, properties=("label", "area", "bbox", "centroid"))
        return np.stack([table[name].astype("i8") for name in names])

    found = bench.compare(
        f"sizes, boxes and centres of {len(np.unique(values))} labels in {values.shape} {values.dtype}",
        {"skimage regionprops_table": scikit, "ndlab": mine},
        baseline="skimage regionprops_table", repeats=2, nbytes=values.nbytes,
    )  # fmt: skip
    bench.aim("regions: times skimage regionprops_table", found["ndlab"]["speed_cpu"], least=50)


def brute_force(values: Voxels) -> Voxels:
    """Faces between each two ids, in numpy."""
    counts: dict[int, int] = {}
    for axis in range(3):
        low, high = values.take(range(values.shape[axis] - 1), axis), values.take(range(1, values.shape[axis]), axis)
        differ = (low != high) & (low != 0) & (high != 0)
        a, b = np.minimum(low, high)[differ].astype("u8"), np.maximum(low, high)[differ].astype("u8")
        pairs, n = np.unique(a << np.uint64(32) | b, return_counts=True)
        for pair, k in zip(pairs.tolist(), n.tolist(), strict=True):
            counts[pair] = counts.get(pair, 0) + k
    return np.array([(pair >> 32, pair & 0xFFFFFFFF, counts[pair]) for pair in sorted(counts)])


def contacts(bench: Bench, volume: Volume, values: Voxels) -> None:
    def rows(table: Table) -> Voxels:
        return np.stack([table["a"], table["b"], sum(table[f"{axis}_faces"] for axis in "zyx")], 1).astype("i8")

    here = in_memory(values)
    found = bench.compare(
        f"contacts between the labels of {values.shape} {values.dtype}",
        {
            "numpy": lambda: brute_force(values),
            # With areas and centres, too.
            "ndlab, in memory": lambda: rows(measure.contacts(here, progress=False)),
            "ndlab, from a store": lambda: rows(measure.contacts(volume, progress=False)),
        },
        baseline="numpy", repeats=3, nbytes=values.nbytes,
    )  # fmt: skip
    bench.aim("contacts: times numpy", found["ndlab, in memory"]["speed_cpu"], least=1)
    few = np.ascontiguousarray(values[:24, :96, :96]).astype("i8")
    small = in_memory(few)
    found = bench.compare(
        f"which labels of {few.shape} touch",
        {
            "skimage RAG": lambda: sorted(tuple(sorted(map(int, e))) for e in graph.RAG(few, connectivity=1).edges),
            "ndlab": lambda: rows(measure.contacts(small, background=None, progress=False))[:, :2],
        },
        baseline="skimage RAG", repeats=2, nbytes=few.nbytes,
    )  # fmt: skip
    bench.aim("contacts: times skimage RAG", found["ndlab"]["speed_cpu"], least=10)


def statistics(bench: Bench, values: Voxels) -> None:
    def numbers(found: Statistics) -> Voxels:
        return np.array([found.mean, found.std, found.min, found.max, *found.percentiles.values(), *found.counts])

    def with_numpy() -> Voxels:
        whole = values.dtype == np.uint8
        counts = np.bincount(values.reshape(-1), minlength=256) if whole else np.histogram(values, 256)[0]
        some = [values.mean(dtype="f8"), values.std(dtype="f8"), values.min(), values.max()]
        return np.array([*some, *np.percentile(values, PERCENTILES), *counts], "f8")

    here = Volume.from_array(values, SIZE)
    runs = {"numpy": with_numpy, "ndlab": lambda: numbers(measure.statistics(here, progress=False))}
    np.testing.assert_allclose(runs["ndlab"](), runs["numpy"](), rtol=1e-6)
    title = f"histogram, mean, deviation, extremes and percentiles of {values.shape} {values.dtype}"
    found = bench.compare(title, runs, baseline="numpy", repeats=5, nbytes=values.nbytes, equal=False)
    # 32 bits take three passes in bounded memory, where numpy sorts a copy of the whole array.
    least = 1 if values.dtype == np.uint8 else 0.4
    bench.aim(f"statistics of {values.dtype}: times numpy", found["ndlab"]["speed_cpu"], least=least)


WHOLE = """
from scipy import ndimage
values = ndlab.open(sys.argv[1]).read()
np.unique(values, return_counts=True)
ndimage.label(values != 0)
"""
BLOCKS = """
volume = ndlab.open(sys.argv[1])
for verb in (measure.unique, measure.regions, measure.contacts, measure.statistics):
    verb(volume, workers=2, progress=False)
measure.components(volume, by_label=False, out=sys.argv[1] + "-components", workers=2, progress=False)
"""


def peak(code: str, url: str) -> int:
    """Most bytes of memory of a process that runs `code`, beyond those it had when everything was imported."""
    before = """
import json, sys
import numpy as np
import ndlab
from ndlab import measure
from ndlab.volume import Volume

def now():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

tiny = Volume.from_array(np.arange(1, 9, dtype="u8").reshape(2, 2, 2), (1, 1, 1), kind="labels")
for verb in (measure.unique, measure.regions, measure.contacts, measure.statistics, measure.components):
    verb(tiny)
began = now()
"""
    done = subprocess.run(
        [sys.executable, "-c", f"{before}{code}print(json.dumps(now() - began))", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(json.loads(done.stdout)) * 1024


def memory(bench: Bench, folder: Path) -> None:
    values = labels((512, 512, 512) if not bench.quick else (128, 256, 256), bench.options.data)
    volume = new_store(folder / "large", values.shape, values.dtype, shard=(256, 256, 256), kind="labels")
    volume.write(None, values)
    nbytes, shape = values.nbytes, values.shape
    del values
    rows = {
        "numpy and scipy, as a whole": {"peak MiB": peak(WHOLE, volume.url) / 2**20},
        "ndlab, all five verbs": {"peak MiB": peak(BLOCKS, volume.url) / 2**20},
    }
    for row in rows.values():
        row["of the volume"] = row["peak MiB"] * 2**20 / nbytes
    bench.table(f"peak memory of measuring {shape} uint64 ({nbytes / 2**20:.0f} MiB) from a store", rows)
    ours = rows["ndlab, all five verbs"]["of the volume"]
    bench.aim("peak memory of all verbs, of the volume's own", ours, most=0.75)


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("measure", options)
    began = time.perf_counter()
    z = 64 if options.quick else 256
    values = labels((z, 256, 256), options.data).astype("u4")
    with scratch() as folder:
        volume = stored(folder, values)
        components(bench, volume, values)
        ids(bench, volume, values)
        contacts(bench, volume, values)
        regions(bench, values[:64])
        grey = em((z // 2, 512, 512), options.data)
        for dtype in ("u1", "f4"):
            statistics(bench, grey.astype(dtype))
        memory(bench, folder)
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
