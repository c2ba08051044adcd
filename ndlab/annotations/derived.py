"""Fields that are computed from other objects, in the state that was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, or_, select

from ndlab.annotations.ids import signed, unsigned
from ndlab.annotations.kinds import Annotation, Node, Organelle, Segment, Synapse, kind_of
from ndlab.annotations.reading import held, source
from ndlab.annotations.schema import LISTS, links
from ndlab.annotations.words import Flow
from ndlab.errors import BadRequest

__all__ = ["derive"]

# Derived field -> kind that is looked for, and the field of it that names the asking object.
_NAMED_BY: dict[tuple[str, str], tuple[type[Annotation] | None, str]] = {
    ("segment", "organelles"): (Organelle, "segment"),
    ("neuron", "segments"): (Segment, "neuron"),
    ("node", "children"): (None, "parent"),
    ("skeleton", "nodes"): (Node, "skeleton"),
    ("roi", "children"): (None, "parent"),
}
_FLOWS = {"presynapses": ("presegments", Flow.PRE), "postsynapses": ("postsegments", Flow.POST)}


def derive(connection: Connection, kind: str, one: int, name: str, at: int | None) -> tuple[int, ...]:
    """Return the ids that a derived field of object `one` holds, ascending."""
    if name not in kind_of(kind).derived:
        raise BadRequest(f"{name} of a {kind}", f"its derived fields are {kind_of(kind).derived or 'none'}")
    table = source(at)
    if (kind, name) in _NAMED_BY:
        of, column = _NAMED_BY[kind, name]
        found = select(table.c.id).where(table.c[column] == signed(one), table.c.kind == (of or kind_of(kind)).code)
    else:
        found = _synapses(table, one, name, at)
    ids: Sequence[Any] = connection.execute(found).scalars().all()
    return tuple(sorted(unsigned(i) for i in ids))


def _synapses(table: FromClause, one: int, name: str, at: int | None) -> Any:
    ways: list[ColumnElement[bool]] = []
    for plain, flow in _FLOWS.values() if name == "synapses" else (_FLOWS[name],):
        ways.append(links.c.role == LISTS[plain])
        flows = [int(flow), int(Flow.BIDIRECTIONAL)] if name != "synapses" else [int(f) for f in Flow]
        ways.append(and_(links.c.role == LISTS["segments"], links.c.flow.in_(flows)))
    named = select(links.c.id).where(links.c.target == signed(one), or_(*ways), held(links, at))
    return select(table.c.id).where(table.c.id.in_(named), table.c.kind == Synapse.code)
