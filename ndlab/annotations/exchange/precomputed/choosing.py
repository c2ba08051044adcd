"""Which columns become which properties and relationships, and what is left out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.annotations.exchange.precomputed.layout import (
    TYPES,
    Layout,
    Property,
    Relationship,
    geometry_columns,
    ids_for,
)
from ndlab.annotations.exchange.precomputed.source import Source, is_id
from ndlab.annotations.exchange.precomputed.survey import Column, survey
from ndlab.errors import BadRequest, Problems

__all__ = ["choose"]

Asked = Sequence[str] | Mapping[str, str | None] | None


def choose(
    source: Source, geometry: str, properties: Asked, relationships: Sequence[str] | None, ends: Any, radius: Any,
    scale: tuple[float, float, float],
) -> Layout:  # fmt: skip
    """Return the layout of a layer, having looked at all values of the columns whose type was not said.

    Raises
    ------
    BadRequest, Problems
        For columns that are not there, or that no property holds.

    Warns
    -----
    UserWarning
        Of what the layer does not hold, where that was left to this function.
    """
    columns = geometry_columns(geometry, ends, radius)
    _there(source, columns, f"a {geometry} is made of")
    everything = [*source.names, *(key for key in source.keys if key not in source.names)]
    related = [n for n in everything if is_id(source, n)] if relationships is None else list(relationships)
    _there(source, related, "relationships=")
    taken = {"id", "keys", *columns, *related}
    wanted = [n for n in everything if n not in taken] if properties is None else list(properties)
    _there(source, wanted, "properties=")
    said = dict(properties) if isinstance(properties, Mapping) else {}
    looked = [n for n in wanted if said.get(n) is None] + (related if relationships is None else [])
    seen = survey(source, looked)
    if relationships is None:
        related = [n for n in related if seen[n].filled]
    found, left = _typed(source, wanted, said, seen, properties is None)
    left += _lost(source, related) if properties is None else []
    if left:
        warnings.warn(f"{source.where} has what precomputed annotations do not hold: {'; '.join(left)}. "
                      "Export to Parquet or JSON, too, to keep it", stacklevel=6)  # fmt: skip
    names = [name for name, _, _ in found]
    made = tuple(
        Property(one, type_, name, words, name in seen and seen[name].sorts == {"bool"})
        for one, (name, type_, words) in zip(ids_for(names), found, strict=True)
    )
    return Layout(geometry, columns, made, tuple(Relationship(n, n) for n in related), scale)


def _there(source: Source, names: Sequence[str], what: str) -> None:
    strange = [name for name in names if not source.known(name)]
    if strange:
        known = [*source.names, *source.keys]
        raise BadRequest(f"{what} {', '.join(strange)}", f"{source.where} has {', '.join(known)}"[:500],
                         "name columns or free keys that are there")  # fmt: skip


def _typed(
    source: Source, wanted: Sequence[str], said: Mapping[str, Any], seen: Mapping[str, Column], anything: bool
) -> tuple[list[tuple[str, str, tuple[str, ...] | None]], list[str]]:
    found: list[tuple[str, str, tuple[str, ...] | None]] = []
    left: list[str] = []
    problems: list[str] = []
    for name in wanted:
        asked = said.get(name)
        if asked is not None:
            if asked not in TYPES:
                problems.append(f"{name}: {asked!r} is no type; they are {', '.join(TYPES)}")
            found.append((name, asked, None))
            continue
        if anything and (not seen[name].filled or (name == "kind" and source.kind is not None)):
            continue
        type_ = seen[name].type()
        if isinstance(type_, str):
            (left if anything else problems).append(f"{name}: {type_}")
            continue
        if "" in seen[name].words and seen[name].gaps:
            left.append(f"{name}: empty text is written as no text")
        found.append((name, *type_))
    if problems:
        raise Problems("properties of precomputed annotations", problems,
                       "leave them out of properties=, or name ids in relationships=")  # fmt: skip
    return found, left


def _lost(source: Source, related: Sequence[str]) -> list[str]:
    left = [f"free key {key}: a field has that name" for key in source.keys if key in source.types]
    left += [f"{name}: the flow of each id" for name in related if "struct" in str(source.types.get(name, ""))]
    return left
