"""What a Zarr group is to OME-Zarr: an image, a plate, a well, a list of labels, a series of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadMetadata, Unsupported

__all__ = [
    "bioformats2raw_series",
    "is_plate",
    "labels_list",
    "no_multiscales",
    "ome_body",
    "plate_wells",
    "well_images",
]


def is_plate(attrs: Mapping[str, Any]) -> bool:
    """Whether the group is a high-content-screening plate (its images lie two groups below)."""
    return "plate" in ome_body(attrs)


def plate_wells(attrs: Mapping[str, Any]) -> list[str]:
    """Paths of the wells of a plate, relative to it."""
    plate = ome_body(attrs).get("plate") or {}
    return [str(w["path"]) for w in plate.get("wells", ()) if "path" in w]


def well_images(attrs: Mapping[str, Any]) -> list[str]:
    """Paths of the images (fields of view) of a well, relative to it."""
    well = ome_body(attrs).get("well") or {}
    return [str(i["path"]) for i in well.get("images", ()) if "path" in i]


def bioformats2raw_series(attrs: Mapping[str, Any]) -> list[str] | None:
    """Series paths that the group names; an empty list if it only declares the layout, None if it does not.

    With an empty list the images are the groups ``"0"``, ``"1"``, ... below, unless an ``OME`` group lists them.
    """
    body = ome_body(attrs)
    if "series" in body:
        return [str(s) for s in body["series"]]
    return [] if "bioformats2raw.layout" in body else None


def labels_list(attrs: Mapping[str, Any]) -> list[str]:
    """Names of the label images that a ``labels`` group lists."""
    listed = ome_body(attrs).get("labels")
    return [str(name) for name in listed] if isinstance(listed, Sequence) and not isinstance(listed, str) else []


def ome_body(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where OME-Zarr keeps its keys: under ``ome`` since 0.5, among the other attributes before."""
    ome = attrs.get("ome")
    return ome if isinstance(ome, Mapping) else attrs


def no_multiscales(body: Mapping[str, Any], where: str) -> Exception:
    """Build the error for a group that is no image, which says what it is instead."""
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
