"""The code that reads what a view shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndlab.explore.layers import Source
from ndlab.explore.links import variable
from ndlab.explore.picture import Part, base_of, box_of, panels, part_of, volumes_of
from ndlab.explore.view_state import Infos, State
from ndlab.volume import Volume

__all__ = ["cutout_code"]


def cutout_code(state: State, sources: Mapping[str, Source], infos: Infos, width: int, height: int) -> str:
    """Return Python code that reads the voxels of every visible volume on screen, at the level that is shown.

    Each plane of a layer becomes an array named after both, (z, y, x) with one voxel along the plane's depth. What
    has no address is taken from ``view``.
    """
    lines, taken = ["import ndlab", ""], {"view", "ndlab"}
    opened: dict[Any, str] = {}
    base = base_of(state, infos)
    for layer, volume in volumes_of(state, sources):
        parts = [
            (panel.plane, part)
            for panel in panels(state["layout"], width, height)
            if (part := part_of(infos[layer["id"]], state, layer, panel, base, state["scale"])) is not None
            and not part.empty
        ]
        if not parts:
            continue
        known = volume.url or layer["id"]
        if known not in opened:
            opened[known] = variable(volume.name or layer["id"], taken)
            lines.append(f"{opened[known]} = {_opening(layer['id'], volume)}")
        lines += [_reading(opened[known], layer, volume, plane, part, state, taken) for plane, part in parts]
    return "\n".join(lines).rstrip() + "\n"


def _opening(name: str, volume: Volume) -> str:
    if not volume.url:
        return f"view.volumes[{name!r}]  # it has no address"
    kind = ', kind="labels"' if volume.kind == "labels" else ""
    return f"ndlab.open({volume.url!r}{kind})"


def _reading(
    opened: str, layer: Mapping[str, Any], volume: Volume, plane: str, part: Part, state: State, taken: set[str]
) -> str:
    box = box_of(volume, part)
    at = {"t": state["t"], "c": layer["channel"]}
    # A view may begin at a later time point or channel; an address opens at the first.
    first = {
        axis: value[0] if isinstance(value, list) else value for axis, value in volume.where().items() if axis in at
    }
    if not volume.url:
        first = dict.fromkeys(first, 0)
    picked = "".join(f", {axis}={at[axis] + begin}" for axis, begin in first.items())
    level = f", level={box.level}" if box.level else ""
    name = variable(f"{layer['id']}_{plane}", taken)
    return f"{name} = {opened}.read(ndlab.Box({box.start}, {box.stop}{level}){picked})"
