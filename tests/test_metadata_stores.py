"""Metadata that other tools wrote, read; each expected value was taken from the file by eye, not from ndlab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ndlab.errors import BadMetadata, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import (
    Channel,
    Multiscale,
    bioformats2raw_series,
    is_plate,
    plate_wells,
    read_n5,
    read_ome,
    read_precomputed,
    well_images,
    with_unit,
    with_voxel_size,
    write_ome,
)

PLANE = "a 2-D image: its one plane is as thick as its coarsest in-plane voxel size"


@pytest.fixture
def stores(shared_data: Path) -> Path:
    return shared_data / "stores"


def attributes(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found.get("attributes", {}) if file.name == "zarr.json" else found


def image(file: Path) -> Multiscale:
    (m,) = read_ome(attributes(file), where=file.parent.name)
    return m


def calibrations(m: Multiscale) -> list[Calibration | None]:
    return [s.calibration for s in m.scales]


@pytest.mark.parametrize(
    ("file", "version"),
    [("neuroglancer__ome_zarr_0.4/.zattrs", "0.4"), ("neuroglancer__ome_zarr_0.5/zarr.json", "0.5")],
)
def test_neuroglancer_pyramid_shares_one_corner(stores: Path, file: str, version: str) -> None:
    # Translations (0, 0), (2, 15), (6, 45) with scales (4, 30), (8, 60), (16, 120): half a voxel before each is
    # (0-2, 0-15), (2-4, 15-30), (6-8, 45-60) = (-2, -15) three times.
    m = image(stores / file)
    assert (m.axes, m.version, m.name, m.kind, m.notes) == (("y", "x"), version, "image", "image", (PLANE,))
    assert [s.path for s in m.scales] == ["scale0/image", "scale1/image", "scale2/image"]
    assert calibrations(m) == [
        Calibration((30, 4, 30), (0, -2, -15)),
        Calibration((30, 8, 60), (0, -2, -15)),
        Calibration((30, 16, 120), (0, -2, -15)),
    ]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_ome_zarr_py_legacy(stores: Path, version: str) -> None:
    m = image(stores / "ome_zarr_py__legacy_0.1_0.2" / version / ".zattrs")
    shape = json.loads((stores / "ome_zarr_py__legacy_0.1_0.2" / version / "0/.zarray").read_text())["shape"]
    assert (m.version, m.axes, calibrations(m)) == ({"v1": "0.1", "v2": "0.2"}[version], tuple("tczyx"), [None])
    assert len(shape) == 5
    assert with_voxel_size(m, (40, 4, 4)).scales[0].calibration == Calibration((40, 4, 4))


def test_bioformats2raw_layout(stores: Path) -> None:
    root = stores / "bioformats2raw__data.zarr"
    assert bioformats2raw_series(attributes(root / ".zattrs")) == []
    with pytest.raises(BadMetadata, match=r"has no multiscales. its attributes are 'bioformats2raw.layout'"):
        image(root / ".zattrs")
    m = image(root / "0/.zattrs")
    assert (m.version, m.axes, [s.path for s in m.scales]) == ("0.1", tuple("tczyx"), ["0", "1"])
    shapes = [json.loads((root / f"0/{i}/.zarray").read_text())["shape"][-3:] for i in (0, 1)]
    assert [b // a for a, b in zip(shapes[1], shapes[0], strict=True)] == [1, 2, 2]
    assert calibrations(with_voxel_size(m, (40, 4, 4), shapes=shapes)) == [
        Calibration((40, 4, 4)),
        Calibration((40, 8, 8)),
    ]


@pytest.mark.parametrize(
    ("file", "version"), [("blobs_image_v04.ome.zarr/.zattrs", "0.4"), ("blobs_image_v05.ome.zarr/zarr.json", "0.5")]
)
def test_spatialdata_blobs_have_numbered_channels_and_no_unit(stores: Path, file: str, version: str) -> None:
    m = image(stores / "viv__ome_zarr_blobs" / file)
    assert (m.axes, m.version, m.name) == (("c", "y", "x"), version, "/images/blobs_image")
    assert m.channels == (Channel("0"), Channel("1"), Channel("2"))
    assert m.scales[0].calibration is None
    assert "without a length unit" in m.notes[-1]
    # Scale 1 and no translation: the centre of voxel 0 at 0. One plane, as thick as a voxel is wide.
    assert with_unit(m, "um").scales[0].calibration == Calibration((1000, 1000, 1000), (0, -500, -500))


@pytest.mark.parametrize(
    ("file", "version"),
    [
        ("webknossos__simple_zarr_dataset/color/.zattrs", "0.4"),
        ("webknossos__simple_zarr3_dataset/color/zarr.json", "0.5"),
    ],
)
def test_webknossos_stores_x_first(stores: Path, file: str, version: str) -> None:
    # The Zarr v3 store keeps its attributes under "ome", which is 0.5, and says "0.4" in them.
    m = image(stores / file)
    assert (m.axes, m.version, m.scales[0].path) == (("c", "x", "y", "z"), version, "1")
    assert calibrations(m) == [Calibration((1, 1, 1), (-0.5, -0.5, -0.5))]


def test_plate_well_and_field(stores: Path) -> None:
    root = stores / "ome_zarr_models__hcs_0.4"
    plate = attributes(root / ".zattrs")
    assert is_plate(plate)
    assert plate_wells(plate) == ["B/03"]
    assert well_images(attributes(root / "B/03/.zattrs")) == ["0"]
    with pytest.raises(BadMetadata, match=r"is a plate or well, not an image.*below are B/03"):
        image(root / ".zattrs")
    m = image(root / "B/03/0/.zattrs")
    assert (m.axes, m.channels) == (("c", "z", "y", "x"), (Channel("DAPI", (110, 800), (0, 65535), "00FFFF"),))
    # 0.1625 micrometers, doubled at each level; 1 micrometer in z throughout; no translation.
    assert calibrations(m) == [
        Calibration((1000, 162.5 * 2**i, 162.5 * 2**i), (-500, -81.25 * 2**i, -81.25 * 2**i)) for i in range(5)
    ]
    assert m.notes == ("level 1 begins (0.0, -81.25, -81.25) nm in (z, y, x) from level 0, says the store",)


def test_mobie_pixels_are_no_length(stores: Path) -> None:
    m = image(stores / "mobie__mri_stack_ome_zarr_0.4/.zattrs")
    assert [s.path for s in m.scales] == ["s0", "s1"]
    assert calibrations(m) == [None, None]
    assert "(z: pixel, y: pixel, x: pixel)" in m.notes[-1]
    # Scale 2 with translation 0.5: both levels begin half a pixel before 0, at -0.5 * 1.5 mm.
    assert calibrations(with_voxel_size(m, (1.5e6, 1e6, 1e6))) == [
        Calibration((1.5e6, 1e6, 1e6), (-0.75e6, -0.5e6, -0.5e6)),
        Calibration((3e6, 2e6, 2e6), (-0.75e6, -0.5e6, -0.5e6)),
    ]
    assert image(stores / "mobie__blobs_ome_zarr_0.4/.zattrs").axes == ("y", "x")


def test_every_calibrated_image_is_written_and_read_back(stores: Path) -> None:
    files = [
        "neuroglancer__ome_zarr_0.4/.zattrs",
        "ome_zarr_models__hcs_0.4/B/03/0/.zattrs",
        "mobie__mri_stack_ome_zarr_0.4/.zattrs",
        "viv__ome_zarr_blobs/blobs_image_v05.ome.zarr/zarr.json",
    ]
    for file in files:
        m = image(stores / file)
        for version in ("0.4", "0.5"):
            (back,) = read_ome(write_ome(m, version), where=(stores / file).parent.name)
            assert back == replace(m, version=version), file


@pytest.mark.parametrize(("folder", "axes"), [("one_channel", ("z", "y", "x")), ("two_channels", ("c", "z", "y", "x"))])
def test_tensorstore_precomputed(stores: Path, folder: str, axes: tuple[str, ...]) -> None:
    info = json.loads((stores / "tensorstore__precomputed_info_only" / folder / "info").read_text())
    m = read_precomputed(info, where=folder)
    assert (m.axes, m.kind, [s.path for s in m.scales]) == (axes, "image", ["3_4_5", "6_8_10", "12_16_20"])
    assert calibrations(m) == [Calibration((5, 4, 3)), Calibration((10, 8, 6)), Calibration((20, 16, 12))]


def test_webknossos_precomputed(stores: Path) -> None:
    for folder, axes in (("webknossos__simple_ng_dataset", "czyx"), ("webknossos__simple_ng_dataset2", "zyx")):
        m = read_precomputed(json.loads((stores / folder / "color/info").read_text()), where=folder)
        assert (m.axes, m.scales[0].path, calibrations(m)) == (tuple(axes), "1", [Calibration((1, 1, 1))])


def test_annotations_are_no_volume(stores: Path) -> None:
    info = json.loads((stores / "neuroglancer__precomputed_annotations/info").read_text())
    with pytest.raises(Unsupported, match="is neuroglancer_annotations_v1"):
        read_precomputed(info, where="points")


def n5(root: Path) -> dict[str, Any]:
    files = sorted(root.rglob("attributes.json"))
    return {p.parent.relative_to(root).as_posix().replace(".", ""): json.loads(p.read_text()) for p in files}


@pytest.mark.parametrize("folder", ["n5_viewer_multiscale_modern", "n5_viewer_multiscale_deprecated"])
def test_neuroglancer_n5_with_seconds_on_y(stores: Path, folder: str) -> None:
    # Resolution (10, 20) in ("nm", "s") on (x, y): seconds are no length, so there is no calibration to give.
    m = read_n5(n5(stores / "neuroglancer__n5_multiscale" / folder), where=folder)
    assert (m.axes, [s.path for s in m.scales]) == (("y", "x"), ["s0", "s1", "s2"])
    assert calibrations(m) == [None] * 3
    assert "y: s, x: nm" in m.notes[-1]
    assert [size[1:] for size in m.extra["scale"]] == [(20, 10), (40, 20), (80, 40)]
    assert [c.voxel_size[1:] for c in calibrations(with_voxel_size(m, (7, 2, 1))) if c] == [(2, 1), (4, 2), (8, 4)]


def test_webknossos_n5_has_one_channel_to_a_block(stores: Path) -> None:
    # dimensions [3, 24, 24, 24] with blockSize [1, 32, 32, 32]: three channels of 24^3, listed fastest first.
    m = read_n5(n5(stores / "webknossos__simple_n5_dataset/color/1"), where="n5")
    assert (m.axes, m.scales[0].path) == (("z", "y", "x", "c"), "")


@pytest.mark.parametrize("version", ["1.5.0", "2.5.1", "3.1.3"])
def test_n5_java_single_plane(stores: Path, version: str) -> None:
    m = read_n5(n5(stores / f"n5_java__backward_compat/data-{version}.n5"), where=version)
    assert (m.axes, [s.path for s in m.scales], calibrations(m)) == (("y", "x"), ["raw"], [None])


def test_z5py_astronaut(stores: Path) -> None:
    # Written from an array of shape (512, 512, 3): on disk [3, 512, 512].
    m = read_n5(n5(stores / "z5py__n5_astronaut/gzip"), where="astronaut")
    assert (m.axes, calibrations(m)) == (("z", "y", "x"), [None])
