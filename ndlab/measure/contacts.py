"""Which labels touch, over how large an area, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Box, Calibration, NmBox
from ndlab.measure.blocks import How, Voxels, gather, part, whole_numbers, with_upper
from ndlab.measure.interning import interned
from ndlab.measure.keyed import Array, Keyed, exact, merge_keyed, split, structured
from ndlab.measure.table import Table
from ndlab.pipeline.progress import ProgressCallback
from ndlab.volume import Volume

__all__ = ["contacts"]


def contacts(
    labels: Voxels,
    *,
    box: Box | NmBox | None = None,
    background: int | None = 0,
    block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Table:
    """Find every pair of labels that share a face and return a `Table` with one row a pair.

    Two labels touch where a voxel of one shares a face with a voxel of the other. Faces are counted one by one, each
    in the block of its lower voxel, so the result is the same for any block size and order of blocks; labels are
    never dilated, which can change ids and counts the space between as contact.

    Parameters
    ----------
    labels : Volume or DataArray
        Whole numbers, (z, y, x).
    box : Box or NmBox, optional
        Count only faces between two voxels of the box.
    background : int or None
        The id that touches nothing; None counts all.
    block, workers, client, progress
        As for `regions`.

    Returns
    -------
    Table
        By `a`, then `b`: ids ``a < b``; `z_faces`, `y_faces`, `x_faces`, faces across each axis; `area` [nm²], their
        sum with each face's own area; `z`, `y`, `x` [nm], the centre of the contact: the mean of the faces'
        centres, weighted by area.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> for row in contacts(toy().volume("labels"))[:2]:
    ...     print(*(row[name] for name in ("a", "b", "z_faces", "y_faces", "x_faces", "area")))
    11 21 12 0 6 60000.0
    11 22 15 0 0 37500.0
    """
    view = whole_numbers(part(labels, box))
    calibration = view.calibration
    params = {"labels": view, "background": background}
    empty = _Contacts(np.empty(0, _pairs(view.dtype)), np.empty((0, 3), np.int64), np.empty((0, 3, 3, 2), np.int64))
    how = How(workers, client, progress).near(view)
    return _table(gather("contacts", _touch, view, params, block, merge_keyed, empty, how), calibration)


@dataclass(frozen=True)
class _Contacts(Keyed):
    faces: Array
    sums: Array  # twice the centres (z, y, x) of the faces across each axis, in halves of 32 bits


def _pairs(dtype: np.dtype[Any]) -> np.dtype[Any]:
    kind = "i8" if dtype.kind == "i" else "u8"
    return np.dtype([("a", kind), ("b", kind)])


def _touch(block: Box, labels: Volume, background: int | None) -> _Contacts:
    from ndlab.measure.kernels import faces as kernels

    local, ids = interned(labels.boxed(with_upper(block, labels.box)).read())
    empty = [] if background is None else np.nonzero(ids == background)[0].tolist()
    pairs, faces, sums = kernels.contacts(local, np.array(block.shape), empty[0] if empty else -1)
    sums += faces[:, :, None] * (2 * np.array(block.start))
    one, other = ids[(pairs >> np.uint64(32)).astype(np.intp)], ids[(pairs & np.uint64(0xFFFFFFFF)).astype(np.intp)]
    keys = np.empty(len(pairs), _pairs(ids.dtype))
    keys["a"], keys["b"] = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((keys["b"], keys["a"]))
    return _Contacts(keys[order], faces[order], split(sums[order]))


_UNITS = {"area": "nm²", "z": "nm", "y": "nm", "x": "nm"}


def _table(found: _Contacts, calibration: Calibration) -> Table:
    z, y, x = calibration.voxel_size
    face = np.array([y * x, z * x, z * y])
    area = found.faces @ face
    centre = np.einsum("kac,a->kc", exact(found.sums), face) / (2 * area[:, None])
    columns: dict[str, Array] = {"a": found.keys["a"], "b": found.keys["b"], "area": area}
    for i, axis in enumerate("zyx"):
        columns[f"{axis}_faces"] = found.faces[:, i]
        columns[axis] = calibration.offset[i] + centre[:, i] * calibration.voxel_size[i]
    names = [*(f"{axis}_faces" for axis in "zyx"), "area", "z", "y", "x"]
    kinds: list[Any] = [*found.keys.dtype.descr, *((name, columns[name].dtype) for name in names)]
    return Table(structured(columns, np.dtype(kinds)), _UNITS)
