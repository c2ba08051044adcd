"""From what a caller gives (voxels, a box, a mask, labels) to strokes, or a refusal before anything is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ndlab.annotations.ids import as_id
from ndlab.annotations.strokes import Mode, Shape, Stroke
from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Box

__all__ = ["MODES", "as_mode", "box_stroke", "cutout_stroke", "paint_id", "voxel_strokes"]

MODES = {"overwrite": Mode.OVERWRITE, "preserve": Mode.PRESERVE, "except": Mode.EXCEPT, "reduce": Mode.REDUCE}
Voxels = np.ndarray[Any, Any]


def as_mode(mode: str) -> Mode:
    """Read a conflict mode by its word."""
    if mode not in MODES:
        raise BadRequest(f"mode={mode!r}", f"modes are {', '.join(map(repr, MODES))}", 'pass mode="overwrite"')
    return MODES[mode]


@cache
def _largest(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).max)


def paint_id(value: Any, dtype: np.dtype[Any]) -> int:
    """Read an id that the labels can hold."""
    found = as_id(value)
    if found > _largest(dtype):
        raise BadRequest(f"id {found}", f"the labels are {dtype} and hold ids up to {np.iinfo(dtype).max}",
                         "paint into a volume of uint64")  # fmt: skip
    return found


def voxel_strokes(ids: Sequence[int], lists: Sequence[Any], mode: Mode, shape: Sequence[int]) -> list[Stroke]:
    """Return one stroke for each id and its voxels, (n, 3) whole numbers (z, y, x)."""
    if len(ids) != len(lists):
        raise BadRequest(f"{len(ids)} ids and {len(lists)} lists of voxels", "each object has one list")
    arrays = [_as_voxels(one) for one in lists]
    counts = np.array([len(one) for one in arrays])
    if not counts.sum():
        return [Stroke(mode, Shape.VOXELS, i, (0, 0, 0), (np.empty((0, 3), "u2"),)) for i in ids]
    flat = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    full = np.flatnonzero(counts)
    firsts = (np.cumsum(counts) - counts)[full]
    low, high = np.zeros((len(ids), 3), "i8"), np.zeros((len(ids), 3), "i8")
    for axis in range(3):
        column = np.ascontiguousarray(flat[:, axis])
        low[full, axis] = np.minimum.reduceat(column, firsts)
        high[full, axis] = np.maximum.reduceat(column, firsts)
    if (low < 0).any() or (high >= np.asarray(shape)).any():
        bad = int(np.flatnonzero((low < 0).any(1) | (high >= np.asarray(shape)).any(1))[0])
        raise OutOfBounds(
            f"voxels of object {ids[bad]} from {tuple(low[bad].tolist())} to {tuple(high[bad].tolist())}",
            f"the labels span {tuple(shape)} (z, y, x)",
            "check that the order is not (x, y, z), and that they are voxels and not nm",
        )
    wide = np.uint16 if int((high - low).max()) < 1 << 16 else np.uint32
    offsets = (flat - np.repeat(low, counts, axis=0)).astype(wide)
    ends = np.cumsum(counts).tolist()
    return [
        Stroke(mode, Shape.VOXELS, i, (a, b, c), (offsets[end - n : end],))
        for i, (a, b, c), end, n in zip(ids, low.tolist(), ends, counts.tolist(), strict=True)
    ]


def _as_voxels(values: Any) -> Voxels:
    found = np.asarray(values)
    if found.size == 0:
        return np.empty((0, 3), "i8")
    if found.ndim != 2 or found.shape[1] != 3 or found.dtype.kind not in "iu":
        raise BadRequest(
            f"voxels of shape {found.shape} and type {found.dtype}",
            "voxels are an array (n, 3) of whole numbers (z, y, x)",
            "np.argwhere(mask) + box.start gives them for a mask",
        )
    return found if found.dtype.kind == "i" else found.astype("i8")


def box_stroke(one: int, box: Box, mode: Mode, shape: Sequence[int], mask: Any = None) -> Stroke:
    """Return the stroke that paints all of a box, or where `mask` is not 0."""
    _check_box(box, shape)
    if mask is None:
        return Stroke(mode, Shape.BOX, one, box.start, box.shape)
    return Stroke(mode, Shape.MASK, one, box.start, (_shaped(mask, box) != 0,))


def cutout_stroke(box: Box, values: Any, mode: Mode, shape: Sequence[int], dtype: np.dtype[Any]) -> Stroke:
    """Return the stroke that paints a dense cut-out of ids; 0 leaves voxels alone."""
    _check_box(box, shape)
    array = _shaped(values, box)
    if array.dtype.kind not in "iu" or (
        array.size and (int(array.min()) < 0 or int(array.max()) > np.iinfo(dtype).max)
    ):
        raise BadRequest(f"a cut-out of {array.dtype}", f"it holds ids, whole numbers from 0 to {np.iinfo(dtype).max}")
    return Stroke(mode, Shape.CUTOUT, 0, box.start, (np.ascontiguousarray(array, "u8"),))


def _shaped(values: Any, box: Box) -> Voxels:
    array = np.asarray(values)
    if array.shape != box.shape:
        raise BadRequest(
            f"a cut-out of shape {array.shape}", f"the box has shape {box.shape}", "give one value a voxel"
        )
    return array


def _check_box(box: Box, shape: Sequence[int]) -> None:
    if not isinstance(box, Box):
        raise BadRequest(f"box {box!r}"[:200], "a box is a Box, in voxels of level 0", "pass ndlab.Box(start, stop)")
    if box.level:
        raise BadRequest(f"a box of level {box.level}", "objects are painted at level 0; coarser levels follow",
                         "pass the box in voxels of level 0")  # fmt: skip
    box.check(shape)
    if not math.prod(box.shape):
        raise BadRequest(f"Box {box.start} to {box.stop}", "it is empty", "give a box with voxels")
