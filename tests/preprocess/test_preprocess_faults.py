"""The same voxels on threads, on processes that die, and after kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ndlab.preprocess import correct
from ndlab.testing import plant_exposure
from ndlab.volume import open as open_volume
from tests.preprocess.stacks import Array, stored, texture
from tests.test_pipeline_faults import cluster

ROOT = Path(__file__).parents[2]
CODE = """
import os, sys, time
import ndlab
from ndlab.preprocess import chromatic
develop, seen = chromatic._developed, []
def slowly(values, exposure, window):
    seen.append(1)
    if len(seen) > 3:
        open(sys.argv[2] + "-now", "w").close()
        time.sleep(60)
    return develop(values, exposure, window)
slowly.__module__, slowly.__qualname__ = develop.__module__, develop.__qualname__
chromatic._developed = slowly
chromatic.correct(ndlab.open(sys.argv[1]), out=sys.argv[2], workers=1, progress=False)
"""


@pytest.fixture(scope="module")
def planted() -> Array:
    return plant_exposure(texture((16, 96, 128))).degraded


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndlab.preprocess.written.BLOCK", (2, 64, 64))


def test_two_processes_of_which_one_dies(tmp_path: Path, planted: Array) -> None:
    stack = stored(planted, tmp_path / "stack", shards=(2, 64, 64), chunks=(2, 64, 64))
    expected = correct(stack, workers=1, progress=False).read()
    with cluster() as client:
        victims = list(client.run(os.getpid).values())

        def kill(progress: object) -> None:
            if victims and progress.done >= 3:  # type: ignore[attr-defined]
                os.kill(victims.pop(), signal.SIGKILL)
                victims.clear()

        found = correct(stack, out=str(tmp_path / "out"), client=client, progress=kill)
    assert not victims
    np.testing.assert_array_equal(found.read(), expected)


def test_killed_and_begun_again(tmp_path: Path, planted: Array) -> None:
    stack = stored(planted, tmp_path / "stack", shards=(2, 64, 64), chunks=(2, 64, 64))
    expected = correct(stack, workers=1, progress=False).read()
    out = str(tmp_path / "out")
    code = f"import ndlab.preprocess.written as w; w.BLOCK = (2, 64, 64)\n{CODE}"
    running = subprocess.Popen([sys.executable, "-c", code, stack.url, out], cwd=ROOT)
    try:
        until = time.monotonic() + 120
        while not Path(f"{out}-now").exists():
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert not np.array_equal(open_volume(out).read(), expected), "it was stopped midway"
    found = correct(stack, out=out, workers=2, progress=False)
    np.testing.assert_array_equal(found.read(), expected)
