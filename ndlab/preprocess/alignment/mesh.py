"""The displacements of all sections at once: what is left after the affine maps, spread over the whole stack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.maps import PlaneMap, affine_inverse
from ndlab.preprocess.alignment.matching import Match

__all__ = ["gaps", "inverted", "settle_mesh"]

STIFFNESS = 2e-2
PULL = 2e-3
"""On each node towards the affine map, beside weights up to 1 of each match: it decides only what matches leave open,
which is what all sections share over a hundred or so, and keeps that from drifting."""
_ROUNDS = 4
_SOFT = 1.0
"""Pixels apart at which a match has lost half of its weight."""


def settle_mesh(
    matrices: Sequence[Array], matches: Sequence[Match], grid: PlaneMap, stiffness: float = STIFFNESS
) -> Array:
    """Return the displacements (sections, ny, nx, 2) that are added in the common plane, as coefficients on `grid`."""
    from ndlab.preprocess.kernels.meshing import mesh

    u = np.zeros((len(matrices), *grid.nodes.shape))
    if not matches:
        return u
    first, spacing = np.array(grid.first), grid.spacing
    one, other, starts, ends, gap, trust = _gathered(matrices, matches)
    from_, to = (starts - first) / spacing, (ends - first) / spacing
    soft = np.ones(len(gap))
    for _ in range(_ROUNDS):
        mesh(one, other, from_, to, gap, trust * soft, stiffness, PULL, 200, u)
        apart = np.linalg.norm(gap - _difference(u, grid, one, other, starts, ends), axis=1)
        soft = 1 / (1 + (apart / _SOFT) ** 2)
    return u


def _gathered(matrices: Sequence[Array], matches: Sequence[Match]) -> tuple[Array, ...]:
    """Sections, places in the common plane, gaps and weights of all matches in one row."""
    parts = []
    for match in matches:
        starts, ends = (
            points @ matrices[z][:, :2].T + matrices[z][:, 2]
            for z, points in ((match.a, match.points), (match.b, match.targets))
        )
        n = len(starts)
        parts.append((np.full(n, match.a), np.full(n, match.b), starts, ends, ends - starts, match.trust))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _difference(u: Array, grid: PlaneMap, one: Array, other: Array, starts: Array, ends: Array) -> Array:
    """Return ``u(one) - u(other)``."""
    found = np.zeros_like(starts)
    for z in range(len(u)):
        shift = PlaneMap(np.zeros((2, 3)), u[z], grid.first, grid.spacing)
        found[one == z] += shift(starts[one == z])
        found[other == z] -= shift(ends[other == z])
    return found


def gaps(match: Match, matrices: Sequence[Array], u: Array | None, grid: PlaneMap) -> Array:
    """Distance of each matched point from its target in the common plane [pixels]."""
    starts, ends = (
        points @ matrices[z][:, :2].T + matrices[z][:, 2]
        for z, points in ((match.a, match.points), (match.b, match.targets))
    )
    if u is not None:
        still = np.zeros((2, 3))
        starts = starts + PlaneMap(still, u[match.a], grid.first, grid.spacing)(starts)
        ends = ends + PlaneMap(still, u[match.b], grid.first, grid.spacing)(ends)
    found: Array = np.linalg.norm(starts - ends, axis=1)
    return found


def inverted(matrix: Array, nodes: Array, grid: PlaneMap) -> PlaneMap:
    """Return the map from the common plane back to a section, exactly affine where nothing bends.

    The map that is kept is this one, on the nodes of `grid`; its inverse is found point by point, so both ways agree.
    """
    forward = PlaneMap(np.eye(2, 3), nodes, grid.first, grid.spacing)
    back = affine_inverse(matrix)
    places = grid.places.reshape(-1, 2)
    flat = forward.inverse(places)
    moved = (flat - places) @ back[:, :2].T
    return PlaneMap(back, grid.nodes, grid.first, grid.spacing).fitted(moved.reshape(grid.nodes.shape))
