"""Several channels or planes as one picture: false colour, overlay, projection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.render.colors import NAMES, parse

__all__ = ["mcfc", "overlay", "project"]

Array = np.ndarray[Any, Any]


def mcfc(planes: Sequence[Array], colors: Sequence[str | None] | None = None) -> Array:
    """RGBA of channels in false colours: their sum, clipped at 255, clear where every channel is 0.

    Parameters
    ----------
    planes : sequence of ndarray of uint8, shape (y, x)
        One a channel; `ndlab.render.to_bytes` makes bytes of other types.
    colors : sequence of str, optional
        One for each channel: C M Y R G B or ``"RRGGBB"``; those that are None, or all without it, take the letters
        in that order by their place.

    Returns
    -------
    ndarray of uint8, shape (y, x, 4)

    Examples
    --------
    >>> one, two = np.array([[200, 0]], "u1"), np.array([[100, 0]], "u1")
    >>> mcfc([one, two]).tolist()
    [[[100, 200, 255, 255], [0, 0, 0, 0]]]
    """
    given = list(colors) if colors is not None else [None] * len(planes)
    if not planes or len(given) != len(planes):
        raise BadRequest(f"{len(given)} colours for {len(planes)} channels", "each channel has one, and there is one")
    for plane in planes:
        _bytes(plane, planes[0].shape)
    tints = [parse(color or _letter(i)) for i, color in enumerate(given)]
    rgba = np.zeros((*planes[0].shape, 4), np.uint8)
    for primary in range(3):
        # Single precision is exact for the sums of the letters' colours, and takes half the time.
        total = np.full(planes[0].shape, 0.5, np.float32)
        for plane, tint in zip(planes, tints, strict=True):
            if tint[primary]:
                total += plane * np.float32(tint[primary] / 255)
        rgba[..., primary] = np.minimum(total, 255, out=total)
    for plane in planes:
        rgba[plane != 0, 3] = 255
    return rgba


def _letter(place: int) -> str:
    if place >= len(NAMES):
        raise BadRequest(f"a colour for channel {place + 1}", f"{', '.join(NAMES)} are given by themselves",
                         'name one for each channel, e.g. "FF8000"')  # fmt: skip
    return list(NAMES)[place]


def _bytes(plane: Array, shape: tuple[int, ...]) -> None:
    if plane.dtype != np.uint8 or plane.ndim != 2:
        raise BadRequest(f"a channel of {plane.dtype} {plane.shape}", "channels are uint8 (y, x)",
                         "render.to_bytes(values, window) makes bytes of any numbers")  # fmt: skip
    if plane.shape != shape:
        raise BadRequest(f"channels of {plane.shape} and {shape}", "they cover the same pixels")


def overlay(below: Array, above: Array, alpha: float) -> Array:
    """RGBA of two pictures mixed: `below` at alpha 0, `above` at 1, their mean at 0.5.

    Parameters
    ----------
    below, above : ndarray of uint8, shape (y, x), (y, x, 3) or (y, x, 4)
    alpha : float
        Share of `above`, 0 to 1, in all four channels.

    Examples
    --------
    >>> overlay(np.full((1, 1), 100, "u1"), np.array([[[200, 0, 0, 255]]], "u1"), 0.5).tolist()
    [[[150, 50, 50, 255]]]
    """
    if not 0 <= alpha <= 1:
        raise BadRequest(f"alpha {alpha:g}", "it is 0 (only the lower picture) to 1 (only the upper)")
    one, other = _rgba(below), _rgba(above)
    if one.shape != other.shape:
        raise BadRequest(f"pictures of {one.shape[:2]} and {other.shape[:2]}", "they cover the same pixels")
    mixed = one.astype(np.float32)
    mixed += (other - mixed) * np.float32(alpha)
    mixed += 0.5
    return mixed.astype(np.uint8)


def _rgba(pixels: Array) -> Array:
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise BadRequest(f"a picture of {pixels.dtype} {pixels.shape}",
                         "pictures are uint8 (y, x), (y, x, 3) or (y, x, 4)")  # fmt: skip
    color = np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels
    if color.shape[2] == 4:
        return color
    return np.concatenate([color, np.full((*color.shape[:2], 1), 255, np.uint8)], axis=2)


def project(values: Array, axis: int | str = "z", how: Literal["min", "max"] = "max") -> Array:
    """Smallest or largest value along an axis, which goes; NaN only where there is nothing else.

    Parameters
    ----------
    values : ndarray of numbers
        Cut to the range that counts; its last axes are (z, y, x).
    axis : int, or one of "z", "y", "x"
    how : {"min", "max"}

    Examples
    --------
    >>> project(np.arange(24).reshape(2, 3, 4), "z").tolist()[0]
    [12, 13, 14, 15]
    """
    if how not in ("min", "max"):
        raise BadRequest(f"projection {how!r}", "it is min or max")
    where = _axis(values, axis)
    if not values.shape[where]:
        raise BadRequest(f"a {how} projection over no planes", "an axis with at least one is projected")
    pick = np.fmin if how == "min" else np.fmax
    found: Array = pick.reduce(values, axis=where)
    return found


def _axis(values: Array, axis: int | str) -> int:
    names = {"z": -3, "y": -2, "x": -1}
    where = names.get(axis) if isinstance(axis, str) else axis
    if where is None or not -values.ndim <= where < values.ndim:
        raise BadRequest(f"axis {axis!r} of {values.shape}", "it is z, y, x or a number of an axis that is there")
    return where
