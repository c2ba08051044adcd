"""What two tiles show in common: which of them may overlap, by how much, and where parts of the overlap lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ndlab.geometry import Box
from ndlab.preprocess.alignment.bands import Array, normalized, pooled
from ndlab.preprocess.alignment.flow import Level, Picture, ladder, look, refine, spacing_of
from ndlab.preprocess.alignment.maps import PlaneMap
from ndlab.preprocess.alignment.matching import CHANCE
from ndlab.preprocess.alignment.rigid import STANDS_OUT, overlap_peak, place
from ndlab.preprocess.alignment.tiles import Tile

__all__ = ["TileMatch", "match_tiles", "neighbours", "read_tile_matches", "weight_down"]

_SLACK = 0.15
"""How far the stage may be wrong, as a share of a tile."""
_SIDE = 256  # of the pictures in which the overlap is looked for
_LEAST = 0.03
_STIFFER = 300.0  # tiles of a section are bent by the lens alone
_COARSER = 4
"""Between sections pixels are judged four by four: what is left of the noise of single ones there is no likeness."""
_NOTHING = {"points": np.empty((0, 2)), "targets": np.empty((0, 2)), "trust": np.empty(0), "ncc": 0.0}
_AGREE = 1.0
"""Pixels that parts of two sections may well be apart beside one affine map."""
_FEWEST = 8
"""Points of an overlap from which its noise can be told: an affine map takes up three."""
_LEAST_WEIGHT = 1e-3
_LEAST_SIDE = 24  # pixels that an overlap has to be wide


@dataclass(frozen=True)
class TileMatch:
    """Where parts of tile `a` lie in tile `b` [pixels]."""

    a: int
    b: int
    same: bool
    points: Array
    targets: Array
    trust: Array
    ncc: float


def neighbours(tiles: Sequence[Tile]) -> list[tuple[int, int]]:
    """Return the pairs of tiles that may overlap: of one section, or of one and the next."""
    found = []
    order = {z: i for i, z in enumerate(sorted({one.section for one in tiles}))}
    shapes: dict[int, tuple[int, ...]] = {}
    for i, one in enumerate(tiles):
        for j, other in enumerate(tiles):
            step = order[other.section] - order[one.section]
            if not (step == 1 or (step == 0 and i < j)):
                continue
            if one.at is not None and other.at is not None:
                shape = shapes.setdefault(i, one.shape)
                gap = [abs(a - b) / n for a, b, n in zip(one.at, other.at, shape, strict=True)]
                # Down the stack neighbours of neighbours add little: half a tile in common is asked for.
                most = 1.0 if step == 0 else 0.5
                if max(gap) >= most or (1 - gap[0]) * (1 - gap[1]) < _LEAST:
                    continue
            found.append((i, j))
    return found


def match_tiles(block: Box, tiles: Sequence[Tile], pairs: Sequence[tuple[int, int]]) -> dict[str, Any] | None:
    """Match the pair whose number is the block's z."""
    if not pairs:
        return None
    a, b = pairs[block.start[0]]
    one, other = tiles[a], tiles[b]
    near, far = one.pixels(), other.pixels()
    same = one.section == other.section
    # Sections lie turned to each other, and further off than a stage is ever wrong.
    if same:
        matrix, score = _shifted(one, other, near, far)
        found = _matched(near, far, matrix, _STIFFER, 1) if score >= STANDS_OUT else _NOTHING
        return {"a": a, "b": b, "same": True, **found}
    placed = place(near, far)
    found = _matched(near, far, placed.matrix, 100.0, _COARSER) if placed.score >= STANDS_OUT else _NOTHING
    return {"a": a, "b": b, "same": False, **found}


