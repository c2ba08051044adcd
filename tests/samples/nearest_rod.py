"""The phantom's segmentation without its kernels: all rods around a voxel, compared one by one."""

from __future__ import annotations

from itertools import product

import numpy as np

from ndlab.samples import Phantom
from ndlab.samples.neuropil import rods
from ndlab.samples.neuropil.rendering import model_of


def owner(phantom: Phantom, voxel: list[int]) -> tuple[int, float]:
    """Id of the neurite whose rod is nearest, and by how much it beats the next, in weighted squared cells."""
    model = model_of((phantom.voxel_size, phantom.seed, phantom.cell, phantom.synapse_chance))
    here = interpolated(model, voxel)
    distances = []
    for family in range(3):
        u, v = here[(family + 1) % 3], here[(family + 2) % 3]
        for a, b in product(range(int(u) - 6, int(u) + 7), range(int(v) - 6, int(v) + 7)):
            shape = np.empty(4)
            rods.rod(model, family, a, b, shape)
            weighted = ((u - shape[0]) ** 2 + (v - shape[1]) ** 2) * shape[2] * here[3 + family]
            distances.append((weighted, family, a, b))
    (nearest, family, a, b), (second, *_) = sorted(distances)[:2]
    return int(rods.segment_id(model, family, a, b, here[family])), second - nearest


def interpolated(model: rods.Model, voxel: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Fields at a voxel: linear along each axis between the corners of its block."""
    first = [int(v // b * b) for v, b in zip(voxel, model.block, strict=True)]
    part = [(v - f) / b for v, f, b in zip(voxel, first, model.block, strict=True)]
    total = np.zeros(rods.FIELDS)
    for corner in product((0, 1), repeat=3):
        z, y, x = (np.array(first) + np.array(corner) * model.block + 0.5) * model.voxel
        here = np.empty(rods.FIELDS)
        rods.fields(model, z, y, x, here)
        total += here * np.prod([p if c else 1 - p for p, c in zip(part, corner, strict=True)])
    return total
