"""Windows: which values are black and which are white, and the bytes that follow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.render.sample import finite, sample
from ndlab.volume import Volume

__all__ = ["check_window", "scaled", "spread", "to_bytes", "window"]

Array = np.ndarray[Any, Any]
Window = tuple[float, float]
PERCENTILES = (1.0, 99.0)


def window(volume: Volume, t: int = 0, c: int | str = 0) -> Window:
    """Values shown black and white by default: the channel's own, else the 1 and 99 % percentiles.

    Percentiles are those of the coarsest level that is up to date, or of pieces spread over it where it is large
    (see `ndlab.render.sample.sample`). Where they coincide, as in an image that is mostly empty, it is those of the
    values that are not 0, then the extremes: an image with two values is never shown as one.

    Parameters
    ----------
    volume : Volume
        A view or a whole volume; its space is the part that counts for a view.
    t, c : int, or str for a channel's name
        Time point and channel, counted in the view; ignored where the view has no such axis.

    Examples
    --------
    >>> vol = Volume.from_array(np.arange(1001, dtype="u2").reshape(1, 7, 143), voxel_size=(40, 4, 4))
    >>> window(vol)
    (10.0, 990.0)
    """
    picked = volume.isel(c=c) if "c" in volume.axes else volume
    own = picked.window
    if own is not None and all(map(math.isfinite, own)) and own[0] < own[1]:
        return float(own[0]), float(own[1])
    return spread(sample(volume, t=t, c=c).values)


def spread(values: Array) -> Window:
    """Return the window that shows `values`: 1 and 99 % percentiles, wider where they coincide.

    Examples
    --------
    >>> spread(np.array([0.0] * 999 + [5.0]))
    (0.0, 5.0)
    >>> spread(np.full(4, 7)), spread(np.array([np.nan, np.inf]))
    ((0.0, 7.0), (0.0, 1.0))
    """
    known = finite(values)
    if not known.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(known, PERCENTILES))
    if low == high and (there := known[known != 0]).size:
        low, high = (min(0.0, float(there.min())), float(np.percentile(there, PERCENTILES[1])))
    if low == high:
        low, high = float(known.min()), float(known.max())
    return (low, high) if low < high else (low, max(low + 1, math.nextafter(low, math.inf)))


def check_window(limits: Window) -> Window:
    """Return a window as two finite numbers in order.

    Raises
    ------
    BadRequest
        If they are not finite, or reversed.
    """
    low, high = float(limits[0]), float(limits[1])
    if not math.isfinite(high - low) or low > high:
        raise BadRequest(f"window {low:g},{high:g}", "a window is two finite numbers, the lower first",
                         "to exchange black and white pass invert=True")  # fmt: skip
    return low, high


def scaled(values: Array, limits: Window, gamma: float = 1.0, invert: bool = False) -> Array:
    """Brightness 0 to 1, float64: `limits` become 0 and 1, what lies outside is clipped, NaN stays NaN.

    Where both limits are one value, what lies above it is 1 and the rest 0.

    Examples
    --------
    >>> scaled(np.array([0, 50, 75, 100, 999]), (50, 100)).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    >>> scaled(np.array([75.0]), (50, 100), gamma=2, invert=True).tolist()
    [0.75]
    """
    low, high = check_window(limits)
    if not (math.isfinite(gamma) and gamma > 0):
        raise BadRequest(f"gamma {gamma:g}", "it is a power above 0; 1 leaves the values as they are")
    found = np.clip(_real(values), low, high)
    found = (found - low) / (high - low) if high > low else np.where(np.isnan(found), found, _real(values) > low)
    if gamma != 1:
        found **= gamma
    return 1 - found if invert else found


def _real(values: Array) -> Array:
    if values.dtype.kind not in "biuf":
        raise BadRequest(f"a window over {values.dtype}", "it takes whole or real numbers")
    return values.astype(np.float64)


def to_bytes(values: Array, limits: Window, gamma: float = 1.0, invert: bool = False) -> Array:
    """Grey values, uint8: `limits` become 0 and 255, rounded to the nearest, NaN 0 even if inverted.

    Parameters
    ----------
    values : ndarray of numbers, any shape
    limits : (float, float)
        Values that are black and white.
    gamma : float
        Power of the brightness; above 1 is darker.
    invert : bool
        Exchange black and white.

    Examples
    --------
    >>> to_bytes(np.array([900, 1000, 1500, 2000, 2100], dtype="u2"), (1000, 2000)).tolist()
    [0, 0, 128, 255, 255]
    >>> to_bytes(np.array([np.nan, -np.inf, np.inf]), (0, 1), invert=True).tolist()
    [0, 255, 0]
    """
    dtype = values.dtype
    if dtype.kind in "iu" and dtype.itemsize <= 2 and values.size > 1 << 8 * dtype.itemsize:
        # One look at a table for each voxel; numbers of the other sign count from its end.
        info = np.iinfo(dtype)
        every = np.concatenate([np.arange(info.max + 1), np.arange(info.min, 0)])
        table: Array = _round(scaled(every, limits, gamma, invert))[values]
        return table
    return _round(scaled(values, limits, gamma, invert))


def _round(brightness: Array) -> Array:
    brightness = np.asarray(brightness * 255 + 0.5)  # an array even of no axes
    brightness[np.isnan(brightness)] = 0
    found: Array = brightness.astype(np.uint8)
    return found
