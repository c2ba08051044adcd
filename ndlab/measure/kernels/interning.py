"""Give each different number a small index, by a hash table that grows with what it holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["count_local", "find", "intern", "rehash"]


@jit
def find(key: Any, keys: Array, slots: Array) -> Any:
    """Slot that holds `key`, or the free one where it belongs (open addressing, a power of two of slots)."""
    h = np.uint64(key)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    h = h ^ (h >> np.uint64(31))
    mask = np.uint64(slots.size - 1)
    at: Any = np.intp(h & mask)
    while slots[at] >= 0 and keys[slots[at]] != key:
        at += 1
        if at == slots.size:
            at = 0
    return at


@jit
def rehash(keys: Array, count: int) -> Array:
    """Slots for the first `count` keys, four times as many as `keys` has room for."""
    slots = np.full(4 * keys.size, -1, np.int64)
    for i in range(count):
        slots[find(keys[i], keys, slots)] = i
    return slots


@jit
def intern(labels: Array, local: Array) -> Array:
    """Fill `local` with the index of each label, in order of appearance, and return the labels by index.

    Most voxels have the label of a neighbour that was seen before, so the table is asked only at borders.
    """
    keys = np.empty(64, labels.dtype)
    slots = rehash(keys, 0)
    count = 0
    nz, ny, nx = labels.shape
    for z in range(nz):
        for y in range(ny):
            k = np.uint32(0)
            for x in range(nx):
                v = labels[z, y, x]
                if x > 0 and labels[z, y, x - 1] == v:
                    pass
                elif y > 0 and labels[z, y - 1, x] == v:
                    k = local[z, y - 1, x]
                elif z > 0 and labels[z - 1, y, x] == v:
                    k = local[z - 1, y, x]
                else:
                    at = find(v, keys, slots)
                    if slots[at] < 0:
                        if count == keys.size:
                            grown = np.empty(2 * count, labels.dtype)
                            grown[:count] = keys
                            keys = grown
                            slots = rehash(keys, count)
                            at = find(v, keys, slots)
                        slots[at] = count
                        keys[count] = v
                        count += 1
                    k = np.uint32(slots[at])
                local[z, y, x] = k
    return keys[:count]


@jit
def count_local(local: Array, counts: Array) -> None:
    """Add to `counts` how often each index occurs."""
    for k in local.flat:
        counts[k] += 1
