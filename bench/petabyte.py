"""What a petabyte takes in chunks, shards, tasks, requests, hours and money, from ndlab's plan and what was measured.

Counted, not run: the layout is the one that `ndlab.ingest` would choose. CPU is of `results/ingest.json`, `read.json`
and, where it was saved, `cluster.json`; what compression saves from `codecs.json`; prices from large providers' lists,
which `--help` names and flags change. It prints the tables of docs/explanation/scale.md. `make bench ONLY=petabyte`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ndlab.store.layout import LevelPlan, plan

RESULTS = Path(__file__).parent / "results"
VOXEL_SIZE = (40, 4, 4)
# Of a record: bytes on disk and in memory for each block (decision 0018).
LINE, STATE = 32, 1


def voxels(nbytes: float) -> tuple[int, int, int]:
    """Extent of a volume of so many bytes, 8 bits each, as thick as it is wide in nanometres."""
    side = (nbytes * VOXEL_SIZE[0] * VOXEL_SIZE[1] * VOXEL_SIZE[2]) ** (1 / 3)
    z, y, x = (round(side / size) for size in VOXEL_SIZE)
    return z, y, x


def pieces(shape: Sequence[int], piece: Sequence[int]) -> int:
    return math.prod(-(-n // p) for n, p in zip(shape, piece, strict=True))


def measured(name: str, title: str, row: str, column: str) -> float:
    """One number of a saved result, by the start of its table's title."""
    tables: list[dict[str, Any]] = json.loads((RESULTS / f"{name}.json").read_text())["tables"]
    found = next(table for table in tables if table["title"].startswith(title))
    return float(next(value for key, value in found["rows"].items() if key.startswith(row))[column])


def _task() -> float:
    """Milliseconds as they were measured; as decision 0018 found at most, where they were not."""
    if not (RESULTS / "cluster.json").exists():
        return 5.0
    return measured("cluster", "blocks that cost nothing", "1", "scheduler ms/task")


def of_storage(sizes: Sequence[float], ratio: float) -> list[list[str]]:
    """Rows of the first table: what there is in the store."""
    rows = []
    for nbytes in sizes:
        levels = plan(voxels(nbytes), 1, VOXEL_SIZE)
        finest = levels[0]
        above = sum(math.prod(level.shape) for level in levels[1:]) / math.prod(finest.shape)
        rows.append([
            size(nbytes), " × ".join(f"{n:,}" for n in finest.shape), str(len(levels)), number(_chunks(levels)),
            number(_shards(levels)), f"{100 * above:.0f} %", size(nbytes * (1 + above) / ratio),
        ])  # fmt: skip
    return rows


def _chunks(levels: Sequence[LevelPlan]) -> int:
    return sum(pieces(level.shape, level.chunk) for level in levels)


def _shards(levels: Sequence[LevelPlan]) -> int:
    return sum(pieces(level.shape, level.unit) for level in levels)


def of_a_run(sizes: Sequence[float], prices: argparse.Namespace) -> list[list[str]]:
    """Rows of the second table: one pass of a step that reads with a margin, and writes."""
    make = measured("ingest", "image (512, 512, 1024) uint8 in memory", "ndlab, every level", "mb_per_cpu_s")
    read = measured("read", "sharded: 1 x 512^3", "ndlab", "mb_per_cpu_s")
    task = prices.task / 1e3
    rows = []
    for nbytes in sizes:
        levels = plan(voxels(nbytes), 1, VOXEL_SIZE)
        blocks, shards = pieces(levels[0].shape, levels[0].unit), _shards(levels)
        hours = (nbytes / 1e6 / read + nbytes / 1e6 / make) / 3600
        # A block reads its shard, and the edges of its 26 neighbours: an index and a range of each.
        # An object that is written is first looked for, and looked at.
        gets, puts = blocks * (1 + 26) * 2 + shards * 2, shards
        rows.append([
            size(nbytes), number(blocks), f"{hours:,.0f}", f"{blocks * task / 3600:.1f}", size(blocks * LINE),
            size(blocks * STATE), number(gets), number(puts),
            f"{gets * prices.get / 1e3 + puts * prices.put / 1e3:,.0f} $", f"{hours * prices.core:,.0f} $",
        ])  # fmt: skip
    return rows


def size(nbytes: float) -> str:
    """Bytes in the largest unit that leaves a number."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if nbytes < 999.5:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:.3g} PB"


def number(count: float) -> str:
    """A count, in words of numbers that can be read at a glance."""
    for unit, name in ((1e9, "thousand million"), (1e6, "million")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=float, default=0.04, help="an hour of one core [$]")
    parser.add_argument("--get", type=float, default=0.0004, help="a thousand reads of an object store [$]")
    parser.add_argument("--put", type=float, default=0.005, help="a thousand writes [$]")
    parser.add_argument("--task", type=float, default=_task(), help="CPU of the scheduler for a task [ms]")
    # Taken and not used, so that `make bench ARGS=...` may pass them to every script.
    for flag in ("--quick", "--save"):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (1e12, 1e14, 1e15)
    print(table(
        ["voxels", "extent (z, y, x)", "levels", "chunks", "shards = objects", "levels above", "in the store"],
        of_storage(sizes, measured("codecs", "EM, FIB-SEM: size ratio", "zstd 1", "ratio")),
    ))  # fmt: skip
    print()
    print(table(
        ["voxels", "tasks", "core hours", "scheduler hours", "record", "client memory", "reads", "writes",
         "requests", "cores"],
        of_a_run(sizes, options),
    ))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
