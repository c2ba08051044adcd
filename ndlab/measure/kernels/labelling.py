"""Connected components of one block, numbered by their first voxel in C order, and the union of those of many."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["label", "unite"]


@jit
def root(parent: Array, i: Any) -> Any:
    """Smallest member of the set of `i`; halves the path on its way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def join(parent: Array, i: Any, j: Any) -> Any:
    """Join two sets and return their smallest member."""
    i, j = root(parent, i), root(parent, j)
    if i < j:
        parent[j] = i
        return i
    parent[i] = j
    return j


@jit
def label(values: Array, connectivity: int, sections: bool, labels: Array) -> Array:
    """Label the components of equal non-zero `values` in `labels` and return the flat index of each one's first voxel.

    Voxels are visited in C order and a set's root is its smallest member, which was made at the set's first voxel: so
    components come out numbered 1, 2, … by first voxel, as `scipy.ndimage.label` numbers them.

    Parameters
    ----------
    values : array, (z, y, x)
    connectivity : int
        1, 2 or 3: neighbours share a face, an edge or a corner.
    sections : bool
        Whether only voxels of one section are neighbours.
    labels : array of uint32, (z, y, x)
        Takes the result; 0 where `values` is 0.
    """
    nz, ny, nx = values.shape
    parent, first, count = np.empty(1024, np.uint32), np.empty(1024, np.int64), 0
    # The rows before this one that hold neighbours: (z, y-1), (z-1, y), and across an edge (z-1, y-1), (z-1, y+1).
    row_z, row_y = np.array([0, -1, -1, -1]), np.array([-1, 0, -1, 1])
    for z in range(nz):
        for y in range(ny):
            if count + nx > parent.size:
                room = max(2 * parent.size, count + nx)
                more_parent, more_first = np.empty(room, np.uint32), np.empty(room, np.int64)
                more_parent[:count], more_first[:count] = parent[:count], first[:count]
                parent, first = more_parent, more_first
            for x in range(nx):
                v = values[z, y, x]
                if v == 0:
                    labels[z, y, x] = 0
                    continue
                found = np.int64(-1)
                left = x > 0 and values[z, y, x - 1] == v
                if left:
                    found = np.int64(labels[z, y, x - 1]) - 1
                for r in range(4 if connectivity > 1 else 2):
                    zr, yr = z + row_z[r], y + row_y[r]
                    if zr < 0 or yr < 0 or yr >= ny or (sections and zr < z):
                        continue
                    above = values[zr, yr, x] == v
                    if above:
                        # Where the voxel to the left has the same neighbour row, it has joined it already.
                        if not (left and values[zr, yr, x - 1] == v):
                            other = np.int64(labels[zr, yr, x]) - 1
                            found = other if found < 0 else np.int64(join(parent, found, other))
                        continue
                    if connectivity < (2 if r < 2 else 3):
                        continue
                    if x > 0 and not left and values[zr, yr, x - 1] == v:
                        other = np.int64(labels[zr, yr, x - 1]) - 1
                        found = other if found < 0 else np.int64(join(parent, found, other))
                    if x + 1 < nx and values[zr, yr, x + 1] == v:
                        other = np.int64(labels[zr, yr, x + 1]) - 1
                        found = other if found < 0 else np.int64(join(parent, found, other))
                if found < 0:
                    found = np.int64(count)
                    parent[count] = count
                    first[count] = (np.int64(z) * ny + y) * nx + x
                    count += 1
                labels[z, y, x] = found + 1
    return _number(labels, parent, first, count)


@jit
def _number(labels: Array, parent: Array, first: Array, count: int) -> Array:
    """Replace provisional labels by 1, 2, … in the order of their roots."""
    n = 0
    starts = np.empty(count, np.int64)
    final = np.zeros(count + 1, np.uint32)
    for i in range(count):
        if parent[i] == i:
            starts[n] = first[i]
            n += 1
            final[i + 1] = n
        else:
            final[i + 1] = final[root(parent, i) + 1]
    flat = labels.reshape(-1)
    for i in range(flat.size):
        flat[i] = final[flat[i]]
    return starts[:n].copy()


@jit
def unite(left: Array, right: Array, count: int) -> Array:
    """Smallest member of the set of each of `count` nodes, after ``left[i]`` and ``right[i]`` were joined."""
    parent = np.arange(count)
    for i in range(left.size):
        join(parent, left[i], right[i])
    for i in range(count):
        parent[i] = root(parent, i)
    return parent
