"""The phantom's geometry: rods that fill space, bent by a smooth warp; every number is a hash of (seed, place).

Neurites are rods along three perpendicular directions in a packing where no two centre lines meet, each rod owning
the space nearest to it (distance divided by its calibre). The frame is turned and bent by two octaves of value noise,
so that nothing in the volume is straight, gently enough that every neurite stays in one piece. Lengths here
are in *cells* (the spacing of the packing), frame coordinates are called q.

Import this module inside functions only: it loads numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba as nb  # noqa: TID253 - this module is the lazy half of samples.phantom
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])
Array = np.ndarray[Any, Any]

DENDRITE_SHARE = 0.17
JITTER = 0.36  # full width, in cells; below 0.5 so that no two centre lines can meet
NEURITE_LENGTH = 22.0  # cells
FIELDS = 6  # q0, q1, q2 and the calibre field of each family
MOST = 1024  # rods that can compete in one block


def jit(function: F) -> F:
    """Compile without the GIL; keep the machine code on disk where the disk allows it."""
    try:
        return cast(F, nb.njit(nogil=True, cache=True, error_model="numpy")(function))
    except RuntimeError:  # no writable cache folder
        return cast(F, nb.njit(nogil=True, error_model="numpy")(function))


class Model(NamedTuple):
    """What the kernels need to know of a phantom."""

    seed: Any  # uint64
    cell: float  # nm
    voxel: Array  # nm, (z, y, x)
    block: Array  # voxels, (z, y, x): the pieces in which the warp is linear along each axis
    turn: Array  # 3 x 3, nm (z, y, x) to cells
    chance: float  # of a synapse where an axon crosses a dendrite


@jit
def mix(h: Any) -> Any:
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@jit
def hash4(seed: Any, a: int, b: int, c: int, d: int) -> Any:
    """64 random bits for four whole numbers."""
    h = mix(seed + np.uint64(a) * np.uint64(0x9E3779B97F4A7C15))
    h = mix(h + np.uint64(b) * np.uint64(0xD1B54A32D192ED03))
    return mix(h + np.uint64(c) * np.uint64(0xABC98388FB8FAC03) + np.uint64(d) * np.uint64(0x8CB92BA72F3D8DD7))


@jit
def unit(h: Any, part: int) -> float:
    """Make a number in [0, 1) from one of the four 16-bit parts of a hash."""
    return float((h >> np.uint64(16 * part)) & np.uint64(0xFFFF)) / 65536.0


@jit
def noise(seed: Any, which: int, z: float, y: float, x: float) -> float:
    """Smooth value noise in [-1, 1], one bump a unit."""
    iz, iy, ix = math.floor(z), math.floor(y), math.floor(x)
    fz, fy, fx = z - iz, y - iy, x - ix
    fz, fy, fx = fz * fz * (3 - 2 * fz), fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    total = 0.0
    for corner in range(8):
        cz, cy, cx = corner >> 2, (corner >> 1) & 1, corner & 1
        weight = (fz if cz else 1 - fz) * (fy if cy else 1 - fy) * (fx if cx else 1 - fx)
        total += weight * unit(hash4(seed, which, int(iz) + cz, int(iy) + cy, int(ix) + cx), 0)
    return 2.0 * total - 1.0


@jit
def fields(model: Model, z: float, y: float, x: float, out: Any) -> None:
    """Frame coordinates [cells] and the three calibre fields at a point [nm]."""
    for f in range(3):
        out[f] = model.turn[f, 0] * z + model.turn[f, 1] * y + model.turn[f, 2] * x
    a, b, c = out[0], out[1], out[2]
    for f in range(3):
        slow = noise(model.seed, 10 + f, a / 4, b / 4, c / 4)
        quick = noise(model.seed, 20 + f, a / 1.1, b / 1.1, c / 1.1)
        out[f] += 0.55 * slow + 0.12 * quick
        out[3 + f] = 1.0 + 0.45 * noise(model.seed, 30 + f, a / 0.9, b / 0.9, c / 0.9)


@jit
def unbend(model: Model, target: Any, place: Any, here: Any) -> None:
    """Point [nm] whose frame coordinates are `target`, by fixed-point iteration; fields there into `here`."""
    guess = target.copy()
    for _ in range(24):
        for axis in range(3):  # the turn is a rotation over the cell size, so its transpose undoes it
            place[axis] = 0.0
            for f in range(3):
                place[axis] += model.turn[f, axis] * guess[f] * model.cell * model.cell
        fields(model, place[0], place[1], place[2], here)
        for f in range(3):
            guess[f] += target[f] - here[f]


@jit
def rod(model: Model, family: int, a: int, b: int, out: Any) -> bool:
    """Centre (u, v) [cells] and weight of a rod into `out`; True for a dendrite."""
    h = hash4(model.seed, 40 + family, a, b, 0)
    dendrite = unit(h, 0) < DENDRITE_SHARE
    out[0] = a + JITTER * (unit(h, 1) - 0.5)
    out[1] = b + 0.5 + JITTER * (unit(h, 2) - 0.5)
    calibre = 1.5 + 0.8 * unit(h, 3) if dendrite else 0.55 + 0.65 * unit(h, 3)
    out[2] = 1.0 / (calibre * calibre)
    return bool(dendrite)


@jit
def phase(model: Model, family: int, a: int, b: int) -> float:
    """Where along itself a rod is cut into neurites, in neurite lengths."""
    return unit(hash4(model.seed, 50 + family, a, b, 0), 0)


@jit
def first_factor(seed: Any) -> Any:
    """Return the odd number that makes the ids of one seed differ from those of another."""
    return np.uint64(0xC4CEB9FE1A85EC53) ^ (seed << np.uint64(1))


@jit
def scramble(seed: Any, code: Any) -> Any:
    """Map 52-bit numbers one to one, 0 to itself: ids that look random and never collide."""
    low = np.uint64((1 << 52) - 1)
    code = (code ^ (code >> np.uint64(26))) & low
    code = (code * first_factor(seed)) & low
    code = code ^ (code >> np.uint64(26))
    code = (code * np.uint64(0xFF51AFD7ED558CCD)) & low
    return code ^ (code >> np.uint64(26))


@jit
def pack(kind: int, a: int, b: int, c: int) -> Any:
    """Three signed 16-bit numbers and a kind in 51 bits, never 0."""
    low = np.int64(0xFFFF)
    return (
        (np.uint64(kind + 8) << np.uint64(48))
        | (np.uint64(np.int64(a) & low) << np.uint64(32))
        | (np.uint64(np.int64(b) & low) << np.uint64(16))
        | np.uint64(np.int64(c) & low)
    )


@jit
def segment_id(model: Model, family: int, a: int, b: int, along: float) -> Any:
    """Id of the neurite that owns the rod at coordinate `along` [cells]."""
    piece = math.floor(along / NEURITE_LENGTH + phase(model, family, a, b))
    return scramble(model.seed, pack(family, a, b, int(piece)))


@jit
def corner_fields(model: Model, z0: int, y0: int, x0: int, corners: Any) -> None:
    """Fields at the eight corners (4 z + 2 y + x) of the block whose first voxel is given; voxel centres count."""
    for corner in range(8):
        z = (z0 + (corner >> 2) * model.block[0] + 0.5) * model.voxel[0]
        y = (y0 + ((corner >> 1) & 1) * model.block[1] + 0.5) * model.voxel[1]
        x = (x0 + (corner & 1) * model.block[2] + 0.5) * model.voxel[2]
        fields(model, z, y, x, corners[corner])


@jit
def rivals(model: Model, corners: Any, index: Any, shape: Any) -> int:
    """List the rods that come first or second somewhere in a block: (family, a, b) and (u, v, weight, kind)."""
    n = 0
    lower = np.empty(MOST)
    best, second = 1e30, 1e30
    for family in range(3):
        g, h = (family + 1) % 3, (family + 2) % 3
        u0, u1 = corners[:, g].min(), corners[:, g].max()
        v0, v1 = corners[:, h].min(), corners[:, h].max()
        f0, f1 = corners[:, 3 + family].min(), corners[:, 3 + family].max()
        for a in range(math.floor(u0) - 2, math.floor(u1) + 4):
            for b in range(math.floor(v0) - 2, math.floor(v1) + 3):
                if n == MOST:
                    return n
                dendrite = rod(model, family, a, b, shape[n])
                u, v, w = shape[n, 0], shape[n, 1], shape[n, 2]
                du, dv = max(u0 - u, u - u1, 0.0), max(v0 - v, v - v1, 0.0)
                eu, ev = max(abs(u0 - u), abs(u1 - u)), max(abs(v0 - v), abs(v1 - v))
                lower[n] = (du * du + dv * dv) * w * f0
                upper = (eu * eu + ev * ev) * w * f1
                if upper < best:
                    best, second = upper, best
                elif upper < second:
                    second = upper
                index[n, 0], index[n, 1], index[n, 2] = family, a, b
                shape[n, 3] = 1.0 if dendrite else 0.0
                n += 1
    kept = 0
    for k in range(n):
        if lower[k] <= second:
            index[kept] = index[k]
            shape[kept] = shape[k]
            kept += 1
    return kept
