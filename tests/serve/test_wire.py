"""Frames are what the browser half expects: both read widgets/test/frames.json."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.errors import BadRequest
from ndlab.serve import wire
from ndlab.serve.frames import image_frame, label_frame
from ndlab.serve.handlers import HELLO
from ndlab.serve.indices import indexed, joined
from ndlab.serve.query import Encoding
from ndlab.serve.rows import unpacked
from ndlab.serve.wire import Codec, Dtype, Frame

FIXTURE: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "widgets" / "test" / "frames.json").read_text(encoding="utf-8")
)
FRAMES: list[dict[str, Any]] = FIXTURE["frames"]


def values(one: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Pixels of a fixture: numbers, or ids as decimal text."""
    dtype = {"u8": "u1", "u16": "u2", "f32": "f4", "u64": "u8"}[one["dtype"]]
    rows = [[float(v) if dtype == "f4" else int(v) for v in row] for row in one["values"]]
    return np.array(rows, dtype)


def made(one: dict[str, Any]) -> Frame:
    if one["codec"] == "text":
        return Frame.error(one["text"])
    if one.get("outside"):
        return Frame.outside()
    pixels = values(one)
    if one["codec"] == "palette":
        index, ids = indexed(pixels[np.newaxis])
        return wire.palette((pixels.shape[0], pixels.shape[1]), ids, index[0])
    if one["dtype"] == "u64":
        return label_frame(pixels)
    return image_frame(pixels, Encoding())


@pytest.mark.parametrize("one", FRAMES, ids=[one["about"] for one in FRAMES])
def test_frames_are_packed_as_the_browser_unpacks_them(one: dict[str, Any]) -> None:
    frame = made(one)
    assert frame.codec.name.lower() == one["codec"]
    assert [*frame.shape] == one["shape"]
    assert frame.pack(one["index"], one["flags"], one["layer"]).hex() == one["hex"]
    (read,) = wire.unpack(bytes.fromhex(one["hex"]))
    assert (read.codec, read.dtype, read.shape, read.index, read.layer) == (
        frame.codec, frame.dtype, frame.shape, one["index"], one["layer"]
    )  # fmt: skip
    assert read.flags & 0xFF == frame.flags | one["flags"]
    if one["codec"] == "text":
        assert read.payload.decode() == one["text"]
    elif not one.get("outside"):
        assert np.array_equal(wire.pixels(read), values(one))


def test_a_stream_is_frames_without_gaps() -> None:
    stream = b"".join(bytes.fromhex(one["hex"]) for one in FRAMES)
    assert stream.hex() == FIXTURE["stream"]
    assert [frame.index for frame in wire.unpack(stream)] == [one["index"] for one in FRAMES]


def test_what_a_page_asks_first_is_written_down() -> None:
    assert FIXTURE["hello"] == HELLO
    assert HELLO["v"] == wire.VERSION
    assert FIXTURE["content_type"] == wire.CONTENT_TYPE


@given(st.data())
def test_any_frame_comes_back(data: st.DataObject) -> None:
    frame = Frame(
        data.draw(st.sampled_from(Codec)),
        data.draw(st.sampled_from(Dtype)),
        (data.draw(st.integers(0, 0xFFFF)), data.draw(st.integers(0, 0xFFFF))),
        data.draw(st.binary(max_size=50)),
    )
    index, layer = data.draw(st.integers(0, 0xFFFF)), data.draw(st.integers(0, 0xFF))
    flags = data.draw(st.integers(0, 15))
    (back,) = wire.unpack(frame.pack(index, flags, layer))
    assert (back.codec, back.dtype, back.shape, back.payload) == (frame.codec, frame.dtype, frame.shape, frame.payload)
    assert (back.index, back.layer, back.flags & 0xFF) == (index, layer, flags)


@given(
    hnp.arrays(
        st.sampled_from(["u8", "i8", "u4", "i4", "u2", "u1", ">u8", "?"]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=20),
    )
)
def test_ids_are_exact_to_the_last_bit(labels: np.ndarray[Any, Any]) -> None:
    (back,) = wire.unpack(label_frame(labels).pack())
    assert np.array_equal(wire.pixels(back), labels.astype("u8"))


@pytest.mark.parametrize("count", [1, 255, 256, 257, 65535, 65536, 65537])
def test_noise_is_indices_as_wide_as_the_ids_are_many(count: int) -> None:
    side = 320
    labels = np.arange(side * side, dtype="u8") % np.uint64(count) + np.uint64(2**63)
    labels = np.random.default_rng(count).permutation(labels).reshape(side, side)
    frame = label_frame(labels)
    assert np.array_equal(wire.pixels(frame), labels)
    assert frame.codec is (Codec.CONSTANT if count == 1 else Codec.PALETTE)
    width = 1 if count <= 256 else 2 if count <= 65536 else 4
    assert len(frame.payload) == (8 if count == 1 else 8 + 8 * count + width * side * side)


