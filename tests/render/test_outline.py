"""Outlines and filtered ids, against a walk over the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.errors import BadRequest
from ndlab.render.outline import among, filter_ids, outline
from ndlab.render.planes import plane

Array = np.ndarray[Any, Any]
IDS = [0, 1, 2, 2**32, 2**53, 2**53 + 1, 2**63, 2**64 - 1]
LABELS = hnp.arrays(np.uint64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from(IDS))
BLOCKS = hnp.arrays(np.uint64, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.sampled_from(IDS))
CHOSEN = st.lists(st.sampled_from([*IDS, 5, -1, 2**70]), max_size=6)


@given(LABELS)
def test_equals_a_walk_over_four_neighbours(labels: Array) -> None:
    expected = np.zeros(labels.shape, bool)
    for y, x in np.ndindex(labels.shape):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]:
                expected[y, x] |= bool(labels[y, x]) and labels[v, u] != labels[y, x]
    assert np.array_equal(outline(labels), expected)


@given(LABELS)
def test_equals_the_inner_boundary_of_scikit_image(labels: Array) -> None:
    """Background apart, it is skimage's thick boundary inside the objects."""
    from skimage.segmentation import find_boundaries

    small = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
    thick = find_boundaries(small, connectivity=1, mode="thick")
    assert np.array_equal(outline(labels), thick & (labels != 0))


def test_an_outline_is_drawn_in_a_plane() -> None:
    with pytest.raises(BadRequest, match="in a plane"):
        outline(np.zeros((2, 2, 2), int))


@given(BLOCKS, CHOSEN)
def test_only_listed_ids_are_left_r12(labels: Array, ids: list[int]) -> None:
    """R12: what is left is in the list and where it was; ids that differ beyond 53 bits are told apart."""
    found = filter_ids(labels, ids)
    assert set(found.reshape(-1).tolist()) <= {*ids, 0}
    wanted = set(ids)
    expected = [one if one in wanted else 0 for one in labels.reshape(-1).tolist()]
    assert found.reshape(-1).tolist() == expected
    assert found.dtype == labels.dtype


@given(BLOCKS, CHOSEN, st.sampled_from(["xy", "xz", "yz"]), st.data())
def test_objects_in_a_plane_are_the_filtered_plane_r14(
    labels: Array, ids: list[int], axes: str, data: st.DataObject
) -> None:
    """R14: xyanno, xzanno, yzanno: the plane of the filtered block is the filtered plane, and the same outline."""
    third = {"xy": 0, "xz": 1, "yz": 2}[axes]
    at = data.draw(st.integers(0, labels.shape[third] - 1))
    cut = np.take(labels, [at], axis=third)
    one, other = plane(filter_ids(cut, ids), axes), filter_ids(plane(cut, axes), ids)
    assert np.array_equal(one, other)
    assert np.array_equal(np.take(filter_ids(labels, ids), at, axis=third), one)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", ">u8"])
def test_every_whole_type_is_filtered(dtype: str) -> None:
    labels = np.arange(100).astype(dtype)
    assert filter_ids(labels, range(7, 300)).tolist() == [0] * 7 + list(range(7, 100))
    assert not among(labels, []).any()


def test_real_numbers_are_no_ids() -> None:
    with pytest.raises(BadRequest, match="labels are whole numbers"):
        filter_ids(np.zeros(3), [1])
