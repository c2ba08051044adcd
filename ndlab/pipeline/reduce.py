"""Reductions: what blocks return, combined in a fixed tree, so that the order of finishing never shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ndlab.errors import BadRequest

__all__ = ["Combine", "Node", "Tree"]

Combine = Callable[[Any, Any], Any]
Node = tuple[int, int]


class Tree:
    """Combines the values of numbered leaves, `fan_in` neighbours at a time, in a tree fixed by their numbers alone.

    A node is combined as soon as all its leaves are there, whatever came first, and always from the left. So even
    sums of floating-point numbers are the same for every scheduler, grouping and restart, and what waits is at most
    a few nodes for each leaf under way. None is nothing: it is combined with no one.

    Parameters
    ----------
    total : int
        Number of leaves.
    combine : callable
        ``combine(left, right)`` gives the value of both; it may change and return `left`.
    fan_in : int
        Children of a node.
    keep, load : callable, optional
        Put a waiting value elsewhere and bring it back.

    Examples
    --------
    >>> tree = Tree(5, lambda a, b: a + b, fan_in=2)
    >>> for leaf in (4, 1, 0, 3, 2):
    ...     tree.add((0, leaf), str(leaf))
    >>> tree.done, tree.root
    (True, '01234')
    """

    held = False
    """Whether its values are elsewhere, and `add` is only told where."""

    def __init__(
        self,
        total: int,
        combine: Combine,
        fan_in: int = 8,
        keep: Callable[[Any], Any] = lambda value: value,
        load: Callable[[Any], Any] = lambda kept: kept,
    ) -> None:
        if fan_in < 2:
            raise BadRequest(f"fan_in={fan_in}", "a node of a tree combines at least two", "pass fan_in=8")
        self._combine, self._fan_in = combine, fan_in
        self._keep, self._load = keep, load
        self._counts = [total]
        while self._counts[-1] > 1:
            self._counts.append(-(-self._counts[-1] // fan_in))
        self._waiting: dict[Node, Any] = {}
        self._missing: dict[Node, int] = {}
        self.done = total == 0
        self.root: Any = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, node: Node, value: Any) -> None:
        """Take in the value of a leaf ``(0, number)`` or of a node ``(level, number)``."""
        while True:
            level, number = node
            if level == len(self._counts) - 1:
                self.root, self.done = value, True
                return
            parent = (level + 1, number // self._fan_in)
            children = min(self._fan_in, self._counts[level] - parent[1] * self._fan_in)
            missing = self._missing.get(parent, children) - 1
            if missing:
                self._missing[parent] = missing
                self._waiting[node] = self._keep(value)
                return
            self._missing.pop(parent, None)
            value = self._join(level, parent[1] * self._fan_in, children, number, value)
            node = parent

    def _join(self, level: int, first: int, children: int, last: int, value: Any) -> Any:
        numbers = range(first, first + children)
        return self._joined([value if number == last else self._waiting.pop((level, number)) for number in numbers])

    def _joined(self, kept: Sequence[Any]) -> Any:
        found: Any = None
        for one in map(self._load, kept):
            if one is not None:
                found = one if found is None else self._combine(found, one)
        return found

    def result(self) -> Any:
        """Return the value of all leaves."""
        return self.root

    def waiting(self) -> Iterator[tuple[Node, Any]]:
        """Iterate over what is combined as far as it can be, the root included."""
        if self.done and self._counts[-1] == 1:
            yield (len(self._counts) - 1, 0), self.root
        for node, kept in self._waiting.items():
            yield node, self._load(kept)

    def leaves(self, node: Node) -> range:
        """Return the numbers of the leaves under a node."""
        level, number = node
        width = self._fan_in**level
        return range(number * width, min((number + 1) * width, self._counts[0]))
