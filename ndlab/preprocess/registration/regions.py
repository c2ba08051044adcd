"""What lies in which region of a parcellation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ndlab import measure
from ndlab.errors import BadRequest
from ndlab.volume import Volume

__all__ = ["region_table"]


def region_table(
    carried: Volume, labels: Volume, *, names: dict[int, str] | None = None, points: Any = None
) -> measure.Table:
    """Return a row for each region of `labels`, measured on `carried`, the same labels on another volume."""
    if labels.dtype.kind not in "bui":
        raise BadRequest(
            f"labels of {labels.dtype}", "ids of regions are whole numbers", "pass the parcellation itself"
        )
    ids, sizes = _sizes(carried, labels)
    volume = sizes * math.prod(carried.voxel_size) / 1e9
    columns: dict[str, Any] = {"id": ids}
    if names is not None:
        columns["name"] = np.array([names.get(int(i), "") for i in ids])
    columns |= {"size": sizes, "volume": volume, "share": sizes / max(1, sizes.sum())}
    units = {"size": "voxels", "volume": "µm³"}
    if points is not None:
        columns["count"] = _counts(carried, ids, points)
        columns["density"] = columns["count"] / np.where(volume > 0, volume, np.nan) * 1e9
        units["density"] = "1/mm³"
    rows = np.empty(len(ids), [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return measure.Table(rows, units)


def _sizes(carried: Volume, labels: Volume) -> tuple[Any, Any]:
    """Voxels of every region that the parcellation has, 0 for those that lie outside."""
    here, there = measure.unique(carried, progress=False), measure.unique(labels, progress=False)
    ids = np.setdiff1d(np.union1d(here["id"], there["id"]), [0])
    sizes = np.zeros(len(ids), np.int64)
    known = here["id"] != 0
    sizes[np.searchsorted(ids, here["id"][known])] = here["size"][known]
    return ids, sizes


def _counts(carried: Volume, ids: Any, points: Any) -> Any:
    """Points in each region: the label of the voxel that each one lies in, read box by box."""
    if hasattr(points, "columns"):
        points = points[["z", "y", "x"]].to_numpy(np.float64)
    at = (np.asarray(points, np.float64).reshape(-1, 3) - np.array(carried.offset)) / np.array(carried.voxel_size)
    index = np.floor(at).astype(np.int64)
    index = index[((index >= 0) & (index < np.array(carried.shape))).all(1)]
    side = 128
    cell = index // side
    found = []
    for corner in np.unique(cell, axis=0):
        some = index[(cell == corner).all(1)] - corner * side
        stop = [min(int(c + 1) * side, n) for c, n in zip(corner, carried.shape, strict=True)]
        block = carried[tuple(slice(int(c) * side, b) for c, b in zip(corner, stop, strict=True))].read()
        found.append(block[tuple(some.T)])
    values = np.concatenate(found) if found else np.zeros(0, ids.dtype)
    counts = np.zeros(len(ids), np.int64)
    inside = values[values != 0]
    np.add.at(counts, np.searchsorted(ids, inside), 1)
    return counts
