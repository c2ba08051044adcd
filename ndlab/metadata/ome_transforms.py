"""Coordinate transformations of OME-Zarr levels, composed into one scale and translation each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadMetadata, BadRequest, Unsupported
from ndlab.metadata.levels import numbers
from ndlab.metadata.ome_axes import system_name
from ndlab.metadata.units import to_seconds

__all__ = ["Placement", "placements", "time_steps"]

Placement = tuple[list[float], list[float]]  # scale and translation of one level, in stored axis order


def placements(
    entry: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]], ndim: int, where: str
) -> tuple[list[Placement] | None, list[str]]:
    """Scale and translation of each level, all of its transformations composed; None where none are given."""
    own = [d.get("coordinateTransformations") or () for d in datasets]
    shared, notes = [], []
    for transformation in entry.get("coordinateTransformations") or ():
        # With named systems, these lead *on* from the intrinsic one, and there may be several: not applied.
        target = transformation.get("output")
        if target is None:
            shared.append(transformation)
        elif transformation.get("type") != "identity":
            notes.append(
                f"the {transformation.get('type')} transformation to {system_name(target)!r} is not applied; "
                "positions are in the image's own coordinate system"
            )
    if not all(own) and (len(datasets) > 1 or not shared):
        return None, notes
    return [_compose([*mine, *shared], ndim, where, i) for i, mine in enumerate(own)], notes


def _compose(transformations: Sequence[Mapping[str, Any]], ndim: int, where: str, level: int) -> Placement:
    scale, translation = [1.0] * ndim, [0.0] * ndim
    for kind, values in _flatten(transformations, ndim, where, level):
        if kind == "scale":
            scale = [_product(s, v) for s, v in zip(scale, values, strict=True)]
            translation = [_product(t, v) for t, v in zip(translation, values, strict=True)]
        else:
            translation = [t + v for t, v in zip(translation, values, strict=True)]
    return scale, translation


def _product(a: float, b: float) -> float:
    return b if a == 1 else a if b == 1 else float(f"{a * b:.13g}")


def _flatten(
    transformations: Sequence[Mapping[str, Any]], ndim: int, where: str, level: int
) -> list[tuple[str, list[float]]]:
    steps: list[tuple[str, list[float]]] = []
    for t in transformations:
        kind = str(t.get("type"))
        if kind == "sequence":
            steps += _flatten(t.get("transformations") or (), ndim, where, level)
        elif kind in ("scale", "translation") and kind in t:
            steps.append((kind, _numbers(t[kind], kind, ndim, where, level)))
        elif kind != "identity":
            raise Unsupported(
                f"level {level} of {where} is placed by a transformation of type {kind!r}"
                + (" kept in an array" if kind in ("scale", "translation") else ""),
                "ndlab applies scale, translation, identity and sequences of them",
                "resample the image to its own axes, or open the array by its path",
                feature=f"transformation {kind}",
            )
    return steps


def _numbers(values: Any, kind: str, ndim: int, where: str, level: int) -> list[float]:
    what = f"the {kind} of level {level} of {where} is {values!r}"
    listed = numbers(values)
    if listed is None:
        raise BadMetadata(what, "it should be a list of finite numbers", "correct it in that file")
    if len(listed) != ndim:
        raise BadMetadata(what, f"it needs one number for each of the {ndim} axes", "correct it in that file")
    if kind == "scale" and min(listed) <= 0:
        raise BadMetadata(
            what,
            "a scale is positive",
            "correct it in that file, or open the array by its path with voxel_size=(z, y, x)",
        )
    return listed


def time_steps(
    axes: tuple[str, ...], units: Mapping[str, str | None], placed: Sequence[Placement], notes: list[str]
) -> list[float | None]:
    """Seconds between time points at each level, None where the store does not say; oddities go into `notes`."""
    if "t" not in axes:
        return [None] * len(placed)
    unit, at = units["t"], axes.index("t")
    try:
        factor = None if unit is None else to_seconds(unit)
    except BadRequest:
        factor = None
    if factor is None:
        if unit is not None or placed[0][0][at] != 1:
            notes.append(f"time step unknown: the time axis has scale {placed[0][0][at]:g} and unit {unit!r}")
        return [None] * len(placed)
    if any(t[at] for _, t in placed):
        notes.append(f"time starts at {placed[0][1][at]:g} {unit}; ndlab counts time points from 0")
    return [_product(scale[at], factor) for scale, _ in placed]
