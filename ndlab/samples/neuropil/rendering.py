"""Between the phantom and its compiled kernels: parameters in, filled arrays and tables out.

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Grid
from ndlab.samples.neuropil.contest import workspace
from ndlab.samples.neuropil.crossings import SITE, Sites, crossings
from ndlab.samples.neuropil.paint import Wanted, paint
from ndlab.samples.neuropil.rods import Model, first_factor, rod

Array = np.ndarray[Any, Any]
Recipe = tuple[tuple[float, float, float], int, float, float]  # voxel size, seed, cell, chance of a synapse

BLOCK_NM = 128.0  # the warp is linear over this length; a third of its shortest wave
REACH_NM = 400.0  # a synapse paints at most this far from its anchor
TILE_NM = 1600.0  # synapses are looked for, and remembered, in cubes of this side
PART = 256  # voxels a side rendered at once, so that each part has few synapses to look through
BITS = {"membranes": 1, "mitochondria": 2, "vesicles": 4}
LOW = (1 << 52) - 1


@lru_cache(maxsize=64)
def model_of(recipe: Recipe) -> Model:
    """Make the kernels' view of a phantom's parameters."""
    voxel_size, seed, cell, synapse_chance = recipe
    voxel = np.array(voxel_size)
    block = np.clip(np.round(BLOCK_NM / voxel), 4, 64).astype(np.int64)
    return Model(np.uint64(seed), cell, voxel, block, turn() / cell, synapse_chance)


def turn() -> Array:
    """Return a rotation that leaves none of the three families of neurites along an axis of the volume."""
    matrix = np.eye(3)
    for axis, angle in ((0, 0.62), (1, 0.48), (2, 0.71)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[i, i] = step[j, j] = math.cos(angle)
        step[i, j], step[j, i] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ step
    return matrix


def anchored(recipe: Recipe, low: Array, high: Array) -> Sites:
    """List the synapses anchored in the nm box [low, high), by id."""
    tiles = [range(math.floor(a / TILE_NM), math.ceil(b / TILE_NM)) for a, b in zip(low, high, strict=True)]
    found = [in_tile(recipe, tile) for tile in itertools.product(*tiles)]
    ids = np.concatenate([sites.ids for sites in found])
    where = np.concatenate([sites.where for sites in found])
    inside = ((where[:, :3] >= low) & (where[:, :3] < high)).all(1)
    order = np.flatnonzero(inside)[np.argsort(ids[inside, 0])]
    return Sites(ids[order], where[order])


@lru_cache(maxsize=4096)
def in_tile(recipe: Recipe, tile: tuple[int, int, int]) -> Sites:
    """List the synapses anchored in one cube of `TILE_NM`."""
    low = np.array(tile) * TILE_NM
    room = 64
    while True:
        ids, where = np.empty((room, 3), np.uint64), np.empty((room, SITE))
        n = int(crossings(model_of(recipe), low, low + TILE_NM, ids, where))
        if n <= room:
            return Sites(ids[:n].copy(), where[:n].copy())
        room = n


def render(recipe: Recipe, box: Box, arrays: dict[str, Array]) -> None:
    """Fill the arrays, all of the box's shape, with what their names say."""
    model = model_of(recipe)
    empty = {"labels": np.uint64, "image": np.uint8, "marks": np.uint8, "psd": np.uint64}
    fill = {name: arrays[name] if name in arrays else np.zeros((0, 0, 0), kind) for name, kind in empty.items()}
    wanted = [name for name in arrays if name in BITS]
    if wanted:
        fill["marks"] = np.empty(box.shape, np.uint8)
    for name in ("labels", "image", "psd"):
        if not fill[name].flags.c_contiguous:
            fill[name] = np.empty(box.shape, fill[name].dtype)
    fill["psd"][...] = 0
    out = Wanted(np.array(box.start), fill["labels"], fill["image"], fill["marks"], fill["psd"])
    none = Sites(np.empty((0, 3), np.uint64), np.empty((0, SITE)))
    for part in parts(box):
        low, high = np.array(part.start), np.array(part.stop)
        sites = none if list(arrays) == ["labels"] else around(recipe, low, high)
        paint(model, workspace(model, len(sites.ids)), sites, out, low, high)
    for name in arrays:
        if name in BITS:
            np.not_equal(fill["marks"] & BITS[name], 0, out=arrays[name])
        elif fill[name] is not arrays[name]:
            arrays[name][...] = fill[name]


