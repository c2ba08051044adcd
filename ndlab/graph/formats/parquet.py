"""Two Parquet files in a folder, of nodes and of edges; or one, of edges only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadMetadata
from ndlab.graph.columns import Column, Columns

if TYPE_CHECKING:
    import pyarrow as pa

    from ndlab.graph.graph import Graph

__all__ = ["read", "write"]

_KEY = b"ndlab.graph"


def write(graph: Graph, folder: Path) -> None:
    """Write ``nodes.parquet`` (id, …) and ``edges.parquet`` (source, target, …), with units in the fields' metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    about = json.dumps({"directed": graph.directed, "attributes": graph.attributes}).encode()
    ids = graph.ids
    for name, columns, first in (
        ("nodes", graph.nodes, {"id": ids}),
        ("edges", graph.edges, {"source": ids[graph.source], "target": ids[graph.target]}),
    ):
        fields, arrays = [], []
        for title, values in first.items():
            arrays.append(pa.array(values, pa.string() if values.dtype.kind == "O" else None))
            fields.append(pa.field(title, arrays[-1].type))
        for title, column in columns.columns.items():
            arrays.append(_array(column))
            unit = {b"unit": column.unit.encode()} if column.unit else None
            # A property may be called as an end is.
            fields.append(
                pa.field(f"{title}_" if title.rstrip("_") in first else title, arrays[-1].type, metadata=unit)
            )
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={_KEY: about}))
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _array(column: Column) -> pa.Array:
    import pyarrow as pa

    kind = {"b": pa.bool_(), "i": pa.int64(), "u": pa.uint64(), "f": pa.float64()}.get(column.values.dtype.kind)
    return pa.array(column.values, kind or pa.string(), mask=column.missing)


def read(path: Path, make: type[Graph]) -> Graph:
    """Read a folder that `write` wrote, or a table of edges with the columns ``source`` and ``target``.

    Raises
    ------
    BadMetadata
        If a column is missing.
    """
    import pyarrow.parquet as pq

    edges = pq.read_table(path / "edges.parquet" if path.is_dir() else path)
    nodes = pq.read_table(path / "nodes.parquet") if path.is_dir() else None
    for table, needed in ((edges, ("source", "target")), (nodes, ("id",))):
        lacking = [] if table is None else [name for name in needed if name not in table.column_names]
        if lacking and table is not None:
            raise BadMetadata(f"{path} has no column {', '.join(lacking)}", f"it has {', '.join(table.column_names)}")
    about = json.loads((edges.schema.metadata or {}).get(_KEY, b"{}"))
    made = make.from_edges(
        _ids(edges, "source"), _ids(edges, "target"), ids=None if nodes is None else _ids(nodes, "id"),
        directed=about.get("directed", True),
    ).with_attributes(about.get("attributes", {}))  # fmt: skip
    from dataclasses import replace

    return replace(
        made, edges=_columns(edges, {"source", "target"}, "edge"),
        nodes=made.nodes if nodes is None else _columns(nodes, {"id"}, "node"),
    )  # fmt: skip


def _ids(table: pa.Table, name: str) -> Any:
    found = table[name].to_numpy()
    return found.tolist() if found.dtype.kind == "O" else found


def _columns(table: pa.Table, ends: set[str], what: str) -> Columns:
    made = {}
    for field in table.schema:
        if field.name in ends:
            continue
        title = field.name[:-1] if field.name.endswith("_") and field.name.rstrip("_") in ends else field.name
        made[title] = _column(table[field.name], (field.metadata or {}).get(b"unit", b"").decode())
    return Columns(table.num_rows, made, what)


def _column(values: Any, unit: str) -> Column:
    """Keep the type of a column even where nothing is in it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        filled = np.array(["" if v is None else v for v in values.to_pylist()] or [], object)
    else:
        zero = False if pa.types.is_boolean(kind) else 0
        filled = pc.fill_null(values, pa.scalar(zero, kind)).to_numpy()
    missing = values.is_null().to_numpy()
    column = Column.of(filled, unit) if len(filled) else Column(filled, unit)
    if not missing.any():
        return column
    shown = np.where(missing, np.nan, column.values) if column.kind == "float" else column.values
    return Column(shown, unit, missing if column.missing is None else missing | column.missing)
