"""A real S3 server on the loopback (moto), and a proxy before it that is slow, refuses, resets and hangs."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.cluster.processes import free_port, listening, program

__all__ = ["Faults", "environment", "faulty", "moto"]


def environment(endpoint: str) -> dict[str, str]:
    """What a process needs in its environment to find the server."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    return keys | {"AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def moto(bucket: str = "volumes") -> Iterator[str]:
    """Yield the address of an S3 server that has one bucket."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ndlab-s3-") as name:
        # Every request is a line of its log: left to the system to forget.
        command = [sys.executable, "-c", _SERVER, str(port)]
        with program(command, Path(name) / "moto.log", lambda: listening(port)):
            url = f"http://127.0.0.1:{port}"
            request = urllib.request.Request(f"{url}/{bucket}", b"", _AUTHORIZED, method="PUT")
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                assert answer.status == 200
            yield url


# moto.server's own main, which serves with threads, less its log.
_SERVER = """
import logging, sys
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""
_AUTHORIZED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}


@dataclass
class Faults:
    """How often what goes wrong, as shares of all requests; told apart by a seed, and counted.

    `late` seconds pass before each answer. `broken` answers break off in the middle of their bytes, and `lost`
    requests were carried out though the connection was reset before anything was answered: the hardest to bear.
    """

    refused: float = 0
    reset: float = 0
    lost: float = 0
    broken: float = 0
    hung: float = 0
    late: float = 0
    hang: float = 30
    seed: int = 0

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self.ended = threading.Event()

    def draw(self) -> str:
        """Return what happens to the next request."""
        with self._lock:
            at, found = self._random.random(), "whole"
            for name in ("refused", "reset", "lost", "broken", "hung"):
                share = getattr(self, name)
                if at < share:
                    found = name
                    break
                at -= share
            self.counts[found] += 1
            return found


@contextmanager
def faulty(url: str, faults: Faults) -> Iterator[str]:
    """Yield the address of a proxy before a server."""
    host, _, port = urlsplit(url).netloc.partition(":")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self._body()
            time.sleep(faults.late)
            what = faults.draw()
            if what == "hung":
                faults.ended.wait(faults.hang)
            if what in ("hung", "reset"):
                return self._reset()
            if what == "refused":
                return self._answer(503, {"Retry-After": "1"}, b"<Error><Code>SlowDown</Code></Error>")
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            try:
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                got = answer.read()
                headers = {k: v for k, v in answer.getheaders() if k.lower() not in _OWN}
                if self.command == "HEAD":
                    headers["Content-Length"] = answer.getheader("Content-Length") or "0"
            finally:
                connection.close()
            if what == "lost":
                return self._reset()
            return self._answer(answer.status, headers, got, broken=what == "broken")

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, status: int, headers: dict[str, str], body: bytes, broken: bool = False) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if broken else body)
            if broken:
                self._reset()

        def _reset(self) -> None:
            # With no time to linger, closing a socket sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True  # Whoever asked has gone.

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def shutdown_request(self, request: object) -> None:
            # Not a shutdown, which would end in good order what is to be reset.
            self.close_request(request)  # type: ignore[arg-type]

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        faults.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


_OWN = ("content-length", "connection", "transfer-encoding", "keep-alive")
