"""What a token says of itself: the founding store's `info` document, the same as HDF5, and as Viking XML."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from ndlab.serve.names import Folder
from ndlab.serve.source import Channel
from ndlab.serve.space import ladder, near_isotropic
from ndlab.volume import Volume

__all__ = ["info", "project_hdf5", "viking_xml"]


def info(names: Folder, token: str) -> dict[str, Any]:
    """Return the document of a token: data set, project and channels; vectors are (x, y, z), sizes exclusive ends."""
    channels = {name: names.channel(token, name) for name in names.channels(token)}
    record = names.record(token)
    first = next(iter(channels.values()), None)
    dataset = _dataset(first.volume) if first is not None else {}
    project = token
    if record is not None:
        made, project = record
        dataset |= {
            "name": made.dataset_name, "description": made.description, "timerange": list(made.timerange),
            "scaling": "isotropic" if made.scaling else "zslices", "scalinglevels": made.scalinglevels,
            "offset": {"0": list(made.offset), **dataset.get("offset", {})},
            "imagesize": {"0": list(made.imagesize), **dataset.get("imagesize", {})},
            "voxelres": {"0": list(made.voxelres), **dataset.get("voxelres", {})},
        }  # fmt: skip
    return {
        "channels": {name: _channel(one) for name, one in channels.items()},
        "dataset": {"name": token, **dataset},
        "metadata": {},
        "project": {"name": project, "description": "", "version": "0.0"},
    }


def _channel(one: Channel) -> dict[str, Any]:
    window = one.window
    return {
        "channel_type": one.kind,
        "datatype": str(one.volume.dtype),
        "description": "",
        "exceptions": 0,
        "propagate": 2 if len(one.volume.levels) > 1 and not any(level.stale for level in one.volume.levels) else 0,
        "readonly": int(one.readonly),
        "resolution": 0,
        "windowrange": [0, 0] if window is None else list(window),
    }


def _dataset(volume: Volume) -> dict[str, Any]:
    # The levels that a store has; those beyond them are made as they are read.
    levels = {str(level.number): level for level in ladder(volume) if not level.steps}
    first = levels["0"]
    ends = {key: [a + n for a, n in zip(one.offset, one.shape, strict=True)] for key, one in levels.items()}
    same = all(one.voxel_size[0] > first.voxel_size[0] for key, one in levels.items() if key != "0")
    return {
        "cube_dimension": {key: list(volume.level(one.stored).chunks[-3:][::-1]) for key, one in levels.items()},
        "description": "",
        "imagesize": {key: end[::-1] for key, end in ends.items()},
        "neariso_scaledown": {key: [1, 1, one.shape[0] // near_isotropic(one).shape[0]] for key, one in levels.items()},
        "offset": {key: list(one.offset[::-1]) for key, one in levels.items()},
        "resolutions": [one.number for one in levels.values()],
        "scaling": "isotropic" if same and first.shape[0] > 1 else "zslices",
        "scalinglevels": len(levels) - 1,
        "timerange": [0, dict(zip(volume.axes, volume.shape, strict=True)).get("t", 1) - 1],
        "voxelres": {key: [float(v) for v in one.voxel_size[::-1]] for key, one in levels.items()},
    }


def project_hdf5(names: Folder, token: str) -> bytes:
    """Return `info` as an HDF5 file: a group for each part, a data set for each field, JSON where a field has parts."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        _fill(file, info(names, token))
    return out.getvalue()


def _fill(group: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping) and value and not all(key.isdigit() for key in value):
            _fill(group.create_group(name.upper()), value)
        elif isinstance(value, Mapping):
            group.create_dataset(name.upper(), data=json.dumps(value))
        else:
            group.create_dataset(name.upper(), data=np.asarray(value) if isinstance(value, list) else value)


def viking_xml(names: Folder, token: str, base: str) -> bytes:
    """Return the volume description that Viking reads; its tiles are those of ``catmaid/viking``.

    Parameters
    ----------
    names : Folder
    token : str
    base : str
        Address at which the service is mounted, without a slash at its end.
    """
    lines = ["<?xml version='1.0' encoding='utf-8'?>"]
    channels = [names.channel(token, name) for name in names.channels(token)]
    first = channels[0].volume
    depth, height, width = first.box.shape
    z, y, x = ladder(first)[0].voxel_size
    lines.append(f"<Volume name={quoteattr(token)} num_sections='{depth}' num_stos='0' path={quoteattr(base)}>")
    lines.append(f" <Scale><X UnitsOfMeasure='nm' UnitsPerPixel='{x:g}'/>"
                 f"<Y UnitsOfMeasure='nm' UnitsPerPixel='{y:g}'/>"
                 f"<Z UnitsOfMeasure='nm' UnitsPerPixel='{z:g}'/></Scale>")  # fmt: skip
    for one in channels:
        path = f"{base}/catmaid/viking/{token}"
        lines.append(
            f" <OCPVolume name={quoteattr(one.name)} path={quoteattr(path)} Levels='{len(one.volume.levels)}' "
            f"GridDimX='{-(-width // 512)}' GridDimY='{-(-height // 512)}' "
            "TileXDim='512' TileYDim='512' FilePrefix='' FilePostfix='.png'/>"
        )
    lines.append("</Volume>")
    return "\n".join(lines).encode()
