"""Ten thousand blocks on a shared store while workers, network and scheduler fail: right, or said and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndlab
from ndlab.errors import NdlabError, RunFailed
from ndlab.pipeline import BlockStep, Receipt, Run
from tests.cluster.machines import Machines
from tests.cluster.s3 import Faults, environment, faulty, moto

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

BLOCK = (8, 16, 16)
SHARD = (80, 160, 160)
# What a worker waits for a silent server in these tests; thirty seconds unless said.
PATIENCE = {"TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS": "3"}


def brighter(image: np.ndarray[Any, Any], by: int) -> np.ndarray[Any, Any]:
    return image + np.uint8(by)


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """Return the address of an S3 server."""
    with moto() as url:
        yield url


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def endpoint(real: str, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of a proxy that this process and the workers go through."""
    with faulty(real, faults) as url:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        yield url


def source(address: str, blocks: int) -> tuple[ndlab.Volume, np.ndarray[Any, Any]]:
    """A volume of so many blocks, in objects of a thousand."""
    shape = (SHARD[0], SHARD[1], SHARD[2] * blocks // 1000)
    voxels = np.random.default_rng(blocks).integers(0, 200, shape).astype("u1")
    volume = ndlab.Volume.from_array(voxels, (10, 10, 10)).like(
        address, chunks=BLOCK, shards=SHARD, codec=None, levels=1
    )
    volume.write(None, voxels)
    return volume, voxels


def like(raw: ndlab.Volume, address: str) -> ndlab.Volume:
    """An empty volume of which every block is an object."""
    return raw.like(address, chunks=BLOCK, shards=BLOCK, codec=None, levels=1)


def plan(raw: ndlab.Volume, out: ndlab.Volume, record: Path, client: Any, **options: Any) -> Run:
    step = BlockStep("brighter", brighter, {"by": 7}, inputs=raw, output=out)
    return step.plan(block=BLOCK, record=record, client=client, **options)


def until(run: Run, done: int, seconds: float = 900) -> None:
    """Wait until so many blocks are done."""
    end = time.monotonic() + seconds
    while (at := run.state.progress).done < done:
        assert time.monotonic() < end, f"{at} after {seconds} s"
        assert run.state.phase in ("waiting", "running"), run.state
        time.sleep(0.05)


def until_done(make: Callable[[], Run], before: int) -> Receipt:
    """Start what `make` returns until it succeeds; each failure names blocks, and forgets nothing that was done."""
    for _ in range(5):
        try:
            return make().run()
        except RunFailed as failed:
            if not failed.failed or failed.done < before:
                raise
            before = failed.done
    raise AssertionError("it did not end in five goes")


def test_ten_thousand_blocks_through_killed_workers_a_bad_network_and_a_lost_scheduler(
    endpoint: str, faults: Faults, tmp_path: Path
) -> None:
    raw, voxels = source("s3://volumes/raw.zarr", 10_000)
    record = tmp_path / "run.jsonl"
    with Machines(tmp_path / "cluster", PATIENCE) as machines:
        machines.start_scheduler()
        machines.add_workers(2)
        with machines.client() as client:
            client.wait_for_workers(2, timeout=90)
            out = like(raw, "s3://volumes/out.zarr")
            run = plan(raw, out, record, client, retries=2)
            assert len(run) == 10_000
            run.start()
            until(run, 1000)
            machines.kill_worker()
            # They wait for the network more than they compute, so there may be more of them than cores.
            machines.add_workers(3)
            faults.refused, faults.reset, faults.lost, faults.broken = 0.01, 0.005, 0.005, 0.005
            until(run, 2500)
            machines.kill_worker()
            faults.late, faults.hung, faults.hang = 0.01, 0.001, 8
            machines.add_workers(1)
            until(run, 4000)
            machines.kill_scheduler()
            with pytest.raises(RunFailed, match="lost its cluster") as lost:
                run.wait(180)
            assert "run it again to resume" in str(lost.value)
            before = lost.value.done
            assert 4000 <= before < 10_000
        # Another scheduler in its place, and workers for it; the network is as bad as before, and they wait for it.
        machines.start_scheduler()
        machines.add_workers(6)
        with machines.client() as client:
            client.wait_for_workers(2, timeout=90)
            receipt = until_done(lambda: plan(raw, out, record, client, retries=2), before)
        assert (receipt.done, receipt.state) == (10_000, "done")
        assert receipt.skipped >= before
    assert {"refused", "reset", "lost", "broken", "hung", "whole"} <= set(faults.counts), "all of it did happen"
    faults.refused = faults.reset = faults.lost = faults.broken = faults.hung = faults.late = 0
    got = ndlab.open("s3://volumes/out.zarr").read()
    assert np.array_equal(got, voxels + np.uint8(7))


@pytest.mark.parametrize("kind", ["refused", "reset", "lost", "broken"])
def test_each_kind_of_fault_alone_costs_time_and_no_voxel(
    endpoint: str, faults: Faults, tmp_path: Path, kind: str
) -> None:
    raw, voxels = source(f"s3://volumes/{kind}.zarr", 300)
    out = like(raw, f"s3://volumes/{kind}-out.zarr")
    setattr(faults, kind, 0.1)
    run = plan(raw, out, tmp_path / "run.jsonl", False, retries=3, workers=4)
    run.run()
    setattr(faults, kind, 0)
    assert faults.counts[kind] > 15
    assert np.array_equal(ndlab.open(f"s3://volumes/{kind}-out.zarr").read(), voxels + np.uint8(7))


def test_a_store_that_refuses_everything_ends_the_run_in_words_and_it_resumes(
    endpoint: str, faults: Faults, tmp_path: Path
) -> None:
    raw, voxels = source("s3://volumes/away.zarr", 500)
    out = like(raw, "s3://volumes/away-out.zarr")
    run = plan(raw, out, tmp_path / "run.jsonl", False, workers=4, group=5)
    run.start()
    until(run, 100)
    faults.refused = 1
    with pytest.raises(NdlabError) as said:
        run.wait(120)
    assert isinstance(said.value, RunFailed)
    assert 100 <= said.value.done < 500
    assert "503" in str(said.value) or "SlowDown" in str(said.value)
    assert "run it again to resume" in str(said.value)
    faults.refused = 0
    again = plan(raw, out, tmp_path / "run.jsonl", False, workers=4)
    receipt = again.run()
    assert (receipt.done, receipt.skipped) == (500, said.value.done)
    assert np.array_equal(ndlab.open("s3://volumes/away-out.zarr").read(), voxels + np.uint8(7))
