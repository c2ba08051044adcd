"""Values of a store behind a web server, in a bucket or in a zip file: of a range no more than the range is moved.

A range from the end, which readers of shards begin with, needs the size of the value. Web servers tell it with the
answer, public buckets and zip files when they are asked; of a value in a bucket that needs credentials it is learned
by reading it whole, once.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from collections import OrderedDict

from ndlab.serve.keys import Found, Span
from ndlab.serve.origin import Origin
from ndlab.serve.statuses import Unreachable
from ndlab.store.kv import Kv, Part, in_zip, zip_parts

__all__ = ["RemoteKeys"]

_MOST_SIZES = 1 << 16
_NOTHING = (403, 404, 410)  # Public buckets say 403 for keys that do not exist.


class RemoteKeys:
    """Finds values of remote stores, over connections that it keeps until it is closed."""

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}
        self._sizes: OrderedDict[tuple[str, str], tuple[int, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for one in self._origins.values():
                one.close()
            self._origins.clear()

    def find(self, url: str, key: str, span: Span | None) -> Found | None:
        """Return a value, or the part of it that `span` names; None if there is no such key.

        Raises
        ------
        Unreachable, NotFound
            If the store does not answer.
        """
        if url.startswith(("http://", "https://")) and not in_zip(url):
            return self._over_http(url, key, span)
        if span is None:
            return self._whole(url, key, None)
        size = self._size(url, key)
        if size is None and span.tail is not None:
            size = self._told(url, key)
            if size is None:
                return self._whole(url, key, span)
        return self._part(url, key, span, size)

    def _part(self, url: str, key: str, span: Span, size: int | None) -> Found | None:
        """Read a part of a value; `size` is what it had when it was last seen, and need not be true any more."""
        start, stop = (span.first, None if span.last is None else span.last + 1) if size is None else _cut(span, size)
        found = Kv.open(url).read_part(key, start, stop) if stop is None or start < stop else -1
        if found is None:
            return None
        if not isinstance(found, Part) or not self._agrees(url, key, found.mark):
            # It ends before that, or has changed since: all of it tells.
            return self._whole(url, key, span)
        size = start + len(found.value) if stop is None else size
        return Found(size, _tag(found.mark), start, start + len(found.value), iter((found.value,)))

    def _whole(self, url: str, key: str, span: Span | None) -> Found | None:
        part = Kv.open(url).read_part(key, 0)
        if not isinstance(part, Part):
            return None
        self._note(url, key, len(part.value), part.mark)
        return _of(part.value, _tag(part.mark), span)

    def _over_http(self, url: str, key: str, span: Span | None) -> Found | None:
        try:
            told = self._origin(url).ask(key, span)
        except OSError as error:
            raise _silent(key, f"does not answer ({type(error).__name__})") from None
        if told.status in _NOTHING:
            return None
        if told.status not in (200, 206, 416):
            raise _silent(key, f"answers {told.status}")
        tag = _tag(told.etag.encode() or (told.body if told.status == 200 else str(told.size).encode()))
        if told.status == 416:
            return Found(told.size, tag, None, 0, iter(()))
        if told.status == 200:  # Some answer with all of it whatever is asked.
            return _of(told.body, tag, span)
        return Found(told.size, tag, told.start, told.start + len(told.body), iter((told.body,)))

    def _origin(self, url: str) -> Origin:
        with self._lock:
            if url not in self._origins:
                self._origins[url] = Origin(url)
            return self._origins[url]

    # --- sizes --------------------------------------------------------------------------------------------------

    def _size(self, url: str, key: str) -> int | None:
        """Return the size that a value had."""
        with self._lock:
            return self._sizes.get((url, key), (None, b""))[0]

    def _note(self, url: str, key: str, size: int, mark: bytes) -> None:
        """Keep the size of a value, and the mark that it had then."""
        with self._lock:
            self._sizes[url, key] = size, mark
            while len(self._sizes) > _MOST_SIZES:
                self._sizes.popitem(last=False)

    def _agrees(self, url: str, key: str, mark: bytes) -> bool:
        """Tell whether the size that is noted, if any is, was that of the value with this mark."""
        with self._lock:
            size, known = self._sizes.get((url, key), (None, b""))
            if size is not None and not known:
                self._sizes[url, key] = size, mark
            return size is None or known in (b"", mark)

    def _told(self, url: str, key: str) -> int | None:
        """Ask a zip file on this machine, or a public bucket, how long a value is; None if they do not tell."""
        if in_zip(url):
            return _in_zip_file(url, key)
        address = _public(url)
        try:
            size = None if address is None else self._origin(address).size(key)
        except OSError:
            return None
        if size is not None:
            self._note(url, key, size, b"")
        return size


def _of(whole: bytes, tag: str, span: Span | None) -> Found:
    where = (0, len(whole)) if span is None else span.within(len(whole))
    if where is None:
        return Found(len(whole), tag, None, 0, iter(()))
    return Found(len(whole), tag, *where, iter((whole[slice(*where)],)))


def _cut(span: Span, size: int) -> tuple[int, int]:
    return span.within(size) or (size, size)


def _tag(mark: bytes) -> str:
    return f'"{hashlib.blake2b(mark, digest_size=12).hexdigest()}"'


def _silent(key: str, what: str) -> Unreachable:
    return Unreachable(f"key {key[:200]!r} was asked for", f"the store's server {what}", "try again once it does")


def _in_zip_file(url: str, key: str) -> int | None:
    file, inner = zip_parts(url) or ("", "")
    try:
        with zipfile.ZipFile(file) as opened:
            return opened.getinfo("/".join(filter(None, [inner, key]))).file_size
    except (OSError, KeyError, zipfile.BadZipFile):  # on a web server, for instance
        return None


def _public(url: str) -> str | None:
    """Return where a bucket answers who shows nothing."""
    scheme, _, rest = url.partition("://")
    bucket, _, path = rest.partition("/")
    if scheme == "gs":
        return f"https://storage.googleapis.com/{rest}"
    if scheme != "s3":
        return None
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return f"{endpoint.rstrip('/')}/{rest}" if endpoint else f"https://{bucket}.s3.amazonaws.com/{path}"
