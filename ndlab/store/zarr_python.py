"""The reference, zarr-python, for stores whose codecs the engine lacks, over any address of `kv`.

It writes whole chunks (or shards) only: its partial writes read, change and write back without looking whether
somebody else did the same in between.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import zarr
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from ndlab.errors import NdlabError, ReadOnly, Unsupported
from ndlab.store.kv import Kv, refuse_read_only, stamp

__all__ = ["KvStore", "ZarrPythonArray"]


class KvStore(Store):
    """A zarr-python store over a `Kv`."""

    supports_writes = True
    supports_deletes = True
    supports_partial_writes = False
    supports_listing = True

    def __init__(self, kv: Kv, read_only: bool = True) -> None:
        super().__init__(read_only=read_only)
        self.kv = kv

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KvStore) and other.kv == self.kv

    def __str__(self) -> str:
        return self.kv.url

    def __repr__(self) -> str:
        return f"KvStore({self.kv.url!r})"

    def __hash__(self) -> int:
        return hash(self.kv)

    def with_read_only(self, read_only: bool = False) -> KvStore:
        """Return the same keys, to read only or to write."""
        return KvStore(self.kv, read_only)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Bytes at `key`, or the asked part of them."""
        raw = await asyncio.to_thread(self.kv.read, key)
        return None if raw is None else prototype.buffer.from_bytes(_part(raw, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Parts of several keys."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether something is at `key`."""
        return await asyncio.to_thread(self.kv.read, key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Store `value` whole."""
        self._check_writable()
        await asyncio.to_thread(self.kv.write, key, value.to_bytes())

    async def delete(self, key: str) -> None:
        """Remove `key`."""
        self._check_writable()
        await asyncio.to_thread(self.kv.delete, key)

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        for key in self.kv.list():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Keys below `prefix`."""
        for key in self.kv.list(prefix):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names directly below `prefix`."""
        base = prefix.rstrip("/") + "/" if prefix else ""
        for name in sorted({key[len(base) :].partition("/")[0] for key in self.kv.list(base)}):
            yield name


def _part(raw: bytes, wanted: ByteRequest | None) -> bytes:
    match wanted:
        case RangeByteRequest(start, end):
            return raw[start:end]
        case OffsetByteRequest(offset):
            return raw[offset:]
        case SuffixByteRequest(suffix):
            return raw[-suffix:]
    return raw


@lru_cache(maxsize=256)
def _open(url: str, seen: Hashable, zarr_format: Literal[2, 3] | None, mode: Literal["r", "r+"]) -> zarr.Array[Any]:
    try:
        with warnings.catch_warnings():
            # That a codec is outside the specification, or a null spelt as a list, does not change the voxels.
            warnings.simplefilter("ignore")
            return zarr.open_array(KvStore(Kv(url), mode == "r"), mode=mode, zarr_format=zarr_format)
    except NdlabError:
        raise
    except Exception as error:
        # zarr and numcodecs raise a dozen kinds here; all mean that this store needs something not installed.
        raise Unsupported(f"{url} cannot be opened", _reason(error), feature=_reason(error)) from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


@dataclass(frozen=True)
class ZarrPythonArray:
    """An array read by zarr-python; axes in (t)(c)zyx order as `order` says. Pickles as its address.

    `zarr_format` decides where an address holds metadata of both.
    """

    url: str
    order: tuple[int | None, ...]
    zarr_format: Literal[2, 3] | None = None

    @cached_property
    def _array(self) -> zarr.Array[Any]:
        return self._opened("r")

    def _opened(self, mode: Literal["r", "r+"]) -> zarr.Array[Any]:
        seen = (stamp(self.url, "zarr.json"), stamp(self.url, ".zarray"))
        return _open(self.url, seen, self.zarr_format, mode)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k in self.__dataclass_fields__}

    def _ordered(self, values: Sequence[int]) -> tuple[int, ...]:
        return tuple(1 if axis is None else values[axis] for axis in self.order)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along (t)(c)zyx."""
        return self._ordered(self._array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        return np.dtype(self._array.dtype)

    @property
    def chunks(self) -> tuple[int, ...]:
        """The piece that is decoded as a whole."""
        return self._ordered(self._array.chunks)

    @property
    def shards(self) -> tuple[int, ...] | None:
        """The unit of writing where it is larger than a chunk."""
        found = self._array.shards
        return None if found is None else self._ordered(found)

    @property
    def codec(self) -> str:
        """The codecs, as zarr-python names them."""
        a = self._array
        return " + ".join(type(c).__name__ for c in (*a.filters, *a.compressors)) or "none"

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, into `out` if given."""
        try:
            values = np.asarray(self._array[self._stored(start, stop)])
        except NdlabError:
            raise
        except Exception as error:
            raise Unsupported(f"{self.url} cannot be decoded", _reason(error), feature=_reason(error)) from error
        values = values.transpose([axis for axis in self.order if axis is not None])
        values = values.reshape([b - a for a, b in zip(start, stop, strict=True)])
        if out is None:
            return np.ascontiguousarray(values)
        out[...] = values
        return out

    def _stored(self, start: Sequence[int], stop: Sequence[int]) -> tuple[slice, ...]:
        """Slices along the stored axes."""
        wanted: list[slice] = [slice(None)] * self._array.ndim
        for axis, a, b in zip(self.order, start, stop, strict=True):
            if axis is not None:
                wanted[axis] = slice(a, b)
        return tuple(wanted)

    def check_write(self, start: Sequence[int], stop: Sequence[int]) -> None:
        """Refuse to write a box that cuts a chunk (or shard)."""
        refuse_read_only(self.url)
        unit = self.shards or self.chunks
        if any(a % u or (b % u and b != n) for a, b, u, n in zip(start, stop, unit, self.shape, strict=True)):
            raise ReadOnly(
                f"{self.url}, {tuple(start)} to {tuple(stop)} cannot be written",
                f"its codec ({self.codec}) is outside the engine's, so only whole pieces of {unit} voxels are safe",
                "write boxes on that grid, or copy it with ndlab.ingest(url, dest, codec='zstd')",
                unit=unit,
            )

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Store `values`, which cover whole chunks (or shards), with their first element at `start`."""
        stop = [a + n for a, n in zip(start, values.shape, strict=True)]
        self.check_write(start, stop)
        stored = [(axis, i) for i, axis in enumerate(self.order) if axis is not None]
        values = values.reshape([values.shape[i] for _, i in stored])
        values = values.transpose(np.argsort([axis for axis, _ in stored]))
        try:
            self._opened("r+")[self._stored(start, stop)] = values
        except NdlabError:
            raise
        except Exception as error:
            raise Unsupported(f"{self.url} cannot be encoded", _reason(error), feature=_reason(error)) from error
