"""Communities merged greedily by modularity, from a heap with a bound of the best union of each."""

from __future__ import annotations

import heapq

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["agglomerate"]


@jit
def _find(into: Array, u: int) -> int:
    while into[u] != u:
        into[u] = into[into[u]]
        u = into[u]
    return u


@jit
def _gathered(into: Array, place: Array, ends: Array, weights: Array, own: int) -> int:
    """Bring neighbours to the names they have by now, each once, in place; return how many there are.

    `place` (n) is -1 everywhere, and is again when this returns.
    """
    n = 0
    for i in range(len(ends)):
        c = _find(into, ends[i])
        if c == own:
            continue
        if place[c] < 0:
            place[c] = n
            ends[n], weights[n] = c, weights[i]
            n += 1
        else:
            weights[place[c]] += weights[i]
    for i in range(n):
        place[ends[i]] = -1
    return n


@jit
def agglomerate(at: Array, to: Array, weight: Array, merges: Array, gains: Array) -> int:
    """Merge the two communities whose union raises modularity most, until none is left that are joined.

    `at`, `to`, `weight` (float64) are a symmetric matrix without a diagonal in compressed rows. `merges` (n - 1, 2) and
    `gains` (n - 1) are filled: the second is merged into the first. A gain is the change of modularity times half the
    square of the total, ``total w - k k'``, which of whole weights is a whole number, so what ties does so exactly. Of
    unions that tie, that of the community with the highest number goes first. Returns how many merges there were.

    Notes
    -----
    A community's bound is never below the gain of its best union: a union with others makes its gains smaller, but for
    those with what was merged, and these are looked at. A bound that comes to the top of the heap is made exact first.

    References
    ----------
    Clauset A, Newman MEJ, Moore C (2004). Finding community structure in very large networks. Phys Rev E 70:066111.
    """
    n = len(at) - 1
    near = [to[at[u] : at[u + 1]].astype(np.int64) for u in range(n)]
    weights = [weight[at[u] : at[u + 1]].copy() for u in range(n)]
    degree = np.zeros(n)
    for u in range(n):
        degree[u] = weights[u].sum()
    total = degree.sum()
    into, place = np.arange(n), np.full(n, -1, np.int64)
    bound = np.full(n, -np.inf)
    heap = [(0.0, 0)]
    heap.pop()
    for u in range(n):
        for i in range(len(near[u])):
            bound[u] = max(bound[u], total * weights[u][i] - degree[u] * degree[near[u][i]])
        if len(near[u]):
            heap.append((-bound[u], -u))
    heapq.heapify(heap)
    done = 0
    while len(heap):
        cost, row = heapq.heappop(heap)
        row = -row
        if into[row] != row or -cost != bound[row]:
            continue
        size = _gathered(into, place, near[row], weights[row], row)
        near[row], weights[row] = near[row][:size], weights[row][:size]
        best, other = -np.inf, -1
        for i in range(size):
            c = near[row][i]
            gain = total * weights[row][i] - degree[row] * degree[c]
            if gain > best or (gain == best and c > other):
                best, other = gain, c
        if best < bound[row]:
            bound[row] = best
            if size:
                heapq.heappush(heap, (-best, -row))
            continue
        a, b = min(row, other), max(row, other)
        merges[done, 0], merges[done, 1], gains[done] = a, b, best
        done += 1
        into[b] = a
        ends, values = np.concatenate((near[a], near[b])), np.concatenate((weights[a], weights[b]))
        size = _gathered(into, place, ends, values, a)
        near[a], weights[a] = ends[:size], values[:size]
        near[b], weights[b] = near[b][:0], weights[b][:0]
        degree[a] += degree[b]
        bound[a] = -np.inf
        for i in range(size):
            c = ends[i]
            gain = total * values[i] - degree[a] * degree[c]
            bound[a] = max(bound[a], gain)
            if gain > bound[c]:
                bound[c] = gain
                heapq.heappush(heap, (-gain, -c))
        if size:
            heapq.heappush(heap, (-bound[a], -a))
    return done
