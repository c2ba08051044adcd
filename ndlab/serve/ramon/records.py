"""Objects as the founding Python client gave them: classes of its names, whose attributes may be set and posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = [
    "ROI", "AnnotationType", "RAMONBase", "RAMONGeneric", "RAMONNeuron", "RAMONNode", "RAMONOrganelle", "RAMONSeed",
    "RAMONSegment", "RAMONSkeleton", "RAMONSynapse", "RAMONVolume", "from_json", "to_json",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class RAMONBase:
    """What every object has; `id` is text, as the client gave it, and 0 or empty for one that has none yet."""

    id: str | int = 0
    confidence: float = 0.0
    kvpairs: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    author: str = ""


@dataclass
class RAMONVolume(RAMONBase):
    """An object with voxels: `cutout` is (x, y, z), `xyz_offset` its first voxel, at level `resolution`."""

    xyz_offset: tuple[int, int, int] = (0, 0, 0)
    resolution: int = 0
    cutout: Array | None = None


@dataclass
class RAMONGeneric(RAMONVolume):
    """Anything that is none of the others."""


@dataclass
class RAMONSynapse(RAMONVolume):
    """A synapse; places are voxels (x, y, z)."""

    synapse_type: int = 0
    weight: float = 0.0
    seeds: list[int] = field(default_factory=list)
    segments: list[Any] = field(default_factory=list)
    presegments: list[int] = field(default_factory=list)
    postsegments: list[int] = field(default_factory=list)
    centroid: list[int] = field(default_factory=list)


@dataclass
class RAMONSeed(RAMONBase):
    """A point from which a segmentation grows."""

    parent: int = 0
    position: list[int] = field(default_factory=list)
    cube_location: int = 0
    source: int = 0


@dataclass
class RAMONSegment(RAMONVolume):
    """A piece of a neuron; synapses and organelles are computed by the server."""

    segmentclass: int = 0
    parentseed: int = 0
    neuron: int = 0
    synapses: list[int] = field(default_factory=list)
    presynapses: list[int] = field(default_factory=list)
    postsynapses: list[int] = field(default_factory=list)
    organelles: list[int] = field(default_factory=list)


@dataclass
class RAMONNeuron(RAMONBase):
    """A cell; its segments are computed by the server."""

    segments: list[int] = field(default_factory=list)


@dataclass
class RAMONOrganelle(RAMONVolume):
    """A body inside a segment."""

    organelle_class: int = 0
    segment: int = 0
    parentseed: int = 0
    seeds: list[int] = field(default_factory=list)
    centroid: list[int] = field(default_factory=list)


@dataclass
class RAMONNode(RAMONVolume):
    """A point of a skeleton; location (x, y, z) and radius are in nm."""

    nodetype: int = 0
    location: list[float] = field(default_factory=list)
    parent: int = 0
    radius: float = 0.0
    skeleton: int = 0
    children: list[int] = field(default_factory=list)


@dataclass
class RAMONSkeleton(RAMONVolume):
    """A tree of nodes."""

    skeletontype: int = 0
    rootnode: int = 0
    nodes: list[int] = field(default_factory=list)


@dataclass
class ROI(RAMONVolume):
    """A region of interest."""

    parent: int = 0
    children: list[int] = field(default_factory=list)


_CLASSES: dict[str, type[RAMONBase]] = {
    "generic": RAMONGeneric, "synapse": RAMONSynapse, "seed": RAMONSeed, "segment": RAMONSegment,
    "neuron": RAMONNeuron, "organelle": RAMONOrganelle, "node": RAMONNode, "skeleton": RAMONSkeleton, "roi": ROI,
}  # fmt: skip
_DERIVED = {"synapses", "presynapses", "postsynapses", "organelles", "children", "nodes"}
_VOXELS = {"xyz_offset", "resolution", "cutout"}


class AnnotationType:
    """Types by number, name and class.

    Examples
    --------
    >>> AnnotationType.SEGMENT, AnnotationType.get_str(2), AnnotationType.get_int(RAMONNeuron)
    (4, 'synapse', 5)
    """

    GENERIC, SYNAPSE, SEED, SEGMENT, NEURON, ORGANELLE, NODE, SKELETON, ROI = range(1, 10)

    @staticmethod
    def get_str(typ: int) -> str:
        """Return the name of a type."""
        return _named(typ)

    @staticmethod
    def get_class(typ: int) -> type[RAMONBase]:
        """Return the class of a type."""
        return _CLASSES[_named(typ)]

    @staticmethod
    def get_int(typ: Any) -> int:
        """Return the number of a type by its class, its name or its number."""
        return list(_CLASSES).index(_named(typ)) + 1


def _named(typ: Any) -> str:
    names = list(_CLASSES)
    if isinstance(typ, type):
        found = next((name for name, kind in _CLASSES.items() if kind is typ), None)
    elif isinstance(typ, int | np.integer) or str(typ).isdigit():
        found = names[int(typ) - 1] if 1 <= int(typ) <= len(names) else None
    else:
        found = str(typ) if str(typ) in names else None
    if found is None:
        raise BadRequest(f"type {typ!r}", f"there are {', '.join(f'{i} {name}' for i, name in enumerate(names, 1))}")
    return found


def from_json(said: Mapping[str, Mapping[str, Any]]) -> list[RAMONBase]:
    """Return the objects of what the server says of them, by id.

    Examples
    --------
    >>> one, = from_json({"7": {"type": "segment", "metadata": {"neuron": 3, "kvpairs": {"a": "b"}}}})
    >>> type(one).__name__, one.id, one.neuron, one.kvpairs
    ('RAMONSegment', '7', 3, {'a': 'b'})
    """
    return [_made(number, one) for number, one in said.items()]


def _made(number: str, said: Mapping[str, Any]) -> RAMONBase:
    kind = _CLASSES[_named(said["type"])]
    known = _FIELDS[_named(said["type"])]
    given = {_spelled(name): value for name, value in said["metadata"].items()}
    return kind(**{**{name: value for name, value in given.items() if name in known}, "id": number})


_FIELDS = {name: frozenset(one.name for one in fields(kind)) for name, kind in _CLASSES.items()}


def _spelled(name: str) -> str:
    return "organelle_class" if name == "organelleclass" else name


def to_json(one: RAMONBase) -> dict[str, Any]:
    """Return what is posted of an object but its voxels; what the server computes is left out."""
    kind = _named(type(one))
    left_out = _DERIVED | _VOXELS | {"id"} | ({"segments"} if kind == "neuron" else set())
    metadata = {one_.name: getattr(one, one_.name) for one_ in fields(one) if one_.name not in left_out}
    return {"type": kind, "metadata": {name: _plain(value) for name, value in metadata.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
