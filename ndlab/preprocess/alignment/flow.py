"""The map from one section to another, refined from coarse to fine by the slope of their local correlation.

The moving picture is drawn as the fixed one sees it before local means and variances are taken, so what the result
depends on does not change with the map it starts from, nor with a deformation that was put upon the moving picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ndlab.preprocess.alignment.bands import Array, normalized, pooled
from ndlab.preprocess.alignment.maps import PlaneMap

__all__ = ["SPACING", "Level", "Picture", "Sight", "ladder", "look", "refine", "spacing_of"]

SPACING = 32
"""Pixels between the nodes of the grid; less in pictures that are less than eight of them across."""

_SMALLEST = 48  # pixels along a picture's side at the coarsest step
_FINEST = ((1, 16, 2e-5), (2, 10, 5e-4), (4, 8, 5e-3), (8, 6, 1e-2))  # factor, reach, stiffness
_WINDOW = 0.6
_ROUNDS = 4


@dataclass(frozen=True)
class Level:
    """One step from coarse to fine."""

    factor: int  # pixels of the section, along a side, that make one here
    reach: int  # of local mean and variance [its pixels]
    stiffness: float
    rounds: int
    window: float = _WINDOW  # standard deviation of the window that must agree [grid spacings]


@dataclass(frozen=True)
class Picture:
    """A section, float32, and which of its pixels exist (None: all)."""

    pixels: Array
    exists: Array | None = None

    @staticmethod
    def of(pixels: Array) -> Picture:
        """Take areas of nothing but 0, and values that are no numbers, for missing."""
        from scipy import ndimage

        image = np.ascontiguousarray(pixels, np.float32)
        lit = np.isfinite(image) & (image != 0)
        if lit.mean() > 0.995:
            return Picture(np.where(lit, image, 0))
        # Single dark pixels are pictures too: missing is where a square of 9 has nothing.
        lit = ndimage.binary_closing(np.pad(lit, 9), np.ones((9, 9), bool))[9:-9, 9:-9]
        return Picture(np.where(np.isfinite(image), image, 0).astype(np.float32), lit)

    def pooled(self, factor: int) -> Picture:
        """Return the picture at a coarser step."""
        there = None if self.exists is None else pooled(self.exists, factor) > 0.99
        return Picture(pooled(self.pixels, factor), there)

    @property
    def blank(self) -> bool:
        """Whether there is nothing to see."""
        seen = self.pixels if self.exists is None else self.pixels[self.exists]
        if seen.size < 0.02 * self.pixels.size:
            return True
        low, high = np.percentile(seen[:: max(1, seen.size // 100_000)], (1, 99))
        return bool(high - low <= 1e-6 * max(abs(float(low)), abs(float(high)), 1e-30))


@dataclass(frozen=True)
class Sight:
    """How well two pictures agree around each node of a grid."""

    pull: Array  # (ny, nx, 2)
    firm: Array  # (ny, nx, 3)
    ncc: Array  # (ny, nx)
    share: Array  # (ny, nx), of the window that both pictures cover


def spacing_of(shape: Sequence[int], across: int = 8) -> int:
    """Return the pixels between nodes for a picture: `across` along its shorter side, but 8 to 32.

    Examples
    --------
    >>> spacing_of((2048, 1024)), spacing_of((96, 120))
    (32, 12)
    """
    return min(SPACING, max(8, min(shape) // across))


def ladder(shape: Sequence[int]) -> list[Level]:
    """Return the steps for pictures of `shape`, coarsest first."""
    steps = list(_FINEST)
    while min(shape) // (2 * steps[-1][0]) >= _SMALLEST:
        factor, reach, stiffness = steps[-1]
        steps.append((2 * factor, reach, 2 * stiffness))
    used = [one for one in steps if min(shape) // one[0] >= _SMALLEST or one[0] == 1]
    return [Level(*one, _ROUNDS) for one in reversed(used)]


def refine(fixed: Picture, moving: Picture, start: PlaneMap, levels: Sequence[Level]) -> PlaneMap:
    """Return the map that takes pixels of `fixed` to those of `moving`."""
    found = start
    for level in levels:
        near, far = fixed.pooled(level.factor), moving.pooled(level.factor)
        still = normalized(near.pixels, level.reach, near.exists)
        for _ in range(level.rounds):
            found = _pulled(found, _sight(near, still, far, found, level), level)
    return found


def look(fixed: Picture, moving: Picture, found: PlaneMap, level: Level) -> Sight:
    """Say how well the pictures agree under a map."""
    near, far = fixed.pooled(level.factor), moving.pooled(level.factor)
    return _sight(near, normalized(near.pixels, level.reach, near.exists), far, found, level)


def _pulled(found: PlaneMap, seen: Sight, level: Level) -> PlaneMap:
    """Move the nodes to where the correlation grows, as far as it can be trusted, and no further than about a pixel."""
    from ndlab.preprocess.kernels.relaxing import relax

    trust = np.maximum(seen.ncc, 0.0) ** 2 * seen.share
    # Noise adds to the structure tensors, not to the pull: what is common to both is the correlation's share.
    firm = seen.firm * (trust * np.maximum(seen.ncc, 0.1))[..., None]
    turn = found.matrix[:, :2]
    change = relax(firm, seen.pull * (trust * level.factor)[..., None], found.nodes @ np.linalg.inv(turn).T,
                   level.stiffness, 1e-3, 60)  # fmt: skip
    limit = 0.75 * level.factor
    change *= np.minimum(1.0, limit / np.maximum(np.linalg.norm(change, axis=-1), 1e-9))[..., None]
    return found.moved(found.nodes + change @ turn.T)


def _sight(near: Picture, still: Array, far: Picture, found: PlaneMap, level: Level) -> Sight:
    picture, inside = _drawn(far, found, level.factor, near.pixels.shape)
    if near.exists is not None:
        inside &= near.exists
    seen = normalized(picture, level.reach, None if inside.all() else inside)
    return _summed(still, seen, inside, found, level)


def _drawn(moving: Picture, found: PlaneMap, factor: int, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the moving picture, pooled by `factor`, as the fixed one sees it, and where it exists."""
    from ndlab.preprocess.kernels.sampling import warp

    centre = (factor - 1) / 2  # pixel c of a pooled picture is pixel factor * c + centre
    there = (found.locate((0, 0), shape, (factor, factor), (centre, centre)) - centre) / factor
    picture, inside = np.empty(shape, np.float32), np.empty(shape, bool)
    size, corner = np.array(moving.pixels.shape), np.zeros(2, np.int64)
    warp(moving.pixels, corner, size, there, 3, picture, inside)
    if moving.exists is not None:
        exists, within = np.empty(shape, np.float32), np.empty(shape, bool)
        warp(moving.exists.astype(np.float32), corner, size, there, 1, exists, within)
        inside &= exists > 0.99
    return picture, inside


