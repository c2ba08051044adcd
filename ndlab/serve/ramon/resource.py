"""Annotations as resources below /v1: what is asked of them and done to them, as plain values for JSON.

Everything is (z, y, x). Places are in nm; boxes and voxels count from the first voxel of the labels' array.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.annotations import Annotation, Query, Transaction
from ndlab.annotations.exchange.documents import to_plain
from ndlab.annotations.ids import as_id, as_ids
from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.related import related

__all__ = ["MOST", "Asked", "described", "history", "id_of", "ids_in", "listed", "single", "transaction", "voxels"]

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
    found: Annotation = behind.annotations.get(id_of(one))
    derived = related(behind.annotations, [found])[found.id]
    return {**to_plain(found), "derived": derived}


def id_of(text: str) -> int:
    """Read an id of an address."""
    if not re.fullmatch(r"\d{1,20}", text, re.ASCII):
        raise BadRequest(f"object {text[:50]!r}", "an id is a whole number from 1 to 2**64 - 1")
    return as_id(int(text))


def voxels(
    behind: Behind, one: str, form: str, query: Mapping[str, str], nbytes: int
) -> tuple[dict[str, Any] | bytes, dict[str, str]]:
    """Return the bounds of an object as JSON, or its voxels or cut-out as npy, with headers that say where it is."""
    asked = Asked(query, ("box",) if form == "cutout" else ())
    found: Annotation = behind.annotations.get(id_of(one))
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


def ids_in(query: Mapping[str, str]) -> list[int]:
    """Return the ids that an address lists."""
    text = Asked(query, ("ids",)).query.get("ids", "")
    if not re.fullmatch(r"\d{1,20}(,\d{1,20})*", text, re.ASCII):
        raise BadRequest(f"ids={text[:100]!r}", "they are whole numbers, parted by commas", "ask for ids=1,2,3")
    return as_ids(list(dict.fromkeys(map(int, text.split(",")))))
