"""Frames: what a tile looks like on the way to the page, whatever carries it.

A frame is a header of 16 bytes and a payload; frames follow each other without gaps. widgets/src/core has the other
half; widgets/test/frames.json is read by the tests of both. All numbers are little-endian.

========  ====  ==============================================================================
offset    type  meaning
========  ====  ==============================================================================
0         u32   length of the payload in bytes
4         u16   which key of the request this answers, or the running number of a played plane
6         u8    codec: how the payload is written, `Codec`
7         u8    dtype: what it holds, `Dtype`
8         u16   height in pixels
10        u16   width in pixels
12        u32   flags: `ERROR`, `ABSENT`, `LAST`, `OUTSIDE`, `HOLES`; bits 8 to 15 are the number of the layer
========  ====  ==============================================================================

With `HOLES`, the payload ends with rectangles under which no chunk is stored, each as four u16 (first row, row after
the last, first column, column after the last), and how many there are, a u16.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.serve.holes import Rect
from ndlab.serve.rows import unpacked

__all__ = [
    "ABSENT",
    "CONTENT_TYPE",
    "ERROR",
    "HEADER",
    "HOLES",
    "LAST",
    "OUTSIDE",
    "VERSION",
    "Codec",
    "Dtype",
    "Frame",
    "palette",
    "pixels",
    "rows",
    "unpack",
]

VERSION = 1
CONTENT_TYPE = "application/x-ndlab-frames"
HEADER = struct.Struct("<IHBBHHI")

ERROR, ABSENT, LAST, OUTSIDE, HOLES = 1, 2, 4, 8, 16
_PALETTE_HEAD = struct.Struct("<IB3x")


class Codec(IntEnum):
    """How a payload is written."""

    RAW = 0
    JPEG = 1
    PALETTE = 2
    ROWS = 3
    CONSTANT = 4
    TEXT = 5


class Dtype(IntEnum):
    """What a payload holds."""

    U8 = 0
    U16 = 1
    F32 = 2
    U64 = 3


_NUMPY: dict[Dtype, np.dtype[Any]] = {
    Dtype.U8: np.dtype("u1"),
    Dtype.U16: np.dtype("<u2"),
    Dtype.F32: np.dtype("<f4"),
    Dtype.U64: np.dtype("<u8"),
}


@dataclass(frozen=True, slots=True)
class Frame:
    r"""One tile or plane, or why there is none.

    Examples
    --------
    >>> Frame(Codec.CONSTANT, Dtype.U8, (512, 512), b"\x07").pack(index=3, flags=LAST).hex()
    '0100000003000400000200020400000007'
    """

    codec: Codec
    dtype: Dtype
    shape: tuple[int, int]
    payload: bytes
    flags: int = 0
    index: int = 0
    holes: tuple[Rect, ...] = ()

    def pack(self, index: int = 0, flags: int = 0, layer: int = 0) -> bytes:
        """Return the bytes of the frame as the answer to key `index`; `flags` are added to its own."""
        both = self.flags | flags | layer << 8 | (HOLES if self.holes else 0)
        payload = self.payload + _packed(self.holes)
        return HEADER.pack(len(payload), index, self.codec, self.dtype, *self.shape, both) + payload

    @property
    def layer(self) -> int:
        """Number of the layer that a played plane belongs to."""
        return self.flags >> 8 & 0xFF

    @staticmethod
    def error(text: str) -> Frame:
        """Make the frame that stands where a tile cannot be read."""
        return Frame(Codec.TEXT, Dtype.U8, (0, 0), text.encode(), ERROR)

    @staticmethod
    def outside() -> Frame:
        """Make the frame of a tile that lies beyond the volume."""
        return Frame(Codec.CONSTANT, Dtype.U8, (0, 0), b"\0", OUTSIDE)


def palette(shape: tuple[int, int], ids: np.ndarray[Any, Any], index: np.ndarray[Any, Any]) -> Frame:
    """Make the frame of a label tile: its ids (uint64), and for each pixel the index of its id.

    Examples
    --------
    >>> frame = palette((1, 2), np.array([2**63, 5], "u8"), np.array([[1, 0]], "u1"))
    >>> frame.payload.hex()
    '0200000001000000000000000000008005000000000000000100'
    """
    packed = index.astype(index.dtype.newbyteorder("<"), copy=False).tobytes()
    return Frame(Codec.PALETTE, Dtype.U64, shape, _head(ids, index.itemsize) + packed)


def rows(shape: tuple[int, int], ids: np.ndarray[Any, Any], changes: bytes) -> Frame:
    """Make the frame of a label tile: its ids (uint64), and what changes from row to row, as `serve.rows` writes it.

    Examples
    --------
    >>> rows((1, 2), np.array([2**63, 5], "u8"), bytes.fromhex("e101")).payload.hex()
    '020000000100000000000000000000800500000000000000e101'
    """
    itemsize = 1 if len(ids) <= 1 << 8 else 2 if len(ids) <= 1 << 16 else 4
    return Frame(Codec.ROWS, Dtype.U64, shape, _head(ids, itemsize) + changes)


def _head(ids: np.ndarray[Any, Any], itemsize: int) -> bytes:
    """Write how many ids there are, how many bytes a number of one takes, and the ids."""
    return _PALETTE_HEAD.pack(len(ids), itemsize) + ids.astype("<u8", copy=False).tobytes()


def unpack(data: bytes) -> Iterator[Frame]:
    """Take a stream of whole frames apart.

    Raises
    ------
    BadRequest
        If it ends within a frame.
    """
    at = 0
    while at < len(data):
        if at + HEADER.size > len(data):
            raise BadRequest(f"{len(data) - at} bytes where a frame begins", f"its header has {HEADER.size}")
        length, index, codec, dtype, h, w, flags = HEADER.unpack_from(data, at)
        at += HEADER.size
        if at + length > len(data):
            raise BadRequest(f"a frame of {length} bytes", f"{len(data) - at} are there")
        payload, holes = _parted(data[at : at + length]) if flags & HOLES else (data[at : at + length], ())
        yield Frame(Codec(codec), Dtype(dtype), (h, w), payload, flags & ~HOLES, index, holes)
        at += length


def _packed(holes: tuple[Rect, ...]) -> bytes:
    return np.array([*(edge for hole in holes for edge in hole), len(holes)], "<u2").tobytes() if holes else b""


def _parted(payload: bytes) -> tuple[bytes, tuple[Rect, ...]]:
    """Take the holes off the end of a payload."""
    count = int.from_bytes(payload[-2:], "little")
    if len(payload) < 8 * count + 2:
        raise BadRequest(f"a frame of {len(payload)} bytes", f"it says that it ends with {count} holes")
    end = len(payload) - 2 - 8 * count
    edges = np.frombuffer(payload[end:-2], "<u2").reshape(-1, 4).tolist()
    return payload[:end], tuple((a, b, c, d) for a, b, c, d in edges)


def pixels(frame: Frame) -> np.ndarray[Any, Any]:
    """Decode a frame into an array (height, width); labels come back as uint64.

    Raises
    ------
    BadRequest
        If the frame says why there are no pixels.
    """
    if frame.codec is Codec.TEXT:
        raise BadRequest("pixels of a tile that could not be read", frame.payload.decode())
    dtype = _NUMPY[frame.dtype]
    if frame.codec is Codec.RAW:
        return np.frombuffer(frame.payload, dtype).reshape(frame.shape)
    if frame.codec is Codec.CONSTANT:
        return np.full(frame.shape, np.frombuffer(frame.payload, dtype)[0])
    if frame.codec is Codec.JPEG:
        return _jpeg(frame.payload)
    count, width = _PALETTE_HEAD.unpack_from(frame.payload)
    start = _PALETTE_HEAD.size + 8 * count
    ids = np.frombuffer(frame.payload[_PALETTE_HEAD.size : start], "<u8")
    packed, kind = frame.payload[start:], np.dtype(f"<u{width}")
    index = unpacked(packed, frame.shape, kind) if frame.codec is Codec.ROWS else np.frombuffer(packed, kind)
    found: np.ndarray[Any, Any] = ids[index].reshape(frame.shape)
    return found


def _jpeg(payload: bytes) -> np.ndarray[Any, Any]:
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(payload)) as picture:
        return np.asarray(picture)
