"""Objects in the founding store's JSON: by id, the fields flat under the names of its table, and in METADATA's form.

An answer has both: the flat names of its last server (``ann_status``, ``syn_weight``, the free keys beside them), and
``type`` and ``metadata``, which its Python client reads. Either is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ndlab.annotations import Annotation
from ndlab.annotations.ids import LARGEST, as_ids
from ndlab.annotations.kinds import KINDS
from ndlab.errors import BadRequest
from ndlab.serve.ramon.fields import field_called, names_of, to_wire, type_of
from ndlab.serve.ramon.frame import Frame
from ndlab.serve.ramon.sent import Sent

__all__ = ["ids", "plain", "read", "write"]

_FLAT_FRONTS = ("ann_", "syn_", "seed_", "seg_", "org_", "node_", "skel_", "roi_")
_HINT = 'post {"0": {"type": "synapse", "metadata": {"confidence": 0.9, "kvpairs": {"tracer": "AB"}}}}'
_MOST_DIGITS = 20


def write(found: Iterable[tuple[Annotation, Mapping[str, Sequence[int]]]], frame: Frame) -> dict[str, Any]:
    """Return objects and their derived fields as one JSON object, by id."""
    return {str(one.id): plain(one, derived, frame) for one, derived in found}


def plain(one: Annotation, derived: Mapping[str, Sequence[int]], frame: Frame) -> dict[str, Any]:
    """Return one object as JSON values."""
    values = to_wire(one, frame)
    flat: dict[str, Any] = {"ann_id": one.id, "ann_type": one.code}
    metadata: dict[str, Any] = {"kvpairs": one.keys}
    for name, value in zip(names_of(one.kind), values.values(), strict=True):
        flat[name.flat] = metadata[name.plain] = value
    metadata |= {name: list(ids) for name, ids in derived.items()}
    # The object's own names stand before free keys that are called like them; those are whole among kvpairs.
    return {**one.keys, **flat, "type": one.kind, "metadata": metadata}


def read(body: bytes) -> list[Sent]:
    """Return the objects of a posted JSON object, by id, in its order.

    Examples
    --------
    >>> one, = read(b'{"0": {"type": "synapse", "metadata": {"weight": 2, "kvpairs": {"tracer": "AB"}}}}')
    >>> one.kind, one.fields, one.keys
    ('synapse', {'weight': 2}, {'tracer': 'AB'})
    >>> read(b'{"7": {"ann_type": 4, "seg_neuron": 5, "tracer": "AB"}}')[0].fields
    {'neuron': 5}
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found or not all(isinstance(one, dict) for one in found.values()):
        raise BadRequest(f"a body of {len(body)} bytes as JSON", "objects are an object by id", _HINT)
    return [_sent(name, one) for name, one in found.items()]


def ids(body: bytes) -> list[int]:
    """Return the ids of a posted JSON list."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise BadRequest(f"a body of {len(body)} bytes as JSON", "it is a list of ids", "post [1, 2, 3]")
    return as_ids(found)


def _sent(name: str, one: Mapping[str, Any]) -> Sent:
    number = int(name) if name.isascii() and name.isdigit() and len(name) <= _MOST_DIGITS else 0
    if number > LARGEST:
        raise BadRequest(f"object {name}", "an id is a whole number up to 2**64 - 1")
    metadata = one.get("metadata")
    if isinstance(metadata, dict):
        return _of_metadata(name, number, one.get("type"), metadata)
    return _of_flat(name, number, one)


def _of_metadata(name: str, number: int, said: Any, metadata: Mapping[str, Any]) -> Sent:
    kind = None if said is None else type_of(said)
    keys = metadata.get("kvpairs")
    if keys is not None and not isinstance(keys, dict):
        raise BadRequest(f"kvpairs of object {name[:50]!r}", "it is an object of keys and values", _HINT)
    fields: dict[str, Any] = {}
    for word, value in metadata.items():
        known = field_called(kind or "generic", word)
        if known is not None:
            fields[known.field] = value
        elif word != "kvpairs" and word not in KINDS[kind or "generic"].derived:
            raise BadRequest(f"{word[:50]!r} of object {name[:50]!r}", f"a {kind or 'generic'} has "
                             + ", ".join(one.plain for one in names_of(kind or "generic")),
                             "put what is no field among kvpairs")  # fmt: skip
    return Sent(name, number, kind, fields, keys)


def _of_flat(name: str, number: int, one: Mapping[str, Any]) -> Sent:
    kind = None if "ann_type" not in one else type_of(one["ann_type"])
    fields: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for word, value in one.items():
        known = field_called(kind or "generic", word) if word.startswith(_FLAT_FRONTS) else None
        if known is not None and known.flat == word:
            fields[known.field] = _listed(value)
        elif word not in ("ann_type", "ann_id"):
            keys[word] = value
    return Sent(name, number, kind, fields, keys)


def _listed(value: Any) -> Any:
    """Return a list that came as text, as the founding server wrote places."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return [part for part in value[1:-1].split(",") if part.strip()]
    return value
