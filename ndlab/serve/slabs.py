"""Decoded pieces of volumes, kept while they are wanted: one decode feeds every plane that a chunk reaches through."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ndlab.geometry import Int3
from ndlab.serve.holes import Hole
from ndlab.serve.indices import indexed

__all__ = ["LIMIT", "Slab", "SlabCache", "SlabKey", "shared_cache"]

LIMIT = int(os.environ.get("NDLAB_TILE_CACHE_BYTES", 512 << 20))
_FULL, _TRIMMED = 0.95, 0.90
_OVERHEAD = 512  # bytes of a slab's record


@dataclass(frozen=True, slots=True)
class SlabKey:
    """What a slab holds: voxels [start, stop) of an array at a state of its store, for an index along t and c."""

    address: Hashable
    lead: tuple[int, ...]
    version: Hashable
    start: Int3
    stop: Int3


@dataclass(frozen=True, slots=True)
class Slab:
    """Decoded voxels (z, y, x); of labels, the index of each one's id, and the ids.

    `absent` says that no chunk is stored under any of it: it reads as the fill value. `holes` are the chunks of an
    image of which that is so, where others are stored.
    """

    values: np.ndarray[Any, Any]
    ids: np.ndarray[Any, Any] | None = None
    absent: bool = False
    holes: tuple[Hole, ...] = ()

    @staticmethod
    def of(values: np.ndarray[Any, Any], labels: bool) -> Slab:
        """Keep `values` as small as they can be and still be cut at once.

        Examples
        --------
        >>> slab = Slab.of(np.array([[[7, 2**63, 7]]], "u8"), labels=True)
        >>> slab.values.dtype.name, slab.cut((0, 0, 1), (1, 1, 3)).tolist()
        ('uint8', [[[9223372036854775808, 7]]])
        >>> Slab.of(np.zeros((64, 512, 512), "f4"), labels=False).nbytes < 1000
        True
        """
        first = values[:1, :1, :1]
        if values[-1, -1, -1] == first[0, 0, 0] and bool((values == first).all()):
            return Slab(np.broadcast_to(first.copy(), values.shape))
        if not labels or values.dtype.itemsize == 1:
            return Slab(values)
        index, ids = indexed(values)
        return Slab(index, ids.astype(values.dtype))

    @property
    def constant(self) -> bool:
        """Whether all voxels are one."""
        return self.values.size > 1 and not any(self.values.strides)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        held = self.values.itemsize if self.constant else self.values.nbytes
        return _OVERHEAD + held + (0 if self.ids is None else self.ids.nbytes)

    def part(self, start: Int3, stop: Int3) -> np.ndarray[Any, Any]:
        """Values [start, stop), counted in the slab, or indices into `ids` where there are ids."""
        return self.values[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]

    def cut(self, start: Int3, stop: Int3) -> np.ndarray[Any, Any]:
        """Voxels [start, stop), counted in the slab."""
        part = self.part(start, stop)
        if self.ids is None:
            return part
        found: np.ndarray[Any, Any] = self.ids[part]
        return found


class SlabCache:
    """Slabs by key, at most `limit` bytes of them: beyond 95 % the least recently used go, down to 90 %.

    What is being read now comes on top: one slab for each read in flight (`lattice.SLAB_BYTES`, or one chunk where
    that is larger), of labels twice that and `lattice.PART_BYTES` before their ids are gathered. Each slab is read
    once however many ask for it at the same time. A key carries the version of its store, taken before the read
    began; so what was read before or during a write is never an answer after it, and goes as soon as a newer version
    is asked for.

    Examples
    --------
    >>> cache = SlabCache(limit=10_000)
    >>> key = SlabKey("em", (), 0, (0, 0, 0), (1, 2, 2))
    >>> slab = cache.get(key, lambda: Slab(np.array([[[1, 2], [3, 4]]], "u1")))
    >>> cache.get(key, lambda: 1 / 0) is slab, cache.stats()["hits"]
    (True, 1)
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._kept: OrderedDict[SlabKey, Slab] = OrderedDict()
        self._reading: dict[SlabKey, Future[Slab]] = {}
        self._versions: dict[Hashable, Hashable] = {}
        self._bytes = 0
        self._counts = dict.fromkeys(("hits", "misses", "shared", "evicted", "failed"), 0)
        self._lock = threading.Lock()

    def get(self, key: SlabKey, read: Callable[[], Slab]) -> Slab:
        """Return the slab of `key`, made by ``read()`` unless it is kept or somebody is at it already."""
        with self._lock:
            self._expire(key)
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                self._counts["hits"] += 1
                return found
            future = self._reading.get(key)
            mine = future is None
            if future is None:
                future = self._reading[key] = Future()
            self._counts["misses" if mine else "shared"] += 1
        return self._read(key, read, future) if mine else future.result()

    def _read(self, key: SlabKey, read: Callable[[], Slab], future: Future[Slab]) -> Slab:
        try:
            slab = read()
        except BaseException as error:
            with self._lock:
                del self._reading[key]
                self._counts["failed"] += 1
            future.set_exception(error)
            raise
        with self._lock:
            del self._reading[key]
            if self._versions.get(key.address) == key.version:
                self._keep(key, slab)
        future.set_result(slab)
        return slab

    def holds(self, key: SlabKey) -> bool:
        """Whether a slab is kept, without a claim to it: neither recency nor counts change."""
        with self._lock:
            return key in self._kept

    def forget(self, address: Hashable) -> None:
        """Drop all slabs of an array."""
        with self._lock:
            self._versions.pop(address, None)
            self._drop([key for key in self._kept if key.address == address])

    def stats(self) -> dict[str, int]:
        """Return counts since it was made, and what there is now."""
        with self._lock:
            now = {"in_flight": len(self._reading), "slabs": len(self._kept), "bytes": self._bytes, "limit": self.limit}
            return self._counts | now

    def _expire(self, key: SlabKey) -> None:
        """Drop the slabs of another version of the same array."""
        known = self._versions.setdefault(key.address, key.version)
        if known != key.version:
            self._versions[key.address] = key.version
            self._drop([old for old in self._kept if old.address == key.address])

    def _keep(self, key: SlabKey, slab: Slab) -> None:
        if slab.nbytes > self.limit * _TRIMMED:
            return
        self._kept[key] = slab
        self._bytes += slab.nbytes
        if self._bytes > self.limit * _FULL:
            while self._bytes > self.limit * _TRIMMED:
                _, old = self._kept.popitem(last=False)
                self._bytes -= old.nbytes
                self._counts["evicted"] += 1

    def _drop(self, keys: list[SlabKey]) -> None:
        for key in keys:
            self._bytes -= self._kept.pop(key).nbytes


@lru_cache(maxsize=1)
def shared_cache() -> SlabCache:
    """Return the cache of this process, which every service uses that is not given its own."""
    return SlabCache()
