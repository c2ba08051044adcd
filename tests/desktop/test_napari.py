"""napari for real: what it draws has contrast, what is edited in it is in the annotations, its plugin opens a store.

Run by `make napari-test`, in an environment that has napari, under a real or a virtual screen: what Qt draws offscreen
is black throughout without an error, so that pictures are judged by how their pixels spread.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndlab
from ndlab.annotations import ROI, Annotations, Segment, Synapse
from ndlab.explore.desktop import Desktop, desktop
from ndlab.geometry import Box, NmBox

pytestmark = pytest.mark.napari


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as ndlab writes it: an image with levels, labels inside it, annotations inside it."""
    folder = tmp_path_factory.mktemp("napari")
    store = ndlab.ingest(ndlab.samples.fibsem_slices(), folder / "brain.zarr", voxel_size=(10, 10, 10))
    ann = Annotations.create(folder / "brain.zarr" / "annotations" / "cells", store, labels=True, author="ada")
    ann.add([Segment(segmentclass="axon")], voxels=[Box((20, 30, 40), (30, 60, 90))])
    ann.add([Synapse(centroid=(250.0, 220.0, 380.0), confidence=0.75)])
    ann.add([ROI(bounds=NmBox((240, 500, 600), (270, 800, 900)))])
    ann.close()
    return folder / "brain.zarr"


@pytest.fixture(scope="module")
def napari(tmp_path_factory: pytest.TempPathFactory) -> Any:
    os.environ["NAPARI_CONFIG"] = str(tmp_path_factory.mktemp("config") / "settings.yaml")
    assert os.environ.get("DISPLAY"), "napari draws nothing without a screen: make napari-test"
    return importlib.import_module("napari")


@pytest.fixture(scope="module")
def desk(brain: Path, napari: Any) -> Iterator[Desktop]:
    """One viewer for the tests that edit; each leaves the set as it was."""
    ann = Annotations.open(brain / "annotations" / "cells", author="grace")
    graph = ndlab.Graph.from_edges([1, 2], [2, 3])
    viewer = napari.Viewer(show=True)
    places = [(250, 100, 100), (250, 900, 900), (250, 300, 1800)]
    found = desktop(viewer=viewer, em=ndlab.open(brain), annotations=ann, edit=True, graph=graph, places=places,
                    kinds={"point": "synapse"})  # fmt: skip
    yield found
    viewer.close()
    ann.close()


def ids(desk: Desktop, kind: str) -> list[int]:
    assert desk.annotations is not None
    return [int(one) for one in desk.annotations.where(kind=kind).ids()]


def test_the_picture_has_contrast_in_a_plane_and_in_space(desk: Desktop) -> None:
    viewer = desk.viewer
    assert [type(layer).__name__ for layer in viewer.layers] == [
        "Image",
        "Labels",
        "Points",
        "Shapes",
        "Points",
        "Vectors",
    ]
    assert viewer.layers[0].multiscale
    assert len(viewer.layers[0].data) == 3
    viewer.dims.set_point(0, 255.0)
    viewer.reset_view()
    plane = viewer.screenshot(canvas_only=True, flash=False)[..., :3]
    viewer.dims.ndisplay = 3
    space = viewer.screenshot(canvas_only=True, flash=False)[..., :3]
    viewer.dims.ndisplay = 2
    if folder := os.environ.get("NDLAB_PICTURES"):
        from PIL import Image

        whole = viewer.screenshot(canvas_only=False, flash=False)
        for name, picture in (("plane", plane), ("space", space), ("window", whole)):
            Image.fromarray(picture).save(Path(folder) / f"napari-{name}.png")
    assert plane.std() > 20
    assert space.std() > 10
    # Not grey alone: labels, points and arrows are there too.
    assert (np.ptp(plane.astype(int), axis=2) > 60).sum() > 500


