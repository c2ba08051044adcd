from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import OutOfBounds
from ndlab.spans import Estimate, Span


@given(st.integers(0, 50), st.integers(1, 20), st.data())
def test_cuts_within_a_span_equal_slices_of_a_range(start: int, n: int, data: st.DataObject) -> None:
    line = range(start, start + n)
    ends = st.none() | st.integers(-n, n)
    key = data.draw(st.builds(slice, ends, ends))
    found = Span(start, start + n).cut(key, "z")
    assert list(range(found.start, found.stop)) == list(line[key])
    assert not found.dropped
    index = data.draw(st.integers(-n, n - 1))
    one = Span(start, start + n).cut(index, "z")
    assert (one.start, one.stop, one.dropped) == (line[index], line[index] + 1, True)
    assert Span(start, start + n).cut(slice(np.int64(0), np.uint8(n)), "z") == Span(start, start + n)


def test_leaving_a_span_is_an_error_with_the_legal_extent() -> None:
    with pytest.raises(OutOfBounds, match=r"y 2:9 was asked for. y spans 0:8 here. stay within 0:8") as caught:
        Span(10, 18).cut(slice(2, 9), "y")
    assert (caught.value.axis, caught.value.shape) == ("y", 8)


def test_estimates_are_values_in_words() -> None:
    one = Estimate(nbytes=1_000_000, chunks=1200, shards=3, requests=1203, decoded=3_000_000)
    assert str(one) == "1 MB from 1,200 chunks: at most 1,203 requests, 3 MB decoded (3x)"
    assert pickle.loads(pickle.dumps(one)) == one
    assert "0 B from 0 chunks" in str(Estimate(0, 0, 0, 0, 0))
