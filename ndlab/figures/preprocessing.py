"""What a correction did to a stack: sections and planes before and after, section means, and the measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ndlab.figures.panels import picture
from ndlab.figures.style import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ndlab.preprocess.quality import CorrectionReport

__all__ = ["correction"]


def correction(found: CorrectionReport, figure: Figure) -> None:
    """Draw what a correction did: a section and both planes along z before and after, section means, and the measures.

    Parameters
    ----------
    found : CorrectionReport
        What `ndlab.preprocess.report` returned.
    figure : Figure
        An empty one, about 7 x 5 inches.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from ndlab.preprocess import report
    >>> from ndlab.samples import toy
    >>> image = toy().volume("image")
    >>> figure = Figure(figsize=(7, 5))
    >>> correction(report(image, image, seams="none"), figure)
    >>> len(figure.axes)
    8
    """
    z, y, x = found.voxel_size
    grid = figure.add_gridspec(3, 3, width_ratios=(1, 1, 1.1), height_ratios=(2, 1, 1))
    rows = (("xy", found.xy, y / x), ("xz", found.xz, z / x), ("yz", found.yz, z / y))
    for row, (name, pair, aspect) in enumerate(rows):
        low, high = np.percentile(np.concatenate([plane.ravel() for plane in pair]), (0.5, 99.5))
        for column, (title, plane) in enumerate(zip(("before", "after"), pair, strict=True)):
            ax = figure.add_subplot(grid[row, column])
            ax.imshow(plane, cmap="gray", vmin=low, vmax=high, aspect=aspect if name == "xy" else "auto")
            ax.set(xticks=[], yticks=[], title=title if row == 0 else None)
            ax.set_ylabel(name if column == 0 else "")
            picture(ax)
    means = figure.add_subplot(grid[0, 2])
    for values, color, label in zip(found.means, (COLORS["red"], COLORS["blue"]), ("before", "after"), strict=True):
        means.plot(values, color=color, lw=1, label=label)
    means.set(xlabel="section", ylabel="mean [grey]")
    means.legend(frameon=False)
    text = figure.add_subplot(grid[1:, 2])
    text.axis("off")
    lines = [f"{row['what']}\n    {row['before']:.4g} → {row['after']:.4g}" for row in found.table]
    text.text(0, 1, "\n".join(lines), va="top", transform=text.transAxes)
