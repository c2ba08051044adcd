"""Objects in the founding store's HDF5: a group for each id, its fields in METADATA, its voxels beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.annotations import Annotation
from ndlab.serve.ramon.fields import names_of, text_of, to_wire
from ndlab.serve.ramon.frame import Frame

__all__ = ["Found", "exceptions_of", "ids_of", "packed_ids", "rows", "write"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Found:
    """One object that is answered, with what is known of its voxels: names of data sets, or groups of them."""

    one: Annotation
    derived: Mapping[str, Sequence[int]] = field(default_factory=dict)
    voxels: Mapping[str, Any] = field(default_factory=dict)


def write(found: Iterable[Found], frame: Frame) -> bytes:
    """Return the file of some objects."""
    import h5py

    out = io.BytesIO()
    text = h5py.string_dtype()
    with h5py.File(out, "w") as file:
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
