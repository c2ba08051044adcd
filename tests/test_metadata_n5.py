"""N5 pyramids by each convention; N5 lists x first, so every expected tuple here is reversed by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ndlab.errors import BadMetadata, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale, with_unit, with_voxel_size
from ndlab.metadata.n5 import read_n5


def array(dimensions: list[int], **more: Any) -> dict[str, Any]:
    return {"dimensions": dimensions, "blockSize": [64] * len(dimensions), "dataType": "uint8", **more}


LEVELS = {
    "s0": array([640, 500, 30], downsamplingFactors=[1, 1, 1]),
    "s1": array([320, 250, 30], downsamplingFactors=[2, 2, 1]),
    "s2": array([160, 125, 15], downsamplingFactors=[4, 4, 2]),
}
EXPECTED = [Calibration((40, 5, 4)), Calibration((40, 10, 8)), Calibration((80, 20, 16))]


def read(attributes: dict[str, Any]) -> Multiscale:
    before = copy.deepcopy(attributes)
    m = read_n5(attributes, where="em.n5")
    assert attributes == before
    return m


def bare_levels() -> dict[str, Any]:
    return {p: {k: v for k, v in a.items() if k != "downsamplingFactors"} for p, a in LEVELS.items()}


def test_factors_of_each_level_times_the_resolution_of_the_group() -> None:
    group = {"axes": ["x", "y", "z"], "units": ["nm", "nm", "nm"], "resolution": [4, 5, 40], "name": "em"}
    m = read({"": group, **LEVELS})
    assert [s.path for s in m.scales] == ["s0", "s1", "s2"]
    assert [s.calibration for s in m.scales] == EXPECTED
    assert (m.axes, m.name, m.version, m.notes) == (("z", "y", "x"), "em", "n5", ())


@pytest.mark.parametrize("member", ["scales", "downsamplingFactors"])
def test_factors_listed_by_the_group(member: str) -> None:
    group = {member: [[1, 1, 1], [2, 2, 1], [4, 4, 2]], "multiScale": True}
    group |= {"pixelResolution": {"unit": "um", "dimensions": [0.004, 0.005, 0.04]}}
    assert [s.calibration for s in read({"": group, **bare_levels()}).scales] == EXPECTED


def test_resolution_of_the_first_level_serves_all() -> None:
    levels = copy.deepcopy(LEVELS)
    levels["s0"]["pixelResolution"] = {"unit": "nm", "dimensions": [4, 5, 40]}
    assert [s.calibration for s in read(levels).scales] == EXPECTED


def test_resolution_of_every_level_with_factors_is_that_of_the_finest() -> None:
    levels = copy.deepcopy(LEVELS)
    for level in levels.values():
        level["pixelResolution"] = {"unit": "nm", "dimensions": [4, 5, 40]}
    assert [s.calibration for s in read(levels).scales] == EXPECTED


def test_resolution_of_every_level_without_factors_is_its_own() -> None:
    levels = bare_levels()
    for level, size in zip(levels.values(), ([4, 5, 40], [8, 10, 40], [16, 20, 80]), strict=True):
        level["pixelResolution"] = {"unit": "nm", "dimensions": size}
    assert [s.calibration for s in read(levels).scales] == EXPECTED


def transform(scale: list[float], translate: list[float]) -> dict[str, Any]:
    return {"axes": ["z", "y", "x"], "scale": scale, "translate": translate, "units": ["nm"] * 3, "ordering": "C"}


TRANSFORMS = [transform([40, 5, 4], [20, 2.5, 2]), transform([40, 10, 8], [20, 5, 4])]


def test_openorganelle_transforms_place_centres_by_named_axes() -> None:
    levels = {p: LEVELS[p] for p in ("s0", "s1")}
    datasets = [{"path": p, "transform": t} for p, t in zip(levels, TRANSFORMS, strict=True)]
    of_group = read({"": {"multiscales": [{"datasets": datasets, "name": "x"}]}, **levels})
    of_arrays = read({p: a | {"transform": t} for (p, a), t in zip(levels.items(), TRANSFORMS, strict=True)})
    assert [s.calibration for s in of_group.scales] == EXPECTED[:2]  # half a voxel before each centre: corner 0
    assert of_group.scales == of_arrays.scales


def test_transform_of_a_single_array() -> None:
    m = read({"": array([640, 500, 30], transform=transform([40, 5, 4], [100, 2.5, 2]))})
    assert m.scales[0].path == ""
    assert m.scales[0].calibration == Calibration((40, 5, 4), (80, 0, 0))


def test_levels_are_in_numeric_order_and_others_are_ignored() -> None:
    levels = {f"s{i}": array([2**12 >> i] * 3, downsamplingFactors=[2**i] * 3) for i in (10, 2, 9, 0, 1)}
    m = read({"": {"resolution": [1, 1, 1], "units": ["nm"] * 3}, "mask": array([4, 4]), "notes": {}, **levels})
    assert [s.path for s in m.scales] == ["s0", "s1", "s2", "s9", "s10"]
    assert [s.calibration for s in m.scales if s.calibration][-1] == Calibration((1024, 1024, 1024))


def test_channels_last_on_disk_are_first_here() -> None:
    group = {"axes": ["x", "y", "z", "c"], "resolution": [4, 5, 40, 1], "units": ["nm", "nm", "nm", ""]}
    m = read({"": group, "s0": array([640, 500, 30, 3])})
    assert m.axes == ("c", "z", "y", "x")
    assert m.scales[0].calibration == EXPECTED[0]


def test_three_numbers_serve_an_array_with_channels() -> None:
    group = {"resolution": [4, 5, 40], "units": ["nm", "nm", "nm"]}
    m = read({"": group, "s0": array([640, 500, 30, 3])})
    assert m.scales[0].calibration == EXPECTED[0]
    assert m.notes == ("em.n5 names no axes; its dimensions [640, 500, 30, 3] are read as ['x', 'y', 'z', 'c']",)


def test_one_channel_to_a_block_means_channels_first_on_disk() -> None:
    m = read({"": array([3, 24, 24, 24], blockSize=[1, 32, 32, 32])})
    assert m.axes == ("z", "y", "x", "c")


def test_a_plane() -> None:
    m = read({"": array([640, 500], resolution=[4, 6], units=["nm", "nm"])})
    assert m.axes == ("y", "x")
    assert m.scales[0].calibration == Calibration((6, 6, 4))
    assert m.notes == ("a 2-D image: its one plane is as thick as its coarsest in-plane voxel size",)


def test_without_units_a_unit_or_voxel_size_can_be_given() -> None:
    m = read({"": {"resolution": [4, 5, 40]}, **LEVELS})
    assert [s.calibration for s in m.scales] == [None] * 3
    assert "without a length unit" in m.notes[-1]
    assert [s.calibration for s in with_unit(m, "nm").scales] == EXPECTED
    assert with_voxel_size(m, (80, 10, 8)).scales[1].calibration == Calibration((80, 20, 16))


def test_factors_without_resolution_keep_their_ratios() -> None:
    m = read(LEVELS)
    assert "without a length unit" in m.notes[-1]
    assert [s.calibration for s in with_voxel_size(m, (40, 5, 4)).scales] == EXPECTED


@pytest.mark.parametrize("attributes", [{"": array([9, 9, 9])}, bare_levels()])
def test_nothing_known(attributes: dict[str, Any]) -> None:
    m = read(attributes)
    assert (m.extra, all(s.calibration is None for s in m.scales)) == ({}, True)
    assert m.notes == (
        "voxel size unknown: em.n5 gives no scale. Type ndlab.open('em.n5', voxel_size=(z, y, x)) with nanometres",
    )


def test_one_array_below_is_the_level_whatever_its_name() -> None:
    assert read({"": {"n5": "2.0.0"}, "raw": array([7, 5])}).scales[0].path == "raw"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, r"em.n5 is no N5 array and has no levels s0, s1.*arrays in it are none"),
        ({"": {"n5": "2.0.0"}}, "has no levels"),
        ({"a": array([1, 1]), "b": array([1, 1])}, "arrays in it are 'a', 'b'. open one of them by its path"),
        ({"s0": array([4, 4, 4]), "s1": array([2, 2])}, r"levels of em.n5 have \[2, 3\] dimensions"),
        ({"": {"axes": ["x", "y"]}, "s0": array([4, 4, 4])}, r"names the axes \['x', 'y'\].*3 dimensions"),
        ({"": {"multiscales": [{"datasets": [{"path": "s7"}]}]}, **LEVELS}, "lists the level 's7'.*no array is at"),
        ({"": {"resolution": [4, 5]}, **LEVELS}, r"the resolution of em.n5 is \[4, 5\].*3 numbers, each positive"),
        ({"": {"resolution": [4, 5, 0]}, **LEVELS}, r"the resolution of em.n5 is \[4, 5, 0\]"),
        ({"": {"pixelResolution": {"unit": "nm"}}, **LEVELS}, "the pixelResolution of em.n5 is None"),
        ({"": {"scales": [[1, 1, 1], [2, 2, -1]]}, **bare_levels()}, r"downsamplingFactors of em.n5 is \[2, 2, -1\]"),
        ({"s0": LEVELS["s1"], "s1": LEVELS["s0"]}, r"level 1 \('s1'\) of em.n5 is not coarser"),
        ({"": array([4, 4, 4], transform=TRANSFORMS[0] | {"axes": ["z", "y"]})}, r"a transform of em.n5 has the axes"),
        ({"": array([4, 4, 4], transform=TRANSFORMS[0] | {"scale": [1, 2]})}, r"the scale of em.n5 is \[1, 2\]"),
        ({"": array([4, 4, 4], transform=TRANSFORMS[0] | {"translate": "far"})}, "the translate of em.n5 is 'far'"),
    ],
)
def test_contradictions(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadMetadata, match=message):
        read(attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"": array([2] * 6)}, "em.n5 has 6 dimensions and names no axes"),
        ({"": array([9])}, "em.n5 has 1 dimensions"),
        ({"": array([9, 9, 9], axes=["x", "y", "lambda"])}, r"em.n5 has the axes \['x', 'y', 'lambda'\]"),
        ({"": array([9, 9], axes=["x", "z"])}, r"em.n5 has the axes \['x', 'z'\]"),
    ],
)
def test_axes_that_ndlab_does_not_have(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        read(attributes)
