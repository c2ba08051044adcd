from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from ndlab.errors import BadMetadata, BadRequest, NotFound, OutOfBounds, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Channel
from ndlab.store.files import open_file
from ndlab.store.files.raw import RawArray
from ndlab.store.files.tiff_pages import PagesArray
from tests.store.reading import assert_reads, numbers, whole

LAYOUTS: list[dict[str, Any]] = [
    {},
    {"byteorder": ">"},
    {"bigtiff": True},
    {"rowsperstrip": 5},
    {"rowsperstrip": 5, "compression": "zlib", "predictor": True},
    {"tile": (16, 32)},
    {"tile": (16, 16), "compression": "lzw"},
    {"tile": (32, 16), "compression": "zstd", "byteorder": ">"},
    {"compression": "packbits", "contiguous": False},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_tiff_stack_of_every_layout(tmp_path: Path, layout: dict[str, Any], dtype: str) -> None:
    if dtype == "f4" and layout.get("predictor"):
        layout = layout | {"predictor": 3}
    values = numbers((6, 41, 53), dtype)
    layout = dict(layout)
    opened = {"bigtiff": layout.pop("bigtiff", False), "byteorder": layout.pop("byteorder", "<")}
    contiguous = layout.pop("contiguous", True)
    with tifffile.TiffWriter(tmp_path / "a.tif", **opened) as file:
        file.write(values, photometric="minisblack", contiguous=contiguous, **layout)
    stored = open_file(tmp_path / "a.tif")
    assert_reads(stored, values, "zyx")
    plain = "compression" not in layout and "tile" not in layout
    assert isinstance(stored.levels[0].array, RawArray if plain else PagesArray)
    assert stored.format == ("BigTIFF" if opened["bigtiff"] else "TIFF")
    if "tile" in layout:
        assert stored.levels[0].array.chunks[1:] == layout["tile"]


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tiff_colour_samples_become_channels(
    tmp_path: Path, planar: str, compression: str | None, tile: tuple[int, int] | None
) -> None:
    values = numbers((4, 3, 37, 29), "u1")  # z, sample, y, x
    written = values if planar == "separate" else values.transpose(0, 2, 3, 1)
    tifffile.imwrite(
        tmp_path / "a.tif", written, photometric="rgb", planarconfig=planar, compression=compression, tile=tile
    )
    stored = open_file(tmp_path / "a.tif")
    assert_reads(stored, values.transpose(1, 0, 2, 3), "czyx")
    assert [c.name for c in stored.channels] == ["red", "green", "blue"]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_imagej_hyperstack_with_units_channels_and_time(tmp_path: Path, compression: str | None) -> None:
    values = numbers((2, 5, 3, 17, 19), "u2")  # ImageJ order: t, z, c, y, x
    tifffile.imwrite(
        tmp_path / "a.tif", values, imagej=True, resolution=(1 / 0.004, 1 / 0.008), compression=compression,
        metadata={"axes": "TZCYX", "spacing": 0.04, "unit": "um", "finterval": 1.5,
                  "Ranges": (0.0, 9.0, 1.0, 8.0, 2.0, 7.0)},
    )  # fmt: skip
    stored = open_file(tmp_path / "a.tif")
    assert_reads(stored, values.transpose(0, 2, 1, 3, 4), "tczyx")
    assert stored.format == "ImageJ TIFF"
    assert stored.levels[0].calibration is not None
    assert stored.levels[0].calibration.voxel_size == pytest.approx((40, 8, 4))
    assert stored.time_step == 1.5
    assert [c.window for c in stored.channels] == [(0, 9), (1, 8), (2, 7)]


@pytest.mark.parametrize(
    ("unit", "nm"),
    [("nm", 1), ("micron", 1e3), ("\\u00B5m", 1e3), ("um", 1e3), ("mm", 1e6), ("cm", 1e7), ("inch", 2.54e7)],
)
def test_imagej_units(tmp_path: Path, unit: str, nm: float) -> None:
    tifffile.imwrite(tmp_path / "a.tif", numbers((3, 4, 5), "u1"), imagej=True, resolution=(0.5, 0.25),
                     metadata={"spacing": 8.0, "unit": unit})  # fmt: skip
    calibration = open_file(tmp_path / "a.tif").levels[0].calibration
    assert calibration is not None
    assert calibration.voxel_size == pytest.approx((8 * nm, 4 * nm, 2 * nm))


def test_imagej_pixels_are_no_length_and_a_missing_spacing_is_no_z_size(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", numbers((3, 4, 5), "u1"), imagej=True, metadata={"unit": "pixel", "spacing": 2.0}
    )
    stored = open_file(tmp_path / "a.tif")
    assert stored.levels[0].calibration is None
    assert "'pixel' is no length" in stored.notes[0]
    tifffile.imwrite(
        tmp_path / "b.tif", numbers((3, 4, 5), "u1"), imagej=True, resolution=(250, 250),
        metadata={"unit": "um", "axes": "ZYX"},
    )  # fmt: skip
    stored = open_file(tmp_path / "b.tif")
    assert stored.levels[0].calibration is None
    assert stored.notes == ("the file states pixels of 4 x 4 nm but no z size: pass voxel_size=(z, 4, 4)",)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_tiff_axes_sizes_channels_and_time(tmp_path: Path, compression: str | None) -> None:
    values = numbers((2, 3, 4, 17, 19), "u2")
    metadata = {
        "axes": "TCZYX", "Name": "neurons", "PhysicalSizeX": 4.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.004,
        "PhysicalSizeZ": 0.04, "PhysicalSizeZUnit": "µm", "TimeIncrement": 500, "TimeIncrementUnit": "ms",
        "Channel": {"Name": ["DAPI", "GFP", "RFP"], "Color": [0x0000FFFF, 0x00FF00FF, -16776961]},
    }  # fmt: skip
    tifffile.imwrite(tmp_path / "a.ome.tif", values, ome=True, metadata=metadata, compression=compression,
                     photometric="minisblack")  # fmt: skip
    stored = open_file(tmp_path / "a.ome.tif")
    assert_reads(stored, values, "tczyx")
    assert (stored.format, stored.name, stored.time_step) == ("OME-TIFF", "neurons", 0.5)
    assert stored.levels[0].calibration is not None
    assert stored.levels[0].calibration.voxel_size == pytest.approx((40, 4, 4))
    # -16776961 is red: 0xFF0000FF as a signed number.
    assert stored.channels == (
        Channel("DAPI", color="0000FF"),
        Channel("GFP", color="00FF00"),
        Channel("RFP", color="FF0000"),
    )


def test_ome_tiff_pyramid_levels_keep_the_corner(tmp_path: Path) -> None:
    values = numbers((3, 65, 130), "u1")
    with tifffile.TiffWriter(tmp_path / "p.ome.tif", ome=True) as file:
        sizes = {"PhysicalSizeX": 0.004, "PhysicalSizeY": 0.004, "PhysicalSizeZ": 0.04}
        layout: dict[str, Any] = {"tile": (16, 16), "photometric": "minisblack", "compression": "zlib"}
        file.write(values, subifds=2, metadata={"axes": "ZYX", **sizes}, **layout)
        for step in (2, 4):
            file.write(values[:, ::step, ::step], subfiletype=1, **layout)
    stored = open_file(tmp_path / "p.ome.tif")
    assert len(stored.levels) == 3
    for i, step in enumerate((1, 2, 4)):
        assert_reads(stored, values[:, ::step, ::step], "zyx", level=i)
        calibration = stored.levels[i].calibration
        assert calibration is not None
        assert calibration.voxel_size == pytest.approx((40, 4 * step, 4 * step))
        assert calibration.offset == (0, 0, 0)


def test_ome_tiff_in_several_files_opens_from_any_and_shows_gaps(tmp_path: Path) -> None:
    planes = numbers((3, 11, 13), "u2")
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{i}" for i in range(3)]
    blocks = "".join(
        f'<TiffData FirstZ="{i}" FirstC="0" FirstT="0" IFD="0" PlaneCount="1">'
        f'<UUID FileName="z{i}.ome.tif">{u}</UUID></TiffData>'
        for i, u in enumerate(uuids)
    )
    for i, uuid in enumerate(uuids):
        xml = (
            f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="13" SizeY="11" '
            f'SizeZ="3" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
            f"{blocks}</Pixels></Image></OME>"
        )
        tifffile.imwrite(tmp_path / f"z{i}.ome.tif", planes[i], description=xml, metadata=None)
    for i in range(3):
        assert_reads(open_file(tmp_path / f"z{i}.ome.tif"), planes, "zyx")
    array = open_file(tmp_path / "z1.ome.tif").levels[0].array
    (tmp_path / "z2.ome.tif").unlink()
    with pytest.raises(NotFound, match=r"z2\.ome\.tif cannot be read"):
        array.read((2, 0, 0), array.shape)
    stored = open_file(tmp_path / "z1.ome.tif")
    np.testing.assert_array_equal(whole(stored), np.stack([planes[0], planes[1], 0 * planes[2]]))
    assert any("1 of 3 planes are missing" in note for note in stored.notes)


def test_tiff_series_are_chosen_by_number(tmp_path: Path) -> None:
    first, second = numbers((3, 8, 9), "u1"), numbers((2, 5, 6), "u2")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(first, photometric="minisblack")
        file.write(second, photometric="minisblack")
    stored = open_file(tmp_path / "a.tif")
    assert_reads(stored, first, "zyx")
    assert any("series 0 of 2 is shown" in n and "1: QYX (2, 5, 6) uint16" in n for n in stored.notes)
    assert_reads(open_file(tmp_path / "a.tif", series=1), second, "zyx")
    with pytest.raises(OutOfBounds, match="it has 2, counted from 0"):
        open_file(tmp_path / "a.tif", series=2)


def test_tiff_axes_are_renamed_on_request(tmp_path: Path) -> None:
    values = numbers((4, 8, 9), "u1")
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    assert_reads(open_file(tmp_path / "a.tif", axes="tyx"), values[:, None], "tzyx")
    with pytest.raises(BadRequest, match="3 axes longer than 1"):
        open_file(tmp_path / "a.tif", axes="yx")


def test_tiff_of_one_plane(tmp_path: Path) -> None:
    values = numbers((31, 33), "f8")
    tifffile.imwrite(tmp_path / "a.tif", values)
    stored = open_file(tmp_path / "a.tif")
    assert_reads(stored, values[None], "zyx")
    assert stored.levels[0].calibration is None
    assert "no voxel size" in stored.notes[0]


def test_tiff_only_touched_tiles_are_read(tmp_path: Path) -> None:
    """Tiles outside the box are destroyed on disk; the box still reads, and a box over them fails by name."""
    values = numbers((1, 64, 64), "u1")
    tifffile.imwrite(tmp_path / "a.tif", values, tile=(16, 16), compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        spoiled = [(page.dataoffsets[i], page.databytecounts[i]) for i in range(16) if i != 5]
    with (tmp_path / "a.tif").open("r+b") as raw:
        for offset, count in spoiled:
            raw.seek(offset)
            raw.write(b"\xff" * count)
    array = open_file(tmp_path / "a.tif").levels[0].array
    np.testing.assert_array_equal(array.read((0, 17, 18), (1, 31, 32)), values[:, 17:31, 18:32])
    with pytest.raises(BadMetadata, match="is damaged"):
        array.read((0, 15, 18), (1, 31, 32))


@pytest.mark.parametrize("layout", [{}, {"compression": "zlib"}])
def test_tiff_truncated_or_no_tiff_is_said(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for plane in numbers((3, 64, 64), "u1"):
            file.write(plane, contiguous=False, metadata=None, **layout)
    whole_file = path.read_bytes()
    path.write_bytes(b"II*\0" + b"\xff" * 40)
    with pytest.raises(BadMetadata, match=r"a\.tif"):
        open_file(path)
    path.write_text("hello")
    with pytest.raises(BadMetadata, match="no readable TIFF"):
        open_file(path)
    with tifffile.TiffWriter(path) as file:
        file.write(numbers((3, 64, 64), "u1"), photometric="minisblack", **layout)
    whole_file = path.read_bytes()
    if layout:
        with tifffile.TiffFile(path) as read:
            offset = read.pages[2].dataoffsets[0]
        path.write_bytes(whole_file[: offset + 10])
        array = open_file(path).levels[0].array
        with pytest.raises(BadMetadata, match="truncated"):
            array.read((2, 0, 0), (3, 64, 64))
        array.read((0, 0, 0), (2, 64, 64))
    else:
        path.write_bytes(whole_file[:-5000])
        with pytest.raises(BadMetadata, match=r"truncated.*promises"):
            open_file(path)


def test_tiff_pixels_that_no_volume_holds_are_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 5, 6), "c8"), photometric="minisblack")
    with pytest.raises(Unsupported, match="complex64") as caught:
        open_file(tmp_path / "a.tif")
    assert caught.value.feature == "dtype complex64"


