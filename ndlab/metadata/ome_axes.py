"""Axes of an OME-Zarr image, of any version, by ndlab's names t, c, z, y, x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadMetadata, Unsupported

__all__ = ["LEGACY_AXES", "TYPES", "axis_entries", "read_axes", "system_name"]

LEGACY_AXES = ("t", "c", "z", "y", "x")  # 0.1 and 0.2 always have these five
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def axis_entries(entry: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]], where: str) -> Sequence[Any]:
    """Find the axes as they are listed; since 0.6, of the coordinate system that the levels map into."""
    systems = entry.get("coordinateSystems")
    if not systems:
        return entry.get("axes") or LEGACY_AXES
    axes = {str(s.get("name")): s.get("axes") or () for s in systems}
    names = {system_name(t.get("output")) for d in datasets for t in d.get("coordinateTransformations") or ()}
    if names <= {None} and len(axes) == 1:
        return next(iter(axes.values()))
    if len(names) != 1 or not names <= set(axes):
        raise BadMetadata(
            f"the levels of {where} lead to the coordinate systems {sorted(map(str, names))}",
            f"it defines {sorted(axes)}",
            "all levels of a multiscale map into one system that is defined in it",
        )
    return axes[str(names.pop())]


def system_name(reference: Any) -> str | None:
    """Name of a coordinate system: a string (0.6 drafts) or ``{"name": ...}`` (0.6rc)."""
    if isinstance(reference, Mapping):
        reference = reference.get("name")
    return None if reference is None else str(reference)


def read_axes(entries: Sequence[Any], where: str) -> tuple[tuple[str, ...], dict[str, str | None], list[str]]:
    """Axis names as ndlab has them, the unit of each, and notes."""
    given = [{"name": e} if isinstance(e, str) else dict(e) for e in entries]
    names = [_axis_name(a) for a in given]
    notes: list[str] = []
    if any(n is None for n in names):
        names = _spatial_by_position(given, names, where)
        notes.append(f"axes {[str(a.get('name')) for a in given]} are read as {names}")
    known = tuple(str(n) for n in names)
    if len(set(known)) != len(known) or not {"y", "x"} <= set(known):
        raise BadMetadata(
            f"the axes of {where} are {[str(a.get('name')) for a in given]}",
            "an image has y and x, and each of t, c, z, y, x at most once",
            "correct the axes, or open the array by its path",
            axes=known,
        )
    return known, {n: a.get("unit") for n, a in zip(known, given, strict=True)}, notes


def _axis_name(axis: Mapping[str, Any]) -> str | None:
    name, kind = str(axis.get("name", "")).lower(), axis.get("type")
    if name in TYPES and kind in (None, "", "array", TYPES[name]):
        return name
    return {"time": "t", "channel": "c"}.get(str(kind))


def _spatial_by_position(given: list[dict[str, Any]], names: list[str | None], where: str) -> list[str | None]:
    """Space axes with names of their own ("left-right") are z, y, x in the order in which they are stored."""
    space = [i for i, axis in enumerate(given) if axis.get("type") == "space"]
    others = [a for a, n in zip(given, names, strict=True) if n is None and a.get("type") != "space"]
    if others or not 2 <= len(space) <= 3 or any(names[i] is not None for i in space):
        odd = (others or [a for a, n in zip(given, names, strict=True) if n is None])[0]
        raise Unsupported(
            f"{where} has an axis {odd.get('name')!r} of type {odd.get('type')!r}",
            "ndlab's axes are t (time), c (channel) and z, y, x (space)",
            "open the array by its path and pick an index on that axis",
            feature=f"axis {odd.get('name')!r}",
        )
    result = list(names)
    for i, letter in zip(space, "zyx"[-len(space) :], strict=True):
        result[i] = letter
    return result
