"""What ingest learns about voxels as they pass: a checksum and a histogram, at close to memory speed.

The checksum is XXH64 (seed 0) of the voxels in C order and little-endian, the standard algorithm that `xxhsum -H1`
computes: it finds damage at several times the speed of a cryptographic digest, so that checking costs less than
compressing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ndlab.store.downsample import compiled

__all__ = ["histogram", "percentiles", "voxel_checksum"]

_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
_MASK = (1 << 64) - 1
_PIECE_BYTES = 2 << 20


def voxel_checksum(values: np.ndarray[Any, Any]) -> str:
    """Return the XXH64 of `values` as 16 hexadecimal digits.

    Examples
    --------
    >>> voxel_checksum(np.frombuffer(b"abc", np.uint8))
    '44bc2cf5ad770999'
    """
    if not values.dtype.isnative or sys.byteorder == "big":
        values = values.astype(values.dtype.newbyteorder("<"))
    lanes = np.array([_P1 + _P2 & _MASK, _P2, 0, -_P1 & _MASK], np.uint64)
    rest = np.empty(0, np.uint8)
    for piece in _pieces(values):
        raw = np.ascontiguousarray(piece).reshape(-1).view(np.uint8)
        if rest.size:
            raw = np.concatenate([rest, raw])
        whole = raw.size // 32 * 32
        compiled(_stripes)(raw[:whole].view(np.uint64), lanes, np.uint64(_P1), np.uint64(_P2))
        rest = raw[whole:].copy()
    digest = _merge([int(lane) for lane in lanes]) if values.nbytes >= 32 else _P5
    return f"{_finish(digest + values.nbytes & _MASK, rest.tobytes()):016x}"


def _pieces(values: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Parts that follow each other in C order: the whole if it does in memory, else what a cache holds a copy of."""
    if values.flags.c_contiguous or values.nbytes <= _PIECE_BYTES:
        yield values
        return
    step = max(1, _PIECE_BYTES // max(1, values[:1].nbytes))
    for i in range(0, len(values), step):
        yield values[i : i + step]


def _stripes(words: np.ndarray[Any, Any], lanes: np.ndarray[Any, Any], p1: Any, p2: Any) -> None:
    a, b, c, d = lanes[0], lanes[1], lanes[2], lanes[3]
    left, right = np.uint64(31), np.uint64(33)
    for i in range(0, words.size, 4):
        a += words[i] * p2
        b += words[i + 1] * p2
        c += words[i + 2] * p2
        d += words[i + 3] * p2
        a = ((a << left) | (a >> right)) * p1
        b = ((b << left) | (b >> right)) * p1
        c = ((c << left) | (c >> right)) * p1
        d = ((d << left) | (d >> right)) * p1
    lanes[0], lanes[1], lanes[2], lanes[3] = a, b, c, d


def _rotate(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotate(lane + word * _P2 & _MASK, 31) * _P1 & _MASK


def _merge(lanes: list[int]) -> int:
    digest = sum(_rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
    for lane in lanes:
        digest = ((digest ^ _round(0, lane)) * _P1 + _P4) & _MASK
    return digest


def _finish(digest: int, rest: bytes) -> int:
    while len(rest) >= 8:
        digest = _rotate(digest ^ _round(0, int.from_bytes(rest[:8], "little")), 27) * _P1 + _P4 & _MASK
        rest = rest[8:]
    if len(rest) >= 4:
        digest = _rotate(digest ^ int.from_bytes(rest[:4], "little") * _P1 & _MASK, 23) * _P2 + _P3 & _MASK
        rest = rest[4:]
    for byte in rest:
        digest = _rotate(digest ^ byte * _P5 & _MASK, 11) * _P1 & _MASK
    digest = (digest ^ digest >> 33) * _P2 & _MASK
    digest = (digest ^ digest >> 29) * _P3 & _MASK
    return digest ^ digest >> 32


def histogram(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return how often each value occurs in uint8 or uint16 `values`: 256 or 65536 counts.

    Examples
    --------
    >>> histogram(np.array([0, 3, 3], np.uint8))[:5]
    array([1, 0, 0, 2, 0])
    """
    counts = np.zeros((4, 1 << (8 * values.dtype.itemsize)), np.int64)
    compiled(_count)(np.ascontiguousarray(values).reshape(-1), counts)
    total: np.ndarray[Any, np.dtype[np.int64]] = counts.sum(axis=0)
    return total


def _count(values: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> None:
    """Four tables, so that runs of one value do not wait for each other's stores."""
    whole = values.size // 4 * 4
    for i in range(0, whole, 4):
        counts[0, values[i]] += 1
        counts[1, values[i + 1]] += 1
        counts[2, values[i + 2]] += 1
        counts[3, values[i + 3]] += 1
    for i in range(whole, values.size):
        counts[0, values[i]] += 1


def percentiles(counts: np.ndarray[Any, Any], percents: tuple[float, ...]) -> tuple[int, ...]:
    """Return the values below or at which the given percents of a histogram lie (numpy's ``inverted_cdf``).

    Examples
    --------
    >>> percentiles(np.array([98, 0, 1, 0, 1]), (1, 99, 100))
    (0, 2, 4)
    """
    below = np.cumsum(counts)
    # The tolerance keeps a product like 0.07 * 100 from asking for one more voxel than meant.
    wanted = [np.ceil(p / 100 * below[-1] - 1e-9) for p in percents]
    return tuple(int(np.searchsorted(below, max(1, w))) for w in wanted)
