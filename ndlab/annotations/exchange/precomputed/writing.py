"""A layer of precomputed annotations: from rows to a folder that Neuroglancer opens, in bounded memory.

The rows are read once, checked, and kept on disk as the bytes that are to be written; each index (by id, one for each
relationship, one for each level of space) is then sorted on disk in pieces. Memory holds a batch, or a piece.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.exchange.precomputed.choosing import choose
from ndlab.annotations.exchange.precomputed.indexes import Grouped, Single
from ndlab.annotations.exchange.precomputed.layout import GEOMETRIES
from ndlab.annotations.exchange.precomputed.source import FileSource, QuerySource, Source
from ndlab.annotations.exchange.precomputed.spatial import Frame, Level, cells, frame, levels, lots, morton
from ndlab.annotations.exchange.precomputed.spool import Spool, spool
from ndlab.errors import BadRequest, TooLarge
from ndlab.store.uint64_shards import Sharding

if TYPE_CHECKING:
    from ndlab.annotations.query import Query

__all__ = ["write"]

# A file for each annotation: more than this many are no folder that one wants.
_FILES = 1_000_000
_GZIP = 512  # lists that are on average shorter get no smaller by it


def write(
    source: Query | Path, part: Path, *, geometry: str = "point",
    properties: Sequence[str] | Mapping[str, str | None] | None = None, relationships: Sequence[str] | None = None,
    ends: Sequence[Sequence[str]] | None = None, radius: str | Sequence[str] = "radius",
    unit: str | Sequence[float] = "nm", limit: int = 5000, sharded: bool = True,
) -> None:  # fmt: skip
    """Write the objects of a query, or the rows of a Parquet file, into the folder `part`.

    Parameters
    ----------
    source : Query or Path
    part : Path
        Is made.
    geometry : {"point", "line", "box", "ellipsoid"}
        Points at z, y, x; lines between `ends`; boxes from z0, y0, x0 to z1, y1, x1; ellipsoids around z, y, x with
        `radius`.
    properties : sequence, or mapping of names to types, optional
        Columns and free keys that each annotation shows. Types are rgb, rgba, uint8 to float32; without one it
        follows from the values, and text becomes an enumeration. Unless given, all that the format can hold.
    relationships : sequence, optional
        Columns of ids, by which annotations are found. Unless given, all fields of objects that hold ids.
    ends : two times three names (z, y, x)
        Of lines; ``pre_z`` to ``post_x`` unless given.
    radius : name, or three (z, y, x)
        Of ellipsoids.
    unit : "nm" or (z, y, x) [nm]
        What positions of a file count in. Those of objects are in nm.
    limit : int
        The most annotations in one cell of a level.
    sharded : bool
        Few large files, or many small ones for servers that do not give parts of files.

    Warns
    -----
    UserWarning
        Of what the layer does not hold, where `properties` were not given; before anything is written.
    """
    if isinstance(limit, bool) or int(limit) != limit or limit < 1:
        raise BadRequest(f"limit={limit!r}", "it is how many annotations a cell shows, 1 or more")
    made = FileSource(source) if isinstance(source, Path) else QuerySource(source)
    scale = _scale(unit, isinstance(made, QuerySource))
    layout = choose(made, geometry, properties, relationships, ends, radius, scale)
    scratch = part.with_name(part.name + ".scratch")
    scratch.mkdir()
    try:
        spooled = spool(made, layout, scratch)
        if not sharded and spooled.count > _FILES:
            raise TooLarge(f"{spooled.count} annotations, each in a file of its own", f"at most {_FILES}",
                           "leave out sharded=False")  # fmt: skip
        box = frame(spooled)
        found = levels(spooled, box, int(limit))
        part.mkdir()
        _write_indexes(part, spooled, box, found, sharded, made)
    finally:
        shutil.rmtree(scratch)


def _scale(unit: Any, fixed: bool) -> tuple[float, float, float]:
    if isinstance(unit, str):
        if unit != "nm":
            raise BadRequest(f"unit={unit!r}", "it is 'nm', or the voxel (z, y, x) [nm] that positions count in")
        return 1.0, 1.0, 1.0
    sizes = [float(v) for v in unit]
    if len(sizes) != 3 or not all(v > 0 for v in sizes):
        raise BadRequest(f"unit={unit!r}", "a voxel has three sizes (z, y, x) [nm], greater than 0")
    if fixed:
        raise BadRequest(f"unit={unit!r} of objects", "their positions are in nm", "leave it out")
    return sizes[2], sizes[1], sizes[0]


def _write_indexes(
    part: Path, spooled: Spool, box: Frame, found: Sequence[Level], sharded: bool, source: Source
) -> None:
    layout = spooled.layout
    info: dict[str, Any] = {
        "@type": "neuroglancer_annotations_v1",
        "dimensions": {axis: [size * 1e-9, "m"] for axis, size in zip("xyz", layout.scale, strict=True)},
        "lower_bound": box.low.tolist(),
        "upper_bound": (box.low + box.extent).tolist(),
        "annotation_type": GEOMETRIES[layout.geometry],
        "properties": [one.json() for one in layout.stored],
    }
    info["relationships"] = [
        {"id": one.id, "key": one.key} | _related(part / one.key, spooled, i, sharded)
        for i, one in enumerate(layout.relationships)
    ]
    info["by_id"] = {"key": "by_id"} | _by_id(part / "by_id", spooled, sharded)
    info["spatial"] = [
        {
            "key": f"spatial{i}",
            "grid_shape": list(level.grid),
            "chunk_size": (box.extent / level.grid).tolist(),
            "limit": level.limit,
        }
        | _level(part / f"spatial{i}", spooled, box, level, sharded)
        for i, level in enumerate(found)
    ]
    # What the format has no word for, so that ndlab reads back what it wrote.
    info["ndlab"] = {
        "kind": source.kind, "annotations": spooled.count, "columns": list(layout.columns),
        "names": {one.id: one.column for one in layout.properties},
        "bools": [one.id for one in layout.properties if one.truth],
    }  # fmt: skip
    (part / "info").write_text(json.dumps(info, indent=1))


def _said(sharding: Sharding, sharded: bool) -> dict[str, Any]:
    return {"sharding": sharding.json()} if sharded else {}


def _by_id(folder: Path, spooled: Spool, sharded: bool) -> dict[str, Any]:
    size = spooled.layout.record.itemsize + 4 * len(spooled.related)
    # Single records do not get smaller by gzip.
    sharding = Sharding.of(spooled.count, spooled.count * (size + 24) + 8 * sum(spooled.related), False)
    index = Single(folder, sharding, sharded)
    for made in spooled.batches(related=True):
        index.add(made)
    index.finish()
    return _said(sharding, sharded)


def _related(folder: Path, spooled: Spool, number: int, sharded: bool) -> dict[str, Any]:
    count, keys = spooled.related[number], int(spooled.distinct[number])
    nbytes = count * (spooled.layout.record.itemsize + 8)
    sharding = Sharding.of(keys, nbytes + 32 * keys, nbytes > _GZIP * keys)
    index = Grouped(folder, spooled.layout.record, sharding, sharded)
    for made, rows, ids in spooled.one_relationship(number):
        index.add(ids, made.ids[rows], made.records[rows])
    index.finish()
    return _said(sharding, sharded)


def _level(folder: Path, spooled: Spool, box: Frame, level: Level, sharded: bool) -> dict[str, Any]:
    nbytes = level.entries * (spooled.layout.record.itemsize + 8)
    sharding = Sharding.of(level.cells, nbytes, True)
    index = Grouped(folder, spooled.layout.record, sharding, sharded)
    for made in spooled.batches():
        drawn = lots(made.ids)
        chosen = np.flatnonzero((drawn >= level.low) & (drawn < level.high))
        for rows, numbers in cells(made.records["geometry"][chosen], spooled.layout, box, level.grid):
            index.add(morton(numbers, level.grid), made.ids[chosen[rows]], made.records[chosen[rows]])
    index.finish(_Names(level.grid))
    return _said(sharding, sharded)


class _Names:
    """Names of the files of cells by their compressed Morton codes."""

    def __init__(self, grid: tuple[int, int, int]) -> None:
        self._bits = [(n - 1).bit_length() for n in grid]

    def __call__(self, code: int) -> str:
        index, at = [0, 0, 0], 0
        for bit in range(max(self._bits)):
            for axis in range(3):
                if bit < self._bits[axis]:
                    index[axis] |= ((code >> at) & 1) << bit
                    at += 1
        return "_".join(map(str, index))
