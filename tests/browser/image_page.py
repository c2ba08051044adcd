"""A page with the Image Explorer on it and no Jupyter: the committed bundle, a real tile service, a model of traits.

The model keeps traits and tells of changes, as anywidget's does; its messages go through a web socket to what answers
the messages of a widget in a kernel.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tornado import httpserver, netutil, web, websocket

from ndlab.explore.comm_tiles import CommTiles
from ndlab.serve.handlers import Threads, view_routes
from ndlab.serve.tiles import TileService

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["Site", "pixels", "site", "wait"]

STATIC = Path(__file__).parents[2] / "ndlab" / "explore" / "static"

PAGE = Path(__file__).with_suffix(".html")


@dataclass
class Site:
    """A server: its address, the service behind it, and what it was asked."""

    url: str
    service: TileService
    asked: list[tuple[str, dict[str, str], Mapping[str, str]]] = field(default_factory=list)

    def open(self, page: Page, traits: Mapping[str, Any], views: int = 1) -> None:
        """Open a page with a widget of these traits."""
        page.goto(self.url)
        page.wait_for_function("window.ready === true")
        page.evaluate("([traits, views]) => window.start(traits, views)", [dict(traits), views])


# As strict as a hub may make it: no text becomes code, nothing comes from elsewhere. Styles of elements are what
# Jupyter's own pages need, too; `toast` is the page's own script, which is no part of a widget.
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-toast'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' http://127.0.0.1:*; worker-src 'self' blob:; font-src 'self'"
)


class _Page(web.RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        # As Jupyter's server does: what is asked with a cookie has to bring its token along.
        self.set_cookie("_xsrf", "2|toast|token")
        self.finish(PAGE.read_text())


class _Bundle(web.RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript")
        self.finish((STATIC / "image.js").read_bytes())


class _Comm(websocket.WebSocketHandler):
    def initialize(self, service: TileService) -> None:
        loop = asyncio.get_running_loop()

        def send(message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
            loop.call_soon_threadsafe(self._send, message, buffers)

        self._tiles = CommTiles(service, send)

    def _send(self, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        self.write_message(json.dumps({"message": message, "buffers": len(buffers)}))
        for buffer in buffers:
            self.write_message(bytes(buffer), binary=True)

    def on_message(self, message: str | bytes) -> None:
        self._tiles.receive(json.loads(message))

    def on_close(self) -> None:
        self._tiles.close()


@contextmanager
def site(service: TileService, kernel: bool = True) -> Iterator[Site]:
    """Yield a server of a tile service on loopback; without a `kernel` it has the page and nothing else."""
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()
    threads = Threads()
    (socket,) = netutil.bind_sockets(0, "127.0.0.1")
    found = Site(f"http://127.0.0.1:{socket.getsockname()[1]}/", service)

    def note(handler: web.RequestHandler) -> None:
        query = {name: handler.get_query_argument(name) for name in handler.request.query_arguments}
        found.asked.append((handler.request.path, query, dict(handler.request.headers)))

    async def run() -> None:
        routes: list[Any] = [
            (r"/", _Page),
            (r"/image.js", _Bundle),
        ]
        if kernel:
            routes += [
                (r"/comm", _Comm, {"service": service}),
                *view_routes("/base/ndlab/v1/k/0123", service, threads),
            ]
        server = httpserver.HTTPServer(web.Application(routes, log_function=note))
        server.add_sockets([socket])
        started.append((asyncio.get_running_loop(), asyncio.Event()))
        ready.set()
        await started[0][1].wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="image-page")
    thread.start()
    ready.wait()
    try:
        yield found
    finally:
        loop, end = started[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()
        threads.close()


def wait(page: Page, view: int = 0) -> None:
    """Wait until a view shows all that its state says."""
    page.evaluate("(i) => window.drawn(i)", view)


def pixels(page: Page, view: int = 0) -> np.ndarray[Any, Any]:
    """Return what a view shows: RGBA, (height, width, 4), uint8."""
    import base64

    width, height, data = page.evaluate(
        "(i) => { const p = window.views[i].pixels(); return [p.width, p.height, window.base64(p.data)]; }", view
    )
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
