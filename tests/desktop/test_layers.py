"""Layers for napari, made without it: where they lie, what they hold, and what a store's reader gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ndlab
from ndlab.annotations import ROI, Annotations, Segment, Synapse
from ndlab.errors import BadRequest, TooLarge
from ndlab.explore import desktop_layers as made_of
from ndlab.explore.napari_plugin import reader
from ndlab.geometry import Box, NmBox
from ndlab.samples import toy
from ndlab.volume import Volume


@pytest.fixture
def brain(tmp_path: Path) -> Path:
    """A store as ndlab writes it: an image with levels, labels inside it, annotations inside it."""
    image = Volume.from_array(
        np.random.default_rng(0).integers(0, 255, (16, 128, 128), "u1"), (40, 4, 4), offset=(0, 100, 0)
    )
    store = ndlab.ingest(image, tmp_path / "brain.zarr", voxel_size=(40, 4, 4))
    ann = Annotations.create(tmp_path / "brain.zarr" / "annotations" / "cells", store, labels=True, author="ada")
    ann.add([Segment(segmentclass="axon")], voxels=[Box((2, 3, 4), (5, 9, 9))])
    ann.add([Synapse(centroid=(60.0, 122.0, 18.0), confidence=0.75), ROI(bounds=NmBox((40, 108, 8), (120, 140, 48)))])
    ann.close()
    return tmp_path / "brain.zarr"


def test_a_volume_lies_where_its_voxels_are(brain: Path) -> None:
    volume = ndlab.open(brain)
    ((levels, how, kind),) = made_of.volume_layers(volume)
    assert kind == "image"
    assert [one.shape for one in levels] == [one.shape for one in volume.levels]
    assert how["scale"] == (40.0, 4.0, 4.0)
    # napari places the centre of a voxel.
    assert how["translate"] == tuple(o + s / 2 for o, s in zip(volume.offset, volume.voxel_size, strict=True))
    assert (np.asarray(levels[0][3]) == volume[3].read()).all()
    ((part, where, _),) = made_of.volume_layers(volume[4:8])
    assert part.shape == (4, 128, 128)
    assert where["translate"][0] == how["translate"][0] + 160


def test_channels_are_layers_of_their_own() -> None:
    volume = Volume.from_array(np.arange(2 * 3 * 4 * 5, dtype="u2").reshape(2, 3, 4, 5), (10, 1, 1), axes="czyx")
    layers = made_of.volume_layers(volume, "stain")
    assert [how["name"] for _, how, _ in layers] == ["stain 0", "stain 1"]
    assert [np.asarray(data).shape for data, _, _ in layers] == [(3, 4, 5)] * 2
    assert (np.asarray(layers[1][0]) == volume.isel(c=1).read()).all()


def test_too_many_voxels_are_not_held_to_be_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = toy().volume("labels")
    monkeypatch.setattr(made_of, "MOST_PAINTED", 100)
    with pytest.raises(TooLarge, match="pass edit=Box"):
        made_of.editable(labels)
    data, how, _ = made_of.editable(labels, Box((2, 2, 2), (5, 6, 7)))
    assert data.shape == (3, 4, 5)
    assert how["translate"] == (250.0, 125.0, 125.0)


def test_a_graph_needs_places() -> None:
    graph = ndlab.Graph.from_edges([1, 2], [2, 3])
    with pytest.raises(BadRequest, match="pass places="):
        made_of.graph_layers(graph)
    (nodes, _, _), (edges, how, kind) = made_of.graph_layers(graph, np.eye(3) * 100)
    assert (kind, how["vector_style"], nodes.shape) == ("vectors", "arrow", (3, 3))
    assert (edges[:, 0] + edges[:, 1] == nodes[[1, 2]]).all()


def test_the_reader_opens_a_store_with_all_that_is_in_it(brain: Path) -> None:
    read = reader(str(brain))
    assert read is not None
    layers = {how["name"]: (data, how, kind) for data, how, kind in read(str(brain))}
    assert {name: kind for name, (_, _, kind) in layers.items()} == {
        "brain": "image", "cells": "labels", "cells: points": "points", "cells: shapes": "shapes",
    }  # fmt: skip
    points, how, _ = layers["cells: points"]
    assert points.tolist() == [[1.0, 5.0, 4.0]]
    assert how["features"]["confidence"].tolist() == [0.75]
    (outline,), shapes, _ = layers["cells: shapes"]
    assert shapes["features"]["kind"].tolist() == ["roi"]
    # The rectangle of a box, in voxels, in the plane of its middle: voxels 1 and 2, of which 1.5 is nearest to 2.
    assert outline[:, 0].tolist() == [2.0] * 4
    assert sorted(set(outline[:, 1].tolist())) == [1.5, 9.5]


@pytest.mark.parametrize("name", ["notes.txt", "nowhere.zarr", "empty"])
def test_what_ndlab_does_not_open_is_left_to_others(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    assert reader(str(tmp_path / name)) is None


def test_the_reader_opens_graphs_and_sets(brain: Path, tmp_path: Path) -> None:
    places = {"z": [0.0, 1.0], "y": [0.0, 2.0], "x": [5.0, 6.0]}
    ndlab.Graph.from_edges([1], [2]).with_nodes(places).write(tmp_path / "g.graphml")
    for path, kinds in (
        (tmp_path / "g.graphml", ["points", "vectors"]),
        (brain / "annotations" / "cells", ["points", "shapes"]),
    ):
        read = reader(str(path))
        assert read is not None
        assert [kind for _, _, kind in read(str(path))] == kinds
