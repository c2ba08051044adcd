"""The block engine: against a bare loop, Dask's map_blocks and map_overlap, on threads and on a cluster of processes.

One step (a smoothing of real EM, its overlap read with each block, whole shards written) at the default block size,
where everything but the voxels should vanish; the same at 64^3 blocks, where what a task costs is all there is; then a
million blocks that do nothing, and an ingest on 1, 2 and 4 workers. `make bench ONLY=scale` runs it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, em, new_store, scratch
from scipy import ndimage

import ndlab
from ndlab.geometry import Box, Grid
from ndlab.pipeline import BlockStep, Run, Step
from ndlab.volume import Volume

OVERLAP = 2
CORES = 2


def smooth(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Padded first: a filter over an array of 256^3 takes twice as long as over one of 260^3, for the cache's sake."""
    padded = np.pad(image, OVERLAP, mode="symmetric")
    found: np.ndarray[Any, Any] = ndimage.uniform_filter(padded, 2 * OVERLAP + 1)
    return found[OVERLAP:-OVERLAP, OVERLAP:-OVERLAP, OVERLAP:-OVERLAP]


def nothing(block: Box) -> None:
    return None


def one_block(source: Volume, output: Any, block: Box) -> None:
    """What a person writes by hand for one block."""
    grown = block.grow(OVERLAP, within=source.shape)
    found = smooth(source.read(grown))
    inner = tuple(slice(a - o, b - o) for a, b, o in zip(block.start, block.stop, grown.start, strict=True))
    output.write(block, found[inner])


def loop(source: Volume, output: Any, blocks: list[Box]) -> None:
    for block in blocks:
        one_block(source, output, block)


class Into:
    """What `dask.array.store` writes to: the same shards through the same engine."""

    def __init__(self, output: Any) -> None:
        self.output = output

    def __setitem__(self, key: tuple[slice, ...], values: np.ndarray[Any, Any]) -> None:
        self.output.write(Box([k.start for k in key], [k.stop for k in key]), np.ascontiguousarray(values))


def dask_source(source: Volume, block: int) -> Any:
    """The volume as a Dask array of such blocks, through ndlab's own reader."""
    import dask.array as da

    class Readable:
        shape, dtype, ndim = source.shape, source.dtype, 3

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray[Any, Any]:
            return source.view(key).read()

    return da.from_array(Readable(), chunks=(block,) * 3, asarray=False, fancy=False, lock=False, inline_array=True,
                         meta=np.empty((0, 0, 0), source.dtype))  # fmt: skip


def with_dask(source: Volume, output: Any, block: int, overlap: bool) -> Callable[[], Any]:
    """Run map_overlap, or map_blocks, which leaves seams; on the current client if there is one, else on threads."""
    import dask.array as da

    def work() -> None:
        array = dask_source(source, block)
        if overlap:
            made = array.map_overlap(smooth, depth=OVERLAP, boundary="none", dtype=source.dtype)
        else:
            made = array.map_blocks(smooth, dtype=source.dtype)
        da.store(made, Into(output), lock=False)

    return work


def with_ndlab(source: Volume, dest: Volume, block: int, **how: Any) -> Callable[[], Any]:
    step = BlockStep("smooth", smooth, inputs=source, output=dest, overlap=OVERLAP)
    return lambda: step.plan(block=(block,) * 3, overwrite=True, **how).run()


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    import distributed

    made = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    )
    with made, distributed.Client(made) as client:
        yield client


