"""What trees see of an image: filters at several scales, of a section and of its two neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Context", "Multiscale", "taps"]

Array = np.ndarray[Any, Any]
_REACH = 3.0  # standard deviations after which a Gaussian ends


def taps(sigma: float) -> Array:
    """Half of a Gaussian kernel, its middle first, ended after three standard deviations, of sum 1.

    Examples
    --------
    >>> half = taps(1.0)
    >>> len(half), round(float(half[0] + 2 * half[1:].sum()), 6)
    (4, 1.0)
    """
    x = np.arange(math.ceil(_REACH * sigma) + 1)
    half = np.exp(-0.5 * (x / sigma) ** 2)
    found: Array = (half / (half[0] + 2 * half[1:].sum())).astype("f4")
    return found


@dataclass(frozen=True)
class Multiscale:
    """Filters of grey values: smoothed, slope, curvatures, orientation, unevenness, at several scales.

    Each is given for the section and as the mean of the sections before and after it; a difference of Gaussians is a
    difference of two of them, which trees find by themselves.

    Parameters
    ----------
    sigmas : tuple of float
        Scales [pixels], rising.

    Examples
    --------
    >>> spec = Multiscale((1.0, 2.0))
    >>> image = np.random.default_rng(0).random((3, 20, 30), "f4")
    >>> spec.of(image).shape == (len(spec.names), 3, 20, 30)
    True
    """

    sigmas: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)

    @property
    def names(self) -> list[str]:
        """What each feature is."""
        own = ["grey"]
        for s in self.sigmas:
            own += [f"smoothed {s:g}", f"slope {s:g}", f"ridge {s:g}", f"valley {s:g}"]
        for s in self.sigmas[1:]:
            own += [f"tensor large {s:g}", f"tensor small {s:g}", f"unevenness {s:g}"]
        return own + [f"{name}, neighbours" for name in own]

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far a feature looks: sections, and pixels in y and x."""
        steps = self._steps()
        smooth = sum(len(one) - 1 for one in steps) + 1
        tensor = 1 + len(steps[0]) - 1 + max(len(taps(s)) - 1 for s in self.sigmas)
        reach = max(smooth, tensor)
        return 1, reach, reach

    def _steps(self) -> list[Array]:
        """Kernels that lead from each scale to the next."""
        before = (0.0, *self.sigmas[:-1])
        return [taps(math.sqrt(s * s - b * b)) for s, b in zip(self.sigmas, before, strict=True)]

    def of(self, image: Array) -> Array:
        """Features (n, z, y, x), float32, of grey values (z, y, x) of mean 0 and deviation 1."""
        sections = np.ascontiguousarray(image, "f4")
        half = len(self.names) // 2
        out = np.empty((2 * half, *sections.shape), "f4")
        for z, section in enumerate(sections):
            self._section(section, out[:half, z])
        beside(out[:half], out[half:])
        return out

    def _section(self, section: Array, out: Array) -> None:
        from ndlab.detect.kernels.filters import gauss, hessian, spread, tensor

        out[0] = section
        before, k = section, 1
        for half in self._steps():
            gauss(before, half, out[k])
            hessian(out[k], out[k + 1], out[k + 2], out[k + 3])
            before, k = out[k], k + 4
        first = out[1]
        xx, xy, yy, wide = (np.empty_like(section) for _ in range(4))
        tensor(first, xx, xy, yy)
        square = section * section
        for i, s in enumerate(self.sigmas[1:]):
            half = taps(s)
            parts = [np.empty_like(section) for _ in range(3)]
            for source, target in zip((xx, xy, yy), parts, strict=True):
                gauss(source, half, target)
            spread(parts[0], parts[1], parts[2], out[k], out[k + 1])
            gauss(square, half, wide)
            mean = out[1 + 4 * (i + 1)]
            np.sqrt(np.maximum(wide - mean * mean, 0), out=out[k + 2])
            k += 3


@dataclass(frozen=True)
class Context:
    """What an earlier stage thought of the surroundings: probabilities of each class, smoothed.

    Parameters
    ----------
    classes : int
        How many the earlier stage tells apart; the first is left out, for the others say it.
    sigmas : tuple of float
        Scales [pixels].
    """

    classes: int
    sigmas: tuple[float, ...] = (1.5, 4.0, 10.0)

    @property
    def count(self) -> int:
        """How many features there are."""
        return 2 * (self.classes - 1) * (1 + len(self.sigmas))

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far a feature looks."""
        reach = max(len(taps(s)) - 1 for s in self.sigmas)
        return 1, reach, reach

    def of(self, probabilities: Array) -> Array:
        """Features (n, z, y, x) of probabilities (classes, z, y, x)."""
        from ndlab.detect.kernels.filters import gauss

        half, scales = self.count // 2, len(self.sigmas) + 1
        out = np.empty((2 * half, *probabilities.shape[1:]), "f4")
        halves = [taps(s) for s in self.sigmas]
        for k, one in enumerate(probabilities[1:]):
            for z, section in enumerate(one):
                out[k * scales, z] = section
                for i, kernel in enumerate(halves):
                    gauss(section, kernel, out[k * scales + 1 + i, z])
        beside(out[:half], out[half:])
        return out


def beside(own: Array, out: Array) -> None:
    """Mean of the sections before and after each; at an end the section stands for the one that is not there."""
    last = own.shape[1] - 1
    for z in range(last + 1):
        np.add(own[:, max(0, z - 1)], own[:, min(last, z + 1)], out=out[:, z])
        out[:, z] *= np.float32(0.5)
