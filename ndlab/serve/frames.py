"""A plane of voxels as a frame: constant, as it is, as JPEG, or as a palette of ids."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.render.encode import jpeg
from ndlab.render.window import to_bytes
from ndlab.serve import wire
from ndlab.serve.query import Encoding
from ndlab.serve.slabs import indexed
from ndlab.serve.wire import Codec, Dtype, Frame

__all__ = ["image_frame", "label_frame", "needs_window", "sent_as", "warm_up"]

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
    return Frame(Codec.JPEG, Dtype.U8, shape, jpeg(_bytes(values, encoding), encoding.quality))


def label_frame(plane: Plane, encoding: Encoding, table: Plane | None = None) -> Frame:
    """Pack a plane of ids exactly, as a palette; deflated where images are sent as JPEG, for the link is slow then.

    With a `table`, the plane holds indices into that.
    """
    shape = (plane.shape[0], plane.shape[1])
    if is_constant(plane):
        ids = plane[0, :1] if table is None else table[plane[0, :1]]
        return Frame(Codec.CONSTANT, Dtype.U64, shape, ids.astype("<u8").tobytes())
    deflate = encoding.quality is not None
    if table is not None and _goes_whole(len(table)):
        return wire.palette(shape, table, plane, deflate=deflate)
    index, ids = indexed(plane[np.newaxis])
    return wire.palette(shape, ids if table is None else table[ids], index[0], deflate=deflate)


def _goes_whole(ids: int) -> bool:
    """Whether a table goes along with ids that the plane lacks: leaving them out has to be worth a look at each pixel.

    It is where one byte a pixel may do instead of two, and where the table is as large as the plane.
    """
    return ids <= 1 << 8 or 1 << 10 < ids <= 1 << 12


def is_constant(values: Plane) -> bool:
    """Whether all values are the same (NaN is not)."""
    first = values[0, 0]
    # Two corners and a row differ in nearly every plane that is not constant; then nothing else is looked at.
    if values[-1, -1] != first or (values[0] != first).any():
        return False
    return bool((values == first).all())


def _bytes(values: Plane, encoding: Encoding) -> Plane:
    if encoding.window is None:
        if values.dtype != np.uint8:
            raise needs_window(values.dtype)
        return values
    return to_bytes(values, encoding.window)


def needs_window(dtype: np.dtype[Any]) -> BadRequest:
    """Make the error of a JPEG that nobody said the black and white of."""
    return BadRequest(f"JPEG of {dtype.name} without win", "a window says which values become black and white",
                      "pass win=low,high, or q=raw")  # fmt: skip


@lru_cache(maxsize=1)
def warm_up() -> threading.Thread:
    """Compile what labels need, in a thread: the first tile shall not wait for it."""
    values = np.arange(8, dtype="u8").reshape(2, 2, 2)
    thread = threading.Thread(target=indexed, args=(values,), name="ndlab-warm-up", daemon=True)
    thread.start()
    return thread
