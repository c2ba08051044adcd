"""Annotations out: ten million points from Parquet to a sharded precomputed layer, in how much memory and time.

Each contender runs in a process of its own, whose peak of resident memory the system counts. Baseline: Neuroglancer's
own writer (neuroglancer.write_annotations), which holds everything in memory, writes one level and a file for each
point; it is given as many points as it can be waited for.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, scratch

GROUP = 100_000
FEW = 20_000


def generate(path: Path, count: int, seed: int = 0) -> None:
    """Write synapses in the order of space, as an export of ndlab would, piece by piece: half of them in clusters."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    schema = pa.schema([("id", pa.uint64()), *((n, pa.float64()) for n in "zyx"), ("confidence", pa.float32()),
                        ("size", pa.uint16()), ("pre", pa.uint64()), ("post", pa.uint64())])  # fmt: skip
    centres = rng.uniform(0, 1e6, (200, 3))
    with pq.ParquetWriter(path, schema, compression="zstd") as out:
        for start in range(0, count, GROUP):
            n = min(GROUP, count - start)
            slab = 1e6 * start / count
            points = rng.uniform((slab, 0, 0), (slab + 1e6 * n / count, 1e6, 1e6), (n, 3))
            clustered = rng.random(n) < 0.5
            some = centres[rng.integers(0, len(centres), n)] + rng.normal(0, 15_000, (n, 3))
            points[clustered] = np.clip(some[clustered], 0, 1e6)
            ends = rng.integers(1, max(2, count // 50), (2, n)).astype(np.uint64)
            columns = [np.arange(start + 1, start + 1 + n, dtype=np.uint64), *points.T,
                       rng.random(n, np.float32), rng.integers(0, 50_000, n).astype(np.uint16), *ends]  # fmt: skip
            out.write_batch(pa.record_batch(columns, schema=schema), row_group_size=GROUP)


def ours(source: Path, dest: Path) -> int:
    """Export all rows, and return how many."""
    from ndlab.annotations.exchange import export

    export(source, f"precomputed://{dest}", properties=["confidence", "size"], relationships=["pre", "post"])
    return int(json.loads((dest / "info").read_text())["ndlab"]["annotations"])


def theirs(source: Path, dest: Path) -> int:
    """Export the first rows by Neuroglancer's own writer, and return how many."""
    import neuroglancer
    import pyarrow.parquet as pq
    from neuroglancer.write_annotations import AnnotationWriter

    space = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units=["nm"] * 3, scales=[1, 1, 1])
    spec = neuroglancer.AnnotationPropertySpec
    properties = [spec(id="confidence", type="float32"), spec(id="size", type="uint16")]
    writer = AnnotationWriter(space, "point", relationships=["pre", "post"], properties=properties)
    rows = pq.ParquetFile(source).read_row_group(0).slice(0, FEW).to_pylist()
    for row in rows:
        writer.add_point([row["x"], row["y"], row["z"]], id=row["id"], confidence=row["confidence"], size=row["size"],
                         pre=row["pre"], post=row["post"])  # fmt: skip
    writer.write(dest)
    return len(rows)


def apart(who: str, source: Path, dest: Path) -> dict[str, Any]:
    """Run a contender in a process of its own, and return what it counted."""
    done = subprocess.run(
        [sys.executable, __file__, "--apart", who, str(source), str(dest)], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(who: str, source: Path, dest: Path) -> None:
    """Run a contender here, and print points, seconds and peak memory."""
    start, cpu = time.perf_counter(), time.process_time()
    count = {"ndlab": ours, "neuroglancer": theirs}[who](source, dest)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"points": count, "per s": count / wall, "per cpu s": count / cpu, "peak MiB": peak, "s": wall}))


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("annotation_export", options)
    count = 200_000 if options.quick else 10_000_000
    with scratch() as folder:
        source = folder / "points.parquet"
        generate(source, count)
        rows = {
            f"ndlab, {count} points": apart("ndlab", source, folder / "layer"),
            f"neuroglancer's writer, {FEW}": apart("neuroglancer", source, folder / "theirs"),
        }
        info = json.loads((folder / "layer" / "info").read_text())
        files = [path for path in (folder / "layer").rglob("*") if path.is_file()]
        nbytes = sum(path.stat().st_size for path in files)
    bench.table("points from Parquet to a precomputed layer with two relationships", rows)
    mine, other = rows.values()
    said = {"levels": len(info["spatial"]), "files": len(files), "MB": nbytes / 1e6,
            "finest cells": int(np.prod(info["spatial"][-1]["grid_shape"]))}  # fmt: skip
    bench.table("what was written", {"ndlab": said})
    bench.aim("peak resident memory, MiB", mine["peak MiB"], most=1024)
    bench.aim(
        "points a second, times those of Neuroglancer's writer, CPU", mine["per cpu s"] / other["per cpu s"], least=1
    )
    bench.finish()
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--apart"]:
        measured(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        raise SystemExit(main())
