"""Pictures of the founding grammar, decoded by PIL and compared with numpy."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, OutOfBounds, TooLarge
from ndlab.ingesting import ingest
from ndlab.render import label_colors
from ndlab.serve.answer import Limits
from ndlab.serve.source import Channel
from ndlab.volume import Volume
from tests.serve.named import Array, Held, ask, picture

RNG = np.random.default_rng(5)
EM = RNG.integers(0, 256, (12, 600, 700), np.uint8)
ID = 2**33 + 1  # more than a float or 32 bits hold with its multiples
IDS = RNG.integers(0, 9, (12, 600, 700)).astype(np.uint64) * np.uint64(ID)
Z, Y, X = np.indices((6, 7, 8))
GRADIENT = (Z * 100 + Y * 10 + X).astype("u2")
TIMES = RNG.integers(0, 256, (3, 4, 20, 30), np.uint8)
VOXEL = (30, 10, 10)  # z is stretched three times


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Held:
    def held(values: Array, name: str, kind: str = "image", **options: object) -> Channel:
        volume = Volume.from_array(values, VOXEL, axes="tzyx"[-values.ndim :])
        return Channel("k", name, kind, volume, **options)  # type: ignore[arg-type]  # names of kinds and options

    deep = (np.arange(256, dtype="u2")[np.newaxis, np.newaxis] * 16).repeat(20, 1).repeat(2, 0)
    packed = np.array([[[0xFF0000FF, 0x80FF0000, 0x00000000]]], "u4")
    kasthuri = np.broadcast_to(np.uint8(0), (60, 1, 1)).copy()
    stored = ingest(EM, tmp_path_factory.mktemp("em") / "em.zarr", voxel_size=VOXEL)
    return Held(
        [
            Channel("k", "em", "image", stored),
            held(IDS, "ids", "annotation"),
            held(GRADIENT, "gradient"),
            held(deep, "deep"),
            held(deep, "windowed", window=(0, 4080)),
            held(deep.astype("f4") / 16, "float"),
            held(packed, "rgba"),
            held(TIMES, "time", "timeseries"),
            held(EM // 2, "second"),
            held(EM // 3, "third"),
            held(kasthuri, "column"),
        ]
    )


# --- planes -----------------------------------------------------------------------------------------------------------


def test_the_papers_own_address_is_a_picture_of_500_by_500(tmp_path: Path) -> None:
    # As large as kasthuri11 and with its offset; only what is looked at is there.
    from ndlab.geometry import Calibration
    from ndlab.metadata import Multiscale, Scale
    from ndlab.store.create import create
    from ndlab.store.layout import plan
    from ndlab.volume import open as open_volume

    base, shape = Calibration((30, 3, 3), (30, 0, 0)), (1849, 26624, 21504)
    (level,) = plan(shape, 1, base.voxel_size, levels=1)
    url = str(tmp_path / "kasthuri11.zarr")
    about = Multiscale(("z", "y", "x"), (Scale("0", base),), name="kasthuri11", kind="image")
    create(url, about, [shape], np.dtype("u1"), chunks=[level.chunk], shards=[level.unit])
    volume = open_volume(url)
    tissue = EM[:1, :500, :500]
    volume[49:50, 12000:12500, 9000:9500].write(None, tissue)  # slice 50 is the 50th: the first is 1
    names = Held([Channel("kasthuri11", "image", "image", volume)])
    for prefix in ("/ocp/ca/", "/ca/", "/sd/", "/nd/sd/"):
        found = picture(names, prefix + "kasthuri11/image/xy/0/9000,9500/12000,12500/50/")
        assert found.shape == (500, 500)
        assert np.array_equal(found, tissue[0])
    with pytest.raises(OutOfBounds, match=r"z 1,1850, half-open"):
        ask(names, "/ocp/ca/kasthuri11/image/xy/0/9000,9500/12000,12500/0/")


def test_slices_of_real_tissue(shared_data: Path, tmp_path: Path) -> None:
    from PIL import Image

    files = sorted((shared_data / "isbi2012_vnc" / "image").glob("*.png"))[:4]
    tissue = np.stack([np.asarray(Image.open(file)) for file in files])
    volume = ingest(tissue, tmp_path / "vnc.zarr", voxel_size=(50, 4, 4), offset=(50 * 7, 0, 0))
    names = Held([Channel("vnc", "em", "image", volume)])
    n = tissue.shape[1]
    for z, slice_ in enumerate(tissue, 7):
        assert np.array_equal(picture(names, f"/ca/vnc/em/xy/0/0,{n}/0,{n}/{z}/"), slice_)
        assert np.array_equal(picture(names, f"/catmaid/vnc/em/xy/{z}/0_0_0.png")[:n, :n], slice_[:512, :512])


def test_planes_lie_as_their_names_say(names: Held) -> None:
    window = "window/0,255/"
    value = np.minimum(GRADIENT, 255).astype("u1")
    assert np.array_equal(picture(names, f"/sd/k/gradient/xy/0/1,6/2,7/2/{window}"), value[2, 2:7, 1:6])
    xz = picture(names, f"/sd/k/gradient/xz/0/1,6/3/0,5/{window}")
    assert np.array_equal(xz, value[0:5, 3, 1:6].repeat(3, axis=0))
    yz = picture(names, f"/sd/k/gradient/yz/0/4/2,7/0,5/{window}")
    assert np.array_equal(yz, value[0:5, 2:7, 4].repeat(3, axis=0))


def test_stretching_follows_the_level(names: Held) -> None:
    level = names.channel("k", "em").volume.levels[1]
    ratio = level.voxel_size[0] / level.voxel_size[2]
    assert ratio == 1.5
    found = picture(names, f"/sd/k/em/xz/1/0,{level.shape[2]}/4/0,{level.shape[0]}/")
    assert found.shape == (int(level.shape[0] * 1.5 + 0.5), level.shape[2])
    rows = ((np.arange(len(found)) + 0.5) / len(found) * level.shape[0]).astype(int)
    assert np.array_equal(found, level.read()[rows, 4])


@given(st.integers(0, 4000), st.integers(1, 4000))
def test_a_window_maps_its_ends_to_0_and_255(names: Held, low: int, width: int) -> None:
    found = picture(names, f"/sd/k/deep/xy/0/0,256/0,1/0/window/{low},{low + width}/")
    wanted = np.clip((np.arange(256) * 16 - low) / width, 0, 1) * 255
    assert np.abs(found[0] - wanted).max() <= 0.5 + 1e-9


def test_a_float_image_is_windowed(names: Held) -> None:
    found = picture(names, "/sd/k/float/xy/0/0,256/0,1/0/window/50.5,150.5/")
    assert found[0, [0, 50, 51, 150, 151, 255]].tolist() == [0, 0, 1, 254, 255, 255]


def test_the_default_window_is_the_channels_own_else_percentiles(names: Held) -> None:
    assert np.array_equal(picture(names, "/sd/k/windowed/xy/0/0,256/0,1/0/")[0], np.arange(256))
    found = picture(names, "/sd/k/deep/xy/0/0,256/0,1/0/")[0].astype(int)
    low, high = np.percentile(names.channel("k", "deep").volume.read(), [1, 99])
    assert np.abs(found - np.clip((np.arange(256) * 16 - low) / (high - low), 0, 1) * 255).max() <= 0.51
    assert found.max() == 255  # 16-bit data without a window are not black


def test_bytes_stay_as_they_are_but_for_a_window_that_is_asked_for(names: Held) -> None:
    assert np.array_equal(picture(names, "/sd/k/em/xy/0/5,60/7,90/3/"), EM[3, 7:90, 5:60])
    found = picture(names, "/sd/k/em/xy/0/5,60/7,90/3/window/100,101/")
    assert set(np.unique(found)) <= {0, 255}


def test_ids_are_false_colours_clear_at_0(names: Held) -> None:
    found = picture(names, "/sd/k/ids/xy/0/5,60/7,90/3/")
    assert np.array_equal(found, label_colors(IDS[3, 7:90, 5:60]))
    assert not found[IDS[3, 7:90, 5:60] == 0].any()


@pytest.mark.parametrize("path", ["xyanno/{ids}/0/5,60/7,90/3/", "xy/0/5,60/7,90/3/filter/{ids}/"])
def test_a_plane_of_some_objects(names: Held, path: str) -> None:
    kept = [ID * 3, ID * 5]
    found = picture(names, "/sd/k/ids/" + path.format(ids=",".join(map(str, kept))))
    cut = IDS[3, 7:90, 5:60]
    assert np.array_equal(found, label_colors(np.where(np.isin(cut, kept), cut, 0)))


def test_side_planes_of_some_objects(names: Held) -> None:
    one = ID * 4
    wanted = label_colors(np.where(one == IDS, IDS, 0))
    found = picture(names, f"/sd/k/ids/xzanno/{one}/0/5,60/7/2,9/")
    assert np.array_equal(found, wanted[2:9, 7, 5:60].repeat(3, axis=0))
    found = picture(names, f"/sd/k/ids/yzanno/{one}/0/7/5,60/2,9/")
    assert np.array_equal(found, wanted[2:9, 5:60, 7].repeat(3, axis=0))


def test_objects_and_a_filter_keep_what_both_name(names: Held) -> None:
    one, two = ID, ID * 2
    both = picture(names, f"/sd/k/ids/xyanno/{one},{two}/0/5,60/7,90/3/filter/{two}/")
    assert np.array_equal(both, picture(names, f"/sd/k/ids/xyanno/{two}/0/5,60/7,90/3/"))
    with pytest.raises(BadRequest, match="no id that both"):
        ask(names, f"/sd/k/ids/xyanno/{one}/0/5,60/7,90/3/filter/{two}/")


def test_packed_colours(names: Held) -> None:
    found = picture(names, "/sd/k/rgba/xy/0/0,3/0,1/0/")
    assert found.tolist() == [[[255, 0, 0, 255], [0, 0, 255, 128], [0, 0, 0, 0]]]


def test_time_in_every_picture(names: Held) -> None:
    assert np.array_equal(picture(names, "/sd/k/time/xy/0/0,30/0,20/1/"), TIMES[0, 1])
    assert np.array_equal(picture(names, "/sd/k/time/xy/0/0,30/0,20/1/2/"), TIMES[2, 1])
    assert np.array_equal(picture(names, "/sd/k/time/xz/0/0,30/5/0,4/2/"), TIMES[2, :, 5].repeat(3, axis=0))
    assert np.array_equal(picture(names, "/sd/k/time/yz/0/5/0,20/0,4/2/"), TIMES[2, :, :, 5].repeat(3, axis=0))
    assert np.array_equal(picture(names, "/sd/k/time/maxproj/xy/0/0,30/0,20/0,4/2,3/"), TIMES[2].max(0))
    assert np.array_equal(picture(names, "/sd/k/time:R/mcfc/xy/0/0,30/0,20/1/2/")[..., 0], TIMES[2, 1])
    layers = "here/k/time/here/k/time"
    assert np.array_equal(picture(names, f"/overlay/0/{layers}/xy/0/0,30/0,20/1/2/")[..., 0], TIMES[2, 1])
    assert np.array_equal(picture(names, "/catmaid/k/time/xy/2/1/0_0_0.png")[:20, :30], TIMES[2, 1])
    found = json.loads(ask(names, "/synaptogram/k/time/xy/0/0,30/0,20/1,2/2,3/"))
    assert np.array_equal(_decoded(found["time"]["1"]), TIMES[2, 1])
    with pytest.raises(BadRequest, match="a picture shows one time point"):
        ask(names, "/sd/k/time/maxproj/xy/0/0,30/0,20/0,4/0,2/")


# --- projections, mixtures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plane", "axis"), [("xy", 0), ("xz", 1), ("yz", 2)])
def test_projections(names: Held, plane: str, axis: int) -> None:
    box = EM[2:9, 20:50, 10:70]
    for how, of in (("minproj", box.min(axis)), ("maxproj", box.max(axis))):
        found = picture(names, f"/sd/k/em/{how}/{plane}/0/10,70/20,50/2,9/")
        assert np.array_equal(found, of if plane == "xy" else of.repeat(3, axis=0))


def test_false_colours_add_up(names: Held) -> None:
    red, green, blue = (v[3, :90, :80].astype(int) for v in (EM, EM // 2, EM // 3))
    found = picture(names, "/sd/k/em:R,second:G,third:B/mcfc/xy/0/0,80/0,90/3/")
    assert np.array_equal(found[..., 0], red)
    assert np.array_equal(found[..., 1], green)
    assert np.array_equal(found[..., 2], blue)
    assert np.array_equal(found[..., 3] > 0, (red + green + blue) > 0)


def test_two_channels_in_one_colour_add_up_to_white_at_most(names: Held) -> None:
    found = picture(names, "/sd/k/em:C,second:C/mcfc/xy/0/0,80/0,90/3/")
    total = np.minimum(EM[3, :90, :80].astype(int) + EM[3, :90, :80] // 2, 255)
    assert np.array_equal(found[..., 1], total)
    assert np.array_equal(found[..., 2], total)
    assert not found[..., 0].any()


def test_channels_take_cyan_magenta_yellow_in_order(names: Held) -> None:
    c, m, y = (v[3, :90, :80].astype(int) for v in (EM, EM // 2, EM // 3))
    two = picture(names, "/sd/k/em,second/mcfc/xy/0/0,80/0,90/3/")  # two channels raised in the original
    assert np.array_equal(two[..., :3], np.minimum(np.stack([m, c, c + m], -1), 255))
    three = picture(names, "/sd/k/em,second,third/mcfc/xy/0/0,80/0,90/3/")
    assert np.array_equal(three[..., :3], np.minimum(np.stack([m + y, c + y, c + m], -1), 255))


def test_an_empty_place_keeps_its_colour(names: Held) -> None:
    found = picture(names, "/sd/k/0,em/mcfc/xy/0/0,80/0,90/3/")
    magenta = EM[3, :90, :80]
    assert np.array_equal(found[..., :3], np.stack([magenta, np.zeros_like(magenta), magenta], -1))


def test_ids_and_colours_have_no_false_colour(names: Held) -> None:
    with pytest.raises(BadRequest, match="k/ids in false colours"):
        ask(names, "/sd/k/ids,em/mcfc/xy/0/0,80/0,90/3/")


def test_overlay_at_both_ends_and_half_way(names: Held) -> None:
    def at(alpha: float) -> Array:
        return picture(names, f"/overlay/{alpha}/here/k/em/here/k/ids/xy/0/5,60/7,90/3/").astype(int)

    em = EM[3, 7:90, 5:60].astype(int)
    below = np.stack([em, em, em, np.full_like(em, 255)], -1)
    above = label_colors(IDS[3, 7:90, 5:60]).astype(int)
    assert np.array_equal(at(0), below)
    assert np.array_equal(at(1), above)
    assert np.abs(at(0.5) - (below + above) / 2).max() <= 0.5


def test_overlay_of_two_planes_from_the_side(names: Held) -> None:
    found = picture(names, "/overlay/1/here/k/em/here/k/second/xz/0/5,60/7/2,9/window/0,127/")
    assert np.abs(found[..., 0] - (EM // 2)[2:9, 7, 5:60].repeat(3, axis=0) / 127 * 255).max() <= 0.5


def test_overlay_filters_the_layer_that_has_ids(names: Held) -> None:
    one = ID * 4
    found = picture(names, f"/overlay/1/here/k/em/here/k/ids/xy/0/5,60/7,90/3/filter/{one}/")
    cut = IDS[3, 7:90, 5:60]
    assert np.array_equal(found, label_colors(np.where(cut == one, cut, 0)))


def _decoded(text: str) -> Array:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image)


def test_a_synaptogram_has_every_slice_of_every_channel(names: Held) -> None:
    found = json.loads(ask(names, "/synaptogram/k/em,second/xy/0/10,21/20,31/2,9/"))
    assert list(found) == ["em", "second"]
    for name, values in (("em", EM), ("second", EM // 2)):
        assert list(found[name]) == [str(z) for z in range(2, 9)]
        for z in range(2, 9):
            assert np.array_equal(_decoded(found[name][str(z)]), values[z, 20:31, 10:21])


# --- tiles ------------------------------------------------------------------------------------------------------------


def _assembled(names: Held, path: str, rows: int, columns: int) -> Array:
    """Put tiles side by side; `path` has {y} and {x} for their numbers."""
    lines = [np.concatenate([picture(names, path.format(y=y, x=x)) for x in range(columns)], 1) for y in range(rows)]
    return np.concatenate(lines)


@pytest.mark.parametrize("size", [512, 256])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_tiles_are_the_cut_out_in_pieces(names: Held, plane: str, level: int, size: int) -> None:
    shape = names.channel("k", "em").volume.levels[level].shape
    z, y, x = (f"0,{n}" for n in shape)
    cut = {"xy": f"{x}/{y}/5", "xz": f"{x}/17/{z}", "yz": f"17/{y}/{z}"}[plane]
    whole = picture(names, f"/sd/k/em/{plane}/{level}/{cut}/")
    slots = {"xy": "5/{y}_{x}", "xz": "{y}/17_{x}", "yz": "{y}/{x}_17"}[plane]
    rows, columns = (-(-n // size) for n in whole.shape)
    found = _assembled(names, f"/catmaid/k/em/size:{size}/{plane}/{slots}_{level}.png", rows, columns)
    assert found.shape == (rows * size, columns * size)
    assert np.array_equal(found[: whole.shape[0], : whole.shape[1]], whole)
    assert not found[whole.shape[0] :].any()
    assert not found[:, whole.shape[1] :].any()


def test_a_plane_seen_from_the_side_over_many_tiles() -> None:
    values = RNG.integers(1, 256, (70, 3, 40), np.uint8)
    names = Held([Channel("a", "em", "image", Volume.from_array(values, (47, 3, 3)))])
    whole = picture(names, "/sd/a/em/xz/0/0,40/1/0,70/")
    assert whole.shape == (int(70 * 47 / 3 + 0.5), 40)
    found = _assembled(names, "/catmaid/a/em/size:256/xz/{y}/1_{x}_0.png", -(-len(whole) // 256), 1)
    assert np.array_equal(found[: len(whole), :40], whole)


def test_tiles_count_from_dataset_coordinate_0(names: Held) -> None:
    volume = Volume.from_array(EM, VOXEL, offset=(30 * 100, 10 * 40, 10 * 500))
    moved = Held([Channel("a", "em", "image", volume)])
    first, second = (picture(moved, f"/catmaid/a/em/xy/103/0_{x}_0.png") for x in (0, 1))
    assert np.array_equal(first[40:, 500:], EM[3, :472, :12])
    assert not first[:40].any()
    assert not first[:, :500].any()
    assert np.array_equal(second[40:], EM[3, :472, 12:524])
    side = picture(moved, "/catmaid/a/em/xz/0/57_1_0.png")
    assert np.array_equal(side[:36], EM[:, 17, 12:524].repeat(3, axis=0))


def test_tiles_of_ids_are_colours_and_are_filtered(names: Held) -> None:
    assert np.array_equal(picture(names, "/catmaid/k/ids/xy/3/0_0_0.png"), label_colors(IDS[3, :512, :512]))
    one = ID * 4
    found = picture(names, f"/catmaid/k/ids/xy/filter/{one}/3/0_0_0.png")
    assert np.array_equal(found, label_colors(np.where(IDS[3, :512, :512] == one, np.uint64(one), np.uint64(0))))


def test_tiles_in_false_colours_are_the_picture_in_pieces(names: Held) -> None:
    whole = picture(names, "/sd/k/em:M,second/mcfc/xy/0/0,700/0,600/3/")
    found = _assembled(names, "/catmaid/mcfc/k/em:M,second/xy/3/{y}_{x}_0.png", 2, 2)
    assert np.array_equal(found[:600, :700], whole)
    assert not found[600:].any()


@pytest.mark.parametrize(("z", "width", "low", "high"), [(5, 2, 3, 8), (0, 3, 0, 4), (11, 0, 11, 12), (6, 999, 0, 12)])
def test_tiles_of_a_projection(names: Held, z: int, width: int, low: int, high: int) -> None:
    found = picture(names, f"/catmaid/maxproj/k/em/width:{width}/xy/{z}/0_0_0.png")
    assert np.array_equal(found, EM[low:high, :512, :512].max(0))


def test_a_projected_side_tile(names: Held) -> None:
    found = picture(names, "/catmaid/maxproj/k/em/width:2/xz/0/9_0_0.png")
    assert np.array_equal(found[:36], EM[:, 7:12, :512].max(1).repeat(3, axis=0))


def test_a_viking_tile_is_that_column_and_row(names: Held) -> None:
    found = picture(names, "/catmaid/viking/k/volume/em/0/X1_Y0_Z3.png")
    assert np.array_equal(found[:, :188], EM[3, :512, 512:])  # the original took X for the row


@pytest.mark.parametrize(
    "path", ["xy/3/0_2_0.png", "xy/3/2_0_0.png", "xy/12/0_0_0.png", "xz/1/9_0_0.png", "xz/0/600_0_0.png",
             "yz/0/0_700_0.png", "yz/0/9_9_0.png", "xy/3/0_99999999999999999999_0.png", "xy/3/0_0_77.png",
             "xy/-1/0_0_0.png"],
)  # fmt: skip
def test_a_tile_beside_the_data_is_told_the_extent(names: Held, path: str) -> None:
    with pytest.raises(OutOfBounds, match=r"level 0 spans x 0,700, y 0,600, z 0,12, half-open"):
        ask(names, "/catmaid/k/em/" + path)


def test_a_tile_follows_a_write() -> None:
    volume = Volume.from_array(np.zeros((1, 8, 8), "u2"), VOXEL)
    names = Held([Channel("a", "em", "image", volume)])
    assert not picture(names, "/catmaid/a/em/xy/0/0_0_0.png").any()
    volume[0, :, 4:].write(None, np.full((8, 4), 50_000, "u2"))
    found = picture(names, "/catmaid/a/em/xy/0/0_0_0.png")
    assert (found[:8, 4:8] == 255).all()  # the window is the new one too, not that of the black image
    assert not found[:8, :4].any()


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_picture_of_too_many_pixels_is_refused(names: Held) -> None:
    with pytest.raises(TooLarge, match=r"a picture of 1,200 pixels of k/em. a picture may have 1,000"):
        ask(names, "/sd/k/em/xy/0/0,40/0,30/3/", Limits(pixels=1000))
    with pytest.raises(TooLarge, match=r"a picture of 1,440 pixels"):  # 480 before it is stretched
        ask(names, "/sd/k/em/xz/0/0,40/0/0,12/", Limits(pixels=1000))
    with pytest.raises(TooLarge, match="k/em would be read"):
        ask(names, "/sd/k/em,second/mcfc/xy/0/0,40/0,30/3/", Limits(nbytes=2000))


def test_a_picture_of_several_channels_needs_mcfc(names: Held) -> None:
    for path in ("/sd/k/em,second/xy/0/0,40/0,30/3/", "/catmaid/k/em,second/xy/3/0_0_0.png"):
        with pytest.raises(BadRequest, match="mix several with mcfc"):
            ask(names, path)


def test_a_window_over_ids_is_refused(names: Held) -> None:
    with pytest.raises(BadRequest, match="ids have colours, not brightness"):
        ask(names, "/sd/k/ids/xy/0/0,40/0,30/3/window/0,9/")
