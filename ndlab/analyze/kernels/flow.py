"""A minimum cut by pushing what is too much towards the sink, in whole numbers."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["kept_from_sink"]


@jit
def _levels(at: Array, to: Array, back: Array, room: Array, drain: Array, level: Array, queue: Array) -> int:
    """Fill `level` with the number of arcs with room from each node to the sink, n + 1 where none lead there."""
    n = len(at) - 1
    level[:] = n + 1
    end = 0
    for u in range(n):
        if drain[u] > 0:
            level[u] = 1
            queue[end] = u
            end += 1
    begin = 0
    while begin < end:
        v = queue[begin]
        begin += 1
        for e in range(at[v], at[v + 1]):
            u = to[e]
            if level[u] > n and room[back[e]] > 0:
                level[u] = level[v] + 1
                queue[end] = u
                end += 1
    return end


@jit
def kept_from_sink(at: Array, to: Array, back: Array, arc: int, supply: Array) -> Array:
    """Return which nodes lie on the source's side of the minimum cut that has most nodes there, bool (n,).

    Parameters
    ----------
    at, to : ndarray of int64
        The simple undirected graph in compressed rows; each edge lets `arc` through either way.
    back : ndarray of int64
        Of each arc, where the arc back stands.
    supply : ndarray of int64, shape (n,)
        What the source gives to each node, or, below 0, what the node lets through to the sink.

    Notes
    -----
    Push and relabel, first in first out, with levels found anew every n relabels (Goldberg and Tarjan 1988; Cherkassky
    and Goldberg 1997). What cannot reach the sink stays where it is: a cut needs no flow. All sums are of int64.
    """
    n = len(at) - 1
    room = np.full(len(to), arc, np.int64)
    excess, drain = np.maximum(supply, 0), np.maximum(-supply, 0)
    level, queue = np.empty(n, np.int64), np.empty(n, np.int64)
    _levels(at, to, back, room, drain, level, queue)
    current = at[:-1].copy()
    ring, waits = np.empty(n + 1, np.int64), np.zeros(n, np.bool_)
    head = tail = 0
    for u in range(n):
        if excess[u] > 0 and level[u] <= n:
            ring[tail] = u
            tail += 1
            waits[u] = True
    relabels = 0
    while head != tail:
        u = ring[head]
        head = (head + 1) % (n + 1)
        waits[u] = False
        while excess[u] > 0 and level[u] <= n:
            if drain[u] > 0:  # Its level is 1: nothing is nearer to the sink.
                given = min(excess[u], drain[u])
                excess[u] -= given
                drain[u] -= given
                continue
            while current[u] < at[u + 1]:
                e = current[u]
                v = to[e]
                if room[e] > 0 and level[u] == level[v] + 1:
                    given = min(excess[u], room[e])
                    room[e] -= given
                    room[back[e]] += given
                    excess[u] -= given
                    excess[v] += given
                    if not waits[v]:
                        waits[v] = True
                        ring[tail] = v
                        tail = (tail + 1) % (n + 1)
                    if excess[u] == 0:
                        break
                current[u] += 1
            if excess[u] == 0:
                break
            best = n
            for e in range(at[u], at[u + 1]):
                if room[e] > 0 and level[to[e]] < best:
                    best = level[to[e]]
            level[u] = best + 1
            current[u] = at[u]
            relabels += 1
            if relabels == n:
                relabels = 0
                _levels(at, to, back, room, drain, level, queue)
                current[:] = at[:-1]
    _levels(at, to, back, room, drain, level, queue)
    return level > n
