"""Neuroglancer's segment properties: label, description, tags, numbers and words of each segment, in one JSON file."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.exchange.precomputed.source import FileSource, QuerySource, Source, is_id
from ndlab.annotations.exchange.precomputed.survey import Column, survey
from ndlab.errors import BadMetadata, BadRequest, Problems

if TYPE_CHECKING:
    from ndlab.annotations.query import Query

__all__ = ["read", "write"]

_TYPE = "neuroglancer_segment_properties"
# More different words than this are no tags but names.
_TAGS = 200
_MANY = 2_000_000
_SORTS: dict[str, Callable[[str], Any]] = {
    "text": str, "bool": lambda text: text == "true", "whole": int, "number": float,
}  # fmt: skip


def write(
    source: Query | Path, part: Path, *, label: str | None = None, description: str | None = None,
    tags: Sequence[str] | None = None, numbers: Sequence[str] | None = None, strings: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """Write the objects of a query (or rows of a Parquet file with a column id) into the folder `part`.

    Parameters
    ----------
    source : Query or Path
    part : Path
        Is made.
    label, description : str, optional
        Column or free key that is shown beside the id; unless given, ``name`` and ``description`` where there are any.
    tags, numbers, strings : sequence of str, optional
        Columns or free keys to filter by: words without a space, numbers, and any text. Unless one of them is given,
        everything that there is goes where it fits.

    Raises
    ------
    Problems
        For a column that does not fit; nothing is written.

    Warns
    -----
    UserWarning
        Of what is left out, where that was left to this function.
    """
    made = FileSource(source) if isinstance(source, Path) else QuerySource(source)
    chosen = tags is not None or numbers is not None or strings is not None
    asked = {"label": [label] if label else [], "description": [description] if description else [],
             "tags": list(tags or ()), "number": list(numbers or ()), "string": list(strings or ())}  # fmt: skip
    everything = [*made.names, *(key for key in made.keys if key not in made.names)]
    for what, word in (("label", "name"), ("description", "description")):
        if not asked[what] and not chosen and word in everything:
            asked[what] = [word]
    named = [name for names in asked.values() for name in names]
    strange = [name for name in [*named, "id"] if not made.known(name)]
    if strange:
        raise BadRequest(f"segment properties of {', '.join(strange)}",
                         f"{made.where} has {', '.join(everything)}"[:500])  # fmt: skip
    rest = [] if chosen else [name for name in everything if name not in (*named, "id", "keys", "kind")]
    seen = survey(made, [*named, *rest])
    left = _sort(made, rest, seen, asked)
    if not chosen:
        left += [f"free key {key}: a field has that name" for key in made.keys if key in made.types]
    _check(asked, seen)
    if left:
        warnings.warn(f"{made.where} has what segment properties do not hold: {'; '.join(left)}. "
                      "Export to Parquet or JSON, too, to keep it", stacklevel=6)  # fmt: skip
    info = _info(made, asked, seen)
    part.mkdir()
    (part / "info").write_text(json.dumps(info, ensure_ascii=False), encoding="utf-8")


def _sort(source: Source, rest: Sequence[str], seen: dict[str, Column], asked: dict[str, list[str]]) -> list[str]:
    """Put each column where it fits, and name those that fit nowhere."""
    left: list[str] = []
    for name in rest:
        one = seen[name]
        if not one.filled:
            continue
        if _fits(one, "tags") is None and one.sorts == {"text"} and len(one.words) <= _TAGS:
            asked["tags"].append(name)
        elif _fits(one, "number") is None and not is_id(source, name):
            asked["number"].append(name)
        elif _fits(one, "string") is None:
            asked["string"].append(name)
        else:
            left.append(f"{name}: {_fits(one, 'string')}")
    return left


def _fits(one: Column, what: str) -> str | None:
    """Return why a column is no such property; None if it is."""
    type_ = one.type()
    if what == "number":
        if isinstance(type_, str) or not one.sorts <= {"whole", "number"}:
            return type_ if isinstance(type_, str) else "it holds no numbers"
        return "it has gaps, and numbers have none; name it in strings=" if one.gaps else None
    if one.sorts not in ({"text"}, {"bool"}, {"whole"}, {"number"}, {"whole", "number"}):
        return f"it holds {' and '.join(sorted(one.sorts))}"
    spaced = sorted(word for word in one.words if any(c.isspace() for c in word) or word.startswith("#"))
    if what == "tags" and spaced:
        return f"tags have no spaces and no # at their beginning, as in {spaced[0]!r}; name it in strings="
    return None


def _check(asked: dict[str, list[str]], seen: dict[str, Column]) -> None:
    problems = [
        f"{name} as {what}: {why}"
        for what, names in asked.items() for name in names if (why := _fits(seen[name], what)) is not None
    ]  # fmt: skip
    if problems:
        raise Problems("segment properties", problems)


def _info(source: Source, asked: dict[str, list[str]], seen: dict[str, Column]) -> dict[str, Any]:
    named = [name for names in asked.values() for name in names]
    ids: list[str] = []
    columns: dict[str, list[Any]] = {name: [] for name in named}
    for batch in source.batches(["id", *named]):
        ids += [str(one) for one in batch.column("id").to_pylist()]
        for name, values in columns.items():
            values += batch.column(name).to_pylist()
        if len(ids) > _MANY:
            raise BadRequest(f"more than {_MANY} segments", "a viewer holds all properties in memory", "choose some")
    if len(set(ids)) < len(ids):
        raise BadRequest(f"{len(ids)} rows of {len(set(ids))} ids", "each segment is listed once")
    made: list[dict[str, Any]] = []
    for what in ("label", "description", "string"):
        made += [{"id": n, "type": what, "values": [_text(v) for v in columns[n]]} for n in asked[what]]
    for name in asked["number"]:
        type_ = str(seen[name].type()[0])
        values = np.asarray(columns[name], type_).tolist()
        made.append({"id": name, "type": "number", "data_type": type_, "values": values})
    # What the format has no word for, so that ndlab reads back what it wrote.
    texts = [name for what in ("label", "description", "string") for name in asked[what]]
    own: dict[str, Any] = {"sorts": {name: _sort_of(seen[name]) for name in texts}}
    if asked["tags"]:
        said = {name: [_text(v) for v in columns[name]] for name in asked["tags"]}
        prop, own["tags"] = _tags(said, len(ids))
        made.append(prop)
    return {"@type": _TYPE, "inline": {"ids": ids, "properties": made}, "ndlab": own}


def _sort_of(one: Column) -> str:
    """Name the sort of all values of a column that fits; whole numbers among others are numbers."""
    return "number" if "number" in one.sorts else next(iter(one.sorts), "text")


def _tags(columns: dict[str, list[str]], count: int) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the tags of several columns as one property, and the column and word that each tag stands for."""
    pairs = sorted({(word.lower(), name, word) for name, words in columns.items() for word in words if word})
    # Tags are the same in any case, so a word of two columns is told apart by its column, and in two cases by a number.
    times = Counter(lower for lower, _, _ in pairs)
    tags = list[str]()
    taken = {lower for lower, count in times.items() if count == 1}
    for lower, name, word in pairs:
        tag = word if times[lower] == 1 else f"{name}:{word}"
        spare = (tag if i == 1 else f"{tag}~{i}" for i in count_from(1))
        tags.append(tag if times[lower] == 1 else next(one for one in spare if one.lower() not in taken))
        taken.add(tags[-1].lower())
    at = {(name, word): i for i, (_, name, word) in enumerate(pairs)}
    values = [sorted(at[name, words[i]] for name, words in columns.items() if words[i]) for i in range(count)]
    found = {"id": "tags", "type": "tags", "tags": tags, "values": values}
    return found, [(name, word) for _, name, word in pairs]


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the columns of segment properties; tags that ndlab did not write are words apart from each other."""
    info = json.loads((folder / "info").read_text(encoding="utf-8"))
    inline, own = info.get("inline", {"ids": [], "properties": []}), info.get("ndlab", {})
    found: dict[str, Any] = {"id": np.array([int(one) for one in inline["ids"]], np.uint64)}
    for one in inline["properties"]:
        values = one["values"]
        if len(values) != len(inline["ids"]):
            raise BadMetadata(f"{folder}: {len(values)} values of {one.get('id')}", f"there are {len(found['id'])} ids")
        if one["type"] == "tags":
            found |= _untagged(values, one["tags"], own.get("tags"))
        elif one["type"] == "number":
            found[one["id"]] = values
        else:
            made = _SORTS[own.get("sorts", {}).get(one["id"], "text")]
            found[one["id"]] = [made(value) if value else None for value in values]
    yield found


def _untagged(values: list[list[int]], tags: list[str], pairs: list[tuple[str, str]] | None) -> dict[str, list[Any]]:
    if pairs is None:
        return {"tags": [" ".join(tags[i] for i in which) or None for which in values]}
    found: dict[str, list[Any]] = {name: [None] * len(values) for name, _ in pairs}
    for row, which in enumerate(values):
        for i in which:
            name, word = pairs[i]
            found[name][row] = word
    return found
