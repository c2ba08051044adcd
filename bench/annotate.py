"""Painting many small objects: merged through the journal, against one by one and one transaction of the engine.

`make bench ONLY=annotate` paints 10,000 synapses of about 200 voxels into an empty label volume of 1024 x 1024 x 256
uint64 in ndlab's own shards; `python bench/annotate.py --objects 100000` ten times as many. The ways that paint one
object at a time paint a sample only (the table says how many), into a volume that holds the second half of the objects
already, as it is on average while they are painted; they are compared by CPU time an object. All ways are checked for
equal labels. The floor is what no way can do without: fill and encode each touched chunk once, and store the bytes.
What the same objects cost as rows of metadata is measured by `annotations.py`, whose tables close the run.
"""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import annotations
import numpy as np
import tensorstore as ts
import zarr
from harness import Bench, arguments, clock, scratch
from numcodecs.zstd import Zstd

from ndlab.annotations import Annotations, Synapse, before, bulk, cutting
from ndlab.annotations.bulk import Sheet
from ndlab.annotations.index import Index
from ndlab.annotations.journal import Journal
from ndlab.annotations.paint import Paint
from ndlab.annotations.units import Units
from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale, Scale
from ndlab.store.create import create
from ndlab.store.layout import plan
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

SHAPE, SIZE = (256, 1024, 1024), (40.0, 4.0, 4.0)
PUBLISHED = (3.6, 6.0)  # times faster with the founding system's write cache than without, at 16 and 4 threads
BATCH = 500
Voxels = np.ndarray[Any, Any]
Way = Callable[[Volume, Sequence[Voxels]], None]


def synapses(count: int, shape: Sequence[int]) -> list[Voxels]:
    """Flat ellipsoids at random places, 200 voxels more or less."""
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(64):
        half = rng.uniform((2.2, 4.0, 4.0), (3.2, 5.2, 5.2))
        grid = np.argwhere(np.ones([2 * int(h) + 1 for h in half])) - half.astype(int)
        kinds.append(grid[((grid / half) ** 2).sum(1) <= 1].astype("i4"))
    places = rng.integers([8] * 3, np.array(shape) - 8, (count, 3)).astype("i4")
    return [kinds[i % 64] + at for i, at in enumerate(places)]


def new_labels(path: Path, shape: Sequence[int], levels: int = 1) -> Volume:
    """An empty volume laid out as ndlab lays out labels."""
    layout = plan(shape, 8, SIZE, levels=levels)
    calibrations = [Calibration([v * f for v, f in zip(SIZE, one.factors, strict=True)]) for one in layout]
    scales = tuple(Scale(str(i), c) for i, c in enumerate(calibrations))
    about = Multiscale(("z", "y", "x"), scales, name=path.name, kind="labels")
    create(str(path), about, [one.shape for one in layout], "uint64", chunks=[one.chunk for one in layout],
           shards=[one.unit for one in layout])  # fmt: skip
    return open_volume(path)


def bounded(voxels: Voxels) -> tuple[tuple[slice, ...], tuple[Voxels, ...]]:
    """The box around an object, and its voxels in it."""
    low, high = voxels.min(0), voxels.max(0) + 1
    return tuple(map(slice, low.tolist(), high.tolist())), tuple((voxels - low).T)


def by_zarr(volume: Volume, objects: Sequence[Voxels]) -> None:
    array = zarr.open_array(f"{volume.url}/0", mode="r+")
    for i, voxels in enumerate(objects, 1):
        box, inside = bounded(voxels)
        part = array[box]
        part[inside] = i
        array[box] = part


def engine(volume: Volume) -> ts.TensorStore:
    return ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{volume.url}/0/"}}).result()


def by_tensorstore(volume: Volume, objects: Sequence[Voxels]) -> None:
    array = engine(volume)
    for i, voxels in enumerate(objects, 1):
        box, inside = bounded(voxels)
        part = array[box].read().result()
        part[inside] = i
        array[box].write(part).result()


def by_transaction(volume: Volume, objects: Sequence[Voxels]) -> None:
    transaction = ts.Transaction()
    by_tensorstore_in(engine(volume).with_transaction(transaction), objects)
    transaction.commit_async().result()


