"""The extension of Jupyter's server that brings the browser to the tile service of a kernel.

It answers ``{base_url}ndlab/v1/hello`` itself and relays ``{base_url}ndlab/v1/k/{key}/…`` to the kernel that wrote the
key file: to no other port, under Jupyter's own login, a part at a time in both directions. Every request opens its own
loopback connection: a kept one would go stale with each restart of a kernel, and opening one costs a fifth of a
millisecond.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import http1connection, httputil, iostream, tcpclient, web  # noqa: TID253 - Jupyter's server imports this

from ndlab.errors import NdlabError, NotFound
from ndlab.serve.handlers import HELLO, break_off
from ndlab.serve.kernel import KEY_HEADER, SECRET_HEADER, key_file
from ndlab.serve.statuses import status_of, told

__all__ = ["Kernel", "routes"]

_PASSED_ON = ("Content-Type", "Content-Length", "Cache-Control", "ETag", "Retry-After", "X-Accel-Buffering")
_ASKED_ALONG = ("Accept", "If-None-Match", "Range")
_CONNECT_SECONDS = 5.0


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "ndlab.serve.jupyter"}]


def _load_jupyter_server_extension(server: Any) -> None:
    found = routes(str(server.web_app.settings["base_url"]), Path(server.runtime_dir))
    server.web_app.add_handlers(".*$", found)


def routes(base_url: str, folder: Path) -> list[Any]:
    """Return the handlers of the extension.

    Parameters
    ----------
    base_url : str
        Jupyter's, e.g. ``"/user/ann/"``.
    folder : Path
        Jupyter's runtime folder, where kernels write their key files.
    """
    base = base_url.rstrip("/") + "/ndlab/v1"
    return [
        (rf"{base}/hello", Hello),
        (rf"{base}/k/([0-9a-f]{{32}})/(hello|info|tiles|play)", Relay, {"folder": folder}),
        (rf"{base}(?:/.*)?", Elsewhere),
    ]


@dataclass(frozen=True)
class Kernel:
    """Where the tile service of a key listens."""

    key: str
    port: int
    secret: str

    @classmethod
    def find(cls, key: str, folder: Path) -> Kernel:
        """Read the key file.

        Raises
        ------
        NotFound
            If there is none: the kernel was restarted, or runs on another machine.
        """
        try:
            facts = json.loads(key_file(key, folder).read_text(encoding="utf-8"))
            return cls(key, int(facts["port"]), str(facts["secret"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise _gone(key) from None

    def request(self, op: str, query: str, headers: Mapping[str, str]) -> tuple[Any, httputil.HTTPHeaders]:
        """Return the first line and the headers that ask the kernel."""
        path = f"/k/{self.key}/{op}" + (f"?{query}" if query else "")
        sent = httputil.HTTPHeaders({"Host": f"127.0.0.1:{self.port}", SECRET_HEADER: self.secret})
        for name in _ASKED_ALONG:
            if name in headers:
                sent[name] = headers[name]
        return httputil.RequestStartLine("GET", path, "HTTP/1.1"), sent


def _gone(key: str) -> NotFound:
    return NotFound(
        f"the volumes under key {key[:8]}… were asked for",
        "no kernel of this server serves them: it was restarted or has ended",
        "run the cell that shows the view again",
    )


class _Handler(APIHandler):
    """Tells a mistake in words, as ndlab's own server does, and nobody anything who is not logged in."""

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse who is not logged in whatever the method, also where the server allows unauthenticated access."""
        await super().prepare()
        if self.request.method != "OPTIONS" and not self.current_user:
            raise web.HTTPError(403)

    def fail(self, error: NdlabError) -> None:
        """Answer with the words and the status of a mistake."""
        self.set_status(status_of(error))
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({"status": self.get_status(), **told(error)}))


class Hello(_Handler):
    """Says that the extension is there."""

    @web.authenticated
    async def get(self) -> None:
        """Answer."""
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(HELLO))


class Elsewhere(_Handler):
    """Answers the rest of the extension's addresses, so that none of them is anybody else's."""

    @web.authenticated
    async def get(self) -> None:
        """Say that nothing is here."""
        self.fail(NotFound(f"{self.request.path[:200]} was asked for", "nothing is at that address"))


class Relay(_Handler):
    """Passes a request on to a kernel, and its answer back as it comes."""

    def initialize(self, folder: Path) -> None:
        """Take the folder of the key files."""
        self.folder = folder
        self._stream: iostream.IOStream | None = None

    @web.authenticated
    async def get(self, key: str, op: str) -> None:
        """Relay one request."""
        try:
            kernel = await asyncio.to_thread(Kernel.find, key, self.folder)
            await self._relay(kernel, op)
        except NdlabError as error:
            self.fail(error)

    async def _relay(self, kernel: Kernel, op: str) -> None:
        self._stream = stream = await _connect(kernel)
        if self._closed:
            stream.close()
            return
        answer = _Answer(self, kernel.key)
        connection = http1connection.HTTP1Connection(stream, True, http1connection.HTTP1ConnectionParameters(
            no_keep_alive=True, max_body_size=1 << 50))  # fmt: skip
        try:
            await connection.write_headers(*kernel.request(op, self.request.query, self.request.headers))
            connection.finish()
            await connection.read_response(answer)
        except iostream.StreamClosedError:
            pass
        finally:
            stream.close()
        self._end(answer, kernel)

    def _end(self, answer: _Answer, kernel: Kernel) -> None:
        if self._closed:
            return
        if not answer.begun:
            raise _gone(kernel.key)
        if answer.complete:
            self.finish(set_content_type=self._headers.get("Content-Type", "application/json"))
        else:
            break_off(self)

    _closed = False

    def on_connection_close(self) -> None:
        """Close the connection to the kernel, which stops its work."""
        self._closed = True
        if self._stream is not None:
            self._stream.close()
        super().on_connection_close()


async def _connect(kernel: Kernel) -> iostream.IOStream:
    try:
        connecting = tcpclient.TCPClient().connect("127.0.0.1", kernel.port, timeout=_CONNECT_SECONDS)
        stream = await connecting
    except (OSError, iostream.StreamClosedError, TimeoutError):
        raise _gone(kernel.key) from None
    stream.set_nodelay(True)
    return stream


class _Answer(httputil.HTTPMessageDelegate):
    """Hands the kernel's answer to the handler; what it returns makes the kernel wait for the browser."""

    def __init__(self, handler: Relay, key: str) -> None:
        self._handler, self._key = handler, key
        self.begun = self.complete = False

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Awaitable[None] | None:
        """Take over the status and the headers that matter, if it is the kernel that answers."""
        if headers.get(KEY_HEADER) != self._key and start_line.code < 400:
            raise iostream.StreamClosedError
        self.begun = True
        self._handler.set_status(start_line.code)
        self._handler.clear_header("Content-Type")
        for name in _PASSED_ON:
            if name in headers:
                self._handler.set_header(name, headers[name])
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass a part on."""
        if self._handler._closed:
            return None
        self._handler.write(chunk)
        return self._handler.flush()

    def finish(self) -> None:
        """Note that the answer is whole."""
        self.complete = True

    def on_connection_close(self) -> None:
        """Note nothing: an answer that is not whole says so."""
