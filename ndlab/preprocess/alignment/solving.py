"""From what pairs say to one map for each section, with a verdict on every pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ndlab.errors import BadRequest
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.flow import SPACING, spacing_of
from ndlab.preprocess.alignment.maps import PlaneMap, affine_inverse, affine_product, identity
from ndlab.preprocess.alignment.matching import CHANCE, Match, Placement
from ndlab.preprocess.alignment.mesh import STIFFNESS, gaps, settle_mesh
from ndlab.preprocess.alignment.rigid import STANDS_OUT
from ndlab.preprocess.alignment.settling import Link, components, rigid_of, settle_affine, settle_rigid

__all__ = ["Solved", "Verdict", "rigid_starts", "solve"]

ALIKE = 1.3 * CHANCE
"""Median correlation of matched parts from which sections count as alike, on a grid of `SPACING`; more on finer."""
_LEAST_AREA = 0.2
"""What a section may shrink to anywhere; below 0 it would fold."""
_HOLD = 2e-2  # of shapes to the rigid ones, against weights of 1 a pair


@dataclass(frozen=True)
class Verdict:
    """What became of one pair."""

    a: int
    b: int
    state: str  # good, unlike, bad, blank
    score: float
    before: float
    after: float
    apart: float  # [pixels of the estimate]
    apart95: float


@dataclass(frozen=True)
class Solved:
    """Maps of all sections to the common plane, in pixels of the estimate."""

    matrices: list[Array]
    nodes: Array  # (sections, ny, nx, 2)
    grid: PlaneMap
    verdicts: list[Verdict]
    states: list[str]  # of the sections
    complaints: list[str]


def rigid_starts(
    count: int, placements: Sequence[Placement], shape: Sequence[int], reference: int
) -> dict[tuple[int, int], Array]:
    """Return, for every pair that shows something, the rigid map from which it is to be matched.

    Where a rotation stands out it counts by how far; neighbours that show none are taken to lie as they do, which the
    matching then confirms or not.
    """
    links = []
    for one in placements:
        if any(one.blank):
            continue
        if one.score >= STANDS_OUT:
            links.append(Link(one.a, one.b, one.matrix, one.score**2))
        elif one.b == one.a + 1:
            links.append(Link(one.a, one.b, identity(), 1e-2))
    links += _bridges(count, [(one.a, one.b) for one in links])
    centre, scale = _middle(shape)
    maps, _ = settle_rigid(count, links, reference, centre, scale)
    return {
        (one.a, one.b): affine_product(affine_inverse(maps[one.b]), maps[one.a])
        for one in placements
        if not any(one.blank)
    }


def _bridges(count: int, pairs: Sequence[tuple[int, int]]) -> list[Link]:
    """Hold parts that no pair joins as they lie, so that there is a map for each section."""
    parts = components(count, pairs)
    return [Link(a[-1], b[0], identity(), 1e-4) for a, b in pairwise(parts)]


def _middle(shape: Sequence[int]) -> tuple[Array, float]:
    return (np.array(shape) - 1) / 2, max(shape) / 2


def solve(
    count: int,
    placements: Sequence[Placement],
    matches: Sequence[Match],
    shape: Sequence[int],
    model: str,
    reference: int,
    broken: str,
) -> Solved:
    """Settle all sections by the pairs that are good.

    Raises
    ------
    BadRequest
        If they do not hold the stack together, unless it is to be kept as it is.
    """
    centre, scale = _middle(shape)
    blank = _blank(count, placements)
    least = ALIKE * SPACING / spacing_of(shape)
    states = {(one.a, one.b): "good" if one.after >= least and len(one.points) > 8 else "unlike" for one in matches}
    states |= {(one.a, one.b): "blank" for one in placements if any(one.blank)}
    good = [one for one in matches if states[one.a, one.b] == "good"]
    good = _without_contradictions(count, good, states, reference, centre, scale)
    parts = [one for one in components(count, [(m.a, m.b) for m in good]) if set(one) - blank]
    if len(parts) > 1 and broken == "refuse":
        raise BadRequest(*_broken(parts, count), parts=parts)
    maps = _rigid(count, good, reference, centre, scale)
    if model != "rigid":
        weighed = [(m.a, m.b, m.points, m.targets, m.trust, 1.0) for m in good]
        if weighed:
            maps = settle_affine(maps, weighed, centre, scale, reference, _HOLD)
    grid = _grid(maps, shape)
    nodes = np.zeros((count, *grid.nodes.shape))
    if model == "elastic":
        nodes = _elastic(maps, good, grid)
        worst = _contradicting(good, maps, nodes, grid)
        if worst:
            states |= {(one.a, one.b): "bad" for one in worst}
            good = [one for one in good if one not in worst]
            nodes = _elastic(maps, good, grid)
    maps, nodes = _filled(maps, nodes, blank)
    found = _verdicts(placements, matches, states, maps, nodes, grid)
    kept = max(parts, key=len) if parts else []
    names = ["blank" if z in blank else "good" if z in kept else "alone" for z in range(count)]
    return Solved(maps, nodes, grid, found, names, _complaints(found, blank, parts))


def _blank(count: int, placements: Sequence[Placement]) -> set[int]:
    found = {one.a for one in placements if one.blank[0]} | {one.b for one in placements if one.blank[1]}
    return {z for z in found if z < count}


def _link(match: Match) -> Link:
    return Link(match.a, match.b, rigid_of(match.points, match.targets, match.trust + 1e-9), float(match.trust.mean()))


def _rigid(count: int, good: Sequence[Match], reference: int, centre: Array, scale: float) -> list[Array]:
    links = [_link(one) for one in good]
    links += _bridges(count, [(one.a, one.b) for one in links])
    return settle_rigid(count, links, reference, centre, scale)[0]


def _without_contradictions(
    count: int, good: list[Match], states: dict[tuple[int, int], str], reference: int, centre: Array, scale: float
) -> list[Match]:
    """Leave out pairs whose rigid placement the others contradict, the worst first."""
    while len(good) > 2:
        links = [_link(one) for one in good]
        extra = _bridges(count, [(one.a, one.b) for one in links])
        _, far = settle_rigid(count, [*links, *extra], reference, centre, scale)
        far = far[: len(good)]
        limit = max(6.0, 8 * float(np.median(far)))
        worst = int(np.argmax(far))
        if far[worst] <= limit:
            break
        states[good[worst].a, good[worst].b] = "bad"
        good = [one for i, one in enumerate(good) if i != worst]
    return good


def _grid(maps: Sequence[Array], shape: Sequence[int]) -> PlaneMap:
    """Grid over what all sections together cover."""
    corners = np.array([(y, x) for y in (-0.5, shape[0] - 0.5) for x in (-0.5, shape[1] - 0.5)])
    places = np.concatenate([corners @ one[:, :2].T + one[:, 2] for one in maps])
    low, high = np.floor(places.min(0)), np.ceil(places.max(0))
    return PlaneMap.over(identity(), (low[0], low[1]), (high[0], high[1]), spacing_of(shape))


def _elastic(maps: Sequence[Array], good: Sequence[Match], grid: PlaneMap) -> Array:
    """Settle the mesh; stiffer if it would fold anywhere."""
    stiffness = STIFFNESS
    for _ in range(6):
        nodes = settle_mesh(maps, good, grid, stiffness)
        areas = [np.linalg.det(grid.moved(one).with_slopes(grid.places.reshape(-1, 2))[1]).min() for one in nodes]
        if min(areas) > _LEAST_AREA:
            return nodes
        stiffness *= 10
    return np.zeros_like(nodes)


def _contradicting(good: Sequence[Match], maps: Sequence[Array], nodes: Array, grid: PlaneMap) -> list[Match]:
    """Pairs whose parts stay far apart although the others have settled."""
    apart = np.array([_typical(gaps(one, maps, nodes, grid), one.trust) for one in good])
    if len(apart) < 3:
        return []
    limit = max(2.0, 8 * float(np.median(apart)))
    return [one for one, far in zip(good, apart, strict=True) if far > limit]


def _typical(values: Array, weights: Array) -> float:
    """Weighted median."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if not len(values) or total[-1] <= 0:
        return float(np.median(values)) if len(values) else 0.0
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _filled(maps: list[Array], nodes: Array, blank: set[int]) -> tuple[list[Array], Array]:
    """Put blank sections between their nearest neighbours that are not."""
    seen = [z for z in range(len(maps)) if z not in blank]
    if not seen:
        return maps, nodes
    filled, moved = list(maps), nodes.copy()
    for z in blank:
        below = max((s for s in seen if s < z), default=min(seen))
        above = min((s for s in seen if s > z), default=max(seen))
        share = 0.5 if below == above else (z - below) / (above - below)
        filled[z] = (1 - share) * maps[below] + share * maps[above]
        moved[z] = (1 - share) * nodes[below] + share * nodes[above]
    return filled, moved


