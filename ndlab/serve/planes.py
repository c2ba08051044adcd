"""Pictures of planes, tiles, projections and mixtures, as PNG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from ndlab import render
from ndlab.errors import BadRequest, TooLarge
from ndlab.serve.cutouts import Limits, guarded, level_for, read, title
from ndlab.serve.grammar import Options, Overlay, Picture, Synaptogram
from ndlab.serve.grammar.requests import Cut, Plane
from ndlab.serve.source import Channel
from ndlab.serve.space import Level
from ndlab.volume import Volume

__all__ = ["check_pixels", "colored", "default_window", "overlaid", "picture", "pixels", "synaptogram_json", "third"]

Voxels = np.ndarray[Any, Any]


def third(plane: Plane) -> int:
    """Axis that a plane's pixels lie along no longer: its number in (z, y, x)."""
    return {"xy": 0, "xz": 1, "yz": 2}[plane]


def pixels(values: Voxels, channel: Channel, window: tuple[float, float] | None, t: int = 0) -> Voxels:
    """Return values as grey (…) or RGBA (…, 4), uint8.

    Ids get the colour that they have everywhere. Packed colours (uint32 images) are unpacked. Bytes stay as they are
    unless a window is asked for. Other numbers are drawn between the window's ends: the one that is asked for, else
    the channel's, else the 1 and 99 % percentiles of the volume.
    """
    if channel.kind == "annotation":
        if window is not None:
            raise BadRequest(f"a window over ids of {title(channel)}", "ids have colours, not brightness",
                             "leave the window out")  # fmt: skip
        return render.label_colors(values)
    if window is None and values.dtype == np.uint32 and channel.kind == "image":
        return render.unpack(values)
    if window is None and values.dtype == np.uint8:
        return values
    if window is None and values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    return render.to_bytes(values, window or default_window(channel, t))


def default_window(channel: Channel, t: int = 0) -> tuple[float, float]:
    """Return the window that a channel is drawn through: its own, else the 1 and 99 % percentiles of its volume."""
    return channel.window or guarded(channel, lambda: _window(channel.volume, t, channel.volume.version))


@lru_cache(maxsize=256)
def _window(volume: Volume, t: int, version: int) -> tuple[float, float]:
    """Find the window once for all the tiles of a channel; a write, which changes the version, makes it anew."""
    return render.window(volume, t, 0)


def check_pixels(count: int, what: str, limits: Limits) -> None:
    """Refuse a picture of too many pixels."""
    if count > limits.pixels:
        raise TooLarge(f"a picture of {count:,} pixels of {what}", f"a picture may have {limits.pixels:,}",
                       "ask for a smaller part, or a coarser level", nbytes=count, limit=limits.pixels)  # fmt: skip


def _flat(channel: Channel, asked: Picture | Overlay, options: Options, limits: Limits) -> tuple[Voxels, Level]:
    """Values of a plane (rows, columns), projected if that is asked for, and the level they are of."""
    level = level_for(channel, asked.cut.level, options.neariso)
    block = read(channel, asked.cut, options, limits)
    if len(block) != 1:
        raise BadRequest(f"times {asked.cut.t} of {title(channel)} in one picture", "a picture shows one time point",
                         "ask for t,t+1")  # fmt: skip
    if isinstance(asked, Picture) and asked.mode in ("minproj", "maxproj"):
        how: Literal["min", "max"] = "min" if asked.mode == "minproj" else "max"
        return render.project(block[0], third(asked.plane), how), level
    return render.plane(block[0], asked.plane), level


def picture(channels: Sequence[Channel | None], asked: Picture, limits: Limits) -> Voxels:
    """Return the pixels of a plane, in true proportions."""
    if asked.mode == "mcfc":
        return colored(channels, asked, limits)
    channel = only(channels, "a picture")
    options = asked.options
    if asked.mode == "anno":
        both = set(asked.ids) & set(options.filter) if options.filter else set(asked.ids)
        if not both:
            raise BadRequest("no id that both the path and its filter name", "a filter keeps some of the ids",
                             "leave the filter out")  # fmt: skip
        options = replace(options, filter=tuple(sorted(both)))
    return _drawn(channel, asked, options, limits)


