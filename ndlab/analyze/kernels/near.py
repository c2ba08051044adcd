"""Pairs of labels that come near each other, from every voxel of a block to those at the given offsets."""

from __future__ import annotations

import numpy as np

from ndlab.measure.kernels.jit import Array, jit

__all__ = ["nearest"]


@jit
def nearest(
    local: Array, corner: Array, core: Array, offsets: Array, origin: Array, size: Array, empty: int
) -> tuple[Array, Array]:
    """Return the pairs of local labels that meet at one of the offsets, and the best meeting of each as one number.

    The core begins at `corner` of `local`; `offsets` (m, 3) ascend by distance, and lead to later voxels only, so each
    pair of voxels is looked at once. A meeting is ``offset << 44 | place``, where place is the index of the earlier
    voxel in the whole volume of `size`, whose voxel `origin` is the core's first. The smallest is the nearest one.
    """
    from_pair = {np.int64(0): np.int64(0)}
    del from_pair[np.int64(0)]
    nz, ny, nx = local.shape
    for z in range(corner[0], corner[0] + core[0]):
        for y in range(corner[1], corner[1] + core[1]):
            for x in range(corner[2], corner[2] + core[2]):
                a = np.int64(local[z, y, x])
                if a == empty:
                    continue
                inner = 0 < z < nz - 1 and 0 < y < ny - 1 and 0 < x < nx - 1
                if inner and (
                    local[z - 1, y, x] == a
                    and local[z + 1, y, x] == a
                    and local[z, y - 1, x] == a
                    and local[z, y + 1, x] == a
                    and local[z, y, x - 1] == a
                    and local[z, y, x + 1] == a
                ):
                    continue  # What is nearest to another label lies on the surface.
                place = ((z - corner[0] + origin[0]) * size[1] + y - corner[1] + origin[1]) * size[2] + (
                    x - corner[2] + origin[2]
                )
                for k in range(len(offsets)):
                    p, q, r = z + offsets[k, 0], y + offsets[k, 1], x + offsets[k, 2]
                    if p < 0 or q < 0 or r < 0 or p >= nz or q >= ny or r >= nx:
                        continue
                    b = np.int64(local[p, q, r])
                    if b in (a, empty):
                        continue
                    pair = (min(a, b) << 32) | max(a, b)
                    code = (np.int64(k) << 44) | np.int64(place)
                    if pair not in from_pair or code < from_pair[pair]:
                        from_pair[pair] = code
    pairs, codes = np.empty(len(from_pair), np.int64), np.empty(len(from_pair), np.int64)
    for n, pair in enumerate(from_pair):
        pairs[n], codes[n] = pair, from_pair[pair]
    return pairs, codes