def _verdicts(
    placements: Sequence[Placement], matches: Sequence[Match], states: Mapping[tuple[int, int], str],
    maps: Sequence[Array], nodes: Array, grid: PlaneMap,
) -> list[Verdict]:  # fmt: skip
    matched = {(one.a, one.b): one for one in matches}
    found = []
    for one in placements:
        match = matched.get((one.a, one.b))
        if match is None or not len(match.points):
            found.append(Verdict(one.a, one.b, states.get((one.a, one.b), "blank"), one.score, 0, 0, np.nan, np.nan))
            continue
        far = gaps(match, maps, nodes, grid)
        trusted = far[match.trust > 0.02]
        middle, most = np.percentile(trusted if len(trusted) else far, (50, 95))
        found.append(Verdict(one.a, one.b, states[one.a, one.b], one.score, match.before, match.after,
                             float(middle), float(most)))  # fmt: skip
    return found


def _broken(parts: Sequence[Sequence[int]], count: int) -> tuple[str, str, str]:
    names = [f"{one[0]}" if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in parts]
    return (
        f"a stack of {count} sections that falls into {len(parts)} parts",
        f"nothing that is seen joins sections {'; '.join(names)}",
        "align the parts alone, e.g. vol[:n] and vol[n:], or pass broken='keep' to leave them as they lie",
    )


def _complaints(found: Sequence[Verdict], blank: set[int], parts: Sequence[Sequence[int]]) -> list[str]:
    said = []
    if blank:
        said.append(
            f"section(s) {', '.join(map(str, sorted(blank)))} show nothing; they are placed between their neighbours"
        )
    bad = [f"{one.a} and {one.b}" for one in found if one.state == "bad"]
    if bad:
        said.append(f"left out, for the others contradict them: section(s) {', '.join(bad)}")
    unlike = [f"{one.a} and {one.b}" for one in found if one.state == "unlike" and one.b == one.a + 1]
    if unlike:
        said.append(f"neighbours that are no more alike than unrelated pictures: section(s) {', '.join(unlike)}")
    if len(parts) > 1:
        said.append(f"the stack falls into {len(parts)} parts, kept as they lie: {[list(one) for one in parts]}")
    return said
