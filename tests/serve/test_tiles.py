"""Tiles put together are the cut-out, whatever the store; requests that make no sense are refused by name."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NotFound, OutOfBounds
from ndlab.geometry import Box, Calibration, Int3
from ndlab.metadata import Channel, Multiscale, Scale
from ndlab.render.window import window
from ndlab.samples import phantom
from ndlab.serve import wire
from ndlab.serve.query import AXES
from ndlab.serve.slabs import SlabCache
from ndlab.serve.tiles import TileService
from ndlab.serve.wire import ABSENT, LAST, OUTSIDE, Codec, Frame
from ndlab.store.create import create
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

BIG = 2**63 + 12345
PARAMETERS = ("vol", "lod", "axis", "t", "c", "s", "q", "win", "v", "k", "from", "to", "step", "box")


def make(
    folder: Path,
    shapes: Sequence[tuple[int, ...]],
    dtype: str,
    chunk: tuple[int, ...],
    kind: Literal["image", "labels"] = "image",
    channels: tuple[Channel, ...] = (),
) -> Volume:
    """An empty store of some levels, each half as fine as the one before."""
    axes = ("t", "c", "z", "y", "x")[-len(chunk) :]
    scales = tuple(Scale(str(i), Calibration((40 * 2**i, 4 * 2**i, 4 * 2**i))) for i in range(len(shapes)))
    about = Multiscale(axes, scales, name="v", kind=kind, channels=channels)
    create(str(folder), about, shapes, dtype, chunks=[chunk] * len(shapes), shards=[None] * len(shapes), codec="zstd")
    return open_volume(folder)


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.normal(size=shape).astype(kind)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, kind, endpoint=True)


def answer(service: TileService, query: Mapping[str, Any]) -> list[Frame]:
    return list(wire.unpack(b"".join(service.tiles({name: str(value) for name, value in query.items()}))))


def assembled(service: TileService, name: str, axis: str, d: int, side: int, **more: Any) -> np.ndarray[Any, Any]:
    """A whole plane from its tiles."""
    level = service.info(name)["levels"][more.get("lod", 0)]
    _, rows, columns = AXES[axis]
    h, w = level["shape"][rows], level["shape"][columns]
    keys = [(d, r, c) for r in range(-(-h // side)) for c in range(-(-w // side))]
    plane: np.ndarray[Any, Any] | None = None
    answered = []
    for at in range(0, len(keys), 64):
        part = keys[at : at + 64]
        text = ";".join(",".join(map(str, key)) for key in part)
        frames = answer(service, {"vol": name, "axis": axis, "s": side, "k": text, **more})
        assert [frame.flags & LAST for frame in frames] == [0] * (len(part) - 1) + [LAST]
        for frame in frames:
            tile = wire.pixels(frame)
            _, r, c = part[frame.index]
            plane = np.zeros((h, w), tile.dtype) if plane is None else plane
            plane[r * side : (r + 1) * side, c * side : (c + 1) * side] = tile
            answered.append(part[frame.index])
    assert sorted(answered) == sorted(keys)
    assert plane is not None
    return plane


def cut(voxels: np.ndarray[Any, Any], axis: str, d: int) -> np.ndarray[Any, Any]:
    plane: np.ndarray[Any, Any] = np.moveaxis(voxels, AXES[axis], (0, 1, 2))[d]
    return plane


sides = st.integers(1, 70)
triples = st.tuples(sides, sides, sides)


@given(
    triples,
    st.tuples(*[st.integers(1, 40)] * 3),
    st.sampled_from(["u1", "u2", "f4", "?", "i2", "u8", "f8"]),
    st.sampled_from(list(AXES)),
    st.integers(16, 64),
    st.integers(0, 2**32),
)
def test_tiles_put_together_are_the_cut_out(
    tmp_path_factory: pytest.TempPathFactory, shape: Int3, chunk: Int3, dtype: str, axis: str, side: int, seed: int
) -> None:
    kind: Literal["image", "labels"] = "labels" if dtype == "u8" else "image"
    volume = make(tmp_path_factory.mktemp("v") / "v", [shape], dtype, chunk, kind)
    voxels = values(shape, dtype, seed)
    volume.write(None, voxels)
    sent = {"u1": "u1", "?": "u1", "u2": "u2", "u8": "u8"}.get(dtype, "f4")
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        for d in {0, seed % shape[AXES[axis][0]], shape[AXES[axis][0]] - 1}:
            plane = assembled(service, name, axis, d, side)
            assert plane.dtype == np.dtype(sent)
            assert np.array_equal(plane, cut(volume.read(), axis, d).astype(sent))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("side", [256, 512])
def test_each_level_time_point_and_channel_is_its_own(tmp_path: Path, axis: str, side: int) -> None:
    shapes = [(2, 3, 40, 600, 50), (2, 3, 20, 300, 25)]
    volume = make(tmp_path / "v", shapes, "u2", (1, 1, 16, 64, 32))
    stored = [values(shape, "u2", i) for i, shape in enumerate(shapes)]
    for level, voxels in zip(volume.levels[::-1], stored[::-1], strict=True):
        level.write(None, voxels)
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        for lod, t, c in ((0, 0, 0), (0, 1, 2), (1, 1, 0), (1, 0, 2)):
            plane = assembled(service, name, axis, 7, side, lod=lod, t=t, c=c)
            assert np.array_equal(plane, cut(stored[lod][t, c], axis, 7))


def test_a_view_shows_its_own_part(tmp_path: Path) -> None:
    volume = make(tmp_path / "v", [(1, 2, 30, 50, 60), (1, 2, 15, 25, 30)], "u1", (1, 1, 8, 8, 8))
    voxels = values((1, 2, 30, 50, 60), "u1")
    volume.write(None, voxels)
    view = volume.isel(t=0, c=1)[4:20, 10:50, 20:60]
    with TileService(SlabCache()) as service:
        name = service.add(view)
        about = service.info(name)
        assert [level["shape"] for level in about["levels"]] == [[16, 40, 40], [8, 20, 20]]
        assert about["levels"][0]["offset"] == [160.0, 40.0, 80.0]
        assert len(about["channels"]) == 1
        for axis in AXES:
            assert np.array_equal(assembled(service, name, axis, 5, 32), cut(voxels[0, 1, 4:20, 10:50, 20:60], axis, 5))
        with pytest.raises(OutOfBounds, match=r"c 1 of .* there are 0 to 0"):
            service.tiles({"vol": name, "c": "1", "k": "0,0,0"})
        assert service.pixel(name, 1, 2, 3) == voxels[0, 1, 5, 12, 23]
        coarse = service.add(volume.level(1))
        assert len(service.info(coarse)["levels"]) == 1


def test_a_single_plane_is_a_volume_of_one() -> None:
    voxels = values((5, 20, 30), "u1")
    with TileService(SlabCache()) as service:
        name = service.add(Volume.from_array(voxels, (40, 4, 4))[3])
        assert service.info(name)["levels"][0]["shape"] == [1, 20, 30]
        assert np.array_equal(assembled(service, name, "xy", 0, 16), voxels[3])


@pytest.mark.parametrize("q", ["raw", "jpeg75"])
def test_labels_are_exact_whatever_the_quality(tmp_path: Path, q: str) -> None:
    ids = np.array([0, 1, 2**53 + 1, BIG, 2**64 - 1], "u8")
    voxels = ids[np.random.default_rng(1).integers(0, 5, (9, 70, 40))]
    volume = make(tmp_path / "v", [voxels.shape], "u8", (8, 32, 32), "labels")
    volume.write(None, voxels)
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        for axis in AXES:
            assert np.array_equal(assembled(service, name, axis, 8, 32, q=q), cut(voxels, axis, 8))
        assert service.pixel(name, 3, 4, 5) == int(voxels[3, 4, 5])
        (frame,) = answer(service, {"vol": name, "q": q, "k": "0,0,0"})
        assert frame.codec is Codec.PALETTE


def test_labels_that_were_shown_are_packed_once_and_never_old(tmp_path: Path) -> None:
    ids = np.repeat(np.arange(16, dtype="u8") + np.uint64(BIG), 4)
    voxels = np.broadcast_to(ids, (9, 64, 64)).copy()
    volume = make(tmp_path / "v", [voxels.shape], "u8", (8, 32, 32), "labels")
    volume.write(None, voxels)
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        for axis in AXES:
            for _ in range(2):
                assert np.array_equal(assembled(service, name, axis, 3, 32), cut(voxels, axis, 3))
        kept = len(service._recent._kept)
        assert kept == 4 + 2  # of xy and xz; at one x there is one id
        volume.write(None, voxels[..., ::-1])
        assert np.array_equal(assembled(service, name, "xy", 3, 32), voxels[3, :, ::-1])
        assert len(service._recent._kept) == kept + 4


@pytest.mark.parametrize("dtype", ["u8", "u4", "u2"])
def test_nothing_is_compiled_while_somebody_waits_for_labels(tmp_path: Path, dtype: str) -> None:
    ids = np.repeat(np.arange(40, dtype=dtype), 5)
    for name, shape in (("one", (9, 60, 60)), ("many", (9, 200, 200))):
        volume = make(tmp_path / name, [shape], dtype, (64, 64, 64), "labels")
        volume.write(None, np.broadcast_to(np.resize(ids, shape[2]), shape))
    # In a process of its own: this one may have compiled anything.
    code = f"""
