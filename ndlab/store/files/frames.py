"""Directions and origins of medical image formats, which count from voxel centres, as corners of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["corner_of", "frame_notes"]


def corner_of(directions: np.ndarray[Any, Any], origin: Sequence[float]) -> list[float] | None:
    """Outer corner of the first voxel, or None where the axes are turned or mirrored.

    Parameters
    ----------
    directions : array (3, 3)
        Column *i* is the step from one voxel to the next along stored axis *i*, in (x, y, z).
    origin : sequence of 3 float
        Centre of the first voxel, (x, y, z).

    Returns
    -------
    list of 3 float or None
        The corner (x, y, z), in the unit of `origin`.

    Examples
    --------
    >>> corner_of(np.diag([4.0, 4.0, 40.0]), [2.0, 2.0, 100.0])
    [0.0, 0.0, 80.0]
    """
    steps = np.diag(directions)
    straight = np.allclose(directions, np.diag(steps), atol=1e-6 * float(np.abs(directions).max()))
    if not straight or not (steps > 0).all():
        return None
    return [float(o - s / 2) for o, s in zip(origin, steps, strict=True)]


def frame_notes(what: str) -> tuple[str, ...]:
    """Say what a user should know where `corner_of` gave None."""
    return (f"the {what} turns or mirrors the axes: voxels are in stored order, offset 0; attrs[{what!r}] keeps it",)
