"""Results as matplotlib figures at paper size; every function draws into the axes it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.describe import si_length
from ndlab.errors import BadRequest
from ndlab.metadata import colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ndlab.analyze.permutation import Null
    from ndlab.analyze.peters_rule import PetersRule
    from ndlab.analyze.point_patterns import Envelope
    from ndlab.preprocess import Alignment
    from ndlab.volume import Volume

__all__ = [
    "COLORS",
    "checkerboard",
    "envelope_curve",
    "label_colors",
    "letter",
    "null",
    "pair_likeness",
    "plane",
    "scale_bar",
    "style",
    "touch_curve",
]

# Okabe and Ito's palette: eight colours that colour-blind readers tell apart.
COLORS: Mapping[str, str] = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "ink": "#22272E",
    "grey": "#8A939D",
}


@contextmanager
def style() -> Iterator[None]:
    """Paper style: small sans-serif type, thin lines, no frame where none is needed.

    Examples
    --------
    >>> with style():
    ...     pass
    """
    import matplotlib as mpl

    with mpl.rc_context(
        {
            "font.family": "sans-serif",
            "font.size": 8,
            "axes.titlesize": 8.5,
            "axes.titlelocation": "left",
            "axes.labelcolor": COLORS["ink"],
            "axes.edgecolor": COLORS["grey"],
            "axes.linewidth": 0.7,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "xtick.color": COLORS["ink"],
            "ytick.color": COLORS["ink"],
            "xtick.major.width": 0.7,
            "ytick.major.width": 0.7,
            "legend.frameon": False,
            "figure.facecolor": "white",
        }
    ):
        yield


def plane(
    volume: Volume,
    ax: Axes,
    *,
    labels: Volume | None = None,
    opacity: float = 0.35,
    bar: bool = True,
) -> None:
    """Draw a view with one voxel along exactly one of z, y, x, in its true proportions.

    Parameters
    ----------
    volume : Volume
        A plane such as ``vol[25]`` or ``vol[:, 50]``, calibrated.
    ax : matplotlib Axes
    labels : Volume, optional
        Labels over the same plane, drawn as colours.
    opacity : float
        Of the labels, 0 to 1.
    bar : bool
        Whether to draw a scale bar.
    """
    kept = [a for a in volume.axes if a in "zyx"]
    if len(volume.axes) != 2 or len(kept) != 2:
        raise BadRequest(f"a picture of axes {volume.axes}", "a plane has two out of z, y, x",
                         "cut one first, e.g. vol[25] or vol.isel(c=0)[:, 50]")  # fmt: skip
    size = [volume.voxel_size["zyx".index(a)] for a in kept]
    pixels = volume.read()
    height, width = pixels.shape[0] * size[0], pixels.shape[1] * size[1]
    low, high = volume.window or np.percentile(pixels, (0.5, 99.5))
    extent = (0, width, height, 0)
    ax.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    if labels is not None:
        ax.imshow(label_colors(labels.read(), opacity), extent=extent, interpolation="nearest")
    ax.set_axis_off()
    if bar:
        scale_bar(ax, width)


def scale_bar(ax: Axes, width: float) -> None:
    """Draw a bar of a round length about a quarter of `width` [nm], in the lower right corner."""
    from matplotlib.patheffects import withStroke

    target = width / 4
    power = 10 ** np.floor(np.log10(target))
    length = power * max(n for n in (1, 2, 5) if n * power <= target)
    x1, x0 = 0.96 * width, 0.96 * width - length
    bottom, top = ax.get_ylim()
    y = bottom + 0.06 * (top - bottom)
    ax.plot([x0, x1], [y, y], color="white", linewidth=2.5, solid_capstyle="butt")
    outline = [withStroke(linewidth=1.5, foreground="black")]
    ax.text((x0 + x1) / 2, y + 0.025 * (top - bottom), si_length(length), color="white", ha="center", va="bottom",
            fontsize=7, path_effects=outline)  # fmt: skip


def label_colors(ids: np.ndarray[Any, Any], opacity: float = 1.0) -> np.ndarray[Any, Any]:
    """RGBA in 0 to 1 for label ids: the same id has the same colour everywhere, 0 is clear."""
    rgba = colors.label_colors(ids) / 255
    rgba[..., 3] *= opacity
    return rgba


def letter(axes: Iterable[Axes]) -> None:
    """Write A, B, C … at the upper left of the panels."""
    for ax, name in zip(axes, "ABCDEFGH", strict=False):
        ax.text(-0.03, 1.02, name, transform=ax.transAxes, fontsize=11, fontweight="bold", ha="right", va="bottom")


def touch_curve(found: PetersRule, ax: Axes) -> None:
    """Draw the share of connected pairs against their number of touches, and what independent touches would give."""
    table = found.curve
    reach = table["share"] - table["low"], table["high"] - table["share"]
    look: dict[str, Any] = {"fmt": "o", "ms": 3.5, "color": COLORS["blue"], "lw": 0.9, "capsize": 2}
    ax.errorbar(table["touches"], table["share"], reach, label="found", **look)
    ax.plot(table["touches"], table["independent"], color=COLORS["orange"], lw=1.2, label="if touches were independent")
    last = int(table["touches"].iloc[-1])
    ax.set_xticks(table["touches"], [*table["touches"].astype(str)[:-1], f"≥ {last}"])
    ax.set(xlabel="touches between axon and dendrite", ylabel="share with a synapse", ylim=(0, None))
    ax.legend(loc="upper left")


def null(test: Null, ax: Axes, label: str = "by chance", color: str | None = None) -> None:
    """Draw what a null model gives as a histogram, and what was observed as a line."""
    values, counts = np.unique(test.draws, return_counts=True)
    ax.bar(values, counts / counts.sum(), width=1.0, color=color or COLORS["sky"], alpha=0.7, label=label)
    ax.axvline(test.observed, color=COLORS["red"], lw=1.3)
    ax.set(xlabel=test.name, ylabel="share of draws")


def envelope_curve(found: Envelope, ax: Axes, unit: str = "µm", name: str = "g(r)") -> None:
    """Draw a curve in the range that the model's curves stay in."""
    label = f"model, {found.level:.0%}"
    ax.fill_between(found.r, found.low, found.high, color=COLORS["grey"], alpha=0.25, lw=0, label=label)
    ax.plot(found.r, found.mean, color=COLORS["grey"], lw=0.8)
    ax.plot(found.r, found.observed, color=COLORS["blue"], lw=1.3, label="found")
    ax.set(xlabel=f"r [{unit}]", ylabel=name)
    ax.legend()


def pair_likeness(found: Alignment, ax: Axes) -> None:
    """Draw how alike each pair of sections is once matched, by what became of it; what to look at is red."""
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


def checkerboard(first: Volume, second: Volume, ax: Axes, squares: int = 8) -> None:
    """Draw two planes of the same space in alternating squares, where lines that go on show that they agree."""
    one, other = first.read().squeeze(), second.read().squeeze()
    if one.ndim != 2 or one.shape != other.shape:
        raise BadRequest(f"a checkerboard of {one.shape} and {other.shape}", "it takes two planes of one shape",
                         "cut one plane of each, e.g. vol[25] and vol[26]")  # fmt: skip
    side = max(1, max(one.shape) // squares)
    odd = np.add.outer(np.arange(one.shape[0]) // side, np.arange(one.shape[1]) // side) % 2 == 1
    ax.imshow(np.where(odd, other, one), cmap="gray", interpolation="nearest")
    ax.set_axis_off()
