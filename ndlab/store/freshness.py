"""Whether a remote store was changed by others: asked now and then, in the background, while nobody waits.

A store that was written through ndlab counts its writes (`ndlab.store.state`). Of any other on a web server or in a
bucket it is asked once a minute whether what it says of itself has changed, and its voxels are taken to be good for ten
minutes: what is kept of them is read anew after that.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from functools import lru_cache

from ndlab.errors import NdlabError
from ndlab.store.kv import Kv, look_again
from ndlab.store.state import written

__all__ = ["ABOUT_SECONDS", "VOXEL_SECONDS", "is_remote", "mark"]

ABOUT_SECONDS = 60.0
VOXEL_SECONDS = 600.0
_KEYS = ("zarr.json", ".zattrs", ".zarray", ".zgroup", "info", "attributes.json")


def is_remote(url: str) -> bool:
    """Tell whether others may change what is at an address without this machine's file system telling.

    Examples
    --------
    >>> is_remote("https://a.example/em.zarr"), is_remote("/data/em.zarr"), is_remote("")
    (True, False, False)
    """
    return "://" in url


def mark(url: str) -> int:
    """Return a number that grows when what is kept of a remote store has to be read anew; 0 for any other.

    It returns at once. At most every `ABOUT_SECONDS` it has a thread ask the store, whose answer counts next time.
    """
    return _watched(url).mark() if is_remote(url) else 0


class _Watched:
    """What was last seen of a store."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.changes = 0
        self._first = self._asked = time.monotonic()
        self._keys: tuple[str, ...] = _KEYS
        self._seen: bytes | None = None
        self._lock = threading.Lock()
        self._ask_soon()

    def mark(self) -> int:
        """Return the number, and see that the store is asked when it is time."""
        now = time.monotonic()
        with self._lock:
            due = now - self._asked >= ABOUT_SECONDS
            if due:
                self._asked = now
        if due:
            self._ask_soon()
        # Writes through ndlab are counted by the store itself; of others nothing tells.
        ages = 0 if written(self.url).version else int((now - self._first) / VOXEL_SECONDS)
        return self.changes + ages

    def _ask_soon(self) -> None:
        # Not a daemon: one that comes out of the engine while the interpreter ends would abort the process.
        with contextlib.suppress(RuntimeError):  # where the program ends no thread is begun
            threading.Thread(target=self._ask, name="ndlab-freshness").start()

    def _ask(self) -> None:
        try:
            values = Kv(self.url).read_many(self._keys)
        except NdlabError:  # It is away for a moment, or for good: what is kept is shown.
            return
        there = tuple(key for key, value in zip(self._keys, values, strict=True) if value is not None)
        found = hashlib.blake2b(b"\0".join(value for value in values if value is not None)).digest()
        with self._lock:
            known, self._seen = self._seen, found
            self._keys = there or _KEYS
            changed = known is not None and known != found
            self.changes += changed
        if changed:
            look_again(self.url)


@lru_cache(maxsize=1024)
def _watched(url: str) -> _Watched:
    return _Watched(url)
