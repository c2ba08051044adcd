"""Where a run over a store keeps its record: beside the voxels, or in the user's state folder for remote stores."""

from __future__ import annotations

import ctypes
import errno
import math
import os
from collections.abc import Sequence
from pathlib import Path

from ndlab.errors import ReadOnly
from ndlab.pipeline import Record
from ndlab.pipeline.places import record_name, runs_folder
from ndlab.store.arrays import Array
from ndlab.store.engine import TensorStoreArray
from ndlab.store.kv import local_path

__all__ = ["bulk", "flush", "flushes_itself", "open_record", "record_path"]

_LARGE = 1 << 20


def record_path(url: str, name: str) -> Path:
    """Where the record `name` of the store at `url` is: a local file in any case, because it is locked."""
    return runs_folder(url) / f"{record_name(name)}.jsonl"


def open_record(url: str, name: str, *, flushing: bool = True) -> Record:
    """Open the record, holding it against other runs; voxels are on disk before the record says they are there.

    With `flushing` the record sees to that, by a flush of the file system every few seconds; without it, the arrays
    that the run writes flush each file themselves.
    """
    try:
        return Record(record_path(url, name), flush_data=(lambda: flush(url)) if flushing else None)
    except (PermissionError, OSError) as error:
        if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
            raise
        raise ReadOnly(f"{url} cannot be written", str(error), "check the permissions of the folder") from None


def flushes_itself(unit: Sequence[int], itemsize: int) -> bool:
    """Whether files of this unit of writing are worth a flush each.

    For large shards that costs nothing that can be measured, while a flush of the file system may have to write what
    other programs left there; for small chunks one flush at the end is several times cheaper.
    """
    return math.prod(unit) * itemsize >= _LARGE


def bulk(array: Array, flushing: bool) -> Array:
    """Return the array for a run of many writes, which leaves flushing to the run's record if that does it."""
    if not isinstance(array, TensorStoreArray):
        return array
    return array.unsynced() if flushing else array.sole_writer()


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
