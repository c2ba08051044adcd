"""The screened Poisson equation of gradient-domain fusion, and its exact solution by cosines.

With F the image, j what its gradients are to change by across seams, and L an image whose low frequencies are wanted,
the change c makes ``sum w |grad c - j|^2 + screen |F + c - L|^2`` least (L is F itself unless given), with free
borders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Int3

__all__ = ["Equation", "direct"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Equation:
    """Weights of a grid.

    Attributes
    ----------
    weights : (float, float, float)
        Of gradients along (z, y, x); z is 0 where each section stands for itself.
    screen : float
        Of low frequencies: one over the squared width of the filter [pixels].
    """

    weights: tuple[float, float, float]
    screen: float

    @property
    def w(self) -> Array:
        """Weights as kernels take them."""
        return np.array(self.weights, np.float32)

    def factors(self) -> Int3:
        """Return by what each axis is made coarser: those that are coupled about as strongly as any."""
        z, y, x = (2 if w >= 0.3 * max(self.weights) else 1 for w in self.weights)
        return z, y, x

    def coarser(self) -> Equation:
        """Return the same on the next coarser grid."""
        z, y, x = (w / f**2 for w, f in zip(self.weights, self.factors(), strict=True))
        return Equation((z, y, x), self.screen)


def direct(f: Array, equation: Equation) -> Array:
    """Solve for c (z, y, x) given the right side f of all of it: exactly, by cosines (DCT-II)."""
    from scipy.fft import dctn, idctn

    axes = [axis for axis in range(3) if equation.weights[axis] > 0]
    symbol: Array = np.full((1, 1, 1), equation.screen, f.dtype)
    for axis in axes:
        n = f.shape[axis]
        wave = equation.weights[axis] * (2 - 2 * np.cos(np.pi * np.arange(n) / n))
        symbol = symbol + wave.astype(f.dtype).reshape([n if a == axis else 1 for a in range(3)])
    spectrum = dctn(f, axes=axes, norm="ortho")
    spectrum /= symbol
    found: Array = idctn(spectrum, axes=axes, norm="ortho", overwrite_x=True)
    return found
