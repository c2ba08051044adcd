"""An array under the extent that it is about to have: voxels are written before the metadata says they are there."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorstore as ts

from ndlab.store.kv import context, kvstore_spec

__all__ = ["GrowingArray"]


@dataclass(frozen=True)
class GrowingArray:
    """A Zarr array opened by metadata in hand, whatever is on disk.

    Parameters
    ----------
    driver : str
        ``zarr`` or ``zarr3``.
    url : str
        Address of the array.
    document : bytes
        Its future ``.zarray`` or ``zarr.json``.
    """

    driver: str
    url: str
    document: bytes

    codec = ""

    @cached_property
    def _store(self) -> ts.TensorStore:
        spec = {
            "driver": self.driver,
            "kvstore": kvstore_spec(self.url),
            "metadata": json.loads(self.document),
        }
        # No cache: another process may have read the same chunks when they were less full.
        return ts.open(spec, open=True, assume_metadata=True, context=context(cached=False)).result()

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Extent along the stored axes, which are (c)zyx."""
        return tuple(self._store.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        return np.dtype(self._store.dtype.numpy_dtype)

    @property
    def chunks(self) -> tuple[int, ...]:
        """The piece that is decoded as a whole."""
        return tuple(n or 1 for n in self._store.chunk_layout.read_chunk.shape or ())

    @property
    def shards(self) -> tuple[int, ...] | None:
        """The unit of writing where it is larger than a chunk."""
        write = tuple(n or 1 for n in self._store.chunk_layout.write_chunk.shape or ())
        return write if write != self.chunks else None

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, into `out` if given."""
        view = self._store[tuple(map(slice, start, stop))]
        if out is None:
            out = np.empty([b - a for a, b in zip(start, stop, strict=True)], self.dtype)
        if math.prod(out.shape):
            ts.array(out, copy=False, write=True).write(view).result()
        return out

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Store `values` with their first element at `start`."""
        stop = tuple(a + n for a, n in zip(start, values.shape, strict=True))
        self._store[tuple(map(slice, start, stop))].write(values).result()
