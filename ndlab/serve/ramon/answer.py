"""Answer a call of the founding grammar about objects."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from ndlab.errors import BadRequest, NotFound
from ndlab.serve.answer import Answer
from ndlab.serve.grammar import Cut
from ndlab.serve.grammar.calls import (
    Call,
    Described,
    Exceptions,
    Field,
    Listed,
    Merge,
    Nifti,
    Objects,
    Query,
    Reserve,
    Skeletons,
    Table,
    TopKeys,
    Write,
)
from ndlab.serve.ramon import asking, documents, files, posting, sent, skeletons
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.fields import type_of
from ndlab.serve.ramon.files import Found
from ndlab.serve.ramon.related import related
from ndlab.serve.ramon.single import get_field, set_field
from ndlab.serve.ramon.voxels import Looking, bounds
from ndlab.serve.statuses import WrongMethod

__all__ = ["MOST_IDS", "answer", "changes", "check_method"]

_HDF5 = "application/x-hdf5"
_TEXT = "text/plain; charset=utf-8"
# Objects of one request.
MOST_IDS = 100_000

_METHODS: dict[type[Any], tuple[str, ...]] = {
    Objects: ("GET", "DELETE"),
    Listed: ("POST", "PUT"),
    Described: ("GET", "DELETE"),
    Query: ("GET", "POST"),
    TopKeys: ("GET",),
    Write: ("POST", "PUT"),
    Field: ("GET", "POST", "PUT"),
    Reserve: ("GET", "POST"),
    Merge: ("GET", "POST"),
    Exceptions: ("GET",),
    Table: ("GET",),
    Skeletons: ("GET", "POST", "PUT"),
    Nifti: ("GET", "POST", "PUT"),
}


def changes(call: Call, method: str) -> bool:
    """Tell whether a call changes something: some do that are asked for by GET."""
    if isinstance(call, Write | Reserve | Merge):
        return True
    if isinstance(call, Field):
        return call.value is not None
    return method == "DELETE" or (method != "GET" and isinstance(call, Skeletons | Nifti))


def check_method(call: Call, method: str) -> None:
    """Raise `WrongMethod` unless a call is made by this method."""
    taken = _METHODS[type(call)]
    if method not in taken:
        raise WrongMethod(f"{method} of this path", f"it takes {', '.join(taken)}", "see /v1/")


def answer(call: Call, method: str, behind: Behind, body: bytes, nbytes: int) -> Answer:
    """Answer a call.

    Parameters
    ----------
    call : Call
        What `ndlab.serve.grammar.parse` returns.
    method : {"GET", "POST", "PUT", "DELETE"}
    behind : Behind
        The annotations of its channel.
    body : bytes
    nbytes : int
        Most bytes of voxels that one answer reads, and most that a body decodes to.

    Raises
    ------
    NdlabError
        What is wrong with the request.
    """
    check_method(call, method)
    if changes(call, method):
        behind.writable()
        return _changed(call, behind, body, nbytes)
    match call:
        case Objects(ids=ids, form=form, level=level, cut=cut):
            return _objects(behind, ids, form, level, cut, nbytes)
        case Listed(form=form, level=level, cut=cut):
            return _objects(behind, _listed_ids(body), form, level, cut, nbytes)
        case Described(ids=ids, level=level):
            return _described(behind, ids, level, nbytes)
        case Query():
            found = asking.ids_of(behind, call, body, nbytes)
            return _json(found.tolist()) if call.json else Answer(200, _HDF5, files.ids_of(found))
        case TopKeys(count=count, type=kind):
            top = behind.annotations.top_keys(count, None if kind is None else type_of(kind))
            return _json([[key, number] for key, number in top])
        case Field(id=one, field=field):
            return _text(get_field(behind, one, field))
        case Exceptions(cut=cut):
            return Answer(200, _HDF5, files.exceptions_of(_exceptions(behind, cut, nbytes)))
        case Table(id=one, level=level):
            return Answer(200, "text/csv; charset=utf-8", _table(behind, one, level, nbytes).encode())
        case Skeletons(ids=ids):
            return _text(skeletons.get(behind, ids))
    raise NotFound("this path", "nothing answers it", "see /v1/")


def _changed(call: Call, behind: Behind, body: bytes, nbytes: int) -> Answer:
    match call:
        case Objects(ids=ids, form="nodata") | Described(ids=ids, level=None):
            behind.annotations.delete(list(dict.fromkeys(ids)), note="delete")
            return _text("Success")
        case Objects() | Described():
            raise BadRequest("DELETE of a form of objects", "objects are deleted whole", "DELETE the path of their ids")
        case Write(json=as_json):
            plain = as_json or body.lstrip()[:1] == b"{"
            objects = documents.read(body) if plain else sent.read(body, nbytes)
            return _text(",".join(map(str, posting.post(behind, call, objects))))
        case Field(id=one, field=field, value=str(value)):
            set_field(behind, one, field, value)
            return _text("")
        case Reserve(count=count):
            found = behind.annotations.reserve(count)
            return _json([found[0], count])
        case Merge(ids=ids, level=level):
            if level is not None:
                behind.frame.level(level)
            return _json(int(behind.annotations.merge(list(ids), note="merge")))
        case Skeletons():
            return _text(",".join(map(str, skeletons.post(behind, body))))
    raise NotFound("this path", "nothing answers it", "see /v1/")


def _json(value: Any) -> Answer:
    return Answer(200, "application/json", json.dumps(value).encode())


def _text(text: str) -> Answer:
    return Answer(200, _TEXT, text.encode())


# --- objects --------------------------------------------------------------------------------------------------------


def _listed_ids(body: bytes) -> list[int]:
    """Return the ids that a body lists: HDF5 with ANNOIDS, or a JSON list."""
    if body.lstrip()[:1] == b"[":
        return documents.ids(body)
    return sent.listed(body)


def _objects(behind: Behind, ids: Sequence[int], form: str, level: int | None, cut: Cut | None, nbytes: int) -> Answer:
    _check_count(ids)
    objects = behind.get(ids)
    derived = related(behind.annotations, objects)
    if form == "json":
        return _json(documents.write(((one, derived[one.id]) for one in objects), behind.frame))
    looking = Looking(behind, nbytes)
    found = [
        Found(one, derived[one.id], {} if form == "nodata" else looking.form(one, _parts(one, derived[one.id]), form,
                                                                             level, cut))
        for one in objects
    ]  # fmt: skip
    return Answer(200, _HDF5, files.write(found, behind.frame))


def _check_count(ids: Sequence[int]) -> None:
    if not 0 < len(ids) <= MOST_IDS:
        raise BadRequest(f"{len(ids)} objects in one request", f"1 to {MOST_IDS} are answered at once",
                         "ask in several requests")  # fmt: skip


def _parts(one: Any, derived: Any) -> Sequence[int]:
    """Return the objects whose voxels an object has."""
    return derived["segments"] if one.kind == "neuron" else [one.id]


def _described(behind: Behind, ids: Sequence[int], level: int | None, nbytes: int) -> Answer:
    _check_count(ids)
    objects = behind.get(ids)
    derived = related(behind.annotations, objects)
    said = documents.write(((one, derived[one.id]) for one in objects), behind.frame)
    if level is not None:
        looking = Looking(behind, nbytes)
        for one in objects:
            found = bounds(looking, _parts(one, derived[one.id]), level)
            said[str(one.id)] |= {"bbcorner": found and found[0], "bbdim": found and found[1]}
    return _json(said)


def _table(behind: Behind, one: int, level: int, nbytes: int) -> str:
    """Write an object with its bounding box as lines of name and value, names in order."""
    found = behind.get([one])[0]
    derived = related(behind.annotations, [found])[one]
    box = Looking(behind, nbytes).form(found, _parts(found, derived), "boundingbox", level, None)
    out = io.StringIO()
    csv.writer(out).writerows(files.rows(Found(found, derived, box), behind.frame))
    return out.getvalue()


def _exceptions(behind: Behind, cut: Cut, nbytes: int) -> list[list[int]]:
    """List voxels (x, y, z) of a box with the ids of all objects that claim them, the one that is shown first."""
    level, box = behind.frame.box(cut)
    grid = behind.frame.grid(level)
    if grid is None or not grid.same:
        raise BadRequest(f"exceptions at level {level.number}", "they are kept for the voxels that are painted",
                         "ask at the finest level")  # fmt: skip
    behind.check_bytes(box.size * behind.paint.dtype.itemsize, nbytes)
    inside = behind.clipped(grid.painted(box))
    if not inside.size:
        return []
    labels = behind.paint.read(inside)
    shift = [o - s for o, s in zip(level.offset, grid.shift, strict=True)]
    rows = []
    for at, others in behind.paint.exceptions(inside):
        first = int(labels[tuple(a - b for a, b in zip(at, inside.start, strict=True))])
        z, y, x = (a + b for a, b in zip(at, shift, strict=True))
        rows.append([x, y, z, first, *others])
    return rows
