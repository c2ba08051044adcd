"""The largest clique of a simple undirected graph in compressed rows: sets of nodes are rows of bits."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["greedy", "search"]

_ONE = np.uint64(1)
_NONE = np.uint64(0)


@jit
def greedy(at: Array, to: Array, order: Array, best: Array) -> int:
    """Fill `best` with a clique: from the end of the order on, each node that is joined to all before; return how many.

    A search that begins with one node only would grow a large clique by one node at a time.
    """
    joined = np.zeros(len(order), np.int64)
    size = 0
    for i in range(len(order) - 1, -1, -1):
        u = order[i]
        if joined[u] == size:
            best[size] = u
            size += 1
            for e in range(at[u], at[u + 1]):
                joined[to[e]] += 1
    return size


@jit
def search(
    at: Array, to: Array, core: Array, order: Array, place: Array, slot: Array, begin: int, end: int, best: Array,
    size: int,
) -> int:  # fmt: skip
    """Look for a clique of more than `size` nodes that begins at the places [begin, end) of an order of peeling.

    Places are taken from the last to the first: dense parts are peeled last and hold the large cliques, which then cut
    the search elsewhere. `best` is filled with the nodes of the clique, whose number is returned; `slot` (n) is -1, and
    is left so.
    """
    for i in range(end - 1, begin - 1, -1):
        u = order[i]
        if core[u] < size:
            continue
        nodes = _later(at, to, core, place, u, size)
        if len(nodes) < size:
            continue
        nodes, masks = _joined(at, to, nodes, slot, size)
        if len(nodes) < size:
            continue
        found = _expand(masks, size - 1)
        if len(found):
            size = len(found) + 1
            best[0] = u
            for k in range(len(found)):
                best[k + 1] = nodes[found[k]]
    return size


@jit
def _later(at: Array, to: Array, core: Array, place: Array, u: int, size: int) -> Array:
    """Return the neighbours of `u` that are peeled after it and have a core that holds more than `size` nodes."""
    nodes = np.empty(at[u + 1] - at[u], np.int64)
    k = 0
    for e in range(at[u], at[u + 1]):
        v = to[e]
        if place[v] > place[u] and core[v] >= size:
            nodes[k] = v
            k += 1
    return nodes[:k]


@jit
def _joined(at: Array, to: Array, nodes: Array, slot: Array, size: int) -> tuple[Array, Array]:
    """Return the nodes that have `size` - 1 neighbours among `nodes`, most neighbours first, and a row of bits each."""
    n = len(nodes)
    for i in range(n):
        slot[nodes[i]] = i
    degree = np.zeros(n, np.int64)
    for i in range(n):
        for e in range(at[nodes[i]], at[nodes[i] + 1]):
            if slot[to[e]] >= 0:
                degree[i] += 1
    for i in range(n):
        slot[nodes[i]] = -1
    # The best bounds come from colouring nodes of many neighbours first.
    by_degree = np.argsort(-degree, kind="mergesort")
    kept = 0
    while kept < n and degree[by_degree[kept]] >= size - 1:
        kept += 1
    found = nodes[by_degree[:kept]]
    for i in range(kept):
        slot[found[i]] = i
    masks = np.zeros((kept, (kept + 63) // 64), np.uint64)
    for i in range(kept):
        for e in range(at[found[i]], at[found[i] + 1]):
            j = slot[to[e]]
            if j >= 0:
                masks[i, j >> 6] |= _ONE << np.uint64(j & 63)
    for i in range(kept):
        slot[found[i]] = -1
    return found, masks


@jit
def _expand(masks: Array, size: int) -> Array:
    """Return a largest clique of the rows of `masks` if it has more than `size` of them, else nothing."""
    n, words = masks.shape
    left = np.zeros((1, words), np.uint64)
    for i in range(n):
        left[0, i >> 6] |= _ONE << np.uint64(i & 63)
    rank, colour = np.empty((1, n), np.int32), np.empty((1, n), np.int32)
    free, rest = np.empty(words, np.uint64), np.empty(words, np.uint64)
    count, colours = _coloured(left[0], masks, size, rank[0], colour[0], free, rest)
    if count == 0:
        return np.empty(0, np.int64)
    # A clique has no more nodes than there are colours, so a search is no deeper.
    deep = colours + 1
    left, first = np.empty((deep, words), np.uint64), left
    ranks, colour_of = np.empty((deep, n), np.int32), np.empty((deep, n), np.int32)
    left[0], ranks[0], colour_of[0] = first[0], rank[0], colour[0]
    at = np.empty(deep, np.int64)
    chosen, best = np.empty(deep, np.int64), np.empty(deep, np.int64)
    at[0], depth, found = count - 1, 0, 0
    while depth >= 0:
        if at[depth] < 0 or depth + colour_of[depth, at[depth]] <= size:
            depth -= 1
            continue
        u = ranks[depth, at[depth]]
        at[depth] -= 1
        chosen[depth] = u
        some = _NONE
        for w in range(words):
            left[depth + 1, w] = left[depth, w] & masks[u, w]
            some |= left[depth + 1, w]
        left[depth, u >> 6] &= ~(_ONE << np.uint64(u & 63))
        if some == _NONE:
            if depth + 1 > size:
                size = found = depth + 1
                best[:found] = chosen[:found]
            continue
        depth += 1
        count, _ = _coloured(left[depth], masks, size - depth, ranks[depth], colour_of[depth], free, rest)
        at[depth] = count - 1
    return best[:found]


@jit
def _coloured(
    left: Array, masks: Array, least: int, rank: Array, colour: Array, free: Array, rest: Array
) -> tuple[int, int]:
    """Colour a set, neighbours never alike; fill in the nodes of colours above `least`, by colour.

    Returns how many were filled in, and how many colours there are. Nodes of the other colours hold no clique of more
    than `least` nodes by themselves, and no search begins at them.
    """
    words = len(left)
    rest[:] = left
    count = colours = 0
    while True:
        some = _NONE
        for w in range(words):
            some |= rest[w]
        if some == _NONE:
            return count, colours
        colours += 1
        free[:] = rest
        for w in range(words):
            while free[w] != _NONE:
                u = (w << 6) + _lowest(free[w])
                rest[w] &= ~(_ONE << np.uint64(u & 63))
                free[w] &= ~(_ONE << np.uint64(u & 63))
                for k in range(w, words):
                    free[k] &= ~masks[u, k]
                if colours > least:
                    rank[count], colour[count] = u, colours
                    count += 1


@jit
def _lowest(bits: np.uint64) -> int:
    """Return the number of the lowest bit that is set."""
    found = 0
    for step in (32, 16, 8, 4, 2, 1):
        if bits & ((_ONE << np.uint64(step)) - _ONE) == _NONE:
            bits >>= np.uint64(step)
            found += step
    return found
