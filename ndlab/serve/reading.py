"""Planes out of slabs: what is kept is cut at once, what is not is read by a pool, what comes next is read ahead."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from ndlab.errors import NdlabError
from ndlab.geometry import Int3
from ndlab.serve.ahead import Job, ReadAhead
from ndlab.serve.holes import Hole, Rect, seen
from ndlab.serve.indices import Piece, joined
from ndlab.serve.layers import Layer, Source
from ndlab.serve.motion import Look, Motion, Trend, wishes
from ndlab.serve.query import AXES
from ndlab.serve.slabs import Slab, SlabCache

__all__ = ["Cut", "Reader", "cut_of"]

T = TypeVar("T")
_POOL = 8  # slabs of one request that are read at a time; over a network they wait together
_LOOK_UP = 0.05  # how soon a request that nobody wants any more is noticed [s]


@dataclass(frozen=True, slots=True)
class Cut:
    """A rectangle of a plane, in voxels of `source.array`, and the axis that the planes are stacked along."""

    source: Source
    start: Int3
    stop: Int3
    axis: str

    @property
    def depth(self) -> int:
        """The axis that planes are stacked along."""
        return AXES[self.axis][0]

    @property
    def slabs(self) -> list[tuple[Int3, Int3]]:
        """The slabs that hold it; none for an array in memory."""
        return list(self.source.slabs(self.start, self.stop, self.depth)) if self.source.kept else []


class Reader:
    """Cuts planes from slabs in a `SlabCache`, with threads for what is visible and for what will be."""

    def __init__(self, cache: SlabCache, ahead: bool = True) -> None:
        self.cache = cache
        self.motion = Motion()
        self.ahead = ReadAhead() if ahead else None
        if self.ahead is not None:
            weakref.finalize(self, self.ahead.close)  # its threads outlive nobody who forgot to close
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Stop the threads once they are done with what they read."""
        if self.ahead is not None:
            self.ahead.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # --- now --------------------------------------------------------------------------------------------------

    def ready(self, cut: Cut) -> bool:
        """Whether a cut waits for no disk."""
        return all(self.cache.holds(cut.source.key(*slab)) for slab in cut.slabs)

    def plane(self, cut: Cut) -> Piece:
        """Voxels of a cut, (rows, columns)."""
        slabs = cut.slabs
        if not slabs:
            piece = Piece(cut.source.read(cut.start, cut.stop))
        elif len(slabs) == 1:
            slab = self._slab(cut.source, *slabs[0])
            piece = Piece(slab.part(*_within(cut, *slabs[0])), slab.ids, None, slab.absent, _seen(cut, slab.holes))
        else:
            piece = self._joined(cut, slabs)
        return replace(piece, values=np.moveaxis(piece.values, AXES[cut.axis], (0, 1, 2))[0])

    def _joined(self, cut: Cut, slabs: list[tuple[Int3, Int3]]) -> Piece:
        parts: list[tuple[tuple[slice, ...], Slab]] = []
        for low, high in slabs:
            slab = self._slab(cut.source, low, high)
            start, stop = _within(cut, low, high)
            inside = tuple(slice(k + a - o, k + b - o) for k, a, b, o in zip(low, start, stop, cut.start, strict=True))
            parts.append((inside, replace(slab, values=slab.part(start, stop))))
        shape = [b - a for a, b in zip(cut.start, cut.stop, strict=True)]
        absent = all(part.absent for _, part in parts)
        if any(part.ids is not None for _, part in parts):
            return replace(joined(shape, ((inside, part.values, part.ids) for inside, part in parts)), absent=absent)
        block = np.empty(shape, cut.source.array.dtype)
        for inside, part in parts:
            block[inside] = part.values
        if absent or cut.source.labels:
            return Piece(block, absent=absent)
        pairs = zip(parts, slabs, strict=True)
        holes = [hole for (_, part), slab in pairs for hole in ([slab] if part.absent else part.holes)]
        return Piece(block, holes=_seen(cut, holes))

    def _slab(self, source: Source, start: Int3, stop: Int3) -> Slab:
        return self.cache.get(source.key(start, stop), partial(self._visible, source, start, stop))

    def _visible(self, source: Source, start: Int3, stop: Int3) -> Slab:
        if self.ahead is None:
            return source.load(start, stop)
        self.ahead.hold()
        try:
            return source.load(start, stop)
        finally:
            self.ahead.release()

    def fill(self, cut: Cut, cancelled: Callable[[], bool]) -> None:
        """Read what a cut lacks, several slabs at a time; what cannot be read is reported by `plane`."""
        missing = [slab for slab in cut.slabs if not self.cache.holds(cut.source.key(*slab))]
        if len(missing) > 1:
            for _ in self.each([partial(self._tried, cut.source, *slab) for slab in missing], cancelled):
                pass

    def _tried(self, source: Source, start: Int3, stop: Int3) -> None:
        with contextlib.suppress(Exception):
            self._slab(source, start, stop)

    def each(self, jobs: Iterable[Callable[[], T]], cancelled: Callable[[], bool]) -> Iterator[T]:
        """Do jobs in the pool, a few at a time in their order, and yield results as they come.

        What has not begun when the iterator is dropped, or `cancelled()` is true, is not done at all.
        """
        todo, running = iter(jobs), set[Future[T]]()
        try:
            while not cancelled():
                while len(running) < _POOL and (job := next(todo, None)) is not None:
                    running.add(self._submit(job))
                if not running:
                    return
                done, running = wait(running, _LOOK_UP, FIRST_COMPLETED)
                for one in done:
                    yield one.result()
        finally:
            for one in running:
                one.cancel()

    def _submit(self, job: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_POOL, thread_name_prefix="ndlab-tiles")
            return self._pool.submit(job)

    # --- next -------------------------------------------------------------------------------------------------

    def follow(self, layer: Layer, look: Look, axis: str, t: int, c: int, trend: Trend | None = None) -> None:
        """Read ahead from what was asked for, along `trend` or the way that the last requests went."""
        if self.ahead is None:
            return
        view = layer.id, axis, t, c
        seen = self.motion.observe(view, look)
        trend = trend or seen
        if trend == Trend():
            return
        self.ahead.plan(view, self._jobs(layer, look, trend, axis, t, c))

    def _jobs(self, layer: Layer, look: Look, trend: Trend, axis: str, t: int, c: int) -> list[Job]:
        """List reads of the slabs that a trend leads to and that are not kept; at most a quarter of the cache."""
        depth, rows, columns = AXES[axis]
        shapes = [None if s is None else (s[depth], s[rows], s[columns]) for s in layer.shapes]
        try:
            step = layer.source(look.level, t, c).step(depth)[depth]
            wanted = [
                (cut.source, slab)
                for wish in wishes(look, trend, step, shapes)
                for cut in (cut_of(layer.source(wish.level, t, c), axis, wish.d, (*wish.rows, *wish.columns)),)
                for slab in cut.slabs
            ]
        except NdlabError:
            return []
        jobs: list[Job] = []
        room = self.cache.limit // 4
        for source, (low, high) in dict.fromkeys(wanted):
            room -= source.nbytes(low, high)
            if room < 0:
                break
            if not self.cache.holds(source.key(low, high)):
                jobs.append(partial(self.cache.get, source.key(low, high), partial(source.load, low, high)))
        return jobs


