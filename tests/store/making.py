"""Small multiscale stores for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.geometry import Calibration, level_shape
from ndlab.metadata import Channel, Kind, Multiscale, Scale
from ndlab.store.arrays import Stored
from ndlab.store.create import create

VOXEL = (40.0, 4.0, 4.0)
FACTORS = ((1, 1, 1), (1, 2, 2), (2, 4, 4))


def make(
    url: str | Path,
    shape: Sequence[int] = (20, 40, 60),
    *,
    axes: str = "",
    levels: int = 1,
    version: str = "0.5",
    dtype: Any = np.uint8,
    chunk: Sequence[int] = (8, 16, 16),
    shard: Sequence[int] | None = (16, 32, 32),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    kind: Kind = "image",
    channels: tuple[Channel, ...] = (),
    **options: Any,
) -> Stored:
    """Create an empty store; chunks and shards are (z, y, x), further axes are 1 thick."""
    names = tuple(axes or "tczyx"[-len(shape) :])
    base = Calibration(VOXEL, offset)
    scales = tuple(Scale(str(i), base.coarser(f)) for i, f in enumerate(FACTORS[:levels]))
    front = (1,) * (len(shape) - 3)
    piece = None if shard is None or version != "0.5" else (*front, *shard)
    return create(
        str(url),
        Multiscale(names, scales, version=version, kind=kind, channels=channels),
        [(*shape[:-3], *level_shape(shape[-3:], f)) for f in FACTORS[:levels]],
        dtype,
        chunks=[(*front, *chunk)] * levels,
        shards=[piece] * levels,
        **options,
    )


def texture(shape: Sequence[int], dtype: Any = np.uint8, seed: int = 0) -> np.ndarray[Any, Any]:
    """Random voxels over the whole range of `dtype`, none of them 0."""
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.ones(shape, kind)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    info = np.iinfo(kind)
    values = random.integers(info.min, info.max, shape, kind, endpoint=True)
    values[values == 0] = 1
    return values
