"""What `write_ome` writes: valid by the rules of OME-Zarr 0.4 and 0.5, and read back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Channel, LabelInfo, Multiscale, Scale, read_ome, with_unit, with_voxel_size, write_ome

# ------------------------------------------------------------------ the specification's rules, as JSON schemas
# Written from the text of OME-Zarr 0.4 and 0.5; additionalProperties only where the text leaves no room for more.
NUMBERS = {"type": "array", "minItems": 2, "maxItems": 5, "items": {"type": "number"}}
UNIT = {"time": ["second"], "space": ["nanometer", "micrometer", "pixel"], "channel": []}


def _axis(kind: str) -> dict[str, Any]:
    unit: dict[str, Any] = {"enum": UNIT[kind]} if UNIT[kind] else False  # type: ignore[assignment]
    return {
        "required": ["name", "type"],
        "additionalProperties": False,
        "properties": {"name": {"type": "string"}, "type": {"const": kind}, "unit": unit},
    }


TRANSFORMATIONS = {
    "type": "array",
    "minItems": 1,
    "maxItems": 2,
    "prefixItems": [
        {
            "required": ["type", "scale"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "scale"},
                "scale": NUMBERS | {"items": {"type": "number", "exclusiveMinimum": 0}},
            },
        },
        {
            "required": ["type", "translation"],
            "additionalProperties": False,
            "properties": {"type": {"const": "translation"}, "translation": NUMBERS},
        },
    ],
}
MULTISCALE = {
    "type": "object",
    "required": ["axes", "datasets"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "axes": {
            "type": "array",
            "minItems": 2,
            "maxItems": 5,
            "uniqueItems": True,
            "items": {"oneOf": [_axis(kind) for kind in UNIT]},
            "contains": {"properties": {"type": {"const": "space"}}},
            "minContains": 2,
            "maxContains": 3,
        },
        "datasets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["path", "coordinateTransformations"],
                "properties": {"path": {"type": "string"}, "coordinateTransformations": TRANSFORMATIONS},
            },
        },
    },
}
WINDOW = {
    "required": ["start", "end", "min", "max"],
    "properties": {k: {"type": "number"} for k in ("start", "end", "min", "max")},
}
CHANNEL = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "active": {"type": "boolean"},
        "color": {"type": "string", "pattern": "^[0-9A-Fa-f]{6}$"},
        "window": WINDOW,
    },
}
LABELS = {
    "type": "object",
    "properties": {
        "colors": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {
                "required": ["label-value"],
                "properties": {
                    "label-value": {"type": "integer"},
                    "rgba": {
                        "type": "array",
                        "minItems": 4,
                        "maxItems": 4,
                        "items": {"type": "integer", "minimum": 0, "maximum": 255},
                    },
                },
            },
        },
        "properties": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"required": ["label-value"], "properties": {"label-value": {"type": "integer"}}},
        },
        "source": {"properties": {"image": {"type": "string"}}},
    },
}


def _image(multiscale: dict[str, Any], channel: dict[str, Any], labels: dict[str, Any]) -> dict[str, Any]:
    return {
        "multiscales": {"type": "array", "minItems": 1, "uniqueItems": True, "items": multiscale},
        "omero": {
            "type": "object",
            "required": ["channels"],
            "properties": {"channels": {"type": "array", "items": channel}},
        },
        "image-label": labels,
    }


IN_04 = {"properties": {"version": {"const": "0.4"}}, "required": ["version"]}
SCHEMAS: dict[str, dict[str, Any]] = {
    "0.4": {
        "type": "object",
        "required": ["multiscales"],
        "properties": _image(
            {"allOf": [MULTISCALE, IN_04]},
            CHANNEL | {"required": ["window", "color"]},
            {"allOf": [LABELS, IN_04]},
        )
        | {"ome": False},
    },
    "0.5": {
        "type": "object",
        "required": ["ome"],
        "properties": {
            "ome": {
                "type": "object",
                "required": ["version", "multiscales"],
                "properties": {"version": {"const": "0.5"}}
                | _image(
                    MULTISCALE | {"not": {"required": ["version"]}},
                    CHANNEL,
                    LABELS | {"not": {"required": ["version"]}},
                ),
            },
            "multiscales": False,
            "omero": False,
            "image-label": False,
        },
    },
}


def check(attrs: dict[str, Any], version: str) -> None:
    """Raise unless `attrs` follows the schema, and the rules that a schema cannot say."""
    jsonschema.Draft202012Validator(SCHEMAS[version]).validate(attrs)
    body = attrs["ome"] if version == "0.5" else attrs
    (entry,) = body["multiscales"]
    names, kinds = [a["name"] for a in entry["axes"]], [a["type"] for a in entry["axes"]]
    assert len(set(names)) == len(names)
    assert kinds == sorted(kinds, key=["time", "channel", "space"].index), "time, then channel, then space"
    assert [n for n in names if n in "zyx"] == [n for n in "zyx" if n in names], "space is ordered z, y, x"
    for dataset in entry["datasets"]:
        for t in dataset["coordinateTransformations"]:
            assert len(t[t["type"]]) == len(names), "one number an axis"


# --------------------------------------------------------------------------------------------------- strategies
# Lengths of up to 12 digits, the rounding that `write_ome` promises to survive: thousandths of a nm up to 0.1 m.
thousandths = st.integers(1, 10**9).map(lambda n: n / 1000)
corners = st.integers(-(10**11), 10**11).map(lambda n: n / 1000)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
colours = st.none() | st.from_regex(r"[0-9A-F]{6}", fullmatch=True)
words = st.text(st.characters(codec="utf-8"), max_size=12)


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    window = draw(st.none() | st.tuples(finite, finite))
    limits = None if window is None else draw(st.tuples(finite, finite))
    return Channel(draw(words), window, limits, draw(colours))


@st.composite
def label_infos(draw: st.DrawFn) -> LabelInfo:
    byte = st.integers(0, 255)
    colors = draw(st.dictionaries(st.integers(0, 2**64 - 1), st.tuples(byte, byte, byte, byte), max_size=3))
    ids = draw(st.lists(st.integers(0, 2**32), unique=True, max_size=3))
    properties = tuple({"label-value": i, "kind": draw(words)} for i in ids)
    return LabelInfo(tuple(colors.items()), properties, draw(st.none() | words))


@st.composite
def multiscales(draw: st.DrawFn, version: str = "0.5") -> Multiscale:
    axes = tuple(draw(st.sampled_from(["zyx", "czyx", "tczyx", "tzyx", "yx", "cyx", "tcyx"])))
    z, y, x = draw(st.tuples(thousandths, thousandths, thousandths))
    corner = draw(st.tuples(corners, corners, corners))
    if "z" not in axes:
        z, corner = max(y, x), (0.0, *corner[1:])
    step = draw(st.none() | thousandths) if "t" in axes else None
    count = draw(st.integers(1, 5))
    thick = [2**i if "z" in axes and draw(st.booleans()) else 1 for i in range(count)]
    thick = [max(thick[: i + 1]) for i in range(count)]
    labels = draw(st.none() | label_infos())
    return Multiscale(
        axes=axes,
        scales=tuple(
            Scale(f"s{i}", Calibration((z * thick[i], y * 2**i, x * 2**i), corner), step) for i in range(count)
        ),
        name=draw(words),
        version=version,
        kind="image" if labels is None else "labels",
        channels=tuple(draw(st.lists(channels(), max_size=3))),
        labels=labels,
        extra=draw(st.sampled_from([{}, {"type": "mean", "metadata": {"method": "numpy"}}])),
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@given(data=st.data())
def test_what_is_written_is_valid_and_reads_back_the_same(version: str, data: st.DataObject) -> None:
    m = data.draw(multiscales(version))
    attrs = write_ome(m, version)
    check(attrs, version)
    on_disk = json.loads(json.dumps(attrs, allow_nan=False))
    (back,) = read_ome(on_disk, where="em.zarr")
    assert replace(back, notes=()) == m
    assert back.notes == (
        () if "z" in m.axes else ("a 2-D image: its one plane is as thick as its coarsest in-plane voxel size",)
    )


@given(
    size=st.tuples(*[st.floats(1e-3, 1e6)] * 3),
    corner=st.tuples(*[st.floats(-1e9, 1e9)] * 3),
)
@example((0.1, 0.1, 0.1), (0.3, 0.2, 0.7))
def test_any_corner_comes_back_within_the_stated_rounding(
    size: tuple[float, float, float], corner: tuple[float, float, float]
) -> None:
    m = Multiscale(("z", "y", "x"), (Scale("0", Calibration(size, corner)),))
    (back,) = read_ome(write_ome(m), where="em.zarr")
    c = back.scales[0].calibration
    assert c is not None
    assert c.voxel_size == size
    for got, o, s in zip(c.offset, corner, size, strict=True):
        assert abs(got - o) <= 1e-12 * max(abs(o + s / 2), s)


def test_the_oracle_itself_refuses_what_the_specification_refuses() -> None:
    good = write_ome(Multiscale(("z", "y", "x"), (Scale("0", Calibration((40, 4, 4))),)), "0.5")
    check(good, "0.5")
    entry = good["ome"]["multiscales"][0]
    breaks: tuple[dict[str, Any], ...] = (
        {"axes": entry["axes"][1:2]},
        {"axes": [*entry["axes"], {"name": "w", "type": "space"}]},
        {"datasets": []},
        {"datasets": [{"path": "0"}]},
        {"datasets": [{"path": "0", "coordinateTransformations": [{"type": "translation", "translation": [1, 2, 3]}]}]},
        {"datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 0]}]}]},
        {"version": "0.5"},
    )
    for broken in breaks:
        with pytest.raises(jsonschema.ValidationError):
            check({"ome": good["ome"] | {"multiscales": [entry | broken]}}, "0.5")
    with pytest.raises(jsonschema.ValidationError):
        check(good, "0.4")


# ------------------------------------------------------------------------------------------------- by hand
PYRAMID = Multiscale(
    ("z", "y", "x"),
    tuple(
        Scale(str(i), Calibration(size, (80, 0, -8)))
        for i, size in enumerate([(40, 4, 4), (40, 8, 8), (40, 16, 16), (80, 32, 32)])
    ),
)


def test_offset_is_the_corner_and_translation_the_centre_at_every_level() -> None:
    # 80 + 40/2 = 100, 0 + 4/2 = 2, -8 + 4/2 = -6; then half of 8, of 16, and of (80, 32, 32).
    datasets = write_ome(PYRAMID)["ome"]["multiscales"][0]["datasets"]
    steps = [d["coordinateTransformations"] for d in datasets]
    assert [s[0]["scale"] for s in steps] == [[40, 4, 4], [40, 8, 8], [40, 16, 16], [80, 32, 32]]
    assert [s[1]["translation"] for s in steps] == [[100, 2, -6], [100, 4, -4], [100, 8, 0], [120, 16, 8]]


def test_04_as_a_whole() -> None:
    m = Multiscale(
        ("t", "c", "z", "y", "x"),
        (Scale("0", Calibration((40, 4, 4)), 0.5),),
        name="em",
        kind="labels",
        channels=(Channel("dapi", (1, 9), (0, 255), "00FF00"),),
        labels=LabelInfo(((7, (1, 2, 3, 4)),), (), "../.."),
    )
    assert write_ome(m, "0.4") == {
        "multiscales": [
            {
                "version": "0.4",
                "name": "em",
                "axes": [
                    {"name": "t", "type": "time", "unit": "second"},
                    {"name": "c", "type": "channel"},
                    {"name": "z", "type": "space", "unit": "nanometer"},
                    {"name": "y", "type": "space", "unit": "nanometer"},
                    {"name": "x", "type": "space", "unit": "nanometer"},
                ],
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [0.5, 1, 40, 4, 4]},
                            {"type": "translation", "translation": [0, 0, 20, 2, 2]},
                        ],
                    }
                ],
            }
        ],
        "omero": {
            "channels": [
                {
                    "label": "dapi",
                    "active": True,
                    "color": "00FF00",
                    "window": {"start": 1, "end": 9, "min": 0, "max": 255},
                }
            ]
        },
        "image-label": {
            "version": "0.4",
            "colors": [{"label-value": 7, "rgba": [1, 2, 3, 4]}],
            "source": {"image": "../.."},
        },
    }


def test_04_keeps_channels_without_a_window_out_of_omero() -> None:
    # 0.4 demands window and colour in omero; a made-up window would show a black or white image elsewhere.
    m = Multiscale(("c", "z", "y", "x"), (Scale("0", Calibration((1, 1, 1))),), channels=(Channel("em"), Channel("b")))
    attrs = write_ome(m, "0.4")
    assert "omero" not in attrs
    assert attrs["ndlab"] == {"channels": [{"label": "em", "active": True}, {"label": "b", "active": True}]}
    assert write_ome(m)["ome"]["omero"]["channels"][0] == {"label": "em", "active": True}


def test_a_window_without_limits_is_its_own_limits() -> None:
    m = Multiscale(("c", "z", "y", "x"), (Scale("0", Calibration((1, 1, 1))),), channels=(Channel("em", (2, 9)),))
    window = write_ome(m)["ome"]["omero"]["channels"][0]["window"]
    assert window == {"start": 2, "end": 9, "min": 2, "max": 9}


def test_numbers_without_a_unit_are_written_as_they_came() -> None:
    attrs = {
        "multiscales": [
            {
                "version": "0.4",
                "axes": [{"name": n, "type": "space", "unit": "pixel"} for n in "zyx"],
                "datasets": [
                    {
                        "path": str(i),
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [1.0, 2.0**i, 2.0**i]},
                            {"type": "translation", "translation": [0.0, i / 2, i / 2]},
                        ],
                    }
                    for i in range(2)
                ],
            }
        ]
    }
    (m,) = read_ome(attrs, where="em.zarr")
    assert write_ome(m, "0.4") == attrs


def test_one_level_without_scale_is_written_as_ones() -> None:
    attrs = write_ome(Multiscale(("z", "y", "x"), (Scale("0", None),)))
    check(attrs, "0.5")
    assert read_ome(attrs, where="em.zarr")[0].scales[0].calibration is None


def test_levels_without_scale_are_refused() -> None:
    m = Multiscale(("z", "y", "x"), (Scale("0", None), Scale("1", None)))
    with pytest.raises(BadRequest, match=r"2 levels without any scale were to be written.*with_voxel_size"):
        write_ome(m)


@pytest.mark.parametrize("axes", ["xyz", "zyxc", "ctzyx", "zx", "zzyx", "wyx"])
def test_axes_out_of_order_are_refused(axes: str) -> None:
    m = Multiscale(tuple(axes), (Scale("0", Calibration((1, 1, 1))),))
    with pytest.raises(BadRequest, match=r"were to be written as OME-Zarr.*transpose the array to \(t, c, z, y, x\)"):
        write_ome(m)


@pytest.mark.parametrize("version", ["0.1", "0.6", "precomputed", ""])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(Unsupported, match=r"ndlab writes 0.5 and 0.4. pass version=") as caught:
        write_ome(PYRAMID, version)
    assert caught.value.feature == f"writing OME-Zarr {version}"


# --------------------------------------------------------------------------------------- units and voxel sizes
def bare(unit: str | None = None) -> Multiscale:
    m = replace(PYRAMID, scales=tuple(replace(s, calibration=None) for s in PYRAMID.scales[:2]))
    numbers = {"scale": ((40, 4, 4), (40, 8, 8)), "translation": ((100, 2, -6), (100, 4, -4)), "units": (unit,) * 3}
    attrs = write_ome(replace(m, extra=numbers))
    (read,) = read_ome(attrs, where="em.zarr")
    assert read.scales[0].calibration is None
    return read


def test_unit_turns_the_bare_numbers_into_nm() -> None:
    m = with_unit(bare("pixel"), "nm")
    assert m.scales == PYRAMID.scales[:2]
    assert (m.extra, m.notes) == ({}, ())
    assert with_unit(bare(), "um").scales[1].calibration == Calibration((40000, 8000, 8000), (80000, 0, -8000))


def test_unit_leaves_calibrated_axes_alone() -> None:
    m = bare()
    half = replace(m, extra={**m.extra, "units": (None, "micrometer", "micrometer")})
    assert with_unit(half, "nm").scales[0].calibration == Calibration((40, 4000, 4000), (80, 0, -8000))


@pytest.mark.parametrize("given_unit", [None, "pixel"])
def test_voxel_size_scales_levels_and_offset_by_the_numbers_of_the_store(given_unit: str | None) -> None:
    # Corner (80, 0, -8) is (2, 0, -2) voxels of level 0, and becomes (2 * 30, 0, -2 * 6).
    m = with_voxel_size(bare(given_unit), (30, 6, 6))
    assert [s.calibration for s in m.scales] == [
        Calibration((30, 6, 6), (60, 0, -12)),
        Calibration((30, 12, 12), (60, 0, -12)),
    ]
    assert (m.extra, m.notes) == ({}, ())


def test_voxel_size_over_a_calibrated_store_is_noted() -> None:
    m = with_voxel_size(PYRAMID, (30, 6, 6))
    assert [s.calibration for s in m.scales if s.calibration][3] == Calibration((60, 48, 48), (60, 0, -12))
    assert m.notes == ("voxel size (30.0, 6.0, 6.0) nm was given; the store says (40.0, 4.0, 4.0) nm",)
    assert with_voxel_size(PYRAMID, (40, 4, 4)) == PYRAMID


@pytest.mark.parametrize(
    ("shapes", "factors"),
    [
        ([(100, 1000, 1001), (100, 500, 501), (50, 250, 251)], [(1, 1, 1), (1, 2, 2), (2, 4, 4)]),  # kept remainders
        ([(27, 226, 186), (13, 113, 93)], [(1, 1, 1), (2, 2, 2)]),  # dropped remainders
        ([(1, 10, 10), (1, 3, 3)], [(1, 1, 1), (1, 4, 4)]),  # 10 / 4 is 3 with the remainder kept, not 10 / 3
        ([(9, 90, 90), (3, 30, 30)], [(1, 1, 1), (3, 3, 3)]),  # not 4 in z, which would also give 3
        ([(1, 9, 100), (1, 3, 25)], [(1, 1, 1), (1, 4, 4)]),  # not 3 in y, which would also give 3; z is untouched
    ],
)
def test_voxel_size_of_a_store_without_scales_comes_from_its_shapes(
    shapes: list[tuple[int, int, int]], factors: list[tuple[int, int, int]]
) -> None:
    entry = {"version": "0.1", "datasets": [{"path": str(i)} for i in range(len(shapes))]}
    (m,) = read_ome({"multiscales": [entry]}, where="em.zarr")
    m = with_voxel_size(m, (40, 4, 4), shapes=shapes)
    sizes = [s.calibration for s in m.scales]
    assert sizes == [Calibration((40 * a, 4 * b, 4 * c)) for a, b, c in factors]
    assert m.notes == ()


def test_voxel_size_needs_shapes_where_nothing_gives_the_ratios() -> None:
    (m,) = read_ome({"multiscales": [{"datasets": [{"path": "0"}, {"path": "1"}]}]}, where="em.zarr")
    with pytest.raises(BadRequest, match=r"2 levels without any scale.*pass shapes="):
        with_voxel_size(m, (40, 4, 4))


@pytest.mark.parametrize("size", [(0, 4, 4), (-1, 4, 4), (4, 4)])
def test_voxel_size_must_be_three_positive_numbers(size: tuple[float, ...]) -> None:
    with pytest.raises(BadRequest, match="voxel_size was"):
        with_voxel_size(PYRAMID, size)


def test_unit_is_refused_where_it_cannot_be_meant() -> None:
    with pytest.raises(BadRequest, match=r"given for a volume that has units.*\(40.0, 4.0, 4.0\) nm.*voxel_size="):
        with_unit(PYRAMID, "nm")
    with pytest.raises(BadRequest, match=r"has no scale numbers.*pass voxel_size="):
        with_unit(Multiscale(("z", "y", "x"), (Scale("0", None),)), "nm")
    with pytest.raises(BadRequest, match="'pixel' is not a length"):
        with_unit(bare(), "pixel")
