"""What can be shown: volumes, DataArrays, arrays as labels, points and boxes in nm or voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ndlab.errors import BadRequest
from ndlab.explore.layers import collect
from ndlab.geometry import Box
from ndlab.volume import Volume

SIZE, OFFSET = (40.0, 4.0, 4.0), (80.0, 0.0, 400.0)


def volume(name: str = "", **more: Any) -> Volume:
    return Volume.from_array(np.zeros((3, 4, 5), "u2"), SIZE, offset=OFFSET, name=name, **more)


def names(*given: Any, **more: Any) -> list[tuple[str, str]]:
    return [(one.name, one.kind) for one in collect(given, more.pop("named", {}), **more)]


def test_names_are_given_or_the_volumes_own_and_never_twice() -> None:
    assert names(volume(), volume("em"), volume("em")) == [("image", "image"), ("em", "image"), ("em 2", "image")]
    assert names({"a": volume("em")}, named={"b": volume("em")}) == [("a", "image"), ("b", "image")]


def test_labels_lie_over_images_whatever_came_first() -> None:
    labels = volume("cells", kind="labels")
    assert names(labels, volume("em")) == [("em", "image"), ("cells", "labels")]
    assert names(volume("em"), labels=volume()) == [("em", "image"), ("labels", "labels")]
    assert names(volume("em"), labels={"a": volume(), "b": labels})[1:] == [("a", "labels"), ("b", "labels")]


def test_an_array_of_the_same_shape_lies_where_the_first_volume_does() -> None:
    found = collect([volume("em")], {}, labels=np.ones((3, 4, 5), int))
    assert found[1].volume is not None
    assert (found[1].volume.kind, found[1].volume.voxel_size, found[1].volume.offset) == ("labels", SIZE, OFFSET)


def test_a_data_array_is_a_volume() -> None:
    found = collect([], {"em": volume().xarray})
    assert found[0].volume is not None
    assert (found[0].name, found[0].volume.offset) == ("em", OFFSET)


def test_a_single_plane_and_time_are_volumes_of_one() -> None:
    stack = Volume.from_array(np.zeros((2, 3, 4, 5), "u1"), SIZE, axes="tzyx")
    found = collect([stack.isel(t=1)[2]], {})[0].volume
    assert found is not None
    assert (found.axes, found.shape, found.box.start) == (("t", "z", "y", "x"), (1, 1, 4, 5), (2, 0, 0))


def test_points_in_nm_voxels_and_tables() -> None:
    [_, nm] = collect([volume("em")], {}, points=[[1, 2, 3], [4, 5, 6]])
    assert nm.shapes is not None
    assert nm.ids is not None
    assert (nm.shapes.tolist(), nm.ids.tolist()) == ([[1, 2, 3], [4, 5, 6]], [1, 2])
    [_, voxels] = collect([volume("em")], {}, points={"synapses": np.array([[0, 1, 2]])}, unit="voxel")
    assert voxels.shapes is not None
    assert (voxels.name, voxels.shapes.tolist()) == ("synapses", [[100, 6, 410]])
    table = pd.DataFrame({"x": [3.0], "y": [2.0], "z": [1.0], "type": ["a"]}, index=[2**63 + 5])
    [_, found] = collect([volume("em")], {}, points=table)
    assert found.shapes is not None
    assert found.ids is not None
    assert (found.shapes.tolist(), found.ids.tolist()) == ([[1, 2, 3]], [2**63 + 5])
    [_, found] = collect([volume("em")], {}, points=table.assign(id=[7]))
    assert found.ids is not None
    assert found.ids.tolist() == [7]
    [_, none] = collect([volume("em")], {}, points=[])
    assert none.shapes is not None
    assert none.shapes.shape == (0, 3)


def test_boxes_in_nm_voxels_and_tables() -> None:
    want = [[0, 1, 2, 3, 4, 5]]
    table = pd.DataFrame([want[0]], columns=["z0", "y0", "x0", "z1", "y1", "x1"])
    for given in (want, np.reshape(want, (1, 2, 3)), [Box.nm((0, 1, 2), (3, 4, 5))], table):
        [_, found] = collect([volume("em")], {}, boxes=given)
        assert found.shapes is not None
        assert found.shapes.tolist() == want
        assert [one.tolist() for one in found.extents] == [[[0, 1, 2], [3, 4, 5]]]
    [_, found] = collect([volume("em")], {}, boxes=[Box((0, 1, 2), (3, 4, 5))], unit="voxel")
    assert found.shapes is not None
    assert found.shapes.tolist() == [[80, 4, 408, 200, 16, 420]]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"volumes": []}, "an Image Explorer of nothing"),
    ({"volumes": [3]}, "a int was to be shown"),
    ({"volumes": [np.zeros((3, 4, 5))]}, "makes a volume of an array"),
    ({"labels": np.zeros((3, 4, 6), int)}, "or an array of shape (3, 4, 5) as the first volume is"),
    ({"labels": np.zeros((3, 4, 5))}, "labels of float64. ids are whole numbers"),
    ({"points": [[1, 2]]}, "points of shape (1, 2)"),
    ({"points": [["a", 2, 3]]}, "they are an array of numbers, or a table"),
    ({"points": [[1, 2, np.nan]]}, "they are finite numbers"),
    ({"points": pd.DataFrame({"a": [1]})}, "a table with columns a. it needs z, y, x"),
    ({"points": [[1, 2, 3]], "unit": "mm"}, "unit 'mm'. it is nm or voxel"),
    ({"boxes": [[1, 2, 3]]}, "boxes of shape (1, 3)"),
    ({"boxes": [[3, 0, 0, 1, 1, 1]]}, "start lies before stop"),
    ({"boxes": [Box((0, 0, 0), (1, 1, 1))]}, 'pass unit="voxel"'),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_is_none_of_these_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        collect(given.pop("volumes", [volume("em")]), {}, **given)
    assert said in str(caught.value)
