"""Planes of 1024² for the viewer while z is scrolled through a zstd-chunked store, and palettes of labels.

What a plane costs on the server, warm and cold, against zarr-python and a plain read of each plane; how long a page
waits for a plane at 60 a second from a cold start, with and without reading ahead. `make bench ONLY=tiles` runs it;
NDLAB_TEST_DATA gives it real voxels.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from harness import Bench, arguments, array_of, clock, em, labels, new_store, scratch

from ndlab.serve import wire
from ndlab.serve.frames import label_frame
from ndlab.serve.indices import indexed
from ndlab.serve.layers import Layer
from ndlab.serve.rows import packed
from ndlab.serve.slabs import SlabCache
from ndlab.serve.tiles import TileService
from ndlab.volume import Volume

SIDE = 1024
KEYS = [(r, c) for r in range(2) for c in range(2)]
# Measured through the founding tile cache's own benchmark: 1024² in 4 tiles, PNG, 3-10 ms a slice when cached.
STALL = 100.0  # [ms]; the founding cache stalled for 0.1 to 7 s at every 64th slice


def request(name: str, d: int, axis: str = "xy", q: str = "raw") -> dict[str, str]:
    return {"vol": name, "axis": axis, "q": q, "k": ";".join(f"{d},{r},{c}" for r, c in KEYS)}


def plane_of(answer: Sequence[bytes]) -> np.ndarray[Any, Any]:
    plane = np.zeros((SIDE, SIDE), "u1")
    for frame in wire.unpack(b"".join(answer)):
        r, c = KEYS[frame.index]
        tile = wire.pixels(frame)
        plane[r * 512 : r * 512 + tile.shape[0], c * 512 : c * 512 + tile.shape[1]] = tile
    return plane


def rates(bench: Bench, volume: Volume, path: Path) -> None:
    """CPU per plane; contenders that decode every chunk for each plane get fewer planes, for their cost is even."""
    depth, few = volume.shape[0], 4 if bench.quick else 12
    reference = zarr.open_array(path / "0", mode="r")
    warm = TileService(SlabCache(2 << 30))
    vol = warm.add(volume)
    answers = {d: list(warm.tiles(request(vol, d))) for d in range(depth)}
    assert all(np.array_equal(plane_of(answers[d]), reference[d]) for d in range(0, depth, 17))
    del answers

    def cold(ask: Callable[[TileService, str], Any]) -> None:
        with TileService(SlabCache(2 << 30)) as service:
            ask(service, service.add(volume))

    def scroll(service: TileService, name: str, q: str = "raw") -> None:
        for d in range(depth):
            list(service.tiles(request(name, d, q=q)))

    def play(service: TileService, name: str) -> None:
        box = f"0,{SIDE},0,{SIDE}"
        for _ in service.play({"vol": name, "from": "0", "to": str(depth - 1), "box": box}):
            pass

    contenders: dict[str, tuple[int, Callable[[], Any]]] = {
        "service, cold": (depth, lambda: cold(scroll)),
        "service, cold, play": (depth, lambda: cold(play)),
        "service, warm": (depth, lambda: scroll(warm, vol)),
        "service, warm, play": (depth, lambda: play(warm, vol)),
        "service, warm, jpeg75": (depth, lambda: scroll(warm, vol, "jpeg75")),
        "zarr-python": (few, lambda: [reference[d] for d in range(few)]),
        "Volume.read": (few, lambda: [volume[d].read() for d in range(few)]),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(1 if bench.quick else 5):
        for name in random.sample(list(contenders), len(contenders)):
            planes, run = contenders[name]
            times[name].append(clock(run)[0] / planes)
    cost = {name: statistics.median(found) for name, found in times.items()}
    rows = {
        name: {
            "CPU ms/plane": seconds * 1e3,
            "planes/CPU s": 1 / seconds,
            "x zarr": cost["zarr-python"] / seconds,
            "x Volume": cost["Volume.read"] / seconds,
            "x cold": cost["service, cold"] / seconds,
        }
        for name, seconds in cost.items()
    }
    bench.table(f"fresh planes of {SIDE}², z scrolled through 64³ chunks, zstd", rows)
    bench.aim("cold scroll: times zarr-python", rows["service, cold"]["x zarr"], least=18)
    bench.aim("cold scroll: times Volume.read", rows["service, cold"]["x Volume"], least=10)
    bench.aim("cold scroll: planes per CPU second", rows["service, cold"]["planes/CPU s"], least=232)
    bench.aim("warm scroll: planes per CPU second", rows["service, warm"]["planes/CPU s"], least=60)
    bench.aim("warm scroll: times the cold one", rows["service, warm"]["x cold"], least=1)
    bench.aim("warm scroll: CPU ms a plane", rows["service, warm"]["CPU ms/plane"], most=5)
    warm.close()


def steady(bench: Bench, volume: Volume, ids: Volume) -> None:
    """How long a page waits for each plane that it asks for 60 times a second, from a cold start."""
    rows: dict[str, dict[str, float]] = {}
    for name, axis, ahead, overlay in (
        ("xy", "xy", True, False),
        ("xz", "xz", True, False),
        ("yz", "yz", True, False),
        ("xy with labels", "xy", True, True),
        ("xy, nothing read ahead", "xy", False, False),
    ):
        with TileService(SlabCache(), ahead) as service:
            layers = [service.add(volume), *([service.add(ids)] if overlay else [])]
            waits = scrolled(service, layers, axis, volume.shape[0 if axis == "xy" else 1])
        rows[name] = waited(waits)
    bench.table("waiting for a plane at 60 planes/s from a cold start [ms]; the first plane apart", rows)
    for name in ("xy", "xz", "yz", "xy with labels"):
        bench.aim(f"{name}: stalls above {STALL:g} ms after the first plane", rows[name]["stalls"], most=0)
    bench.aim("xy: p50 [ms]", rows["xy"]["p50"], most=5)


def scrolled(service: TileService, layers: list[str], axis: str, planes: int) -> list[float]:
    """Milliseconds from when a plane was due to be asked for until all of it was there."""
    waits, due = [], time.perf_counter()
    for d in range(planes):
        due = max(due + 1 / 60, time.perf_counter())  # who had to wait goes on from there
        time.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        for name in layers:
            list(service.tiles(request(name, d, axis)))
        waits.append((time.perf_counter() - began) * 1e3)
    return waits


def waited(waits: list[float]) -> dict[str, float]:
    rest = np.array(waits[1:])
    p50, p95, p99 = map(float, np.percentile(rest, [50, 95, 99]))
    stalls = float((rest > STALL).sum())
    return {"first": waits[0], "p50": p50, "p95": p95, "p99": p99, "max": float(rest.max()), "stalls": stalls}


def palettes(bench: Bench, ids: np.ndarray[Any, Any]) -> None:
    tiles = [np.ascontiguousarray(ids[d, :512, :512]) for d in range(0, ids.shape[0], 16)]
    indexed(tiles[0][None])

    assert all(np.array_equal(ids[index[0]], tile) for tile in tiles for index, ids in (indexed(tile[None]),))
    found = bench.compare(
        f"palettes of {len(tiles)} tiles of 512², uint64, {len(np.unique(tiles))} ids in all",
        {
            "np.unique": lambda: [np.unique(tile, return_inverse=True) for tile in tiles],
            "ndlab": lambda: [indexed(tile[None]) for tile in tiles],
        },
        baseline="np.unique",
        equal=False,
    )
    bench.aim("palette: times np.unique", found["ndlab"]["speed_cpu"], least=8)
    rows = {
        "np.unique, indices alone": each_ms(tiles, lambda tile: np.unique(tile, return_inverse=True)),
        "ndlab, indices alone": each_ms(tiles, lambda tile: indexed(tile[None])),
        "ndlab, whole frame": each_ms(tiles, lambda tile: label_frame(tile).pack()),
    }
    bench.table("CPU ms for a tile of 512² labels", {name: {"ms": ms} for name, ms in rows.items()})
    bench.aim("palette frame [ms a tile]", rows["ndlab, whole frame"], most=2)


def on_the_wire(bench: Bench, ids: np.ndarray[Any, Any], volume: Volume) -> None:
    """What a plane of labels is packed as, beside its indices; and what a slab of them costs to make small."""
    planes = [indexed(ids[d : d + 1]) for d in range(0, ids.shape[0], 16)]
    ways: dict[str, Callable[[Any], bytes]] = {
        "indices": lambda plane: plane[0].tobytes(),
        "indices, deflated": lambda plane: zlib.compress(plane[0].tobytes(), 1),
        "changes from row to row": lambda plane: changes_of(plane[0][0], len(plane[1])),
    }
    rows = {
        name: {
            "bytes a pixel": statistics.mean(len(way(plane)) for plane in planes) / SIDE**2,
            "CPU ms": each_ms(planes, way),
        }
        for name, way in ways.items()
    }
    bench.table(f"a plane of {SIDE}² labels, {statistics.mean(len(ids) for _, ids in planes):.0f} ids", rows)
    source = Layer("labels", volume).source(0)
    low, high = (0, 0, 0), (64, 512, 512)
    assert np.array_equal(source.load(low, high).cut(low, high), source.read(low, high))
    bench.compare(
        "64 planes of 512² labels, uint64 in zstd chunks",
        {"read alone": lambda: source.read(low, high), "read and made small": lambda: source.load(low, high)},
        baseline="read alone",
        equal=False,
    )


def changes_of(plane: Any, labels: int) -> bytes:
    found = packed(plane, None, labels)
    assert found is not None
    return found[0]


def each_ms(tiles: list[Any], run: Callable[[Any], Any]) -> float:
    return statistics.median(clock(lambda tile=tile: run(tile))[0] for tile in tiles for _ in range(5)) * 1e3  # type: ignore[misc]


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("tiles", options)
    shape = (128, SIDE, SIDE) if options.quick else (512, SIDE, SIDE)
    began = time.perf_counter()
    with scratch() as folder:
        volume = new_store(folder / "em.ome.zarr", shape, "u1")
        array_of(volume, flush=False).write((0, 0, 0), em(shape, options.data))
        voxels = labels(shape, options.data)
        ids = new_store(folder / "labels.ome.zarr", shape, "u8", kind="labels")
        array_of(ids, flush=False).write((0, 0, 0), voxels)
        palettes(bench, voxels)
        on_the_wire(bench, voxels, ids)
        del voxels
        rates(bench, volume, folder / "em.ome.zarr")
        steady(bench, volume, ids)
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
