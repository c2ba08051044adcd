"""Differences over pairs of values, and what they are when the values are shuffled."""

from __future__ import annotations

from typing import Any

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["dealt", "differences", "mean_difference", "shuffled"]


@jit
def mean_difference(values: Array, pairs: Array, equal: bool) -> float:
    """Return the mean absolute difference over pairs (n, 2) of rows, or the share of pairs that are equal."""
    total = 0.0
    for k in range(len(pairs)):
        a, b = values[pairs[k, 0]], values[pairs[k, 1]]
        if equal:
            total += a == b
        else:
            total += abs(a - b)
    return total / len(pairs)


@jit
def shuffled(
    rng: Any, values: Array, order: Array, edges: Array, first: Array, second: Array, equal: bool, out: Array
) -> None:
    """Fill `out` (draws, 1) with the second mean less the first, values shuffled inside each block of `order`."""
    mixed = values.copy()
    for draw in range(len(out)):
        for block in range(len(edges) - 1):
            for k in range(edges[block + 1] - 1, edges[block], -1):
                other = rng.integers(edges[block], k + 1)
                a, b = order[k], order[other]
                mixed[a], mixed[b] = mixed[b], mixed[a]
        out[draw, 0] = mean_difference(mixed, second, equal) - mean_difference(mixed, first, equal)


@jit
def differences(values: Array, pairs: Array, equal: bool, out: Array) -> None:
    """Fill `out` (n) with the absolute difference of each pair, or with 1 where it is equal."""
    for k in range(len(pairs)):
        a, b = values[pairs[k, 0]], values[pairs[k, 1]]
        if equal:
            out[k] = a == b
        else:
            out[k] = abs(a - b)


@jit
def dealt(rng: Any, found: Array, first: int, out: Array) -> None:
    """Fill `out` (draws, 1) with the second mean less the first, `first` of the differences being dealt anew."""
    mixed = found.copy()
    total = mixed.sum()
    # The smaller group is dealt: the other is what is left.
    few = min(first, len(mixed) - first)
    sign = 1.0 if few == first else -1.0
    for draw in range(len(out)):
        some = 0.0
        for k in range(few):
            other = rng.integers(k, len(mixed))
            mixed[k], mixed[other] = mixed[other], mixed[k]
            some += mixed[k]
        out[draw, 0] = sign * ((total - some) / (len(mixed) - few) - some / few)
