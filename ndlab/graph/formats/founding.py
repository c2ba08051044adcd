"""Formats that the founding graph explorer took and nobody writes any more: LGL, DIMACS, UCINET's DL, GraphDB."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ndlab.errors import BadMetadata, TooLarge
from ndlab.graph.formats.notes import plain_ids

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["read_dimacs", "read_dl", "read_graphdb", "read_lgl"]

# More nodes than a file has bytes, beyond these, are a mistake or a bomb.
_MOST_BARE = 1_000_000
_Edge = tuple[str, str, str | None]


def read_lgl(path: Path, make: type[Graph]) -> Graph:
    """Read ``# node`` lines, each with its neighbours below it, undirected, with or without a weight behind them."""
    edges: list[_Edge] = []
    ids: dict[str, None] = {}
    at = None
    for words in map(str.split, _text(path).splitlines()):
        if words and words[0].startswith("#"):
            at = " ".join([words[0][1:], *words[1:]]).strip()
            ids[at] = None
        elif words and at is None:
            raise BadMetadata(f"{path} begins with {words[0]!r}", "a line '# node' comes before its neighbours")
        elif words and at is not None:
            edges.append((at, words[0], words[1] if len(words) > 1 else None))
            ids[words[0]] = None
    return _named(make, list(ids), edges, directed=False)


def read_dimacs(path: Path, make: type[Graph]) -> Graph:
    """Read ``p`` with the number of nodes, ``e u v`` (undirected) or ``a u v weight`` (directed); ids are from 1 on.

    ``n 1 s`` and ``n 9 t`` of a flow problem become the node property ``terminal``.
    """
    edges: list[_Edge] = []
    count, directed = -1, False
    terminal: dict[int, str] = {}
    for words in map(str.split, _text(path).splitlines()):
        kind = words[0] if words else "c"
        if kind == "p":
            count = _count(path, words[2])
        elif kind in "ea":
            directed |= kind == "a"
            edges.append((words[1], words[2], words[3] if len(words) > 3 else None))
        elif kind == "n":
            terminal[int(words[1])] = words[2]
    if count < 0:
        raise BadMetadata(f"{path} is no DIMACS file", "it has no line 'p kind nodes edges'", "name its format")
    made = _named(make, [str(i) for i in range(1, count + 1)], edges, directed=directed)
    return made.with_nodes({"terminal": [terminal.get(i) for i in range(1, count + 1)]}) if terminal else made


def read_graphdb(path: Path, make: type[Graph]) -> Graph:
    """Read the ARG database's binary lists, directed: how many nodes, and for each how many targets and which."""
    words = np.fromfile(path, "<u2").astype(np.int64)
    n = int(words[0])
    source, target = list[int](), list[int]()
    at = 1
    for node in range(n):
        more = int(words[at])
        target += words[at + 1 : at + 1 + more].tolist()
        source += [node] * more
        at += 1 + more
    if at != len(words) or path.stat().st_size % 2 or len(source) != len(target) or max(target, default=-1) >= n:
        raise BadMetadata(
            f"{path} is no GraphDB file of {n:,} nodes", f"it has {len(words):,} numbers, {at:,} were due"
        )
    return make.of_rows(np.arange(n), np.array(source, np.int64), np.array(target, np.int64))


def read_dl(path: Path, make: type[Graph]) -> Graph:
    """Read UCINET's DL, directed: a full matrix, or lists of edges or of neighbours; labels listed or embedded."""
    parts = re.split(r"(?i)\bdata\s*:", _text(path), maxsplit=1)
    size = re.search(r"(?i)^\s*dl\b[^=]*?\bn\s*=\s*(\d+)", parts[0])
    if len(parts) < 2 or size is None:
        raise BadMetadata(f"{path} is no DL file", "it has no 'dl n=…' or no 'data:'", "name its format with format=")
    n = _count(path, size[1])
    form = re.search(r"(?i)\bformat\s*=\s*(\w+)", parts[0])
    kind = form[1].lower() if form else "fullmatrix"
    embedded = re.search(r"(?i)\blabels\s+embedded", parts[0]) is not None
    listed = re.search(r"(?is)\blabels\s*:(.*?)(?:\blabels\s+embedded.*)?\Z", parts[0])
    labels = [one for one in re.split(r"[,\s]+", listed[1]) if one] if listed else []
    rows = [re.split(r"[,\s]+", line.strip()) for line in parts[1].splitlines() if line.strip()]
    if kind == "fullmatrix":
        return _matrix(make, n, labels, rows, embedded)
    if kind not in ("edgelist1", "nodelist1"):
        raise BadMetadata(f"{path} has the format {kind}", "fullmatrix, edgelist1 and nodelist1 are read")
    return _listed(make, n, labels, rows, kind == "edgelist1", embedded)


def _matrix(make: type[Graph], n: int, labels: list[str], rows: list[list[str]], embedded: bool) -> Graph:
    if embedded:
        labels, rows = rows[0], [row[1:] for row in rows[1:]]
    values = np.array([float(one) for row in rows for one in row]).reshape(n, n)
    source, target = np.nonzero(values)
    ids = plain_ids(labels or [str(i) for i in range(1, n + 1)])
    return make.of_rows(ids, source, target, edges={"weight": values[source, target]})


def _listed(
    make: type[Graph], n: int, labels: list[str], rows: list[list[str]], by_edge: bool, embedded: bool
) -> Graph:
    edges: list[_Edge] = []
    for first, *others in rows:
        if by_edge:
            edges.append((first, others[0], others[1] if len(others) > 1 else None))
        else:
            edges += [(first, other, None) for other in others]
    if embedded:
        names = list(dict.fromkeys([*labels, *(one for edge in edges for one in edge[:2])]))
        return _named(make, names, edges, directed=True)
    names = labels or [str(i) for i in range(1, n + 1)]
    numbered = [(names[_row(u, n)], names[_row(v, n)], w) for u, v, w in edges]
    return _named(make, names, numbered, directed=True)


def _row(word: str, n: int) -> int:
    if not 1 <= int(word) <= n:
        raise ValueError(f"an edge has the end {word}, and nodes are 1 to {n}")
    return int(word) - 1


def _named(make: type[Graph], names: Sequence[str], edges: Sequence[_Edge], directed: bool) -> Graph:
    row = {one: i for i, one in enumerate(names)}
    ends = np.array([(row[u], row[v]) for u, v, _ in edges], np.int64).reshape(-1, 2)
    weights = [None if w is None else float(w) for *_, w in edges]
    said = {"weight": weights} if any(w is not None for w in weights) else {}
    return make.of_rows(plain_ids(names), ends[:, 0], ends[:, 1], directed=directed, edges=said)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def _count(path: Path, word: str) -> int:
    if int(word) > _MOST_BARE + path.stat().st_size:
        raise TooLarge(f"{path} has {int(word):,} nodes", "it cannot list them all", "correct the number of nodes")
    return int(word)
