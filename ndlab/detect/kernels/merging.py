"""Hierarchical merging: the two neighbours with the weakest border first, borders added up as they become one."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from ndlab.measure.kernels.interning import find, rehash
from ndlab.measure.kernels.jit import Array, jit

__all__ = ["merge"]


@jit
def merge(a: Array, b: Array, rows: Array, sizes: Array, small: float) -> tuple[Array, Array]:
    """Merge the nodes of a graph of regions to the end, and return which two joined and at what height.

    Parameters
    ----------
    a, b : array of int64, (m,)
        Ends of each edge, rows of `sizes`; each pair once, no loops. They are changed.
    rows : array of int64, (m, COLUMNS)
        Contacts. They are changed.
    sizes : array of int64, (n,)
        Voxels of each node. They are changed.
    small : float
        Nodes of fewer voxels than this are merged more readily: the border of one of size s counts s / small.

    Returns
    -------
    pairs : array of int64, (k, 2)
        Nodes, each by its smallest member, in the order of merging.
    heights : array of float64, (k,)
        Never falling: cut anywhere, they give what merging up to there would have.
    """
    n, m = sizes.size, a.size
    first, following, degree = _incidence(a, b, n)
    name, alive, stamp = np.arange(n), np.ones(m, np.bool_), np.zeros(m, np.int64)
    keys = np.empty(max(m, 64), np.uint64)
    slots, filled = _table(a, b, alive, keys)
    heap = [(_score(rows[e], sizes[a[e]], sizes[b[e]], small), e, 0) for e in range(m)]
    heapq.heapify(heap)
    pairs, heights = np.empty((max(n - 1, 0), 2), np.int64), np.empty(max(n - 1, 0), np.float64)
    count, height = 0, 0.0
    while len(heap) > 0:
        score, e, made = heapq.heappop(heap)
        if not alive[e] or made != stamp[e]:
            continue
        height = max(height, score)
        keep, gone = a[e], b[e]
        if degree[keep] < degree[gone]:
            keep, gone = gone, keep  # the shorter chain is moved
        one, other = min(name[keep], name[gone]), max(name[keep], name[gone])
        pairs[count, 0], pairs[count, 1], heights[count] = one, other, height
        count += 1
        name[keep], alive[e] = one, False
        was_small = sizes[keep] < small
        sizes[keep] += sizes[gone]
        if filled + degree[gone] > slots.size // 2:
            slots, filled = _table(a, b, alive, keys)
        half = first[gone]
        while half >= 0:
            after, e = following[half], half // 2
            if alive[e]:
                there = b[e] if a[e] == gone else a[e]
                key = _key(keep, there)
                at = find(key, keys, slots)
                twin = slots[at]
                if twin >= 0 and alive[twin]:
                    rows[twin] += rows[e]
                    alive[e] = False
                    degree[there] -= 1
                    e = twin
                else:
                    filled += 1 if twin < 0 else 0
                    slots[at], keys[e], a[e], b[e] = e, key, keep, there
                    following[half], first[keep] = first[keep], half
                    degree[keep] += 1
                stamp[e] += 1
                heapq.heappush(heap, (_score(rows[e], sizes[keep], sizes[there], small), e, stamp[e]))
            half = after
        if was_small:
            _rescore(keep, first, following, a, b, alive, stamp, rows, sizes, small, heap)
    return pairs[:count].copy(), heights[:count].copy()


@jit
def _key(one: Any, other: Any) -> Any:
    low, high = np.uint64(min(one, other)), np.uint64(max(one, other))
    return low << np.uint64(32) | high


@jit
def _score(row: Array, size: int, other: int, small: float) -> Any:
    """Mean membrane probability of a border, 0 to 1; less where one side is small."""
    found, least = row[3] / (255.0 * (row[0] + row[1] + row[2])), min(size, other)
    return found * least / small if least < small else found


@jit
def _table(a: Array, b: Array, alive: Array, keys: Array) -> tuple[Array, int]:
    """Where to find the living edge of a pair of nodes, by a hash table."""
    slots = rehash(keys, 0)
    filled = 0
    for e in range(a.size):
        if alive[e]:
            keys[e] = _key(a[e], b[e])
            slots[find(keys[e], keys, slots)] = e
            filled += 1
    return slots, filled


@jit
def _incidence(a: Array, b: Array, n: int) -> tuple[Array, Array, Array]:
    """Chains of the edges of each node, half-edge 2e at a[e] and 2e + 1 at b[e], -1 at the end; and their lengths."""
    first, following, degree = np.full(n, -1, np.int64), np.full(2 * a.size, -1, np.int64), np.zeros(n, np.int64)
    for e in range(a.size - 1, -1, -1):
        following[2 * e], first[a[e]] = first[a[e]], 2 * e
        following[2 * e + 1], first[b[e]] = first[b[e]], 2 * e + 1
        degree[a[e]] += 1
        degree[b[e]] += 1
    return first, following, degree


@jit
def _rescore(
    node: int, first: Array, following: Array, a: Array, b: Array, alive: Array, stamp: Array, rows: Array,
    sizes: Array, small: float, heap: list[tuple[float, int, int]],
) -> None:  # fmt: skip
    """Put the edges of a node, whose size matters, in the queue anew."""
    half = first[node]
    while half >= 0:
        e = half // 2
        if alive[e]:
            stamp[e] += 1
            score = _score(rows[e], sizes[a[e]], sizes[b[e]], small)
            heapq.heappush(heap, (score, e, stamp[e]))
        half = following[half]
