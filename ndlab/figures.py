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
    from ndlab.preprocess import Registration
    from ndlab.volume import Volume

__all__ = [
    "COLORS",
    "checkerboard",
    "energy_curve",
    "envelope_curve",
    "label_colors",
    "letter",
    "null",
    "plane",
    "scale_bar",
    "style",
    "touch_curve",
    "volume_change",
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


def checkerboard(one: Volume, other: Volume, ax: Axes, *, squares: int = 8) -> None:
    """Draw two planes of the same extent as squares of the one and the other: edges that go on lie on each other."""
    a, b = (_brightness(view.read()) for view in (one, other))
    if a.shape != b.shape or a.ndim != 2:
        raise BadRequest(f"a checkerboard of {one.shape} and {other.shape}", "it takes two planes of one extent",
                         "cut both alike, e.g. found.apply(moving)[25] and fixed[25]")  # fmt: skip
    side = max(1, max(a.shape) // squares)
    rows, columns = np.indices(a.shape) // side
    size = [one.voxel_size["zyx".index(axis)] for axis in one.axes if axis in "zyx"]
    extent = (0, a.shape[1] * size[1], a.shape[0] * size[0], 0)
    ax.imshow(np.where((rows + columns) % 2, a, b), cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    ax.set_axis_off()


def _brightness(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    low, high = np.percentile(values, (0.5, 99.5))
    shown: np.ndarray[Any, Any] = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return shown


def volume_change(found: Registration, ax: Axes, *, z: int | None = None) -> None:
    """Draw how much larger each place of a section is in the moving volume: blue shrinks, red grows, factors of two."""
    whole = found.jacobian()
    values = whole[whole.shape[0] // 2 if z is None else z].read()
    height, width = (n * v for n, v in zip(values.shape, whole.voxel_size[1:], strict=True))
    drawn = ax.imshow(np.log2(np.maximum(values, 1e-3)), cmap="RdBu_r", vmin=-1, vmax=1, extent=(0, width, height, 0))
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["½", "1", "2"])
    ax.set_axis_off()


def energy_curve(found: Registration, ax: Axes) -> None:
    """Draw what each step of each level gained, level after level, with the voxel size of each."""
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
