"""Where a function is called, and what it sees there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Box

__all__ = ["Window", "read"]


@dataclass(frozen=True)
class Window:
    """Where a function is called: given to it as `window` if it has a parameter of that name.

    Attributes
    ----------
    block, read : Box
        The voxels (z, y, x of the first input's view) that the result is wanted for, and those in the arrays.
    t, c : int or None
        Time point and channel.
    seed : int
        Of the step.
    """

    block: Box
    read: Box
    t: int | None = None
    c: int | None = None
    seed: int = 0

    @property
    def inner(self) -> tuple[slice, slice, slice]:
        """Slices that cut the block out of the arrays."""
        z, y, x = (
            slice(a - o, b - o) for a, b, o in zip(self.block.start, self.block.stop, self.read.start, strict=True)
        )
        return z, y, x

    @property
    def rng(self) -> np.random.Generator:
        """Random numbers of this block, the same at every attempt and restart; other blocks have others."""
        return np.random.default_rng([self.seed, *self.block.start, (self.t or 0), (self.c or 0)])


def read(volume: Any, window: Window) -> np.ndarray[Any, Any]:
    """Voxels of an input, by its own fast path."""
    box = Box(
        [a + b for a, b in zip(volume.box.start, window.read.start, strict=True)],
        [a + b for a, b in zip(volume.box.start, window.read.stop, strict=True)],
        volume.level_index,
    )
    at = {a: n for a, n in (("t", window.t), ("c", window.c)) if n is not None and a in volume.axes}
    found: np.ndarray[Any, Any] = volume.read(box, **at)
    return found
