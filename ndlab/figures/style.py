"""How figures look: colours, type, letters of panels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ndlab.figures.panels import lettered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLORS", "CYCLE", "axes_for", "letter", "style"]

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

CYCLE = tuple(COLORS[name] for name in ("blue", "red", "green", "purple", "orange", "sky", "grey", "yellow"))
"""Colours of series that were given none, in order."""


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


def axes_for(ax: Axes | None) -> Axes:
    """Return the axes given, or those of a new small figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    with style():
        _, made = plt.subplots(figsize=(3.6, 2.7), layout="constrained")
    return made


def letter(axes: Iterable[Axes]) -> None:
    """Write A, B, C … at the upper left of the panels, by which their tables are called, too."""
    for ax, name in zip(axes, "ABCDEFGHIJKL", strict=False):
        ax.text(-0.03, 1.02, name, transform=ax.transAxes, fontsize=11, fontweight="bold", ha="right", va="bottom")
        lettered(ax, name)
