"""Keys and bytes at a URL: local folders, zip files, http(s), s3 and gs, through one interface.

Everything ndlab reads or writes besides voxels (metadata, state, receipts) passes here, so each address scheme
behaves alike: a missing key is None, a write is atomic, and `swap` changes a key only if nobody else has.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import tensorstore as ts

from ndlab.errors import BadRequest, Conflict, NotFound, ReadOnly
from ndlab.store.left_locks import empty_left_lock

__all__ = [
    "Kv",
    "Part",
    "context",
    "in_zip",
    "join",
    "local_path",
    "look_again",
    "normal_url",
    "refuse_read_only",
    "split_hint",
    "stamp",
    "zip_parts",
]

# The engine waits without limit for a server that has gone silent: half an hour, until the system gives its connection
# up. With these, which the engine reads at its first request, it gives up after as many seconds and asks again.
_SILENT = {
    "TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS": "15",
    "TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS": "30",
    "TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES": "1",
}
for _name, _value in _SILENT.items():
    os.environ.setdefault(_name, _value)

_HINT = re.compile(r"^(zarr[23]?|n5|precomputed)://(?=.)|\|(zarr[23]?|n5|neuroglancer-precomputed):/?$")
_ZIP = re.compile(r"^(?P<file>.*?\.(?:zip|ozx))(?:/(?P<inner>.*))?$", re.IGNORECASE)
Names = list[str]
_SCHEMES = ("file", "http", "https", "s3", "gs")


def split_hint(url: str) -> tuple[str, str | None]:
    """Take a format prefix off an address: ``precomputed://gs://a/b`` gives ``("gs://a/b", "precomputed")``."""
    found = _HINT.search(url)
    if not found:
        return url, None
    hint = found.group(1) or found.group(2)
    return _HINT.sub("", url), hint.replace("neuroglancer-", "")


def normal_url(url: str | os.PathLike[str]) -> str:
    """Spell the address in one way: local paths absolute and without ``file://``, no %20, no trailing slash.

    Raises
    ------
    BadRequest
        If the scheme is unknown.
    """
    text = os.fspath(url)
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme and scheme not in _SCHEMES:
        raise BadRequest(
            f"address {text!r} has the scheme {scheme!r}",
            f"ndlab reads {', '.join(s + '://' for s in _SCHEMES)} and local paths",
            "pass one of those",
            scheme=scheme,
        )
    if scheme == "file":
        text, scheme = unquote(urlsplit(text).path), ""
    if not scheme:
        return os.path.abspath(os.path.expanduser(text))
    # Browsers hand out %20 for a space; the engine encodes what it is given once more.
    return (unquote(text) if scheme in ("http", "https") else text).rstrip("/")


def local_path(url: str) -> Path | None:
    """Return the path of a local address that is not inside a zip file, else None."""
    if "://" in url or zip_parts(url):
        return None
    return Path(url)


def join(url: str, *parts: str) -> str:
    """`url` with `parts` appended by slashes; empty parts are left out."""
    return "/".join([url.rstrip("/") or "/", *(p.strip("/") for p in parts if p.strip("/"))])


def in_zip(url: str) -> bool:
    """Tell whether an address lies in a zip file, or is one."""
    return zip_parts(url) is not None


def refuse_read_only(url: str) -> None:
    """Raise `ReadOnly` for http and zip addresses; the engine would write a zip file anew for each key."""
    if url.startswith(("http://", "https://")) or in_zip(url):
        raise ReadOnly(
            f"{url} cannot be written",
            "http and zip addresses are read-only",
            "copy it with ndlab.ingest(url, dest) and write there",
        )


def stamp(url: str, key: str) -> Hashable:
    """Return a mark that changes when the file at `key` does, for caches of what was read from it.

    A remote address has none that is cheap to ask for; its mark changes when somebody opens it anew (`look_again`),
    and with the server that answers for Amazon's.
    """
    parts = zip_parts(url)
    if "://" in (parts[0] if parts else url):
        return _looked[url], _endpoint(url)
    try:
        found = os.stat(parts[0] if parts else f"{url}/{key}")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def look_again(url: str) -> None:
    """Make what was kept of a remote address in this process out of date."""
    if "://" in url:
        _looked[url] += 1


_looked: Counter[str] = Counter()


def zip_parts(url: str) -> tuple[str, str] | None:
    """Part an address in a zip file into that of the file and the path in it; None for any other."""
    found = _ZIP.match(url)
    if not found or ("://" not in url and not os.path.isfile(found["file"])):
        return None
    return found["file"], found["inner"] or ""


