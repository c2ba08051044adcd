"""Who may ask, from where, how much and how often.

Whoever shows the token may do everything. Without one, a server that listens on the loopback alone answers, but never a
page of another site; any server answers what is public, read-only and at a limited rate; everything else is 403.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ndlab.errors import TooLarge
from ndlab.serve.statuses import Busy, Refused, TooLong

__all__ = ["Access", "Asked", "Limits", "Rate"]

_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_CLIENTS = 10_000


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Parameters
    ----------
    url : int
        Characters of path and query.
    body : int
        Bytes that may be posted.
    nbytes : int
        Bytes of voxels of one cut-out.
    pixels : int
        Pixels of one picture.
    """

    url: int = 8192
    body: int = 256 << 20
    nbytes: int = 512 << 20
    pixels: int = 64 << 20

    def check_url(self, uri: str) -> None:
        """Raise `TooLong` for a request that is too long to be meant."""
        if len(uri) > self.url:
            raise TooLong(f"a request of {len(uri)} characters", f"{self.url} are taken", "ask in several requests")

    def check_body(self, nbytes: int, most: int | None = None) -> None:
        """Raise `TooLarge` for more bytes than are taken."""
        limit = self.body if most is None else min(most, self.body)
        if nbytes > limit:
            raise TooLarge(f"a body of {nbytes} bytes", f"{limit} are taken here", "send smaller pieces",
                           nbytes=nbytes, limit=limit)  # fmt: skip

    def check_voxels(self, nbytes: int) -> None:
        """Raise `TooLarge` for a cut-out of more bytes than are answered at once."""
        if nbytes > self.nbytes:
            raise TooLarge(f"a cut-out of {nbytes} bytes", f"{self.nbytes} are answered at once",
                           "ask for smaller boxes, or a coarser level", nbytes=nbytes, limit=self.nbytes)  # fmt: skip

    def check_pixels(self, count: int) -> None:
        """Raise `TooLarge` for a picture of more pixels than are drawn at once."""
        if count > self.pixels:
            raise TooLarge(f"a picture of {count} pixels", f"{self.pixels} are drawn at once",
                           "ask for a smaller part, or a coarser level", nbytes=count, limit=self.pixels)  # fmt: skip


class Rate:
    """A token bucket for each client: `per_second` requests, and as many again at once as two seconds bring.

    Examples
    --------
    >>> now = 0.0
    >>> rate = Rate(2, clock=lambda: now)
    >>> [rate.wait("a") for _ in range(5)], rate.wait("b")
    ([0.0, 0.0, 0.0, 0.0, 0.5], 0.0)
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self._clock = per_second, clock
        self._most = max(1.0, 2 * per_second)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, client: str) -> float:
        """Count one request; return 0, or after how many seconds the client may ask again."""
        with self._lock:
            now = self._clock()
            left, at = self._left.get(client, (self._most, now))
            left = min(self._most, left + (now - at) * self.per_second)
            late = 0.0 if left >= 1 else (1 - left) / self.per_second
            self._left[client] = (left if late else left - 1, now)
            self._left.move_to_end(client)
            while len(self._left) > _CLIENTS:
                self._left.popitem(last=False)
            return late


@dataclass(frozen=True)
class Asked:
    """What matters of a request here; `token` is what it shows."""

    method: str
    client: str
    headers: Mapping[str, str]
    token: str | None = None


@dataclass(frozen=True)
class Access:
    """Decides who may ask.

    Parameters
    ----------
    token : str, optional
        Opens everything; without one there is nothing to show.
    open : bool
        Whether nothing needs to be shown: only for a server that nobody else reaches, on the loopback.
    public : collection of str
        Names that anybody may read.
    rate : Rate, optional
        How often somebody without the token may ask for what is public.
    cors : collection of str
        Origins whose pages may ask, or ``"*"``.
    """

    token: str | None = None
    open: bool = False
    public: Collection[str] = ()
    rate: Rate = field(default_factory=lambda: Rate(50))
    cors: Collection[str] = ()

    def admits(self, asked: Asked) -> bool:
        """Tell whether a request may ask for everything; if not, it may for what is public.

        Raises
        ------
        Refused
            If it may ask for nothing.
        Busy
            If it asks for what is public too often.
        """
        if asked.token is not None and self.token is not None:
            if hmac.compare_digest(asked.token.encode(), self.token.encode()):
                return True
            raise Refused("a request with a wrong token", "", "give the one that the server printed as it started")
        if self.open:
            self._check_neighbour(asked)
            return True
        if not self.public or asked.method not in ("GET", "HEAD"):
            raise self.refusal()
        late = self.rate.wait(asked.client)
        if late:
            raise Busy("more requests than are answered without a token", f"{self.rate.per_second:g} a second are",
                       f"ask again in {late:.1f} s", seconds=late)  # fmt: skip
        return False

    def check_public(self, names: Collection[str]) -> None:
        """Raise `Refused` unless all of the names are public; what does not exist is not told apart."""
        if not names or not set(names) <= set(self.public):
            raise self.refusal()

    def refusal(self) -> Refused:
        """Return what is said to who may not ask."""
        return Refused("a request without a token", "this needs one",
                       "send the header 'Authorization: Bearer TOKEN', or add ?token=TOKEN")  # fmt: skip

    def allows_origin(self, origin: str) -> bool:
        """Tell whether the pages of an origin may read the answers."""
        return "*" in self.cors or origin in self.cors

    def _check_neighbour(self, asked: Asked) -> None:
        """Refuse what a page of another site may have sent: this server trusts all who reach it."""
        host = _name(asked.headers.get("Host", ""))
        if host not in _LOOPBACK:
            # The name of another site that resolves to this machine: DNS rebinding.
            raise Refused(f"a request for host {host[:100]!r}", "without a token only localhost is answered",
                          "ask for http://127.0.0.1, or start the server with --token")  # fmt: skip
        origin = asked.headers.get("Origin")
        if origin is not None:
            if urlsplit(origin).netloc != asked.headers.get("Host") and not self.allows_origin(origin):
                raise Refused(f"a request of a page of {origin[:100]}", "it is not allowed here",
                              "start the server with --cors ORIGIN to allow it")  # fmt: skip
        elif asked.headers.get("Sec-Fetch-Site") == "cross-site" and not _followed(asked):
            raise Refused("a request from another site's page", "it is not allowed here",
                          "start the server with --cors ORIGIN to allow it")  # fmt: skip


def _followed(asked: Asked) -> bool:
    """Tell whether somebody followed a link; a picture or a script in a page is not that."""
    return asked.headers.get("Sec-Fetch-Mode") == "navigate" and asked.method in ("GET", "HEAD")


def _name(host: str) -> str:
    """Take the port off a Host header."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