import ndlab
from ndlab.measure.kernels import interning
from ndlab.serve import frames, tiles
from ndlab.serve.kernels import rows
kernels = (interning.intern, interning.intern_more, interning.rehash, rows.write)
frames.warm_up({np.dtype(dtype).itemsize}).join()
before = [len(one.signatures) for one in kernels]
with tiles.TileService() as service:
    for name in ("one", "many"):
        vol = service.add(ndlab.open({str(tmp_path)!r} + "/" + name))
        for axis in ("xy", "xz", "zy"):
            list(service.tiles({{"vol": vol, "axis": axis, "s": "128", "k": "3,0,0;4,0,0"}}))
        list(service.play({{"vol": vol, "from": "0", "to": "2", "box": "0,200,0,200"}}))
print(before, [len(one.signatures) for one in kernels])
assert before == [len(one.signatures) for one in kernels], "compiled late"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_jpeg_shows_the_window(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0, 60000, 64), (4, 64, 64)).astype("u2")
    with TileService(SlabCache()) as service:
        name = service.add(Volume.from_array(ramp, (40, 4, 4)))
        (frame,) = answer(service, {"vol": name, "q": "jpeg90", "win": "20000,40000", "k": "1,0,0"})
        assert frame.codec is Codec.JPEG
        wanted = np.clip((ramp[1] - 20000.0) / 20000, 0, 1) * 255
        assert np.abs(wire.pixels(frame) - wanted).max() < 12
        with pytest.raises(BadRequest, match="JPEG of uint16 without win"):
            service.tiles({"vol": name, "q": "jpeg90", "k": "1,0,0"})


