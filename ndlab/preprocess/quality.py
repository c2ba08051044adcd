"""What a correction did, in numbers and in the pictures that show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.measure.blocks import part
from ndlab.measure.table import Table
from ndlab.preprocess.layout import Layout
from ndlab.preprocess.seams import Seams, plane_of
from ndlab.preprocess.survey import expected_sides
from ndlab.volume import Volume

__all__ = ["CorrectionReport", "report"]

Array = np.ndarray[Any, Any]
_ROWS = np.dtype([("what", "U40"), ("before", "f8"), ("after", "f8")])
_SIDE = 1024


@dataclass(frozen=True, eq=False)
class CorrectionReport:
    """A stack before and after; ``ndlab.figures.correction`` draws it.

    Attributes
    ----------
    table : Table
        Measures, before and after.
    means : (ndarray, ndarray)
        Mean of every section.
    xy, xz, yz : (ndarray, ndarray)
        Planes through the middle.
    voxel_size : (float, float, float)
        (z, y, x) [nm].
    """

    table: Table
    means: tuple[Array, Array]
    xy: tuple[Array, Array]
    xz: tuple[Array, Array]
    yz: tuple[Array, Array]
    voxel_size: tuple[float, float, float]
    seams: Array = field(repr=False)

    def __repr__(self) -> str:
        return f"CorrectionReport\n{self.table}"

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def report(before: Volume, after: Volume, seams: Seams = None) -> CorrectionReport:
    """Compare a stack before and after a correction: a `CorrectionReport`.

    Parameters
    ----------
    before, after : Volume
        (z, y, x), of one extent.
    seams : Volume, ndarray, "none" or None
        As for `correct`; found in `before` unless given.

    Returns
    -------
    CorrectionReport
        Its table has: the deviation of section means and their mean jump from one section to the next; the mean step
        across seams beyond what either side leads to expect, per section and seam [grey]; the gradient energy within
        tiles, as a ratio to before, and how gradients correlate with those before.

    Raises
    ------
    BadRequest
        If the extents differ.

    Examples
    --------
    >>> stack = Volume.from_array(np.random.default_rng(0).integers(90, 110, (4, 64, 64), "u1"), (50, 4, 4))
    >>> found = report(stack, stack, seams="none")
    >>> float(found.table["after"][found.table["what"] == "gradient correlation"][0])
    1.0
    """
    one, other = part(before), part(after)
    if one.shape != other.shape:
        raise BadRequest(f"{one.shape} voxels before and {other.shape} after", "both have to cover the same voxels")
    plane = plane_of(seams, one)
    layout = Layout.of(plane, 16)
    found = _Sums.of(one, other, layout)
    energy = found.products[0, 0], found.products[1, 1]
    rows = [
        ("section means, deviation", *(m.std() for m in found.means)),
        ("section means, jump", *(np.abs(np.diff(m)).mean() if len(m) > 1 else 0.0 for m in found.means)),
        ("seam step", *found.steps),
        ("gradient energy, ratio", 1.0, energy[1] / max(energy[0], 1e-12)),
        ("gradient correlation", 1.0, found.products[0, 1] / max(np.sqrt(energy[0] * energy[1]), 1e-12)),
    ]
    middle = [n // 2 for n in one.shape]
    size = one.voxel_size

    def planes(z: Any, y: Any, x: Any) -> tuple[Array, Array]:
        first, second = (volume[z, y, x].read() for volume in (one, other))
        return first, second

    every = slice(None)
    ys, xs = (
        slice(max(0, m - _SIDE // 2), min(n, m + _SIDE // 2)) for m, n in zip(middle[1:], one.shape[1:], strict=True)
    )
    return CorrectionReport(
        Table(np.array(rows, _ROWS)), found.means, planes(middle[0], ys, xs), planes(every, middle[1], xs),
        planes(every, ys, middle[2]), (size[0], size[1], size[2]), layout.seams["low"],
    )  # fmt: skip


@dataclass(frozen=True)
class _Sums:
    means: tuple[Array, Array]
    steps: tuple[float, float]
    products: Array

    @staticmethod
    def of(one: Volume, other: Volume, layout: Layout) -> _Sums:
        """Go through both, section by section."""
        means: tuple[list[float], list[float]] = ([], [])
        steps = np.zeros(2)
        products = np.zeros((2, 2))
        inside = [np.diff(layout.plane, axis=axis) == 0 for axis in (0, 1)]
        for z in range(one.shape[0]):
            pair = [volume[z].read().astype(np.float64) for volume in (one, other)]
            for kept, section in zip(means, pair, strict=True):
                kept.append(float(section.mean()))
            steps += [_seam_step(section, layout) for section in pair]
            for axis, whole in enumerate(inside):
                slope = np.stack([np.diff(section, axis=axis)[whole] for section in pair])
                products += slope @ slope.T
        n = max(1, one.shape[0])
        return _Sums((np.array(means[0]), np.array(means[1])), (steps[0] / n, steps[1] / n), products)


def _seam_step(section: Array, layout: Layout) -> float:
    """Mean over seams of how far one side is above what the other leads to expect."""
    seams = layout.seams
    if not len(seams["low"]):
        return 0.0
    axis, y, x = seams["axis"], seams["y"], seams["x"]
    lines = [
        section[
            np.clip(y + k * (axis == 0), 0, section.shape[0] - 1), np.clip(x + k * (axis == 1), 0, section.shape[1] - 1)
        ]
        for k in range(-2, 4)
    ]
    before, after = expected_sides(lines)
    sign = np.where(seams["low"] < seams["high"], 1.0, -1.0)[seams["run"]]
    low, high = (f(seams["low"], seams["high"])[seams["run"]] for f in (np.minimum, np.maximum))
    _, seam = np.unique(low * layout.tiles + high, return_inverse=True)
    seam = seam.reshape(-1)
    return float(np.abs(np.bincount(seam, sign * (after - before)) / np.bincount(seam)).mean())
