"""The tile service of a process, on a loopback port that only Jupyter's server is told of.

One Tornado server in one thread serves every service of the process, each under a random key. The key file that the
Jupyter server reads has the port and a secret; without the secret nothing is answered, so other users of the machine
see nothing.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import hmac
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import NotFound
from ndlab.serve.statuses import Refused

if TYPE_CHECKING:
    from tornado.httpserver import HTTPServer

    from ndlab.serve.handlers import Threads, Tiles

__all__ = ["KEY_HEADER", "SECRET_HEADER", "key_file", "runtime_folder", "start", "stop"]

SECRET_HEADER = "X-Ndlab-Secret"
# The kernel's answers carry their key: a stranger that took over the port of a dead kernel does not know it.
KEY_HEADER = "X-Ndlab-Key"
_START_SECONDS = 20.0


def start(service: Tiles) -> str:
    """Serve `service` behind Jupyter, and return its key: it is at ``{base_url}ndlab/v1/k/{key}/``.

    Called again for the same service it returns the same key. Needs no running loop; may be called in any thread.
    """
    with _lock:
        server = _running()
        for key, known in server.services.items():
            if known is service:
                return key
        key = secrets.token_hex(16)
        server.services[key] = service
        _write_key(key, server)
        return key


def stop(key: str) -> None:
    """Serve that key no more; the service itself stays as it is."""
    with _lock:
        if _server is not None and _server.pid == os.getpid():
            _server.services.pop(key, None)
        key_file(key).unlink(missing_ok=True)


def key_file(key: str, folder: Path | None = None) -> Path:
    """Return where the port and the secret of a key are written."""
    return (folder or runtime_folder()) / f"ndlab-{key}.json"


def runtime_folder() -> Path:
    """Return the folder that this process and its Jupyter server share: where the kernel's connection file is."""
    with contextlib.suppress(Exception):
        from ipykernel.connect import get_connection_file

        return Path(get_connection_file()).resolve().parent
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


@dataclass
class _Server:
    """The one server of this process."""

    pid: int
    port: int = 0
    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    services: dict[str, Tiles] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop | None = None
    http: HTTPServer | None = None
    threads: Threads | None = None

    def run(self, ready: threading.Event, listening: socket.socket) -> None:
        """Serve until the process ends."""
        asyncio.run(self._serve(ready, listening))

    async def _serve(self, ready: threading.Event, listening: socket.socket) -> None:
        from tornado.httpserver import HTTPServer

        from ndlab.serve.handlers import Threads

        self.loop, self.threads = asyncio.get_running_loop(), Threads()
        self.http = HTTPServer(_application(self, self.threads), max_body_size=1 << 16, max_header_size=1 << 15)
        self.http.add_sockets([listening])
        ready.set()
        await asyncio.Event().wait()


_lock = threading.Lock()
_server: _Server | None = None


def _running() -> _Server:
    global _server
    if _server is None or _server.pid != os.getpid():
        _server = _begin()
    return _server


def _begin() -> _Server:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    server = _Server(os.getpid(), listening.getsockname()[1])
    ready = threading.Event()
    threading.Thread(target=server.run, args=(ready, listening), name="ndlab-serve", daemon=True).start()
    if not ready.wait(_START_SECONDS):
        raise TimeoutError(f"the tile server did not start within {_START_SECONDS:g} s")
    folder = runtime_folder()
    _sweep(folder)
    atexit.register(_forget, server, folder)
    return server


def _write_key(key: str, server: _Server) -> None:
    path = key_file(key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = {"port": server.port, "secret": server.secret, "pid": server.pid, "host": socket.gethostname()}
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(facts, file)


def _forget(server: _Server, folder: Path) -> None:
    if server.pid != os.getpid():
        return
    for key in server.services:
        key_file(key, folder).unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what processes of this machine left behind that were killed."""
    for path, facts in _keys(folder):
        if facts.get("host") == socket.gethostname() and not _alive(int(facts.get("pid", 0))):
            path.unlink(missing_ok=True)


def _keys(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in folder.glob("ndlab-*.json"):
        try:
            yield path, dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _application(server: _Server, threads: Threads) -> Any:
    from tornado import web

    from ndlab.serve.handlers import Answering, ViewHandler

    class Behind(Answering):
        """Whatever is asked here was asked of Jupyter's server first."""

        def check_secret(self) -> None:
            given = self.request.headers.get(SECRET_HEADER, "")
            if not hmac.compare_digest(given.encode(), server.secret.encode()):
                raise Refused("a request without the secret", "this port is for the Jupyter server of the kernel",
                              "ask {base_url}ndlab/v1/k/KEY/ there")  # fmt: skip

    class View(Behind, ViewHandler):
        async def prepare(self) -> None:
            self.check_secret()

        async def get(self, key: str, op: str) -> None:  # type: ignore[override]
            service = server.services.get(key)
            if service is None:
                raise NotFound(f"key {key[:8]}… was asked for", "this kernel serves no volume under it",
                               "run the cell that shows the view again")  # fmt: skip
            self.set_header(KEY_HEADER, key)
            await self.answer(service, op)

    class Else(Behind):
        async def prepare(self) -> None:
            self.check_secret()
            raise NotFound(f"{self.request.path[:200]} was asked for", "a kernel has hello, info, tiles and play")

    routes = [(r"/k/([0-9a-f]{32})/(hello|info|tiles|play)", View, {"service": None, "threads": threads})]
    return web.Application(routes, default_handler_class=Else, log_function=lambda handler: None)
