"""Loops of the vesicle detector and of the features of VESICLE."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["alike", "coherence", "peaks"]


@jit
def alike(s: Array, template: Array, out: Array) -> None:
    """Normalised cross-correlation with a square template of sum 0 and norm 1; beyond the border the last goes on."""
    ny, nx = s.shape
    side = template.shape[0]
    r = side // 2
    n = np.float64(side * side)
    for y in range(ny):
        for x in range(nx):
            total, square, product = np.int64(0), np.int64(0), np.float64(0)
            for i in range(side):
                row = min(max(y + i - r, 0), ny - 1)
                for j in range(side):
                    value = np.int64(s[row, min(max(x + j - r, 0), nx - 1)])
                    total += value
                    square += value * value
                    product += template[i, j] * value
            spread = np.float64(square) - np.float64(total) * np.float64(total) / n
            out[y, x] = product / np.sqrt(spread) if spread > n else 0.0


@jit
def peaks(score: Array, least: float, out: Array) -> None:
    """Mark pixels above `least` that no neighbour exceeds; of equal neighbours the first."""
    ny, nx = score.shape
    for y in range(ny):
        for x in range(nx):
            here = score[y, x]
            top = here >= least
            for i in range(-1, 2):
                for j in range(-1, 2):
                    if top and (i != 0 or j != 0) and 0 <= y + i < ny and 0 <= x + j < nx:
                        other = score[y + i, x + j]
                        before = i < 0 or (i == 0 and j < 0)
                        if other > here or (before and other == here):
                            top = False
            out[y, x] = top


@jit
def coherence(xx: Array, xy: Array, yy: Array, out: Array) -> None:
    """((l1 - l2) / (l1 + l2))² of summed tensors of whole numbers; 0 where there is no gradient."""
    for y in range(xx.shape[0]):
        for x in range(xx.shape[1]):
            trace = np.float64(xx[y, x] + yy[y, x])
            apart = np.float64(xx[y, x] - yy[y, x])
            cross = np.float64(xy[y, x])
            out[y, x] = (apart * apart + 4 * cross * cross) / (trace * trace) if trace > 0 else 0.0
