"""The loopback address of a mirror, at which the engine that reads voxels opens it like any other store.

Its path holds 128 random bits, so nobody on the machine finds it who was not told.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Any

from ndlab.errors import NdlabError
from ndlab.serve.keys import Bytes, check_key, parse_range
from ndlab.serve.statuses import status_of

if TYPE_CHECKING:
    from tornado.web import Application

    from ndlab.serve.handlers import Threads

__all__ = ["Door"]

# As many as the engine asks for at a time.
_WAITING = 96
_HOST = "127.0.0.1"


class Door:
    """Serves the values of `source` at `url`, a made-up name of the store appended, until `close`."""

    def __init__(self, source: Bytes) -> None:
        listening = socket.create_server((_HOST, 0), backlog=_WAITING)
        listening.setblocking(False)
        self._secret = secrets.token_hex(16)
        self.url = f"http://{_HOST}:{listening.getsockname()[1]}/{self._secret}"
        self._source = source
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._end: asyncio.Event | None = None
        _reach_directly()
        threading.Thread(target=self._run, args=(listening,), name="ndlab-mirror", daemon=True).start()
        self._ready.wait()

    def close(self) -> None:
        """Listen no more."""
        if self._end is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)

    def _run(self, listening: socket.socket) -> None:
        try:
            self._loop.run_until_complete(self._serve(listening))
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self, listening: socket.socket) -> None:
        from tornado.httpserver import HTTPServer

        from ndlab.serve.handlers import Threads

        threads = Threads(1, workers=_WAITING)
        server = HTTPServer(_application(self._source, self._secret, threads))
        server.add_sockets([listening])
        self._end = asyncio.Event()
        self._ready.set()
        await self._end.wait()
        server.stop()
        await server.close_all_connections()
        threads.close()


def _reach_directly() -> None:
    """Have the engine go to the loopback itself, whatever proxy the environment names; it reads it at each request."""
    for name in ("no_proxy", "NO_PROXY"):
        known = [one.strip() for one in os.environ.get(name, "").split(",") if one.strip()]
        if "*" not in known and _HOST not in known:
            os.environ[name] = ",".join([*known, _HOST])


def _application(source: Bytes, secret: str, threads: Threads) -> Application:
    from tornado import web

    from ndlab.serve.handlers import Answering

    class Value(Answering):
        async def get(self, key: str) -> None:
            span = parse_range(self.request.headers.get("Range"))
            try:
                found = await threads.run(source, check_key(key), span)
            except NdlabError as error:
                # An origin that does not answer is no missing chunk, which the engine would read as zeros.
                self.set_status(status_of(error))
                self.finish()
                return
            if found is None:
                self.set_status(404)
            elif found.start is None:
                self.set_status(416)
            else:
                self.set_header("ETag", found.etag)
                self.set_header("Content-Type", "application/octet-stream")
                if span is not None:
                    self.set_status(206)
                    self.set_header("Content-Range", f"bytes {found.start}-{found.stop - 1}/{found.size}")
                for piece in found.pieces:
                    self.write(piece)
            self.finish()

        def compute_etag(self) -> str | None:
            found: str | None = self._headers.get("ETag")
            return found

    routes: list[Any] = [(rf"/{secret}/[^/]+/(.+)", Value)]
    return web.Application(routes, log_function=lambda handler: None)
