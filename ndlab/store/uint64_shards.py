"""Neuroglancer's sharded format: many small values by a number of 64 bits, in a few files.

A key's hash says in which shard file it lies and in which part of it (minishard). A shard begins with the places of
the indexes of its parts; each index lists the keys of its part and the places of their values.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

__all__ = ["Sharding", "murmurhash3_x86_128", "write_shard"]

U64 = np.ndarray[Any, np.dtype[np.uint64]]
U32 = np.ndarray[Any, np.dtype[np.uint32]]
# Keys of one part: its index, 24 bytes a key, is what a reader fetches before the first value.
_PART = 1024
_SHARD_BYTES = 32 << 20


def murmurhash3_x86_128(keys: U64) -> U64:
    """Return the low 8 bytes of the MurmurHash3_x86_128 of each key, little endian, with seed 0.

    Examples
    --------
    >>> [hex(int(h)) for h in murmurhash3_x86_128(np.array([0, 1], np.uint64))]
    ['0x4772b084e028ae41', '0xe8bd67d616d4ce9a']
    """
    c = [np.uint32(v) for v in (0x239B961B, 0xAB0E9789, 0x38B34AE5)]
    low = (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    high = (keys >> np.uint64(32)).astype(np.uint32)
    # Of 8 bytes there are no blocks of 16, only a tail: bytes 4 to 7 go into the second word, 0 to 3 into the first.
    h2 = _rotated(high * c[1], 16) * c[2]
    h1 = _rotated(low * c[0], 15) * c[1]
    length = np.uint32(8)
    h1, h2 = h1 ^ length, h2 ^ length
    h3 = h4 = np.full_like(h1, length)
    h1 = h1 + h2 + h3 + h4
    h2, h3, h4 = h2 + h1, h3 + h1, h4 + h1
    h1, h2, h3, h4 = _mixed(h1), _mixed(h2), _mixed(h3), _mixed(h4)
    h1 = h1 + h2 + h3 + h4
    h2 = h2 + h1
    found: U64 = h1.astype(np.uint64) | (h2.astype(np.uint64) << np.uint64(32))
    return found


def _rotated(v: U32, by: int) -> U32:
    found: U32 = (v << np.uint32(by)) | (v >> np.uint32(32 - by))
    return found


def _mixed(h: U32) -> U32:
    for shift, times in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(times)
    return h ^ (h >> np.uint32(16))


@dataclass(frozen=True)
class Sharding:
    """How keys are spread over shards.

    Parameters
    ----------
    shard_bits, minishard_bits : int
        Logarithms of the number of shards, and of parts of a shard.
    gzipped : bool
        Whether values are compressed; the indexes always are.
    """

    shard_bits: int
    minishard_bits: int
    gzipped: bool

    @staticmethod
    def of(keys: int, nbytes: int, gzipped: bool) -> Sharding:
        """Choose for a number of keys with values of `nbytes` in all: shards of some 32 MiB, parts of some 1024 keys.

        Examples
        --------
        >>> Sharding.of(10_000_000, 500 << 20, False)
        Sharding(shard_bits=4, minishard_bits=10, gzipped=False)
        """
        shard_bits = _bits(nbytes / _SHARD_BYTES)
        return Sharding(shard_bits, _bits(keys / (1 << shard_bits) / _PART), gzipped)

    def json(self) -> dict[str, Any]:
        """Return the specification as it stands in an ``info`` file."""
        return {
            "@type": "neuroglancer_uint64_sharded_v1", "hash": "murmurhash3_x86_128", "preshift_bits": 0,
            "minishard_bits": self.minishard_bits, "shard_bits": self.shard_bits,
            "minishard_index_encoding": "gzip", "data_encoding": "gzip" if self.gzipped else "raw",
        }  # fmt: skip

    def place(self, keys: U64) -> tuple[U64, U64]:
        """Return the shard and the part of each key."""
        hashed = murmurhash3_x86_128(keys)
        part = hashed & np.uint64((1 << self.minishard_bits) - 1)
        shard = (hashed >> np.uint64(self.minishard_bits)) & np.uint64((1 << self.shard_bits) - 1)
        return shard, part

    def file(self, shard: int) -> str:
        """Name of a shard's file."""
        return f"{shard:0{max(1, math.ceil(self.shard_bits / 4))}x}.shard"


def _bits(count: float) -> int:
    return max(0, math.ceil(math.log2(max(count, 1))))


def write_shard(path: Path, sharding: Sharding, keys: U64, parts: U64, sizes: U64, values: Iterable[Any]) -> None:
    """Write one shard.

    Parameters
    ----------
    path : Path
    sharding : Sharding
        Its values are written as they come: where they are compressed, the caller does it.
    keys, parts : array of uint64
        By part, then by key, both ascending.
    sizes : array of uint64
        Bytes of each value; may be filled only while `values` is read.
    values : iterable of buffers
        The values one after another, in pieces of any size.
    """
    head = 16 << sharding.minishard_bits
    with path.open("wb") as file:
        file.write(bytes(head))
        for value in values:
            file.write(value)
        index = np.zeros((1 << sharding.minishard_bits, 2), "<u8")
        at = file.tell() - head
        for part, made in _indexes(keys, parts, sizes):
            file.write(made)
            index[part] = at, at + len(made)
            at += len(made)
        _back(file, index.tobytes())


def _back(file: IO[bytes], head: bytes) -> None:
    file.seek(0)
    file.write(head)


def _indexes(keys: U64, parts: U64, sizes: U64) -> Iterator[tuple[int, bytes]]:
    """Yield each part that has keys, and its index: numbers that each count from the one before."""
    starts = np.cumsum(sizes, dtype=np.uint64) - sizes
    firsts = np.flatnonzero(np.r_[True, parts[1:] != parts[:-1]]) if len(parts) else np.zeros(0, np.int64)
    for a, b in zip(firsts, np.r_[firsts[1:], len(parts)], strict=True):
        rows = np.zeros((3, b - a), "<u8")
        rows[0] = np.diff(keys[a:b], prepend=np.uint64(0))
        rows[1, 0] = starts[a]  # the others lie next to each other, each 0 bytes after the end of the one before
        rows[2] = sizes[a:b]
        yield int(parts[a]), gzip.compress(rows.tobytes(), 6, mtime=0)
