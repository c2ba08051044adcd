"""How the founding store called the fields of each kind: in HDF5, in its two forms of JSON, and in paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ndlab.annotations import Annotation
from ndlab.annotations.kinds import KINDS, holds, kind_of
from ndlab.annotations.words import Flow
from ndlab.errors import BadRequest
from ndlab.serve.ramon.frame import Frame

__all__ = ["COMMON", "Name", "derived_of", "field_called", "from_wire", "names_of", "text_of", "to_wire", "type_of"]


@dataclass(frozen=True)
class Name:
    """One field: its name here, in HDF5 groups, in flat JSON, and in paths and JSON metadata; older names are read."""

    field: str
    hdf5: str
    flat: str
    plain: str
    older: tuple[str, ...] = ()


COMMON = (
    Name("status", "STATUS", "ann_status", "status"),
    Name("confidence", "CONFIDENCE", "ann_confidence", "confidence"),
    Name("author", "AUTHOR", "ann_author", "author"),
)
_OWN: dict[str, tuple[Name, ...]] = {
    "generic": (),
    "synapse": (
        Name("weight", "WEIGHT", "syn_weight", "weight"),
        Name("synapse_type", "SYNAPSE_TYPE", "syn_type", "synapse_type"),
        Name("seeds", "SEEDS", "syn_seeds", "seeds"),
        Name("segments", "SEGMENTS", "syn_segments", "segments"),
        Name("presegments", "PRESEGMENTS", "syn_presegments", "presegments"),
        # The founding server wrote one letter elsewhere.
        Name("postsegments", "POSTSEGMENTS", "syn_postsegments", "postsegments", ("SPOSTEGMENTS",)),
        Name("centroid", "CENTROID", "syn_centroid", "centroid"),
    ),
    "seed": (
        Name("parent", "PARENT", "seed_parent", "parent"),
        Name("position", "POSITION", "seed_position", "position"),
        Name("cube_location", "CUBE_LOCATION", "seed_cubelocation", "cube_location", ("cubelocation",)),
        Name("source", "SOURCE", "seed_source", "source"),
    ),
    "segment": (
        Name("segmentclass", "SEGMENTCLASS", "seg_class", "segmentclass"),
        Name("parentseed", "PARENTSEED", "seg_parentseed", "parentseed"),
        Name("neuron", "NEURON", "seg_neuron", "neuron"),
    ),
    "neuron": (),
    "organelle": (
        Name("organelleclass", "ORGANELLECLASS", "org_class", "organelleclass", ("organelle_class",)),
        Name("segment", "SEGMENT", "org_segment", "segment"),
        Name("centroid", "CENTROID", "org_centroid", "centroid"),
        Name("parentseed", "PARENTSEED", "org_parentseed", "parentseed"),
        Name("seeds", "SEEDS", "org_seeds", "seeds"),
    ),
    "node": (
        Name("node_type", "NODETYPE", "node_type", "nodetype", ("NODE_TYPE",)),
        Name("location", "LOCATION", "node_location", "location"),
        Name("parent", "PARENTID", "node_parent", "parent", ("parentid", "PARENT")),
        Name("radius", "RADIUS", "node_radius", "radius"),
        Name("skeleton", "SKELETONID", "node_skeleton", "skeleton", ("skeletonid", "SKELETON")),
    ),
    "skeleton": (
        Name("skeleton_type", "SKELETONTYPE", "skel_type", "skeletontype", ("SKELETON_TYPE",)),
        Name("rootnode", "ROOTNODE", "skel_rootnode", "rootnode"),
    ),
    "roi": (Name("parent", "PARENT", "roi_parent", "parent"),),
}


@cache
def names_of(kind: str) -> tuple[Name, ...]:
    """Return the stored fields of a kind, the common ones first."""
    return (*COMMON, *_OWN[kind])


def derived_of(kind: str) -> tuple[str, ...]:
    """Return the derived fields of a kind; in HDF5 they are in capitals."""
    return KINDS[kind].derived


@cache
def field_called(kind: str, name: str) -> Name | None:
    """Find the field of a kind by any of its names.

    Examples
    --------
    >>> field_called("node", "parentid").field, field_called("segment", "seg_neuron").field
    ('parent', 'neuron')
    """
    for one in names_of(kind):
        if name in (one.field, one.hdf5, one.flat, one.plain, *one.older):
            return one
    return None


def type_of(value: Any) -> str:
    """Read a type by its number or its name; the founding store called generic objects annotations.

    Examples
    --------
    >>> type_of("2"), type_of("annotation"), type_of(9)
    ('synapse', 'generic', 'roi')
    """
    return kind_of("generic" if str(value).strip().lower() == "annotation" else value).kind


# --- values ---------------------------------------------------------------------------------------------------------

# Sorts of fields that a path says as text, and that are numbers.
_NUMBERS = ("whole", "number", "fraction", "length")
# Places that the founding store counted in voxels; a node's location is in nm, as in the SWC file that it came from.
_VOXELS = ("centroid", "position")


def to_wire(one: Annotation, frame: Frame) -> dict[str, Any]:
    """Return the stored fields of an object as whole numbers, floats, text and lists; points in (x, y, z)."""
    values = one.__dict__
    return {field: values[field] if out is None else out(values[field], frame) for field, out in _plan(one.kind)}


@cache
def _plan(kind: str) -> list[tuple[str, Callable[[Any, Frame], Any] | None]]:
    """Return how each field of a kind goes out; None for one that goes as it is."""
    known = holds(kind)
    return [(name.field, _voxel if name.field in _VOXELS else _OUT.get(known[name.field].sort))
            for name in names_of(kind)]  # fmt: skip


def _voxel(value: Any, frame: Frame) -> list[int]:
    return [] if value is None else list(frame.voxel(value))


def _flows(value: Any, frame: Frame) -> list[Any]:
    pairs = [[target, int(flow)] for target, flow in value]
    return pairs if any(flow for _, flow in pairs) else [target for target, _ in pairs]


_OUT: dict[str, Callable[[Any, Frame], Any]] = {
    "point": lambda value, frame: [] if value is None else list(value[::-1]),
    "flows": _flows,
    "ids": lambda value, frame: list(value),
    "code": lambda value, frame: int(value),
}


def from_wire(kind: str, raw: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    """Return what the fields of `raw`, by their names here, are in an object.

    Raises
    ------
    BadRequest
        For a value that is none; `Annotation` checks the rest.
    """
    known = holds(kind)
    return {field: _in(value, known[field].sort, field, frame) for field, value in raw.items()}


def _in(value: Any, sort: str, field: str, frame: Frame) -> Any:
    if sort == "point":
        return _point(value, field, frame)
    if sort in ("ids", "flows"):
        return _list(value, sort, field)
    single = _single(value, field)
    if sort == "id":
        # Roots of skeletons have the parent -1.
        return max(0, _whole(single, field))
    return _number(single, field) if isinstance(single, str) and sort in _NUMBERS else single


def _point(value: Any, field: str, frame: Frame) -> Any:
    values = _numbers(value, field)
    if not len(values):
        return None
    if len(values) != 3:
        raise BadRequest(f"{field} of {len(values)} numbers", "it is x, y and z")
    x, y, z = values
    return frame.nm((z, y, x)) if field in _VOXELS else (z, y, x)


def _list(value: Any, sort: str, field: str) -> list[Any]:
    items = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(items, str):
        items = [part for part in items.split(",") if part.strip()]
    if not isinstance(items, Sequence):
        items = [items]
    if sort == "ids":
        return [_whole(one, field) for one in items]
    return [_flow(one, field) for one in items]


def _flow(one: Any, field: str) -> tuple[int, int]:
    if not isinstance(one, Sequence) or isinstance(one, str):
        return _whole(one, field), int(Flow.UNKNOWN)
    if len(one) != 2:
        raise BadRequest(f"{field} {one!r}"[:200], "each is an id, or an id and a direction")
    return _whole(one[0], field), one[1]


def _single(value: Any, field: str) -> Any:
    items = value.reshape(-1).tolist() if isinstance(value, np.ndarray) else value
    if isinstance(items, list | tuple):
        if len(items) != 1:
            raise BadRequest(f"{field} of {len(items)} values", "it has one")
        items = items[0]
    if isinstance(items, bytes):
        return _decoded(items, field)
    return items


def _decoded(raw: bytes, field: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{field} {raw!r}"[:200], "it is text in UTF-8") from None


def _number(text: str, field: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise BadRequest(f"{field} {text!r}"[:200], "it is a number") from None
    return int(found) if np.isfinite(found) and found == int(found) else found


def _whole(value: Any, field: str) -> int:
    try:
        number = int(value)
        if isinstance(value, bool) or (not isinstance(value, str) and number != value):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(f"{field} {value!r}"[:200], "it is a whole number") from None
    return number


def _numbers(value: Any, field: str) -> list[float]:
    items = value.split(",") if isinstance(value, str) else value
    try:
        found = [] if items is None else np.asarray(items, np.float64).reshape(-1).tolist()
    except (TypeError, ValueError):
        found = [np.nan]
    if not all(np.isfinite(found)):
        raise BadRequest(f"{field} {value!r}"[:200], "it is three numbers")
    return found


def text_of(value: Any) -> str:
    """Write a value as one text, as ``getField`` answers; lists have commas.

    Examples
    --------
    >>> text_of([1, 2]), text_of(0.5), text_of(True), text_of([[7, 1], [8, 2]])
    ('1,2', '0.5', 'true', '7,8')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(text_of(one[0] if isinstance(one, list) else one) for one in value)
    return str(value)
