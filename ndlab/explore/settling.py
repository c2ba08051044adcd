"""Coarser levels follow what is painted once the brush rests, or the view is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from ndlab.errors import NdlabError
from ndlab.volume import Volume

__all__ = ["REST_SECONDS", "Settling"]

REST_SECONDS = 0.6


class Settling:
    """Brings the coarser levels of volumes up to date, a moment after the last write of several.

    Parameters
    ----------
    update : callable
        Does it for a volume.
    done : callable
        Told when it is done.
    failed : callable
        Given what went wrong.
    """

    def __init__(
        self, update: Callable[[Volume], Any], done: Callable[[], Any], failed: Callable[[Exception], Any]
    ) -> None:
        self._update, self._done, self._failed = update, done, failed
        self._lock = threading.Lock()
        self._behind: dict[Any, Volume] = {}
        self._timer: threading.Timer | None = None

    def soon(self, volumes: Iterable[Volume]) -> None:
        """Do it for these, too, unless more is written within `REST_SECONDS`."""
        with self._lock:
            self._behind |= {(one.url, one.box): one for one in volumes if one.url and len(one.levels) > 1}
            if not self._behind:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(REST_SECONDS, self._now)
            self._timer.daemon = True
            self._timer.start()

    def _now(self) -> None:
        with self._lock:
            behind, self._behind = self._behind, {}
        if not behind:
            return
        try:
            for volume in behind.values():
                self._update(volume)
            self._done()
        except (NdlabError, OSError) as error:
            self._failed(error)

    def close(self) -> None:
        """Do now what waits, and return once it is done."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # It may be at it.
        self._now()
