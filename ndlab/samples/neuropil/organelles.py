"""What lies inside the neurites: mitochondria, vesicles, and the densities of synapses.

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ndlab.samples.neuropil.contest import Work, past_cut
from ndlab.samples.neuropil.crossings import Sites
from ndlab.samples.neuropil.rods import FIELDS, Model, hash4, jit, unit

DENSITY_NM = 34.0  # depth of a density, either side of the contact
VESICLE_STEP, VESICLE_NM = 52.0, 20.0
HALO_NM = VESICLE_NM + 3.0  # as far as a vesicle shows


@jit
def organelles(work: Work, rows: int, lo: int, hi: int) -> None:
    """Depth inside mitochondria and the phase of their cristae."""
    for r in range(rows):
        for x in range(lo, hi):
            k = work.i1[r, x]
            if work.look[k, 0] == 0 or work.gap[r, x] < 17.0:
                continue
            f, t, ends = work.rods[k, 0], work.lane[x], work.ends[r]
            g, h = (f + 1) % 3, (f + 2) % 3
            u = ends[g] + ends[FIELDS + g] * t - (work.shape[k, 0] - work.corners[0, g]) - work.look[k, 1]
            v = ends[h] + ends[FIELDS + h] * t - (work.shape[k, 1] - work.corners[0, h]) + work.look[k, 1]
            along = ends[f] + ends[FIELDS + f] * t
            end = (along - work.along[k, 1]) / work.along[k, 2]
            room = work.look[k, 0] ** 2 * (1.0 - end**4)
            if room > 0:
                work.deep[r, x] = 1.0 - math.sqrt((u * u + v * v) / room)
                work.stripe[r, x] = 75.0 * (along - work.along[k, 1]) + 14.0 * (u - v)


@jit
def reached(model: Model, at: Any, where: Any, near: Any) -> int:
    """List in `near` the synapses whose contact or vesicle cloud reaches into a block."""
    n = 0
    for s in range(len(where)):
        off = 0.0
        for axis in range(3):
            low = at[axis] * model.voxel[axis]
            high = low + model.block[axis] * model.voxel[axis]
            away = max(low - where[s, axis], where[s, axis] - high, 0.0)
            off += away * away
        reach = max(where[s, 3], where[s, 4] + VESICLE_STEP)
        if off < reach * reach:
            near[n] = s
            n += 1
    return n


@jit
def density(model: Model, work: Work, sites: Sites, s: int, at: Any, box: Any) -> None:
    """Darken both sides of the contact of synapse `s`, and note whose density the dendrite's voxels are."""
    w, pre, post = sites.where[s], sites.ids[s, 1], sites.ids[s, 2]
    gap, mine, i2, ids = work.gap, work.mine, work.i2, work.ids
    r = -1
    for z in range(at[0] + box[0], at[0] + box[1]):
        for y in range(at[1] + box[2], at[1] + box[3]):
            r += 1
            row = ((z + 0.5) * model.voxel[0] - w[0]) ** 2 + ((y + 0.5) * model.voxel[1] - w[1]) ** 2
            if row >= w[3] * w[3]:
                continue
            for x in range(box[4], box[5]):
                if gap[r, x] >= DENSITY_NM or (mine[r, x] != pre and mine[r, x] != post):
                    continue
                if row + ((at[2] + x + 0.5) * model.voxel[2] - w[2]) ** 2 >= w[3] * w[3]:
                    continue
                k = i2[r, x]
                other = ids[k, 1 if ids[k, 0] != ids[k, 1] and past_cut(work, k, r, x) >= 0 else 0]
                if other == pre and mine[r, x] == post:
                    work.which[r, x] = s
                    work.dark[r, x] = 1.0 - 0.15 * gap[r, x] / DENSITY_NM
                elif other == post and mine[r, x] == pre:
                    work.dark[r, x] = 0.8 * (1.0 - gap[r, x] / DENSITY_NM)


@jit
def vesicles(model: Model, work: Work, w: Any, pre: Any, at: Any, box: Any) -> None:
    """Draw the vesicles of a synapse that reach into a block: one at most in each cell of a jittered lattice."""
    cells = np.empty((3, 2), np.int64)
    for axis in range(3):
        low, high = (at[axis] + box[2 * axis]) * model.voxel[axis], (at[axis] + box[2 * axis + 1]) * model.voxel[axis]
        low, high = max(low - HALO_NM, w[axis] - w[4]), min(high + HALO_NM, w[axis] + w[4])
        cells[axis, 0], cells[axis, 1] = math.floor(low / VESICLE_STEP), math.floor(high / VESICLE_STEP) + 1
    for a in range(cells[0, 0], cells[0, 1]):
        for b in range(cells[1, 0], cells[1, 1]):
            for c in range(cells[2, 0], cells[2, 1]):
                h = hash4(model.seed, 90, a, b, c)
                z = (a + 0.25 + 0.5 * unit(h, 0)) * VESICLE_STEP
                y = (b + 0.25 + 0.5 * unit(h, 1)) * VESICLE_STEP
                x = (c + 0.25 + 0.5 * unit(h, 2)) * VESICLE_STEP
                off = ((z - w[0]) ** 2 + (y - w[1]) ** 2 + (x - w[2]) ** 2) / (w[4] * w[4])
                if off < 1.0 and unit(h, 3) < 1.0 - 0.5 * off:
                    bubble(model, work.bubble, work.mine, work.gap, pre, (z, y, x), at, box)


@jit
def bubble(model: Model, out: Any, mine: Any, gap: Any, pre: Any, centre: Any, at: Any, box: Any) -> None:
    """Note the distance [nm] to a vesicle in the voxels of axon `pre` that it touches."""
    z, y, x = centre
    v0, v1, v2 = model.voxel[0], model.voxel[1], model.voxel[2]
    z0, z1 = max(box[0], math.floor((z - HALO_NM) / v0) - at[0]), min(box[1], math.ceil((z + HALO_NM) / v0) - at[0])
    y0, y1 = max(box[2], math.floor((y - HALO_NM) / v1) - at[1]), min(box[3], math.ceil((y + HALO_NM) / v1) - at[1])
    x0, x1 = max(box[4], math.floor((x - HALO_NM) / v2) - at[2]), min(box[5], math.ceil((x + HALO_NM) / v2) - at[2])
    for i in range(z0, z1):
        for j in range(y0, y1):
            r = (i - box[0]) * (box[3] - box[2]) + j - box[2]
            row = ((at[0] + i + 0.5) * v0 - z) ** 2 + ((at[1] + j + 0.5) * v1 - y) ** 2
            for k in range(x0, x1):
                if mine[r, k] == pre and gap[r, k] > 9.0:
                    away = math.sqrt(row + ((at[2] + k + 0.5) * v2 - x) ** 2)
                    out[r, k] = min(out[r, k], np.float32(away))
