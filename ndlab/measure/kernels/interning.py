"""Give each different number a small index, by a hash table that grows with what it holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["count_local", "find", "intern", "intern_more", "rehash"]


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
    """Fill `local` with the index of each label, in order of appearance, and return the labels by index."""
    keys = np.empty(64, labels.dtype)
    keys, _, count = intern_more(labels, local, keys, rehash(keys, 0), 0, labels.size)
    return keys[:count]


@jit
def intern_more(
    labels: Array, local: Array, keys: Array, slots: Array, count: int, most: int
) -> tuple[Array, Array, int]:
    """Fill `local` as `intern` does, where `count` labels are known already: `keys` and `slots`, which are returned.

    More than `most` labels end it, with a count beyond that and `local` filled in part. Most voxels have the label of
    a neighbour that was seen before, so the table is asked only at borders.
    """
    nz, ny, nx = labels.shape
    for z in range(nz):
        for y in range(ny):
            before = labels[z, y, 0]
            k = np.uint32(0)
            for x in range(nx):
                v = labels[z, y, x]
                if x > 0 and v == before:
                    pass
                elif y > 0 and labels[z, y - 1, x] == v:
                    k = np.uint32(local[z, y - 1, x])
                elif z > 0 and labels[z - 1, y, x] == v:
                    k = np.uint32(local[z - 1, y, x])
                else:
                    at = find(v, keys, slots)
                    if slots[at] < 0:
                        if count == most:
                            return keys, slots, count + 1
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
                before = v
                local[z, y, x] = k
    return keys, slots, count


@jit
def count_local(local: Array, counts: Array) -> None:
    """Add to `counts` how often each index occurs."""
    for k in local.flat:
        counts[k] += 1
