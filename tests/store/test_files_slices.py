from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from ndlab.errors import BadMetadata, BadRequest, NotFound, Problems, Unsupported
from ndlab.store.files import can_open, check_slices, open_file
from ndlab.store.files.slice_names import list_slices
from tests.store.reading import assert_reads, numbers, whole


def save(path: Path, plane: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, plane, photometric="rgb" if plane.shape[-1] == 3 else "minisblack")
    else:
        Image.fromarray(plane).save(path)


def stack(folder: Path, values: np.ndarray[Any, Any], name: str = "{:04d}.png") -> Path:
    for i, plane in enumerate(values):
        save(folder / name.format(i), plane)
    return folder


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", "u1"), ("png", "u2"), ("tif", "u1"), ("tif", "f4"), ("bmp", "u1")]
)
def test_grey_slices_of_every_format(tmp_path: Path, suffix: str, dtype: str) -> None:
    values = numbers((12, 21, 23), dtype)
    # Not padded: 10 comes after 9, which the alphabet would not have.
    folder = stack(tmp_path / "s", values, "slice_{}." + suffix)
    stored = open_file(folder)
    assert_reads(stored, values, "zyx")
    assert stored.levels[0].array.chunks == (1, 21, 23)
    assert stored.levels[0].calibration is None
    assert "no voxel size" in stored.notes[0]
    assert check_slices(str(folder), decode=True) == []
    assert can_open(folder)


def test_jpeg_slices_decode_as_pil_does(tmp_path: Path) -> None:
    folder = stack(tmp_path / "s", numbers((3, 40, 41), "u1"), "{}.jpg")
    expected = np.stack([np.asarray(Image.open(folder / f"{i}.jpg")) for i in range(3)])
    assert_reads(open_file(folder), expected, "zyx")


@pytest.mark.parametrize("name", ["{}.png", "{}.bmp", "{}.tif"])
def test_rgb_slices_become_three_named_channels(tmp_path: Path, name: str) -> None:
    values = numbers((4, 21, 23, 3), "u1")
    stored = open_file(stack(tmp_path / "s", values, name))
    assert_reads(stored, values.transpose(3, 0, 1, 2), "czyx")
    assert [c.name for c in stored.channels] == ["red", "green", "blue"]
    assert check_slices(str(tmp_path / "s")) == []
    assert "grey was expected" in check_slices(str(tmp_path / "s"), expect="grey")[0]


@pytest.mark.parametrize("samples", [3, 4])
def test_png_with_16_bit_colours_keeps_all_its_bits(tmp_path: Path, samples: int) -> None:
    values = numbers((2, 9, 10, samples), "u2")
    (tmp_path / "s").mkdir()
    for i, plane in enumerate(values):
        (tmp_path / "s" / f"{i}.png").write_bytes(imagecodecs.png_encode(plane))
    assert_reads(open_file(tmp_path / "s"), values.transpose(3, 0, 1, 2), "czyx")


def test_one_bit_slices_are_zeros_and_ones(tmp_path: Path) -> None:
    values = numbers((3, 13, 17), "?")
    folder = stack(tmp_path / "s", values)
    assert_reads(open_file(folder), values.astype("u1"), "zyx")


def test_palette_slices_give_indexes_and_say_so(tmp_path: Path) -> None:
    image = Image.fromarray(numbers((13, 17), "u1") % 5, "L").convert("P")
    expected = np.asarray(image)
    (tmp_path / "s").mkdir()
    image.save(tmp_path / "s" / "0.png")
    stored = open_file(tmp_path / "s")
    np.testing.assert_array_equal(whole(stored)[0], expected)
    assert any("palette indexes" in n for n in stored.notes)


def test_a_single_picture_and_a_glob(tmp_path: Path) -> None:
    values = numbers((3, 8, 9), "u1")
    folder = stack(tmp_path / "s", values, "raw_{}.png")
    stack(folder, 255 - values, "mask_{}.png")
    assert_reads(open_file(folder / "raw_1.png"), values[1:2], "zyx")
    assert_reads(open_file(f"{folder}/mask_*.png"), 255 - values, "zyx")
    assert can_open(f"{folder}/mask_*.png")
    assert not can_open(f"{folder}/nothing_*.png")
    save(tmp_path / "overview.png", values[0])
    assert_reads(open_file(tmp_path / "overview.png"), values[:1], "zyx")
    problems = check_slices(str(folder))
    assert any("names of 2 kinds: 3 like mask_0.png; 3 like raw_0.png" in p for p in problems)