# --- what is not there --------------------------------------------------------------------------------------------


def test_keys_beyond_the_volume_are_outside() -> None:
    with TileService(SlabCache()) as service:
        name = service.add(Volume.from_array(values((5, 20, 30), "u1"), (40, 4, 4)))
        for key in ("5,0,0", "-1,0,0", "0,2,0", "0,0,-1", "9999999999,9,9"):
            (frame,) = answer(service, {"vol": name, "s": 16, "k": key})
            assert frame.flags & OUTSIDE
            assert frame.shape == (0, 0)


def test_chunks_that_were_never_written_are_told_from_black_ones(tmp_path: Path) -> None:
    volume = make(tmp_path / "v", [(8, 1024, 1024)], "u1", (8, 64, 64))
    volume.write(Box((0, 0, 512), (8, 512, 1024)), np.full((8, 512, 512), 3, "u1"))
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        frames = {f.index: f for f in answer(service, {"vol": name, "k": "3,0,0;3,0,1"})}
        assert frames[0].codec is frames[1].codec is Codec.CONSTANT
        assert frames[0].flags & ABSENT
        assert not frames[1].flags & ABSENT
        assert (wire.pixels(frames[0]) == 0).all()
        assert (wire.pixels(frames[1]) == 3).all()


def test_a_damaged_chunk_is_a_frame_that_says_so_and_hides_no_other(tmp_path: Path) -> None:
    volume = make(tmp_path / "v", [(16, 1024, 512)], "u1", (8, 64, 64))
    voxels = values((16, 1024, 512), "u1")
    volume.write(None, voxels)
    (tmp_path / "v" / "0" / "c" / "0" / "9" / "3").write_bytes(b"no zstd frame")
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        for _ in range(2):  # the failure is not kept as if it were voxels
            frames = {f.index: f for f in answer(service, {"vol": name, "k": "3,0,0;3,1,0;9,1,0"})}
            assert frames[1].codec is Codec.TEXT
            assert frames[1].flags & wire.ERROR
            assert b"damaged" in frames[1].payload
            assert np.array_equal(wire.pixels(frames[0]), voxels[3, :512])
            assert np.array_equal(wire.pixels(frames[2]), voxels[9, 512:])


