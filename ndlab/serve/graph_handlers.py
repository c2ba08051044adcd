"""The handlers of graphs below /v1 and /ndgraph: list, describe, take, convert, pack, compute."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ndlab.errors import BadRequest
from ndlab.graph import lost
from ndlab.graph.files import Format, format_named
from ndlab.serve.graphs import ndgraph
from ndlab.serve.graphs.packing import Sending, archive, made, packed, pieces, refuse_loss
from ndlab.serve.guarded import Answering
from ndlab.serve.handlers import query_of
from ndlab.serve.ramon.resource import Asked
from ndlab.serve.site import Site

__all__ = ["GraphHandler", "GraphsHandler", "GraphsZipHandler", "InvariantsHandler", "NdgraphHandler"]

Source = Callable[[Callable[[], bool]], Iterator[bytes]]

_BYTES, _ZIP = "application/octet-stream", "application/zip"
_MOST_PAIRS = 1000


class _Answering(Answering):
    @property
    def public(self) -> Collection[str] | None:
        """Names among which the asker may see graphs; None for all."""
        return None if self.full else self.site.access.public

    async def send(self, title: str, content_type: str, source: Source) -> None:
        """Answer a file."""
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(title)}")
        await self.stream(source, content_type)


class GraphsHandler(_Answering):
    """Lists the graphs."""

    async def get(self) -> None:
        """Answer."""
        query = Asked(query_of(self), ("match",)).query
        found = await self.threads.run(_listed, self.site, self.public, query.get("match", "*"))
        self.answer({"graphs": found})


def _listed(site: Site, public: Collection[str] | None, match: str) -> list[dict[str, Any]]:
    found = []
    for name in site.graphs.names(public, match):
        with suppress(FileNotFoundError):  # taken away since
            one = site.graphs.file(name)
            found.append({"name": one.name, "format": one.format.name, "nbytes": one.nbytes})
    return found


class GraphHandler(_Answering):
    """One graph."""

    async def get(self, name: str) -> None:
        """Describe it, or send it in a format."""
        query = Asked(query_of(self), ("format", "lossy")).query
        how = _sending(query)
        if how.format is None:
            facts = await self.threads.run(self.site.graphs.facts, name)
            self.answer(self._told(name, facts.about))
            return
        found = await self.threads.run(self.site.graphs.file, name)
        title = name if how.format == found.format else Path(name).stem + how.format.suffixes[0]
        folder = how.format.is_folder and (how.format != found.format or found.path.is_dir())
        title, kind = (f"{title}.zip", _ZIP) if folder else (title, _BYTES)
        await self.send(title, kind, lambda cancel: _sent(self.site, name, how))

    def _told(self, name: str, about: Mapping[str, Any]) -> dict[str, Any]:
        found = self.site.graphs.file(name)
        link = f"{self.base}/v1/graphs/{quote(name)}?format={found.format.name}"
        return {"name": name, "format": found.format.name, "nbytes": found.nbytes, **about, "file": link}

    async def put(self, name: str) -> None:
        """Take it."""
        query = Asked(query_of(self), ("overwrite",)).query
        overwrite = _flag(query, "overwrite")
        facts = await self.threads.run(self._put, name, overwrite)
        self.answer(self._told(name, facts.about), 201)

    def _put(self, name: str, overwrite: bool) -> Any:
        return self.site.graphs.put(name, self.body, overwrite=overwrite)

    async def post(self, name: str) -> None:
        """Take it, as clients that cannot put send it."""
        await self.put(name)


def _sending(query: Mapping[str, str]) -> Sending:
    named = query.get("format")
    return Sending(None if named is None else format_named(named), _flag(query, "lossy"))


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "0")
    if value not in ("0", "1"):
        raise BadRequest(f"{name}={value[:50]!r}", "it is 0 or 1", f"ask for {name}=1, or leave it out")
    return value == "1"


def _sent(site: Site, name: str, how: Sending) -> Iterator[bytes]:
    """Check, then return the bytes of one graph; a folder comes as a zip."""
    refuse_loss(site.graphs, [name], how)
    found = site.graphs.file(name)
    if how.format is None or how.format == found.format:
        return packed(found.path, name) if found.path.is_dir() else pieces(found.path)
    return _written(site.graphs.read(name), how.format, Path(name).stem, how.lossy)


def _written(graph: Any, kind: Format, stem: str, lossy: bool) -> Iterator[bytes]:
    """Write a graph, and return its bytes; what is wrong with it shows before the first."""
    stack = ExitStack()
    path = stack.enter_context(made(graph, kind, stem, lossy=lossy))

    def given() -> Iterator[bytes]:
        with stack:
            yield from packed(path, path.name) if path.is_dir() else pieces(path)

    return given()


class GraphsZipHandler(_Answering):
    """Many graphs as one zip."""

    async def get(self) -> None:
        """Answer."""
        query = Asked(query_of(self), ("format", "lossy", "match")).query
        how, match = _sending(query), query.get("match", "*")
        await self.send("graphs.zip", _ZIP, lambda cancel: self._zipped(how, match, cancel))

    def _zipped(self, how: Sending, match: str, cancel: Callable[[], bool]) -> Iterator[bytes]:
        names = self.site.graphs.names(self.public, match)
        refuse_loss(self.site.graphs, names, how, cancel)
        return archive(self.site.graphs, names, how, cancel)


class InvariantsHandler(_Answering):
    """Numbers of a graph."""

    def asked_names(self, *parts: str) -> Collection[str]:
        """Return none: computing takes the token, for it may take long."""
        return ()

    async def get(self, name: str) -> None:
        """Answer."""
        query = Asked(query_of(self), ("names", "pairs")).query
        names = [one for one in query.get("names", "").split(",") if one]
        if not names:
            raise BadRequest("invariants without names", "it says which are computed", "ask for names=size,triangles")
        self.answer(await self.threads.run(_computed, self.site, name, names, _counted(query)))


def _counted(query: Mapping[str, str]) -> int:
    """Return how many eigenpairs are asked for; a hundred, as the founding services had, unless it is said."""
    said = query.get("pairs", "100")
    if not (said.isdecimal() and said.isascii() and 1 <= int(said[:4]) <= _MOST_PAIRS and len(said) < 5):
        raise BadRequest(f"pairs={said[:50]!r}", f"1 to {_MOST_PAIRS} eigenpairs are given", "ask for pairs=10")
    return int(said)


def _computed(site: Site, name: str, names: list[str], pairs: int) -> dict[str, Any]:
    compute = site.services.need("invariants")
    return {"name": name, **compute(site.graphs.read(name), names, pairs)}


class NdgraphHandler(_Answering):
    """The graph of a channel's synapses, as the founding service was asked for it."""

    @property
    def _asked(self) -> ndgraph.Asked:
        return ndgraph.parse(self.request.path.removeprefix(self.prefix).removeprefix("/ndgraph"))

    def asked_names(self, *parts: str) -> Collection[str]:
        """Return the token."""
        return (self._asked.token,)

    async def get(self, *parts: str) -> None:
        """Answer."""
        asked = self._asked
        title = f"{asked.token}_{asked.channel}{asked.format.suffixes[0]}"
        graph, gone = await self.threads.run(_of_synapses, self.site, asked)
        if gone:
            self.set_header("X-Ndlab-Lost", "; ".join(gone).encode("ascii", "replace").decode())
        title, kind = (f"{title}.zip", _ZIP) if asked.format.is_folder else (title, _BYTES)
        stem = Path(title).stem
        await self.send(title, kind, lambda cancel: _written(graph, asked.format, stem, True))


def _of_synapses(site: Site, asked: ndgraph.Asked) -> tuple[Any, list[str]]:
    connectome = site.services.need("connectome")
    behind = site.sets.behind(site.names.channel(asked.token, asked.channel))
    graph = ndgraph.graph_of(behind, asked, connectome)
    return graph, lost(graph, asked.format.name)
