"""Parts of axes: what one index selects, and what reading the selected box would move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ndlab import describe
from ndlab.errors import BadRequest, OutOfBounds
from ndlab.store.arrays import Array

__all__ = ["Estimate", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """Part of one axis: [start, stop), and whether an integer index dropped the axis."""

    start: int
    stop: int
    dropped: bool = False

    def cut(self, key: slice | int, axis: str) -> Span:
        """Cut out what `key` (relative to this span) selects; leaving it is an error, unlike in numpy."""
        n = self.stop - self.start
        if isinstance(key, slice):
            if key.step not in (None, 1):
                raise BadRequest(
                    f"step {key.step} along {axis}",
                    "a view is contiguous",
                    "take a coarser level with .level(1), or index after .read()",
                )
            low = 0 if key.start is None else whole_number(key.start, n)
            high = n if key.stop is None else whole_number(key.stop, n)
            if not 0 <= low <= n or not 0 <= high <= n:
                raise OutOfBounds(
                    f"{axis} {low}:{high} was asked for",
                    f"{axis} spans 0:{n} here",
                    f"stay within 0:{n}",
                    axis=axis,
                    shape=n,
                )
            return Span(self.start + low, self.start + max(low, high))
        low = whole_number(key, n)
        if not 0 <= low < n:
            raise OutOfBounds(f"{axis} {key} was asked for", f"{axis} spans 0 to {n - 1} here", "", axis=axis, shape=n)
        return Span(self.start + low, self.start + low + 1, dropped=True)


def whole_number(value: Any, n: int) -> int:
    """Return a whole number; negative ones count from the end, as in numpy."""
    try:
        number = value.__index__()
    except (AttributeError, TypeError):  # TypeError: an array of several numbers
        raise BadRequest(f"index {value!r}", "voxels are indexed with whole numbers and slices",
                         "for positions in nm use vol.nm[...]") from None  # fmt: skip
    return int(number + n if number < 0 else number)


@dataclass(frozen=True)
class Estimate:
    """What a read would move.

    `nbytes` arrive in memory; `decoded` bytes are decoded for them, from `chunks` chunks in at most `requests`
    requests (`shards` of them for shard indexes).
    """

    nbytes: int
    chunks: int
    shards: int
    requests: int
    decoded: int

    @classmethod
    def of(cls, array: Array, spans: Sequence[Span]) -> Estimate:
        """Count for the box `spans` of `array`."""

        def touched(piece: Sequence[int]) -> int:
            counts = (
                -(-s.stop // k) - s.start // k if s.stop > s.start else 0 for s, k in zip(spans, piece, strict=True)
            )
            return math.prod(counts)

        chunks, shards = touched(array.chunks), touched(array.shards) if array.shards else 0
        return cls(
            nbytes=math.prod(s.stop - s.start for s in spans) * array.dtype.itemsize,
            chunks=chunks,
            shards=shards,
            requests=chunks + shards,
            decoded=chunks * math.prod(array.chunks) * array.dtype.itemsize,
        )

    def __str__(self) -> str:
        ratio = self.decoded / self.nbytes if self.nbytes else 0
        return (
            f"{describe.si_bytes(self.nbytes)} from {self.chunks:,} chunks: at most {self.requests:,} requests, "
            f"{describe.si_bytes(self.decoded)} decoded ({ratio:.2g}x)"
        )
