"""Lines added up on a raster."""

from __future__ import annotations

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["strokes"]


@jit
def strokes(x: Array, y: Array, source: Array, target: Array, out: Array) -> None:
    """Add 1 to each pixel of `out` (height, width) that a line goes through; places are in pixels, ends rows of them.

    A line takes one pixel of each column, or of each row where it is steeper than wide.
    """
    height, width = out.shape
    for e in range(len(source)):
        ax, ay, bx, by = x[source[e]], y[source[e]], x[target[e]], y[target[e]]
        steep = abs(by - ay) > abs(bx - ax)
        if steep:
            ax, ay, bx, by = ay, ax, by, bx
        if ax > bx:
            ax, ay, bx, by = bx, by, ax, ay
        long = height if steep else width
        across = width if steep else height
        first, last = max(0, int(ax)), min(long - 1, int(bx))
        if bx < 0 or ax >= long:
            continue
        slope = (by - ay) / (bx - ax) if bx > ax else 0.0
        for i in range(first, last + 1):
            # The middle of the column, but never beyond either end.
            at = min(max(i + 0.5, ax), bx)
            k = ay + (at - ax) * slope
            if 0 <= k < across:
                if steep:
                    out[i, int(k)] += 1
                else:
                    out[int(k), i] += 1
