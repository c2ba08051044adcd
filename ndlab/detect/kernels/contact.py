"""What lies on the faces between two labels: how many there are, and how membrane-like they are.

Whole numbers throughout, so that the tables of two blocks add up to that of both, in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.interning import find, rehash
from ndlab.measure.kernels.jit import Array, jit

__all__ = ["COLUMNS", "between", "within"]

COLUMNS = 4
"""Of a table of contacts: faces across z, y and x, and the sum of their values."""


@jit
def within(labels: Array, values: Array) -> tuple[Array, Array]:
    """Contacts between the labels of one block: pairs (smaller label in the upper 32 bits), and a row for each.

    Parameters
    ----------
    labels : array of uint32, (z, y, x)
    values : array of uint8, (z, y, x)
        Of a face the larger of the two voxels' counts.
    """
    nz, ny, nx = labels.shape
    keys, rows = np.empty(256, np.uint64), np.zeros((256, COLUMNS), np.int64)
    slots, count = rehash(keys, 0), 0
    last, at_last = np.uint64(0), -1
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                a = labels[z, y, x]
                for axis in range(3):
                    dz, dy, dx = 1 if axis == 0 else 0, 1 if axis == 1 else 0, 1 if axis == 2 else 0
                    if z + dz >= nz or y + dy >= ny or x + dx >= nx:
                        continue
                    b = labels[z + dz, y + dy, x + dx]
                    if a == b:
                        continue
                    key = _pair(a, b)
                    if at_last < 0 or key != last:
                        keys, rows, slots, count, at_last = _row(key, keys, rows, slots, count)
                        last = key
                    _add(rows[at_last], axis, max(values[z, y, x], values[z + dz, y + dy, x + dx]))
    return keys[:count].copy(), rows[:count].copy()


@jit
def between(labels: Array, others: Array, values: Array, values_of_others: Array, axis: int) -> tuple[Array, Array]:
    """Contacts across a border of blocks: pairs (own label in the upper 32 bits, the other's below), and rows.

    All arrays are the voxels on either side of the border, in the same order.
    """
    keys, rows = np.empty(256, np.uint64), np.zeros((256, COLUMNS), np.int64)
    slots, count = rehash(keys, 0), 0
    for i in range(labels.size):
        key = np.uint64(labels[i]) << np.uint64(32) | np.uint64(others[i])
        keys, rows, slots, count, at = _row(key, keys, rows, slots, count)
        _add(rows[at], axis, max(values[i], values_of_others[i]))
    return keys[:count].copy(), rows[:count].copy()


@jit
def _pair(a: Any, b: Any) -> Any:
    low, high = np.uint64(min(a, b)), np.uint64(max(a, b))
    return low << np.uint64(32) | high


@jit
def _row(key: Any, keys: Array, rows: Array, slots: Array, count: int) -> tuple[Array, Array, Array, int, int]:
    """Find the row of a pair, made where there is none yet."""
    at = find(key, keys, slots)
    if slots[at] < 0:
        if count == keys.size:
            more_keys, more_rows = np.empty(2 * count, np.uint64), np.zeros((2 * count, COLUMNS), np.int64)
            more_keys[:count], more_rows[:count] = keys, rows
            keys, rows = more_keys, more_rows
            slots = rehash(keys, count)
            at = find(key, keys, slots)
        slots[at] = count
        keys[count] = key
        count += 1
    return keys, rows, slots, count, slots[at]


@jit
def _add(row: Array, axis: int, value: int) -> None:
    row[axis] += 1
    row[3] += value