class Memory:
    """Most memory that this process held meanwhile, above what it held before [MB]."""

    def __enter__(self) -> Memory:
        self.before = self.now()
        self.most, self._on = self.before, True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        self._thread.join()

    def _watch(self) -> None:
        while self._on:
            self.most = max(self.most, self.now())
            time.sleep(0.02)

    @property
    def grown(self) -> float:
        return self.most - self.before

    @staticmethod
    def now() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def at_default_size(bench: Bench, folder: Path, source: Volume, side: int) -> None:
    """Whole shards of 16 Mvoxel, one worker and all of them, on threads."""
    dest = new_store(folder / f"default-{side}", source.shape, source.dtype, shard=(side,) * 3, codec=None)
    output, blocks = dest.output(), list(Grid(source.shape, (side,) * 3))
    import dask

    with dask.config.set(scheduler="threads", num_workers=1):
        found = bench.compare(
            f"threads, one worker, {len(blocks)} blocks of {side}^3",
            {
                "bare loop": lambda: loop(source, output, blocks),
                "ndlab": with_ndlab(source, dest, side, workers=1),
                "map_blocks (seams)": with_dask(source, output, side, False),
                "map_overlap": with_dask(source, output, side, True),
            },
            baseline="bare loop", repeats=5, nbytes=source.nbytes, equal=False,
        )  # fmt: skip
    bench.aim("ndlab, share of the bare loop, CPU", found["ndlab"]["speed_cpu"], least=0.85)
    bench.aim("ndlab, share of the bare loop, best wall", _best(found, "ndlab", "bare loop"), least=0.85)
    bench.aim(
        "ndlab times map_overlap, CPU (within noise)",
        found["ndlab"]["speed_cpu"] / found["map_overlap"]["speed_cpu"],
        least=0.9,
    )
    _check(source, dest)


def _best(found: dict[str, dict[str, float]], name: str, baseline: str) -> float:
    return found[baseline]["wall_min_ms"] / found[name]["wall_min_ms"]


def _check(source: Volume, dest: Volume) -> None:
    """Of all contenders the last to write is any; only ndlab's is checked, and it has no seams."""
    with_ndlab(source, dest, 128, workers=CORES, client=False)()
    cut = (slice(0, 96), slice(100, 300), slice(200, 400))
    whole = smooth(source[cut].read())
    inner = tuple(slice(OVERLAP if s.start else 0, -OVERLAP) for s in cut)
    assert np.array_equal(dest[cut].read()[inner], whole[inner])


def on_a_cluster(bench: Bench, folder: Path, source: Volume, side: int) -> None:
    dest = new_store(folder / f"cluster-{side}", source.shape, source.dtype, shard=(side,) * 3, codec=None)
    output, blocks = dest.output(), list(Grid(source.shape, (side,) * 3))
    with cluster(CORES) as client:

        def halves() -> None:
            parts = [blocks[i::CORES] for i in range(CORES)]
            client.gather([client.submit(loop, source, output, part, pure=False) for part in parts])

        found = bench.compare(
            f"{CORES} worker processes, {len(blocks)} blocks of {side}^3 (CPU is the client's)",
            {
                "bare loops": halves,
                "ndlab": with_ndlab(source, dest, side, client=client),
                "map_blocks (seams)": with_dask(source, output, side, False),
                "map_overlap": with_dask(source, output, side, True),
            },
            baseline="bare loops", repeats=5, nbytes=source.nbytes, equal=False,
        )  # fmt: skip
    bench.aim("ndlab on a cluster, share of bare loops, best wall", _best(found, "ndlab", "bare loops"), least=0.85)


def small_blocks(bench: Bench, folder: Path, source: Volume) -> None:
    """What a block costs when it holds next to nothing: 64^3."""
    dest = new_store(folder / "small", source.shape, source.dtype, shard=(64, 64, 64), codec=None)
    output, count = dest.output(), len(Grid(source.shape, (64, 64, 64)))
    rows: dict[str, dict[str, Any]] = {}

    def measure(name: str, work: Callable[[], Any]) -> None:
        with Memory() as memory:
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        rows[name] = {"blocks/s": count / wall, "client ms": 1e3 * cpu / count, "client MB": memory.grown}

    import dask

    with dask.config.set(scheduler="threads", num_workers=CORES):
        measure("threads: bare loop", lambda: loop(source, output, list(Grid(source.shape, (64, 64, 64)))))
        measure("threads: ndlab", with_ndlab(source, dest, 64, workers=CORES))
        measure("threads: map_blocks (seams)", with_dask(source, output, 64, False))
        measure("threads: map_overlap", with_dask(source, output, 64, True))
    with cluster(CORES) as client:
        with_ndlab(source, dest, 256, client=client)()  # workers import what they need
        measure("cluster: ndlab", with_ndlab(source, dest, 64, client=client))
        measure("cluster: map_blocks (seams)", with_dask(source, output, 64, False))
        measure("cluster: map_overlap", with_dask(source, output, 64, True))
    bench.table(f"{count} blocks of 64^3: blocks/s, client CPU a block, client memory", rows)
    ratio = rows["cluster: map_overlap"]["client ms"] / rows["cluster: ndlab"]["client ms"]
    bench.aim("client CPU a block of map_overlap, times ndlab's, cluster", ratio, least=5)


