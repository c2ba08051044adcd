"""A volume that the tile service knows by an id: what it tells the page, and where a plane of it lies."""

from __future__ import annotations

import contextlib
import math
import pickle
import threading
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ndlab.errors import NdlabError, OutOfBounds
from ndlab.geometry import Int3
from ndlab.metadata import Channel
from ndlab.serve.holes import Hole, constant_chunks
from ndlab.serve.indices import Indexer
from ndlab.serve.lattice import PART_BYTES, boxes, parts, steps
from ndlab.serve.slabs import Slab, SlabKey
from ndlab.serve.windows import Windows
from ndlab.store import freshness
from ndlab.store.arrays import Array
from ndlab.store.engine import TensorStoreArray
from ndlab.store.kv import local_path, stamp
from ndlab.store.memory import MemoryArray
from ndlab.store.state import State, written
from ndlab.volume import Volume

__all__ = ["Layer", "Source"]

_COMPUTED_DEPTH = 8
_TRIED_AGAIN = 5.0  # [s]
_CHUNK_ALONE = 1 << 17  # bytes of a chunk that is worth a call of its own


@dataclass(frozen=True)
class Source:
    """One level, time point and channel of a volume: the three-dimensional array that planes are cut from.

    `start` and `shape` are the part that the volume shows, (z, y, x) in voxels of `array`; `lead` are the indices
    along the axes before z. `version` was asked for before anything is read, so it is never newer than what is read.
    """

    array: Array
    start: Int3
    shape: Int3
    lead: tuple[int, ...]
    labels: bool
    address: bytes
    version: Hashable

    def read(self, start: Int3, stop: Int3) -> np.ndarray[Any, Any]:
        """Voxels [start, stop) of the array, (z, y, x)."""
        # Not Volume.read: it would warn of a stale level once a tile, and the page is told by info.
        full = self.array.read((*self.lead, *start), (*(i + 1 for i in self.lead), *stop))
        return full.reshape(full.shape[-3:])

    @property
    def kept(self) -> bool:
        """Whether keeping slabs saves anything: an array in memory is as fast, and never old."""
        return not isinstance(self.array, MemoryArray)

    def key(self, start: Int3, stop: Int3) -> SlabKey:
        """Name the slab [start, stop)."""
        return SlabKey(self.address, self.lead, self.version, start, stop)

    def load(self, start: Int3, stop: Int3) -> Slab:
        """Read the slab [start, stop)."""
        if self.labels and self.array.dtype.itemsize > 1:
            slab = self._indexed(start, stop)
        else:
            slab = Slab.of(self.read(start, stop), self.labels)
        if slab.constant:
            return replace(slab, absent=True) if self._absent(start, stop) else slab
        return slab if self.labels else replace(slab, holes=self._holes(slab.values, start))

    def _holes(self, values: np.ndarray[Any, Any], start: Int3) -> tuple[Hole, ...]:
        """Find the chunks of a slab that are not stored."""
        if not self._tells:
            return ()
        return tuple(one for one in constant_chunks(values, start, self.array.chunks[-3:]) if self._absent(*one))

    @property
    def _tells(self) -> bool:
        """Whether a look at the store tells what is stored: one into local folders does."""
        return isinstance(self.array, TensorStoreArray) and local_path(self.array.url) is not None

    def _indexed(self, start: Int3, stop: Int3) -> Slab:
        """Read the slab [start, stop) of labels in pieces that are given small numbers while they are in the cache."""
        indexer = Indexer([b - a for a, b in zip(start, stop, strict=True)], self.array.dtype)
        cz, cy, cx = self.array.chunks[-3:]
        # Where a chunk takes no more than opening a file, each of them is decoded into the same memory.
        alone = isinstance(self.array, TensorStoreArray) and self.array.direct
        alone = alone and cz * cy * cx * self.array.dtype.itemsize >= _CHUNK_ALONE
        cut = parts(start, stop, (cz, cy, cx), self.array.dtype.itemsize, most=1 if alone else PART_BYTES)
        room: np.ndarray[Any, Any] | None = None
        for low, high in cut:
            shape = (*(1 for _ in self.lead), *(b - a for a, b in zip(low, high, strict=True)))
            if room is None or room.shape != shape:
                room = np.empty(shape, self.array.dtype)
            self.array.read((*self.lead, *low), (*(i + 1 for i in self.lead), *high), room)
            inside = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, start, strict=True))
            indexer.add(inside, room.reshape(room.shape[-3:]))
        ids, index = indexer.ids, indexer.index
        return Slab(index, ids) if len(ids) > 1 else Slab(np.broadcast_to(ids[:, np.newaxis, np.newaxis], index.shape))

    def _absent(self, start: Int3, stop: Int3) -> bool:
        """Whether no chunk under a box is stored, where that can be told."""
        if not self._tells:
            return False
        assert isinstance(self.array, TensorStoreArray)
        box = tuple(slice(i, i + 1) for i in self.lead) + tuple(map(slice, start, stop))
        try:
            found = self.array.store[box].storage_statistics(query_fully_stored=False, query_not_stored=True).result()
        except (ValueError, OSError, NotImplementedError):
            return False
        return bool(found.not_stored)

    def nbytes(self, start: Int3, stop: Int3) -> int:
        """About how many bytes the slab [start, stop) takes once it is kept."""
        return math.prod(b - a for a, b in zip(start, stop, strict=True)) * self._item

    @property
    def _item(self) -> int:
        item = self.array.dtype.itemsize
        return min(item, 2) if self.labels else item

    def step(self, depth: int) -> Int3:
        """Size of the slabs for planes stacked along the axis `depth`, (z, y, x)."""
        z, y, x = self.array.shape[-3:]
        # Voxels that are computed cost as much one by one.
        deepest = _COMPUTED_DEPTH if self.array.codec == "computed" else None
        cz, cy, cx = self.array.chunks[-3:]
        return steps((z, y, x), (cz, cy, cx), depth, self._item, deepest)

    def slabs(self, start: Int3, stop: Int3, depth: int) -> Iterator[tuple[Int3, Int3]]:
        """Slabs for planes along `depth` that hold the voxels [start, stop) of the array."""
        z, y, x = self.array.shape[-3:]
        return boxes(start, stop, self.step(depth), (z, y, x))


