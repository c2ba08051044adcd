"""Many workers: blocks of real work on one and two, blocks that wait on one, two and four, and a million of them.

The store of the blocks that wait is asked over HTTP, with so long before each answer as a far one takes
(`servers/latency.py`): what more workers than cores bring, and all that this machine of two can say of four. A million
blocks go through a scheduler in a process of its own, to workers that do nothing, in tasks as large as blocks of 2.5 ms
would be put together in: what the scheduler and the client pay, whatever the blocks cost. `make bench ONLY=cluster`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from harness import Bench, arguments, em, new_store, scratch
from scipy import ndimage

import ndlab
from ndlab.geometry import Box, Grid
from ndlab.pipeline import BlockStep, Run, Step

HERE = Path(__file__).parent
# A group of blocks that take 2.5 ms each is a quarter of a second long.
GROUP = 100
DELAY_MS = 100
SIGMAS = (1.0, 1.5, 2.0, 2.5, 3.0)


def work(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A scale space, as features of detection are: about half a second of one core for a block of 128^3."""
    seen = image.astype("f4")
    found = sum(ndimage.gaussian_filter(seen, sigma, truncate=3) for sigma in SIGMAS) / len(SIGMAS)
    return np.asarray(found).astype(image.dtype)


def nothing(block: Box) -> None:
    return None


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    import distributed

    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as made, distributed.Client(made) as client:  # fmt: skip
        client.run(_warm)
        yield client


def _warm() -> None:
    """What a worker does once is not what the blocks cost."""
    work(np.zeros((16, 16, 16), "u1"))


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """One thread in each worker: what two threads of a library do on one worker is not what a second worker brings."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def of_work(bench: Bench, folder: Path) -> None:
    """Seconds of the same Run on one worker and on two, in turns."""
    side = 256 if bench.quick else 384
    voxels = em((side,) * 3, bench.options.data)
    source = new_store(folder / "em", voxels.shape, voxels.dtype, shard=(128, 128, 128))
    source.write(None, voxels)
    times: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(1 if bench.quick else 3):
        for workers in (1, 2):
            with quiet("OMP_NUM_THREADS", "TENSORSTORE_NUM_THREADS"), cluster(workers) as client:
                output = folder / f"out-{workers}-{turn}.zarr"
                run = BlockStep("work", work, inputs=source, output=str(output), overlap=9).plan(
                    block=(128, 128, 128), client=client
                )
                began = time.perf_counter()
                run.run()
                times[workers].append(time.perf_counter() - began)
    best = {workers: min(found) for workers, found in times.items()}
    rows = {f"{n} worker{'s' * (n > 1)}": {"s": s, "MB/s": voxels.nbytes / 1e6 / s, "x": best[1] / s}
            for n, s in best.items()}  # fmt: skip
    bench.table(f"five Gaussian filters of {voxels.nbytes / 1e6:.0f} MB of EM on workers of one thread", rows)
    bench.aim("two workers as fast as how many", best[1] / best[2], least=1.6)


def of_waiting(bench: Bench, folder: Path) -> None:
    """Seconds of a Run whose blocks wait for a far store, on one, two and four workers."""
    side = 128 if bench.quick else 256
    voxels = np.random.default_rng(0).integers(0, 255, (side,) * 3).astype("u1")
    source = new_store(folder / "far", voxels.shape, voxels.dtype, chunk=(32, 32, 32), codec=None)
    source.write(None, voxels)
    rows, first = {}, 0.0
    with server(folder) as url:
        far = ndlab.open(f"{url}/far")
        step = BlockStep("total", _sum, inputs=far)
        for workers in (1, 2, 4):
            with cluster(workers) as client:
                run = step.plan(block=(32, 32, 32), client=client, group=1)
                began = time.perf_counter()
                found = run.reduce(_add)
                wall = time.perf_counter() - began
                assert found == int(voxels.sum(dtype=np.int64))
            first = first or wall
            rows[f"{workers} worker{'s' * (workers > 1)}"] = {"s": wall, "blocks/s": len(run) / wall, "x": first / wall}
    bench.table(f"{len(run)} blocks of one request each, {DELAY_MS} ms before each answer", rows)
    bench.aim("four workers as fast as how many, waiting", rows["4 workers"]["x"], least=3)


def _sum(image: np.ndarray[Any, Any]) -> int:
    return int(image.sum(dtype=np.int64))


def _add(a: int, b: int) -> int:
    return a + b


@contextmanager
def server(folder: Path) -> Iterator[str]:
    command = [sys.executable, str(HERE / "servers" / "latency.py"), str(folder), str(DELAY_MS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def a_million(bench: Bench) -> None:
    """What the scheduler and the client pay for blocks that cost nothing, in tasks of a hundred and of one."""
    rows = {}
    for group, count in ((GROUP, 10**5 if bench.quick else 10**6), (1, 2_000 if bench.quick else 10**4)):
        with machines(2) as (client, scheduler):
            run = Run(Step("nothing", nothing), Grid((count, 1, 1), (1, 1, 1)), client=client, group=group)
            Run(Step("warm", nothing), Grid((200, 1, 1), (1, 1, 1)), client=client, group=1).run()
            before, own = sum(scheduler.cpu_times()[:2]), time.process_time()
            memory, began = scheduler.memory_info().rss, time.perf_counter()
            run.run()
            wall = time.perf_counter() - began
            tasks = count // group
            rows[f"{count} blocks, {group} a task"] = {
                "tasks": tasks,
                "wall s": wall,
                "scheduler CPU s": sum(scheduler.cpu_times()[:2]) - before,
                "client CPU s": time.process_time() - own,
                "scheduler ms/task": 1e3 * (sum(scheduler.cpu_times()[:2]) - before) / tasks,
                "grown MB": (scheduler.memory_info().rss - memory) / 1e6,
            }
    bench.table("blocks that cost nothing, through a scheduler of its own", rows)
    large = next(iter(rows.values()))
    bench.aim("scheduler's CPU a task of 10^6 blocks [ms]", large["scheduler ms/task"], most=5)
    bench.aim("scheduler's memory, grown [MB]", large["grown MB"], most=100)


@contextmanager
def machines(workers: int) -> Iterator[tuple[Any, psutil.Process]]:
    """A scheduler and workers, each a process, and a client in this one."""
    import distributed

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with ExitStack() as stack:
        started = [_start("scheduler", "--host=127.0.0.1", f"--port={address.rpartition(':')[2]}", "--no-dashboard")]
        stack.callback(_end, started)
        client = stack.enter_context(_client(distributed, f"tcp://{address}"))
        started += [
            _start("worker", f"tcp://{address}", "--nthreads=1", "--no-nanny", "--no-dashboard", "--host=127.0.0.1")
            for _ in range(workers)
        ]
        client.wait_for_workers(workers, timeout=120)
        yield client, psutil.Process(started[0].pid)


def _start(*words: str) -> subprocess.Popen[bytes]:
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    quietly = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "dask", *words], env=environment, stdout=quietly, stderr=quietly)


def _end(started: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(started):
        process.terminate()
    for process in started:
        process.wait(30)


def _client(distributed: Any, address: str) -> Any:
    end = time.monotonic() + 60
    while True:
        try:
            return distributed.Client(address, timeout=5)
        except OSError:
            if time.monotonic() > end:
                raise


def main() -> None:
    bench = Bench("cluster", arguments(__doc__))
    with scratch() as folder:
        of_work(bench, folder)
        of_waiting(bench, folder)
    a_million(bench)
    bench.finish()


if __name__ == "__main__":
    main()
