"""The colour of an id: one rule, here for figures, summaries and tiles, and again in the browser."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["label_colors"]

Array = np.ndarray[Any, Any]


def label_colors(ids: Array) -> Array:
    """RGBA of label ids, uint8: the same id has the same colour everywhere, and 0 is clear.

    The two halves of the 64-bit id go through murmur3's finaliser, since ids are often built of bit fields: all
    bits have to reach the colour. Hue comes from the whole hash, lightness and saturation from its lower bytes,
    both kept between what is too dark to see and what is too pale to tell apart.

    Parameters
    ----------
    ids : ndarray of integers, any shape
        Negative ids count as the unsigned ones of the same 64 bits.

    Returns
    -------
    ndarray of uint8, shape of `ids` and 4
        Red, green, blue and 255; four zeros where the id is 0.

    Examples
    --------
    >>> label_colors(np.array([0, 1, 2**63], dtype=np.uint64)).tolist()
    [[0, 0, 0, 0], [40, 225, 21, 255], [38, 232, 147, 255]]
    """
    flat = np.ascontiguousarray(ids).reshape(-1).astype(np.uint64)
    if not flat.size:
        return np.empty((*np.shape(ids), 4), np.uint8)
    # Neighbours mostly share their id: each run is coloured once.
    heads = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    colors = _colors(flat[heads])
    return np.repeat(colors, np.diff(heads, append=flat.size), axis=0).reshape(*np.shape(ids), 4)


def _colors(ids: Array) -> Array:
    mixed = _hash(ids)
    hue = mixed / 2.0**32
    light = 0.45 + 0.20 * ((mixed >> np.uint32(8)) & np.uint32(0xFF)) / 255
    saturation = 0.65 + 0.25 * (mixed & np.uint32(0xFF)) / 255
    reach = saturation * np.minimum(light, 1 - light)
    rgba = np.full((ids.size, 4), 255, np.uint8)
    for channel, turn in enumerate((0, 8, 4)):
        # HSL as in CSS Color 4: a trapezoid over the twelfths of the colour circle, one for each primary.
        k = (turn + 12 * hue) % 12
        value = light - reach * np.maximum(-1, np.minimum(np.minimum(k - 3, 9 - k), 1))
        # Halves go up, as JavaScript's Math.round has them.
        rgba[:, channel] = np.floor(255 * value + 0.5)
    rgba[ids == 0] = 0
    return rgba


def _hash(ids: Array) -> Array:
    """32 well-mixed bits of 64: the halves are joined by Knuth's constant, then murmur3's fmix32."""
    low, high = (ids & np.uint64(0xFFFFFFFF)).astype(np.uint32), (ids >> np.uint64(32)).astype(np.uint32)
    h: Array = low ^ (high * np.uint32(0x9E3779B1))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h
