"""OME-Zarr 0.4 and 0.5: list further levels in the attributes of a group, leaving all else as it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import Unsupported

__all__ = ["append_levels"]


def append_levels(
    attrs: Mapping[str, Any], paths: Sequence[str], factors: Sequence[Sequence[int]], *, where: str
) -> dict[str, Any]:
    """Return `attrs` with one more dataset for each path, `factors` (z, y, x) coarser than the first.

    Scales and translations stay in the units of the store. A translation is the centre of voxel 0, so it moves by half
    of what the voxel grows.

    Raises
    ------
    Unsupported
        If the finest level has no plain scale to go on from.

    Examples
    --------
    >>> first = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [40, 4, 4]}]}
    >>> axes = [{"name": a, "type": "space"} for a in "zyx"]
    >>> attrs = {"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [first]}]}}
    >>> found = append_levels(attrs, ["1"], [(1, 2, 2)], where="em.zarr")
    >>> found["ome"]["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [40, 8, 8]}, {'type': 'translation', 'translation': [0.0, 2.0, 2.0]}]
    """
    found = copy.deepcopy(dict(attrs))
    entry = found.get("ome", found)["multiscales"][0]
    names = [axis["name"] if isinstance(axis, Mapping) else str(axis) for axis in entry.get("axes", ())]
    given = {t.get("type"): t for t in entry["datasets"][0].get("coordinateTransformations", ())}
    scale = given.get("scale", {}).get("scale")
    if scale is None or len(scale) != len(names) or set(given) > {"scale", "translation"}:
        raise Unsupported(
            f"{where} gives its finest level no plain scale",
            f"it has {sorted(map(str, given)) or 'no transformation'}",
            "copy it with ndlab.ingest(url, dest, voxel_size=(z, y, x)); the copy gets all its levels",
            feature="levels without scale",
        )
    at = given.get("translation", {}).get("translation") or [0.0] * len(names)
    for path, ratio in zip(paths, factors, strict=True):
        each = [dict(zip("zyx", ratio, strict=True)).get(name, 1) for name in names]
        transformations = [
            {"type": "scale", "scale": [s * f for s, f in zip(scale, each, strict=True)]},
            {
                "type": "translation",
                "translation": [t + s * (f - 1) / 2 for t, s, f in zip(at, scale, each, strict=True)],
            },
        ]
        entry["datasets"].append({"path": path, "coordinateTransformations": transformations})
    return found
