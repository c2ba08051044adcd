"""A real dense segmentation as labels of a set: what it holds is known from the start, and is painted on at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import find_objects

import ndlab
from ndlab.annotations import Annotations, Segment, Synapse
from ndlab.geometry import Box


def test_the_pinky_segmentation_is_annotated(shared_data: Path, tmp_path: Path) -> None:
    """2511 segments of 256 x 256 x 512 voxels; 2000 synapses among them, and two segments that are one."""
    pinky = ndlab.open(shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr")
    values = pinky.read()
    labels = ndlab.ingest(values, tmp_path / "pinky.zarr", voxel_size=pinky.voxel_size, kind="labels")
    with Annotations.create(tmp_path / "set", labels) as ann:
        paint = ann.attach(labels)
        known, ranks, counts = np.unique(values, return_inverse=True, return_counts=True)
        ids = known[1:].tolist()
        assert known[0] == 0
        assert paint.ids() == ids
        assert len(ids) == 2511
        boxes = find_objects(ranks.reshape(values.shape))
        some = np.random.default_rng(0).choice(np.arange(1, len(known)), 40, replace=False).tolist()
        for i in some:
            assert paint.size(int(known[i])) == counts[i]
            box = boxes[i - 1]
            assert paint.bounding_box(int(known[i])) == Box([s.start for s in box], [s.stop for s in box])
        ann.add([Segment(id=one) for one in ids])
        assert len(ann) == 2511

        rng = np.random.default_rng(1)
        corners = rng.integers(0, np.array(values.shape) - 6, (2000, 3))
        grid = np.argwhere(np.ones((4, 6, 6)))
        voxels = [grid + corner for corner in corners]
        made = ann.add([Synapse(confidence=0.5) for _ in corners], voxels=voxels).tolist()
        for one, where in zip(made, voxels, strict=True):
            values[tuple(where.T)] = one
        small = [int(known[i]) for i in some if counts[i] < 5000][:2]
        ann.merge(small)
        values[values == small[1]] = small[0]
        paint.flush()
        assert np.array_equal(labels.read(), values)
        assert paint.size(small[0]) == (values == small[0]).sum()
        assert len(ann) == 2511 + 2000 - 1
