"""The tasks of a Run, counted and never listed: blocks of a box, times time points, times channels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Box, Grid, Int3
from ndlab.pipeline.step import Task

__all__ = ["Blocks", "Pages", "Tasks", "Tiling"]

_KEY = re.compile(r"(?:t(\d+) )?(?:c(\d+) )?(\d+):(\d+),(\d+):(\d+),(\d+):(\d+)")
_PAGE = 1 << 16


@dataclass(frozen=True, slots=True)
class Tiling:
    """The blocks of a box, cut at multiples of `block` counted from the array's origin.

    So each block keeps to the array's own shards, wherever the box begins. Nothing is listed.

    Examples
    --------
    >>> tiles = Tiling(Box((0, 0, 3), (4, 4, 9)), (4, 4, 4))
    >>> len(tiles), tiles[0], tiles[2].stop
    (3, Box(start=(0, 0, 3), stop=(4, 4, 4), level=0), (4, 4, 9))
    """

    box: Box
    block: Int3

    def __post_init__(self) -> None:
        if min(self.block) < 1:
            raise BadRequest(f"block shape was {tuple(self.block)}", "each side must be at least 1 voxel")

    @property
    def first(self) -> Int3:
        """Grid position of the first block."""
        z, y, x = (a // k for a, k in zip(self.box.start, self.block, strict=True))
        return z, y, x

    @property
    def counts(self) -> Int3:
        """Blocks along (z, y, x)."""
        z, y, x = (
            -(-b // k) - a if n else 0
            for b, k, a, n in zip(self.box.stop, self.block, self.first, self.box.shape, strict=True)
        )
        return z, y, x

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __getitem__(self, number: int) -> Box:
        if not 0 <= number < len(self):
            raise OutOfBounds(f"block {number} was asked for", f"there are {len(self)} blocks, counted from 0")
        _, ny, nx = self.counts
        rest, x = divmod(number, nx)
        z, y = divmod(rest, ny)
        corner = [(i + a) * k for i, a, k in zip((z, y, x), self.first, self.block, strict=True)]
        start = [max(a, c) for a, c in zip(self.box.start, corner, strict=True)]
        stop = [min(b, c + k) for b, c, k in zip(self.box.stop, corner, self.block, strict=True)]
        return Box(start, stop, self.box.level)

    def __iter__(self) -> Iterator[Box]:
        return map(self.__getitem__, range(len(self)))


Blocks = Grid | Tiling | Sequence[Box]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a name is made of: a Tiling's numbers worked out once, and what stands before each round of its blocks."""

    start: Int3
    stop: Int3
    block: Int3
    first: Int3
    counts: Int3
    leads: list[str]
    total: int


