"""Tiles by kernel messages, for pages that cannot reach the kernel by HTTP; knows nothing of widgets.

A request is answered in parts of about a MiB, each of which the page acknowledges: no more than two are under way,
so a slow page slows the kernel down instead of filling its memory. All work happens in threads of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ndlab.errors import BadRequest, NdlabError

__all__ = ["CommTiles", "Frames"]

Send = Callable[[Mapping[str, Any], Sequence[bytes]], None]

PART_BYTES = 1 << 20
MOST_UNACKED = 2
MOST_AT_ONCE = 6
# A page that was closed acknowledges nothing any more.
PATIENCE_SECONDS = 30.0
# Kernel messages are slow per byte: pictures travel as JPEG unless the page asks for exact ones.
QUALITY = "jpeg75"


class Frames(Protocol):
    """What answers: `ndlab.serve.tiles.TileService` is one."""

    def info(self, vol: str, /) -> dict[str, Any]:
        """Return what a page has to know of a volume."""

    def tiles(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Yield a packed frame for each tile that was asked for."""

    def play(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Yield packed frames, plane by plane."""


class _Request:
    """One request under way."""

    def __init__(self) -> None:
        self._gone = threading.Event()
        self._room = threading.Semaphore(MOST_UNACKED)

    def cancelled(self) -> bool:
        return self._gone.is_set()

    def cancel(self) -> None:
        self._gone.set()
        self._room.release()

    def acked(self) -> None:
        self._room.release()

    def wait(self) -> bool:
        """Wait until one more part may be sent; False if nobody wants it any more."""
        if not self._room.acquire(timeout=PATIENCE_SECONDS):
            self._gone.set()
        return not self.cancelled()


class CommTiles:
    """Answers the requests of one page.

    Parameters
    ----------
    service : TileService
    send : callable
        ``send(message, buffers)`` brings a message to the page.
    """

    def __init__(self, service: Frames, send: Send) -> None:
        self._service, self._send = service, send
        self._lock = threading.Lock()
        self._under_way: dict[Any, _Request] = {}
        self._slots = threading.Semaphore(MOST_AT_ONCE)

    def receive(self, message: Mapping[str, Any]) -> bool:
        """Act on a message of the page; return whether it was one about tiles."""
        kind, number = message.get("t"), message.get("id")
        if kind == "req":
            self._begin(number, message)
        elif kind in ("ack", "cancel"):
            with self._lock:
                request = self._under_way.get(number)
            if request is not None:
                request.acked() if kind == "ack" else request.cancel()
        else:
            return False
        return True

    def close(self) -> None:
        """Give up whatever is under way."""
        with self._lock:
            requests = list(self._under_way.values())
        for request in requests:
            request.cancel()

    @property
    def under_way(self) -> int:
        """How many requests are being answered, or wait for it."""
        with self._lock:
            return len(self._under_way)

    def _begin(self, number: Any, message: Mapping[str, Any]) -> None:
        request = _Request()
        with self._lock:
            # A page that was loaded again counts from the start.
            before = self._under_way.get(number)
            self._under_way[number] = request
        if before is not None:
            before.cancel()
        threading.Thread(
            target=self._answer, args=(number, request, message), name=f"ndlab-tiles-{number}", daemon=True
        ).start()

    def _answer(self, number: Any, request: _Request, message: Mapping[str, Any]) -> None:
        try:
            with self._slots:
                if not request.cancelled():
                    self._send_parts(number, request, message)
        except Exception as error:
            # Nobody stands above a thread: whatever went wrong is for the page to show.
            known = isinstance(error, NdlabError)
            self._send({"t": "part", "id": number, "last": True, "error": str(error) if known else repr(error)}, [])
        finally:
            with self._lock:
                if self._under_way.get(number) is request:
                    del self._under_way[number]

    def _send_parts(self, number: Any, request: _Request, message: Mapping[str, Any]) -> None:
        op, query = message.get("op"), message.get("q")
        if not isinstance(query, Mapping) or op not in ("tiles", "play", "info"):
            raise BadRequest(f"op {op!r} with q {query!r}"[:200], "there are tiles, play and info, with an object q")
        if op == "info":
            found = self._service.info(str(query.get("vol")))
            self._send({"t": "part", "id": number, "last": True, "info": found}, [])
            return
        ask = self._service.tiles if op == "tiles" else self._service.play
        frames = ask({"q": QUALITY, **{str(k): str(v) for k, v in query.items()}}, request.cancelled)
        part: list[bytes] = []
        for frame in frames:
            part.append(frame)
            if sum(map(len, part)) >= PART_BYTES:
                if not request.wait():
                    return
                self._send({"t": "part", "id": number, "last": False}, part)
                part = []
        if request.wait():
            self._send({"t": "part", "id": number, "last": True}, part)
