"""Touch graphs against brute force, for any chunking, and the fault of the published one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ndlab import samples
from ndlab.analyze.peters_rule import peters_rule
from ndlab.analyze.touch import touch, touches_at
from ndlab.errors import BadRequest, TooLarge
from ndlab.geometry import Box
from ndlab.volume import Volume

VOXEL = (30.0, 24.0, 20.0)


def blobs(seed: int = 0, shape: tuple[int, int, int] = (14, 22, 26)) -> Any:
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, "u8")
    for number in range(1, 12):
        centre = rng.integers(0, shape)
        size = rng.integers(2, 6, 3)
        box = tuple(slice(max(0, c - s // 2), c + s) for c, s in zip(centre, size, strict=True))
        labels[box] = number * 10**12 + number
    return labels


def brute(labels: Any, distance: float) -> dict[tuple[int, int], float]:
    """The nearest centres of each pair, over all pairs of voxels."""
    places = {int(i): np.argwhere(labels == i) * VOXEL for i in np.unique(labels[labels > 0])}
    found = {}
    for a, b in itertools.combinations(places, 2):
        gap = np.sqrt(((places[a][:, None] - places[b]) ** 2).sum(-1)).min()
        steps = np.abs(places[a][:, None] - places[b]) / VOXEL
        if gap <= distance * (1 + 1e-9) or np.isclose(steps.sum(-1), 1).any():
            found[a, b] = float(gap)
    return found


def pairs(graph: object) -> list[tuple[int, int]]:
    ids = graph.ids.tolist()  # type: ignore[attr-defined]
    ends = zip(graph.source.tolist(), graph.target.tolist(), strict=True)  # type: ignore[attr-defined]
    return [(ids[a], ids[b]) for a, b in ends]


@pytest.mark.parametrize("distance", [20.0, 30.0, 47.0, 96.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_r100_near_labels_are_those_of_brute_force(distance: float, seed: int) -> None:
    labels = blobs(seed)
    graph = touch(Volume.from_array(labels, VOXEL, kind="labels"), distance=distance, block=9)
    expected = brute(labels, distance)
    assert pairs(graph) == sorted(expected)
    np.testing.assert_allclose(graph.edges["gap"], [expected[p] for p in sorted(expected)])
    assert graph.edges.units["gap"] == "nm"
    for (a, b), *place in zip(pairs(graph), *(graph.edges[axis] for axis in "zyx"), strict=True):
        for one in (a, b):
            near = ((np.argwhere(labels == one) + 0.5) * VOXEL - place) ** 2
            assert np.sqrt(near.sum(1).min()) <= distance / 2 + 60


@pytest.mark.parametrize("block", [None, 5, (7, 22, 3), 100])
def test_r100_the_graph_is_the_same_for_any_chunking(block: int | tuple[int, int, int] | None) -> None:
    volume = Volume.from_array(blobs(3), VOXEL, kind="labels")
    assert touch(volume, distance=80.0, block=block, workers=2) == touch(volume, distance=80.0, block=64, workers=1)
    assert touch(volume, block=block) == touch(volume, block=64)


def patches(labels: Any) -> list[tuple[int, int, float, list[float]]]:
    """Each pair's patches by their first voxel, their area and centre, face by face."""
    sides = np.array([VOXEL[1] * VOXEL[2], VOXEL[0] * VOXEL[2], VOXEL[0] * VOXEL[1]])
    found = []
    for a, b in itertools.combinations(np.unique(labels[labels > 0]).tolist(), 2):
        faces = []
        facing = np.zeros(labels.shape, bool)
        for low in np.argwhere((labels == a) | (labels == b)):
            for axis in range(3):
                high = low + np.eye(3, dtype=int)[axis]
                if (high < labels.shape).all() and {labels[tuple(low)], labels[tuple(high)]} == {a, b}:
                    faces.append((low, axis))
                    facing[tuple(low)] = facing[tuple(high)] = True
        numbered, count = ndimage.label(facing)
        for number in range(1, count + 1):
            mine = [(low + 0.5 + np.eye(3)[axis] / 2, sides[axis]) for low, axis in faces
                    if numbered[tuple(low)] == number]  # fmt: skip
            area = sum(side for _, side in mine)
            found.append((a, b, area, (sum(at * side for at, side in mine) / area * VOXEL).tolist()))
    return found


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7)), st.integers(1, 5), st.integers(0, 10**6),
    st.tuples(*[st.integers(1, 7)] * 3), st.tuples(*[st.integers(0, 2)] * 3),
)  # fmt: skip
def test_r100_places_are_those_of_brute_force_for_any_chunking(
    shape: tuple[int, int, int], labels: int, seed: int, block: tuple[int, int, int], corner: tuple[int, int, int]
) -> None:
    values = np.random.default_rng(seed).integers(0, labels + 1, shape).astype("u8") * (2**61 - 1)
    around = np.pad(values, [(n, 1) for n in corner], constant_values=3)  # What is outside of the box has no say.
    volume = Volume.from_array(around, VOXEL, kind="labels")
    box = Box(corner, [c + n for c, n in zip(corner, shape, strict=True)])
    graph = touch(volume, sites=True, box=box, block=block)
    expected = patches(values)
    assert pairs(graph) == [(a, b) for a, b, _, _ in expected]
    np.testing.assert_allclose(graph.edges["area"], [area for _, _, area, _ in expected])
    place = np.stack([graph.edges[axis] for axis in "zyx"], axis=1)
    centres = np.array([centre for *_, centre in expected]).reshape(-1, 3)
    np.testing.assert_allclose(place, centres + np.array(corner) * VOXEL)
    assert graph == touch(volume, sites=True, box=box)
    merged = graph.simple({"area": "sum"})
    assert merged.edges["area"].tolist() == touch(volume, box=box).edges["area"].tolist()


