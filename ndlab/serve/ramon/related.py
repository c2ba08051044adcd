"""Derived fields of many objects in a few round trips: neurons' segments, segments' synapses, nodes' children."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ndlab.annotations import Annotation, Annotations, Flow, Synapse
from ndlab.annotations.kinds import KINDS

__all__ = ["related"]

# Derived field of a kind -> the kind that names it, and the field by which it does.
_NAMED_BY = {
    ("segment", "organelles"): ("organelle", "segment"),
    ("neuron", "segments"): ("segment", "neuron"),
    ("node", "children"): ("node", "parent"),
    ("skeleton", "nodes"): ("node", "skeleton"),
    ("roi", "children"): ("roi", "parent"),
}
_LISTS = ("segments", "presegments", "postsegments")
# Values that one statement binds.
_PIECE = 500

Derived = dict[str, list[int]]


def related(home: Annotations, objects: Sequence[Annotation]) -> dict[int, Derived]:
    """Return the derived fields of objects by id, each ascending.

    Examples
    --------
    >>> from ndlab.annotations import Segment
    >>> ann = Annotations.temporary()
    >>> _ = ann.add([Segment(), Synapse(presegments=[1]), Synapse(segments=[(1, "post")])])
    >>> related(ann, [ann.get(1)])[1]
    {'synapses': [2, 3], 'presynapses': [2], 'postsynapses': [3], 'organelles': []}
    """
    found: dict[int, Derived] = {one.id: {name: [] for name in KINDS[one.kind].derived} for one in objects}
    by_kind: dict[str, list[int]] = {}
    for one in objects:
        by_kind.setdefault(one.kind, []).append(one.id)
    for (kind, name), (other, field) in _NAMED_BY.items():
        for target, number in _naming(home, other, field, by_kind.get(kind, [])):
            found[target][name].append(number)
    for number, target, names in _meeting(home, set(by_kind.get("segment", []))):
        for name in names:
            found[target][name].append(number)
    for derived in found.values():
        for name, ids in derived.items():
            derived[name] = sorted(set(ids))
    return found


def _naming(home: Annotations, kind: str, field: str, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield which of the ids is named in a field, and by whom."""
    for piece in _pieces(ids):
        asked: dict[str, Any] = {f"{field}__in": piece}
        table = home.where(kind=kind, **asked).columns("id", field).to_arrow()
        yield from zip(table[field].to_pylist(), table["id"].to_pylist(), strict=True)


def _meeting(home: Annotations, ids: set[int]) -> Iterator[tuple[int, int, list[str]]]:
    """Yield synapse, segment, and as what the one stands in the other's derived fields."""
    for piece in _pieces(sorted(ids)):
        mine = set(piece)
        for field in _LISTS:
            asked: dict[str, Any] = {f"{field}__in": piece}
            for one in home.where(kind="synapse", **asked):
                if isinstance(one, Synapse):
                    yield from ((one.id, target, names) for target, names in _ways(one, field) if target in mine)


def _ways(one: Synapse, field: str) -> Iterable[tuple[int, list[str]]]:
    if field == "presegments":
        return [(target, ["synapses", "presynapses"]) for target in one.presegments]
    if field == "postsegments":
        return [(target, ["synapses", "postsynapses"]) for target in one.postsegments]
    both = {Flow.PRE: ["presynapses"], Flow.POST: ["postsynapses"], Flow.BIDIRECTIONAL: ["presynapses", "postsynapses"]}
    return [(target, ["synapses", *both.get(Flow(int(flow)), [])]) for target, flow in one.segments]


def _pieces(ids: Sequence[Any]) -> Iterator[list[Any]]:
    return (list(ids[i : i + _PIECE]) for i in range(0, len(ids), _PIECE))
