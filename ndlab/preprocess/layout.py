"""How the camera's tiles lie in a section: which pixel is whose, where tiles meet, how far a pixel is from a centre."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["REACH", "Layout"]

Array = np.ndarray[Any, Any]
REACH = 3
"""Pixels on either side of a seam that say what was to be expected across it."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Tiles of every section of a stack.

    Attributes
    ----------
    plane : ndarray
        (y, x) int32: number of the tile, 0, 1, …, that a pixel is of.
    cell : int
        Side of the squares of pixels that statistics are kept of.
    """

    plane: Array
    cell: int
    ids: tuple[int, ...] = field(default=())

    @staticmethod
    def of(labels: Array, cell: int) -> Layout:
        """Make one of a plane of labels (y, x); every label is a tile."""
        ids, plane = np.unique(labels, return_inverse=True)
        return Layout(plane.reshape(labels.shape).astype(np.int32), cell, tuple(int(i) for i in ids))

    @property
    def shape(self) -> tuple[int, int]:
        """Extent (y, x) in pixels."""
        y, x = self.plane.shape
        return y, x

    @property
    def tiles(self) -> int:
        """How many there are."""
        return len(self.ids)

    @property
    def cells(self) -> tuple[int, int]:
        """How many cells (y, x); the last may be cut."""
        y, x = self.shape
        return -(-y // self.cell), -(-x // self.cell)

    @cached_property
    def boxes(self) -> Array:
        """(tiles, 4): y0, x0, y1, x1 of each tile."""
        from scipy.ndimage import find_objects

        found = find_objects(self.plane + 1)
        return np.array([[a.start, b.start, a.stop, b.stop] for a, b in found], dtype=float)

    @cached_property
    def frames(self) -> Array:
        """(tiles, 3) float32: centre (y, x) of each tile and its squared half diagonal [pixels²]."""
        y0, x0, y1, x1 = self.boxes.T
        half = ((y1 - y0) ** 2 + (x1 - x0) ** 2) / 4
        return np.stack([(y0 + y1) / 2, (x0 + x1) / 2, half], 1).astype(np.float32)

    def radius2(self, y: Array, x: Array, tile: Array) -> Array:
        """Squared distance of points [pixels] from the centre of their tile; 1 in its corners."""
        cy, cx, half = self.frames.T.astype(float)
        found: Array = ((y - cy[tile]) ** 2 + (x - cx[tile]) ** 2) / half[tile]
        return found

    @cached_property
    def shares(self) -> Array:
        """(tiles, cells y, cells x): which part of each cell is of which tile."""
        return np.stack([averaged(self.plane == t, self.cell) for t in range(self.tiles)])

    @cached_property
    def cell_radius2(self) -> Array:
        """(cells y, cells x): mean of `radius2` over each cell."""
        return strips_mean(self.plane, self.cell, lambda y, x, tile: self.radius2(y + 0.5, x + 0.5, tile))

    @cached_property
    def seams(self) -> dict[str, Array]:
        """Runs of pixel pairs across seams, not longer than a cell.

        ``axis``, ``y``, ``x`` say where each pair's first pixel is, and along which axis the second one follows;
        ``run`` which run it is of; ``low`` and ``high`` of each run are the tiles on both sides, ``ry`` and ``rx`` its
        middle, ``across`` its axis. Pairs near which a third tile begins are left out.
        """
        return _seams(self.plane, self.cell)


def averaged(plane: Array, cell: int) -> Array:
    """Mean of each cell, cut ones included."""
    return cell_sums(plane.astype(np.float64), cell) / cell_counts(plane.shape, cell)


def cell_sums(plane: Array, cell: int) -> Array:
    """Sum over each cell."""
    ys, xs = (np.arange(0, n, cell) for n in plane.shape)
    found: Array = np.add.reduceat(np.add.reduceat(plane, ys, axis=0), xs, axis=1)
    return found


def cell_counts(shape: tuple[int, ...], cell: int) -> Array:
    """Pixels in each cell."""
    sides = [np.diff(np.r_[np.arange(0, n, cell), n]) for n in shape]
    found: Array = np.multiply.outer(*sides).astype(np.float64)
    return found


def strips_mean(plane: Array, cell: int, of: Any) -> Array:
    """Mean of ``of(y, x, tile)`` over each cell, a few rows of cells at a time."""
    rows, xs = [], np.arange(plane.shape[1], dtype=float)[None]
    for y0 in range(0, plane.shape[0], cell):
        piece = plane[y0 : y0 + cell]
        rows.append(averaged(of(np.arange(y0, y0 + len(piece), dtype=float)[:, None], xs, piece), cell))
    return np.concatenate(rows)


def _seams(plane: Array, cell: int) -> dict[str, Array]:
    parts = [_pairs(plane, 0), _pairs(plane, 1)]
    axis, y, x, low, high = (np.concatenate(column) for column in zip(*parts, strict=True))
    key = np.stack([axis, low, high, np.where(axis == 1, y, x) // cell, np.where(axis == 1, x, y)], 1)
    unique, run = np.unique(key, axis=0, return_inverse=True)
    run = run.reshape(-1)
    count = np.bincount(run, minlength=len(unique))
    middle = [np.bincount(run, at + 0.5 + (axis == a) * 0.5, len(unique)) / np.maximum(count, 1)
              for a, at in ((0, y), (1, x))]  # fmt: skip
    return {"axis": axis, "y": y, "x": x, "run": run, "low": unique[:, 1], "high": unique[:, 2], "count": count,
            "across": unique[:, 0], "ry": middle[0], "rx": middle[1]}  # fmt: skip


def _pairs(plane: Array, axis: int) -> tuple[Array, ...]:
    """Pixel pairs along one axis whose tiles differ, with `REACH` pixels of the same tile on either side."""
    moved = np.moveaxis(plane, axis, 1)
    a, b = np.nonzero(moved[:, :-1] != moved[:, 1:])
    inside = (b >= REACH - 1) & (b + REACH < moved.shape[1])
    a, b = a[inside], b[inside]
    pure = np.ones(len(a), bool)
    for k in range(1, REACH):
        pure &= (moved[a, b - k] == moved[a, b]) & (moved[a, b + 1 + k] == moved[a, b + 1])
    a, b = a[pure], b[pure]
    y, x = (b, a) if axis == 0 else (a, b)
    return np.full(len(y), axis), y, x, moved[a, b].astype(int), moved[a, b + 1].astype(int)
