"""Objects that are made of others: a neuron is where its segments are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.ids import as_id
from ndlab.errors import NotFound
from ndlab.geometry import Box

if TYPE_CHECKING:
    from ndlab.annotations.asked import Asked
    from ndlab.annotations.painted import Painted

__all__ = ["bounding_box", "cutout", "parts", "voxels"]

# Of each kind that is made of others, the derived field that names them.
_MADE_OF = {"neuron": "segments"}


def parts(ann: Asked, one: Any) -> tuple[int, ...]:
    """Return an object's id and those of the objects that it is made of, and they of others."""
    found: dict[int, None] = {}
    left = [as_id(one)]
    while left:
        number = left.pop()
        if number in found:
            continue
        found[number] = None
        known = next(iter(ann.where(id=number)), None)
        if known is not None and known.kind in _MADE_OF:
            left += reversed(ann.derived(known, _MADE_OF[known.kind]))
    return tuple(found)


def voxels(ann: Asked, one: Any, volume: str | None) -> np.ndarray[Any, Any]:
    """Return the voxels (n, 3) of an object, those of its parts among them, in C order, each once."""
    paint, mine = _painted(ann, volume), parts(ann, one)
    if len(mine) == 1:
        return paint.voxels(mine[0])
    found: np.ndarray[Any, Any] = np.unique(np.concatenate([paint.voxels(each) for each in mine]), axis=0)
    return found


def cutout(ann: Asked, one: Any, box: Box | None, volume: str | None) -> tuple[Box, np.ndarray[Any, Any]]:
    """Return a box and the object in it with its parts, its id where they are."""
    return _painted(ann, volume).union(parts(ann, one), as_id(one), box)


def bounding_box(ann: Asked, one: Any, volume: str | None) -> Box:
    """Return the smallest box that holds an object with its parts."""
    paint = _painted(ann, volume)
    boxes = [paint.bounding_box(each) for each in parts(ann, one) if paint.places(each)]
    if not boxes:
        raise NotFound(f"object {one} has no voxels", f"neither has any of {len(parts(ann, one)) - 1} parts",
                       "ann.paint.write(id, voxels) gives it some")  # fmt: skip
    whole = boxes[0]
    for box in boxes[1:]:
        whole = whole | box
    return whole


def _painted(ann: Asked, volume: str | None) -> Painted:
    found: Painted = ann.paint if volume is None else ann.paints[volume]
    return found
