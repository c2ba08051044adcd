"""A plane of voxels as a frame: constant, as it is, as JPEG, or as a palette of ids."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.serve import wire
from ndlab.serve.query import Encoding
from ndlab.serve.wire import Codec, Dtype, Frame

__all__ = ["image_frame", "label_frame", "sent_as"]

Plane = np.ndarray[Any, Any]


def sent_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that voxels of an image are sent as: uint8, uint16 or float32.

    Examples
    --------
    >>> [sent_as(np.dtype(name)).name for name in ("bool", "u1", ">u2", "i2", "f8")]
    ['uint8', 'uint8', 'uint16', 'float32', 'float32']
    """
    if dtype.kind == "b" or dtype == np.uint8:
        return np.dtype("u1")
    return np.dtype("<u2") if dtype.kind == "u" and dtype.itemsize == 2 else np.dtype("<f4")


def image_frame(plane: Plane, encoding: Encoding) -> Frame:
    """Pack a plane of an image.

    Raises
    ------
    BadRequest
        If JPEG is asked for of values that are no bytes, without a window.
    """
    values = plane.astype(sent_as(plane.dtype), copy=False)
    shape = (values.shape[0], values.shape[1])
    dtype = {"u1": Dtype.U8, "u2": Dtype.U16, "f4": Dtype.F32}[values.dtype.str[1:]]
    if is_constant(values):
        return Frame(Codec.CONSTANT, dtype, shape, values[:1, :1].tobytes())
    if encoding.quality is None:
        return Frame(Codec.RAW, dtype, shape, values.tobytes())
    return Frame(Codec.JPEG, Dtype.U8, shape, _jpeg(_bytes(values, encoding), encoding.quality))


def label_frame(plane: Plane, encoding: Encoding) -> Frame:
    """Pack a plane of ids exactly, as a palette; deflated where images are sent as JPEG, for the link is slow then."""
    shape = (plane.shape[0], plane.shape[1])
    if is_constant(plane):
        return Frame(Codec.CONSTANT, Dtype.U64, shape, plane[:1, :1].astype("<u8").tobytes())
    ids, index = _indexed(plane)
    return wire.palette(shape, ids, index, deflate=encoding.quality is not None)


def is_constant(values: Plane) -> bool:
    """Whether all values are the same (NaN is not)."""
    first = values[0, 0]
    # Two corners and a row differ in nearly every plane that is not constant; then nothing else is looked at.
    if values[-1, -1] != first or (values[0] != first).any():
        return False
    return bool((values == first).all())


def _indexed(plane: Plane) -> tuple[Plane, Plane]:
    ids, index = np.unique(plane, return_inverse=True)
    width = 1 if len(ids) <= 1 << 8 else 2 if len(ids) <= 1 << 16 else 4
    return ids.astype("<u8"), index.reshape(plane.shape).astype(f"<u{width}")


def _bytes(values: Plane, encoding: Encoding) -> Plane:
    if values.dtype == np.uint8 and encoding.window is None:
        return values
    if encoding.window is None:
        raise needs_window(values.dtype)
    low, high = encoding.window
    with np.errstate(invalid="ignore"):
        scaled = (values.astype("f4") - low) * np.float32(255 / (high - low))
    return np.nan_to_num(np.clip(scaled, 0, 255) + np.float32(0.5), copy=False).astype("u1")


def needs_window(dtype: np.dtype[Any]) -> BadRequest:
    """Make the error of a JPEG that nobody said the black and white of."""
    return BadRequest(f"JPEG of {dtype.name} without win", "a window says which values become black and white",
                      "pass win=low,high, or q=raw")  # fmt: skip


def _jpeg(values: Plane, quality: int) -> bytes:
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(out, "JPEG", quality=quality)
    return out.getvalue()
