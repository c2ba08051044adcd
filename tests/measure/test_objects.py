"""Objects from labels: rows say what scikit-image finds in the whole array, and `check` finds nothing to add."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from skimage.measure import regionprops

import ndlab
from ndlab import measure
from ndlab.annotations import Annotations, Generic, Organelle, Segment, Synapse
from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import Box, NmBox
from ndlab.volume import Volume
from tests.annotations.model import new_labels, sphere
from tests.measure.oracles import OFFSET, VOXEL_SIZE, label_arrays, labels_volume

Array = np.ndarray[Any, Any]


def truth(values: Array, size: Any, offset: Any) -> dict[int, tuple[int, NmBox, Array]]:
    """Number, box [nm] and mean centre [nm] of each label, voxel by voxel."""
    found = {}
    for one in np.unique(values[values != 0]).tolist():
        at = np.argwhere(values == one)
        ends = (np.array(offset) + at.min(0) * size, np.array(offset) + (at.max(0) + 1) * size)
        found[one] = len(at), NmBox(*(end.tolist() for end in ends)), np.array(offset) + (at.mean(0) + 0.5) * size
    return found


def says(ann: Annotations) -> dict[int, tuple[int, NmBox, Array]]:
    """What rows say of each object that has a number of voxels."""
    found = {}
    for one in ann.where(voxel_count__isnull=False):
        centre = one.position if one.position else [one.keys[f"centroid_{axis}"] for axis in "zyx"]
        assert one.bounds is not None
        found[one.id] = int(one.keys["voxel_count"]), one.bounds, np.array(centre, "f8")
    return found


def same(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    for one, (count, box, centre) in a.items():
        assert count == b[one][0]
        assert np.allclose([*box.start, *box.stop], [*b[one][1].start, *b[one][1].stop], atol=1e-9)
        assert np.allclose(centre, b[one][2], atol=1e-6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=label_arrays())
def test_rows_say_what_the_labels_do(values: Array) -> None:
    ann = Annotations.temporary(voxel_size=VOXEL_SIZE)
    volume = labels_volume(values)
    if values.dtype.kind == "i" and values.min() < 0:
        with pytest.raises(BadRequest, match=r"labels down to -3.*from 1 on"):
            measure.objects(ann, volume)
        assert ann.version == 0
        return
    expected = truth(values.astype("u8"), VOXEL_SIZE, OFFSET)
    assert measure.objects(ann, volume).tolist() == sorted(expected)
    same(says(ann), expected)
    assert measure.objects(ann, volume).size == 0
    assert len(measure.differences(ann, volume)) == 0
    assert ann.version == (1 if expected else 0)
    ann.close()


def test_background_is_no_object() -> None:
    with pytest.raises(BadRequest, match="labels down to 0"):
        measure.objects(Annotations.temporary(), labels_volume(np.zeros((2, 2, 2), "u1")), background=None)


def test_rows_that_are_there_keep_the_rest(tmp_path: Path) -> None:
    values = np.zeros((6, 8, 8), "u4")
    values[1:3, 2:5, 2:5], values[4, 4, 4] = 7, 9
    volume = Volume.from_array(values, (40, 4, 4), kind="labels")
    ann = Annotations.create(tmp_path / "ann", volume, author="ada")
    ann.add([Synapse(id=7, confidence=0.9, presegments=(3,), keys={"roi": "LH"}), Organelle(id=8), Segment(id=100)])
    before = {one.id: one for one in ann}
    written = measure.objects(ann, volume, "organelle", note="by labels")
    assert written.tolist() == [7, 9]
    synapse, new = ann.get([7, 9])
    assert (synapse.confidence, synapse.presegments, synapse.author) == (0.9, (3,), "ada")
    assert synapse.keys == {"roi": "LH", "voxel_count": 18}
    assert (synapse.centroid, synapse.bounds) == ((80.0, 14.0, 14.0), NmBox((40, 8, 8), (120, 20, 20)))
    assert isinstance(new, Organelle)
    assert new.centroid == (180.0, 18.0, 18.0)
    assert ann.get([8, 100]) == [before[8], before[100]]
    done = ann.history(limit=1)[0]
    assert (done.operation, done.objects, done.note) == ("measure", 2, "by labels")
    ann.undo()
    assert {one.id: one for one in ann} == before


def test_what_differs_is_told() -> None:
    values = np.zeros((6, 8, 8), "u4")
    for i, one in enumerate((3, 4, 5, 6, 7)):
        values[i, 1:4, 1:5] = one
    volume = Volume.from_array(values, (40, 4, 4), kind="labels")
    ann = Annotations.temporary(volume)
    measure.objects(ann, volume, "synapse")
    good = ann.version
    ann.update(3, voxel_count=1)
    ann.update(4, centroid=(0.0, 0.0, 0.0))
    ann.update(5, bounds=Box.nm((0, 0, 0), (1, 1, 1)))
    ann.update(6, bounds=None, centroid=None, voxel_count=None)  # says nothing
    ann.delete(7)
    ann.add([Generic(id=50, keys={"voxel_count": 3}), Generic(id=51)])
    told = measure.differences(ann, volume)
    assert told.rows.tolist() == [
        (3, True, True, True, False, False),
        (4, True, True, False, False, True),
        (5, True, True, False, True, False),
        (7, False, True, False, False, False),
        (50, True, False, True, False, False),
    ]
    assert len(measure.differences(ann.as_of(good), volume)) == 0
    measure.objects(ann, volume)
    assert measure.differences(ann, volume)["id"].tolist() == [50]
    with pytest.raises(ReadOnly, match="an earlier state is only read"):
        measure.objects(ann.as_of(good), volume)


def test_what_was_painted_is_measured_with_what_stands_behind(tmp_path: Path) -> None:
    """Without labels those that belong to the set are meant, pending strokes and exceptions included."""
    volume = new_labels(tmp_path / "labels")
    ann = Annotations.create(tmp_path / "ann", volume)
    paint = ann.attach(volume, background=False)
    paint.write(2, sphere((6, 10, 10), 5))
    paint.write(3, sphere((6, 16, 10), 4), mode="preserve")
    paint.write(4, sphere((7, 13, 10), 3), mode="except")
    paint.write(5, [(6, 10, 10)], mode="except")  # nowhere but behind
    assert paint.pending
    assert measure.objects(ann).tolist() == [2, 3, 4, 5]
    found = says(ann)
    for one in (2, 3, 4, 5):
        at = paint.voxels(one)
        assert found[one][0] == len(at)
        assert np.allclose(found[one][2], (at.mean(0) + 0.5) * (40, 4, 4))
    report = ann.check()
    assert report.ok, str(report)
    assert not report.of("paint")
    assert len(measure.differences(ann)) == 0
    paint.write(5, [(0, 0, 0)])
    assert measure.differences(ann)["id"].tolist() == [5]
    assert [f.what for f in ann.check().problems] == ["bounds", "voxels"]
    assert ann.check(repair=True).ok
    assert len(measure.differences(ann)) == 0
    ann.undo(ann.version)  # the repair
    assert measure.objects(ann).tolist() == [5]
    assert ann.check().ok
    assert len(measure.differences(ann)) == 0
    with pytest.raises(BadRequest, match="as they are now"):
        measure.differences(ann.as_of(ann.version))
    ann.close()


def test_the_pinky_segmentation(shared_data: Path, tmp_path: Path) -> None:
    """Real segments with ids of 64 bits: scikit-image counts them, and all agree."""
    pinky = ndlab.open(shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr")[:96]
    ann = Annotations.create(tmp_path / "ann", pinky)
    ids = measure.objects(ann, pinky)
    values = pinky.read()
    known, small = np.unique(values, return_inverse=True)
    props = {int(known[p.label]): p for p in regionprops(small.reshape(values.shape)) if known[p.label]}
    assert ids.tolist() == sorted(props)
    assert len(ids) > 100
    size, offset = np.array(pinky.voxel_size), np.array(pinky.calibration.offset)
    for one in ann:
        prop = props[one.id]
        assert one.kind == "segment"
        assert one.keys["voxel_count"] == prop.area
        assert one.bounds is not None
        assert np.allclose(one.bounds.start, offset + np.array(prop.bbox[:3]) * size)
        assert np.allclose(one.bounds.stop, offset + np.array(prop.bbox[3:]) * size)
        centre = [one.keys[f"centroid_{axis}"] for axis in "zyx"]
        assert np.allclose(centre, offset + (np.array(prop.centroid) + 0.5) * size)
    assert len(measure.differences(ann, pinky)) == 0
    assert ann.check().ok
    box = ann.get(int(ids[0])).bounds
    assert int(ids[0]) in ann.within(box, "bounds").ids()
    measure.objects(ann, pinky, block=(40, 100, 90))
    assert ann.version == 1  # in other blocks the same
