"""Camera tiles matched where they overlap, and put together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.measure.table import Table
from ndlab.preprocess.written import as_type
from ndlab.volume import Volume

__all__ = ["MatchedTiles", "Placement", "match_tiles", "read_placements"]

Array = np.ndarray[Any, Any]
_CELL = 16
_ORDER = 3
_PAIR = np.dtype([("one", "i8"), ("other", "i8"), ("pixels", "i8"), ("before", "f8"), ("after", "f8")])
_TURNS = 8
_INSIDE, _MEAN = 0.9, 30.0
"""Weights against that of a cell of an overlap: of a cell inside a tile, where tissue varies; of an overlap's mean."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a tile lies: pixel ``(y, x)`` of it is at ``matrix @ (y, x) + shift`` in the mosaic [pixels]."""

    matrix: Array
    shift: Array

    def there(self, points: Array) -> Array:
        """Points of the tile (n, 2) in the mosaic."""
        found: Array = points @ self.matrix.T + self.shift
        return found

    def here(self, points: Array) -> Array:
        """Points of the mosaic (n, 2) in the tile."""
        found: Array = np.linalg.solve(self.matrix, (points - self.shift).T).T
        return found


def read_placements(path: str | os.PathLike[str], *, scale: float = 1.0) -> dict[str, Placement]:
    """Read the affine placements of tiles from a JSON file of the Render service, by tile id.

    Parameters
    ----------
    path : str or path
        A list of tile specifications with ``mpicbg.trakem2.transform.AffineModel2D`` transforms.
    scale : float
        Pixels of the specification for one of the tiles at hand: 2 for tiles at half size. Also that of the mosaic.
    """
    found = {}
    for tile in json.loads(Path(path).read_text()):
        matrix, shift = np.eye(2), np.zeros(2)
        for one in tile["transforms"]["specList"]:
            if not one["className"].endswith("AffineModel2D"):
                raise BadRequest(
                    f"a transform {one['className']} of tile {tile['tileId']}", "only affine ones are read"
                )
            m00, m10, m01, m11, m02, m12 = (float(n) for n in one["dataString"].split())
            step = np.array([[m11, m10], [m01, m00]])
            matrix, shift = step @ matrix, step @ shift + np.array([m12, m02])
        found[tile["tileId"]] = Placement(matrix, shift / scale)
    return found


@dataclass(frozen=True, eq=False)
class MatchedTiles:
    """Tiles of one brightness.

    Attributes
    ----------
    tiles : list of ndarray
        (y, x), of the type they came in.
    fields : list of ndarray
        (y, x) float32: how bright each tile saw each pixel, around 1.
    overlaps : Table
        For each pair that overlaps: pixels, and the difference of mean grey values there before and after.
    placements : list of Placement
    good : list of ndarray
        (y, x) bool: pixels that count.
    """

    tiles: list[Array]
    fields: list[Array]
    overlaps: Table
    placements: list[Placement] = field(repr=False)
    good: list[Array] = field(repr=False)

    def mosaic(self, voxel_size: Sequence[float]) -> tuple[Volume, Volume]:
        """Put the tiles together: the image and, of the same extent, which tile (1, 2, …) each pixel is of; 0 is none.

        Each pixel is of the tile whose border, or next pixel that does not count, is farthest away, interpolated
        linearly. `fuse_seams` of both takes away what steps are left.
        """
        corners = [p.there(_corners(t.shape)) for p, t in zip(self.placements, self.tiles, strict=True)]
        low = np.floor(np.concatenate(corners).min(0))
        ny, nx = (np.ceil(np.concatenate(corners).max(0)) - low).astype(int) + 1
        image, labels = np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.uint16)
        depths = [_depth(one) for one in self.good]
        for y0 in range(0, ny, 256):
            points = np.stack(np.meshgrid(np.arange(y0, min(ny, y0 + 256)), np.arange(nx), indexing="ij"), -1)
            best = np.full(points.shape[:2], -1.0)
            for number, (tile, place, depth) in enumerate(zip(self.tiles, self.placements, depths, strict=True), 1):
                at = place.here(points.reshape(-1, 2) + low).reshape(points.shape)
                whole = ((at >= 0) & (at <= np.array(tile.shape) - 1)).all(-1)
                inner = np.full(whole.shape, -1.0)
                inner[whole] = _interpolated(depth, at[whole])
                win = (inner >= 1) & (inner > best)
                best[win] = inner[win]
                labels[y0 : y0 + 256][win] = number
                image[y0 : y0 + 256][win] = _interpolated(tile, at[win])
        picture = as_type(image, self.tiles[0].dtype)[None]
        return (
            Volume.from_array(picture, voxel_size, name="mosaic"),
            Volume.from_array(labels[None], voxel_size, kind="labels", name="tiles"),
        )


