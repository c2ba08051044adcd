"""Decode the chunks of an array, all or some, and name those that cannot be."""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ndlab import lazy
from ndlab.errors import NdlabError
from ndlab.store.arrays import Array

__all__ = ["Decoded", "decode"]

Corner = tuple[int, ...]
Extent = tuple[Corner, Corner]


@dataclass(frozen=True)
class Decoded:
    """How decoding went: chunks there are, chunks looked at, and for each bad one its first voxel and the reason."""

    chunks: int
    looked_at: int
    bad: tuple[tuple[Corner, str], ...]


def decode(
    array: Array,
    *,
    sample: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Decoded:
    """Read every chunk once, or `sample` random ones; memory stays at 128 MiB a worker.

    Parameters
    ----------
    array : Array
    sample : int, optional
        How many chunks to look at; all unless given. The first and the last are always among them.
    workers : int, optional
        Threads; as many as cores unless given.
    progress : callable, optional
        Called with (pieces done, pieces in all).
    """
    shape, chunks = array.shape, array.chunks
    grid = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    count = math.prod(grid)
    if sample is not None and sample < count:
        block, pieces, total = tuple(chunks), _sampled(grid, chunks, shape, sample), sample
    else:
        block = lazy.block_shape(shape, chunks, array.shards, array.dtype.itemsize)
        total = math.prod(-(-n // b) for n, b in zip(shape, block, strict=True))
        pieces = _cells(Corner([0] * len(shape)), shape, block)
    bad: list[tuple[Corner, str]] = []
    for done, found in enumerate(_in_threads(array, pieces, workers or os.cpu_count() or 1), 1):
        bad += found
        if progress is not None:
            progress(done, total)
    return Decoded(count, count if sample is None else min(sample, count), tuple(sorted(bad)))


def _sampled(grid: Sequence[int], chunks: Sequence[int], shape: Sequence[int], sample: int) -> Iterator[Extent]:
    """`sample` chunks: the first, the last, and random ones between; the same ones each time."""
    rng = np.random.default_rng(0)
    picked = dict.fromkeys([tuple([0] * len(grid)), tuple(n - 1 for n in grid)][:sample])
    while len(picked) < sample:
        picked[tuple(int(rng.integers(n)) for n in grid)] = None
    for index in sorted(picked):
        start = tuple(i * c for i, c in zip(index, chunks, strict=True))
        yield start, tuple(min(a + c, n) for a, c, n in zip(start, chunks, shape, strict=True))


def _cells(start: Corner, stop: Corner, cell: Sequence[int]) -> Iterator[Extent]:
    """Cut [start, stop) into cells; it begins on a cell."""
    for corner in itertools.product(*(range(a, b, c) for a, b, c in zip(start, stop, cell, strict=True))):
        yield corner, tuple(min(a + c, b) for a, b, c in zip(corner, stop, cell, strict=True))


def _in_threads(array: Array, pieces: Iterable[Extent], workers: int) -> Iterator[list[tuple[Corner, str]]]:
    waiting: deque[Future[list[tuple[Corner, str]]]] = deque()
    left = iter(pieces)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            while True:
                while len(waiting) < 2 * workers and (piece := next(left, None)) is not None:
                    waiting.append(pool.submit(_bad, array, *piece))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _bad(array: Array, start: Corner, stop: Corner) -> list[tuple[Corner, str]]:
    """Bad chunks of a piece; only where reading it fails are its chunks read one by one."""
    reason = _reason(array, start, stop)
    if reason is None:
        return []
    cells = list(_cells(start, stop, array.chunks))
    if len(cells) == 1:
        return [(start, reason)]
    return [(cell[0], why) for cell in cells if (why := _reason(array, *cell)) is not None]


def _reason(array: Array, start: Corner, stop: Corner) -> str | None:
    try:
        array.read(start, stop)
    except NdlabError as error:
        return error.exists or error.asked
    except (OSError, ValueError, RuntimeError) as error:
        return str(error).partition("\n")[0][:300]
    return None
