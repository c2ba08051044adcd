"""Edge lists and adjacency lists: text with an edge, or a node and its neighbours, on each line."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadMetadata
from ndlab.graph.bridges import by_name, records
from ndlab.graph.columns import Column
from ndlab.graph.formats.notes import plain_ids

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = [
    "read_adjacency_list",
    "read_attredge",
    "read_edge_list",
    "unreadable",
    "write_adjacency_list",
    "write_attredge",
    "write_edge_list",
]

_ENDS = ({"source", "from", "pre", "pre_id", "src", "u"}, {"target", "to", "post", "post_id", "dst", "v"})
_COMMENT = ("#", "%")
_CELLS = re.compile(r'"((?:[^"]|"")*)"(?!\S)|(\S+)')
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def write_edge_list(graph: Graph, path: Path) -> None:
    """Write a line for each edge, its ends and its properties: tabs in .tsv, commas in .csv, with names on the first
    line; blanks and no names elsewhere."""  # noqa: D205, D209
    mark = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower(), " ")
    ids = graph.ids.tolist()
    columns = [[_cell(v) for v in _values(column)] for column in graph.edges.columns.values()]
    ends = zip(graph.source.tolist(), graph.target.tolist(), strict=True)
    lines = ([str(ids[u]), str(ids[v]), *(column[row] for column in columns)] for row, (u, v) in enumerate(ends))
    with path.open("w", encoding="utf-8", newline="") as file:
        if mark == " ":
            file.writelines(" ".join(map(_quoted, line)) + "\n" for line in lines)
        else:
            csv.writer(file, delimiter=mark, lineterminator="\n").writerows(
                [["source", "target", *graph.edges], *lines]
            )


def write_attredge(graph: Graph, path: Path) -> None:
    """Write the founding system's list: ``A B {}`` for an edge, ``A type axon`` for a property of a node."""
    ids = graph.ids.tolist()
    with path.open("w", encoding="utf-8") as file:
        for one, row in zip(ids, records(graph.nodes), strict=True):
            file.writelines(f"{one} {name} {value}\n" for name, value in row.items())
        ends = zip(graph.source.tolist(), graph.target.tolist(), records(graph.edges), strict=True)
        file.writelines(f"{ids[u]} {ids[v]} {_literal(row)}\n" for u, v, row in ends)


def _literal(row: dict[str, Any]) -> str:
    # An infinity has no literal; this number is one.
    said = (f"{n!r}: {repr(v).replace('inf', '1e999') if isinstance(v, float) else repr(v)}" for n, v in row.items())
    return "{" + ", ".join(said) + "}"


def write_adjacency_list(graph: Graph, path: Path) -> None:
    """Write a line for each node: its id and those that its edges lead to, each edge once."""
    ids = graph.ids.tolist()
    after: list[list[str]] = [[] for _ in ids]
    for u, v in zip(graph.source.tolist(), graph.target.tolist(), strict=True):
        after[u].append(str(ids[v]))
    with path.open("w", encoding="utf-8") as file:
        file.writelines(" ".join([str(one), *others]) + "\n" for one, others in zip(ids, after, strict=True))


def _values(column: Column) -> list[Any]:
    gone = [False] * len(column) if column.missing is None else column.missing.tolist()
    return [None if missing else value for value, missing in zip(column.values.tolist(), gone, strict=True)]


def _quoted(cell: str) -> str:
    marks = not cell or any(c.isspace() or c in '",{' for c in cell)
    return '"' + cell.replace('"', '""') + '"' if marks else cell