def match_tiles(
    tiles: Sequence[Array], placements: Sequence[Placement], masks: Sequence[Array] | None = None
) -> MatchedTiles:
    """Give overlapping camera tiles one brightness: gain and vignetting of each, found from their overlaps and shading.

    A tile's brightness is a smooth field, a polynomial of third order in the logarithm. Two tiles that overlap saw the
    same tissue, which fixes the fields against each other; inside a tile, where nothing else saw it, the field follows
    what varies over the whole tile. Differences are weighted so that a fold or dirt in one tile does not count.

    Parameters
    ----------
    tiles : sequence of ndarray
        (y, x) grey values, above 0 where there is tissue.
    placements : sequence of Placement
        Where each lies; see `read_placements`.
    masks : sequence of ndarray, optional
        (y, x), at its largest where the tile's pixel counts. Pixels of value 0 never count.

    Examples
    --------
    >>> scene = np.random.default_rng(0).normal(120, 10, (96, 150))
    >>> places = [Placement(np.eye(2), np.array([0.0, x])) for x in (0, 50)]
    >>> found = match_tiles([scene[:, :100], 0.8 * scene[:, 50:]], places)
    >>> abs(found.overlaps["before"][0]) > 20, abs(found.overlaps["after"][0]) < 0.5
    (np.True_, np.True_)
    """
    if len(tiles) != len(placements) or not len(tiles):
        raise BadRequest(f"{len(tiles)} tiles with {len(placements)} placements", "each tile has one")
    seen = [np.asarray(tile, np.float32) for tile in tiles]
    good = [tile > 0 if masks is None else (tile > 0) & (masks[k] >= np.max(masks[k])) for k, tile in enumerate(seen)]
    scene = _Scene(seen, [_solid(one) for one in good], placements)
    system = _System(len(seen))
    for one in range(len(seen)):
        system.inside(one, *_cells(seen[one], good[one]))
        for other in range(one + 1, len(seen)):
            points = scene.shared(one, other)
            if len(points):
                mine, theirs = placements[one].here(points), placements[other].here(points)
                values = (_mean_at(seen[one], mine), _mean_at(seen[other], theirs))
                system.overlap(one, other, seen, mine, theirs, values)
    fields = [_field(tile.shape, c) for tile, c in zip(seen, system.solve(), strict=True)]
    made = [as_type(tile / light, np.asarray(original).dtype)
            for tile, light, original in zip(seen, fields, tiles, strict=True)]  # fmt: skip
    rows = [(*pair, n, scene.difference(seen, pair), scene.difference(made, pair)) for pair, n in system.pairs.items()]
    units = {"before": "grey", "after": "grey"}
    return MatchedTiles(made, fields, Table(np.array(rows, _PAIR), units), list(placements), good)


class _System:
    """Equations for the polynomial coefficients of all tiles."""

    def __init__(self, count: int) -> None:
        self.count, self.terms = count, len(_terms(np.zeros((1, 2)), (2, 2))[0])
        self.rows: list[tuple[Array, Array, float]] = []
        self.pairs: dict[tuple[int, int], int] = {}

    def inside(self, tile: int, points: Array, logs: Array, shape: tuple[int, int]) -> None:
        """Within one tile the field follows what varies over all of it."""
        terms = _terms(points, shape)
        design = np.zeros((len(points), self.count * self.terms))
        design[:, tile * self.terms : (tile + 1) * self.terms] = terms
        # Of the level of a tile, which may be darker than another for its tissue, overlaps know better.
        design -= design.mean(0)
        self.rows.append((design, logs - logs.mean(), _INSIDE))

    def overlap(
        self, one: int, other: int, tiles: Sequence[Array], mine: Array, theirs: Array, values: tuple[Array, Array]
    ) -> None:
        """Two tiles saw the same."""
        fine = (values[0] > 1) & (values[1] > 1)
        design = np.zeros((int(fine.sum()), self.count * self.terms))
        design[:, one * self.terms : (one + 1) * self.terms] = _terms(mine[fine], tiles[one].shape)
        design[:, other * self.terms : (other + 1) * self.terms] = -_terms(theirs[fine], tiles[other].shape)
        self.rows.append((design, np.log(values[0][fine]) - np.log(values[1][fine]), 1.0))
        self.pairs[one, other] = int(fine.sum()) * _CELL**2

    def solve(self) -> Array:
        """(tiles, terms): by least squares, what is far off weighted down; the mean level of all tiles stays."""
        level = np.zeros((1, self.count * self.terms))
        level[0, :: self.terms] = 100.0
        ridge = 1e-3 * np.eye(self.count * self.terms)
        found = np.zeros(self.count * self.terms)
        for turn in range(_TURNS):
            designs, wanted = [level, ridge], [np.zeros(1), np.zeros(len(ridge))]
            for design, target, weight in self.rows:
                if not len(target):
                    continue
                off = target - design @ found
                scale = max(1.4826 * float(np.median(np.abs(off))), 1e-4)
                each = weight / scale / np.sqrt(1 + (off / (2.5 * scale)) ** 2 * (turn > 0))
                designs.append(design * each[:, None])
                wanted.append(target * each)
                if weight == 1.0:
                    # Of a pair the mean has to fit, however few cells it shares.
                    share = each / each.sum() * _MEAN / scale
                    designs.append((share @ design)[None])
                    wanted.append(np.array([share @ target]))
            found = np.linalg.lstsq(np.concatenate(designs), np.concatenate(wanted), rcond=None)[0]
        return found.reshape(self.count, self.terms)


