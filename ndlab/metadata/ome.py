"""OME-Zarr 0.1 to 0.6: attributes of a group, read into `Multiscale`.

An OME-Zarr transformation maps voxel *centres*: index 0 lands on the translation. `Calibration.offset` is the
outer corner of voxel 0, half a voxel before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadMetadata, Unsupported
from ndlab.metadata.levels import assemble, check_paths, stack
from ndlab.metadata.model import Multiscale, Scale
from ndlab.metadata.ome_axes import axis_entries, read_axes
from ndlab.metadata.ome_display import read_channels, read_labels
from ndlab.metadata.ome_groups import no_multiscales, ome_body
from ndlab.metadata.ome_transforms import placements, time_steps

__all__ = ["read_ome"]


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
    body = ome_body(attrs)
    entries = body.get("multiscales")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise no_multiscales(body, where)
    return [_read_one(_mapping(e, "multiscales entry", where), attrs, where) for e in entries]


def _read_one(entry: Mapping[str, Any], attrs: Mapping[str, Any], where: str) -> Multiscale:
    version = _version(entry, attrs, where)
    datasets = [_mapping(d, "dataset", where) for d in entry.get("datasets") or ()]
    paths = [_path(d, where) for d in datasets]
    check_paths(paths, where)
    axes, units, notes = read_axes(axis_entries(entry, datasets, where), where)
    placed, more = placements(entry, datasets, len(axes), where)
    notes += more
    steps: list[float | None] = [None] * len(paths)
    raw = None
    if placed is not None:
        steps = time_steps(axes, units, placed, notes)
        raw = stack(axes, [s for s, _ in placed], [t for _, t in placed], units, notes)
    body = ome_body(attrs)
    labels = read_labels(body.get("image-label"), notes)
    m = Multiscale(
        axes=axes,
        scales=tuple(Scale(p, None, s) for p, s in zip(paths, steps, strict=True)),
        name=str(entry.get("name") or ""),
        version=version,
        kind="image" if labels is None else "labels",
        channels=read_channels(body, attrs),
        labels=labels,
        extra={k: entry[k] for k in ("type", "metadata") if k in entry},
        notes=tuple(notes),
    )
    return assemble(m, raw, where=where)


def _version(entry: Mapping[str, Any], attrs: Mapping[str, Any], where: str) -> str:
    """Return the version as ``"0.4"``; development suffixes are dropped, and a missing one is told from the layout."""
    inside = "ome" in attrs
    stated = str((ome_body(attrs).get("version") if inside else None) or entry.get("version") or "")
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


def _path(dataset: Mapping[str, Any], where: str) -> str:
    path = dataset.get("path")
    if not isinstance(path, str):
        raise BadMetadata(f"a dataset of {where} has the path {path!r}", "each names its array", "correct its datasets")
    return path.strip("/")


def _mapping(value: Any, what: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadMetadata(f"a {what} of {where} is {value!r}", "it should be an object", "correct it in that file")
    return value
