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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Files", "chunk_files", "empty_left_lock"]

_LOCK = ".__lock"


class Files(Protocol):
    """Knows the files of an array."""

    def touched(self, start: Sequence[int], stop: Sequence[int]) -> Iterable[str]:
        """Return the files that hold voxels [start, stop) of (t)(c)zyx; more where only lock files tell them."""


def empty_left_lock(path: str | os.PathLike[str]) -> None:
    """Empty the lock file beside `path` unless its writer is alive."""
    lock = os.fspath(path) + _LOCK
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
    """Where a local Zarr or N5 array keeps its units of writing.

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


@dataclass(frozen=True)
class RangeFiles:
    """Where a local precomputed scale keeps its chunks: in files named after the voxels that they hold.

    Parameters
    ----------
    path : str
        Folder of the scale.
    offset, size, unit : tuple of 3 int
        First voxel, extent and shape of a chunk, (x, y, z).
    order : tuple of int or None
        For each axis of (t)(c)zyx, which of x, y, z, channel it is. A chunk holds all channels.
    """

    path: str
    offset: tuple[int, ...]
    size: tuple[int, ...]
    unit: tuple[int, ...]
    order: tuple[int | None, ...]

    def touched(self, start: Sequence[int], stop: Sequence[int]) -> Iterator[str]:
        """Yield the files that hold voxels [start, stop) of (t)(c)zyx."""
        names: list[list[str]] = [[], [], []]
        for low, high, axis in zip(start, stop, self.order, strict=True):
            if axis is not None and axis < 3:
                begin, unit, end = self.offset[axis], self.unit[axis], self.size[axis]
                corners = range(low // unit * unit, high, unit)
                names[axis] = [f"{begin + corner}-{begin + min(corner + unit, end)}" for corner in corners]
        for index in itertools.product(*names):
            yield f"{self.path}/{'_'.join(index)}"


@dataclass(frozen=True)
class ShardFiles:
    """The shards of a local precomputed scale: few, so that all of them count as touched that have a lock file.

    Their index stands in front: what is left behind a shard is never read, and only makes the file longer.
    """

    path: str

    def touched(self, start: Sequence[int], stop: Sequence[int]) -> Iterator[str]:
        """Yield the shards that have a lock file."""
        with suppress(FileNotFoundError), os.scandir(self.path) as found:
            yield from sorted(one.path.removesuffix(_LOCK) for one in found if one.name.endswith(".shard" + _LOCK))


def chunk_files(driver: str, path: Path, order: tuple[int | None, ...], scale: int = 0) -> Files | None:
    """Return how the array in `path` names its files, of precomputed its `scale`; None where that is not known."""
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
    if driver == "n5":
        meta = json.loads((path / "attributes.json").read_bytes())
        return ChunkFiles(str(path), "", "/", tuple(meta["blockSize"]), order)
    if driver == "neuroglancer_precomputed":
        about = json.loads((path / "info").read_bytes())["scales"][scale]
        folder = str(path / about["key"])
        if about.get("sharding"):
            return ShardFiles(folder)
        offset, size = tuple(about.get("voxel_offset", (0, 0, 0))), tuple(about["size"])
        return RangeFiles(folder, offset, size, tuple(about["chunk_sizes"][0]), order)
    return None
