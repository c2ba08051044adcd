"""Several detectors as one: what one misses another sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ndlab.detect.working import reduced

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
    turns : {1, 4, 8}
        From how many sides each of them looks: as it is; turned by quarters; these mirrored, too.
    between : float
        Weight of each neighbouring section in the mean, less than a half: what is there is mostly there, too.
    """

    kind: ClassVar[str] = "together"
    parts: tuple[Any, ...]
    turns: int = 1
    between: float = 0.0

    @property
    def finer(self) -> int:
        """As fine as the part that looks closest; the others get its pixels averaged."""
        return math.lcm(*(one.finer for one in self.parts))

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
        return z + (self.between > 0), y, x

    def predict(self, image: Array) -> Array:
        """Probabilities (classes, z, y, x) of grey values (z, y, x) of mean 0 and deviation 1."""
        ny, nx = (-(-n // self.finer) for n in image.shape[1:])
        if self.turns > 1:
            # Whole steps of every part from every side, so that a block looks as the volume does.
            step = self.align * self.finer
            image = np.pad(image, ((0, 0), *((0, -n % step) for n in image.shape[1:])), mode="edge")
        logs = sum(self._logs(image, turn) for turn in range(self.turns))
        found = np.asarray(logs)[..., :ny, :nx] / np.float32(self.turns * len(self.parts))
        if self.between:
            below, above = (found[:, np.clip(np.arange(len(image)) + step, 0, len(image) - 1)] for step in (-1, 1))
            found = found + np.float32(self.between) * (below + above - 2 * found)
        found = np.exp(found)
        found /= found.sum(axis=0)
        return found

    def _logs(self, image: Array, turn: int) -> Any:
        """Sum of the logarithms of what the parts give from one side, turned back."""
        seen = np.rot90(image, turn % 4, (1, 2))
        seen = np.ascontiguousarray(seen[..., ::-1] if turn > 3 else seen)
        parts = ((one, reduced(seen, self.finer // one.finer)) for one in self.parts)
        logs = sum(np.log(np.maximum(one.predict(image), _LEAST)) for one, image in parts)
        return np.rot90(logs[..., ::-1] if turn > 3 else logs, -(turn % 4), (2, 3))

    def about(self) -> dict[str, Any]:
        """Return what is not an array, as plain values."""
        parts = [{"kind": one.kind, "detector": one.about()} for one in self.parts]
        more = {"turns": self.turns} if self.turns > 1 else {}
        return {"parts": parts, **more, **({"between": self.between} if self.between else {})}

    def arrays(self) -> dict[str, Array]:
        """Return what a file holds."""
        return {f"{i}/{name}": value for i, one in enumerate(self.parts) for name, value in one.arrays().items()}