def test_a_level_that_is_named_but_missing_is_told(tmp_path: Path) -> None:
    import shutil

    make(tmp_path / "v", [(8, 64, 64), (4, 32, 32)], "u1", (8, 32, 32))
    shutil.rmtree(tmp_path / "v" / "1")
    with TileService(SlabCache()) as service:
        name = service.add(open_volume(tmp_path / "v"))
        assert str(tmp_path) in service.info(name)["levels"][1]["missing"]
    with TileService(SlabCache(), words=lambda text: text.replace(str(tmp_path), "here")) as service:
        name = service.add(open_volume(tmp_path / "v"))
        whole, missing = service.info(name)["levels"]
        assert whole["missing"] is None
        assert "no array at" in missing["missing"]
        assert (missing["shape"], missing["voxel_size"]) == ([4, 32, 32], [80.0, 8.0, 8.0])
        frames = answer(service, {"vol": name, "lod": 1, "k": "0,0,0;0,0,1"})
        assert [frame.codec for frame in frames] == [Codec.TEXT] * 2
        assert frames[1].flags & LAST
        assert b"no array at here/v/1" in frames[0].payload


# --- playing ------------------------------------------------------------------------------------------------------


def test_planes_are_played_in_order_with_a_layer_each(tmp_path: Path) -> None:
    image = make(tmp_path / "i", [(40, 50, 60)], "u1", (16, 16, 16))
    labels = make(tmp_path / "l", [(40, 50, 60)], "u8", (16, 16, 16), "labels")
    image.write(None, grey := values((40, 50, 60), "u1"))
    labels.write(None, ids := values((40, 50, 60), "u8") % np.uint64(9) + np.uint64(BIG))
    with TileService(SlabCache()) as service:
        names = f"{service.add(image)},{service.add(labels)}"
        for first, last, step in ((3, 39, 4), (30, 2, -7), (5, 5, 1)):
            query = {"vol": names, "from": first, "to": last, "step": step, "box": "10,45,5,60", "axis": "xz"}
            played = b"".join(service.play({k: str(v) for k, v in query.items()}))
            frames = list(wire.unpack(played))
            planes = range(first, last + (1 if step > 0 else -1), step)
            assert [(f.index, f.layer) for f in frames] == [(n, layer) for n in range(len(planes)) for layer in (0, 1)]
            assert [bool(f.flags & LAST) for f in frames] == [False] * (len(frames) - 1) + [True]
            for frame in frames:
                whole = cut((grey, ids)[frame.layer], "xz", planes[frame.index])
                expected = whole[10:45, 5:60]
                assert np.array_equal(wire.pixels(frame), expected[:30])  # z ends at 40
    assert whole.shape == (40, 60)


def test_playing_shows_what_is_written_meanwhile(tmp_path: Path) -> None:
    volume = make(tmp_path / "v", [(20, 16, 16)], "u1", (8, 16, 16))
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        playing = service.play({"vol": name, "from": "0", "to": "19", "box": "0,16,0,16"})
        before = wire.pixels(next(wire.unpack(next(playing))))
        volume.write(Box((0, 0, 0), volume.shape), 6)
        after = wire.pixels(next(wire.unpack(next(playing))))
    assert (before == 0).all()
    assert (after == 6).all()


