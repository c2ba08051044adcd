"""Several detectors as one: what one misses another sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

__all__ = ["Together"]

Array = np.ndarray[Any, Any]
_LEAST = np.float32(1e-5)


@dataclass(frozen=True, eq=False)
class Together:
    """The geometric mean of what several detectors give, each as much as any other, made to add up to 1.

    Parameters
    ----------
    parts : tuple
        Detectors of the same classes, on the same pixels.
    """

    kind: ClassVar[str] = "together"
    parts: tuple[Any, ...]

    @property
    def align(self) -> int:
        """A block begins at a multiple of all that its parts ask for."""
        return math.lcm(*(one.align for one in self.parts))

    @property
    def piece(self) -> tuple[int, int, int]:
        """As much at a time as suits the most demanding part."""
        z, y, x = (min(sides) for sides in zip(*(one.piece for one in self.parts), strict=True))
        return z, y, x

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far the part looks that looks furthest."""
        z, y, x = (max(sides) for sides in zip(*(one.overlap for one in self.parts), strict=True))
        return z, y, x

    def predict(self, image: Array) -> Array:
        """Probabilities (classes, z, y, x) of grey values (z, y, x) of mean 0 and deviation 1."""
        logs = sum(np.log(np.maximum(one.predict(image), _LEAST)) for one in self.parts)
        found: Array = np.exp(np.asarray(logs) / np.float32(len(self.parts)))
        found /= found.sum(axis=0)
        return found

    def about(self) -> dict[str, Any]:
        """Return what is not an array, as plain values."""
        return {"parts": [{"kind": one.kind, "detector": one.about()} for one in self.parts]}

    def arrays(self) -> dict[str, Array]:
        """Return what a file holds."""
        return {f"{i}/{name}": value for i, one in enumerate(self.parts) for name, value in one.arrays().items()}
