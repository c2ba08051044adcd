"""Labels on the way to the page: what changes from row to row, a tenth of a byte a pixel, and cheap to read.

The borders of segments move little from one row to the next. So each row begins as a copy of the row above it (the
first as all 0), and only *changes* are written, one after the other in reading order. Pixels are counted through the
rows; a change never leaves its row. Its first byte says in

- bits 0 to 4: how many pixels after the last change it begins; 31 says that the rest follows as a number;
- bits 5 to 7: what it is. 0, 2, 4: one pixel, two, or 3 + a number that follows, as the pixel to their left.
  1, 3, 5: likewise, as the pixel to their right, which is as above until it is changed. 6: 2 + a number that follows,
  and 7: one pixel, with the number of the label behind.

A number is written seven bits a byte, the lowest first; all bytes but the last have their high bit set. Labels are
numbered as they appear, from that of the first pixel on. widgets/src/core/rows.ts reads the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["packed", "unpacked"]

Plane = np.ndarray[Any, Any]


def packed(plane: Plane, same: Plane | None, labels: int) -> tuple[bytes, Plane] | None:
    """Write a plane as changes from row to row; None if that takes more than a byte a pixel.

    Parameters
    ----------
    plane : ndarray
        (height, width), indices below `labels`, or into `same` where that is given.
    same : ndarray or None
        Label of each index, if several may stand for one.
    labels : int
        How many labels there may be.

    Returns
    -------
    (bytes, ndarray) or None
        The changes, and which label each number in them stands for: those that the plane has, as they appear.

    Examples
    --------
    >>> code, order = packed(np.array([[3, 3, 5], [3, 5, 5]]), None, 6)
    >>> code.hex(), order.tolist()
    ('e20121', [3, 5])
    >>> unpacked(code, (2, 3), np.dtype("u1")).tolist()
    [[0, 0, 1], [0, 1, 1]]
    """
    from ndlab.serve.kernels import rows

    # Two types for all: each other one would have to be compiled while somebody waits for the first tile.
    values = np.ascontiguousarray(plane, "u2" if (labels if same is None else len(same)) <= 1 << 16 else "u4")
    numbers, order = np.full(labels, -1, "i4"), np.empty(labels, "u4")
    out = np.empty(values.size + rows.WORST, "u1")
    same = np.arange(labels, dtype="u4") if same is None else same.astype("u4", copy=False)
    nbytes, known = rows.write(values, same, numbers, order, out)
    return None if nbytes < 0 else (out[:nbytes].tobytes(), order[:known])


def unpacked(code: bytes, shape: tuple[int, int], dtype: np.dtype[Any]) -> Plane:
    """Read the number of each pixel's label; raises `BadRequest` where the changes leave the plane."""
    from ndlab.serve.kernels import rows

    out = np.empty(shape, dtype)
    if not rows.read(np.frombuffer(code, "u1"), out):
        raise BadRequest(f"labels of {shape[0]} x {shape[1]} pixels", "their changes from row to row leave them")
    return out
