"""Who owns each voxel of a block, and how far away its surface is.

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ndlab.samples.neuropil.rods import FIELDS, MOST, NEURITE_LENGTH, Array, Model, hash4, jit, phase, segment_id, unit

MITO_EVERY = 6.0  # cells along a neurite
GRANULE_NM = 26.0


class Work(NamedTuple):
    """Arrays in which one block is worked out: by rod (a row each), by row of voxels, and by voxel (row, x)."""

    corners: Array
    rods: Array  # rod -> family, a, b
    shape: Array  # rod -> u, v, weight, kind
    ids: Array  # rod -> id before and after its cut
    along: Array  # rod -> cut, middle and half length of a mitochondrion, in cells from the block's corner
    look: Array  # rod -> radius of the mitochondrion, its place off the axis, slope per nm, grey
    ends: Array  # row -> the fields at its left end, then their rise to its right end
    lane: Array
    d1: Array
    d2: Array
    i1: Array
    i2: Array
    gap: Array  # nm to the surface of the neurite
    mine: Array  # id
    deep: Array  # inside a mitochondrion: 0 at its skin, 1 at its axis; negative elsewhere
    stripe: Array  # phase of its cristae
    dark: Array  # of a synaptic density, 0 to 1
    bubble: Array  # nm to the nearest vesicle
    which: Array  # row of `Sites` whose density this is, or -1
    near: Array
    step: Array  # voxels between granules
    nodes: Array  # granules along a row
    fine: Array  # texture along a row
    slow: Array


def workspace(model: Model, synapses: int) -> Work:
    """Allocate what `paint` needs."""
    depth, height, width = (int(n) for n in model.block)
    plane = (depth * height, width)
    real = {name: np.empty(plane, np.float32) for name in ("d1", "d2", "gap", "deep", "stripe", "dark", "bubble")}
    return Work(
        corners=np.empty((8, FIELDS)),
        rods=np.empty((MOST, 3), np.int64),
        shape=np.empty((MOST, 4)),
        ids=np.empty((MOST, 2), np.uint64),
        along=np.empty((MOST, 3), np.float32),
        look=np.empty((MOST, 4), np.float32),
        ends=np.empty((depth * height, 2 * FIELDS), np.float32),
        lane=(np.arange(width) / width).astype(np.float32),
        i1=np.empty(plane, np.int32),
        i2=np.empty(plane, np.int32),
        mine=np.empty(plane, np.uint64),
        which=np.empty(plane, np.int32),
        near=np.empty(synapses + 1, np.int64),
        nodes=np.empty(width + 3),
        fine=np.empty(width),
        slow=np.empty(width),
        step=np.maximum(1, np.round(GRANULE_NM / model.voxel)).astype(np.int64),
        **real,
    )


@jit
def row_ends(corners: Any, block: Any, box: Any, ends: Any) -> None:
    """Every field at the left end of each row of a block, and its rise along the row; places from the first corner."""
    rows = 0
    for z in range(box[0], box[1]):
        fz = z / block[0]
        for y in range(box[2], box[3]):
            fy = y / block[1]
            for field in range(FIELDS):
                origin = corners[0, field] if field < 3 else 0.0
                near = corners[0, field] * (1 - fy) + corners[2, field] * fy
                far = corners[4, field] * (1 - fy) + corners[6, field] * fy
                left = near * (1 - fz) + far * fz
                near = corners[1, field] * (1 - fy) + corners[3, field] * fy
                far = corners[5, field] * (1 - fy) + corners[7, field] * fy
                ends[rows, field] = left - origin
                ends[rows, FIELDS + field] = near * (1 - fz) + far * fz - left
            rows += 1


@jit
def compete(rows: int, lo: int, hi: int, lane: Any, ends: Any, f: int, u: Any, v: Any, w: Any, k: Any,
            d1: Any, d2: Any, i1: Any, i2: Any) -> None:  # fmt: skip
    """Update the two smallest weighted squared distances of every voxel of a block with those of rod `k`."""
    g, h = (f + 1) % 3, (f + 2) % 3
    for r in range(rows):
        au, bu, av, bv = ends[r, g] - u, ends[r, FIELDS + g], ends[r, h] - v, ends[r, FIELDS + h]
        af, bf = ends[r, 3 + f] * w, ends[r, FIELDS + 3 + f] * w
        for x in range(lo, hi):
            t = lane[x]
            p, q = au + bu * t, av + bv * t
            m = (p * p + q * q) * (af + bf * t)
            one, two, first, second = d1[r, x], d2[r, x], i1[r, x], i2[r, x]
            d2[r, x] = one if m < one else (m if m < two else two)
            i2[r, x] = first if m < one else (k if m < two else second)
            d1[r, x] = m if m < one else one
            i1[r, x] = k if m < one else first


@jit
def contest(work: Work, n: int, rows: int, lo: int, hi: int) -> None:
    """Find the first and second rod of every voxel of a block."""
    work.d1[:rows] = np.float32(1e30)
    work.d2[:rows] = np.float32(1e30)
    for k in range(n):
        f = work.rods[k, 0]
        u = np.float32(work.shape[k, 0] - work.corners[0, (f + 1) % 3])
        v = np.float32(work.shape[k, 1] - work.corners[0, (f + 2) % 3])
        w = np.float32(work.shape[k, 2])
        compete(rows, lo, hi, work.lane, work.ends, f, u, v, w, np.int32(k), work.d1, work.d2, work.i1, work.i2)


@jit
def prepare(model: Model, work: Work, n: int) -> tuple[bool, bool]:
    """Fill in what each rod of a block carries; return whether any is cut there and whether any has a mitochondrion."""
    cut, organelle = False, False
    for k in range(n):
        f, a, b = work.rods[k, 0], work.rods[k, 1], work.rods[k, 2]
        corners = work.corners[:, f]
        t0, t1, base = corners.min(), corners.max(), corners[0]
        work.ids[k, 0], work.ids[k, 1] = segment_id(model, f, a, b, t0), segment_id(model, f, a, b, t1)
        cut |= work.ids[k, 0] != work.ids[k, 1]
        shift = phase(model, f, a, b)
        work.along[k, 0] = (math.floor(t1 / NEURITE_LENGTH + shift) - shift) * NEURITE_LENGTH - base
        stretch = math.floor((t0 + t1) / (2 * MITO_EVERY))
        h = hash4(model.seed, 80 + f, a, b, int(stretch))
        middle, half = (stretch + 0.3 + 0.4 * unit(h, 0)) * MITO_EVERY, 0.6 + 0.7 * unit(h, 1)
        work.along[k, 1], work.along[k, 2] = middle - base, half
        dendrite = work.shape[k, 3] > 0
        there = middle - half < t1 and middle + half > t0 and unit(h, 2) < (0.7 if dendrite else 0.4)
        organelle |= there
        work.look[k, 0] = (0.17 if dendrite else 0.13) + 0.07 * unit(h, 3) if there else 0.0
        work.look[k, 1] = 0.14 * (unit(h, 3) - 0.5)
        work.look[k, 2] = math.sqrt(work.shape[k, 2] * work.corners[:, 3 + f].mean()) / model.cell
        work.look[k, 3] = (5.0 if dendrite else -5.0) + 16.0 * (unit(hash4(model.seed, 85 + f, a, b, 0), 0) - 0.5)
    return cut, organelle


@jit
def borders(rows: int, lo: int, hi: int, look: Any, d1: Any, d2: Any, i1: Any, i2: Any, gap: Any) -> None:
    """Distance [nm] from each voxel to the surface of its neurite."""
    for r in range(rows):
        for x in range(lo, hi):
            slope = look[i1[r, x], 2] + look[i2[r, x], 2]
            gap[r, x] = (np.sqrt(d2[r, x]) - np.sqrt(d1[r, x])) / slope


@jit
def owners(rows: int, lo: int, hi: int, ids: Any, i1: Any, mine: Any) -> None:
    """Write the id of each voxel, cuts aside."""
    for r in range(rows):
        for x in range(lo, hi):
            mine[r, x] = ids[i1[r, x], 0]


@jit
def past_cut(work: Work, k: int, r: int, x: int) -> float:
    """How far [cells] a voxel lies past the cut of rod `k`."""
    f = work.rods[k, 0]
    return float(work.ends[r, f] + work.ends[r, FIELDS + f] * work.lane[x] - work.along[k, 0])


@jit
def cuts(model: Model, work: Work, rows: int, lo: int, hi: int) -> None:
    """Correct ids and distances where a neurite ends and the next one on the same rod begins."""
    for r in range(rows):
        for x in range(lo, hi):
            k = work.i1[r, x]
            if work.ids[k, 0] != work.ids[k, 1]:
                past = past_cut(work, k, r, x)
                if past >= 0:
                    work.mine[r, x] = work.ids[k, 1]
                work.gap[r, x] = min(work.gap[r, x], abs(past) * model.cell)
