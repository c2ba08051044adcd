"""A plane of voxels as a frame: constant, as it is, as JPEG, or as ids and where they change."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.render.encode import jpeg
from ndlab.render.window import to_bytes
from ndlab.serve import wire
from ndlab.serve.indices import Indexer, indexed
from ndlab.serve.query import Encoding
from ndlab.serve.rows import packed
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


def label_frame(plane: Plane, ids: Plane | None = None, same: Plane | None = None) -> Frame:
    """Pack a plane of ids exactly: what changes from row to row, or where that is much, an index for each pixel.

    With `ids` the plane holds indices into them; with `same`, of several indices that stand for one id, into that.
    """
    shape = (plane.shape[0], plane.shape[1])
    if ids is None:
        if is_constant(plane):
            return Frame(Codec.CONSTANT, Dtype.U64, shape, plane[0, :1].astype("<u8").tobytes())
        plane, ids = _small(plane)
    changes = packed(plane, same, len(ids))
    if changes is None:
        index, used = indexed((plane if same is None else same[plane])[np.newaxis])
        return wire.palette(shape, ids[used], index[0])
    code, order = changes
    if len(order) == 1:
        return Frame(Codec.CONSTANT, Dtype.U64, shape, ids[order].astype("<u8").tobytes())
    return wire.rows(shape, ids[order], code)


def _small(plane: Plane) -> tuple[Plane, Plane]:
    """Make indices of a plane of ids, and return what they stand for, too."""
    if plane.dtype.itemsize == 1:
        return plane.view("u1"), np.arange(256, dtype="u1").view(plane.dtype).astype("u8")
    index, ids = indexed(plane[np.newaxis])
    return index[0], ids


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


@lru_cache
def warm_up(itemsize: int) -> threading.Thread:
    """Compile what labels of so many bytes need, in a thread: the first tile shall not wait for it."""
    thread = threading.Thread(target=_compile, args=(itemsize,), name="ndlab-warm-up", daemon=True)
    thread.start()
    return thread


def _compile(itemsize: int) -> None:
    values = np.arange(8, dtype=f"u{itemsize}").reshape(2, 2, 2)
    # A chunk that is all of a slab lies otherwise in memory than one of several, which is another type to compile.
    for length in (2, 4):
        indexer = Indexer((2, 2, length), values.dtype)
        for left in range(0, length, 2):
            indexer.add((slice(None), slice(None), slice(left, left + 2)), values)
    indexed(indexer.ids[np.newaxis, np.newaxis])
    packed(indexer.index[0], None, 8)
