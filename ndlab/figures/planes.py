"""Planes of volumes as pictures: true proportions, a scale bar, labels as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.describe import si_length
from ndlab.errors import BadRequest
from ndlab.figures.panels import picture
from ndlab.figures.style import axes_for
from ndlab.metadata import colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ndlab.volume import Volume

__all__ = ["checkerboard", "label_colors", "plane", "plot", "scale_bar"]


def plot(
    volume: Volume,
    ax: Axes | None = None,
    *,
    labels: Volume | None = None,
    opacity: float = 0.35,
    bar: bool = True,
) -> Axes:
    """Draw a plane of a volume with axes in nm, as ``vol[25].plot()`` does; return the axes.

    Parameters
    ----------
    volume : Volume
        With one voxel along exactly one of z, y, x: ``vol[25]``, ``vol[:, 50]``. One of labels is drawn in colours.
    ax : matplotlib Axes, optional
        A new small figure unless given.
    labels : Volume, optional
        Labels over the same plane, drawn as colours.
    opacity : float
        Of the labels, 0 to 1.
    bar : bool
        Whether to draw a scale bar.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from ndlab.samples.toy import toy
    >>> ax = plot(toy().volume("image")[2], Figure().subplots(), labels=toy().volume("labels")[2])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('x [nm]', 'y [nm]')
    """
    ax = axes_for(ax)
    kept = _plane_axes(volume)
    corner = [volume.offset["zyx".index(a)] for a in kept]
    _draw(volume, ax, labels, opacity, bar, corner)
    ax.set(xlabel=f"{kept[1]} [nm]", ylabel=f"{kept[0]} [nm]")
    ax.tick_params(labelsize=7)
    return ax


def plane(
    volume: Volume,
    ax: Axes | None = None,
    *,
    labels: Volume | None = None,
    opacity: float = 0.35,
    bar: bool = True,
) -> Axes:
    """Draw a view with one voxel along exactly one of z, y, x, in its true proportions and without axes.

    Parameters
    ----------
    volume : Volume
        A plane such as ``vol[25]`` or ``vol[:, 50]``, calibrated.
    ax : matplotlib Axes, optional
        A new small figure unless given.
    labels : Volume, optional
        Labels over the same plane, drawn as colours.
    opacity : float
        Of the labels, 0 to 1.
    bar : bool
        Whether to draw a scale bar.
    """
    ax = axes_for(ax)
    _draw(volume, ax, labels, opacity, bar, (0.0, 0.0))
    ax.set_axis_off()
    return ax


def checkerboard(one: Volume, other: Volume, ax: Axes | None = None, *, squares: int = 8) -> Axes:
    """Draw two planes of one extent as squares of the one and the other: edges that go on lie on each other.

    Parameters
    ----------
    one, other : Volume
        Planes, calibrated; each is drawn from its own darkest to its own brightest grey.
    ax : matplotlib Axes, optional
        A new small figure unless given.
    squares : int
        Along the longer side.

    Raises
    ------
    BadRequest
        If they are no planes of one extent.
    """
    kept = _plane_axes(one)
    a, b = (_brightness(view.read()) for view in (one, other))
    if a.shape != b.shape:
        raise BadRequest(f"a checkerboard of {one.shape} and {other.shape}", "it takes two planes of one extent",
                         "cut both alike, e.g. moved[25] and fixed[25]")  # fmt: skip
    ax = axes_for(ax)
    side = max(1, max(a.shape) // squares)
    rows, columns = np.indices(a.shape) // side
    height, width = (n * one.voxel_size["zyx".index(axis)] for n, axis in zip(a.shape, kept, strict=True))
    shown = np.where((rows + columns) % 2, b, a)
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0), interpolation="nearest")
    ax.set_axis_off()
    picture(ax)
    return ax


def _brightness(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    low, high = np.percentile(values, (0.5, 99.5))
    found: np.ndarray[Any, Any] = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return found


def _plane_axes(volume: Volume) -> list[str]:
    kept = [a for a in volume.axes if a in "zyx"]
    if len(volume.axes) != 2 or len(kept) != 2:
        raise BadRequest(f"a picture of axes {volume.axes}", "a plane has two out of z, y, x",
                         "cut one first, e.g. vol[25] or vol.isel(c=0)[:, 50]")  # fmt: skip
    return kept


def _draw(volume: Volume, ax: Axes, labels: Volume | None, opacity: float, bar: bool, corner: Any) -> None:
    kept = _plane_axes(volume)
    size = [volume.voxel_size["zyx".index(a)] for a in kept]
    pixels = volume.read()
    y0, x0 = corner
    height, width = pixels.shape[0] * size[0], pixels.shape[1] * size[1]
    extent = (x0, x0 + width, y0 + height, y0)
    if volume.kind == "labels":
        ax.imshow(label_colors(pixels), extent=extent, interpolation="nearest")
    else:
        low, high = volume.window or np.percentile(pixels, (0.5, 99.5))
        ax.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    if labels is not None:
        ax.imshow(label_colors(labels.read(), opacity), extent=extent, interpolation="nearest")
    picture(ax)
    if bar:
        scale_bar(ax, width, x0)


def scale_bar(ax: Axes, width: float, left: float = 0.0) -> None:
    """Draw a bar of a round length about a quarter of `width` [nm], in the lower right corner.

    Parameters
    ----------
    ax : matplotlib Axes
    width, left : float
        Of the picture [nm].
    """
    from matplotlib.patheffects import withStroke

    target = width / 4
    power = 10 ** np.floor(np.log10(target))
    length = power * max(n for n in (1, 2, 5) if n * power <= target)
    x1, x0 = left + 0.96 * width, left + 0.96 * width - length
    bottom, top = ax.get_ylim()
    y = bottom + 0.06 * (top - bottom)
    outline = [withStroke(linewidth=1.5, foreground="black")]
    # Pale bars on pale tissue need the dark rim as much as the text does.
    ax.plot([x0, x1], [y, y], color="white", linewidth=2.5, solid_capstyle="butt", gid="scale bar",
            path_effects=[withStroke(linewidth=3.5, foreground="black")])  # fmt: skip
    ax.text((x0 + x1) / 2, y + 0.025 * (top - bottom), si_length(length), color="white", ha="center", va="bottom",
            fontsize=7, path_effects=outline)  # fmt: skip


def label_colors(ids: np.ndarray[Any, Any], opacity: float = 1.0) -> np.ndarray[Any, Any]:
    """RGBA in 0 to 1 for label ids: the same id has the same colour everywhere, 0 is clear."""
    rgba = colors.label_colors(ids) / 255
    rgba[..., 3] *= opacity
    return rgba
