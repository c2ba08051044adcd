"""Faults of a real cluster and a real disk: what is lost is done again, what cannot be done is said."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.errors import RunFailed
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Progress, Record, Run, Step
from ndlab.volume import open as open_volume
from tests.store.making import make

GRID = Grid((4, 6, 8), (2, 3, 4))
ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def cluster(workers: int = 2, **options: Any) -> Iterator[Any]:
    """A cluster of processes on which a task may lose one worker, not three, so that tests end soon."""
    import dask
    import distributed

    settings = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.comm.timeouts.connect": "3s",
        "distributed.worker.memory.monitor-interval": "20ms",
    }
    with dask.config.set(settings):
        made = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1",
            **options,
        )  # fmt: skip
        with made, distributed.Client(made) as client:
            yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster() as made:
        yield made


def once(block: Box, folder: str) -> bool:
    """True the first time a block comes here, whichever process it is in."""
    try:
        (Path(folder) / "-".join(map(str, block.start))).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def killed_once(block: Box, folder: str, at: tuple[int, ...]) -> int:
    if block.start == at and once(block, folder):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return block.size


def greedy(block: Box) -> int:
    """Ask for more memory than a worker has, slowly enough for its nanny to see it."""
    held = []
    for _ in range(60):
        held.append(np.ones(10_000_000, np.uint8))
        time.sleep(0.02)
    return len(held)


def test_a_killed_worker_is_replaced_and_its_blocks_are_counted_as_tried_again(tmp_path: Path, client: Any) -> None:
    step = Step("killed", killed_once, {"folder": str(tmp_path), "at": (2, 0, 4)})
    run = Run(step, GRID, tmp_path / "run.jsonl", client=client)
    receipt = run.run()
    assert receipt.done == 8
    assert receipt.retried >= 1, "what the cluster did again is not hidden"
    assert sum(o.attempts - 1 for o in run.outcomes()) == receipt.retried
    assert sum(o.result for o in run.outcomes()) == 4 * 6 * 8


def test_a_worker_killed_from_outside_costs_no_block(tmp_path: Path, client: Any) -> None:
    grid = Grid((40, 1, 1), (1, 1, 1))
    victims = list(client.run(os.getpid).values())

    def kill(progress: Progress) -> None:
        if progress.done >= 5 and victims:
            os.kill(victims.pop(), signal.SIGKILL)
            victims.clear()

    step = Step("outside", killed_once, {"folder": str(tmp_path), "at": ()})
    run = Run(step, grid, client=client, group=1, progress=kill)
    assert run.run().done == 40
    assert sorted(o.key for o in run.outcomes()) == sorted(task.key for task in run.tasks())


def test_a_block_that_always_kills_its_worker_fails_alone(tmp_path: Path, client: Any) -> None:
    run = Run(Step("deadly", deadly), GRID, tmp_path / "run.jsonl", client=client, group=4)
    with pytest.raises(RunFailed, match="1 of 8 blocks failed, 7 are done") as caught:
        run.run()
    assert run.receipt is not None
    assert run.receipt.retried >= 2 * 4 + 1, "twice the group of four, twice the one alone"
    assert list(caught.value.failed) == ["2:4,3:6,0:4"], "its neighbours in the group are innocent"
    assert "lost (killed, crashed or unreachable)" in str(caught.value)
    assert "KilledWorker" in str(caught.value)
    with Record(tmp_path / "run.jsonl") as record:
        assert len(record.done("deadly")) == 7
    assert Run(Step("deadly", deadly, {"armed": False}), GRID, client=client).run().done == 8


def deadly(block: Box, armed: bool = True) -> None:
    if armed and block.start == (2, 3, 0):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_out_of_memory_is_named_as_such() -> None:
    with cluster(workers=1, memory_limit="400 MB") as client, pytest.raises(RunFailed) as caught:
        Run(Step("greedy", greedy), [Box((0, 0, 0), (1, 1, 1))], client=client).run()
    assert "ran out of memory" in str(caught.value)
    assert "smaller block=" in str(caught.value)


def slow(block: Box) -> int:
    time.sleep(0.05)
    return block.size


_SCHEDULER = """
import asyncio, sys
from distributed import Nanny, Scheduler, Worker
async def main():
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address=":0") as scheduler:
        async with Worker(scheduler.address, nthreads=2):
            print(scheduler.address, flush=True)
            await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_lost_scheduler_ends_the_run_with_a_clear_word_and_it_resumes(tmp_path: Path) -> None:
    import dask
    import distributed

    grid, record = Grid((60, 1, 1), (1, 1, 1)), tmp_path / "run.jsonl"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        subprocess.Popen([sys.executable, "-c", _SCHEDULER], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process,
    ):
        assert process.stdout is not None
        client = distributed.Client(process.stdout.readline().strip(), set_as_default=False)
        run = Run(Step("slow", slow), grid, record, client=client, progress=_kill_after(process, 10))
        with pytest.raises(RunFailed, match="lost its cluster") as caught:
            run.run()
        client.close(timeout=1)
    assert 10 <= caught.value.done < 60
    assert "run it again to resume" in str(caught.value)
    assert run.state.phase == "failed"
    receipt = Run(Step("slow", slow), grid, record, workers=4).run()
    assert (receipt.done, receipt.skipped) == (60, caught.value.done)


def _kill_after(process: subprocess.Popen[str], done: int) -> Any:
    return lambda progress: process.kill() if progress.done >= done else None


def random_fault(block: Box, folder: str, share: float, seed: int) -> int:
    rng = np.random.default_rng([seed, *block.start])
    if rng.random() < share and once(block, folder):
        raise OSError("a busy server")
    return block.size


