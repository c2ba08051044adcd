"""What every benchmark shares: contenders in one interleaved run, ratios against named baselines, results as JSON.

Wall times on a shared machine jump by factors; ratios of CPU time within one run do not. So each contender runs
many times in shuffled order, first checked to give equal answers, and the medians are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.geometry import Calibration
from ndlab.metadata import Kind, Multiscale, Scale
from ndlab.store.arrays import Array
from ndlab.store.create import create
from ndlab.store.pyramid import unsynced
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

RESULTS = Path(__file__).parent / "results"
Run = Callable[[], Any]


def arguments(about: str | None, **flags: str) -> argparse.Namespace:
    """Options that every script takes, and flags of one script with what they say of themselves."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and smaller data: does it run at all?")
    parser.add_argument(
        "--data", default=os.environ.get("NDLAB_TEST_DATA"), help="folder with real data (fib25_medulla)"
    )
    parser.add_argument("--save", action="store_true", help="write bench/results/NAME.json")
    for name, about_it in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=about_it)
    return parser.parse_args()


@dataclass
class Bench:
    """One script's run: tables as they come, verdicts on stated aims, everything into one JSON file."""

    name: str
    options: argparse.Namespace
    tables: list[dict[str, Any]] = field(default_factory=list)
    aims: list[dict[str, Any]] = field(default_factory=list)

    @property
    def quick(self) -> bool:
        return bool(self.options.quick)

    def compare(
        self,
        title: str,
        contenders: Mapping[str, Run],
        *,
        baseline: str,
        repeats: int = 9,
        nbytes: int = 0,
        equal: bool = True,
        tidy: Run | None = None,
    ) -> dict[str, dict[str, float]]:
        """Time all contenders interleaved; print CPU and wall medians and the ratio to `baseline`.

        `tidy` runs after each, not timed.
        """
        answers = {name: run() for name, run in contenders.items()}
        if equal:
            first = np.asarray(answers[baseline])
            for name, answer in answers.items():
                assert np.array_equal(np.asarray(answer), first), f"{name} and {baseline} differ in {title}"
        del answers
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for _ in range(2 if self.quick else repeats):
            for name in random.sample(list(contenders), len(contenders)):
                times[name].append(clock(contenders[name]))
                if tidy is not None:
                    tidy()
        found = {
            name: {
                "cpu_ms": statistics.median(c for c, _ in t) * 1e3,
                "wall_ms": statistics.median(w for _, w in t) * 1e3,
                "wall_min_ms": min(w for _, w in t) * 1e3,
            }
            for name, t in times.items()
        }
        base = found[baseline]
        for row in found.values():
            row["speed_cpu"] = base["cpu_ms"] / max(row["cpu_ms"], 1e-9)
            row["speed_wall"] = base["wall_ms"] / max(row["wall_ms"], 1e-9)
            if nbytes:
                row["mb_per_cpu_s"] = nbytes / 1e6 / max(row["cpu_ms"] / 1e3, 1e-9)
        self._print(title, found, baseline)
        self.tables.append({"title": title, "baseline": baseline, "rows": found})
        return found

    def table(self, title: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Print and keep any other table."""
        columns = list(dict.fromkeys(c for row in rows.values() for c in row))
        print(f"\n{title}")
        print(" " * 30 + "".join(f"{c:>13}" for c in columns))
        for name, row in rows.items():
            print(f"{name:30}" + "".join(f"{_show(row.get(c, '')):>13}" for c in columns))
        sys.stdout.flush()
        self.tables.append({"title": title, "rows": {k: dict(v) for k, v in rows.items()}})

    def aim(self, text: str, value: float, least: float | None = None, most: float | None = None) -> None:
        """State an aim and whether this run met it; falling short is printed, never hidden, and never an error."""
        met = bool((least is None or value >= least) and (most is None or value <= most))
        bound = f">= {least:g}" if least is not None else f"<= {most:g}"
        print(f"  {'met  ' if met else 'SHORT'} {text}: {value:.3g} (aim {bound})")
        sys.stdout.flush()
        self.aims.append({"text": text, "value": float(value), "least": least, "most": most, "met": met})

    def finish(self) -> None:
        """Print the sum and save if asked."""
        met = sum(a["met"] for a in self.aims)
        print(f"\n{self.name}: {met} of {len(self.aims)} aims met in this run")
        if self.options.save:
            RESULTS.mkdir(exist_ok=True)
            record = {
                "machine": machine(),
                "code": code(),
                "quick": self.quick,
                "aims": self.aims,
                "tables": self.tables,
            }
            (RESULTS / f"{self.name}.json").write_text(json.dumps(record, indent=1) + "\n")

    @staticmethod
    def _print(title: str, found: Mapping[str, Mapping[str, float]], baseline: str) -> None:
        print(f"\n{title}   (baseline: {baseline})")
        print(f"{'':30}{'CPU ms':>10}{'wall ms':>10}{'x CPU':>8}{'x wall':>8}{'MB/CPU s':>10}")
        for name, row in found.items():
            rate = f"{row['mb_per_cpu_s']:10.0f}" if "mb_per_cpu_s" in row else ""
            print(
                f"{name:30}{row['cpu_ms']:10.2f}{row['wall_ms']:10.2f}"
                f"{row['speed_cpu']:8.2f}{row['speed_wall']:8.2f}{rate}"
            )
        sys.stdout.flush()


def _show(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def clock(run: Run) -> tuple[float, float]:
    """CPU seconds of all threads, and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def clocked(run: Run) -> tuple[Any, float]:
    """Result, and CPU seconds of this process and of those that it waited for."""

    def cpu() -> float:
        both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(one.ru_utime + one.ru_stime for one in both)

    began = cpu()
    return run(), cpu() - began


def machine() -> dict[str, Any]:
    """Where it ran, without names that identify it."""
    model = ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    packages = ("numpy", "tensorstore", "zarr", "numcodecs", "dask", "h5py", "cloud-volume")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def code() -> dict[str, str]:
    """Hash of the package's source, so that a result says what it is a result of."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted((root / "ndlab").rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = ""
    return {"sha256": digest.hexdigest()[:16], "commit": commit}


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ndlab-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def em(shape: Sequence[int], data: str | None) -> np.ndarray[Any, Any]:
    """Real FIB-SEM voxels in eight orientations up to `shape`, no two chunks alike; the phantom without data."""
    file = Path(data or "", "fib25_medulla", "fib25_ts2_z000-089.h5")
    if not data or not file.exists():
        from ndlab.samples import phantom

        print("no --data: the phantom stands in for real EM")
        return phantom(shape, voxel_size=(10, 10, 10)).image((0, 0, 0), shape)
    import h5py

    with h5py.File(file) as f:
        block = f["gray"][:]
    out = np.empty(shape, block.dtype)
    rng = np.random.default_rng(0)
    for z in range(0, shape[0], block.shape[0]):
        for y in range(0, shape[1], block.shape[1]):
            for x in range(0, shape[2], block.shape[2]):
                part = out[z : z + block.shape[0], y : y + block.shape[1], x : x + block.shape[2]]
                turned = block[:: rng.choice([-1, 1]), :: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
                if rng.random() < 0.5:
                    turned = turned.transpose(0, 2, 1)
                part[...] = turned[: part.shape[0], : part.shape[1], : part.shape[2]]
    return out


def labels(shape: Sequence[int], data: str | None) -> np.ndarray[Any, Any]:
    """Real dense labels (32 x 32 x 40 nm, cortex), uint64, mirrored up to `shape`; the phantom without data."""
    path = Path(data or "", "pinky_segmentation", "zarr3_sharded.ome.zarr")
    if not data or not path.exists():
        from ndlab.samples import phantom

        print("no --data: the phantom stands in for real labels")
        return phantom(shape, voxel_size=(10, 10, 10)).labels((0, 0, 0), shape)
    volume = open_volume(path)
    part = volume[tuple(slice(0, min(n, m)) for n, m in zip(shape, volume.shape, strict=True))].read().astype("u8")
    return np.pad(part, [(0, n - m) for n, m in zip(shape, part.shape, strict=True)], mode="symmetric")


def new_store(
    path: Path,
    shape: Sequence[int],
    dtype: Any,
    *,
    chunk: Sequence[int] = (64, 64, 64),
    shard: Sequence[int] | None = None,
    codec: Any = "zstd",
    kind: Kind = "image",
) -> Volume:
    """An empty store of one level at 10 nm."""
    about = Multiscale(("z", "y", "x"), (Scale("0", Calibration((10, 10, 10))),), name=path.name, kind=kind)
    create(str(path), about, [shape], dtype, chunks=[chunk], shards=[shard], codec=codec)
    return open_volume(path)


def array_of(volume: Volume, *, flush: bool = True) -> Array:
    """The array under a volume's level; with `flush` off, writes are left to the system to bring to disk."""
    array = volume._stored.levels[volume.level_index].array
    return array if flush else unsynced(array)


def boxes(
    shape: Sequence[int], size: Sequence[int], count: int, *, aligned: int = 1, seed: int = 0
) -> list[tuple[slice, ...]]:
    """The same random boxes for every contender."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        start = [int(rng.integers(0, (n - s) // aligned + 1)) * aligned for n, s in zip(shape, size, strict=True)]
        found.append(tuple(slice(a, a + s) for a, s in zip(start, size, strict=True)))
    return found
