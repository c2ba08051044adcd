"""What a killed writer leaves behind: lock files with its bytes in them.

TensorStore 0.1.86 writes a value into ``KEY.__lock`` and renames that to ``KEY``, but does not shorten a lock file that
it finds: the bytes of a writer that was killed would stand behind those of the next, and a shard would end with the
wrong index. So each such file is emptied before its key is written.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ChunkFiles", "chunk_files", "empty_left_lock"]


def empty_left_lock(path: str | os.PathLike[str]) -> None:
    """Empty the lock file beside `path` unless its writer is alive."""
    lock = f"{os.fspath(path)}.__lock"
    if not os.path.exists(lock):
        return
    with suppress(OSError), open(lock, "r+b") as file:
        # Whoever holds one of the two locks is alive, and is left alone.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _lock_open_file(file.fileno())
        # Renamed meanwhile it is somebody's value. Under its lock nobody else renames it.
        if os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
            file.truncate(0)


def _lock_open_file(descriptor: int) -> None:
    """Take the lock that TensorStore takes, one of the open file, where the system has such.

    A lock of the process (`fcntl.lockf`) would end as soon as any other thread closes this file.
    """
    if sys.platform == "linux":
        whole_file = struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, whole_file)


@dataclass(frozen=True)
class ChunkFiles:
    """Where a local Zarr array keeps its units of writing.

    Parameters
    ----------
    path : str
        Folder of the array.
    prefix, separator : str
        Of the keys.
    unit : tuple of int
        Shape of a shard, or of a chunk where there are no shards, along the stored axes.
    order : tuple of int or None
        For each axis of (t)(c)zyx, which stored axis it is.
    """

    path: str
    prefix: str
    separator: str
    unit: tuple[int, ...]
    order: tuple[int | None, ...]

    def touched(self, start: Sequence[int], stop: Sequence[int]) -> Iterator[str]:
        """Yield the files that hold voxels [start, stop) of (t)(c)zyx."""
        spans = [range(0)] * len(self.unit)
        for low, high, axis in zip(start, stop, self.order, strict=True):
            if axis is not None:
                spans[axis] = range(low // self.unit[axis], -(-high // self.unit[axis]))
        for index in itertools.product(*spans):
            yield f"{self.path}/{self.prefix}{self.separator.join(map(str, index))}"


def chunk_files(driver: str, path: Path, order: tuple[int | None, ...]) -> ChunkFiles | None:
    """Return how the array in `path` names its files; None where that is not known (N5, precomputed)."""
    if driver == "zarr3":
        meta = json.loads((path / "zarr.json").read_bytes())
        encoding = meta["chunk_key_encoding"]
        default = encoding["name"] == "default"
        separator = encoding.get("configuration", {}).get("separator", "/" if default else ".")
        unit = tuple(meta["chunk_grid"]["configuration"]["chunk_shape"])
        return ChunkFiles(str(path), f"c{separator}" if default else "", separator, unit, order)
    if driver == "zarr":
        meta = json.loads((path / ".zarray").read_bytes())
        return ChunkFiles(str(path), "", meta.get("dimension_separator", "."), tuple(meta["chunks"]), order)
    return None
