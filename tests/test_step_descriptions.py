"""What a receipt says of volumes without an address: a digest of what is in memory, and never a computation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndlab.geometry import Calibration
from ndlab.pipeline import describe, step
from ndlab.pipeline.blockwise import BlockStep
from ndlab.store.arrays import Level, Stored
from ndlab.volume import Volume

SHAPE = (4, 6, 8)


class Untouchable:
    """An array that knows what it is and cannot be read."""

    chunks, shards, codec = SHAPE, None, "computed"
    shape, dtype = SHAPE, np.dtype("u1")

    def __repr__(self) -> str:
        return "Untouchable(7)"

    def read(self, start: Any, stop: Any, out: Any = None) -> Any:
        raise AssertionError("it was read")

    def write(self, start: Any, values: Any) -> None:
        raise AssertionError("it was written")


def lazy() -> Volume:
    level = Level(Untouchable(), Calibration((8, 8, 8)))
    return Volume(Stored("", "computed", ("z", "y", "x"), (level,), "image", "lazy"))


def test_a_lazy_volume_is_described_and_not_read() -> None:
    about = describe(lazy())
    assert about["shape"] == [4, 6, 8]
    assert about["dtype"] == "uint8"
    assert "Untouchable(7)" in about["voxels"]
    assert describe(lazy()) == about
    assert describe(lazy()[:2])["voxels"] != describe(lazy()[2:])["voxels"]
    made = BlockStep("max", np.max, inputs=lazy())
    assert made.fingerprint == BlockStep("max", np.max, inputs=lazy()).fingerprint


def test_a_dask_array_is_described_by_what_it_would_compute() -> None:
    import dask.array as da
    import xarray as xr

    def boom(block: Any) -> Any:
        raise AssertionError("it was computed")

    def volume(start: int) -> Volume:
        values = da.arange(start, start + 192, chunks=64).reshape(SHAPE).map_blocks(boom, dtype="i8", meta=np.empty(0))
        return Volume.from_array(xr.DataArray(values, dims=("z", "y", "x")), (8, 8, 8))

    assert describe(volume(0)) == describe(volume(0))
    assert describe(volume(0)) != describe(volume(1))


def test_voxels_in_memory_count_by_value_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    import xarray as xr

    def volume(values: Any) -> Volume:
        return Volume.from_array(values, (8, 8, 8))

    ones, twos = np.ones(SHAPE, "u1"), np.full(SHAPE, 2, "u1")
    assert describe(volume(ones)) == describe(volume(ones.copy())) != describe(volume(twos))
    wrapped = xr.DataArray(ones, dims=("z", "y", "x"))
    assert describe(volume(wrapped))["voxels"] == describe(volume(ones))["voxels"]
    monkeypatch.setattr(step, "MOST_HASHED", ones.nbytes - 1)
    held = volume(ones)
    assert describe(held) == describe(held)
    assert "192 bytes in memory" in describe(held)["voxels"]
    assert describe(held) != describe(volume(ones.copy())), "who cannot tell does not take them for the same"
    part: Any = describe(held[:2])["voxels"]
    assert len(part) == 32, "half of it is few enough"
