"""The view in other programs: a neuroglancer state, layers for napari, and the code that reads what is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np

from ndlab.explore.layers import Source
from ndlab.explore.view_state import Infos, State, reference
from ndlab.store.kv import local_path
from ndlab.volume import Volume

__all__ = ["NEUROGLANCER", "Link", "napari_code", "neuroglancer", "variable"]

NEUROGLANCER = "https://neuroglancer-demo.appspot.com"
_LAYOUTS = {"xy": "xy", "xz": "xz", "yz": "yz", "three": "4panel"}
_PREFIXES = {"OME-Zarr": "zarr", "Zarr": "zarr", "Neuroglancer": "precomputed", "N5": "n5"}


@dataclass(frozen=True)
class Link:
    """A neuroglancer state, and an address that opens it.

    Attributes
    ----------
    state : dict
    base : str
        Where neuroglancer itself is.
    notes : tuple of str
        Layers that neuroglancer cannot reach by this state, and why.
    """

    state: dict[str, Any]
    base: str = NEUROGLANCER
    notes: tuple[str, ...] = field(default=())

    @property
    def json(self) -> str:
        """The state as JSON."""
        return json.dumps(self.state, separators=(",", ":"))

    @property
    def url(self) -> str:
        """Address that opens the state."""
        return f"{self.base}/#!{quote(self.json, safe='!~*().,:/@-_')}"

    def __str__(self) -> str:
        return self.url

    def _repr_html_(self) -> str:
        from html import escape

        notes = "".join(f"<li>{escape(one)}</li>" for one in self.notes)
        link = f'<a href="{escape(self.url)}" target="_blank" rel="noopener">Open in neuroglancer</a>'
        return link + (f"<ul>{notes}</ul>" if notes else "")


def neuroglancer(
    state: State,
    sources: Mapping[str, Source],
    infos: Infos,
    *,
    server: str | None = None,
    given: Mapping[str, str] | None = None,
    base: str = NEUROGLANCER,
) -> Link:
    """Return a view as neuroglancer shows it: voxel size in metres, layers, position, plane, selected segments.

    Parameters
    ----------
    server : str, optional
        Address of an `ndlab serve` of the folder that holds the layers' stores, for stores that are no web addresses.
    given : mapping, optional
        Neuroglancer sources by layer, e.g. ``{"em": "precomputed://https://..."}``.
    base : str
        Where neuroglancer itself is.
    """
    info = reference(state, infos) or {}
    level = info["levels"][0]
    size = level["voxel_size"] or (1.0, 1.0, 1.0)
    calibrated = info.get("calibrated", True)
    notes: list[str] = []
    layers = []
    for layer in state["layers"]:
        source = sources[layer["id"]]
        address, note = _address(source, server, (given or {}).get(layer["id"]))
        if source.volume is not None and note:
            notes.append(f"{layer['id']}: {note}")
        layers.append(_layer(layer, source, infos.get(layer["id"]), address, size, state))
    # Neuroglancer counts positions in voxels from 0 nm on; voxel i spans i to i + 1.
    voxels = [p / s for p, s in zip(state["position"], size, strict=True)]
    unit, metres = ("m", 1e-9) if calibrated else ("", 1.0)
    found: dict[str, Any] = {
        "dimensions": {axis: [s * metres, unit] for axis, s in zip("xyz", size[::-1], strict=True)},
        "position": voxels[::-1],
        "crossSectionOrientation": [0, 0, 0, 1],
        # nm of a pixel in units of the smallest side of a voxel.
        "crossSectionScale": state["scale"] / min(size),
        "projectionOrientation": [0, 0, 0, 1],
        "layers": layers,
        "layout": _LAYOUTS[state["layout"]],
        "showAxisLines": False,
    }  # fmt: skip
    return Link(found, base, tuple(notes))


def _served(source: Source, volume: Volume, server: str) -> str:
    """Return where `ndlab serve` has a store: by the name of its folder, and of the channel."""
    token = volume.url.rstrip("/").rsplit("/", 1)[-1]
    for suffix in (".zarr", ".ome", ".n5", ".precomputed"):
        token = token.removesuffix(suffix)
    number = source.shown.get("channel", 0)
    named = volume.channels[number].name if number < len(volume.channels) else ""
    channel = named or ("annotation" if source.kind == "labels" else "image")
    return f"precomputed://{server.rstrip('/')}/v1/precomputed/{quote(token)}/{quote(channel)}"


def _address(source: Source, server: str | None, given: str | None) -> tuple[str, str]:
    """Return the neuroglancer source of a layer, and why it cannot be reached if it cannot."""
    if given is not None:
        return given, ""
    volume = source.volume
    if volume is None:
        return "local://annotations", ""
    url = volume.url
    prefix = next((one for name, one in _PREFIXES.items() if volume.format.startswith(name)), None)
    if url and prefix and local_path(url) is None:
        return f"{prefix}://{url}", ""
    if server is not None and url:
        return _served(source, volume, server), ""
    where = f"{url} is a path of this machine" if url else "it is in memory"
    if url and local_path(url) is None:
        where = f"neuroglancer does not read {volume.format}"
    remedy = 'run `ndlab serve` on its folder and pass server="http://…"' if url else "write it to a store first"
    return f"{prefix or 'zarr'}://{url}", f"{where}; {remedy}"


def _layer(
    layer: Mapping[str, Any],
    source: Source,
    info: Mapping[str, Any] | None,
    address: str,
    size: Sequence[float],
    state: State,
) -> dict[str, Any]:
    common = {"name": layer["id"], "visible": layer["visible"]}
    if source.kind == "image" and info is not None:
        return common | {"type": "image", "source": address} | _image(layer, info)
    if source.kind == "labels":
        return common | {
            "type": "segmentation",
            "source": address,
            "segments": list(state["selection"].get(layer["id"], ())),
            "selectedAlpha": layer["opacity"],
            "notSelectedAlpha": 0 if layer["isolated"] else layer["opacity"] / 2,
            "hideSegmentZero": True,
        }
    return common | {
        "type": "annotation",
        "source": "local://annotations",
        "annotationColor": f"#{(layer['color'] or 'FFB000').lower()}",
        "annotations": [_annotation(row, number, size) for row, number in _shapes(source)],
    }


def _shapes(source: Source) -> list[tuple[Any, Any]]:
    if source.shapes is None or source.ids is None:
        return []
    return list(zip(source.shapes, source.ids, strict=True))


def _annotation(row: Any, number: Any, size: Sequence[float]) -> dict[str, Any]:
    corners = [[float(v) for v in part] for part in (np.reshape(row, (-1, 3)) / size)[:, ::-1]]
    if len(corners) == 1:
        return {"type": "point", "id": str(number), "point": corners[0]}
    return {"type": "axis_aligned_bounding_box", "id": str(number), "pointA": corners[0], "pointB": corners[1]}


def _image(layer: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    from ndlab.explore.picture import window_of

    low, high = window_of(layer, info)
    limits = [high, low] if layer["invert"] else [low, high]
    color = layer["color"] or "FFFFFF"
    # The value between the limits, to the power of gamma, times the colour.
    shader = (
        "#uicontrol invlerp normalized\n#uicontrol vec3 color color\n#uicontrol float gamma slider(min=0.1, max=5)\n"
        "void main() { emitRGB(color * pow(normalized(), gamma)); }\n"
    )
    controls: dict[str, Any] = {
        "normalized": {"range": limits, "channel": [layer["channel"]] if len(info["channels"]) > 1 else []},
        "color": f"#{color.lower()}",
        "gamma": layer["gamma"],
    }
    blend = "additive" if layer["blend"] == "additive" else "default"
    return {"opacity": layer["opacity"], "blend": blend, "shader": shader, "shaderControls": controls}


# --- napari ---------------------------------------------------------------------------------------------------


def variable(name: str, taken: set[str]) -> str:
    """Return a name for Python code that no other layer has.

    Examples
    --------
    >>> variable("Fib-SEM 2", {"fib_sem_2"}), variable("7", set())
    ('fib_sem_2_2', 'layer_7')
    """
    import keyword
    import re

    base = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "layer"
    base = f"layer_{base}" if base[0].isdigit() or keyword.iskeyword(base) or base in ("ndlab", "np") else base
    found, number = base, 2
    while found in taken:
        found, number = f"{base}_{number}", number + 1
    taken.add(found)
    return found


def napari_code(state: State, sources: Mapping[str, Source], infos: Infos) -> str:
    """Return code that shows the layers of a view in napari, which is another program with windows of its own.

    `layers` in it is ``view.sources``: what cannot be written down, such as an array in memory, comes from there.
    """
    from ndlab.explore.picture import window_of

    lines = ["import napari", "", "viewer = napari.Viewer()"]
    for layer in state["layers"]:
        source, name = sources[layer["id"]], layer["id"]
        more = f"name={name!r}, visible={layer['visible']}, opacity={layer['opacity']:g}"
        if source.volume is not None:
            info = infos[name]
            level = info["levels"][0]
            place = f"scale={_listed(level['voxel_size'] or [1, 1, 1])}, translate={_centred(level)}"
            lines.append(
                f"levels = [one.isel({_picked(source, state, layer)}).dask for one in layers[{name!r}].levels]"
            )
            # One level in a list is no pyramid to napari: it would take its first section for the volume.
            data = "levels, multiscale=True" if len(info["levels"]) > 1 else "levels[0]"
            if source.kind == "labels":
                lines.append(f"viewer.add_labels({data}, {place}, {more})")
                continue
            low, high = window_of(layer, info)
            blending = "additive" if layer["blend"] == "additive" else "translucent_no_depth"
            lines.append(
                f"viewer.add_image({data}, {place}, {more}, contrast_limits=({low:g}, {high:g}), "
                f"gamma={layer['gamma']:g}, blending={blending!r})"
            )
        elif source.kind == "points":
            lines.append(f"viewer.add_points(layers[{name!r}].shapes, size={state['scale'] * 8:g}, {more})")
        else:
            # napari draws no boxes: their rectangles in the plane of their middle.
            lines.append(
                f"rectangles = [[[(a[0] + b[0]) / 2, y, x] for y, x in ((a[1], a[2]), (a[1], b[2]), (b[1], b[2]), "
                f"(b[1], a[2]))] for a, b in layers[{name!r}].extents]"
            )
            lines.append(f"viewer.add_shapes(rectangles, shape_type='polygon', {more})")
    lines.append(f"viewer.dims.set_point((0, 1, 2), {_listed(state['position'])})")
    lines.append(f"viewer.camera.center = {tuple(_listed(state['position']))}")
    return "\n".join(lines) + "\n"


def _listed(values: Sequence[float]) -> list[float]:
    return [float(f"{v:.12g}") for v in values]


def _centred(level: Mapping[str, Any]) -> list[float]:
    """Return the centre of voxel 0 [nm], which is what napari places."""
    size = level["voxel_size"] or (1.0, 1.0, 1.0)
    return _listed([o + s / 2 for o, s in zip(level["offset"], size, strict=True)])


def _picked(source: Source, state: State, layer: Mapping[str, Any]) -> str:
    axes = () if source.volume is None else source.volume.axes
    values = {"t": state["t"], "c": layer["channel"]}
    return ", ".join(f"{axis}={values[axis]}" for axis in ("t", "c") if axis in axes)
