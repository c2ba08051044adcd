"""GML, read and written so that the order of the edges stays."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.entities import html5
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadMetadata
from ndlab.graph.bridges import by_name, records
from ndlab.graph.columns import Columns
from ndlab.graph.formats.notes import NOTE, note_of, numbered, plain_ids, with_note

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["read", "write"]

_WORD = re.compile(r"[A-Za-z][0-9A-Za-z_]*\Z")
_TAKEN = {"id", "label", "source", "target", "key", "graph", "node", "edge", "directed", "multigraph", NOTE}


def write(graph: Graph, path: Path) -> None:
    """Write the whole graph; a property whose name GML forbids is called x0, x1, …, and by its name in the note."""
    nodes, edges = _words(graph.nodes), _words(graph.edges)
    note = json.loads(note_of(graph)) | {"words": [nodes, edges]}
    ids = graph.ids.tolist()
    with path.open("w", encoding="ascii") as file:
        file.write(f"graph [\n  directed {int(graph.directed)}\n  multigraph {int(graph.is_multigraph)}\n")
        file.write(f"  {NOTE} {_value(json.dumps(note))}\n")
        for row, (one, found) in enumerate(zip(ids, records(graph.nodes), strict=True)):
            file.write(f"  node [\n    id {row}\n    label {_value(str(one))}\n{_lines(found, nodes)}  ]\n")
        ends = zip(graph.source.tolist(), graph.target.tolist(), records(graph.edges), strict=True)
        for u, v, found in ends:
            file.write(f"  edge [\n    source {u}\n    target {v}\n{_lines(found, edges)}  ]\n")
        file.write("]\n")


def _words(columns: Columns) -> dict[str, str]:
    """Map each property to a word that GML allows."""
    plain = {name for name in columns if _WORD.match(name) and name not in _TAKEN}
    spare = (word for i in range(10**9) if (word := f"x{i}") not in plain)
    return {name: name if name in plain else next(spare) for name in columns}


def _lines(found: dict[str, Any], words: dict[str, str]) -> str:
    return "".join(f"    {words[name]} {_value(value)}\n" for name, value in found.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(value).upper().replace("INF", "+INF").replace("-+", "-")
    # GML's integers have 32 bits.
    if isinstance(value, int) and -(2**31) <= value < 2**31:
        return str(value)
    return '"' + "".join(c if " " <= c <= "~" and c not in '"&' else f"&#{ord(c)};" for c in str(value)) + '"'


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<key>[A-Za-z][0-9A-Za-z_]*) | (?P<real>[+-]?(?:\d*\.\d+|\d+\.\d*|\d+(?=[eE]))(?:[eE][+-]?\d+)?|[+-](?:INF|NAN))
    | (?P<int>[+-]?\d+) | "(?P<text>[^"]*)" | (?P<open>\[) | (?P<close>\]) | (?P<comment>\#[^\n]*)
    )""",
    re.VERBOSE,
)


def read(path: Path, make: type[Graph]) -> Graph:
    """Read GML of any program; a property that is a list of others is left out.

    Raises
    ------
    BadMetadata
        If it is none.
    """
    found = _parsed(path)
    own = next((value for key, value in found if key == "graph" and isinstance(value, list)), None)
    if own is None:
        raise BadMetadata(f"{path} is not GML", "it has no graph [ … ]", "name its format with format=")
    nodes = [dict(value) for key, value in own if key == "node"]
    edges = [dict(value) for key, value in own if key == "edge"]
    said = {key: value for key, value in own if key not in ("node", "edge") and not isinstance(value, list)}
    try:
        rows = numbered([one["id"] for one in nodes], path)
        ends = np.array([[rows[one["source"]], rows[one["target"]]] for one in edges], np.int64).reshape(-1, 2)
    except KeyError as error:
        raise BadMetadata(f"{path} is not a whole GML graph", f"{error} is missing among nodes or ends") from None
    called = [str(one.get("label", one["id"])) for one in nodes]
    graph = make.of_rows(
        plain_ids(called if len(set(called)) == len(called) else [str(one) for one in rows]),
        ends[:, 0], ends[:, 1], directed=bool(said.pop("directed", 0)),
        nodes=_properties(nodes, {"id", "label"}), edges=_properties(edges, {"source", "target", "key"}),
    )  # fmt: skip
    said.pop("multigraph", None)
    note = said.pop(NOTE, None)
    return with_note(_called(graph.with_attributes(said), note), note)


def _parsed(path: Path) -> list[tuple[str, Any]]:
    """Return the key-value pairs of a file, lists of them nested."""
    text = path.read_bytes().decode("utf-8", "replace")
    stack: list[list[tuple[str, Any]]] = [[]]
    place, key = 0, ""
    while match := _TOKEN.match(text, place):
        kind, value = match.lastgroup, match[match.lastgroup or 0]
        place = match.end()
        if kind == "key" and not key:
            key = value
        elif kind == "key" and value in ("NAN", "INF"):
            stack[-1].append((key, float(value)))
            key = ""
        elif kind == "open" and key:
            inner: list[tuple[str, Any]] = []
            stack[-1].append((key, inner))
            stack.append(inner)
            key = ""
        elif kind == "close" and not key and len(stack) > 1:
            stack.pop()
        elif kind in ("int", "real", "text") and key:
            made = int(value) if kind == "int" else float(value) if kind == "real" else _unescaped(value)
            stack[-1].append((key, made))
            key = ""
        elif kind != "comment":
            break
    if text[place:].strip() or key or len(stack) > 1:
        line = text.count("\n", 0, place) + 1
        raise BadMetadata(f"{path} is not GML", f"line {line} is not understood", "name its format with format=")
    return stack[0]


def _unescaped(text: str) -> str:
    # html.unescape would drop control characters.
    return re.sub(r"&#(\d+);|&(\w+;)", lambda m: chr(int(m[1])) if m[1] else html5.get(m[2], m[0]), text)


def _properties(rows: list[dict[str, Any]], ends: set[str]) -> dict[str, list[Any]]:
    kept = [{k: v for k, v in row.items() if k not in ends and not isinstance(v, list)} for row in rows]
    return _of_one_kind(by_name(kept))


def _of_one_kind(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Give values of one property one type: integers beyond 32 bits stand as text among the others."""
    for name, values in columns.items():
        types = {type(v) for v in values if v is not None}
        if str in types and len(types) > 1:
            columns[name] = [None if v is None else str(v) for v in values]
    return columns


def _called(graph: Graph, note: str | None) -> Graph:
    """Give properties the names that the note has for their words."""
    try:
        nodes, edges = json.loads(note or "")["words"]
    except (ValueError, KeyError, TypeError):
        return graph
    return replace(graph, nodes=_named(graph.nodes, nodes), edges=_named(graph.edges, edges))


def _named(columns: Columns, words: dict[str, str]) -> Columns:
    names = {word: name for name, word in words.items()}
    return Columns(columns.count, {names.get(n, n): c for n, c in columns.columns.items()}, columns.what)
