"""Objects in the founding store's HDF5: a group for each id, its fields in METADATA, its voxels beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.annotations import Annotation
from ndlab.annotations.ids import LARGEST
from ndlab.errors import BadRequest
from ndlab.geometry import Int3
from ndlab.serve import posted
from ndlab.serve.ramon.fields import field_called, names_of, text_of, to_wire, type_of
from ndlab.serve.ramon.frame import Frame

__all__ = [
    "Brush", "Found", "Sent", "box_of", "exceptions_of", "ids_of", "listed", "packed_ids", "read", "rows", "write",
]  # fmt: skip

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


@dataclass(frozen=True)
class Found:
    """One object that is answered, with what is known of its voxels: names of data sets, or groups of them."""

    one: Annotation
    derived: Mapping[str, Sequence[int]] = field(default_factory=dict)
    voxels: Mapping[str, Any] = field(default_factory=dict)


# --- out ------------------------------------------------------------------------------------------------------------


def write(found: Iterable[Found], frame: Frame) -> bytes:
    """Return the file of some objects."""
    import h5py

    out = io.BytesIO()
    text = h5py.string_dtype()
    with h5py.File(out, "w", libver="latest") as file:
        for item in found:
            group = file.create_group(str(item.one.id))
            group.create_dataset("ANNOTATION_TYPE", data=np.array([item.one.code], np.uint32))
            _metadata(group.create_group("METADATA"), item, frame, text)
            _fill(group, item.voxels)
    return out.getvalue()


def _metadata(group: Any, item: Found, frame: Frame, text: Any) -> None:
    values = to_wire(item.one, frame)
    for name in names_of(item.one.kind):
        value = values[name.field]
        if isinstance(value, str):
            group.create_dataset(name.hdf5, data=[value], dtype=text)
        elif not isinstance(value, list):
            group.create_dataset(name.hdf5, data=_array([value]))
        elif value:
            group.create_dataset(name.hdf5, data=_array(value))
    group.create_dataset("KVPAIRS", data=[keys_text(item.one.keys)], dtype=text)
    for name_, ids in item.derived.items():
        if ids:
            group.create_dataset(name_.upper(), data=_array(list(ids)))


def _fill(group: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            _fill(group.create_group(name), value)
        elif value.size > 512:
            group.create_dataset(name, data=value, compression="gzip", compression_opts=1)
        else:
            group.create_dataset(name, data=value)


def _array(values: Sequence[Any]) -> Array:
    """Return numbers as the founding store kept them, 32 bits without sign, or wider where they do not fit."""
    if any(isinstance(one, float) for one in values):
        return np.array(values, np.float64)
    return packed_ids(values)


def packed_ids(values: Any) -> Array:
    """Return whole numbers in the narrowest of uint32, int64 and uint64 that holds them.

    Examples
    --------
    >>> [packed_ids(v).dtype.name for v in ([1], [-1], [2**32], [2**63])]
    ['uint32', 'int64', 'int64', 'uint64']
    """
    found = np.asarray(values)
    if found.dtype.kind not in "iu":
        found = np.array(values, np.uint64)
    low, high = (int(found.min()), int(found.max())) if found.size else (0, 0)
    kind = np.uint32 if low >= 0 and high < 1 << 32 else np.int64 if high < 1 << 63 else np.uint64
    return found.astype(kind, copy=False)


def rows(item: Found, frame: Frame) -> list[tuple[str, str]]:
    """Return an object as names and values in order, fields among the voxels' facts where METADATA stands."""
    values = to_wire(item.one, frame)
    fields = {name.hdf5: values[name.field] for name in names_of(item.one.kind)}
    fields |= {name.upper(): list(ids) for name, ids in item.derived.items()}
    fields |= {"KVPAIRS": keys_text(item.one.keys)}
    before = [("ANNOTATION_TYPE", item.one.code)]
    inside = sorted((name, value) for name, value in fields.items() if value != [])
    return [(name, _cell(value)) for name, value in [*before, *inside, *sorted(item.voxels.items())]]


def _cell(value: Any) -> str:
    if isinstance(value, list | np.ndarray):
        items = np.asarray(value).reshape(-1).tolist()
        return str(items[0]) if len(items) == 1 else "[" + " ".join(map(str, items)) + "]"
    return str(value)


def keys_text(keys: Mapping[str, Any]) -> str:
    """Write free keys as lines of key and value, quoted as CSV."""
    out = io.StringIO()
    csv.writer(out).writerows((key, text_of(value)) for key, value in keys.items())
    return out.getvalue()


def ids_of(ids: Array) -> bytes:
    """Return the file of a list of ids: ANNOIDS, or nothing where there are none."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        if len(ids):
            file.create_dataset("ANNOIDS", data=packed_ids(ids))
    return out.getvalue()


def exceptions_of(rows: Sequence[Sequence[int]]) -> bytes:
    """Return the file of voxels that several objects claim: x, y, z, and their ids, the first one that is shown."""
    import h5py

    width = max((len(row) for row in rows), default=3)
    values = np.zeros((len(rows), width), np.uint64)
    for line, row in zip(values, rows, strict=True):
        line[: len(row)] = row
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_dataset("exceptions", data=packed_ids(values), compression="gzip" if len(rows) else None)
    return out.getvalue()


# --- in -------------------------------------------------------------------------------------------------------------


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
