"""Basins of a height field: each voxel goes down to its lowest neighbour, until it is at the bottom of a basin.

Where a voxel goes depends on its neighbours alone, so a block with one more voxel around it finds the same ways down
as the whole volume; ways that leave the block are marked on its faces, for whoever joins the pieces.
"""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["CORE", "LEAVES", "basins"]

LEAVES = 1
"""A voxel of a face whose way down leads through that face."""

CORE = 2
"""A voxel as deep as any can be; those that touch belong together."""


@jit
def _root(parent: Array, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def _join(parent: Array, i: int, j: int) -> None:
    i, j = _root(parent, i), _root(parent, j)
    if i < j:
        parent[j] = i
    else:
        parent[i] = j


@jit
def _down(heights: Array, z: int, y: int, x: int, flat: bool) -> int:
    """Which way is down: 0 to 5 for -z, -y, -x, +x, +y, +z, or -1 at the bottom. Of equals the first in C order."""
    nz, ny, nx = heights.shape
    best, way = heights[z, y, x], -1
    # What comes before the voxel in C order wins a tie against it, what comes after does not.
    if not flat and z > 0 and heights[z - 1, y, x] <= best:
        best, way = heights[z - 1, y, x], 0
    if y > 0 and (heights[z, y - 1, x] < best or (way < 0 and heights[z, y - 1, x] == best)):
        best, way = heights[z, y - 1, x], 1
    if x > 0 and (heights[z, y, x - 1] < best or (way < 0 and heights[z, y, x - 1] == best)):
        best, way = heights[z, y, x - 1], 2
    if x + 1 < nx and heights[z, y, x + 1] < best:
        best, way = heights[z, y, x + 1], 3
    if y + 1 < ny and heights[z, y + 1, x] < best:
        best, way = heights[z, y + 1, x], 4
    if not flat and z + 1 < nz and heights[z + 1, y, x] < best:
        way = 5
    return way


@jit
def basins(heights: Array, low: Array, shape: Array, floor: float, flat: bool, labels: Array, marks: Array) -> Array:
    """Label the pieces of basins in a block, by first voxel in C order, and return that voxel's flat index for each.

    Parameters
    ----------
    heights : array of float32, (z, y, x)
        Of the block and, where the volume goes on, one voxel more around it.
    low, shape : array of int, (3,)
        Where in `heights` the block is.
    floor : float
        The lowest height there is; touching voxels of it are one bottom.
    flat : bool
        Whether ways lead within sections only.
    labels : array of uint32, (z, y, x)
        Takes the labels, 1, 2, …
    marks : array of uint8, (6, n)
        Takes `LEAVES` and `CORE` of the outermost voxels at -z, -y, -x, +x, +y, +z, row by row; n is the largest face.
    """
    nz, ny, nx = shape[0], shape[1], shape[2]
    parent = np.arange(nz * ny * nx)
    steps = (-ny * nx, -nx, -1, 1, nx, ny * nx)
    marks[...] = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                hz, hy, hx = z + low[0], y + low[1], x + low[2]
                i = (z * ny + y) * nx + x
                core = heights[hz, hy, hx] == floor
                if core:
                    if not flat and z > 0 and heights[hz - 1, hy, hx] == floor:
                        _join(parent, i, i + steps[0])
                    if y > 0 and heights[hz, hy - 1, hx] == floor:
                        _join(parent, i, i + steps[1])
                    if x > 0 and heights[hz, hy, hx - 1] == floor:
                        _join(parent, i, i + steps[2])
                    way = -1
                else:
                    way = _down(heights, hz, hy, hx, flat)
                leaves = _mark(marks, way, core, z, y, x, nz, ny, nx)
                if way >= 0 and not leaves:
                    _join(parent, i, i + steps[way])
    return _number(parent, labels.reshape(-1))


@jit
def _mark(marks: Array, way: int, core: bool, z: int, y: int, x: int, nz: int, ny: int, nx: int) -> bool:
    """Note on the faces what whoever joins the block must know of a voxel, and whether its way leads out."""
    leaves = False
    for face in range(6):
        if face == 0 or face == 5:
            on, at = z == (0 if face == 0 else nz - 1), y * nx + x
        elif face == 1 or face == 4:
            on, at = y == (0 if face == 1 else ny - 1), z * nx + x
        else:
            on, at = x == (0 if face == 2 else nx - 1), z * ny + y
        if on:
            if core:
                marks[face, at] |= CORE
            if way == face:
                marks[face, at] |= LEAVES
                leaves = True
    return leaves


@jit
def _number(parent: Array, labels: Array) -> Array:
    """Give the sets the numbers 1, 2, … by their smallest members, and return those."""
    n = 0
    for i in range(parent.size):
        if parent[i] == i:
            n += 1
    first = np.empty(n, np.int64)
    n = 0
    for i in range(parent.size):
        if parent[i] == i:
            first[n] = i
            n += 1
            labels[i] = n
        else:
            # The root is smaller, so it has its number already; so has every voxel before this one.
            labels[i] = labels[_root(parent, i)]
    return first
