"""Segments: the same wherever the volume is cut, equal to scikit-image where both can be asked, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ndlab import detect, measure
from ndlab.detect.agglomeration import Regions
from ndlab.detect.kernels.contact import within
from ndlab.detect.kernels.descent import basins
from ndlab.detect.kernels.distance import distance
from ndlab.detect.kernels.merging import merge
from ndlab.detect.watershed import Heights
from ndlab.errors import BadRequest, Conflict, RunFailed
from ndlab.samples import phantom, toy
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
SHAPE = (20, 40, 44)


def walls(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Array:
    """Membrane probabilities that look like nothing in particular."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return np.asarray(np.exp(-((field / field.std()) ** 2) * 6), "f4")


def cells(membranes: Array, voxel: tuple[float, float, float] = (10, 10, 10), **how: Any) -> Array:
    return detect.segments(Volume.from_array(membranes, voxel), **{"gap": 60, "small": 0, **how}).read()


@given(seed=st.integers(0, 99), limit=st.sampled_from([25.0, 80.0]), z=st.sampled_from([10.0, 40.0]))
@settings(max_examples=10)
def test_distances_are_those_of_scipy_up_to_the_limit(seed: int, limit: float, z: float) -> None:
    inside = np.random.default_rng(seed).random((7, 9, 12)) > 0.2
    inside[0, 0, 0] = False
    expected = np.minimum(ndimage.distance_transform_edt(inside, sampling=(z, 10, 12)), limit)
    np.testing.assert_allclose(distance(inside, np.array([z, 10.0, 12.0]), limit), expected, rtol=1e-6)


def test_heights_do_not_know_where_their_window_ends() -> None:
    field, heights = walls(), Heights((10, 10, 10), gap=60)
    whole = heights.of(field)
    inner = np.s_[6:14, 15:25, 12:30]
    grown = tuple(
        slice(max(0, s.start - m), min(n, s.stop + m))
        for s, m, n in zip(inner, heights.overlap, field.shape, strict=True)
    )
    part = heights.of(np.ascontiguousarray(field[grown]))
    cut = tuple(slice(s.start - g.start, s.stop - g.start) for s, g in zip(inner, grown, strict=True))
    assert np.array_equal(part[cut], whole[inner]), "to the last bit, for a way down is told by it"


def test_basins_are_those_of_scikit_image_where_no_two_heights_are_equal() -> None:
    from skimage.segmentation import watershed

    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(rng.normal(size=(12, 20, 20)), 2)
    heights = np.argsort(np.argsort(smooth.ravel())).reshape(smooth.shape).astype("f4")
    labels, marks = np.empty(heights.shape, np.uint32), np.empty((6, 400), np.uint8)
    first = basins(heights, np.zeros(3, int), np.array(heights.shape), -1e9, False, labels, marks)
    bottoms = ndimage.minimum_filter(heights, footprint=ndimage.generate_binary_structure(3, 1)) == heights
    assert len(first) == bottoms.sum(), "a basin for each voxel that has no lower neighbour"
    assert sorted(labels[bottoms].tolist()) == list(range(1, len(first) + 1))
    flooded = watershed(heights, ndimage.label(bottoms)[0])
    # Flooding visits voxels by height, a way down goes by neighbours: they part ways on the ridges only.
    assert detect.score_counts(labels.ravel(), flooded.ravel(), np.ones(labels.size, int)).ari > 0.8


@pytest.mark.parametrize("sections", ["together", "alone"])
def test_the_same_segments_wherever_the_volume_is_cut(sections: str) -> None:
    field = walls(1)
    whole = cells(field, sections=sections, block=SHAPE)
    assert len(np.unique(whole)) > 8
    for block in ((7, 40, 13), (20, 11, 44), (3, 17, 17), (1, 40, 44)):
        assert np.array_equal(cells(field, sections=sections, block=block), whole), block


@given(block=st.tuples(st.integers(2, 20), st.integers(5, 40), st.integers(5, 44)), seed=st.integers(0, 3))
@settings(max_examples=4)
def test_the_same_segments_for_any_block(block: tuple[int, int, int], seed: int) -> None:
    assert np.array_equal(cells(walls(seed), block=block), cells(walls(seed), block=SHAPE))


def test_bytes_and_truth_values_are_probabilities() -> None:
    field = walls(2) > 0.6
    assert np.array_equal(cells(field), cells(field.astype("u1") * 255))
    assert np.array_equal(cells(field), cells(field.astype("f8")))


def test_segments_are_numbered_by_their_first_voxel_and_cover_all() -> None:
    found = cells(walls(4))
    ids, first = np.unique(found, return_index=True)
    assert ids.tolist() == list(range(1, len(ids) + 1))
    assert (np.diff(first) > 0).all()


def test_two_cells_are_two_and_a_small_hole_in_their_wall_is_closed() -> None:
    field = np.zeros((16, 30, 31), "f4")
    field[:, :, 14:17] = 1
    field[6:9, 14:17, 14:17] = 0  # a hole of 30 x 30 nm
    found = cells(field, gap=80)
    assert len(np.unique(found)) == 2
    assert found[0, 0, 0] != found[0, 0, -1]
    field[:, 5:25, 14:17] = 0  # a doorway of 160 x 200 nm
    assert len(np.unique(cells(field, gap=80))) == 1


def test_the_phantom_is_segmented_as_it_was_made() -> None:
    brain = phantom((32, 128, 128), seed=3)
    found = detect.segments(brain.volume("membranes"), small=0)
    score = detect.score_segmentation(found, brain.volume("labels"))
    assert score.vi < 0.35
    assert score.ari > 0.95
    assert found.provenance["fragments"] >= found.provenance["segments"]


