"""Indexes on disk: of many values by number, sharded or a file each, sorted in pieces that fit in memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations.exchange.precomputed.encoding import Encoded
from ndlab.annotations.exchange.precomputed.spatial import lots
from ndlab.errors import Conflict
from ndlab.store.uint64_shards import Sharding, write_shard

__all__ = ["Grouped", "Single", "single"]

_PARTS = 256
_PIECE = 1 << 20  # bytes that are gathered at once; their places take four times as many

Array = np.ndarray[Any, Any]


class _Parted:
    """Entries spread over files, each of which holds whole shards and fits in memory."""

    def __init__(self, folder: Path, sharding: Sharding, streams: tuple[np.dtype[Any], ...]) -> None:
        self.sharding, self.streams = sharding, streams
        self.parts = min(1 << sharding.shard_bits, _PARTS)
        folder.mkdir()
        self._folder = folder
        self._files = [[(folder / f"{p}.{s}").open("wb") for s in range(len(streams))] for p in range(self.parts)]

    def of(self, keys: Array) -> Array:
        """Return which file each key belongs to."""
        shard, _ = self.sharding.place(keys)
        return (shard * np.uint64(self.parts)) >> np.uint64(self.sharding.shard_bits)

    def append(self, part: int, *pieces: Array) -> None:
        """Write entries to the end of a file."""
        for file, piece in zip(self._files[part], pieces, strict=True):
            file.write(np.ascontiguousarray(piece).data)

    def close(self) -> None:
        """End writing; reading begins."""
        for files in self._files:
            for file in files:
                file.close()

    def read(self) -> Iterator[list[Array]]:
        """Yield the entries of each file, and delete it."""
        for p in range(self.parts):
            paths = [self._folder / f"{p}.{s}" for s in range(len(self.streams))]
            yield [np.fromfile(path, kind) for path, kind in zip(paths, self.streams, strict=True)]
            for path in paths:
                path.unlink()
        self._folder.rmdir()


class Grouped:
    """An index whose values are lists of annotations: of a relationship, or of a level of space.

    Parameters
    ----------
    folder : Path
        Where it goes.
    record : dtype
        Of one annotation.
    sharding : Sharding
    sharded : bool
        Whether it is written in shards, else a file for each key.
    """

    def __init__(self, folder: Path, record: np.dtype[Any], sharding: Sharding, sharded: bool) -> None:
        self._folder, self._sharding, self._sharded = folder, sharding, sharded
        self._entry = np.dtype([("key", "<u8"), ("id", "<u8"), ("record", f"V{record.itemsize}")])
        self._parted = _Parted(folder.with_name(folder.name + ".parts"), sharding, (self._entry,))

    def add(self, keys: Array, ids: Array, records: Array) -> None:
        """Take in annotations, each under its key."""
        entries = np.empty(len(keys), self._entry)
        entries["key"], entries["id"] = keys, ids
        entries["record"] = records.view(self._entry["record"])
        part = self._parted.of(keys)
        order = np.argsort(part, kind="stable")
        ends = np.cumsum(np.bincount(part.astype(np.int64), minlength=self._parted.parts))
        for p, piece in enumerate(np.split(entries[order], ends[:-1])):
            if len(piece):
                self._parted.append(p, piece)

    def finish(self, names: Any = str) -> None:
        """Write the index; `names` gives the file of a key where each has its own."""
        self._parted.close()
        self._folder.mkdir()
        for (entries,) in self._parted.read():
            shards, parts = self._sharding.place(entries["key"])
            order = np.lexsort((lots(entries["id"]), entries["key"], parts, shards))
            keys, ids = entries["key"][order], entries["id"][order]
            # One annotation that names an object twice is listed once.
            first = np.r_[True, (keys[1:] != keys[:-1]) | (ids[1:] != ids[:-1])] if len(keys) else np.zeros(0, bool)
            order, keys = order[first], keys[first]
            begins = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.int64)
            spans = np.stack([begins, np.r_[begins[1:], len(keys)]], 1) if len(begins) else np.zeros((0, 2), np.int64)
            if self._sharded:
                self._shards(entries, order, spans, shards[order], parts[order], keys)
            else:
                for a, b in spans.tolist():
                    (self._folder / names(int(keys[a]))).write_bytes(_listed(entries, order[a:b]))

    def _shards(self, entries: Array, order: Array, spans: Array, shards: Array, parts: Array, keys: Array) -> None:
        firsts = spans[:, 0]
        for shard in np.unique(shards[firsts]):
            of = np.flatnonzero(shards[firsts] == shard)
            sizes = np.zeros(len(of), np.uint64)
            chunks = self._chunks(entries, order, spans[of], sizes)
            path = self._folder / self._sharding.file(int(shard))
            write_shard(path, self._sharding, keys[firsts[of]], parts[firsts[of]], sizes, chunks)

    def _chunks(self, entries: Array, order: Array, spans: Array, sizes: Array) -> Iterator[bytes]:
        for i, (a, b) in enumerate(spans.tolist()):
            chunk = _listed(entries, order[a:b])
            if self._sharding.gzipped:
                chunk = gzip.compress(chunk, 1, mtime=0)
            sizes[i] = len(chunk)
            yield chunk


def _listed(entries: Array, which: Array) -> bytes:
    """Return the encoding of several annotations: their number, their records, their ids."""
    some = entries[which]
    return b"".join([len(some).to_bytes(8, "little"), some["record"].tobytes(), some["id"].tobytes()])


def single(made: Encoded) -> tuple[Array, Array]:
    """Return the bytes of each annotation with the ids that it relates to, one after another, and their sizes."""
    size = made.records.dtype.itemsize
    counts = [count.astype(np.int64) for count, _ in made.related]
    sizes = size + sum((4 + 8 * count for count in counts), np.zeros(len(made.ids), np.int64))
    starts = np.cumsum(sizes) - sizes
    out = np.zeros(int(sizes.sum()), np.uint8)
    _put(out, starts, made.records)
    at = starts + size
    for count, (_, ids) in zip(counts, made.related, strict=True):
        _put(out, at, count.astype("<u4"))
        firsts = np.cumsum(count) - count
        rank = np.arange(len(ids)) - np.repeat(firsts, count)
        _put(out, np.repeat(at + 4, count) + 8 * rank, ids)
        at = at + 4 + 8 * count
    return out, sizes


def _put(out: Array, starts: Array, values: Array) -> None:
    """Write the bytes of each value where it starts."""
    flat = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
    for byte in range(flat.shape[1]):
        out[starts + byte] = flat[:, byte]


def _gathered(data: Array, starts: Array, sizes: Array, order: Array) -> Iterator[Array]:
    """Yield runs of bytes in another order, in pieces."""
    ends = np.cumsum(sizes[order])
    start = 0
    while start < len(order):
        before = ends[start] - sizes[order[start]]
        stop = max(start + 1, int(np.searchsorted(ends, before + _PIECE, "right")))
        some = order[start:stop]
        lengths = sizes[some]
        rank = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield data[np.repeat(starts[some], lengths) + rank]
        start = stop


class Single:
    """The index of annotations by their id."""

    def __init__(self, folder: Path, sharding: Sharding, sharded: bool) -> None:
        self._folder, self._sharding, self._sharded = folder, sharding, sharded
        kinds = (np.dtype("<u8"), np.dtype("<i8"), np.dtype("u1"))
        self._parted = _Parted(folder.with_name(folder.name + ".parts"), sharding, kinds)

    def add(self, made: Encoded) -> None:
        """Take in annotations."""
        data, sizes = single(made)
        starts = np.cumsum(sizes) - sizes
        part = self._parted.of(made.ids)
        for p in np.unique(part).tolist():
            which = np.flatnonzero(part == p)
            self._parted.append(p, made.ids[which], sizes[which],
                                np.concatenate(list(_gathered(data, starts, sizes, which))))  # fmt: skip

    def finish(self) -> None:
        """Write the index.

        Raises
        ------
        Conflict
            If two annotations have one id.
        """
        self._parted.close()
        self._folder.mkdir()
        for ids, sizes, data in self._parted.read():
            shards, parts = self._sharding.place(ids)
            order = np.lexsort((ids, parts, shards))
            twice = np.flatnonzero(ids[order][1:] == ids[order][:-1])
            if len(twice):
                raise Conflict(f"{len(twice)} annotations have the id of another one, e.g. {ids[order][twice[0]]}",
                               "a layer has each id once", "rename the column id, and rows are numbered")  # fmt: skip
            starts = np.cumsum(sizes) - sizes
            if self._sharded:
                self._shards(ids, sizes, starts, data, order, shards, parts)
            else:
                for i in range(len(ids)):
                    (self._folder / str(ids[i])).write_bytes(data[starts[i] : starts[i] + sizes[i]].tobytes())

    def _shards(
        self, ids: Array, sizes: Array, starts: Array, data: Array, order: Array, shards: Array, parts: Array
    ) -> None:
        for shard in np.unique(shards).tolist():
            of = order[shards[order] == shard]
            values: Iterable[Any] = (piece.data for piece in _gathered(data, starts, sizes, of))
            lengths = sizes[of].astype(np.uint64)
            path = self._folder / self._sharding.file(int(shard))
            write_shard(path, self._sharding, ids[of], parts[of], lengths, values)
