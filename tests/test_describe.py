from __future__ import annotations

import base64
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab import describe
from ndlab.errors import NotFound
from ndlab.geometry import Box
from ndlab.metadata import Channel
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.store.making import make, texture

SHAPE = (20, 40, 60)
VOXEL = (40.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (12, "12 B"), (999, "999 B"), (1000, "1 kB"), (999_999, "1 MB"), (16_777_216, "16.8 MB"),
     (2_500_000_000, "2.5 GB"), (4e12, "4 TB"), (7.3e15, "7.3 PB"), (2e18, "2e+03 PB")],
)  # fmt: skip
def test_bytes_as_people_read_them(n: float, text: str) -> None:
    assert describe.si_bytes(n) == text


@pytest.mark.parametrize(("nm", "text"), [(29.0, "29 nm"), (4.7, "4.7 nm"), (5400.0, "5.4 µm"), (1.2e6, "1.2 mm")])
def test_lengths_as_people_read_them(nm: float, text: str) -> None:
    assert describe.si_length(nm) == text


def test_available_memory_is_a_sane_number() -> None:
    found = describe.available_memory()
    assert found is None or 1 << 20 < found < 1 << 50


def test_the_summary_in_text(tmp_path: Path) -> None:
    make(tmp_path / "brain", SHAPE, levels=2, offset=(400, 0, 0), channels=(Channel("EM", (10.0, 200.0)),), dtype="u2")
    volume = open_volume(tmp_path / "brain")
    assert repr(volume).splitlines() == [
        "<ndlab.Volume 'brain': image, OME-Zarr 0.5>",
        "  shape            zyx 20 × 40 × 60 uint16, 96 kB",
        "  voxel (z, y, x)  40 × 4 × 4 nm; 800 nm × 160 nm × 240 nm",
        "  corner (z, y, x) 400 × 0 × 0 nm",
        "  levels           2, this is 0: 20 × 40 × 60; 20 × 20 × 30",
        "  chunks           8 × 16 × 16 in shards of 16 × 32 × 32, zstd 1",
        "  channels         EM",
        "  window           10 to 200",
        f"  {tmp_path}/brain",
    ]
    volume.write(Box((0, 0, 0), (1, 1, 1)), 1)
    assert "stale 20 × 20 × 30" in repr(volume)


def test_the_summary_of_a_view_and_of_an_unknown_size(tmp_path: Path) -> None:
    volume = Volume.from_array(texture(SHAPE), VOXEL, offset=(0, 8, 0))
    assert "yx 5 × 60 uint8, 300 B" in repr(volume[3, 5:10])
    assert "corner (z, y, x) 120 × 28 × 0 nm" in repr(volume[3, 5:10])
    np.save(tmp_path / "a.npy", texture(SHAPE))
    assert "not known: pass ndlab.open(url, voxel_size=(z, y, x)) in nm" in repr(open_volume(tmp_path / "a.npy"))
    assert repr(Volume.from_array(np.zeros((0, 4, 4)), VOXEL))
    assert Volume.from_array(np.zeros((0, 4, 4)), VOXEL)._repr_html_()


def picture(volume: Volume) -> np.ndarray[Any, Any]:
    from PIL import Image

    html = volume._repr_html_()
    found = re.search(r"src='data:image/png;base64,([^']+)'", html)
    assert found is not None, html
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def test_the_picture_is_the_middle_plane_through_the_window() -> None:
    values = np.zeros((5, 30, 40), "u1")
    values[2] = np.arange(40) * 5
    plain = Volume.from_array(values, VOXEL)
    shown = picture(plain)
    assert shown.shape == (30, 40)
    assert (np.diff(shown[0].astype(int)) >= 0).all()
    assert (shown[0, 0], shown[0, -1]) == (0, 255)


def test_labels_have_colours_and_a_black_background() -> None:
    values = np.zeros((1, 20, 30), "u8")
    values[0, :10], values[0, 10:, 10:] = 7, 2**40
    shown = picture(Volume.from_array(values, VOXEL, kind="labels"))
    assert shown.shape == (20, 30, 3)
    assert (shown[12, 3] == 0).all()
    assert shown[3, 3].any()
    assert shown[15, 20].any()
    assert (shown[3, 3] != shown[15, 20]).any()