@lru_cache(maxsize=4)
def context(sync: bool = True, cached: bool = True) -> ts.Context:
    """Return the TensorStore context that all arrays of this process share.

    Many requests in flight hide latency; the pool is small because it is only there to keep shard indexes.
    `cached=False` is for writes: a pool would keep each partly covered chunk that they touch, which takes a third
    more CPU. `sync=False` leaves flushing to the system, for bulk writes that end in one explicit flush. It caches
    nothing, so that a write may use the caller's memory in place of a copy: nobody looks at it once the write is done.
    """
    return ts.Context(
        {
            "cache_pool": {"total_bytes_limit": 32 << 20 if sync and cached else 0},
            "data_copy_concurrency": {"limit": max(1, os.cpu_count() or 1)},
            "file_io_sync": sync,
            "http_request_concurrency": {"limit": 96},
            "s3_request_concurrency": {"limit": 96},
            "gcs_request_concurrency": {"limit": 96},
            "http_request_retries": _RETRIES,
            "s3_request_retries": _RETRIES,
            "gcs_request_retries": _RETRIES,
        }
    )


# What the engine says of a server that will answer another time, when it has asked often enough.
_PASSING = re.compile(r"^(?:ABORTED|UNAVAILABLE|DEADLINE_EXCEEDED)\b")
_RETRIES = {"max_retries": 4, "initial_delay": "100ms", "max_delay": "1s"}


def kvstore_spec(url: str) -> dict[str, Any]:
    """Return the TensorStore key-value spec of a folder-like address."""
    zipped = zip_parts(url)
    if zipped:
        file, inner = zipped
        base = _folder_spec(file)
        return {
            "driver": "zip",
            "base": base | {"path": base["path"].rstrip("/")},
            "path": inner + "/" if inner else "",
        }
    return _folder_spec(url)


def _folder_spec(url: str) -> dict[str, Any]:
    if "://" not in url:
        return {"driver": "file", "path": url.rstrip("/") + "/"}
    scheme, _, rest = url.partition("://")
    bucket, _, path = rest.partition("/")
    path = path.rstrip("/") + "/" if path else ""
    if scheme in ("http", "https"):
        return {"driver": "http", "base_url": f"{scheme}://{bucket}", "path": "/" + path}
    if scheme == "gs":
        return {"driver": "gcs", "bucket": bucket, "path": path}
    spec: dict[str, Any] = {"driver": "s3", "bucket": bucket, "path": path}
    if not _has_aws_credentials():
        spec["aws_credentials"] = {"type": "anonymous"}
    elif os.environ.get("AWS_ACCESS_KEY_ID") and not os.environ.get("AWS_PROFILE"):
        # Looked for everywhere, keys of the environment are found as well, after complaints about missing files.
        spec["aws_credentials"] = {"type": "environment"}
    if endpoint := _endpoint(url):
        spec |= {"endpoint": endpoint, "aws_region": os.environ.get("AWS_REGION", "us-east-1")}
    return spec


