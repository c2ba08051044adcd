"""geff, graphs in Zarr, as read by trackers and viewers.

References
----------
Graph Exchange File Format, https://liveimagetrackingtools.org/geff
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadMetadata, Unsupported
from ndlab.graph.columns import Array, Column, Columns
from ndlab.graph.formats.notes import NOTE, note_of, with_note

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["read", "write"]

_VERSION = "1.1"


def write(graph: Graph, folder: Path) -> None:
    """Write the whole graph. Ids that geff has no type for (text, negative ones) become the property ``id``.

    Raises
    ------
    Unsupported
        If there are parallel edges: geff names an edge by its ends.
    """
    import zarr

    if graph.is_multigraph:
        raise Unsupported("parallel edges in geff", "it names an edge by its ends", "merge them first: graph.simple()")
    _refuse_ends([graph.ids] if graph.ids.dtype.kind == "O" else [])
    plain = graph.ids.dtype.kind != "O" and (not graph.n_nodes or int(graph.ids.min()) >= 0)
    numbers = graph.ids.astype(np.uint64) if plain else np.arange(graph.n_nodes, dtype=np.uint64)
    nodes = graph.nodes if plain else graph.nodes.with_({_free(graph.nodes): graph.ids})
    root = zarr.create_group(folder, zarr_format=2)
    _put(root, "nodes/ids", numbers)
    _put(root, "edges/ids", np.stack([numbers[graph.source], numbers[graph.target]], axis=1))
    for columns in (nodes, graph.edges):
        root.require_group(f"{columns.what}s/props")
        for name, column in columns.columns.items():
            _property(root, f"{columns.what}s/props/{name}", column)
    extra = {NOTE: note_of(graph)} | ({} if plain else {f"{NOTE} ids": _free(graph.nodes)})
    root.attrs["geff"] = {
        "geff_version": _VERSION,
        "directed": graph.directed,
        "axes": None,
        "node_props_metadata": _described(nodes),
        "edge_props_metadata": _described(graph.edges),
        "extra": extra,
    }


def _free(columns: Columns) -> str:
    name = "id"
    while name in columns:
        name += "_"
    return name


def _put(root: Any, path: str, values: Array) -> None:
    root.create_array(path, data=values, chunks=tuple(max(1, n) for n in values.shape))


def _property(root: Any, path: str, column: Column) -> None:
    name = path.split("/props/", 1)[1]
    if any(c in name for c in "/\\\0") or name.startswith("__") or not name.strip("."):
        raise Unsupported(f"the property {name!r} in geff", "a name becomes a folder there")
    _refuse_ends([column.values] if column.kind == "str" else [])
    _put(root, f"{path}/values", np.asarray(column.values.tolist(), str) if column.kind == "str" else column.values)
    if column.missing is not None:
        _put(root, f"{path}/missing", column.missing)


def _refuse_ends(texts: list[Array]) -> None:
    if any(one.endswith("\0") for values in texts for one in values):
        raise Unsupported("text that ends in a NUL in geff", "arrays of text lose it", "write .json or .parquet")


def _described(columns: Columns) -> dict[str, Any]:
    return {
        name: {
            "identifier": name, "dtype": "str" if column.kind == "str" else str(column.values.dtype),
            "varlength": False, "unit": column.unit or None,
        }
        for name, column in columns.columns.items()
    }  # fmt: skip


def read(folder: Path, make: type[Graph]) -> Graph:
    """Read geff 0.5 to 1.x.

    Raises
    ------
    BadMetadata
        If it is none.
    Unsupported
        If a property holds arrays of different lengths.
    """
    import zarr

    try:
        root = zarr.open_group(folder, mode="r")
        about: dict[str, Any] = dict(root.attrs["geff"])  # type: ignore[arg-type]
        ids, ends = np.asarray(root["nodes/ids"]), np.asarray(root["edges/ids"]).reshape(-1, 2)
    except (KeyError, FileNotFoundError, ValueError) as error:
        raise BadMetadata(f"{folder} is not geff", str(error), "a folder with nodes/ids and edges/ids") from None
    nodes = _columns(root, "node", len(ids), about.get("node_props_metadata") or {})
    edges = _columns(root, "edge", len(ends), about.get("edge_props_metadata") or {})
    extra = about.get("extra") or {}
    made = make.from_edges(
        ends[:, 0], ends[:, 1], ids=ids, directed=bool(about.get("directed", True)), edges=edges.columns
    )
    if f"{NOTE} ids" in extra:
        called = extra[f"{NOTE} ids"]
        made = make.of_rows(nodes.columns[called].values, made.source, made.target, directed=made.directed,
                             edges=edges.columns, nodes=nodes.without([called]).columns)  # fmt: skip
    else:
        made = made.with_nodes(nodes.columns)
    return with_note(made, extra.get(NOTE))


def _columns(root: Any, what: str, count: int, described: dict[str, Any]) -> Columns:
    import zarr

    made: dict[str, Column] = {}
    group = root.get(f"{what}s/props")
    for name in sorted(group.group_keys()) if isinstance(group, zarr.Group) else []:
        about = described.get(name, {})
        if about.get("varlength"):
            raise Unsupported(f"the property {name!r} of varying length", "a property is one value for each node")
        values = np.asarray(group[f"{name}/values"])
        unit = about.get("unit") or ""
        missing = np.asarray(group[f"{name}/missing"], bool) if f"{name}/missing" in group else None
        parts = {name: values} if values.ndim == 1 else {f"{name}_{i}": v for i, v in enumerate(values.T)}
        for title, part in parts.items():
            column = Column.of(part, unit)
            gone = (
                column.missing if missing is None else missing | (False if column.missing is None else column.missing)
            )
            made[title] = Column(column.values, unit, gone if gone is not None and gone.any() else None)
    return Columns(count, made, what)
