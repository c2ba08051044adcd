"""One plane of a Run's output, read block by block as they are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.describe import pixels_of, si_length
from ndlab.explore.facts import calibrated
from ndlab.explore.wire import PreviewFacts
from ndlab.geometry import Box
from ndlab.volume import Volume

__all__ = ["Piece", "Preview"]

_LONGEST_SIDE = 384


@dataclass(frozen=True)
class Piece:
    """Part of the picture: its upper left corner [px], and grey (h, w) or colour (h, w, 3) values."""

    y: int
    x: int
    pixels: np.ndarray[Any, np.dtype[np.uint8]]


class Preview:
    """A plane across z of a volume that is being written, small enough for a page.

    Parameters
    ----------
    volume : Volume
        What is being written, at the level that is written.
    box : Box
        What the blocks cover together, in voxels of that level.
    z : int, optional
        Which plane, in voxels; the middle one unless said.
    """

    def __init__(self, volume: Volume, box: Box, z: int | None = None) -> None:
        axes = {"t": 0 if "t" in volume.axes else None, "c": 0 if "c" in volume.axes else None}
        self._volume = volume.isel(**{axis: at for axis, at in axes.items() if at is not None})
        self.box, self.z = box, (box.start[0] + box.stop[0]) // 2 if z is None else z
        self._step = max(1, -(-max(box.shape[1:]) // _LONGEST_SIDE))
        self._window = volume.window

    @property
    def facts(self) -> PreviewFacts:
        """Size of the picture, the shape of its pixels, and what it shows."""
        _, height, width = self.box.shape
        size = calibrated(self._volume)
        depth = f" · {si_length(self.z * size[0])}" if size else ""
        return {
            "height": -(-height // self._step),
            "width": -(-width // self._step),
            "aspect": size[1] / size[2] if size else 1.0,
            "label": f"output, z {self.z}{depth}",
        }

    def shows(self, block: Box) -> bool:
        """Whether a block reaches the plane."""
        return block.start[0] <= self.z < block.stop[0] and bool((block & self.box).size)

    def pieces(self, blocks: Sequence[Box]) -> Iterator[Piece]:
        """Read the plane where it passes through `blocks`, those that it misses left out."""
        for block in blocks:
            if self.shows(block):
                piece = self._piece(block & self.box)
                if piece.pixels.size:
                    yield piece

    def _piece(self, block: Box) -> Piece:
        _, top, left = self.box.start
        # Every step-th voxel of the whole plane, whichever block it lies in.
        y, x = (-(-(a - b) // self._step) for a, b in zip(block.start[1:], (top, left), strict=True))
        start = (self.z, block.start[1], block.start[2])
        plane = self._volume.read(Box(start, (self.z + 1, *block.stop[1:]), block.level)).reshape(block.shape[1:])
        dy, dx = top + y * self._step - block.start[1], left + x * self._step - block.start[2]
        thin = plane[dy :: self._step, dx :: self._step]
        return Piece(y, x, pixels_of(thin, self._volume.kind, self._levels(thin)))

    def _levels(self, plane: np.ndarray[Any, Any]) -> tuple[float, float] | None:
        """Return what is black and what is white: as the volume says, else as its first piece that is not flat."""
        if self._window is not None or self._volume.kind == "labels":
            return self._window
        known = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        low, high = (float(v) for v in np.percentile(known, (0.5, 99.5))) if known.size else (0.0, 0.0)
        if low == high:
            return low, low + 1
        margin = 0.15 * (high - low)
        self._window = (low - margin, high + margin)
        return self._window
