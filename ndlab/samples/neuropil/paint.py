"""The phantom block by block: every output of a box.

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ndlab.samples.neuropil.contest import Work, borders, contest, cuts, owners, prepare, row_ends
from ndlab.samples.neuropil.crossings import Sites
from ndlab.samples.neuropil.exposure import expose
from ndlab.samples.neuropil.organelles import VESICLE_NM, density, organelles, reached, vesicles
from ndlab.samples.neuropil.rods import Array, Model, corner_fields, jit, rivals

MEMBRANE, MITOCHONDRION, VESICLE = 1, 2, 4  # bits of `marks`
MEMBRANE_NM = 10.0  # from the border of a cell, either side


class Wanted(NamedTuple):
    """The outputs, (z, y, x) from `start`; the ones that nobody asked for are empty."""

    start: Array
    labels: Array
    image: Array
    marks: Array
    psd: Array


@jit
def mark(work: Work, r: int, lo: int, hi: int, marks: Any) -> None:
    """Write the truth about one row of a block, as bits."""
    for x in range(lo, hi):
        bits = MEMBRANE if work.gap[r, x] < MEMBRANE_NM else 0
        bits |= MITOCHONDRION if work.deep[r, x] > 0 else 0
        bits |= VESICLE if work.bubble[r, x] < VESICLE_NM and work.deep[r, x] <= 0 else 0
        marks[x - lo] = bits


@jit
def deliver(model: Model, work: Work, sites: Sites, out: Wanted, at: Any, box: Any) -> None:
    """Copy the rows of a block to the outputs."""
    lo, hi = box[4], box[5]
    x0, x1 = at[2] + lo - out.start[2], at[2] + hi - out.start[2]
    r = 0
    for z in range(at[0] + box[0], at[0] + box[1]):
        for y in range(at[1] + box[2], at[1] + box[3]):
            oz, oy = z - out.start[0], y - out.start[1]
            if len(out.labels):
                out.labels[oz, oy, x0:x1] = work.mine[r, lo:hi]
            if len(out.marks):
                mark(work, r, lo, hi, out.marks[oz, oy, x0:x1])
            if len(out.image):
                expose(model, work, out.image[oz, oy, x0:x1], z, y, at[2], r, lo, hi)
            if len(out.psd):
                for x in range(lo, hi):
                    if work.which[r, x] >= 0:
                        out.psd[oz, oy, x0 + x - lo] = sites.ids[work.which[r, x], 0]
            r += 1


@jit
def paint_block(model: Model, work: Work, sites: Sites, out: Wanted, at: Any, box: Any) -> None:
    """Fill the outputs with `box` (z0, z1, y0, y1, x0, x1) of the block whose first voxel is `at`."""
    rows, lo, hi = (box[1] - box[0]) * (box[3] - box[2]), box[4], box[5]
    corner_fields(model, at[0], at[1], at[2], work.corners)
    n = rivals(model, work.corners, work.rods, work.shape)
    cut, organelle = prepare(model, work, n)
    row_ends(work.corners, model.block, box, work.ends)
    contest(work, n, rows, lo, hi)
    owners(rows, lo, hi, work.ids, work.i1, work.mine)
    seen = len(out.image) + len(out.marks) + len(out.psd) > 0
    if seen:
        borders(rows, lo, hi, work.look, work.d1, work.d2, work.i1, work.i2, work.gap)
    if cut:
        cuts(model, work, rows, lo, hi)
    if seen:
        work.deep[:rows], work.dark[:rows], work.bubble[:rows] = -1.0, 0.0, 1e6
        work.which[:rows] = -1
        if organelle:
            organelles(work, rows, lo, hi)
        n_near = reached(model, at, sites.where, work.near)
        for j in range(n_near):
            s = work.near[j]
            density(model, work, sites, s, at, box)
            vesicles(model, work, sites.where[s], sites.ids[s, 1], at, box)
    deliver(model, work, sites, out, at, box)


@jit
def paint(model: Model, work: Work, sites: Sites, out: Wanted, low: Any, high: Any) -> None:
    """Fill those outputs that are not empty with the voxels of the box from `low` to `high`."""
    b0, b1, b2 = model.block[0], model.block[1], model.block[2]
    for z in range(low[0] // b0 * b0, high[0], b0):
        for y in range(low[1] // b1 * b1, high[1], b1):
            for x in range(low[2] // b2 * b2, high[2], b2):
                box = (
                    max(low[0] - z, 0), min(high[0] - z, b0), max(low[1] - y, 0), min(high[1] - y, b1),
                    max(low[2] - x, 0), min(high[2] - x, b2),
                )  # fmt: skip
                paint_block(model, work, sites, out, (z, y, x), box)
