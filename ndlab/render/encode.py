"""Pixels as PNG and JPEG files in memory."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["jpeg", "png"]

Array = np.ndarray[Any, Any]
# libjpeg's own limit; a PNG of that side is larger than any browser shows.
LONGEST = 65_500


def png(pixels: Array, compress: int = 1) -> bytes:
    r"""Return a PNG file of grey values (y, x), or of colours (y, x, 3) or (y, x, 4).

    Parameters
    ----------
    pixels : ndarray of uint8, or of uint16 for grey values
    compress : int
        0 to 9. EM hardly compresses: 1 takes a fraction of the time of 6 for about the same size.

    Examples
    --------
    >>> png(np.zeros((2, 3), "u1"))[:4]
    b'\x89PNG'
    """
    if not 0 <= compress <= 9:
        raise BadRequest(f"compress {compress}", "it is 0 (none) to 9 (slowest)")
    deep = pixels.dtype == np.uint16 and pixels.ndim == 2
    return _save(_picture(pixels, (3, 4), deep), format="PNG", compress_level=compress)


def jpeg(pixels: Array, quality: int = 75) -> bytes:
    r"""Return a JPEG file of grey values (y, x) or of colours (y, x, 3), uint8.

    Parameters
    ----------
    pixels : ndarray of uint8
    quality : int
        1 to 95; 75 gives EM about 2.4 bits a pixel.

    Examples
    --------
    >>> jpeg(np.zeros((2, 3), "u1"))[:3]
    b'\xff\xd8\xff'
    """
    if not 1 <= quality <= 95:
        raise BadRequest(f"JPEG quality {quality}", "it is 1 (smallest) to 95 (best)")
    return _save(_picture(pixels, (3,), False), format="JPEG", quality=quality)


def _picture(pixels: Array, colors: tuple[int, ...], deep: bool) -> Array:
    shapes = ["(y, x)", *(f"(y, x, {n})" for n in colors)]
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in colors)):
        raise BadRequest(f"a picture of shape {pixels.shape}", f"pictures are {', '.join(shapes)}")
    if pixels.dtype != np.uint8 and not deep:
        raise BadRequest(f"a picture of {pixels.dtype}", "pixels are uint8, or uint16 for a grey PNG",
                         "render.to_bytes(values, window) makes bytes of any numbers")  # fmt: skip
    if not pixels.size or max(pixels.shape[:2]) > LONGEST:
        raise BadRequest(f"a picture of {pixels.shape[1]} × {pixels.shape[0]} pixels", f"a side has 1 to {LONGEST}",
                         "ask for a smaller box, or a coarser level")  # fmt: skip
    return np.ascontiguousarray(pixels)


def _save(pixels: Array, **options: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **options)
    return out.getvalue()
