"""Skeletons as SWC: each tree of a file is a skeleton and its nodes, with ids that are taken in one go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ndlab.annotations.exchange import swc
from ndlab.errors import BadRequest, NotFound, Problems
from ndlab.serve.ramon.behind import Behind

__all__ = ["get", "post"]

# Lengths in SWC are those of the store, nm.
_SCALE = 1.0


def get(behind: Behind, ids: Sequence[int]) -> str:
    """Return skeletons as one SWC text, all of them without ids; lengths in nm."""
    home = behind.annotations
    wanted = list(dict.fromkeys(ids)) or home.where(kind="skeleton").ids().tolist()
    wrong = [one.id for one in home.get(list(ids)) if one.kind != "skeleton"] if ids else []
    if wrong or not wanted:
        what = f"objects {', '.join(map(str, wrong[:10]))} of {behind.title}" if wrong else behind.title
        raise NotFound(f"{what} as SWC", "that holds skeletons, and none is there", "ask query/type/8/ for some")
    parts, used = [], 0
    with tempfile.TemporaryDirectory(prefix="ndlab-swc-") as folder:
        for one in wanted:
            path = home.where(id=one).export(Path(folder) / f"{one}.swc", scale=_SCALE)
            lines = path.read_text(encoding="utf-8").splitlines()
            parts += [f"# skeleton {one}", *(_shifted(line, used) for line in lines)]
            used += sum(not line.startswith("#") for line in lines)
    return "\n".join(parts) + "\n"


def _shifted(line: str, by: int) -> str:
    """Return a line with its node numbered on from `by`."""
    if line.startswith("#") or not by:
        return line
    number, *rest, parent = line.split()
    return " ".join([str(int(number) + by), *rest, parent if parent == "-1" else str(int(parent) + by)])


def post(behind: Behind, body: bytes) -> list[int]:
    """Store the trees of an SWC text, all or none, and return the ids of their skeletons."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"a body of {len(body)} bytes as SWC", "it is no text") from None
    with tempfile.TemporaryDirectory(prefix="ndlab-swc-") as folder:
        paths = [_written(Path(folder) / f"tree{i}.swc", tree) for i, tree in enumerate(_trees(text))]
        tables = list(_tables(behind, paths))
    skeletons = [int(table["id"][0]) for table in tables if table["kind"][0] == "skeleton"]
    behind.annotations.add_table(tables, note="swc")
    return skeletons


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _tables(behind: Behind, paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        try:
            tables = list(swc.read(path, _SCALE, reserve=lambda count: behind.annotations.reserve(count)[0]))
        except Problems as error:
            raise Problems("the body as SWC", error.problems, error.remedy) from None
        for table in tables:
            # The name of a file that was made here says nothing.
            yield table | {"keys": [_nameless(keys) for keys in table["keys"]]} if "keys" in table else table


def _nameless(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if key != "swc_name"}


def _trees(text: str) -> list[str]:
    """Cut an SWC text into its trees, each with all comments; what is no SWC stays whole, to be told what is wrong."""
    comments = [line for line in text.splitlines() if line.strip().startswith("#")]
    nodes = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    try:
        ends = {(words := line.split())[0]: words[6] for line in nodes}
    except IndexError:
        return [text]
    trees: dict[str, list[str]] = {}
    tops: dict[str, str] = {}
    for line in nodes:
        trees.setdefault(_top(line.split()[0], ends, tops), []).append(line)
    return ["\n".join([*comments, *tree]) + "\n" for tree in trees.values()] or [text]


def _top(node: str, parents: dict[str, str], tops: dict[str, str]) -> str:
    """Return the root that a node descends from; all that hang in a cycle, or on what is not there, are one tree."""
    path: dict[str, None] = {}
    at = node
    while at not in tops and at not in path and parents.get(at, "-1") != "-1":
        path[at] = None
        at = parents[at]
    top = tops.get(at, "" if at in path or at not in parents else at)
    tops.update(dict.fromkeys([*path, at], top))
    return top
