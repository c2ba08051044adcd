"""Sums of values and of their squares in double-double arithmetic, extremes, and counts of sorted keys.

A double-double is the unevaluated sum of two doubles, about 106 bits. Sums of whole numbers are exact in it (squares
of up to 32 bits included), so the order of blocks cannot matter; sums of floating-point numbers are off by 2^-100
or so of their size, which vanishes when they are rounded to a double.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["MOMENTS", "count_bins", "count_digits", "moments_float", "moments_narrow", "moments_whole"]

MOMENTS = 5  # columns of a row of sums: sum (two), sum of squares (two), and the plain sum of what is not finite
_SPLIT = 134217729.0  # 2^27 + 1
_LARGE = 1e150  # the square of more is no double


@jit
def _add(row: Array, at: int, value: Any) -> None:
    """Add a double to the double-double in row[at], row[at + 1]."""
    high, low = row[at], row[at + 1]
    total = high + value
    part = total - high
    low += (high - (total - part)) + (value - part)
    row[at] = total + low
    row[at + 1] = low - (row[at] - total)


@jit
def _add_product(row: Array, at: int, a: Any, b: Any) -> None:
    """Add ``a * b`` with its rounding error (Dekker)."""
    p = a * b
    t = _SPLIT * a
    a1 = t - (t - a)
    a2 = a - a1
    t = _SPLIT * b
    b1 = t - (t - b)
    b2 = b - b1
    _add(row, at, p)
    _add(row, at, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2)


@jit
def moments_float(local: Array, values: Array, table: Array, low: Array, high: Array, odd: Array) -> None:
    """Add floating-point values to the rows of their labels.

    Parameters
    ----------
    local : array of uint32, (n,)
        Row of each value.
    values : array of float32 or float64, (n,)
    table : array of float64, (rows, MOMENTS)
    low, high : array, (rows,)
        Extremes, NaN left out.
    odd : array of int64, (rows,)
        Number of NaN.
    """
    i = 0
    while i < values.size:
        k = local[i]
        row, smallest, largest = table[k], low[k], high[k]
        sum_high, sum_low, square_high, square_low = row[0], 0.0, row[2], 0.0
        # The low parts are carried at the end of a short run, before they could get too large to be exact.
        end = min(values.size, i + 256)
        while i < end and local[i] == k:
            value = values[i]
            v = np.float64(value)
            i += 1
            if not np.isfinite(v):
                row[4] += v
                if v != v:
                    odd[k] += 1
                    continue
            smallest, largest = min(smallest, value), max(largest, value)
            if not np.isfinite(v):
                continue
            total = sum_high + v
            part = total - sum_high
            sum_low += (sum_high - (total - part)) + (v - part)
            sum_high = total
            p = v * v
            if values.itemsize == 8:  # The square of a float32 fits into a double; of these it takes two (Dekker).
                t = _SPLIT * v
                v1 = t - (t - v)
                v2 = v - v1
                if abs(v) < _LARGE:
                    square_low += ((v1 * v1 - p) + 2.0 * v1 * v2) + v2 * v2
            total = square_high + p
            part = total - square_high
            square_low += (square_high - (total - part)) + (p - part)
            square_high = total
        low[k], high[k] = smallest, largest
        row[0], row[2] = sum_high, square_high
        _add(row, 0, sum_low)
        _add(row, 2, square_low)


@jit
def moments_whole(local: Array, values: Array, shift: Any, mask: Any, table: Array, low: Array, high: Array) -> None:
    """Add int64 or uint64 values as two doubles each that hold them exactly; `shift` is 32, `mask` its low bits."""
    for i in range(values.size):
        k, v = local[i], values[i]
        low[k], high[k] = min(low[k], v), max(high[k], v)
        row = table[k]
        a, b = np.float64(v >> shift) * 4294967296.0, np.float64(v & mask)
        _add(row, 0, a)
        _add(row, 0, b)
        _add_product(row, 2, a, a)
        _add_product(row, 2, 2.0 * a, b)
        _add_product(row, 2, b, b)


@jit
def moments_narrow(local: Array, values: Array, table: Array, low: Array, high: Array) -> None:
    """Add integers of 8 or 16 bits: the sums of a run of one label are whole numbers that a double holds exactly."""
    i = 0
    while i < values.size:
        k = local[i]
        smallest = largest = np.int64(values[i])
        total, square = np.int64(0), np.int64(0)
        end = min(values.size, i + 65536)
        while i < end and local[i] == k:
            v = np.int64(values[i])
            total += v
            square += v * v
            smallest, largest = min(smallest, v), max(largest, v)
            i += 1
        low[k], high[k] = min(low[k], smallest), max(high[k], largest)
        _add(table[k], 0, np.float64(total))
        _add(table[k], 2, np.float64(square))


@jit
def count_bins(values: Array, edges: Array, counts: Array) -> None:
    """Count into bins [edges[i], edges[i + 1]), the last one closed; values outside are left out."""
    n = counts.size
    first, last = edges[0], edges[n]
    for i in range(values.size):
        v = np.float64(values[i])
        if not (first <= v <= last):
            continue
        share = (v - first) / (last - first)
        at = min(n - 1, int(share * n)) if 0 <= share <= 1 else 0
        while at > 0 and v < edges[at]:
            at -= 1
        while at + 1 < n and v >= edges[at + 1]:
            at += 1
        counts[at] += 1


@jit
def count_digits(keys: Array, prefixes: Array, shift: Any, bits: Any, counts: Array) -> None:
    """Of the keys that begin with one of the sorted `prefixes`, count the next `bits` bits (those above `shift`)."""
    mask = (np.uint64(1) << bits) - np.uint64(1)
    for i in range(keys.size):
        key = np.uint64(keys[i]) >> shift
        prefix = key >> bits
        low, high = 0, prefixes.size
        while low < high:
            middle = (low + high) // 2
            if prefixes[middle] < prefix:
                low = middle + 1
            else:
                high = middle
        if low < prefixes.size and prefixes[low] == prefix:
            counts[low, key & mask] += 1
