"""Listing: what strokes did, write by write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ndlab.annotations.index import Write
from ndlab.annotations.strokes import Shape, Stroke

__all__ = ["writes_of"]


def writes_of(strokes: Sequence[Stroke]) -> list[Write]:
    """Return what each transaction among strokes did, oldest first."""
    found: dict[int, list[Stroke]] = {}
    for stroke in strokes:
        found.setdefault(stroke.transaction, []).append(stroke)
    return [
        Write(
            number, several[-1].sequence, several[0].time, several[0].author, int(several[0].mode),
            *_named(several), 0, several[0].undoes, several[0].note,
        )
        for number, several in found.items()
    ]  # fmt: skip


def _named(strokes: Sequence[Stroke]) -> tuple[int, int]:
    """Return how many objects and voxels strokes name; most of them are lists of voxels, each of one object."""
    lists = [len(stroke.data[0]) for stroke in strokes if stroke.shape is Shape.VOXELS]
    if len(lists) == len(strokes):
        return len(lists), sum(lists)
    return sum(map(_objects, strokes)), sum(stroke.voxels for stroke in strokes)


def _objects(stroke: Stroke) -> int:
    if stroke.shape == Shape.CUTOUT:
        return int(np.count_nonzero(np.unique(stroke.data[0])))
    return len(stroke.data[0]) if stroke.shape == Shape.CHUNKS else int(stroke.shape != Shape.VALUES)
