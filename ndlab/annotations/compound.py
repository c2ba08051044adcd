"""Objects that are made of others: a neuron is where its segments are."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.ids import as_id
from ndlab.errors import NotFound
from ndlab.geometry import Box

if TYPE_CHECKING:
    from ndlab.annotations.asked import Asked
    from ndlab.annotations.painted import Painted

__all__ = ["bounding_box", "cutout", "parts", "voxels"]


def parts(ann: Asked, one: Any) -> tuple[int, ...]:
    """Return an object's id and, if it is a neuron, those of its segments; no other kind is made of others."""
    number = as_id(one)
    known = next(iter(ann.where(id=number)), None)
    return (number, *ann.derived(known, "segments")) if known is not None and known.kind == "neuron" else (number,)


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
    return reduce(or_, boxes)


def _painted(ann: Asked, volume: str | None) -> Painted:
    found: Painted = ann.paint if volume is None else ann.paints[volume]
    return found
