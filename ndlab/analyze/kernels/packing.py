"""Points that keep their distance."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["keep_apart"]


@jit
def keep_apart(points: Array, settled: int, distance: float, most: int) -> Array:
    """Return the first `settled` points and, in order, those no nearer than `distance` to one kept, at most `most`."""
    low = np.array([points[:, 0].min(), points[:, 1].min(), points[:, 2].min()])
    high = np.array([points[:, 0].max(), points[:, 1].max(), points[:, 2].max()])
    cell = max(distance, (high - low).max() / 256, 1e-12)
    shape = ((high - low) / cell).astype(np.int64) + 1
    first = np.full(shape[0] * shape[1] * shape[2], -1, np.int64)
    after = np.full(len(points), -1, np.int64)
    kept = np.empty(len(points), np.int64)
    n = 0
    for i in range(len(points)):
        if n == most:
            break
        z, y, x = ((points[i] - low) / cell).astype(np.int64)
        free = True
        if i >= settled:
            for a in range(max(0, z - 1), min(shape[0], z + 2)):
                for b in range(max(0, y - 1), min(shape[1], y + 2)):
                    for c in range(max(0, x - 1), min(shape[2], x + 2)):
                        j = first[(a * shape[1] + b) * shape[2] + c]
                        while free and j >= 0:
                            gap = points[i] - points[j]
                            free = (gap * gap).sum() >= distance * distance
                            j = after[j]
        if free:
            one = (z * shape[1] + y) * shape[2] + x
            after[i], first[one] = first[one], i
            kept[n] = i
            n += 1
    return points[kept[:n]]
