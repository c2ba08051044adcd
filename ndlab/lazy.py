"""A view of a volume as a Dask array or an xarray DataArray, over coarse blocks of that view only.

Slicing a Dask graph of a whole volume costs time linear in all its blocks (1.8 s a cut-out at 10^6 chunks), so
ndlab never does: a view is cut first, through the volume, and only then becomes an array of its own blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import dask.array
    import xarray

__all__ = ["Readable", "block_shape", "to_dask", "to_xarray"]

# A Dask task costs about 2.5 ms of CPU on a cluster: below 16 Mvoxel that is no longer small beside the reading.
BLOCK_VOXELS = 1 << 25
BLOCK_BYTES = 1 << 27


class Readable(Protocol):
    """What a lazy array needs of a volume."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along `axes` in voxels."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        ...

    @property
    def name(self) -> str:
        """Name of the image."""
        ...

    def view(self, key: tuple[slice | int, ...]) -> Readable:
        """Cut a view by one slice or number for every axis."""
        ...

    def read(self) -> np.ndarray[Any, Any]:
        """Read the voxels of the view."""
        ...


class _Indexed:
    """A view that numpy-style indexing turns into voxels, for Dask."""

    def __init__(self, view: Readable) -> None:
        self._view = view
        self.shape, self.dtype, self.ndim = view.shape, view.dtype, len(view.shape)

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        return self._view.view(key if isinstance(key, tuple) else (key,)).read()


def block_shape(
    shape: Sequence[int], chunks: Sequence[int], shards: Sequence[int] | None, itemsize: int
) -> tuple[int, ...]:
    """Choose a block of whole chunks of about 32 Mvoxel (at most 128 MiB), inside one shard where it fits.

    Examples
    --------
    >>> block_shape((4096, 4096, 4096), (64, 64, 64), (512, 512, 512), 1)
    (256, 256, 512)
    """
    target = min(BLOCK_VOXELS, BLOCK_BYTES // itemsize)
    block = [min(c, n) for c, n in zip(chunks, shape, strict=True)]
    for limit in ([min(s, n) for s, n in zip(shards or chunks, shape, strict=True)], list(shape)):
        while math.prod(block) * 2 <= target:
            room = [i for i in range(len(block)) if block[i] < limit[i]]
            if not room:
                break
            # The last of the shortest: x before y before z keeps blocks wide where storage is contiguous.
            axis = min(room, key=lambda i: (block[i], -i))
            block[axis] = block[axis] * 2
    return tuple(block)


def _cuts(start: int, stop: int, block: int) -> Iterator[int]:
    """Lengths that cut [start, stop) at multiples of `block`, so that no chunk is read by two tasks."""
    while start < stop:
        end = min(stop, (start // block + 1) * block)
        yield end - start
        start = end


def to_dask(view: Readable, start: Sequence[int], block: Sequence[int], token: Any) -> dask.array.Array:
    """`view` as a Dask array whose blocks follow the storage grid.

    Parameters
    ----------
    start : sequence of int
        Where the view begins in the stored array, per axis of the view.
    block : sequence of int
        Block shape per axis of the view.
    token
        What makes the content unique.
    """
    import dask.array as da
    from dask.base import tokenize

    chunks: tuple[tuple[int, ...], ...]
    if math.prod(view.shape) <= math.prod(block):
        # One task, although the storage grid cuts through the view: pieces of it would have to be joined again.
        chunks = tuple((n,) for n in view.shape)
    else:
        chunks = tuple(tuple(_cuts(a, a + n, b)) for a, n, b in zip(start, view.shape, block, strict=True))
    name = f"ndlab-{tokenize(token)}"
    return da.from_array(
        _Indexed(view), chunks=chunks, name=name, asarray=False, fancy=False, lock=False, inline_array=True,
        meta=np.empty((0,) * len(view.shape), dtype=view.dtype),
    )  # fmt: skip


def to_xarray(view: Readable, coords: dict[str, Any], attrs: dict[str, Any]) -> xarray.DataArray:
    """`view` as a DataArray that reads through the volume when its values are asked for.

    Selecting by coordinates first and loading later reads the selected box only; no Dask is involved.
    """
    import xarray as xr
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Backend(BackendArray):
        def __init__(self) -> None:
            self.shape, self.dtype = view.shape, view.dtype

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._get)

        def _get(self, key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
            whole, rest = zip(*(_unit_step(k, n) for k, n in zip(key, view.shape, strict=True)), strict=True)
            values = view.view(whole).read()
            kept = tuple(r for r, k in zip(rest, key, strict=True) if not isinstance(k, int | np.integer))
            part: np.ndarray[Any, Any] = values[kept]
            return part

        def __reduce__(self) -> Any:
            return _rebuild_backend, (view,)

    data = indexing.LazilyIndexedArray(Backend())
    return xr.DataArray(xr.Variable(view.axes, data), coords=coords, name=view.name or None, attrs=attrs)


def _rebuild_backend(view: Readable) -> Any:
    data: Any = to_xarray(view, {}, {}).variable._data
    return data.array


def _unit_step(key: slice | int, n: int) -> tuple[slice | int, slice]:
    """Split a slice with any step into a contiguous one to read and the rest to apply in memory."""
    if not isinstance(key, slice):
        return int(key), slice(None)
    first, last, step = key.indices(n)
    count = len(range(first, last, step))
    if count == 0:
        return slice(0, 0), slice(None)
    end = first + (count - 1) * step
    low, high = min(first, end), max(first, end)
    return slice(low, high + 1), slice(None, None, step)
