"""What is kept of every section to learn its exposure: cells, and the grey values on both sides of every seam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Box, Grid
from ndlab.measure.blocks import Bound, How, watched
from ndlab.pipeline import Run, Step, Tiling
from ndlab.preprocess.layout import REACH, Layout, cell_counts, cell_sums
from ndlab.volume import Volume

__all__ = ["Survey", "expected_sides", "survey"]

Array = np.ndarray[Any, Any]
_BESIDE = (-12, 12)
"""Lines beside a seam [pixels] that tell how large a step of tissue alone is."""
_ROWS = 1 << 25
"""Pixels of a section that are looked at together."""

# The step to be expected between two pixels, from the steps before and after: fitted to electron micrographs, where it
# explains half of the variance; its error does not depend on the grey values of either side.
_NEAR, _FAR = 0.6, -0.26


@dataclass(frozen=True)
class Survey:
    """Statistics of a stack; all arrays have one row a section.

    Attributes
    ----------
    mean, variance : ndarray
        (z, cells y, cells x) float32, of the pixels of each cell.
    low, high : ndarray
        (z, runs) float32: what is expected where the two sides of a seam meet, seen from either side.
    beside : ndarray
        (z, runs, lines) float32: the difference of the two on lines beside the seam, where no seam is.
    """

    mean: Array
    variance: Array
    low: Array
    high: Array
    beside: Array

    def plus(self, other: Survey) -> Survey:
        """Join two, one above the other."""
        return Survey(*(np.concatenate([a, b]) for a, b in zip(self.parts, other.parts, strict=True)))

    @property
    def parts(self) -> tuple[Array, ...]:
        """All arrays in order."""
        return self.mean, self.variance, self.low, self.high, self.beside


def survey(view: Volume, layout: Layout, how: How) -> Survey:
    """Look at every section once; the result does not depend on how sections are shared out."""
    sections = max(1, min(view.shape[0], _ROWS // max(1, view.shape[1] * view.shape[2])))
    step = Step("correct: survey", Bound(_sections, {"view": view, "layout": layout}), {}, {}, identity="survey")
    tiling = Tiling(view.box, Grid(view.box.stop, (sections, view.box.stop[1], view.box.stop[2])).block)
    with watched(how.progress) as callback:
        run = Run(step, tiling, workers=how.workers, client=how.client, progress=callback)
        return Survey(*run.reduce(_joined))


def _joined(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
    return Survey(*a).plus(Survey(*b)).parts


def _sections(block: Box, view: Volume, layout: Layout) -> tuple[Array, ...]:
    found = [_section(view, z, layout) for z in range(block.start[0], block.stop[0])]
    return tuple(np.stack(column) for column in zip(*found, strict=True))


def _section(view: Volume, z: int, layout: Layout) -> tuple[Array, ...]:
    seams, runs = layout.seams, len(layout.seams["low"])
    means, variances = [], []
    low, high = np.zeros(runs), np.zeros(runs)
    beside = np.zeros((runs, len(_BESIDE)))
    for r0, r1, top, pixels in _strips(view, z, layout):
        inner = pixels[r0 - top : r1 - top]
        count = cell_counts(inner.shape, layout.cell)
        mean = cell_sums(inner, layout.cell) / count
        means.append(mean)
        variances.append(np.maximum(cell_sums(inner * inner, layout.cell) / count - mean * mean, 0))
        here = (seams["y"] >= r0) & (seams["y"] < r1)
        axis, y, x, run = (seams[name][here] for name in ("axis", "y", "x", "run"))
        a, b = _sides(pixels, axis, y - top, x)
        low += np.bincount(run, a, runs)
        high += np.bincount(run, b, runs)
        for k, shift in enumerate(_BESIDE):
            a, b = _sides(pixels, axis, y - top + shift * (axis == 0), x + shift * (axis == 1))
            beside[:, k] += np.bincount(run, b - a, runs)
    n = np.maximum(seams["count"], 1)
    parts = np.concatenate(means), np.concatenate(variances), low / n, high / n, beside / n[:, None]
    return tuple(part.astype(np.float32) for part in parts)


def _strips(view: Volume, z: int, layout: Layout) -> Iterator[tuple[int, int, int, Array]]:
    """Rows r0 to r1 of a section at a time, whole cells of them, with rows around them from `top` on."""
    ny, nx = layout.shape
    rows = max(1, _ROWS // max(1, nx) // layout.cell) * layout.cell
    more = REACH + max(_BESIDE)
    (_, y0, x0), (_, _, x1) = view.box.start, view.box.stop
    for r0 in range(0, ny, rows):
        r1 = min(ny, r0 + rows)
        top, bottom = max(0, r0 - more), min(ny, r1 + more)
        pixels = view.read(Box((z, y0 + top, x0), (z + 1, y0 + bottom, x1), view.level_index))[0]
        yield r0, r1, top, pixels.astype(np.float64)


def _sides(pixels: Array, axis: Array, y: Array, x: Array) -> tuple[Array, Array]:
    """Values expected at the middle of pixel pairs, seen from the first pixel's side and from the second's."""

    def at(k: int) -> Array:
        ys, xs = y + k * (axis == 0), x + k * (axis == 1)
        found: Array = pixels[np.clip(ys, 0, pixels.shape[0] - 1), np.clip(xs, 0, pixels.shape[1] - 1)]
        return found

    return expected_sides([at(k) for k in range(-2, 4)])


def expected_sides(lines: list[Array]) -> tuple[Array, Array]:
    """Values expected between the third and fourth of six lines of pixels, from the first three and from the others."""
    a, b, c, d, e, f = lines
    return c + _NEAR * (c - b) + _FAR * (b - a), d - _NEAR * (e - d) - _FAR * (f - e)
