"""Arrays on disk through TensorStore: the hot path of every read and write.

TensorStore reads zarr v2 and v3 (sharded too), N5 and Neuroglancer precomputed over all the addresses of `kv`,
within noise of what decoding and copying alone cost. A partly covered chunk or shard is written by
read-modify-write that takes effect only if nobody changed it in between, and is tried again otherwise; so
concurrent misaligned writers, in threads, processes or on a cluster, never lose each other's voxels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import tensorstore as ts

from ndlab.errors import BadMetadata, BadRequest, NotFound, OutOfBounds, ReadOnly, TooLarge, Unsupported
from ndlab.store.direct import DirectReader, direct_reader
from ndlab.store.kv import context, kvstore_spec, local_path, stamp
from ndlab.store.left_locks import Files, chunk_files, empty_left_lock

__all__ = ["TensorStoreArray", "forget", "io_error"]

Order = tuple[int | None, ...]

# How the engine says that a chunk or shard is not what the metadata promise.
_DAMAGE = ("FAILED_PRECONDITION: Error reading", "DATA_LOSS", "INVALID_ARGUMENT: Error reading", "OUT_OF_RANGE")
_FULL = ("RESOURCE_EXHAUSTED", "No space left", "Disk quota exceeded", "File too large")
_METADATA = {"zarr3": "zarr.json", "zarr": ".zarray", "n5": "attributes.json", "neuroglancer_precomputed": "info"}


@lru_cache(maxsize=4096)
def _open(driver: str, url: str, extra: str, order: Order, sync: bool, cached: bool, seen: Hashable) -> ts.TensorStore:
    """Open an array once for each state `seen` of its metadata: a store made anew at an old address is another."""
    spec = {"driver": driver, "kvstore": kvstore_spec(url), **json.loads(extra)}
    try:
        stored = ts.open(spec, open=True, context=context(sync, cached)).result()
    except (ValueError, OSError, NotImplementedError) as error:
        raise _open_error(url, error) from None
    dropped = [stored.shape[axis] for axis in range(stored.rank) if axis not in order]
    if max((axis for axis in order if axis is not None), default=-1) >= stored.rank or any(n != 1 for n in dropped):
        raise BadMetadata(
            f"{url} has {stored.rank} axes, {tuple(stored.shape)}",
            f"the metadata above it name {sum(axis is not None for axis in order)}",
            "correct the axes in its metadata, or pass axes=",
        )
    return _canonical(stored, order)


def forget() -> None:
    """Drop every opened array of this process, so that changed metadata (a grown volume) is read again."""
    _open.cache_clear()


def _canonical(stored: ts.TensorStore, order: Order) -> ts.TensorStore:
    """Axes in (t)(c)zyx order with the domain at 0; None in `order` is an axis that the store lacks."""
    view = stored[ts.d[:].translate_to[0]]
    # A stored axis that is not asked for has length 1: the channel of a one-channel precomputed volume.
    dropped = [axis for axis in range(stored.rank) if axis not in order]
    kept = [axis for axis in range(stored.rank) if axis in order]
    view = view[tuple(0 if axis in dropped else slice(None) for axis in range(stored.rank))]
    view = view.transpose([kept.index(axis) for axis in order if axis is not None])
    for position, axis in enumerate(order):
        if axis is None:
            view = view[(slice(None),) * position + (ts.newaxis,)]
    return view


def _first_line(error: Exception) -> str:
    """Say what the engine said, without the dump of its spec."""
    return str(error).splitlines()[0].split(" [tensorstore_spec=")[0].split(" [source locations=")[0][:800]


def _open_error(url: str, error: Exception) -> Exception:
    text = _first_line(error)
    if "NOT_FOUND" in text:
        return NotFound(f"no array at {url}", text, "check the path; a level that the metadata names may not be there")
    # The address is said already; what is left names the member of the metadata that is not understood.
    text = re.sub(r'Error (opening "[^"]*" driver|reading (local file )?"[^"]*"): ', "", text)
    return Unsupported(f"{url} uses a feature that the engine lacks", text, feature=text)


@dataclass(frozen=True)
class TensorStoreArray:
    """An array in a store that TensorStore reads. Pickles as its address.

    Parameters
    ----------
    driver : str
        ``zarr``, ``zarr3``, ``n5`` or ``neuroglancer_precomputed``.
    url : str
        Address of the array (of the volume for precomputed), as `kv.normal_url` gives it.
    order : tuple of int or None
        For each axis of (t)(c)zyx, which stored axis it is.
    extra : str
        More members of the TensorStore spec, as JSON.
    sync : bool
        Whether each write is flushed to disk before it returns.
    alone : bool
        Whether nobody else writes into the chunks that this one writes.
    """

    driver: str
    url: str
    order: Order
    extra: str = "{}"
    sync: bool = True
    alone: bool = False

    @property
    def store(self) -> ts.TensorStore:
        """The opened TensorStore, axes in (t)(c)zyx order."""
        return self._opened(cached=True)

    @property
    def writer(self) -> ts.TensorStore:
        """The same for writing, where keeping what was touched costs more than it gives."""
        return self._opened(cached=False)

    def _opened(self, cached: bool) -> ts.TensorStore:
        seen = stamp(self.url, _METADATA[self.driver])
        return _open(self.driver, self.url, self.extra, self.order, self.sync, cached, seen)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k in self.__dataclass_fields__}

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Extent along (t)(c)zyx."""
        return tuple(self.store.shape)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        return np.dtype(self.store.dtype.numpy_dtype)

    @cached_property
    def chunks(self) -> tuple[int, ...]:
        """The piece that is decoded as a whole."""
        return tuple(n or 1 for n in self.store.chunk_layout.read_chunk.shape or self.shape)

    @cached_property
    def shards(self) -> tuple[int, ...] | None:
        """The unit of writing where it is larger than a chunk."""
        write = tuple(n or 1 for n in self.store.chunk_layout.write_chunk.shape or self.chunks)
        return write if write != self.chunks else None

    @cached_property
    def codec(self) -> str:
        """The compression in words."""
        return describe_codec(self.store.codec)

    @cached_property
    def _direct(self) -> DirectReader | None:
        path = local_path(self.url)
        return None if path is None else direct_reader(self.driver, path, self.order)

    @cached_property
    def _files(self) -> Files | None:
        path, scale = local_path(self.url), json.loads(self.extra).get("scale_index", 0)
        return None if path is None else chunk_files(self.driver, path, self.order, scale)

    @property
    def direct(self) -> bool:
        """Whether a chunk alone is read without the engine, and costs little beside its decoding."""
        return self._direct is not None

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, into `out` if given."""
        if self._direct is not None:
            direct = self._direct.read(start, stop, out)
            if direct is not None:
                return direct
        try:
            view = self.store[tuple(map(slice, start, stop))]
            if out is None:
                found: np.ndarray[Any, Any] = np.asarray(view.read(order="C").result())
                return found
            ts.array(out, copy=False, write=True).write(view).result()
        except (ValueError, OSError, IndexError) as error:
            raise io_error(self, start, stop, error) from None
        return out

    def empty_left_locks(self, start: Sequence[int], stop: Sequence[int]) -> None:
        """Empty what killed writers left beside the files that a write of the half-open box takes; `write` does."""
        for file in self._files.touched(start, stop) if self._files is not None else ():
            empty_left_lock(file)

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Store `values` with their first element at `start`; returns once they are readable by others."""
        stop = tuple(a + n for a, n in zip(start, values.shape, strict=True))
        self.empty_left_locks(start, stop)
        try:
            view = self.writer[tuple(map(slice, start, stop))]
            # Who writes part of the same chunk meanwhile starts from what was just written. By reference that would
            # be the caller's memory, whatever it holds by then; only bulk writes own their chunks alone.
            view.write(values, can_reference_source_data_indefinitely=self._may_refer(values)).result()
        except (ValueError, OSError, IndexError, NotImplementedError) as error:
            raise io_error(self, start, stop, error) from None

    def _may_refer(self, values: np.ndarray[Any, Any]) -> bool:
        """Whether a bulk write may do without a copy of `values`.

        TensorStore 0.1.86 takes a whole chunk that it only refers to for empty, and does not store it, if four or
        more of its axes are longer than 1 (channels beside z, y and x).
        """
        return (self.alone or not self.sync) and sum(
            min(n, c) > 1 for n, c in zip(values.shape, self.chunks, strict=True)
        ) <= 3

    def unsynced(self) -> TensorStoreArray:
        """Return the same array with flushing left to the system, for bulk writes."""
        return TensorStoreArray(self.driver, self.url, self.order, self.extra, sync=False)

    def sole_writer(self) -> TensorStoreArray:
        """Return the same array for a run that alone writes its chunks: no copy is made of what it writes."""
        return TensorStoreArray(self.driver, self.url, self.order, self.extra, self.sync, alone=True)


