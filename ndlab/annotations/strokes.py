"""Strokes: what one write does to labels, as plain data, and their bytes in the journal."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numcodecs.zstd import Zstd

__all__ = ["Mode", "Shape", "Stroke", "pack", "unpack"]

Voxels = np.ndarray[Any, Any]


class Mode(IntEnum):
    """What becomes of a voxel that carries a label already."""

    OVERWRITE = 0
    PRESERVE = 1
    EXCEPT = 2
    REDUCE = 3
    # Not for callers: give objects another id (0: none), and put back what was.
    RELABEL = 4
    RESTORE = 5


class Shape(IntEnum):
    """How a stroke says which voxels it means."""

    VOXELS = 0
    BOX = 1
    MASK = 2
    CUTOUT = 3
    CHUNKS = 4
    VALUES = 5


@dataclass(slots=True)
class Stroke:
    """One write of one object (or, as a cut-out, of several).

    Parameters
    ----------
    mode, shape : Mode, Shape
    id : int
        The object's id; 0 where the voxels bring their own, and for objects that are deleted.
    start : tuple of 3 int
        First voxel (z, y, x) of the box, mask or cut-out; what the offsets of a voxel list count from.
    data : tuple
        VOXELS: offsets (n, 3). BOX: its extent. MASK: bool array. CUTOUT: array of ids, 0 means nothing.
        CHUNKS: ids to change, chunk numbers. VALUES: chunk, positions, ids, and exceptions as (position, id) pairs.
    sequence, transaction, time : int
        Set by the journal: the stroke's own number, that of its write, and microseconds since 1970.
    last : bool
        Whether it is the last of its transaction.
    """

    mode: Mode
    shape: Shape
    id: int
    start: tuple[int, int, int]
    data: tuple[Any, ...]
    sequence: int = 0
    transaction: int = 0
    time: int = 0
    last: bool = False
    author: str = ""
    undoes: tuple[int, ...] = ()
    note: str = ""
    # On the first stroke of a write that is half of a change: what the other half is known by; 0 where it has none.
    token: int = 0

    @property
    def voxels(self) -> int:
        """How many voxels it names; 0 where it names chunks."""
        if self.shape == Shape.BOX:
            z, y, x = self.data
            return int(z * y * x)
        if self.shape == Shape.VALUES:
            return len(self.data[1])
        if self.shape == Shape.CHUNKS:
            return 0
        return len(self.data[0]) if self.shape == Shape.VOXELS else int(np.count_nonzero(self.data[0]))


_START = struct.Struct("<3qB")
_TINY = Zstd(level=1)


def pack(stroke: Stroke) -> bytes:
    """Return a stroke's own bytes, without what the journal numbers."""
    author = stroke.author.encode()
    if not (stroke.note or stroke.token):
        note = _NOTE.pack(len(author), len(stroke.undoes)) + author
    else:
        said = stroke.note.encode()
        note = _NOTE.pack(len(author) | _MORE, len(stroke.undoes)) + author + _TIED.pack(stroke.token, len(said)) + said
    return note + np.array(stroke.undoes, "<u8").tobytes() + _body(stroke) if stroke.undoes else note + _body(stroke)


_NOTE, _TIED = struct.Struct("<HH"), struct.Struct("<QI")
# In the length of the author: a token and a note follow.
_MORE = 1 << 15


def _body(stroke: Stroke) -> bytes:
    data = stroke.data
    if stroke.shape == Shape.VOXELS:
        listed: bytes = data[0].tobytes()
        return _START.pack(*stroke.start, data[0].dtype.itemsize) + listed
    if stroke.shape == Shape.BOX:
        return _START.pack(*stroke.start, 0) + struct.pack("<3q", *data)
    if stroke.shape in (Shape.MASK, Shape.CUTOUT):
        array = data[0]
        raw = np.packbits(array) if stroke.shape == Shape.MASK else np.ascontiguousarray(array, "<u8")
        return _START.pack(*stroke.start, 0) + struct.pack("<3q", *array.shape) + bytes(_TINY.encode(raw))
    sizes = [len(np.atleast_1d(part)) for part in data]
    arrays = [np.atleast_1d(part).astype("<u8").tobytes() for part in data]
    return struct.pack(f"<B{len(sizes)}Q", len(sizes), *sizes) + b"".join(arrays)


def unpack(mode: int, shape: int, id: int, raw: memoryview) -> Stroke:  # noqa: A002 - the house's word for it
    """Read what `pack` wrote.

    Examples
    --------
    >>> stroke = Stroke(Mode.OVERWRITE, Shape.BOX, 7, (1, 2, 3), (4, 5, 6))
    >>> unpack(0, 1, 7, memoryview(pack(stroke))) == stroke
    True
    """
    named, undone = _NOTE.unpack_from(raw)
    more, named = named & _MORE, named & ~_MORE
    author, raw = bytes(raw[_NOTE.size : _NOTE.size + named]).decode(), raw[_NOTE.size + named :]
    token, said = 0, 0
    if more:
        token, said = _TIED.unpack_from(raw)
        raw = raw[_TIED.size :]
    note, undoes = bytes(raw[:said]).decode(), np.frombuffer(raw[said : said + 8 * undone], "<u8")
    kind = Shape(shape)
    start, data = _decode(kind, raw[said + 8 * undone :])
    return Stroke(
        Mode(mode), kind, id, start, data, author=author, undoes=tuple(undoes.tolist()), note=note, token=token
    )


def _decode(shape: Shape, raw: memoryview) -> tuple[tuple[int, int, int], tuple[Any, ...]]:
    if shape in (Shape.CHUNKS, Shape.VALUES):
        count = raw[0]
        sizes = struct.unpack_from(f"<{count}Q", raw, 1)
        flat = np.frombuffer(raw[1 + 8 * count :], "<u8")
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return (0, 0, 0), tuple(parts)
    z, y, x, width = _START.unpack_from(raw)
    rest = raw[_START.size :]
    if shape == Shape.VOXELS:
        return (z, y, x), (np.frombuffer(rest, f"<u{width}").reshape(-1, 3),)
    extent = struct.unpack_from("<3q", rest)
    if shape == Shape.BOX:
        return (z, y, x), extent
    size = int(np.prod(extent))
    raw_array = np.frombuffer(_TINY.decode(rest[24:]), "u1")
    if shape == Shape.MASK:
        return (z, y, x), (np.unpackbits(raw_array, count=size).astype(bool).reshape(extent),)
    return (z, y, x), (raw_array.view("<u8").reshape(extent),)