def test_numbers_may_start_anywhere_and_the_first_is_remembered(tmp_path: Path) -> None:
    values = numbers((3, 8, 9), "u1")
    for i, plane in enumerate(values):
        save(tmp_path / "s" / f"sec{i + 118}_s00.png", plane)
    stored = open_file(tmp_path / "s")
    assert_reads(stored, values, "zyx")
    assert stored.attrs["first"] == {"z": 118}


def test_numbers_that_rise_together_agree(tmp_path: Path) -> None:
    values = numbers((4, 8, 9), "u1")
    for i, plane in enumerate(values):
        save(tmp_path / "s" / f"{i:03d}_stage{400 + 17 * i}.png", plane)
    assert_reads(open_file(tmp_path / "s"), values, "zyx")


def test_a_pattern_stacks_time_points_and_named_channels(tmp_path: Path) -> None:
    values = numbers((2, 3, 4, 8, 9), "u2")
    names = ["dapi", "gfp", "pre-2"]
    for t in range(2):
        for c, name in enumerate(names):
            for z in range(4):
                save(tmp_path / "s" / f"img_t{t}_c{name}_z{z:03d}.tif", values[t, c, z])
    save(tmp_path / "s" / "overview.tif", values[0, 0, 0])
    stored = open_file(tmp_path / "s", pattern="img_t{t}_c{c}_z{z}.tif")
    assert_reads(stored, values, "tczyx")
    assert [c.name for c in stored.channels] == names
    assert any("left out" in n and "overview.tif" in n for n in stored.notes)
    assert check_slices(str(tmp_path / "s"), "img_t{t}_c{c}_z{z:03d}.tif") == []
    one = open_file(tmp_path / "s", pattern="img_t1_cgfp_z{z}.tif")
    assert_reads(one, values[1, 1], "zyx")


def test_numbered_channels_are_ordered_by_number(tmp_path: Path) -> None:
    values = numbers((11, 2, 5, 6), "u1")
    for c in range(11):
        for z in range(2):
            save(tmp_path / "s" / f"ch{c}" / f"{z}.png", values[c, z])
    stored = open_file(tmp_path / "s", pattern="ch{c}/{z}.png")
    assert_reads(stored, values, "czyx")
    assert [c.name for c in stored.channels] == [str(i) for i in range(11)]


