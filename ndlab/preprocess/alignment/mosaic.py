"""Tiles drawn where a montage has them, any rectangle by itself: only the tiles that reach into it are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ndlab.geometry import Box, Calibration
from ndlab.pipeline import describe, fingerprint
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.maps import PlaneMap, affine_inverse
from ndlab.preprocess.alignment.rendering import as_type
from ndlab.preprocess.alignment.tiles import Tile
from ndlab.volume import Volume

__all__ = ["Mosaic", "blended", "corners_of"]


def corners_of(tile: Tile, matrix: Array) -> Array:
    """(4, 2): the common plane's places of the centres of a tile's corner pixels."""
    height, width = tile.shape
    square = np.array([(y, x) for y in (0, height - 1) for x in (0, width - 1)], float)
    found: Array = square @ matrix[:, :2].T + matrix[:, 2]
    return found


def blended(
    tiles: Sequence[Tile], matrices: Mapping[str, Array], start: Sequence[int], shape: tuple[int, int]
) -> Array:
    """Return a rectangle (y, x) of the common plane, float32: tiles faded into each other, 0 where there is none.

    Every pixel follows from its place alone, so that rectangles of any size agree to the last bit.
    """
    from ndlab.preprocess.kernels.sampling import warp

    total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    first = np.asarray(start, float)
    for tile in tiles:
        matrix = matrices[tile.name]
        corners = corners_of(tile, matrix)
        if (corners.max(0) < first - 1).any() or (corners.min(0) > first + shape).any():
            continue
        image = tile.pixels()
        there = PlaneMap.affine(affine_inverse(matrix)).locate(start, shape, (1, 1), (0, 0))
        value, inside = np.empty(shape, np.float32), np.empty(shape, bool)
        warp(image, np.zeros(2, np.int64), np.array(image.shape), there, 3, value, inside)
        fade = np.minimum(*(np.minimum(there[..., i] + 1, image.shape[i] - there[..., i]) for i in range(2)))
        fade = np.where(inside, np.maximum(fade, 1e-3), 0).astype(np.float32)
        total += fade * value
        weight += fade
    return total / np.maximum(weight, 1e-9)


@dataclass(frozen=True)
class Mosaic:
    """What `rendering` draws: the sections of a montage, from the corner of its plane on."""

    tiles: tuple[Tile, ...]
    matrices: Mapping[str, Array]
    corner: tuple[int, int]
    first: int
    shape: tuple[int, int, int]
    calibration: Calibration
    dtype: np.dtype[Any]
    step = "place tiles: draw"
    kind: ClassVar[Literal["image", "labels"]] = "image"
    name = "montage"

    @property
    def sources(self) -> dict[str, Volume]:
        """Volumes that tiles are planes of."""
        return {tile.name: tile.source for tile in self.tiles if isinstance(tile.source, Volume)}

    @property
    def identity(self) -> str:
        """Digest of all that decides the voxels."""
        maps = {name: describe(matrix) for name, matrix in self.matrices.items()}
        place = (self.corner, self.first, self.shape, self.calibration.voxel_size, str(self.dtype))
        return fingerprint([[describe(tile) for tile in self.tiles], maps, place])

    def block(self, box: Box) -> Array:
        """Return the voxels of a box of the drawn volume."""
        out = np.zeros(box.shape, self.dtype)
        _, height, width = box.shape
        start = box.start[1] + self.corner[0], box.start[2] + self.corner[1]
        for i, z in enumerate(range(box.start[0], box.stop[0])):
            own = [tile for tile in self.tiles if tile.section == self.first + z]
            if own:
                out[i] = as_type(blended(own, self.matrices, start, (height, width)), self.dtype)
        return out
