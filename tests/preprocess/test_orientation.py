"""All 48 orientations: lossless, there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, ReadOnly
from ndlab.preprocess import ORIENTATIONS, inverse_orientation, reorient
from ndlab.volume import Volume
from tests.preprocess.stacks import stored

VALUES = np.arange(3 * 4 * 5, dtype="u2").reshape(3, 4, 5)


def test_there_are_48_that_differ() -> None:
    vol = Volume.from_array(np.arange(27).reshape(3, 3, 3), (1, 1, 1))
    found = {reorient(vol, one).read().tobytes() for one in ORIENTATIONS}
    assert len(ORIENTATIONS) == len(found) == 48


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_there_and_back(orientation: str) -> None:
    vol = Volume.from_array(VALUES, (40, 8, 4), offset=(100, 20, 3), kind="labels")
    there = reorient(vol, orientation)
    back = reorient(there, inverse_orientation(orientation))
    np.testing.assert_array_equal(back.read(), VALUES)
    assert (back.voxel_size, back.offset, back.kind) == (vol.voxel_size, vol.offset, "labels")
    axes = [axis for axis in orientation if axis != "-"]
    assert there.shape == tuple(VALUES.shape["zyx".index(axis)] for axis in axes)
    assert there.voxel_size == tuple(vol.voxel_size["zyx".index(axis)] for axis in axes)


@given(st.sampled_from(ORIENTATIONS), st.data())
def test_any_part_of_a_turned_view_is_that_of_the_whole(orientation: str, data: st.DataObject) -> None:
    view = Volume.from_array(VALUES, (40, 8, 4))[1:, :3]
    turned = reorient(view, orientation)
    whole = turned.read()
    key = []
    for n in turned.shape:
        a = data.draw(st.integers(0, n - 1))
        key.append(slice(a, data.draw(st.integers(a + 1, n))))
    np.testing.assert_array_equal(turned[tuple(key)].read(), whole[tuple(key)])


def test_to_a_store(tmp_path: Path) -> None:
    vol = stored(VALUES, tmp_path / "a")
    found = reorient(vol, "x-yz", out=str(tmp_path / "b"), progress=False)
    np.testing.assert_array_equal(found.read(), VALUES.transpose(2, 1, 0)[:, ::-1])
    assert found.voxel_size == (4.0, 4.0, 50.0)


def test_what_is_no_orientation_is_said() -> None:
    vol = Volume.from_array(VALUES, (1, 1, 1))
    with pytest.raises(BadRequest, match="once each"):
        reorient(vol, "zzx")
    with pytest.raises(ReadOnly, match="only reads"):
        reorient(vol, "-zyx").write(None, VALUES)