def unreadable(graph: Graph, format: str, suffix: str) -> str:  # noqa: A002
    """Return in words what of a graph would be read back as something else, empty if nothing."""
    ids = graph.ids.tolist() if graph.ids.dtype.kind == "O" else []
    named = format == "edgelist" and suffix in (".csv", ".tsv")
    marks = "" if named else ",{"
    if any(not one or any(c.isspace() or c in marks for c in one) or one[0] in "#%\"'{" for one in ids):
        return "ids with blanks, commas or other marks of lists"
    said = {"edgelist": [graph.edges], "attredge": [graph.nodes, graph.edges]}.get(format, [])
    texts = [str(v) for columns in said for c in columns.columns.values() if c.kind == "str" for v in c.values]
    if format == "edgelist" and any("\n" in one or "\r" in one for one in texts):
        return "text with line breaks"
    if format == "edgelist" and not named and graph.n_edges:
        first = [ids[end[0]] for end in (graph.source, graph.target)] if ids else []
        if _header([(1, first)])[0]:
            return f"the first edge, from {first[0]} to {first[1]}, which reads like the names of columns"
    if format == "attredge" and graph.nodes:
        if any(not name or any(map(str.isspace, name)) or name in ids for name in graph.nodes):
            return "node properties whose names have blanks or are ids"
        nodes = [str(v) for row in records(graph.nodes) for v in row.values()]
        if any(not one or one != " ".join(one.split()) or "{" in one for one in nodes):
            return "node properties with empty text, braces, or more than single blanks between words"
    return ""