def test_tiff_labels_are_recognised_by_their_width(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 5, 6), "u4"), photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.tif", np.ones((2, 5, 6), "u2"), photometric="minisblack")
    assert open_file(tmp_path / "a.tif").kind == "labels"
    assert open_file(tmp_path / "b.tif").kind == "image"


def test_tiff_threads_read_the_same_file_at_once(tmp_path: Path) -> None:
    values = numbers((24, 50, 60), "u2")
    tifffile.imwrite(tmp_path / "a.tif", values, compression="zlib", tile=(16, 16), photometric="minisblack")
    array = open_file(tmp_path / "a.tif").levels[0].array
    wrong: list[int] = []

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(15):
            a, b = np.sort(rng.integers(0, (25, 51, 61), (2, 3)), axis=0)
            if not np.array_equal(array.read(a, b), values[tuple(map(slice, a, b))]):
                wrong.append(seed)

    threads = [threading.Thread(target=look, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_tiff_own_note_in_plain_tiff_gives_size_and_offset_back(tmp_path: Path) -> None:
    said = {"axes": "ZYX", "ndlab": '{"voxel_size_nm": [40, 4, 4], "offset_nm": [80, 0, 8], "time_step_s": 2.0}'}
    tifffile.imwrite(tmp_path / "a.tif", numbers((2, 5, 6), "u8"), photometric="minisblack", metadata=said)
    stored = open_file(tmp_path / "a.tif")
    assert stored.levels[0].calibration == Calibration((40, 4, 4), (80, 0, 8))
    assert stored.time_step == 2.0
