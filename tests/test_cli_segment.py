"""Segments, partners, graphs and streamlines in a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab import detect
from ndlab.annotations import Annotations, Synapse
from ndlab.cli import main
from ndlab.geometry import NmBox
from ndlab.graph import read
from ndlab.samples import phantom, toy
from ndlab.volume import Volume
from ndlab.volume import open as open_volume


def stored(volume: Volume, path: Path, **options: Any) -> str:
    made = volume.like(path, **options)
    made.write(None, volume.read())
    return str(path)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["detect", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_segments_of_probabilities_and_their_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brain = phantom((16, 64, 64), seed=3)
    walls = Volume.from_array(brain.membranes().astype("f4"), (8, 8, 8))
    url, out = stored(walls, tmp_path / "walls.zarr"), str(tmp_path / "cells.zarr")
    facts = asked(capsys, "segments", url, out, "--threshold", "0.7", "--block", "8,32,64", "--quiet")
    found = open_volume(out)
    assert facts["segments"] == len(np.unique(found.read()))
    assert np.array_equal(found.read(), detect.segments(walls, threshold=0.7).read())
    truth = stored(brain.volume("labels"), tmp_path / "truth.zarr")
    assert asked(capsys, "agreement", out, truth)["vi"] == detect.score_segmentation(found, brain.volume("labels")).vi


def test_grey_values_are_segmented_by_the_shipped_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = Volume.from_array(phantom((8, 64, 64), seed=3).image(), (8, 8, 8))
    url, out = stored(image, tmp_path / "em.zarr"), str(tmp_path / "cells.zarr")
    facts = asked(capsys, "segments", url, out, "--quiet")
    assert facts["segments"] >= 1
    assert open_volume(out + ".membranes").dtype == np.float32


def test_partners_are_written_unless_it_is_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brain = toy()
    cells = stored(brain.volume("labels"), tmp_path / "cells.zarr")
    objects = stored(brain.volume("synapse_labels"), tmp_path / "objects.zarr")
    path = str(tmp_path / "synapses")
    with Annotations.create(path, brain.volume("image")) as ann:
        ann.add([Synapse(id=101, centroid=(600, 225, 375), bounds=NmBox((500, 150, 350), (700, 300, 400)))])
    for words, pre in ((["--dry-run"], ()), ([], (11,))):
        facts = asked(capsys, "partners", path, cells, "--objects", objects, "--reach", "60", *words)
        assert facts == {"synapses": 1, "with_both": 1, "directed": 1}
        with Annotations.open(path) as ann:
            assert ann.get(101).presegments == pre


def test_streamlines_become_a_graph_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import nibabel.streamlines

    labels = np.zeros((4, 4, 10), "u2")
    labels[..., :3], labels[..., 7:] = 1, 2
    regions = stored(Volume.from_array(labels, (1e6, 1e6, 1e6), kind="labels"), tmp_path / "regions.zarr")
    lines = nibabel.streamlines.Tractogram([np.array([(1.5, 2, 2), (8.5, 2, 2)])], affine_to_rasmm=np.eye(4))
    nibabel.streamlines.save(lines, str(tmp_path / "a.tck"))
    out = str(tmp_path / "brain.graphml")
    facts = asked(capsys, "streamlines", str(tmp_path / "a.tck"), regions, out)
    assert facts == {"graph": out, "regions": 2, "edges": 1, "streamlines": 1, "outside": 0, "returning": 0}
    assert read(out).n_edges == 1


def test_a_picture_becomes_a_folder_and_the_same_call_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Volume.from_array(phantom((10, 64, 64), seed=8).image(), (8, 8, 8))
    url, out = stored(image, tmp_path / "em.zarr"), str(tmp_path / "reading")
    facts = asked(capsys, "graph", url, out, "--quiet")
    assert facts["segments"] > 1
    assert sorted(one.name for one in Path(out).iterdir()) == [
        "graph.graphml", "membranes.ome.zarr", "reading.json", "segments.ome.zarr", "synapses", "synapses.ome.zarr",
    ]  # fmt: skip
    assert asked(capsys, "graph", url, out, "--quiet") == facts
    assert asked(capsys, "graph", url, out, "--quiet", "--overwrite") == facts
    other = stored(image[:9], tmp_path / "other.zarr")
    assert main(["detect", "graph", other, out, "--quiet"]) == 2
    assert "another picture" in capsys.readouterr().err
