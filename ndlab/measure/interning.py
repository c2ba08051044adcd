"""The labels of a block as small indices, and the ids that a volume holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Box, NmBox
from ndlab.measure.blocks import How, Voxels, gather, part, whole_numbers
from ndlab.measure.keyed import Array, Keyed, merge_keyed, structured
from ndlab.measure.table import Table
from ndlab.pipeline.progress import ProgressCallback
from ndlab.volume import Volume

__all__ = ["interned", "native", "unique", "unsigned"]


def interned(labels: Array) -> tuple[Array, Array]:
    """Return for each voxel the index of its label (uint32), and the labels by index, in order of appearance.

    Examples
    --------
    >>> local, ids = interned(np.array([[[7, 7, 9]]], np.uint64))
    >>> local.tolist(), ids.tolist()
    ([[[0, 0, 1]]], [7, 9])
    """
    from ndlab.measure.kernels import interning as kernels

    plain = unsigned(labels)
    local = np.empty(plain.shape, np.uint32)
    keys = kernels.intern(plain, local)
    return local, keys.view(native(labels.dtype))


def unsigned(values: Array) -> Array:
    """Show whole numbers as unsigned ones of the same size, which differ where they do: fewer kernels to compile."""
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    return plain.view(f"u{plain.dtype.itemsize}")


@dataclass(frozen=True)
class _Counts(Keyed):
    size: Array


def unique(
    labels: Voxels,
    *,
    box: Box | NmBox | None = None,
    block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Table:
    """List the ids of a volume with the number of their voxels, like `numpy.unique` with counts.

    Parameters
    ----------
    labels : Volume or DataArray
        Whole numbers, (z, y, x).
    box : Box or NmBox, optional
        Count only these voxels.
    block, workers, client, progress
        As for `regions`.

    Returns
    -------
    Table
        `id` and `size` [voxels], by id; background (0) is listed like any other.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> unique(toy().volume("labels"))
    id  size [voxels]
     0           5391
    11            216
    12            225
    21            618
    22            750
    """
    view = whole_numbers(part(labels, box))
    empty = _Counts(np.empty(0, native(view.dtype)), np.empty(0, np.int64))
    how = How(workers, client, progress).near(view)
    found = gather("unique", _count, view, {"labels": view}, block, merge_keyed, empty, how)
    kinds = np.dtype([("id", "i8" if found.keys.dtype.kind == "i" else "u8"), ("size", "i8")])
    return Table(structured({"id": found.keys, "size": found.size}, kinds), {"size": "voxels"})


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Type of ids: whole numbers of this machine's byte order."""
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def _count(block: Box, labels: Volume) -> _Counts:
    from ndlab.measure.kernels import interning as kernels

    local, keys = interned(labels.boxed(block).read())
    counts = np.zeros(len(keys), np.int64)
    kernels.count_local(local.reshape(-1), counts)
    order = np.argsort(keys)
    return _Counts(keys[order], counts[order])
