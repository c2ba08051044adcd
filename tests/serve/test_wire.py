"""Frames are what the browser half expects: both read widgets/test/frames.json."""

from __future__ import annotations

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
from ndlab.serve.query import Encoding
from ndlab.serve.tiles import hello
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
    if one["dtype"] == "u64":
        return label_frame(pixels, Encoding(75 if one["codec"] == "palette deflate" else None))
    return image_frame(pixels, Encoding())


@pytest.mark.parametrize("one", FRAMES, ids=[one["about"] for one in FRAMES])
def test_frames_are_packed_as_the_browser_unpacks_them(one: dict[str, Any]) -> None:
    frame = made(one)
    assert frame.codec.name.lower().replace("_", " ") == one["codec"]
    assert [*frame.shape] == one["shape"]
    if one["codec"] != "palette deflate":  # zlibs differ in what they make, not in what it means
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
    assert FIXTURE["hello"] == hello()
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
    ),
    st.sampled_from([None, 75]),
)
def test_ids_are_exact_to_the_last_bit(labels: np.ndarray[Any, Any], quality: int | None) -> None:
    (back,) = wire.unpack(label_frame(labels, Encoding(quality)).pack())
    assert np.array_equal(wire.pixels(back), labels.astype("u8"))


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 65535, 65536, 65537])
def test_indices_are_as_wide_as_the_ids_are_many(count: int) -> None:
    side = 320
    labels = (np.arange(side * side, dtype="u8") % np.uint64(count) + np.uint64(2**63)).reshape(side, side)
    frame = label_frame(labels, Encoding())
    assert np.array_equal(wire.pixels(frame), labels)
    width = 1 if count <= 256 else 2 if count <= 65536 else 4
    assert len(frame.payload) == (8 if count == 1 else 8 + 8 * count + width * side * side)


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
