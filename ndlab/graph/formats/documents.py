"""Node-link JSON, as networkx and D3 write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ndlab.errors import BadMetadata, Unsupported
from ndlab.graph.bridges import by_name, records
from ndlab.graph.formats.notes import NOTE, note_of, numbered, with_note

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["read", "write"]


def write(graph: Graph, path: Path) -> None:
    """Write the whole graph; `networkx.node_link_graph(data, edges="links")` reads it."""
    ids = graph.ids.tolist()
    ends = zip(graph.source.tolist(), graph.target.tolist(), records(graph.edges), strict=True)
    found = {
        "directed": graph.directed,
        "multigraph": graph.is_multigraph,
        "graph": graph.attributes | {NOTE: note_of(graph)},
        "nodes": [row | {"id": one} for one, row in zip(ids, records(graph.nodes), strict=True)],
        "links": [row | {"source": ids[u], "target": ids[v]} for u, v, row in ends],
    }
    try:
        text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise Unsupported("infinite numbers in JSON", "it has no word for them", "write .parquet or .graphml") from None
    path.write_text(text, encoding="utf-8")


def read(path: Path, make: type[Graph]) -> Graph:
    """Read node-link JSON whose edges are called ``links`` or ``edges``.

    Raises
    ------
    BadMetadata
        If it is none.
    """
    try:
        found = json.loads(path.read_bytes())
        nodes, links = found["nodes"], found["links"] if "links" in found else found["edges"]
        names = [one.get("id", row) for row, one in enumerate(nodes)]
        rows = numbered(names, path)
        ends = np.array([[rows[one["source"]], rows[one["target"]]] for one in links], np.int64).reshape(-1, 2)
    except BadMetadata:
        raise
    except (ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise BadMetadata(f"{path} is not node-link JSON", why, 'it has "nodes" with "id" and "links"') from None
    graph = make.of_rows(
        names, ends[:, 0], ends[:, 1], directed=bool(found.get("directed", False)),
        nodes=by_name([{k: v for k, v in one.items() if k != "id"} for one in nodes]),
        edges=by_name([{k: v for k, v in one.items() if k not in ("source", "target", "key")} for one in links]),
    ).with_attributes({str(key): value for key, value in dict(found.get("graph", {})).items()})  # fmt: skip
    note = graph.attributes.pop(NOTE, None)
    return with_note(graph, note if isinstance(note, str) else None)
