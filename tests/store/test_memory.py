from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, Unsupported
from ndlab.geometry import Calibration
from ndlab.store.arrays import Array
from ndlab.store.memory import memory_stored
from tests.store.making import texture
from tests.store.reading import whole

C = Calibration((40, 4, 4))


@pytest.mark.parametrize(
    ("shape", "axes", "names", "expected"),
    [
        ((7,), None, "zyx", (1, 1, 7)),
        ((6, 7), None, "zyx", (1, 6, 7)),
        ((5, 6, 7), None, "zyx", (5, 6, 7)),
        ((2, 5, 6, 7), None, "czyx", (2, 5, 6, 7)),
        ((3, 2, 5, 6, 7), None, "tczyx", (3, 2, 5, 6, 7)),
        ((7, 6, 5), "xyz", "zyx", (5, 6, 7)),
        ((7, 6, 2), "xyc", "czyx", (2, 1, 6, 7)),
        ((3, 5), "tz", "tzyx", (3, 5, 1, 1)),
    ],
)
def test_axes_in_canonical_order(shape: Any, axes: str | None, names: str, expected: Any) -> None:
    values = texture(shape, "u2")
    stored = memory_stored(values, C, axes)
    assert "".join(stored.axes) == names
    assert stored.levels[0].array.shape == expected
    order = sorted(range(len(shape)), key=lambda i: "tczyx".index((axes or "tczyx"[-len(shape) :])[i]))
    np.testing.assert_array_equal(whole(stored), values.transpose(order).reshape(expected))


@given(st.data())
def test_reads_are_copies_of_the_box(data: st.DataObject) -> None:
    values = texture((4, 5, 6))
    array = memory_stored(values, C).levels[0].array
    assert isinstance(array, Array)
    start = [data.draw(st.integers(0, n)) for n in values.shape]
    stop = [data.draw(st.integers(a, n)) for a, n in zip(start, values.shape, strict=True)]
    found = array.read(start, stop)
    np.testing.assert_array_equal(found, values[tuple(map(slice, start, stop))])
    found[...] = 0
    np.testing.assert_array_equal(whole(memory_stored(values, C)), values)
    out = np.zeros(found.shape, found.dtype)
    assert array.read(start, stop, out) is out
    array.write(start, np.zeros_like(out))
    assert not array.read(start, stop).any()
    assert pickle.loads(pickle.dumps(array)).shape == array.shape


@pytest.mark.parametrize(
    ("values", "axes", "kind", "message"),
    [
        (np.zeros((1,) * 6), None, BadRequest, r"an array of 6 axes\. a volume has 1 to 5 axes out of t, c, z, y, x"),
        (np.zeros(()), None, BadRequest, "an array of 0 axes"),
        (np.zeros((2, 2)), "zyx", BadRequest, "an array of 2 axes as axes='zyx'"),
        (np.zeros((2, 2, 2)), "zyq", Unsupported, "out of t, c, z, y, x, each at most once"),
        (np.zeros((2, 2, 2), complex), None, BadRequest, "an array of complex128.*bool, integer or floating"),
        (np.array([["a"]]), None, BadRequest, "an array of <U1"),
    ],
)
def test_arrays_that_are_no_volumes(values: Any, axes: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        memory_stored(values, C, axes)
