"""The table of labels against scikit-image and numpy, for any cut into blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import regionprops_table

import ndlab
from ndlab import measure
from ndlab.errors import BadRequest, OutOfBounds, RunFailed
from ndlab.geometry import Box, Calibration, Grid
from ndlab.measure.keyed import merge_keyed
from ndlab.measure.regions import _measure, _none
from ndlab.samples import phantom, toy
from ndlab.store.arrays import Level, Stored
from ndlab.volume import Volume
from tests.measure.oracles import (
    BLOCKS,
    OFFSET,
    VOXEL_SIZE,
    Array,
    face_area,
    label_arrays,
    labels_volume,
    limits,
    touching,
)

BOX = [f"{axis}{i}" for i in (0, 1) for axis in "zyx"]


def expected(values: Array, ids: Array, intensity: Array | None = None) -> Iterator[dict[str, Any]]:
    for number in ids:
        inside = values == number
        where = np.nonzero(inside)
        row: dict[str, Any] = {"id": number, "size": inside.sum(), "volume": inside.sum() * np.prod(VOXEL_SIZE)}
        for axis, at, v, o in zip("zyx", where, VOXEL_SIZE, OFFSET, strict=True):
            row |= {f"{axis}0": at.min(), f"{axis}1": at.max() + 1, f"{axis}_index": at.mean()}
            row[axis] = o + (at.mean() + 0.5) * v
        row["area"] = sum((np.diff(inside.astype("i1"), axis=i) != 0).sum() * face_area(i) for i in range(3))
        row["border_area"] = sum((inside.take(0, i).sum() + inside.take(-1, i).sum()) * face_area(i) for i in range(3))
        row["border"] = row["border_area"] > 0
        if intensity is not None:
            its = intensity[inside]
            row |= {"mean": its.astype("f8").mean(), "std": its.astype("f8").std(), "min": its.min(), "max": its.max()}
        yield row


def check(table: measure.Table, values: Array, intensity: Array | None = None, background: int | None = 0) -> None:
    ids = np.unique(values)
    ids = ids[ids != background] if background is not None else ids
    assert table["id"].tolist() == [int(i) for i in ids]
    for row, want in zip(table, expected(values, ids, intensity), strict=True):
        for name, value in want.items():
            if name in ("id", "size", *BOX, "border", "min", "max"):
                assert int(row[name]) == int(value), name
            else:
                # The squares of 64-bit values have 128 bits, of which the sums keep 106.
                atol = 2.0**-51 * max(abs(row["min"]), abs(row["max"])) if name == "std" else 1e-9
                np.testing.assert_allclose(row[name], value, rtol=1e-9, atol=atol, err_msg=name)


@given(label_arrays(), BLOCKS, st.sampled_from([0, None]))
def test_equals_numpy_for_any_block(values: Array, block: tuple[int, int, int], background: int | None) -> None:
    check(measure.regions(labels_volume(values), block=block, background=background), values, None, background)


@given(label_arrays(), BLOCKS, st.data())
def test_values_equal_numpy_for_any_type_and_block(
    values: Array, block: tuple[int, int, int], data: st.DataObject
) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(["u1", "u2", "i2", "i4", "u4", "i8", "?"])))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    low, high = limits(dtype)
    plain = np.uint8 if dtype.kind == "b" else dtype
    image: Array = np.asarray(rng.integers(low, high, values.shape, endpoint=True, dtype=plain)).astype(dtype)
    over = Volume.from_array(image, VOXEL_SIZE)
    check(measure.regions(labels_volume(values), over, block=block), values, image)


@given(label_arrays(), BLOCKS, BLOCKS, st.sampled_from(["f2", "f4", "f8"]), st.integers(0, 2**32))
def test_sums_of_floats_do_not_depend_on_the_blocks(
    values: Array, block: tuple[int, int, int], other: tuple[int, int, int], dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image: Array = np.asarray(rng.normal(size=values.shape) * 10.0 ** rng.integers(-3, 3, values.shape)).astype(dtype)
    over = Volume.from_array(image, VOXEL_SIZE)
    one = measure.regions(labels_volume(values), over, block=block)
    assert one.rows.tobytes() == measure.regions(labels_volume(values), over, block=other).rows.tobytes()
    for row in one:
        its = image[values == row["id"]].astype("f8")
        np.testing.assert_allclose((row["mean"], row["std"]), (its.mean(), its.std()), rtol=1e-9, atol=1e-12)
        assert (row["min"], row["max"]) == (its.min(), its.max())


def test_a_tiny_spread_on_a_large_value_is_not_lost() -> None:
    """Sums of squares in doubles would leave nothing of it."""
    image = 1e9 + np.array([0, 1, 2, 1], "f8").reshape(1, 2, 2) * 1e-3
    table = measure.regions(labels_volume(np.ones((1, 2, 2), "u1")), Volume.from_array(image, VOXEL_SIZE), block=1)
    assert table["std"][0] == pytest.approx(image.std(), rel=1e-6)


def test_squares_that_no_double_holds() -> None:
    image = np.array([1e200, -1e200, 3e160, 1, 2, 3]).reshape(1, 2, 3)
    table = measure.regions(
        labels_volume(np.array([1, 1, 1, 2, 2, 2], "u1").reshape(1, 2, 3)),
        Volume.from_array(image, VOXEL_SIZE),
        block=1,
    )
    np.testing.assert_array_equal(table["mean"], [1e160, 2])
    np.testing.assert_allclose(table["std"], [np.inf, np.sqrt(2 / 3)])


def test_what_is_no_number_shows_as_in_numpy() -> None:
    image = np.array([1, np.nan, 2, np.inf, 3, 4], "f4").reshape(1, 3, 2)
    labels = np.array([1, 1, 2, 2, 3, 3], "u1").reshape(1, 3, 2)
    table = measure.regions(labels_volume(labels), Volume.from_array(image, VOXEL_SIZE), block=1)
    np.testing.assert_array_equal(table["mean"], [np.nan, np.inf, 3.5])
    np.testing.assert_array_equal(table["min"], [np.nan, 2, 3])
    np.testing.assert_array_equal(table["max"], [np.nan, np.inf, 4])
    np.testing.assert_array_equal(table["std"], [np.nan, np.nan, 0.5])


def test_equals_scikit_image_on_a_real_segmentation(shared_data: Path) -> None:
    """FIB-SEM with ground truth: grey values and neurons of medulla."""
    folder = shared_data / "gala_fibsem_mini"
    labels = ndlab.open(folder / "train-gt.lzf.h5", voxel_size=(10, 10, 10)).read()
    image = ndlab.open(folder / "train-image.h5", voxel_size=(10, 10, 10)).read()
    table = measure.regions(
        Volume.from_array(labels, (10, 10, 10), kind="labels"),
        Volume.from_array(image, (10, 10, 10)),
        block=(16, 33, 50),
    )
    wanted = ("label", "area", "bbox", "centroid", "intensity_mean", "intensity_min", "intensity_max", "intensity_std")
    truth = regionprops_table(labels, image, properties=wanted)
    assert len(table) > 10
    assert table["id"].tolist() == truth["label"].tolist()
    assert table["size"].tolist() == truth["area"].tolist()
    for i, name in enumerate(BOX):
        assert table[name].tolist() == truth[f"bbox-{i}"].tolist()
    for i, axis in enumerate("zyx"):
        np.testing.assert_allclose(table[f"{axis}_index"], truth[f"centroid-{i}"], rtol=1e-13)
    for name in ("mean", "std"):
        np.testing.assert_allclose(table[name], truth[f"intensity_{name}"], rtol=1e-12)
    for name in ("min", "max"):
        assert table[name].tolist() == truth[f"intensity_{name}"].tolist()


def test_equals_numpy_on_a_large_real_segmentation(shared_data: Path) -> None:
    volume = ndlab.open(shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr")
    values = volume.read()
    table = measure.regions(volume)
    ids, ranks = np.unique(values, return_inverse=True)
    sizes = np.bincount(ranks.reshape(-1))
    counts = measure.unique(volume, block=(100, 200, 200))
    assert (counts["id"].tolist(), counts["size"].tolist()) == (ids.tolist(), sizes.tolist())
    assert ids[0] == 0
    assert (table["id"].tolist(), table["size"].tolist()) == (ids[1:].tolist(), sizes[1:].tolist())
    boxes = [[s.start for s in found] + [s.stop for s in found] for found in ndimage.find_objects(ranks)]
    assert [[row[name] for name in BOX] for row in table] == boxes
    other = measure.regions(volume, block=(64, 100, 512))
    assert table.rows.tobytes() == other.rows.tobytes()


@given(label_arrays(), BLOCKS, st.randoms(use_true_random=False))
def test_blocks_merge_in_any_order(values: Array, block: tuple[int, int, int], random: Any) -> None:
    view = labels_volume(values)
    parts = [_measure(one, view, None, 0) for one in Grid(values.shape, block)]
    found = _none(values.dtype, None)
    random.shuffle(parts)
    while parts:
        other = parts.pop()
        if parts and random.random() < 0.5:
            other = merge_keyed(parts.pop(), other)
        found = merge_keyed(other, found) if random.random() < 0.5 else merge_keyed(found, other)
    want = measure.regions(view)
    assert found.keys.tolist() == want["id"].tolist()
    assert found.size.tolist() == want["size"].tolist()
    assert found.low.tolist() == [[row[name] for name in BOX[:3]] for row in want]


@given(label_arrays())
def test_surface_is_the_sum_of_contacts_background_included(values: Array) -> None:
    view = labels_volume(values)
    pairs = measure.contacts(view, background=None, block=3)
    for row in measure.regions(view, background=None, block=2):
        mine = (pairs["a"] == row["id"]) | (pairs["b"] == row["id"])
        assert pairs["area"][mine].sum() == row["area"]


def test_the_toy_brain() -> None:
    brain = toy()
    table = measure.regions(brain.volume("labels"), brain.volume("image"), block=(3, 7, 11))
    assert dict(zip(table["id"].tolist(), table["size"].tolist(), strict=True)) == {
        int(row["id"]): int(row["size"]) for row in brain.segments
    }
    densities = measure.regions(brain.volume("synapse_labels"), block=5)
    for name in ("id", "size", "z", "y", "x"):
        assert densities[name].tolist() == brain.synapses[name].tolist()
    assert not densities["border"].any()
    assert table["border"].all(), "every neurite of the toy brain leaves it"


def test_a_box_counts_in_the_level_and_cuts_like_an_end_of_the_volume() -> None:
    brain = toy()
    labels, image = brain.volume("labels"), brain.volume("image")
    box = Box((2, 3, 5), (8, 20, 28))
    table = measure.regions(labels, image, box=box, block=4)
    cut = measure.regions(labels[2:8, 3:20, 5:28], image[2:8, 3:20, 5:28])
    assert table.rows.tobytes() == cut.rows.tobytes()
    fresh = measure.regions(Volume.from_array(brain.labels[box.slices], brain.voxel_size, offset=(200, 150, 250)))
    for name in ("id", "size", "area", "border_area", "z", "y", "x"):
        np.testing.assert_allclose(table[name], fresh[name])
    assert table["z0"].tolist() == (fresh["z0"] + 2).tolist()


def test_works_from_a_store_on_threads_and_processes(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    block = phantom((32, 64, 64), seed=4)
    stored = ndlab.ingest(block.labels(), tmp_path / "labels.zarr", (8, 8, 8), kind="labels", progress=False)
    truth = measure.regions(block.volume("labels"))
    assert measure.regions(stored, block=20, workers=3).rows.tobytes() == truth.rows.tobytes()
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster, Client(cluster):
        assert measure.regions(stored, block=30).rows.tobytes() == truth.rows.tobytes()
        assert measure.regions(Volume.from_array(block.labels(), (8, 8, 8)), block=30).rows.tobytes() == (
            truth.rows.tobytes()
        ), "what is in memory stays here"


class Broken:
    """An array whose upper half cannot be read."""

    shape, chunks, shards, dtype, codec = (4, 4, 4), (2, 2, 2), None, np.dtype("u1"), "broken"

    def read(self, start: Any, stop: Any, out: Any = None) -> Array:
        if start[0] >= 2:
            raise OSError("sector 7 is gone")
        return np.ones([b - a for a, b in zip(start, stop, strict=True)], "u1")

    def write(self, start: Any, values: Any) -> None:
        raise AssertionError


def broken_volume() -> Volume:
    level = Level(Broken(), Calibration((1, 1, 1)))
    return Volume(Stored("", "broken", ("z", "y", "x"), (level,), "labels"))


def test_a_block_that_cannot_be_read_fails_the_measurement() -> None:
    volume = broken_volume()
    with pytest.raises(RunFailed, match="sector 7 is gone"):
        measure.regions(volume, block=2)
    assert measure.regions(volume[:2], block=2)["size"].tolist() == [32]


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    volume = Volume.from_array(np.ones((5, 5, 5), "u1"), (1, 1, 1))
    measure.regions(volume, block=1, progress=lambda p: seen.append((p.done, p.total)))
    assert seen[-1] == (125, 125)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: measure.regions(np.ones((2, 2, 2))), "Volume.from_array"),  # type: ignore[arg-type]
        (lambda v: measure.regions(Volume.from_array(np.ones((2, 2, 2)), (1, 1, 1))), "ids are whole numbers"),
        (lambda v: measure.regions(Volume.from_array(np.ones((2, 2, 2, 2), "u1"), (1, 1, 1))), r"\.isel\(c=0\)"),
        (lambda v: measure.regions(v, Volume.from_array(np.ones((2, 2, 3)), (1, 1, 1))), "cover the same voxels"),
        (lambda v: measure.regions(v, Volume.from_array(np.ones((2, 2, 2)), (2, 1, 1))), "cover the same space"),
        (lambda v: measure.regions(v)["mean"], "the columns are id, size"),
    ],
)
def test_mistakes_are_named(call: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        call(Volume.from_array(np.ones((2, 2, 2), "u1"), (1, 1, 1)))
    with pytest.raises(OutOfBounds):
        measure.regions(Volume.from_array(np.ones((2, 2, 2), "u1"), (1, 1, 1)), box=Box((0, 0, 0), (3, 1, 1)))


def test_the_table_shows_itself() -> None:
    table = measure.regions(Volume.from_array(np.arange(1, 28, dtype="u1").reshape(3, 3, 3), (1, 1, 1)))
    assert "… 27 rows" in repr(table)
    assert "area [nm²]" in table._repr_html_()
    frame = table.pandas
    assert list(frame.columns) == list(table.columns)
    assert frame["size"].sum() == 27
    assert np.asarray(table[:2]).shape == (2,)
    assert touching(np.ones((2, 2, 2), "u1")) == {}
