"""Change the chunks of one unit of writing at once: read, change and write back, again if somebody else was faster.

Shards of Zarr v3 in a local folder, compressed by zstd or not at all, are taken apart here: only the touched chunks are
decoded and encoded, the others are copied as they are. Any other store goes through the engine, in one transaction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import google_crc32c
import numpy as np
import tensorstore as ts
from numcodecs.zstd import Zstd, compress

from ndlab.annotations.chunking import Chunking
from ndlab.errors import BadMetadata, Conflict
from ndlab.store.direct import DirectReader, direct_reader
from ndlab.store.engine import TensorStoreArray, io_error
from ndlab.store.kv import Kv, local_path

__all__ = ["Units", "Work"]

Voxels = np.ndarray[Any, Any]
_ABSENT = (1 << 64) - 1
_ATTEMPTS = 1000


class Work(Protocol):
    """What is done to the chunks of a unit. If others write the unit meanwhile, all of it is done once more."""

    def begin(self) -> None:
        """Forget what an earlier attempt found."""

    def change(self, chunk: int, labels: Voxels) -> tuple[Voxels, bool]:
        """Change the labels of a chunk, flat, in place; return positions that were, and whether none else was."""

    def end(self) -> None:
        """Do what has to be done before the unit is written."""


@dataclass(frozen=True)
class Units:
    """The units of writing of a label array (z, y, x)."""

    array: TensorStoreArray
    chunking: Chunking

    def read(self, chunk: int) -> Voxels:
        """Return the labels of a whole chunk, flat; 0 outside the array."""
        box = self.chunking.box(chunk)
        return _whole(self.array.read(box.start, box.stop), self.chunking)

    def change(self, unit: int, chunks: Sequence[int], work: Work) -> None:
        """Let `work` change chunks of one unit, one after the other; it begins anew if others wrote meanwhile."""
        if self._direct is None:
            self._through_engine(chunks, work)
        else:
            index = self.chunking.unit_index(unit)
            key = self._direct.prefix + self._direct.separator.join(map(str, index))
            Kv(self.array.url).update(key, lambda raw: self._changed(raw, key, chunks, work))

    def present(self) -> list[int]:
        """Return the units that were ever written, as far as the store can tell."""
        units = range(math.prod(self.chunking.unit_counts))
        if self._direct is None:
            return list(units)
        reader = self._direct
        names = {reader.prefix + reader.separator.join(map(str, self.chunking.unit_index(n))): n for n in units}
        return sorted(names[key] for key in Kv(self.array.url).list() if key in names)

    @cached_property
    def _direct(self) -> DirectReader | None:
        path = local_path(self.array.url)
        found = None if path is None else direct_reader(self.array.driver, path, self.array.order)
        plain = found is not None and self.array.driver == "zarr3" and found.axes == (0, 1, 2) and found.fill == 0
        return found if plain else None

    @cached_property
    def _zstd(self) -> Zstd | None:
        """The compression that the array's metadata ask for."""
        assert self._direct is not None
        if not self._direct.compressed:
            return None
        codecs = json.loads((self._direct.path / "zarr.json").read_bytes())["codecs"]
        if codecs[0]["name"] == "sharding_indexed":
            codecs = codecs[0]["configuration"]["codecs"]
        how = codecs[1].get("configuration", {})
        return Zstd(level=how.get("level", 0), checksum=how.get("checksum", False))

    # --- shards taken apart -----------------------------------------------------------------------------------

    def _changed(self, raw: bytes | None, key: str, chunks: Sequence[int], work: Work) -> bytes:
        assert self._direct is not None
        sharded = self._direct.shards is not None
        parts = self._parts(raw, key) if sharded else [None if raw is None else memoryview(raw)]
        # Every chunk passes through the same memory: decoded, changed and encoded while it is near the processor.
        labels, blank = np.zeros(self.chunking.voxels, self.array.dtype), True
        work.begin()
        places = self.chunking.inside(chunks) if sharded else [0] * len(chunks)
        for chunk, place in zip(chunks, places, strict=True):
            begun = parts[place]
            if begun is not None or not blank:
                self._decode(begun, key, labels)
            changed, alone = work.change(chunk, labels)
            empty = sharded and not labels[changed[-1:]].any() and not labels.any()
            parts[place] = None if empty else self._encoded(labels)
            blank = begun is None and alone
            if blank:  # Most chunks of a sparse volume: a few voxels are cleared faster than all.
                labels[changed] = 0
        work.end()
        return _shard(parts) if sharded else bytes(parts[0] or b"")

    def _parts(self, raw: bytes | None, key: str) -> list[memoryview | None]:
        """Return the encoded chunks of a shard, None where there is none."""
        count = math.prod(u // c for u, c in zip(self.chunking.unit, self.chunking.chunk, strict=True))
        if raw is None:
            return [None] * count
        tail = raw[len(raw) - 16 * count - 4 :]
        if len(tail) != 16 * count + 4 or google_crc32c.value(tail[:-4]) != int.from_bytes(tail[-4:], "little"):
            raise _damaged(self.array.url, key)
        view = memoryview(raw)
        pairs = np.frombuffer(tail[:-4], "<u8").reshape(count, 2).tolist()
        return [None if offset == _ABSENT else view[offset : offset + n] for offset, n in pairs]

    def _decode(self, part: memoryview | None, key: str, labels: Voxels) -> None:
        """Fill `labels` with the voxels of an encoded chunk."""
        if part is None:
            labels.fill(0)
            return
        try:
            if self._zstd is None:
                labels[:] = np.frombuffer(part, labels.dtype)
            elif len(self._zstd.decode(part, out=labels)) != len(labels):
                raise ValueError("another size")
        except (ValueError, RuntimeError):
            raise _damaged(self.array.url, key) from None

    def _encoded(self, labels: Voxels) -> memoryview:
        how = self._zstd
        # The function behind `how.encode`, without a fifth of its time for looking at what kind of array this is.
        return memoryview(labels.tobytes() if how is None else compress(labels, how.level, how.checksum))

    # --- the engine -------------------------------------------------------------------------------------------

    def _through_engine(self, chunks: Sequence[int], work: Work) -> None:
        boxes = {chunk: self.chunking.box(chunk) for chunk in chunks}
        first = boxes[chunks[0]]
        for _ in range(_ATTEMPTS):
            transaction = ts.Transaction(repeatable_read=True)
            store = self.array.writer.with_transaction(transaction)
            try:
                work.begin()
                for chunk, box in boxes.items():
                    self.array.empty_left_locks(box.start, box.stop)
                    labels = _whole(np.asarray(store[box.slices].read(order="C").result()), self.chunking)
                    work.change(chunk, labels)
                    inside = tuple(slice(0, n) for n in box.shape)
                    store[box.slices].write(labels.reshape(self.chunking.chunk)[inside]).result()
                work.end()
                transaction.commit_async().result()
            except (ValueError, NotImplementedError) as error:
                if "ABORTED" in str(error) or "mismatch" in str(error).lower():
                    continue
                raise io_error(self.array, first.start, first.stop, error) from None
            return
        raise Conflict(f"{self.array.url} was changed by others {_ATTEMPTS} times in a row", "", "try again")


def _whole(part: Voxels, chunking: Chunking) -> Voxels:
    """Return a chunk's voxels in the array as those of the whole chunk, flat."""
    if part.shape == chunking.chunk:
        return part.reshape(-1) if part.flags.writeable else part.reshape(-1).copy()
    whole = np.zeros(chunking.chunk, part.dtype)
    whole[tuple(slice(0, n) for n in part.shape)] = part
    return whole.reshape(-1)


def _shard(parts: Sequence[memoryview | None]) -> bytes:
    """Put encoded chunks together: their bytes, the index, its checksum."""
    sizes = np.array([0 if part is None else len(part) for part in parts], "u8")
    table = np.stack([np.cumsum(sizes) - sizes, sizes], 1)
    table[[part is None for part in parts]] = _ABSENT
    index = table.astype("<u8").tobytes()
    total = google_crc32c.value(index).to_bytes(4, "little")
    return b"".join([*(part for part in parts if part is not None), index, total])


def _damaged(url: str, key: str) -> BadMetadata:
    return BadMetadata(
        f"{url}/{key} is damaged",
        "its index or a chunk in it cannot be decoded",
        "restore that file from a backup (ndlab doctor lists all); what was painted stays in the journal",
    )