def cut_of(source: Source, axis: str, d: int, box: tuple[int, int, int, int]) -> Cut:
    """Place rows and columns of plane `d` of what a volume shows in its array."""
    depth, rows, columns = AXES[axis]
    start, stop = [0, 0, 0], [0, 0, 0]
    start[depth], stop[depth] = d, d + 1
    start[rows], stop[rows], start[columns], stop[columns] = box
    return Cut(source, _shifted(start, source.start), _shifted(stop, source.start), axis)


def _seen(cut: Cut, holes: Iterable[Hole]) -> tuple[Rect, ...]:
    """Find what a cut shows of holes."""
    _, rows, columns = AXES[cut.axis]
    return seen(holes, cut.start, cut.stop, rows, columns)


def _within(cut: Cut, low: Int3, high: Int3) -> tuple[Int3, Int3]:
    """Find the part of a cut that lies in a slab, counted in the slab."""
    start = [max(a, k) - k for a, k in zip(cut.start, low, strict=True)]
    stop = [min(b, m) - k for b, m, k in zip(cut.stop, high, low, strict=True)]
    return (start[0], start[1], start[2]), (stop[0], stop[1], stop[2])


def _shifted(at: list[int], by: Int3) -> Int3:
    return at[0] + by[0], at[1] + by[1], at[2] + by[2]
