"""Where keys are copied from and to: folders local and remote, and zip files, as streams of bytes."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ndlab.errors import BadMetadata, Conflict, NotFound
from ndlab.store.kv import Kv, local_path
from ndlab.store.records import flush

__all__ = ["FolderSource", "FolderTarget", "Source", "Target", "ZipSource", "ZipTarget"]

Stamps = Mapping[str, tuple[int, int, int] | None]

_PART = 4 << 20
_IN_FLIGHT = 8
_LOCK = ".__lock"  # what TensorStore names a local key that is being written
_LARGE = 1 << 31  # from here on a zip member needs the 64-bit form, which is asked for before it is written


class Source(Protocol):
    """Keys that can be read."""

    url: str

    def stamps(self) -> Stamps:
        """Every key there is now, sorted, with a mark that changes when the key does (None: it has no such mark)."""
        ...

    def streams(self, keys: Iterable[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each key and its bytes in parts; one is read to its end before the next is asked for."""
        ...


class FolderSource:
    """The keys below a folder-like address; a remote one is read eight keys ahead, so that latency is hidden."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stamps(self) -> Stamps:
        """Every key with the size, time and inode of its file; links to folders are followed."""
        root = local_path(self.url)
        return dict.fromkeys(Kv(self.url).list()) if root is None else dict(sorted(_files(root, "", ())))

    def streams(self, keys: Iterable[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each key and its bytes."""
        root = local_path(self.url)
        if root is not None:
            return ((key, _parts(root / key)) for key in keys)
        return _ahead(Kv(self.url), keys)


def _files(root: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    for name in os.listdir(root / prefix):
        key = f"{prefix}{name}"
        try:
            found = (root / key).stat()
        except FileNotFoundError:
            if (root / key).is_symlink():
                raise NotFound(f"{root / key} is a link that points nowhere", "", "mend or remove it") from None
            continue  # It went away in between; the comparison at the end tells.
        if stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino) not in above:
            yield from _files(root, key + "/", (*above, (found.st_dev, found.st_ino)))
        elif stat.S_ISREG(found.st_mode) and not name.endswith(_LOCK):
            yield key, (found.st_size, found.st_mtime_ns, found.st_ino)


def _parts(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while part := file.read(_PART):
                yield part
    except FileNotFoundError:
        raise _went_away(str(path)) from None


def _ahead(kv: Kv, keys: Iterable[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    waiting: deque[tuple[str, Future[bytes | None]]] = deque()
    left = iter(keys)
    with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="copy") as pool:
        try:
            while True:
                while len(waiting) < _IN_FLIGHT and (key := next(left, None)) is not None:
                    waiting.append((key, pool.submit(kv.read, key)))
                if not waiting:
                    return
                key, future = waiting.popleft()
                value = future.result()
                if value is None:
                    raise _went_away(f"{kv.url}/{key}")
                yield key, iter([value])
        finally:
            for _, future in waiting:
                future.cancel()


def _went_away(what: str) -> Conflict:
    return Conflict(f"{what} went away while it was copied", "", "wait for the writers to end and try again")


class ZipSource:
    """The members of a local zip file."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.url)
        except zipfile.BadZipFile as error:
            raise BadMetadata(f"{self.url} is no whole zip file", str(error),
                              "it may be cut short: copy it again, or take another backup") from None  # fmt: skip

    def stamps(self) -> Stamps:
        """Every member."""
        with self._opened() as file:
            return dict.fromkeys(sorted(name for name in file.namelist() if not name.endswith("/")))

    def streams(self, keys: Iterable[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each member and its bytes; a damaged one ends early, and its SHA-256 tells."""
        with self._opened() as file:
            for key in keys:
                yield key, _member(file, key)


def _member(file: zipfile.ZipFile, key: str) -> Iterator[bytes]:
    try:
        with file.open(key) as member:
            while part := member.read(_PART):
                yield part
    except (zipfile.BadZipFile, EOFError, NotImplementedError):
        return


class Target(Protocol):
    """A place that keys are written to: complete when it is left without an error, else gone."""

    url: str

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def put(self, key: str, parts: Iterator[bytes], size: int | None = None) -> None:
        """Write one key; `size` [bytes] where it is known."""
        ...


class ZipTarget:
    """A zip file that appears under its name when it is complete and on disk."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._path = Path(url)
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self._partial, "wb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True)
        return self

    def put(self, key: str, parts: Iterator[bytes], size: int | None = None) -> None:
        """Write one member, stored: chunks are compressed already."""
        member = zipfile.ZipInfo(key)
        member.external_attr = 0o644 << 16
        with self._zip.open(member, "w", force_zip64=size is None or size >= _LARGE) as file:
            for part in parts:
                file.write(part)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Closed after an error too, though nobody will read it: an open one complains when it is collected.
            with suppress(OSError) if error is not None else nullcontext():
                self._zip.close()
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())
                os.replace(self._partial, self._path)
        finally:
            self._file.close()
            self._partial.unlink(missing_ok=True)


class FolderTarget:
    """A folder-like address.

    A local one appears under its name when it is complete and on disk. What was written to a remote one is deleted
    again after an error.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.local = local_path(url)
        if self.local is not None:
            self._partial = self.local.with_name(f".{self.local.name}.{os.getpid()}.part")
        self._written: list[str] = []

    def __enter__(self) -> Self:
        if self.local is not None:
            self._partial.mkdir(parents=True)
        return self

    def put(self, key: str, parts: Iterator[bytes], size: int | None = None) -> None:
        """Write one key."""
        if self.local is None:
            self._written.append(key)
            Kv(self.url).write(key, b"".join(parts))
            return
        path = self._partial / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for part in parts:
                file.write(part)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.local is not None:
            try:
                if error is None:
                    flush(str(self._partial))
                    os.replace(self._partial, self.local)
            finally:
                shutil.rmtree(self._partial, ignore_errors=True)
        elif error is not None:
            for key in reversed(self._written):
                Kv(self.url).delete(key)
