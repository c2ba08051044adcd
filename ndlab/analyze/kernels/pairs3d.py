"""Pairs of points nearer than some distance, through a grid of cells as wide as that distance.

`start` (cells + 1) and `order` (n) list the points of each cell; `gamma` is the set covariance of the window on lags of
one voxel, (2 az + 1, 2 ay + 1, 2 ax + 1), between which it is exactly trilinear.
"""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["covariance_at", "pair_sums"]


@jit
def covariance_at(gamma: Array, dz: float, dy: float, dx: float) -> float:
    """Return the set covariance at a lag in voxels."""
    cz, cy, cx = gamma.shape[0] // 2, gamma.shape[1] // 2, gamma.shape[2] // 2
    fz, fy, fx = dz + cz, dy + cy, dx + cx
    iz, iy, ix = int(np.floor(fz)), int(np.floor(fy)), int(np.floor(fx))
    if iz < 0 or iy < 0 or ix < 0:
        return 0.0
    tz, ty, tx = fz - iz, fy - iy, fx - ix
    total = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                z, y, x = iz + a, iy + b, ix + c
                weight = (tz if a else 1 - tz) * (ty if b else 1 - ty) * (tx if c else 1 - tx)
                if weight > 0 and z < gamma.shape[0] and y < gamma.shape[1] and x < gamma.shape[2]:
                    total += weight * gamma[z, y, x]
    return total


@jit
def pair_sums(
    first: Array, second: Array, weight1: Array, weight2: Array, same: bool, low: Array, cell: float, shape: Array,
    start: Array, order: Array, gamma: Array, voxel: Array, edges: Array, band: float, at: Array, counts: Array,
    density: Array, begin: int, end: int,
) -> None:  # fmt: skip
    """Add to `counts` and `density` what the pairs of first[begin:end] with the points of the cells give.

    A pair at distance d counts ``weight1 weight2 / gamma``: in the bin of `edges` (ascending) that d falls into, and in
    `density`, divided by the sphere of radius d, at each of `at` with Epanechnikov's kernel of half-width `band`. Of
    `same` sets a point makes no pair with itself.
    """
    most = edges[-1]
    reach = most + band
    for i in range(begin, end):
        z, y, x = first[i]
        kz, ky, kx = int((z - low[0]) / cell), int((y - low[1]) / cell), int((x - low[2]) / cell)
        for a in range(max(0, kz - 1), min(shape[0], kz + 2)):
            for b in range(max(0, ky - 1), min(shape[1], ky + 2)):
                for c in range(max(0, kx - 1), min(shape[2], kx + 2)):
                    one = (a * shape[1] + b) * shape[2] + c
                    for k in range(start[one], start[one + 1]):
                        j = order[k]
                        if same and j == i:
                            continue
                        dz, dy, dx = second[j, 0] - z, second[j, 1] - y, second[j, 2] - x
                        d = np.sqrt(dz * dz + dy * dy + dx * dx)
                        if d > reach:
                            continue
                        g = covariance_at(gamma, dz / voxel[0], dy / voxel[1], dx / voxel[2])
                        if g <= 0:
                            continue
                        w = weight1[i] * weight2[j] / g
                        if d <= most:
                            counts[np.searchsorted(edges, d)] += w
                        if band > 0 and d > 0:
                            shell = 4 * np.pi * d * d
                            left = np.searchsorted(at, d - band)
                            while left < len(at) and at[left] < d + band:
                                t = (at[left] - d) / band
                                density[left] += w * 0.75 * (1 - t * t) / band / shell
                                left += 1