def around(recipe: Recipe, low: Array, high: Array) -> Sites:
    """List the synapses that may paint a voxel of the box."""
    voxel = np.array(recipe[0])
    return anchored(recipe, low * voxel - REACH_NM, high * voxel + REACH_NM)


def parts(box: Box) -> Iterator[Box]:
    """Cut a box into pieces of at most `PART` voxels a side."""
    return (part.shift(box.start) for part in Grid(box.shape, (PART, PART, PART)))


def synapse_rows(recipe: Recipe, shape: Sequence[int], box: Box) -> list[tuple[Any, ...]]:
    """Id, ends, centroid [nm] and size [voxels] of the synapses anchored in a box, each measured whole."""
    model = model_of(recipe)
    rows: list[tuple[Any, ...]] = []
    for part in parts(box):
        sites = anchored(recipe, np.array(part.start) * model.voxel, np.array(part.stop) * model.voxel)
        rows += [measured(model, shape, sites, s) for s in range(len(sites.ids))]
    return sorted(row for row in rows if row[-1] > 0)


def measured(model: Model, shape: Sequence[int], sites: Sites, s: int) -> tuple[Any, ...]:
    """One row: the density of a synapse is painted and counted."""
    centre, radius = sites.where[s, :3], sites.where[s, 3]
    low = np.maximum(np.floor((centre - radius) / model.voxel), 0).astype(np.int64)
    high = np.minimum(np.ceil((centre + radius) / model.voxel), shape).astype(np.int64)
    psd = np.zeros(high - low, np.uint64)
    nothing = np.zeros((0, 0, 0), np.uint8)
    one = Sites(sites.ids[s : s + 1], sites.where[s : s + 1])
    paint(model, workspace(model, 1), one, Wanted(low, psd[:0, :0, :0], nothing, nothing, psd), low, high)
    voxels = np.nonzero(psd)
    size = len(voxels[0])
    middle = [(v.mean() + a + 0.5) * w if size else 0.0 for v, a, w in zip(voxels, low, model.voxel, strict=True)]
    return (*sites.ids[s].tolist(), *middle, size)


def kinds(recipe: Recipe, ids: Sequence[int] | Array) -> list[str]:
    """Axon or dendrite, from the ids alone: an id holds the place of its rod, scrambled one to one."""
    model, out = model_of(recipe), np.empty(4)
    answer = []
    for number in map(int, ids):
        code = unscrambled(int(model.seed), number)
        family = (code >> 48) - 8
        if not 0 <= family < 3:
            raise BadRequest(
                f"the kind of neurite {number}",
                "this phantom has no neurite with that id",
                "take ids from its labels() or synapses(); another seed has other ids",
            )
        answer.append("dendrite" if rod(model, family, signed(code >> 32), signed(code >> 16), out) else "axon")
    return answer


def signed(code: int) -> int:
    """Read the signed 16-bit number in the low bits."""
    low = code & 0xFFFF
    return low - 0x10000 if low >= 0x8000 else low


def unscrambled(seed: int, number: int) -> int:
    """Undo `scramble`; a shift by half the width undoes itself."""
    first, second = first_factor(np.uint64(seed)), 0xFF51AFD7ED558CCD
    number ^= number >> 26
    number = number * pow(second, -1, 1 << 52) & LOW
    number ^= number >> 26
    number = number * pow(int(first), -1, 1 << 52) & LOW
    return number ^ (number >> 26)
