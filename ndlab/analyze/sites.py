"""The separate places at which labels touch, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Box, Calibration
from ndlab.measure.blocks import How, gather, with_upper
from ndlab.measure.interning import interned
from ndlab.measure.keyed import Array
from ndlab.volume import Volume

__all__ = ["Sites", "contact_sites"]

# A voxel that faces a label it touches; a voxel may face several, and is then there once for each.
_FACING = np.dtype([("a", "u8"), ("b", "u8"), ("voxel", "i8")])


@dataclass(frozen=True)
class Sites:
    """Connected patches of contact, by pair of labels, then by their first voxel.

    Parameters
    ----------
    a, b : ndarray of uint64, shape (n,)
        The labels, ``a < b``.
    area : ndarray, shape (n,)
        Of the faces [nm²].
    place : ndarray, shape (n, 3)
        Mean of the faces' centres, by area [nm], (z, y, x).
    """

    a: Array
    b: Array
    area: Array
    place: Array


@dataclass(frozen=True)
class _Patches:
    """What one block knows: its patches, and of which of them the voxels are that another block may know, too."""

    first: Array  # _FACING: each patch's pair and first voxel, unique
    faces: Array  # (n, 3) across z, y, x
    sums: Array  # (n, 3, 3) of twice the places (z, y, x) of those faces
    rim: Array  # _FACING: voxels by the block's sides
    patch: Array  # the patch each of them belongs to


def contact_sites(labels: Volume, background: int | None, block: Any, how: How) -> Sites:
    """Return each connected patch of the contact of two labels once, the same for any blocks.

    Of two labels, the voxels that share a face with the other label are taken, of both; those that share a face are of
    one patch. A patch therefore follows steps and bends of the boundary, and ends where the two part for a voxel.
    """
    params = {"labels": labels, "background": background}
    none: tuple[_Patches, ...] = ()
    parts = gather("contact sites", _patches, labels, params, block, _both, none, how)
    return _sites(parts, np.array(labels.shape), labels.box, labels.calibration)


def _both(one: tuple[_Patches, ...], other: tuple[_Patches, ...]) -> tuple[_Patches, ...]:
    return one + other


def _patches(block: Box, labels: Volume, background: int | None) -> tuple[_Patches, ...]:
    box = with_upper(block, labels.box)
    local, ids = interned(labels.boxed(box).read())
    shape = np.array(local.shape)
    low, axis, one, other = _faces(local, np.array(block.shape), ids, background)
    if not len(low):
        return ()
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    pairs, pair = np.unique(np.minimum(one, other) * len(ids) + np.maximum(one, other), return_inverse=True)
    # A number for each voxel and pair it is in: the voxels of a pair are in a row.
    size = int(np.prod(shape))
    facing = np.concatenate([pair * size + low, pair * size + low + strides[axis]])
    nodes, at = np.unique(facing, return_inverse=True)
    of_pair, voxel = np.divmod(nodes, size)
    where = np.stack(np.unravel_index(voxel, tuple(shape.tolist())), axis=1)
    patch = _joined(nodes, [(stride, where[:, i] + 1 < shape[i]) for i, stride in enumerate(strides.tolist())])
    start = np.array(box.start)
    number = np.ravel_multi_index(
        tuple((where + start - np.array(labels.box.start)).T), tuple(int(n) for n in labels.shape)
    )
    keys = np.empty(len(nodes), _FACING)
    smaller, larger = (ids[part[of_pair]] for part in np.divmod(pairs, len(ids)))
    keys["a"], keys["b"] = np.minimum(smaller, larger), np.maximum(smaller, larger)
    keys["voxel"] = number
    lowest = np.lexsort((number, patch))
    firsts = lowest[np.r_[True, np.diff(patch[lowest]) > 0]]
    faces, sums = _measured(patch[at[: len(low)]], len(firsts), axis, where[at[: len(low)]] + start)
    last = np.array(block.shape) - 1
    rim = ((where == 0) | (where >= last)).any(axis=1)
    return (_Patches(keys[firsts], faces, sums, keys[rim], patch[rim]),)


def _faces(local: Array, inner: Array, ids: Array, background: int | None) -> tuple[Array, Array, Array, Array]:
    """Return the lower voxel, the axis and the labels on both sides of each face whose lower voxel is of the block."""
    blank = [] if background is None else np.flatnonzero(ids == background).tolist()
    found = []
    for axis in range(3):
        lower, upper = [slice(int(n)) for n in inner], [slice(int(n)) for n in inner]
        lower[axis] = slice(min(int(inner[axis]), local.shape[axis] - 1))
        upper[axis] = slice(1, lower[axis].stop + 1)
        one, other = local[tuple(lower)], local[tuple(upper)]
        there = one != other
        for label in blank:
            there &= (one != label) & (other != label)
        low = np.ravel_multi_index(np.nonzero(there), local.shape)
        found.append((low, np.full(len(low), axis), one[there].astype(np.int64), other[there].astype(np.int64)))
    low, across, one, other = (np.concatenate(column) for column in zip(*found, strict=True))
    return low, across, one, other


def _joined(nodes: Array, steps: list[tuple[int, Array]]) -> Array:
    """Return the patch of each of the sorted numbers, where a step to the next voxel leads to another of them."""
    source, target = [], []
    for step, inside in steps:
        begin = np.flatnonzero(inside)
        to = np.searchsorted(nodes, nodes[begin] + step)
        there = nodes[np.minimum(to, len(nodes) - 1)] == nodes[begin] + step
        source.append(begin[there])
        target.append(to[there])
    return _components(len(nodes), np.concatenate(source), np.concatenate(target))


def _components(n: int, source: Array, target: Array) -> Array:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(source), bool), (source, target)), shape=(n, n))
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def _measured(patch: Array, n: int, axis: Array, low: Array) -> tuple[Array, Array]:
    """Count each patch's faces across each axis, and add twice their places: in whole numbers, no order matters."""
    twice = 2 * low + 1
    twice[np.arange(len(axis)), axis] += 1
    at = patch * 3 + axis
    faces = np.bincount(at, minlength=3 * n).reshape(n, 3)
    # Float64 holds these whole numbers exactly: a block has fewer than 2^53 over its largest place.
    sums = [np.bincount(at, twice[:, i], 3 * n).astype(np.int64).reshape(n, 3) for i in range(3)]
    return faces, np.stack(sums, axis=2)


