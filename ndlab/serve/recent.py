"""What took work to make and little room to keep, by key: the last of it, bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from ndlab.serve.wire import Frame

__all__ = ["RecentFrames"]

_OVERHEAD = 512  # bytes of a frame's record and key


class RecentFrames:
    """Frames by key, at most `limit` bytes of them; the least recently used go first.

    A key has to name the version of what the frame was made of: nothing is ever told to forget.

    Examples
    --------
    >>> recent = RecentFrames(limit=2000)
    >>> for number in range(4):
    ...     recent.put(number, Frame.error("x" * 300))
    >>> recent.get(0) is None, len(recent.get(3).payload)
    (True, 300)
    """

    def __init__(self, limit: int = 32 << 20) -> None:
        self.limit = limit
        self._kept: OrderedDict[Hashable, Frame] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Frame | None:
        """Return the frame of a key, if it is still there."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, frame: Frame) -> None:
        """Keep a frame, and drop what was not used for longest."""
        with self._lock:
            old = self._kept.pop(key, None)
            self._kept[key] = frame
            self._bytes += _size(frame) - (_size(old) if old is not None else 0)
            while self._bytes > self.limit:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= _size(gone)

    def clear(self) -> None:
        """Drop all of them."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def _size(frame: Frame) -> int:
    return _OVERHEAD + len(frame.payload)
