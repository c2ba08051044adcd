"""A small real proxy on the loopback: it knows names that nobody else does, and may want a password."""

from __future__ import annotations

import base64
import http.client
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

__all__ = ["Proxy", "proxying"]


class Proxy:
    """Passes requests on: whole ones to web servers, and bytes to what CONNECT names.

    Parameters
    ----------
    known : mapping
        Where each name leads, ``{"origin.example": ("127.0.0.1", 8000)}``; others are answered 502.
    password : str
        ``user:password`` that it wants to be shown; none without it.
    """

    def __init__(self, known: Mapping[str, tuple[str, int]], password: str = "") -> None:
        self.known, self.password = known, password
        self.asked: list[tuple[str, str]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.http.server_address[1]}"

    def target(self, request: BaseHTTPRequestHandler, host: str) -> tuple[str, int] | None:
        """Note a request, and return where it leads; None if it was refused."""
        self.asked.append((request.command, request.path))
        wanted = f"Basic {base64.b64encode(self.password.encode()).decode()}" if self.password else None
        status = 407 if wanted and request.headers.get("Proxy-Authorization") != wanted else 502
        if status == 407 or host not in self.known:
            request.send_response(status)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return None
        return self.known[host]


def _handler(owner: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            where = owner.target(self, parts.hostname or "")
            if where is None:
                return
            connection = http.client.HTTPConnection(*where, timeout=20)
            sent = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=sent)
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            connection.close()

        def do_CONNECT(self) -> None:
            where = owner.target(self, self.path.rpartition(":")[0])
            if where is None:
                return
            with socket.create_connection(where, timeout=20) as there:
                self.send_response(200)
                self.end_headers()
                _pass_on(self.connection, there)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    return Handler


def _pass_on(here: socket.socket, there: socket.socket) -> None:
    """Copy bytes both ways until one side ends."""
    while True:
        ready, _, _ = select.select([here, there], [], [], 20)
        for one in ready:
            data = one.recv(1 << 16)
            if not data:
                return
            (there if one is here else here).sendall(data)
        if not ready:
            return


@contextmanager
def proxying(known: Mapping[str, tuple[str, int]], password: str = "") -> Iterator[Proxy]:
    """Run a proxy until the block ends."""
    proxy = Proxy(known, password)
    thread = threading.Thread(target=proxy.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.http.shutdown()
        proxy.http.server_close()
        thread.join()
