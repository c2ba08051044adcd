"""Size and speed of codecs through real stores, on EM and on labels, beside the default and Blosc.

Blosc is what the founding system packed its cubes with. Its rows show what a lab keeps or loses with it today.
`make bench ONLY=codecs` runs it; NDLAB_TEST_DATA gives it real EM and real labels.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, array_of, clock, em, labels, new_store, scratch

import ndlab
from ndlab.store.codecs import codecs_v2

SHUFFLES = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}


def blosc(cname: str, level: int, shuffle: int) -> dict[str, Any]:
    return {"id": "blosc", "cname": cname, "clevel": level, "shuffle": shuffle, "blocksize": 0}


CODECS: dict[str, Any] = {
    "zstd 1 (default)": "zstd",
    "zstd 3": "zstd 3",
    # What blosc.pack_array does unless told otherwise, which is how the founding system packed cubes.
    "blosc blosclz 9 shuffle": blosc("blosclz", 9, 1),
    **{f"blosc lz4 5 {SHUFFLES[s]}": blosc("lz4", 5, s) for s in (0, 1, 2)},
    **{f"blosc zstd 3 {SHUFFLES[s]}": blosc("zstd", 3, s) for s in (0, 1, 2)},
    "gzip 6": "gzip 6",
    "none": None,
}


def size_on_disk(path: Path) -> int:
    return sum(p.stat().st_size for p in (path / "0").rglob("*") if p.is_file() and p.name != "zarr.json")


def alone(voxels: np.ndarray[Any, Any], chunk: tuple[int, int, int]) -> dict[str, float]:
    """MB per CPU second that each codec decodes in RAM, one chunk at a time into the same buffer."""
    corners = itertools.product(*(range(0, n - c + 1, c) for n, c in zip(voxels.shape, chunk, strict=True)))
    chunks = [
        np.ascontiguousarray(voxels[tuple(slice(a, a + c) for a, c in zip(corner, chunk, strict=True))])
        for corner in itertools.islice(corners, 64)
    ]
    buffer = np.empty_like(chunks[0])
    found = {}
    for name, asked in CODECS.items():
        for config in codecs_v2(asked):
            encoded = [bytes(config.encode(chunk)) for chunk in chunks]
            times = [clock(lambda e=encoded, c=config: [c.decode(one, out=buffer) for one in e])[0] for _ in range(3)]
            found[name] = buffer.nbytes * len(chunks) / 1e6 / max(min(times), 1e-9)
    return found


def codecs(
    bench: Bench, folder: Path, what: str, voxels: np.ndarray[Any, Any], chunk: tuple[int, int, int] = (64, 64, 64)
) -> dict[str, dict[str, Any]]:
    """Write and read one array through a sharded store for each codec; a table of ratio and MB per CPU second."""
    kind = "labels" if what.startswith("labels") else "image"
    shard = tuple(c * max(1, 256 // c) for c in chunk)
    volumes = {
        name: new_store(folder / f"{what}-{i}".replace(" ", "-"), voxels.shape, voxels.dtype, chunk=chunk, shard=shard,
                        codec=codec, kind=kind)
        for i, (name, codec) in enumerate(CODECS.items())
    }  # fmt: skip
    arrays = {name: array_of(volume, flush=False) for name, volume in volumes.items()}
    repeats = 3
    encode = bench.compare(
        f"{what}: write {voxels.shape} {voxels.dtype}",
        {name: lambda a=array: a.write((0, 0, 0), voxels) for name, array in arrays.items()},
        baseline="zstd 1 (default)", repeats=repeats, nbytes=voxels.nbytes, equal=False,
    )  # fmt: skip
    decode = bench.compare(
        f"{what}: read it back",
        {name: lambda v=volume: v.read() for name, volume in volumes.items()},
        baseline="zstd 1 (default)", repeats=repeats + 2, nbytes=voxels.nbytes,
    )  # fmt: skip
    assert np.array_equal(volumes["zstd 1 (default)"].read(), voxels)
    decoded = alone(voxels, chunk)
    rows = {
        name: {
            "ratio": voxels.nbytes / size_on_disk(Path(volume.url)),
            "write MB/s": encode[name]["mb_per_cpu_s"],
            "read MB/s": decode[name]["mb_per_cpu_s"],
            "codec alone": decoded.get(name, "-"),
        }
        for name, volume in volumes.items()
    }
    bench.table(f"{what}: size ratio, MB per CPU second through the store, decoding alone in RAM", rows)
    return rows


def aims(bench: Bench, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """The founding choice with the shuffle that the field pairs it with, against the default, on labels."""
    default, bits = rows["zstd 1 (default)"], rows["blosc zstd 3 bitshuffle"]
    bench.aim("labels: times smaller than blosc zstd 3 bitshuffle", default["ratio"] / bits["ratio"], least=2.5)
    # A read also copies and fills fresh memory, which no codec changes; so the codecs are compared alone.
    bench.aim("labels: times faster to decode than it", default["codec alone"] / bits["codec alone"], least=3)
    print(f"  ({default['read MB/s'] / bits['read MB/s']:.2g} times faster to read through the store)")


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("codecs", options)
    began = time.perf_counter()
    shape = (128, 256, 256) if options.quick else (256, 512, 512)
    with scratch() as folder:
        codecs(bench, folder, "EM, FIB-SEM", em(shape, options.data))
        sections = Path(options.data or "", "vnc_larva_sstem", "stack1", "raw")
        if options.data and sections.exists():
            codecs(bench, folder, "EM, ssTEM", ndlab.open(sections)[:8].read(), (8, 128, 128))
        ids = labels((128 if options.quick else 256, 256, 256), options.data)
        codecs(bench, folder, "labels 32 bit", ids.astype("u4"))
        aims(bench, codecs(bench, folder, "labels 64 bit", ids))
    print(f"{time.perf_counter() - began:.0f} s")
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
