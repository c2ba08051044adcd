"""Objects that were posted, and how they are read from the founding store's HDF5."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.annotations.ids import LARGEST
from ndlab.errors import BadRequest
from ndlab.geometry import Int3
from ndlab.serve import posted
from ndlab.serve.ramon.fields import field_called, type_of

__all__ = ["Brush", "Sent", "box_of", "listed", "read"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Brush:
    """Voxels that were posted with an object, (z, y, x) as paths count at a level: listed, or boxes with a mask."""

    level: int
    voxels: Array | None = None
    boxes: tuple[tuple[Int3, Array], ...] = ()


@dataclass(frozen=True)
class Sent:
    """One object that was posted; `kind` and `keys` are None where nothing is said of them."""

    name: str
    id: int = 0
    kind: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] | None = None
    brush: Brush | None = None


def read(body: bytes, limit: int) -> list[Sent]:
    """Return the objects of a posted file, in its order.

    Raises
    ------
    BadRequest
        If it is none, or holds none.
    TooLarge
        If it decodes to more than `limit` bytes.
    """
    import h5py

    budget = posted.Budget(limit)
    found = []
    with posted.opened(body) as file:
        for name, group in posted.members(file):
            if not isinstance(group, h5py.Group):
                raise BadRequest(f"{name[:100]!r} in the posted file", "it is no group",
                                 "a file of objects has a group for each, named by its id")  # fmt: skip
            found.append(_sent(name, group, budget))
    if not found:
        raise BadRequest("a file without objects", "it has a group for each, named by its id")
    return found


def _sent(name: str, group: Any, budget: posted.Budget) -> Sent:
    kind = _kind(group, budget)
    # What is no number asks for a new id.
    one = int(name) if name.isascii() and name.isdigit() and len(name) <= 20 else 0
    if one > LARGEST:
        raise BadRequest(f"object {name}", "an id is a whole number up to 2**64 - 1")
    metadata = _group(group, "METADATA")
    fields, keys = ({}, None) if metadata is None else _described(metadata, kind, budget)
    return Sent(name, one, kind, fields, keys, _brush(group, budget))


def _kind(group: Any, budget: posted.Budget) -> str | None:
    found = posted.values(group, "ANNOTATION_TYPE", budget)
    if found is None or not found.size:
        return None
    return type_of(int(found.reshape(-1)[0]) if found.dtype.kind in "iu" else found.reshape(-1)[0])


def _described(group: Any, kind: str | None, budget: posted.Budget) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Read the fields of a kind; what other kinds have, and what is computed, is left where it is."""
    fields: dict[str, Any] = {}
    for name in group:
        known = field_called(kind or "generic", name)
        if known is not None:
            fields[known.field] = posted.values(group, name, budget)
    text = posted.values(group, "KVPAIRS", budget)
    return fields, None if text is None else _keys(text)


def _keys(values: Array) -> dict[str, str]:
    texts = [one.decode() if isinstance(one, bytes) else str(one) for one in values.reshape(-1).tolist()]
    try:
        rows = [row for text in texts for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise BadRequest("KVPAIRS", f"its lines are no CSV: {error}") from None
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong is not None:
        raise BadRequest(f"KVPAIRS line {','.join(wrong)!r}"[:200], "each line is a key, a comma and a value")
    return {key: value for key, value in rows if key}


def _brush(group: Any, budget: posted.Budget) -> Brush | None:
    level = _scalar(group, "RESOLUTION", budget)
    voxels = posted.values(group, "VOXELS", budget)
    boxes = [*_box(group, "CUTOUT", budget), *_cuboids(group, budget)]
    if voxels is None and not boxes:
        return None
    return Brush(level, None if voxels is None else _points(voxels), tuple(boxes))


def _scalar(group: Any, name: str, budget: posted.Budget) -> int:
    found = posted.values(group, name, budget)
    if found is None:
        return 0
    if found.size != 1 or found.dtype.kind not in "iu":
        raise BadRequest(f"{name} of {found.size} values of type {found.dtype}", "it is one whole number")
    return int(found.reshape(-1)[0])


def _points(values: Array) -> Array:
    if not values.size:
        return np.empty((0, 3), np.int64)
    if values.ndim != 2 or values.shape[1] != 3 or values.dtype.kind not in "iu":
        raise BadRequest(f"VOXELS of shape {values.shape} and type {values.dtype}", "they are n lines of x, y and z")
    return values.astype(np.int64)[:, ::-1]


def _box(group: Any, name: str, budget: posted.Budget) -> list[tuple[Int3, Array]]:
    values = posted.values(group, name, budget)
    if values is None or not values.size:
        return []
    corner = posted.values(group, "XYZOFFSET", budget)
    if values.ndim != 3 or values.dtype.kind not in "biuf":
        raise BadRequest(f"{name} of shape {values.shape} and type {values.dtype}",
                         "it is z by y by x, and not 0 where the object is")  # fmt: skip
    if corner is None or corner.size != 3 or corner.dtype.kind not in "iu":
        raise BadRequest(f"{name} without XYZOFFSET", "where it begins has to be known", "add x, y and z as XYZOFFSET")
    x, y, z = corner.reshape(-1).tolist()
    return [((z, y, x), values != 0)]


def _cuboids(group: Any, budget: posted.Budget) -> list[tuple[Int3, Array]]:
    inner = _group(group, "CUBOIDS")
    if inner is None:
        return []
    return [box for name in inner for box in _box(_group(inner, name), "CUBOID", budget)]


def _group(group: Any, name: str) -> Any:
    import h5py

    found = posted.member(group, name)
    if found is not None and not isinstance(found, h5py.Group):
        raise BadRequest(f"{name[:100]} in the posted file", "it is no group")
    return found


def listed(body: bytes) -> list[int]:
    """Return the ids that a posted file lists as ANNOIDS."""
    with posted.opened(body) as file:
        found = posted.values(file, "ANNOIDS", posted.Budget(1 << 24))
    if found is None or found.dtype.kind not in "iu":
        raise BadRequest("a body of ids as hdf5", "it lists them as ANNOIDS, whole numbers")
    ids: list[int] = found.reshape(-1).tolist()
    return ids


def box_of(body: bytes) -> tuple[int, Int3, Int3]:
    """Return level, corner and size (z, y, x) of the box that a posted file restricts a query to."""
    budget = posted.Budget(1 << 16)
    with posted.opened(body) as file:
        level = _scalar(file, "RESOLUTION", budget)
        corner, size = (posted.values(file, name, budget) for name in ("XYZOFFSET", "CUTOUTSIZE"))
    if any(one is None or one.size != 3 or one.dtype.kind not in "iu" for one in (corner, size)):
        raise BadRequest("a box as HDF5", "it has RESOLUTION, and three whole numbers x, y, z as XYZOFFSET and as "
                         "CUTOUTSIZE")  # fmt: skip
    assert corner is not None
    assert size is not None
    (x, y, z), (width, height, depth) = corner.reshape(-1).tolist(), size.reshape(-1).tolist()
    return level, (z, y, x), (depth, height, width)
