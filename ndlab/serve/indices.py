"""Labels as small numbers: an index for each voxel, and the ids that the indices stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.serve.holes import Rect

__all__ = ["Indexer", "Piece", "indexed", "joined", "narrow"]

Values = np.ndarray[Any, Any]
_MOST = 1 << 16  # labels that two bytes tell apart


@dataclass(frozen=True, slots=True)
class Piece:
    """What was cut from one slab or several.

    Parameters
    ----------
    values : ndarray
        Voxels; of labels that have `ids`, indices into those, or where `same` is given into that.
    ids : ndarray, optional
        The id of each index.
    same : ndarray, optional
        For each value the index of its id, where several values stand for one id.
    absent : bool
        That no chunk is stored under any of it.
    holes : tuple of Rect
        Where that is so in a plane of an image, if others are stored.
    """

    values: Values
    ids: Values | None = None
    same: Values | None = None
    absent: bool = False
    holes: tuple[Rect, ...] = ()


def indexed(values: Values) -> tuple[Values, Values]:
    """Index of each voxel's id, as narrow as can be, and the ids as uint64, in order of appearance.

    Examples
    --------
    >>> index, ids = indexed(np.array([[[9, 7, 9]]], "u4"))
    >>> index.dtype.name, index.tolist(), ids.tolist()
    ('uint8', [[[0, 1, 0]]], [9, 7])
    """
    from ndlab.measure.interning import interned

    # One type for all: each other one would have to be compiled while somebody waits for the first tile.
    index, ids = interned(values.astype("u8", copy=False))
    return narrow(index, len(ids)), ids


def narrow(index: Values, labels: int) -> Values:
    """Make indices as small as tells so many labels apart."""
    return index.astype("<u1" if labels <= 1 << 8 else "<u2" if labels <= _MOST else "<u4", copy=False)


class Indexer:
    """Indices for labels that come piece by piece, in one array; each piece is looked at while it is warm.

    Examples
    --------
    >>> indexer = Indexer((1, 2, 2), np.dtype("u8"))
    >>> indexer.add((slice(0, 1), slice(0, 2), slice(1, 2)), np.array([[[7], [2**63]]], "u8"))
    >>> indexer.add((slice(0, 1), slice(0, 2), slice(0, 1)), np.array([[[7], [7]]], "u8"))
    >>> indexer.index.tolist(), indexer.ids.tolist()
    ([[[0, 0], [0, 1]]], [7, 9223372036854775808])
    """

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        from ndlab.measure.kernels import interning as kernels

        self._dtype = dtype.newbyteorder("=")
        self._index: Values = np.empty(shape, "u2")
        keys = np.empty(64, "u4" if dtype.itemsize <= 4 else "u8")
        self._known: tuple[Values, Values, int] = keys, kernels.rehash(keys, 0), 0

    def add(self, inside: tuple[slice, ...], values: Values) -> None:
        """Take in the labels that stand at `inside`."""
        from ndlab.measure.kernels import interning as kernels

        keys, slots, count = self._known
        plain = np.ascontiguousarray(values, self._dtype).view(f"u{self._dtype.itemsize}")
        plain = plain.astype(keys.dtype, copy=False)
        most = _MOST if self._index.itemsize == 2 else self._index.size
        keys, slots, count = kernels.intern_more(plain, self._index[inside], keys, slots, count, most)
        if count > most:
            # The last of them has no index yet, nor have the labels after it.
            self._index = self._index.astype("u4")
            room = self._index[inside]
            keys, slots, count = kernels.intern_more(plain, room, keys, slots, most, self._index.size)
        self._known = keys, slots, count

    @property
    def index(self) -> Values:
        """The index of each voxel's id, as narrow as can be."""
        return narrow(self._index, self._known[2])

    @property
    def ids(self) -> Values:
        """The ids by index, in the type of the labels."""
        keys, _, count = self._known
        found: Values = keys[:count].astype(f"u{self._dtype.itemsize}").view(self._dtype)
        return found


def joined(shape: Sequence[int], parts: Iterable[tuple[tuple[slice, ...], Values, Values | None]]) -> Piece:
    """Make one piece of several, each with where it stands and ids of its own; without ids it is all one id.

    Indices only move up past those of the parts before: a look at each of them would cost five times that.
    """
    found = [(at, index, ids) if ids is not None else _one(at, index) for at, index, ids in parts]
    tables = [ids for _, _, ids in found]
    total = sum(map(len, tables))
    values = np.empty(shape, "u2" if total <= _MOST else "u4")
    first = 0
    for inside, index, ids in found:
        np.add(index, values.dtype.type(first), out=values[inside], casting="unsafe")
        first += len(ids)
    same, ids = indexed(np.concatenate(tables)[np.newaxis, np.newaxis])
    return Piece(values, ids, same[0, 0])


def _one(inside: tuple[slice, ...], values: Values) -> tuple[tuple[slice, ...], Values, Values]:
    """Index and ids of voxels that are all one."""
    return inside, np.broadcast_to(np.uint8(0), values.shape), values[0, 0, :1]