def _sites(parts: tuple[_Patches, ...], shape: Array, box: Box, calibration: Calibration) -> Sites:
    """Make one of the patches that blocks share: those of one voxel, and those of two voxels that share a face."""
    starts = np.cumsum([0, *(len(part.first) for part in parts)])
    if not starts[-1]:
        return Sites(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0), np.empty((0, 3)))
    first = np.concatenate([part.first for part in parts])
    rim = np.concatenate([part.rim for part in parts])
    patch = np.concatenate([part.patch + start for part, start in zip(parts, starts[:-1], strict=True)])
    whole = _components(len(first), *_links(rim, patch, shape))
    faces, sums = np.zeros((whole.max() + 1, 3), np.int64), np.zeros((whole.max() + 1, 3, 3), np.int64)
    np.add.at(faces, whole, np.concatenate([part.faces for part in parts]))
    np.add.at(sums, whole, np.concatenate([part.sums for part in parts]))
    order = np.lexsort((first["voxel"], first["b"], first["a"]))
    one = order[np.sort(np.unique(whole[order], return_index=True)[1])]
    size = np.array(calibration.voxel_size)
    face = np.array([size[1] * size[2], size[0] * size[2], size[0] * size[1]])
    area = faces[whole[one]] @ face
    centre = np.einsum("kac,a->kc", sums[whole[one]].astype(float), face) / (2 * area[:, None])
    return Sites(first["a"][one], first["b"][one], area, np.array(calibration.offset) + centre * size)


def _links(rim: Array, patch: Array, shape: Array) -> tuple[Array, Array]:
    """Return pairs of patches that have a voxel in common, or one each beside the other, of the same two labels."""
    pair = np.unique(rim[["a", "b"]], return_inverse=True)[1]
    size = int(np.prod(shape, dtype=object))
    rank = np.unique(rim["voxel"])  # Numbers stay small: of voxels at blocks' sides only.
    key = pair * len(rank) + np.searchsorted(rank, rim["voxel"])
    order = np.argsort(key, kind="stable")
    key, patch, pair, voxel = key[order], patch[order], pair[order], rim["voxel"][order]
    same = np.flatnonzero(key[1:] == key[:-1])
    source, target = [patch[same]], [patch[same + 1]]
    where = np.unravel_index(voxel, tuple(int(n) for n in shape))
    stride = size
    for axis in range(3):
        stride //= int(shape[axis])
        begin = np.flatnonzero(where[axis] + 1 < shape[axis])
        at = np.minimum(np.searchsorted(rank, voxel[begin] + stride), len(rank) - 1)
        begin, at = begin[rank[at] == voxel[begin] + stride], at[rank[at] == voxel[begin] + stride]
        wanted = pair[begin] * len(rank) + at
        to = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        source.append(patch[begin[key[to] == wanted]])
        target.append(patch[to[key[to] == wanted]])
    return np.concatenate(source), np.concatenate(target)