def io_error(array: TensorStoreArray, start: Sequence[int], stop: Sequence[int], error: Exception) -> Exception:
    """Name what the engine refused to read or write."""
    text = _first_line(error)
    where = f"{array.url}, {tuple(start)} to {tuple(stop)}"
    outside = any(a < 0 or b > n for a, b, n in zip(start, stop, array.shape, strict=True))
    if outside:
        return OutOfBounds(f"box {tuple(start)} to {tuple(stop)} leaves {array.url}", f"it spans {array.shape}")
    if "was ignored by server" in text:
        return Unsupported(
            f"{where} lies in shards, of which the server gives whole files only",
            text,
            "serve it with a server that answers Range requests (nginx, Caddy, s3, gs)",
            feature="HTTP range requests",
        )
    if text.startswith("PERMISSION_DENIED: Error reading"):
        return NotFound(
            f"{where} cannot be read",
            text,
            "ask for access; buckets without permission to list say so of chunks that were never written, too",
        )
    if text.startswith(("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED: Error reading")):
        return NotFound(f"{where} does not answer", text, "check the address and the network")
    if isinstance(error, NotImplementedError) or "PERMISSION_DENIED" in text or "read-only" in text.lower():
        return ReadOnly(f"{where} cannot be written", text, "check the permissions, or write to a copy")
    if any(mark in text for mark in _FULL):
        return TooLarge(f"{where}: no space left", text, "free some space; what was written before is intact")
    if text.startswith(_DAMAGE) or "Error decoding" in text or "checksum" in text.lower():
        return BadMetadata(f"{where} is damaged", text, "restore that chunk from a backup (ndlab doctor lists all)")
    if "broadcast" in text or "convert" in text or "dtype" in text:
        return BadRequest(f"{where} cannot take these values", text)
    return OSError(f"{where}: {text}")


