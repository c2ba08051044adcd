"""Volumes as a detector sees them: its own pixels, and grey values of mean 0 and deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["Contrast", "enlarged", "factor_of", "flat_view", "reduced"]

Array = np.ndarray[Any, Any]
_PLACES, _SIDE = 12, 256


@dataclass(frozen=True)
class Contrast:
    """Mean and standard deviation of the grey values of a volume."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, volume: Volume) -> Contrast:
        """Measure it on some squares that are spread over the volume, the same ones each time.

        Examples
        --------
        >>> from ndlab.samples import toy
        >>> found = Contrast.of(toy().volume("image"))
        >>> 0 < found.mean < 255, found.deviation > 0
        (True, True)
        """
        shape = np.array(volume.shape)
        rng = np.random.default_rng(0)
        count, total, square = 0, 0.0, 0.0
        for k in range(_PLACES):
            side = np.minimum(shape, (1, _SIDE, _SIDE))
            free = shape - side
            at = np.rint(free * (np.array([(k + 0.5) / _PLACES, *rng.random(2)]))).astype(int)
            low = at + volume.box.start
            values = volume.read(Box(low.tolist(), (low + side).tolist(), volume.level_index)).astype("f8")
            seen = values[values > 0]  # where nothing was recorded, nothing is learnt
            count, total, square = count + seen.size, total + float(seen.sum()), square + float((seen * seen).sum())
        if not count:
            return cls(0.0, 1.0)
        mean = total / count
        return cls(mean, max(1e-6, float(np.sqrt(max(0.0, square / count - mean * mean)))))

    def apply(self, values: Array) -> Array:
        """Grey values of mean 0 and deviation 1, float32."""
        return (np.asarray(values, "f4") - np.float32(self.mean)) / np.float32(self.deviation)


def flat_view(volume: Any) -> Volume:
    """Return the (z, y, x) view of a volume of one channel and time point.

    Raises
    ------
    BadRequest
        If it is no volume, or has several channels or time points.
    """
    from ndlab.measure.blocks import part

    view = part(volume)
    if 0 in view.shape:
        raise BadRequest(f"a volume of {view.shape} voxels", "there is nothing to look at", "choose a larger box")
    return view


def factor_of(voxel_size: tuple[float, float, float], pixel: float, finer: int = 1) -> int:
    """How many voxels a pixel is wide: a multiple of how many times finer a detector looks.

    Raises
    ------
    BadRequest
        If voxels are much coarser than the pixels.
    """
    side = float((voxel_size[1] * voxel_size[2]) ** 0.5)
    seen = pixel / finer
    if side > 1.6 * seen:
        raise BadRequest(
            f"voxels of {voxel_size[1]:g} x {voxel_size[2]:g} nm for a model that sees pixels of {seen:g} nm",
            "what it looks for would be too small to see",
            "take a finer level, or train a model on such volumes: ndlab.detect.train(volume, labels, out=path)",
        )
    return finer * max(1, round(seen / side))


def reduced(values: Array, factor: int) -> Array:
    """Average squares of `factor` voxels in y and x, float32."""
    from ndlab.detect.kernels.filters import binned

    if factor == 1:
        return np.ascontiguousarray(values, "f4")
    source = np.ascontiguousarray(values)
    out = np.empty((len(values), *(-(-n // factor) for n in values.shape[1:])), "f4")
    for section, target in zip(source, out, strict=True):
        binned(section.astype("u1") if section.dtype == bool else section, factor, target)
    return out


def enlarged(
    values: Array, factor: int, start: tuple[int, int], stop: tuple[int, int], origin: tuple[int, int]
) -> Array:
    """Interpolate pixels (…, y, x) that begin at pixel `origin` to the voxels from `start` to `stop` in y and x."""
    from ndlab.detect.kernels.filters import interpolated

    flat = np.ascontiguousarray(values, "f4").reshape(-1, *values.shape[-2:])
    out = np.empty((len(flat), stop[0] - start[0], stop[1] - start[1]), "f4")
    for section, target in zip(flat, out, strict=True):
        interpolated(section, factor, np.array(start), np.array(origin), target)
    return out.reshape(*values.shape[:-2], *out.shape[1:])
