"""Where the phantom's axons cross its dendrites, and which crossings are synapses.

Two perpendicular rods pass each other once; the crossing is a synapse if one is an axon and the other a dendrite, the
hash says so, and the two really touch there (no third neurite squeezes between them).

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ndlab.samples.neuropil.rods import (
    FIELDS,
    MOST,
    Array,
    Model,
    corner_fields,
    hash4,
    jit,
    pack,
    rivals,
    rod,
    scramble,
    segment_id,
    unbend,
    unit,
)

SITE = 5  # z, y, x [nm], radius of the contact [nm], radius of the vesicle cloud [nm]


class Sites(NamedTuple):
    """Synapses that may reach into the box: (id, pre, post) and (z, y, x, contact radius, cloud radius) in nm."""

    ids: Array
    where: Array


@jit
def two_nearest(model: Model, voxel: Any, index: Any, shape: Any, two: Any) -> None:
    """Rows of `index` of the rods that come first and second at a voxel."""
    block = np.empty(3, np.int64)
    part = np.empty(3)
    for axis in range(3):
        block[axis] = voxel[axis] // model.block[axis] * model.block[axis]
        part[axis] = (voxel[axis] - block[axis]) / model.block[axis]
    corners = np.empty((8, FIELDS))
    corner_fields(model, block[0], block[1], block[2], corners)
    n = rivals(model, corners, index, shape)
    here = np.zeros(FIELDS)
    for corner in range(8):
        wz = part[0] if corner >> 2 else 1 - part[0]
        wy = part[1] if (corner >> 1) & 1 else 1 - part[1]
        wx = part[2] if corner & 1 else 1 - part[2]
        for f in range(FIELDS):
            here[f] += wz * wy * wx * corners[corner, f]
    best, second = 1e30, 1e30
    for k in range(n):
        f = index[k, 0]
        du, dv = here[(f + 1) % 3] - shape[k, 0], here[(f + 2) % 3] - shape[k, 1]
        m = (du * du + dv * dv) * shape[k, 2] * here[3 + f]
        if m < best:
            best, second = m, best
            two[1], two[0] = two[0], k
        elif m < second:
            second = m
            two[1] = k


@jit
def meet(model: Model, f: int, one: Any, two: Any, place: Any, here: Any) -> None:
    """Point [nm] where the border of rods `one` (family f) and `two` (family f + 1) crosses the line between them."""
    g, h = (f + 1) % 3, (f + 2) % 3
    target = np.empty(3)
    target[f], target[g] = two[1], one[0]
    ratio = 1.0
    for _ in range(3):
        a, b = math.sqrt(one[2]), math.sqrt(two[2] * ratio)
        target[h] = one[1] + (two[0] - one[1]) * b / (a + b)
        unbend(model, target, place, here)
        ratio = here[3 + g] / here[3 + f]


@jit
def crossing(model: Model, f: int, a: int, b: int, c: int, side: int, low: Any, high: Any, ids: Any, site: Any) -> bool:
    """Fill `ids` (synapse, pre, post) and `site` if this crossing is a synapse inside the nm box."""
    g = (f + 1) % 3
    one, two = np.empty(4), np.empty(4)
    # Rod `one` runs along f at (q_g, q_h) = (a, b + 1/2); rod `two` runs along g at (q_h, q_f) = (b + side, c + 1/2).
    first = rod(model, f, a, b, one)
    if first == rod(model, g, b + side, c, two):
        return False
    dice = hash4(model.seed, 70 + 2 * f + side, a, b, c)
    if unit(dice, 0) >= model.chance:
        return False
    place, here = np.empty(3), np.empty(FIELDS)
    meet(model, f, one, two, place, here)
    voxel = np.empty(3, np.int64)
    for axis in range(3):
        if not low[axis] <= place[axis] < high[axis]:
            return False
        voxel[axis] = math.floor(place[axis] / model.voxel[axis])
    index, shape, nearest = np.empty((MOST, 3), np.int64), np.empty((MOST, 4)), np.zeros(2, np.int64)
    two_nearest(model, voxel, index, shape, nearest)
    found_one, found_two = False, False
    for k in nearest:
        found_one |= index[k, 0] == f and index[k, 1] == a and index[k, 2] == b
        found_two |= index[k, 0] == g and index[k, 1] == b + side and index[k, 2] == c
    if not (found_one and found_two):
        return False
    ids[0] = scramble(model.seed, pack(2 * f + side, a, b, c))
    # `first` says that rod `one` is the dendrite, the receiving side.
    ids[2 if first else 1] = segment_id(model, f, a, b, here[f])
    ids[1 if first else 2] = segment_id(model, g, b + side, c, here[g])
    site[0], site[1], site[2] = place[0], place[1], place[2]
    site[3] = 110.0 + 110.0 * unit(dice, 1) * unit(dice, 1)
    site[4] = 190.0 + 150.0 * unit(dice, 2)
    return True


@jit
def crossings(model: Model, low: Any, high: Any, ids: Any, sites: Any) -> int:
    """List the synapses whose anchor lies in the nm box [low, high); returns how many there are, listed or not."""
    qlow, qhigh = np.full(3, 1e30), np.full(3, -1e30)
    for corner in range(8):
        for f in range(3):
            q = 0.0
            for axis in range(3):
                q += model.turn[f, axis] * (high[axis] if (corner >> (2 - axis)) & 1 else low[axis])
            qlow[f], qhigh[f] = min(qlow[f], q), max(qhigh[f], q)
    n = 0
    one_ids, one_site = np.empty(3, np.uint64), np.empty(SITE)
    for f in range(3):
        g, h = (f + 1) % 3, (f + 2) % 3
        # The warp moves a point by less than 0.7 cells and jitter by less than 0.2: two cells of margin hold all.
        for a in range(math.floor(qlow[g]) - 2, math.floor(qhigh[g]) + 3):
            for b in range(math.floor(qlow[h]) - 2, math.floor(qhigh[h]) + 3):
                for c in range(math.floor(qlow[f]) - 2, math.floor(qhigh[f]) + 3):
                    for side in range(2):
                        if crossing(model, f, a, b, c, side, low, high, one_ids, one_site):
                            if n < len(ids):
                                ids[n] = one_ids
                                sites[n] = one_site
                            n += 1
    return n