def _terms(points: Array, shape: tuple[int, ...]) -> Array:
    """Legendre polynomials of points over a tile, (n, terms); the first is 1."""
    from numpy.polynomial.legendre import legvander

    y, x = (legvander(2 * (points[:, a] + 0.5) / shape[a] - 1, _ORDER) for a in range(2))
    return np.stack([y[:, i] * x[:, j] for i in range(_ORDER + 1) for j in range(_ORDER + 1 - i)], 1)


def _field(shape: tuple[int, ...], coefficients: Array) -> Array:
    rows = [
        np.exp(_terms(np.stack([np.full(shape[1], y), np.arange(shape[1])], 1), shape) @ coefficients)
        for y in range(shape[0])
    ]
    return np.array(rows, np.float32)


def _corners(shape: tuple[int, ...]) -> Array:
    y, x = shape[0] - 1, shape[1] - 1
    return np.array([[0, 0], [0, x], [y, 0], [y, x]], float)


def _depth(good: Array) -> Array:
    """Distance of each pixel from the next that does not count [pixels]."""
    from scipy.ndimage import distance_transform_cdt

    found: Array = distance_transform_cdt(np.pad(good, 1), metric="chessboard")[1:-1, 1:-1].astype(np.float32)
    return found


def _solid(good: Array) -> Array:
    """Where all pixels of a cell around count."""
    from scipy.ndimage import minimum_filter

    found: Array = minimum_filter(good, _CELL + 2, mode="constant", cval=False)
    return found


def _cells(tile: Array, good: Array) -> tuple[Array, Array, tuple[int, int]]:
    """Middles of the cells of a tile, the logarithms of their means, and the tile's shape."""
    ny, nx = (n // _CELL for n in tile.shape)
    mean, whole = (a[: ny * _CELL, : nx * _CELL].reshape(ny, _CELL, nx, _CELL).mean((1, 3)) for a in (tile, good))
    points = (np.stack(np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij"), -1) + 0.5) * _CELL
    fine = (mean > 1) & (whole == 1)
    return points[fine], np.log(mean[fine]), (tile.shape[0], tile.shape[1])


@dataclass(frozen=True, eq=False)
class _Scene:
    """Tiles where they lie."""

    tiles: list[Array]
    solid: list[Array]
    placements: Sequence[Placement]

    def shared(self, one: int, other: int) -> Array:
        """Middles of cells in the mosaic that both tiles saw whole."""
        boxes = [self.placements[k].there(_corners(self.tiles[k].shape)) for k in (one, other)]
        low, high = np.maximum(*(b.min(0) for b in boxes)), np.minimum(*(b.max(0) for b in boxes))
        if (high - low < _CELL).any():
            return np.zeros((0, 2))
        along = (np.arange(a + _CELL / 2, b, _CELL) for a, b in zip(low, high, strict=True))
        grid = np.stack(np.meshgrid(*along, indexing="ij"), -1).reshape(-1, 2)
        for k in (one, other):
            at = np.rint(self.placements[k].here(grid)).astype(int)
            inside = ((at >= 0) & (at < self.tiles[k].shape)).all(1)
            grid, at = grid[inside], at[inside]
            grid = grid[self.solid[k][at[:, 0], at[:, 1]]]
        return grid

    def difference(self, tiles: Sequence[Array], pair: tuple[int, int]) -> float:
        """Mean difference of two tiles where they overlap."""
        points = self.shared(*pair)
        one, other = (_mean_at(tiles[k], self.placements[k].here(points)) for k in pair)
        return float((one - other).mean())


def _mean_at(tile: Array, points: Array) -> Array:
    """Mean of a cell around each point."""
    offsets = np.arange(_CELL) - (_CELL - 1) / 2
    around = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), -1).reshape(-1, 2)
    found: Array = _interpolated(tile, (points[:, None] + around).reshape(-1, 2)).reshape(len(points), -1).mean(1)
    return found


def _interpolated(tile: Array, points: Array) -> Array:
    from scipy.ndimage import map_coordinates

    found: Array = map_coordinates(tile.astype(np.float32), points.T, order=1, mode="nearest")
    return found
