"""Statistics against numpy on the whole array, for every type and any cut into blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndlab
from ndlab import measure
from ndlab.errors import BadRequest, RunFailed
from ndlab.geometry import Box
from ndlab.measure.order import Search, sortable, unsortable
from ndlab.samples import toy
from ndlab.volume import Volume
from tests.measure.oracles import BLOCKS, SHAPES, Array, limits

TYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">f4"]
PERCENTILES = (0, 1, 12.5, 50, 99.9, 100)


@st.composite
def images(draw: st.DrawFn) -> Array:
    """Values of any type: all of its range, a few values, or one everywhere."""
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    shape = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from(["range", "few", "one"]))
    if dtype.kind == "f":
        wide = np.asarray(rng.normal(size=shape)) * 10.0 ** rng.integers(-3, 3, shape)
    else:
        low, high = limits(dtype)
        plain = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")
        wide = np.asarray(rng.integers(low, high, shape, endpoint=True, dtype=plain))
    if spread == "one":
        wide[...] = wide.flat[0]
    values: Array = wide.astype(dtype)
    if spread == "few":
        values = rng.choice(values.reshape(-1)[:3], shape)
    values[rng.random(shape) < draw(st.sampled_from([0.0, 0.3]))] = 0
    return values


def volume(values: Array) -> Volume:
    return Volume.from_array(values, (40, 4, 4))


def check(found: measure.Statistics, values: Array, bins: int | None = None) -> None:
    """`values` are those that count, in one row."""
    assert found.count == values.size
    assert found.counts.sum() == values.size
    assert len(found.edges) == len(found.counts) + 1
    if not values.size:
        assert found.min is None
        assert np.isnan([found.mean, found.std, *found.percentiles.values()]).all()
        return
    exact = values.astype(np.longdouble)
    size = max(abs(int(values.min())), abs(int(values.max()))) if values.dtype.kind != "b" else 1
    np.testing.assert_allclose(found.mean, float(exact.mean()), rtol=1e-13, atol=1e-14 * size)
    np.testing.assert_allclose(found.std, float(exact.std()), rtol=1e-9, atol=1e-14 * size)
    assert (found.min, found.max) == (values.min().item(), values.max().item())
    for p, got in found.percentiles.items():
        np.testing.assert_allclose(got, percentile(values, p), rtol=1e-14)
    if values.dtype.itemsize <= 2 and values.dtype.kind in "bui" and bins is None:
        keys, counts = np.unique(values, return_counts=True)
        filled = found.counts > 0
        assert found.edges[:-1][filled].tolist() == keys.astype(int).tolist()
        assert found.counts[filled].tolist() == counts.tolist()
    elif values.dtype.itemsize < 8 or values.dtype.kind == "f":
        plain = values.astype("i8") if values.dtype.kind in "bui" else values.astype("f8")
        counts, edges = np.histogram(plain, bins or 256)
        np.testing.assert_array_equal(found.edges, edges)
        np.testing.assert_array_equal(found.counts, counts)


def percentile(values: Array, p: float) -> float:
    """By sorting; whole numbers are told apart where doubles are not."""
    ordered = sorted(values.tolist())
    place = (len(ordered) - 1) * (p / 100)
    a, b = ordered[int(place)], ordered[min(len(ordered) - 1, int(place) + 1)]
    return float(a + (b - a) * (place - int(place)))


@given(images(), BLOCKS, st.booleans(), st.sampled_from([None, 1, 7]))
@settings(max_examples=80)
def test_equals_numpy_for_any_type_and_block(
    values: Array, block: tuple[int, int, int], zeros: bool, bins: int | None
) -> None:
    found = measure.statistics(volume(values), block=block, zeros=zeros, bins=bins, percentiles=PERCENTILES)
    assert found.zeros == (values == 0).sum()
    check(found, values.reshape(-1) if zeros else values[values != 0], bins)


@given(images(), BLOCKS, BLOCKS)
def test_blocks_do_not_show_in_the_last_bit(
    values: Array, block: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    one, two = (measure.statistics(volume(values), block=b).to_json() for b in (block, other))
    assert one == two


def test_percentiles_are_numpys() -> None:
    values = np.random.default_rng(0).normal(size=(20, 21, 22)).astype("f4")
    wanted = [0, 0.1, 25, 33.3, 50, 75, 99.99, 100]
    found = measure.statistics(volume(values), percentiles=wanted, block=8)
    assert list(found.percentiles.values()) == [float(v) for v in np.percentile(values.astype("f8"), wanted)]


@given(images(), st.data())
def test_masks_ids_and_regions(values: Array, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    labels = rng.integers(0, 4, values.shape).astype("u8") * 2**60
    rois = []
    for _ in range(data.draw(st.integers(0, 3))):
        start = [data.draw(st.integers(0, n - 1)) for n in values.shape]
        rois.append(Box(start, [data.draw(st.integers(a + 1, n)) for a, n in zip(start, values.shape, strict=True)]))
    ids = data.draw(st.sampled_from([None, [2**60], [2**60, 3 * 2**60, 99]]))
    found = measure.statistics(volume(values), mask=volume(labels), ids=ids, rois=rois, block=data.draw(BLOCKS))
    inside = labels != 0 if ids is None else np.isin(labels, ids)
    union = np.zeros(values.shape, bool) if rois else np.ones(values.shape, bool)
    for roi, its in zip(rois, found.rois, strict=True):
        union[roi.slices] = True
        check(its, values[roi.slices][inside[roi.slices]])
    check(found, values[inside & union])


def test_mask_and_box_of_views_that_begin_elsewhere() -> None:
    rng = np.random.default_rng(5)
    values, labels = rng.integers(0, 99, (9, 10, 11)), rng.integers(0, 2, (12, 13, 14)).astype("u1")
    found = measure.statistics(
        volume(values)[1:8, 2:9, 3:10], mask=volume(labels)[4:11, 5:12, 6:13], box=Box((2, 3, 4), (6, 7, 8)), block=3
    )
    check(found, values[2:6, 3:7, 4:8][labels[5:9, 6:10, 7:11] != 0])


def test_what_is_no_number_is_counted_and_left_out() -> None:
    values = np.array([np.nan, 1, 2, 3, np.nan, 0], "f4").reshape(1, 2, 3)
    found = measure.statistics(volume(values), block=1)
    assert (found.nans, found.count, found.zeros, found.mean, found.max) == (2, 4, 1, 1.5, 3)
    nothing = measure.statistics(volume(values[:, :1, :1]))
    assert (nothing.nans, nothing.count, nothing.min) == (1, 0, None)


def test_infinity_is_a_value_but_has_no_bin() -> None:
    values = np.array([-np.inf, 1, 2, 5, np.inf, np.inf], "f8").reshape(1, 2, 3)
    found = measure.statistics(volume(values), block=2, bins=4, percentiles=(0, 20, 60, 100))
    assert list(found.percentiles.values()) == [-np.inf, 1, 5, np.inf]
    assert (found.min, found.max, np.isnan(found.mean)) == (-np.inf, np.inf, True)
    assert (found.counts.tolist(), found.edges.tolist()) == ([1, 1, 0, 1], [1, 2, 3, 4, 5])
    assert measure.statistics(volume(values[:, 1:]), bins=4).mean == np.inf


def test_ids_that_doubles_cannot_tell_apart() -> None:
    values = np.array([2**63 + 1, 2**63 + 3, 2**64 - 1, 2**53 + 1], "u8").reshape(1, 2, 2)
    found = measure.statistics(volume(values), percentiles=(0, 100 / 3), block=1)
    assert (found.min, found.max) == (2**53 + 1, 2**64 - 1)
    assert found.mean == float(sum(values.reshape(-1).tolist()) / 4)


def test_a_real_image(shared_data: Path) -> None:
    image = ndlab.open(shared_data / "gala_fibsem_mini" / "train-image.h5", voxel_size=(10, 10, 10))
    values = image.read()
    check(measure.statistics(image, block=(20, 64, 64), percentiles=PERCENTILES), values.reshape(-1))
    check(measure.statistics(volume(values.astype("f4")), block=(20, 64, 64)), values.astype("f4").reshape(-1))


def test_the_toy_brain_by_hand() -> None:
    """The hole is 800 voxels of 250; densities are 27 voxels of 30."""
    brain = toy()
    found = measure.statistics(brain.volume("image"), block=4)
    assert found.counts[250] == 800
    assert found.counts[30] == 27
    inside = measure.statistics(brain.volume("image"), mask=brain.volume("labels"), ids=[11, 12], block=4)
    assert inside.count == 216 + 225
    assert inside.max == 190
    json.dumps(found.to_json())


def test_a_broken_block_fails_it() -> None:
    from tests.measure.test_regions import broken_volume

    with pytest.raises(RunFailed, match="sector 7 is gone"):
        measure.statistics(broken_volume(), block=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"percentiles": (50, 101)}, r"percentiles \[101\]"),
        ({"bins": 0}, "at least 1"),
        ({"ids": [1]}, "pass mask=labels"),
        ({"mask": Volume.from_array(np.ones((2, 2, 3)), (40, 4, 4))}, "cover the same voxels"),
    ],
)
def test_mistakes_are_named(options: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        measure.statistics(volume(np.ones((2, 2, 2), "u1")), **options)


# --- order --------------------------------------------------------------------------------------------------------


@given(images())
def test_keys_sort_as_values_do(values: Array) -> None:
    flat = values.reshape(-1).astype(values.dtype.newbyteorder("="))
    flat = flat.astype("u1") if flat.dtype.kind == "b" else flat
    keys = sortable(flat)
    np.testing.assert_array_equal(unsortable(keys, flat.dtype), flat)
    np.testing.assert_array_equal(flat[np.argsort(keys, kind="stable")], np.sort(flat))


@given(images(), st.data())
def test_a_search_finds_the_value_of_any_rank(values: Array, data: st.DataObject) -> None:
    flat = values.reshape(-1).astype(values.dtype.newbyteorder("="))
    flat = flat.astype("u1") if flat.dtype.kind == "b" else flat
    ranks = sorted(data.draw(st.sets(st.integers(0, flat.size - 1), min_size=1)))
    search, passes = Search.between(ranks, flat.min(), flat.max(), flat.dtype), 0
    while not search.found:
        search, passes = search.narrowed(*search.count(flat)), passes + 1
    assert passes <= -(-8 * flat.itemsize // 16)
    assert search.values(flat.dtype) == dict(zip(ranks, np.sort(flat)[ranks].tolist(), strict=True))
