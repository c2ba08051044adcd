"""The picture of a view state, computed here: what a page shows is held to it, and what is shown without a page."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, StaleLevelWarning, TooLarge
from ndlab.explore.layers import Source
from ndlab.explore.view_state import AXES, Infos, State, reference
from ndlab.geometry import Box
from ndlab.render import Layer, compose
from ndlab.render.outline import among, outline
from ndlab.volume import Volume

__all__ = [
    "Panel",
    "Part",
    "base_of",
    "box_of",
    "level_of",
    "panels",
    "part_of",
    "render",
    "volumes_of",
    "window_of",
]

Array = np.ndarray[Any, Any]

MOST_PIXELS = 1 << 24
# A picture of a volume without coarser levels reads all voxels under it.
MOST_VOXELS = 1 << 28


@dataclass(frozen=True)
class Panel:
    """One plane's place in the picture, in pixels from its top left corner."""

    plane: str
    x: int
    y: int
    width: int
    height: int


# As the page draws three planes: the side ones take this share, with a gap between.
_SIDE_SHARE, _GAP = 0.36, 2


def panels(layout: str, width: int, height: int) -> list[Panel]:
    """Return the planes that a layout shows, and where, the main one first.

    Examples
    --------
    >>> [(one.plane, one.x, one.y) for one in panels("three", 640, 480)]
    [('xy', 0, 0), ('zy', 410, 0), ('xz', 0, 307)]
    """
    if layout != "three":
        return [Panel(layout, 0, 0, width, height)]
    right, below = _round(width * _SIDE_SHARE), _round(height * _SIDE_SHARE)
    w, h = max(1, width - right - _GAP), max(1, height - below - _GAP)
    return [
        Panel("xy", 0, 0, w, h),
        Panel("zy", w + _GAP, 0, right, h),
        Panel("xz", 0, h + _GAP, w, below),
    ]


def _round(value: float) -> int:
    """Round half up, as a page does."""
    return math.floor(value + 0.5)


def level_of(info: Mapping[str, Any], plane: str, scale: float) -> int | None:
    """Return the coarsest level whose voxels are no larger than a pixel along the finer axis of a plane.

    Where that one cannot be read it is the next finer, else the next coarser one; None if there is none.

    Parameters
    ----------
    info : mapping
    plane : {"xy", "xz", "yz", "zy"}
    scale : float
        nm of a pixel.

    Examples
    --------
    >>> levels = [{"voxel_size": [40, s, s], "missing": None} for s in (4, 8, 16)]
    >>> [level_of({"levels": levels}, "xy", scale) for scale in (1, 4, 9, 100)]
    [0, 0, 1, 2]
    """
    column, row, _ = AXES[plane]
    levels = info["levels"]
    fine = [min(size[column], size[row]) for size in map(_size, levels)]
    wanted = max((i for i, size in enumerate(fine) if size <= scale * (1 + 1e-6)), default=0)
    order = [*range(wanted, -1, -1), *range(wanted + 1, len(levels))]
    return next((i for i in order if not levels[i]["missing"]), None)