def test_two_labels_touch_at_two_places() -> None:
    labels = np.ones((3, 5, 9), "u1")
    labels[:, 2:, :] = 2
    labels[:, :, 4] = 0
    graph = touch(Volume.from_array(labels, VOXEL, kind="labels"), sites=True)
    assert pairs(graph) == [(1, 2), (1, 2)]
    assert graph.edges["area"].tolist() == [3 * 4 * 30 * 20.0] * 2
    assert graph.edges["x"].tolist() == [2 * 20.0, 7 * 20.0]
    assert graph.edges.units == {"area": "nm²", "z": "nm", "y": "nm", "x": "nm"}
    with pytest.raises(BadRequest, match="leave out distance, or sites"):
        touch(Volume.from_array(labels, VOXEL, kind="labels"), sites=True, distance=50)
    assert touch(Volume.from_array(np.zeros((2, 2, 2), "u1"), VOXEL), sites=True).n_edges == 0


def test_places_of_a_real_segmentation_are_the_same_for_any_chunking() -> None:
    volume = Volume.from_array(samples.fibsem_labels()[:40, :90, :110], samples.FIBSEM_VOXEL_SIZE, kind="labels")
    graph = touch(volume, sites=True, background=None, block=(17, 40, 33), workers=2)
    assert graph == touch(volume, sites=True, background=None, block=128)
    merged, faces = graph.simple({"area": "sum"}), touch(volume, background=None)
    assert graph.n_edges > faces.n_edges
    np.testing.assert_allclose(merged.edges["area"], faces.edges["area"])


def test_faces_are_those_of_measure_and_of_two_cubes() -> None:
    labels = np.zeros((4, 6, 8), "u4")
    labels[1:3, 1:4, 1:4] = 7
    labels[1:3, 2:5, 4:7] = 9
    volume = Volume.from_array(labels, VOXEL)
    graph = touch(volume)
    assert pairs(graph) == [(7, 9)]
    assert graph.edges["area"].tolist() == [2 * 2 * 30 * 24]
    assert [graph.edges[a][0] for a in "zyx"] == [60.0, 72.0, 80.0]
    near = touch(volume, distance=40.0)
    assert near.edges["gap"].tolist() == [20.0]
    assert near.edges["area"].tolist() == [2880.0]


