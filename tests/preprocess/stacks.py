"""Stacks of sections whose content is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
VOXEL = (50.0, 4.0, 4.0)


def texture(shape: tuple[int, int, int], seed: int = 0) -> Array:
    """Grey values that go on from section to section, as tissue does, with fine and coarse detail (uint8)."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    found = np.zeros(shape)
    for sigma, weight in (((0.7, 1, 1), 22), ((1.5, 3, 3), 28), ((3, 6, 6), 8)):
        noise = gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
        found += weight * noise / noise.std()
    return np.clip(np.rint(128 + found), 0, 255).astype(np.uint8)


def volume(values: Array) -> Volume:
    return Volume.from_array(values, VOXEL)


def stored(values: Array, path: Path, **options: Any) -> Volume:
    made = volume(values).like(path, **options)
    made.write(None, values)
    return made


def larva(folder: Path, size: int = 512) -> Array:
    """Sections of the first instar larva's ventral nerve cord, exposure normalised by its authors."""
    import tifffile

    files = sorted((folder / "vnc_larva_sstem" / "stack1" / "raw").glob("*.tif"))
    return np.stack([tifffile.imread(file)[:size, :size] for file in files])