def _cell(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def read_edge_list(path: Path, make: type[Graph], *, directed: bool | None = None) -> Graph:
    """Read an edge list: with or without names on the first line; separated by commas, tabs or blanks.

    Names may be padded with blanks. A third column without a name is the weight. The dictionaries that networkx
    writes after an edge and ``A type axon`` lines, which say something of a node, are understood.

    Raises
    ------
    BadMetadata
        If a line has fewer than two fields, or another number than the others; if it is a matrix, or a table whose
        first line has names of which none is that of an end.
    """
    rows = list(_rows(path))
    if not rows:
        return make.from_edges([], [], directed=directed is not False)
    names, body = _header(rows)
    if names is None and any(len(row) == 3 and _is_dict(row[2]) for _, row in rows):
        return _attributed(make, path, rows, directed)
    width = len(names or body[0][1]) if body or names else 2
    for number, row in body:
        if len(row) != width or width < 2:
            raise BadMetadata(
                f"line {number} of {path} has {len(row)} fields", f"the others have {width}",
                "an edge list has two ids and the same properties on each line",
            )  # fmt: skip
    if names is None:
        _refuse_tables(path, [row for _, row in body])
    names = names or ["source", "target", *(["weight"] if width == 3 else [f"value{i}" for i in range(1, width - 1)])]
    table = [[row[i] for _, row in body] for i in range(width)]
    source, target = _which_ends(names)
    return _of_columns(
        make, table[source], table[target], directed,
        {n: _typed(table[i]) for i, n in enumerate(names) if i not in (source, target)},
    )  # fmt: skip


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [(i, line.rstrip("\r\n")) for i, line in enumerate(file, 1)]
    lines = [(i, line) for i, line in lines if line.strip() and not line.lstrip().startswith(_COMMENT)]
    if not lines:
        return
    first = _QUOTED.sub("", lines[0][1])
    mark = "\t" if "\t" in first else "," if "," in first and "{" not in first else None
    for number, line in lines:
        if mark is not None:
            yield number, [cell.strip() for cell in next(csv.reader([line], delimiter=mark))]
        elif "{" in _QUOTED.sub("", line):
            head, _, tail = line.partition("{")
            yield number, [*head.split(), "{" + tail.strip()]
        else:
            yield number, [a.replace('""', '"') if b == "" else b for a, b in _CELLS.findall(line)]


def _header(rows: list[tuple[int, list[str]]]) -> tuple[list[str] | None, list[tuple[int, list[str]]]]:
    """Tell the names on the first line, if it has any, from the edges."""
    first = rows[0][1]
    lower = {cell.lower() for cell in first}
    if lower & _ENDS[0] and lower & _ENDS[1]:
        return first, rows[1:]
    return None, rows


def _refuse_tables(path: Path, rows: list[list[str]]) -> None:
    """Refuse what has as many fields on each line as an edge list, but is none."""
    if len(rows) == len(rows[0]) > 3 and all(_is_number(cell) for row in rows for cell in row):
        raise BadMetadata(
            f"{path} is a matrix of {len(rows)} x {len(rows)} numbers", "a line of an edge list is an edge",
            "read it with numpy.loadtxt(path, delimiter=...) and Graph.from_adjacency(matrix)",
        )  # fmt: skip
    for first, *others in zip(*rows, strict=True):
        if first and not _is_number(first) and len(others) > 1 and all(map(_is_number, others)):
            raise BadMetadata(
                f"the first line of {path} reads like names: {', '.join(rows[0][:6])}",
                f"ends are called {', '.join(sorted(_ENDS[0]))}, and {', '.join(sorted(_ENDS[1]))}",
                "rename two columns, or use pandas.read_csv(path) and Graph.from_pandas(table, source=..., target=...)",
            )  # fmt: skip


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _which_ends(names: Sequence[str]) -> tuple[int, int]:
    lower = [name.lower() for name in names]
    found = [next((i for i, name in enumerate(lower) if name in end), None) for end in _ENDS]
    return (0, 1) if None in found else (found[0], found[1])  # type: ignore[return-value]


def _is_dict(cell: str) -> bool:
    return cell.startswith("{") and cell.endswith("}")


def read_attredge(path: Path, make: type[Graph], *, directed: bool | None = None) -> Graph:
    """Read the founding system's list, undirected unless `directed`: edges with a dictionary, properties of nodes."""
    return _attributed(make, path, list(_rows(path)), directed)


def _attributed(make: type[Graph], path: Path, rows: list[tuple[int, list[str]]], directed: bool | None) -> Graph:
    """Make a graph of edges with a dictionary behind them, and of what other lines say of nodes."""
    ends: list[list[str]] = []
    said: list[dict[str, Any]] = []
    nodes: dict[str, dict[str, Any]] = {}
    for number, row in rows:
        if len(row) == 3 and _is_dict(row[2]):
            try:
                said.append(ast.literal_eval(row[2]))
            except (ValueError, SyntaxError):
                raise BadMetadata(f"line {number} of {path} ends in {row[2][:40]!r}", "that is no dictionary") from None
            ends.append(row[:2])
            for one in row[:2]:
                nodes.setdefault(one, {})
        elif len(row) >= 3:
            nodes.setdefault(row[0], {})[row[1]] = " ".join(row[2:])
        elif len(row) == 2:
            ends.append(row)
            said.append({})
            for one in row:
                nodes.setdefault(one, {})
        else:
            raise BadMetadata(f"line {number} of {path} has {len(row)} fields", "an edge or a property has two or more")
    made = _of_columns(make, [u for u, _ in ends], [v for _, v in ends], directed is True, by_name(said), list(nodes))
    return made.with_nodes({name: _typed(values) for name, values in by_name(list(nodes.values())).items()})


def _of_columns(
    make: type[Graph],
    source: list[str],
    target: list[str],
    directed: bool | None,
    edges: dict[str, Any],
    ids: list[str] | None = None,
) -> Graph:
    texts = (
        ids
        if ids is not None
        else list(dict.fromkeys(one for pair in zip(source, target, strict=True) for one in pair))
    )
    row = {one: i for i, one in enumerate(texts)}
    return make.of_rows(
        plain_ids(texts),
        np.fromiter((row[one] for one in source), np.int64, len(source)),
        np.fromiter((row[one] for one in target), np.int64, len(target)),
        directed=directed is not False, edges=edges,
    )  # fmt: skip


def _typed(cells: Sequence[str | None]) -> Column:
    """Make the narrowest column of text: integers, floats, bools, else text; empty is missing."""
    there = [c for c in cells if c]
    for kind in (int, float):
        try:
            values = [None if not c else kind(c) for c in cells]
            if there and not any("_" in c for c in there):
                return Column.of(values)
        except ValueError:
            continue
    if there and all(c in ("True", "False", "true", "false") for c in there):
        return Column.of([None if not c else c.lower() == "true" for c in cells])
    return Column.of([c or None for c in cells])


def read_adjacency_list(path: Path, make: type[Graph], *, directed: bool | None = None) -> Graph:
    """Read lines of a node and its neighbours."""
    source, target, ids = list[str](), list[str](), dict[str, None]()
    for _, row in _rows(path):
        ids[row[0]] = None
        for other in row[1:]:
            source.append(row[0])
            target.append(other)
    ids |= dict.fromkeys(target)
    return _of_columns(make, source, target, directed, {}, list(ids))
