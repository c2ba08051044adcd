"""Write an image of labels as what changes from row to row, and read it back; `ndlab.serve.rows` says how."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["ABOVE", "INDEX", "LEFT", "SKIP", "WORST", "read", "write"]

SKIP = 31  # pixels that the first byte of a change can pass over; more are written beside it
LEFT, ABOVE, INDEX = 0, 1, 6
WORST = 24  # bytes that one change takes at most
BAND = 1 << 14  # pixels that are looked at together, while they are warm


@jit
def differing(plane: Array, first: int, differs: Array, found: Array) -> int:
    """Note in `found` the pixels of a band that differ from the one above, counted in the band, and return how many.

    The band has as many rows of `plane`, from `first` on, as `differs` has, a byte a pixel and whole eights of them;
    rows that are not there differ nowhere. The row above the first of the plane is all as its first pixel.
    """
    width = plane.shape[1]
    rows = min(plane.shape[0] - first, differs.size // width)
    band = differs[: rows * width].reshape(rows, width)
    for y in range(rows):
        if first + y == 0:
            for x in range(width):
                band[0, x] = plane[0, x] != plane[0, 0]
        else:
            for x in range(width):
                band[y, x] = plane[first + y, x] != plane[first + y - 1, x]
    differs[rows * width :] = 0
    eights = differs.view(np.uint64)
    count = 0
    for i in range(eights.size):
        if eights[i] != 0:
            # Without a branch for each: which of them differ, nobody can foresee.
            for pixel in range(8 * i, 8 * i + 8):
                found[count] = pixel
                count += differs[pixel]
    return count


@jit
def put(number: Any, out: Array, at: int) -> int:
    """Write a number, seven bits a byte, the lowest first; a byte that others follow has its high bit set."""
    while number >= 128:
        out[at] = np.uint8(number & 127 | 128)
        number >>= 7
        at += 1
    out[at] = np.uint8(number)
    return at + 1


@jit
def write(plane: Array, same: Array, numbers: Array, order: Array, out: Array) -> tuple[int, int]:
    """Write `plane` into `out`.

    `same` names the label that each value of the plane stands for. Labels are numbered as they appear: `numbers` has
    -1 for each of them, and gets the number of those that do; `order` gets the label of each number. Returns how many
    bytes were written, or -1 if they are too many, and how many numbers there are.
    """
    height, width = plane.shape
    flat = plane.reshape(-1)
    room = out.size - WORST
    order[0] = same[flat[0]]
    numbers[order[0]] = 0
    known, at, done = 1, 0, 0
    band = max(1, BAND // width)
    differs = np.empty((band * width + 7) // 8 * 8, np.uint8)
    found = np.empty(differs.size + 1, np.uint32)
    for first in range(0, height, band):
        count = differing(plane, first, differs, found)
        start = first * width
        end_of_row, i = start + width, 0
        while i < count:
            if at > room:
                return -1, known
            begin = start + int(found[i])
            value = flat[begin]
            while begin >= end_of_row:
                end_of_row += width
            end = begin + 1
            i += 1
            while i < count and start + int(found[i]) == end and end < end_of_row and flat[end] == value:
                end += 1
                i += 1
            many = end - begin
            skip = begin - done
            done = end
            left = (begin > end_of_row - width) & (flat[begin - 1] == value)
            right = (end < end_of_row) & (end > width) & (flat[max(0, end - width)] == value)
            if (left | right) & (many <= 2) & (skip < SKIP):
                # Three of four: nothing here depends on a branch that nobody foresees.
                out[at] = np.uint8((2 * many - 1 - left) << 5 | skip)
                at += 1
                continue
            code = LEFT if left else ABOVE if right else INDEX
            code += 2 * min(many - 1, 2) if code != INDEX else many == 1
            out[at] = np.uint8(code << 5 | min(skip, SKIP))
            at += 1
            if skip >= SKIP:
                at = put(skip - SKIP, out, at)
            if code >= INDEX:
                if many > 1:
                    at = put(many - 2, out, at)
                label = same[value]
                number = numbers[label]
                if number < 0:
                    number = numbers[label] = known
                    order[known] = label
                    known += 1
                at = put(number, out, at)
            elif many > 2:
                at = put(many - 3, out, at)
    return at, known


@jit
def take(code: Array, at: int) -> tuple[int, int]:
    """Read a number that `put` wrote, and where the next begins; -1 where there is none."""
    number, shift = 0, 0
    while at < code.size and shift < 42:
        byte = int(code[at])
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at
    return -1, at


@jit
def read(code: Array, out: Array) -> bool:
    """Fill `out` (height, width) with the numbers that `write` wrote as `code`; False where they leave it."""
    width = out.shape[1]
    flat = out.reshape(-1)
    flat[:width] = 0
    ready, pixel, at = width, 0, 0
    while at < code.size:
        first = int(code[at])
        at += 1
        skip, kind, many, number, more = first & SKIP, first >> 5, 1, 0, 0
        if skip == SKIP:
            more, at = take(code, at)
            if more < 0:
                return False
            skip += more
        if kind == INDEX:
            more, at = take(code, at)
            many = 2 + more
        elif kind < 4:
            many += kind >> 1
        elif kind < INDEX:
            more, at = take(code, at)
            many = 3 + more
        if kind >= INDEX:
            number, at = take(code, at)
        pixel += skip
        if more < 0 or number < 0 or pixel + many > flat.size:
            return False
        while ready < pixel + many:
            flat[ready : ready + width] = flat[ready - width : ready]
            ready += width
        if kind < INDEX:
            beside = pixel + many if kind & 1 else pixel - 1
            if not 0 <= beside < ready:
                return False
            number = int(flat[beside])
        flat[pixel : pixel + many] = number
        pixel += many
    while ready < flat.size:
        flat[ready : ready + width] = flat[ready - width : ready]
        ready += width
    return True
