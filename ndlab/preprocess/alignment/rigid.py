"""Where a picture lies in another one, turned and shifted by any amount: a sweep of rotations, each correlated once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.preprocess.alignment.bands import normalized, pooled
from ndlab.preprocess.alignment.maps import Array, affine_product, rotation

__all__ = ["STANDS_OUT", "Placed", "overlap_peak", "place", "placed_by"]

_SIDE = 128  # of the pictures that are compared
_LEAST_OVERLAP = 0.15
NARROW = tuple(float(a) for a in range(-14, 15, 2))
WIDE = tuple(float(a) for a in range(-180, 180, 2))
SURE = 8.0
"""Standard deviations above what unrelated pictures give: a peak of that height is no chance among all rotations."""
STANDS_OUT = 6.0
"""Likely none either: unrelated sections reach 5.5 in a sweep all around."""


@dataclass(frozen=True)
class Placed:
    """A rigid map found by correlation."""

    matrix: Array
    score: float  # height of the peak, in standard deviations of what unrelated pictures give
    ncc: float  # correlation of the overlap there


def place(fixed: Array, moving: Array, angles: Sequence[float] | None = None) -> Placed:
    """Return the rotation and shift that take pixels of `fixed` to those of `moving`.

    Angles are swept from -14° to 14°, and all around if none of those stands out.
    """
    factor = max(1, -(-max(*fixed.shape, *moving.shape) // _SIDE))
    near, far = (normalized(pooled(one, factor), 12) for one in (fixed, moving))
    best = _sweep(near, far, NARROW if angles is None else angles)
    if angles is None and best.score < SURE:
        best = max(best, _sweep(near, far, WIDE), key=lambda one: one.score)
    grown = best.matrix.copy()
    centre = (factor - 1) / 2
    # Pixel c of the coarse picture is pixel factor * c + centre of the fine one.
    grown[:, 2] = factor * best.matrix[:, 2] + centre - best.matrix[:, :2] @ np.array([centre, centre])
    return Placed(grown, best.score, best.ncc)


def _sweep(near: Array, far: Array, angles: Sequence[float]) -> Placed:
    first = [(placed_by(near, far, angle), angle) for angle in angles]
    best, angle = max(first, key=lambda one: one[0].score)
    for step in (1.0, 0.5):
        tried = [(placed_by(near, far, a), a) for a in (angle - step, angle + step)]
        best, angle = max([(best, angle), *tried], key=lambda one: one[0].score)
    return best


def placed_by(near: Array, far: Array, angle: float) -> Placed:
    """Return the best shift after a rotation by `angle` [degrees] about the middle of `near`."""
    middle = (np.array(near.shape) - 1) / 2
    turned = rotation(angle, middle, (np.array(far.shape) - 1) / 2 - middle)
    if angle:
        from ndlab.preprocess.alignment.maps import PlaneMap
        from ndlab.preprocess.kernels.sampling import warp

        there = PlaneMap.affine(turned).locate((0, 0), near.shape, (1, 1), (0, 0))
        picture, inside = np.empty(near.shape, np.float32), np.empty(near.shape, bool)
        warp(far, np.zeros(2, np.int64), np.array(far.shape), there, 1, picture, inside)
    else:
        turned = rotation(0.0)
        picture = far
    shift, score, ncc = overlap_peak(near, picture)
    moved = np.column_stack([np.eye(2), shift])
    return Placed(affine_product(turned, moved), score, ncc)


def overlap_peak(
    near: Array, far: Array, least: float = _LEAST_OVERLAP, about: tuple[Array, float] | None = None
) -> tuple[Array, float, float]:
    """Return the shift (y, x) with ``near[p] ~ far[p + shift]``, the height of its peak and the correlation there.

    Parameters
    ----------
    near, far : array of float32
        With local mean 0 and variance 1.
    least : float
        Share of the smaller picture that has to overlap.
    about : (array (2,), float), optional
        Look only at shifts that near this one.
    """
    from scipy import fft

    size = [fft.next_fast_len(a + b - 1, real=True) for a, b in zip(near.shape, far.shape, strict=True)]
    product = np.conj(fft.rfft2(near, size)) * fft.rfft2(far, size)
    sums = fft.irfft2(product, size)
    overlaps = []
    for a, b, n in zip(near.shape, far.shape, size, strict=True):
        shift = (np.arange(n) + a - 1) % n - (a - 1)
        overlaps.append(np.clip(np.minimum(a, b - shift) - np.maximum(0, -shift), 0, None))
    area = np.outer(*overlaps).astype(np.float32)
    enough = area >= least * min(near.size, far.size)
    if about is not None:
        enough &= _within(size, near.shape, *about)
        if not enough.any():
            return about[0], 0.0, 0.0
    score = np.where(enough, sums / np.sqrt(np.maximum(area, 1)), -np.inf)
    at = np.unravel_index(int(np.argmax(score)), score.shape)
    spread = float(np.median(np.abs(score[enough]))) / 0.6745
    shift_found = [float((i + a - 1) % n - (a - 1)) for i, a, n in zip(at, near.shape, size, strict=True)]
    part = [s + _vertex(score, at, axis) for axis, s in enumerate(shift_found)]
    return np.array(part), float(score[at] / max(spread, 1e-9)), float(sums[at] / area[at])


def _within(size: Sequence[int], shape: Sequence[int], about: Array, reach: float) -> Array:
    """Which shifts of a padded correlation are within `reach` of one."""
    along = [
        np.abs((np.arange(n) + a - 1) % n - (a - 1) - at) <= reach for n, a, at in zip(size, shape, about, strict=True)
    ]
    return np.outer(*along)


def _vertex(score: Array, at: Sequence[Any], axis: int) -> float:
    """Offset of the vertex of the parabola through a peak and its neighbours along an axis."""
    line = score.take(at[1 - axis], 1 - axis)
    low, mid, high = (float(line[(at[axis] + step) % len(line)]) for step in (-1, 0, 1))
    bend = low - 2 * mid + high
    if not np.isfinite(bend) or bend >= 0:
        return 0.0
    return float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5))
