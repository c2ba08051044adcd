"""One Tornado application: by itself (`ndlab serve`), or as a list of handlers that others mount."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest, Conflict
from ndlab.serve.limits import Access, Limits, Rate
from ndlab.serve.names import Folder
from ndlab.serve.openapi import ROUTES

if TYPE_CHECKING:
    from tornado.httpserver import HTTPServer
    from tornado.web import Application

    from ndlab.serve.graphs import Services
    from ndlab.serve.keys import Bytes
    from ndlab.serve.site import Site

__all__ = ["Server", "application", "handlers", "is_loopback", "make_site", "serving"]

_BACKLOG = 512
# Answers of a mirror wait for its origin most of the time.
_WAITING = 64
_HEADERS = 1 << 16
_GRAPHS = "/v1/graphs"


def make_site(
    url: str,
    access: Access,
    *,
    limits: Limits | None = None,
    writable: bool = False,
    mirror: Bytes | None = None,
    streams: int = 32,
    services: Services | None = None,
) -> Site:
    """Gather what a server of a folder, or of one store, needs.

    Parameters
    ----------
    url : str
        A folder of stores, or one store.
    access : Access
        Who may ask; ``Access(token=...)`` or, for a server on the loopback alone, ``Access(open=True)``.
    limits : Limits, optional
        How much may be asked for.
    writable : bool
        Whether voxels of the stores, and graphs, may be posted.
    mirror : Bytes, optional
        Keeps the bytes of the store at `url`.
    streams : int
        Streams at once.
    services : Services, optional
        What is computed of graphs: ``ndlab.analyze.services.graph_services()``; without it their invariants, and the
        graphs of synapses, are not answered.
    """
    from ndlab.serve.graphs import Services
    from ndlab.serve.handlers import Threads
    from ndlab.serve.site import Site

    names = Folder(url if mirror is None else mirror.url, access.public, writable=writable)
    threads = Threads(streams) if mirror is None else Threads(streams, workers=_WAITING)
    return Site(names, access, threads, limits or Limits(), mirror, url, services or Services())


def handlers(site: Site, prefix: str = "") -> list[Any]:
    """Return every route as a Tornado handler, for an application of one's own.

    Parameters
    ----------
    site : Site
        From `make_site`; its `access` decides who may ask, whatever the other application does.
    prefix : str
        Where to mount it, e.g. ``"/brains"``.

    Examples
    --------
    >>> import tempfile
    >>> site = make_site(tempfile.mkdtemp(), Access(token="much longer than this"))
    >>> len(handlers(site, "/brains")) > 10
    True
    >>> site.close()
    """
    from ndlab.serve import annotated, graph_handlers, modern
    from ndlab.serve.founding import FoundingHandler
    from ndlab.serve.guarded import Nowhere
    from ndlab.serve.precomputed import PrecomputedHandler
    from ndlab.serve.raw import RawHandler
    from ndlab.serve.views import ServedViewHandler

    known = {
        "index": modern.IndexHandler,
        "openapi": modern.OpenApiHandler,
        "volumes": modern.VolumesHandler,
        "volume": modern.VolumeHandler,
        "channel": modern.ChannelHandler,
        "cutout": modern.CutoutHandler,
        "view": ServedViewHandler,
        "zarr": RawHandler,
        "precomputed": PrecomputedHandler,
        "annotations": annotated.AnnotationsHandler,
        "set": annotated.SetHandler,
        "objects": annotated.ObjectsHandler,
        "object": annotated.ObjectHandler,
        "form": annotated.FormHandler,
        "keys": annotated.KeysHandler,
        "reserve": annotated.ReserveHandler,
        "merge": annotated.MergeHandler,
        "history": annotated.HistoryHandler,
        "undo": annotated.UndoHandler,
        "graphs": graph_handlers.GraphsHandler,
        "graphs_zip": graph_handlers.GraphsZipHandler,
        "graph": graph_handlers.GraphHandler,
        "invariants": graph_handlers.InvariantsHandler,
        "ndgraph": graph_handlers.NdgraphHandler,
        "founding": FoundingHandler,
    }
    at = prefix.rstrip("/")
    found = [
        (at + _either(one.pattern), known[one.name], {"site": site, "prefix": at, "methods": one.methods})
        for one in ROUTES
    ]
    return [*found, (at + "(?:/.*)?", Nowhere, {"site": site, "prefix": at})]


def _either(pattern: str) -> str:
    """Take the address with and without a slash at its end, unless it takes everything; graphs without /v1, too."""
    if pattern.startswith(_GRAPHS):
        pattern = "(?:/v1)?" + pattern.removeprefix("/v1")
    return pattern if pattern.endswith("(.*)") else pattern.rstrip("/") + "/?"


def application(site: Site) -> Application:
    """Return the whole application."""
    from tornado.web import Application

    from ndlab.serve.guarded import Nowhere

    return Application(handlers(site), default_handler_class=Nowhere, default_handler_args={"site": site},
                       log_function=lambda handler: None)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Tell whether a host name means this machine alone.

    Examples
    --------
    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("brains.example")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def access_for(
    host: str, token: str | None, public: Collection[str] = (), rate: float = 50, cors: Collection[str] = ()
) -> Access:
    """Decide who may ask a server on `host`: on the loopback without a token everybody; elsewhere a token is made."""
    if rate <= 0:
        raise BadRequest(f"a rate of {rate:g} requests a second", "it is above 0", "pass --rate 50")
    if token is not None and len(token) < 8:
        raise BadRequest(f"a token of {len(token)} characters", "it has 8 or more", "leave it out to have one made")
    shared = Access(token, False, tuple(public), Rate(rate), tuple(cors))
    if token is None and is_loopback(host):
        return replace(shared, open=True)
    return replace(shared, token=token or secrets.token_urlsafe(24))


@dataclass
class Server:
    """A site that listens.

    Parameters
    ----------
    site : Site
    host : str
    port : int
        0 takes one that is free.
    """

    site: Site
    host: str = "127.0.0.1"
    port: int = 0
    http: HTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def listen(self) -> None:
        """Begin to listen; needs a running loop."""
        from tornado.httpserver import HTTPServer

        # One family: the name localhost may mean two, with a port for each if none is given.
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listening = socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise Conflict(f"port {self.port} of {self.host}", error.strerror or str(error),
                           "pass --port 0 for one that is free, or another --host") from None  # fmt: skip
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self.http = HTTPServer(application(self.site), max_body_size=self.site.limits.body, max_header_size=_HEADERS,
                               idle_connection_timeout=300, body_timeout=300)  # fmt: skip
        self.http.add_sockets([listening])

    async def run(self, ready: threading.Event | None = None, end: asyncio.Event | None = None) -> None:
        """Listen until the task is cancelled, or `end` is set."""
        try:
            self.listen()
            if ready is not None:
                ready.set()
            await (end or asyncio.Event()).wait()
        finally:
            self.stop()

    def stop(self) -> None:
        """Listen no more."""
        if self.http is not None:
            self.http.stop()
        self.site.close()


@contextmanager
def serving(site: Site, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """Serve in a thread until the block ends."""
    server, ready, ended = Server(site, host, port), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    failed: list[BaseException] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        try:
            await server.run(ready, ended)
            if server.http is not None:
                await server.http.close_all_connections()
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="ndlab-server", daemon=True)
    thread.start()
    ready.wait()
    if failed:
        raise failed[0]
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(10)
