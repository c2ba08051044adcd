"""Values of given ranks among any number of them, in bounded memory, by looking at 16 bits a pass.

A value is turned into a whole number that sorts as the value does, its *key*. Of a wanted rank the leading bits of
the key are known; a pass counts the next 16 bits of all keys that begin so, and these bits are known, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.measure.keyed import Array

__all__ = ["Search", "sortable", "unsortable"]

_BITS = 16


def sortable(values: Array) -> Array:
    """Return unsigned integers of the same size that are ordered as `values` are (-0.0 before 0.0).

    Examples
    --------
    >>> sortable(np.array([-2, 3], "i1")).tolist(), bool(np.diff(sortable(np.array([-1.5, 2.5])).astype(float)) > 0)
    ([126, 131], True)
    """
    bits = 8 * values.dtype.itemsize
    keys: Array = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    if values.dtype.kind == "u":
        return keys
    top = keys.dtype.type(1 << (bits - 1))
    if values.dtype.kind == "i":
        flipped: Array = keys ^ top
        return flipped
    # Negative numbers have all their bits turned, the others the sign alone.
    signs = keys.view(f"i{values.dtype.itemsize}") >> (bits - 1)
    turned: Array = signs.view(keys.dtype)
    turned |= top
    turned ^= keys
    return turned


def unsortable(keys: Array, kind: np.dtype[Any]) -> Array:
    """Return the values of `kind` that `sortable` gives these keys."""
    if kind.kind == "u":
        return keys.astype(kind)
    top = keys.dtype.type(1 << (8 * kind.itemsize - 1))
    bits: Array = keys ^ top if kind.kind == "i" else np.where(keys & top, keys ^ top, ~keys)
    return bits.view(kind)


@dataclass(frozen=True)
class Search:
    """What is known of the keys at some ranks.

    Attributes
    ----------
    ranks : tuple of int
        Counted from 0 among all values.
    prefixes : tuple of int
        Known leading bits of the key at each rank.
    within : tuple of int
        Its rank among the keys that begin so.
    shift : int
        How many bits are not known.
    """

    ranks: tuple[int, ...]
    prefixes: tuple[int, ...]
    within: tuple[int, ...]
    shift: int

    @staticmethod
    def between(ranks: Sequence[int], low: Any, high: Any, kind: np.dtype[Any]) -> Search:
        """Begin with the bits that the smallest and the largest value, of type `kind`, share."""
        first, last = (int(key) for key in sortable(np.array([low, high], kind)))
        shift = (first ^ last).bit_length()
        return Search(tuple(ranks), (first >> shift,) * len(ranks), tuple(ranks), shift)

    @property
    def found(self) -> bool:
        """Whether every bit is known."""
        return self.shift == 0

    @property
    def bits(self) -> int:
        """How many bits the next pass finds out."""
        return min(_BITS, self.shift)

    def count(self, values: Array) -> tuple[Array, Array]:
        """Count the next bits of these values: numbers of bins, sorted, and how many values lie in each."""
        from ndlab.measure.kernels.moments import count_digits

        wanted = np.unique(np.array(self.prefixes, np.uint64))
        counts = np.zeros((len(wanted), 1 << self.bits), np.int64)
        count_digits(sortable(values), wanted, np.uint64(self.shift - self.bits), np.uint64(self.bits), counts)
        (bins,) = np.nonzero(counts.reshape(-1))
        return bins, counts.reshape(-1)[bins]

    def narrowed(self, bins: Array, counts: Array) -> Search:
        """Take in what a pass over all values counted."""
        wanted = np.unique(np.array(self.prefixes, np.uint64)).tolist()
        prefixes, within = [], []
        for prefix, rank in zip(self.prefixes, self.within, strict=True):
            first = wanted.index(prefix) << self.bits
            mine = slice(*np.searchsorted(bins, (first, first + (1 << self.bits))))
            ends = np.cumsum(counts[mine])
            at = int(np.searchsorted(ends, rank, side="right"))
            prefixes.append(prefix << self.bits | int(bins[mine][at]) - first)
            within.append(rank - (int(ends[at - 1]) if at else 0))
        return Search(self.ranks, tuple(prefixes), tuple(within), self.shift - self.bits)

    def values(self, kind: np.dtype[Any]) -> Mapping[int, int | float]:
        """Return the value at each rank, once every bit is known."""
        keys = np.array(self.prefixes, f"u{kind.itemsize}")
        return dict(zip(self.ranks, unsortable(keys, kind).tolist(), strict=True))
