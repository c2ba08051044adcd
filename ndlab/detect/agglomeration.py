"""Fragments become segments: the graph of who touches whom over what border, merged from the weakest border up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ndlab.detect.fragments import Work
from ndlab.detect.watershed import Array
from ndlab.measure.scratch import in_lots, packed, unpacked

__all__ = ["Regions", "Tree", "leave_segments", "regions"]

_WAITING = 1 << 22  # rows of borders that wait to be added up


@dataclass(frozen=True, eq=False)
class Regions:
    """Fragments and the borders between them, all in whole numbers.

    Attributes
    ----------
    sizes : ndarray of int64, (n,)
        Voxels of fragment i + 1.
    ends : ndarray of int64, (m, 2)
        Rows of `sizes` of the two sides of each border, sorted.
    rows : ndarray of int64, (m, 4)
        Faces across z, y and x, and the sum of their membrane levels (0-255).
    """

    sizes: Array
    ends: Array
    rows: Array

    @property
    def strengths(self) -> Array:
        """Mean membrane probability of each border."""
        return np.asarray(self.rows[:, 3] / (255.0 * self.rows[:, :3].sum(1)))

    def merged(self, roots: Array) -> Regions:
        """Regions whose fragments were merged; `roots` gives the smallest member of each one's set."""
        kept, number = np.unique(roots, return_inverse=True)
        sizes = np.zeros(len(kept), np.int64)
        np.add.at(sizes, number, self.sizes)
        ends = np.sort(number[self.ends], 1)
        different = ends[:, 0] != ends[:, 1]
        return Regions(sizes, *_added(ends[different], self.rows[different]))

    def only(self, mask: Array) -> Regions:
        """Return the same fragments with some of the borders."""
        return Regions(self.sizes, self.ends[mask], self.rows[mask])

    def tree(self, small: float = 0.0) -> Tree:
        """Merge to the end; fragments of fewer than `small` voxels more readily."""
        from ndlab.detect.kernels.merging import merge

        a, b = np.ascontiguousarray(self.ends[:, 0]), np.ascontiguousarray(self.ends[:, 1])
        pairs, heights = merge(a.copy(), b.copy(), self.rows.copy(), self.sizes.copy(), float(small))
        return Tree(len(self.sizes), pairs, heights)


@dataclass(frozen=True, eq=False)
class Tree:
    """Which fragments join at which height; heights never fall, so that any cut is a prefix.

    Attributes
    ----------
    count : int
        Fragments.
    pairs : ndarray of int64, (k, 2)
    heights : ndarray of float64, (k,)
    """

    count: int
    pairs: Array
    heights: Array

    def cut(self, threshold: float) -> Array:
        """Smallest member of the set of each fragment after everything up to `threshold` was merged."""
        from ndlab.measure.kernels.labelling import unite

        known = self.pairs[: np.searchsorted(self.heights, threshold, "right")]
        found: Array = unite(np.ascontiguousarray(known[:, 0]), np.ascontiguousarray(known[:, 1]), self.count)
        return found


def regions(work: Work, count: int) -> Regions:
    """Add up what every block and every border between blocks found."""
    sizes = np.zeros(count, np.int64)
    ends, rows, waiting = [np.empty((0, 2), np.int64)], [np.empty((0, 4), np.int64)], 0
    for pairs, found, own_sizes, numbers in _borders(work):
        np.add.at(sizes, numbers, own_sizes)
        ends.append(pairs)
        rows.append(found)
        waiting += len(pairs)
        if waiting > max(_WAITING, len(ends[0])):
            one, other = _added(np.concatenate(ends), np.concatenate(rows))
            ends, rows, waiting = [one], [other], 0
    return Regions(sizes, *_added(np.concatenate(ends), np.concatenate(rows)))


def _borders(work: Work) -> Iterator[tuple[Array, Array, Array, Array]]:
    """For each block the fragments at both sides of its borders, their rows, and sizes and fragments of its pieces."""
    total = len(work.grid)
    own = in_lots(work.kv, (f"borders/{n}" for n in range(total)))
    across = in_lots(work.kv, (f"across/{n}" for n in range(total)))
    named = in_lots(work.kv, (f"numbers/{n}" for n in range(total)))
    before = _Before(work)
    for n, (raw, raw_across, raw_numbers) in enumerate(zip(own, across, named, strict=True)):
        inside = unpacked(raw or b"")
        numbers = unpacked(raw_numbers or b"")["numbers"].astype(np.int64) - 1
        parts = [(_halves(inside["pairs"], numbers, numbers), inside["rows"])]
        if raw_across is not None:
            found = unpacked(raw_across)
            for axis in range(3):
                if f"pairs{axis}" in found:
                    others = before.numbers(n, axis)
                    parts.append((_halves(found[f"pairs{axis}"], numbers, others), found[f"rows{axis}"]))
        before.keep(n, numbers)
        ends, rows = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        different = ends[:, 0] != ends[:, 1]
        yield np.sort(ends[different], 1), rows[different], inside["sizes"], numbers


class _Before:
    """Numbers of the pieces of earlier blocks, as many as neighbours of later ones still need: one layer."""

    def __init__(self, work: Work) -> None:
        self._steps = (work.grid.counts[1] * work.grid.counts[2], work.grid.counts[2], 1)
        self._held: dict[int, Array] = {}

    def keep(self, block: int, numbers: Array) -> None:
        self._held[block] = numbers
        self._held.pop(block - self._steps[0], None)

    def numbers(self, block: int, axis: int) -> Array:
        return self._held[block - self._steps[axis]]


def _halves(pairs: Array, numbers: Array, others: Array) -> Array:
    """Fragments of pairs of local labels that share 64 bits."""
    one, other = (pairs >> np.uint64(32)).astype(np.intp) - 1, (pairs & np.uint64(0xFFFFFFFF)).astype(np.intp) - 1
    return np.stack([numbers[one], others[other]], 1)


def _added(ends: Array, rows: Array) -> tuple[Array, Array]:
    """Add up the rows of each pair, and sort by it."""
    if not len(ends):
        return ends, rows
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    ends, rows = ends[order], rows[order]
    new = np.concatenate([[True], (ends[1:] != ends[:-1]).any(1)])
    return ends[new], np.add.reduceat(rows, np.flatnonzero(new), axis=0)


def leave_segments(work: Work, roots: Array) -> int:
    """Leave the segment of each piece of each block, and return how many segments there are.

    Segments are numbered 1, 2, … by their first voxel in C order, as fragments are.
    """
    kept, number = np.unique(roots, return_inverse=True)
    total = len(work.grid)
    for n, raw in enumerate(in_lots(work.kv, (f"numbers/{n}" for n in range(total)))):
        fragments = unpacked(raw or b"")["numbers"].astype(np.int64) - 1
        work.kv.write(f"segments/{n}", packed(numbers=(number[fragments] + 1).astype(np.uint64)))
    return len(kept)
