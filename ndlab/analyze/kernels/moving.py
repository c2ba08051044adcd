"""Communities by moving nodes one at a time: by modularity, by the map equation, by majority, by heat."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["move_by_flow", "move_by_modularity", "propagate", "spins"]


@jit
def move_by_modularity(rng: Any, at: Array, to: Array, weight: Array, own: Array, labels: Array) -> bool:
    """Move each node to the neighbouring community that raises modularity most, until none moves; tell if any did.

    `weight` is that of each edge, both ways; `own` that of each node's loops, counted twice.
    """
    n = len(at) - 1
    degree = own.copy()
    for u in range(n):
        for e in range(at[u], at[u + 1]):
            degree[u] += weight[e]
    total = degree.sum()
    sums = np.zeros(n)
    for u in range(n):
        sums[labels[u]] += degree[u]
    near = np.zeros(n)
    ever = False
    order = rng.permutation(n)
    for _ in range(100):
        moved = False
        for u in order:
            home = labels[u]
            for e in range(at[u], at[u + 1]):
                near[labels[to[e]]] += weight[e]
            sums[home] -= degree[u]
            best, gain = home, near[home] - degree[u] * sums[home] / total
            for e in range(at[u], at[u + 1]):
                c = labels[to[e]]
                value = near[c] - degree[u] * sums[c] / total
                if value > gain + 1e-12:
                    best, gain = c, value
            for e in range(at[u], at[u + 1]):
                near[labels[to[e]]] = 0.0
            near[home] = 0.0
            sums[best] += degree[u]
            if best != home:
                labels[u] = best
                moved = ever = True
        if not moved:
            break
    return ever


@jit
def _plogp(p: float) -> float:
    return p * np.log2(p) if p > 1e-15 else 0.0


@jit
def move_by_flow(rng: Any, at: Array, to: Array, flow: Array, size: Array, out: Array, labels: Array) -> bool:
    """Move nodes so that a random walk is described in fewer bits (the map equation), until none moves.

    `flow` is the share of steps along each edge, each way; `size` the share of time at each node, `out` the share of
    steps that leave it to others.
    """
    n = len(at) - 1
    inside, leave = np.zeros(n), np.zeros(n)
    for u in range(n):
        inside[labels[u]] += size[u]
        for e in range(at[u], at[u + 1]):
            if labels[to[e]] != labels[u]:
                leave[labels[u]] += flow[e]
    total = leave.sum()
    near = np.zeros(n)
    ever = False
    order = rng.permutation(n)
    for _ in range(100):
        moved = False
        for u in order:
            home = labels[u]
            for e in range(at[u], at[u + 1]):
                near[labels[to[e]]] += flow[e]
            best, gain = home, -1e-12
            home_leave = leave[home] - out[u] + 2 * near[home]
            home_inside = inside[home] - size[u]
            for e in range(at[u], at[u + 1]):
                c = labels[to[e]]
                if c == home:
                    continue
                c_leave = leave[c] + out[u] - 2 * near[c]
                new_total = total - leave[home] - leave[c] + home_leave + c_leave
                change = (
                    _plogp(new_total)
                    - _plogp(total)
                    - 2 * (_plogp(home_leave) + _plogp(c_leave) - _plogp(leave[home]) - _plogp(leave[c]))
                    + _plogp(home_leave + home_inside)
                    + _plogp(c_leave + inside[c] + size[u])
                    - _plogp(leave[home] + inside[home])
                    - _plogp(leave[c] + inside[c])
                )
                if change < gain:
                    best, gain = c, change
            if best != home:
                new_leave = leave[best] + out[u] - 2 * near[best]
                total += home_leave + new_leave - leave[home] - leave[best]
                leave[home], leave[best] = home_leave, new_leave
                inside[home] -= size[u]
                inside[best] += size[u]
                labels[u] = best
                moved = ever = True
            for e in range(at[u], at[u + 1]):
                near[labels[to[e]]] = 0.0
            near[home] = 0.0
        if not moved:
            break
    return ever


@jit
def propagate(rng: Any, at: Array, to: Array, labels: Array) -> None:
    """Give each node the label that most of its neighbours have, ties by lot, until all have one of those."""
    n = len(at) - 1
    count = np.zeros(n, np.int64)
    for _ in range(1000):
        changed = False
        for u in rng.permutation(n):
            most = 0
            for e in range(at[u], at[u + 1]):
                count[labels[to[e]]] += 1
                most = max(most, count[labels[to[e]]])
            if most and count[labels[u]] < most:
                ties = 0
                pick = labels[u]
                for e in range(at[u], at[u + 1]):
                    if count[labels[to[e]]] == most:
                        ties += 1
                        if rng.random() * ties < 1:
                            pick = labels[to[e]]
                for e in range(at[u], at[u + 1]):
                    count[labels[to[e]]] = 0
                labels[u] = pick
                changed = True
            else:
                for e in range(at[u], at[u + 1]):
                    count[labels[to[e]]] = 0
        if not changed:
            return


@jit
def spins(rng: Any, at: Array, to: Array, labels: Array, states: int, start: float, stop: float, cool: float) -> None:
    """Let nodes take states at falling heat, so that joined ones agree and others do not."""
    n = len(at) - 1
    edges = len(to)
    sums = np.zeros(states)
    for u in range(n):
        sums[labels[u]] += at[u + 1] - at[u]
    heat = start
    near = np.zeros(states)
    chance = np.zeros(states)
    while heat > stop:
        for _ in range(n):
            u = rng.integers(0, n)
            degree = at[u + 1] - at[u]
            near[:] = 0.0
            for e in range(at[u], at[u + 1]):
                near[labels[to[e]]] += 1
            sums[labels[u]] -= degree
            best = -np.inf
            for s in range(states):
                chance[s] = near[s] - degree * sums[s] / edges
                best = max(best, chance[s])
            total = 0.0
            for s in range(states):
                chance[s] = np.exp((chance[s] - best) / heat)
                total += chance[s]
            left = rng.random() * total
            new = states - 1
            for s in range(states):
                left -= chance[s]
                if left < 0:
                    new = s
                    break
            labels[u] = new
            sums[new] += degree
        heat *= cool
