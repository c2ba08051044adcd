"""Parquet: objects in the order of a curve through space, so that each group of rows is a compact region.

The file's own statistics then say for each group the least and largest z, y and x, and whoever reads a box skips the
groups that lie outside: ``pyarrow.parquet.read_table(path, filters=[("z", ">=", a), ("z", "<", b), ...])``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, select

from ndlab.annotations import columnar
from ndlab.annotations.database import chunked
from ndlab.annotations.reading import source
from ndlab.errors import BadMetadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ndlab.annotations.query import Query

__all__ = ["curve", "read", "write"]

_GROUP = 20_000
_BITS = 21


def write(query: Query, path: Path, row_group: int = _GROUP) -> None:
    """Write a query's objects, in the order of space unless the query is sorted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = query.column_names
    stored = columnar.stored_columns(names, columnar.is_field)
    about = {"ndlab": json.dumps({"annotations": 1, "space": query.space.plain()})}
    if not all(columnar.is_field(name) for name in names):
        # The types of free keys are known only from all of their values.
        with query.database.reading() as connection:
            rows = _rows(query, connection, _ordered(query, connection), stored)
        table = pa.Table.from_batches([columnar.batch(rows, stored, names)]).replace_schema_metadata(about)
        pq.write_table(table, path, row_group_size=row_group, compression="zstd")
        return
    schema = columnar.schema(names).with_metadata(about)
    with query.database.reading() as connection, pq.ParquetWriter(path, schema, compression="zstd") as out:
        ids = _ordered(query, connection)
        for start in range(0, len(ids), row_group):
            rows = _rows(query, connection, ids[start : start + row_group], stored)
            out.write_batch(columnar.batch(rows, stored, names).cast(schema), row_group_size=row_group)


def _ordered(query: Query, connection: Connection) -> np.ndarray[Any, Any]:
    """Return the stored ids in the order of the query, or of the curve; those without position come last."""
    if query.order:
        return np.fromiter(connection.execute(query.statement("id")).scalars(), np.int64)
    inner = query.statement("z", "y", "x", "z0", "y0", "x0", ordered=query.most is not None).subquery("placed")
    places = [func.coalesce(inner.c[n], inner.c[f"{n}0"]) for n in "zyx"]
    found = connection.execute(select(*(f(p) for p in places for f in (func.min, func.max)))).one()
    low, high = np.array(found[::2], np.float64), np.array(found[1::2], np.float64)
    ids, codes = [], []
    for rows in connection.execute(query.statement("id", "z", "y", "x", "z0", "y0", "x0")).partitions(100_000):
        ids.append(np.array([row[0] for row in rows], np.int64))
        points = np.array([row[1:4] if row[1] is not None else row[4:7] for row in rows], np.float64)
        codes.append(curve(points, low, high))
    if not ids:
        return np.zeros(0, np.int64)
    order = np.argsort(np.concatenate(codes), kind="stable")
    return np.concatenate(ids)[order]


def curve(points: np.ndarray[Any, Any], low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return Morton codes, uint64, of points (n, 3) on a grid of 2**21 cubes a side; the largest for those of NaN."""
    nowhere = np.isnan(points).any(axis=1)
    side = np.nanmax(high - low) if np.isfinite(high - low).any() else 0.0
    cells = np.zeros(points.shape, np.uint64)
    if side > 0:
        scaled = (np.where(nowhere[:, None], low, points) - low) / side * ((1 << _BITS) - 1)
        cells = scaled.astype(np.uint64)
    codes = np.zeros(len(points), np.uint64)
    for axis in range(3):
        codes |= _spread(cells[:, axis]) << np.uint64(2 - axis)
    codes[nowhere] = np.uint64((1 << 64) - 1)
    return codes


def _spread(v: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Leave two zero bits between the 21 bits of each number."""
    for shift, mask in (
        (32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249),
    ):  # fmt: skip
        v = (v | (v << np.uint64(shift))) & np.uint64(mask)
    return v


def _rows(query: Query, connection: Connection, ids: np.ndarray[Any, Any], stored: list[str]) -> list[Any]:
    table = source(query.at)
    columns = [table.c[name] for name in ("id", *stored)]
    found = {}
    for some in chunked(ids.tolist()):
        found.update({row[0]: row[1:] for row in connection.execute(select(*columns).where(table.c.id.in_(some)))})
    return [found[one] for one in ids.tolist()]


def read(path: Path, columns: Sequence[str] | None = None, size: int = _GROUP) -> Iterator[Any]:
    """Yield Arrow batches of a file of at most `size` rows; memory holds one group of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise BadMetadata(f"{path} is no Parquet file", str(error), "was its writing cut off?") from None
    with file:
        # Asked for all groups at once, pyarrow 26 keeps those that it has gone through.
        for group in range(file.num_row_groups):
            yield from file.iter_batches(size, row_groups=[group], columns=columns)