def test_a_stored_result_is_the_one_in_memory_and_a_stopped_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = Volume.from_array(walls(5), (10, 10, 10))
    expected = detect.segments(volume, gap=60, block=(10, 20, 22)).read()
    url = str(tmp_path / "cells.zarr")
    how: dict[str, Any] = {"gap": 60, "block": (10, 20, 22), "out": url, "client": False}
    from ndlab.detect import fragments

    done: list[Any] = []
    plain = fragments.write_block

    def failing(block: Any, **params: Any) -> None:
        if len(done) >= 3:
            raise OSError("the disk is gone")
        done.append(block)
        plain(block, **params)

    monkeypatch.setattr(fragments, "write_block", failing)
    with pytest.raises(RunFailed, match="the disk is gone"):
        detect.segments(volume, workers=1, **how)
    monkeypatch.undo()
    found = detect.segments(volume, **how)
    assert found.dtype == np.uint64
    assert np.array_equal(found.read(), expected)
    assert np.array_equal(detect.segments(volume, **how).read(), expected), "what is complete is opened"
    with pytest.raises(Conflict, match=r"segments at .* other settings.*threshold"):
        detect.segments(volume, threshold=0.1, **how)


def test_processes_of_a_cluster_find_the_same(tmp_path: Path) -> None:
    import distributed

    held = Volume.from_array((walls(6) * 255).astype("u1"), (10, 10, 10))
    volume = held.like(tmp_path / "walls.zarr")
    volume.write(None, held.read())
    expected = detect.segments(volume, gap=60, client=False).read()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = detect.segments(volume, gap=60, block=(10, 20, 44), out=str(tmp_path / "c.zarr"), client=client)
    assert np.array_equal(found.read(), expected)


def test_contacts_are_those_that_measure_counts() -> None:
    field = walls(7)
    labels = cells(field, threshold=0)
    pairs, rows = within(labels.astype("u4"), (field * 255).astype("u1"))
    table = measure.contacts(Volume.from_array(labels, (10, 10, 10), kind="labels"))
    order = np.argsort(pairs)
    assert (pairs[order] >> np.uint64(32)).tolist() == table["a"].tolist()
    assert rows[order][:, :3].tolist() == np.stack([table[f"{a}_faces"] for a in "zyx"], 1).tolist()


def naive(ends: Array, rows: Array, sizes: Array, small: float) -> list[tuple[int, int, float]]:
    """Merge by looking through all borders again each time."""
    borders = {frozenset(pair): row.astype(float) for pair, row in zip(ends.tolist(), rows, strict=True)}
    size = dict(enumerate(sizes.tolist()))
    out, height = [], 0.0

    def score(pair: frozenset[int]) -> float:
        row, least = borders[pair], min(size[i] for i in pair)
        mean = row[3] / (255 * row[:3].sum())
        return float(mean * least / small if least < small else mean)

    while borders:
        best = min(borders, key=score)
        height = max(height, score(best))
        keep, gone = sorted(best)
        out.append((keep, gone, height))
        del borders[best]
        size[keep] += size.pop(gone)
        for pair in [pair for pair in borders if gone in pair]:
            (other,) = pair - {gone}
            row = borders.pop(pair)
            new = frozenset((keep, other))
            borders[new] = borders.get(new, 0) + row
    return out


@pytest.mark.parametrize("small", [0.0, 60.0])
def test_merging_is_that_of_a_search_through_all_borders(small: float) -> None:
    rng = np.random.default_rng(8)
    labels = cells(walls(8), threshold=0, gap=150).astype("u4")
    pairs, rows = within(labels, (walls(8) * 255).astype("u1"))
    rows[:, 3] = rng.integers(0, 10**9, len(rows)) * rows[:, :3].sum(1)  # no two borders alike
    ends = np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], 1).astype(int) - 1
    sizes = np.bincount(labels.ravel())[1:]
    assert len(sizes) > 20
    found, heights = merge(ends[:, 0].copy(), ends[:, 1].copy(), rows.copy(), sizes.copy(), small)
    expected = naive(ends, rows, sizes, small)
    assert found.tolist() == [[a, b] for a, b, _ in expected]
    np.testing.assert_allclose(heights, [h for *_, h in expected], rtol=1e-12)
    assert (np.diff(heights) >= 0).all(), "so that any cut is a prefix"


def test_a_cut_of_the_tree_is_merging_up_to_there() -> None:
    regions = Regions(np.array([5, 5, 5]), np.array([[0, 1], [1, 2]]), np.array([[1, 0, 0, 51], [0, 1, 0, 204]]))
    tree = regions.tree()
    assert [tree.cut(t).tolist() for t in (0.1, 0.2, 0.5, 0.8)] == [[0, 1, 2], [0, 0, 2], [0, 0, 2], [0, 0, 0]]


def test_tuning_says_what_segments_would_score() -> None:
    brain = phantom((20, 80, 80), seed=3)
    walls_, truth = brain.volume("membranes"), brain.volume("labels")
    for row in detect.tune_segments(walls_, truth, thresholds=(0.2, 0.9), small=0):
        score = detect.score_segmentation(detect.segments(walls_, threshold=row["threshold"], small=0), truth)
        assert (score.split, score.merge) == pytest.approx((row["split"], row["merge"]), abs=1e-12)


@pytest.mark.parametrize(
    ("how", "message"),
    [({"threshold": 1.5}, "threshold=1.5"), ({"gap": -1}, "gap=-1"), ({"membrane": 2}, "membrane=2")],
)
def test_what_makes_no_sense_is_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        cells(walls(), **how)
    with pytest.raises(BadRequest, match=r"detect.membranes\(volume\)"):
        detect.segments(toy().volume("labels"))
