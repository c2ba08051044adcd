"""What a set of annotations knows of an id, as the page shows it."""

from __future__ import annotations

from typing import Any

__all__ = ["is_annotations", "object_facts"]

# Values of a list that are shown; a segment may have thousands of synapses.
_SHOWN = 12


def is_annotations(table: Any) -> bool:
    """Tell whether a table is a set of annotations, without loading what those need."""
    return any(kind.__name__ == "Annotations" and kind.__module__.startswith("ndlab.") for kind in type(table).__mro__)


def object_facts(annotations: Any, number: int) -> dict[str, Any]:
    """Return the fields, free keys and derived fields of an object as it is now, empty if there is none.

    Examples
    --------
    >>> from ndlab.annotations import Annotations, Segment, Synapse
    >>> ann = Annotations.temporary()
    >>> _ = ann.add([Segment(segmentclass="axon", author="Ana", keys={"tracer": "AB"}), Synapse(presegments=[1])])
    >>> {name: value for name, value in object_facts(ann, 1).items() if name not in ("author", "time")}
    {'kind': 'segment', 'segmentclass': 'axon', 'tracer': 'AB', 'synapses': '2', 'presynapses': '2'}
    """
    from ndlab.annotations.exchange.documents import to_plain
    from ndlab.errors import NotFound

    try:
        one = annotations.get(number)
    except NotFound:
        return {}
    plain = to_plain(one)
    plain.pop("id", None)
    keys = plain.pop("keys", {})
    derived = {name: ids for name in one.derived if (ids := annotations.derived(one, name))}
    # A field stands before a free key that is called like it.
    loose = {name: value for name, value in keys.items() if name not in plain}
    return {name: _shown(value) for name, value in (plain | loose | derived).items()}


def _shown(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    parts = [_text(one) for one in value[:_SHOWN]]
    return ", ".join(parts) + (f" … ({len(value)})" if len(value) > _SHOWN else "")


def _text(one: Any) -> str:
    if isinstance(one, list | tuple):
        return " ".join(map(_text, one))
    return f"{one:g}" if isinstance(one, float) else str(one)
