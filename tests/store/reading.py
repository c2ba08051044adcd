"""The promises that every array in a file keeps, checked against numpy."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from ndlab.errors import OutOfBounds, ReadOnly
from ndlab.store.arrays import Array, Stored


def whole(stored: Stored, level: int = 0) -> np.ndarray[Any, Any]:
    array = stored.levels[level].array
    return array.read((0,) * len(array.shape), array.shape)


def assert_reads(stored: Stored, expected: np.ndarray[Any, Any], axes: str, level: int = 0) -> None:
    """All of it, boxes of it, into strided memory, in another process's copy; nothing outside, and no writing."""
    array = stored.levels[level].array
    assert isinstance(array, Array)
    assert "".join(stored.axes) == axes
    assert array.shape == expected.shape
    assert array.dtype == expected.dtype
    assert array.dtype.isnative
    assert len(array.chunks) == len(array.shape)
    assert all(1 <= c <= n for c, n in zip(array.chunks, array.shape, strict=True))
    np.testing.assert_array_equal(whole(stored, level), expected, strict=True)
    rng = np.random.default_rng(7)
    copy = pickle.loads(pickle.dumps(array))
    for _ in range(12):
        ends = np.sort(rng.integers(0, np.array(expected.shape) + 1, (2, expected.ndim)), axis=0)
        start, stop = tuple(map(int, ends[0])), tuple(map(int, ends[1]))
        want = expected[tuple(map(slice, start, stop))]
        got = copy.read(start, stop)
        np.testing.assert_array_equal(got, want, strict=True)
        assert got.flags.c_contiguous
        room = np.zeros((*want.shape[:-1], 2 * want.shape[-1]), want.dtype)[..., ::2]
        assert array.read(start, stop, room) is room
        np.testing.assert_array_equal(room, want)
    with pytest.raises(OutOfBounds, match="spans"):
        array.read((0,) * expected.ndim, (*expected.shape[:-1], expected.shape[-1] + 1))
    with pytest.raises(OutOfBounds):
        array.read((-1, *(0,) * (expected.ndim - 1)), expected.shape)
    with pytest.raises(ReadOnly, match=r"ingest it with ndlab\.ingest"):
        array.write((0,) * expected.ndim, expected)


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.normal(size=shape).astype(kind)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, dtype=kind.newbyteorder("="), endpoint=True).astype(kind)
