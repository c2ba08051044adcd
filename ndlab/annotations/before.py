"""What a merge found in a unit of writing before it changed it: what makes merging twice the same as once, and undo.

The file is on disk before the unit is written. A merge that was interrupted first puts back what its file says, and
so begins from the same labels again; afterwards the file is the past that `undo` brings back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd

from ndlab.annotations.applying import Before, Exceptions

__all__ = ["Befores", "Notes", "Stamp", "first_exceptions", "first_labels", "load", "save", "stamp"]

Voxels = np.ndarray[Any, Any]
Befores = dict[int, list[Before]]
Stamp = tuple[int, ...] | None
_TINY = Zstd(level=1)


class Notes:
    """What was found in a unit, chunk by chunk, on its way to disk."""

    def __init__(self) -> None:
        self._marks: list[Voxels] = []
        self._inside: list[Voxels] = []
        self._labels: list[Voxels] = []
        self._exceptions: list[tuple[int, int, list[int]]] = []
        self._count = 0

    def add(self, chunk: int, several: Iterable[Before]) -> None:
        """Note what strokes found in a chunk, in their order."""
        for one in several:
            self._exceptions += [(self._count, at, ids) for at, ids in one.exceptions.items()]
            self.add_columns(np.array([(chunk, one.sequence, len(one.inside))]), one.inside, one.labels)

    def add_columns(self, marks: Voxels, inside: Voxels, labels: Voxels) -> None:
        """Note the same of many strokes: (chunk, stroke, number of voxels) of each, and all of their voxels."""
        self._marks.append(marks)
        self._inside.append(inside)
        self._labels.append(labels)
        self._count += len(marks)

    def columns(self) -> tuple[Voxels, Voxels, Voxels, list[tuple[int, int, list[int]]]]:
        """Return all marks, positions and labels, and of each exception its mark's place, its position and its ids."""
        if not self._count:
            return np.empty((0, 3), "<i8"), np.empty(0, "<u2"), np.empty(0, "u8"), []
        marks, labels = np.concatenate(self._marks).astype("<i8"), np.concatenate(self._labels)
        # Positions hardly compress; in two bytes they are as small as they get.
        small = max((int(part.max()) for part in self._inside if part.size), default=0) < 1 << 16
        inside = np.concatenate(self._inside, dtype="<u2" if small else "<u4", casting="unsafe")
        return marks, inside, labels, self._exceptions


def save(path: Path, notes: Notes) -> int:
    """Write what was found, durably and whole or not at all; return its bytes."""
    marks, inside, labels, more = notes.columns()
    # Most voxels were background before: then one flag says all.
    parts = [marks, labels if labels.any() else labels[:0]]
    encoded = [bytes(_TINY.encode(np.ascontiguousarray(part))) if part.size else b"" for part in parts]
    encoded.append(inside.tobytes())
    about: dict[str, Any] = {"sizes": [len(part) for part in encoded], "dtypes": [labels.dtype.str, inside.dtype.str]}
    about["exceptions"] = more
    head = json.dumps(about).encode()
    body = len(head).to_bytes(8, "little") + head + b"".join(encoded)
    raw = google_crc32c.value(body).to_bytes(4, "little") + body
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return len(raw)


def load(path: Path) -> Befores:
    """Read what `save` wrote; nothing where there is no whole file."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    if google_crc32c.value(raw[4:]) != int.from_bytes(raw[:4], "little"):
        return {}
    length = int.from_bytes(raw[4:12], "little")
    about = json.loads(raw[12 : 12 + length])
    parts, at = [], 12 + length
    for size in about["sizes"]:
        parts.append(raw[at : at + size])
        at += size
    marks = np.frombuffer(_decoded(parts[0]), "<i8").reshape(-1, 3)
    labels, inside = np.frombuffer(_decoded(parts[1]), about["dtypes"][0]), np.frombuffer(parts[2], about["dtypes"][1])
    if not len(labels):
        labels = np.zeros(len(inside), labels.dtype)
    found: Befores = {}
    listed = []
    ends = np.cumsum(marks[:, 2])
    for (chunk, sequence, count), end in zip(marks.tolist(), ends.tolist(), strict=True):
        one = Before(sequence, inside[end - count : end], labels[end - count : end])
        listed.append(one)
        found.setdefault(chunk, []).append(one)
    for i, place, ids in about["exceptions"]:
        listed[i].exceptions[place] = ids
    return found


def stamp(path: Path) -> Stamp:
    """Return a mark that changes when the file does; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _decoded(part: bytes) -> bytes:
    return bytes(_TINY.decode(part)) if part else b""


def first_labels(befores: Iterable[Before]) -> tuple[Voxels, Voxels]:
    """Return positions and the labels that were there before the first stroke.

    Examples
    --------
    >>> a, b = np.array([1, 2]), np.array([2, 3])
    >>> [found.tolist() for found in first_labels([Before(1, a, np.array([0, 0])), Before(2, b, np.array([7, 5]))])]
    [[1, 2, 3], [0, 0, 5]]
    """
    listed = list(befores)
    inside = np.concatenate([b.inside for b in listed])
    labels = np.concatenate([b.labels for b in listed])
    where, first = np.unique(inside, return_index=True)
    return where, labels[first]


def first_exceptions(befores: Iterable[Before]) -> Exceptions:
    """Return the exceptions that were at each position before the first stroke that changed them.

    Examples
    --------
    >>> nowhere = np.array([], int)
    >>> first_exceptions([Before(1, nowhere, nowhere, {4: ()}), Before(2, nowhere, nowhere, {4: (7,), 5: (8,)})])
    {4: (), 5: (8,)}
    """
    found: Exceptions = {}
    for one in befores:
        for at, ids in one.exceptions.items():
            found.setdefault(at, ids)
    return found
