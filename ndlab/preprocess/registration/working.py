"""The images that are registered: both volumes at a voxel size where their form shows and a fit takes seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Calibration, Float3, Int3
from ndlab.volume import Volume

__all__ = ["Working", "coarser", "single", "voxel_for", "working"]

# A quarter of a million voxels hold the form of a brain, and a fit of that many takes some 20 seconds.
_VOXELS = {2: 1 << 17, 3: 1 << 18}
_KEEP = 1.3
_LEAST = 8


@dataclass(frozen=True)
class Working:
    """An image (z, y, x) float32 of unit variance, and where it lies."""

    values: Any
    calibration: Calibration

    @property
    def shape(self) -> Int3:
        """Extent in voxels."""
        z, y, x = self.values.shape
        return z, y, x

    @property
    def extent(self) -> Float3:
        """Extent [nm]."""
        a, b, c = (n * v for n, v in zip(self.shape, self.calibration.voxel_size, strict=True))
        return a, b, c


def single(volume: Any, role: str) -> Volume:
    """Check that `volume` is one calibrated image and return its (z, y, x) view.

    Raises
    ------
    BadRequest
        If it is no Volume, has several channels or time points, is empty, or states no voxel size.
    """
    if hasattr(volume, "dims") and hasattr(volume, "coords"):
        volume = Volume.from_array(volume)
    if not isinstance(volume, Volume):
        raise BadRequest(
            f"the {role} volume is a {type(volume).__name__}",
            "registration works in nanometres, so both volumes have to know their voxel size",
            "wrap it: ndlab.Volume.from_array(values, voxel_size=(z, y, x))",
        )
    several = [axis for axis, n in zip(volume.axes, volume.shape, strict=True) if axis in "tc" and n > 1]
    if several:
        raise BadRequest(
            f"the {role} volume has axes {volume.axes}",
            f"it has several of {', '.join(several)}, and one image is registered to one",
            f"pick one, e.g. .isel({several[0]}=0), and apply what is found to all",
        )
    for axis in set(volume.axes) & {"t", "c"}:
        volume = volume.isel(**{axis: 0})
    view: Volume = volume.boxed(volume.box)
    _ = view.voxel_size  # raises if it is not known
    if 0 in view.shape:
        raise BadRequest(f"the {role} volume has {view.shape} voxels", "there is nothing in it", "choose a larger box")
    return view


def voxel_for(volume: Volume) -> float:
    """Voxel size [nm] at which `volume` is registered: its own where that is few enough voxels."""
    extents = [n * v for n, v in zip(volume.shape, volume.voxel_size, strict=True) if n > 1]
    if not extents:
        return min(volume.voxel_size)
    own = [v for n, v in zip(volume.shape, volume.voxel_size, strict=True) if n > 1]
    wanted = (math.prod(extents) / _VOXELS[max(2, len(extents))]) ** (1 / len(extents))
    finest = math.exp(sum(map(math.log, own)) / len(own))
    return finest if wanted < finest * _KEEP else wanted


def working(volume: Volume, voxel: float) -> Working:
    """Read `volume` at about `voxel` nm, from its coarsest level that is no coarser."""
    level = volume.nearest(voxel=[max(voxel, v) for v in volume.voxel_size])
    values = level.read().astype(np.float32)
    if not np.isfinite(values).all():
        raise BadRequest(
            f"{volume.url or 'a volume'} holds values that are not finite",
            "registration compares numbers",
            "replace them, e.g. by 0",
        )
    found = coarser(Working(values, Calibration(level.voxel_size, level.offset)), voxel)
    return Working(_unit(found.values), found.calibration)


def coarser(image: Working, voxel: float) -> Working:
    """Return the image with voxels of about `voxel` nm, averaged, at least 8 along an axis that has as many."""
    from scipy import ndimage

    size = image.calibration.voxel_size
    shape = [
        min(n, max(round(n * v / voxel), min(n, _LEAST))) if voxel > v * 1.05 else n
        for n, v in zip(image.shape, size, strict=True)
    ]
    if tuple(shape) == image.shape:
        return image
    ratio = [n / m for n, m in zip(image.shape, shape, strict=True)]
    blurred = ndimage.gaussian_filter(
        image.values, [0.5 * math.sqrt(max(0.0, r * r - 1)) for r in ratio], mode="nearest"
    )
    values = ndimage.zoom(blurred, [1 / r for r in ratio], order=1, mode="nearest", grid_mode=True)
    grown = Calibration([v * r for v, r in zip(size, ratio, strict=True)], image.calibration.offset)
    return Working(np.ascontiguousarray(values, np.float32), grown)


def _unit(values: Any) -> Any:
    low, high = np.percentile(values, (0.1, 99.9))
    clipped = np.clip(values, low, high) if high > low else values
    spread = float(clipped.std())
    if spread == 0:
        raise BadRequest("a volume of one single value was to be registered", "there is nothing in it to go by",
                         "check that the right volume, box or channel was passed")  # fmt: skip
    return ((clipped - clipped.mean()) / spread).astype(np.float32)
