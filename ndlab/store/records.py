"""Where a run over a store keeps its record: beside the voxels, or in the user's state folder for remote stores."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
from pathlib import Path

from ndlab.errors import ReadOnly
from ndlab.pipeline import Record
from ndlab.store.kv import local_path
from ndlab.store.state import FOLDER

__all__ = ["flush", "open_record", "record_path"]


def record_path(url: str, name: str) -> Path:
    """Where the record `name` of the store at `url` is: a local file in any case, because it is locked."""
    path = local_path(url)
    if path is not None:
        return path / FOLDER / "runs" / f"{name}.jsonl"
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    digest = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    return base / "ndlab" / "runs" / digest / f"{name}.jsonl"


def open_record(url: str, name: str) -> Record:
    """Open the record, holding it against other runs; voxels are flushed before the record says they are there."""
    try:
        return Record(record_path(url, name), flush_data=lambda: flush(url))
    except (PermissionError, OSError) as error:
        if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
            raise
        raise ReadOnly(f"{url} cannot be written", str(error), "check the permissions of the folder") from None


def flush(url: str) -> None:
    """Bring everything written to a local store to disk; bulk writes leave that to one call of this."""
    path = local_path(url)
    if path is None or not path.exists():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        if _syncfs is None or _syncfs(handle) != 0:
            os.sync()
    finally:
        os.close(handle)


def _load_syncfs() -> ctypes._NamedFuncPointer | None:
    """Linux's `syncfs`, which flushes one file system and not all of the machine's."""
    try:
        return ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError):
        return None


_syncfs = _load_syncfs()
