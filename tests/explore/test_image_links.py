"""The view in other programs: neuroglancer's state and address, code for napari."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import numpy as np
import pytest

from ndlab import explore
from ndlab.explore import links
from ndlab.explore.image_widget import ImageView
from ndlab.explore.layers import Source
from ndlab.volume import Volume

SIZE, OFFSET = (40.0, 4.0, 8.0), (80.0, 0.0, 400.0)
BIG = 720575996132767246

# What neuroglancer's own code reads of a state: names, types and how many numbers.
_VECTOR = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
_QUATERNION = _VECTOR | {"minItems": 4, "maxItems": 4}
_SCALE = {
    "type": "array",
    "prefixItems": [{"type": "number", "exclusiveMinimum": 0}, {"enum": ["m", ""]}],
    "minItems": 2,
    "maxItems": 2,
}
_SHARED = {
    "name": {"type": "string"}, "visible": {"type": "boolean"}, "type": {"type": "string"},
    "source": {"type": "string", "pattern": "^[a-z0-9]+://"},
}  # fmt: skip
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def _layer(kind: str, **own: Any) -> dict[str, Any]:
    properties = _SHARED | own | {"type": {"const": kind}}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["dimensions", "position", "crossSectionScale", "layers", "layout"],
    "additionalProperties": False,
    "properties": {
        "dimensions": {
            "type": "object", "properties": dict.fromkeys("xyz", _SCALE), "required": ["x", "y", "z"],
            "additionalProperties": False,
        },
        "position": _VECTOR,
        "crossSectionOrientation": _QUATERNION,
        "projectionOrientation": _QUATERNION,
        "crossSectionScale": {"type": "number", "exclusiveMinimum": 0},
        "showAxisLines": {"type": "boolean"},
        "layout": {"enum": ["xy", "xz", "yz", "4panel"]},
        "layers": {
            "type": "array",
            "items": {
                "oneOf": [
                    _layer(
                        "image", opacity=_SHARE, blend={"enum": ["default", "additive"]}, shader={"type": "string"},
                        shaderControls={"type": "object"},
                    ),
                    _layer(
                        "segmentation", segments={"type": "array", "items": {"type": "string", "pattern": "^[0-9]+$"}},
                        selectedAlpha=_SHARE, notSelectedAlpha=_SHARE, hideSegmentZero={"type": "boolean"},
                    ),
                    _layer(
                        "annotation", annotationColor={"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                        annotations={"type": "array", "items": {"type": "object", "required": ["type", "id"]}},
                    ),
                ]
            },
        },
    },
}  # fmt: skip


@pytest.fixture
def view() -> Iterator[ImageView]:
    grey = Volume.from_array(np.zeros((5, 20, 30), "u1"), SIZE, offset=OFFSET)
    cells = Volume.from_array(np.zeros((5, 20, 30), "u8"), SIZE, offset=OFFSET, kind="labels")
    shown = explore.image(em=grey, labels={"cells": cells}, points=[[100, 8, 416]], boxes=[[80, 0, 400, 120, 8, 416]])
    yield shown
    shown.close()


def state_of(view: ImageView, **options: Any) -> dict[str, Any]:
    link = view.neuroglancer(**options)
    jsonschema.validate(link.state, SCHEMA, jsonschema.Draft202012Validator)
    return link.state


@pytest.mark.parametrize(("layout", "named"), [("xy", "xy"), ("xz", "xz"), ("yz", "yz"), ("three", "4panel")])
def test_any_view_is_a_neuroglancer_state(view: ImageView, layout: str, named: str) -> None:
    view.goto(2, 10, 15, unit="voxel")
    view.set(layout=layout, scale=6)
    view.selection = {"cells": [BIG, 7]}
    found = state_of(view)
    assert found["layout"] == named
    assert found["dimensions"] == {"x": [8e-9, "m"], "y": [4e-9, "m"], "z": [40e-9, "m"]}
    # Voxels from 0 nm on: the offset is 50 voxels in x and 2 in z.
    assert found["position"] == [50 + 15.5, 10.5, 2 + 2.5]
    assert found["crossSectionScale"] == 1.5
    assert found["crossSectionOrientation"] == [0, 0, 0, 1]
    assert [(one["name"], one["type"]) for one in found["layers"]] == [
        ("em", "image"), ("cells", "segmentation"), ("points", "annotation"), ("boxes", "annotation"),
    ]  # fmt: skip
    assert found["layers"][1]["segments"] == [str(BIG), "7"]


def test_how_layers_are_shown_goes_along(view: ImageView) -> None:
    em, cells = view.layers["em"], view.layers["cells"]
    em.window, em.gamma, em.invert, em.color, em.opacity, em.blend = (10, 200), 2.0, True, "00FF00", 0.5, "additive"
    cells.isolated, cells.visible, cells.opacity = True, False, 0.75
    image, segments, points, boxes = state_of(view)["layers"]
    assert image["shaderControls"] == {
        "normalized": {"range": [200, 10], "channel": []}, "color": "#00ff00", "gamma": 2,
    }  # fmt: skip
    assert (image["opacity"], image["blend"]) == (0.5, "additive")
    assert "void main()" in image["shader"]
    assert (segments["selectedAlpha"], segments["notSelectedAlpha"], segments["visible"]) == (0.75, 0, False)
    assert points["annotations"] == [{"type": "point", "id": "1", "point": [52, 2, 2.5]}]
    assert boxes["annotations"] == [
        {"type": "axis_aligned_bounding_box", "id": "1", "pointA": [50, 0, 2], "pointB": [52, 2, 3]}
    ]


def test_the_address_holds_the_state(view: ImageView) -> None:
    link = view.neuroglancer()
    head, tail = link.url.split("/#!")
    assert head == links.NEUROGLANCER
    assert json.loads(unquote(tail)) == json.loads(link.json) == link.state
    assert str(link) == link.url
    assert 'target="_blank"' in link._repr_html_()
    assert view.neuroglancer(base="http://localhost:9").url.startswith("http://localhost:9/#!")


def test_layers_that_neuroglancer_cannot_reach_are_named(view: ImageView, tmp_path: Path) -> None:
    assert [one.split(":")[0] for one in view.neuroglancer().notes] == ["em", "cells"]
    assert "it is in memory; write it to a store first" in view.neuroglancer()._repr_html_()
    stored = view.volumes["em"].like(tmp_path / "em.zarr")
    local = explore.image(em=stored)
    assert "run `ndlab serve` on its folder" in local.neuroglancer().notes[0]
    assert state_of(local, server="http://127.0.0.1:8000/")["layers"][0]["source"] == (
        "precomputed://http://127.0.0.1:8000/v1/precomputed/em/image"
    )
    link = local.neuroglancer(given={"em": "zarr://https://example.org/em.zarr"})
    assert link.state["layers"][0]["source"] == "zarr://https://example.org/em.zarr"
    assert link.notes == ()
    local.close()


def test_an_ndlab_server_has_what_the_state_names(tmp_path: Path) -> None:
    """The name and channel in the address are those by which the server knows the store."""
    from ndlab.serve.names import Folder

    labels = Volume.from_array(np.zeros((5, 20, 30), "u8"), SIZE, kind="labels").like(tmp_path / "my cells.ome.zarr")
    shown = explore.image(labels=labels)
    [layer] = shown.neuroglancer(server="http://127.0.0.1:1").state["layers"]
    token, channel = (unquote(part) for part in layer["source"].split("/")[-2:])
    names = Folder(str(tmp_path))
    assert names.channel(token, channel).volume.shape == (5, 20, 30)
    shown.close()


class _Published(Volume):
    """A volume with an address on the web; nothing of it is read here."""

    url = "https://example.org/em"
    format = "Neuroglancer precomputed"


def test_published_stores_are_read_where_they_are(view: ImageView) -> None:
    em = view.volumes["em"]
    published = _Published(em._stored)
    sources = view.sources | {"em": Source("em", "image", published)}
    link = links.neuroglancer(view.state, sources, view.infos)
    assert link.state["layers"][0]["source"] == "precomputed://https://example.org/em"
    assert [one.split(":")[0] for one in link.notes] == ["cells"]


def test_without_a_voxel_size_there_is_no_unit(tmp_path: Path) -> None:
    from ndlab.volume import open as open_volume

    np.save(tmp_path / "a.npy", np.zeros((4, 5, 6), "u1"))
    plain = explore.image(em=open_volume(tmp_path / "a.npy"))
    assert state_of(plain)["dimensions"]["x"] == [1.0, ""]
    assert plain.render(20, 10).shape == (10, 20, 4)
    plain.close()


def test_code_for_napari_names_every_layer(view: ImageView) -> None:
    code = links.napari_code(view.state, view.sources, view.infos)
    compile(code, "code", "exec")
    for said in ("add_image", "add_labels", "add_points", "add_shapes", "translate=[100.0, 2.0, 404.0]"):
        assert said in code
    levels = [line for line in code.splitlines() if line.startswith("levels")]
    found: dict[str, Any] = {"layers": view.sources}
    exec(levels[0], found)
    assert found["levels"][0].shape == (5, 20, 30)
