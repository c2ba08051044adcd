"""What pre-processing did: colours corrected, sections aligned, volumes registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ndlab.describe import si_length
from ndlab.figures.panels import keep, picture
from ndlab.figures.style import COLORS, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ndlab.preprocess import Alignment, Registration
    from ndlab.preprocess.quality import CorrectionReport

__all__ = ["correction", "energy_curve", "pair_likeness", "volume_change"]


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


def volume_change(found: Registration, ax: Axes | None = None, *, z: int | None = None) -> Axes:
    """Draw how much larger each place of a section is in the moving volume: blue shrinks, red grows, factors of two."""
    ax = axes_for(ax)
    whole = found.jacobian()
    values = whole[whole.shape[0] // 2 if z is None else z].read()
    height, width = (n * v for n, v in zip(values.shape, whole.voxel_size[1:], strict=True))
    drawn = ax.imshow(np.log2(np.maximum(values, 1e-3)), cmap="RdBu_r", vmin=-1, vmax=1, extent=(0, width, height, 0))
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["½", "1", "2"])
    ax.set_axis_off()
    picture(ax)
    return ax


def energy_curve(found: Registration, ax: Axes | None = None) -> Axes:
    """Draw what each step of each level gained, level after level, with the voxel size of each."""
    ax = axes_for(ax)
    start = 0
    hues = [COLORS[name] for name in ("sky", "blue", "green", "orange", "red", "purple")]
    for level, hue in zip(found.found.get("energy", []), hues * 3, strict=False):
        measure = level["measure"]
        gained = np.array([step[measure] - step["roughness"] for step in level["steps"]])
        steps = np.arange(start, start + len(gained))
        mean = float(np.exp(np.mean(np.log([v for v, n in zip(level["voxel"], level["shape"], strict=True) if n > 1]))))
        ax.plot(steps, gained - gained[:1], color=hue, lw=1.3, label=f"{si_length(mean)}, {measure}")
        start += len(gained)
    ax.set(xlabel="step", ylabel="gained since the level began")
    ax.legend(fontsize=6.5)
    return ax


def pair_likeness(found: Alignment, ax: Axes | None = None) -> Axes:
    """Draw how alike each pair of sections is once matched, by what became of it; what to look at is red."""
    ax = axes_for(ax)
    table = found.quality()
    look = {"good": ("blue", "o"), "unlike": ("grey", "."), "bad": ("red", "X"), "blank": ("orange", "s")}
    for state, (color, marker) in look.items():
        rows = table[table["state"] == state]
        if len(rows):
            middle, apart = (rows["a"] + rows["b"]) / 2, rows["b"] - rows["a"]
            ax.scatter(middle, rows["after"], 10 + 14 / apart, COLORS[color], marker=marker, label=state, linewidths=0)
    near = table[(table["b"] - table["a"] == 1) & (table["state"] == "good")]
    ax.plot((near["a"] + near["b"]) / 2, near["before"], color=COLORS["sky"], lw=0.8, label="neighbours, before")
    ax.set(xlabel="section, between the two", ylabel="correlation of parts, median")
    ax.legend(fontsize=6.5, ncols=len(look) + 1, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return keep(ax, table[["a", "b", "state", "before", "after"]])
