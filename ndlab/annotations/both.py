"""Changes of both halves: objects with their voxels, within one transaction that holds the journals of all volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations import changes
from ndlab.annotations.drawing import as_mode, box_stroke, paint_id, voxel_strokes
from ndlab.annotations.ids import as_ids
from ndlab.annotations.kinds import Annotation
from ndlab.annotations.ledger import Ledger
from ndlab.annotations.query import Query
from ndlab.annotations.strokes import Mode, Stroke
from ndlab.annotations.writing import Write
from ndlab.errors import BadRequest, NotFound
from ndlab.geometry import Box

if TYPE_CHECKING:
    from ndlab.annotations.owned import OwnedPaint

__all__ = ["delete", "merge", "shapes", "update"]


def shapes(paint: OwnedPaint, ids: Sequence[int], voxels: Any, mode: str) -> list[Stroke]:
    """Return the strokes that paint objects, from what each looks like, in their order or by id."""
    if isinstance(voxels, Mapping):
        strange = [one for one in voxels if one not in set(ids)]
        if strange:
            raise BadRequest(f"voxels of {strange[:10]}", "no such object is among those that are written",
                             "pass them in the order of the objects, or by their ids")  # fmt: skip
        pairs = [(one, voxels[one]) for one in ids if one in voxels]
    elif len(voxels) != len(ids):
        raise BadRequest(f"{len(ids)} objects and {len(voxels)} shapes", "each object has one, or None",
                         "pass a mapping from id to voxels to paint some of them")  # fmt: skip
    else:
        pairs = list(zip(ids, voxels, strict=True))
    how, found = as_mode(mode), [(paint_id(one, paint.dtype), what) for one, what in pairs if what is not None]
    if all(isinstance(what, np.ndarray) for _, what in found):
        return voxel_strokes(*_apart(found), how, paint.chunking.shape) if found else []
    return [stroke for one, what in found for stroke in _shape(paint, one, what, how)]


def _apart(found: Sequence[tuple[int, Any]]) -> tuple[list[int], list[Any]]:
    return [one for one, _ in found], [what for _, what in found]


def _shape(paint: OwnedPaint, one: int, what: Any, mode: Mode) -> list[Stroke]:
    shape = paint.chunking.shape
    if isinstance(what, Box):
        return [box_stroke(one, what, mode, shape)]
    if isinstance(what, tuple) and len(what) == 2 and isinstance(what[0], Box):
        return [box_stroke(one, what[0], mode, shape, what[1])]
    return voxel_strokes([one], [what], mode, shape)


def update(
    write: Write, paint: OwnedPaint, what: Any, chooser: Callable[[Any], Callable[[Any], Any]],
    voxels: Any, mode: str, values: Mapping[str, Any],
) -> int:  # fmt: skip
    """Change objects, if there is something to change, and paint them; return how many were meant."""
    listed = list(what) if isinstance(what, Iterable) and not isinstance(what, Query | np.ndarray) else what
    objects = [listed] if isinstance(listed, Annotation) else listed
    ids = as_ids(chooser(listed)(write.connection))
    if values:
        changes.update_fields(write, lambda _: ids, values)
    elif isinstance(objects, list) and all(isinstance(one, Annotation) for one in objects):
        changes.update_objects(write, objects)
    else:
        changes.missing(ids, write.there(ids))
    write.paint(paint, shapes(paint, ids, voxels, mode))
    return len(ids)


def delete(ledger: Ledger, write: Write, choose: Callable[[Any], Any]) -> int:
    """Take objects and their voxels away, all or none; return how many. What names them keeps doing so."""
    ids = as_ids(choose(write.connection))
    paints = [ledger.paint(one) for one in ledger.volumes(write.connection)]
    lacking = _lacking(write, ids) if paints else []
    painted = _painted(paints, lacking)
    changes.delete(write, lambda _: [one for one in ids if one not in painted])
    write.count += len(painted)
    _relabel(write, paints, ids, 0)
    return len(ids)


def merge(ledger: Ledger, write: Write, ids: Sequence[int]) -> int:
    """Fold objects and their voxels into the first, and let everything that named the others name it; return its id."""
    first, *others = as_ids(ids)
    paints = [ledger.paint(one) for one in ledger.volumes(write.connection)]
    lacking = _lacking(write, [first, *others]) if paints else []
    painted = _painted(paints, lacking)
    if first in painted and len(painted) <= len(others):
        raise NotFound(f"object {first}, into which others were to be merged", "it has voxels, and no row as they have",
                       "give it one with ann.add, or merge into another", ids=[first])  # fmt: skip
    if first not in painted:
        changes.merge(write, [one for one in (first, *others) if one not in painted])
    _relabel(write, paints, others, first)
    return first


def _lacking(write: Write, ids: Sequence[int]) -> list[int]:
    there = write.there(ids)
    return [one for one in ids if one not in there]


def _painted(paints: Sequence[OwnedPaint], ids: Sequence[int]) -> set[int]:
    """Return those of `ids` that have voxels."""
    return {one for one in ids if any(paint.places(one) for paint in paints if one <= np.iinfo(paint.dtype).max)}


def _relabel(write: Write, paints: Sequence[OwnedPaint], ids: Sequence[int], one: int) -> None:
    for paint in paints:
        mine = [each for each in ids if each <= np.iinfo(paint.dtype).max]
        stroke = paint.relabelling(mine, one)
        if mine and len(stroke.data[1]):
            if one:
                paint_id(one, paint.dtype)
            write.paint(paint, [stroke])
