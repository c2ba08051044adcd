"""Synaptograms: every channel in every plane around a point, as one picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.render.colors import NAMES
from ndlab.render.planes import nearest
from ndlab.render.sample import finite
from ndlab.render.window import to_bytes
from ndlab.volume import Volume

__all__ = ["REACH", "around", "brightest", "synaptogram", "to_brightest"]

Array = np.ndarray[Any, Any]
Window = tuple[float, float]
_REFERENCES = "RGBYMC"
# What a window by `brightest` looks at, voxels (z, y, x) on either side: the originals' second normalisation.
REACH = (8, 256, 256)


def synaptogram(
    stacks: Mapping[str, Array],
    *,
    windows: Mapping[str, Window] | None = None,
    reference: Sequence[str] = (),
    plain: Collection[str] = (),
    enhance: float = 1.0,
    tile: int = 200,
    frame: int = 20,
) -> Array:
    """RGB picture with a row for each channel and a column for each plane.

    Each channel is drawn from black to its own brightest voxel, so that faint ones are seen beside bright ones.
    Reference channels lie under the others: where a reference is brighter than the channel, its colour is seen.

    Parameters
    ----------
    stacks : mapping of str to ndarray, shape (z, y, x)
        Voxels of each channel, all of one shape; `around` cuts them.
    windows : mapping of str to (float, float), optional
        Values that are black and white, by channel, instead of 0 and the brightest of the stack; `brightest` finds
        them in a larger neighbourhood.
    reference : sequence of str
        Up to six channels, drawn in red, green, blue, yellow, magenta and cyan; the brightest one shows.
    plain : collection of str
        Channels without a reference and without `enhance`, such as EM.
    enhance : float
        Brightness of the tiles is multiplied by it.
    tile, frame : int
        Side of a tile, and what is left white around it [pixels].

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        Tile of channel i and plane k starts at row ``frame + i * (tile + frame)`` and that column of k. A pixel
        shows the voxel that its centre lies in.

    Examples
    --------
    >>> stack = np.arange(27, dtype="u2").reshape(3, 3, 3)
    >>> picture = synaptogram({"PSD95": stack, "VGlut1": stack * 100}, tile=30, frame=5)
    >>> picture.shape, picture[5 + 35 + 29, 5 + 2 * 35 + 29].tolist()
    ((75, 110, 3), [255, 255, 255])
    """
    shape = _check(stacks, [*reference, *plain, *(windows or ())], tile, frame, enhance)
    if len(reference) > len(_REFERENCES):
        raise BadRequest(f"{len(reference)} reference channels", f"there are colours for {len(_REFERENCES)}")
    grey = {name: _grey(stack, (windows or {}).get(name)) for name, stack in stacks.items()}
    strength, color = _reference([grey[name] for name in reference], shape)
    side = tile + frame
    picture = np.full((len(stacks) * side + frame, shape[0] * side + frame, 3), 255, np.uint8)
    for i, (name, values) in enumerate(grey.items()):
        rgb = np.repeat(values[..., None], 3, axis=-1)
        if name not in plain:
            rgb = np.where((strength > values)[..., None], color, rgb)
            rgb = np.minimum(rgb * float(enhance) + 0.5, 255).astype(np.uint8)
        for k, drawn in enumerate(rgb):
            top, left = frame + i * side, frame + k * side
            picture[top : top + tile, left : left + tile] = _resized(drawn, tile)
    return picture


def _check(stacks: Mapping[str, Array], named: list[str], tile: int, frame: int, enhance: float) -> tuple[int, ...]:
    if not stacks:
        raise BadRequest("a synaptogram of no channels", "it has a row for each")
    shapes = {stack.shape for stack in stacks.values()}
    shape: tuple[int, ...] = shapes.pop()
    if shapes or len(shape) != 3 or not all(shape):
        raise BadRequest(f"stacks of shape {sorted({s.shape for s in stacks.values()})}",
                         "all are one (z, y, x) with voxels in it")  # fmt: skip
    if unknown := [name for name in named if name not in stacks]:
        raise BadRequest(f"channel {unknown[0]!r}", f"the channels drawn are {', '.join(stacks)}")
    if tile < 1 or frame < 0 or not 0 <= enhance < float("inf"):
        raise BadRequest(f"tile {tile}, frame {frame}, enhance {enhance:g}",
                         "a tile has at least 1 pixel; the others are 0 or more")  # fmt: skip
    return shape


def _grey(stack: Array, limits: Window | None) -> Array:
    return to_bytes(stack, limits or to_brightest(stack))


def to_brightest(values: Array) -> Window:
    """Return the window from 0, or a lower value if there is one, to the brightest of `values`."""
    known = finite(values)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    return min(low, 0.0), max(high, 0.0)


def _reference(channels: list[Array], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Brightness of the brightest reference at each voxel, and its colour at that brightness."""
    strength, color = np.zeros(shape, np.uint8), np.zeros((*shape, 3), np.uint8)
    for letter, values in zip(_REFERENCES, channels, strict=False):
        # Of two that are equally bright the later one shows, as in the originals.
        wins = (values >= strength) & (values > 0)
        strength[wins] = values[wins]
        color[wins] = values[wins][:, None] * (np.array(NAMES[letter], np.uint8) // 255)
    return strength, color


def _resized(pixels: Array, side: int) -> Array:
    rows, columns = (nearest(n, side) for n in pixels.shape[:2])
    found: Array = pixels[rows[:, None], columns]
    return found


def around(volume: Volume, point: Sequence[int], width: int = 11, t: int = 0, c: int | str = 0) -> Array:
    """Voxels of one channel in the cube around a point, 0 outside the volume.

    Parameters
    ----------
    volume : Volume
    point : sequence of 3 int
        Voxel (z, y, x) in the array of the volume's level.
    width : int
        Voxels along each axis; an even one is one more, so that the point is in the middle.
    t, c : int, or str for a channel's name
        Time point and channel.

    Returns
    -------
    ndarray, shape (width, width, width)

    Examples
    --------
    >>> vol = Volume.from_array(np.arange(125, dtype="u1").reshape(5, 5, 5), voxel_size=(40, 4, 4))
    >>> around(vol, (0, 2, 2), width=3)[:, 1, 1].tolist()
    [0, 12, 37]
    """
    if width < 1:
        raise BadRequest(f"width {width}", "it is at least 1 voxel")
    reach = width // 2
    start, stop = [p - reach for p in point], [p + reach + 1 for p in point]
    found = np.zeros((2 * reach + 1,) * 3, volume.dtype)
    inside = _inside(volume, start, stop)
    if inside.size:
        into = inside.shift([-a for a in start]).slices
        found[into] = _channel(volume, t, c).read(inside).reshape(inside.shape)
    return found


def brightest(volume: Volume, point: Sequence[int], t: int = 0, c: int | str = 0) -> Window:
    """Window from 0 to the brightest voxel of one channel in 16 × 512 × 512 voxels around a point.

    Examples
    --------
    >>> vol = Volume.from_array(np.arange(125, dtype="u1").reshape(5, 5, 5), voxel_size=(40, 4, 4))
    >>> brightest(vol, (0, 2, 2))
    (0.0, 124.0)
    """
    start, stop = ([p + sign * r for p, r in zip(point, REACH, strict=True)] for sign in (-1, 1))
    inside = _inside(volume, start, stop)
    return to_brightest(_channel(volume, t, c).read(inside))


def _inside(volume: Volume, start: Sequence[int], stop: Sequence[int]) -> Box:
    """Clip a box to the view; empty where it lies beside it."""
    low = [min(max(a, v), w) for a, v, w in zip(start, volume.box.start, volume.box.stop, strict=True)]
    high = [max(min(b, w), a) for b, w, a in zip(stop, volume.box.stop, low, strict=True)]
    return Box(low, high, volume.level_index)


def _channel(volume: Volume, t: int, c: int | str) -> Volume:
    return volume.isel(t=t if "t" in volume.axes else None, c=c if "c" in volume.axes else None)
