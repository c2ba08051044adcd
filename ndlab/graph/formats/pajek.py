"""Pajek networks: names, arcs and edges, one weight."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadMetadata, TooLarge
from ndlab.graph.formats.notes import plain_ids

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["read", "unreadable", "write"]

# Vertices, from 1, and weight.
_Edge = tuple[int, int, float]
_VERTEX = re.compile(r'\s*(\d+)(?:\s+(?:"([^"]*)"|(\S+)))?')


# Vertices need no line each, so a file of twenty bytes could ask for any memory.
_MOST_BARE = 10_000_000


def unreadable(graph: Graph, _: str, __: str) -> str:
    """Return in words what of a graph would be read back as something else, empty if nothing."""
    ids = graph.ids.tolist() if graph.ids.dtype.kind == "O" else []
    return "ids with quotes or line breaks" if any(c in one for one in ids for c in '"\n\r') else ""


def write(graph: Graph, path: Path) -> None:
    """Write ids and the property ``weight``, 1 where there is none."""
    weights = graph.weights("weight" if "weight" in graph.edges else None)
    with path.open("w", encoding="utf-8") as file:
        file.write(f"*Vertices {graph.n_nodes}\n")
        file.writelines(f'{row} "{one}"\n' for row, one in enumerate(graph.ids.tolist(), 1))
        file.write("*Arcs\n" if graph.directed else "*Edges\n")
        ends = zip((graph.source + 1).tolist(), (graph.target + 1).tolist(), weights.tolist(), strict=True)
        file.writelines(f"{u} {v} {w:.17g}\n" for u, v, w in ends)


def read(path: Path, make: type[Graph]) -> Graph:
    """Read vertices, arcs, edges, their lists or a matrix; edges beside arcs become an arc each way.

    Raises
    ------
    BadMetadata
        If it is no Pajek network.
    TooLarge
        If it states far more vertices than it lists.
    """
    count, names = -1, dict[int, str]()
    found: dict[str, list[_Edge]] = {"arc": [], "edge": []}
    read_line: Callable[[list[str]], Any] | None = None
    matrix = 0
    for line in _lines(path):
        if line.startswith("*"):
            word, *rest = line[1:].split()
            word = word.lower()
            if word == "vertices":
                count, read_line = int(rest[0]), None
                if count > _MOST_BARE + path.stat().st_size:
                    raise TooLarge(f"{path} has {count:,} vertices", "it cannot list them all", "correct *Vertices")
            elif word in ("arcs", "edges", "arcslist", "edgeslist"):
                read_line = _reader(found[word.removesuffix("list").removesuffix("s")], word.endswith("list"))
            elif word == "matrix":
                read_line, matrix = None, 1
            continue
        if matrix:
            found["arc"] += [(matrix, v, float(w)) for v, w in enumerate(line.split(), 1) if float(w)]
            matrix += 1
        elif read_line is not None:
            read_line(line.split())
        elif match := _VERTEX.match(line):
            names[int(match[1])] = match[2] if match[2] is not None else match[3] or match[1]
    if count < 0:
        raise BadMetadata(f"{path} is not a Pajek network", "it has no *Vertices", "name its format with format=")
    return _made(make, path, count, names, found)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        yield from (line.strip() for line in file if line.strip() and not line.startswith("%"))


def _reader(into: list[_Edge], lists: bool) -> Callable[[list[str]], Any]:
    if lists:
        return lambda words: into.extend((int(words[0]), int(other), 1.0) for other in words[1:])
    return lambda words: into.append((int(words[0]), int(words[1]), float(words[2]) if len(words) > 2 else 1.0))


def _made(make: type[Graph], path: Path, count: int, names: dict[int, str], found: dict[str, list[_Edge]]) -> Graph:
    arcs, edges = found["arc"], found["edge"]
    directed = bool(arcs) or not edges
    if arcs:
        arcs = arcs + edges + [(v, u, w) for u, v, w in edges if u != v]
    rows = np.array(arcs or edges, np.float64).reshape(-1, 3)
    ends = rows[:, :2].astype(np.int64) - 1
    if len(ends) and (ends.min() < 0 or ends.max() >= count):
        raise BadMetadata(f"{path} has an edge to vertex {int(ends.max()) + 1}", f"there are {count:,} vertices")
    texts = [names.get(number, str(number)) for number in range(1, count + 1)]
    if len(set(texts)) < count:  # Names that come twice are labels, not ids.
        return make.of_rows(
            np.arange(1, count + 1), ends[:, 0], ends[:, 1], directed=directed, edges={"weight": rows[:, 2]},
            nodes={"label": texts},
        )  # fmt: skip
    return make.of_rows(plain_ids(texts), ends[:, 0], ends[:, 1], directed=directed, edges={"weight": rows[:, 2]})
