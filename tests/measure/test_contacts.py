"""Contacts against a count of every face in plain Python, for any cut into blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndlab
from ndlab import measure
from ndlab.geometry import Box
from ndlab.samples import phantom, toy
from ndlab.volume import Volume
from tests.measure.oracles import BLOCKS, VOXEL_SIZE, Array, face_area, label_arrays, labels_volume, touching

FACES = ("z_faces", "y_faces", "x_faces")


@given(label_arrays(), BLOCKS, st.sampled_from([0, 7, None]))
def test_every_face_is_counted_once(values: Array, block: tuple[int, int, int], background: int | None) -> None:
    table = measure.contacts(labels_volume(values), block=block, background=background)
    truth = touching(values, background)
    assert [(int(row["a"]), int(row["b"])) for row in table] == sorted(truth)
    for row in table:
        faces, centres = truth[int(row["a"]), int(row["b"])]
        assert [row[name] for name in FACES] == faces
        areas = np.array([area for area, _ in centres])
        assert row["area"] == areas.sum()
        centre = (np.array([place for _, place in centres]) * areas[:, None]).sum(0) / areas.sum()
        np.testing.assert_allclose([row[axis] for axis in "zyx"], centre, rtol=1e-12, atol=1e-9)


def test_the_answers_of_the_toy_brain() -> None:
    brain = toy()
    for block in (None, 1, (3, 7, 11)):
        table = measure.contacts(brain.volume("labels"), block=block)
        found = [tuple(row[name].item() for name in ("a", "b", *FACES, "area")) for row in table]
        assert found == brain.touches.tolist()
    # Axon 12 crosses dendrite 22 in a rectangle of z 5, y 9-14, x 14-19.
    crossing = table[(table["a"] == 12) & (table["b"] == 22)]
    assert [crossing[axis].item() for axis in "zyx"] == [500.0, 575.0, 825.0]


def test_a_box_counts_no_face_to_the_outside() -> None:
    brain = toy()
    box = Box((0, 0, 0), (5, 24, 30))
    assert len(measure.contacts(brain.volume("labels"), box=box)) == 0, "the axons begin at z 5"
    box = Box((4, 0, 0), (6, 24, 30))
    assert measure.contacts(brain.volume("labels"), box=box, block=2)["z_faces"].tolist() == [12, 15, 20, 25]


def test_a_real_segmentation(shared_data: Path) -> None:
    """A million faces of a mouse cortex, counted by numpy in the whole array."""
    volume = ndlab.open(shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr")[:200]
    values = volume.read().astype(np.uint64)
    table = measure.contacts(volume, block=(100, 77, 128))
    counts: dict[tuple[int, int], list[int]] = {}
    for axis in range(3):
        low = values.take(range(values.shape[axis] - 1), axis)
        high = values.take(range(1, values.shape[axis]), axis)
        differ = (low != high) & (low != 0) & (high != 0)
        a, b = np.minimum(low, high)[differ], np.maximum(low, high)[differ]
        pairs, n = np.unique(a << np.uint64(32) | b, return_counts=True)
        for pair, k in zip(pairs.tolist(), n.tolist(), strict=True):
            counts.setdefault((pair >> 32, pair & 0xFFFFFFFF), [0, 0, 0])[axis] = k
    assert len(table) > 1000
    assert [(int(row["a"]), int(row["b"])) for row in table] == sorted(counts)
    assert np.array_equal(np.stack([table[name] for name in FACES], 1), [counts[pair] for pair in sorted(counts)])
    z, y, x = volume.voxel_size
    area = table["z_faces"] * y * x + table["y_faces"] * z * x + table["x_faces"] * z * y
    np.testing.assert_allclose(table["area"], area)


@pytest.mark.parametrize("block", [16, (7, 64, 64), (32, 5, 200)])
def test_many_labels_in_many_blocks(block: int | tuple[int, int, int]) -> None:
    volume = phantom((32, 96, 96), seed=2, cell=120).volume("labels")
    whole = measure.contacts(volume)
    assert len(whole) > 300
    assert measure.contacts(volume, block=block, workers=2).rows.tobytes() == whole.rows.tobytes()


def test_the_hash_table_grows_past_its_first_size() -> None:
    """Every voxel its own id: as many pairs as faces."""
    values = np.arange(1, 1001, dtype="u8").reshape(10, 10, 10) * 2**50
    table = measure.contacts(Volume.from_array(values, VOXEL_SIZE), block=7)
    assert len(table) == 3 * 900
    assert set(table["area"].tolist()) == {face_area(axis) for axis in range(3)}
