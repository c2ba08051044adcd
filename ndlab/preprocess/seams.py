"""Seams that a stack was stitched along, found by the steps they leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.measure.blocks import part
from ndlab.preprocess.survey import expected_sides
from ndlab.volume import Volume

__all__ = ["Seams", "find_seams", "plane_of"]

Array = np.ndarray[Any, Any]
Seams = Volume | Array | Literal["none"] | None
_RUN = 64
"""Pixels along a line whose mean step is looked at: tissue averages out, a seam stays."""
_SECTIONS = 12
_LEAST = 32
"""No tile is narrower [pixels]."""
_ROWS = 1 << 24


def find_seams(volume: Volume) -> Volume:
    """Find straight seams between camera tiles and return the tiles as a label `Volume` of one section.

    A seam is a line along which grey values step, section after section, where the pixels on both sides do not lead to
    expect it. Lines across the whole section are found first, then such that end at another one, so bricks are found as
    well as a grid. Up to 12 sections are looked at, spread over the stack; seams lie alike in all.

    Parameters
    ----------
    volume : Volume
        (z, y, x), of grey values.

    Returns
    -------
    Volume
        uint16, (1, y, x): tiles are 1, 2, …; all 1 where no seam was found.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(100, 3, (4, 128, 128))
    >>> values[:, :, 70:] += np.array([20, -15, 10, 25])[:, None, None]
    >>> tiles = find_seams(Volume.from_array(values, (50, 4, 4))).read()[0]
    >>> tiles.max(), np.flatnonzero(np.diff(tiles[0].astype(int)))
    (np.uint16(2), array([69]))
    """
    view = part(volume)
    _, ny, nx = view.shape
    plane = np.zeros((ny, nx), np.uint16)
    for number, (y0, x0, y1, x1) in enumerate(_Steps.of(view).tiles(), 1):
        plane[y0:y1, x0:x1] = number
    return Volume.from_array(plane[None], view.voxel_size, kind="labels", name="tiles")


def plane_of(seams: Seams, view: Volume) -> Array:
    """Return the tile of each pixel of a section (y, x), from what a caller gave as `seams`."""
    ny, nx = view.shape[1:]
    if seams is None:
        found: Array = find_seams(view).read()[0]
        return found
    if isinstance(seams, str):
        if seams != "none":
            raise BadRequest(f"seams={seams!r}", 'seams are labels, "none", or None to have them found')
        return np.ones((ny, nx), np.uint16)
    labels = seams.read() if isinstance(seams, Volume) and seams.shape[0] == 1 else seams
    if isinstance(labels, Volume):
        sections = [labels[z].read() for z in sorted({0, labels.shape[0] // 2, labels.shape[0] - 1})]
        if any(not np.array_equal(sections[0], other) for other in sections[1:]):
            raise BadRequest(
                "seams that lie otherwise in other sections", "exposure is learnt of tiles that lie alike in all",
                "correct parts of the stack that do, or pass the labels to ndlab.preprocess.fuse_seams",
            )  # fmt: skip
        labels = sections[0]
    plane: Array = np.asarray(labels)
    plane = plane[0] if plane.ndim == 3 and len(plane) == 1 else plane
    if plane.shape != (ny, nx) or plane.dtype.kind not in "bui":
        raise BadRequest(f"seams of {plane.shape} {plane.dtype}", f"a section has {(ny, nx)} pixels (y, x)",
                         "pass one plane of tile numbers")  # fmt: skip
    return plane


@dataclass(frozen=True)
class _Steps:
    """Mean squared steps: ``across[r, x]`` from column x to the next in run r of rows, ``down[y, r]`` likewise."""

    across: Array
    down: Array
    shape: tuple[int, int]
    sections: int

    @staticmethod
    def of(view: Volume) -> _Steps:
        """Look at some sections."""
        nz, ny, nx = view.shape
        which = np.unique(np.linspace(0, nz - 1, min(nz, _SECTIONS)).round().astype(int))
        across, down = np.zeros((-(-ny // _RUN), max(0, nx - 1))), np.zeros((max(0, ny - 1), -(-nx // _RUN)))
        rows = max(1, _ROWS // nx // _RUN) * _RUN
        (z0, y0, x0), x1 = view.box.start, view.box.stop[2]
        for z in which:
            for r0 in range(0, ny, rows):
                top, bottom = max(0, r0 - 3), min(ny, r0 + rows + 4)
                pixels = view.read(Box((z0 + z, y0 + top, x0), (z0 + z + 1, y0 + bottom, x1), view.level_index))[0]
                r1 = min(ny, r0 + rows)
                steps = _step(pixels[r0 - top : r1 - top], 1)
                across[r0 // _RUN : -(-r1 // _RUN)] += _runs(steps, 0) ** 2
                last = min(r1, ny - 1)
                down[r0:last] += _runs(_step(pixels, 0)[r0 - top : last - top], 1) ** 2
        return _Steps(across / len(which), down / len(which), (ny, nx), len(which))

    def tiles(self) -> list[tuple[int, int, int, int]]:
        """(y0, x0, y1, x1) of each tile, in C order of their corners."""
        return sorted(self._split(0, 0, *self.shape))

    def _split(self, y0: int, x0: int, y1: int, x1: int) -> list[tuple[int, int, int, int]]:
        runs_y, runs_x = (
            slice(y0 // _RUN, max(y0 // _RUN + 1, y1 // _RUN)),
            slice(x0 // _RUN, max(x0 // _RUN + 1, x1 // _RUN)),
        )
        down, y = self._best(self.down[y0 + _LEAST - 1 : y1 - _LEAST, runs_x].T)
        across, x = self._best(self.across[runs_y, x0 + _LEAST - 1 : x1 - _LEAST])
        if max(down, across) <= 1:
            return [(y0, x0, y1, x1)]
        if down > across:
            cut = y0 + _LEAST + y
            return self._split(y0, x0, cut, x1) + self._split(cut, x0, y1, x1)
        cut = x0 + _LEAST + x
        return self._split(y0, x0, y1, cut) + self._split(y0, cut, y1, x1)

    def _best(self, energy: Array) -> tuple[float, int]:
        """How far the strongest line (of runs, lines) is above what chance makes of one, and which it is."""
        if energy.shape[1] < _LEAST:
            return 0.0, 0
        line = energy.mean(0)
        usual = float(np.median(line))
        # Runs of neighbouring sections show much the same tissue.
        free = max(1.0, len(energy) * self.sections / 2)
        best = int(line.argmax())
        return float(line[best]) / max(usual * (1 + 8 * np.sqrt(2 / free)), 1e-3), best


def _step(pixels: Array, axis: int) -> Array:
    """Step from each line to the next beyond what both sides lead to expect; 0 at the ends."""
    moved = np.moveaxis(pixels.astype(np.float64), axis, 1)
    found = np.zeros((moved.shape[0], moved.shape[1] - 1))
    if moved.shape[1] >= 6:
        sides = [moved[:, k : moved.shape[1] - 5 + k] for k in range(6)]
        before, after = expected_sides(sides)
        found[:, 2:-2] = after - before
    return np.moveaxis(found, 1, axis)


def _runs(steps: Array, axis: int) -> Array:
    """Means of runs along an axis."""
    at = np.arange(0, steps.shape[axis], _RUN)
    count = np.diff(np.r_[at, steps.shape[axis]])
    found: Array = np.add.reduceat(steps, at, axis=axis) / np.expand_dims(count, 1 - axis)
    return found
