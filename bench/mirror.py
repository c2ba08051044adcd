"""Playing planes of 1024 x 1024 from a store 80 ms away: directly, through an empty mirror, and through a warm one.

`ndlab serve` runs in a process of its own and is started anew for each, so that nothing is kept in memory: what is
warm is warm on disk, as after a restart. The origin is a process of its own that waits 80 ms before each answer and
counts what it is asked for. Waiting is the point, so ratios are of wall time.
`make bench ONLY=mirror` runs it.
"""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
from harness import Bench, arguments, em, new_store, scratch
from remote import serving

MILLISECONDS = 80
SIDE = 1024


@contextmanager
def server(*words: str) -> Iterator[str]:
    """`ndlab serve` until the block ends; its address."""
    process = subprocess.Popen([sys.executable, "-m", "ndlab", "serve", *words, "--port", "0"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(20)


def play(url: str, planes: int) -> tuple[float, list[float], bytes]:
    """Seconds to the first plane, seconds from each plane to the next, and the last plane."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=300)
    last = time.perf_counter()
    connection.request("GET", f"/v1/view/play?vol=em&q=raw&from=0&to={planes - 1}&box=0,{SIDE},0,{SIDE}")
    answer = connection.getresponse()
    gaps: list[float] = []
    plane = b""
    for _ in range(planes):
        head = answer.read(16)
        plane = answer.read(int.from_bytes(head[:4], "little"))
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    connection.close()
    return gaps[0], gaps[1:], plane


def jumps(url: str, planes: int) -> list[float]:
    """Seconds for one tile of 256 x 256 at places that no guess leads to."""
    where = urlsplit(url)
    found = []
    for number in range(16):
        z, column = (number % 4) * planes // 4 + 1, number // 4
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=300)
        began = time.perf_counter()
        connection.request("GET", f"/v1/view/tiles?vol=em&q=raw&s=256&k={z},{(number * 7) % 4},{column}")
        connection.getresponse().read()
        found.append(time.perf_counter() - began)
        connection.close()
    return found


def main() -> None:
    options = arguments(__doc__)
    bench = Bench("mirror", options)
    planes = 64 if bench.quick else 256
    with scratch() as folder:
        values = em((planes, SIDE, SIDE), options.data)
        store = new_store(folder / "origin" / "em.zarr", values.shape, "u1")
        store.write(None, values)
        rows: dict[str, dict[str, float]] = {}
        with serving(folder / "origin", MILLISECONDS) as origin:
            url = f"{origin.url}/em.zarr"
            kept = ("--cache", str(folder / "kept"), "--cache-size", "10GB")
            for name, words in {"no mirror": (), "mirror, empty": kept, "mirror, warm on disk": kept}.items():
                origin.counts()
                with server(url, *words) as address:
                    waits = jumps(address, planes)
                    first, gaps, plane = play(address, planes)
                    again, more, _ = play(address, planes)
                    seconds, anew = first + sum(gaps), again + sum(more)
                counts = origin.counts()
                assert np.array_equal(np.frombuffer(plane, "u1").reshape(SIDE, SIDE), values[-1])
                rows[name] = {
                    "planes/s": planes / seconds,
                    "jump ms": statistics.median(waits) * 1e3,
                    "first ms": first * 1e3,
                    "p50 ms": statistics.median(gaps) * 1e3,
                    "worst ms": max(gaps) * 1e3,
                    "again/s": planes / anew,
                    "asked": counts["requests"],
                    "MB": counts["bytes"] / 1e6,
                }
            local = folder / "origin"
            with server(str(local)) as address:
                first, gaps, _ = play(address, planes)
            rows["the store on this disk"] = {
                "planes/s": planes / (first + sum(gaps)),
                "first ms": first * 1e3,
                "p50 ms": statistics.median(gaps) * 1e3,
                "worst ms": max(gaps) * 1e3,
            }
        bench.table(f"{planes} planes of {SIDE} x {SIDE}, {MILLISECONDS} ms to the origin", rows)
        warm, cold = rows["mirror, warm on disk"], rows["mirror, empty"]
        bench.aim("warm, planes a second", warm["planes/s"], least=60)
        bench.aim("a jump, no mirror beside warm", rows["no mirror"]["jump ms"] / warm["jump ms"], least=3)
        bench.aim("planes a second, empty beside none", cold["planes/s"] / rows["no mirror"]["planes/s"], least=0.8)
        bench.aim("voxels asked of the origin when warm, MB", warm["MB"], most=0.1)
    bench.finish()


if __name__ == "__main__":
    main()
