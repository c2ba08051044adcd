"""Exposure taken out of a block of voxels, each on its own."""

from __future__ import annotations

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["develop"]


@jit
def develop(
    values: Array, plane: Array, frames: Array, gain: Array, offset: Array, low: Array, waves_y: Array, waves_x: Array,
    fall: float, y0: int, x0: int, bounds: Array, out: Array,
) -> None:  # fmt: skip
    """Write ``(values - offset) / (gain * V) - low`` into `out`: V = 1 + fall * r², r in half diagonals of the tile.

    `values` and `out` are (z, y, x), `plane` the tile of each (y, x), `gain` and `offset` (z, tiles). `low` is
    (z, orders y, orders x), amplitudes of products of `waves_y` (orders, y) and `waves_x` (orders, x). With two
    `bounds` results are rounded and clipped to them.
    """
    nz, ny, nx = values.shape
    for z in range(nz):
        for y in range(ny):
            a = b = c = 0.0
            for i in range(3):
                a += low[z, i, 0] * waves_y[i, y]
                b += low[z, i, 1] * waves_y[i, y]
                c += low[z, i, 2] * waves_y[i, y]
            for x in range(nx):
                t = plane[y, x]
                dy, dx = y0 + y + 0.5 - frames[t, 0], x0 + x + 0.5 - frames[t, 1]
                seen = gain[z, t] * (1.0 + fall * (dy * dy + dx * dx) / frames[t, 2])
                value = (values[z, y, x] - offset[z, t]) / seen - (a + b * waves_x[1, x] + c * waves_x[2, x])
                if len(bounds) == 2:
                    value = min(max(round(value), bounds[0]), bounds[1])
                out[z, y, x] = value
