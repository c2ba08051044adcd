"""Registration: CPU time and peak memory against the number of voxels that are compared, each in a process of its own.

A mouse brain goes into Allen space (both ship with ndlab), compared at 400 and at 200 µm.
"""

from __future__ import annotations

import json
import subprocess
import sys

from harness import Bench, arguments

_RUN = """
import json, sys, time
import numpy as np
from ndlab import samples
from ndlab.preprocess import register
brain = samples.mouse_brain()
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
register(brain["sample"], brain["atlas"], voxel=1.6e6)
before, began = peak(), time.process_time()
found = register(brain["sample"], brain["atlas"], voxel=float(sys.argv[1]))
spent = time.process_time() - began
shown = found.apply(brain["sample"]).read()
alike = float(np.corrcoef(shown.ravel(), brain["atlas"].read().ravel())[0, 1])
voxels = int(np.prod(found.forward.field.shape))
print(json.dumps({"voxels": voxels, "CPU s": spent, "MiB more": (peak() - before) / 1024, "alike": alike}))
"""


def main() -> int:
    bench = Bench("register_size", arguments(__doc__))
    rows = {}
    for micrometres in (400, 200):
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(micrometres * 1e3)], capture_output=True, text=True, check=True
        )
        rows[f"{micrometres} µm"] = json.loads(done.stdout.splitlines()[-1])
    for one in rows.values():
        one["bytes a voxel"] = one["MiB more"] * 2**20 / one["voxels"]
    bench.table("mouse brain to Allen space, compared at two voxel sizes", rows)
    first, last = rows["400 µm"], rows["200 µm"]
    grown = last["voxels"] / first["voxels"]
    bench.aim("eight times the voxels: CPU s a voxel, times", last["CPU s"] / first["CPU s"] / grown, most=1.5)
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
