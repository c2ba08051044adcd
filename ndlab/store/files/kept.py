"""What is worth keeping between reads: opened files, decoded pictures; little of it, and the oldest goes first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import numpy as np

from ndlab.errors import NotFound

__all__ = ["Kept", "decoded", "pictures", "stamp"]

V = TypeVar("V")


class Kept(Generic[V]):
    """The last few things made, by key. Each is made once, by the thread that asks first; the others wait.

    Parameters
    ----------
    limit : int
        How much is kept, in the unit of `size`; one that is larger than that alone is handed out and forgotten.
    size : callable
        What one thing counts; 1 each unless given.
    """

    def __init__(self, limit: int, size: Callable[[V], int] = lambda _: 1) -> None:
        self.limit, self._size, self._total = limit, size, 0
        self._things: OrderedDict[Hashable, V] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Give the thing at `key`, made if it is not there."""
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
                return self._things[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._things:
                    return self._things[key]
            try:
                thing = make()
                self._keep(key, thing)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return thing

    def _keep(self, key: Hashable, thing: V) -> None:
        with self._lock:
            if self._size(thing) > self.limit:
                return
            self._things[key] = thing
            self._total += self._size(thing)
            while self._total > self.limit:
                _, oldest = self._things.popitem(last=False)
                self._total -= self._size(oldest)

    def forget(self, key: Hashable) -> None:
        """Forget the thing at `key`, if it is there."""
        with self._lock:
            thing = self._things.pop(key, None)
            self._total -= 0 if thing is None else self._size(thing)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._things.clear()
            self._total = 0


def _nbytes(array: np.ndarray[Any, Any]) -> int:
    return int(array.nbytes)


# A reader that takes small boxes out of large pictures (a viewer) decodes each picture once, not once a box.
pictures: Kept[np.ndarray[Any, Any]] = Kept(64 << 20, _nbytes)
# Files compressed as one stream have to be decoded from the start: up to this much is decoded whole, once.
decoded: Kept[np.ndarray[Any, Any]] = Kept(256 << 20, _nbytes)


def stamp(path: str) -> tuple[str, int, int]:
    """Make a key of a file's path, time of change and size: one that is different once the file has changed.

    Raises
    ------
    NotFound
        If it is gone.
    """
    try:
        found = os.stat(path)
    except OSError as error:
        raise NotFound(f"{path} cannot be read", error.strerror or str(error), "check the path", path=path) from None
    return path, found.st_mtime_ns, found.st_size