def test_planes_beyond_the_volume_are_not_played() -> None:
    voxels = values((10, 16, 16), "u1")
    with TileService(SlabCache()) as service:
        name = service.add(Volume.from_array(voxels, (40, 4, 4)))
        for first, last, step in ((-4, 2**53, 3), (2**53, -(2**53), -3), (5, 5, 7), (9, 0, -1), (0, 9, 9)):
            query = {"vol": name, "from": str(first), "to": str(last), "step": str(step), "box": "0,16,0,16"}
            frames = list(wire.unpack(b"".join(service.play(query))))
            planes = [
                d for d in range(10) if (d - first) % abs(step) == 0 and min(first, last) <= d <= max(first, last)
            ]
            if step < 0:
                planes.reverse()
            assert [frame.index for frame in frames] == [(d - first) // step & 0xFFFF for d in planes]
            assert all(np.array_equal(wire.pixels(f), voxels[d]) for f, d in zip(frames, planes, strict=True))
            assert frames[-1].flags & LAST
        (none,) = wire.unpack(b"".join(service.play({"vol": name, "from": "10", "to": "99", "box": "0,16,0,16"})))
        assert none.flags == LAST | OUTSIDE


def test_a_picture_that_no_encoder_takes_is_a_frame_that_says_so() -> None:
    with TileService(SlabCache()) as service:
        name = service.add(Volume.from_array(values((1, 1, 65535), "u1"), (40, 4, 4)))
        query = {"vol": name, "from": "0", "to": "0", "box": "0,1,0,65535", "q": "jpeg75"}
        (frame,) = wire.unpack(b"".join(service.play(query)))
        assert frame.codec is Codec.TEXT
        assert b"65500" in frame.payload


# --- what it says -------------------------------------------------------------------------------------------------


def test_info_is_what_a_page_needs(tmp_path: Path) -> None:
    channels = (Channel("membrane", (10.0, 200.0), None, "FF0000"), Channel("nuclei"))
    volume = make(tmp_path / "v", [(3, 2, 8, 64, 64), (3, 2, 4, 32, 32)], "u2", (1, 1, 8, 32, 32), channels=channels)
    with TileService(SlabCache()) as service:
        assert service.add(volume, "em") == "em"
        about = service.info("em")
    assert about == {
        "id": "em",
        "name": "v",
        "kind": "image",
        "dtype": "uint16",
        "axes": ["t", "c", "z", "y", "x"],
        "times": 3,
        "channels": [
            {"name": "membrane", "window": [10.0, 200.0], "color": "FF0000"},
            {"name": "nuclei", "window": None, "color": None},
        ],
        "levels": [
            {"shape": [8, 64, 64], "voxel_size": [40.0, 4.0, 4.0], "offset": [0.0, 0.0, 0.0], "chunk": [8, 32, 32],
             "missing": None, "stale": False},
            {"shape": [4, 32, 32], "voxel_size": [80.0, 8.0, 8.0], "offset": [0.0, 0.0, 0.0], "chunk": [8, 32, 32],
             "missing": None, "stale": False},
        ],
        "calibrated": True,
        "window": [10.0, 200.0],
        "version": 0,
    }  # fmt: skip


def test_without_a_window_of_its_own_an_image_gets_that_of_its_values() -> None:
    volume = Volume.from_array(np.arange(24000, dtype="u2").reshape(10, 40, 60), (40, 4, 4))
    with TileService(SlabCache()) as service:
        assert service.info(service.add(volume))["window"] == list(window(volume))
        labels = Volume.from_array(np.zeros((2, 2, 2), "u8"), (1, 1, 1), kind="labels")
        assert service.info(service.add(labels))["window"] is None


def test_levels_without_a_voxel_size_are_measured_in_voxels(tmp_path: Path) -> None:
    import zarr

    zarr.create_array(tmp_path / "v", shape=(4, 8, 8), dtype="u1", chunks=(4, 8, 8))
    with TileService(SlabCache()) as service:
        about = service.info(service.add(open_volume(tmp_path / "v")))
    assert about["calibrated"] is False
    assert about["levels"][0]["voxel_size"] == [1.0, 1.0, 1.0]
    assert about["levels"][0]["offset"] == [0.0, 0.0, 0.0]


def test_a_stale_level_is_told_and_still_read(tmp_path: Path) -> None:
    volume = make(tmp_path / "v", [(8, 64, 64), (4, 32, 32)], "u1", (8, 32, 32))
    volume.write(Box((0, 0, 0), (1, 2, 2)), 9)
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        assert [level["stale"] for level in service.info(name)["levels"]] == [False, True]
        (frame,) = answer(service, {"vol": name, "lod": 1, "k": "0,0,0"})  # and warns of nothing
        assert frame.codec is Codec.CONSTANT


def test_a_pixel_is_the_voxel() -> None:
    voxels = values((2, 3, 4), "u8")
    with TileService(SlabCache()) as service:
        name = service.add(Volume.from_array(voxels, (40, 4, 4), kind="labels"))
        assert service.pixel(name, 1, 2, 3) == int(voxels[1, 2, 3])
        with pytest.raises(OutOfBounds, match=r"level 0 spans \(2, 3, 4\)"):
            service.pixel(name, 2, 0, 0)


def test_a_volume_beyond_all_measure_opens_at_once() -> None:
    """10^5 x 10^6 x 10^6 voxels, computed where they are looked at."""
    volume = phantom((100_000, 1_000_000, 1_000_000), voxel_size=(40, 4, 4)).volume("labels")
    near = (50_000, 500_000, 500_000)
    with TileService(SlabCache()) as service:
        began = time.process_time()
        name = service.add(volume)
        assert service.info(name)["levels"][0]["shape"] == [100_000, 1_000_000, 1_000_000]
        opened = time.process_time() - began
        for axis, (depth, rows, columns) in AXES.items():
            key = f"{near[depth]},{near[rows] // 64},{near[columns] // 64}"
            (frame,) = answer(service, {"vol": name, "axis": axis, "s": 64, "k": key})
            start = [0, 0, 0]
            start[depth], start[rows], start[columns] = near[depth], near[rows] // 64 * 64, near[columns] // 64 * 64
            stop = [a + (1 if i == depth else 64) for i, a in enumerate(start)]
            expected = np.moveaxis(volume.read(Box(start, stop)), (depth, rows, columns), (0, 1, 2))[0]
            assert np.array_equal(wire.pixels(frame), expected)
    assert opened < 1.0  # seconds of CPU, some thousand times more than it takes


# --- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"vol": "nope"}, NotFound, "no volume 'nope' here. there are: em"),
        ({"vol": ""}, BadRequest, "a request without vol"),
        ({"lod": "1"}, OutOfBounds, "level 1 of 'em' was asked for. there are 0 to 0"),
        ({"lod": "-1"}, BadRequest, "lod is '-1'"),
        ({"t": "1"}, OutOfBounds, "t 1 of 'em' was asked for"),
        ({"c": "2"}, OutOfBounds, "c 2 of 'em' was asked for"),
        ({"axis": "yx"}, BadRequest, "axis='yx'. columns, then rows: xy, xz, yz, zy"),
        ({"s": "8"}, BadRequest, "s is '8'. a whole number from 16 to 2048"),
        ({"s": "1e3"}, BadRequest, "s is '1e3'"),
        ({"q": "webp"}, BadRequest, "q='webp'. raw, or jpeg and a quality"),
        ({"q": "jpeg100"}, BadRequest, "quality from 1 to 95"),
        ({"q": "jpeg75", "win": "9,1"}, BadRequest, "win='9,1'. two numbers, low and high"),
        ({"q": "jpeg75", "win": "nan,1"}, BadRequest, "win='nan,1'"),
        ({"k": ""}, BadRequest, "k=''. 1 to 64 keys"),
        ({"k": "1,2"}, BadRequest, "k='1,2'"),
        ({"k": ";".join(["0,0,0"] * 65)}, BadRequest, "1 to 64 keys"),
        ({"k": "0,0,0" * 100_000}, BadRequest, "1 to 64 keys"),
        ({"mip": "1"}, BadRequest, "the parameter 'mip'"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_at_once(
    change: dict[str, str], error: type[Exception], message: str
) -> None:
    with TileService(SlabCache()) as service:
        service.add(Volume.from_array(np.zeros((2, 3, 4), "u1"), (40, 4, 4)), "em")
        with pytest.raises(error) as caught:
            service.tiles({"vol": "em", "k": "0,0,0", **change})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vol": "em,"}, "1 to 8 ids, parted by commas"),
        ({"from": ""}, "from is ''"),
        ({"step": "0"}, "the step leads from the first plane to the last"),
        ({"step": "-1"}, "pass step=1"),
        ({"box": "0,0,0,4"}, "at least one pixel"),
        ({"box": "0,70000,0,1"}, "at least one pixel and at most"),
        ({"box": "0,2,0"}, "row0,row1,column0,column1"),
        ({"k": "0,0,0"}, "the parameter 'k'"),
    ],
)
def test_a_play_that_makes_no_sense_is_refused_at_once(change: dict[str, str], message: str) -> None:
    with TileService(SlabCache()) as service:
        service.add(Volume.from_array(np.zeros((2, 3, 4), "u1"), (40, 4, 4)), "em")
        with pytest.raises(BadRequest) as caught:
            service.play({"vol": "em", "from": "0", "to": "1", "box": "0,3,0,4", **change})
    assert message in str(caught.value)


