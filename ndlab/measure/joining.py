"""Components that go on in the next block: which pieces meet, and what number the whole then has.

Every piece of a component (its part in one block) is named by the linear index of its first voxel in the whole
volume. The first of a component's names is therefore the index of the component's own first voxel, so the order of
these names is the order in which `scipy.ndimage.label` numbers components, whatever the blocks were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from ndlab.geometry import Int3
from ndlab.measure.keyed import Array

__all__ = ["Forest", "Planes", "before", "meeting", "numbered"]

Planes = Mapping[str, Array]


def before(connectivity: int, sections: bool = False) -> Iterator[Int3]:
    """Yield the steps to those neighbouring blocks that come earlier in C order and can share a component.

    Examples
    --------
    >>> list(before(1)), len(list(before(2))), len(list(before(3)))
    ([(-1, 0, 0), (0, -1, 0), (0, 0, -1)], 9, 13)
    >>> list(before(1, sections=True))
    [(0, -1, 0), (0, 0, -1)]
    """
    for z, y, x in product((-1, 0, 1), repeat=3):
        if (z, y, x) < (0, 0, 0) and abs(z) + abs(y) + abs(x) <= connectivity and not (sections and z):
            yield z, y, x


def meeting(mine: Planes, theirs: Planes, step: Int3, connectivity: int, sections: bool = False) -> Array:
    """Pairs of pieces that touch across the border between a block and its neighbour at `step`.

    Parameters
    ----------
    mine, theirs : mapping
        For each axis the outermost planes of labels, ``"0-"``, ``"0+"`` … ``"2+"``; ``"starts"``, the name of
        each piece; and ``"values"``, the id that it is a piece of, where ids are kept apart.
    step : tuple of 3 int
        From my block to theirs, each -1, 0 or 1.
    connectivity : int
    sections : bool
        Whether only voxels of one section touch.

    Returns
    -------
    ndarray of uint64, (n, 2)
    """
    a, b = _side(mine, step), _side(theirs, (-step[0], -step[1], -step[2]))
    free = [i for i in range(3) if not step[i]]
    left = connectivity - (3 - len(free))
    found = []
    for shift in product((-1, 0, 1), repeat=len(free)):
        by = [0, 0, 0]
        for axis, s in zip(free, shift, strict=True):
            by[axis] = s
        if sum(map(abs, shift)) > left or (sections and by[0]):
            continue
        p = a[tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(by, a.shape, strict=True))].reshape(-1)
        q = b[tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(by, b.shape, strict=True))].reshape(-1)
        both = (p != 0) & (q != 0)
        found.append(np.unique(p[both].astype(np.uint64) << np.uint64(32) | q[both]))
    pairs = np.unique(np.concatenate(found))
    one, other = (pairs >> np.uint64(32)).astype(np.intp) - 1, (pairs & np.uint64(0xFFFFFFFF)).astype(np.intp) - 1
    if "values" in mine:
        same = mine["values"][one] == theirs["values"][other]
        one, other = one[same], other[same]
    return np.stack([mine["starts"][one], theirs["starts"][other]], 1)


def _side(planes: Planes, step: Int3) -> Array:
    """Outermost voxels of a block in the direction of `step`, as an array of 3 axes."""
    axis = next(i for i in range(3) if step[i])
    plane = np.expand_dims(planes[f"{axis}{'-' if step[axis] < 0 else '+'}"], axis)
    cut = {-1: slice(0, 1), 0: slice(None), 1: slice(-1, None)}
    return plane[tuple(slice(None) if i == axis else cut[step[i]] for i in range(3))]


@dataclass
class Forest:
    """Pieces that touch others, each with the first piece of its component; the others need no room here.

    Attributes
    ----------
    nodes, roots : ndarray of uint64
        Names of the pieces, sorted, and of the first piece of each one's component.
    """

    nodes: Array = field(default_factory=lambda: np.empty(0, np.uint64))
    roots: Array = field(default_factory=lambda: np.empty(0, np.uint64))
    _new: list[Array] = field(default_factory=list)
    _waiting: int = 0

    def add(self, pairs: Array) -> None:
        """Take in pairs of names; those that wait are joined when they outnumber what is known."""
        self._new.append(pairs)
        self._waiting += len(pairs)
        if self._waiting > max(1 << 20, len(self.nodes)):
            self.settle()

    def settle(self) -> None:
        """Join everything that waits."""
        from ndlab.measure.kernels.labelling import unite

        if not self._new:
            return
        pairs = np.concatenate([np.stack([self.nodes, self.roots], 1), *self._new])
        nodes = np.unique(pairs)
        left, right = np.searchsorted(nodes, pairs).T
        # Nodes are sorted, so the smallest of a set is the first of its names.
        self.nodes, self.roots = nodes, nodes[unite(left, right, len(nodes))]
        self._new, self._waiting = [], 0


def numbered(slabs: Iterator[tuple[int, Sequence[Array]]], forest: Forest) -> Iterator[list[Array]]:
    """Give every piece the number of its component: 1, 2, … in the order of first voxels.

    Parameters
    ----------
    slabs : iterator of (int, sequence of array)
        For each layer of blocks along z, in order: the smallest name that it could hold, and the names of the pieces of
        each of its blocks. A layer's names are all smaller than the next one's, so one layer at a time is enough.
    forest : Forest
        Settled.

    Yields
    ------
    list of ndarray of uint64
        For each block of the layer, the number of each piece.
    """
    known = np.zeros(len(forest.nodes), np.uint64)
    count = 0
    for first, blocks in slabs:
        names = np.concatenate([np.empty(0, np.uint64), *blocks])
        at = np.searchsorted(forest.nodes, names)
        joined = at < len(forest.nodes)
        joined[joined] = forest.nodes[at[joined]] == names[joined]
        roots = names.copy()
        roots[joined] = forest.roots[at[joined]]
        own = np.sort(names[roots == names])
        numbers = np.searchsorted(own, roots).astype(np.uint64) + np.uint64(count + 1)
        earlier = roots < first
        numbers[earlier] = known[np.searchsorted(forest.nodes, roots[earlier])]
        is_root = joined & (roots == names)
        known[at[is_root]] = numbers[is_root]
        count += len(own)
        yield np.split(numbers, np.cumsum([len(block) for block in blocks])[:-1])
