"""Triads of a directed graph, and rewiring that keeps every degree."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["census", "rewire"]


@jit
def _linked(at: Array, to: Array, u: int, v: int) -> bool:
    low, high = at[u], at[u + 1]
    while low < high:
        middle = (low + high) // 2
        if to[middle] < v:
            low = middle + 1
        else:
            high = middle
    return bool(low < at[u + 1] and to[low] == v)


@jit
def census(at: Array, to: Array, near_at: Array, near: Array, codes: Array) -> Array:
    """Count the 16 kinds of triads (Batagelj and Mrvar 2001).

    `at`, `to` are the directed edges, `near_at`, `near` those in either direction, all ascending in a row; `codes` (64)
    says of each pattern of the six possible edges which kind it is.
    """
    n = len(at) - 1
    counts = np.zeros(16, np.int64)
    mark = np.full(n, -1, np.int64)
    for v in range(n):
        for e in range(near_at[v], near_at[v + 1]):
            u = near[e]
            if u <= v:
                continue
            # Every w that is joined with v or u, once.
            stamp = v * n + u
            others = 0
            both = _linked(at, to, v, u) and _linked(at, to, u, v)
            for side in range(2):
                s = v if side == 0 else u
                for f in range(near_at[s], near_at[s + 1]):
                    w = near[f]
                    if w in (u, v) or mark[w] == stamp:
                        continue
                    mark[w] = stamp
                    others += 1
                    # Each triad is counted at one of its pairs: the smallest pair that is joined.
                    if u < w or (v < w < u and not _linked(near_at, near, v, w)):
                        code = (
                            _linked(at, to, v, u)
                            + 2 * _linked(at, to, u, v)
                            + 4 * _linked(at, to, v, w)
                            + 8 * _linked(at, to, w, v)
                            + 16 * _linked(at, to, u, w)
                            + 32 * _linked(at, to, w, u)
                        )
                        counts[codes[code]] += 1
            counts[2 if both else 1] += n - others - 2
    total = n * (n - 1) * (n - 2) // 6
    counts[0] = total - counts[1:].sum()
    return counts


@jit
def rewire(rng: Any, source: Array, target: Array, n: int, tries: int) -> int:
    """Exchange the targets of two edges at a time, in place; return how often. No loop or second edge comes about."""
    there = {np.int64(-1)}
    for e in range(len(source)):
        there.add(source[e] * n + target[e])
    done = 0
    for _ in range(tries):
        a, b = rng.integers(0, len(source)), rng.integers(0, len(source))
        u, v, x, y = source[a], target[a], source[b], target[b]
        if u in (x, y) or v in (x, y) or u * n + y in there or x * n + v in there:
            continue
        there.remove(u * n + v)
        there.remove(x * n + y)
        there.add(u * n + y)
        there.add(x * n + v)
        target[a], target[b] = y, v
        done += 1
    return done
