"""Axes of a volume put in another order and turned round: 48 ways, all without loss."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import Box, Calibration
from ndlab.measure.blocks import How, part
from ndlab.metadata import Kind
from ndlab.pipeline.progress import ProgressCallback
from ndlab.preprocess.written import write
from ndlab.store.arrays import Level, Stored
from ndlab.volume import Volume

__all__ = ["ORIENTATIONS", "inverse_orientation", "reorient"]

Array = np.ndarray[Any, Any]
ORIENTATIONS: tuple[str, ...] = tuple(
    "".join(sign + axis for sign, axis in zip(signs, axes, strict=True))
    for axes in permutations("zyx")
    for signs in product(("", "-"), repeat=3)
)
"""All 48: the input's axis along each of the output's (z, y, x), with a minus sign where it runs backwards."""


def reorient(
    volume: Volume,
    orientation: str,
    *,
    out: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Put the axes of a volume in another order or direction and return a `Volume`; no voxel changes.

    Without `out` it is a view: nothing is read before it is asked for. Voxel sizes go with their axes, and so does
    the corner; an axis that is turned round keeps its lower corner, so `inverse_orientation` brings everything back.

    Parameters
    ----------
    volume : Volume
        (z, y, x), of grey values or labels.
    orientation : str
        One of `ORIENTATIONS`: the axis of `volume` along each axis of the result, ``"-"`` before one that is turned
        round. ``"x-yz"`` has x first, y backwards and z last.
    out, overwrite, workers, client, progress
        As for `correct`.

    Examples
    --------
    >>> vol = Volume.from_array(np.arange(24).reshape(2, 3, 4), voxel_size=(40, 8, 4))
    >>> turned = reorient(vol, "x-yz")
    >>> turned.shape, turned.voxel_size, int(turned.read()[0, 0, 0])
    ((4, 3, 2), (4.0, 8.0, 40.0), 8)
    >>> bool((reorient(turned, inverse_orientation("x-yz")).read() == vol.read()).all())
    True
    """
    order, back = _parsed(orientation)
    view = part(volume)
    array = _Turned(view, order, back)
    size, offset = view.voxel_size, view.offset
    calibration = Calibration([size[i] for i in order], [offset[i] for i in order])
    kind: Kind = "labels" if view.kind == "labels" else "image"
    lazy = Volume(Stored("", "reoriented", ("z", "y", "x"), (Level(array, calibration),), kind, view.name))
    if out is None:
        return lazy
    how = How(workers, client, progress).near(view)
    return write("reorient", _same, lazy, {"orientation": orientation}, out, how, overwrite=overwrite, kind=kind)


def inverse_orientation(orientation: str) -> str:
    """Return the orientation that brings back what `reorient` did.

    Examples
    --------
    >>> inverse_orientation("x-zy")
    '-yxz'
    """
    order, back = _parsed(orientation)
    place = [order.index(i) for i in range(3)]
    return "".join(("-" if back[k] else "") + "zyx"[k] for k in place)


def _parsed(orientation: str) -> tuple[list[int], list[bool]]:
    if orientation not in ORIENTATIONS:
        raise BadRequest(f"orientation={orientation!r}", 'it names the axes z, y and x once each, e.g. "zyx" or "x-yz"',
                         "see ndlab.preprocess.ORIENTATIONS")  # fmt: skip
    found = re.findall(r"(-?)([zyx])", orientation)
    return ["zyx".index(axis) for _, axis in found], [sign == "-" for sign, _ in found]


def _same(values: Array, orientation: str) -> Array:
    return values


@dataclass(frozen=True)
class _Turned:
    """An array that reads another one, turned."""

    view: Volume
    order: list[int]
    back: list[bool]

    codec = "reoriented"
    shards: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.view.shape[i] for i in self.order)

    @property
    def chunks(self) -> tuple[int, ...]:
        chunks = self.view.chunks[-3:]
        return tuple(min(chunks[i], self.view.shape[i]) for i in self.order)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.view.dtype

    def read(self, start: Any, stop: Any, out: Array | None = None) -> Array:
        """Voxels of a box."""
        low, high = [0, 0, 0], [0, 0, 0]
        for axis, turned, a, b in zip(self.order, self.back, start, stop, strict=True):
            n = self.view.shape[axis]
            low[axis], high[axis] = (n - b, n - a) if turned else (a, b)
        box = Box(low, high, self.view.level_index).shift(self.view.box.start)
        found = self.view.read(box).transpose(self.order)
        found = found[tuple(slice(None, None, -1) if turned else slice(None) for turned in self.back)]
        if out is None:
            return np.ascontiguousarray(found)
        out[...] = found
        return out

    def write(self, start: Any, values: Array) -> None:
        """Refuse: it is a view."""
        raise ReadOnly("a reoriented view was to be written", "it only reads", "write to the volume it is a view of")
