"""Random partners: each synapse of a site gets another of the axons that touch the site.

`at` (sites + 1) says where the candidates of each site stand; of a candidate, `pair` is the number of its pair of
axon and target, `axon` its axon, both ascending in a site by axon. `has` is how many synapses a site has. Statistics
of a draw are the pairs with at least 2 synapses, those with at least 3, and the sum of c (c - 1) / 2 over pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["shuffle", "statistics", "swap_chain", "uniform"]


@jit
def statistics(counts: Array) -> tuple[int, int, int]:
    """Return the three statistics of counts of synapses, one for each pair."""
    two = three = pairs = 0
    for c in counts:
        two += c >= 2
        three += c >= 3
        pairs += c * (c - 1) // 2
    return two, three, pairs


@jit
def uniform(rng: Any, at: Array, pair: Array, weight: Array, has: Array, n_pairs: int, out: Array) -> None:
    """Fill `out` (draws, 3): each synapse picks one of the axons at its site, none twice, by `weight`."""
    counts = np.zeros(n_pairs, np.int64)
    used = np.zeros(len(pair), np.bool_)
    picked = np.zeros(has.sum(), np.int64)
    for draw in range(len(out)):
        n = 0
        for site in range(len(has)):
            begin, end = at[site], at[site + 1]
            first = n
            for _ in range(has[site]):
                total = 0.0
                for c in range(begin, end):
                    if not used[c]:
                        total += weight[c]
                left = rng.random() * total
                chosen = -1
                for c in range(begin, end):
                    if not used[c]:
                        chosen = c
                        left -= weight[c]
                        if left < 0:
                            break
                used[chosen] = True
                counts[pair[chosen]] += 1
                picked[n] = chosen
                n += 1
            for i in range(first, n):
                used[picked[i]] = False
        two = three = pairs = 0
        for i in range(n):
            c = counts[pair[picked[i]]]
            counts[pair[picked[i]]] = 0  # Each pair is looked at once.
            two += c >= 2
            three += c >= 3
            pairs += c * (c - 1) // 2
        out[draw, 0], out[draw, 1], out[draw, 2] = two, three, pairs


@jit
def _find(axon: Array, begin: int, end: int, one: int) -> int:
    while begin < end:
        middle = (begin + end) // 2
        if axon[middle] < one:
            begin = middle + 1
        else:
            end = middle
    return begin


@jit
def swap_chain(
    rng: Any, at: Array, pair: Array, axon: Array, site: Array, state: Array, n_pairs: int, burn: int, every: int,
    out: Array,
) -> int:  # fmt: skip
    """Walk over all ways to give the synapses partners in which each axon keeps its number of synapses.

    `state` holds for each synapse its candidate and is changed; `site` is the site of each synapse; candidates are
    those axons only that have a synapse somewhere. A step takes a synapse i, one of the axons b at its site, and one of
    the synapses j of b, and lets i and j exchange axons if each touches the other site and is not there already.
    Metropolis and Hastings's rule makes up for proposals that are likelier one way than back, so in the long run the
    chain is uniform over what it can reach. After `burn` steps a row of `out` is written every `every` steps.
    Returns how many exchanges were made.
    """
    n = len(state)
    n_axons = axon.max() + 1
    number = np.zeros(n_axons + 1, np.int64)
    for candidate in state:
        number[axon[candidate] + 1] += 1
    start = np.cumsum(number)
    number = number[1:]
    fill = start[:-1].copy()
    slots, slot = np.zeros(n, np.int64), np.zeros(n, np.int64)
    taken_at = np.zeros(len(pair), np.bool_)
    counts = np.zeros(n_pairs, np.int64)
    for i in range(n):
        a = axon[state[i]]
        slots[fill[a]], slot[i] = i, fill[a]
        fill[a] += 1
        taken_at[state[i]] = True
        counts[pair[state[i]]] += 1
    two, three, pairs = statistics(counts)
    moves = 0
    for step in range(burn + every * len(out)):
        i = rng.integers(0, n)
        size_i = at[site[i] + 1] - at[site[i]]
        to_i = at[site[i]] + rng.integers(0, size_i)
        a, b = axon[state[i]], axon[to_i]
        if a != b and not taken_at[to_i]:
            j = slots[start[b] + rng.integers(0, number[b])]
            to_j = _find(axon, at[site[j]], at[site[j] + 1], a)
            if site[i] != site[j] and to_j < at[site[j] + 1] and axon[to_j] == a and not taken_at[to_j]:
                size_j = at[site[j] + 1] - at[site[j]]
                there = 1.0 / (size_i * number[b]) + 1.0 / (size_j * number[a])
                back = 1.0 / (size_i * number[a]) + 1.0 / (size_j * number[b])
                if rng.random() * there < back:
                    for gone in (state[i], state[j]):
                        c = counts[pair[gone]]
                        two -= c == 2
                        three -= c == 3
                        pairs -= c - 1
                        counts[pair[gone]] = c - 1
                        taken_at[gone] = False
                    for come in (to_i, to_j):
                        c = counts[pair[come]]
                        two += c == 1
                        three += c == 2
                        pairs += c
                        counts[pair[come]] = c + 1
                        taken_at[come] = True
                    state[i], state[j] = to_i, to_j
                    slots[slot[i]], slots[slot[j]] = j, i
                    slot[i], slot[j] = slot[j], slot[i]
                    moves += 1
        if step >= burn and (step - burn + 1) % every == 0:
            row = (step - burn) // every
            out[row, 0], out[row, 1], out[row, 2] = two, three, pairs
    return moves


@jit
def shuffle(rng: Any, at: Array, target: Array, n_targets: int, out: Array) -> None:
    """Fill `out` (draws, 3): the targets are dealt anew to all synapses, so that both ends keep their degree.

    Axon i has the synapses `at[i]` to `at[i + 1]`, axons of one synapse left out, for none of the statistics counts
    them; their targets stand behind the others in `target` (all synapses) and are dealt with them.
    """
    dealt = target.copy()
    counts = np.zeros(n_targets, np.int64)  # Of one axon at a time, so that it stays in the nearest cache.
    n, last = len(dealt), at[len(at) - 1]
    for draw in range(len(out)):
        for i in range(min(last, n - 1)):
            # A double has 53 bits: of n choices none is likelier than another by more than n / 2^53.
            j = i + int(rng.random() * (n - i))
            dealt[i], dealt[j] = dealt[j], dealt[i]
        two = three = pairs = 0
        for one in range(len(at) - 1):
            for i in range(at[one], at[one + 1]):
                c = counts[dealt[i]]
                counts[dealt[i]] = c + 1
                two += c == 1
                three += c == 2
                pairs += c
            for i in range(at[one], at[one + 1]):
                counts[dealt[i]] = 0
        out[draw, 0], out[draw, 1], out[draw, 2] = two, three, pairs