@pytest.mark.parametrize("layout", ["{z}/{row}/{col}.png", "{z}/{row}_{col}_{level}.png"])
def test_tile_folders_are_recognised_and_put_together(tmp_path: Path, layout: str) -> None:
    """Two sections of 2 x 3 tiles of 16 x 20, the last row and column cut, at two levels where names tell levels."""
    levels = [numbers((2, 27, 50), "u1"), numbers((2, 14, 25), "u1", 1)][: 2 if "level" in layout else 1]
    for level, values in enumerate(levels):
        for z in range(2):
            for row in range(-(-values.shape[1] // 16)):
                for col in range(-(-values.shape[2] // 20)):
                    name = layout.format(z=z + 5, row=row + 60, col=col + 140, level=level)
                    tile = values[z, 16 * row : 16 * row + 16, 20 * col : 20 * col + 20]
                    save(tmp_path / "s" / name, tile)
    stored = open_file(tmp_path / "s")
    assert len(stored.levels) == len(levels)
    for level, values in enumerate(levels):
        if level == 0:
            assert_reads(stored, values, "zyx", level)
    assert stored.levels[0].array.chunks == (1, 16, 20)
    assert stored.attrs["first"] == {"z": 5, "row": 60, "col": 140}
    assert check_slices(str(tmp_path / "s"), layout) == []
    if "level" in layout:
        np.testing.assert_array_equal(whole(stored, 1), levels[1])


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    good = numbers((32, 33), "u1")
    for i in (0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 20):
        save(folder / f"s{i:02d}.png", good)
    save(folder / "s2.png", good)  # twice
    save(folder / "s03.png", good[:30])  # odd size
    save(folder / "s04.png", good.astype("u2"))  # odd type
    save(folder / "s05.png", np.stack([good] * 3, axis=-1))  # colour
    (folder / "s06.png").write_bytes((folder / "s06.png").read_bytes()[:-30])  # truncated
    (folder / "s07.png").write_bytes(b"")  # empty
    (folder / "s11.png").write_text("not a picture")
    save(folder / "s21.tif", good)  # mixed format
    save(folder / "overview.png", good)  # no number
    (folder / "notes.txt").write_text("ignored")
    problems = check_slices(str(folder))
    text = "\n".join(problems)
    assert "no number in the name of overview.png" in text
    assert "slice 2 is there 2 times: s02.png, s2.png" in text
    assert "formats are mixed: 14 PNG (s00.png and 13 more); 1 TIFF (s21.tif)" in text
    assert "8 slices missing: 8-10, 15-19 (numbers run from 0 to 21)" in text
    assert "s06.png is truncated (the end marker of PNG is missing)" in text
    assert "s07.png is empty (it has 0 bytes)" in text
    assert "s11.png is no picture" in text
    assert "s03.png: size 33 x 30, most are 33 x 32" in text
    assert "s04.png: 16-bit grey pixels, most have 8-bit grey" in text
    assert "s05.png: 8-bit RGB pixels, most have 8-bit grey" in text
    assert len(problems) == 10
    with pytest.raises(Problems, match="is no volume") as caught:
        open_file(folder)
    assert len(caught.value.problems) == 4  # What names alone tell; headers are read when asked to check.


def test_names_without_numbers(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / "s" / name, numbers((4, 5), "u1"))
    assert check_slices(str(tmp_path / "s")) == ["no file is numbered: a.png, b.png"]
    with pytest.raises(Problems, match="no file is numbered"):
        open_file(tmp_path / "s")


def test_several_numbers_that_disagree_need_a_pattern(tmp_path: Path) -> None:
    for a in range(2):
        for b in range(3):
            save(tmp_path / "s" / f"x{a}_{b}.png", numbers((4, 5), "u1"))
    with pytest.raises(Problems, match="several numbers vary from name to name"):
        open_file(tmp_path / "s")
    assert open_file(tmp_path / "s", pattern="x{c}_{z}.png").levels[0].array.shape == (2, 3, 4, 5)


def test_gaps_are_an_error_or_blank_or_skipped(tmp_path: Path) -> None:
    values = numbers((6, 8, 9), "u1")
    folder = stack(tmp_path / "s", values)
    for gone in (2, 3):
        (folder / f"{gone:04d}.png").unlink()
    with pytest.raises(Problems, match=r"2 slices missing: 2-3 \(numbers run from 0 to 5\)"):
        open_file(folder)
    blank = values.copy()
    blank[2:4] = 0
    stored = open_file(folder, missing="blank")
    assert_reads(stored, blank, "zyx")
    assert any("zeros stand where 2 slices missing: 2-3" in n for n in stored.notes)
    assert_reads(open_file(folder, missing="skip"), values[[0, 1, 4, 5]], "zyx")
    assert check_slices(str(folder), missing="blank") == []
    with pytest.raises(BadRequest, match="missing='maybe'"):
        open_file(folder, missing="maybe")


def test_an_even_step_is_pointed_out(tmp_path: Path) -> None:
    for i in range(0, 50, 10):
        save(tmp_path / "s" / f"{i}.png", numbers((4, 5), "u1"))
    assert (
        'every 10th number is there; if that is all of them pass missing="skip"' in check_slices(str(tmp_path / "s"))[0]
    )


def test_gaps_in_one_channel_and_missing_tiles_are_named(tmp_path: Path) -> None:
    for c in "ab":
        for z in range(4):
            save(tmp_path / "s" / f"{c}_{z}.png", numbers((4, 5), "u1"))
    (tmp_path / "s" / "b_2.png").unlink()
    assert check_slices(str(tmp_path / "s"), "{c}_{z}.png") == ["1 slice missing of c=b: 2 (numbers run from 0 to 3)"]
    for z in range(3):
        for row in range(2):
            for col in range(2):
                if (z, row, col) != (1, 0, 1):
                    save(tmp_path / "t" / f"{z}/{row}/{col}.png", numbers((4, 5), "u1"))
    assert check_slices(str(tmp_path / "t"), "{z}/{row}/{col}.png") == [
        "tiles missing in 1 sections (4 are wanted in each): 1"
    ]
    stored = open_file(tmp_path / "t", missing="blank")
    assert stored.levels[0].array.shape == (3, 8, 10)
    assert not whole(stored)[1, :4, 5:].any()


def test_an_odd_slice_is_refused_when_it_is_read(tmp_path: Path) -> None:
    values = numbers((4, 32, 33), "u1")
    folder = stack(tmp_path / "s", values)
    save(folder / "0002.png", values[2, :30])
    array = open_file(folder).levels[0].array
    array.read((0, 0, 0), (2, 32, 33))
    with pytest.raises(BadMetadata, match=r"0002\.png differs.*it is 33 x 30, 8-bit grey; they are 33 x 32"):
        array.read((1, 0, 0), (4, 32, 33))


def test_a_slice_that_vanishes_or_is_damaged_inside(tmp_path: Path) -> None:
    values = numbers((3, 64, 65), "u1")
    folder = stack(tmp_path / "s", values)
    array = open_file(folder).levels[0].array
    raw = bytearray((folder / "0001.png").read_bytes())
    raw[1000:2000] = bytes(1000)
    (folder / "0001.png").write_bytes(raw)
    assert check_slices(str(folder)) == []
    assert "0001.png is damaged" in check_slices(str(folder), decode=True)[0]
    with pytest.raises(BadMetadata, match=r"0001\.png is damaged"):
        array.read((0, 0, 0), (3, 64, 65))
    (folder / "0001.png").unlink()
    with pytest.raises(NotFound, match=r"slice 1 of .* is gone"):
        array.read((1, 0, 0), (2, 64, 65))


def test_a_folder_that_grows_keeps_its_place(tmp_path: Path) -> None:
    values = numbers((5, 8, 9), "u1")
    folder = stack(tmp_path / "s", values[:3])
    array = open_file(folder).levels[0].array
    stack(folder, values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)).read((0, 0, 0), (3, 8, 9)), values[:3])
    assert_reads(open_file(folder), values, "zyx")


def test_pixels_and_files_that_no_volume_holds(tmp_path: Path) -> None:
    Image.fromarray(numbers((8, 9, 4), "u1"), "CMYK").save(tmp_path / "0.jpg")
    with pytest.raises(Unsupported, match="CMYK pixels"):
        open_file(tmp_path)
    for name in ("inks/0.tif", "inks/1.tif"):
        (tmp_path / "inks").mkdir(exist_ok=True)
        Image.fromarray(numbers((8, 9, 4), "u1"), "CMYK").save(tmp_path / name)
    for path in (tmp_path / "inks", tmp_path / "inks" / "0.tif"):
        with pytest.raises(Unsupported, match=r"0\.tif has CMYK pixels.*convert it to grey or RGB"):
            open_file(path)
    pages = tmp_path / "pages"
    save(pages / "0.tif", numbers((3, 8, 9), "u1"))
    with pytest.raises(Problems, match=r"0\.tif: several pages in one file; open such a file by itself"):
        open_file(pages)
    channels = tmp_path / "channels"
    save(channels / "ca_z0.png", numbers((8, 9, 3), "u1"))
    assert "the names give the channels: convert them to grey" in check_slices(str(channels), "c{c}_z{z}.png")[0]
    with pytest.raises(Problems, match="the names give the channels"):
        open_file(channels, pattern="c{c}_z{z}.png")


def test_patterns_that_are_none(tmp_path: Path) -> None:
    stack(tmp_path / "s", numbers((2, 4, 5), "u1"))
    with pytest.raises(BadRequest, match=r"field \{slice\}.*known are \{t\}, \{c\}, \{z\}"):
        open_file(tmp_path / "s", pattern="{slice}.png")
    with pytest.raises(BadRequest, match="has no field"):
        open_file(tmp_path / "s", pattern="0000.png")
    with pytest.raises(NotFound, match=r"no file in .* fits pattern .* the first picture there is '0000\.png'"):
        open_file(tmp_path / "s", pattern="img{z}.png")
    with pytest.raises(BadRequest, match="only its last part"):
        list_slices(f"{tmp_path}/*/0*.png")


def test_folders_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    assert not can_open(tmp_path)
    with pytest.raises(NotFound, match=r"holds no PNG, TIFF, JPEG or BMP file.*pass pattern="):
        open_file(tmp_path)
    assert "no numbered slices" in check_slices(str(tmp_path))[0]
    assert "nothing at" in check_slices(str(tmp_path / "nowhere"))[0]


def test_pictures_larger_than_pil_allows_are_read(tmp_path: Path) -> None:
    """190 megapixels, which Image.open refuses as a bomb; sections of that size are common."""
    (tmp_path / "s").mkdir()
    side = 13_800
    plane = np.zeros((side, side), "u1")
    plane[7, 9] = 5
    (tmp_path / "s" / "0.png").write_bytes(imagecodecs.png_encode(plane, level=1))
    array = open_file(tmp_path / "s").levels[0].array
    assert array.read((0, 7, 8), (1, 8, 11)).tolist() == [[[0, 5, 0]]]
