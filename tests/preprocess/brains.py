"""Small made-up brains with a known warp between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from ndlab.geometry import Calibration
from ndlab.preprocess import DisplacementField
from ndlab.volume import Volume

SIZE = (100.0, 100.0, 100.0)


def brain(shape: tuple[int, int, int] = (30, 34, 38), seed: int = 0) -> Any:
    """A folded ellipsoid of two tissues on a dark ground, float32."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    radius = np.sqrt((grid**2 / np.reshape([0.62, 0.7, 0.66], (3, 1, 1, 1))).sum(0))
    folds = ndimage.gaussian_filter(rng.standard_normal(shape), 2)
    folds /= folds.std()
    inside = 1 / (1 + np.exp((radius - 1) * 12))
    return (inside * (0.55 + 0.45 * np.tanh(2 * folds))).astype(np.float32)


def smooth_field(shape: tuple[int, int, int], rms: float, seed: int = 1, width: float = 6.0) -> Any:
    """A smooth random displacement of some voxels, (z, y, x, 3)."""
    rng = np.random.default_rng(seed)
    field = np.stack([ndimage.gaussian_filter(rng.standard_normal(shape), width) for _ in range(3)], -1)
    return field * rms / np.sqrt((field**2).sum(-1).mean())


def pulled(values: Any, field: Any, order: int = 1) -> Any:
    """`values` at displaced voxels, by scipy."""
    grid = np.stack(np.meshgrid(*map(np.arange, field.shape[:3]), indexing="ij"), -1)
    places = np.moveaxis(grid + field, -1, 0)
    return ndimage.map_coordinates(values, places, order=order, mode="nearest")


def planted(rms: float = 2.0, seed: int = 0) -> tuple[Volume, Volume, Any]:
    """Moving and fixed volume, and the displacement [voxels] from fixed to moving."""
    moving = brain(seed=seed)
    field = smooth_field(moving.shape, rms, seed + 1)
    rng = np.random.default_rng(seed + 2)
    fixed = pulled(moving, field) ** 0.8 + 0.01 * rng.standard_normal(moving.shape)
    return Volume.from_array(moving, SIZE), Volume.from_array(fixed.astype(np.float32), SIZE), field


def as_field(voxels: Any, size: tuple[float, float, float] = SIZE) -> DisplacementField:
    return DisplacementField(voxels * np.array(size), Calibration(size))
