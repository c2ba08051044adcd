"""Annotations as resources below /v1: what is asked of them and done to them, as plain values for JSON.

Everything is (z, y, x). Places are in nm; boxes and voxels count from the first voxel of the labels' array.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.annotations import Annotation, Query, Transaction
from ndlab.annotations.exchange.documents import from_plain, to_plain
from ndlab.annotations.ids import as_id, as_ids
from ndlab.annotations.kinds import holds
from ndlab.errors import BadRequest, NdlabError
from ndlab.geometry import Box
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.related import related

__all__ = ["MOST", "Asked", "body_of", "changed", "created", "described", "history", "listed", "single", "voxels"]

# Objects of one answer.
MOST = 10_000
_PARAMETERS = ("kind", "where", "box", "level", "by", "sort", "limit", "after")
_SPAN = re.compile(r"(\d{1,15}):(\d{1,15})", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """What a query of the address says."""

    query: Mapping[str, str]
    known: Sequence[str]

    def __post_init__(self) -> None:
        unknown = sorted(set(self.query) - {*self.known, "token"})
        if unknown:
            raise BadRequest(
                f"parameter {unknown[0][:50]!r}", f"there are {', '.join(self.known) or 'none'}", "use these"
            )

    def number(self, name: str, default: int, most: int) -> int:
        """Return a whole number from 0 to `most`."""
        text = self.query.get(name, str(default))
        if not re.fullmatch(r"\d{1,20}", text, re.ASCII) or int(text) > most:
            raise BadRequest(
                f"{name}={text[:50]!r}", f"it is a whole number from 0 to {most}", f"ask for {name}={default}"
            )
        return int(text)

    def box(self, level: int = 0) -> Box | None:
        """Return the box of three ranges, None without one."""
        text = self.query.get("box")
        if text is None:
            return None
        found = [_SPAN.fullmatch(part) for part in text.split(",")]
        if len(found) != 3 or not all(found):
            raise BadRequest(f"box={text[:100]!r}", "it is three ranges", "ask for box=z0:z1,y0:y1,x0:x1")
        spans = [(int(one[1]), int(one[2])) for one in found if one is not None]
        return Box([a for a, _ in spans], [b for _, b in spans], level)


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


def described(behind: Behind) -> dict[str, Any]:
    """Return what there is of a set."""
    channel, home = behind.frame.channel, behind.annotations
    labels = behind.labels
    return {
        "name": channel.token,
        "channel": channel.name,
        "readonly": channel.readonly,
        "version": home.version,
        "counts": home.counts(),
        "labels": None if labels is None else {"shape": list(labels.chunking.shape), "dtype": labels.dtype.name},
        "voxel_size": [list(one.voxel_size) for one in home.space.levels],
    }


# --- reading --------------------------------------------------------------------------------------------------------


def listed(behind: Behind, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the objects that are asked for, and after which id the next ones come.

    Without `sort` they are in the order of their ids; `after` goes on behind one.
    """
    asked = Asked(query, _PARAMETERS)
    limit = asked.number("limit", 1000, MOST)
    found = _chosen(behind, asked)
    objects = list(found.limit(limit + 1))
    more = len(objects) > limit
    kept = objects[:limit]
    after = kept[-1].id if more and kept and "sort" not in query else None
    return {"objects": [to_plain(one) for one in kept], "more": more, "after": after}


def _chosen(behind: Behind, asked: Asked) -> Query:
    found = behind.annotations.where(kind=asked.query.get("kind"), **_conditions(asked.query.get("where", "{}")))
    box = asked.box(asked.number("level", 0, 1 << 20))
    if box is not None:
        found = found.within(box, asked.query.get("by", "any"))
    if "sort" in asked.query:
        if "after" in asked.query:
            raise BadRequest("after with sort", "it goes on in the order of ids", "leave one of them out")
        return found.sort(*asked.query["sort"].split(","))
    return found.where(id__gt=asked.number("after", 0, (1 << 64) - 1)) if "after" in asked.query else found


def _conditions(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "kind" in found:
        raise BadRequest(f"where={text[:100]!r}", "it is a JSON object of conditions; kind is a parameter of its own",
                         'ask for where={"confidence__gt":0.9,"tracer":"AB"}')  # fmt: skip
    return found


def single(behind: Behind, one: str) -> dict[str, Any]:
    """Return one object with what is computed from others."""
    found: Annotation = behind.annotations.get(_id(one))
    derived = related(behind.annotations, [found])[found.id]
    return {**to_plain(found), "derived": derived}


def _id(text: str) -> int:
    if not re.fullmatch(r"\d{1,20}", text, re.ASCII):
        raise BadRequest(f"object {text[:50]!r}", "an id is a whole number from 1 to 2**64 - 1")
    return as_id(int(text))


def voxels(
    behind: Behind, one: str, form: str, query: Mapping[str, str], nbytes: int
) -> tuple[dict[str, Any] | bytes, dict[str, str]]:
    """Return the bounds of an object as JSON, or its voxels or cut-out as npy, with headers that say where it is."""
    asked = Asked(query, ("box",) if form == "cutout" else ())
    found: Annotation = behind.annotations.get(_id(one))
    parts = related(behind.annotations, [found])[found.id]["segments"] if found.kind == "neuron" else [found.id]
    ids, paint = behind.fits(parts), behind.paint
    if form == "voxels":
        behind.check_bytes(24 * sum(paint.size(i) for i in ids), nbytes)
        listed = [paint.voxels(i) for i in ids]
        whole = np.unique(np.concatenate([*listed, np.empty((0, 3), "i8")]), axis=0)
        return _npy(whole.astype("<i8")), {}
    box = asked.box()
    if box is None:
        box = behind.around(found, ids)
    if form == "bounds":
        return {"id": found.id, "start": list(box.start), "stop": list(box.stop)}, {}
    behind.check_bytes(box.size * paint.dtype.itemsize, nbytes)
    box.check(paint.chunking.shape)
    mask = paint.union(ids, ids[0], box)[1] != 0 if ids else np.zeros(box.shape, bool)
    return _npy(mask.astype("<u8") * np.uint64(found.id)), {"X-Ndlab-Offset": ",".join(map(str, box.start))}


def _npy(values: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=False)
    return out.getvalue()


def history(behind: Behind, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the last transactions, the newest first."""
    limit = Asked(query, ("limit",)).number("limit", 100, MOST)
    return {"transactions": [transaction(one) for one in behind.annotations.history(limit=limit)]}


def transaction(one: Transaction) -> dict[str, Any]:
    """Return a transaction as plain values."""
    return {"number": one.number, "time": one.time.isoformat(), "author": one.author, "operation": one.operation,
            "objects": one.objects, "voxels": one.voxels, "undoes": one.undoes, "note": one.note}  # fmt: skip


# --- writing --------------------------------------------------------------------------------------------------------


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
    number = _id(one)
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


def ids_in(query: Mapping[str, str]) -> list[int]:
    """Return the ids that an address lists."""
    text = Asked(query, ("ids",)).query.get("ids", "")
    if not re.fullmatch(r"\d{1,20}(,\d{1,20})*", text, re.ASCII):
        raise BadRequest(f"ids={text[:100]!r}", "they are whole numbers, parted by commas", "ask for ids=1,2,3")
    return as_ids(list(dict.fromkeys(map(int, text.split(",")))))
