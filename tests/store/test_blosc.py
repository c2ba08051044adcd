"""Codecs as a person writes them mean in the store what they mean in numcodecs."""

from __future__ import annotations

import json
from pathlib import Path

import numcodecs
import numpy as np
import pytest

from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale, Scale
from ndlab.store.create import create


@pytest.mark.parametrize("dtype", ["u1", "u4", "u8"])
@pytest.mark.parametrize("shuffle", [-1, 0, 1, 2])
@pytest.mark.parametrize("shard", [None, (32, 32, 32)])
def test_blosc_shuffles_whole_voxels(
    tmp_path: Path, dtype: str, shuffle: int, shard: tuple[int, int, int] | None
) -> None:
    config = {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": shuffle, "blocksize": 0}
    rng = np.random.default_rng(0)
    values = np.sort(rng.integers(1, 120, (32, 32, 32)).astype(dtype), axis=-1)
    scale = Scale("0", Calibration((1, 1, 1)))
    stored = create(
        str(tmp_path / "a"), Multiscale(("z", "y", "x"), (scale,)), [(32, 32, 32)], dtype, chunks=[(32, 32, 32)],
        shards=[shard], codec=config,
    )  # fmt: skip
    stored.levels[0].array.write((0, 0, 0), values)

    chunk = (tmp_path / "a" / "0" / "c" / "0" / "0" / "0").read_bytes()
    expected = numcodecs.get_codec(config).encode(values)
    assert chunk[: len(expected)] == bytes(expected)
    codecs = json.loads((tmp_path / "a" / "0" / "zarr.json").read_text())["codecs"]
    found = codecs[0]["configuration"]["codecs"] if shard else codecs
    assert found[-1]["configuration"]["typesize"] == np.dtype(dtype).itemsize