def test_points_go_to_the_set_and_come_back(desk: Desktop) -> None:
    ann, points = desk.annotations, desk.viewer.layers["cells: points"]
    assert ann is not None
    (old,) = ids(desk, "synapse")
    version = ann.version
    points.add([[25.0, 40.0, 60.0]])
    data = np.array(points.data)
    data[0] = [25.0, 22.0, 40.0]
    points.data = data
    made = desk.save("a second look")
    assert len(made) == 2
    new = ann.get(max(ids(desk, "synapse")))
    assert (new.author, new.centroid) == ("grace", (255.0, 405.0, 605.0))
    assert ann.get(old).centroid == (255.0, 225.0, 405.0)
    assert {one.note for one in ann.history(limit=2)} == {"a second look"}
    assert desk.save() == []
    points.selected_data = {len(points.data) - 1}
    points.remove_selected()
    desk.save()
    assert ids(desk, "synapse") == [old]
    assert len(desk.undo()) == 1
    assert len(desk.undo()) == 2
    assert ids(desk, "synapse") == [old]
    assert ann.get(old).centroid == (250.0, 220.0, 380.0)
    assert np.allclose(points.data, [[24.5, 21.5, 37.5]])
    assert ann.version > version
    assert desk.undo() == []


def test_shapes_go_to_the_set_and_come_back(desk: Desktop) -> None:
    ann, shapes = desk.annotations, desk.viewer.layers["cells: shapes"]
    assert ann is not None
    (old,) = ids(desk, "roi")
    shapes.add_rectangles([[12, 10, 10], [12, 10, 30], [12, 40, 30], [12, 40, 10]])
    shapes.add_paths([[12, 10, 10], [12, 50, 60], [12, 70, 90]])
    desk.save()
    region = ann.get(max(ids(desk, "roi")))
    assert region.bounds == NmBox((120, 105, 105), (130, 405, 305))
    (line,) = ids(desk, "skeleton")
    nodes: list[Any] = list(ann.where(kind="node", skeleton=line).sort("id"))
    assert [one.location for one in nodes] == [(125.0, 105.0, 105.0), (125.0, 505.0, 605.0), (125.0, 705.0, 905.0)]
    assert {one.author for one in (region, *nodes)} == {"grace"}
    desk.undo()
    assert ids(desk, "roi") == [old]
    assert ids(desk, "skeleton") == []
    assert len(shapes.data) == 1


def test_paint_goes_to_the_set_and_comes_back(desk: Desktop) -> None:
    ann, layer = desk.annotations, desk.viewer.layers["cells: labels"]
    assert ann is not None
    (cell,) = ids(desk, "segment")
    before = layer.data.copy()
    layer.selected_label, layer.brush_size, layer.n_edit_dimensions = cell, 6, 2
    layer.paint((25, 80, 150), cell)
    layer.paint((25, 45, 60), 0)
    assert (layer.data != before).sum() > 20
    painted = layer.data.copy()
    made = desk.save("with a brush")
    assert len(made) == 2
    assert (ann.paint.read(Box((0, 0, 0), painted.shape)) == painted).all()
    assert {(one.author, one.note) for one in ann.history(limit=2)} == {("grace", "with a brush")}
    desk.undo()
    assert (ann.paint.read(Box((0, 0, 0), painted.shape)) == before).all()
    assert (layer.data == before).all()


def test_the_buttons_do_the_same(desk: Desktop) -> None:
    from qtpy.QtWidgets import QLabel, QLineEdit, QPushButton

    (name,) = [one for one in desk.viewer.window.dock_widgets if one.startswith("ndlab")]
    widget = desk.viewer.window.dock_widgets[name]
    save, undo = widget.findChildren(QPushButton)
    (said,) = widget.findChildren(QLabel)
    widget.findChildren(QLineEdit)[0].setText("by hand")
    save.click()
    assert said.text() == "Nothing to do"
    desk.viewer.layers["cells: points"].add([[30.0, 30.0, 30.0]])
    save.click()
    assert said.text().startswith("Written as transaction")
    assert desk.annotations is not None
    assert desk.annotations.history(limit=1)[0].note == "by hand"
    assert len(ids(desk, "synapse")) == 2
    undo.click()
    assert said.text().startswith("Taken back")
    assert len(ids(desk, "synapse")) == 1


def test_the_plugin_is_valid_and_napari_opens_a_store_with_it(brain: Path, napari: Any) -> None:
    from npe2 import PluginManager, PluginManifest

    manifest = PluginManifest.from_distribution("ndlab")
    manifest.validate_imports()
    manager = PluginManager.instance()
    manager.discover()
    assert "ndlab" in [one.name for one in manager.iter_manifests()]
    viewer = napari.Viewer(show=False)
    try:
        layers = viewer.open(str(brain), plugin="ndlab")
        assert [type(one).__name__ for one in layers] == ["Image", "Labels", "Points", "Shapes"]
        assert layers[0].multiscale
        assert tuple(layers[0].scale) == (10.0, 10.0, 10.0)
    finally:
        viewer.close()