def test_labels_keep_their_ids_where_a_dilation_would_add_one() -> None:
    """The published touch graph dilated labels with a flat element of ones, which makes 41 into 42."""
    labels = np.zeros((3, 20, 20), "u4")
    labels[1, 5:8, 5:8] = 41
    labels[1, 5:8, 11:14] = 10_864
    graph = touch(Volume.from_array(labels, (30.0, 24.0, 24.0)), distance=5 * 24.0)
    assert pairs(graph) == [(41, 10_864)]
    assert graph.edges["gap"].tolist() == [96.0]
    assert touch(Volume.from_array(labels, (30.0, 24.0, 24.0)), distance=80.0).n_edges == 0
    # Where shells overlap, the largest id wins in a dilation; here each pair counts.
    labels[1, 5:8, 8:10] = 5
    graph = touch(Volume.from_array(labels, (30.0, 24.0, 24.0)), distance=5 * 24.0)
    assert pairs(graph) == [(5, 41), (5, 10_864), (41, 10_864)]


def test_a_real_segmentation(shared_data: Path) -> None:
    labels = samples.fibsem_labels()[:40, :150, :150]
    volume = Volume.from_array(labels, samples.FIBSEM_VOXEL_SIZE, kind="labels")
    faces = touch(volume)
    near = touch(volume, distance=3 * min(samples.FIBSEM_VOXEL_SIZE), block=40)
    assert set(pairs(faces)) <= set(pairs(near))
    assert near.n_edges >= faces.n_edges
    from skimage.graph import RAG

    oracle = {tuple(sorted(e)) for e in RAG(labels.astype(int), connectivity=1).edges if 0 not in e}
    assert set(pairs(faces)) == oracle


@pytest.mark.parametrize("block", [None, 7])
def test_peters_rule_from_a_label_volume(block: int | None) -> None:
    """Sites, axons in two pieces and their touches from voxels, by brute force; then the rule on them."""
    labels = blobs(1)
    ids = [int(one) for one in np.unique(labels[labels > 0])]
    sites = {one: 900 + one % 3 for one in ids[::2]}
    axons = {one: 500 + i // 2 for i, one in enumerate(ids[1::2])}
    graph = touch(Volume.from_array(labels, VOXEL, kind="labels"), distance=160.0, block=block)
    found = touches_at(graph, sites, axons)
    expected = set[tuple[int, int, int]]()
    nearest: dict[tuple[int, int], float] = {}
    for (a, b), gap in brute(labels, 160.0).items():
        for site, piece in ((a, b), (b, a)):
            if site in sites and piece in axons:
                expected.add((site, axons[piece], sites[site]))
                key = site, axons[piece]
                nearest[key] = min(gap, nearest.get(key, np.inf))
    rows = [tuple(row) for row in found[["site", "axon", "target"]].to_numpy().tolist()]
    assert rows == sorted(expected)
    assert len(rows) > 4
    np.testing.assert_allclose(found.gap, [nearest[row[:2]] for row in rows])
    faces = touches_at(touch(Volume.from_array(labels, VOXEL, kind="labels")), sites, axons)
    assert found.area.sum() == pytest.approx(faces.area.sum())
    synapses = found.groupby("site", as_index=False).first()
    rule = peters_rule(found, synapses, draws=50)
    assert (rule.touches, rule.conversion.found) == (len(found), len(synapses))
    assert rule.recall.share == 1
    weighted = peters_rule(found[found.area > 0], synapses.merge(found[found.area > 0][["site", "axon"]]), draws=50,
                           weight="area")  # fmt: skip
    assert weighted.recall.share == 1
    with pytest.raises(BadRequest, match="an id is one of them"):
        touches_at(graph, sites, [next(iter(sites))])


def test_what_is_wrong_is_said() -> None:
    volume = Volume.from_array(blobs(), VOXEL, kind="labels")
    with pytest.raises(BadRequest, match=r"20 nm apart at least.*share a face"):
        touch(volume, distance=5.0)
    with pytest.raises(TooLarge, match=r"steps from each voxel.*level"):
        touch(volume, distance=5000.0)