@pytest.mark.parametrize(
    "values",
    [
        np.full((1, 8, 8), np.nan, "f4"), np.array([[[np.inf, -np.inf], [np.nan, 1.0]]], "f4"),
        np.full((1, 8, 8), 7, "u2"), np.ones((1, 8, 8), bool), np.full((1, 8, 8), 1e300), np.full((1, 1, 1), -5, "i8"),
    ],
)  # fmt: skip
def test_any_voxels_can_be_drawn_without_a_warning(values: np.ndarray[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture(Volume.from_array(values, VOXEL))


def test_the_picture_of_a_large_volume_comes_from_a_coarse_level(tmp_path: Path) -> None:
    stored = make(tmp_path / "a", (4, 1200, 1200), levels=3, shard=None)
    stored.levels[2].array.write((0, 0, 0), np.full(stored.levels[2].array.shape, 9, "u1"))
    assert max(picture(open_volume(tmp_path / "a")).shape) <= 512


def test_no_picture_where_it_would_cost_too_much(tmp_path: Path) -> None:
    make(tmp_path / "a", (40, 200_000, 200_000), shard=None)
    html = open_volume(tmp_path / "a")._repr_html_()
    assert "<img" not in html
    assert "200000" in html.replace(",", "").replace(" ", "")


def test_a_damaged_chunk_spoils_the_picture_only(tmp_path: Path) -> None:
    make(tmp_path / "a", (1, 16, 16), shard=None)
    open_volume(tmp_path / "a").write(None, texture((1, 16, 16)))
    path = tmp_path / "a" / "0" / "c" / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:20])
    html = open_volume(tmp_path / "a")._repr_html_()
    assert "no picture: " in html
    assert "is damaged" in html


def test_a_level_that_is_missing_hides_none_of_the_others(tmp_path: Path) -> None:
    """A copy that stopped half way: metadata name a level that is not there."""
    import shutil

    make(tmp_path / "a", SHAPE, levels=3)
    shutil.rmtree(tmp_path / "a" / "1")
    volume = open_volume(tmp_path / "a")
    assert "3, this is 0: 20 × 40 × 60; cannot be read; 10 × 10 × 15" in repr(volume)
    assert "cannot be read" in volume._repr_html_()
    levels = json.loads(json.dumps(volume.info()))["levels"]
    assert [one.get("shape") for one in levels] == [[20, 40, 60], None, [10, 10, 15]]
    assert re.search(r"no array at .*/a/1", levels[1]["error"])
    assert volume.level(2).read().shape == (10, 10, 15)
    with pytest.raises(NotFound, match="a level that the metadata names may not be there"):
        volume.level(1)


def test_names_are_escaped() -> None:
    html = Volume.from_array(texture(SHAPE), VOXEL, name="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_info_is_plain_json(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE, levels=2, dtype="u2", channels=(Channel("EM", (10.0, 200.0), None, "FFFFFF"),))
    volume = open_volume(tmp_path / "a")
    volume.write(Box((0, 0, 0), (1, 1, 1)), 1)
    found = json.loads(json.dumps(volume.info()))
    assert found["shape"] == [20, 40, 60]
    assert (found["axes"], found["dtype"], found["nbytes"]) == (["z", "y", "x"], "uint16", 96000)
    assert (found["voxel_size"], found["offset"], found["unit"]) == ([40, 4, 4], [0, 0, 0], "nanometer")
    assert (found["kind"], found["format"], found["version"]) == ("image", "OME-Zarr 0.5", 1)
    assert found["levels"] == [
        {"level": 0, "shape": [20, 40, 60], "voxel_size": [40, 4, 4], "chunks": [8, 16, 16], "shards": [16, 32, 32],
         "codec": "zstd 1", "stale": False},
        {"level": 1, "shape": [20, 20, 30], "voxel_size": [40, 8, 8], "chunks": [8, 16, 16], "shards": [16, 32, 32],
         "codec": "zstd 1", "stale": True},
    ]  # fmt: skip
    assert found["channels"] == [{"name": "EM", "window": [10, 200], "color": "FFFFFF"}]


def test_info_of_an_unknown_size(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", texture(SHAPE))
    found = json.loads(json.dumps(open_volume(tmp_path / "a.npy").info()))
    assert (found["voxel_size"], found["offset"], found["unit"]) == (None, None, None)
