"""Rows against paint: which objects have voxels, and whether rows say of them what the voxels do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, select

from ndlab.annotations import changes
from ndlab.annotations.checking.findings import Finding, some
from ndlab.annotations.ids import signed, unsigned
from ndlab.annotations.kinds import Annotation, kind_of
from ndlab.annotations.rows import from_row
from ndlab.annotations.schema import objects
from ndlab.annotations.writing import Write
from ndlab.geometry import NmBox

if TYPE_CHECKING:
    from ndlab.annotations.owned import OwnedPaint

__all__ = ["COUNT", "both_findings"]

# The free key by which a row declares how many voxels its object has.
COUNT = "voxel_count"
# And those of its centre, of a kind that has no point.
CENTRE = ("centroid_z", "centroid_y", "centroid_x")
_TOLD = 20
_COLUMNS = ("id", "kind", "z", "y", "x", "z0", "y0", "x0", "z1", "y1", "x1", "keys")
# Of these no voxels are expected: a neuron's are its segments', the others are points and trees.
_BARE = {kind_of(name).code for name in ("neuron", "node", "skeleton", "seed")}

Numbers = np.ndarray[Any, Any]


@dataclass
class _Painted:
    """All objects that have voxels, by id: how many, and the box in nm that holds them."""

    ids: Numbers
    sizes: Numbers
    low: Numbers
    high: Numbers
    at: dict[int, int] = field(default_factory=dict)

    @staticmethod
    def of(paints: Sequence[OwnedPaint]) -> _Painted:
        """Read the indexes of volumes, whose strokes are merged."""
        parts = [_places(paint) for paint in paints]
        ids, sizes, low, high = (np.concatenate(one) for one in zip(*parts, strict=True))
        order = np.argsort(ids, kind="stable")
        found, firsts = np.unique(ids[order], return_index=True)
        if not len(found):
            return _Painted(found, sizes, low, high)
        ends = np.minimum.reduceat(low[order], firsts), np.maximum.reduceat(high[order], firsts)
        made = _Painted(found, np.add.reduceat(sizes[order], firsts), *ends)
        made.at = {one: i for i, one in enumerate(found.tolist())}
        return made

    def bounds(self, i: int) -> NmBox:
        """Return the box of an object."""
        return NmBox(self.low[i].tolist(), self.high[i].tolist())


def _places(paint: OwnedPaint) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    rows = [(one.id, one.chunk, one.count, *one.low, *one.high) for one in paint._merger.index.all_places()]
    table = np.array([row[1:] for row in rows], "i8").reshape(-1, 8)
    ids = np.array([row[0] for row in rows], "u8")
    corner = np.stack(paint.chunking.index(table[:, 0]), 1) * np.array(paint.chunking.chunk)
    space = paint.volume.calibration
    size, offset = np.array(space.voxel_size), np.array(space.offset)
    return ids, table[:, 1], offset + (corner + table[:, 2:5]) * size, offset + (corner + table[:, 5:8]) * size


@dataclass
class _Differ:
    """Ids of rows that say something else than their voxels, by what they say wrong."""

    bounds: list[int] = field(default_factory=list)
    centroid: list[int] = field(default_factory=list)
    voxels: list[int] = field(default_factory=list)
    declared: list[int] = field(default_factory=list)
    bare: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    listed: int = 0


def both_findings(connection: Connection, paints: dict[str, OwnedPaint]) -> Iterator[Finding]:
    """Yield where rows and paint say different things, and as notes where only one of them is."""
    if not paints:
        return
    painted = _Painted.of(list(paints.values()))
    differ = _compare(connection, painted)
    where = ", ".join(paints)

    def mend(write: Write) -> int:
        return _mend(write, list(paints.values()))

    for what, ids, told in (
        ("bounds", differ.bounds, "rows have other bounds than their voxels"),
        ("centroid", differ.centroid, "rows have a centre outside of the box of their voxels"),
        ("voxels", differ.voxels, "rows declare another number of voxels than there are"),
    ):
        if ids:
            yield Finding(what, where, "problem", f"{len(ids)} {told}: {some(ids)}", "", tuple(ids[:_TOLD]), True,
                          mend_rows=mend)  # fmt: skip
    if differ.declared:
        ids = differ.declared
        yield Finding("unpainted", where, "problem", f"{len(ids)} rows declare voxels, and have none: {some(ids)}",
                      "paint them, or take it back: ann.update(ids, voxel_count=None)", tuple(ids[:_TOLD]))  # fmt: skip
    if differ.bare:
        told = ", ".join(f"{n:,} {kind}" for kind, n in differ.bare.items())
        yield Finding("paint", "objects", "note", f"without voxels: {told}")
    if differ.listed < len(painted.ids):
        lost = _unlisted(connection, painted)
        yield Finding("paint", where, "note", f"{len(lost):,} ids have voxels and no row: {some(lost)}",
                      "ndlab.measure.objects(ann) makes rows of them", tuple(lost[:_TOLD]))  # fmt: skip


def _compare(connection: Connection, painted: _Painted) -> _Differ:
    found = _Differ()
    asked = select(*(objects.c[name] for name in _COLUMNS)).order_by(objects.c.id)
    for row in connection.execute(asked.execution_options(stream_results=True)):
        one, kind, keys = unsigned(row[0]), row[1], row[-1]
        i = painted.at.get(one)
        declared = _declared(keys)
        if i is None:
            if declared:
                found.declared.append(one)
            elif kind not in _BARE:
                name = kind_of(kind).kind
                found.bare[name] = found.bare.get(name, 0) + 1
            continue
        found.listed += 1
        low, high = painted.low[i], painted.high[i]
        if row[5] is not None and not (np.allclose(row[5:8], low, 1e-9) and np.allclose(row[8:11], high, 1e-9)):
            found.bounds.append(one)
        if row[2] is not None and not all(a <= v <= b for a, v, b in zip(low, row[2:5], high, strict=True)):
            found.centroid.append(one)
        if declared is not None and declared != painted.sizes[i]:
            found.voxels.append(one)
    return found


def _declared(keys: str | None) -> Any:
    if not keys or f'"{COUNT}"' not in keys:
        return None
    try:
        return json.loads(keys).get(COUNT)
    except ValueError:
        return None


def _unlisted(connection: Connection, painted: _Painted) -> list[int]:
    asked = select(objects.c.id).execution_options(stream_results=True)
    rows = {unsigned(one) for one in connection.execute(asked).scalars()}
    return [one for one in painted.ids.tolist() if one not in rows]


def _mend(write: Write, paints: Sequence[OwnedPaint]) -> int:
    """Let rows say what their voxels do."""
    painted = _Painted.of(paints)
    differ = _compare(write.connection, painted)
    # Where the number is another, so is the centre.
    centred = {*differ.centroid, *differ.voxels}
    ids = sorted({*differ.bounds, *differ.centroid, *differ.voxels})
    for piece in changes.pieces(ids):
        made = []
        for row in write.rows([signed(one) for one in piece]).values():
            one = from_row(row)
            i = painted.at[one.id]
            new: dict[str, Any] = {} if one.bounds is None else {"bounds": painted.bounds(i)}
            keys = {**one.keys, COUNT: int(painted.sizes[i])} if COUNT in one.keys else dict(one.keys)
            if one.id in centred:
                new |= _centred(one, keys, paints)
            made.append(replace(one, keys=keys, **new))
        changes.update_objects(write, made)
    return 0  # they were counted one by one


def _centred(one: Annotation, keys: dict[str, Any], paints: Sequence[OwnedPaint]) -> dict[str, Any]:
    """Let an object have the mean of its voxels' centres, where it has one: as the point of its kind, or as keys."""
    name = type(one).point()
    if one.position is None and CENTRE[0] not in keys:
        return {}
    parts = []
    for paint in paints:
        if one.id <= np.iinfo(paint.dtype).max:
            space = paint.volume.calibration
            parts.append(np.array(space.offset) + (paint.voxels(one.id) + 0.5) * np.array(space.voxel_size))
    mean = np.concatenate(parts).mean(0).tolist()
    if CENTRE[0] in keys:
        keys |= dict(zip(CENTRE, mean, strict=True))
    return {} if name is None or one.position is None else {name: tuple(mean)}