class Tasks(Sequence[Task]):
    """Every block at every time point and channel, numbered from 0: time points, then channels, then blocks.

    Examples
    --------
    >>> tasks = Tasks(Grid((4, 4, 8), (4, 4, 4)), t=range(3))
    >>> len(tasks), tasks[5].key, tasks.number("t2 0:4,0:4,4:8")
    (6, 't2 0:4,0:4,4:8', 5)
    """

    def __init__(self, blocks: Blocks, t: Sequence[int] | None = None, c: Sequence[int] | None = None) -> None:
        self.blocks = blocks
        self.t, self.c = t, c
        self._by_key: dict[str, int] | None = None

    @property
    def regular(self) -> bool:
        """Whether the blocks follow a rule, so that a number says which one is meant."""
        return isinstance(self.blocks, Grid | Tiling)

    def __len__(self) -> int:
        return len(self.blocks) * (1 if self.t is None else len(self.t)) * (1 if self.c is None else len(self.c))

    @overload
    def __getitem__(self, number: int) -> Task: ...
    @overload
    def __getitem__(self, number: slice) -> list[Task]: ...
    def __getitem__(self, number: int | slice) -> Task | list[Task]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise OutOfBounds(f"task {number} was asked for", f"there are {len(self)} tasks, counted from 0")
        rest, block = divmod(number, len(self.blocks))
        t, c = divmod(rest, 1 if self.c is None else len(self.c))
        return Task(self.blocks[block], None if self.t is None else self.t[t], None if self.c is None else self.c[c])

    def __iter__(self) -> Iterator[Task]:
        return map(self.__getitem__, range(len(self)))

    def key(self, number: int) -> str:
        """Return the name of a task, as `self[number].key`, at a tenth of its cost where the blocks follow a rule."""
        rule = self._rule
        if rule is None or not 0 <= number < rule.total:
            return self[number].key
        rest, x = divmod(number, rule.counts[2])
        rest, y = divmod(rest, rule.counts[1])
        rest, z = divmod(rest, rule.counts[0])
        (kz, ky, kx), (fz, fy, fx) = rule.block, rule.first
        (az, ay, ax), (bz, by, bx) = rule.start, rule.stop
        # Without max and min, whose calls would take most of the time of a million names.
        z, y, x = (z + fz) * kz, (y + fy) * ky, (x + fx) * kx
        along_z = f"{z if z > az else az}:{z + kz if z + kz < bz else bz}"
        along_y = f"{y if y > ay else ay}:{y + ky if y + ky < by else by}"
        return f"{rule.leads[rest]}{along_z},{along_y},{x if x > ax else ax}:{x + kx if x + kx < bx else bx}"

    @cached_property
    def _rule(self) -> _Rule | None:
        blocks = self.blocks
        if isinstance(blocks, Grid):
            blocks = Tiling(Box((0, 0, 0), blocks.shape, blocks.level), blocks.block)
        if not isinstance(blocks, Tiling):
            return None
        times = [""] if self.t is None else [f"t{t} " for t in self.t]
        leads = [f"{t}{c}" for t in times for c in ([""] if self.c is None else [f"c{c} " for c in self.c])]
        return _Rule(blocks.box.start, blocks.box.stop, blocks.block, blocks.first, blocks.counts, leads, len(self))

    def number(self, key: str) -> int | None:
        """Find the number of the task called `key`; None if there is no such task here."""
        if not self.regular:
            if self._by_key is None:
                self._by_key = {task.key: i for i, task in enumerate(self)}
            return self._by_key.get(key)
        found = _KEY.fullmatch(key)
        if found is None:
            return None
        t, c, *corners = (None if part is None else int(part) for part in found.groups())
        number = self._block_number([int(n or 0) for n in corners[::2]])
        for wanted, have, stride in (
            (c, self.c, len(self.blocks)),
            (t, self.t, len(self.blocks) * (1 if self.c is None else len(self.c))),
        ):
            if (wanted is None) != (have is None) or (have is not None and wanted not in have) or number is None:
                return None
            number += have.index(wanted) * stride if have is not None and wanted is not None else 0
        return number if number is not None and self.key(number) == key else None

    def _block_number(self, start: Sequence[int]) -> int | None:
        blocks = self.blocks
        assert isinstance(blocks, Grid | Tiling)
        first = blocks.first if isinstance(blocks, Tiling) else (0, 0, 0)
        index = [a // k - f for a, k, f in zip(start, blocks.block, first, strict=True)]
        if any(not 0 <= i < n for i, n in zip(index, blocks.counts, strict=True)):
            return None
        return (index[0] * blocks.counts[1] + index[1]) * blocks.counts[2] + index[2]

    def basis(self) -> dict[str, Any] | None:
        """Return the rule as JSON; None for a plain list of boxes."""
        blocks = self.blocks
        if isinstance(blocks, Grid):
            blocks = Tiling(Box((0, 0, 0), blocks.shape, blocks.level), blocks.block)
        if not isinstance(blocks, Tiling):
            return None
        found: dict[str, Any] = {"start": list(blocks.box.start), "stop": list(blocks.box.stop)}
        found |= {"block": list(blocks.block), "level": blocks.box.level}
        lead = {"t": self.t, "c": self.c}
        return found | {axis: list(numbers) for axis, numbers in lead.items() if numbers is not None}

    @staticmethod
    def from_basis(basis: dict[str, Any]) -> Tasks:
        """Return the tasks of such a rule."""
        z, y, x = basis["block"]
        tiling = Tiling(Box(basis["start"], basis["stop"], basis["level"]), (z, y, x))
        return Tasks(tiling, basis.get("t"), basis.get("c"))


class Pages:
    """One byte for each number of a long row, in pages that exist only where something other than 0 stands.

    Examples
    --------
    >>> pages = Pages()
    >>> pages[10**9] = 2
    >>> pages[10**9], pages[5], pages.count(2)
    (2, 0, 1)
    """

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def __getitem__(self, number: int) -> int:
        page = self._pages.get(number // _PAGE)
        return 0 if page is None else page[number % _PAGE]

    def __setitem__(self, number: int, value: int) -> None:
        page = self._pages.get(number // _PAGE)
        if page is None:
            page = self._pages[number // _PAGE] = bytearray(_PAGE)
        page[number % _PAGE] = value

    def count(self, value: int, total: int | None = None) -> int:
        """Count how often `value` (not 0) stands among the first `total` numbers."""
        found = 0
        for at, page in self._pages.items():
            end = _PAGE if total is None else min(_PAGE, total - at * _PAGE)
            found += page.count(value, 0, max(0, end))
        return found

    def zeros(self, total: int) -> Iterator[int]:
        """Iterate over the first `total` numbers where 0 stands, looked up as they come."""
        for at in range(-(-total // _PAGE)):
            first, end = at * _PAGE, min(total, (at + 1) * _PAGE)
            page = self._pages.get(at)
            if page is None:
                yield from range(first, end)
            else:
                yield from (
                    first + i for i in np.flatnonzero(np.frombuffer(page, np.uint8)[: end - first] == 0).tolist()
                )

    def nonzero(self) -> Iterator[int]:
        """Iterate over the numbers where something stands."""
        for at in sorted(self._pages):
            yield from (at * _PAGE + i for i in np.flatnonzero(np.frombuffer(self._pages[at], np.uint8)).tolist())

    def array(self, total: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the first `total` values."""
        found = np.zeros(total, np.uint8)
        for at, page in self._pages.items():
            part = found[at * _PAGE : (at + 1) * _PAGE]
            part[...] = np.frombuffer(page, np.uint8)[: part.size]
        return found

    def copy(self) -> Pages:
        """Return an independent copy."""
        new = Pages()
        new._pages = {at: bytearray(page) for at, page in list(self._pages.items())}
        return new
