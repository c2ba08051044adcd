"""Synaptograms around a point: every channel in every slice, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ndlab import render
from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Int3
from ndlab.render.synaptogram import REACH, to_brightest
from ndlab.serve.cutouts import Limits, level_for, read, title
from ndlab.serve.grammar import Cut, Options, SynaptogramAt
from ndlab.serve.planes import check_pixels, default_window
from ndlab.serve.source import Channel

__all__ = ["around"]

Voxels = np.ndarray[Any, Any]
Window = tuple[float, float]


def around(channels: Sequence[Channel | None], asked: SynaptogramAt, limits: Limits) -> Voxels:
    """Return the picture: RGB, a row for each channel, a column for each slice; black where the volume ends.

    Raises
    ------
    OutOfBounds
        If the point, the level or the time does not exist.
    BadRequest
        If a channel holds ids, or one that is named in an option is not drawn.
    TooLarge
        If it would have too many pixels.
    """
    drawn = [one for one in channels if one is not None]
    reach = asked.width // 2
    side = asked.tile + asked.frame
    check_pixels((side * len(drawn) + asked.frame) * (side * (2 * reach + 1) + asked.frame), title(drawn[0]), limits)
    share = Limits(limits.nbytes // len(drawn), limits.pixels)
    stacks, windows = {}, {}
    for one in drawn:
        if one.kind == "annotation":
            raise BadRequest(f"a synaptogram of {title(one)}", "ids have colours, not brightness",
                             "name channels of images")  # fmt: skip
        stacks[one.name] = _block(one, asked, (reach, reach, reach), share, fill=True)
        window = _window(one, asked, share)
        if window is not None:
            windows[one.name] = window
    return render.synaptogram(stacks, windows=windows, reference=asked.reference, plain=asked.plain,
                              enhance=asked.enhance, tile=asked.tile, frame=asked.frame)  # fmt: skip


def _window(channel: Channel, asked: SynaptogramAt, limits: Limits) -> Window | None:
    """Return what is drawn black and white; None stands for 0 and the brightest of the row."""
    if asked.normalize == "normalize":
        return None
    if asked.normalize == "normalize2":
        z, y, x = REACH
        return to_brightest(_block(channel, asked, (z, y, x), limits, open_end=True))
    return (0.0, 255.0) if channel.volume.dtype == np.uint8 else default_window(channel, asked.t or 0)


def _block(
    channel: Channel, asked: SynaptogramAt, reach: Int3, limits: Limits, *, fill: bool = False, open_end: bool = False
) -> Voxels:
    """Voxels (z, y, x) around the point, so many on either side, as far as there are; with `fill` 0 beyond."""
    level = level_for(channel, asked.level)
    point = (asked.z, asked.y, asked.x)
    if any(not o <= p < o + n for p, o, n in zip(point, level.offset, level.shape, strict=True)):
        raise OutOfBounds(f"the point {asked.x},{asked.y},{asked.z} leaves {title(channel)}", level.extent,
                          "name a point inside it")  # fmt: skip
    start = [p - r for p, r in zip(point, reach, strict=True)]
    stop = [p + r + (not open_end) for p, r in zip(point, reach, strict=True)]
    low = [max(a, o) for a, o in zip(start, level.offset, strict=True)]
    high = [min(b, o + n) for b, o, n in zip(stop, level.offset, level.shape, strict=True)]
    (z, y, x) = zip(low, high, strict=True)
    cut = Cut(asked.level, x, y, z, None if asked.t is None else (asked.t, asked.t + 1))
    values: Voxels = read(channel, cut, Options(), limits)[0]
    if not fill:
        return values
    found = np.zeros([b - a for a, b in zip(start, stop, strict=True)], values.dtype)
    found[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))] = values
    return found
