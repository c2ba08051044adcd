"""Exposure taken out of a block of voxels, each on its own."""

from __future__ import annotations

from ndlab.preprocess.kernels.jit import Array, jit

__all__ = ["develop"]


@jit
def develop(
    values: Array, plane: Array, frames: Array, gain: Array, offset: Array, low: Array, waves_y: Array, waves_x: Array,
    fall: float, y0: int, x0: int, out: Array,
) -> None:  # fmt: skip
    """Write ``(values - offset) / (gain * V) - low`` into `out`: V = 1 + fall * r², r in half diagonals of the tile.

    `values` and `out` are (z, y, x), `plane` the tile of each (y, x), `gain` and `offset` (z, tiles), `low` (z, waves),
    `waves_y` (waves, y) and `waves_x` (waves, x).
    """
    nz, ny, nx = values.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                t = plane[y, x]
                dy, dx = y0 + y + 0.5 - frames[t, 0], x0 + x + 0.5 - frames[t, 1]
                seen = gain[z, t] * (1.0 + fall * (dy * dy + dx * dx) / frames[t, 2])
                value = (values[z, y, x] - offset[z, t]) / seen
                for k in range(low.shape[1]):
                    value -= low[z, k] * waves_y[k, y] * waves_x[k, x]
                out[z, y, x] = value
