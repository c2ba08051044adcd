"""Grey values: what a microscope would record of what is there.

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ndlab.samples.neuropil.contest import Work
from ndlab.samples.neuropil.organelles import HALO_NM
from ndlab.samples.neuropil.rods import Model, hash4, jit, mix, unit

SHEET = 6  # granules


@jit
def granules(seed: Any, step: Any, z: int, y: int, x0: int, x1: int, nodes: Any) -> None:
    """Random granules at the lattice points along a row, already interpolated in z and y, in [-1, 1]."""
    lz, ly = z // step[0], y // step[1]
    fz, fy = (z - lz * step[0]) / step[0], (y - ly * step[1]) / step[1]
    first = x0 // step[2]
    for lx in range(first, (x1 - 1) // step[2] + 2):
        total = 0.0
        for corner in range(4):
            cz, cy = corner >> 1, corner & 1
            weight = (fz if cz else 1 - fz) * (fy if cy else 1 - fy)
            if weight > 0:
                key = seed + np.uint64(lz + cz) * np.uint64(0x9E3779B97F4A7C15)
                key += np.uint64(ly + cy) * np.uint64(0xD1B54A32D192ED03)
                key += np.uint64(lx) * np.uint64(0xABC98388FB8FAC03)
                total += weight * unit(mix(key), 1)
        nodes[lx - first] = 2.0 * total - 1.0


@jit
def speckle(key: Any, x: int) -> float:
    """Detector noise: nearly normal, mean 0, standard deviation 1."""
    h = mix(key + np.uint64(x) * np.uint64(0x9E3779B97F4A7C15))
    total = (h & np.uint64(0xFFFF)) + ((h >> np.uint64(16)) & np.uint64(0xFFFF))
    total += ((h >> np.uint64(32)) & np.uint64(0xFFFF)) + (h >> np.uint64(48))
    return (np.int64(total) / 65536.0 - 2.0) * 1.7320508


@jit
def blend(value: float, target: float, amount: float) -> float:
    """Move `value` towards `target`."""
    return value + (target - value) * amount


@jit
def texture(seed: Any, step: Any, z: int, y: int, x0: int, x1: int, nodes: Any, out: Any) -> None:
    """Smooth noise of one bump per `step` voxels along a row, in [-1, 1]."""
    granules(seed, step, z, y, x0, x1, nodes)
    node, left = 0, x0 - x0 // step[2] * step[2]
    for x in range(x1 - x0):
        if left == step[2]:
            node, left = node + 1, 0
        out[x] = blend(nodes[node], nodes[node + 1], left / step[2])
        left += 1


@jit
def grey(value: float, gap: float, deep: float, stripe: float, dark: float, bubble: float) -> float:
    """Grey value of a voxel, before detector noise, from what is there."""
    if deep > 0.0:
        rim = (deep * 7.0) ** 2
        value = blend(blend(value, 112.0, 0.8) + 10.0 * math.sin(stripe), 72.0, 1.0 / (1.0 + rim * rim))
    elif bubble < HALO_NM:
        value = blend(value, 178.0, 0.5) if bubble < 9.0 else blend(value, 88.0, 0.85)
    edge = gap * (1.0 / 12.5)
    edge *= edge
    value = blend(value, 74.0, 1.0 / (1.0 + edge * edge))
    return blend(value, 46.0 + 0.18 * (value - 74.0), dark)


@jit
def expose(model: Model, work: Work, image: Any, z: int, y: int, x0: int, r: int, lo: int, hi: int) -> None:
    """Grey values of one row of a block, from everything known about its voxels."""
    wide = (SHEET * work.step[0], SHEET * work.step[1], SHEET * work.step[2])
    slim = (work.step[0], work.step[1], work.step[2])
    texture(model.seed, slim, z, y, x0 + lo, x0 + hi, work.nodes, work.fine)
    texture(model.seed + np.uint64(1), wide, z, y, x0 + lo, x0 + hi, work.nodes, work.slow)
    fine, slow, look, i1 = work.fine, work.slow, work.look, work.i1[r]
    key = hash4(model.seed, 95, z, y, 0)
    section = 168.0 + 3.0 * (unit(hash4(model.seed, 96, z, 0, 0), 0) - 0.5)
    gap, deep, stripe, dark, bubble = work.gap[r], work.deep[r], work.stripe[r], work.dark[r], work.bubble[r]
    for x in range(lo, hi):
        grain, sheet = fine[x - lo], slow[x - lo]
        # Cytoplasm is pale with darker specks, which eat a little into the membranes; reticulum lies where the slow
        # texture crosses a level.
        value = section + look[i1[x], 3] + 9.0 * sheet + (26.0 if grain > 0 else 52.0) * grain
        value -= 55.0 * max(0.0, 1.0 - 16.0 * abs(sheet - 0.28)) * min(1.0, max(0.0, 0.02 * gap[x] - 0.8))
        value = grey(value, max(gap[x] + 4.0 * grain, 0.0), deep[x], stripe[x], dark[x], bubble[x])
        value += 8.0 * speckle(key, x0 + x)
        image[x - lo] = np.uint8(min(max(value, 0.0), 255.0))
