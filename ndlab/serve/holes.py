"""Where no chunk of an image is stored: looked for among what is all one value, told as rectangles of a plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ndlab.geometry import Int3

__all__ = ["Hole", "Rect", "constant_chunks", "seen"]

# First voxel and the voxel after the last, (z, y, x) of an array.
Hole = tuple[Int3, Int3]
# First row, row after the last, first column, column after the last.
Rect = tuple[int, int, int, int]


def constant_chunks(values: np.ndarray[Any, Any], start: Int3, chunks: Sequence[int]) -> Iterator[Hole]:
    """Yield what each chunk has of a block whose voxels there are all one: only such a chunk may be absent.

    Parameters
    ----------
    values : ndarray
        Voxels (z, y, x), the first at `start` of its array.
    chunks : sequence of 3 int

    Examples
    --------
    >>> block = np.arange(16).reshape(1, 4, 4)
    >>> block[:, 2:, :2] = 7
    >>> list(constant_chunks(block, (0, 0, 0), (1, 2, 2)))
    [((0, 2, 0), (1, 4, 2))]
    """
    edges = [_edges(first, first + n, chunk) for first, n, chunk in zip(start, values.shape, chunks, strict=True)]
    low = values[np.ix_(*(np.array(one[:-1]) - first for one, first in zip(edges, start, strict=True)))]
    high = values[np.ix_(*(np.array(one[1:]) - first - 1 for one, first in zip(edges, start, strict=True)))]
    # Two corners differ in nearly every chunk that holds something.
    for k, j, i in np.argwhere(_same(low, high)).tolist():
        box = edges[0][k : k + 2], edges[1][j : j + 2], edges[2][i : i + 2]
        inside = values[tuple(slice(a - first, b - first) for (a, b), first in zip(box, start, strict=True))]
        if _same(inside, low[k, j, i]).all():
            (z0, z1), (y0, y1), (x0, x1) = box
            yield (z0, y0, x0), (z1, y1, x1)


def _same(a: Any, b: Any) -> np.ndarray[Any, Any]:
    """Whether values are the same; NaN is the same as NaN."""
    found: np.ndarray[Any, Any] = (a == b) | ((a != a) & (b != b))
    return found


def _edges(start: int, stop: int, chunk: int) -> list[int]:
    """Return where chunks begin within [start, stop), and the two ends."""
    return [start, *range((start // chunk + 1) * chunk, stop, chunk), stop]


def seen(holes: Iterable[Hole], start: Int3, stop: Int3, rows: int, columns: int) -> tuple[Rect, ...]:
    """Return what holes take of a plane [start, stop), whose rows and columns lie along these axes; counted in it.

    Examples
    --------
    >>> seen([((0, 0, 0), (4, 8, 8))], (2, 6, 4), (3, 12, 20), 1, 2)
    ((0, 2, 0, 4),)
    """
    found = []
    for low, high in holes:
        a = [max(one, other) for one, other in zip(low, start, strict=True)]
        b = [min(one, other) for one, other in zip(high, stop, strict=True)]
        if all(x < y for x, y in zip(a, b, strict=True)):
            found.append(
                (a[rows] - start[rows], b[rows] - start[rows], a[columns] - start[columns], b[columns] - start[columns])
            )
    return tuple(found)
