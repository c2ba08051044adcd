"""The nine kinds of RAMON objects: what each is and which fields it has, and no more.

An object is a record: its fields are checked and brought into one form when it is made, and never change. What the
store knows of it from other objects (a neuron's segments, a node's children) is computed when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, NamedTuple, NoReturn, cast

from ndlab.annotations import checks
from ndlab.annotations.words import OrganelleClass, SegmentClass, Status
from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import NmBox

__all__ = [
    "KINDS", "ROI", "Annotation", "Generic", "Holds", "Neuron", "Node", "Organelle", "Seed", "Segment", "Skeleton",
    "Synapse", "holds", "kind_of",
]  # fmt: skip

Value = str | int | float | bool


class Holds(NamedTuple):
    """What a field holds: the sort of value, and what an enumeration's codes mean."""

    sort: str
    words: Any = None


def _is(sort: str, words: Any = None) -> dict[str, Holds]:
    return {"holds": Holds(sort, words)}


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What every object has.

    Parameters
    ----------
    id : int
        Whole number from 1 to 2**64 - 1; 0 until a store gives it one. The label of its voxels.
    status : Status, int or str
        ``"unprocessed"``, ``"locked"``, ``"processed"`` or ``"ignored"``.
    confidence : float
        0 to 1.
    author : str
        Who made it; empty for whoever stores it.
    time : datetime, optional
        When it was made, with a time zone, kept in UTC to the microsecond; None for when it is stored.
    bounds : NmBox, optional
        Box around its voxels, half-open, (z, y, x) [nm].
    keys : mapping of str to str, int, float or bool
        Free key-values.
    """

    code: ClassVar[int] = 0
    kind: ClassVar[str] = ""
    derived: ClassVar[tuple[str, ...]] = ()

    id: int = field(default=0, metadata=_is("id"))
    status: int | str = field(default=Status.UNPROCESSED, metadata=_is("code", Status))
    confidence: float = field(default=0.0, metadata=_is("fraction"))
    author: str = field(default="", metadata=_is("text"))
    time: datetime | None = field(default=None, metadata=_is("time"))
    bounds: NmBox | None = field(default=None, metadata=_is("box"))
    keys: Mapping[str, Value] = field(default_factory=dict, hash=False, metadata={"holds": Holds("keys")})

    def __post_init__(self) -> None:
        if not type(self).code:
            raise BadRequest("an Annotation of no kind", "the kinds are " + ", ".join(KINDS), "make a Generic")
        values = self.__dict__
        for name, default, check, what, words in _checks(type(self).kind):
            value = values[name]
            if value is not default:  # a default is in its one form already
                values[name] = check(value, what, words)

    @property
    def position(self) -> Sequence[float] | None:
        """Where it is, (z, y, x) [nm]: the centroid, position or location of its kind; None if it has none."""
        name = type(self).point()
        return None if name is None else cast("Sequence[float] | None", self.__dict__[name])

    @classmethod
    def point(cls) -> str | None:
        """Name of the field that says where an object of this kind is."""
        return next((name for name, what in holds(cls.kind).items() if what.sort == "point"), None)

    def _look_up(self, name: str) -> Any:
        home = self.__dict__.get("_home")
        if home is None:
            raise BadRequest(
                f"{name} of a {type(self).__name__} that no store gave",
                f"{name} is computed from the other objects of a store",
                f"store it with ann.add([...]), then read ann.get(id).{name}",
            )
        return home.derived(self, name)

    def __getstate__(self) -> dict[str, Any]:
        # A record travels without the store that it came from.
        return {name: value for name, value in self.__dict__.items() if name != "_home"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)


@dataclass(frozen=True, kw_only=True)
class Generic(Annotation):
    """Anything that is none of the other kinds."""

    code = 1
    kind = "generic"


@dataclass(frozen=True, kw_only=True)
class Synapse(Annotation):
    """A contact through which one segment drives another.

    Parameters
    ----------
    weight : float
    synapse_type : int
        Code of the user's own.
    seeds : ids of seeds
    segments : pairs of id and flow
        Segments that meet here, with the direction: 0 unknown, 1 pre, 2 post, 3 bidirectional.
    presegments, postsegments : ids of segments
    centroid : (z, y, x), optional
        [nm]
    **others
        As for `Annotation`.

    Examples
    --------
    >>> Synapse(presegments=[7], postsegments=[8, 9], centroid=(400, 20, 30), confidence=0.9).postsegments
    (8, 9)
    """

    code = 2
    kind = "synapse"

    weight: float = field(default=0.0, metadata=_is("number"))
    synapse_type: int = field(default=0, metadata=_is("whole"))
    seeds: Sequence[int] = field(default=(), metadata=_is("ids"))
    segments: Sequence[tuple[int, int | str]] = field(default=(), metadata=_is("flows"))
    presegments: Sequence[int] = field(default=(), metadata=_is("ids"))
    postsegments: Sequence[int] = field(default=(), metadata=_is("ids"))
    centroid: Sequence[float] | None = field(default=None, metadata=_is("point"))


@dataclass(frozen=True, kw_only=True)
class Seed(Annotation):
    """A point from which a segmentation grows.

    Parameters
    ----------
    parent : id of the seed it came from, 0 for none
    position : (z, y, x), optional
        [nm]
    cube_location : int
        Orientation in its cube.
    source : int
        Id of what placed it, 0 for none.
    **others
        As for `Annotation`.
    """

    code = 3
    kind = "seed"

    parent: int = field(default=0, metadata=_is("id"))
    position: Sequence[float] | None = field(default=None, metadata=_is("point"))  # a seed's own name for it
    cube_location: int = field(default=0, metadata=_is("whole"))
    source: int = field(default=0, metadata=_is("id"))


@dataclass(frozen=True, kw_only=True)
class Segment(Annotation):
    """A piece of a neuron.

    Parameters
    ----------
    segmentclass : SegmentClass, int or str
        ``"unknown"``, ``"axon"``, ``"dendrite"``, ``"soma"``, or a number of the user's own.
    parentseed : id of a seed, 0 for none
    neuron : id of a neuron, 0 for none
    **others
        As for `Annotation`.
    """

    code = 4
    kind = "segment"
    derived = ("synapses", "presynapses", "postsynapses", "organelles")

    segmentclass: int | str = field(default=SegmentClass.UNKNOWN, metadata=_is("code", SegmentClass))
    parentseed: int = field(default=0, metadata=_is("id"))
    neuron: int = field(default=0, metadata=_is("id"))

    @property
    def synapses(self) -> tuple[int, ...]:
        """Ids of the synapses that name this segment in whichever way, ascending."""
        return cast("tuple[int, ...]", self._look_up("synapses"))

    @property
    def presynapses(self) -> tuple[int, ...]:
        """Ids of the synapses that this segment drives: `presegments` names it, or `segments` with flow pre or both."""
        return cast("tuple[int, ...]", self._look_up("presynapses"))

    @property
    def postsynapses(self) -> tuple[int, ...]:
        """Ids of the synapses that drive this segment: `postsegments`, or `segments` with flow post or both."""
        return cast("tuple[int, ...]", self._look_up("postsynapses"))

    @property
    def organelles(self) -> tuple[int, ...]:
        """Ids of the organelles in this segment."""
        return cast("tuple[int, ...]", self._look_up("organelles"))


@dataclass(frozen=True, kw_only=True)
class Neuron(Annotation):
    """A cell, made of segments; its voxels are theirs."""

    code = 5
    kind = "neuron"
    derived = ("segments",)

    @property
    def segments(self) -> tuple[int, ...]:
        """Ids of the segments of this neuron."""
        return cast("tuple[int, ...]", self._look_up("segments"))


@dataclass(frozen=True, kw_only=True)
class Organelle(Annotation):
    """A body inside a segment.

    Parameters
    ----------
    organelleclass : OrganelleClass, int or str
        ``"unknown"``, ``"mitochondrion"``, ``"vesicle"``, ``"axoplasmic reticulum"``, ``"microtubule"``, ``"nucleus"``.
    segment : id of a segment, 0 for none
    centroid : (z, y, x), optional
        [nm]
    parentseed : id of a seed, 0 for none
    seeds : ids of seeds
    **others
        As for `Annotation`.
    """

    code = 6
    kind = "organelle"

    organelleclass: int | str = field(default=OrganelleClass.UNKNOWN, metadata=_is("code", OrganelleClass))
    segment: int = field(default=0, metadata=_is("id"))
    centroid: Sequence[float] | None = field(default=None, metadata=_is("point"))
    parentseed: int = field(default=0, metadata=_is("id"))
    seeds: Sequence[int] = field(default=(), metadata=_is("ids"))


@dataclass(frozen=True, kw_only=True)
class Node(Annotation):
    """A point of a skeleton.

    Parameters
    ----------
    node_type : int
        As in SWC: 0 undefined, 1 soma, 2 axon, 3 dendrite, 5 fork, 6 end.
    location : (z, y, x), optional
        [nm]
    parent : id of the node before, 0 for a root
    radius : float
        [nm]
    skeleton : id of a skeleton, 0 for none
    **others
        As for `Annotation`.
    """

    code = 7
    kind = "node"
    derived = ("children",)

    node_type: int = field(default=0, metadata=_is("whole"))
    location: Sequence[float] | None = field(default=None, metadata=_is("point"))
    parent: int = field(default=0, metadata=_is("id"))
    radius: float = field(default=0.0, metadata=_is("length"))
    skeleton: int = field(default=0, metadata=_is("id"))

    @property
    def children(self) -> tuple[int, ...]:
        """Ids of the nodes whose parent this is."""
        return cast("tuple[int, ...]", self._look_up("children"))


@dataclass(frozen=True, kw_only=True)
class Skeleton(Annotation):
    """A tree of nodes.

    Parameters
    ----------
    skeleton_type : int
        Code of the user's own.
    rootnode : id of a node, 0 for none
    **others
        As for `Annotation`.
    """

    code = 8
    kind = "skeleton"
    derived = ("nodes",)

    skeleton_type: int = field(default=0, metadata=_is("whole"))
    rootnode: int = field(default=0, metadata=_is("id"))

    @property
    def nodes(self) -> tuple[int, ...]:
        """Ids of the nodes of this skeleton."""
        return cast("tuple[int, ...]", self._look_up("nodes"))


@dataclass(frozen=True, kw_only=True)
class ROI(Annotation):
    """A region of interest.

    Parameters
    ----------
    parent : id of the region around it, 0 for none
    **others
        As for `Annotation`.
    """

    code = 9
    kind = "roi"
    derived = ("children",)

    parent: int = field(default=0, metadata=_is("id"))

    @property
    def children(self) -> tuple[int, ...]:
        """Ids of the regions whose parent this is."""
        return cast("tuple[int, ...]", self._look_up("children"))


_ALL: tuple[type[Annotation], ...] = (Generic, Synapse, Seed, Segment, Neuron, Organelle, Node, Skeleton, ROI)
KINDS: dict[str, type[Annotation]] = {one.kind: one for one in _ALL}
_BY_CODE = {one.code: one for one in _ALL}


@cache
def holds(kind: str) -> dict[str, Holds]:
    """Name the fields of a kind and what each holds, the common ones first.

    Examples
    --------
    >>> list(holds("roi"))
    ['id', 'status', 'confidence', 'author', 'time', 'bounds', 'keys', 'parent']
    """
    return {one.name: one.metadata["holds"] for one in fields(KINDS[kind])}


@cache
def _checks(kind: str) -> list[tuple[str, Any, Any, str, Any]]:
    defaults = {one.name: one.default for one in fields(KINDS[kind])}
    return [
        (name, defaults[name], checks.CHECKS[what.sort], f"{KINDS[kind].__name__} {name}", what.words)
        for name, what in holds(kind).items()
    ]


def kind_of(value: Any) -> type[Annotation]:
    """Find a kind by its name in any case, its number, or its class.

    Examples
    --------
    >>> kind_of("Synapse") is kind_of(2) is kind_of(Synapse) is Synapse
    True
    """
    if isinstance(value, type) and value in _ALL:
        return value
    text = str(value).strip().lower()
    found = KINDS.get(text) or (_BY_CODE.get(int(text)) if text.isascii() and text.isdigit() else None)
    if found is None:
        known = ", ".join(f"{one.code} {one.kind}" for one in _ALL)
        raise BadRequest(f"kind {value!r}", f"the kinds are {known}")
    return found


def _refuse(self: Annotation, name: str, value: Any) -> NoReturn:
    what, who = ("computed, and read-only", "change the objects that it is computed from")
    if name not in type(self).derived:
        what, who = ("a record's, and read-only", f"write ann.update({self.id or 'id'}, {name}=...)")
    raise ReadOnly(f"setting {name} of a {type(self).__name__}", f"it is {what}", who, field=name)


for _one in (Annotation, *_ALL):
    _one.__setattr__ = _refuse  # type: ignore[method-assign,assignment]  # says more than dataclass would
