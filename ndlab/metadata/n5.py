"""N5 arrays and pyramids: the ``attributes.json`` files of a group and its levels, read into `Multiscale`.

N5 has no multiscale specification, only the conventions of its users, which this module reads in this order:

- OpenOrganelle: ``multiscales`` of the group, or ``transform`` of each array: named axes, scale and the
  translation of the *centre* of voxel 0;
- n5-viewer, Paintera, BigDataViewer, neuroglancer: arrays ``s0``, ``s1``, ... with ``downsamplingFactors`` (or
  ``scales`` / ``downsamplingFactors`` of the group), times ``resolution`` with ``units`` or ``pixelResolution``.
  They state no origin; as in neuroglancer, the *corner* of voxel 0 is at 0 in each level.

N5 lists dimensions with the fastest first, so axes here are the reverse of that order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadMetadata, Unsupported
from ndlab.metadata.levels import Raw, assemble, check_paths, numbers, stack
from ndlab.metadata.model import Multiscale, Scale

__all__ = ["read_n5"]

Attributes = Mapping[str, Any]
DEFAULT_AXES = ("x", "y", "z", "c", "t")  # as listed on disk


def read_n5(attributes: Mapping[str, Attributes], *, where: str) -> Multiscale:
    """Read an N5 array or pyramid.

    Parameters
    ----------
    attributes : mapping of str to mapping
        Parsed ``attributes.json`` by path relative to the group: ``""`` for the group (or the array) itself,
        ``"s0"``, ``"s1"``, ... for its levels. Paths without an array in them are ignored.
    where : str
        The address, for messages.

    Returns
    -------
    Multiscale
        Axes in C order (fastest last): the reverse of ``dimensions``.

    Raises
    ------
    BadMetadata
        If there is no array, or the attributes contradict each other.
    Unsupported
        For more than five dimensions, or axes other than t, c, z, y, x.

    Examples
    --------
    >>> group = {"axes": ["x", "y", "z"], "units": ["nm", "nm", "nm"], "resolution": [4, 4, 40]}
    >>> s0 = {"dimensions": [64, 64, 8], "dataType": "uint8", "downsamplingFactors": [1, 1, 1]}
    >>> s1 = {"dimensions": [32, 32, 8], "dataType": "uint8", "downsamplingFactors": [2, 2, 1]}
    >>> m = read_n5({"": group, "s0": s0, "s1": s1}, where="em.n5")
    >>> m.axes, m.scales[1].calibration.voxel_size
    (('z', 'y', 'x'), (40.0, 8.0, 8.0))
    """
    group = attributes.get("", {})
    paths = _level_paths(attributes, group, where)
    check_paths(paths, where)
    arrays = [attributes[p] for p in paths]
    ndim = {len(a["dimensions"]) for a in arrays}
    if len(ndim) > 1:
        raise BadMetadata(
            f"the levels of {where} have {sorted(ndim)} dimensions",
            f"levels are {', '.join(paths)}",
            "open one of them by its path",
        )
    axes, notes = _axes(group, arrays[0], where)
    transforms = _transforms(group, paths, arrays)
    raw = (
        _from_transforms(transforms, axes, where, notes)
        if transforms
        else _from_factors(group, arrays, axes, where, notes)
    )
    m = Multiscale(
        axes=tuple(reversed(axes)),
        scales=tuple(Scale(p, None) for p in paths),
        name=str(group.get("name") or ""),
        version="n5",
        notes=tuple(notes),
    )
    return assemble(m, raw, where=where)


def _is_array(attributes: Attributes) -> bool:
    return isinstance(attributes.get("dimensions"), Sequence) and "dataType" in attributes


def _level_paths(attributes: Mapping[str, Attributes], group: Attributes, where: str) -> list[str]:
    if _is_array(group):
        return [""]
    listed = _multiscales(group)
    if listed:
        paths = [str(d.get("path", "")).strip("/") for d in listed]
        missing = [p for p in paths if not _is_array(attributes.get(p, {}))]
        if missing:
            raise BadMetadata(
                f"{where} lists the level {missing[0]!r}",
                "no array is at that path",
                "correct multiscales, or open another level by its path",
            )
        return paths
    found = [p for p, a in attributes.items() if _is_array(a)]
    numbered = [p for p in found if re.fullmatch(r"(.*/)?s\d+", p)]
    levels = sorted(numbered, key=lambda p: int(p.rpartition("s")[2])) or found[:1]
    if not levels or (not numbered and len(found) > 1):
        raise BadMetadata(
            f"{where} is no N5 array and has no levels s0, s1, ...",
            f"arrays in it are {', '.join(map(repr, found)) or 'none'}",
            "open one of them by its path",
        )
    return levels


def _axes(group: Attributes, array: Attributes, where: str) -> tuple[list[str], list[str]]:
    """Axis names in the order of ``dimensions``, and notes."""
    ndim = len(array["dimensions"])
    stated = array.get("axes") or group.get("axes")
    if stated is None:
        return _guessed_axes(array, where)
    axes = [str(a).lower() for a in stated]
    if len(axes) != ndim:
        raise BadMetadata(
            f"{where} names the axes {list(stated)}",
            f"its array has {ndim} dimensions",
            "correct axes in attributes.json",
        )
    if len(set(axes)) != ndim or not {"x", "y"} <= set(axes) <= set(DEFAULT_AXES):
        raise Unsupported(
            f"{where} has the axes {list(stated)}",
            "ndlab's axes are t, c, z, y, x, with y and x always there",
            "open the array by its path with another tool and save it with those axes",
            feature=f"axes {list(stated)}",
        )
    return axes, []


def _guessed_axes(array: Attributes, where: str) -> tuple[list[str], list[str]]:
    dimensions, blocks = array["dimensions"], list(array.get("blockSize") or ())
    if not 2 <= len(dimensions) <= len(DEFAULT_AXES):
        raise Unsupported(
            f"{where} has {len(dimensions)} dimensions and names no axes",
            "ndlab's axes are t, c, z, y, x, with y and x always there",
            "add axes to attributes.json",
            feature=f"{len(dimensions)} dimensions",
        )
    axes = list(DEFAULT_AXES[: len(dimensions)])
    if len(dimensions) == 4 and blocks[:1] == [1] and 1 not in blocks[1:]:
        # webknossos writes channels first on disk, one to a block.
        axes = ["c", "x", "y", "z"]
    notes = [f"{where} names no axes; its dimensions {list(dimensions)} are read as {axes}"] if len(axes) > 3 else []
    return axes, notes


def _multiscales(group: Attributes) -> list[Attributes]:
    listed = group.get("multiscales")
    if not isinstance(listed, Sequence) or not listed or not isinstance(listed[0], Mapping):
        return []
    return [d for d in listed[0].get("datasets") or () if isinstance(d, Mapping)]


def _transforms(group: Attributes, paths: Sequence[str], arrays: Sequence[Attributes]) -> list[Attributes]:
    """OpenOrganelle transforms, one per level; empty unless every level has one."""
    by_path = {str(d.get("path", "")).strip("/"): d.get("transform") for d in _multiscales(group)}
    found = [by_path.get(p) or a.get("transform") for p, a in zip(paths, arrays, strict=True)]
    return [t for t in found if t] if all(isinstance(t, Mapping) for t in found) else []


def _from_transforms(transforms: Sequence[Attributes], axes: Sequence[str], where: str, notes: list[str]) -> Raw | None:
    sizes, centres = [], []
    names = [str(a).lower() for a in transforms[0].get("axes") or ()]
    for t in transforms:
        if sorted(names) != sorted(axes) or [str(a).lower() for a in t.get("axes") or ()] != names:
            raise BadMetadata(
                f"a transform of {where} has the axes {list(t.get('axes') or ())}",
                f"the array has {list(axes)}",
                "correct transform in attributes.json",
            )
        sizes.append(_numbers(t.get("scale"), len(names), "scale", where))
        centres.append(_numbers(t.get("translate", [0] * len(names)), len(names), "translate", where))
    units = dict(zip(names, transforms[0].get("units") or [None] * len(names), strict=False))
    return stack(names, sizes, centres, units, notes)


def _from_factors(
    group: Attributes, arrays: Sequence[Attributes], axes: Sequence[str], where: str, notes: list[str]
) -> Raw | None:
    shared = group.get("downsamplingFactors") or group.get("scales") or ()
    base, units = _resolution(group, arrays[0], axes, where)
    sizes = []
    for i, array in enumerate(arrays):
        factors = array.get("downsamplingFactors") or (shared[i] if i < len(shared) else None)
        own = _resolution({}, array, axes, where)[0] if i else None
        if factors is None and own is None and i:
            return None
        step = [1.0] * len(axes) if factors is None else _per_axis(factors, axes, "downsamplingFactors", where)
        sizes.append([r * f for r, f in zip(own or base or [1.0] * len(axes), step, strict=True)])
    if base is None and len(arrays) == 1:
        return None
    return stack(axes, sizes, [[v / 2 for v in size] for size in sizes], units, notes)


def _resolution(
    group: Attributes, array: Attributes, axes: Sequence[str], where: str
) -> tuple[list[float] | None, dict[str, str | None]]:
    """Numbers per axis as listed on disk, and the unit of each axis; the array's own go before the group's."""
    for holder in (array, group):
        pixel = holder.get("pixelResolution")
        if isinstance(pixel, Mapping):
            return _per_axis(pixel.get("dimensions"), axes, "pixelResolution", where), dict.fromkeys(
                axes, pixel.get("unit")
            )
        listed = holder.get("resolution") or pixel
        if listed:
            units = holder.get("units") or group.get("units") or [None] * len(axes)
            space = axes if len(units) == len(axes) else [a for a in axes if a in "xyz"]
            return _per_axis(listed, axes, "resolution", where), dict(zip(space, units, strict=False))
    return None, {}


def _per_axis(values: Any, axes: Sequence[str], what: str, where: str) -> list[float]:
    """One number per axis; where there are numbers for x, y, z only, c and t get 1."""
    space = [a for a in axes if a in "xyz"]
    if isinstance(values, Sequence) and len(values) == len(space) != len(axes):
        given = dict(zip(space, values, strict=True))
        values = [given.get(a, 1.0) for a in axes]
    return _numbers(values, len(axes), what, where)


def _numbers(values: Any, ndim: int, what: str, where: str) -> list[float]:
    listed = numbers(values)
    if listed is None or len(listed) != ndim or (what != "translate" and min(listed) <= 0):
        raise BadMetadata(
            f"the {what} of {where} is {values!r}",
            f"it needs {ndim} numbers" + ("" if what == "translate" else ", each positive"),
            "correct attributes.json, or open the array by its path with voxel_size=(z, y, x)",
        )
    return listed
