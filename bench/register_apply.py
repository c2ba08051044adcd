"""Applying a map between volumes: voxels per CPU second beside scipy, and peak memory from store to store."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Bench, arguments, clocked
from scipy import ndimage

from ndlab.geometry import Calibration
from ndlab.preprocess import DisplacementField, Mapping, Registration
from ndlab.preprocess.warped import warped
from ndlab.volume import Volume

Array = Any

_APPLY = """
import json, resource, sys
import numpy as np
from ndlab.preprocess import Registration
from ndlab.volume import open as open_volume
folder, work = sys.argv[1], sys.argv[2] == "work"
registration, source = Registration.load(folder + "/registration"), open_volume(folder + "/source.zarr")
registration.apply(source)[:8, :8, :8].read()
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
if work:
    registration.apply(source, out=folder + "/out.zarr", like=source, workers=1, client=False, block=(256, 256, 256))
print(json.dumps((peak() - before) * 1024))
"""


def application(bench: Bench) -> None:
    side = 96 if bench.quick else 192
    rng = np.random.default_rng(0)
    shape = (side,) * 3
    values = (rng.random(shape) * 255).astype(np.uint8)
    coarse = (side // 8,) * 3
    voxels = np.stack([ndimage.gaussian_filter(rng.standard_normal(coarse), 3) for _ in range(3)], -1)
    voxels *= 8 / np.abs(voxels).max()
    calibration = Calibration((1.0,) * 3)
    mapping = Mapping(DisplacementField(voxels, Calibration((8.0,) * 3)))
    turned = Mapping(mapping.field, before=np.array([[0.99, 0.05, 0, 0], [-0.05, 0.99, 0, 0], [0, 0, 1, 0.0]]))
    source = Volume.from_array(values, (1.0,) * 3)
    rows: dict[str, dict[str, float]] = {}

    def scipy_way(order: int) -> Array:
        zoomed = np.stack([ndimage.zoom(voxels[..., k], 8, order=1, grid_mode=True, mode="nearest") for k in range(3)])
        return ndimage.map_coordinates(values, np.indices(shape) + zoomed, order=order, mode="constant")

    runs: dict[str, Callable[[], Array]] = {
        "scipy, nearest": lambda: scipy_way(0), "scipy, linear": lambda: scipy_way(1),
        "ndlab, nearest": lambda: warped(source, mapping, calibration, shape, order=0).read(),
        "ndlab, linear": lambda: warped(source, mapping, calibration, shape, order=1).read(),
        "ndlab, linear, turned": lambda: warped(source, turned, calibration, shape, order=1).read(),
    }  # fmt: skip
    for name, run in runs.items():
        run() if name.startswith("ndlab") else None
        times = [clocked(run)[1] for _ in range(3 if name.startswith("ndlab") else 1)]
        rows[name] = {"Mvoxel/CPU s": values.size / 1e6 / float(np.median(times))}
    bench.table(f"applying a field of displacements to {shape} uint8, one thread", rows)
    bench.aim("application, linear [Mvoxel/CPU s]", rows["ndlab, linear"]["Mvoxel/CPU s"], least=15)
    faster = rows["ndlab, linear"]["Mvoxel/CPU s"] / rows["scipy, linear"]["Mvoxel/CPU s"]
    bench.aim("application, linear, of scipy's", faster, least=5)
    memory(bench, mapping)


def memory(bench: Bench, mapping: Mapping) -> None:
    """Peak memory of applying a field to stores of two sizes: what a block takes, whatever the size."""
    from ndlab.preprocess.registration.result import Space
    from ndlab.store.ingest import ingest

    rows = {}
    for side in (256, 512) if bench.quick else (512, 768):
        with tempfile.TemporaryDirectory() as folder:
            # Every plane the same: what counts is how much of it there is.
            values = np.broadcast_to(np.arange(side, dtype=np.uint8), (side, side, side))
            made = ingest(values, folder + "/source.zarr", voxel_size=(1, 1, 1), progress=False)
            source = Volume(made.stored)
            scale = side / mapping.field.shape[0]
            field = DisplacementField(mapping.field.values, Calibration((scale,) * 3))
            space = Space.of(source)
            Registration(Mapping(field), Mapping(field), space, space).save(folder + "/registration")
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", _APPLY, folder, "work"], capture_output=True, text=True, check=True
            )
            nbytes = int(json.loads(done.stdout.splitlines()[-1]))
            rows[f"{side}³ uint8"] = {
                "MiB": side**3 / 2**20,
                "peak MiB": nbytes / 2**20,
                "s": time.perf_counter() - began,
            }
    bench.table("peak memory of applying a field, store to store, blocks of 256³, one thread", rows)
    first, last = rows.values()
    bench.aim("memory: peak of the larger volume, of the smaller's", last["peak MiB"] / first["peak MiB"], most=1.3)


def main() -> int:
    bench = Bench("register_apply", arguments(__doc__))
    application(bench)
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
