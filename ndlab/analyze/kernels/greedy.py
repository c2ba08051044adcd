"""Communities merged greedily by modularity, on a dense matrix of gains."""

from __future__ import annotations

import numpy as np

from ndlab.analyze.kernels.jit import Array, jit

__all__ = ["agglomerate"]


@jit
def agglomerate(gain: Array, share: Array, merges: Array, gains: Array) -> int:
    """Merge the two communities whose union raises modularity most, until none is left that are joined.

    `gain` (n, n) is the change of modularity of each union, and minus infinity where two have no edge between
    them; it is changed, as is `share` (n), the share of edge ends in each community. `merges` (n - 1, 2) and `gains`
    (n - 1) are filled: the second is merged into the first. Returns how many merges there were.

    References
    ----------
    Clauset A, Newman MEJ, Moore C (2004). Finding community structure in very large networks. Phys Rev E 70:066111.
    """
    n = len(share)
    best = np.empty(n, np.int64)
    for i in range(n):
        best[i] = _largest(gain[i])
    alive = np.ones(n, np.bool_)
    done = 0
    while done < n - 1:
        top, i = -np.inf, -1
        for k in range(n):
            if alive[k] and gain[k, best[k]] > top:
                top, i = gain[k, best[k]], k
        if i < 0 or top == -np.inf:
            break
        # The larger number goes into the smaller one.
        a, b = min(i, best[i]), max(i, best[i])
        merges[done, 0], merges[done, 1], gains[done] = a, b, top
        done += 1
        for k in range(n):
            if not alive[k] or k in (a, b):
                continue
            with_a, with_b = gain[a, k], gain[b, k]
            if with_a > -np.inf and with_b > -np.inf:
                new = with_a + with_b
            elif with_a > -np.inf:
                new = with_a - 2 * share[b] * share[k]
            elif with_b > -np.inf:
                new = with_b - 2 * share[a] * share[k]
            else:
                continue
            gain[a, k] = gain[k, a] = new
        alive[b] = False
        share[a] += share[b]
        gain[b, :] = -np.inf
        gain[:, b] = -np.inf
        best[a] = _largest(gain[a])
        for k in range(n):
            if not alive[k] or k == a:
                continue
            if best[k] in (a, b):
                best[k] = _largest(gain[k])
            elif gain[k, a] > gain[k, best[k]]:
                best[k] = a
    return done


@jit
def _largest(row: Array) -> int:
    best = 0
    for k in range(1, len(row)):
        if row[k] > row[best]:
            best = k
    return best
