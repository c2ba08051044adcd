"""Loopback servers for the tests of remote addresses: a folder over http, and a small S3."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Served = TypeVar("Served", bound="FolderServer | S3Server")

__all__ = ["FolderServer", "S3Server", "serving"]


class FolderServer:
    """Serves the files below `root` with GET, HEAD and Range; `asked` lists (method, path, range).

    `delay` seconds pass before each answer; `status` answers everything with that code; without `ranges` every
    answer is the whole file.
    """

    def __init__(self, root: Path, delay: float = 0.0, ranges: bool = True) -> None:
        self.root, self.delay, self.ranges = root, delay, ranges
        self.status: int | None = None
        self.asked: list[tuple[str, str, str | None]] = []
        self.in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()
        self.http = _listen(self)

    @property
    def url(self) -> str:
        """Address of `root`."""
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        wanted = request.headers.get("Range")
        with self._lock:
            self.asked.append((request.command, urlsplit(request.path).path, wanted))
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            time.sleep(self.delay)
            path = self.root / unquote(urlsplit(request.path).path).lstrip("/")
            if self.status is not None:
                _send(request, self.status)
            elif request.command not in ("GET", "HEAD"):
                _send(request, 405)
            elif not path.is_file():
                _send(request, 404)
            else:
                _send_bytes(request, path.read_bytes(), wanted if self.ranges else None)
        finally:
            with self._lock:
                self.in_flight -= 1


class S3Server:
    """One bucket in memory: GET (Range), HEAD, PUT and DELETE (If-Match, If-None-Match), and list version 2."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self.http = _listen(self)

    @property
    def url(self) -> str:
        """The endpoint, for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        parts = urlsplit(request.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._lock:
            self.asked.append((request.command, key))
            if bucket != self.bucket:
                _send(request, 404, b"<Error><Code>NoSuchBucket</Code></Error>")
            elif not key:
                self._list(request, parse_qs(parts.query))
            elif request.command == "PUT":
                self._put(request, key, body)
            elif request.command == "DELETE":
                self.objects.pop(key, None)
                _send(request, 204)
            elif key not in self.objects:
                _send(request, 404, b"<Error><Code>NoSuchKey</Code></Error>")
            else:
                found = self.objects[key]
                _send_bytes(request, found, request.headers.get("Range"), ETag=_etag(found))

    def _list(self, request: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> None:
        if request.command == "HEAD":
            _send(request, 200, b"", **{"x-amz-bucket-region": "us-east-1"})
            return
        prefix = query.get("prefix", [""])[0]
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(value)}</Size><ETag>{escape(_etag(value))}</ETag></Contents>"
            for key, value in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        _send(request, 200, text.encode(), **{"Content-Type": "application/xml"})

    def _put(self, request: BaseHTTPRequestHandler, key: str, body: bytes) -> None:
        old = self.objects.get(key)
        match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
        if (match and (old is None or _etag(old) != match)) or (none_match == "*" and old is not None):
            _send(request, 412)
            return
        self.objects[key] = _content(body, request)
        _send(request, 200, ETag=_etag(self.objects[key]))


def _content(body: bytes, request: BaseHTTPRequestHandler) -> bytes:
    """Take the signature lines out of an aws-chunked body."""
    if "aws-chunked" not in request.headers.get("Content-Encoding", ""):
        return body
    out, rest = b"", body
    while rest:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.partition(b";")[0] or b"0", 16)
        if size == 0:
            break
        out, rest = out + rest[:size], rest[size + 2 :]
    return out


def _etag(value: bytes) -> str:
    return f'"{hashlib.sha1(value).hexdigest()}"'


def _listen(owner: FolderServer | S3Server) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            owner.answer(self)

        do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    return Server(("127.0.0.1", 0), Handler)


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    # For pages of another port; files are served here for tests alone.
    request.send_header("Access-Control-Allow-Origin", "*")
    request.send_header("Access-Control-Expose-Headers", "Content-Range, Content-Length")
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def _send_bytes(request: BaseHTTPRequestHandler, body: bytes, wanted: str | None, **headers: str) -> None:
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
    if not found:
        _send(request, 200, body, **headers)
        return
    first, last = found.groups()
    start = int(first) if first else max(0, len(body) - int(last))
    stop = min(len(body), int(last) + 1) if first and last else len(body)
    if start >= len(body):
        _send(request, 416, b"", **{"Content-Range": f"bytes */{len(body)}"})
        return
    _send(request, 206, body[start:stop], **headers, **{"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}"})


@contextmanager
def serving(server: Served) -> Iterator[Served]:
    """Run a server until the block ends."""
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()
