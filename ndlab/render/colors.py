"""Colours: of ids, by name, and those that are packed in a number."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.metadata.colors import label_colors

__all__ = ["NAMES", "label_colors", "parse", "unpack"]

Array = np.ndarray[Any, Any]
RGB = tuple[int, int, int]

NAMES: dict[str, RGB] = {
    "C": (0, 255, 255),
    "M": (255, 0, 255),
    "Y": (255, 255, 0),
    "R": (255, 0, 0),
    "G": (0, 255, 0),
    "B": (0, 0, 255),
}


def parse(color: str) -> RGB:
    """Return red, green and blue, 0 to 255, of ``"RRGGBB"`` or of one of the letters C M Y R G B.

    Examples
    --------
    >>> parse("C"), parse("ff8000"), parse("#0072B2")
    ((0, 255, 255), (255, 128, 0), (0, 114, 178))
    """
    if color in NAMES:
        return NAMES[color]
    text = color.removeprefix("#")
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", text):
        raise BadRequest(f"colour {color!r}", f"colours are {', '.join(NAMES)} or RRGGBB in hexadecimal",
                         'pass e.g. "C" or "00FFFF"')  # fmt: skip
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


def unpack(values: Array) -> Array:
    """RGBA, uint8, of colours packed in 32-bit numbers, red in the lowest byte.

    Examples
    --------
    >>> unpack(np.array([0xFF0080FF], dtype=np.uint32)).tolist()
    [[255, 128, 0, 255]]
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize != 4:
        raise BadRequest(f"colours packed in {values.dtype}", "four bytes of red, green, blue and alpha fill a uint32",
                         "pass a uint32 array")  # fmt: skip
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
    return little.view(np.uint8).reshape(*values.shape, 4)