def describe_codec(codec: ts.CodecSpec | None) -> str:
    """Put a codec spec in words: ``"zstd 1"``, ``"blosc lz4 5"``, ``"none"``, ``"jpeg"``."""
    spec = codec.to_json() if codec is not None else {}
    if spec.get("driver") == "neuroglancer_precomputed":
        gz = spec.get("sharding_metadata", {}) or {}
        return str(spec.get("encoding", "raw")) + (" gzip" if gz.get("data_encoding") == "gzip" else "")
    if "codecs" in spec:
        chain = list(spec["codecs"])
        if chain and chain[-1].get("name") == "sharding_indexed":
            chain = chain[-1]["configuration"]["codecs"]
        words = [_codec_words(c["name"], c.get("configuration", {})) for c in chain]
        return " + ".join(w for w in words if w) or "none"
    found = spec.get("compressor", spec.get("compression"))
    if not found or found.get("type") == "raw":
        return "none"
    return _codec_words(found.get("id", found.get("type", "?")), found)


def _codec_words(name: str, config: dict[str, Any]) -> str:
    if name in ("bytes", "transpose", "crc32c"):
        return ""
    level = config.get("clevel", config.get("level"))
    return " ".join(str(w) for w in (name, config.get("cname"), level) if w not in (None, "", -1))
