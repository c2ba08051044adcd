"""How the correlation of two pictures changes as one is moved: sums over small cells, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["SUMS", "pull_sums"]

SUMS = 9  # pull (y, x), firmness (yy, yx, xx), fixed², moved², fixed·moved, pixels


@jit
def pull_sums(fixed: Array, moved: Array, inside: Array, cell: Any, sums: Array) -> None:
    """Sum, over cells of ``cell`` pixels, the products that the local correlation's slope is made of.

    The pull is half of ``fixed * grad(moved) - moved * grad(fixed)``: the slope of the correlation, without the terms
    that depend on one picture alone, which would bias it. The firmness is the mean of both structure tensors.

    Parameters
    ----------
    fixed, moved : array of float32, (height, width)
        With local mean 0 and local variance 1.
    inside : array of bool
        Where both pictures have pixels.
    sums : array of float64, (rows, columns, SUMS)
        Added to.
    """
    height, width = fixed.shape
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            if not (inside[i - 1, j] and inside[i + 1, j] and inside[i, j - 1] and inside[i, j + 1] and inside[i, j]):
                continue
            f, m = np.float64(fixed[i, j]), np.float64(moved[i, j])
            fy = 0.5 * (np.float64(fixed[i + 1, j]) - np.float64(fixed[i - 1, j]))
            fx = 0.5 * (np.float64(fixed[i, j + 1]) - np.float64(fixed[i, j - 1]))
            my = 0.5 * (np.float64(moved[i + 1, j]) - np.float64(moved[i - 1, j]))
            mx = 0.5 * (np.float64(moved[i, j + 1]) - np.float64(moved[i, j - 1]))
            s = sums[i // cell, j // cell]
            s[0] += 0.5 * (f * my - m * fy)
            s[1] += 0.5 * (f * mx - m * fx)
            s[2] += 0.5 * (fy * fy + my * my)
            s[3] += 0.5 * (fy * fx + my * mx)
            s[4] += 0.5 * (fx * fx + mx * mx)
            s[5] += f * f
            s[6] += m * m
            s[7] += f * m
            s[8] += 1.0