def by_tensorstore_in(array: ts.TensorStore, objects: Sequence[Voxels]) -> None:
    for i, voxels in enumerate(objects, 1):
        box, inside = bounded(voxels)
        part = array[box].read().result()
        part[inside] = i
        array[box].write(part).result()


def by_paint(volume: Volume, objects: Sequence[Voxels], folder: Path) -> None:
    with Paint(volume, folder, background=False) as paint:
        for first in range(0, len(objects), BATCH):
            part = objects[first : first + BATCH]
            paint.write_many(range(first + 1, first + 1 + len(part)), part)
        paint.flush(levels=False)


def floor(volume: Volume, objects: Sequence[Voxels]) -> None:
    """Touch each chunk once: clear it, scatter, encode; and write as many bytes as came out. No journal, no index."""
    shape, chunk = volume.shape, volume.chunks
    flat = np.concatenate(objects)
    ids = np.repeat(np.arange(1, len(objects) + 1, dtype="u8"), [len(one) for one in objects])
    number, inside = np.zeros(len(flat), "i8"), np.zeros(len(flat), "i4")
    for axis in range(3):
        quotient = flat[:, axis] // chunk[axis]
        number = number * -(-shape[axis] // chunk[axis]) + quotient
        inside = inside * chunk[axis] + (flat[:, axis] - quotient * chunk[axis])
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    tiny, out = Zstd(level=1), []
    for part in np.split(order, cuts):
        labels = np.zeros(int(np.prod(chunk)), "u8")
        labels[inside[part]] = ids[part]
        out.append(tiny.encode(labels))
    Path(volume.url, "floor.bin").write_bytes(b"".join(out))


def painting(bench: Bench, folder: Path, count: int) -> None:
    shape = SHAPE if not bench.quick else (64, 512, 512)
    objects = synapses(count, shape)
    mean = sum(map(len, objects)) / count
    few = min(count, 12 if bench.quick else 40)
    some = min(count, 100 if bench.quick else 400)
    ways: dict[str, tuple[int, Way]] = {
        "zarr-python, one by one": (few, by_zarr),
        "tensorstore, one by one": (some, by_tensorstore),
        "tensorstore, one transaction": (count, by_transaction),
        "ndlab, journal and merge": (count, lambda v, o: by_paint(v, o, Path(f"{v.url}-paint"))),
        "floor: chunks once": (count, floor),
    }
    loaded(folder)
    repeats = 1 if bench.quick or count > 20_000 else 3
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    results = {}
    for repeat in range(repeats):
        for name in random.sample(list(ways), len(ways)):
            number, way = ways[name]
            volume = new_labels(folder / f"labels-{repeat}-{list(ways).index(name)}", shape)
            if number < count:
                by_transaction(volume, objects[count // 2 :])
            times[name].append(clock(lambda way=way, volume=volume, number=number: way(volume, objects[:number])))
            results[name] = volume
    rows: dict[str, dict[str, Any]] = {}
    for name, (number, _) in ways.items():
        cpu, wall = (statistics.median(column) for column in zip(*times[name], strict=True))
        rows[name] = {"objects": number, "CPU ms each": cpu / number * 1e3, "objects/CPU s": number / cpu,
                      "objects/s wall": number / wall}  # fmt: skip
    merged = rows["ndlab, journal and merge"]
    for row in rows.values():
        row["ndlab x CPU"] = row["CPU ms each"] / merged["CPU ms each"]
    layout = f"{shape} uint64, chunks {volume.chunks}, shards {volume.shards}"
    bench.table(f"{count} objects of {mean:.0f} voxels into {layout}, medians of {repeats}", rows)
    check(results, objects, {name: number for name, (number, _) in ways.items()}, shape)
    aims = {"zarr-python, one by one": 40, "tensorstore, one by one": 15, "tensorstore, one transaction": 4}
    for name, least in aims.items():
        bench.aim(f"merged: times {name}", rows[name]["ndlab x CPU"], least=least)
    bench.aim("merged: share of the floor's speed", rows["floor: chunks once"]["ndlab x CPU"], least=0.25)
    print(f"  published for the founding system's write cache: {PUBLISHED[0]} to {PUBLISHED[1]} times")
    split(bench, new_labels(folder / "split", shape), objects)


def loaded(folder: Path) -> None:
    """Let ndlab load what it compiles, as every way has loaded its library before it is timed."""
    size = cutting.MANY // 2
    by_paint(new_labels(folder / "loaded", (8, 512, 512)), [np.argwhere(np.ones((1, 512, 512)))[:size] for _ in "ab"],
             folder / "loaded-paint")  # fmt: skip


PARTS = {
    "journal: write and flush": (Journal, "append"),
    "cut at the chunks": (bulk, "cut"),
    "chunks decoded or cleared": (Units, "_decode"),
    "strokes applied, objects counted": (Sheet, "apply"),
    "chunks encoded": (Units, "_encoded"),
    "what was there, to disk": (before, "save"),
    "index: places": (Index, "put_tables"),
    "index: history": (Index, "put_writes"),
}


def split(bench: Bench, volume: Volume, objects: Sequence[Voxels]) -> None:
    """Say what the CPU time of painting and merging goes into; in a run of its own, for the clocks cost some."""
    spent: Counter[str] = Counter()
    with measured(spent):
        cpu, _ = clock(lambda: by_paint(volume, objects, Path(f"{volume.url}-paint")))
    spent["all else"] = cpu - sum(spent.values())
    each = {name: {"CPU us each": t / len(objects) * 1e6, "share": t / cpu} for name, t in spent.items()}
    bench.table("ndlab's CPU time by what it does", each)


@contextmanager
def measured(spent: Counter[str]) -> Iterator[None]:
    """Add the CPU time that threads spend in `PARTS`."""

    def timed(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            begun = time.thread_time()
            try:
                return plain(*given)
            finally:
                spent[name] += time.thread_time() - begun

        return run

    with ExitStack() as stack:
        for name, (owner, method) in PARTS.items():
            stack.enter_context(patch.object(owner, method, timed(name, getattr(owner, method))))
        yield


def check(results: dict[str, Volume], objects: Sequence[Voxels], numbers: dict[str, int], shape: Sequence[int]) -> None:
    """All ways left the labels that numpy leaves."""
    for name, volume in results.items():
        if name.startswith("floor"):
            continue
        expected = np.zeros(shape, "u8")
        half = len(objects) // 2
        for several in [objects[half:], objects[: numbers[name]]] if numbers[name] < len(objects) else [objects]:
            for i, voxels in enumerate(several, 1):
                expected[tuple(voxels.T)] = i
        assert np.array_equal(volume.read(), expected), f"the labels of {name} differ"


def acknowledging(bench: Bench, folder: Path, count: int) -> None:
    """Records that are on disk when the call returns, by how many share a flush."""
    shape = SHAPE if not bench.quick else (64, 512, 512)
    objects = synapses(count, shape)
    rows: dict[str, dict[str, Any]] = {}
    for name, size, threads in [
        ("one a call", 1, 1), ("one a call, 32 threads", 1, 32), ("100 a call", 100, 1), ("500 a call", BATCH, 1),
        ("500 a call, 4 threads", BATCH, 4),
    ]:  # fmt: skip
        number = count if size > 1 else min(count, 2000)
        best: dict[str, Any] = {}
        for repeat in range(1 if bench.quick else 3):
            volume = new_labels(folder / f"ack-{len(rows)}-{repeat}", shape)
            with Paint(volume, folder / f"ack-{len(rows)}-{repeat}-paint", background=False) as paint:
                found = acknowledged(paint, objects[:number], size, threads)
            if not best or found["records/s wall"] > best["records/s wall"]:
                best = found
        rows[name] = best
    bench.table("durable acknowledgements (best of three)", rows)
    bench.aim("durable records/s, grouped", max(row["records/s wall"] for row in rows.values()), least=30_000)
    bench.aim("durable records/CPU s, grouped", rows["500 a call"]["records/CPU s"], least=30_000)


def acknowledged(paint: Paint, objects: Sequence[Voxels], size: int, threads: int) -> dict[str, Any]:
    def many(start: int) -> None:
        for first in range(start * size, len(objects), threads * size):
            part = objects[first : first + size]
            paint.write_many(range(first + 1, first + 1 + len(part)), part)

    def run() -> None:
        running = [threading.Thread(target=many, args=(start,)) for start in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    cpu, wall = clock(run)
    return {"records": len(objects), "flushes": paint.journal.flushes, "records/s wall": len(objects) / wall,
            "records/CPU s": len(objects) / cpu}  # fmt: skip


def belonging(bench: Bench, folder: Path, count: int) -> None:
    """What it costs that labels belong to a set: strokes are numbered, and objects come with their voxels."""
    shape = SHAPE if not bench.quick else (64, 512, 512)
    objects = synapses(count, shape)
    rows: dict[str, dict[str, Any]] = {}
    for name, size, threads in [("one a call", 1, 1), ("one a call, 32 threads", 1, 32), ("500 a call", BATCH, 1)]:
        part = objects[: count if size > 1 else min(count, 1000)]
        with Paint(new_labels(folder / f"alone-{size}-{threads}", shape), background=False) as paint:
            alone = acknowledged(paint, part, size, threads)
        with Annotations.create(folder / f"set-{size}-{threads}") as ann:
            paint = ann.attach(new_labels(folder / f"owned-{size}-{threads}", shape), background=False)
            owned = acknowledged(paint, part, size, threads)
            cpu, wall = 0.0, 1.0
            if threads == 1:
                cpu, wall = clock(lambda ann=ann, part=part, size=size: with_rows(ann, part, size))
        cost = {key: 1e3 / found["records/CPU s"] for key, found in (("alone, CPU ms", alone), ("of a set", owned))}
        both = {"with rows": cpu / len(part) * 1e3} if threads == 1 else {}
        rows[name] = cost | both | {"alone, per s": alone["records/s wall"], "of a set, per s": owned["records/s wall"]}
        rows[name] |= {"with rows, per s": len(part) / wall} if both else {}
    bench.table("the same strokes alone, of a set, and with their objects (each)", rows)


def with_rows(ann: Annotations, objects: Sequence[Voxels], size: int) -> None:
    for first in range(0, len(objects), size):
        part = objects[first : first + size]
        ann.add([Synapse() for _ in part], voxels=part)


def reading(bench: Bench, folder: Path, count: int) -> None:
    """Objects and boxes while all is pending, and when all is merged; the pyramid after it."""
    shape = SHAPE if not bench.quick else (64, 512, 512)
    objects = synapses(count, shape)
    volume = new_labels(folder / "reading", shape, levels=3)
    rng = np.random.default_rng(1)
    asked = rng.integers(1, count + 1, 200).tolist()
    rows: dict[str, dict[str, Any]] = {}
    with Paint(volume, folder / "reading-paint", background=False) as paint:
        for first in range(0, count, BATCH):
            paint.write_many(range(first + 1, min(count, first + BATCH) + 1), objects[first : first + BATCH])
        paint.bounding_box(1)  # strokes are cut into chunks at the first read
        for state in ("pending", "merged"):
            begun = time.perf_counter()
            for one in asked:
                paint.places(one)
            half = time.perf_counter()
            for one in asked:
                paint.voxels(one)
            rows[state] = {"where, ms": (half - begun) / len(asked) * 1e3,
                           "voxels, ms": (time.perf_counter() - half) / len(asked) * 1e3}  # fmt: skip
            if state == "pending":
                paint.flush(levels=False)
        cpu, wall = clock(paint.update_levels)
        rows["pyramid of 3 levels"] = {"CPU s": cpu, "wall s": wall}
    bench.table("one object, found and read (wall)", rows)


def main() -> None:
    count = 10_000
    if "--objects" in sys.argv:
        at = sys.argv.index("--objects")
        count = int(sys.argv[at + 1])
        del sys.argv[at : at + 2]
    bench = Bench("annotate" if count == 10_000 else f"annotate-{count}", arguments(__doc__))
    if bench.quick:
        count = min(count, 1000)
    with scratch() as folder:
        painting(bench, folder, count)
        acknowledging(bench, folder, min(count, 10_000))
        belonging(bench, folder, min(count, 10_000))
        reading(bench, folder, min(count, 10_000))
        annotations.storing(bench, folder, min(count, 20_000) if bench.quick else 100_000, 1 if bench.quick else 3)
    bench.finish()


if __name__ == "__main__":
    main()
