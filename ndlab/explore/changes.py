"""Looks a few times a second whether the volumes of open views were written, by whomever."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any

from ndlab.errors import NdlabError
from ndlab.store import freshness
from ndlab.volume import Volume

__all__ = ["follow", "mark_of", "unfollow"]

# A look at a local store is a look at one file; a remote one is asked far less often (`ndlab.store.freshness`).
LOOK_SECONDS = 0.5

_lock = threading.Lock()
_wake = threading.Event()
_followed: weakref.WeakSet[Any] = weakref.WeakSet()
_thread: threading.Thread | None = None


def mark_of(volume: Volume) -> Hashable:
    """Return what differs after a write, and after coarser levels were brought up to date.

    Examples
    --------
    >>> import numpy as np
    >>> vol = Volume.from_array(np.zeros((2, 2, 2), "u1"), (4, 4, 4))
    >>> before = mark_of(vol)
    >>> vol.write(None, 1)
    >>> mark_of(vol) == before
    False
    """
    return volume.version, tuple(level.stale for level in volume.levels[1:]), freshness.mark(volume.url)


def follow(view: Any) -> None:
    """Have ``view.look()`` called now and then, for as long as the view lives."""
    global _thread
    with _lock:
        _followed.add(view)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_look, name="ndlab-changes", daemon=True)
            _thread.start()


def unfollow(view: Any) -> None:
    """Call it no more."""
    with _lock:
        _followed.discard(view)
    _wake.set()


def _look() -> None:
    global _thread
    while True:
        _wake.wait(LOOK_SECONDS)
        _wake.clear()
        with _lock:
            views = list(_followed)
            if not views:
                _thread = None
                return
        for view in views:
            _once(view.look)
        del views


def _once(look: Callable[[], None]) -> None:
    try:
        look()
    except (NdlabError, OSError):  # A store that is away for a moment, or for good: the page's tiles say so.
        return