@pytest.mark.parametrize("seed", range(4))
def test_faults_on_random_blocks_cost_attempts_and_nothing_else(tmp_path: Path, seed: int) -> None:
    grid = Grid((7, 9, 11), (2, 2, 2))
    step = Step("fault", random_fault, {"folder": str(tmp_path), "share": 0.3, "seed": seed})
    hit = {t.key for t in Run(step, grid).tasks() if np.random.default_rng([seed, *t.block.start]).random() < 0.3}
    run = Run(step, grid, tmp_path / "run.jsonl", workers=3, retries=1)
    assert run.run().retried == len(hit)
    assert {o.key for o in run.outcomes() if o.attempts == 2} == hit


@pytest.mark.parametrize("seed", range(4))
def test_resuming_until_it_works_gives_every_block_once(tmp_path: Path, seed: int) -> None:
    grid = Grid((7, 9, 11), (2, 2, 2))
    step = Step("fault", random_fault, {"folder": str(tmp_path), "share": 0.3, "seed": seed})
    run = Run(step, grid, tmp_path / "run.jsonl", workers=3)
    for _ in range(30):
        with contextlib.suppress(RunFailed):
            assert run.reduce(int.__add__) == 7 * 9 * 11
            return
    raise AssertionError("each try leaves fewer blocks that fail")


_FULL = """
import resource, sys
import numpy as np
from ndlab.geometry import Grid
from ndlab.pipeline import Run, Step
from ndlab.volume import open
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
volume = open(sys.argv[1])
def fill(block):
    volume._stored.levels[0].array.write(block.start, np.random.default_rng(0).integers(0, 255, block.shape, np.uint8))
Run(Step("fill", fill), Grid((64, 64, 64), (32, 32, 32)), sys.argv[2], workers=2).run()
"""


def test_a_full_disk_fails_the_run_and_it_resumes_when_there_is_room(tmp_path: Path) -> None:
    """A limit on the size of files: writing past it fails as on a full disk, with another code."""
    store, record = tmp_path / "v", tmp_path / "run.jsonl"
    make(store, (64, 64, 64), chunk=(32, 32, 32), shard=None)
    command = [sys.executable, "-c", _FULL, str(store), str(record)]
    full = subprocess.run([*command, "20000"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert full.returncode == 1
    assert "8 of 8 blocks failed" in full.stderr
    assert "File too large" in full.stderr or "EFBIG" in full.stderr
    subprocess.run([*command, str(1 << 30)], check=True, cwd=ROOT)


def test_a_record_on_a_full_disk_is_never_left_half_written(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from ndlab.geometry import Grid
from ndlab.pipeline import Run, Step
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
Run(Step("size", lambda block: block.size), Grid((99, 1, 1), (1, 1, 1)), sys.argv[1], workers=1).run()
"""
    full = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run.jsonl")], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert full.returncode == 1
    assert "OSError" in full.stderr
    with Record(tmp_path / "run.jsonl") as record:
        assert 0 < len(record.done("size")) < 99
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_store_that_cannot_be_read_fails_the_blocks_that_need_it(tmp_path: Path) -> None:
    make(tmp_path / "v", (64, 32, 32), chunk=(32, 32, 32), shard=None)
    volume = open_volume(tmp_path / "v")
    volume.write(None, 7)
    total = Step("total", lambda block: int(volume.read(block).sum()))
    chunks = sorted(p for p in (tmp_path / "v" / "0").rglob("*") if p.is_file() and p.name != "zarr.json")
    whole = chunks[0].read_bytes()
    chunks[0].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunFailed, match="1 of 2 blocks failed, 1 are done") as caught:
        Run(total, Grid((64, 32, 32), (32, 32, 32)), tmp_path / "run.jsonl", workers=2).run()
    assert "BadMetadata" in str(caught.value)
    assert "damaged" in str(caught.value)
    chunks[0].write_bytes(whole)
    run = Run(total, Grid((64, 32, 32), (32, 32, 32)), tmp_path / "run.jsonl", workers=2)
    assert run.run().skipped == 1
    assert sum(o.result for o in run.outcomes()) == 7 * 64 * 32 * 32


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_workers_killed_at_random_change_nothing(tmp_path: Path, seed: int) -> None:
    """A killer beside a Run that writes whole shards: every voxel right, every block once in the record."""
    from ndlab.pipeline import BlockStep

    rng = np.random.default_rng(seed)
    values = rng.integers(0, 255, (64, 64, 64), np.uint8)
    make(tmp_path / "in", values.shape, chunk=(8, 8, 8), shard=(16, 16, 16))
    source = open_volume(tmp_path / "in")
    source.write(None, values)
    with cluster(3) as client:
        step = BlockStep("slowly", slowly, inputs=source, output=str(tmp_path / "out"), overlap=1,
                         options={"chunks": (8, 8, 8), "shards": (8, 8, 8), "levels": 1})  # fmt: skip
        for _ in range(20):
            run = step.plan(block=(8, 8, 8), client=client, group=1)
            run.progress = _killer(client, rng)
            with contextlib.suppress(RunFailed):
                run.run()
                break
    assert run.receipt is not None
    assert run.receipt.done == 512
    np.testing.assert_array_equal(open_volume(tmp_path / "out").read(), 255 - values)
    keys = [outcome.key for outcome in run.outcomes()]
    assert len(keys) == len(set(keys)) == 512


def slowly(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    time.sleep(0.01)
    return 255 - image


def _killer(client: Any, rng: np.random.Generator) -> Any:
    def kill(progress: Progress) -> None:
        if rng.random() < 0.02:
            pids = list(client.run(os.getpid, on_error="ignore").values())
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pids[int(rng.integers(len(pids)))], signal.SIGKILL)

    return kill
