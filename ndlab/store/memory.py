"""An array in memory behind the same interface as one on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Calibration
from ndlab.metadata import Kind
from ndlab.store.arrays import Level, Stored
from ndlab.store.multiscale import AXES, canonical_order

__all__ = ["MemoryArray", "memory_stored"]


class MemoryArray:
    """A numpy array of (t)(c)zyx as an `Array`; reads are copies."""

    shards: tuple[int, ...] | None = None
    codec = "in memory"

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = self.held = values
        self.shape: tuple[int, ...] = values.shape
        self.chunks: tuple[int, ...] = values.shape
        self.dtype = values.dtype
        self.writes = 0

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, into `out` if given."""
        part = self.values[tuple(map(slice, start, stop))]
        if out is None:
            return part.copy()
        out[...] = part
        return out

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Store `values` with their first element at `start`."""
        stop = (a + n for a, n in zip(start, values.shape, strict=True))
        self.values[tuple(map(slice, start, stop))] = values
        self.writes += 1  # After the voxels: who sees the number sees them.


def memory_stored(
    values: Any, calibration: Calibration, axes: str | None = None, kind: Kind = "image", name: str = ""
) -> Stored:
    """Make a `Stored` of a numpy array of 1 to 5 axes; without `axes` they are the last of (t, c, z, y, x)."""
    array = np.asarray(values)
    if not 1 <= array.ndim <= 5 or (axes is not None and len(axes) != array.ndim):
        raise BadRequest(
            f"an array of {array.ndim} axes{f' as axes={axes!r}' if axes else ''}",
            "a volume has 1 to 5 axes out of t, c, z, y, x",
        )
    if array.dtype.kind not in "buif":
        raise BadRequest(f"an array of {array.dtype}", "voxels are bool, integer or floating-point numbers")
    names, order = canonical_order(axes or AXES[-array.ndim :])
    array = array.transpose([i for i in order if i is not None])
    array = array.reshape([1 if i is None else np.shape(values)[i] for i in order])
    level = Level(MemoryArray(np.ascontiguousarray(array)), calibration)
    return Stored("", "memory", names, (level,), kind, name)
