"""SWC: a skeleton and its nodes as lines of number, type, x, y, z, radius and parent.

Lengths of SWC are in a unit that the file does not say; `scale` is that unit in nm, one number or (z, y, x).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.kinds import Node, Skeleton
from ndlab.errors import BadRequest, Problems

if TYPE_CHECKING:
    from ndlab.annotations.query import Query

__all__ = ["read", "write"]

_COMMENTS = "swc_comments"


def _scale(scale: Any) -> np.ndarray[Any, Any]:
    found = np.broadcast_to(np.asarray(scale, np.float64), (3,))
    if not np.isfinite(found).all() or (found <= 0).any():
        raise BadRequest(f"scale={scale!r}", "it is the size of the file's unit in nm, one number or (z, y, x)")
    return found


def read(path: Path, scale: Any = 1.0, reserve: Any = None) -> Iterator[dict[str, Any]]:
    """Yield a table of one skeleton, then one of its nodes, with ids that `reserve` gives."""
    factors = _scale(scale)
    comments, lines = _lines(path)
    numbers = [int(values[0]) for values in lines]
    first = reserve(len(lines) + 1)
    ids = {number: first + 1 + i for i, number in enumerate(numbers)}
    parents = [ids.get(int(values[6]), 0) for values in lines]
    root = next((ids[n] for n, parent in zip(numbers, parents, strict=True) if parent == 0), 0)
    keys = {"swc_name": path.stem} | ({_COMMENTS: "\n".join(comments)} if comments else {})
    yield {"kind": ["skeleton"], "id": [first], "rootnode": [root], "keys": [keys]}
    values = np.array([[float(v) for v in line] for line in lines]).reshape(-1, 7)
    yield {
        "kind": ["node"] * len(lines),
        "id": np.array(list(ids.values()), np.uint64),
        "node_type": values[:, 1].astype(np.int64),
        "z": values[:, 4] * factors[0],
        "y": values[:, 3] * factors[1],
        "x": values[:, 2] * factors[2],
        "radius": values[:, 5] * factors.mean(),
        "parent": np.array(parents, np.uint64),
        "skeleton": np.full(len(lines), first, np.uint64),
    }


def _lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read comments and lines of seven numbers, or say everything that is wrong with them."""
    comments: list[str] = []
    lines: list[list[str]] = []
    at: dict[int, int] = {}
    problems: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if text.startswith("#"):
                comments.append(text[1:].strip())
            elif text:
                values = text.split()
                wrong = _wrong(values, at)
                if wrong:
                    problems.append(f"line {number}: {wrong}: {text[:80]}")
                    continue
                at[int(values[0])] = number
                lines.append(values[:7])
    parents = {int(values[0]): int(values[6]) for values in lines}
    problems += [
        f"line {at[one]}: its parent {parent} is not there"
        for one, parent in parents.items() if parent != -1 and parent not in parents
    ]  # fmt: skip
    problems += [f"line {at[one]}: it is its own ancestor" for one in _in_cycles(parents)]
    if not lines and not problems:
        problems.append("it holds no node")
    if problems:
        raise Problems(f"{path} as SWC", problems[:20], "each line is: number type x y z radius parent")
    return comments, lines


def _wrong(values: Sequence[str], at: dict[int, int]) -> str:
    if len(values) < 7:
        return f"{len(values)} of 7 values"
    try:
        number, kind, parent = int(values[0]), int(values[1]), int(values[6])
        if not np.isfinite([float(v) for v in values[2:6]]).all() or float(values[5]) < 0 or kind < 0:
            return "no such lengths or type"
    except ValueError:
        return "not numbers"
    if number in at:
        return f"node {number} is on line {at[number]}, too"
    return "its own parent" if parent == number else ""


def _in_cycles(parents: dict[int, int]) -> list[int]:
    """List nodes from which going to the parent never ends."""
    good: set[int] = set()
    bad: list[int] = []
    for one in parents:
        path: dict[int, None] = {}
        while one in parents and one not in good and one not in path:
            path[one] = None
            one = parents[one]
        if one in path:
            bad.append(one)
        good.update(path)
    return bad


def write(query: Query, path: Path, scale: Any = 1.0) -> None:
    """Write the nodes of the one skeleton of a query, parents before children."""
    factors = _scale(scale)
    skeletons = list(query.where(kind=Skeleton).limit(2))
    if len(skeletons) != 1:
        raise BadRequest(f"SWC of {len(skeletons) or 'no'} skeletons" + (" or more" if skeletons else ""),
                         "a file holds one", "choose it: ann.where(id=skeleton).export(path)")  # fmt: skip
    skeleton = skeletons[0]
    everything = query.home.where(kind=Node, skeleton=skeleton.id)
    nodes = {one.id: one for one in everything}
    order = _parents_first({i: getattr(one, "parent", 0) for i, one in nodes.items()})
    numbers = {one: i for i, one in enumerate(order, 1)}
    comments = str(skeleton.keys.get(_COMMENTS, "")).splitlines()
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"# {line}\n" for line in comments)
        for one in order:
            file.write(_line(nodes[one], numbers, factors) + "\n")


def _line(node: Any, numbers: dict[int, int], factors: np.ndarray[Any, Any]) -> str:
    z, y, x = (v / f for v, f in zip(node.location or (0.0, 0.0, 0.0), factors.tolist(), strict=True))
    radius = node.radius / factors.mean().item()
    parent = numbers.get(node.parent, -1)
    return f"{numbers[node.id]} {node.node_type} {x!r} {y!r} {z!r} {radius!r} {parent}"


def _parents_first(parents: dict[int, int]) -> list[int]:
    """Order nodes by id, but none before its parent."""
    done: dict[int, None] = {}
    for one in sorted(parents):
        path: list[int] = []
        while one in parents and one not in done and one not in path[-1:]:
            path.append(one)
            one = parents[one]
            if len(path) > len(parents):
                raise BadRequest("SWC of nodes that are their own ancestors", f"node {one} is", "mend their parents")
        done.update(dict.fromkeys(reversed(path)))
    return list(done)
