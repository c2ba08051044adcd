"""What is done to annotations below /v1: objects made and changed, and what they look like, a transaction each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.annotations import Annotation
from ndlab.annotations.exchange.documents import from_plain
from ndlab.annotations.kinds import holds
from ndlab.errors import BadRequest, NdlabError
from ndlab.geometry import Box
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.resource import id_of, single

__all__ = ["body_of", "changed", "created"]


def body_of(raw: bytes, known: Sequence[str]) -> dict[str, Any]:
    """Return a body, a JSON object; members of other names than `known` are refused, where any are named."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadRequest(f"a body of {len(raw)} bytes", "it is a JSON object", "see /v1/openapi.json")
    strange = sorted(set(found) - set(known)) if known else []
    if strange:
        raise BadRequest(f"{strange[0][:50]!r} in the body", f"it has {', '.join(known)}", "see /v1/openapi.json")
    return found


def created(behind: Behind, raw: bytes) -> dict[str, Any]:
    """Store the objects of a body, all or none, with what they look like; return their ids in its order."""
    body = body_of(raw, ("objects", "mode", "note"))
    objects = body.get("objects")
    if not isinstance(objects, list) or not objects or not all(isinstance(one, dict) for one in objects):
        raise BadRequest("a body without objects", "it has a list of one or more", 'post {"objects": [{"kind": ...}]}')
    shapes = [_shape(one) for one in objects]
    made = [_made(one, f"object {i}") for i, one in enumerate(objects)]
    for one, shape in zip(made, shapes, strict=True):
        if shape is not None:
            behind.refuse_paint(one)
    ids = behind.annotations.add(made, _note(body), **_looks(behind, shapes, body))
    return {"ids": ids.tolist()}


def changed(behind: Behind, one: str, raw: bytes) -> dict[str, Any]:
    """Change fields, free keys and voxels of an object in one transaction; return it."""
    body = body_of(raw, ())
    number = id_of(one)
    found: Annotation = behind.annotations.get(number)
    shape, note, mode = _shape(body), _note(body), body.get("mode")
    fields = {name: value for name, value in body.items() if name not in (*_PAINT, "note", "mode")}
    values = _values(found, fields)
    if shape is not None:
        behind.refuse_paint(found)
    looks = _looks(behind, [shape], {} if mode is None else {"mode": mode})
    if values or looks:
        behind.annotations.update(_merged(found, values), note=note, **looks)
    return single(behind, one)


_PAINT = ("voxels", "box")


def _made(plain: Mapping[str, Any], what: str) -> Annotation:
    bare = {name: value for name, value in plain.items() if name not in _PAINT}
    return _told(what, lambda: from_plain(bare))


def _told(what: str, make: Callable[[], Annotation]) -> Annotation:
    try:
        return make()
    except NdlabError as error:
        raise type(error)(f"{what}: {error.asked}", error.exists, error.remedy) from None
    except (TypeError, ValueError, AttributeError, OverflowError, KeyError) as error:
        raise BadRequest(f"{what}", f"it is none: {error}"[:300], "see /v1/openapi.json") from None


def _values(one: Annotation, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as an object has them; other names and `keys` are free keys, which None takes away."""
    known = holds(one.kind)
    derived = sorted(set(plain) & set(one.derived))
    if derived or plain.get("kind", one.kind) != one.kind or plain.get("id", one.id) != one.id:
        raise BadRequest(f"{(derived or ['kind or id'])[0]} of {one.kind} {one.id}",
                         "id and kind stay, and derived fields are computed", "leave it out")  # fmt: skip
    fields = {name: value for name, value in plain.items() if name in known and name not in ("id", "keys")}
    made = _told(f"{one.kind} {one.id}", lambda: from_plain({"kind": one.kind, **fields}))
    values = {name: made.__dict__[name] for name in fields}
    loose = {name: value for name, value in plain.items() if name not in known and name != "kind"}
    named = plain.get("keys") or {}
    if not isinstance(named, dict):
        raise BadRequest(f"keys of {one.kind} {one.id}", "it is an object of keys and values")
    if loose or named:
        keys = {**one.keys, **loose, **named}
        values["keys"] = {key: value for key, value in keys.items() if value is not None}
    return values


def _merged(one: Annotation, values: Mapping[str, Any]) -> Annotation:
    known = {name: one.__dict__[name] for name in holds(one.kind)}
    return _told(f"{one.kind} {one.id}", lambda: type(one)(**{**known, **values}))


def _shape(plain: Mapping[str, Any]) -> Any:
    """Return the voxels (n, 3) or the box that an object looks like; None where nothing is said."""
    if "box" in plain:
        try:
            start, stop = plain["box"]
        except (TypeError, ValueError):
            raise BadRequest(f"box {plain['box']!r}"[:200], "it is [[z0, y0, x0], [z1, y1, x1]]") from None
        return Box(start, stop)
    if "voxels" not in plain:
        return None
    try:
        found = np.array(plain["voxels"])
    except ValueError:
        found = np.empty(0, object)
    if found.size and (found.ndim != 2 or found.shape[1] != 3 or found.dtype.kind not in "iu"):
        raise BadRequest("voxels of an object", "they are a list of [z, y, x], whole numbers")
    return found.reshape(-1, 3).astype("i8")


def _note(body: Mapping[str, Any]) -> str:
    note = body.get("note", "")
    if not isinstance(note, str) or len(note) > 1000:
        raise BadRequest("note", "it is text of at most 1000 characters")
    return note


def _looks(behind: Behind, shapes: Sequence[Any], body: Mapping[str, Any]) -> dict[str, Any]:
    if all(one is None for one in shapes):
        return {}
    return {"voxels": list(shapes), "mode": str(body.get("mode", "overwrite")), "volume": behind.volume}
