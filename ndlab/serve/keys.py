"""Values of a store by key, whole or in part: what is asked of a range, and where the bytes come from."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ndlab.errors import NotFound

__all__ = ["PIECE", "Bytes", "Found", "Span", "check_key", "content_type", "from_disk", "no_key", "parse_range"]

PIECE = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_JSON = (".json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", "/info", "attributes.json")
# As `annotations.database.FILE`; its log and index begin so, too.
_DATABASE = "objects.sqlite"


@dataclass(frozen=True)
class Span:
    """The bytes that a request asks for: from `first` to `last`, both included, or the last `tail`."""

    first: int = 0
    last: int | None = None
    tail: int | None = None

    def within(self, size: int) -> tuple[int, int] | None:
        """Return (start, stop) in a value of that size, None if the span lies beyond it.

        Examples
        --------
        >>> Span(2, 3).within(10), Span(2).within(10), Span(tail=4).within(10), Span(10).within(10)
        ((2, 4), (2, 10), (6, 10), None)
        """
        if self.tail is not None:
            return (max(0, size - self.tail), size) if self.tail and size else None
        if self.first >= size:
            return None
        return self.first, size if self.last is None else min(size, self.last + 1)


def parse_range(header: str | None) -> Span | None:
    """Read a Range header; None where there is none, or one of several parts, which may be answered whole.

    Examples
    --------
    >>> parse_range("bytes=5-9"), parse_range("bytes=-4"), parse_range("bytes=1-2,5-6")
    (Span(first=5, last=9, tail=None), Span(first=0, last=None, tail=4), None)
    """
    found = _RANGE.fullmatch((header or "").strip())
    if not found or len(header or "") > 60 or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return Span(tail=int(last))
    if last and int(last) < int(first):
        return None
    return Span(int(first), int(last) if last else None)


@dataclass
class Found:
    """A value: its size, its tag, and the bytes from `start` to `stop` in pieces.

    `start` is None if the span that was asked for lies beyond it; `size` is None where only a part was asked for of a
    store that does not tell.
    """

    size: int | None
    etag: str
    start: int | None
    stop: int
    pieces: Iterator[bytes]


class Bytes(Protocol):
    """Finds the value of a key; None if there is none. A mirror of a remote store is one."""

    @property
    def url(self) -> str:
        """The address at which the store can be opened through it."""
        ...

    def close(self) -> None:
        """Stop what runs in the background."""
        ...

    def __call__(self, key: str, span: Span | None) -> Found | None:
        """Return it."""
        ...


def check_key(key: str) -> str:
    """Return a key that stays inside its store, and is none of ndlab's own records but the state that readers need.

    A database of annotations is none either: it keeps what was deleted, and by whom.

    Raises
    ------
    NotFound
        For any other: it is not told apart from one that does not exist.

    Examples
    --------
    >>> check_key("0/c/1/2/3")
    '0/c/1/2/3'
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise no_key(key)
    if ".ndlab" in parts and parts[-2:] != [".ndlab", "state.json"]:
        raise no_key(key)
    if any(part.startswith(_DATABASE) for part in parts):
        raise no_key(key)
    return key


def no_key(key: str) -> NotFound:
    """Return what is said of a key that is not there, or not to be seen."""
    return NotFound(f"key {key[:200]!r} was asked for", "the store holds none of that name")


def content_type(key: str) -> str:
    """Return what the value of a key is served as."""
    return "application/json" if f"/{key}".endswith(_JSON) else "application/octet-stream"


def from_disk(root: Path, key: str, span: Span | None) -> Found | None:
    """Find a value in a local store; nothing outside it, whatever links lie in it."""
    base = root.resolve()
    path = (base / key).resolve()
    if not path.is_relative_to(base):
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        facts = os.fstat(handle)
    except OSError:
        os.close(handle)
        raise
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        return None
    etag = f'"{facts.st_mtime_ns:x}-{facts.st_ino:x}-{facts.st_size:x}"'
    where = (0, facts.st_size) if span is None else span.within(facts.st_size)
    if where is None:
        os.close(handle)
        return Found(facts.st_size, etag, None, 0, iter(()))
    return Found(facts.st_size, etag, *where, _Pieces(handle, *where))


class _Pieces(Iterator[bytes]):
    """Bytes of an open file, which stays the same one if another takes its name; closed at the end, or without one."""

    def __init__(self, handle: int, start: int, stop: int) -> None:
        self._handle = handle
        self._at, self._stop = start, stop

    def __next__(self) -> bytes:
        piece = b""
        if self._at < self._stop:
            piece = os.pread(self._handle, min(PIECE, self._stop - self._at), self._at)
        if not piece:
            self.close()
            raise StopIteration
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __del__(self) -> None:
        # Whoever asked may have gone before the first piece.
        self.close()
