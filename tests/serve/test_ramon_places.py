"""Objects over labels that lie in another grid than the one that paths count in, and with large ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.annotations import Annotations, Segment
from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access
from tests.serve.ramon_client import Objects, file_of
from tests.serve.sites import Client

# The labels have the voxels of the image's level 1, and begin 4 of them further in y and 2 in x.
AT = (0, 4, 2)
SHAPE = (12, 30, 40)
BIG = 2**40
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def nd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Objects]:
    folder = tmp_path_factory.mktemp("places")
    em = np.random.default_rng(0).integers(1, 255, (12, 100, 120), "u1")
    image = ingest(em, folder / "brain.zarr", voxel_size=(40, 4, 4), offset=(400, 80, 40))
    assert image.level(1).voxel_size == (40, 8, 8)
    corner = [o + a * s for o, a, s in zip((400, 80, 40), AT, (40, 8, 8), strict=True)]
    labels = ingest(np.zeros(SHAPE, "u8"), folder / "brain.zarr" / "labels" / "cells", voxel_size=(40, 8, 8),
                    offset=corner, kind="labels")  # fmt: skip
    listed = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5", "labels": ["cells"]}}}
    (folder / "brain.zarr" / "labels" / "zarr.json").write_text(json.dumps(listed))
    with Annotations.create(folder / "brain.zarr" / "annotations" / "neurons", image) as ann:
        ann.attach(labels)
        ann.add([Segment(id=BIG, keys={"name": "axon"})])
    with serving(make_site(str(folder), Access(open=True), writable=True)) as server:
        yield Objects(Client(server, None), "brain", "cells")


def painted(nd: Objects) -> Array:
    """Labels by the grammar's cut-outs at level 1 of the image, from the first of its voxels that they cover."""
    x, y, z = (5 + AT[2], 10 + AT[1], 10)
    path = f"raw/1/{x},{x + SHAPE[2]}/{y},{y + SHAPE[1]}/{z},{z + SHAPE[0]}/"
    return np.frombuffer(nd.good(path), "<u8").reshape(SHAPE)


def test_paths_count_in_the_images_levels_wherever_the_labels_begin(nd: Objects) -> None:
    want = np.zeros(SHAPE, "u8")
    want[3, 6:8, 9:12] = BIG
    # Level 1 of the image begins at x 5, y 10, z 10; the labels 2 and 4 voxels further.
    voxels = [[5 + 2 + x, 10 + 4 + y, 10 + 3] for y in (6, 7) for x in (9, 10, 11)]
    nd.post({BIG: {"RESOLUTION": 1, "VOXELS": np.array(voxels)}}, "update/")
    np.testing.assert_array_equal(painted(nd), want)
    assert nd.get(BIG, "voxels/1/")[BIG]["VOXELS"].tolist() == voxels
    bound = nd.get(BIG, "boundingbox/1/")[BIG]
    assert (bound["XYZOFFSET"].tolist(), bound["XYZDIMENSION"].tolist()) == ([16, 20, 13], [3, 2, 1])
    cut = nd.get(BIG, "cutout/1/10,30/10,25/12,15/")[BIG]["CUTOUT"]
    assert (cut.dtype, cut.shape) == (np.int64, (3, 15, 20))
    assert np.argwhere(cut == BIG)[:, ::-1].tolist() == [[x - 10, y - 10, z - 12] for x, y, z in voxels]
    # Finer than the labels: each of them is four voxels of the image.
    fine = nd.get(BIG, "voxels/0/")[BIG]["VOXELS"]
    assert {tuple(v) for v in fine.tolist()} == {
        (2 * x + i, 2 * y + j, z) for x, y, z in voxels for i in (0, 1) for j in (0, 1)
    }
    # Coarser: what the level holds.
    assert len(nd.get(BIG, "cuboids/1/")[BIG]["CUBOIDS"]) == 1
    said = nd("update/", "POST", file_of({BIG: {"RESOLUTION": 0, "VOXELS": [[40, 40, 12]]}}))
    assert (said.status, "do not make up" in said.json["exists"]) == (400, True)
    outside = nd("update/", "POST", file_of({BIG: {"RESOLUTION": 1, "VOXELS": [[5, 10, 10]]}}))
    assert outside.status == 404
    nd.post({BIG: {"RESOLUTION": 1, "VOXELS": np.array(voxels[:5])}}, "reduce/")
    assert (painted(nd) == BIG).sum() == 1


def test_places_are_voxels_of_the_images_finest_level(nd: Objects) -> None:
    (one,) = nd.post({"x": {"ANNOTATION_TYPE": 2, "METADATA": {"CENTROID": [30, 40, 15]}}})
    found = nd(f"{one}/json/").json[str(one)]["metadata"]
    assert found["centroid"] == [30, 40, 15]
    folder = Path(nd.ask.server.site.names.url.removeprefix("file://"))
    with Annotations.open(folder / "brain.zarr" / "annotations" / "neurons") as ann:
        # The centre of voxel (z 15, y 40, x 30), whose data set begins at voxel (10, 20, 10).
        assert ann.get(one).centroid == (15.5 * 40, 40.5 * 4, 30.5 * 4)


def test_ids_beyond_32_bits_go_through_every_form(nd: Objects) -> None:
    huge = 2**63 + 5
    nd.post({huge: {"ANNOTATION_TYPE": 4, "METADATA": {"NEURON": huge - 1}, "RESOLUTION": 1, "VOXELS": [[20, 30, 14]]}})
    assert nd.get(huge, "cutout/1/")[huge]["CUTOUT"].tolist() == [[[huge]]]
    assert nd.get(huge)[huge]["METADATA"]["NEURON"].tolist() == [huge - 1]
    assert huge in nd.query("type/4/")
    assert nd.query(f"seg_neuron/{huge - 1}/") == [huge]
    assert nd.good(f"getField/{huge}/neuron/").decode() == str(huge - 1)
    assert nd.ask(f"{nd.json_at}/{huge}/").json[str(huge)]["ann_id"] == huge
    nd.good(f"{huge}/", "DELETE")