def _shifted(one: Tile, other: Tile, near: Array, far: Array) -> tuple[Array, float]:
    """Return the shift that fits best, near where the stage has it, and by how much it stands out."""
    factor = max(1, -(-max(*near.shape, *far.shape) // _SIDE))
    small = [normalized(pooled(picture, factor), 12) for picture in (near, far)]
    about = None
    if one.at is not None and other.at is not None:
        about = (np.subtract(one.at, other.at) / factor, _SLACK * max(near.shape) / factor)
    shift, score, _ = overlap_peak(small[0], small[1], _LEAST, about)
    return np.column_stack([np.eye(2), shift * factor]), score


def _matched(near: Array, far: Array, matrix: Array, stiffer: float, finest: int) -> dict[str, Any]:
    """Match the part of one tile that the other covers, and judge it in pixels pooled by `finest`."""
    shift = matrix[:, 2]
    low = np.maximum(0, np.floor(-shift)).astype(int)
    high = np.minimum(near.shape, np.ceil(np.array(far.shape) - shift)).astype(int)
    if matrix[0, 1] != 0:  # turned: all of it
        low, high = np.zeros(2, int), np.array(near.shape)
    if (high - low).min() < _LEAST_SIDE:
        return _NOTHING
    part = Picture(np.ascontiguousarray(near[low[0] : high[0], low[1] : high[1]]))
    moved = np.column_stack([matrix[:, :2], matrix[:, :2] @ low + shift])
    # Narrow strips have nodes enough across, each with a window that is mostly filled.
    start = PlaneMap.over(moved, (0, 0), part.pixels.shape, spacing_of(part.pixels.shape, 3))
    levels = [
        replace(one, stiffness=one.stiffness * stiffer)
        for one in ladder(part.pixels.shape)
        if one.factor >= finest // 2
    ]
    found = refine(part, Picture(far), start, levels)
    seen = look(part, Picture(far), found, Level(finest, 16, 0.0, 1))
    places = found.places
    used = ((places >= 0) & (places <= np.array(part.pixels.shape) - 1)).all(-1) & (seen.share > 0.5)
    if not used.any():
        return _NOTHING
    chance = CHANCE if finest == 1 else 3 * CHANCE  # fewer pixels agree by chance more easily
    trust = (np.maximum(seen.ncc[used] - chance, 0) / (1 - chance)) ** 2 * seen.share[used]
    points, targets, ncc = places[used] + low, found(places[used]), float(np.median(seen.ncc[used]))
    kept = _of_one_affine(points, targets, trust) if finest > 1 else trust > 0
    return {"points": points[kept], "targets": targets[kept], "trust": trust[kept], "ncc": ncc}


def _of_one_affine(points: Array, targets: Array, trust: Array) -> Array:
    """Which matches agree with the affine map that most agree with; parts with little to see wander off."""
    ones = np.column_stack([points, np.ones(len(points))])
    soft, far = trust + 1e-9, np.zeros(len(points))
    for slack in (16.0, 8.0, 4.0, *(_AGREE,) * 6):
        root = np.sqrt(soft)[:, None]
        far = np.linalg.norm(ones @ np.linalg.lstsq(ones * root, targets * root, rcond=None)[0] - targets, axis=1)
        soft = (trust + 1e-9) / (1 + (far / slack) ** 2) ** 2
    found: Array = (far < 3 * _AGREE) & (trust > 0)
    return found


def weight_down(matches: Sequence[TileMatch]) -> float:
    """Return what an overlap of two sections weighs against one in plane: the ratio of their variances, at most 1.

    An overlap's noise is how far its points are from the affine map that fits them best, whatever the other overlaps
    say: so it does not depend on the placement that is sought.
    """
    spread = {
        same: [_own_noise(one) for one in matches if one.same is same and len(one.points) >= _FEWEST]
        for same in (True, False)
    }
    if not spread[True] or not spread[False]:
        return 1.0
    plane, down = (float(np.median(spread[same])) for same in (True, False))
    return float(np.clip((plane / max(down, 1e-9)) ** 2, _LEAST_WEIGHT, 1.0))


def _own_noise(match: TileMatch) -> float:
    """Root mean square distance of points from the affine map of their own, weighed by trust [pixels]."""
    ones, share = np.column_stack([match.points, np.ones(len(match.points))]), match.trust + 1e-9
    root = np.sqrt(share)[:, None]
    fitted = ones @ np.linalg.lstsq(ones * root, match.targets * root, rcond=None)[0]
    return float(np.sqrt((share @ ((fitted - match.targets) ** 2).sum(1)) / share.sum()))


def read_tile_matches(results: Iterable[Any]) -> list[TileMatch]:
    """Return what `match_tiles` found, in order of the pairs."""
    found = [TileMatch(**one) for one in results if one is not None]
    return sorted(found, key=lambda one: (one.a, one.b))
