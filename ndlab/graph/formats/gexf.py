"""GEXF, Gephi's format, versions 1.1 to 1.3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ndlab.errors import BadMetadata
from ndlab.graph.bridges import by_name, records
from ndlab.graph.columns import Columns
from ndlab.graph.formats.graphml import parsed, xml_text
from ndlab.graph.formats.notes import NOTE, note_of, numbered, plain_ids, with_note, with_ways

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["read", "write"]

_TYPES = {"bool": "boolean", "int": "long", "float": "double", "str": "string"}


def write(graph: Graph, path: Path) -> None:
    """Write the whole graph; GEXF has no attributes of a graph, so they stand in its description."""
    ids = [xml_text(str(one)) for one in graph.ids.tolist()]
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<gexf xmlns="http://gexf.net/1.3" version="1.3">\n')
        file.write(f"  <meta><description>{escape(xml_text(f'{NOTE} {note_of(graph)}'))}</description></meta>\n")
        file.write(f'  <graph mode="static" defaultedgetype="{"" if graph.directed else "un"}directed">\n')
        for columns in (graph.nodes, graph.edges):
            file.write(f'    <attributes class="{columns.what}">{_declared(columns)}</attributes>\n')
        file.write("    <nodes>\n")
        names = dict(zip(graph.nodes, map(str, range(len(graph.nodes))), strict=True))
        for one, row in zip(ids, records(graph.nodes), strict=True):
            file.write(f"      <node id={quoteattr(one)} label={quoteattr(one)}>{_values(row, names)}</node>\n")
        file.write("    </nodes>\n    <edges>\n")
        names = dict(zip(graph.edges, map(str, range(len(graph.edges))), strict=True))
        ends = zip(graph.source.tolist(), graph.target.tolist(), records(graph.edges), strict=True)
        for number, (u, v, row) in enumerate(ends):
            weight = f' weight="{row["weight"]!r}"' if isinstance(row.get("weight"), int | float) else ""
            file.write(f'      <edge id="{number}" source={quoteattr(ids[u])} target={quoteattr(ids[v])}{weight}>')
            file.write(f"{_values(row, names)}</edge>\n")
        file.write("    </edges>\n  </graph>\n</gexf>\n")


def _declared(columns: Columns) -> str:
    return "".join(
        f'<attribute id="{i}" title={quoteattr(xml_text(name))} type="{_TYPES[column.kind]}"/>'
        for i, (name, column) in enumerate(columns.columns.items())
    )


def _values(row: dict[str, Any], names: dict[str, str]) -> str:
    if not row:
        return ""
    said = ((names[n], str(v).lower() if isinstance(v, bool) else xml_text(str(v))) for n, v in row.items())
    return "<attvalues>" + "".join(f'<attvalue for="{i}" value={quoteattr(v)}/>' for i, v in said) + "</attvalues>"


def read(path: Path, make: type[Graph]) -> Graph:
    """Read nodes, edges and their attributes; what Gephi keeps of its drawing is left out.

    Raises
    ------
    BadMetadata
        If it is not GEXF.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise BadMetadata(f"{path} is not GEXF", str(error), "name its format with format=") from None
    graph = _child(root, "graph")
    if _tag(root) != "gexf" or graph is None:
        raise BadMetadata(f"{path} is not GEXF", "it has no <graph>", "name its format with format=")
    nodes = _all(graph, "node")
    rows = numbered([one.get("id", "") for one in nodes], path)
    edges = _all(graph, "edge")
    found = make.of_rows(
        plain_ids(list(rows)),
        np.array([_row(rows, one.get("source", "")) for one in edges], np.int64),
        np.array([_row(rows, one.get("target", "")) for one in edges], np.int64),
        directed=graph.get("defaultedgetype", "undirected") == "directed",
        nodes=by_name(_rows(graph, nodes, "node")),
        edges=by_name(_rows(graph, edges, "edge")),
    )
    ways = {"directed": True, "undirected": False, "mutual": False}
    found = with_ways(found, [ways.get(one.get("type", "")) for one in edges])
    said = next((e.text or "" for e in root.iter() if _tag(e) == "description"), "")
    return with_note(found, said.removeprefix(f"{NOTE} ") if said.startswith(f"{NOTE} ") else None)


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _child(element: ET.Element, tag: str) -> ET.Element | None:
    return next((one for one in element if _tag(one) == tag), None)


def _all(graph: ET.Element, tag: str) -> list[ET.Element]:
    return [one for one in graph.iter() if _tag(one) == tag]


def _row(rows: dict[str, int], one: str) -> int:
    if one not in rows:
        raise BadMetadata(f"an edge ends at {one!r}", f"the file has {len(rows):,} nodes, none of that id")
    return rows[one]


def _rows(graph: ET.Element, elements: list[ET.Element], what: str) -> list[dict[str, Any]]:
    known = {
        one.get("id", ""): (one.get("title", one.get("id", "")), one.get("type", "string"), _child(one, "default"))
        for group in _all(graph, "attributes") if group.get("class") == what for one in _all(group, "attribute")
    }  # fmt: skip
    defaults = {name: parsed(kind, d.text or "") for name, kind, d in known.values() if d is not None}
    found = []
    for element in elements:
        row = dict(defaults)
        if what == "edge" and element.get("weight") is not None:
            row["weight"] = float(element.get("weight", ""))
        if what == "edge" and element.get("type", "directed") not in ("directed", "undirected", "mutual"):
            row["type"] = element.get("type")  # networkx writes a property of that name as GEXF's own.
        elif what == "node" and element.get("label") not in (None, element.get("id")):
            row["label"] = element.get("label")
        for value in (one for one in element.iter() if _tag(one) == "attvalue"):
            name, kind, _ = known.get(value.get("for", ""), (value.get("for", ""), "string", None))
            if name != "networkx_key":
                row[name] = parsed(kind, value.get("value", ""))
        found.append(row)
    return found
