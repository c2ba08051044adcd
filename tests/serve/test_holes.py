"""Chunks that were never stored are told from those that hold the same values, chunk by chunk."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import ndlab
from ndlab.errors import BadRequest
from ndlab.serve import wire
from ndlab.serve.holes import constant_chunks, seen
from ndlab.serve.query import AXES
from ndlab.serve.tiles import TileService

SHAPE, CHUNK = (9, 200, 230), (4, 64, 32)


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    start=st.tuples(*[st.integers(0, 7)] * 3),
    chunks=st.tuples(*[st.integers(1, 5)] * 3),
    seed=st.integers(0, 99),
    nan=st.booleans(),
)
def test_chunks_of_one_value_are_those_that_a_look_at_each_finds(
    shape: tuple[int, int, int], start: tuple[int, int, int], chunks: tuple[int, int, int], seed: int, nan: bool
) -> None:
    values = (np.random.default_rng(seed).random(shape) < 0.15).astype("f4")
    if nan:
        values[values == 0] = np.nan
    want = set()
    steps = [range(s // c, -(-(s + n) // c)) for s, n, c in zip(start, shape, chunks, strict=True)]
    for place in itertools.product(*steps):
        low = [max(p * c, s) for p, c, s in zip(place, chunks, start, strict=True)]
        high = [min((p + 1) * c, s + n) for p, c, s, n in zip(place, chunks, start, shape, strict=True)]
        inside = values[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))]
        if len(np.unique(inside)) == 1:
            want.add((tuple(low), tuple(high)))
    assert set(constant_chunks(values, start, chunks)) == want


def store(path: Path, shards: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Write a store that lacks chunks, and without shards has some of zeros; return its values and what it lacks."""
    array = zarr.create_array(
        path, shape=SHAPE, chunks=CHUNK, shards=(8, 128, 128) if shards else None, dtype="u1",
        config={"write_empty_chunks": not shards},
    )  # fmt: skip
    rng = np.random.default_rng(3)
    values, missing = np.zeros(SHAPE, "u1"), np.zeros(SHAPE, bool)
    for place in itertools.product(*(range(-(-n // c)) for n, c in zip(SHAPE, CHUNK, strict=True))):
        box = tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, CHUNK, strict=True))
        kind = rng.choice(["grey", "zeros", "none"])
        values[box] = rng.integers(1, 255, values[box].shape, "u1") if kind == "grey" else 0
        # A shard is written whole, and leaves out the chunks that are all zeros.
        missing[box] = kind == "none" or (shards and kind == "zeros")
        if not shards and kind != "none":
            array[box] = values[box]
    if shards:
        array[:] = values
    return values, missing


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_each_tile_tells_which_of_its_chunks_were_never_stored(tmp_path: Path, axis: str, shards: bool) -> None:
    values, missing = store(tmp_path / "em.zarr", shards)
    assert 0.1 < missing.mean() < 0.9
    depth, rows, columns = AXES[axis]
    order = (depth, rows, columns)
    volume = ndlab.open(tmp_path / "em.zarr", axes="zyx", kind="image")
    with TileService() as service:
        key = service.add(volume[1:, 10:, 20:])
        values, missing = (one[1:, 10:, 20:].transpose(order) for one in (values, missing))
        for d, r, c in itertools.product((0, 5), (0, 1), (0, 1)):
            (data,) = service.tiles({"vol": key, "axis": axis, "s": "100", "k": f"{d},{r},{c}"})
            (frame,) = wire.unpack(data)
            if frame.flags & wire.OUTSIDE:
                continue
            inside = np.s_[d, r * 100 : (r + 1) * 100, c * 100 : (c + 1) * 100]
            np.testing.assert_array_equal(wire.pixels(frame), values[inside])
            told = np.zeros(frame.shape, bool)
            for r0, r1, c0, c1 in frame.holes:
                assert 0 <= r0 < r1 <= frame.shape[0]
                assert 0 <= c0 < c1 <= frame.shape[1]
                assert not told[r0:r1, c0:c1].any(), "each place once"
                told[r0:r1, c0:c1] = True
            if frame.flags & wire.ABSENT:
                told[:] = True
            np.testing.assert_array_equal(told, missing[inside])


def test_a_write_closes_a_hole(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(1, 255, (4, 128, 128), "u1")
    volume = ndlab.Volume.from_array(grey, (8, 8, 8)).like(tmp_path / "em.zarr", chunks=(4, 64, 64), shards=None)
    volume.write(ndlab.Box((0, 0, 0), (4, 64, 128)), grey[:, :64])
    with TileService() as service:
        key = service.add(volume)

        def holes() -> tuple[Any, ...]:
            (frame,) = wire.unpack(b"".join(service.tiles({"vol": key, "k": "1,0,0"})))
            return frame.holes

        assert sorted(holes()) == [(64, 128, 0, 64), (64, 128, 64, 128)]
        volume.write(ndlab.Box((0, 64, 0), (4, 128, 64)), 9)
        assert holes() == ((64, 128, 64, 128),)


@given(holes=st.lists(st.tuples(*[st.integers(0, 65535)] * 4), max_size=5), payload=st.binary(max_size=20))
def test_holes_come_back_out_of_a_frame(holes: list[tuple[int, int, int, int]], payload: bytes) -> None:
    frame = wire.Frame(wire.Codec.RAW, wire.Dtype.U8, (1, len(payload)), payload, holes=tuple(holes))
    (found,) = wire.unpack(frame.pack(3, wire.LAST))
    assert (found.payload, found.holes, found.flags) == (payload, tuple(holes), wire.LAST)


def test_a_frame_that_promises_more_holes_than_it_has_is_refused() -> None:
    head = wire.HEADER.pack(3, 0, wire.Codec.RAW, wire.Dtype.U8, 1, 1, wire.HOLES)
    with pytest.raises(BadRequest, match="ends with 9 holes"):
        list(wire.unpack(head + b"\x01\x09\x00"))


def test_a_hole_that_a_plane_does_not_meet_is_not_seen() -> None:
    assert seen([((0, 0, 0), (4, 8, 8))], (4, 0, 0), (5, 8, 8), 1, 2) == ()
