"""Mean, standard deviation and extremes of the values of each label, whatever their type, from sums of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.measure.keyed import Array, Keyed

__all__ = ["Moments", "mean_and_std", "moments_of"]


@dataclass(frozen=True)
class Moments(Keyed):
    """Sums by label.

    `double_sums` holds double-doubles of the values and of their squares and the plain sum of what is not finite;
    `low` and `high` are of the values' own type; `odd` counts NaN.
    """

    size: Array
    double_sums: Array
    low: Array
    high: Array
    odd: Array


def moments_of(local: Array, keys: Array, values: Array) -> Moments:
    """Sum up `values` by the index in `local`, an array of uint32 of the same shape; ``keys[index]`` names them."""
    from ndlab.measure.kernels import moments as kernels

    n, flat, rows = len(keys), np.ascontiguousarray(values).reshape(-1), local.reshape(-1)
    table, odd = np.zeros((n, kernels.MOMENTS)), np.zeros(n, np.int64)
    if flat.dtype.kind == "b":
        flat = flat.view(np.uint8)
    if flat.dtype.kind == "f":
        work = flat if flat.dtype in (np.float32, np.float64) else flat.astype(np.float32)
        low, high = np.full(n, np.inf, work.dtype), np.full(n, -np.inf, work.dtype)
        kernels.moments_float(rows, work, table, low, high, odd)
    elif flat.dtype.itemsize <= 2:
        low, high = np.full(n, 1 << 17), np.full(n, -1 << 17)
        kernels.moments_narrow(rows, flat, table, low, high)
    else:
        work = flat.astype(np.uint64 if flat.dtype.kind == "u" else np.int64, copy=False)
        kind: Any = work.dtype.type
        limits = np.iinfo(kind)
        low, high = np.full(n, limits.max, work.dtype), np.full(n, limits.min, work.dtype)
        kernels.moments_whole(rows, work, kind(32), kind(0xFFFFFFFF), table, low, high)
    return Moments(keys, np.bincount(rows, minlength=n), table, low, high, odd)


def mean_and_std(moments: Moments) -> tuple[Array, Array]:
    """Mean and population standard deviation of each row; NaN where there is no value, or one is NaN."""
    n = moments.size.astype(np.float64)
    total, total_low, square, square_low, strange = moments.double_sums.T
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        mean = np.where(strange == 0, (total + total_low) / n, strange)
        # n^2 times the variance is n * squares - sum^2; with both in 106 bits nothing is lost in the difference.
        a, a_low = _product(n, square)
        b, b_low = _product(total, total)
        difference = (a - b) + (((a_low - b_low) + n * square_low) - 2 * total * total_low)
        std = np.sqrt(np.maximum(difference, 0)) / n
        std = np.where(strange == 0, np.where(np.isfinite(square), std, np.inf), np.nan)
    empty = moments.size == 0
    return np.where(empty, np.nan, mean), np.where(empty, np.nan, std)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """Product of two doubles and its rounding error (Dekker)."""
    split = 134217729.0
    t = split * a
    a1 = t - (t - a)
    t = split * b
    b1 = t - (t - b)
    a2, b2, p = a - a1, b - b1, a * b
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
