"""The compiled half of painting: voxel lists cut at chunks, strokes applied to a chunk, objects counted in it.

Import this module inside functions only: it loads numba. Voxels come as positions in their chunk, in C order over the
whole chunk; a box of an object in a chunk is two corners, each packed into one number, 21 bits an axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb  # noqa: TID253 - this module is the lazy half of painting
import numpy as np

__all__ = ["FOREIGN", "KNOWN", "cut_runs", "gather_runs", "paint_chunk", "survey"]

F = TypeVar("F", bound=Callable[..., Any])
Array = Any  # numpy arrays whose type numba finds out

# Why `paint_chunk` did not count everything itself: labels of others were replaced; ids had voxels before.
FOREIGN, KNOWN = 1, 2
_OVERWRITE, _PRESERVE, _REDUCE = 0, 1, 3  # of strokes.Mode
_SIDE = (1 << 21) - 1
# Less than any slot, and not the mark of an id that has none.
_HERE = -2
_NOWHERE = (_SIDE, _SIDE, _SIDE)


def _jit(function: F) -> F:
    """Compile without the GIL; keep the machine code on disk where the disk allows it."""
    try:
        return cast(F, nb.njit(nogil=True, cache=True, error_model="numpy")(function))
    except RuntimeError:  # no writable cache folder
        return cast(F, nb.njit(nogil=True, error_model="numpy")(function))


@_jit
def cut_runs(
    offsets: Array, starts: Array, counts: Array, chunk: tuple[int, int, int], grid: tuple[int, int, int],
    inside: Array, runs: Array,
) -> int:  # fmt: skip
    """Write each voxel's position in its chunk to `inside`, and (chunk, owner, begin) of each run to `runs`.

    A run is voxels in a row that share list and chunk. Returns how many there are.
    """
    found, at = 0, 0
    for owner in range(len(counts)):
        z0, y0, x0 = starts[owner, 0], starts[owner, 1], starts[owner, 2]
        cz, cy, cx = np.int64(-chunk[0]), np.int64(-chunk[1]), np.int64(-chunk[2])
        for _ in range(counts[owner]):
            z, y, x = z0 + np.int64(offsets[at, 0]), y0 + np.int64(offsets[at, 1]), x0 + np.int64(offsets[at, 2])
            if not (cz <= z < cz + chunk[0] and cy <= y < cy + chunk[1] and cx <= x < cx + chunk[2]):
                k, j, i = z // chunk[0], y // chunk[1], x // chunk[2]
                cz, cy, cx = k * chunk[0], j * chunk[1], i * chunk[2]
                runs[found, 0], runs[found, 1], runs[found, 2] = (k * grid[1] + j) * grid[2] + i, owner, at
                found += 1
            inside[at] = ((z - cz) * chunk[1] + (y - cy)) * chunk[2] + (x - cx)
            at += 1
    return found


@_jit
def gather_runs(runs: Array, order: Array, inside: Array, out: Array, pieces: Array) -> int:
    """Copy positions in the `order` of runs to `out`, and write (chunk, owner, begin) of each piece to `pieces`.

    A piece is all that one list has in one chunk. Returns how many there are.
    """
    found, at, total = 0, 0, len(inside)
    for run in order:
        chunk, owner, begin = runs[run, 0], runs[run, 1], runs[run, 2]
        end = runs[run + 1, 2] if run + 1 < len(runs) else total
        if found == 0 or pieces[found - 1, 0] != chunk or pieces[found - 1, 1] != owner:
            pieces[found, 0], pieces[found, 1], pieces[found, 2] = chunk, owner, at
            found += 1
        for i in range(begin, end):
            out[at] = inside[i]
            at += 1
    return found


@_jit
def paint_chunk(
    labels: Array, chunk: int, first: int, last: int, inside: Array, begin: Array, mode: Array, rank: Array, ids: Array,
    fresh: Array, sides: tuple[int, int], before: Array, seen: Array, slot: Array, table: Array,
) -> tuple[int, int]:  # fmt: skip
    """Apply pieces `first` to `last` to a chunk's labels in place, and count the fresh ids among theirs.

    Parameters
    ----------
    inside, begin, mode, rank
        Positions of all pieces; where each begins; its mode (overwrite, preserve, reduce); the rank of its id.
    ids, fresh
        By rank: the id, and whether it has voxels nowhere but where these pieces put them.
    sides : tuple of 2 int
        The chunk's sides along y and x.
    before
        Takes what each voxel of each piece found.
    seen, slot
        Zeros for each voxel of a chunk, and -1 for each rank; they are left so.
    table
        Takes (id, chunk, count, low, high) of each fresh id that has voxels in the end.

    Returns
    -------
    rows, why : int
        How many rows were written, and what is left to count: FOREIGN, KNOWN or both.
    """
    why, at, known = 0, 0, labels.dtype.type(0)
    for piece in range(first, last):
        if not fresh[rank[piece]]:
            why |= KNOWN
        elif mode[piece] != _REDUCE:
            slot[rank[piece]] = _HERE
    for piece in range(first, last):
        one, how = ids[rank[piece]], mode[piece]
        for k in range(begin[piece], begin[piece + 1]):
            i = inside[k]
            was = labels[i]
            before[at] = was
            at += 1
            if how == _OVERWRITE:
                if was != 0 and was != one and was != known:
                    known, row = was, np.searchsorted(ids, was)
                    if row == len(ids) or ids[row] != was or slot[row] != _HERE:
                        why |= FOREIGN
                labels[i] = one
            elif how == _PRESERVE:
                if was == 0:
                    labels[i] = one
            elif was == one:
                labels[i] = 0
    found = 0
    for piece in range(first, last):
        number = rank[piece]
        if mode[piece] == _REDUCE or not fresh[number]:
            continue
        one, count, low, high = ids[number], 0, _NOWHERE, (0, 0, 0)
        for k in range(begin[piece], begin[piece + 1]):
            i = inside[k]
            if labels[i] == one and not seen[i]:
                seen[i] = True
                count += 1
                z, y, x = _place(i, sides)
                low = min(low[0], z), min(low[1], y), min(low[2], x)
                high = max(high[0], z), max(high[1], y), max(high[2], x)
        if count:
            if slot[number] < 0:
                slot[number] = found
                _put(table, found, np.int64(one), chunk)
                found += 1
            _extend(table, slot[number], count, low, high)
    for piece in range(first, last):
        slot[rank[piece]] = -1
    for k in range(begin[first], begin[last]):
        seen[inside[k]] = False
    return found, why


@_jit
def survey(labels: Array, chunk: int, ids: Array, sides: tuple[int, int], table: Array) -> None:
    """Write (place in `ids`, chunk, count, low, high) of each of the sorted `ids`; without voxels the count is 0."""
    for row in range(len(ids)):
        _put(table, row, row, chunk)
    known, row = labels.dtype.type(0), -1
    for i in range(len(labels)):
        label = labels[i]
        if label == 0:
            continue
        if label != known:
            known = label
            row = np.searchsorted(ids, label)
            if row == len(ids) or ids[row] != label:
                row = -1
        if row >= 0:
            place = _place(i, sides)
            _extend(table, row, 1, place, place)


@_jit
def _place(i: Any, sides: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Return z, y, x of a position; 32 bits divide in half the time."""
    here, b, c = np.uint32(i), np.uint32(sides[0]), np.uint32(sides[1])
    lines = here // c
    z = lines // b
    return np.int64(z), np.int64(lines - z * b), np.int64(here - lines * c)


@_jit
def _put(table: Array, row: int, one: Any, chunk: int) -> None:
    """Begin a row: no voxels, and a box that the first one makes."""
    table[row, 0], table[row, 1], table[row, 2] = one, chunk, 0
    table[row, 3], table[row, 4] = _packed(_NOWHERE), 0


@_jit
def _extend(table: Array, row: int, count: int, low: tuple[int, int, int], high: tuple[int, int, int]) -> None:
    """Count voxels, and let the box of their row hold those from `low` to `high`, both of them voxels."""
    a, b = table[row, 3], table[row, 4]
    lower = min(a >> 42, low[0]), min(a >> 21 & _SIDE, low[1]), min(a & _SIDE, low[2])
    upper = max(b >> 42, high[0] + 1), max(b >> 21 & _SIDE, high[1] + 1), max(b & _SIDE, high[2] + 1)
    table[row, 2] += count
    table[row, 3], table[row, 4] = _packed(lower), _packed(upper)


@_jit
def _packed(corner: tuple[int, int, int]) -> int:
    return corner[0] << 42 | corner[1] << 21 | corner[2]
