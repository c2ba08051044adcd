"""What strokes do to the labels of one chunk: conflicts, exceptions, and what was there before.

A voxel carries one label; under `Mode.EXCEPT` further ids stand behind it, in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.annotations.cutting import Piece
from ndlab.annotations.strokes import Mode

__all__ = ["Before", "Exceptions", "apply"]

Voxels = np.ndarray[Any, Any]
# Position in the chunk -> ids behind the label, in order of arrival.
Exceptions = dict[int, list[int]]


@dataclass(slots=True)
class Before:
    """What one stroke found in one chunk: the labels at positions, and the exceptions that it changed."""

    sequence: int
    inside: Voxels
    labels: Voxels
    exceptions: Exceptions = field(default_factory=dict)


def apply(labels: Voxels, exceptions: Exceptions, pieces: Sequence[Piece]) -> list[Before]:
    """Apply pieces in order to a chunk's `labels` (flat) and `exceptions`, in place; return what each one found.

    Examples
    --------
    >>> labels, more = np.array([0, 5, 0]), {}
    >>> both = np.array([0, 1])
    >>> found = apply(labels, more, [Piece(1, Mode.EXCEPT, both, 7), Piece(2, Mode.REDUCE, both, 5)])
    >>> labels.tolist(), more, [before.labels.tolist() for before in found]
    ([7, 7, 0], {}, [[0, 5], [7, 5]])
    """
    found = []
    for piece in pieces:
        if piece.mode == Mode.RELABEL:
            before = _relabel(labels, exceptions, piece)
        else:
            before = Before(piece.sequence, piece.inside, labels[piece.inside])
            _CHANGES[piece.mode](labels, exceptions, piece, before)
        found.append(before)
    return found


def _overwrite(labels: Voxels, exceptions: Exceptions, piece: Piece, before: Before) -> None:
    labels[piece.inside] = piece.ids
    if exceptions:
        _forget(exceptions, piece.inside, before)


def _preserve(labels: Voxels, exceptions: Exceptions, piece: Piece, before: Before) -> None:
    free = before.labels == 0
    labels[piece.inside[free]] = _of(piece.ids, free)


def _except(labels: Voxels, exceptions: Exceptions, piece: Piece, before: Before) -> None:
    _preserve(labels, exceptions, piece, before)
    other = (before.labels != 0) & (before.labels != piece.ids)
    for at, one in _each(piece.inside[other], _of(piece.ids, other)):
        known = exceptions.get(at, [])
        if one not in known:
            _change(exceptions, at, [*known, one], before)


def _reduce(labels: Voxels, exceptions: Exceptions, piece: Piece, before: Before) -> None:
    mine = before.labels == piece.ids
    labels[piece.inside[mine]] = 0
    if not exceptions:
        return
    touched = np.fromiter((int(at) in exceptions for at in piece.inside), bool, len(piece.inside))
    for at, one in _each(piece.inside[touched], _of(piece.ids, touched)):
        if at not in exceptions:  # Listed twice, and its last exception has come forward.
            continue
        left = [known for known in exceptions[at] if known != one]
        if labels[at] == 0:
            labels[at] = left.pop(0) if left else 0
        _change(exceptions, at, left, before)


def _restore(labels: Voxels, exceptions: Exceptions, piece: Piece, before: Before) -> None:
    labels[piece.inside] = piece.ids
    found: Exceptions = {}
    for at, one in piece.exceptions.tolist():  # A pair with id 0 says that a position is meant, and may have none.
        found.setdefault(at, []).extend([one] if one else [])
    for at, ids in found.items():
        _change(exceptions, at, ids, before)


def _relabel(labels: Voxels, exceptions: Exceptions, piece: Piece) -> Before:
    """Give voxels of some ids another; with 0 the first of the others behind them comes forward."""
    sources = set(piece.inside.tolist())
    inside = np.flatnonzero(np.isin(labels, piece.inside.astype(labels.dtype)))
    before = Before(piece.sequence, inside.astype("u4"), labels[inside])
    labels[inside] = piece.ids
    for at, known in list(exceptions.items()):
        renamed = [piece.ids if one in sources else one for one in known]
        left = [one for one in dict.fromkeys(renamed) if one != 0 and one != labels[at]]
        if labels[at] == 0:
            labels[at] = left.pop(0) if left else 0
        _change(exceptions, at, left, before)
    return before


def _forget(exceptions: Exceptions, inside: Iterable[Any], before: Before) -> None:
    for at in exceptions.keys() & set(np.asarray(inside).tolist()):
        _change(exceptions, at, [], before)


def _change(exceptions: Exceptions, at: int, ids: list[int], before: Before) -> None:
    """Let `ids` stand behind the label at a position, noting what stood there before the stroke."""
    known = exceptions.get(at, [])
    if known == ids:
        return
    before.exceptions.setdefault(at, known)
    if ids:
        exceptions[at] = ids
    else:
        del exceptions[at]


def _of(ids: Any, chosen: Voxels) -> Any:
    return ids[chosen] if isinstance(ids, np.ndarray) else ids


def _each(inside: Voxels, ids: Any) -> Iterable[tuple[int, int]]:
    listed = ids.tolist() if isinstance(ids, np.ndarray) else [ids] * len(inside)
    return zip(inside.tolist(), listed, strict=True)


_CHANGES = {
    Mode.OVERWRITE: _overwrite,
    Mode.PRESERVE: _preserve,
    Mode.EXCEPT: _except,
    Mode.REDUCE: _reduce,
    Mode.RESTORE: _restore,
}
