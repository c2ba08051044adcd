"""Tending: a thread that merges what is pending in the background, as long as somebody holds the paint."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ndlab.annotations.paint import Paint

__all__ = ["start"]


def start(paint: Paint, wake: threading.Event, nbytes: float, seconds: float) -> threading.Thread:
    """Merge whenever `nbytes` are pending, or something has been for so many seconds, until `wake` is set."""
    how = (weakref.ref(paint), wake, nbytes, seconds)
    worker = threading.Thread(target=_tend, args=how, name="ndlab-paint", daemon=True)
    worker.start()
    return worker


def _tend(whose: weakref.ref[Paint], wake: threading.Event, nbytes: float, seconds: float) -> None:
    while not wake.wait(min(max(seconds, 0.002), 0.25)):
        paint = whose()
        if paint is None or paint._closed:
            return
        paint.merge_when_due(nbytes, seconds)
        del paint
