"""Views by position: which voxels a stretch of nanometres holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Calibration, NmBox

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["NmIndexer"]


class NmIndexer:
    """`Volume.nm`: views by position."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def __getitem__(self, key: Any) -> Volume:
        keys = list(key) if isinstance(key, tuple) else [key]
        volume = self._volume
        axes = [a for a in volume.axes if a in "zyx"]
        dots = [i for i, one in enumerate(keys) if one is Ellipsis]
        if dots:
            at = dots[0]
            keys[at : at + 1] = [slice(None)] * (len(axes) - len(keys) + 1)
        if len(keys) > len(axes):
            raise BadRequest(f"{len(keys)} positions", f"the view has spatial axes {axes}")
        size, corner = volume.voxel_size, volume.offset
        found: list[slice | int] = []
        for axis, one in zip(axes, keys, strict=False):
            i = "zyx".index(axis)
            n = volume.box.shape[i]
            found.append(self._voxels(one, axis, size[i], corner[i], n))
        return volume[tuple(found)]

    @staticmethod
    def _voxels(key: Any, axis: str, size: float, corner: float, n: int) -> slice | int:
        end = corner + n * size
        if isinstance(key, slice):
            if key.step is not None:
                raise BadRequest(
                    f"step {key.step} nm along {axis}", "nm views are contiguous", "pick a coarser .level(l)"
                )
            low = corner if key.start is None else _position(key.start)
            high = end if key.stop is None else _position(key.stop)
            line = Calibration((size, 1, 1), (corner, 0, 0))
            box = NmBox((low, 0, 0), (high, 1, 1)).voxels(line)
            a, b = box.start[0], box.stop[0]
            if a < 0 or b > n:
                raise OutOfBounds(f"{axis} {low:g} to {high:g} nm was asked for",
                                  f"the view spans {corner:g} to {end:g} nm along {axis}", axis=axis)  # fmt: skip
            if a == b and high > low:
                raise BadRequest(
                    f"{axis} {low:g} to {high:g} nm holds no voxel centre",
                    f"voxels are {size:g} nm there",
                    "widen it, or give one position to get the voxel there",
                )
            return slice(a, b)
        position = _position(key)
        if not corner <= position < end:
            raise OutOfBounds(f"{axis} {position:g} nm was asked for",
                              f"the view spans {corner:g} to {end:g} nm along {axis}", axis=axis)  # fmt: skip
        return min(n - 1, Calibration((size, 1, 1), (corner, 0, 0)).index((position, 0, 0))[0])


def _position(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadRequest(f"position {value!r}", "positions are numbers of nm and slices of them",
                         "e.g. vol.nm[0:4000, 100.0:500.0]") from None  # fmt: skip
