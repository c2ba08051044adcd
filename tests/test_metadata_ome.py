"""OME-Zarr attributes of every version, read; expected values are worked out by hand beside each."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadMetadata, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import (
    Channel,
    LabelInfo,
    Multiscale,
    bioformats2raw_series,
    is_plate,
    labels_list,
    plate_wells,
    read_ome,
    well_images,
)

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def axes(names: str, unit: str | None = "nanometer") -> list[dict[str, str]]:
    listed = [{"name": n, "type": TYPES[n]} for n in names]
    return [a | ({"unit": unit} if unit and a["type"] == "space" else {}) for a in listed]


def level(path: str, scale: list[float], translation: list[float] | None = None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if translation is not None:
        steps.append({"type": "translation", "translation": translation})
    return {"path": path, "coordinateTransformations": steps}


def v04(
    datasets: list[dict[str, Any]], names: str = "zyx", unit: str | None = "nanometer", **more: Any
) -> dict[str, Any]:
    return {"multiscales": [{"version": "0.4", "axes": axes(names, unit), "datasets": datasets, **more}]}


def v05(
    datasets: list[dict[str, Any]], names: str = "zyx", unit: str | None = "nanometer", **more: Any
) -> dict[str, Any]:
    entry = {"axes": axes(names, unit), "datasets": datasets, **more}
    return {"ome": {"version": "0.5", "multiscales": [entry]}}


def read(attrs: dict[str, Any]) -> Multiscale:
    before = copy.deepcopy(attrs)
    (m,) = read_ome(attrs, where="em.zarr")
    assert attrs == before  # a reader that edits its input would corrupt what is written back
    return m


def calibration(m: Multiscale, i: int = 0) -> Calibration:
    found = m.scales[i].calibration
    assert found is not None
    return found


# A pyramid whose corner is (80, 0, -8) nm, halved in y and x twice and then on all axes. The centre of voxel 0 is
# half a voxel past the corner: 80 + 40/2 = 100, 0 + 4/2 = 2, -8 + 4/2 = -6; then -8 + 8/2 = -4; and so on.
PYRAMID = [
    level("0", [40, 4, 4], [100, 2, -6]),
    level("1", [40, 8, 8], [100, 4, -4]),
    level("2", [40, 16, 16], [100, 8, 0]),
    level("3", [80, 32, 32], [120, 16, 8]),
]


@pytest.mark.parametrize("build", [v04, v05])
def test_translation_is_the_centre_and_offset_the_corner_at_every_level(build: Any) -> None:
    m = read(build(PYRAMID))
    assert [s.path for s in m.scales] == ["0", "1", "2", "3"]
    sizes = [calibration(m, i).voxel_size for i in range(4)]
    assert sizes == [(40, 4, 4), (40, 8, 8), (40, 16, 16), (80, 32, 32)]
    assert [calibration(m, i).offset for i in range(4)] == [(80, 0, -8)] * 4
    assert m.notes == ()
    assert (m.axes, m.kind, m.version) == (("z", "y", "x"), "image", "0.4" if build is v04 else "0.5")


@given(
    scale=st.tuples(*[st.floats(1e-3, 1e6)] * 3),
    translation=st.tuples(*[st.floats(-1e9, 1e9)] * 3),
    index=st.tuples(*[st.integers(0, 10**6)] * 3),
)
def test_centres_are_where_the_specification_puts_them(
    scale: tuple[float, ...], translation: tuple[float, ...], index: tuple[int, ...]
) -> None:
    c = calibration(read(v05([level("0", list(scale), list(translation))])))
    for got, s, t, i in zip(c.centre(index), scale, translation, index, strict=True):
        assert got == pytest.approx(s * i + t, rel=1e-9, abs=s * 1e-3 + abs(t) * 1e-9)


def test_micrometres_come_out_as_clean_nanometres() -> None:
    # 1.1 * 1000 is 1100.0000000000002 in floating point.
    m = read(v04([level("0", [1.1, 0.0045, 0.1625], [0.55, 0.00225, 0.08125])], unit="micrometer"))
    assert calibration(m) == Calibration((1100, 4.5, 162.5), (0, 0, 0))


def test_each_axis_has_its_own_unit() -> None:
    attrs = v04([level("0", [40, 4, 0.004])])
    attrs["multiscales"][0]["axes"][2]["unit"] = "micrometer"
    assert calibration(read(attrs)).voxel_size == (40, 4, 4)


def test_multiscale_transformations_follow_those_of_the_level() -> None:
    # x -> 2 (4 x + 3) + 10 = 8 x + 16: voxel 8, centre of voxel 0 at 16, corner at 12.
    shared = [{"type": "scale", "scale": [1, 1, 2]}, {"type": "translation", "translation": [20, 2, 10]}]
    m = read(v05([level("0", [40, 4, 4], [0, 0, 3])], coordinateTransformations=shared))
    assert calibration(m) == Calibration((40, 4, 8), (0, 0, 12))


def test_levels_that_scale_about_their_centres_are_read_as_they_say_and_noted() -> None:
    m = read(v04([level("0", [40, 4, 4]), level("1", [40, 8, 8])]))
    assert calibration(m, 0).offset == (-20, -2, -2)
    assert calibration(m, 1).offset == (-20, -4, -4)
    assert m.notes == ("level 1 begins (0.0, -2.0, -2.0) nm in (z, y, x) from level 0, says the store",)


def test_axes_stay_in_stored_order_and_calibration_in_zyx() -> None:
    attrs = v04([level("0", [1, 4, 5, 40])], names="cxyz")
    m = read(attrs)
    assert m.axes == ("c", "x", "y", "z")
    assert calibration(m).voxel_size == (40, 5, 4)


def test_a_plane_is_as_thick_as_its_coarsest_side_at_every_level() -> None:
    m = read(v04([level("0", [4, 30], [0, 0]), level("1", [8, 60], [2, 15])], names="yx"))
    assert [calibration(m, i) for i in (0, 1)] == [
        Calibration((30, 4, 30), (0, -2, -15)),
        Calibration((30, 8, 60), (0, -2, -15)),
    ]
    assert m.notes == ("a 2-D image: its one plane is as thick as its coarsest in-plane voxel size",)


def test_a_plane_with_mixed_units_compares_lengths_and_not_numbers() -> None:
    attrs = v04([level("0", [2, 500])], names="yx")
    attrs["multiscales"][0]["axes"][0]["unit"] = "micrometer"
    assert calibration(read(attrs)).voxel_size == (2000, 2000, 500)


def test_time_steps_are_seconds() -> None:
    attrs = v05([level("0", [500, 1, 40, 4, 4]), level("1", [500, 1, 40, 8, 8])], names="tczyx")
    attrs["ome"]["multiscales"][0]["axes"][0]["unit"] = "millisecond"
    assert [s.time_step for s in read(attrs).scales] == [0.5, 0.5]


def test_a_time_scale_without_unit_is_noted() -> None:
    m = read(v05([level("0", [3, 40, 4, 4])], names="tzyx"))
    assert m.scales[0].time_step is None
    assert m.notes == ("time step unknown: the time axis has scale 3 and unit None",)


def test_time_that_starts_later_is_noted() -> None:
    attrs = v05([level("0", [2, 40, 4, 4], [6, 20, 2, 2])], names="tzyx")
    attrs["ome"]["multiscales"][0]["axes"][0]["unit"] = "second"
    assert read(attrs).notes == ("time starts at 6 second; ndlab counts time points from 0",)


@pytest.mark.parametrize("unit", [None, "pixel", "unit", "second"])
def test_without_a_length_unit_numbers_are_kept_and_the_note_says_what_to_type(unit: str | None) -> None:
    m = read(v04([level("0", [10, 1, 1]), level("1", [10, 2, 2], [0, 0.5, 0.5])], unit=unit))
    assert [s.calibration for s in m.scales] == [None, None]
    assert m.extra == {
        "scale": ((10, 1, 1), (10, 2, 2)),
        "translation": ((0, 0, 0), (0, 0.5, 0.5)),
        "units": (unit,) * 3,
    }
    (note,) = m.notes
    assert "without a length unit" in note
    assert "ndlab.open('em.zarr', voxel_size=(z, y, x))" in note
    assert 'unit="micrometer"' in note


def test_unitless_scales_that_are_the_same_at_every_level_say_nothing() -> None:
    m = read(v04([level("0", [1, 1, 1]), level("1", [1, 1, 1])], unit=None))
    assert m.extra == {}
    assert "gives no scale" in m.notes[0]


@pytest.mark.parametrize(
    ("entry", "version", "names"),
    [
        ({"version": "0.1", "datasets": [{"path": "0"}]}, "0.1", "tczyx"),
        ({"datasets": [{"path": "0"}]}, "0.1", "tczyx"),
        ({"version": "0.2", "datasets": [{"path": "0"}, {"path": "1"}]}, "0.2", "tczyx"),
        ({"version": "0.3", "axes": ["c", "y", "x"], "datasets": [{"path": "0"}]}, "0.3", "cyx"),
        ({"axes": ["z", "y", "x"], "datasets": [{"path": "0"}]}, "0.3", "zyx"),
    ],
)
def test_versions_without_transformations(entry: dict[str, Any], version: str, names: str) -> None:
    m = read({"multiscales": [entry]})
    assert (m.version, m.axes) == (version, tuple(names))
    assert all(s.calibration is None for s in m.scales)
    assert "gives no scale. Type ndlab.open('em.zarr', voxel_size=(z, y, x))" in m.notes[-1]


@pytest.mark.parametrize(
    ("stated", "read_as"),
    [("0.5", "0.5"), ("0.5-dev-spatialdata", "0.5"), ("0.5.2", "0.5"), ("0.4", "0.5"), ("", "0.5")],
)
def test_version_under_ome(stated: str, read_as: str) -> None:
    attrs = v05([level("0", [1, 1, 1])])
    attrs["ome"]["version"] = stated
    assert read(attrs).version == read_as


def test_a_version_from_the_future_is_refused() -> None:
    attrs = v05([level("0", [1, 1, 1])])
    attrs["ome"]["version"] = "0.9"
    with pytest.raises(Unsupported, match=r"em.zarr is OME-Zarr 0.9. ndlab reads 0.1 to 0.6"):
        read(attrs)


def v06(transformation: dict[str, Any], version: str = "0.6", **more: Any) -> dict[str, Any]:
    system = {"name": "physical", "axes": axes("zyx", "micrometer")}
    dataset = {"path": "s0", "coordinateTransformations": [transformation]}
    entry = {"coordinateSystems": [system], "datasets": [dataset], **more}
    return {"ome": {"version": version, "multiscales": [entry]}}


@pytest.mark.parametrize(
    ("source", "target"),
    [({"path": "s0"}, {"name": "physical"}), ("s0", "physical"), (None, None)],
    ids=["0.6rc", "0.6 draft", "unnamed"],
)
def test_06_sequence_of_scale_and_translation(source: Any, target: Any) -> None:
    steps = [{"type": "scale", "scale": [0.04, 0.004, 0.004]}, {"type": "translation", "translation": [0.1, 0, 0]}]
    transformation = {"type": "sequence", "transformations": steps, "input": source, "output": target}
    m = read(v06(transformation, "0.6.dev3"))
    assert calibration(m) == Calibration((40, 4, 4), (80, -2, -2))
    assert (m.version, m.scales[0].path) == ("0.6", "s0")


def test_06_picks_the_system_that_the_levels_map_into() -> None:
    scale = {"type": "scale", "scale": [1, 2, 3], "input": {"path": "s0"}, "output": {"name": "physical"}}
    onwards = [{"type": "affine", "affine": [[1, 0, 0, 0]], "input": {"name": "physical"}, "output": {"name": "atlas"}}]
    attrs = v06(scale, coordinateTransformations=onwards)
    other = {"name": "atlas", "axes": axes("zyx", "millimeter")}
    attrs["ome"]["multiscales"][0]["coordinateSystems"].insert(0, other)
    m = read(attrs)
    assert calibration(m).voxel_size == (1000, 2000, 3000)
    assert m.notes == (
        "the affine transformation to 'atlas' is not applied; positions are in the image's own coordinate system",
    )


def test_06_as_the_specification_shows_it() -> None:
    # The last system is the intrinsic one, "used for viewing and processing"; the scale of 10 leads on from it.
    def to(system: str, scale: list[float], **source: str) -> dict[str, Any]:
        return {"type": "scale", "scale": scale, "input": source, "output": {"name": system}}

    listed = [{"name": "t", "type": "time", "unit": "millisecond"}, *axes("czyx", "micrometer")]
    entry = {
        "coordinateSystems": [{"name": "physical", "axes": listed}, {"name": "intrinsic", "axes": listed}],
        "datasets": [
            {"path": f"s{i}", "coordinateTransformations": [to("intrinsic", [0.1, 1, f, f, f], path=f"s{i}")]}
            for i, f in enumerate([0.5, 1.0, 2.0])
        ],
        "coordinateTransformations": [to("physical", [10] * 5, name="intrinsic")],
    }
    m = read({"ome": {"version": "0.6.dev4", "multiscales": [entry]}})
    assert m.axes == tuple("tczyx")
    assert [calibration(m, i).voxel_size for i in range(3)] == [(500,) * 3, (1000,) * 3, (2000,) * 3]
    assert [s.time_step for s in m.scales] == [1e-4] * 3
    assert m.notes[0].startswith("the scale transformation to 'physical' is not applied")


def test_06_undefined_system_is_refused() -> None:
    scale = {"type": "scale", "scale": [1, 2, 3], "input": {"path": "s0"}, "output": {"name": "lost"}}
    with pytest.raises(BadMetadata, match=r"lead to the coordinate systems \['lost'\].*it defines \['physical'\]"):
        read(v06(scale))


@pytest.mark.parametrize(
    "transformation",
    [
        {"type": "affine", "affine": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]},
        {"type": "rotation", "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
        {"type": "mapAxis", "mapAxis": [0, 2, 1]},
        {"type": "displacements", "path": "field"},
        {"type": "byDimension", "transformations": []},
        {"type": "sequence", "transformations": [{"type": "scale", "scale": [1, 1, 1]}, {"type": "affine"}]},
    ],
    ids=lambda t: str(t["type"]),
)
def test_06_other_transformations_are_refused_by_name(transformation: dict[str, Any]) -> None:
    kind = "affine" if transformation["type"] == "sequence" else transformation["type"]
    target = {"input": {"path": "s0"}, "output": {"name": "physical"}}
    with pytest.raises(
        Unsupported, match=f"level 0 of em.zarr is placed by a transformation of type '{kind}'"
    ) as caught:
        read(v06(transformation | target))
    assert caught.value.feature == f"transformation {kind}"


def test_a_scale_kept_in_an_array_is_refused() -> None:
    attrs = v04([{"path": "0", "coordinateTransformations": [{"type": "scale", "path": "scales/0"}]}])
    with pytest.raises(Unsupported, match="'scale' kept in an array"):
        read(attrs)


def test_scene_is_named() -> None:
    with pytest.raises(Unsupported, match="is an OME-Zarr scene") as caught:
        read({"ome": {"version": "0.6", "scene": {}}})
    assert caught.value.feature == "scene"


def test_identity_alone_is_a_scale_of_one() -> None:
    m = read(v06({"type": "identity", "input": {"path": "s0"}, "output": {"name": "physical"}}))
    assert calibration(m) == Calibration((1000, 1000, 1000), (-500, -500, -500))


# ---------------------------------------------------------------------------------------------- contradictions
@pytest.mark.parametrize("bad", [0, -4])
def test_scales_must_be_positive(bad: float) -> None:
    with pytest.raises(BadMetadata, match=r"the scale of level 1 of em.zarr is .*a scale is positive"):
        read(v04([level("0", [40, 4, 4]), level("1", [40, 8, bad])]))


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_translations_must_be_finite(bad: float) -> None:
    with pytest.raises(BadMetadata, match=r"the translation of level 0 of em.zarr is .*a list of finite numbers"):
        read(v04([level("0", [40, 4, 4], [0, 0, bad])]))


@pytest.mark.parametrize("scale", [[4, 4], [1, 40, 4, 4]])
def test_one_number_for_each_axis(scale: list[float]) -> None:
    with pytest.raises(BadMetadata, match="needs one number for each of the 3 axes"):
        read(v04([level("0", scale)]))


@pytest.mark.parametrize("scale", ["444", {"z": 4}, [4, "four", 4], [4, "4", 4], [True, 4, 4], [4, 4, float("nan")], 4])
def test_numbers_must_be_numbers(scale: Any) -> None:
    with pytest.raises(BadMetadata, match="it should be a list of finite numbers"):
        read(v04([level("0", scale)]))


@pytest.mark.parametrize("second", [[40, 4, 4], [40, 2, 2], [20, 8, 8]], ids=["the same", "finer", "finer on one axis"])
def test_levels_must_get_coarser(second: list[float]) -> None:
    with pytest.raises(BadMetadata, match=r"level 1 \('1'\) of em.zarr is not coarser than level 0 \('0'\)") as caught:
        read(v04([level("0", [40, 4, 4]), level("1", second)]))
    assert caught.value.level == 1


def test_rounding_noise_between_levels_is_no_contradiction() -> None:
    read(v04([level("0", [0.3, 4, 4]), level("1", [0.1 + 0.2 - 1e-12, 8, 8])]))


def test_a_path_listed_twice() -> None:
    with pytest.raises(BadMetadata, match="lists the level '0' twice"):
        read(v04([level("0", [40, 4, 4]), level("0/", [40, 8, 8])]))


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({}, "em.zarr has no multiscales. its attributes are empty"),
        ({"other": 1, "more": 2}, "its attributes are 'other', 'more'"),
        ({"multiscales": []}, "em.zarr has no multiscales"),
        ({"multiscales": "yes"}, "em.zarr has no multiscales"),
        ({"multiscales": [3]}, "a multiscales entry of em.zarr is 3"),
        ({"multiscales": [{"version": "0.1", "datasets": []}]}, "em.zarr lists no level"),
        ({"multiscales": [{"version": "0.1", "datasets": ["0"]}]}, "a dataset of em.zarr is '0'"),
        ({"multiscales": [{"version": "0.1", "datasets": [{"name": "0"}]}]}, "has the path None"),
        ({"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}}, "is a plate or well.*below are A/1, A/2"),
        ({"well": {"images": [{"path": "0"}]}}, "is a plate or well.*below are 0"),
    ],
)
def test_groups_that_are_no_image_say_what_they_are(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(BadMetadata, match=message):
        read(attrs)


def test_axes_twice_or_missing() -> None:
    for names in ("zzx", "zx", "cz"):
        attrs = v04([level("0", [1] * len(names))], names=names)
        with pytest.raises(BadMetadata, match="an image has y and x, and each of t, c, z, y, x at most once"):
            read(attrs)


def test_space_axes_with_names_of_their_own_are_taken_in_order() -> None:
    attrs = v04([level("0", [1, 40, 5, 4])], names="czyx")
    for axis, name in zip(attrs["multiscales"][0]["axes"][1:], ["dorsal", "anterior", "left"], strict=True):
        axis["name"] = name
    m = read(attrs)
    assert m.axes == ("c", "z", "y", "x")
    assert calibration(m).voxel_size == (40, 5, 4)
    assert m.notes == ("axes ['c', 'dorsal', 'anterior', 'left'] are read as ['c', 'z', 'y', 'x']",)


def test_an_axis_of_another_kind_is_refused_by_name() -> None:
    attrs = v04([level("0", [1, 40, 4, 4])], names="czyx")
    attrs["multiscales"][0]["axes"][0] = {"name": "lambda", "type": "wavelength"}
    with pytest.raises(Unsupported, match="has an axis 'lambda' of type 'wavelength'") as caught:
        read(attrs)
    assert caught.value.feature == "axis 'lambda'"


def test_several_images_in_one_group() -> None:
    attrs = v05([level("0", [1, 1, 1])], name="a")
    attrs["ome"]["multiscales"] += v05([level("b/0", [2, 2, 2])], name="b")["ome"]["multiscales"]
    assert [m.name for m in read_ome(attrs, where="em.zarr")] == ["a", "b"]


# -------------------------------------------------------------------------------------------- channels, labels
def test_channels() -> None:
    attrs = v04([level("0", [1, 40, 4, 4])], names="czyx")
    attrs["omero"] = {
        "channels": [
            {"label": "DAPI", "color": "00ffFF", "window": {"start": 110, "end": 800, "min": 0, "max": 65535}},
            {"label": 3, "color": "#FF000080", "window": {"start": 1}},
            {"color": 255},
            {"color": "red"},
            {},
        ]
    }
    assert read(attrs).channels == (
        Channel("DAPI", (110, 800), (0, 65535), "00FFFF"),
        Channel("3", None, None, "FF0000"),
        Channel("", None, None, "0000FF"),
        Channel(),
        Channel(),
    )


def test_labels() -> None:
    attrs = v05([level("0", [40, 4, 4])])
    attrs["ome"]["image-label"] = {
        "colors": [
            {"label-value": 1, "rgba": [255, 0, 0, 128]},
            {"label-value": 2},
            {"label-value": 4.0, "rgba": [0, 0, 1, 2]},
        ],
        "properties": [{"label-value": 1, "kind": "axon"}],
        "source": {"image": "../../"},
    }
    m = read(attrs)
    assert m.kind == "labels"
    assert m.labels == LabelInfo(
        ((1, (255, 0, 0, 128)), (4, (0, 0, 1, 2))), ({"label-value": 1, "kind": "axon"},), "../../"
    )
    assert m.notes == (
        "label colour {'label-value': 2} has no whole label-value with four rgba numbers and is left out",
    )


def test_an_empty_image_label_still_makes_labels() -> None:
    attrs = v04([level("0", [40, 4, 4])])
    attrs["image-label"] = {}
    assert (read(attrs).kind, read(attrs).labels) == ("labels", LabelInfo())


def test_what_a_group_is() -> None:
    wells = {"plate": {"wells": [{"path": "B/03"}]}}
    assert is_plate(wells)
    assert is_plate({"ome": wells})
    assert not is_plate({"multiscales": []})
    assert plate_wells({"ome": wells}) == ["B/03"]
    assert well_images({"well": {"images": [{"path": "0"}, {"path": "1", "acquisition": 1}]}}) == ["0", "1"]
    assert bioformats2raw_series({"bioformats2raw.layout": 3}) == []
    assert bioformats2raw_series({"ome": {"bioformats2raw.layout": 3}}) == []
    assert bioformats2raw_series({"ome": {"series": ["0", "1"]}}) == ["0", "1"]
    assert bioformats2raw_series({}) is None
    assert labels_list({"labels": ["cells", "nuclei"]}) == ["cells", "nuclei"]
    assert labels_list({"ome": {"labels": ["cells"]}}) == ["cells"]
    assert labels_list({"labels": "cells"}) == []
