"""Objects that are posted: made, changed, painted, shaved; every check comes before the first byte is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndlab.annotations import Annotation
from ndlab.annotations.kinds import KINDS, holds
from ndlab.errors import BadRequest, NdlabError, OutOfBounds, Problems, TooLarge
from ndlab.geometry import Box
from ndlab.serve.grammar.calls import Write
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.fields import from_wire, text_of
from ndlab.serve.ramon.sent import Brush, Sent

__all__ = ["post"]

Array = np.ndarray[Any, Any]
# Voxels of one request that become lists, 24 bytes each; a cut-out of one object is painted as it is.
_MOST_VOXELS = 32 << 20


# What an object looks like, in voxels of the labels: a list (n, 3), or a box and a mask.
Shape = Array | tuple[Box, Array]


def post(behind: Behind, asked: Write, sent: Sequence[Sent]) -> list[int]:
    """Write objects, all or none, and return their ids in the order given.

    Raises
    ------
    NdlabError
        For what is wrong with them; nothing is written.
    """
    if asked.dataonly or asked.mode == "reduce":
        return _paint_only(behind, asked, sent)
    return _update(behind, asked, sent) if asked.update else _create(behind, asked, sent)


def _create(behind: Behind, asked: Write, sent: Sequence[Sent]) -> list[int]:
    made = [_made(behind, one) for one in sent]
    shapes = [_shape(behind, one.brush, kind) for one, kind in zip(sent, made, strict=True)]
    ids: list[int] = behind.annotations.add(made, note="post", **_looks(behind, asked, shapes)).tolist()
    return ids


def _looks(behind: Behind, asked: Write, shapes: Sequence[Shape | None]) -> dict[str, Any]:
    """Return what objects look like, for the transaction that writes them."""
    if all(one is None for one in shapes):
        return {}
    _check_count(sum(_size(one) for one in shapes), _MOST_VOXELS if len(shapes) > 1 else 16 * _MOST_VOXELS)
    return {"voxels": list(shapes), "mode": asked.mode, "volume": behind.volume}


def _made(behind: Behind, one: Sent) -> Annotation:
    kind = one.kind or "generic"
    values = from_wire(kind, one.fields, behind.frame)
    return _told(one, lambda: KINDS[kind](id=one.id, keys=dict(one.keys or {}), **values))


def _told(one: Sent, make: Callable[[], Annotation]) -> Annotation:
    """Say of which object what is wrong."""
    try:
        return make()
    except Problems:
        raise
    except NdlabError as error:
        raise type(error)(f"object {one.name[:50]!r}: {error.asked}", error.exists, error.remedy) from None


def _update(behind: Behind, asked: Write, sent: Sequence[Sent]) -> list[int]:
    _unique(sent)
    ids = [one.id for one in sent]
    known: list[Annotation] = behind.annotations.get(ids)
    changed = [_changed(behind, one, old) for one, old in zip(sent, known, strict=True)]
    shapes = [_shape(behind, one.brush, old) for one, old in zip(sent, known, strict=True)]
    behind.annotations.update(changed, note="post", **_looks(behind, asked, shapes))
    return ids


def _changed(behind: Behind, one: Sent, old: Annotation) -> Annotation:
    """Return an object with the fields that were posted; what was not said of it stays."""
    if one.kind is not None and one.kind != old.kind:
        raise BadRequest(f"object {old.id} as a {one.kind}", f"it is a {old.kind}", "delete it, and post another")
    values = {name: old.__dict__[name] for name in holds(old.kind)}
    values |= from_wire(old.kind, one.fields, behind.frame)
    if one.keys is not None:
        values["keys"] = {key: _kept(old.keys.get(key), value) for key, value in one.keys.items()}
    return _told(one, lambda: type(old)(**values))


def _kept(old: Any, new: Any) -> Any:
    """Keep the number that a text says, where a file that knows text alone brings it back."""
    return old if old is not None and text_of(old) == new else new


def _paint_only(behind: Behind, asked: Write, sent: Sequence[Sent]) -> list[int]:
    _unique(sent)
    empty = next((one.name for one in sent if one.brush is None), None)
    if empty is not None:
        raise BadRequest(f"object {empty[:50]!r} without voxels", "dataonly and reduce write voxels alone",
                         "add VOXELS, or CUTOUT and XYZOFFSET")  # fmt: skip
    ids = [one.id for one in sent]
    known: list[Annotation] = behind.annotations.get(ids)
    shapes = [_shape(behind, one.brush, old) for one, old in zip(sent, known, strict=True)]
    behind.annotations.update(known, note="post", **_looks(behind, asked, shapes))
    return ids


def _unique(sent: Sequence[Sent]) -> None:
    nameless = next((one.name for one in sent if one.id == 0), None)
    if nameless is not None:
        raise BadRequest(f"object {nameless[:50]!r}", "what is there already is named by its id",
                         "name the group by the id")  # fmt: skip
    if len({one.id for one in sent}) < len(sent):
        raise BadRequest("an object that is given twice", "each id is given once")


# --- voxels ---------------------------------------------------------------------------------------------------------


def _shape(behind: Behind, brush: Brush | None, one: Any) -> Shape | None:
    """Return what of the labels a brush covers, after every check."""
    if brush is None:
        return None
    behind.refuse_paint(one)
    grid = behind.frame.writable_grid(brush.level)
    offset, factor, shift = (np.array(v) for v in (grid.level.offset, grid.factor, grid.shift))
    boxes = [_enlarged((np.array(corner) - offset) * factor + shift, mask, grid.factor) for corner, mask in brush.boxes]
    if len(boxes) == 1 and brush.voxels is None:
        _check_inside(behind, one, boxes[0][0].start, boxes[0][0].stop)
        return boxes[0]
    listed = [] if brush.voxels is None else [_replicated(brush.voxels - offset, factor) + shift]
    _check_count(sum(map(len, listed)) + sum(map(_size, boxes)), _MOST_VOXELS)
    listed += [np.argwhere(mask) + np.array(box.start) for box, mask in boxes]
    voxels = np.concatenate(listed)
    if len(voxels):
        _check_inside(behind, one, voxels.min(0).tolist(), (voxels.max(0) + 1).tolist())
    return voxels


def _enlarged(start: Array, mask: Array, factor: Sequence[int]) -> tuple[Box, Array]:
    """Return the box that begins at `start`, and a mask each of whose voxels is as many as `factor` says."""
    _check_count(int(np.prod(factor)) * mask.size, 16 * _MOST_VOXELS)
    for axis, times in enumerate(factor):
        mask = np.repeat(mask, times, axis) if times > 1 else mask
    return Box(start.tolist(), (start + np.array(mask.shape)).tolist()), mask


def _replicated(voxels: Array, factor: Array) -> Array:
    """Return the fine voxels of coarse ones."""
    if (factor == 1).all() or not len(voxels):
        return voxels
    _check_count(len(voxels) * int(factor.prod()), _MOST_VOXELS)
    inside = np.stack(np.meshgrid(*(np.arange(n) for n in factor), indexing="ij"), -1).reshape(1, -1, 3)
    found: Array = (voxels[:, None] * factor + inside).reshape(-1, 3)
    return found


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise TooLarge(f"{count} voxels in one request", f"{most} are painted at once", "post them in several",
                       nbytes=24 * count, limit=24 * most)  # fmt: skip


def _check_inside(behind: Behind, one: Any, start: Sequence[int], stop: Sequence[int]) -> None:
    shape = behind.paint.chunking.shape
    if any(a < 0 for a in start) or any(b > n for b, n in zip(stop, shape, strict=True)):
        raise OutOfBounds(f"voxels of object {one.id or 'without id'} leave {behind.title}",
                          behind.frame.levels[0].extent,
                          "give x, y and z, counted from the offset of the data set")  # fmt: skip


def _size(shape: Shape | None) -> int:
    if shape is None:
        return 0
    return int(np.count_nonzero(shape[1])) if isinstance(shape, tuple) else len(shape)
