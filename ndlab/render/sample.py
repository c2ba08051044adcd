"""A look at the coarsest level: enough of an image for a window or a histogram, in bounded time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.errors import NdlabError
from ndlab.geometry import Box
from ndlab.volume import Volume

__all__ = ["SAMPLE_VOXELS", "Sample", "finite", "sample"]

Array = np.ndarray[Any, Any]
# Enough that percentiles of independent voxels are right to 0.01 %, and sorted in a tenth of a second.
SAMPLE_VOXELS = 1 << 22
# The additive recurrence in three dimensions: powers of the root of x^4 = x + 1, which rationals fit worst.
_STEPS = tuple(1.2207440846057596**-i for i in (1, 2, 3))
# Pieces of a remote store are waited for together.
_READERS = 8


@dataclass(frozen=True, eq=False)
class Sample:
    """Voxels of one channel at one time.

    Attributes
    ----------
    values : ndarray
        In one row.
    level : int
        Which level they are of.
    whole : bool
        Whether they are all voxels of that level.
    """

    values: Array = field(repr=False)
    level: int
    whole: bool


def sample(volume: Volume, t: int = 0, c: int | str = 0, voxels: int = SAMPLE_VOXELS) -> Sample:
    """Read the coarsest level under a view, or chunks spread evenly over it where it holds more than `voxels`.

    Levels that cannot be read, that lag behind finer voxels, or that hold one value everywhere, as those that were
    never filled, are passed over for the next finer one. The same volume gives the same sample each time.

    Examples
    --------
    >>> vol = Volume.from_array(np.arange(60, dtype="u1").reshape(3, 4, 5), voxel_size=(40, 4, 4))
    >>> found = sample(vol)
    >>> found.values.size, found.level, found.whole
    (60, 0, True)
    """
    view = volume.isel(t=t if "t" in volume.axes else None, c=c if "c" in volume.axes else None)
    for number in range(_coarsest(view), view.level_index, -1):
        try:
            level = view.level(number)
            if level.stale or not level.size:
                continue
            found = _read(level, voxels)
            if (found.values != found.values[0]).any():
                return found
        except NdlabError:  # a level that was never copied must not hide the others
            continue
    return _read(view, voxels)


def _coarsest(view: Volume) -> int:
    return len(view._stored.levels) - 1


def _read(view: Volume, voxels: int) -> Sample:
    if view.size <= voxels:
        return Sample(_values(view, view.box), view.level_index, whole=True)
    with ThreadPoolExecutor(_READERS) as readers:
        pieces = list(readers.map(lambda box: _values(view, box), _spread(view, voxels)))
    return Sample(np.concatenate(pieces), view.level_index, whole=False)


def _values(view: Volume, box: Box) -> Array:
    """Read past the warning that a level is stale: what is read here is the finest there is."""
    part = view.boxed(box)
    found = part._array.read([s.start for s in part._spans], [s.stop for s in part._spans])
    return found.reshape(-1)


def _spread(view: Volume, voxels: int) -> Iterator[Box]:
    """Yield boxes, evenly spread over the view, that hold at most `voxels` together, cut along chunks if they can."""
    box, most = view.box, max(voxels, 1)
    piece = _piece([min(n, m) for n, m in zip(view.chunks[-3:], box.shape, strict=True)], box.shape, most)
    counts = [-(-n // p) for n, p in zip(box.shape, piece, strict=True)]
    for where in _cells(counts, max(most // math.prod(piece), 1)):
        start = [a + i * p for a, i, p in zip(box.start, where, piece, strict=True)]
        stop = [min(a + p, b) for a, p, b in zip(start, piece, box.stop, strict=True)]
        yield Box(start, stop, box.level)


def _piece(piece: list[int], shape: tuple[int, ...], most: int) -> list[int]:
    """Halve a chunk that is a whole plane of a file, double a tiny one: 32 to 128 pieces, for few and spread reads."""
    while math.prod(piece) > most // 32 and max(piece) > 1:
        longest = piece.index(max(piece))
        piece[longest] = -(-piece[longest] // 2)
    while math.prod(piece) <= most // 128:
        part = [p / n for p, n in zip(piece, shape, strict=True)]
        if min(part) >= 1:
            break
        least = part.index(min(part))
        piece[least] = min(2 * piece[least], shape[least])
    return piece


def _cells(counts: Sequence[int], picked: int) -> list[tuple[int, ...]]:
    """Pick cells of a grid that are far from each other and, unlike a coarser grid, at ever new places of each axis."""
    found: dict[tuple[int, ...], None] = {}
    for i in range(picked):
        found[tuple(int((0.5 + i * step) % 1 * n) for step, n in zip(_STEPS, counts, strict=True))] = None
    return list(found)


def finite(values: Array) -> Array:
    """Return the values that are numbers, in one row, float64, kept so small that any two have a difference.

    Examples
    --------
    >>> finite(np.array([[1.5, np.nan], [-np.inf, 2.0]]))
    array([1.5, 2. ])
    """
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values.reshape(-1)
    known = known.astype(np.float64)
    found: Array = np.clip(known, -(2.0**1022), 2.0**1022)
    return found
