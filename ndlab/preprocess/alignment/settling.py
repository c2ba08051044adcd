"""One affine map for each section, from all pairs at once, so that errors do not add up from section to section.

Maps here take pixels of a section to the common plane. Pairs that contradict the others lose their weight (iteratively
reweighted least squares, Cauchy's weights), and those that keep next to none are told as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.maps import affine_inverse, affine_product, identity

__all__ = ["Link", "components", "rigid_of", "settle_affine", "settle_rigid", "turn_of"]

_ROUNDS = 20


@dataclass(frozen=True)
class Link:
    """What one pair says: ``matrix`` takes pixels of section `a` to those of section `b`."""

    a: int
    b: int
    matrix: Array
    weight: float


def components(count: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the parts that pairs hold together, each in order, by their first section.

    Examples
    --------
    >>> components(4, [(0, 1), (3, 1)])
    [[0, 1, 3], [2]]
    """
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for a, b in pairs:
        x, y = sorted((root(a), root(b)))
        parent[y] = x
    found: dict[int, list[int]] = {}
    for i in range(count):
        found.setdefault(root(i), []).append(i)
    return [found[i] for i in sorted(found)]


def settle_rigid(
    count: int, links: Sequence[Link], reference: int, centre: Array, scale: float
) -> tuple[list[Array], Array]:
    """Return a rigid map for each section and how far each link is from them.

    Parameters
    ----------
    links : sequence of Link
        They must hold all sections together.
    reference : int
        The section that stays where it is.
    centre : array, (2,)
        The middle of a section, about which it turns.
    scale : float
        Half a section's side: turns are weighed as what they move there. In pixels, as the distances returned.
    """
    maps = _spanning(count, links, reference)
    weights = np.array([one.weight for one in links])
    for turn in range(2 * _ROUNDS):
        apart = np.array([_apart(maps, one, centre, scale) for one in links])
        size = np.linalg.norm(apart, axis=1)
        slack = max(1.0, 1.4826 * float(np.median(size)))
        # First the sum of distances, whose minimum does not depend on where it is looked for from; then Cauchy's.
        robust = weights / np.maximum(size, 1.0) if turn < _ROUNDS else weights / (1 + (size / (3 * slack)) ** 2)
        change = _solve(count, links, apart, robust, reference)
        maps = [_turned(one, step, centre, scale) for one, step in zip(maps, change, strict=True)]
        if turn > _ROUNDS and np.abs(change).max() < 1e-6 * scale:
            break
    return maps, np.linalg.norm([_apart(maps, one, centre, scale) for one in links], axis=1)


def _spanning(count: int, links: Sequence[Link], reference: int) -> list[Array]:
    """Chain sections from the reference by the strongest links first (a maximum spanning tree, grown from there)."""
    maps: list[Array | None] = [None] * count
    maps[reference] = identity()
    ordered = sorted(links, key=lambda one: -one.weight)
    for _ in range(count - 1):
        for one in ordered:
            there, back = maps[one.a], maps[one.b]
            if (there is None) == (back is None):
                continue
            if there is not None:
                maps[one.b] = affine_product(there, affine_inverse(one.matrix))
            elif back is not None:
                maps[one.a] = affine_product(back, one.matrix)
            break
    return [identity() if one is None else one for one in maps]


def _apart(maps: Sequence[Array], link: Link, centre: Array, scale: float) -> Array:
    """How far a link's other section is from where the maps have it: (y, x, turn), each in pixels."""
    predicted = affine_product(affine_inverse(maps[link.b]), maps[link.a])
    difference = affine_product(affine_inverse(predicted), link.matrix)
    shift = difference[:, :2] @ centre + difference[:, 2] - centre
    turn = maps[link.a][:, :2] @ shift
    return np.array([turn[0], turn[1], turn_of(difference) * scale])


def turn_of(matrix: Array) -> float:
    """Return the rotation in a matrix [radians]."""
    return float(np.arctan2(matrix[0, 1] - matrix[1, 0], matrix[0, 0] + matrix[1, 1]))


