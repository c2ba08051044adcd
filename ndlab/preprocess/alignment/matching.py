"""What is found for one pair of sections, each pair by itself: a rigid placement first, then where each part lies.

Each is one task of a run: it reads its two sections, and returns a few kilobytes for the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Box
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.flow import SPACING, Level, ladder, look, refine, spacing_of
from ndlab.preprocess.alignment.maps import PlaneMap
from ndlab.preprocess.alignment.rigid import place
from ndlab.preprocess.alignment.sections import Sections

__all__ = ["Match", "Placement", "match_pair", "place_pair", "read_matches", "read_placements"]

CHANCE = 0.1
"""Correlation that unrelated pictures reach once fitted to each other, on a grid of `SPACING`; more on a finer one."""


@dataclass(frozen=True)
class Placement:
    """The rigid map from section `a` to section `b` [pixels of the estimate]."""

    a: int
    b: int
    matrix: Array
    score: float
    ncc: float
    blank: tuple[bool, bool]


@dataclass(frozen=True)
class Match:
    """Where the parts of section `a` lie in section `b`.

    Parameters
    ----------
    points, targets : array of float64, (n, 2)
        (y, x) in each [pixels of the estimate].
    trust : array of float64, (n,)
        0 to 1.
    before, after : float
        Median correlation of the parts, rigidly placed and matched.
    """

    a: int
    b: int
    points: Array
    targets: Array
    trust: Array
    before: float
    after: float


def place_pair(block: Box, sections: Sections) -> dict[str, Any] | None:
    """Find the rigid placement of sections ``z`` and ``z + k``; the block's corner is (z, k - 1, 0)."""
    a, b = block.start[0], block.start[0] + block.start[1] + 1
    if b >= len(sections):
        return None
    near, far = sections.picture(a), sections.picture(b)
    blank = [near.blank, far.blank]
    if any(blank):
        return {"a": a, "b": b, "blank": blank}
    found = place(near.pixels, far.pixels)
    return {"a": a, "b": b, "blank": blank, "matrix": found.matrix, "score": found.score, "ncc": found.ncc}


def match_pair(block: Box, sections: Sections, starts: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    """Find where the parts of section ``z`` lie in section ``z + k``, from where `starts` has it."""
    a, b = block.start[0], block.start[0] + block.start[1] + 1
    if f"{a} {b}" not in starts:
        return None
    near, far = sections.picture(a), sections.picture(b)
    start = PlaneMap.over(np.reshape(starts[f"{a} {b}"], (2, 3)), (0, 0), sections.shape, spacing_of(sections.shape))
    steps = ladder(sections.shape)
    found = refine(near, far, start, steps)
    final = Level(1, steps[-1].reach, 0.0, 1)
    before, after = (look(near, far, one, final) for one in (start, found))
    places = found.places
    within = ((places >= 0) & (places <= np.array(sections.shape) - 1)).all(-1)
    used = within & (after.share > 0.4)
    points = places[used]
    chance = CHANCE * SPACING / start.spacing
    trust = (np.maximum(after.ncc[used] - chance, 0) / (1 - chance)) ** 2 * after.share[used]
    middle = [float(np.median(one.ncc[used])) if used.any() else 0.0 for one in (before, after)]
    return {"a": a, "b": b, "points": points, "targets": found(points), "trust": trust, "ncc": middle}


def read_placements(results: Iterable[Any]) -> list[Placement]:
    """Return what `place_pair` found, in order of the pairs."""
    found = [
        Placement(one["a"], one["b"], one.get("matrix", np.eye(2, 3)), float(one.get("score", 0.0)),
                  float(one.get("ncc", 0.0)), (bool(one["blank"][0]), bool(one["blank"][1])))
        for one in results if one is not None
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.a, one.b))


def read_matches(results: Iterable[Any]) -> list[Match]:
    """Return what `match_pair` found, in order of the pairs."""
    found = [
        Match(one["a"], one["b"], one["points"], one["targets"], one["trust"], *map(float, one["ncc"]))
        for one in results if one is not None
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.a, one.b))
