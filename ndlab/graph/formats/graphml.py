"""GraphML, read and written as a stream: 10^6 edges take the memory of the graph, not of a tree of elements.

References
----------
Brandes, Eiglsperger, Lerner, Pich: Graph Markup Language (GraphML), in Handbook of Graph Drawing and Visualization.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ndlab.errors import BadMetadata, Unsupported
from ndlab.graph.bridges import by_name, records
from ndlab.graph.columns import Column, Columns
from ndlab.graph.formats.notes import NOTE, note_of, numbered, plain_ids, with_note, with_ways

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["parsed", "read", "write", "xml_text"]

_TYPES = {"bool": "boolean", "int": "long", "float": "double", "str": "string"}
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns '
    'http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">\n'
)


def write(graph: Graph, path: Path) -> None:
    """Write the whole graph; units and the kind of ids go into a note that other readers show as an attribute."""
    plain = {str(k): v for k, v in graph.attributes.items() if isinstance(v, bool | int | float | str)} | {
        NOTE: note_of(graph)
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD)
        for name, value in plain.items():
            file.write(_key("g", name, Column.of([value]).kind, "graph"))
        for columns in (graph.nodes, graph.edges):
            for name, column in columns.columns.items():
                file.write(_key(columns.what[0], name, column.kind, columns.what))
        file.write(f'  <graph id="G" edgedefault="{"" if graph.directed else "un"}directed">\n')
        file.writelines(f"    {_data('g', name, value)}\n" for name, value in plain.items())
        ids = [quoteattr(xml_text(one)) for one in graph.ids.tolist()]
        for one, row in zip(ids, records(graph.nodes), strict=True):
            file.write(f"    <node id={one}>{_all('n', row)}</node>\n")
        ends = zip(graph.source.tolist(), graph.target.tolist(), records(graph.edges), strict=True)
        for u, v, row in ends:
            file.write(f"    <edge source={ids[u]} target={ids[v]}>{_all('e', row)}</edge>\n")
        file.write("  </graph>\n</graphml>\n")


def _key(scope: str, name: str, kind: str, what: str) -> str:
    key = quoteattr(f"{scope}_{xml_text(name)}")
    return f'  <key id={key} for="{what}" attr.name={quoteattr(xml_text(name))} attr.type="{_TYPES[kind]}"/>\n'


def _all(scope: str, row: dict[str, Any]) -> str:
    return "".join(_data(scope, name, value) for name, value in row.items())


def _data(scope: str, name: str, value: Any) -> str:
    said = (
        str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else xml_text(value)
    )
    return f"<data key={quoteattr(f'{scope}_{xml_text(name)}')}>{escape(said, {chr(13): '&#13;'})}</data>"


def xml_text(value: Any) -> str:
    """Return a value as text that XML can hold; others are an error."""
    text = str(value)
    if (
        any(ord(c) < 32 and c not in "\t\n\r" for c in text)
        or "\ufffe" in text
        or "\uffff" in text
        or any(0xD800 <= ord(c) < 0xE000 for c in text)
    ):
        raise Unsupported(
            f"the text {text!r} in XML", "XML 1.0 has no such characters", "write .json or .parquet instead"
        )
    return text


def read(path: Path, make: type[Graph]) -> Graph:
    """Read the first graph of a file of ndlab, networkx, igraph, Gephi or yEd.

    Raises
    ------
    BadMetadata
        If it is not GraphML.
    Unsupported
        If it has hyperedges, or graphs inside nodes.
    """
    keys: dict[str, tuple[str, str, str, str | None]] = {}
    attributes: dict[str, Any] = {}
    nodes: list[tuple[str, dict[str, Any]]] = []
    edges: list[tuple[str, str, dict[str, Any]]] = []
    ways: list[bool | None] = []
    directed = True
    for tag, element in _elements(path):
        if tag == "key":
            default = next((child.text or "" for child in element if _tag(child) == "default"), None)
            one = element.get("id", "")
            keys[one] = (
                element.get("for", "all"), element.get("attr.name", one), element.get("attr.type", "string"), default
            )  # fmt: skip
        elif tag == "graph":
            directed = element.get("edgedefault", "directed") == "directed"
        elif tag == "node":
            nodes.append((element.get("id", ""), _values(element, keys, "node")))
        elif tag == "edge":
            edges.append((element.get("source", ""), element.get("target", ""), _values(element, keys, "edge")))
            ways.append({"true": True, "false": False}.get(element.get("directed", "")))
        elif tag == "end":
            attributes = _values(element, keys, "graph")
        elif tag == "hyperedge":
            raise Unsupported(f"hyperedges in {path}", "an edge of ndlab has two ends", "write them as nodes")
        elif tag == "nested":
            raise Unsupported(
                f"graphs inside nodes in {path}", "a node of ndlab is not a graph", "write each to a file"
            )
    return _made(make, path, nodes, edges, directed, ways, attributes)


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _elements(path: Path) -> Iterator[tuple[str, ET.Element]]:
    """Yield what matters as it is complete, and forget it: ``graph`` at its beginning, as ``end`` at its end."""
    root: ET.Element | None = None
    graph: ET.Element | None = None
    try:
        for event, element in ET.iterparse(path, ("start", "end")):
            tag = _tag(element)
            root = element if root is None else root
            if event == "start":
                if tag == "graph":
                    yield tag if graph is None else "nested", element
                    graph = element
            elif tag in ("node", "edge", "hyperedge", "key"):
                yield tag, element
                if graph is not None and tag != "key":
                    graph.remove(element)
            elif tag == "graph":
                yield "end", element
                return
    except ET.ParseError as error:
        raise BadMetadata(f"{path} is not GraphML", str(error), "name its format with format=") from None
    if root is None or _tag(root) != "graphml":
        raise BadMetadata(f"{path} is not GraphML", "it has no <graph>", "name its format with format=")


def _values(element: ET.Element, keys: dict[str, tuple[str, str, str, str | None]], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: parsed(kind, default)
        for scope, name, kind, default in keys.values()
        if default is not None and scope in (what, "all")
    }
    for child in element:
        if _tag(child) != "data":
            continue
        _, name, kind, _ = keys.get(child.get("key", ""), ("all", child.get("key", ""), "string", None))
        if len(child):  # Drawing instructions of yEd and the like.
            continue
        found[name] = parsed(kind, child.text or "")
    return found


def parsed(kind: str, text: str) -> Any:
    """Return the value of a type that GraphML and GEXF name; None of an empty number."""
    if kind == "string":
        return text
    text = text.strip()
    if not text:
        return None
    if kind == "boolean":
        return text.lower() in ("true", "1")
    if kind in ("int", "long", "integer"):
        try:
            return int(text)
        except ValueError:
            value = float(text)  # "1.0", and igraph's NaN among its ints.
            return None if value != value else int(value) if value.is_integer() else value
    if kind in ("float", "double"):
        return float(text)
    return text


def _made(
    make: type[Graph],
    path: Path,
    nodes: list[tuple[str, dict[str, Any]]],
    edges: list[tuple[str, str, dict[str, Any]]],
    directed: bool,
    ways: list[bool | None],
    attributes: dict[str, Any],
) -> Graph:
    rows = numbered([one for one, _ in nodes], path)
    for ends in edges:
        for one in ends[:2]:
            if one not in rows:
                raise BadMetadata(f"an edge ends at {one!r}", f"the file has {len(rows):,} nodes, none of that id")
    of_nodes = Columns.of(len(nodes), by_name([row for _, row in nodes]), None, "node")
    graph = make.of_rows(
        plain_ids([one for one, _ in nodes], of_nodes.columns.get("name")),
        np.fromiter((rows[u] for u, _, _ in edges), np.int64, len(edges)),
        np.fromiter((rows[v] for _, v, _ in edges), np.int64, len(edges)),
        directed=directed, nodes=of_nodes, edges=by_name([row for _, _, row in edges]),
    )  # fmt: skip
    note = attributes.pop(NOTE, None)
    return with_note(with_ways(graph, ways).with_attributes(attributes), note)
