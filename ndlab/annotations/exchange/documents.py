"""JSON: an object a line, within brackets (``.json``) or alone (``.jsonl``), every field by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ndlab.annotations.kinds import Annotation, holds, kind_of
from ndlab.annotations.words import Flow, word
from ndlab.errors import BadMetadata, NdlabError
from ndlab.geometry import NmBox

if TYPE_CHECKING:
    from ndlab.annotations.query import Query

__all__ = ["from_plain", "read", "read_lines", "to_plain", "write", "write_lines"]


def to_plain(one: Annotation) -> dict[str, Any]:
    """Return an object as plain values for JSON; what it does not have is left out.

    Examples
    --------
    >>> from ndlab.annotations import Synapse
    >>> to_plain(Synapse(id=3, segments=[(7, "pre")], centroid=(40, 4, 4)))
    {'kind': 'synapse', 'id': 3, 'segments': [[7, 'pre']], 'centroid': [40.0, 4.0, 4.0]}
    """
    plain: dict[str, Any] = {"kind": one.kind}
    for name, what in holds(one.kind).items():
        value = one.__dict__[name]
        if value is None or value == "" or (not value and what.sort != "id"):
            continue
        if what.sort == "code":
            value = word(value, what.words)
        elif what.sort == "time":
            value = value.isoformat()
        elif what.sort == "box":
            value = [list(value.start), list(value.stop)]
        elif what.sort == "flows":
            value = [[target, word(flow, Flow)] for target, flow in value]
        elif what.sort in ("ids", "point"):
            value = list(value)
        if value:
            plain[name] = value
    return plain


def from_plain(plain: Mapping[str, Any]) -> Annotation:
    """Make the object of plain values; names that are no fields become free keys."""
    kind = kind_of(plain.get("kind", "generic"))
    fields = holds(kind.kind)
    values = {name: value for name, value in plain.items() if name in fields}
    extra = {name: v for name, v in plain.items() if name not in fields and name != "kind" and v is not None}
    if isinstance(values.get("time"), str):
        time = datetime.fromisoformat(values["time"])
        values["time"] = time if time.tzinfo else time.replace(tzinfo=UTC)
    if values.get("bounds"):
        values["bounds"] = NmBox(*values["bounds"])
    if extra:
        values["keys"] = {**extra, **values.get("keys", {})}
    return kind(**values)


def write(query: Query, path: Path) -> None:
    """Write one JSON array, an object a line."""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        _lines(query, file, ",\n")
        file.write("\n]\n")


def write_lines(query: Query, path: Path) -> None:
    """Write an object a line."""
    with path.open("w", encoding="utf-8") as file:
        _lines(query, file, "\n")


def _lines(query: Query, file: IO[str], between: str) -> None:
    for i, one in enumerate(query):
        file.write((between if i else "\n" * (between != "\n")) + json.dumps(to_plain(one), ensure_ascii=False))


def read(path: Path) -> Iterator[list[Annotation]]:
    """Yield the objects of a JSON array, or of its member ``objects``."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadMetadata(f"{path} is no JSON", str(error), "a file with an object a line is named .jsonl") from None
    if isinstance(found, dict):
        found = found.get("objects")
    if not isinstance(found, list):
        raise BadMetadata(f"{path} holds no list of objects", "it is a JSON array, or an object with a member objects")
    yield [_made(one, f"{path} object {i}") for i, one in enumerate(found)]


def read_lines(path: Path) -> Iterator[list[Annotation]]:
    """Yield the objects of a file with one a line."""
    with path.open(encoding="utf-8") as file:
        numbered = ((i, line) for i, line in enumerate(file, 1) if line.strip())
        while piece := list(islice(numbered, 5000)):
            yield [_parsed(line, f"{path} line {i}") for i, line in piece]


def _parsed(line: str, where: str) -> Annotation:
    try:
        return _made(json.loads(line), where)
    except json.JSONDecodeError as error:
        raise BadMetadata(f"{where} is no JSON", str(error)) from None


def _made(plain: Any, where: str) -> Annotation:
    try:
        return from_plain(plain)
    except NdlabError as error:
        raise BadMetadata(where, str(error), "nothing was stored") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise BadMetadata(f"{where} is no object", str(error), "nothing was stored") from None
