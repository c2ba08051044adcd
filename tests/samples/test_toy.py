"""The toy brain's hand-worked answers, counted again in its arrays voxel by voxel."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from ndlab.samples import ToyBrain, toy


@pytest.fixture
def brain() -> ToyBrain:
    return toy()


def neighbours(brain: ToyBrain) -> list[tuple[int, int, int]]:
    """Every face between two different neurites: (smaller id, larger id, axis that it lies across)."""
    found = []
    n = brain.labels.shape
    for z, y, x in product(*map(range, n)):
        for axis, (dz, dy, dx) in enumerate(((1, 0, 0), (0, 1, 0), (0, 0, 1))):
            if z + dz < n[0] and y + dy < n[1] and x + dx < n[2]:
                a, b = int(brain.labels[z, y, x]), int(brain.labels[z + dz, y + dy, x + dx])
                if a and b and a != b:
                    found.append((min(a, b), max(a, b), axis))
    return found


def test_touches(brain: ToyBrain) -> None:
    faces = Counter(neighbours(brain))
    area = (50 * 50, 100 * 50, 100 * 50)
    counted = {
        (a, b): (*(faces[a, b, axis] for axis in range(3)), sum(faces[a, b, axis] * area[axis] for axis in range(3)))
        for a, b, _ in faces
    }
    stated = {(a, b): (z, y, x, area) for a, b, z, y, x, area in brain.touches.tolist()}
    assert counted == stated


def test_synapses(brain: ToyBrain) -> None:
    rows = []
    for number in np.unique(brain.synapse_labels)[1:]:
        voxels = list(zip(*np.nonzero(brain.synapse_labels == number), strict=True))
        (post,) = {int(brain.labels[v]) for v in voxels}
        # The receiving neurite is the one that holds the density; the other one shares a face with it.
        around = Counter(
            int(brain.labels[z + dz, y + dy, x + dx])
            for z, y, x in voxels
            for dz, dy, dx in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
        )
        (pre,) = set(around) - {0, post}
        centre = [sum((v[axis] + 0.5) * brain.voxel_size[axis] for v in voxels) / len(voxels) for axis in range(3)]
        rows.append((int(number), pre, post, *centre, len(voxels)))
    assert rows == brain.synapses.tolist()


def test_segments(brain: ToyBrain) -> None:
    counted = Counter(brain.labels.ravel().tolist())
    assert {i: size for i, _, size in brain.segments.tolist()} == {i: n for i, n in counted.items() if i}
    kinds = dict(brain.segments[["id", "kind"]].tolist())
    assert {kinds[i] for i in brain.synapses["pre_id"].tolist()} == {"axon"}
    assert {kinds[i] for i in brain.synapses["post_id"].tolist()} == {"dendrite"}
    assert Counter(kinds.values()) == {"axon": 2, "dendrite": 2}


def test_density_counts_only_tissue(brain: ToyBrain) -> None:
    voxel = Fraction(100 * 50 * 50, 10**9)  # µm³
    tissue = int(brain.mask.sum()) * voxel
    assert tissue == Fraction(16, 10)
    assert len(brain.synapses) / tissue == Fraction(1875, 1000)
    assert brain.mask.size * voxel == Fraction(18, 10)


def test_the_hole_is_enclosed_and_empty(brain: ToyBrain) -> None:
    hole = ~brain.mask
    assert hole.sum() == 800
    for axis in range(3):
        assert not hole.take([0, -1], axis).any()
    assert not brain.labels[hole].any()
    assert not brain.synapse_labels[hole].any()
    assert set(brain.image[hole].tolist()) == {250}


def test_peters_rule(brain: ToyBrain) -> None:
    touching = {(a, b) for a, b, _ in neighbours(brain)}
    joined = {(int(s["pre_id"]), int(s["post_id"])) for s in brain.synapses}
    assert joined < touching
    assert touching - joined == {(12, 21)}
    assert Fraction(len(joined), len(touching)) == Fraction(3, 4)
    area = {(a, b): int(t) for a, b, *_, t in brain.touches.tolist()}
    assert Fraction(sum(area[pair] for pair in joined), sum(area.values())) == Fraction(16, 21)
    expected = [Fraction(3 * t, sum(area.values())) for t in area.values()]
    assert expected == [Fraction(6, 7), Fraction(15, 28), Fraction(5, 7), Fraction(25, 28)]


def test_degree(brain: ToyBrain) -> None:
    import networkx as nx

    graph = nx.MultiDiGraph(brain.synapses[["pre_id", "post_id"]].tolist())
    assert dict(graph.out_degree()) == {11: 2, 12: 1, 21: 0, 22: 0}
    assert dict(graph.in_degree()) == {11: 0, 12: 0, 21: 1, 22: 2}
    assert nx.number_weakly_connected_components(graph) == 1
    assert 2 * graph.number_of_edges() / graph.number_of_nodes() == 1.5


def test_every_neurite_is_in_one_piece(brain: ToyBrain) -> None:
    from scipy import ndimage

    assert [ndimage.label(brain.labels == i)[1] for i in (11, 12, 21, 22)] == [1, 1, 1, 1]


def test_membranes_are_the_voxels_that_meet_something_else(brain: ToyBrain) -> None:
    dark = np.zeros(brain.labels.shape, bool)
    n = brain.labels.shape
    for z, y, x in product(*map(range, n)):
        me = brain.labels[z, y, x]
        for dz, dy, dx in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
            a, b, c = z + dz, y + dy, x + dx
            if me and 0 <= a < n[0] and 0 <= b < n[1] and 0 <= c < n[2] and brain.labels[a, b, c] != me:
                dark[z, y, x] = True
    assert np.array_equal(brain.image == 70, dark & (brain.synapse_labels == 0))
    assert np.array_equal(brain.image == 30, brain.synapse_labels > 0)


def test_nobody_can_spoil_it_for_the_others(brain: ToyBrain) -> None:
    for array in (brain.image, brain.labels, brain.mask, brain.synapses):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