def _has_aws_credentials() -> bool:
    named = any(os.environ.get(k) for k in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"))
    return named or Path("~/.aws/credentials").expanduser().exists()


def _endpoint(url: str) -> str | None:
    """Return the server that stands in for Amazon's: with another one an address means another store."""
    if not url.startswith("s3://"):
        return None
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


@lru_cache(maxsize=512)
def _opened(url: str, endpoint: str | None) -> ts.KvStore:
    try:
        return ts.KvStore.open(kvstore_spec(url), context=context()).result()
    except ValueError as error:
        raise BadRequest(f"address {url!r} cannot be opened", str(error).splitlines()[0]) from None


def _store(url: str) -> ts.KvStore:
    return _opened(url, _endpoint(url))


# What the engine says of a range that a value does not fill.
_SIZE = re.compile(r"(?:total|value of) size (\d+)")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value, and a mark that differs once the value does; the mark may be empty of meaning."""

    value: bytes
    mark: bytes


@dataclass(frozen=True, slots=True)
class Kv:
    """Keys and bytes below one address. Pickles as the address.

    Parameters
    ----------
    url : str
        A folder-like address as `normal_url` gives it.
    """

    url: str

    @classmethod
    def open(cls, url: str | os.PathLike[str]) -> Kv:
        """Stand for the keys below `url`; nothing is asked of the store yet."""
        return cls(normal_url(url))

    @property
    def _path(self) -> Path | None:
        return local_path(self.url)

    def read(self, key: str) -> bytes | None:
        """Bytes at `key`, None if there is none.

        Raises
        ------
        NotFound
            If the server cannot be reached or refuses.
        """
        if self._path is not None:  # A plain file: three times cheaper than a trip through the engine.
            try:
                return (self._path / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        return self.read_many([key])[0]

    def read_part(self, key: str, start: int, stop: int | None = None) -> Part | int | None:
        """Bytes [start, stop) of the value at `key`, no more of it being moved than that; None if there is no such key.

        Where the value ends before `stop`, its size if the store tells it, else -1; as it is where `start` is beyond.

        Raises
        ------
        NotFound
            If the server cannot be reached or refuses.
        """
        future = _store(self.url).read(key, byte_range=slice(start, stop))
        try:
            found = future.result()
        except (ValueError, OSError) as error:
            if "OUT_OF_RANGE" not in str(error):
                return None if self._answer(future) is None else -1
            size = _SIZE.search(str(error))
            return int(size[1]) if size else -1
        return Part(bytes(found.value), found.stamp.generation) if found.state == "value" else None

    def read_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """Bytes at each key, all asked for at once, so that latency is paid once."""
        if self._path is not None:
            return [self.read(key) for key in keys]
        store = _store(self.url)
        futures = [store.read(key) for key in keys]
        return [self._answer(future) for future in futures]

    def _answer(self, future: ts.Future[Any]) -> bytes | None:
        try:
            result = future.result()
        except (ValueError, OSError) as error:
            text = str(error).splitlines()[0]
            # Public buckets without list permission say 403 for keys that do not exist.
            if "PERMISSION_DENIED" in text or "403" in text:
                return None
            raise self._silent(error) from None
        return bytes(result.value) if result.state == "value" else None

    def _silent(self, error: Exception) -> NotFound:
        said = str(error).partition("\n")[0][:300]
        return NotFound(f"{self.url} does not answer", said, "check the address and the network")

    def read_json(self, key: str) -> dict[str, Any] | None:
        """Read the JSON object at `key`, None if there is none; unreadable JSON is an error that names the key."""
        raw = self.read(key)
        return None if raw is None else parse_json(raw, join(self.url, key))

    def write(self, key: str, value: bytes) -> None:
        """Store `value` at `key`, whole or not at all."""
        refuse_read_only(self.url)
        self._without_left_lock(key)
        try:
            _store(self.url).write(key, value).result()
        except (ValueError, OSError, NotImplementedError) as error:
            raise _write_error(self.url, error) from None

    def write_json(self, key: str, value: Any) -> None:
        """Store `value` as readable JSON."""
        self.write(key, json.dumps(value, indent=1).encode())

    def _without_left_lock(self, key: str) -> None:
        if self._path is not None:
            empty_left_lock(self._path / key)

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens if it is not there."""
        refuse_read_only(self.url)
        try:
            _store(self.url).write(key, None).result()
        except (ValueError, OSError, NotImplementedError) as error:
            raise _write_error(self.url, error) from None

    def delete_all(self, prefix: str = "") -> None:
        """Remove every key below `prefix`."""
        if self._path is not None:
            shutil.rmtree(self._path / prefix, ignore_errors=True)
            return
        refuse_read_only(self.url)
        _store(self.url).delete_range(_prefix_range(prefix)).result()

    def list(self, prefix: str = "") -> Names:
        """Keys below `prefix`, sorted; http servers cannot list and give an empty list."""
        try:
            found = _store(self.url).list(_prefix_range(prefix)).result()
        except (NotImplementedError, ValueError) as error:
            if _PASSING.search(str(error)):
                raise self._silent(error) from None
            return []
        return sorted(key.decode() for key in found)

    def children(self) -> Names:
        """Names directly below, sorted (folders without their contents)."""
        if self._path is not None:
            return sorted(os.listdir(self._path)) if self._path.is_dir() else []
        return sorted({key.partition("/")[0] for key in self.list()})

    def update(self, key: str, change: Callable[[bytes | None], bytes | None], attempts: int = 1000) -> bytes | None:
        """Replace the value at `key` by ``change(old)``, again from the start if another writer came between.

        `change` may run several times; if it returns None nothing is written. Returns what is there afterwards.

        Raises
        ------
        Conflict
            If other writers win `attempts` times in a row.
        NotFound
            If the store does not answer.
        """
        refuse_read_only(self.url)
        store = _store(self.url)
        for _ in range(attempts):
            try:
                seen = store.read(key).result()
            except (ValueError, OSError) as error:
                raise self._silent(error) from None
            old = bytes(seen.value) if seen.state == "value" else None
            new = change(old)
            if new is None:
                return old
            self._without_left_lock(key)
            try:
                written = store.write(key, new, if_equal=seen.stamp.generation).result()
            except (ValueError, OSError, NotImplementedError) as error:
                raise _write_error(self.url, error) from None
            if written.generation:
                return new
        raise Conflict(f"{join(self.url, key)} was changed by others {attempts} times in a row", "", "try again")


def parse_json(raw: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object; anything else is `BadMetadata` that names `where`."""
    from ndlab.errors import BadMetadata

    try:
        value = json.loads(raw)
    except ValueError as error:
        raise BadMetadata(
            f"{where} is not JSON", str(error), "the store is damaged or the address is a web page"
        ) from None
    if not isinstance(value, dict):
        raise BadMetadata(f"{where} holds a JSON {type(value).__name__}", "an object was expected")
    return value


def _prefix_range(prefix: str) -> ts.KvStore.KeyRange:
    if not prefix:
        return ts.KvStore.KeyRange()
    first = prefix.encode()
    return ts.KvStore.KeyRange(first, first[:-1] + bytes([first[-1] + 1]))


def _write_error(url: str, error: Exception) -> ReadOnly | OSError:
    text = str(error).splitlines()[0]
    if isinstance(error, NotImplementedError) or "UNIMPLEMENTED" in text or "read-only" in text.lower():
        return ReadOnly(f"{url} cannot be written", text[:200], "ingest or export to a local folder, s3:// or gs://")
    if "PERMISSION_DENIED" in text or "Permission denied" in text:
        return ReadOnly(f"{url} cannot be written", text[:200], "check the permissions of the folder or bucket")
    return OSError(f"{url} could not be written: {text[:300]}")
