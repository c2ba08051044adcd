"""A caching mirror of a remote store: what was read once is read from disk from then on, also after a restart.

Keys and byte ranges are kept as they were asked for. Each is fetched once however many ask for it at a time. What the
store says of itself is asked for again after a minute, and the rest after a day, which costs no bytes where nothing
changed; without an answer of the origin, what is kept is served.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ndlab.serve.door import Door
from ndlab.serve.keys import Found, Span, content_type
from ndlab.serve.origin import Origin, Told
from ndlab.serve.shelf import Known, Shelf
from ndlab.serve.statuses import Unreachable
from ndlab.store.kv import normal_url

__all__ = ["Mirror"]

_ABOUT_SECONDS = 60.0
_VOXEL_SECONDS = 86_400.0


class Mirror:
    """The values of a remote store, through a shelf; `ndlab.serve.keys.Bytes`.

    Parameters
    ----------
    origin : str
        Address of the store.
    folder : path
        Where pieces are kept.
    limit : int
        Most bytes that are kept.
    clock : callable
        Seconds since the epoch.

    Attributes
    ----------
    hits, misses : int
        How often what was asked for was kept, and how often it was not.
    """

    def __init__(
        self, origin: str, folder: str | os.PathLike[str], limit: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.origin = Origin(normal_url(origin))
        self.shelf = Shelf(Path(folder), limit)
        self._clock = clock
        self._flights: dict[tuple[str, Span | None], Future[_Value | None]] = {}
        self._lock = threading.Lock()
        self._door: Door | None = None
        self.hits = self.misses = 0

    @property
    def url(self) -> str:
        """Address on the loopback at which the store can be opened through the mirror; it begins to listen."""
        with self._lock:
            if self._door is None:
                self._door = Door(self)
        return self._door.url + "/" + self.origin.url.rpartition("/")[2]

    def close(self) -> None:
        """Stop listening, and close the shelf."""
        if self._door is not None:
            self._door.close()
        self.origin.close()
        self.shelf.close()

    def __call__(self, key: str, span: Span | None) -> Found | None:
        """Return a value, or a part of it; None if the store has no such key.

        Raises
        ------
        Unreachable
            If the origin does not answer and nothing is kept.
        """
        asked = (key, span)
        with self._lock:
            flight = self._flights.get(asked)
            mine = flight is None
            if flight is None:
                flight = self._flights[asked] = Future()
        if mine:
            self._fly(asked, flight)
        value = flight.result()
        if value is None:
            return None
        stop = (value.start or 0) + len(value.body)
        return Found(value.size, _tag(value), value.start, stop, iter((value.body,) if value.body else ()))

    def _fly(self, asked: tuple[str, Span | None], flight: Future[_Value | None]) -> None:
        """Do the work that everybody who asks meanwhile waits for."""
        try:
            found = self._find(*asked)
        except BaseException as error:
            self._flights.pop(asked, None)
            flight.set_exception(error)
        else:
            self._flights.pop(asked, None)
            flight.set_result(found)

    def _find(self, key: str, span: Span | None) -> _Value | None:
        known = self.shelf.known(key)
        kept = None if known is None else self._kept(key, span, known)
        if known is not None and self._fresh(key, known) and (known.size is None or kept is not None):
            self.hits += 1
            return kept
        self.misses += 1
        try:
            told = self.origin.ask(key, span, known.etag if kept is not None and known is not None else "")
        except OSError as error:
            if kept is not None or (known is not None and known.size is None):
                return kept
            raise _unreachable(key, f"does not answer ({type(error).__name__})") from None
        return self._learned(key, span, told, kept)

    def _fresh(self, key: str, known: Known) -> bool:
        about = content_type(key) == "application/json"
        return self._clock() - known.checked < (_ABOUT_SECONDS if about else _VOXEL_SECONDS)

    def _kept(self, key: str, span: Span | None, known: Known) -> _Value | None:
        """Return what the shelf has of a key, None if it has not all of it."""
        if known.size is None:
            return None
        where = (0, known.size) if span is None else span.within(known.size)
        if where is None:
            return _Value(known.size, known.etag, None, b"")
        body = b"" if where[0] == where[1] else self.shelf.take(key, *where)
        return None if body is None else _Value(known.size, known.etag, where[0], body)

    def _learned(self, key: str, span: Span | None, told: Told, kept: _Value | None) -> _Value | None:
        now = self._clock()
        if told.status == 304 and kept is not None:
            self.shelf.learn(key, kept.size, kept.etag, now)
            return kept
        if told.status in (403, 404, 410):  # Public buckets say 403 for keys that do not exist.
            self.shelf.learn(key, None, "", now)
            return None
        if told.status == 416:
            return _Value(told.size, told.etag, None, b"")
        if told.status not in (200, 206):
            if kept is not None:
                return kept
            raise _unreachable(key, f"answers {told.status}")
        self.shelf.learn(key, told.size, told.etag, now)
        self.shelf.put(key, told.start, told.body)
        where = (0, told.size) if span is None else span.within(told.size)
        if where is None:
            return _Value(told.size, told.etag, None, b"")
        return _Value(told.size, told.etag, where[0], told.body[where[0] - told.start : where[1] - told.start])


@dataclass(frozen=True)
class _Value:
    """A value or a part of it; `start` is None if the part lies beyond it."""

    size: int
    etag: str
    start: int | None
    body: bytes


def _unreachable(key: str, what: str) -> Unreachable:
    return Unreachable(f"key {key[:200]!r} was asked for", f"the origin {what}, and it is not kept here",
                       "try again once it does")  # fmt: skip


def _tag(value: _Value) -> str:
    plain = re.sub(r"[^\x21\x23-\x7e]", "", value.etag.removeprefix("W/"))
    return f'"{plain or value.size}"'
