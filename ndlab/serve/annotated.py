"""The handlers of annotations below /v1: list, get, query, post, patch, delete, reserve, merge, history, undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ndlab.errors import BadRequest, NdlabError
from ndlab.serve.guarded import Answering
from ndlab.serve.handlers import query_of
from ndlab.serve.ramon import resource, resource_changes
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.resource import Asked, ids_in, transaction
from ndlab.serve.ramon.resource_changes import body_of
from ndlab.serve.site import Site

__all__ = [
    "AnnotationsHandler", "FormHandler", "HistoryHandler", "KeysHandler", "MergeHandler", "ObjectHandler",
    "ObjectsHandler", "ReserveHandler", "SetHandler", "UndoHandler",
]  # fmt: skip


class _Answering(Answering):
    async def work(self, call: Callable[[Behind], Any], name: str, channel: str, changes: bool = False) -> Any:
        """Return what a call makes of the annotations of a channel, in a thread."""
        return await self.threads.run(_called, self.site, name, channel, changes, call)


def _called(site: Site, name: str, channel: str, changes: bool, call: Callable[[Behind], Any]) -> Any:
    behind = site.sets.behind(site.names.channel(name, channel), make=changes)
    return call(behind.writable() if changes else behind)


class AnnotationsHandler(_Answering):
    """Lists the channels that have annotations."""

    async def get(self) -> None:
        """Answer."""
        Asked(query_of(self), ())
        self.answer({"annotations": await self.threads.run(_listed, self.site, self.full)})


def _listed(site: Site, full: bool) -> list[dict[str, Any]]:
    found = []
    for name, channels in site.listed(full).items():
        for channel in channels:
            try:
                if site.sets.has(site.names.channel(name, channel)):
                    found.append({"name": name, "channel": channel})
            except NdlabError:
                continue  # what cannot be opened says why when it is asked for
    return found


class SetHandler(_Answering):
    """Describes the annotations of a channel."""

    async def get(self, name: str, channel: str) -> None:
        """Answer."""
        self.answer(await self.work(resource.described, name, channel))


class ObjectsHandler(_Answering):
    """Objects that meet conditions; new ones; and the end of some."""

    async def get(self, name: str, channel: str) -> None:
        """Answer those that meet every condition."""
        query = query_of(self)
        self.answer(await self.work(lambda behind: resource.listed(behind, query), name, channel))

    async def post(self, name: str, channel: str) -> None:
        """Store new ones."""
        body = self.body
        made = await self.work(lambda behind: resource_changes.created(behind, body), name, channel, True)
        self.answer(made, 201)

    async def delete(self, name: str, channel: str) -> None:
        """Delete those that are listed."""
        query = query_of(self)
        count = await self.work(lambda b: b.annotations.delete(ids_in(query)), name, channel, True)
        self.answer({"deleted": count})


class ObjectHandler(_Answering):
    """One object."""

    async def get(self, name: str, channel: str, one: str) -> None:
        """Answer it."""
        self.answer(await self.work(lambda behind: resource.single(behind, one), name, channel))

    async def patch(self, name: str, channel: str, one: str) -> None:
        """Change it."""
        body = self.body
        self.answer(await self.work(lambda behind: resource_changes.changed(behind, one, body), name, channel, True))

    async def delete(self, name: str, channel: str, one: str) -> None:
        """Delete it."""
        count = await self.work(
            lambda b: b.annotations.delete(ids_in({"ids": one}), note="delete"), name, channel, True
        )
        self.answer({"deleted": count})


class FormHandler(_Answering):
    """The voxels of an object: its bounds, a list, a cut-out."""

    async def get(self, name: str, channel: str, one: str, form: str) -> None:
        """Answer."""
        query, most = query_of(self), self.site.limits.nbytes
        if form not in ("bounds", "voxels", "cutout"):
            raise BadRequest(
                f"{form[:50]!r} of an object", "there are bounds, voxels and cutout", "ask for one of them"
            )
        found, headers = await self.work(lambda b: resource.voxels(b, one, form, query, most), name, channel)
        for header, value in headers.items():
            self.set_header(header, value)
        if isinstance(found, bytes):
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Cache-Control", "no-cache")
            self.finish(found)
        else:
            self.answer(found)


class KeysHandler(_Answering):
    """The free keys that most objects have."""

    async def get(self, name: str, channel: str) -> None:
        """Answer."""
        query = query_of(self)
        found = await self.work(lambda behind: _keys(behind, query), name, channel)
        self.answer({"keys": [{"key": key, "count": count} for key, count in found]})


def _keys(behind: Behind, query: Mapping[str, str]) -> list[tuple[str, int]]:
    asked = Asked(query, ("kind", "limit"))
    return behind.annotations.top_keys(asked.number("limit", 10, resource.MOST), query.get("kind"))


class ReserveHandler(_Answering):
    """Ids that nobody else is given."""

    async def post(self, name: str, channel: str) -> None:
        """Take some."""
        body = self.body
        found = await self.work(lambda b: b.annotations.reserve(_count(body)), name, channel, True)
        self.answer({"first": found[0], "count": len(found)})


def _count(raw: bytes) -> int:
    count = body_of(raw, ("count",)).get("count")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 10**9:
        raise BadRequest(f"count {count!r}"[:100], "it is a whole number from 1 to 10**9", 'post {"count": 100}')
    return count


class MergeHandler(_Answering):
    """Objects that become the first of them."""

    async def post(self, name: str, channel: str) -> None:
        """Merge."""
        body = self.body
        self.answer({"id": int(await self.work(lambda b: _merged(b, body), name, channel, True))})


def _merged(behind: Behind, raw: bytes) -> int:
    body = body_of(raw, ("ids", "note"))
    ids, note = body.get("ids"), body.get("note", "")
    if not isinstance(ids, list) or len(ids) < 2 or not isinstance(note, str):
        raise BadRequest("a merge", "it has a list of two ids or more, and may have a note", 'post {"ids": [1, 2]}')
    return behind.annotations.merge(ids, note=note)


class HistoryHandler(_Answering):
    """Who wrote what, when."""

    async def get(self, name: str, channel: str) -> None:
        """Answer."""
        query = query_of(self)
        self.answer(await self.work(lambda behind: resource.history(behind, query), name, channel))


class UndoHandler(_Answering):
    """Takes a transaction back."""

    async def post(self, name: str, channel: str) -> None:
        """Take back the one that is named, else the last that was not taken back."""
        body = self.body
        found = await self.work(lambda b: b.annotations.undo(_number(body)), name, channel, True)
        self.answer({"undone": None if found is None else transaction(found)})


def _number(raw: bytes) -> int | None:
    number = body_of(raw or b"{}", ("transaction",)).get("transaction")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 62):
        raise BadRequest(f"transaction {number!r}"[:100], "it is the number of one", 'post {"transaction": 7}, or {}')
    return number
