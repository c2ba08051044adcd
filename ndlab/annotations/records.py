"""Records of the journal: the bytes of strokes with their numbers and checksums, and what of them is whole."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from ndlab.annotations.strokes import Stroke, unpack

__all__ = ["LONGEST", "Found", "read", "record"]

# Magic, checksum of all that follows, bytes of the stroke; mode, shape, last of its transaction; number, transaction,
# place where the group of records began that was flushed together, time, id.
_HEAD = struct.Struct("<4sIIBBBxQQQqQ")
_REST = struct.Struct("<IBBBxQQQqQ")
_MAGIC = b"NdJ1"
LONGEST = 1 << 30


@dataclass(slots=True)
class Found:
    """What a segment holds from some place on."""

    strokes: list[Stroke]
    end: int  # behind the last whole transaction
    size: int
    damaged: bool = False


def record(stroke: Stroke, body: bytes, checksum: int, begin: int) -> tuple[bytes, ...]:
    """Return the parts of a record; `checksum` is that of its body, `begin` where its group does."""
    rest = _REST.pack(len(body), stroke.mode, stroke.shape, stroke.last, stroke.sequence, stroke.transaction, begin,
                      stroke.time, stroke.id)  # fmt: skip
    return _MAGIC, google_crc32c.extend(checksum, rest).to_bytes(4, "little"), rest, body


def read(path: Path, offset: int, number: int) -> Found:
    """Read whole transactions from `offset` on, whose first stroke is `number`; a record out of turn is none."""
    with path.open("rb") as file:
        file.seek(offset)
        raw = file.read()
    strokes: list[Stroke] = []
    whole, end, at = 0, 0, 0
    view = memoryview(raw)
    while True:
        found = _record(view, at)
        if found is None or found[0].sequence != number + len(strokes):
            break
        stroke, _, at = found
        strokes.append(stroke)
        if stroke.last:
            whole, end = len(strokes), at
    size = offset + len(raw)
    return Found(strokes[:whole], offset + end, size, _acknowledged_behind(raw, at, offset + at))


def _record(view: memoryview, at: int) -> tuple[Stroke, int, int] | None:
    """Return the stroke at a place, where its group began, and the place behind it; None if it is not whole."""
    if len(view) < at + _HEAD.size:
        return None
    magic, total, length, mode, shape, last, sequence, transaction, begin, now, number = _HEAD.unpack_from(view, at)
    end = at + _HEAD.size + length
    if magic != _MAGIC or length > LONGEST + (1 << 20) or len(view) < end:
        return None
    body = view[at + _HEAD.size : end]
    if google_crc32c.extend(google_crc32c.value(bytes(body)), bytes(view[at + 8 : at + _HEAD.size])) != total:
        return None
    stroke = unpack(mode, shape, number, memoryview(bytes(body)))
    stroke.sequence, stroke.transaction, stroke.time, stroke.last = sequence, transaction, now, bool(last)
    return stroke, begin, end


def _acknowledged_behind(raw: bytes, at: int, place: int) -> bool:
    """Whether a whole record behind a broken one was begun after it: then the broken one had been acknowledged."""
    view = memoryview(raw)
    seek = at + 1
    while (seek := raw.find(_MAGIC, seek)) >= 0:
        found = _record(view, seek)
        if found is not None and found[1] > place:
            return True
        seek += 1
    return False
