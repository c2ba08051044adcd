"""Differences over pairs of values, and what they are when the values are shuffled."""

from __future__ import annotations

from typing import Any

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["dealt", "differences", "shuffled", "sum_difference"]


@jit
def any_of(rng: Any, n: int) -> int:
    """Return one of 0 … n - 1: as ``rng.integers(n)``, which takes far longer; uneven by n / 2**53 at most."""
    return int(rng.random() * n)


@jit
def sum_difference(values: Array, pairs: Array, equal: bool) -> float:
    """Return the sum of the absolute differences over pairs (n, 2) of rows, or how many pairs are equal."""
    total = 0.0
    for k in range(len(pairs)):
        a, b = values[pairs[k, 0]], values[pairs[k, 1]]
        if equal:
            total += a == b
        else:
            total += abs(a - b)
    return total


@jit
def shuffled(
    rng: Any,
    values: Array,
    order: Array,
    edges: Array,
    few: Array,
    many: Array,
    size: int,
    total: float,
    equal: bool,
    out: Array,
) -> None:
    """Fill `out` (draws, 1) with the mean of many pairs less that of few, values shuffled inside each block of `order`.

    There are `size` of the many. Where `many` is empty, they are all pairs but the few: no shuffle changes the sum over
    all pairs, which is `total`.
    """
    mixed = values.copy()
    for draw in range(len(out)):
        for block in range(len(edges) - 1):
            for k in range(edges[block + 1] - 1, edges[block], -1):
                other = edges[block] + any_of(rng, k + 1 - edges[block])
                a, b = order[k], order[other]
                mixed[a], mixed[b] = mixed[b], mixed[a]
        some = sum_difference(mixed, few, equal)
        rest = sum_difference(mixed, many, equal) if len(many) else total - some
        out[draw, 0] = rest / size - some / len(few)


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
            other = k + any_of(rng, len(mixed) - k)
            mixed[k], mixed[other] = mixed[other], mixed[k]
            some += mixed[k]
        out[draw, 0] = sign * ((total - some) / (len(mixed) - few) - some / few)
