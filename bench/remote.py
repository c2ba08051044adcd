"""Reading over HTTP at 20 ms a request, from a server of its own process that counts what it is asked for.

Against TensorStore bare, zarr-python over fsspec, and cloud-volume, each opened as its first page says. No box shares
a chunk with the one before it, so nothing that a client kept helps it. Waiting is the point, so ratios are of wall
time, of the best of each client's reads: what else the machine does can only add to it.
`make bench ONLY=remote` runs it.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
import zarr
from harness import Bench, arguments, array_of, em, new_store, scratch

import ndlab

MILLISECONDS = 20
CHUNK = (64, 64, 64)
Box = tuple[slice, ...]
Read = Callable[[Box], np.ndarray[Any, Any]]


class Server:
    """The address of a folder, and what was asked of it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def counts(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/-/counts") as answer:
            return dict(json.load(answer))


@contextmanager
def serving(folder: Path, milliseconds: float = MILLISECONDS) -> Iterator[Server]:
    script = Path(__file__).parent / "servers" / "latency.py"
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(milliseconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(10)


def readers(url: str, path: str) -> dict[str, Read]:
    volume = ndlab.open(f"{url}/{path}")
    engine = ts.open(
        {"driver": "zarr3", "kvstore": {"driver": "http", "base_url": url, "path": f"/{path}/0/"}}
    ).result()
    reference = zarr.open_array(f"{url}/{path}/0", mode="r")
    return {
        "ndlab": lambda box: volume[box].read(),
        "tensorstore bare": lambda box: engine[box].read().result(),
        "zarr-python": lambda box: np.asarray(reference[box]),
    }


def cloud_volume(folder: Path, url: str, voxels: np.ndarray[Any, Any]) -> dict[str, Read]:
    try:
        from cloudvolume import CloudVolume
    except ImportError:
        print("cloud-volume is not installed: left out")
        return {}
    # Not compressed: a plain file server cannot say that a file is gzip inside.
    CloudVolume.from_numpy(
        voxels.T, vol_path=f"file://{folder}/precomputed", resolution=(10, 10, 10), chunk_size=CHUNK,
        layer_type="image", progress=False, compress=False,
    )  # fmt: skip
    volume = CloudVolume(f"precomputed://{url}/precomputed", progress=False, cache=False)
    return {"cloud-volume raw": lambda box: np.asarray(volume[box[2], box[1], box[0]])[..., 0].T}


def fresh(shape: Sequence[int], size: Sequence[int], count: int) -> list[Box]:
    """Boxes that share no chunk with their neighbours in the list: cubes on the grid, planes ever deeper."""
    rng = np.random.default_rng(1)
    if size[0] == 1:
        depths = [(64 * i + int(rng.integers(64))) % shape[0] for i in range(count)]
        corners = [
            (z, *(int(rng.integers(n - s + 1)) for n, s in zip(shape[1:], size[1:], strict=True))) for z in depths
        ]
    else:
        grid = list(itertools.product(*(range(0, n - s + 1, s) for n, s in zip(shape, size, strict=True))))
        corners = [grid[i] for i in rng.permutation(len(grid))[:count]]
    return [tuple(slice(a, a + s) for a, s in zip(corner, size, strict=True)) for corner in corners]


def touched(box: Box, piece: tuple[int, ...] | None) -> int:
    """How many chunks or shards a box shares space with."""
    if piece is None:
        return 0
    return int(np.prod([-(-s.stop // p) - s.start // p for s, p in zip(box, piece, strict=True)]))


def measure(bench: Bench, server: Server, title: str, clients: dict[str, Read], wanted: list[Box], volume: Any) -> None:
    """Each client reads the same boxes in the same order, another one each time."""
    turns = {name: itertools.cycle(wanted) for name in clients}
    nbytes = int(np.prod([s.stop - s.start for s in wanted[0]]))
    found = bench.compare(
        title,
        {name: lambda n=name, read=read: read(next(turns[n])) for name, read in clients.items()},
        baseline="ndlab", repeats=len(wanted) - 1, nbytes=nbytes,
    )  # fmt: skip
    rows: dict[str, dict[str, Any]] = {}
    allowed = max(touched(box, volume.chunks) + touched(box, volume.shards) for box in wanted)
    for name, read in clients.items():
        server.counts()
        each = []
        for box in wanted:
            read(box)
            each.append(server.counts())
        rows[name] = {
            "requests": max(one["requests"] for one in each),
            "in flight": max(one["most_in_flight"] for one in each),
            "MB moved": float(np.mean([one["bytes"] for one in each])) / 1e6,
        }
    rows["chunks + shards touched"] = {"requests": allowed}
    bench.table(f"{title}: what the server saw", rows)
    times = {name: row["wall_min_ms"] / found["ndlab"]["wall_min_ms"] for name, row in found.items()}
    print("  best wall ms: " + ", ".join(f"{name} {row['wall_min_ms']:.0f}" for name, row in found.items()))
    sharded = volume.shards is not None
    bench.aim(f"{title}: times tensorstore", times["tensorstore bare"], least=0.9)
    bench.aim(f"{title}: times zarr-python", times["zarr-python"], least=2 if sharded else 3.5)
    if "cloud-volume raw" in times:
        bench.aim(f"{title}: times cloud-volume", times["cloud-volume raw"], least=3.5)
    bench.aim(f"{title}: requests over chunks + shards", rows["ndlab"]["requests"] / allowed, most=1)
    if not sharded:
        bench.aim(f"{title}: requests in flight", rows["ndlab"]["in flight"], least=64)


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("remote", options)
    began = time.perf_counter()
    shape = (128, 1024, 1024) if options.quick else (512, 1024, 1536)
    with scratch() as folder, serving(folder) as server:
        voxels = em(shape, options.data)
        clients: dict[str, dict[str, Read]] = {}
        volumes = {}
        for layout, shard in {"plain": None, "shards": (512, 512, 512)}.items():
            volumes[layout] = new_store(folder / f"{layout}.ome.zarr", shape, voxels.dtype, shard=shard)
            array_of(volumes[layout], flush=False).write((0, 0, 0), voxels)
            clients[layout] = readers(server.url, f"{layout}.ome.zarr")
        clients["plain"] |= cloud_volume(folder, server.url, voxels)
        sizes = {"256^3": (min(256, shape[0]), 256, 256), "tile 1024^2": (1, 1024, 1024)}
        for name, size in sizes.items():
            wanted = fresh(shape, size, 4 if options.quick else 9)
            for layout, found in clients.items():
                measure(bench, server, f"{layout}: {name}", found, wanted, volumes[layout])
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
