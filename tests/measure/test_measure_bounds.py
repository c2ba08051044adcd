"""What measuring costs: memory that does not grow with the volume, and nothing at import."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab import measure
from ndlab.errors import BadRequest
from ndlab.geometry import Calibration
from ndlab.store.arrays import Level, Stored
from ndlab.volume import Volume
from tests.measure.oracles import Array

SIDE = 16
BLOCK = 32


class Cells:
    """Cubes of 16 voxels in space that no memory holds; every second one is empty in the mask."""

    chunks, shards, codec = (BLOCK,) * 3, None, "computed"

    def __init__(self, shape: tuple[int, int, int], mask: bool) -> None:
        self.shape, self.mask = shape, mask
        self.dtype = np.dtype(bool if mask else np.uint64)

    def __repr__(self) -> str:
        return f"Cells({self.shape}, {self.mask})"

    def read(self, start: Any, stop: Any, out: Any = None) -> Array:
        z, y, x = (np.arange(a, b) // SIDE for a, b in zip(start, stop, strict=True))
        if self.mask:
            parity: Array = (z[:, None, None] + y[:, None] + x) % 2 == 0
            return parity
        labels: Array = (z[:, None, None] * 1000 + y[:, None] * 100 + x % 7 + 1).astype(np.uint64)
        return labels

    def write(self, start: Any, values: Any) -> None:
        raise AssertionError


def cells(n: int, mask: bool = False) -> Volume:
    level = Level(Cells((n * BLOCK, 2 * BLOCK, 2 * BLOCK), mask), Calibration((8, 8, 8)))
    return Volume(Stored("", "computed", ("z", "y", "x"), (level,), "image" if mask else "labels", "cells"))


def peak(call: Callable[[], Any]) -> int:
    """Most bytes that numpy and Python held at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "measured",
    [
        lambda volume: measure.unique(volume, block=BLOCK, workers=2),
        lambda volume: measure.regions(volume, volume, block=BLOCK, workers=2),
        lambda volume: measure.contacts(volume, block=BLOCK, workers=2),
        lambda volume: measure.statistics(volume, block=BLOCK, workers=2),
    ],
    ids=["unique", "regions", "contacts", "statistics"],
)
def test_memory_is_that_of_a_few_blocks(measured: Callable[[Volume], Any]) -> None:
    """Four times the volume, the same memory but for the longer answer: the volume itself would take 42 MB more."""
    measured(cells(1))
    small, large = peak(lambda: measured(cells(10))), peak(lambda: measured(cells(50)))
    assert small < 20 * 8 * BLOCK**3
    assert large < small + 4e6


def test_components_hold_a_layer_of_blocks_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndlab.store.pyramid._WORK_BYTES", 1 << 20)  # else the coarser levels take 128 MiB as ever

    def label(n: int) -> None:
        found = measure.components(cells(n, True), out=str(tmp_path / str(n)), block=BLOCK, workers=2, progress=False)
        assert found.provenance["components"] == 2 * n * 4 * 4 // 2

    label(1)
    small, large = peak(lambda: label(8)), peak(lambda: label(32))
    assert large < small + 4e6, "the labels themselves would take 13 MB more"


def test_importing_measure_loads_nothing_heavy() -> None:
    code = "import ndlab.measure, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numba", "scipy", "skimage", "pandas", "dask", "distributed"} & set(done.stdout.split())


@pytest.mark.parametrize("block", [0, (4, 4), (4, 4, 0), 1.5])
def test_a_block_that_makes_no_sense(block: Any, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        measure.unique(cells(1), block=block)
    with pytest.raises(BadRequest):
        measure.components(cells(1, True), block=block, out=str(tmp_path / "c"))
    assert not list(tmp_path.iterdir())