@given(st.dictionaries(st.sampled_from(PARAMETERS), st.text(max_size=12)))
def test_any_query_is_answered_or_refused_by_name(query: dict[str, str]) -> None:
    with TileService(SlabCache(), ahead=False) as service:
        service.add(Volume.from_array(np.zeros((2, 3, 4), "u1"), (40, 4, 4)), "em")
        for ask, needed in (
            (service.tiles, {"k": "0,0,0"}),
            (service.play, {"from": "0", "to": "1", "box": "0,3,0,4"}),
        ):
            try:
                list(ask({"vol": "em", **needed, **query}))
            except (BadRequest, NotFound, OutOfBounds):
                continue


def test_ids_are_texts_without_commas() -> None:
    volume = Volume.from_array(np.zeros((2, 3, 4), "u1"), (40, 4, 4))
    with TileService(SlabCache()) as service:
        for wrong in ("", "a,b"):
            with pytest.raises(BadRequest, match="without commas"):
                service.add(volume, wrong)
        first, second = service.add(volume), service.add(volume)
        assert first != second
        service.remove(first)
        with pytest.raises(NotFound, match="there are: v2"):
            service.volume(first)
        assert service.volume(second) is volume


def test_removing_a_volume_frees_what_was_kept_of_it_alone(tmp_path: Path) -> None:
    one = make(tmp_path / "a", [(8, 64, 64)], "u1", (8, 32, 32))
    other = make(tmp_path / "b", [(8, 64, 64)], "u1", (8, 32, 32))
    one.write(None, values((8, 64, 64), "u1"))
    other.write(None, values((8, 64, 64), "u1"))
    with TileService(SlabCache()) as service:
        for name, volume in (("a", one), ("again", one), ("b", other)):
            service.add(volume, name)
            answer(service, {"vol": name, "k": "0,0,0"})
        assert service.stats()["misses"] == 2  # two layers of one store share
        both = service.stats()["bytes"]
        service.remove("a")
        assert service.stats()["bytes"] == both
        service.remove("again")
        assert service.stats()["bytes"] == both // 2
    assert service.stats()["bytes"] == 0


