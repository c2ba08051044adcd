"""Square tiles of planes: side by side they are the plane's picture.

Columns and rows count tiles from dataset coordinate 0, in x and y. In xz and yz, rows count from the first slice, in
pixels of the plane in true proportions. What a tile shows beyond the data is 0, and a tile beside it does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ndlab import render
from ndlab.errors import OutOfBounds
from ndlab.geometry import Box
from ndlab.serve.cutouts import Limits, keep, level_for, read_box, title
from ndlab.serve.grammar import Tile
from ndlab.serve.planes import grey, mixed, only, pixels, third
from ndlab.serve.source import Channel
from ndlab.serve.space import AXES, Level, check_time

__all__ = ["tile"]

Voxels = np.ndarray[Any, Any]
Index = np.ndarray[Any, np.dtype[np.int64]]


def tile(channels: Sequence[Channel | None], asked: Tile, limits: Limits) -> Voxels:
    """Return the pixels of a tile: grey, or RGBA for ids and for channels in false colours."""
    if asked.mode == "mcfc":
        share = Limits(limits.nbytes // len(channels), limits.pixels)
        planes = [None if one is None else grey(one, _square(one, asked, share)) for one in channels]
        return mixed(planes, asked.colors)
    return _square(only(channels, "a tile"), asked, limits)


def _square(channel: Channel, asked: Tile, limits: Limits) -> Voxels:
    level = level_for(channel, asked.level)
    indices = _indices(channel, level, asked)
    time = asked.t or 0
    box = Box([int(one[0]) for one in indices], [int(one[-1]) + 1 for one in indices], level.stored)
    times = check_time(channel.volume, (time, time + 1), title(channel))
    values = keep(channel, read_box(channel, level, box, times, limits)[0], asked.filter)
    shown = _picked(values, indices, box, asked)
    drawn = pixels(shown, channel, None, time)
    out = np.zeros((asked.size, asked.size, *drawn.shape[2:]), np.uint8)
    row, column = (_margin(level, asked, axis) for axis in _rows_columns(asked))
    out[row : row + drawn.shape[0], column : column + drawn.shape[1]] = drawn
    return out


def _picked(values: Voxels, indices: list[Index], box: Box, asked: Tile) -> Voxels:
    """Take the voxel of every pixel, and project along the third axis if there is a width."""
    axis = third(asked.plane)
    flat = render.project(values, axis, "max") if values.shape[axis] > 1 else values.squeeze(axis)
    row, column = _rows_columns(asked)
    picked: Voxels = flat[np.ix_(indices[row] - box.start[row], indices[column] - box.start[column])]
    return picked


def _rows_columns(asked: Tile) -> tuple[int, int]:
    """Axes of the rows and columns, as numbers in (z, y, x)."""
    row, column = (axis for axis in range(3) if axis != third(asked.plane))
    return row, column


def _indices(channel: Channel, level: Level, asked: Tile) -> list[Index]:
    """Voxels of the level that the tile shows, in order, along (z, y, x)."""
    slots = (asked.z, asked.y, asked.x)
    found = []
    for axis, slot in enumerate(slots):
        first, n = level.offset[axis], level.shape[axis]
        if axis == third(asked.plane):
            width = asked.width if asked.mode == "maxproj" else 0
            low, high = max(slot - width, first), min(slot + width + 1, first + n)
            index = _between(low - first, high - first) if first <= slot < first + n else _between(0, 0)
        elif axis == 0:
            index = _down(level, asked, slot)
        else:
            low, high = max(slot * asked.size, first), min((slot + 1) * asked.size, first + n)
            index = _between(low - first, high - first)
        if not index.size:
            raise OutOfBounds(f"tile {AXES[axis]} = {slot} of {title(channel)} was asked for",
                              f"{level.extent}; tiles have {asked.size} pixels",
                              "ask for a tile that holds a voxel")  # fmt: skip
        found.append(index)
    return found


def _between(low: int, high: int) -> Index:
    # A tile far outside has numbers that no array holds.
    return np.arange(low, high, dtype=np.int64) if low < high else np.empty(0, np.int64)


def _down(level: Level, asked: Tile, slot: int) -> Index:
    """Slices of the rows of a tile: those of the whole plane in true proportions, from the tile's first row on."""
    across = level.voxel_size[_rows_columns(asked)[1]]
    n = level.shape[0]
    height = max(1, int(n * level.voxel_size[0] / across + 0.5))
    rows = _between(max(0, slot * asked.size), min((slot + 1) * asked.size, height))
    index: Index = np.minimum(((rows + 0.5) * n / height).astype(np.int64), n - 1)
    return index


def _margin(level: Level, asked: Tile, axis: int) -> int:
    """Pixels of the tile before the data begin."""
    if axis == 0:
        return 0
    slot = asked.y if axis == 1 else asked.x
    return max(0, level.offset[axis] - slot * asked.size)
