"""A page with the Image Explorer on it and no Jupyter: the committed bundle, a real tile service, a model of traits.

The model keeps traits and tells of changes, as anywidget's does; its messages go through a web socket to what answers
the messages of a widget in a kernel.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
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

PAGE = """<!doctype html><meta charset="utf-8"><title>image</title>
<script id="jupyter-config-data" type="application/json">{"baseUrl": "/base/"}</script>
<style>body{margin:0} .view{width:%(width)dpx}</style>
<div id="views"></div>
<script type="module">
import widget from "/image.js";

class Model {
  constructor(traits) { this.traits = traits; this.heard = {}; this.saved = 0; this.sent = []; this.early = []; }
  get(name) { return this.traits[name]; }
  set(name, value) { this.traits[name] = value; this.tell("change:" + name); }
  save_changes() { this.saved += 1; }
  on(event, callback) { (this.heard[event] ??= new Set()).add(callback); }
  off(event, callback) { this.heard[event]?.delete(callback); }
  tell(event, ...values) { for (const callback of [...(this.heard[event] ?? [])]) callback(...values); }
  send(message, callbacks, buffers) {
    this.sent.push([message, buffers ?? []]);
    if (this.socket === undefined) this.connect();
    if (this.socket.readyState === 1) this.socket.send(JSON.stringify(message)); else this.early.push(message);
  }
  connect() {
    this.socket = new WebSocket(location.origin.replace("http", "ws") + "/comm");
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => { for (const message of this.early.splice(0)) this.socket.send(JSON.stringify(message)); };
    let waiting = null;
    let buffers = [];
    this.socket.onmessage = ({data}) => {
      if (typeof data === "string") { waiting = JSON.parse(data); buffers = []; }
      else buffers.push(new DataView(data));
      if (waiting !== null && buffers.length === waiting.buffers) this.tell("msg:custom", waiting.message, buffers);
    };
  }
}

const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
window.start = (traits, views = 1) => {
  for (const one of Object.values(traits.shapes ?? {})) { one.data = bytes(one.data); one.ids = one.ids && bytes(one.ids); }
  window.model = new Model(traits);
  window.views = []; window.ends = [];
  for (let i = 0; i < views; i++) window.addView();
};
window.addView = () => {
  const el = document.createElement("div");
  el.className = "view";
  document.getElementById("views").append(el);
  window.ends.push(widget.render({model: window.model, el}));
  window.views.push(el.ndlabView);
};
window.base64 = (data) => { let text = ""; for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192)); return btoa(text); };
window.ready = true;
</script>"""


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


class _Page(web.RequestHandler):
    def get(self) -> None:
        # As Jupyter's server does: what is asked with a cookie has to bring its token along.
        self.set_cookie("_xsrf", "2|toast|token")
        self.finish(PAGE % {"width": 640})


class _Bundle(web.RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript")
        self.finish((STATIC / "image.js").read_bytes())


class _Comm(websocket.WebSocketHandler):
    def initialize(self, service: TileService) -> None:
        loop = asyncio.get_running_loop()
        self._tiles = CommTiles(
            service, lambda message, buffers: loop.call_soon_threadsafe(self._send, message, buffers)
        )

    def _send(self, message: Mapping[str, Any], buffers: Any) -> None:
        self.write_message(json.dumps({"message": message, "buffers": len(buffers)}))
        for buffer in buffers:
            self.write_message(bytes(buffer), binary=True)

    def on_message(self, message: str | bytes) -> None:
        self._tiles.receive(json.loads(message))

    def on_close(self) -> None:
        self._tiles.close()


@contextmanager
def site(service: TileService) -> Iterator[Site]:
    """Yield a server of a tile service on loopback."""
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()
    threads = Threads()
    (socket,) = netutil.bind_sockets(0, "127.0.0.1")
    found = Site(f"http://127.0.0.1:{socket.getsockname()[1]}/", service)

    def note(handler: web.RequestHandler) -> None:
        query = {name: handler.get_query_argument(name) for name in handler.request.query_arguments}
        found.asked.append((handler.request.path, query, dict(handler.request.headers)))

    async def run() -> None:
        routes = [
            (r"/", _Page),
            (r"/image.js", _Bundle),
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
    page.evaluate(
        """(i) => Promise.race([
            window.views[i].idle(),
            new Promise((_, no) => setTimeout(() => no(new Error("not drawn in 20 s: " + JSON.stringify([window.views[i].status, window.views[i].stats]))), 20000)),
        ])""",
        view,
    )


def pixels(page: Page, view: int = 0) -> np.ndarray[Any, Any]:
    """Return what a view shows: RGBA, (height, width, 4), uint8."""
    import base64

    width, height, data = page.evaluate(
        "(i) => { const p = window.views[i].pixels(); return [p.width, p.height, window.base64(p.data)]; }", view
    )
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
