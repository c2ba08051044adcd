"""One Run on every kind of cluster that Dask has a client for, each of them real, on stores that all workers share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndlab
from ndlab.pipeline import BlockStep, current_client
from tests.cluster.gateway import gateway
from tests.cluster.s3 import environment, moto
from tests.cluster.slurm import slurm

pytestmark = [
    pytest.mark.cluster, pytest.mark.timeout(600),
    # A Gateway that is closed closes itself once more when it is collected, by a loop that has ended.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. .function Gateway.__del__:pytest.PytestUnraisableExceptionWarning"
    ),
]  # fmt: skip

SHAPE, BLOCK = (48, 96, 96), (16, 32, 32)
KINDS = ("processes", "gateway", "slurm")


def spread(image: np.ndarray[Any, Any], by: int) -> np.ndarray[Any, Any]:
    """A block and a margin of its neighbours, so that what other workers read is needed."""
    whole: np.ndarray[Any, Any] = (image.astype("u2") + np.roll(image, 1, 2)).astype("u1") // by
    return whole


@contextmanager
def processes() -> Iterator[Any]:
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        yield cluster


@contextmanager
def through_a_gateway() -> Iterator[Any]:
    import aiohttp
    import dask_gateway

    with gateway() as found, dask_gateway.Gateway(
        found.address, proxy_address=found.proxy_address, auth=dask_gateway.BasicAuth("ada", found.password)
    ) as ours:  # fmt: skip
        wrong = dask_gateway.Gateway(found.address, auth=dask_gateway.BasicAuth("ben", "guess"))
        with pytest.raises(aiohttp.ClientResponseError, match="401"):
            wrong.list_clusters()
        wrong.close()
        with ours.new_cluster(shutdown_on_close=True) as cluster:
            cluster.scale(2)
            yield cluster
    del wrong, ours, cluster
    gc.collect()


@contextmanager
def of_slurm() -> Iterator[Any]:
    import dask_jobqueue

    with slurm() as there, pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in there.items():
            patch.setenv(name, value)
        folder = Path(there["SLURM_CONF"]).parent / "logs"
        cluster = dask_jobqueue.SLURMCluster(
            queue="main", cores=1, processes=1, memory="900MB", walltime="00:10:00", interface="lo",
            local_directory=str(folder), log_directory=str(folder), death_timeout=60,
            scheduler_options={"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"},
        )  # fmt: skip
        stack.enter_context(cluster)
        cluster.scale(jobs=2)
        yield cluster


MAKERS = {"processes": processes, "gateway": through_a_gateway, "slurm": of_slurm}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Return the address of a bucket on an S3 server that this process and all that it starts can reach."""
    with moto() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url).items():
            patch.setenv(name, value)
        # Where workers of a gateway and of SLURM, which are started in folders of their own, find the step.
        patch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
        yield "s3://volumes"


@pytest.fixture(scope="module", params=KINDS)
def cluster(request: pytest.FixtureRequest, s3: str) -> Iterator[Any]:
    """Return a client of a cluster of two workers, made after the S3 server, whose address its workers inherit."""
    with MAKERS[request.param]() as made:
        client = made.get_client() if hasattr(made, "get_client") else None
        assert client is not None
        with client:
            client.wait_for_workers(2, timeout=120)
            yield client


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, s3: str) -> str:
    return str(tmp_path) if request.param == "file" else f"{s3}/{tmp_path.name}"


def source(store: str) -> ndlab.Volume:
    voxels = np.random.default_rng(0).integers(0, 255, SHAPE).astype("u1")
    made = ndlab.Volume.from_array(voxels, (10, 10, 10)).like(f"{store}/raw.zarr", shards=BLOCK)
    made.write(None, voxels)
    return made


def test_a_step_goes_to_the_current_client_and_every_worker_sees_one_store(cluster: Any, store: str) -> None:
    raw = source(store)
    assert current_client() is cluster
    step = BlockStep("spread", spread, {"by": 3}, inputs=raw, output=f"{store}/out.zarr", overlap=1)
    run = step.plan(block=BLOCK, group=1)
    assert len(run) == 27
    receipt = run.run()
    assert (receipt.done, receipt.state) == (27, "done")
    assert "Dask client" in receipt.runner
    voxels = raw.read()
    # The margin is cut at the edge of the volume, where a block wraps around into itself.
    want = spread(voxels, 3)
    got = ndlab.open(f"{store}/out.zarr").read()
    assert np.array_equal(got[:, :, 1:], want[:, :, 1:])
    assert len(ndlab.open(f"{store}/out.zarr").levels) > 1


def test_levels_and_reductions_run_there_too(cluster: Any, store: str) -> None:
    from ndlab import measure

    raw = source(store)
    labels = (raw.read() // 64 + 1).astype("u4")
    made = ndlab.ingest(labels, f"{store}/labels.zarr", voxel_size=(10, 10, 10), kind="labels", shards=BLOCK)
    assert np.array_equal(made.read(), labels)
    table = measure.regions(made, block=BLOCK)
    counts = dict(zip(table["id"].tolist(), table["size"].tolist(), strict=True))
    ids, want = np.unique(labels, return_counts=True)
    assert counts == dict(zip(ids.tolist(), want.tolist(), strict=True))


def test_every_worker_is_a_process_of_its_own(cluster: Any) -> None:
    pids = set(cluster.run(os.getpid).values())
    assert len(pids) == 2
    assert os.getpid() not in pids