def test_a_level_that_comes_back_is_shown_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "v", [(8, 64, 64), (4, 32, 32)], "u1", (8, 32, 32))
    (tmp_path / "v" / "1").rename(tmp_path / "away")
    monkeypatch.setattr("ndlab.serve.layers._TRIED_AGAIN", 0.05)
    with TileService(SlabCache()) as service:
        name = service.add(open_volume(tmp_path / "v"))
        assert service.info(name)["levels"][1]["missing"]
        (tmp_path / "away").rename(tmp_path / "v" / "1")
        time.sleep(0.1)
        assert service.info(name)["levels"][1]["missing"] is None
        (frame,) = answer(service, {"vol": name, "lod": 1, "k": "0,0,0"})
        assert frame.codec is Codec.CONSTANT


def test_the_default_window_follows_what_is_written(tmp_path: Path) -> None:
    volume = make(tmp_path / "v", [(8, 64, 64)], "u2", (8, 32, 32))
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        assert service.info(name)["window"] == [0.0, 1.0]
        volume.write(None, np.arange(8 * 64 * 64, dtype="u2").reshape(8, 64, 64))
        assert service.info(name)["window"] == list(window(volume))


def test_levels_brought_up_to_date_are_shown(tmp_path: Path) -> None:
    volume = make(tmp_path / "v", [(8, 64, 64), (4, 32, 32)], "u1", (8, 32, 32))
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        query = {"vol": name, "lod": 1, "k": "0,0,0"}
        assert (wire.pixels(answer(service, query)[0]) == 0).all()
        volume.write(Box((0, 0, 0), volume.shape), 8)
        before = service.info(name)["version"]
        assert (wire.pixels(answer(service, query)[0]) == 0).all()  # stale, and said so by info
        volume.update_levels()
        assert (wire.pixels(answer(service, query)[0]) == 8).all()
        assert service.info(name)["version"] > before
        assert not service.info(name)["levels"][1]["stale"]
