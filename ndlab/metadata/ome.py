"""OME-Zarr 0.1 to 0.6: attributes of a group, read into `Multiscale`.

An OME-Zarr transformation maps voxel *centres*: index 0 lands on the translation. `Calibration.offset` is the
outer corner of voxel 0, half a voxel before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadMetadata, BadRequest, Unsupported
from ndlab.metadata.model import (
    Channel,
    Float3,
    LabelInfo,
    Multiscale,
    Raw,
    Scale,
    assemble,
    check_paths,
    length,
)
from ndlab.metadata.units import to_seconds

__all__ = ["bioformats2raw_series", "is_plate", "labels_list", "plate_wells", "read_ome", "well_images"]

LEGACY_AXES = ("t", "c", "z", "y", "x")  # 0.1 and 0.2 always have these five
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def read_ome(attrs: Mapping[str, Any], *, where: str) -> list[Multiscale]:
    """Read every multiscale image in the attributes of a Zarr group.

    Parameters
    ----------
    attrs : mapping
        Attributes of the group: ``.zattrs`` (0.1 to 0.4) or ``attributes`` of ``zarr.json`` (0.5, 0.6).
    where : str
        The address, for messages.

    Returns
    -------
    list of Multiscale
        Axes in stored order; calibrations in nm, (z, y, x), or None with a note where the store has no length
        unit. A 2-D image gets the coarsest in-plane voxel size in z, and a note.

    Raises
    ------
    BadMetadata
        If the attributes contradict the specification or themselves.
    Unsupported
        If a level is placed by anything but scales and translations, or the version is unknown.

    Examples
    --------
    >>> attrs = {"ome": {"version": "0.5", "multiscales": [{
    ...     "axes": [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"],
    ...     "datasets": [{"path": "0", "coordinateTransformations": [
    ...         {"type": "scale", "scale": [40, 4, 4]}, {"type": "translation", "translation": [20, 2, 2]}]}]}]}}
    >>> (m,) = read_ome(attrs, where="em.zarr")
    >>> m.scales[0].calibration
    Calibration(voxel_size=(40.0, 4.0, 4.0), offset=(0.0, 0.0, 0.0))
    """
    body = _body(attrs)
    entries = body.get("multiscales")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise _no_multiscales(body, where)
    return [_read_one(_mapping(e, "multiscales entry", where), attrs, where) for e in entries]


def is_plate(attrs: Mapping[str, Any]) -> bool:
    """Whether the group is a high-content-screening plate (its images lie two groups below)."""
    return "plate" in _body(attrs)


def plate_wells(attrs: Mapping[str, Any]) -> list[str]:
    """Paths of the wells of a plate, relative to it."""
    plate = _body(attrs).get("plate") or {}
    return [str(w["path"]) for w in plate.get("wells", ()) if "path" in w]


def well_images(attrs: Mapping[str, Any]) -> list[str]:
    """Paths of the images (fields of view) of a well, relative to it."""
    well = _body(attrs).get("well") or {}
    return [str(i["path"]) for i in well.get("images", ()) if "path" in i]


def bioformats2raw_series(attrs: Mapping[str, Any]) -> list[str] | None:
    """Series paths that the group names; an empty list if it only declares the layout, None if it does not.

    With an empty list the images are the groups ``"0"``, ``"1"``, ... below, unless an ``OME`` group lists them.
    """
    body = _body(attrs)
    if "series" in body:
        return [str(s) for s in body["series"]]
    return [] if "bioformats2raw.layout" in body else None


def labels_list(attrs: Mapping[str, Any]) -> list[str]:
    """Names of the label images that a ``labels`` group lists."""
    listed = _body(attrs).get("labels")
    return [str(name) for name in listed] if isinstance(listed, Sequence) and not isinstance(listed, str) else []


def _body(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    ome = attrs.get("ome")
    return ome if isinstance(ome, Mapping) else attrs


def _no_multiscales(body: Mapping[str, Any], where: str) -> Exception:
    if "scene" in body:
        return Unsupported(
            f"{where} is an OME-Zarr scene, images placed by transformations",
            "ndlab opens one image at a time",
            "open one of the images in it by its path",
            feature="scene",
        )
    if "plate" in body or "well" in body:
        inside = plate_wells(body) or well_images(body)
        remedy = f"open one of its images by its path; below are {', '.join(inside[:5])}"
        return BadMetadata(f"{where} is a plate or well, not an image", "its images are groups inside", remedy)
    return BadMetadata(
        f"{where} has no multiscales",
        f"its attributes are {', '.join(map(repr, body)) or 'empty'}",
        "open the group that has them, or an array by its path",
    )


def _read_one(entry: Mapping[str, Any], attrs: Mapping[str, Any], where: str) -> Multiscale:
    version = _version(entry, attrs, where)
    datasets = [_mapping(d, "dataset", where) for d in entry.get("datasets") or ()]
    paths = [_path(d, where) for d in datasets]
    check_paths(paths, where)
    axes, units, notes = _axes(_axis_entries(entry, datasets, where), where)
    placed, more = _placements(entry, datasets, len(axes), where)
    notes += more
    steps: list[float | None] = [None] * len(paths)
    raw = None
    if placed is not None:
        steps = _time_steps(axes, units, placed, notes)
        raw = _raw(axes, units, placed, notes)
    body = _body(attrs)
    labels = _labels(body.get("image-label"), notes, where)
    m = Multiscale(
        axes=axes,
        scales=tuple(Scale(p, None, s) for p, s in zip(paths, steps, strict=True)),
        name=str(entry.get("name") or ""),
        version=version,
        kind="image" if labels is None else "labels",
        channels=_channels(body, attrs),
        labels=labels,
        extra={k: entry[k] for k in ("type", "metadata") if k in entry},
        notes=tuple(notes),
    )
    return assemble(m, raw, where=where)


def _version(entry: Mapping[str, Any], attrs: Mapping[str, Any], where: str) -> str:
    """Return the version as ``"0.4"``; development suffixes are dropped, and a missing one is told from the layout."""
    inside = "ome" in attrs
    stated = str((_body(attrs).get("version") if inside else None) or entry.get("version") or "")
    found = re.match(r"(\d+)\.(\d+)", stated)
    if found is None:
        if inside:
            return "0.6" if "coordinateSystems" in entry else "0.5"
        axes = entry.get("axes")
        return "0.1" if not axes else "0.3" if isinstance(axes[0], str) else "0.4"
    number = int(found[1]), int(found[2])
    if number > (0, 6):
        raise Unsupported(
            f"{where} is OME-Zarr {stated}",
            "ndlab reads 0.1 to 0.6",
            "open one of its arrays by its path, or write the store as 0.5",
            feature=f"OME-Zarr {stated}",
        )
    if inside and number < (0, 5):
        return "0.5"  # some writers move the attributes under "ome" and leave the old number
    return f"{number[0]}.{number[1]}"


def _axis_entries(entry: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]], where: str) -> Sequence[Any]:
    systems = entry.get("coordinateSystems")
    if not systems:
        return entry.get("axes") or LEGACY_AXES
    axes = {str(s.get("name")): s.get("axes") or () for s in systems}
    names = {_system_name(t.get("output")) for d in datasets for t in d.get("coordinateTransformations") or ()}
    if names <= {None} and len(axes) == 1:
        return next(iter(axes.values()))
    if len(names) != 1 or not names <= set(axes):
        raise BadMetadata(
            f"the levels of {where} lead to the coordinate systems {sorted(map(str, names))}",
            f"it defines {sorted(axes)}",
            "all levels of a multiscale map into one system that is defined in it",
        )
    return axes[str(names.pop())]


def _system_name(reference: Any) -> str | None:
    """Name of a coordinate system: a string (0.6 drafts) or ``{"name": ...}`` (0.6rc)."""
    if isinstance(reference, Mapping):
        reference = reference.get("name")
    return None if reference is None else str(reference)


def _axes(entries: Sequence[Any], where: str) -> tuple[tuple[str, ...], dict[str, str | None], list[str]]:
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


Placement = tuple[list[float], list[float]]  # scale and translation of one level, in stored axis order


def _placements(
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
                f"the {transformation.get('type')} transformation to {_system_name(target)!r} is not applied; "
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
    try:
        numbers = [float(v) for v in values]
    except (TypeError, ValueError):
        raise BadMetadata(what, "it should be a list of numbers", "correct it in that file") from None
    if len(numbers) != ndim:
        raise BadMetadata(what, f"it needs one number for each of the {ndim} axes", "correct it in that file")
    if not all(map(math.isfinite, numbers)) or (kind == "scale" and min(numbers) <= 0):
        raise BadMetadata(
            what,
            "a scale is positive and finite" if kind == "scale" else "a translation is finite",
            "correct it in that file, or open the array by its path with voxel_size=(z, y, x)",
        )
    return numbers


def _time_steps(
    axes: tuple[str, ...], units: Mapping[str, str | None], placed: Sequence[Placement], notes: list[str]
) -> list[float | None]:
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


def _raw(
    axes: tuple[str, ...], units: Mapping[str, str | None], placed: Sequence[Placement], notes: list[str]
) -> Raw | None:
    """Numbers of each level in (z, y, x); None where levels differ but unit-less scales do not, which says nothing."""
    space = [axes.index(a) for a in "zyx" if a in axes]
    finest = placed[0][0]
    own = [units[a] for a in "zyx" if a in axes]
    thickness = 0.0
    if "z" not in axes:
        notes.append("a 2-D image: its one plane is as thick as its coarsest in-plane voxel size")
        thickness, unit = max(
            ((finest[i], u) for i, u in zip(space, own, strict=True)), key=lambda p: p[0] * (length(p[1]) or 1)
        )
        own.insert(0, unit)
    sizes = [_pad([scale[i] for i in space], thickness) for scale, _ in placed]
    centres = [_pad([t[i] for i in space], thickness / 2) for _, t in placed]
    if len(placed) > 1 and all(s == sizes[0] for s in sizes) and not any(length(u) for u in own):
        return None
    return Raw(tuple(sizes), tuple(centres), (own[0], own[1], own[2]))


def _pad(values: list[float], z: float) -> Float3:
    a, b, c = values if len(values) == 3 else (z, *values)
    return a, b, c


def _channels(body: Mapping[str, Any], attrs: Mapping[str, Any]) -> tuple[Channel, ...]:
    omero = body.get("omero")
    if not isinstance(omero, Mapping):
        # What 0.4 cannot hold (a channel without a window) is kept under ndlab's own key by `write_ome`.
        own = attrs.get("ndlab")
        omero = own if isinstance(own, Mapping) else {}
    return tuple(_channel(c) for c in omero.get("channels") or () if isinstance(c, Mapping))


def _channel(entry: Mapping[str, Any]) -> Channel:
    window = entry.get("window")
    window = window if isinstance(window, Mapping) else {}
    label = entry.get("label")
    return Channel(
        name="" if label is None else str(label),
        window=_pair(window, "start", "end"),
        limits=_pair(window, "min", "max"),
        color=_color(entry.get("color")),
    )


def _pair(window: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    a, b = window.get(low), window.get(high)
    ok = isinstance(a, (int, float)) and isinstance(b, (int, float))
    return (a, b) if ok else None  # type: ignore[return-value]


def _color(value: Any) -> str | None:
    """Colour as ``"RRGGBB"``; a leading #, alpha and the integers of old writers are accepted."""
    text = f"{value:06X}" if isinstance(value, int) and not isinstance(value, bool) else str(value or "").lstrip("#")
    return text[:6].upper() if re.fullmatch(r"[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?", text) else None


def _labels(entry: Any, notes: list[str], where: str) -> LabelInfo | None:
    if entry is None:
        return None
    entry = _mapping(entry, "image-label", where)
    colors = []
    for item in entry.get("colors") or ():
        value, rgba = item.get("label-value"), item.get("rgba")
        if isinstance(rgba, Sequence) and len(rgba) == 4 and value is not None and int(value) == value:
            red, green, blue, alpha = map(int, rgba)
            colors.append((int(value), (red, green, blue, alpha)))
        else:
            notes.append(f"label colour {item!r} has no whole label-value with four rgba numbers and is left out")
    source = entry.get("source")
    image = source.get("image") if isinstance(source, Mapping) else None
    return LabelInfo(
        colors=tuple(colors),
        properties=tuple(dict(p) for p in entry.get("properties") or ()),
        source=None if image is None else str(image),
    )


def _path(dataset: Mapping[str, Any], where: str) -> str:
    path = dataset.get("path")
    if not isinstance(path, str):
        raise BadMetadata(f"a dataset of {where} has the path {path!r}", "each names its array", "correct its datasets")
    return path.strip("/")


def _mapping(value: Any, what: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadMetadata(f"a {what} of {where} is {value!r}", "it should be an object", "correct it in that file")
    return value