def segments(rng: np.random.Generator, height: int, width: int, count: int) -> np.ndarray[Any, Any]:
    """Segments as the nearest of some points: borders that run every way, as those of cells do."""
    seeds = rng.uniform(0, 1, (count, 2)) * (height, width)
    y, x = np.indices((height, width))
    far = [(y - a) ** 2 + (x - b) ** 2 for a, b in seeds]
    ids = rng.integers(0, 2**64 - 1, count, "u8", endpoint=True)
    found: np.ndarray[Any, Any] = ids[np.argmin(far, axis=0)]
    return found


@pytest.mark.parametrize("count", [2, 20, 300])
def test_segments_are_sent_as_what_changes_from_row_to_row(count: int) -> None:
    labels = segments(np.random.default_rng(count), 150, 260, count)
    frame = label_frame(labels)
    assert frame.codec is Codec.ROWS
    assert np.array_equal(wire.pixels(frame), labels)
    ids = np.frombuffer(frame.payload[8 : 8 + 8 * len(np.unique(labels))], "<u8")
    assert np.array_equal(np.sort(ids), np.unique(labels))  # those that it shows, and each once
    assert len(frame.payload) - 8 - ids.nbytes < 0.25 * labels.size


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 200), st.integers(1, 12), st.data())
def test_a_plane_cut_from_several_slabs_is_one_frame(
    seed: int, height: int, width: int, count: int, data: st.DataObject
) -> None:
    labels = segments(np.random.default_rng(seed), height, width, count)
    edges = [sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=2))}) for n in (height, width)]
    parts = []
    for (top, bottom), (left, right) in itertools.product(*map(itertools.pairwise, edges)):
        inside = (slice(0, 1), slice(top, bottom), slice(left, right))
        part = labels[np.newaxis][inside]
        index, ids = indexed(part)
        # A slab of one id has no indices.
        parts.append((inside, index, ids) if len(ids) > 1 else (inside, np.broadcast_to(ids, part.shape), None))
    piece = joined((1, height, width), parts)
    frame = label_frame(piece.values[0], piece.ids, piece.same)
    assert np.array_equal(wire.pixels(frame), labels)
    if frame.codec is Codec.ROWS:
        assert int.from_bytes(frame.payload[:4], "little") == len(np.unique(labels))


@given(st.binary(max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_changes_that_make_no_sense_are_refused_or_read_but_never_leave_the_plane(
    code: bytes, height: int, width: int
) -> None:
    with contextlib.suppress(BadRequest):
        assert unpacked(code, (height, width), np.dtype("u4")).shape == (height, width)


@given(
    hnp.arrays(
        st.sampled_from(["u1", "u2", ">u2", "f4", "?", "i1", "i2", "u4", "f8"]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=20),
    )
)
def test_images_are_sent_as_they_are_or_as_float32(image: np.ndarray[Any, Any]) -> None:
    with np.errstate(over="ignore"):
        (back,) = wire.unpack(image_frame(image, Encoding()).pack())
        kept = {"uint8": "u1", "bool": "u1", "uint16": "u2"}.get(image.dtype.name, "f4")
        assert np.array_equal(wire.pixels(back), image.astype(kept), equal_nan=True)


def test_jpeg_is_close_to_the_voxels_seen_through_the_window() -> None:
    ramp = np.linspace(-1, 2, 64 * 64, dtype="f4").reshape(64, 64)
    frame = image_frame(ramp, Encoding(95, (0.0, 1.0)))
    assert frame.codec is Codec.JPEG
    assert frame.dtype is Dtype.U8
    wanted = np.clip(ramp, 0, 1) * 255
    assert np.abs(wire.pixels(frame) - wanted).max() < 8
    coarse = image_frame(ramp, Encoding(10, (0.0, 1.0)))
    assert len(coarse.payload) < len(frame.payload)


def test_jpeg_of_nan_is_black() -> None:
    values = np.full((16, 16), np.nan, "f4")
    values[:, 8:] = 1.0
    seen = wire.pixels(image_frame(values, Encoding(90, (0.0, 1.0))))
    assert seen[:, :7].max() < 10
    assert seen[:, 9:].min() > 245


def test_jpeg_of_what_is_no_byte_needs_a_window() -> None:
    with pytest.raises(BadRequest, match="win=low,high"):
        image_frame(np.arange(64, dtype="u2").reshape(8, 8), Encoding(75))


@pytest.mark.parametrize("cut", [1, 15, 17])
def test_a_stream_that_ends_early_is_refused(cut: int) -> None:
    whole = Frame(Codec.RAW, Dtype.U8, (1, 4), b"\1\2\3\4").pack()
    with pytest.raises(BadRequest, match="bytes"):
        list(wire.unpack(whole[:cut]))


def test_an_error_has_no_pixels() -> None:
    with pytest.raises(BadRequest, match="chunk 3 is damaged"):
        wire.pixels(Frame.error("chunk 3 is damaged"))
