"""The founding services' paths over HTTP: which names one reads, and its answer by `manage` and `answer`."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote

from ndlab.errors import NotFound
from ndlab.serve import cutouts, grammar, nifti
from ndlab.serve.answer import Answer, answer
from ndlab.serve.grammar import Overlay
from ndlab.serve.grammar.calls import Call, Nifti
from ndlab.serve.grammar.objects import CHANGING
from ndlab.serve.guarded import Guarded
from ndlab.serve.manage import unprefixed
from ndlab.serve.ramon import answer as objects
from ndlab.serve.site import Site
from ndlab.serve.statuses import Refused

__all__ = ["FoundingHandler", "names_of"]

_ABOUT = ("info", "projinfo", "volume.vikingxml")


def names_of(path: str) -> Collection[str] | None:
    """Return the tokens that a path reads; None if it lists what is public, none if it may change something.

    Examples
    --------
    >>> names_of("/ocp/ca/kasthuri11/image/xy/0/0,5/0,5/1/"), names_of("/sd/a/info/")
    (('kasthuri11',), ('a',))
    >>> names_of("/sd/a/b/setPropagate/1/"), names_of("/sd/a/b/merge/1,2/"), names_of("/sd/a/b/12/")
    ((), (), ('a',))
    """
    words = [unquote(word) for word in unprefixed(path)]
    match words:
        case ["public_tokens" | "public_datasets"] | ["resource", "public", "token" | "dataset"]:
            return None
        case ["resource", *_] | [_, _, "setPropagate", *_]:
            return ()
        case ["stats", token, _, *_] | [token, _, "getPropagate"]:
            return (token,)
        case [token, about] if about in _ABOUT:
            return (token,)
    request = grammar.parse(path)
    if isinstance(request, Call):
        return () if objects.changes(request, "GET") else (request.token,)
    if isinstance(request, Overlay):
        return tuple({token for _, token, _ in (request.below, request.above)})
    return (request.token,)


class FoundingHandler(Guarded):
    """Answers every founding path, reads and writes."""

    most_body = 1 << 62  # the limit of the server itself

    @property
    def _path(self) -> str:
        return self.request.path.removeprefix(self.prefix)

    def asked_names(self, *parts: str) -> Collection[str] | None:
        """Return the tokens."""
        return names_of(self._path)

    async def prepare(self) -> None:
        """Refuse, too, what a link on another site's page would change here: some changes are asked for by GET."""
        await super().prepare()
        foreign = self.request.headers.get("Sec-Fetch-Site", "") in ("cross-site", "same-site")
        # Read as the grammar reads it, or a letter as %XX would get past.
        words = map(unquote, self._path.split("/"))
        if foreign and self.site.access.open and not set(CHANGING).isdisjoint(words):
            raise Refused("a change that a link on another site asks for", "it is not allowed here",
                          "type the address, or send it from a program")  # fmt: skip

    async def get(self, *parts: str) -> None:
        """Answer a read."""
        await self._answer("GET")

    async def post(self, *parts: str) -> None:
        """Take what is posted."""
        await self._answer("POST")

    async def put(self, *parts: str) -> None:
        """Take what is posted, as old clients put it."""
        await self._answer("PUT")

    async def delete(self, *parts: str) -> None:
        """Delete."""
        await self._answer("DELETE")

    async def _answer(self, method: str) -> None:
        asked = "HEAD" if self.request.method == "HEAD" else method
        told = await self.threads.run(_told, self.site, asked, self._path, self.body, self.base)
        self.set_status(told.status)
        for name, value in told.headers.items():
            self.set_header(name, value)
        # What is served may be written at any time.
        self.set_header("Cache-Control", "no-cache")
        if isinstance(told.body, bytes):
            if told.status != 204:
                self.set_header("Content-Type", told.content_type)
            self.finish(told.body or None)
        elif self.request.method == "HEAD":
            self.set_header("Content-Type", told.content_type)
            self.finish()
        else:
            pieces = told.body
            await self.stream(lambda cancel: pieces, told.content_type)


def _told(site: Site, method: str, path: str, body: bytes, base: str) -> Answer:
    found = site.manager.answer("GET" if method == "HEAD" else method, path, body, base)
    if found is not None:
        return found
    request = grammar.parse(path)
    if isinstance(request, Call):
        return _objects(site, request, method, body)
    if method not in ("GET", "HEAD"):
        raise NotFound(f"{method} of {path[:200]}", "that address takes GET alone", "see /v1/")
    limits = cutouts.Limits(site.limits.nbytes, site.limits.pixels)
    return answer(request, site.settled, limits)


def _objects(site: Site, call: Call, method: str, body: bytes) -> Answer:
    """Answer a call about objects; HEAD changes nothing."""
    asked = "GET" if method == "HEAD" and not objects.changes(call, "GET") else method
    objects.check_method(call, asked)
    if isinstance(call, Nifti):
        return nifti.answer(site, call, asked, body)
    channel = site.names.channel(call.token, call.channel) if call.channel else site.labelled(call.token)
    behind = site.sets.behind(channel, make=objects.changes(call, asked))
    return objects.answer(call, asked, behind, body, site.limits.nbytes)
