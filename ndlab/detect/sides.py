"""Which of the segments in and around a synapse come before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ndlab.detect.watershed import Array, probabilities
from ndlab.geometry import Float3
from ndlab.measure import Table

__all__ = ["Around", "LiesIn", "Rule", "around", "assign", "chosen"]

LiesIn = Literal["post", "pre", "cleft"]

_AXON, _DENDRITE = "axon", "dendrite"
_CANDIDATE = 0.25  # of the largest contact: what touches less is no partner


@dataclass(frozen=True)
class Rule:
    """How partners are told."""

    voxel_size: Float3
    lies_in: LiesIn
    reach: float
    threshold: float
    kinds: Mapping[int, str]


@dataclass(frozen=True)
class Around:
    """What is in and around one synapse, by segment.

    Attributes
    ----------
    ids : ndarray of uint64, (n,)
    inside : ndarray of int64, (n,)
        Voxels of the synapse in each segment.
    near : ndarray of int64, (n,)
        Voxels of each segment within reach, those inside included.
    vesicles : ndarray of float64, (n,)
        Sum of the vesicle probability over those.
    """

    ids: Array
    inside: Array
    near: Array
    vesicles: Array


def around(mask: Array, labels: Array, rule: Rule, vesicles: Array | None = None) -> Around:
    """Count what is in a synapse and within reach of it, by segment; background is left out."""
    from scipy import ndimage

    near = ndimage.distance_transform_edt(~mask, sampling=rule.voxel_size) <= rule.reach
    ids, number = np.unique(labels[near], return_inverse=True)
    weight = None if vesicles is None else probabilities(vesicles)[near].astype(float)
    inside = np.bincount(number, mask[near], len(ids)).astype(np.int64)
    close = np.bincount(number, minlength=len(ids))
    heavy = np.zeros(len(ids)) if weight is None else np.bincount(number, weight, len(ids))
    kept = ids != 0
    return Around(ids[kept].astype(np.uint64), inside[kept], close[kept], heavy[kept])


def chosen(seen: Around, rule: Rule, with_vesicles: bool) -> tuple[int, int, float, bool]:
    """Segments before and after, how sure that is, and whether the direction is known."""
    kinds = np.array([rule.kinds.get(int(one), "") for one in seen.ids])
    if (kinds == _AXON).any() and (kinds == _DENDRITE).any():
        pre, sure = _best(seen, np.where(kinds == _AXON, 2.0 * seen.inside + seen.near, 0))
        post, sure_too = _best(seen, np.where(kinds == _DENDRITE, 2.0 * seen.inside + seen.near, 0))
        return pre, post, min(sure, sure_too), True
    if len(seen.ids) < 2:
        only = int(seen.ids[0]) if len(seen.ids) else 0
        return (0, only, 0.0, False) if rule.lies_in != "pre" else (only, 0, 0.0, False)
    if rule.lies_in == "cleft":
        return _across(seen, with_vesicles)
    home, sure = _best(seen, seen.inside.astype(float))
    touching = np.where((seen.ids == home) | (seen.near < _CANDIDATE * seen.near[seen.ids != home].max()), 0, seen.near)
    # Vesicles tell the cell before the synapse from others beside it; of cells after it there is no such sign.
    weight = seen.vesicles + 1e-3 * seen.near if with_vesicles and rule.lies_in == "post" else touching
    other, sure_too = _best(seen, np.where(touching > 0, weight, 0.0))
    pair = (other, home) if rule.lies_in == "post" else (home, other)
    return *pair, min(sure, sure_too), True


def _across(seen: Around, with_vesicles: bool) -> tuple[int, int, float, bool]:
    """Of the two that share a cleft: the one with more vesicles a voxel comes before it."""
    order = np.argsort(-(seen.near + 1e-9 * np.arange(len(seen.ids))), kind="stable")
    one, other = order[:2]
    third = seen.near[order[2]] if len(order) > 2 else 0
    sure = float(1 - third / seen.near[other])
    if not with_vesicles:
        return int(seen.ids[one]), int(seen.ids[other]), sure, False
    share = seen.vesicles / seen.near
    if share[other] > share[one]:
        one, other = other, one
    told = float((share[one] - share[other]) / share[one]) if share[one] > 0 else 0.0
    return int(seen.ids[one]), int(seen.ids[other]), min(sure, told), told > 0


def _best(seen: Around, weight: Array) -> tuple[int, float]:
    """Segment of the largest weight, the smallest id of equals, and how far the next one is."""
    order = np.argsort(-weight, kind="stable")
    first = weight[order[0]]
    second = weight[order[1]] if len(order) > 1 else 0
    return int(seen.ids[order[0]]), float((first - second) / first) if first > 0 else 0.0


def assign(synapse: Any, segment: Any, overlap: Any, kind: Any) -> Table:
    """Assign partners from a table of overlaps, one row for each synapse and segment, and return a `Table`.

    Of each synapse the axon that it overlaps most comes before it, and the dendrite that it overlaps most after it.

    Parameters
    ----------
    synapse, segment : sequence of int, (n,)
        Ids.
    overlap : sequence of float, (n,)
        Voxels, or a share, of the synapse in the segment.
    kind : sequence of str, (n,)
        ``"axon"`` or ``"dendrite"``; anything else is no partner.

    Returns
    -------
    Table
        `synapse`, `pre_id`, `post_id`; 0 where none was found.

    Examples
    --------
    >>> table = assign([1, 1, 1, 2], [7, 8, 9, 8], [0.5, 0.2, 0.3, 1.0], ["axon", "axon", "dendrite", "axon"])
    >>> table.rows.tolist()
    [(1, 7, 9), (2, 8, 0)]
    """
    synapse, segment = np.asarray(synapse, np.uint64), np.asarray(segment, np.uint64)
    overlap, kind = np.asarray(overlap, float), np.asarray(kind)
    ids = np.unique(synapse)
    rows = np.zeros(len(ids), [("synapse", "u8"), ("pre_id", "u8"), ("post_id", "u8")])
    rows["synapse"] = ids
    for column, wanted in (("pre_id", _AXON), ("post_id", _DENDRITE)):
        some = np.flatnonzero(kind == wanted)
        # The largest overlap comes last of its synapse, of equal ones the smallest segment.
        order = some[np.lexsort((-segment[some].astype(float), overlap[some], synapse[some]))]
        rows[column][np.searchsorted(ids, synapse[order])] = segment[order]
    return Table(rows)
