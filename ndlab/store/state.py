"""The version of a store, which of its levels are stale, and a lock against a second run.

Both live in ``.ndlab/state.json`` beside the voxels and change by compare-and-swap, so any number of writers on
any machines count correctly. The folder is disguised as an empty Zarr array with a dimension of its own: zarr-python
and xarray then list it as such, never warn of foreign files, and open what lies beside it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ndlab.geometry import Box
from ndlab.store.kv import Kv, local_path, parse_json

__all__ = ["FOLDER", "State", "change", "read", "written"]

FOLDER = ".ndlab"
_KEY = f"{FOLDER}/state.json"
# More boxes than this are kept as their common hull: stale data is then marked a little too widely, never too narrowly.
_MOST_BOXES = 64
_SETTLED_NS = 50_000_000


@dataclass(frozen=True)
class State:
    """`version` counts writes; `stale` maps a level to the boxes (in its own voxels) that lag behind finer ones."""

    version: int = 0
    stale: dict[int, tuple[Box, ...]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As JSON."""
        stale = {str(level): [[b.start, b.stop] for b in boxes] for level, boxes in self.stale.items() if boxes}
        return json.dumps({"version": self.version, "stale": stale}).encode()

    @staticmethod
    def from_bytes(raw: bytes | None) -> State:
        """From JSON; a store that was never written through ndlab is at version 0 and nowhere stale."""
        if raw is None:
            return State()
        found = parse_json(raw, _KEY)
        stale = {int(level): tuple(Box(a, b, int(level)) for a, b in boxes) for level, boxes in found["stale"].items()}
        return State(int(found["version"]), stale)

    def with_stale(self, box: Box) -> State:
        """`box` of level ``box.level`` added to what is stale."""
        boxes = self.stale.get(box.level, ())
        if any(box in old for old in boxes):
            return self
        boxes = (*(old for old in boxes if old not in box), box)
        if len(boxes) > _MOST_BOXES:
            hull = boxes[0]
            for one in boxes[1:]:
                hull = hull | one
            boxes = (hull,)
        return State(self.version, self.stale | {box.level: boxes})


def read(url: str) -> State:
    """Return the state of the store at `url` now."""
    return State.from_bytes(Kv(url).read(_KEY))


def change(url: str, how: Callable[[State], State]) -> State:
    """Replace the state by ``how(state)``, whoever else writes at the same time."""
    _prepare(url)

    def swap(raw: bytes | None) -> bytes | None:
        old = State.from_bytes(raw)
        new = how(old)
        return None if raw is not None and new == old else new.to_bytes()

    state = State.from_bytes(Kv(url).update(_KEY, swap))
    _cached(url).changed()
    return state


def _prepare(url: str) -> None:
    """Make the folder look like an empty array to Zarr readers."""
    if local_path(url) is None:
        _disguise_once(url)
    elif not any(os.path.exists(f"{url}/{FOLDER}/{name}") for name in ("zarr.json", ".zarray")):
        _disguise(Kv(url))


@lru_cache(maxsize=256)
def _disguise_once(url: str) -> None:
    _disguise(Kv(url))


def _disguise(kv: Kv) -> None:
    if kv.read("zarr.json") is not None:
        kv.write_json(f"{FOLDER}/zarr.json", _EMPTY_V3)
    elif kv.read(".zgroup") is not None:
        kv.write_json(f"{FOLDER}/.zattrs", {"_ARRAY_DIMENSIONS": _EMPTY_V3["dimension_names"]})
        kv.write_json(f"{FOLDER}/.zarray", _EMPTY_V2)


_EMPTY_V3: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [0],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
    "dimension_names": ["ndlab_records"],
    "attributes": {"about": "records kept by ndlab: state, receipts, checksums; no voxels"},
}
_EMPTY_V2: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [0],
    "chunks": [1],
    "dtype": "|u1",
    "compressor": None,
    "fill_value": 0,
    "filters": None,
    "order": "C",
}


class _Cached:
    """The last state seen, asked again when the local file changed or a remote one is old.

    A remote store that counts writes is asked after a few seconds, one that was never written through ndlab, as
    public ones are, after a minute.
    """

    REMOTE_SECONDS = 5.0
    UNWRITTEN_SECONDS = 60.0

    def __init__(self, url: str) -> None:
        self.url = url
        # One tuple, for threads: a stamp must never be seen with the state of another.
        self.seen: tuple[Any, State] = (None, State())
        self.changes = 0

    def get(self) -> State:
        stamp = self._stamp()
        known, state = self.seen
        if stamp != known:
            state = read(self.url)
            self.seen = stamp, state
        return state

    def changed(self) -> None:
        """Ask again: this process wrote, and a remote address has no cheap mark that says so."""
        self.changes += 1

    def _stamp(self) -> Any:
        path = local_path(self.url)
        if path is None:
            seconds = self.REMOTE_SECONDS if self.seen[1].version else self.UNWRITTEN_SECONDS
            return self.changes, int(time.monotonic() / seconds)
        try:
            found = (path / _KEY).stat()
        except OSError:
            return "absent"
        if time.time_ns() - found.st_mtime_ns < _SETTLED_NS:
            return object()  # It may be replaced once more before its time stamp can tell: ask again.
        return found.st_mtime_ns, found.st_ino, found.st_size


@lru_cache(maxsize=1024)
def _cached(url: str) -> _Cached:
    return _Cached(url)


def written(url: str) -> State:
    """Return the state at `url`, cheaply: for readers, who ask at every read of a coarse level."""
    return _cached(url).get()