def _drawn(channel: Channel, asked: Picture | Overlay, options: Options, limits: Limits) -> Voxels:
    """Return the pixels of one channel, z scaled to the other axis; nothing is drawn that is too large a picture."""
    values, level = _flat(channel, asked, options, limits)
    across = level.voxel_size[2 if asked.plane == "xz" else 1]
    ratio = 1 if asked.plane == "xy" else level.voxel_size[0] / across
    check_pixels(int(values.size * ratio), title(channel), limits)
    drawn = pixels(values, channel, options.window, _time(asked.cut))
    return render.stretch(drawn, level.voxel_size, asked.plane)


def colored(channels: Sequence[Channel | None], asked: Picture, limits: Limits) -> Voxels:
    """Return channels in false colours, RGBA; an empty place keeps its colour."""
    share = Limits(limits.nbytes // len(channels), limits.pixels)
    planes = [None if one is None else grey(one, _drawn(one, asked, asked.options, share)) for one in channels]
    return mixed(planes, asked.colors)


def grey(channel: Channel, drawn: Voxels) -> Voxels:
    """Return the pixels of an image channel; ids and packed colours have colours of their own."""
    if drawn.ndim != 2:
        raise BadRequest(f"{title(channel)} in false colours", "its voxels are ids or colours",
                         "ask for its plane, or overlay it")  # fmt: skip
    return drawn


def mixed(planes: Sequence[Voxels | None], colors: Sequence[str]) -> Voxels:
    """Add grey pictures in their colours; None is an empty one."""
    known = next(one for one in planes if one is not None)
    stated = list(colors) or [""] * len(planes)
    pairs = [(np.zeros_like(known) if one is None else one, color) for one, color in zip(planes, stated, strict=True)]
    return render.mcfc([one for one, _ in pairs], [color or None for _, color in pairs])


def overlaid(below: Channel, above: Channel, asked: Overlay, limits: Limits) -> Voxels:
    """Return two planes mixed; ids to keep are those of whichever layer has ids, a window that of the images."""
    layers = []
    for channel in (below, above):
        ids = channel.kind == "annotation"
        options = replace(asked.options, filter=asked.options.filter if ids else (),
                          window=None if ids else asked.options.window)  # fmt: skip
        layers.append(_drawn(channel, asked, options, limits))
    return render.overlay(layers[0], layers[1], asked.alpha)


def synaptogram_json(channels: Sequence[Channel | None], asked: Synaptogram, limits: Limits) -> dict[str, Any]:
    """Return channel to z to PNG in base64; z counts in dataset coordinates."""
    share = Limits(limits.nbytes // len(channels), limits.pixels)
    found: dict[str, Any] = {}
    for channel in channels:
        if channel is None:
            continue
        block = read(channel, asked.cut, asked.options, share)[0]
        check_pixels(block.size * len(channels), title(channel), limits)
        drawn = pixels(block, channel, asked.options.window, _time(asked.cut))
        slices = zip(range(*asked.cut.z), drawn, strict=True)
        found[channel.name] = {str(z): base64.b64encode(render.png(one)).decode() for z, one in slices}
    return found


def only(channels: Sequence[Channel | None], what: str) -> Channel:
    """Return the one channel of a service that takes one."""
    known = [one for one in channels if one is not None]
    if len(channels) != 1 or not known:
        raise BadRequest(f"{what} of {len(channels)} channels", "it shows one",
                         "name one channel, or mix several with mcfc")  # fmt: skip
    return known[0]


def _time(cut: Cut) -> int:
    return cut.t[0] if cut.t is not None else 0