def _solve(count: int, links: Sequence[Link], apart: Array, weights: Array, reference: int) -> Array:
    """Spread what is apart over the sections: (count, 3), 0 for the reference."""
    normal, right = np.zeros((count, count)), np.zeros((count, 3))
    for one, gap, weight in zip(links, apart, weights, strict=True):
        # Map b is to move by as much more than map a as it lies behind.
        normal[one.a, one.a] += weight
        normal[one.b, one.b] += weight
        normal[one.a, one.b] -= weight
        normal[one.b, one.a] -= weight
        right[one.a] += weight * gap
        right[one.b] -= weight * gap
    normal[reference] = 0
    normal[:, reference] = 0
    normal[reference, reference] = 1
    right[reference] = 0
    found: Array = np.linalg.solve(normal + 1e-12 * np.eye(count), right)
    return found


def _turned(matrix: Array, step: Array, centre: Array, scale: float) -> Array:
    """Move and turn a map in the common plane, about where the section's middle is."""
    angle = step[2] / scale
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = matrix[:, :2] @ centre + matrix[:, 2]
    move = np.column_stack([turn, middle - turn @ middle + step[:2]])
    return affine_product(move, matrix)


def rigid_of(points: Array, targets: Array, weights: Array) -> Array:
    """Return the rigid map that takes `points` (n, 2) nearest to `targets`."""
    share = weights / weights.sum()
    a, b = share @ points, share @ targets
    spread = (points - a).T @ ((targets - b) * share[:, None])
    angle = np.arctan2(spread[1, 0] - spread[0, 1], spread[0, 0] + spread[1, 1])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, b - turn @ a])


def settle_affine(
    maps: Sequence[Array],
    pairs: Sequence[tuple[int, int, Array, Array, Array, float]],
    centre: Array,
    scale: float,
    reference: int,
    hold: float,
) -> list[Array]:
    """Return an affine map for each section, near the rigid ones, that brings matched points together.

    Parameters
    ----------
    maps : sequence of array, (2, 3)
        Rigid maps.
    pairs : sequence of (a, b, points, targets, weights, weight of the pair)
    hold : float
        How firmly shapes are held to the rigid ones, against weights of 1 for a whole pair: without it all sections
        would shrink to a point. Little, so that it matters only for what all sections share.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import spsolve

    count = len(maps)
    rows: dict[tuple[int, int], Array] = {}
    right, nothing = np.zeros((count, 3, 2)), np.zeros((3, 3))
    for a, b, points, targets, weights, whole in pairs:
        total = max(float(weights.sum()), 1e-12)
        share = weights / total * whole * min(1.0, total / len(weights) * 10)
        p, q = ((one - centre) / scale for one in (points, targets))
        one, other = (np.column_stack([v, np.ones(len(v))]) for v in (p, q))
        for i, j, left, r, sign in (
            (a, a, one, one, 1),
            (b, b, other, other, 1),
            (a, b, one, other, -1),
            (b, a, other, one, -1),
        ):
            block = sign * (left * share[:, None]).T @ r
            rows[i, j] = rows.get((i, j), nothing) + block
    firm = np.diag([hold, hold, 1e-9])
    for z, matrix in enumerate(maps):
        at = np.column_stack([matrix[:, :2] * scale, matrix[:, :2] @ centre + matrix[:, 2]]).T
        own = np.eye(3) * 1e6 if z == reference else firm
        rows[z, z] = rows.get((z, z), nothing) + own
        right[z] += own @ at
    index = [(3 * i + u, 3 * j + v, block[u, v]) for (i, j), block in rows.items() for u in range(3) for v in range(3)]
    row, column, value = (np.array(v) for v in zip(*index, strict=True))
    normal = coo_array((value, (row, column)), shape=(3 * count, 3 * count)).tocsc()
    solved = spsolve(normal, right.reshape(3 * count, 2)).reshape(count, 3, 2)
    found = []
    for one in solved:
        linear = one[:2].T / scale
        found.append(np.column_stack([linear, one[2] - linear @ centre]))
    return found
