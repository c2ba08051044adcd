"""OME-Zarr 0.4 and 0.5: a `Multiscale`, written as the attributes of its group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ndlab.errors import BadRequest, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata.model import Channel, LabelInfo, Multiscale, Scale
from ndlab.metadata.ome_axes import LEGACY_AXES, TYPES

__all__ = ["write_ome"]


def write_ome(m: Multiscale, version: str = "0.5") -> dict[str, Any]:
    """Return the attributes of the group of `m`, as OME-Zarr `version`.

    Lengths are in nanometers and times in seconds. A level's translation is the centre of its voxel 0:
    ``offset + voxel_size / 2``, so reading gives an offset of up to 12 significant digits back unchanged.
    Channels go into ``omero``; 0.4 demands a window and a colour of each there, so where one lacks them all
    go under ndlab's own key instead. A window without limits is written with itself as the limits.

    Parameters
    ----------
    m : Multiscale
        Its axes in the order t, c, space. Without calibration, the numbers in `extra` are written as they are.
    version : str
        ``"0.5"`` (attributes of ``zarr.json``) or ``"0.4"`` (``.zattrs``).

    Raises
    ------
    Unsupported
        For another version.
    BadRequest
        If the axes are out of order, or there are several levels without any scale.

    Examples
    --------
    >>> m = Multiscale(("z", "y", "x"), (Scale("0", Calibration((40, 4, 4))),))
    >>> write_ome(m)["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [40.0, 4.0, 4.0]}, {'type': 'translation', 'translation': [20.0, 2.0, 2.0]}]
    """
    if version not in ("0.4", "0.5"):
        raise Unsupported(
            f"OME-Zarr {version} was asked for",
            "ndlab writes 0.5 and 0.4",
            'pass version="0.5"',
            feature=f"writing OME-Zarr {version}",
        )
    _check_axes(m.axes)
    entry: dict[str, Any] = {} if version == "0.5" else {"version": version}
    if m.name:
        entry["name"] = m.name
    entry["axes"] = [_axis(a, m) for a in m.axes]
    entry["datasets"] = [_dataset(m, i) for i in range(len(m.scales))]
    entry |= {k: m.extra[k] for k in ("type", "metadata") if k in m.extra}
    body: dict[str, Any] = {"multiscales": [entry]}
    own: dict[str, Any] = {}
    if m.channels:
        complete = version == "0.5" or all(c.window and c.color for c in m.channels)
        (body if complete else own)["omero" if complete else "channels"] = _channels(m.channels, complete)
    if m.kind == "labels":
        body["image-label"] = ({} if version == "0.5" else {"version": version}) | _labels(m.labels or LabelInfo())
    attrs = {"ome": {"version": version, **body}} if version == "0.5" else body
    return attrs | ({"ndlab": own} if own else {})


def _check_axes(axes: Sequence[str]) -> None:
    if tuple(axes) != tuple(a for a in LEGACY_AXES if a in axes) or not {"y", "x"} <= set(axes):
        raise BadRequest(
            f"axes {tuple(axes)} were to be written as OME-Zarr",
            "the order is t, c, z, y, x, each at most once, with y and x there",
            "transpose the array to (t, c, z, y, x)",
            axes=tuple(axes),
        )


def _axis(name: str, m: Multiscale) -> dict[str, str]:
    axis = {"name": name, "type": TYPES[name]}
    if name == "t" and all(s.time_step is not None for s in m.scales):
        axis["unit"] = "second"
    if TYPES[name] == "space":
        calibrated = all(s.calibration is not None for s in m.scales)
        unit = "nanometer" if calibrated else m.extra.get("units", (None,) * 3)["zyx".index(name)]
        if unit is not None:
            axis["unit"] = unit
    return axis


def _dataset(m: Multiscale, level: int) -> dict[str, Any]:
    scale = m.scales[level]
    size, centre = _numbers(m, scale, level)
    step = 1.0 if scale.time_step is None else scale.time_step
    sizes = {"t": step, "c": 1.0, **dict(zip("zyx", size, strict=True))}
    centres = {"t": 0.0, "c": 0.0, **dict(zip("zyx", centre, strict=True))}
    return {
        "path": scale.path,
        "coordinateTransformations": [
            {"type": "scale", "scale": [sizes[a] for a in m.axes]},
            {"type": "translation", "translation": [centres[a] for a in m.axes]},
        ],
    }


def _numbers(m: Multiscale, scale: Scale, level: int) -> tuple[Sequence[float], Sequence[float]]:
    if isinstance(scale.calibration, Calibration):
        return scale.calibration.voxel_size, scale.calibration.centre((0, 0, 0))
    if "scale" in m.extra:
        return m.extra["scale"][level], m.extra["translation"][level]
    if len(m.scales) > 1:
        raise BadRequest(
            f"{len(m.scales)} levels without any scale were to be written",
            "OME-Zarr states the voxel size of each level",
            "set it first: with_voxel_size(m, (z, y, x), shapes=...) in nm",
        )
    return (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


def _channels(channels: Sequence[Channel], complete: bool) -> Any:
    entries = []
    for c in channels:
        entry: dict[str, Any] = {"label": c.name, "active": True}
        if c.color is not None:
            entry["color"] = c.color
        if c.window is not None:
            limits = c.limits or c.window
            entry["window"] = {"start": c.window[0], "end": c.window[1], "min": limits[0], "max": limits[1]}
        entries.append(entry)
    return {"channels": entries} if complete else entries


def _labels(labels: LabelInfo) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if labels.colors:
        entry["colors"] = [{"label-value": value, "rgba": list(rgba)} for value, rgba in labels.colors]
    if labels.properties:
        entry["properties"] = [dict(p) for p in labels.properties]
    if labels.source is not None:
        entry["source"] = {"image": labels.source}
    return entry
