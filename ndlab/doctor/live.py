"""Whether an installation that runs is fit: a hub, a Jupyter server or `ndlab serve`, or a cluster."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ndlab.doctor.cluster import is_scheduler, scheduler
from ndlab.doctor.report import Finding, Report
from ndlab.errors import BadRequest, NotFound

__all__ = ["TOKEN", "installation"]

TOKEN = "NDLAB_TOKEN"
_SECONDS = 15
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# A route of ndlab's extension of a Jupyter server, with the name of a kernel that nobody has.
_EXTENSION = f"ndlab/v1/k/{32 * '0'}/hello"
Answer = tuple[int, Mapping[str, str], bytes]


def installation(address: str, *, token: str | None = None) -> Report | None:
    """Look at a running installation and return a `Report`; None if a web address is none of the kinds known.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` of a Dask scheduler; or the http address of a JupyterHub, of a Jupyter server or of
        ``ndlab serve``.
    token : str, optional
        What opens the server; what ``NDLAB_TOKEN`` holds unless given. Without one, only what anybody may see is looked
        at.

    Raises
    ------
    NotFound
        If nothing answers there.

    Examples
    --------
    >>> from ndlab.serve.app import make_site, serving
    >>> from ndlab.serve.limits import Access
    >>> import tempfile
    >>> with serving(make_site(tempfile.mkdtemp(), Access(open=True))) as server:
    ...     report = installation(server.url)
    >>> report.ok, report.findings[0].what
    (True, 'ndlab serve')
    """
    if is_scheduler(address):
        return Report(f"the scheduler at {address}", tuple(scheduler(address)))
    if not address.startswith(("http://", "https://")):
        raise BadRequest(
            f"an installation at {address!r}", "there are tcp:// and tls:// schedulers, http and https servers"
        )
    ask = _Asker(address.rstrip("/"), token or os.environ.get(TOKEN) or None)
    for path, look in (("/hub/api", _hub), ("/api", _jupyter), ("/v1/openapi.json", _serve)):
        found = ask.json(path)
        if isinstance(found, dict) and _is(path, found):
            return Report(f"the installation at {address}", (*look(ask, found), *_transport(address)))
    if _is_shut(ask):
        return Report(f"the installation at {address}", (*_shut(ask), *_transport(address)))
    return None


def _is_shut(ask: _Asker) -> bool:
    """Tell whether it is ndlab that refuses, by the form in which it does."""
    status, _, body = ask("/v1/volumes")
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return status in (401, 403) and isinstance(found, dict) and "exists" in found


def _shut(ask: _Asker) -> Iterator[Finding]:
    yield Finding("ndlab serve", "ok", "answers, and refuses who shows no token")
    if ask.token is None:
        yield Finding("token", "note", "without one no volume is looked at", f"set {TOKEN}, or --token")
    else:
        yield Finding(
            "token", "problem", "it is not the one that the server knows", "it stands where the server was started"
        )


def _is(path: str, found: Mapping[str, Any]) -> bool:
    if path.endswith("openapi.json"):
        return "ndlab" in str(found.get("info", {}).get("title", "")).lower()
    return set(found) == {"version"}


class _Asker:
    """Asks below one address, with the token or without."""

    def __init__(self, base: str, token: str | None) -> None:
        self.base, self.token = base, token

    def __call__(self, path: str, *, token: bool = True) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} if token and self.token else {}
        request = urllib.request.Request(self.base + path, headers=headers)
        try:
            with urllib.request.build_opener(_Stay()).open(request, timeout=_SECONDS) as answer:
                return int(answer.status), dict(answer.headers), answer.read(1 << 22)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read(1 << 16)
        except (urllib.error.URLError, OSError) as error:
            why = str(getattr(error, "reason", error))
            raise NotFound(f"nothing answers at {self.base}", why, "check the address, and that it runs") from None

    def json(self, path: str) -> Any:
        """Return what is answered, if it is JSON and well."""
        for token in (False, True):
            status, _, body = self(path, token=token)
            if status == 200:
                try:
                    return json.loads(body)
                except ValueError:
                    return None
        return None


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Take a redirect for an answer: a log-in page is none of what was asked for."""
        return


def _hub(ask: _Asker, found: Mapping[str, Any]) -> Iterator[Finding]:
    yield Finding("JupyterHub", "ok", f"version {found['version']} answers")
    status, _, _ = ask("/hub/api/users", token=False)
    yield _closed("users", "the list of users", status)
    if ask.token is None:
        yield Finding("token", "note", "without one no user's server is looked at",
                      "ndlab doctor URL --token TOKEN, with a token of yours from the hub's page")  # fmt: skip
        return
    status, _, body = ask("/hub/api/user")
    if status != 200:
        yield Finding("token", "problem", f"the hub answers {status} to it", "make a new one on the hub's page")
        return
    about = json.loads(body)
    yield Finding("token", "ok", f"it is {about.get('name', 'a service')}'s")
    servers = [one for one in (about.get("servers") or {}).values() if one.get("ready")]
    if not servers:
        yield Finding("server", "note", "none runs, so that what users get is not looked at", "start it, and ask again")
    for one in servers:
        yield from _jupyter(_Asker(f"{_root(ask.base)}{one['url'].rstrip('/')}", ask.token), {"version": None})


def _jupyter(ask: _Asker, found: Mapping[str, Any]) -> Iterator[Finding]:
    if found["version"] is not None:
        yield Finding("Jupyter", "ok", f"server {found['version']} answers")
    status, _, _ = ask("/api/status", token=False)
    yield _closed("login", "the server's state", status)
    status, _, _ = ask(f"/{_EXTENSION}", token=False)
    yield _closed("routes", "a route of ndlab's extension", status)
    if ask.token is None:
        yield Finding("extension", "note", "without a token it is not looked at", "ndlab doctor URL --token TOKEN")
        return
    status, _, body = ask("/api/kernelspecs")
    if status != 200:
        yield Finding("token", "problem", f"the server answers {status} to it", "it stands in the server's log")
        return
    kernels = sorted(json.loads(body).get("kernelspecs", {}))
    yield Finding("kernels", "ok" if kernels else "problem", ", ".join(kernels) or "there is none",
                  "" if kernels else "pip install ipykernel")  # fmt: skip
    status, _, body = ask(f"/{_EXTENSION}")
    # Of a kernel that there is not it says so itself; a server without the extension knows no such page.
    if status == 404 and b"kernel" not in body.lower():
        yield Finding("extension", "problem", "ndlab's extension is not on: widgets get their tiles by messages",
                      'pip install "ndlab[lab]" in the environment of the server, and start it again')  # fmt: skip
    else:
        yield Finding("extension", "ok", "ndlab's extension answers")


def _serve(ask: _Asker, found: Mapping[str, Any]) -> Iterator[Finding]:
    yield Finding("ndlab serve", "ok", f"version {found['info'].get('version', '?')} answers")
    status, _, body = ask("/v1/volumes", token=False)
    host = urlsplit(ask.base).hostname
    if status == 200 and host not in _LOOPBACK and ask.token is None:
        yield Finding("names", "note", "volumes are listed to who shows no token: those that are public")
    if status != 200 and ask.token is not None:
        status, _, body = ask("/v1/volumes")
    if status != 200:
        yield Finding("names", "note", f"it answers {status} to who shows no token", f"set {TOKEN}, or --token")
        return
    listed = json.loads(body)
    names = listed if isinstance(listed, list) else listed.get("volumes", listed)
    yield Finding("names", "ok" if names else "note", f"{len(names)} volumes are served",
                  "" if names else "put stores into the folder")  # fmt: skip


def _closed(what: str, thing: str, status: int) -> Finding:
    """Say whether something is refused to who shows nothing; a redirect is one to the log-in."""
    if status in (301, 302, 303, 307, 401, 403):
        return Finding(what, "ok", f"{thing} is refused without a token ({status})")
    if status in (404, 503):
        return Finding(what, "note", f"{thing} is not there ({status})")
    return Finding(what, "problem", f"{thing} is answered to anybody ({status})",
                   "start it with --ServerApp.allow_unauthenticated_access=False, and with a token")  # fmt: skip


def _transport(address: str) -> Iterator[Finding]:
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        yield Finding("TLS", "problem", "tokens and pixels go unencrypted", "put a proxy with a certificate in front")


def _root(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"
