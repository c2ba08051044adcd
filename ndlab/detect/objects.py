"""From probabilities to objects, by the rules of VESICLE: threshold, size in a section, size, number of sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["Rules", "objects"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rules:
    """What makes an object of voxels.

    Parameters
    ----------
    threshold : float
        Voxels with a probability above it are looked at.
    min_area, max_area : int
        Voxels that a piece may have in one section (4-connected).
    min_size : int
        Voxels that an object has at least (6-connected).
    min_sections : int
        Sections that an object appears in at least.

    Examples
    --------
    >>> Rules(threshold=0.9).max_area
    5000
    """

    threshold: float = 0.9
    min_area: int = 0
    max_area: int = 5000
    min_size: int = 2000
    min_sections: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise BadRequest(f"threshold={self.threshold!r}", "a probability is from 0 to 1")
        if not 0 <= self.min_area <= self.max_area:
            raise BadRequest(f"pieces of {self.min_area} to {self.max_area} voxels", "no piece is so",
                             "let min_area be 0 or more, and max_area no smaller")  # fmt: skip


def objects(probability: Array, rules: Rules = Rules()) -> Array:
    """Label the objects in an array of probabilities (z, y, x), and return the labels (uint32, 0 is background).

    Pieces of single sections (4-connected) that are too small or too large are taken out first; then objects
    (6-connected) that are too small, then those in too few sections; what is left and touches by a face or an edge
    (18-connected) is one.

    Examples
    --------
    >>> p = np.zeros((4, 20, 20), "f4")
    >>> p[1:3, 2:8, 2:8] = 0.95; p[0, 15, 15] = 1.0
    >>> int(objects(p, Rules(min_size=10)).max())
    1
    """
    from scipy.ndimage import generate_binary_structure, label

    kept = sized_in_sections(probability > rules.threshold, rules.min_area, rules.max_area)
    pieces, count = label(kept)
    size, sections = _measured(pieces, count)
    good = (size >= rules.min_size) & (sections >= rules.min_sections)
    good[0] = False
    found: Array = label(good[pieces], generate_binary_structure(3, 2), np.uint32)[0]
    return found


def sized_in_sections(above: Array, low: int, high: int) -> Array:
    """Keep the pieces of each section (4-connected) that have `low` to `high` voxels."""
    from scipy.ndimage import generate_binary_structure, label

    flat = np.zeros((3, 3, 3), bool)
    flat[1] = generate_binary_structure(2, 1)
    pieces, count = label(above, flat)
    size = np.bincount(pieces.ravel(), minlength=count + 1)
    good = (size >= low) & (size <= high)
    good[0] = False
    found: Array = good[pieces]
    return found


def _measured(pieces: Array, count: int) -> tuple[Array, Array]:
    """Voxels of each piece, and in how many sections it is."""
    size = np.bincount(pieces.ravel(), minlength=count + 1)
    sections = np.zeros(count + 1, int)
    for section in pieces:
        sections[np.unique(section)] += 1
    return size, sections