def _size(level: Mapping[str, Any]) -> Sequence[float]:
    return level["voxel_size"] or (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Part:
    """What a panel shows of a volume: a box in voxels of a level, counted from the volume's own start.

    `rows` and `columns` are the voxels under each row and column of pixels; those outside are below 0 or too large.
    """

    level: int
    start: tuple[int, int, int]
    stop: tuple[int, int, int]
    rows: Array
    columns: Array

    @property
    def empty(self) -> bool:
        """Whether the panel shows nothing of the volume."""
        return any(a >= b for a, b in zip(self.start, self.stop, strict=True))


def part_of(
    info: Mapping[str, Any], state: State, layer: Mapping[str, Any], panel: Panel, base: Sequence[float], scale: float
) -> Part | None:
    """Find the voxels under the pixels of a panel: those in which the centres of the pixels lie.

    Parameters
    ----------
    base : sequence of 3 float
        The corner [nm], (z, y, x), that lies on a whole pixel.
    scale : float
        nm of a pixel.
    """
    number = level_of(info, panel.plane, scale)
    if number is None:
        return None
    column, row, depth = AXES[panel.plane]
    level = info["levels"][number]
    size, shape = _size(level), level["shape"]
    # The layer runs ahead: its origin lies that much before its corner.
    ahead = (layer["z_offset"] * _size(info["levels"][0])[0], 0.0, 0.0)
    origin = [corner - skipped for corner, skipped in zip(level["offset"], ahead, strict=True)]

    start, stop = [0, 0, 0], [0, 0, 0]

    def along(axis: int, count: int) -> Array:
        at = _round(count / 2 - (state["position"][axis] - base[axis]) / scale)
        nm = base[axis] + (np.arange(2 * count + 1) / 2 - at) * scale  # edges and centres of the pixels
        voxels: Array = (nm - origin[axis]) / size[axis]
        start[axis] = max(0, math.floor(voxels[0] + 1e-9))
        stop[axis] = min(shape[axis], math.ceil(voxels[-1] - 1e-9))
        under: Array = np.floor(voxels[1::2] + 1e-9).astype(np.int64)
        return under

    columns, rows = along(column, panel.width), along(row, panel.height)
    plane = math.floor((state["position"][depth] - origin[depth]) / size[depth] + 1e-9)
    start[depth], stop[depth] = max(0, plane), min(shape[depth], plane + 1)
    return Part(number, _three(start), _three(stop), rows, columns)


def _three(values: Sequence[int]) -> tuple[int, int, int]:
    return values[0], values[1], values[2]


def box_of(volume: Volume, part: Part) -> Box:
    """Return a part as a box of the store's level."""
    level = volume.level(volume.level_index + part.level)
    corner = level.box.start
    start = [a + b for a, b in zip(part.start, corner, strict=True)]
    return Box(start, [a + b for a, b in zip(part.stop, corner, strict=True)], level.level_index)


def _read(volume: Volume, part: Part, t: int, c: int) -> Array:
    """Voxels of a part, (z, y, x)."""
    nbytes = int(np.prod(np.subtract(part.stop, part.start), dtype=np.int64))
    if nbytes > MOST_VOXELS:
        raise TooLarge(
            f"a picture over {nbytes} voxels",
            f"at most {MOST_VOXELS} are read for one",
            "zoom in, or make coarser levels with volume.update_levels()",
            nbytes=nbytes,
            limit=MOST_VOXELS,
        )
    picked = {axis: index for axis, index in (("t", t), ("c", c)) if axis in volume.axes}
    with warnings.catch_warnings():
        # The page says by itself that a level is stale.
        warnings.simplefilter("ignore", StaleLevelWarning)
        found: Array = volume.isel(**picked).read(box_of(volume, part))
    return found


def volumes_of(state: State, sources: Mapping[str, Source]) -> Iterator[tuple[dict[str, Any], Volume]]:
    """Yield the volumes that are shown with their layers, bottom to top."""
    for layer in state["layers"]:
        volume = sources[layer["id"]].volume
        if volume is not None and layer["visible"] and layer["opacity"] > 0:
            yield layer, volume


def base_of(state: State, infos: Infos) -> Sequence[float]:
    """Return the corner [nm] of the reference volume: it lies on a whole pixel, so that voxels cover whole ones."""
    info = reference(state, infos)
    corner: Sequence[float] = (0.0, 0.0, 0.0) if info is None else info["levels"][0]["offset"]
    return corner


def render(
    state: State, sources: Mapping[str, Source], infos: Infos, width: int, height: int, ratio: float = 1.0
) -> Array:
    """Return the picture of a state, RGBA, uint8, shape (height, width, 4), of volumes without points and boxes.

    Each pixel shows the voxel in which its centre lies, as the page draws it.

    Parameters
    ----------
    width, height : int
        CSS pixels of the picture.
    ratio : float
        Pixels for each CSS pixel; the picture has so many more.

    Raises
    ------
    BadRequest
        If a side is below 1, or there are too many pixels.
    TooLarge
        If it would read too many voxels.
    """
    if width < 1 or height < 1 or width * height * ratio**2 > MOST_PIXELS:
        raise BadRequest(f"a picture of {width} × {height} pixels", f"it has at least 1 and at most {MOST_PIXELS}")
    out = np.zeros((_round(height * ratio), _round(width * ratio), 4), np.uint8)
    out[..., 3] = 255
    base, scale = base_of(state, infos), state["scale"] / ratio
    for panel in (_device(one, ratio) for one in panels(state["layout"], width, height)):
        drawn = []
        for layer, volume in volumes_of(state, sources):
            info = infos[layer["id"]]
            part = part_of(info, state, layer, panel, base, scale)
            if part is not None and not part.empty:
                drawn += _layers(layer, volume, info, state, panel.plane, part)
        if drawn:
            out[panel.y : panel.y + panel.height, panel.x : panel.x + panel.width] = compose(drawn)
    return out


def _device(panel: Panel, ratio: float) -> Panel:
    x, y = _round(panel.x * ratio), _round(panel.y * ratio)
    right, below = _round((panel.x + panel.width) * ratio), _round((panel.y + panel.height) * ratio)
    return Panel(panel.plane, x, y, right - x, below - y)


def _layers(
    layer: Mapping[str, Any], volume: Volume, info: Mapping[str, Any], state: State, plane_name: str, part: Part
) -> list[Layer]:
    column, row, depth = AXES[plane_name]
    if layer["kind"] == "labels":
        part = _with_neighbours(part, info["levels"][part.level]["shape"], depth)
    voxels = np.moveaxis(_read(volume, part, min(state["t"], info["times"] - 1), layer["channel"]), depth, 0)[0]
    # Of the two axes that are left, rows come first.
    plane = voxels if row < column else voxels.T
    rows, columns = part.rows - part.start[row], part.columns - part.start[column]
    inside = _within(rows, plane.shape[0])[:, None] & _within(columns, plane.shape[1])
    at = np.ix_(rows.clip(0, plane.shape[0] - 1), columns.clip(0, plane.shape[1] - 1))
    if layer["kind"] == "labels":
        return _labels(layer, plane, at, inside, state)
    window, color = window_of(layer, info), layer["color"] or info["channels"][layer["channel"]]["color"]
    return [
        Layer(plane[at], window=(window[0], window[1]), gamma=layer["gamma"], invert=layer["invert"],
              color=color, opacity=layer["opacity"], blend=layer["blend"], inside=inside)
    ]  # fmt: skip


def window_of(layer: Mapping[str, Any], info: Mapping[str, Any]) -> Sequence[float]:
    """Return the values that an image layer shows as black and white."""
    own = info["channels"][layer["channel"]]["window"] if info["channels"] else None
    found: Sequence[float] = layer["window"] or own or info["window"] or (0, 255 if info["dtype"] == "uint8" else 1)
    return found


def _within(indices: Array, count: int) -> Array:
    found: Array = (indices >= 0) & (indices < count)
    return found


def _with_neighbours(part: Part, shape: Sequence[int], depth: int) -> Part:
    """Take in the voxels around a part: whether one is at a border depends on those."""
    start = [a - (axis != depth and a > 0) for axis, a in enumerate(part.start)]
    stop = [b + (axis != depth and b < n) for axis, (b, n) in enumerate(zip(part.stop, shape, strict=True))]
    return replace(part, start=_three(start), stop=_three(stop))


def _labels(layer: Mapping[str, Any], plane: Array, at: Any, inside: Array, state: State) -> list[Layer]:
    """Draw ids; outlines follow the borders of voxels, however large these are on the screen."""
    chosen = [int(one) for one in state["selection"].get(layer["id"], ())]
    hidden = [int(one) for one in layer["hidden"]]
    only = chosen if layer["isolated"] else None

    def drawn(ids: Array, opacity: float) -> Layer:
        return Layer(ids[at], kind="labels", opacity=opacity, hidden=hidden, only=only, inside=inside)

    ids = plane.astype(np.uint64)
    border = outline(ids)
    edges = np.where(border, ids, np.uint64(0))
    opacity = layer["opacity"]
    found = {
        "fill": [drawn(ids, opacity)],
        "outline": [drawn(edges, opacity)],
        "both": [drawn(ids, opacity / 2), drawn(edges, opacity)],
    }[layer["style"]]
    # What is selected has a white rim, whatever the style; where nothing else is shown it needs none.
    rim = border & among(ids, [] if layer["isolated"] else [one for one in chosen if one not in hidden])
    white = Layer(np.ones(inside.shape), window=(0, 1), inside=inside & rim[at])
    return [*found, white] if rim.any() else found
