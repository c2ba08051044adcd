"""What a token says of itself: the founding store's `info` document, the same as HDF5, and as Viking XML."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from ndlab.geometry import Int3
from ndlab.serve.names import Folder
from ndlab.serve.source import Channel
from ndlab.volume import Volume

__all__ = ["info", "project_hdf5", "viking_xml", "voxel_offset"]


def voxel_offset(volume: Volume) -> Int3:
    """Where a volume begins, (z, y, x) in voxels of its finest level: what every range of a path counts from.

    Examples
    --------
    >>> voxel_offset(Volume.from_array(np.zeros((2, 2, 2), "u1"), (30, 3, 3), offset=(30, 0, 0)))
    (1, 0, 0)
    """
    base = volume.level(0)
    z, y, x = (round(a / b) for a, b in zip(base.offset, base.voxel_size, strict=True))
    return z, y, x


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
    levels = volume.levels
    start = voxel_offset(volume)
    shape = levels[0].box.shape
    sizes, offsets, res, cubes, flat = {}, {}, {}, {}, {}
    for number, level in enumerate(levels):
        factors = [max(1, round(a / b)) for a, b in zip(level.voxel_size, levels[0].voxel_size, strict=True)]
        corner = [a // f for a, f in zip(start, factors, strict=True)]
        key = str(number)
        offsets[key] = corner[::-1]
        sizes[key] = [a + n for a, n in zip(corner, level.box.shape, strict=True)][::-1]
        res[key] = [float(v) for v in level.voxel_size[::-1]]
        cubes[key] = list(level.chunks[-3:][::-1])
        flat[key] = [1, 1, near_isotropic(level.voxel_size)]
    times = dict(zip(volume.axes, volume.shape, strict=True)).get("t", 1)
    same = all(level.voxel_size[0] > levels[0].voxel_size[0] for level in levels[1:])
    return {
        "cube_dimension": cubes,
        "description": "",
        "imagesize": sizes,
        "neariso_scaledown": flat,
        "offset": offsets,
        "resolutions": [int(key) for key in sizes],
        "scaling": "isotropic" if same and shape[0] > 1 else "zslices",
        "scalinglevels": len(levels) - 1,
        "timerange": [0, times - 1],
        "voxelres": res,
    }


def near_isotropic(voxel_size: tuple[float, float, float]) -> int:
    """Return by how many sections z shrinks so that voxels come near cubes; 1 where they are no flatter than wide.

    Examples
    --------
    >>> near_isotropic((30, 48, 48)), near_isotropic((30, 3, 3))
    (2, 1)
    """
    ratio = voxel_size[0] / voxel_size[1]
    return max(1, int(1 / ratio + 0.5)) if ratio < 1 else 1


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
    lines.append(f"<Volume name={quoteattr(token)} num_sections='{depth}' num_stos='0' path={quoteattr(base)}>")
    lines.append(f" <Scale><X UnitsOfMeasure='nm' UnitsPerPixel='{first.voxel_size[2]:g}'/>"
                 f"<Y UnitsOfMeasure='nm' UnitsPerPixel='{first.voxel_size[1]:g}'/>"
                 f"<Z UnitsOfMeasure='nm' UnitsPerPixel='{first.voxel_size[0]:g}'/></Scale>")  # fmt: skip
    for one in channels:
        path = f"{base}/catmaid/viking/{token}"
        lines.append(
            f" <OCPVolume name={quoteattr(one.name)} path={quoteattr(path)} Levels='{len(one.volume.levels)}' "
            f"GridDimX='{-(-width // 512)}' GridDimY='{-(-height // 512)}' "
            "TileXDim='512' TileYDim='512' FilePrefix='' FilePostfix='.png'/>"
        )
    lines.append("</Volume>")
    return "\n".join(lines).encode()