def a_million(bench: Bench, folder: Path) -> None:
    """Blocks that do nothing, each with its line in the record."""
    side = 46 if bench.quick else 100
    grid, record = Grid((side,) * 3, (1, 1, 1)), folder / "million.jsonl"
    seen: list[tuple[int, float]] = []
    with cluster(CORES) as client:
        run = Run(
            Step("nothing", nothing), grid, record, client=client,
            progress=lambda progress: seen.append((progress.done, Memory.now())),
        )  # fmt: skip
        began, cpu = time.perf_counter(), time.process_time()
        run.run()
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    warm = next(memory for done, memory in seen if done >= len(grid) // 10)
    began = time.perf_counter()
    again = Run(Step("nothing", nothing), grid, record, workers=1).run()
    resumed = time.perf_counter() - began
    assert again.skipped == len(grid)
    row = {
        "blocks": len(grid), "blocks/s": len(grid) / wall, "client us": 1e6 * cpu / len(grid),
        "MB at 10 %": warm, "MB at end": seen[-1][1], "record MB": record.stat().st_size / 1e6, "resume s": resumed,
    }  # fmt: skip
    bench.table("blocks that do nothing, on a cluster", {"ndlab": row})
    bench.aim("client memory, grown from a tenth of the blocks to all [MB]", seen[-1][1] - warm, most=20)
    bench.aim("blocks a second", len(grid) / wall, least=10_000)
    bench.aim("seconds to read back a million lines", resumed * 1e6 / len(grid), most=5)


def ingest(bench: Bench, folder: Path, voxels: np.ndarray[Any, Any]) -> None:
    """One stack on the current Client with more and more workers.

    Shown without an aim: the engine encodes on threads of its own, so one worker already keeps both cores of a small
    machine busy, and what more of them bring shows only where there are more cores.
    """
    np.save(folder / "stack.npy", np.concatenate([voxels, voxels[::-1]]))
    rows = {}
    for workers in (1, 2, 4):
        with cluster(workers):
            best = 0.0
            for turn in range(3):  # the first one imports
                began = time.perf_counter()
                ndlab.ingest(folder / "stack.npy", folder / f"in-{workers}-{turn}", voxel_size=(10, 10, 10),
                             shards=(128, 256, 256), codec="zstd", progress=False)  # fmt: skip
                best = max(best, 2 * voxels.nbytes / 1e6 / (time.perf_counter() - began))
        rows[f"{workers} workers"] = {"MB/s": best}
    bench.table(f"ingest of {2 * voxels.nbytes / 1e6:.0f} MB on the current Client ({CORES} cores here)", rows)


def main() -> None:
    bench = Bench("scale", arguments(__doc__))
    shape = (256, 512, 512) if bench.quick else (512, 512, 512)
    with scratch() as folder:
        voxels = em(shape, bench.options.data)
        source = new_store(folder / "em", shape, voxels.dtype, shard=(256, 256, 256))
        source.write(None, voxels)
        at_default_size(bench, folder, source, 256)
        on_a_cluster(bench, folder, source, 256)
        small_blocks(bench, folder, source[:128, :256, :256] if bench.quick else source[:256])
        a_million(bench, folder)
        ingest(bench, folder, voxels)
    bench.finish()


if __name__ == "__main__":
    main()