def _summed(fixed: Array, moved: Array, inside: Array, grid: PlaneMap, level: Level) -> Sight:
    """Sum up, around the nodes of `grid`, how two normalized pictures agree and where the moved one should go."""
    from scipy import ndimage

    from ndlab.preprocess.kernels.correlating import SUMS, pull_sums

    factor = level.factor
    cell = max(1, round(grid.spacing / factor / 2))
    sums = np.zeros((-(-fixed.shape[0] // cell), -(-fixed.shape[1] // cell), SUMS))
    pull_sums(fixed, moved, inside, cell, sums)
    sigma = level.window * grid.spacing / factor / cell
    smooth = ndimage.gaussian_filter(sums, (sigma, sigma, 0), mode="constant", truncate=3.0)
    # Nodes stand at multiples of the spacing in pixels of the section, cells at multiples of theirs in pooled pixels.
    places = ((grid.places - (factor - 1) / 2) / factor - (cell - 1) / 2) / cell
    at = np.moveaxis(np.clip(places, 0, np.array(sums.shape[:2]) - 1), -1, 0)
    values = np.stack([ndimage.map_coordinates(smooth[..., c], at, order=1) for c in range(SUMS)], -1)
    values[((places < -1) | (places > np.array(sums.shape[:2]))).any(-1)] = 0
    means = values[..., :-1] / np.maximum(values[..., -1:], 1e-6)
    ncc = means[..., 7] / np.sqrt(np.maximum(means[..., 5] * means[..., 6], 1e-12))
    return Sight(means[..., :2], means[..., 2:5], ncc, np.clip(values[..., -1] / cell**2, 0, 1))
