"""A handler of `ndlab serve`: who asks is checked, and how much, before anything else happens."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from tornado import web  # noqa: TID253 - imported only by what serves

from ndlab.errors import BadRequest, NotFound
from ndlab.serve.handlers import Streaming
from ndlab.serve.limits import Asked
from ndlab.serve.site import Site

__all__ = ["Answering", "Guarded", "Nowhere"]

_SHOWN = "Content-Length, Content-Range, ETag, Accept-Ranges, Retry-After, X-Ndlab-Shape, X-Ndlab-Dtype, "
_SHOWN += "X-Ndlab-Stale, X-Ndlab-Lost"
_TAKEN = "Authorization, Content-Type, Range, If-None-Match, X-XSRFToken"
_MOST_BODY = 1 << 16


@web.stream_request_body
class Guarded(Streaming):
    """Refuses before a body is read and before a path is looked at; `full` says whether everything may be asked for."""

    # What a request may carry that nobody expects to carry anything.
    most_body = _MOST_BODY

    def initialize(self, site: Site, prefix: str = "", methods: Sequence[str] = ()) -> None:
        """Take what the server has, where it is mounted, and the methods of this address; all without them."""
        self.site, self.prefix, self._methods = site, prefix, tuple(name.upper() for name in methods)
        self.threads, self.hidden = site.threads, site.hidden
        self.full = False
        self._taken = False
        self._parts: list[bytes] = []
        self._cross_origin()

    def set_default_headers(self) -> None:
        """Say which pages may read the answer."""
        super().set_default_headers()
        if hasattr(self, "site"):
            self._cross_origin()

    def _cross_origin(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin and self.site.access.allows_origin(origin):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", _SHOWN)
        if self.site.access.cors:
            self.set_header("Vary", "Origin")

    async def prepare(self) -> None:
        """Check the request; raises what is wrong with it."""
        request = self.request
        self.site.limits.check_url(request.uri or "")
        if request.method == "OPTIONS":
            return
        asked = Asked(request.method or "", request.remote_ip or "", request.headers, self._token())
        self.full = self.site.access.admits(asked)
        if not self.full:
            names = await self.threads.run(self.asked_names, *self.path_args)
            if names is not None:
                self.site.access.check_public(names)
        if self._methods and request.method not in self._methods:
            raise self.wrong_method()
        if "Transfer-Encoding" in request.headers:
            raise BadRequest("a body in chunks", "how long a body is has to be known", "send Content-Length")
        self.site.limits.check_body(int(request.headers.get("Content-Length", 0)), self.most_body)
        self._taken = True

    @property
    def taken_methods(self) -> tuple[str, ...]:
        """Methods that the address takes."""
        return self._methods or super().taken_methods

    def _token(self) -> str | None:
        kind, _, value = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() in ("bearer", "token") and value:
            return value.strip()
        return self.get_query_argument("token", None)

    @property
    def most_streams(self) -> int:
        """Leave half of the streams to those who show the token."""
        return self.threads.most_streams if self.full else max(1, self.threads.most_streams // 2)

    def asked_names(self, *parts: str) -> Collection[str] | None:
        """Return the names that a request reads, which decides whether it is public; None if it reads none."""
        return ()

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, if the request was taken."""
        if self._taken:
            self._parts.append(chunk)

    @property
    def body(self) -> bytes:
        """What was posted."""
        return b"".join(self._parts)

    @property
    def base(self) -> str:
        """Address at which the server is mounted, without a slash at its end."""
        return f"{self.request.protocol}://{self.request.host}{self.prefix}"

    async def head(self, *parts: str) -> None:
        """Answer as GET does, without the body."""
        answered = self.get(*parts)
        if answered is not None:
            await answered

    def options(self, *parts: str) -> None:
        """Tell a browser that pages of an allowed origin may ask."""
        origin = self.request.headers.get("Origin", "")
        if not self.site.access.allows_origin(origin):
            raise self.site.access.refusal()
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
        self.set_header("Access-Control-Allow-Headers", _TAKEN)
        self.set_header("Access-Control-Max-Age", "3600")
        self.set_status(204)
        self.finish()

    def compute_etag(self) -> str | None:
        """Return the tag that the handler itself has set: hashing a body to find one would cost more than it."""
        found: str | None = self._headers.get("ETag")
        return found


class Answering(Guarded):
    """Answers JSON of what a name stands for, and takes bodies as large as the server does."""

    most_body = 1 << 62  # the limit of the server itself

    def asked_names(self, *parts: str) -> Collection[str] | None:
        """Return the name; None for what is made of those that the asker may see."""
        return parts[:1] or None

    def answer(self, value: Any, status: int = 200) -> None:
        """Answer a JSON value."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-cache")
        self.finish(json.dumps(value))


class Nowhere(Guarded):
    """Answers every address that no route answers."""

    async def prepare(self) -> None:
        """Say that nothing is here, to who may know."""
        await super().prepare()
        if self.request.method != "OPTIONS":
            raise NotFound(f"{self.request.path[:200]} was asked for", "nothing is at that address",
                           "the routes are listed at /v1/")  # fmt: skip

    async def get(self, *parts: Any) -> None:
        """Never get here."""
