"""The server that a mirrored store lies on: what it is asked, what it answers, and the proxy in between."""

from __future__ import annotations

import base64
import http.client
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from ndlab.errors import BadRequest, Unsupported
from ndlab.serve.keys import Span

__all__ = ["Origin", "Proxy", "Told", "proxy_for"]

_PATIENCE = 30.0
_TOTAL = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True)
class Proxy:
    """Whom to ask instead; `headers` show who asks, where the proxy wants to know."""

    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict)


def proxy_for(scheme: str, netloc: str) -> Proxy | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names for a host, unless NO_PROXY names the host.

    Parameters
    ----------
    scheme : {"http", "https"}
    netloc : str
        Host, and port where there is one.

    Raises
    ------
    Unsupported
        If it is neither named by http:// nor by a bare host.
    """
    known = urllib.request.getproxies()
    address = known.get(scheme) or known.get("all")
    if not address or urllib.request.proxy_bypass(netloc):
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme != "http" or not parts.hostname:
        raise Unsupported(f"a mirror through the proxy {parts.scheme}://{parts.hostname or ''}",
                          "proxies are spoken to by http://", f"set {scheme.upper()}_PROXY to such a one, or NO_PROXY="
                          f"{netloc} to go without", feature=f"{parts.scheme} proxies")  # fmt: skip
    headers = {}
    if parts.username is not None:
        shown = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(shown.encode()).decode()}"
    return Proxy(parts.hostname, parts.port or 80, headers)


@dataclass(frozen=True)
class Told:
    """What the origin answered: a status, the tag and the size of the value, and where `body` begins in it."""

    status: int
    etag: str
    size: int
    start: int
    body: bytes


class Origin:
    """Asks the server of a store, over connections that are kept, through the proxy that the environment names.

    Parameters
    ----------
    url : str
        http or https.

    Raises
    ------
    BadRequest, Unsupported
        For any other address, and for a proxy of a kind that is not spoken to.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest(f"a mirror of {url!r}", "a store behind http:// or https:// is mirrored",
                             "leave --cache out for a folder or a bucket")  # fmt: skip
        self.url = url.rstrip("/")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        netloc = parts.netloc.rpartition("@")[2]
        self._proxy = proxy_for(parts.scheme, netloc)
        # A proxy is told the whole address, unless it only passes the encrypted bytes on.
        self._before = f"http://{netloc}" if self._proxy is not None and not self._secure else ""
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "ndlab"}
        if self._before and self._proxy is not None:
            self._headers |= self._proxy.headers
        self._path = quote(parts.path.rstrip("/"))
        self._query = f"?{parts.query}" if parts.query else ""
        self._idle: list[http.client.HTTPConnection] = []
        self.requests = 0

    def ask(self, key: str, span: Span | None, etag: str = "") -> Told:
        """Ask for a value, or a part of it; with `etag`, only if it has changed (else the status is 304).

        Raises
        ------
        OSError
            If there is no answer.
        """
        headers = dict(self._headers)
        if span is not None:
            headers["Range"] = f"bytes=-{span.tail}" if span.tail is not None else f"bytes={span.first}-{_last(span)}"
        if etag:
            headers["If-None-Match"] = etag
        target = f"{self._before}{self._path}/{quote(key)}{self._query}"
        self.requests += 1
        while self._idle:
            try:
                return self._over(self._idle.pop(), target, headers)
            except (OSError, http.client.HTTPException, IndexError):
                # A kept connection that the other side has closed since says so only when it is used.
                continue
        try:
            return self._over(self._connection(), target, headers)
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__} from the origin") from None

    def size(self, key: str) -> int | None:
        """Return how long a value is, None if that is not told to everybody; raises as `ask` does."""
        connection = self._connection()
        try:
            connection.request("HEAD", f"{self._before}{self._path}/{quote(key)}{self._query}", headers=self._headers)
            answer = connection.getresponse()
            told = answer.getheader("Content-Length", "")
            return int(told) if answer.status == 200 and told.isdecimal() else None
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__} from the origin") from None
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        if self._proxy is None:
            return kind(self._host, self._port, timeout=_PATIENCE)
        made = kind(self._proxy.host, self._proxy.port, timeout=_PATIENCE)
        if self._secure:
            made.set_tunnel(self._host, self._port or 443, dict(self._proxy.headers))
        return made

    def _over(self, connection: http.client.HTTPConnection, target: str, headers: dict[str, str]) -> Told:
        try:
            told = self._once(connection, target, headers)
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            self._idle.append(connection)
        return told

    def _once(self, connection: http.client.HTTPConnection, target: str, headers: dict[str, str]) -> Told:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        where = _TOTAL.fullmatch(answer.getheader("Content-Range", "") or "")
        if where and where[3] == "*":
            # How long a value is has to be known: take all of it.
            return self._once(connection, target, {name: text for name, text in headers.items() if name != "Range"})
        beyond = re.fullmatch(r"bytes \*/(\d+)", answer.getheader("Content-Range", "") or "")
        size = int(where[3]) if where else int(beyond[1]) if beyond else len(body)
        start = int(where[1]) if where else 0
        etag = answer.getheader("ETag") or answer.getheader("Last-Modified") or ""
        return Told(answer.status, etag, size, start, body)


def _last(span: Span) -> str:
    return "" if span.last is None else str(span.last)