class Layer:
    """A volume under its id. Levels count from the volume's own on."""

    def __init__(self, name: str, volume: Volume) -> None:
        self.id = name
        self.volume = volume
        self.touches = 0
        self.labels = volume.kind == "labels" and volume.dtype.kind in "bui"
        self._known: State | None = None
        self._updates = 0
        self._lock = threading.Lock()
        self._own = uuid4().bytes  # an array in memory has no address
        self._views: dict[int, Volume | tuple[float, NdlabError]] = {}
        self.windows = Windows(volume)

    @property
    def version(self) -> int:
        """How often the voxels were changed, as far as that can be known: by writes, or levels brought up to date."""
        found = self._written()
        with self._lock:
            known, self._known = self._known, found
            self._updates += known is not None and found.version == known.version and found.stale != known.stale
            return found.version + self.touches + self._updates + freshness.mark(self.volume.url)

    def _written(self) -> State:
        # An array in memory counts its writes itself.
        return written(self.volume.url) if self.volume.url else State(version=self.volume.version)

    @property
    def levels(self) -> tuple[Volume | NdlabError, ...]:
        """Each level as a view, or why it cannot be opened; that is tried again after some seconds."""
        first, count = self.volume.level_index, len(self.volume._stored.levels)
        return tuple(self._open(number) for number in range(first, count))

    def _open(self, number: int) -> Volume | NdlabError:
        known = self._views.get(number)
        if isinstance(known, Volume):
            return known
        if known is None or time.monotonic() - known[0] > _TRIED_AGAIN:
            found = _opened(self.volume, number)
            self._views[number] = found if isinstance(found, Volume) else (time.monotonic(), found)
            return found
        return known[1]

    @property
    def _picked(self) -> dict[str, tuple[int, int]]:
        """First index and count along t and c, as far as the store has them."""
        pairs = zip(self.volume._stored.axes[:-3], self.volume._spans, strict=False)
        return {axis: (span.start, span.stop - span.start) for axis, span in pairs}

    def count(self, axis: str) -> int:
        """How many time points (``"t"``) or channels (``"c"``) there are."""
        return self._picked.get(axis, (0, 1))[1]

    def source(self, level: int, t: int = 0, c: int = 0) -> Source:
        """Find what planes of that level, time point and channel are cut from.

        Raises
        ------
        OutOfBounds
            If one of them does not exist.
        NdlabError
            If the level is named by the store but cannot be opened.
        """
        for name, at, count in (
            ("level", level, len(self.levels)),
            ("t", t, self.count("t")),
            ("c", c, self.count("c")),
        ):
            if not 0 <= at < count:
                raise OutOfBounds(f"{name} {at} of {self.id!r} was asked for", f"there are 0 to {count - 1}",
                                  "ask for info to see what there is")  # fmt: skip
        view = self.levels[level]
        if isinstance(view, NdlabError):
            raise view
        version = self._state(level)
        picked = {"t": t, "c": c}
        lead = tuple(start + picked[axis] for axis, (start, _) in self._picked.items())
        box = view.box
        array = view._stored.levels[view.level_index].array
        return Source(array, box.start, box.shape, lead, self.labels, self.addresses[level], version)

    def _state(self, level: int) -> Hashable:
        """Return what changes whenever voxels do: writes are counted, a store made anew is told by its metadata."""
        found, number = self._written(), self.volume.level_index + level
        address = getattr(self.volume._stored.levels[number].array, "url", "") or self.volume.url
        read = freshness.mark(self.volume.url)
        return found.version, found.stale.get(number, ()), self.touches, _stamp(address), read

    @property
    def shapes(self) -> tuple[Int3 | None, ...]:
        """(z, y, x) of each level; None where it cannot be opened."""
        return tuple(None if isinstance(view, NdlabError) else view.box.shape for view in self.levels)

    @cached_property
    def addresses(self) -> tuple[bytes, ...]:
        """What tells the array of each level from all others; two layers of one store share their slabs."""
        first = self.volume.level_index
        arrays = [level.array for level in self.volume._stored.levels[first:]]
        return tuple(
            pickle.dumps(array) if self.volume.url else self._own + i.to_bytes(2, "little")
            for i, array in enumerate(arrays)
        )

    def info(self, wait: bool = True) -> dict[str, Any]:
        """Return what the page has to know, as plain JSON values; without `wait` a window may be a provisional one."""
        version = self.version
        self.windows.follow(version)
        window = None if self.labels else (self.windows.now if wait else self.windows.soon)(version)
        return {
            "id": self.id,
            "name": self.volume.name,
            "kind": "labels" if self.labels else "image",
            "dtype": self.volume.dtype.newbyteorder("=").name,
            "axes": list(self.volume._stored.axes),
            "times": self.count("t"),
            "channels": self._channels(),
            "levels": [self._level(number) for number in range(len(self.levels))],
            "calibrated": self._calibrated,
            "window": _listed(window),
            "version": version,
        }

    def _channels(self) -> list[dict[str, Any]]:
        first, count = self._picked.get("c", (0, 1))
        known = self.volume.channels[first : first + count]
        all_of_them = [*known, *(Channel() for _ in range(count - len(known)))]
        # Of the first, the window of the volume is the window.
        windows = [one.window or (self.windows.known(i) if i else None) for i, one in enumerate(all_of_them)]
        return [{"name": one.name, "window": _listed(window), "color": one.color}
                for one, window in zip(all_of_them, windows, strict=True)]  # fmt: skip

    @property
    def _calibrated(self) -> bool:
        return self.volume._stored.levels[self.volume.level_index].calibration is not None

    def _level(self, number: int) -> dict[str, Any]:
        """Describe a level; of one that cannot be opened, what its calibration lets expect."""
        view, first = self.levels[number], self.volume
        size, offset = self._sizes[number]
        missing = str(view) if isinstance(view, NdlabError) else None
        shape = [max(1, round(n * a / b)) for n, a, b in zip(first.box.shape, self._sizes[0][0], size, strict=True)]
        return {
            "shape": shape if isinstance(view, NdlabError) else list(view.box.shape),
            "voxel_size": size,
            "offset": offset,
            "chunk": list((first if isinstance(view, NdlabError) else view).chunks[-3:]),
            "missing": missing,
            "stale": not isinstance(view, NdlabError) and view.stale,
        }

    @property
    def _sizes(self) -> list[tuple[list[float], list[float]]]:
        """Voxel size and outer corner of each level [nm]; where the store states none, in voxels of the finest."""
        found = []
        for number, view in enumerate(self.levels):
            known = self.volume._stored.levels[self.volume.level_index + number].calibration
            if self._calibrated and known is not None:
                corner = self.volume.offset if isinstance(view, NdlabError) else view.offset
                found.append((list(known.voxel_size), list(corner)))
            elif isinstance(view, NdlabError):
                found.append(([float(2**number)] * 3, [0.0] * 3))
            else:
                pairs = zip(self.volume.box.shape, view.box.shape, strict=True)
                found.append(([float(round(a / b)) for a, b in pairs], [0.0] * 3))
        return found


def _stamp(url: str) -> Hashable:
    """Return a mark that changes when the array or file at `url` is made anew."""
    if not url:
        return None
    found = (stamp(url, name) for name in ("zarr.json", ".zarray", "attributes.json", "info"))
    mark = next((one for one in found if one is not None), None)
    if mark is None:
        with contextlib.suppress(OSError):
            stat = Path(url).stat()
            return stat.st_mtime_ns, stat.st_ino, stat.st_size
    return mark


def _opened(volume: Volume, number: int) -> Volume | NdlabError:
    try:
        view = volume.level(number)
        _ = view.box, view.dtype, view.chunks
    except NdlabError as error:
        return error
    return view


def _listed(limits: tuple[float, float] | None) -> list[float] | None:
    return None if limits is None else [float(limits[0]), float(limits[1])]
