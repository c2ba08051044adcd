"""Whether a Dask cluster that runs is fit: its scheduler answers, and its workers are as this environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ndlab.doctor.report import Finding, Status
from ndlab.errors import NotFound

__all__ = ["is_scheduler", "scheduler"]

_SECONDS = 15


def is_scheduler(address: str) -> bool:
    """Tell whether an address is one of Dask's schedulers.

    Examples
    --------
    >>> is_scheduler("tcp://10.0.0.5:8786"), is_scheduler("https://hub.example.org")
    (True, False)
    """
    return address.startswith(("tcp://", "tls://", "ucx://"))


def scheduler(address: str) -> Iterator[Finding]:
    """Yield what is found of the scheduler at an address, and of its workers."""
    from distributed import Client

    try:
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise NotFound(
            f"no Dask scheduler at {address}", str(error) or "nothing answers", "check the address"
        ) from None
    with client:
        about = client.scheduler_info(n_workers=-1)
        workers = about["workers"]
        yield Finding("scheduler", "ok", f"answers; dashboard {client.dashboard_link}")
        if not workers:
            yield Finding("workers", "problem", "there is none", "cluster.scale(2), or start some")
            return
        yield from _workers(workers)
        yield from _versions(client.run(_about_worker))


def _workers(workers: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    from ndlab.describe import si_bytes

    threads = sum(one["nthreads"] for one in workers.values())
    memory = sum(one["memory_limit"] or 0 for one in workers.values())
    hosts = {one["host"] for one in workers.values()}
    words = f"{len(workers)} with {threads} threads on {len(hosts)} machines, {si_bytes(memory)} in all"
    yield Finding("workers", "ok", words)
    small = [one["name"] for one in workers.values() if 0 < (one["memory_limit"] or 0) < 1 << 30]
    if small:
        yield Finding(
            "memory", "note", f"{len(small)} workers have less than 1 GiB", "give them more, or plan with small blocks"
        )


def _about_worker() -> dict[str, Any]:
    """Say what a worker has; run there."""
    import platform
    import tempfile
    from importlib import metadata

    found: dict[str, Any] = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in ("ndlab", "numpy", "zarr", "tensorstore", "dask", "distributed"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    found["temporary"] = os.access(tempfile.gettempdir(), os.W_OK)
    return found


def _versions(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    here = _about_worker()
    lacking = sorted(address for address, one in found.items() if one["ndlab"] is None)
    if lacking:
        yield Finding("ndlab", "problem", f"{len(lacking)} of {len(found)} workers lack it, as {lacking[0]}",
                      "start the workers in the environment, or the image, of this notebook")  # fmt: skip
    wrong = 0
    for name in ("python", "ndlab", "numpy", "zarr", "tensorstore", "dask", "distributed"):
        others = sorted({str(one[name]) for one in found.values() if one[name] is not None and one[name] != here[name]})
        if others:
            wrong += 1
            # Code travels as bytes of one Python; other packages mostly agree in what they pickle.
            status: Status = "problem" if name in ("python", "ndlab", "distributed") else "note"
            yield Finding("versions", status, f"{name} is {here[name]} here and {', '.join(others)} on workers",
                          "use one image or one lock for both")  # fmt: skip
    if not wrong and not lacking:
        yield Finding("versions", "ok", "workers have the versions of this environment")
    if bad := [address for address, one in found.items() if not one["temporary"]]:
        yield Finding(
            "temporary", "problem", f"{len(bad)} workers cannot write their temporary folder", "set TMPDIR there"
        )
