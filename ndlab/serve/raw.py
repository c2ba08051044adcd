"""The keys of a store as they lie on disk, with byte ranges and tags, for every reader of Zarr over HTTP."""

from __future__ import annotations

from collections.abc import Collection

from ndlab.serve.guarded import Guarded
from ndlab.serve.keys import PIECE, Found, Span, check_key, content_type, from_disk, no_key, parse_range
from ndlab.store.kv import local_path

__all__ = ["RawHandler"]


class RawHandler(Guarded):
    """GET and HEAD of one key."""

    def asked_names(self, *parts: str) -> Collection[str]:
        """Return the name."""
        return parts[:1]

    async def get(self, name: str, path: str) -> None:
        """Answer a key, or the part of it that the Range header names."""
        span = parse_range(self.request.headers.get("Range"))
        found = await self.threads.run(self._find, name, path, span)
        condition = self.request.headers.get("If-Range")
        if span is not None and condition is not None and condition != found.etag:
            _close(found)
            span, found = None, await self.threads.run(self._find, name, path, None)
        await self._answer(path, found, span)

    def _find(self, name: str, path: str, span: Span | None) -> Found:
        url, key = self.site.store(name, path)
        check_key(key)
        if self.site.mirror is not None:
            found = self.site.mirror(key, span)
        elif (root := local_path(url)) is not None:
            found = from_disk(root, key, span)
        else:
            found = self.site.remote.find(url, key, span)
        if found is None:
            raise no_key(key)
        return found

    async def _answer(self, key: str, found: Found, span: Span | None) -> None:
        self.set_header("ETag", found.etag)
        self.set_header("Accept-Ranges", "bytes")
        if found.etag in self.request.headers.get("If-None-Match", ""):
            _close(found)
            self.set_header("Cache-Control", "no-cache")
            self.set_status(304)
            self.finish()
        elif found.start is None:
            self.set_header("Content-Range", f"bytes */{_told(found.size)}")
            has = "fewer" if found.size is None else str(found.size)
            words = {"asked": f"bytes beyond the end of {key[:200]!r}", "exists": f"it has {has}"}
            self.say(416, words | {"remedy": "ask for a range inside it"})
        else:
            await self._send(key, found, span is not None)

    async def _send(self, key: str, found: Found, partial: bool) -> None:
        assert found.start is not None
        if partial:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {found.start}-{found.stop - 1}/{_told(found.size)}")
        self.set_header("Content-Length", str(found.stop - found.start))
        self.set_header("Content-Type", content_type(key))
        # Whoever keeps it asks whether it is still the same: a store may be written at any time.
        self.set_header("Cache-Control", "no-cache")
        if self.request.method == "HEAD":
            _close(found)
            self.finish()
        elif found.stop - found.start <= PIECE:
            self.finish(await self.threads.run(b"".join, found.pieces))
        else:
            await self.stream(lambda cancel: found.pieces, content_type(key))


def _told(size: int | None) -> str:
    """Write a size as Content-Range does."""
    return "*" if size is None else str(size)


def _close(found: Found) -> None:
    close = getattr(found.pieces, "close", None)
    if close is not None:
        close()
