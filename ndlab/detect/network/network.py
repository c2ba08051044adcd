"""A small network that sees a section between its neighbours; it runs on plain arrays, without a framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

__all__ = ["Network"]

Array = np.ndarray[Any, Any]
_BLOCKS = {"down0": 1, "down1": 2, "down2": 2, "down3": 2, "up2": 2, "up1": 2, "up0": 1}
"""How many convolutions each block has."""


@dataclass(frozen=True, eq=False)
class Network:
    """A U-Net of four levels, its convolutions 3 x 3 with what is negative cut off, classes by softmax.

    Parameters
    ----------
    weights : mapping of str to ndarray
        ``block/number/weight`` (out, in, 3, 3) and ``block/number/bias``; ``head/weight`` (classes, in).
    finer : int
        How many pixels of what it sees, in y and x, make one of what it tells: each of them is a channel of its own, so
        that detail costs the first convolution alone.
    """

    kind: ClassVar[str] = "network"
    align: ClassVar[int] = 8
    piece: ClassVar[tuple[int, int, int]] = (8, 768, 768)
    weights: Mapping[str, Array]
    finer: int = 1

    @property
    def sections(self) -> int:
        """How many sections it sees at a time."""
        return int(self.weights["down0/0/weight"].shape[1]) // self.finer**2

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far a probability looks: the way down and up, in pixels of each level."""
        levels = {"down0": 1, "down1": 2, "down2": 4, "down3": 8, "up2": 4, "up1": 2, "up0": 1}
        reach = sum(levels[name] * count for name, count in _BLOCKS.items()) + 8
        return self.sections // 2, reach, reach

    @cached_property
    def _packed(self) -> dict[str, tuple[Array, Array]]:
        """Weights in the order in which they are used: (groups of four, in, 9, 4)."""
        found = {}
        for name, count in _BLOCKS.items():
            for i in range(count):
                w, b = (self.weights[f"{name}/{i}/{what}"] for what in ("weight", "bias"))
                groups = w.reshape(w.shape[0] // 4, 4, w.shape[1], 9).transpose(0, 2, 3, 1)
                found[f"{name}/{i}"] = np.ascontiguousarray(groups, "f4"), b.reshape(-1, 4).astype("f4")
        return found

    def predict(self, image: Array) -> Array:
        """Probabilities (classes, z, y, x) of grey values (z, y, x) of mean 0 and deviation 1."""
        n, reach = self.finer, self.sections // 2
        image = channels_of(image, n)
        nz, _, ny, nx = image.shape
        out = np.empty((len(self.weights["head/bias"]), nz, ny, nx), "f4")
        shape = (self.sections * n * n, -(-ny // 8) * 8 + 2, -(-nx // 8) * 8 + 2)
        for z in range(nz):
            held = np.zeros(shape, "f4")
            for k in range(self.sections):
                held[k * n * n : (k + 1) * n * n, 1 : ny + 1, 1 : nx + 1] = image[min(max(z + k - reach, 0), nz - 1)]
            out[:, z] = self._section(held)[:, :ny, :nx]
        return out

    def _section(self, x: Array) -> Array:
        from ndlab.detect.kernels.convolve import doubled, halved, mixed

        kept = [self._block("down0", x)]
        for i in (1, 2, 3):
            above = kept[-1]
            x = _bordered(above.shape[0], (above.shape[1] - 2) // 2, (above.shape[2] - 2) // 2)
            halved(above, x)
            kept.append(self._block(f"down{i}", x))
        x = kept.pop()
        for i in (2, 1, 0):
            beside = kept.pop()
            both = _bordered(len(x) + len(beside), beside.shape[1] - 2, beside.shape[2] - 2)
            doubled(x, both[: len(x)])
            both[len(x) :] = beside
            x = self._block(f"up{i}", both)
        weight, bias = self.weights["head/weight"], self.weights["head/bias"]
        scores = np.empty((len(bias), x.shape[1] - 2, x.shape[2] - 2), "f4")
        mixed(x, weight, bias, scores)
        scores -= scores.max(axis=0)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=0)
        return scores

    def _block(self, name: str, x: Array) -> Array:
        from ndlab.detect.kernels.convolve import convolve

        for i in range(_BLOCKS[name]):
            weight, bias = self._packed[f"{name}/{i}"]
            out = _bordered(4 * len(weight), x.shape[1] - 2, x.shape[2] - 2)
            convolve(x, weight, bias, out)
            x = out
        return x

    def about(self) -> dict[str, Any]:
        """Return what is not an array."""
        return {"finer": self.finer} if self.finer > 1 else {}

    def arrays(self) -> dict[str, Array]:
        """Return the weights."""
        return dict(self.weights)

    @classmethod
    def read(cls, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Network:
        """Read what `arrays` gave."""
        return cls(dict(arrays), int(about.get("finer", 1)))


def channels_of(image: Array, finer: int) -> Array:
    """Make each of the `finer` x `finer` pixels (z, y, x) of a larger one a channel of it, (z, channels, y, x)."""
    nz, ny, nx = image.shape
    image = np.pad(image, ((0, 0), (0, -ny % finer), (0, -nx % finer)), mode="edge")
    parts = image.reshape(nz, image.shape[1] // finer, finer, image.shape[2] // finer, finer).transpose(0, 2, 4, 1, 3)
    return parts.reshape(nz, finer * finer, *parts.shape[-2:])


def _bordered(channels: int, ny: int, nx: int) -> Array:
    """Room for channels with a border of zeros."""
    out = np.empty((channels, ny + 2, nx + 2), "f4")
    out[:, 0], out[:, -1], out[:, :, 0], out[:, :, -1] = 0, 0, 0, 0
    return out
